//! Boots: who writes the ledger. Each process that opens it for writing has a number, which its entries
//! carry, and a file of its own beside the ledger that it keeps locked as long as it lives. The system
//! frees that lock whatever ends the process, so an open entry that still runs is told from one that a
//! crash has left. The file says whether its process is in charge or leaves: one is in charge, a second may
//! join it to succeed it, and any that leave write beside them until they end.
//!
//! `<ledger>.lock` is the door: it is locked only while somebody is let in, so that two never are at
//! once. An earlier version keeps it locked as long as it runs.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{failed, recover};
use crate::record::StoreError;

/// What the name of a boot's file has between the ledger's name and the number.
const FILE: &str = ".boot-";
/// How often the door is tried, and how long is waited between: another one is let in within that, and
/// somebody who only looks is gone at once.
const DOOR_TRIES: u32 = 40;
const DOOR_WAIT: Duration = Duration::from_millis(5);

/// What the file of one that leaves begins with; of one that is in charge it is empty.
const LEAVING: &[u8] = b"leaving\n";

/// A boot that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Living {
    /// Its number.
    pub(super) number: i64,
    /// Whether it has said that it takes in no more requests.
    pub(super) leaving: bool,
}

/// Where a process says whether it leaves the ledger to others.
#[derive(Clone, Debug)]
pub struct Departure {
    file: PathBuf,
    leaves: Arc<AtomicBool>,
}

impl Departure {
    /// Says that this process leaves: from now on another one may be in charge of the ledger while it ends
    /// what it has admitted. `false` takes it back.
    pub fn announce(&self, leaves: bool) {
        self.leaves.store(leaves, Ordering::Release);
        // Its lock says that the file is this process's; a file that is gone is not made again.
        let said = OpenOptions::new()
            .write(true)
            .open(&self.file)
            .and_then(|mut file| if leaves { file.write_all(LEAVING) } else { file.set_len(0) });
        if let Err(error) = said {
            let file = self.file.display();
            tracing::warn!(%file, %error, "cannot say whether this process leaves the ledger");
        }
    }
}

/// This process as one that writes the ledger.
#[derive(Debug)]
pub(super) struct Boot {
    /// The number that its entries carry.
    pub(super) number: i64,
    ledger: PathBuf,
    /// Whether it has said that it leaves.
    leaves: Arc<AtomicBool>,
    /// Locked until the process ends or the boot is dropped.
    _lock: File,
}

/// The boots that were alive when this one came: the one that it succeeds, and those that drain since an
/// earlier hand-over.
#[derive(Clone, Debug)]
pub struct Predecessors {
    boots: Arc<[i64]>,
    gone: Arc<AtomicBool>,
}

impl Predecessors {
    pub(super) fn new(boots: Vec<i64>) -> Self {
        Self { boots: boots.into(), gone: Arc::default() }
    }

    /// The numbers that their entries carry, the oldest first.
    #[must_use]
    pub fn boots(&self) -> &[i64] {
        &self.boots
    }

    /// Whether none of them writes any more and all of their entries are closed. The successor's writer
    /// finds that in its upkeep, about a second after the last of them has ended.
    #[must_use]
    pub fn gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    pub(super) fn set_gone(&self) {
        self.gone.store(true, Ordering::Release);
    }
}

/// The path of what stands beside the ledger.
pub(super) fn beside(ledger: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(ledger);
    name.push(end);
    name.into()
}

fn file_of(ledger: &Path, number: i64) -> PathBuf {
    beside(ledger, &format!("{FILE}{number}"))
}

pub(super) fn io_failed(path: &Path, error: &io::Error) -> StoreError {
    let told = io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    StoreError::Failed(Box::new(told))
}

/// Whether somebody holds a lock on this file. Whoever only asks shares the lock, so those who ask are in
/// nobody's way but the owner's, and he has locked his file before it has its name.
pub(super) fn locked(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(file) => match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        },
    }
}

/// The numbers of all boots that have a file beside the ledger, dead ones included.
fn files(ledger: &Path) -> io::Result<Vec<i64>> {
    let folder = ledger.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = ledger.file_name() else { return Ok(Vec::new()) };
    let number = |file: OsString| {
        let end = file.as_encoded_bytes().strip_prefix(name.as_encoded_bytes())?;
        str::from_utf8(end).ok()?.strip_prefix(FILE)?.parse::<i64>().ok()
    };
    let mut numbers = Vec::new();
    for file in fs::read_dir(folder)? {
        numbers.extend(number(file?.file_name()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The boots that live, the oldest first.
pub(super) fn living(ledger: &Path) -> Result<Vec<Living>, StoreError> {
    let mut living = Vec::new();
    for number in files(ledger).map_err(|error| io_failed(ledger, &error))? {
        let file = file_of(ledger, number);
        if locked(&file).map_err(|error| io_failed(&file, &error))? {
            // One that cannot be read, or has ended just now, is taken for one in charge.
            let leaving = fs::read(&file).is_ok_and(|it| it == LEAVING);
            living.push(Living { number, leaving });
        }
    }
    Ok(living)
}

/// The door, locked: until the file is dropped nobody else is let in.
pub(super) fn admission_lock(ledger: &Path) -> Result<File, StoreError> {
    let path = beside(ledger, ".lock");
    let door = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let door = door.map_err(|error| io_failed(ledger, &error))?;
    for _ in 0..DOOR_TRIES {
        match door.try_lock() {
            Ok(()) => return Ok(door),
            Err(TryLockError::WouldBlock) => thread::sleep(DOOR_WAIT),
            Err(TryLockError::Error(error)) => return Err(io_failed(ledger, &error)),
        }
    }
    Err(in_use(ledger))
}

pub(super) fn in_use(ledger: &Path) -> StoreError {
    StoreError::InUse(ledger.display().to_string())
}

/// A locked file at a path, which has its name only once it is locked.
fn lock(unnamed: &Path, path: &Path, says: &[u8]) -> io::Result<File> {
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(unnamed);
    let mut file = open?;
    file.try_lock().map_err(io::Error::from)?;
    file.write_all(says)?;
    fs::rename(unnamed, path)?;
    Ok(file)
}

impl Boot {
    /// Takes the next number, and locks the file of that name. It counts once the transaction is
    /// committed; the door must be held.
    pub(super) fn begin(
        transaction: &Transaction<'_>,
        ledger: &Path,
        living: &[i64],
    ) -> Result<Self, StoreError> {
        let least = living.iter().max().copied().unwrap_or(0);
        let number = recover::add_boot(transaction, least).map_err(failed)?;
        let file = file_of(ledger, number);
        let lock = lock(&beside(ledger, ".boot"), &file, b"");
        let lock = lock.map_err(|error| io_failed(&file, &error))?;
        Ok(Self { number, ledger: ledger.to_owned(), leaves: Arc::default(), _lock: lock })
    }

    /// Where it says that it leaves.
    pub(super) fn departure(&self) -> Departure {
        let file = file_of(&self.ledger, self.number);
        Departure { file, leaves: Arc::clone(&self.leaves) }
    }

    /// Makes its file anew where it was removed: without it another one would take this process for dead.
    pub(super) fn renew(&mut self) {
        let file = file_of(&self.ledger, self.number);
        if file.exists() {
            return;
        }
        let leaving = self.leaves.load(Ordering::Acquire);
        let shown = file.display();
        match lock(&beside(&file, ".new"), &file, if leaving { LEAVING } else { b"" }) {
            Ok(lock) => {
                self._lock = lock;
                tracing::warn!(file = %shown, "the file of this process was removed: made anew");
            }
            // Tried again at the next step.
            Err(error) => tracing::warn!(
                file = %shown,
                %error,
                "the file of this process was removed and cannot be made anew: another one may take \
                 this process for dead"
            ),
        }
    }

    /// Where what it has written is copied when the ledger's files are gone.
    pub(super) fn rescue(&self) -> PathBuf {
        beside(&self.ledger, &format!(".rescued-{}-{}", self.number, std::process::id()))
    }

    /// Whether another boot lives. In doubt it does: its entries are left alone.
    fn lives(&self, number: i64) -> bool {
        locked(&file_of(&self.ledger, number)).unwrap_or(true)
    }

    /// Removes the files of the boots that are dead.
    pub(super) fn sweep(&self) {
        for number in files(&self.ledger).unwrap_or_default() {
            if number != self.number && !self.lives(number) {
                // One that stays is only looked at again.
                let _ = fs::remove_file(file_of(&self.ledger, number));
            }
        }
    }

    /// Closes what boots that have died meanwhile have left open, at the whole reservations; returns the
    /// numbers of the others that have not ended.
    pub(super) fn recover_others(&self, connection: &mut Connection) -> rusqlite::Result<Vec<i64>> {
        let others = recover::others(connection, self.number)?;
        if others.iter().all(|number| self.lives(*number)) {
            return Ok(others);
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Asked again: whoever was let in meanwhile has its row and its lock by now.
        let mut living = recover::others(&transaction, self.number)?;
        living.retain(|number| self.lives(*number));
        living.push(self.number);
        let closed = recover::recover(&transaction, &living)?;
        transaction.commit()?;
        self.sweep();
        closed.say(&self.ledger);
        living.pop();
        Ok(living)
    }
}

impl Drop for Boot {
    fn drop(&mut self) {
        // A file that stays says no more than one that is gone: nobody holds its lock.
        let _ = fs::remove_file(file_of(&self.ledger, self.number));
    }
}
