//! The ledger's file at the start: opened as soon as it is free, and the replica's name in it.

use std::{path::Path, sync::Arc, time::Duration};

use super::{audit_key, epoch, pepper};
use crate::{
    config::{self, Config},
    record,
    store::{self, Keep, Sqlite},
};

/// For a process that has ended to let go of the ledger.
const LEAVING_MAX: Duration = Duration::from_millis(500);
/// How often it is looked whether it has.
const LEAVING_LOOK: Duration = Duration::from_millis(20);

/// Whether this process can be the next one on the ledger's file, whoever has it: one of an older schema
/// stays as it is until it is in nobody's hands.
///
/// # Errors
/// It has an older schema, and somebody has it.
pub(super) async fn of_this_schema_or_free(ledger: &Path) -> Result<(), record::StoreError> {
    let tried_until = tokio::time::Instant::now() + LEAVING_MAX;
    while let Some(error) = store::older_in_use(ledger) {
        if tokio::time::Instant::now() >= tried_until {
            return Err(error);
        }
        tokio::time::sleep(LEAVING_LOOK).await;
    }
    Ok(())
}

/// The ledger's file, ready to be written by this process, beside one that writes to it or alone; and
/// the replica's name in it.
pub(super) async fn books(
    config: &Config,
    beside: bool,
) -> Result<(Sqlite, Arc<str>), record::StoreError> {
    let config::Ledger { sqlite, durability, retention_days, disk_free_bytes_min, .. } =
        &config.ledger;
    let open = if beside { Sqlite::join } else { Sqlite::open };
    let tried_until = tokio::time::Instant::now() + LEAVING_MAX;
    let mut store = loop {
        match open(sqlite, *durability) {
            // A process that was killed a moment ago may not have let go of it yet.
            Err(record::StoreError::InUse(_) | record::StoreError::OlderInUse { .. })
                if tokio::time::Instant::now() < tried_until =>
            {
                tokio::time::sleep(LEAVING_LOOK).await;
            }
            opened => break opened?,
        }
    };
    let replica = store.replica(&epoch::replica(rand::random()))?;
    let now_ms: fn() -> i64 = || jiff::Timestamp::now().as_millisecond();
    let folder = pepper::folder(&config.ledger).to_owned();
    audit_key::sign(&mut store, (config.audit_key.as_ref(), &folder), now_ms)?;
    store.keep(Keep::new(*retention_days, *disk_free_bytes_min, folder, now_ms));
    Ok((store, replica.into()))
}
