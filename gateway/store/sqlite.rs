//! The embedded store: one SQLite file in WAL mode, one writer, or two while one hands over to the next.
//!
//! Servers alone write entries, and each entry names the process that has opened it; locks on files
//! beside the ledger say which of them live and keep others away. Commands read while they run.

mod boot;
mod entry;
mod handover;
mod labels;
mod migrate;
mod past;
mod probe;
mod read;
mod recover;
mod schema;
mod spent;
#[cfg(test)]
mod tests;
mod trees;
mod upkeep;
mod verify;
mod write;

use std::{path::Path, thread, time::Duration};

use rusqlite::{Connection, TransactionBehavior};

use self::boot::Boot;
pub use self::{
    boot::Predecessor,
    handover::{BootMark, BootMoney},
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

/// How long a reader waits for a writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often, and after what pause, one of two writers tries to begin while the other one writes: a group
/// takes milliseconds, and the other one then gathers for as long. About as long as a reader waits.
const BUSY_TRIES: i32 = 5_000;
const BUSY_PAUSE: Duration = Duration::from_millis(1);

/// Bytes of a page of a new file. A commit writes whole pages, mostly the last one of each table and index:
/// small ones save more in bytes and sums of bytes than they cost in system calls.
const PAGE_BYTES: u32 = 4 * 1024;
/// Pages in the log before they are moved into the file, 16 MiB: hot pages are then moved once for
/// thousands of commits.
const CHECKPOINT_PAGES: u32 = 4 * 1024;

/// The file that the server writes.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    memory: write::Memory,
    recovered: u64,
    keep: Option<Keep>,
    predecessor: Option<Predecessor>,
    /// Let go of after the connection.
    boot: Boot,
}

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
    /// Opens or makes the file as the only one that writes it, brings its schema up to date and closes,
    /// marked `recovered`, the entries that a crash has left open.
    ///
    /// # Errors
    /// The file is in use by another server, newer than this program, or cannot be written.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        Self::beside(path, durability, 0)
    }

    /// Opens the file as the successor of one that still writes it: its entries stay open until it has
    /// closed them, or has ended. Where there is no such one, this is [`Self::open`].
    ///
    /// # Errors
    /// As there; the file is in use when it has a successor already, and when it has another version's
    /// form, which is not changed under the hands of one that writes.
    pub fn join(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        Self::beside(path, durability, 1)
    }

    fn beside(path: &Path, durability: Durability, others_max: usize) -> Result<Self, StoreError> {
        let _door = boot::door(path)?;
        let living = boot::living(path)?;
        if living.len() > others_max {
            return Err(boot::in_use(path));
        }
        let mut connection = Connection::open(path).map_err(failed)?;
        configure(&mut connection, durability).map_err(failed)?;
        if !living.is_empty() && migrate::version(&connection).map_err(failed)? < migrate::NEWEST {
            return Err(boot::in_use(path));
        }
        migrate::migrate(&mut connection)?;
        let begin = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begin.map_err(failed)?;
        let recovered = recover::recover(&transaction, &living).map_err(failed)?;
        let boot = Boot::begin(&transaction, path, &living)?;
        transaction.commit().map_err(failed)?;
        boot.sweep();
        let predecessor = living.first().map(|it| Predecessor::new(*it));
        let (memory, keep) = (write::Memory::default(), None);
        Ok(Self { connection, memory, recovered, keep, predecessor, boot })
    }

    /// The one that wrote the file when this one joined it.
    #[must_use]
    pub fn predecessor(&self) -> Option<&Predecessor> {
        self.predecessor.as_ref()
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

fn configure(connection: &mut Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.busy_handler(Some(|tries| {
        thread::sleep(BUSY_PAUSE);
        tries < BUSY_TRIES
    }))?;
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
        let Self { connection, memory, boot, .. } = self;
        write::write(connection, (memory, boot.number), group).map_err(failed)
    }

    fn upkeep(&mut self) -> Upkeep {
        let Self { connection, keep, boot, predecessor, .. } = self;
        match (boot.recover_others(connection), predecessor) {
            (Ok(others), Some(it)) if !others.contains(&it.boot()) => it.set_gone(),
            (Ok(_), _) => {}
            // Tried again at the next step; until then they are only open for longer.
            (Err(error), _) => tracing::warn!(%error, "entries left open could not be closed"),
        }
        keep.as_mut().map_or_else(Upkeep::default, |keep| keep.step(connection))
    }
}
