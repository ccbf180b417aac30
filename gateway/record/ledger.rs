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
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    Ticket,
    group::{Group, LedgerStore, Rows, StoreError},
};
use crate::{
    failure::{Failure, Kind, Stage},
    outcome::{Opened, Outcome, Refused},
};

/// How long a request waits for its entry before it is turned away: a flush takes milliseconds,
/// and a caller who has waited for seconds is better served by another replica.
const DURABLE_WAIT: Duration = Duration::from_secs(2);

/// Rows for which nobody waits are gathered so many times longer, about 12 ms in all: less than the
/// fastest backends take to answer.
const PATIENCE_GATHERS: u32 = 5;

/// A failed write is repeated after this many gathering times.
const RETRY_AFTER_GATHERS: u32 = 25;

/// A store that fails at once must not make the writer spin.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(1);

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
    healthy: AtomicBool,
    on_commit: OnceLock<Box<dyn Fn(Duration) + Send + Sync>>,
}

/// The books' front side: append, and wait until it is durable. Cheap to clone.
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
        Self::paced(store, Pace { gather, patience: gather * PATIENCE_GATHERS })
    }

    pub(super) fn paced(
        store: impl LedgerStore + Send + 'static,
        pace: Pace,
    ) -> Result<(Self, WriterHandle), StoreError> {
        let shared = Arc::new(Shared {
            buffer: Mutex::new(Buffer::default()),
            wake: Condvar::new(),
            appended: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            published: watch::Sender::new(0),
            healthy: AtomicBool::new(true),
            on_commit: OnceLock::new(),
        });
        let writer = Writer { shared: Arc::clone(&shared), store, pace, group: Group::default() };
        let thread = thread::Builder::new()
            .name("ledger".into())
            .spawn(move || writer.run())
            .map_err(|error| StoreError::Failed(Box::new(error)))?;
        let handle = WriterHandle { shared: Arc::clone(&shared), thread: Some(thread) };
        Ok((Self { shared }, handle))
    }

    pub(super) fn open(&self, opened: Arc<Opened>) -> Ticket {
        Ticket(self.shared.append(|rows| rows.opened.push(opened)))
    }

    pub(super) fn close(&self, outcome: Outcome) {
        self.shared.append(|rows| rows.closed.push(outcome));
    }

    pub(super) fn refuse(&self, refused: Refused) {
        self.shared.append(|rows| rows.refused.push(refused));
    }

    pub(super) async fn durable(&self, ticket: Ticket) -> Result<(), Failure> {
        if self.shared.durable.load(Ordering::Acquire) >= ticket.0 {
            return Ok(());
        }
        self.shared.want(ticket);
        let mut published = self.shared.published.subscribe();
        let reached = published.wait_for(|durable| *durable >= ticket.0);
        match tokio::time::timeout(DURABLE_WAIT, reached).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Failure::new(
                Kind::Unavailable,
                Stage::Record,
                "the ledger cannot be written at the moment",
            )
            .after(DURABLE_WAIT)),
        }
    }

    /// Calls `seen` with the time each commit took.
    pub(super) fn on_commit(&self, seen: Box<dyn Fn(Duration) + Send + Sync>) {
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

    /// Whether the last write succeeded and the writer lives.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.shared.healthy.load(Ordering::Acquire)
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
            tracing::error!(%error, "the ledger was not flushed");
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
    fn want(&self, ticket: Ticket) {
        let mut buffer = self.lock();
        let waiting = ticket.0 > buffer.taken;
        buffer.wanted |= waiting;
        let wake = waiting && mem::take(&mut buffer.patient);
        drop(buffer);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Sleeps until there is a row, gathers with patience, and takes all. `None`: the process ends
    /// and nothing is left.
    fn take(&self, rows: &mut Rows, patience: Duration) -> Option<u64> {
        let mut buffer = self.lock();
        while buffer.last == buffer.taken {
            if buffer.stopping {
                return None;
            }
            buffer.asleep = true;
            buffer = self.wake.wait(buffer).unwrap_or_else(PoisonError::into_inner);
        }
        buffer.asleep = false;
        buffer.patient = true;
        let gathered = self
            .wake
            .wait_timeout_while(buffer, patience, |buffer| !buffer.wanted && !buffer.stopping);
        let mut buffer = gathered.unwrap_or_else(PoisonError::into_inner).0;
        buffer.patient = false;
        Some(buffer.swap(rows))
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
}

impl Buffer {
    fn swap(&mut self, rows: &mut Rows) -> u64 {
        mem::swap(&mut self.rows, rows);
        self.taken = self.last;
        self.wanted = false;
        self.taken
    }
}

/// How long rows are gathered: in any case, and on top while nobody waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) gather: Duration,
    pub(super) patience: Duration,
}

struct Writer<S> {
    shared: Arc<Shared>,
    store: S,
    pace: Pace,
    group: Group,
}

/// Whatever ends the writer, the books are not healthy without it.
struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.healthy.store(false, Ordering::Release);
    }
}

impl<S: LedgerStore> Writer<S> {
    fn run(mut self) -> Result<(), StoreError> {
        let _alive = Alive(Arc::clone(&self.shared));
        let mut rows = Rows::default();
        while let Some(taken) = self.shared.take(&mut rows, self.pace.patience) {
            self.group.take_in(&mut rows);
            let durable = self.commit(taken, &mut rows)?;
            self.group.clear();
            self.shared.publish(durable);
            if !self.pace.gather.is_zero() {
                thread::sleep(self.pace.gather);
            }
        }
        Ok(())
    }

    /// Writes the group, again and again if need be, with all that comes meanwhile.
    fn commit(&mut self, mut taken: u64, rows: &mut Rows) -> Result<u64, StoreError> {
        let mut tries_left = LAST_TRIES;
        loop {
            let began = Instant::now();
            let Err(error) = self.store.write(&self.group) else {
                if let Some(seen) = self.shared.on_commit.get() {
                    seen(began.elapsed());
                }
                if !self.shared.healthy.swap(true, Ordering::AcqRel) {
                    tracing::info!("the ledger can be written again");
                }
                return Ok(taken);
            };
            if self.shared.healthy.swap(false, Ordering::AcqRel) {
                tracing::error!(%error, "the ledger cannot be written; its rows are kept");
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
