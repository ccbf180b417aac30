//! How long an attempt may take, and what of it is not its own time.

use std::time::{Duration, Instant};

use super::{Attempt, Phase};

impl Attempt {
    /// When the attempt has taken too long, and what to say then.
    pub(crate) fn deadline(&self, stream: bool) -> (Instant, &'static str) {
        let after = |from: Instant, ms: u32| from + Duration::from_millis(u64::from(ms));
        let total =
            (after(self.started, self.planned.timeouts.total_ms), "the model took too long");
        let phase = match (&self.phase, self.first.is_some(), stream) {
            (Phase::Connecting(_), ..) => {
                let public = "the model's server could not be reached in time";
                (after(self.reaching, self.planned.timeouts.connect_ms), public)
            }
            (_, true, _) => {
                let public = "the model fell silent in the middle of its answer";
                (after(self.last_life, self.planned.timeouts.idle_ms), public)
            }
            (_, false, true) => {
                let from = self.asked.unwrap_or(self.started);
                (
                    after(from, self.planned.timeouts.first_token_ms),
                    "the model did not begin to answer in time",
                )
            }
            (_, false, false) => total,
        };
        if phase.0 <= total.0 { phase } else { total }
    }

    /// When it has shown nothing for as long as the first word of a stream may take.
    pub(crate) fn late_at(&self) -> Instant {
        let first_token = Duration::from_millis(self.planned.timeouts.first_token_ms.into());
        self.asked.unwrap_or(self.started) + first_token
    }

    /// Whether it waits for its turn to connect: that is nothing that its replica does or fails to do.
    pub(crate) fn waits_its_turn(&self) -> bool {
        matches!(&self.phase, Phase::Connecting(approach) if !approach.began())
    }

    /// The caller took so long to take what had come: the attempt was not waited for.
    pub(crate) fn excuse(&mut self, taken: Duration) {
        self.started += taken;
        self.reaching += taken;
        self.last_life += taken;
    }
}
