//! The addresses that are listened on where nobody hands their sockets over.

use std::{io, net::SocketAddr, path::Path, time::Duration};

use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};

use super::{
    StartError,
    handover::{self, Sockets},
};
use crate::{config::Config, edge::accept, store};

/// How long, and how often, an address is tried that a gateway on the same ledger may be leaving. Within
/// that time one that stays makes a socket of the hand-over anew that was removed.
const CLOSING_MAX: Duration = Duration::from_secs(2);
const CLOSING_PAUSE: Duration = Duration::from_millis(20);

/// Sockets at the configured addresses, where there are none yet.
pub(super) async fn open(
    config: &Config,
    [api, admin]: [Option<std::net::TcpListener>; 2],
) -> Result<Sockets, StartError> {
    let ledger = &config.ledger.sqlite;
    let api = listen(api, config.server.listen, ledger).await?;
    Ok([api, listen(admin, config.admin.listen, ledger).await?])
}

async fn listen(
    passed: Option<std::net::TcpListener>,
    addr: SocketAddr,
    ledger: &Path,
) -> Result<std::net::TcpListener, StartError> {
    if let Some(passed) = passed {
        return Ok(passed);
    }
    let until = Instant::now() + CLOSING_MAX;
    loop {
        let error = match accept::listen(addr).and_then(TcpListener::into_std) {
            Ok(socket) => return Ok(socket),
            Err(error) => error,
        };
        if error.kind() != io::ErrorKind::AddrInUse {
            return Err(StartError::Listen { addr, source: error });
        }
        // A gateway that leaves cannot be found any more, but its doors are about to close.
        let held = store::held(ledger);
        if !held || Instant::now() > until {
            return Err(StartError::Listen { addr, source: in_use(&error, ledger, held) });
        }
        sleep(CLOSING_PAUSE).await;
    }
}

/// The error with what was found of those who may listen there.
fn in_use(error: &io::Error, ledger: &Path, held: bool) -> io::Error {
    let shown = ledger.display();
    let found = handover::found(ledger);
    let said = if held {
        format!(
            "{error}: a signalbox runs on {shown}, but it cannot be asked to hand over: {found}. \
             Stop it, or start again when it has made that socket anew"
        )
    } else {
        format!(
            "{error}: another process listens there, which is no signalbox on {shown} ({found}). \
             Stop it, or choose another address"
        )
    };
    io::Error::new(error.kind(), said)
}
