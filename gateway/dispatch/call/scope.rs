//! What the parts of a call share: what it goes by, and what one poll brings along.

use std::{
    sync::Arc,
    task::Context,
    time::{Duration, Instant},
};

use policies::{Plan, facts::Tokens};

use crate::{
    dispatch::{
        EndpointEvent, Upstreams, attempt::Attempt, judge::AttemptError, target::UpstreamRequest,
    },
    fleet::Endpoint,
    outcome::{AttemptCause, AttemptLog, AttemptRecord, AttemptResult},
};

/// A caller that hears nothing for this long is told that the gateway still waits: clients give up
/// otherwise.
pub(super) const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// What a call goes by from its beginning to its end.
pub(super) struct Scope {
    /// The connections to the replicas.
    pub upstreams: Arc<Upstreams>,
    /// The plan: models in the order in which they are tried.
    pub plan: Arc<Plan>,
    /// The request that backends are sent.
    pub request: UpstreamRequest,
}

/// The context of one poll of a call.
pub(super) struct Visit<'a, 'c> {
    /// The context of the task.
    pub cx: &'a mut Context<'c>,
    /// The log of attempts that records are made from.
    pub log: &'a mut AttemptLog,
    /// The time of this poll.
    pub now: Instant,
}

impl Scope {
    /// Whether a stream is asked for.
    pub(super) fn stream(&self) -> bool {
        self.request.body.stream()
    }

    /// Tells the fleet of a failure, as far as the replica is to blame for it.
    pub(super) fn blame(
        &self,
        attempt: &mut Attempt,
        error: &AttemptError,
        at: &mut Visit<'_, '_>,
    ) {
        if let Some(used) = attempt.used {
            // Whatever it wrote, its replica has answered.
            self.answered(attempt, at.now);
            let record = at.log.attempts.get_mut(attempt.record);
            record.into_iter().for_each(|it| it.used = Some(used));
        }
        if let Some(cooldown) = error.failure.retry_after.filter(|_| error.cooldown) {
            self.upstreams.fleet.cools_down(&attempt.endpoint, cooldown, at.now);
        }
        if error.blame && self.upstreams.fleet.failed(&mut attempt.endpoint, at.now) {
            let event = EndpointEvent::Ejected(error.result.name());
            (self.upstreams.observer)(&attempt.endpoint, event);
        }
        tracing::debug!(
            id = self.request.id.to_str().unwrap_or_default(),
            attempt = at.log.attempts.len(),
            model = self.upstreams.fleet.id(attempt.endpoint.model),
            endpoint = &*attempt.endpoint.label,
            result = error.result.name(),
            cause = error.failure.cause.as_deref().map(tracing::field::display),
            "attempt failed"
        );
    }

    /// Tells the fleet that the replica of an attempt answers.
    pub(super) fn answered(&self, attempt: &mut Attempt, now: Instant) {
        let since = now.saturating_duration_since(attempt.clocks.asked.unwrap_or(now));
        // Long prompts are not compared with short ones, nor whole answers with first tokens.
        let tells = self.stream() && !self.plan.reads_long();
        let back = self.upstreams.fleet.answered(&mut attempt.endpoint, since, tells, now);
        if let Some(out) = back {
            (self.upstreams.observer)(&attempt.endpoint, EndpointEvent::Back(out));
        }
    }

    /// Says that a replica is asked again without what it refused of our edits.
    pub(super) fn asked_again(&self, attempt: &Attempt, refused: &impl std::fmt::Debug) {
        tracing::debug!(
            id = self.request.id.to_str().unwrap_or_default(),
            model = self.upstreams.fleet.id(attempt.endpoint.model),
            endpoint = &*attempt.endpoint.label,
            ?refused,
            "asked again without what it refused"
        );
    }

    /// The error of an attempt whose deadline has passed, and the failure for the caller.
    pub(super) fn timeout(&self, attempt: &Attempt, public: &'static str) -> AttemptError {
        // A replica is not blamed for an attempt that still reads a long prompt, nor for one that waits
        // for a connection.
        let blame = !(attempt.waits_its_turn() || attempt.reads() && self.plan.reads_long());
        AttemptError { blame, ..AttemptError::timeout(public) }
    }
}

impl Visit<'_, '_> {
    /// Notes that an attempt begins at this replica; returns its position in the log.
    pub(super) fn open(&mut self, endpoint: &Endpoint) -> usize {
        self.log.attempts.push(AttemptRecord {
            model: endpoint.model,
            endpoint: endpoint.index,
            endpoint_label: Arc::clone(&endpoint.label),
            started: self.now,
            took: None,
            result: None,
            cause: None,
            sent: false,
            held: Tokens(0),
            used: None,
        });
        self.log.attempts.len().saturating_sub(1)
    }

    /// Notes how an attempt has ended.
    pub(super) fn close(&mut self, attempt: &Attempt, result: AttemptResult) {
        self.close_with(attempt, result, None);
    }

    /// Notes how an attempt has ended, and of what.
    pub(super) fn close_with(
        &mut self,
        attempt: &Attempt,
        result: AttemptResult,
        cause: Option<AttemptCause>,
    ) {
        if let Some(record) = self.log.attempts.get_mut(attempt.record) {
            record.took = Some(self.now.saturating_duration_since(record.started));
            record.result = Some(result);
            record.cause = cause;
        }
    }

    /// Notes what a stream reported, and what we counted of it.
    pub(super) fn count(&mut self, attempt: &Attempt) {
        if let Some(stream) = attempt.stream() {
            self.log.reported = stream.reported();
            self.log.counted_output = stream.counted_output();
        }
    }
}
