//! How a command writes to a ledger, beside a server that writes to it or alone: one short transaction.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::{BUSY_TIMEOUT, Reader, audit, failed, files};
use crate::{outcome::AuditRecord, record::StoreError};

/// Appends a record to the audit trail of this ledger, of the moment at which it is written by this clock.
///
/// # Errors
/// There is no such file, it is no ledger of this version, or it cannot be written.
pub fn record(ledger: &Path, record: AuditRecord, now_ms: fn() -> i64) -> Result<(), StoreError> {
    write(ledger, |tx| audit::append(tx, &AuditRecord { at_ms: now_ms(), ..record }))
}

/// Writes to a ledger, all of it or nothing: where the writing fails, nothing is.
pub(super) fn write<T>(
    ledger: &Path,
    written: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> Result<T, StoreError> {
    // Says what is the matter with a file that is none of this version's.
    drop(Reader::open(ledger)?);
    files::openable(ledger, true)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(ledger, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let write = || {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = written(&tx)?;
        tx.commit()?;
        Ok(done)
    };
    write().map_err(failed)
}
