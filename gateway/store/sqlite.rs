//! The embedded store: one SQLite file in WAL mode, one writer.
//!
//! The server is the only one that writes entries; a lock on a file beside it keeps a second server
//! away, and the system frees that lock whatever ends the process. Commands read while it runs.

mod entry;
mod labels;
mod migrate;
mod past;
mod probe;
mod read;
mod schema;
mod spent;
#[cfg(test)]
mod tests;
mod upkeep;
mod verify;
mod write;

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::Connection;

pub use self::{
    past::PastRow,
    probe::{held, usable},
    read::{Dimension, Entry, Filter, Reader, Sum},
    schema::LEDGER_COLUMNS,
    spent::{Spending, Spent},
    upkeep::{Keep, free_bytes},
    verify::Verification,
};
use crate::{
    config::Durability,
    record::{Group, LedgerStore, StoreError, Upkeep},
};

/// How long one of several writers to the file waits for another: a command's change is small.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a page of a new file. Rows are written in order, so large pages fill as well as small ones,
/// and a commit makes a quarter of the system calls.
const PAGE_BYTES: u32 = 16 * 1024;
/// Pages in the log before they are moved into the file, 16 MiB: hot pages are then moved once for
/// thousands of commits.
const CHECKPOINT_PAGES: u32 = 1_024;

/// The file that the server writes.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    memory: write::Memory,
    recovered: u64,
    /// The row of where the teams of this process hang; [`UNKNOWN_TREE`] until it is told.
    tree: i64,
    keep: Option<Keep>,
    _lock: File,
}

/// The tree of what was spent before trees were kept.
const UNKNOWN_TREE: i64 = 0;

pub(in crate::store) fn failed(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
        _ => StoreError::Failed(Box::new(error)),
    }
}

/// A moment as the column `started_at` says it.
pub(in crate::store) fn started_at(at_ms: i64) -> String {
    // Nothing began before the first year or after the last that a time can say.
    let least = jiff::Timestamp::UNIX_EPOCH;
    let at = jiff::Timestamp::from_millisecond(at_ms.max(0)).unwrap_or(least);
    format!("{at:.3}")
}

impl Sqlite {
    /// Opens or makes the file, brings its schema up to date and closes, marked `recovered`, the
    /// entries that a crash has left open.
    ///
    /// # Errors
    /// The file is in use by another server, newer than this program, or cannot be written.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let lock = lock_beside(path)?;
        let mut connection = Connection::open(path).map_err(failed)?;
        configure(&connection, durability).map_err(failed)?;
        migrate::migrate(&mut connection)?;
        let recovered = migrate::recover(&mut connection).map_err(failed)?;
        let (memory, tree, keep) = (write::Memory::default(), UNKNOWN_TREE, None);
        Ok(Self { connection, memory, recovered, tree, keep, _lock: lock })
    }

    /// Removes old entries and minds the free space from here on, when the writer has time for it.
    pub fn keep(&mut self, keep: Keep) {
        self.keep = Some(keep);
    }

    /// How many entries a crash had left open.
    #[must_use]
    pub fn recovered(&self) -> u64 {
        self.recovered
    }
}

fn lock_beside(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let io = |error: io::Error| {
        let told = io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        StoreError::Failed(Box::new(told))
    };
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(PathBuf::from(name))
        .map_err(io)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

fn configure(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Of an older file the size stays as it is.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    let synchronous = match durability {
        Durability::Power => "FULL",
        Durability::Process => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

impl LedgerStore for Sqlite {
    fn write(&mut self, group: &Group) -> Result<(), StoreError> {
        let Self { connection, memory, tree, .. } = self;
        write::write(connection, (memory, *tree), group).map_err(failed)
    }

    fn upkeep(&mut self) -> Upkeep {
        let Self { connection, keep, .. } = self;
        keep.as_mut().map_or_else(Upkeep::default, |keep| keep.step(connection))
    }
}
