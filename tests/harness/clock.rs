//! A clock that stands still until a test moves it, beside sockets that do not.
//!
//! A paused runtime skips to its next timer whenever it is idle, also while bytes are on their way in
//! the kernel. It does not while a blocking task runs: one is parked for as long as the clock lives.
//! Everything that is timed (gateway, backends, callers) has to run in the test's own runtime.

use std::{
    sync::mpsc::{Sender, channel},
    time::{Duration, Instant},
};

use super::wait::until;

/// How long, in real time, is waited for what must not come about.
const SETTLES: Duration = Duration::from_millis(15);
/// So much passes between two looks where time is to pass until something happens.
const STEP: Duration = Duration::from_millis(50);
/// Nothing that a test waits for takes longer by its clock.
const RUNS_MAX: Duration = Duration::from_secs(60);
/// How closely a moment is met: timers tick in milliseconds.
const TICKS: Duration = Duration::from_millis(5);

/// The time of this test's runtime, standing still.
pub(crate) struct Clock {
    _parked: Sender<()>,
}

impl Clock {
    /// Stops the time.
    pub(crate) fn stop() -> Self {
        tokio::time::pause();
        let (parked, end) = channel::<()>();
        tokio::task::spawn_blocking(move || end.recv());
        Self { _parked: parked }
    }

    /// Lets time go on by itself.
    pub(crate) fn goes_on(self) {
        tokio::time::resume();
    }

    /// Lets time pass, all at once, and everything come to rest after it.
    pub(crate) async fn pass(&self, time: Duration) {
        settle().await;
        tokio::time::advance(time).await;
        settle().await;
    }

    /// Lets time pass step by step until this has happened; gives how long that took by this clock.
    pub(crate) async fn runs_until(&self, what: &str, happened: impl Fn() -> bool) -> Duration {
        let from = tokio::time::Instant::now();
        while !happened() {
            assert!(from.elapsed() < RUNS_MAX, "it never came to: {what}");
            self.pass(STEP).await;
        }
        from.elapsed()
    }

    /// Lets so many milliseconds pass. It happens at their end, and not before.
    pub(crate) async fn happens_after(&self, ms: u64, what: &str, happened: impl Fn() -> bool) {
        let time = Duration::from_millis(ms);
        assert!(!happened(), "{what}: at once");
        self.pass(time - TICKS).await;
        assert!(!happened(), "{what}: before {ms} ms");
        tokio::time::advance(2 * TICKS).await;
        until(&format!("{what} after {ms} ms"), happened).await;
    }
}

/// Everything that can go on without time goes on.
pub(crate) async fn settle() {
    let from = Instant::now();
    while from.elapsed() < SETTLES {
        tokio::task::yield_now().await;
    }
}
