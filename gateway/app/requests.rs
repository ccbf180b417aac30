//! Requests of the past, for operators: read from the ledger's file beside its writer.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    edge::admin::FindRequest,
    failure::{Failure, Kind, Stage},
    pipeline::Gateway,
    record::StoreError,
    store::Reader,
    why::Account,
};

/// Requests that are looked for at once: each takes a thread and reads the file, beside what is served.
const LOOKUPS_MAX: usize = 4;

/// What looks for a request in this ledger. Rows on their way to the disk are waited for first; where they
/// do not get there, what is there is read.
pub(super) fn finder(gateway: &Arc<Gateway>, ledger: PathBuf) -> FindRequest {
    let recorder = gateway.recorder.clone();
    let turns = Arc::new(Semaphore::new(LOOKUPS_MAX));
    Box::new(move |id: Uuid| {
        let (recorder, ledger, turns) = (recorder.clone(), ledger.clone(), Arc::clone(&turns));
        Box::pin(async move {
            let _ = recorder.flushed().await;
            let turn = turns.acquire_owned().await.map_err(|error| unreadable().because(error))?;
            let read = move || -> Result<_, StoreError> {
                // Kept until it has been read, also where nobody waits for it any more.
                let _turn = turn;
                let found = Reader::open(&ledger)?.request(id)?;
                Ok(found.map(|kept| Account::of(kept).json()))
            };
            match tokio::task::spawn_blocking(read).await {
                Ok(Ok(found)) => Ok(found),
                Ok(Err(error)) => Err(unreadable().because(error)),
                Err(error) => Err(unreadable().because(error)),
            }
        })
    })
}

fn unreadable() -> Failure {
    Failure::new(Kind::Unavailable, Stage::Record, "the ledger cannot be read")
}
