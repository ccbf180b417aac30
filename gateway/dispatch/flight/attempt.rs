//! Starting attempts, and what follows when one comes to nothing.

use std::{
    sync::Arc,
    task::Context,
    time::{Duration, Instant},
};

use policies::facts::Tokens;

use super::{Flight, State};
use crate::{
    dispatch::{
        Fate,
        attempts::{Event, Step, Steps},
        leg::{Leg, Start},
        own::{Objection, Refused},
        verdict::Setback,
    },
    failure::{Failure, Kind, Retry, Stage},
    fleet::{Found, Wanted},
    outcome::{Attempt, AttemptResult, Trail},
    wire,
};

impl Flight {
    /// An attempt came to nothing before commitment.
    pub(super) fn setback(
        &mut self,
        setback: Setback,
        trail: &mut Trail,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Result<(), Failure> {
        let Some(leg) = self.leg.as_mut() else { return Ok(()) };
        let (number, model) = (leg.number, leg.endpoint.model);
        let again = leg.crossed.then_some((model, leg.endpoint.index));
        let mut setback = setback.without(leg.key());
        match leg.objection.take() {
            Some(Objection::Again(refused)) if !self.attempts.late(now) => {
                self.again(refused, trail, cx, now);
                return Ok(());
            }
            Some(Objection::Bound) => setback = setback.unbounded(),
            _ => {}
        }
        self.blame(&setback, trail, now);
        self.close_attempt(trail, setback.result, now);
        let (kind, retry) = (setback.failure.kind, setback.failure.retry);
        self.setback = Some(setback.failure);
        self.tried.retain(|it| Some(*it) != again);
        let other = self.upstreams.fleet.has_other(model, &self.tried, now);
        let steps = self.attempts.on(Event::Failed(number, kind, retry), now, other);
        self.take(steps, trail, cx, now)?;
        if self.leg.is_none() {
            self.swap();
        }
        Ok(())
    }

    /// Asks the same replica without what it refused of our edits. It is one more sending, and in the
    /// trail; but what was ours to leave out is no try of the plan, and nobody's failure.
    fn again(&mut self, refused: Refused, trail: &mut Trail, cx: &mut Context<'_>, now: Instant) {
        self.held.clear();
        let Some(leg) = self.leg.take() else { return };
        close(&leg, trail, AttemptResult::Status, now);
        let record = trail.attempts.len();
        trail.attempts.push(attempt_at(&leg.endpoint, now));
        tracing::debug!(endpoint = &*leg.endpoint.label, ?refused, "asked again without");
        let start = leg.again(record, refused);
        self.leg = Some(Leg::start(start, &self.ask, now, cx));
    }

    /// Looks at the other of two attempts. False if there is none.
    pub(super) fn swap(&mut self) -> bool {
        let Some(mut rival) = self.rival.take() else { return false };
        std::mem::swap(&mut rival.1, &mut self.held);
        if let Some(leg) = self.leg.replace(rival.0) {
            self.rival = Some(Box::new((leg, rival.1)));
        }
        true
    }

    /// Ends an attempt whose answer is not wanted.
    pub(super) fn cancel(
        &mut self,
        number: u8,
        trail: &mut Trail,
        result: AttemptResult,
        now: Instant,
    ) {
        if self.leg.as_ref().is_some_and(|leg| leg.number == number) {
            self.close_attempt(trail, result, now);
        } else if let Some(rival) = self.rival.take_if(|rival| rival.0.number == number) {
            close(&rival.0, trail, result, now);
        }
    }

    pub(super) fn blame(&mut self, setback: &Setback, trail: &Trail, now: Instant) {
        let Some(leg) = self.leg.as_mut() else { return };
        if let Some(rest) = setback.failure.retry_after.filter(|_| setback.rest) {
            self.upstreams.fleet.rests(&leg.endpoint, rest, now);
        }
        if setback.blame && self.upstreams.fleet.failed(&mut leg.endpoint, now) {
            (self.upstreams.told)(&leg.endpoint, Fate::Ejected(setback.result.name()));
        }
        tracing::debug!(
            attempt = trail.attempts.len(),
            endpoint = &*leg.endpoint.label,
            result = setback.result.name(),
            cause = setback.failure.cause.as_deref().map(tracing::field::display),
            "attempt failed"
        );
    }

    pub(super) fn close_attempt(&mut self, trail: &mut Trail, result: AttemptResult, now: Instant) {
        self.held.clear();
        let Some(leg) = self.leg.take() else { return };
        close(&leg, trail, result, now);
    }

    /// Does what the machine says.
    pub(super) fn take(
        &mut self,
        steps: Steps,
        trail: &mut Trail,
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
                Step::Start { attempt, planned } => self.start(attempt, planned, trail, cx, now)?,
                Step::Cancel(number) => self.cancel(number, trail, unwanted, now),
                Step::Commit(number) => self.commit(number, trail, now),
                Step::Queue { planned } => self.queue(planned, trail, cx, now)?,
                Step::GiveUp(kind) => return Err(self.lost(kind)),
            }
        }
        Ok(())
    }

    pub(super) fn start(
        &mut self,
        number: u8,
        planned: u8,
        trail: &mut Trail,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Result<(), Failure> {
        let Some(entry) = self.plan.attempts.get(usize::from(planned)).copied() else {
            return Err(self.lost(Kind::Bug));
        };
        let wanted = Wanted {
            model: entry.model,
            tried: &self.tried,
            choice: self.choice,
            again: !trail.attempts.is_empty(),
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
            let none = Setback::none_free().failure;
            let (kind, retry) = (none.kind, none.retry);
            self.setback.get_or_insert(none);
            let failed = Event::Failed(number, kind, retry);
            let event = if full { Event::Full(number) } else { failed };
            let steps = self.attempts.on(event, now, false);
            // As deep as the plan is long: each step moves on in the plan.
            return self.take(steps, trail, cx, now);
        };
        if self.plan.last_resort {
            (self.upstreams.told)(&endpoint, Fate::LastResort);
        }
        self.tried.push((entry.model, endpoint.index));
        let record = trail.attempts.len();
        trail.attempts.push(attempt_at(&endpoint, now));
        trail.bound_told = self.ask.bound;
        let has = self.upstreams.room(entry.model);
        let room = wire::Room { needed: self.plan.input_tokens, has };
        let start = Start { number, record, endpoint, target, planned: entry, room, refused: None };
        let leg = Leg::start(start, &self.ask, now, cx);
        if let Some(other) = self.leg.replace(leg) {
            self.rival = Some(Box::new((other, std::mem::take(&mut self.held))));
        }
        let steps = self.attempts.on(Event::Began(number), now, false);
        self.take(steps, trail, cx, now)
    }

    /// Waits for a place at an entry of the plan, if there is use in it.
    fn queue(
        &mut self,
        planned: u8,
        trail: &mut Trail,
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
                self.take(steps, trail, cx, now)
            }
        }
    }

    /// Notes that there was no place, and when there may be, if that is known.
    pub(super) fn turned_away(&mut self, wait: Option<Duration>) {
        self.ticket = None;
        let mut none = Setback::none_free().failure;
        none.retry_after = wait.or(none.retry_after);
        self.setback = Some(none);
    }

    /// What the caller is told when nothing is left to try.
    pub(super) fn lost(&mut self, kind: Kind) -> Failure {
        self.state = State::Over;
        self.ticket = None;
        self.setback.take().unwrap_or_else(|| {
            Failure::new(kind, Stage::Dispatch, "no model could answer").retry(Retry::Never)
        })
    }
}

fn close(leg: &Leg, trail: &mut Trail, result: AttemptResult, now: Instant) {
    if let Some(attempt) = trail.attempts.get_mut(leg.record) {
        attempt.took = Some(now.saturating_duration_since(attempt.started));
        attempt.result = Some(result);
    }
}

fn attempt_at(endpoint: &crate::fleet::Endpoint, now: Instant) -> Attempt {
    Attempt {
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
