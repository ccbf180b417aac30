//! The embedded store: one SQLite file in WAL mode, one writer, or some while one hands over to the next.
//!
//! Servers alone write entries, and each entry names the process that has opened it; locks on files
//! beside the ledger say which of them live and keep others away. Commands read while they run.

mod adjust;
mod adjustment;
mod audit;
mod backup;
mod boot;
mod cached;
mod changes;
mod charges;
mod checkpoint;
mod checksum;
mod columns;
mod command;
mod counted;
mod damage;
mod decisions;
mod enrolled;
mod entry;
mod experiments;
mod files;
mod follow;
mod handover;
mod labels;
mod machines;
mod managed;
mod migrate;
mod observed;
mod past;
mod pepper;
mod priced;
mod probe;
mod read;
mod reader;
mod recognised;
mod recover;
mod removed;
mod request;
mod request_end;
mod schema;
mod shadow;
mod spent;
#[cfg(test)]
mod tests;
mod trees;
mod upkeep;
mod verify;
mod view;
mod write;

use std::{path::Path, sync::Arc, thread, time::Duration};

use rusqlite::{Connection, TransactionBehavior};

use self::boot::Boot;
pub use self::{
    adjust::{Corrected, Correction, adjust},
    adjustment::Adjustment,
    backup::{BackedUp, backup},
    boot::{Departure, Predecessors},
    changes::{audited_ms, free_to_write, note_uses, stored_managed, write_managed},
    charges::{Apart, ChargeLabels, ChargeSum, Charged, Charges, Removed, Span},
    checkpoint::Signer,
    columns::LEDGER_COLUMNS,
    command::record,
    counted::{Counted, CountedRow, counted},
    enrolled::EnrolledRow,
    follow::{Following, Settled},
    handover::{BootMark, BootMoney},
    machines::{HourlyFleet, Machines},
    managed::{ManagedError, managed_sum},
    observed::{Asked, Observed, ObservedRow},
    past::{PastArm, PastRow},
    pepper::{PepperKnown, accept_pepper, pepper_fingerprint},
    probe::{LEDGER_SCHEMA, held, older, older_in_use, usable},
    read::{Dimension, Entry, Filter, Sum},
    reader::Reader,
    recover::Recovered,
    request::{KeptRequest, Named},
    request_end::RequestEnd,
    shadow::ShadowRow,
    spent::{Balances, Spending, Spent},
    upkeep::{Keep, free_bytes},
    verify::Verification,
};
use crate::{
    config::Durability,
    outcome::AuditRecord,
    record::{Group, LedgerStore, StoreError, Upkeep},
};

/// How long a reader waits for a writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Boots that live at once, at the most: each takes memory and its turn to write, and so many successors
/// within one drain are no deployment but a loop.
const LIVING_MAX: usize = 16;

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
    recovered: Recovered,
    keep: Option<Keep>,
    signer: Option<Signer>,
    predecessors: Option<Predecessors>,
    files: files::Files,
    /// Let go of after the connection.
    boot: Boot,
}

pub(in crate::store) fn failed(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::NotADatabase) => StoreError::NoLedger,
        Some(ErrorCode::DatabaseCorrupt) => {
            StoreError::Damaged(format!("the file is damaged: {error}"))
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked,
        // Whoever only reads makes or writes the files beside it too.
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            let what = "it, its folder or a file beside it, such as its `-wal`, is not this user's to write";
            StoreError::Unusable(format!("{what}: {error}"))
        }
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
    /// Opens or makes the file as the one in charge of it, brings its schema up to date and closes, marked
    /// `recovered`, the entries that a crash has left open. Those of servers that leave stay open until
    /// these have closed them, or have ended.
    ///
    /// # Errors
    /// Another server is in charge of the file, it is newer than this program, or cannot be written; and it
    /// has another version's form, which is not changed under the hands of one that leaves.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        Self::beside(path, durability, 0)
    }

    /// Opens the file as the successor of one that is in charge of it. Where there is no such one, this is
    /// [`Self::open`].
    ///
    /// # Errors
    /// As there; the file is in use when the one in charge has a successor already.
    pub fn join(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        Self::beside(path, durability, 1)
    }

    fn beside(
        path: &Path,
        durability: Durability,
        in_charge_max: usize,
    ) -> Result<Self, StoreError> {
        let _admission = boot::admission_lock(path)?;
        let living = boot::living(path)?;
        let in_charge = living.iter().filter(|it| !it.leaving).count();
        if in_charge > in_charge_max || living.len() >= LIVING_MAX {
            return Err(boot::in_use(path));
        }
        let living: Vec<i64> = living.iter().map(|it| it.number).collect();
        files::create(path).map_err(|error| StoreError::Failed(Box::new(error)))?;
        files::openable(path, true)?;
        let mut connection = Connection::open(path).map_err(failed)?;
        configure(&mut connection, durability).map_err(failed)?;
        let found = migrate::version(&connection).map_err(failed)?;
        if !living.is_empty() && found < migrate::NEWEST {
            return Err(migrate::older_in_use(found).unwrap_or_else(|| boot::in_use(path)));
        }
        migrate::migrate(&mut connection)?;
        let begin = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begin.map_err(failed)?;
        let recovered = recover::recover(&transaction, &living).map_err(failed)?;
        let boot = Boot::begin(&transaction, path, &living)?;
        transaction.commit().map_err(failed)?;
        boot.sweep();
        recovered.say(path);
        let predecessors = Some(living).filter(|it| !it.is_empty()).map(Predecessors::new);
        let (memory, keep, signer) = (write::Memory::default(), None, None);
        let files = files::Files::of(path);
        Ok(Self { connection, memory, recovered, keep, signer, predecessors, files, boot })
    }

    /// Those that wrote the file when this one came; nothing where it was alone.
    #[must_use]
    pub fn predecessors(&self) -> Option<&Predecessors> {
        self.predecessors.as_ref()
    }

    /// Where this one says that it leaves the file to others.
    #[must_use]
    pub fn departure(&self) -> Departure {
        self.boot.departure()
    }

    /// The name of the replica that writes this file: once made, it stays. `made` is taken where there
    /// is none yet.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn replica(&mut self, made: &str) -> Result<String, StoreError> {
        spent::replica(&self.connection, made).map_err(failed)
    }

    /// Keeps the fingerprint of the pepper by which this ledger's hashes are made, where it has none yet;
    /// says whether it is the same.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn pepper(&self, fingerprint: &str) -> Result<PepperKnown, StoreError> {
        pepper::keep(&self.connection, fingerprint).map_err(failed)
    }

    /// Removes old entries and minds the free space from here on, when the writer has time for it.
    pub fn keep(&mut self, keep: Keep) {
        self.keep = Some(keep);
    }

    /// Signs the audit trail from here on, and appends this record of the key unless it signs already.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn sign(&mut self, signer: Signer, introduced: AuditRecord) -> Result<(), StoreError> {
        let begin = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begin.map_err(failed)?;
        checkpoint::introduce(&transaction, introduced).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        self.signer = Some(signer);
        Ok(())
    }

    /// The entries that a crash had left open.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
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
        if self.files.lost() {
            return Upkeep { lost: true, ..Upkeep::default() };
        }
        let Self { connection, keep, signer, boot, predecessors, .. } = self;
        boot.renew();
        match (boot.recover_others(connection), predecessors) {
            (Ok(others), Some(it)) if it.boots().iter().all(|boot| !others.contains(boot)) => {
                it.set_gone();
            }
            (Ok(_), _) => {}
            // Tried again at the next step; until then they are only open for longer.
            (Err(error), _) => {
                let (ledger, error) = (connection.path().unwrap_or_default(), failed(error));
                tracing::warn!(ledger, %error, "entries left open could not be closed");
            }
        }
        if let Some(signer) = signer {
            signer.step(connection, false);
        }
        let audit_head = audit::head(connection).ok().flatten().map_or(0, |(seq, _)| seq);
        let upkeep = keep.as_mut().map_or_else(Upkeep::default, |keep| keep.step(connection));
        Upkeep { audit_head, ..upkeep }
    }

    fn writer(&self) -> Option<(Arc<str>, i64)> {
        let replica = counted::replica(&self.connection).ok()??;
        Some((replica.into(), self.boot.number))
    }

    fn place(&self) -> String {
        self.connection.path().unwrap_or_default().to_owned()
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        if let Some(signer) = &mut self.signer {
            signer.step(&mut self.connection, true);
        }
        if !self.files.lost() {
            return Ok(());
        }
        // What this process has written is in files that nobody can open any more.
        let copy = self.boot.rescue();
        self.connection
            .backup("main", &copy, None::<fn(rusqlite::backup::Progress)>)
            .map_err(failed)?;
        Err(StoreError::Lost(copy.display().to_string()))
    }
}
