//! The queue of requests that wait for a place at a full model: bounded, by class, fair among keys; a request
//! that would wait for nothing is turned away at once.
//!
//! A place that becomes free is granted to the one whose turn it is, and to nobody else: while anyone
//! waits, newcomers join the queue.

mod order;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;

use self::order::Order;
use super::Replicas;
use crate::outcome::Priority;

/// The speed of a queue is measured over this many places, so that chance does not turn anyone away …
const PLACES_MEASURED: u32 = 16;
/// … or over this long, where a model gives so few that nothing better can be known.
const MEASURE_MAX: Duration = Duration::from_secs(10);
/// The least and the most `retry-after` of a request that is turned away.
const AWAY_MIN: Duration = Duration::from_secs(1);
const AWAY_MAX: Duration = Duration::from_secs(60);

const WAITING: u8 = 0;
const GRANTED: u8 = 1;
const DISPLACED: u8 = 2;

/// The bounds of a queue, from the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    /// How long a request waits at the most.
    pub wait: Duration,
    /// How many wait at the most.
    pub length_max: usize,
}

/// A request that wants to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    /// Its priority: the higher class is served first.
    pub class: Priority,
    /// Its key: places go to keys in turn.
    pub key: u32,
    /// When its wait is over, if it has waited before and found a place that was none.
    pub until: Option<Instant>,
}

/// The queue at one model.
#[derive(Default)]
pub(super) struct Queue {
    /// Those who wait, and those whose granted place is not taken yet.
    present: AtomicU32,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    order: Order<Arc<Slot>>,
    /// Places that are granted and not taken yet.
    granted: u32,
    /// Granted since `since`, from when on somebody has waited all the time.
    served: u32,
    since: Option<Instant>,
    /// Places that come free a second, once that is known.
    pace: Option<f64>,
}

struct Slot {
    state: AtomicU8,
    waker: AtomicWaker,
}

impl Slot {
    fn notify(&self, state: u8) {
        self.state.store(state, SeqCst);
        self.waker.wake();
    }
}

/// A position in a queue; dropping it leaves the queue, or passes on the place that was granted.
pub(crate) struct QueueTicket {
    replicas: Arc<Replicas>,
    slot: Arc<Slot>,
    waiter: Waiter,
    /// The moment at which the wait is given up.
    pub until: Instant,
}

/// The end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A place is free for whoever holds the ticket.
    Granted,
    /// A request of a higher class, or of a key with less waiting, has taken this position.
    Displaced,
}

impl Queue {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anyone waits.
    pub(super) fn waits(&self) -> bool {
        self.present.load(SeqCst) > 0
    }

    /// How many wait.
    pub(super) fn length(&self) -> usize {
        if self.waits() { self.inner().order.length() } else { 0 }
    }

    /// Grants what is free.
    pub(super) fn refill(&self, free: u32) {
        let mut inner = self.inner();
        while inner.granted < free {
            let Some(slot) = inner.order.next() else { break };
            inner.granted += 1;
            inner.served = inner.served.saturating_add(1);
            slot.notify(GRANTED);
        }
    }

    /// Turns all away who wait: nobody is to be served here.
    pub(super) fn dismiss(&self) {
        let mut inner = self.inner();
        while let Some(slot) = inner.order.next() {
            self.present.fetch_sub(1, SeqCst);
            slot.notify(DISPLACED);
        }
    }

    /// Measures how fast the queue moves; forgets it when nobody waits.
    pub(super) fn measure(&self, now: Instant) {
        let mut inner = self.inner();
        if inner.order.length() == 0 {
            (inner.since, inner.pace) = (None, None);
            return;
        }
        let Some(since) = inner.since else {
            (inner.since, inner.served) = (Some(now), 0);
            return;
        };
        let passed = now.saturating_duration_since(since);
        if inner.served >= PLACES_MEASURED || passed >= MEASURE_MAX {
            inner.pace = Some(f64::from(inner.served) / passed.as_secs_f64().max(0.001));
            (inner.since, inner.served) = (Some(now), 0);
        }
    }

    /// Joins the queue, or says when to come back: it is full of others with as much right, or moves too
    /// slowly for the wait to end in time.
    pub(super) fn join(
        replicas: &Arc<Replicas>,
        waiter: Waiter,
        bounds: QueueLimits,
        now: Instant,
    ) -> Result<QueueTicket, Duration> {
        let queue = &replicas.queue;
        let mut inner = queue.inner();
        let wait = inner.expected(waiter);
        if bounds.wait.is_zero() || wait.is_some_and(|wait| wait > bounds.wait) {
            return Err(wait.unwrap_or_default().clamp(AWAY_MIN, AWAY_MAX));
        }
        if inner.order.length() >= bounds.length_max {
            let Some(slot) = inner.order.displace(waiter.class, waiter.key) else {
                return Err(wait.unwrap_or_default().clamp(AWAY_MIN, AWAY_MAX));
            };
            queue.present.fetch_sub(1, SeqCst);
            slot.notify(DISPLACED);
        }
        let until = waiter.until.unwrap_or(now + bounds.wait);
        let slot = Arc::new(Slot { state: AtomicU8::new(WAITING), waker: AtomicWaker::new() });
        inner.order.join(waiter.class, waiter.key, Arc::clone(&slot));
        queue.present.fetch_add(1, SeqCst);
        drop(inner);
        Ok(QueueTicket { replicas: Arc::clone(replicas), slot, waiter, until })
    }
}

impl Inner {
    /// How long one who joins now will wait, as far as that is known.
    fn expected(&self, waiter: Waiter) -> Option<Duration> {
        let ahead = self.order.ahead(waiter.class, waiter.key);
        let places = f64::from(u32::try_from(ahead).unwrap_or(u32::MAX)) + 1.0;
        let seconds = places / self.pace?.max(0.01);
        Some(Duration::from_secs_f64(seconds.min(AWAY_MAX.as_secs_f64())))
    }
}

impl QueueTicket {
    /// Polls for the end of the wait.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Turn> {
        self.slot.waker.register(cx.waker());
        match self.slot.state.load(SeqCst) {
            GRANTED => Poll::Ready(Turn::Granted),
            DISPLACED => Poll::Ready(Turn::Displaced),
            _ => Poll::Pending,
        }
    }
}

impl Drop for QueueTicket {
    fn drop(&mut self) {
        let queue = &self.replicas.queue;
        let mut inner = queue.inner();
        match self.slot.state.load(SeqCst) {
            DISPLACED => return,
            GRANTED => inner.granted -= 1,
            _ => {
                let Waiter { class, key, .. } = self.waiter;
                inner.order.remove(class, key, |it| Arc::ptr_eq(it, &self.slot));
            }
        }
        drop(inner);
        queue.present.fetch_sub(1, SeqCst);
        self.replicas.refill();
    }
}
