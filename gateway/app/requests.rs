//! Requests of the past, for operators: read from the ledger's file beside its writer.

use std::{path::PathBuf, sync::Arc};

use uuid::Uuid;

use crate::{
    edge::admin::FindRequest,
    failure::{Failure, Kind, Stage},
    pipeline::Gateway,
    record::StoreError,
    store::Reader,
    why::Account,
};

/// What looks for a request in this ledger. Rows on their way to the disk are waited for first; where they
/// do not get there, what is there is read.
pub(super) fn finder(gateway: &Arc<Gateway>, ledger: PathBuf) -> FindRequest {
    let recorder = gateway.recorder.clone();
    Box::new(move |id: Uuid| {
        let (recorder, ledger) = (recorder.clone(), ledger.clone());
        Box::pin(async move {
            let _ = recorder.flushed().await;
            let read = move || -> Result<_, StoreError> {
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
