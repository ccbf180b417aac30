//! The connections to one replica that nobody uses right now, and the way to one of them.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use http::Uri;

use super::{
    connect_queue::{ConnectQueue, Offer},
    connection::{Connection, Connector, Exchange},
};

type Connecting = Pin<Box<dyn Future<Output = io::Result<Connection>> + Send>>;

/// A connect that nobody waits for any more.
struct Parked {
    connecting: Connecting,
    since: Instant,
}

/// Idle connections to one replica, and the queue of those who need one.
pub(crate) struct Pool {
    queue: Mutex<ConnectQueue<Connection, Parked>>,
    idle_max: Duration,
}

impl Pool {
    /// A pool whose connections are dropped after `idle_max` without use.
    pub(crate) fn new(idle_max: Duration) -> Self {
        Self { queue: Mutex::new(ConnectQueue::new()), idle_max }
    }

    /// The time that its connections may be idle.
    pub(crate) fn idle_max(&self) -> Duration {
        self.idle_max
    }

    fn queue(&self) -> MutexGuard<'_, ConnectQueue<Connection, Parked>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection back if its answer was read to the end. Whether it can serve again is looked at
    /// when it is taken: it may be closed until then anyway.
    pub(crate) fn recycle(&self, exchange: Exchange, now: Instant) {
        exchange.into_idle(now).into_iter().for_each(|connection| self.put(connection));
    }

    fn put(&self, connection: Connection) {
        if !self.idle_max.is_zero() {
            self.queue().put(connection);
        }
    }

    /// A connection that can serve at once, if there is one.
    pub(crate) fn take(&self, cx: &mut Context<'_>, now: Instant) -> Option<Connection> {
        loop {
            let Some(mut connection) = self.queue().pop() else { break };
            if self.serves(&mut connection, cx, now) {
                return Some(connection);
            }
        }
        self.look_at_parked(now);
        let mut connection = self.queue().pop()?;
        self.serves(&mut connection, cx, now).then_some(connection)
    }

    fn serves(&self, connection: &mut Connection, cx: &mut Context<'_>, now: Instant) -> bool {
        self.fresh(connection.idle_since(), now) && connection.alive(cx)
    }

    fn fresh(&self, since: Instant, now: Instant) -> bool {
        now.saturating_duration_since(since) < self.idle_max
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        self.look_at_parked(now);
        self.queue().retain(|it| self.fresh(it.idle_since(), now));
    }

    /// Closes what was idle at this moment already: a connection that was taken later was found closed.
    pub(crate) fn forget(&self, idle_since: Instant) {
        self.queue().retain(|it| it.idle_since() > idle_since);
    }

    /// Connects that nobody waited for are idle connections once they have come about.
    fn look_at_parked(&self, now: Instant) {
        // None are the usual case, and then nothing is moved.
        let parked = self.queue().unpark();
        for mut it in parked {
            match it.connecting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending if self.fresh(it.since, now) => self.queue().park(it),
                Poll::Ready(Ok(connection)) => self.put(connection),
                Poll::Pending | Poll::Ready(Err(_)) => {}
            }
        }
    }
}

/// The way to a connection: whichever comes first of one that is given back and one of its own. Dropping
/// it leaves the queue.
pub(crate) struct Approach {
    pool: Arc<Pool>,
    number: u64,
    connecting: Option<Connecting>,
    began: bool,
    since: Instant,
}

impl Approach {
    /// Joins the queue. It must be polled soon.
    pub(crate) fn begin(pool: &Arc<Pool>, cx: &mut Context<'_>, now: Instant) -> Self {
        let number = pool.queue().join(cx.waker().clone());
        Self { pool: Arc::clone(pool), number, connecting: None, began: false, since: now }
    }

    /// Whether it has had its turn to connect: who has not cannot say that the replica does not answer.
    pub(crate) fn began(&self) -> bool {
        self.began
    }

    /// Polls until there is a connection.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connector: &Connector,
        uri: &Uri,
        now: Instant,
    ) -> Poll<io::Result<Connection>> {
        loop {
            let offer = self.pool.queue().look(self.number, cx.waker());
            match offer {
                Offer::Given(mut connection) => {
                    if !self.pool.serves(&mut connection, cx, now) {
                        // It waits on, perhaps without a slot for a connect.
                        self.pool.queue().serve();
                        continue;
                    }
                    self.leave();
                    return Poll::Ready(Ok(connection));
                }
                Offer::Connect => {
                    self.began = true;
                    self.connecting = Some(Box::pin(connector.clone().connect(uri.clone())));
                }
                Offer::Wait => {}
            }
            let Some(connecting) = &mut self.connecting else { return Poll::Pending };
            let ended = ready!(connecting.as_mut().poll(cx));
            self.connecting = None;
            self.leave();
            return Poll::Ready(ended);
        }
    }

    /// Leaves the queue. A connect under way is kept, for those who come later.
    fn leave(&mut self) {
        let since = self.since;
        let parked = self.connecting.take().map(|connecting| Parked { connecting, since });
        self.pool.queue().leave(self.number, parked);
    }
}

impl Drop for Approach {
    fn drop(&mut self) {
        // Whoever gives up has found that it takes too long, or is gone: its connect ends with it.
        self.connecting = None;
        self.leave();
    }
}
