//! Changes of what is managed, by whoever makes them: a server or a command beside it, on a connection of its
//! own; and what is managed, read without making or changing anything.

use std::{path::Path, sync::Arc, time::Duration};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use super::{
    BUSY_TIMEOUT, audit, boot, failed, files,
    managed::{ManagedError, read, write_on},
    migrate, pepper,
};
use crate::{
    config::{Managed, ManagedRow},
    outcome::AuditRecord,
    record::StoreError,
};

const USED: &str = "INSERT INTO key_use (\"key\", at_ms) VALUES (?,?) ON CONFLICT DO UPDATE SET \
     at_ms = max(at_ms, excluded.at_ms)";

/// Writes rows with their audit records, all of it or nothing, if the last change still has this number.
/// Returns the number of the new last change. A server may be writing to the ledger: it is waited for so
/// long.
///
/// # Errors
/// Something else was changed meanwhile, or the file cannot be written: then nothing is written, then or
/// later.
pub fn write_managed(
    ledger: &Path,
    expected: i64,
    rows: &[(ManagedRow, AuditRecord)],
    wait: Duration,
) -> Result<i64, ManagedError> {
    write_on(&mut beside_server(ledger, wait)?, expected, rows)
}

/// Whether somebody could write to the ledger now, without waiting and without writing.
///
/// # Errors
/// [`StoreError::Locked`] where somebody else is writing; the file cannot be opened for writing.
pub fn free_to_write(ledger: &Path) -> Result<(), StoreError> {
    let mut connection = opened(ledger, Duration::ZERO)?;
    let begin = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    begin.and_then(Transaction::rollback).map_err(failed)
}

/// Keeps when keys were last used, each by its name, in milliseconds since 1970.
///
/// # Errors
/// The file cannot be written.
pub fn note_uses(ledger: &Path, uses: &[(Arc<str>, i64)]) -> Result<(), StoreError> {
    let mut connection = beside_server(ledger, BUSY_TIMEOUT)?;
    let write = |tx: &Transaction<'_>| {
        let mut used = tx.prepare_cached(USED)?;
        uses.iter().try_for_each(|(key, at_ms)| used.execute(params![key, at_ms]).map(|_| ()))
    };
    let begin = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let tx = begin.map_err(failed)?;
    write(&tx).and_then(|()| tx.commit()).map_err(failed)
}

/// What is managed beside the configuration of this ledger, without making or changing anything: nothing
/// where there is no ledger yet, another version's, or no file that can be opened, of which the start says
/// more.
///
/// # Errors
/// The file cannot be read.
pub fn stored_managed(ledger: &Path) -> Result<Managed, StoreError> {
    let Ok(connection) = pepper::unchanged(ledger) else { return Ok(Managed::default()) };
    match migrate::version(&connection).map_err(failed) {
        // A start reads them before it brings an older file to its own form.
        Ok(migrate::MANAGED..=migrate::NEWEST) => {
            read(&connection, &Managed::default()).map_err(failed)
        }
        // What is there is not known then: that is not nothing.
        Err(StoreError::Locked) => Err(StoreError::Locked),
        _ => Ok(Managed::default()),
    }
}

/// When the newest record of the audit trail was made, in milliseconds since 1970, without making or changing
/// anything; 0 where there is none, or where it cannot be read.
#[must_use]
pub fn audited_ms(ledger: &Path) -> i64 {
    let newest = |it: Connection| audit::newest_ms(&it).ok();
    pepper::unchanged(ledger).ok().and_then(newest).unwrap_or(0)
}

/// A connection that writes a few rows beside a server, if there is one. A ledger that is not there yet is
/// made.
///
/// # Errors
/// The file is another version's, or cannot be written.
fn beside_server(ledger: &Path, wait: Duration) -> Result<Connection, StoreError> {
    if matches!(files::openable(ledger, true), Err(StoreError::Absent)) {
        let _admission = boot::admission_lock(ledger)?;
        files::create(ledger).map_err(|error| StoreError::Failed(Box::new(error)))?;
        let mut connection = Connection::open(ledger).map_err(failed)?;
        connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
            .map_err(failed)?;
        migrate::migrate(&mut connection)?;
    }
    opened(ledger, wait)
}

/// The same of a ledger that is there.
fn opened(ledger: &Path, wait: Duration) -> Result<Connection, StoreError> {
    files::openable(ledger, true)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(ledger, flags).map_err(failed)?;
    connection.busy_timeout(wait).map_err(failed)?;
    // What was told to somebody survives a power cut, whatever entries do.
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    match migrate::version(&connection).map_err(failed)? {
        migrate::NEWEST => Ok(connection),
        found if found > migrate::NEWEST => {
            Err(StoreError::Newer { found, known: migrate::NEWEST })
        }
        i64::MIN..=0 => Err(StoreError::NoLedger),
        found => Err(StoreError::Older { found, known: migrate::NEWEST }),
    }
}
