//! A request at its end: what is recorded of it, and whether its engine kept to the bound on the output.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use policies::{
    Counts,
    facts::{ModelIndex, Needs, Tokens},
};

use super::{AttemptLog, Charge, Ending, Opened, UsageSource};

/// An accepted request at its end.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The request as it was accepted.
    pub opened: Arc<Opened>,
    /// The end of the request.
    pub ending: Ending,
    /// The attempts at backends.
    pub attempt_log: AttemptLog,
    /// The charge that the reservation was settled with.
    pub charge: Charge,
    /// The moment at which its head was complete.
    pub started: Instant,
    /// The time from the first byte of its head to its end.
    pub duration: Duration,
    /// From its head to the first content, if there was any.
    pub first_token: Option<Duration>,
    /// The gateway's own time in each stage, by [`Stage`](crate::failure::Stage).
    pub stages: [Duration; 8],
}

/// Bytes of an answer that no single token has, nearly always: what says for sure that a bound is passed.
const TOKEN_BYTES_MAX: u32 = 16;

impl Outcome {
    /// Whether the engine wrote more than a bound that it was given, by us or by the caller.
    #[must_use]
    pub fn bound_broken(&self) -> bool {
        let told = self.attempt_log.bound_told || self.opened.signals.output_tokens_asked.is_some();
        let (Some((_, most)), Some(served)) = (self.bound(), self.charge.served) else {
            return false;
        };
        let wrote = match served.source {
            UsageSource::Reported => served.output().0,
            _ => self.attempt_log.counted_output.0 / (TOKEN_BYTES_MAX / 4),
        };
        told && (self.attempt_log.bound_passed || wrote > most.0)
    }

    /// The model that served, and what is charged of its output beyond the bound that a hard budget told its
    /// engine, if anything is.
    #[must_use]
    pub fn overrun(&self) -> Option<(ModelIndex, Tokens)> {
        let (model, most) = self.bound().filter(|_| self.attempt_log.bound_told)?;
        let beyond = self.charge.served?.output().0.saturating_sub(most.0);
        (beyond > 0).then_some((model, Tokens(beyond)))
    }

    /// The model that served, what was estimated of the input and what it has reported; nothing where it was
    /// asked for more than text, of which nothing is estimated.
    #[must_use]
    pub fn counted_input(&self) -> Option<(ModelIndex, Tokens, Tokens)> {
        let Opened { signals, .. } = &*self.opened;
        let served = self.attempt_log.attempts.get(usize::from(self.attempt_log.committed?))?;
        let usage = self.charge.served.filter(|it| it.source == UsageSource::Reported)?;
        let text = [Needs::VISION, Needs::AUDIO].iter().all(|it| !signals.needs.contains(*it));
        let Counts { input, cached_input, cache_write, .. } = usage.counts;
        let reported = input.saturating_add(cached_input).saturating_add(cache_write);
        text.then_some((served.model, signals.input_tokens, Tokens(reported)))
    }

    /// The model that served, and the plan's bound on its output, all choices together.
    fn bound(&self) -> Option<(ModelIndex, Tokens)> {
        let Opened { plan, signals, .. } = &*self.opened;
        let served = self.attempt_log.attempts.get(usize::from(self.attempt_log.committed?))?;
        let planned = plan.attempts.iter().find(|it| it.model == served.model)?;
        let choices = u32::from(signals.n.max(1));
        Some((served.model, planned.output_tokens_max.saturating_mul(choices)))
    }
}
