//! The embedded store: one SQLite file in WAL mode, one writer.
//!
//! The server is the only one that writes entries; a lock on a file beside it keeps a second server
//! away, and the system frees that lock whatever ends the process. Commands read while it runs.

mod entry;
mod past;
mod probe;
mod read;
mod schema;
mod spent;
#[cfg(test)]
mod tests;
mod upkeep;

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use self::entry::Row;
pub use self::{
    past::PastRow,
    probe::{held, usable},
    read::{Dimension, Entry, Filter, Reader, Sum, Verification},
    schema::LEDGER_COLUMNS,
    spent::{Spending, Spent, TreeSetter},
    upkeep::{Keep, free_bytes},
};
use crate::{
    config::Durability,
    outcome::{EpochInfo, Outcome},
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

/// Epochs whose row is remembered: requests of the last few may still be under way.
const EPOCHS: usize = 8;

/// The file that the server writes.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    /// Rows of `epoch` known to be committed, the newest last.
    epochs: Vec<(Arc<EpochInfo>, i64)>,
    recovered: u64,
    /// The row of where the teams of this process hang; [`UNKNOWN_TREE`] until it is told.
    tree: i64,
    /// The tree that the next group is written under, where it is another.
    next_tree: TreeSetter,
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
        schema::migrate(&mut connection)?;
        let recovered = schema::recover(&mut connection).map_err(failed)?;
        let (epochs, tree, keep) = (Vec::new(), UNKNOWN_TREE, None);
        Ok(Self {
            connection,
            epochs,
            recovered,
            tree,
            next_tree: TreeSetter::default(),
            keep,
            _lock: lock,
        })
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
        self.hang_next()?;
        let Self { connection, epochs, tree, .. } = self;
        let written = write(connection, (epochs, *tree), group);
        if written.is_err() {
            // An epoch's row may have gone with the transaction.
            epochs.clear();
        }
        written.map_err(failed)
    }

    fn upkeep(&mut self) -> Upkeep {
        let Self { connection, keep, .. } = self;
        keep.as_mut().map_or_else(Upkeep::default, |keep| keep.step(connection))
    }
}

fn write(
    connection: &mut Connection,
    (epochs, tree): (&mut Vec<(Arc<EpochInfo>, i64)>, i64),
    group: &Group,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut page = Page { transaction: &transaction, epochs, tree, balance: BTreeMap::new() };
    page.open(group)?;
    page.close(group)?;
    page.add_balance()?;
    page.refuse(group)?;
    transaction.commit()
}

/// What one transaction is writing.
struct Page<'a> {
    transaction: &'a Transaction<'a>,
    epochs: &'a mut Vec<(Arc<EpochInfo>, i64)>,
    tree: i64,
    /// By quarter of an hour, team, key: nano-units and requests.
    balance: BTreeMap<(i64, &'a str, &'a str), (i64, i64)>,
}

impl<'a> Page<'a> {
    fn open(&mut self, group: &'a Group) -> rusqlite::Result<()> {
        if group.opened.is_empty() {
            return Ok(());
        }
        let mut insert = self.transaction.prepare_cached(schema::INSERT_OPEN)?;
        for opened in group.opened.values() {
            let epoch = self.epoch(&opened.names)?;
            let mut row = Row::of(&mut insert);
            row.opening(opened, epoch)?;
            row.insert()?;
        }
        Ok(())
    }

    fn close(&mut self, group: &'a Group) -> rusqlite::Result<()> {
        let mut delete = self.transaction.prepare_cached(schema::DELETE_OPEN)?;
        for outcome in &group.settled {
            delete.execute([outcome.opened.id.as_bytes().as_slice()])?;
        }
        let mut insert = self.transaction.prepare_cached(schema::INSERT_ENTRY)?;
        for outcome in group.whole.iter().chain(&group.settled) {
            let epoch = self.epoch(&outcome.opened.names)?;
            let mut row = Row::of(&mut insert);
            row.opening(&outcome.opened, epoch)?;
            row.closing(outcome)?;
            if row.insert()? > 0 {
                self.charge(outcome);
            }
        }
        Ok(())
    }

    fn charge(&mut self, outcome: &'a Outcome) {
        let (opened, caller) = (&outcome.opened, &outcome.opened.caller);
        let quarter = opened.started_at_ms.div_euclid(schema::QUARTER_MS);
        let cell = self.balance.entry((quarter, &caller.team_name, &caller.key_name)).or_default();
        cell.0 = cell.0.saturating_add(outcome.charge.cost.nano());
        cell.1 += 1;
    }

    fn add_balance(&mut self) -> rusqlite::Result<()> {
        let mut add = self.transaction.prepare_cached(schema::ADD_BALANCE)?;
        for ((quarter, team, key), (nano, requests)) in &self.balance {
            add.execute(params![quarter, self.tree, team, key, nano, requests])?;
        }
        Ok(())
    }

    fn refuse(&mut self, group: &Group) -> rusqlite::Result<()> {
        if group.refused.is_empty() {
            return Ok(());
        }
        let mut insert = self.transaction.prepare_cached(schema::INSERT_REFUSAL)?;
        for refused in &group.refused {
            let epoch = self.epoch(&refused.names)?;
            let mut row = Row::of(&mut insert);
            row.refusal(refused, epoch)?;
            row.insert()?;
        }
        Ok(())
    }

    /// The row of these names; made, with their price table, when they are new.
    fn epoch(&mut self, names: &Arc<EpochInfo>) -> rusqlite::Result<i64> {
        if let Some((_, id)) = self.epochs.iter().rev().find(|(known, _)| Arc::ptr_eq(known, names))
        {
            return Ok(*id);
        }
        let versions = params![
            names.replica,
            names.currency,
            names.policy_version,
            names.policy_hash,
            names.price_version,
            self.tree
        ];
        let find = |tx: &Transaction<'_>| {
            tx.query_row(schema::FIND_EPOCH, versions, |row| row.get(0)).optional()
        };
        let id = match find(self.transaction)? {
            Some(id) => id,
            None => {
                self.transaction.execute(schema::INSERT_EPOCH, versions)?;
                self.transaction.last_insert_rowid()
            }
        };
        self.prices(names)?;
        if self.epochs.len() == EPOCHS {
            self.epochs.remove(0);
        }
        self.epochs.push((Arc::clone(names), id));
        Ok(id)
    }

    fn prices(&self, names: &EpochInfo) -> rusqlite::Result<()> {
        let mut insert = self.transaction.prepare_cached(schema::INSERT_PRICE)?;
        for model in &names.models {
            let price = model.price.as_ref();
            insert.execute(params![
                names.price_version,
                model.id,
                names.currency,
                price.map(|price| price.input.nano()),
                price.map(|price| price.cached_input.nano()),
                price.map(|price| price.cache_write.nano()),
                price.map(|price| price.output.nano()),
                price.map(|price| price.reasoning.nano()),
            ])?;
        }
        Ok(())
    }
}
