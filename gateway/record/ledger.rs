//! Group commit: many requests, one transaction.
//!
//! A request appends its row to one shared buffer and keeps a number; one thread takes the whole
//! buffer, has it written in one transaction and publishes the last number that is durable. No
//! channel and no hand-off per request: whose number is durable already waits for nothing.
//!
//! A transaction costs as much as some thirty rows in it, so the writer is patient: it takes the
//! buffer when somebody waits for a row in it, or when the oldest has lain there for some
//! milliseconds. A model takes longer than that, and so almost nobody ever waits.

use std::{
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    CommitNumber,
    group::{Group, LedgerStore, OnCommit, Pace, Rows, StoreError},
    health::Health,
};
use crate::{
    failure::Failure,
    outcome::{Opened, Outcome},
};

/// How long a request waits for its entry before it is turned away, unless it is known before that the entry
/// cannot be written: a flush takes milliseconds, and another replica serves better than seconds of waiting.
const DURABLE_WAIT: Duration = Duration::from_secs(2);

/// Rows for which nobody waits are gathered so many times longer, about 12 ms in all: less than the
/// fastest backends take to answer.
const PATIENCE_GATHERS: u32 = 5;

/// A failed write is repeated after this many gathering times.
const RETRY_AFTER_GATHERS: u32 = 25;

/// A store that fails at once must not make the writer spin.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(1);
/// How often the store is asked for its upkeep, such as a look at the disk's free space.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);
/// Upkeep that has more to do rests for so many times as long as its last piece took: it has a tenth
/// of the writer's time.
const UPKEEP_RESTS: u32 = 9;
/// And never less than this.
const UPKEEP_REST_MIN: Duration = Duration::from_millis(20);

/// How often the last write is tried when the process ends.
const LAST_TRIES: u32 = 3;

#[derive(Default)]
struct Buffer {
    rows: Rows,
    /// Number of the last row appended.
    last: u64,
    /// Number of the last row taken by the writer.
    taken: u64,
    /// The writer sleeps until there is a row.
    asleep: bool,
    /// The writer gathers rows until somebody waits for one.
    patient: bool,
    /// Somebody waits for a row that is not taken yet.
    wanted: bool,
    stopping: bool,
}

struct Shared {
    buffer: Mutex<Buffer>,
    wake: Condvar,
    appended: AtomicU64,
    durable: AtomicU64,
    published: watch::Sender<u64>,
    health: Health,
    on_commit: OnceLock<OnCommit>,
}

/// The ledger as requests use it: append, and wait until it is durable. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

/// The writer's thread. Dropping it flushes as [`Self::finish`] does.
pub struct WriterHandle {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Ledger {
    /// Starts the writer. After each group it gathers rows for `gather` (about 2 ms) before it
    /// takes the next, so that a flush serves many; six times as long while nobody waits.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        store: impl LedgerStore + Send + 'static,
        gather: Duration,
    ) -> Result<(Self, WriterHandle), StoreError> {
        let patience = gather * PATIENCE_GATHERS;
        Self::paced(store, Pace { gather, patience, upkeep: UPKEEP_EVERY })
    }

    pub(super) fn paced(
        mut store: impl LedgerStore + Send + 'static,
        pace: Pace,
    ) -> Result<(Self, WriterHandle), StoreError> {
        let shared = Arc::new(Shared {
            buffer: Mutex::new(Buffer::default()),
            wake: Condvar::new(),
            appended: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            published: watch::Sender::new(0),
            health: Health::of(store.place(), store.writer()),
            on_commit: OnceLock::new(),
        });
        // Before anything is accepted it is known whether there is room.
        shared.health.upkeep(store.upkeep());
        let writer = Writer { shared: Arc::clone(&shared), store, pace, group: Group::default() };
        let thread = thread::Builder::new()
            .name("ledger".into())
            .spawn(move || writer.run())
            .map_err(|error| StoreError::Failed(Box::new(error)))?;
        let handle = WriterHandle { shared: Arc::clone(&shared), thread: Some(thread) };
        Ok((Self { shared }, handle))
    }

    pub(super) fn open(&self, opened: Arc<Opened>) -> CommitNumber {
        CommitNumber(self.shared.append(|rows| rows.opened.push(opened)))
    }

    pub(super) fn close(&self, outcome: Outcome) {
        self.shared.append(|rows| rows.closed.push(outcome));
    }

    /// Appends a row of another kind.
    pub(super) fn append(&self, push: impl FnOnce(&mut Rows)) -> CommitNumber {
        CommitNumber(self.shared.append(push))
    }

    pub(super) async fn durable(&self, commit: CommitNumber) -> Result<(), Failure> {
        if self.shared.durable.load(Ordering::Acquire) >= commit.0 {
            return Ok(());
        }
        self.shared.want(commit);
        let mut published = self.shared.published.subscribe();
        let health = &self.shared.health;
        let reached = published.wait_for(|durable| *durable >= commit.0 || health.stuck());
        match tokio::time::timeout(DURABLE_WAIT, reached).await {
            Ok(Ok(durable)) if *durable >= commit.0 => Ok(()),
            _ => Err(health.failure()),
        }
    }

    /// The number of the last row.
    pub(super) fn last(&self) -> CommitNumber {
        CommitNumber(self.shared.appended.load(Ordering::Acquire))
    }

    pub(super) fn accepts(&self) -> Result<(), Failure> {
        self.fault().map_or(Ok(()), |_| Err(self.shared.health.failure()))
    }

    /// Calls `seen` after each commit.
    pub(super) fn on_commit(&self, seen: OnCommit) {
        // A second recorder over one ledger would count each commit twice; the first one counts.
        let _ = self.shared.on_commit.set(seen);
    }

    /// Rows appended and not yet durable.
    #[must_use]
    pub fn pending(&self) -> usize {
        // Read in this order, the difference is never below nothing.
        let durable = self.shared.durable.load(Ordering::Acquire);
        let appended = self.shared.appended.load(Ordering::Acquire);
        usize::try_from(appended.saturating_sub(durable)).unwrap_or(usize::MAX)
    }

    /// How it was at the last look.
    pub(super) fn health(&self) -> &Health {
        &self.shared.health
    }

    /// Why nothing is accepted, in words; `None` while all is well.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        self.shared.health.fault()
    }
}

impl WriterHandle {
    /// Writes all that was appended and ends the thread.
    ///
    /// # Errors
    /// What could not be written is lost; its entries stay open and are recovered at the next
    /// start.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.stop()
    }

    fn stop(&mut self) -> Result<(), StoreError> {
        self.shared.lock().stopping = true;
        self.shared.wake.notify_one();
        match self.thread.take() {
            Some(thread) => thread.join().unwrap_or(Err(StoreError::WriterGone)),
            None => Ok(()),
        }
    }
}

impl Drop for WriterHandle {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(ledger = self.shared.health.place(), %error, "the ledger was not flushed");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, push: impl FnOnce(&mut Rows)) -> u64 {
        let mut buffer = self.lock();
        push(&mut buffer.rows);
        buffer.last += 1;
        let number = buffer.last;
        self.appended.store(number, Ordering::Release);
        // A wake is a system call: made only when the writer really sleeps.
        let wake = mem::take(&mut buffer.asleep);
        drop(buffer);
        if wake {
            self.wake.notify_one();
        }
        number
    }

    /// Somebody waits for this row: the writer shall not gather any longer.
    fn want(&self, commit: CommitNumber) {
        let mut buffer = self.lock();
        let waiting = commit.0 > buffer.taken;
        buffer.wanted |= waiting;
        let wake = waiting && mem::take(&mut buffer.patient);
        drop(buffer);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Sleeps until there is a row, gathers with patience, and takes all; sleeps until `due` at the
    /// longest.
    fn take(&self, rows: &mut Rows, patience: Duration, due: Instant) -> Taken {
        let mut buffer = self.lock();
        while buffer.last == buffer.taken {
            if buffer.stopping {
                return Taken::End;
            }
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Taken::Nothing;
            }
            buffer.asleep = true;
            let woken = self.wake.wait_timeout(buffer, left);
            buffer = woken.unwrap_or_else(PoisonError::into_inner).0;
            buffer.asleep = false;
        }
        buffer.patient = true;
        let gathered = self
            .wake
            .wait_timeout_while(buffer, patience, |buffer| !buffer.wanted && !buffer.stopping);
        let mut buffer = gathered.unwrap_or_else(PoisonError::into_inner).0;
        buffer.patient = false;
        Taken::Rows(buffer.swap(rows))
    }

    /// Rests for `pause`, less when the process ends, then takes what has come meanwhile.
    fn rest(&self, rows: &mut Rows, pause: Duration) -> (u64, bool) {
        let buffer = self.lock();
        let rested = self.wake.wait_timeout_while(buffer, pause, |buffer| !buffer.stopping);
        let mut buffer = rested.unwrap_or_else(PoisonError::into_inner).0;
        (buffer.swap(rows), buffer.stopping)
    }

    fn publish(&self, number: u64) {
        self.durable.store(number, Ordering::Release);
        self.published.send_replace(number);
    }

    /// Lets go of all who wait for a write that does not come.
    fn turn_away(&self) {
        self.published.send_modify(|_| ());
    }
}

impl Buffer {
    fn swap(&mut self, rows: &mut Rows) -> u64 {
        mem::swap(&mut self.rows, rows);
        self.taken = self.last;
        self.wanted = false;
        self.taken
    }
}

/// What the writer has found.
enum Taken {
    /// Rows, up to this number.
    Rows(u64),
    /// None in time.
    Nothing,
    /// The process ends and nothing is left.
    End,
}

struct Writer<S> {
    shared: Arc<Shared>,
    store: S,
    pace: Pace,
    group: Group,
}

/// Whatever ends the writer, the ledger is not healthy without it.
struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.health.ended();
        self.0.turn_away();
    }
}

impl<S: LedgerStore> Writer<S> {
    fn run(mut self) -> Result<(), StoreError> {
        let _alive = Alive(Arc::clone(&self.shared));
        let mut rows = Rows::default();
        let mut due = Instant::now();
        loop {
            match self.shared.take(&mut rows, self.pace.patience, due) {
                Taken::End => return self.store.finish(),
                Taken::Nothing => {}
                Taken::Rows(taken) => {
                    self.group.take_in(&mut rows);
                    let durable = self.commit(taken, &mut rows)?;
                    self.group.clear();
                    self.shared.publish(durable);
                    if !self.pace.gather.is_zero() {
                        thread::sleep(self.pace.gather);
                    }
                }
            }
            due = self.upkeep(due);
        }
    }

    /// Keeps the store in order where that is due; returns when it is due next.
    fn upkeep(&mut self, due: Instant) -> Instant {
        let began = Instant::now();
        if began < due {
            return due;
        }
        let found = self.store.upkeep();
        self.shared.health.upkeep(found);
        let rest = (began.elapsed() * UPKEEP_RESTS).max(UPKEEP_REST_MIN);
        Instant::now() + if found.more { rest } else { self.pace.upkeep }
    }

    /// Writes the group, again and again if need be, with all that comes meanwhile.
    fn commit(&mut self, mut taken: u64, rows: &mut Rows) -> Result<u64, StoreError> {
        let mut tries_left = LAST_TRIES;
        loop {
            let began = Instant::now();
            let Err(error) = self.store.write(&self.group) else {
                if let Some(seen) = self.shared.on_commit.get() {
                    seen(&self.group, began.elapsed());
                }
                self.shared.health.written();
                return Ok(taken);
            };
            if self.shared.health.failed(&error, self.group.repeated) {
                self.shared.turn_away();
            }
            self.group.failed();
            let pause = (self.pace.gather * RETRY_AFTER_GATHERS).max(RETRY_PAUSE_MIN);
            let (now_taken, stopping) = self.shared.rest(rows, pause);
            taken = now_taken;
            self.group.take_in(rows);
            if stopping {
                tries_left -= 1;
                if tries_left == 0 {
                    return Err(error);
                }
            }
        }
    }
}
