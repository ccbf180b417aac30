//! The ledger's file at the start: opened as soon as it is free, and the replica's name in it.

use std::{sync::Arc, time::Duration};

use super::{audit_key, epoch, pepper};
use crate::{
    config::{self, Config},
    record,
    store::{Keep, Sqlite},
};

/// For a process that has ended to let go of the ledger.
const LEAVING_MAX: Duration = Duration::from_millis(500);
/// How often it is looked whether it has.
const LEAVING_LOOK: Duration = Duration::from_millis(20);

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
            Err(record::StoreError::InUse(_)) if tokio::time::Instant::now() < tried_until => {
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
