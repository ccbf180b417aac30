//! How long an attempt may take, and what of it is not its own time.

use std::time::{Duration, Instant};

use policies::facts::Timeouts;

/// When an attempt passed its milestones, and how long each phase may take.
pub(crate) struct Clocks {
    timeouts: Timeouts,
    started: Instant,
    /// Since when it waits for a connection, if it does.
    reaching: Instant,
    /// When the request was handed over for sending.
    pub asked: Option<Instant>,
    /// When a stream last said anything.
    pub last_life: Instant,
}

/// The thing that an attempt waits for, which decides its timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// A connection.
    Connection,
    /// The first content of a stream.
    FirstToken,
    /// More of an answer that has begun.
    More,
    /// A whole plain answer.
    Whole,
}

impl Clocks {
    /// The clocks of an attempt that begins now.
    pub(super) fn new(timeouts: Timeouts, now: Instant) -> Self {
        Self { timeouts, started: now, reaching: now, asked: None, last_life: now }
    }

    /// A connection is sought from now on.
    pub(super) fn reach(&mut self, now: Instant) {
        self.reaching = now;
        self.asked = None;
    }

    /// When the attempt has taken too long, and what to say then.
    pub(super) fn deadline(&self, awaited: Awaited) -> (Instant, &'static str) {
        let after = |from: Instant, ms: u32| from + Duration::from_millis(u64::from(ms));
        let total = (after(self.started, self.timeouts.total_ms), "the model took too long");
        let phase = match awaited {
            Awaited::Connection => (
                after(self.reaching, self.timeouts.connect_ms),
                "the model's server could not be reached in time",
            ),
            Awaited::More => (
                after(self.last_life, self.timeouts.idle_ms),
                "the model fell silent in the middle of its answer",
            ),
            Awaited::FirstToken => (self.late_at(), "the model did not begin to answer in time"),
            Awaited::Whole => total,
        };
        if phase.0 <= total.0 { phase } else { total }
    }

    /// When it has shown nothing for as long as the first word of a stream may take.
    pub(crate) fn late_at(&self) -> Instant {
        let first_token = Duration::from_millis(self.timeouts.first_token_ms.into());
        self.asked.unwrap_or(self.started) + first_token
    }

    /// So much time has passed in which the attempt was not waited for.
    pub(crate) fn excuse(&mut self, taken: Duration) {
        self.started += taken;
        self.reaching += taken;
        self.last_life += taken;
    }
}
