//! Starting attempts, and what follows when one comes to nothing.

use std::{
    sync::Arc,
    task::Context,
    time::{Duration, Instant},
};

use policies::facts::Tokens;

use super::{Call, State};
use crate::{
    dispatch::{
        EndpointEvent,
        attempt::{Attempt, Start},
        attempts::{Event, Step, Steps},
        judge::AttemptError,
        own::{Objection, Refused},
    },
    failure::{Failure, Kind, Retry, Stage},
    fleet::{Found, Wanted},
    outcome::{AttemptLog, AttemptRecord, AttemptResult},
};

impl Call {
    /// An attempt came to nothing before commitment.
    pub(super) fn error(
        &mut self,
        error: AttemptError,
        log: &mut AttemptLog,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Result<(), Failure> {
        let Some(attempt) = self.attempt.as_mut() else { return Ok(()) };
        let (number, model) = (attempt.number, attempt.endpoint.model);
        let again = attempt.crossed.then_some((model, attempt.endpoint.index));
        let mut error = error.without(attempt.key());
        match attempt.objection.take() {
            Some(Objection::Again(refused)) if !self.attempts.late(now) => {
                self.again(refused, log, cx, now);
                return Ok(());
            }
            Some(Objection::Bound) => error = error.unbounded(),
            _ => {}
        }
        self.blame(&error, log, now);
        self.close_attempt(log, error.result, now);
        let (kind, retry) = (error.failure.kind, error.failure.retry);
        self.error = Some(error.failure);
        self.tried.retain(|it| Some(*it) != again);
        let other = self.upstreams.fleet.has_other(model, &self.tried, now);
        let steps = self.attempts.on(Event::Failed(number, kind, retry), now, other);
        self.take(steps, log, cx, now)?;
        if self.attempt.is_none() {
            self.swap();
        }
        Ok(())
    }

    /// Asks the same replica without what it refused of our edits. It is one more sending, and in the
    /// log; but what was ours to leave out is no try of the plan, and nobody's failure.
    fn again(
        &mut self,
        refused: Refused,
        log: &mut AttemptLog,
        cx: &mut Context<'_>,
        now: Instant,
    ) {
        self.held.clear();
        let Some(attempt) = self.attempt.take() else { return };
        close(&attempt, log, AttemptResult::Status, now);
        let record = log.attempts.len();
        log.attempts.push(attempt_at(&attempt.endpoint, now));
        tracing::debug!(endpoint = &*attempt.endpoint.label, ?refused, "asked again without");
        let start = attempt.again(record, refused);
        self.attempt = Some(Attempt::start(start, &self.request, now, cx));
    }

    /// Looks at the other of two attempts. False if there is none.
    pub(super) fn swap(&mut self) -> bool {
        let Some(mut rival) = self.rival.take() else { return false };
        std::mem::swap(&mut rival.1, &mut self.held);
        if let Some(attempt) = self.attempt.replace(rival.0) {
            self.rival = Some(Box::new((attempt, rival.1)));
        }
        true
    }

    /// Ends an attempt whose answer is not wanted.
    pub(super) fn cancel(
        &mut self,
        number: u8,
        log: &mut AttemptLog,
        result: AttemptResult,
        now: Instant,
    ) {
        if self.attempt.as_ref().is_some_and(|attempt| attempt.number == number) {
            self.close_attempt(log, result, now);
        } else if let Some(rival) = self.rival.take_if(|rival| rival.0.number == number) {
            close(&rival.0, log, result, now);
        }
    }

    pub(super) fn blame(&mut self, error: &AttemptError, log: &AttemptLog, now: Instant) {
        let Some(attempt) = self.attempt.as_mut() else { return };
        if let Some(cooldown) = error.failure.retry_after.filter(|_| error.cooldown) {
            self.upstreams.fleet.cools_down(&attempt.endpoint, cooldown, now);
        }
        if error.blame && self.upstreams.fleet.failed(&mut attempt.endpoint, now) {
            (self.upstreams.told)(&attempt.endpoint, EndpointEvent::Ejected(error.result.name()));
        }
        tracing::debug!(
            attempt = log.attempts.len(),
            endpoint = &*attempt.endpoint.label,
            result = error.result.name(),
            cause = error.failure.cause.as_deref().map(tracing::field::display),
            "attempt failed"
        );
    }

    pub(super) fn close_attempt(
        &mut self,
        log: &mut AttemptLog,
        result: AttemptResult,
        now: Instant,
    ) {
        self.held.clear();
        let Some(attempt) = self.attempt.take() else { return };
        close(&attempt, log, result, now);
    }

    /// Does what the machine says.
    pub(super) fn take(
        &mut self,
        steps: Steps,
        log: &mut AttemptLog,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Result<(), Failure> {
        let preferred = steps.iter().any(|step| matches!(step, Step::Commit(_)));
        let unwanted = match (preferred, self.attempts.late(now)) {
            (true, _) => AttemptResult::LostHedge,
            (false, true) => AttemptResult::Timeout,
            (false, false) => AttemptResult::Cancelled,
        };
        for step in steps {
            match step {
                Step::Start { attempt, planned } => self.start(attempt, planned, log, cx, now)?,
                Step::Cancel(number) => self.cancel(number, log, unwanted, now),
                Step::Commit(number) => self.commit(number, log, now),
                Step::Queue { planned } => self.queue(planned, log, cx, now)?,
                Step::GiveUp(kind) => return Err(self.lost(kind)),
            }
        }
        Ok(())
    }

    pub(super) fn start(
        &mut self,
        number: u8,
        planned: u8,
        log: &mut AttemptLog,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Result<(), Failure> {
        let Some(entry) = self.plan.attempts.get(usize::from(planned)).copied() else {
            return Err(self.lost(Kind::Bug));
        };
        let wanted = Wanted {
            model: entry.model,
            tried: &self.tried,
            hint: self.hint,
            again: !log.attempts.is_empty(),
            granted: self.ticket.is_some(),
            last_resort: self.plan.last_resort,
        };
        let found = self.upstreams.fleet.pick(&wanted, now);
        // What was granted is taken, or passed on.
        self.ticket = None;
        let full = matches!(found, Found::Full);
        let endpoint = match found {
            Found::Place(endpoint) => Some(endpoint),
            Found::Full | Found::Nothing => None,
        };
        let target = endpoint.as_ref().and_then(|it| self.upstreams.target(it.model, it.index));
        let (Some(endpoint), Some(target)) = (endpoint, target) else {
            let none = AttemptError::none_free().failure;
            let (kind, retry) = (none.kind, none.retry);
            self.error.get_or_insert(none);
            let failed = Event::Failed(number, kind, retry);
            let event = if full { Event::Full(number) } else { failed };
            let steps = self.attempts.on(event, now, false);
            // As deep as the plan is long: each step moves on in the plan.
            return self.take(steps, log, cx, now);
        };
        if self.plan.last_resort {
            (self.upstreams.told)(&endpoint, EndpointEvent::LastResort);
        }
        self.tried.push((entry.model, endpoint.index));
        let record = log.attempts.len();
        log.attempts.push(attempt_at(&endpoint, now));
        log.bound_told = self.request.bound;
        let half_full = entry.is_half_full(self.plan.input_tokens);
        let start =
            Start { number, record, endpoint, target, planned: entry, half_full, refused: None };
        let attempt = Attempt::start(start, &self.request, now, cx);
        if let Some(other) = self.attempt.replace(attempt) {
            self.rival = Some(Box::new((other, std::mem::take(&mut self.held))));
        }
        let steps = self.attempts.on(Event::Began(number), now, false);
        self.take(steps, log, cx, now)
    }

    /// Waits for a place at an entry of the plan, if there is use in it.
    fn queue(
        &mut self,
        planned: u8,
        log: &mut AttemptLog,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Result<(), Failure> {
        let Some(entry) = self.plan.attempts.get(usize::from(planned)) else {
            return Err(self.lost(Kind::Bug));
        };
        let (fleet, bounds) = (&self.upstreams.fleet, self.upstreams.queue);
        match fleet.join(entry.model, self.standing, bounds, now) {
            Ok(ticket) => {
                self.standing.until = Some(ticket.until);
                self.ticket = Some(ticket);
                Ok(())
            }
            Err(wait) => {
                self.turned_away(Some(wait));
                let steps = self.attempts.on(Event::TurnedAway, now, false);
                self.take(steps, log, cx, now)
            }
        }
    }

    /// Notes that there was no place, and when there may be, if that is known.
    pub(super) fn turned_away(&mut self, wait: Option<Duration>) {
        self.ticket = None;
        let mut none = AttemptError::none_free().failure;
        none.retry_after = wait.or(none.retry_after);
        self.error = Some(none);
    }

    /// What the caller is told when nothing is left to try.
    pub(super) fn lost(&mut self, kind: Kind) -> Failure {
        self.state = State::Over;
        self.ticket = None;
        self.error.take().unwrap_or_else(|| {
            Failure::new(kind, Stage::Dispatch, "no model could answer").retry(Retry::Never)
        })
    }
}

fn close(attempt: &Attempt, log: &mut AttemptLog, result: AttemptResult, now: Instant) {
    if let Some(record) = log.attempts.get_mut(attempt.record) {
        record.took = Some(now.saturating_duration_since(record.started));
        record.result = Some(result);
    }
}

fn attempt_at(endpoint: &crate::fleet::Endpoint, now: Instant) -> AttemptRecord {
    AttemptRecord {
        model: endpoint.model,
        endpoint: endpoint.index,
        endpoint_label: Arc::clone(&endpoint.label),
        started: now,
        took: None,
        result: None,
        sent: false,
        held: Tokens(0),
    }
}
