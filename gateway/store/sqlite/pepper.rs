//! The fingerprint of the pepper with which a ledger's keys, users and sessions were hashed: by it a start
//! with another pepper is noticed. The pepper itself is never here.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{BUSY_TIMEOUT, boot::beside, failed, files, schema::SET_META};
use crate::record::StoreError;

/// The name of the fingerprint in `meta`.
const NAME: &str = "pepper_fingerprint";
const FIND: &str = "SELECT value FROM meta WHERE name = ?";
const KEEP: &str = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING";

/// What a ledger says of a pepper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PepperKnown {
    /// It is the one with which it was written.
    Same,
    /// It had no fingerprint, and has this one from now on.
    New,
    /// It was written with one that has this other fingerprint.
    Other(String),
}

/// The fingerprint, if there is one.
pub(super) fn find(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection.query_row(FIND, [NAME], |row| row.get(0)).optional()
}

/// Keeps the fingerprint where there is none yet.
pub(super) fn keep(connection: &Connection, fingerprint: &str) -> rusqlite::Result<PepperKnown> {
    let kept = connection.execute(KEEP, [NAME, fingerprint])? > 0;
    let found: String = connection.query_row(FIND, [NAME], |row| row.get(0))?;
    Ok(match found == fingerprint {
        true if kept => PepperKnown::New,
        true => PepperKnown::Same,
        false => PepperKnown::Other(found),
    })
}

/// The fingerprint that stands in a ledger, without making or changing anything: nothing where there is no
/// ledger, where it has none, or where it cannot be read, of which the start says more. Of a ledger that this
/// process has open, [`super::Reader`] says it: here, locks on it could be given up.
#[must_use]
pub fn pepper_fingerprint(ledger: &Path) -> Option<String> {
    let connection = unchanged(ledger).ok()?;
    find(&connection).ok()?
}

/// A connection to a ledger by which nothing is made or changed.
pub(super) fn unchanged(ledger: &Path) -> Result<Connection, StoreError> {
    files::openable(ledger, false)?;
    // A ledger without its log was closed in order and is in nobody's hands. Opened in the usual way, it
    // would have files made beside it.
    let alone = !beside(ledger, "-wal").exists();
    let path = ledger.to_str().ok_or(StoreError::NoLedger)?;
    let uri = format!("file:{}?immutable={}", escaped(path), u8::from(alone));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    Ok(connection)
}

/// Puts another fingerprint in the place of the one that a ledger has, if it has one; returns that. The
/// ledger must exist, and a server may be writing to it.
///
/// # Errors
/// It cannot be written, or is no ledger of a version that has a place for it.
pub fn accept_pepper(ledger: &Path, fingerprint: &str) -> Result<Option<String>, StoreError> {
    files::openable(ledger, true)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(ledger, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let mut swap = || {
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let before = find(&transaction)?;
        transaction.execute(SET_META, [NAME, fingerprint])?;
        transaction.commit()?;
        Ok(before)
    };
    swap().map_err(failed)
}

/// A path as a part of a URI.
fn escaped(path: &str) -> String {
    path.replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}
