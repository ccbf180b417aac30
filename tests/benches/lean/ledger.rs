//! A durable ledger that costs little: a thread commits what came meanwhile as one transaction.

use std::{
    error::Error,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::Notify;

type Fault = Box<dyn Error + Send + Sync>;

/// How long the thread lets the next group grow.
const GROUP: Duration = Duration::from_millis(2);

const TABLE: &str = "
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
    CREATE TABLE entry (
        id INTEGER PRIMARY KEY, state INTEGER, team TEXT, key TEXT, language TEXT, task TEXT, rule TEXT,
        model TEXT, reserved INTEGER, input INTEGER, output INTEGER, cost INTEGER, outcome TEXT
    )";
const OPEN: &str = "
    INSERT INTO entry (id, state, team, key, language, task, rule, model, reserved)
    VALUES (?1, 0, 'retail', 'chatbot', 'en', 'chat', 'default', 'gpt-oss-20b', 12345678)";
const CLOSE: &str = "
    UPDATE entry SET state = 1, input = ?2, output = ?3, cost = ?4, outcome = 'ok' WHERE id = ?1";

/// How a request ended.
pub(crate) struct Closed {
    /// Its number.
    pub number: u64,
    /// Tokens in.
    pub input: u64,
    /// Tokens out.
    pub output: u64,
}

/// The ledger: groups of entries, and how many groups are on disk.
#[derive(Default)]
pub(crate) struct Ledger {
    group: Mutex<Group>,
    begun: Condvar,
    on_disk: AtomicU64,
    committed: Notify,
}

/// What the next transaction will hold.
#[derive(Default)]
struct Group {
    number: u64,
    opened: Vec<u64>,
    closed: Vec<Closed>,
}

impl Ledger {
    /// Makes the file anew and starts the thread that writes it.
    pub(crate) fn start(path: &str) -> Result<Arc<Self>, Fault> {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{path}{suffix}"));
        }
        let mut file = Connection::open(path)?;
        file.execute_batch(TABLE)?;
        let ledger = Arc::new(Self::default());
        let writer = Arc::clone(&ledger);
        thread::spawn(move || writer.write(&mut file));
        Ok(ledger)
    }

    /// Opens an entry: the group that it will be durable with.
    pub(crate) fn open(&self, number: u64) -> u64 {
        let mut group = self.group();
        if group.opened.is_empty() {
            self.begun.notify_one();
        }
        group.opened.push(number);
        group.number
    }

    /// Closes an entry. Nobody waits for it.
    pub(crate) fn close(&self, closed: Closed) {
        self.group().closed.push(closed);
    }

    /// Waits until a group is on disk.
    pub(crate) async fn durable(&self, group: u64) {
        while self.on_disk.load(Ordering::Acquire) <= group {
            let mut committed = std::pin::pin!(self.committed.notified());
            committed.as_mut().enable();
            if self.on_disk.load(Ordering::Acquire) > group {
                return;
            }
            committed.await;
        }
    }

    fn group(&self) -> MutexGuard<'_, Group> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, file: &mut Connection) -> Result<(), Fault> {
        loop {
            let group = {
                let waiting = self.begun.wait_while(self.group(), |it| it.opened.is_empty());
                let mut group = waiting.unwrap_or_else(PoisonError::into_inner);
                let next = Group { number: group.number + 1, ..Group::default() };
                std::mem::replace(&mut *group, next)
            };
            commit(file, &group)?;
            self.on_disk.store(group.number + 1, Ordering::Release);
            self.committed.notify_waiters();
            thread::sleep(GROUP);
        }
    }
}

fn commit(file: &mut Connection, group: &Group) -> Result<(), Fault> {
    let transaction = file.transaction()?;
    {
        let mut open = transaction.prepare_cached(OPEN)?;
        for number in &group.opened {
            open.execute([number.cast_signed()])?;
        }
        let mut close = transaction.prepare_cached(CLOSE)?;
        for Closed { number, input, output } in &group.closed {
            let cost = input * 200 + output * 1_500;
            close.execute([number, input, output, &cost].map(|it| it.cast_signed()))?;
        }
    }
    transaction.commit()?;
    Ok(())
}
