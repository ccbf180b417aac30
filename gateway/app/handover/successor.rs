//! The one that takes over.

use std::{io, path::Path, time::Duration};

use tokio::time::{Instant, timeout};

use super::{
    Sockets,
    channel::Channel,
    place::{Place, trusted},
    talk::{Answer, Ask, Doors, Quiesced, VERSION},
};

/// For an answer of the incumbent.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The process that is in charge until this one is.
pub(in crate::app) struct Predecessor {
    channel: Channel,
    pid: u32,
    since: Instant,
}

/// Whoever is in charge of the ledger, with its sockets; nothing where nobody is.
///
/// # Errors
/// Why the one in charge does not hand over.
pub(in crate::app) async fn find(
    ledger: &Path,
    doors: Doors,
) -> Result<Option<(Predecessor, Sockets)>, String> {
    let place = Place::beside(ledger);
    let stream = match place.connect().await {
        Ok(Some(stream)) => stream,
        Ok(None) => return Ok(None),
        // Nobody can be there either.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", place.shown())),
    };
    if !trusted(&stream) {
        return Err(format!("{}: it is of another user", place.shown()));
    }
    let mut it = Predecessor { channel: Channel::new(stream), pid: 0, since: Instant::now() };
    it.pid = match it.ask(&Ask::Hello { version: VERSION, doors }).await? {
        Some(Answer::Offer { pid }) => pid,
        None => return Ok(None),
        Some(other) => return Err(unexpected(&other)),
    };
    let passed = it.channel.take_passed().ok_or("its sockets did not come")?;
    let sockets = passed.map(Into::into);
    proved(&sockets, doors)?;
    it.log("its sockets have come: making ready while it serves");
    Ok(Some((it, sockets)))
}

/// They are where this configuration listens.
fn proved(sockets: &Sockets, doors: Doors) -> Result<(), String> {
    for (socket, wanted) in sockets.iter().zip([doors.server, doors.admin]) {
        let has = socket.local_addr().map_err(|error| format!("a socket of it: {error}"))?;
        if has.ip() != wanted.ip() || (wanted.port() != 0 && has.port() != wanted.port()) {
            return Err(format!("it gave a socket at {has} for {wanted}"));
        }
    }
    Ok(())
}

impl Predecessor {
    /// Has it take no more connections, and waits until what it has admitted is in the ledger.
    ///
    /// # Errors
    /// Why it goes on.
    pub(in crate::app) async fn quiesce(&mut self) -> Result<Quiesced, String> {
        self.log("ready but for the ledger");
        let quiesced = match self.ask(&Ask::Quiesce).await? {
            Some(Answer::Quiesced(quiesced)) => quiesced,
            None => self.gone(),
            Some(other) => return Err(unexpected(&other)),
        };
        self.log("it takes no more connections, and its entries are on disk");
        Ok(quiesced)
    }

    /// Has it leave. This process is in charge after it.
    ///
    /// # Errors
    /// Why it goes on.
    pub(in crate::app) async fn leave(mut self) -> Result<(), String> {
        match self.ask(&Ask::Serving).await? {
            Some(Answer::Yours) => {}
            None => self.gone(),
            Some(other) => return Err(unexpected(&other)),
        }
        self.log("taken over: it ends its streams and leaves");
        Ok(())
    }

    /// What is answered; nothing where it has ended. One that goes on says so first.
    async fn ask(&mut self, word: &Ask) -> Result<Option<Answer>, String> {
        // Whoever hears nothing any more may still have said why.
        let _ = self.channel.say(word).await;
        match timeout(ANSWER_MAX, self.channel.hear()).await {
            Ok(Ok(Some(Answer::Refused { why }))) => Err(why),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Ok(Err(error)) => Err(format!("its answer cannot be read: {error}")),
            Err(_) => Err(format!("it did not answer for {ANSWER_MAX:?}")),
        }
    }

    fn gone<T: Default>(&self) -> T {
        tracing::warn!(
            predecessor = self.pid,
            "it ended during the hand-over: going on without it"
        );
        T::default()
    }

    fn log(&mut self, what: &str) {
        let took_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(predecessor = self.pid, took_ms, "hand-over: {what}");
        self.since = Instant::now();
    }
}

fn unexpected(answer: &Answer) -> String {
    format!("its answer is out of turn: {answer:?}")
}
