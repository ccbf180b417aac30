//! Before commitment: attempts are begun as the machine says, and the first to prove itself answers.

use std::{
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    contender::{Contender, Contenders},
    last_error::LastError,
    places::Places,
    relay::{Moved, Relay, Won},
    scope::{Scope, Visit},
};
use crate::{
    dispatch::{
        attempt::{Attempt, Events, Shown, Start},
        attempts::{Attempts, Event, Step, Steps},
        judge::AttemptError,
        outbound::Outbound,
        own::{Objection, RefusedEdits},
    },
    failure::{Failure, Kind},
    fleet::Turn,
    outcome::AttemptResult,
    wire,
};

/// What runs for a request before anything is committed.
pub(super) struct Race {
    attempts: Attempts,
    places: Places,
    contenders: Contenders,
    /// The attempt that answers, once the machine has said so.
    winner: Option<u8>,
    /// A plain answer may be waited for in vain: another attempt was begun beside it, where there is one.
    doubted: bool,
    /// The error of the last attempt that failed.
    error: LastError,
}

/// Whether something happened, or what it all came to.
type Done<T> = Result<T, Failure>;

impl Race {
    /// A race without an attempt yet.
    pub(super) fn new(attempts: Attempts, places: Places) -> Self {
        Self {
            attempts,
            places,
            contenders: Contenders::default(),
            winner: None,
            doubted: false,
            error: LastError::default(),
        }
    }

    /// Polls the attempts and feeds the machine. Nothing is returned while all that run are awaited.
    pub(super) fn advance(
        &mut self,
        scope: &Scope,
        out: &mut Outbound,
        at: &mut Visit<'_, '_>,
    ) -> Done<Option<Won>> {
        loop {
            if let Some((attempt, held)) = self.take_winner() {
                out.append(held);
                return Ok(Some(Won::Stream(Relay::new(attempt))));
            }
            if self.contenders.is_empty() {
                if !self.begin(scope, at)? {
                    return Ok(None);
                }
                continue;
            }
            let Poll::Ready((number, shown)) = self.contenders.poll(scope, at) else {
                return Ok(None);
            };
            let won = match shown {
                Err(error) => self.fail(number, error, scope, at).map(|()| None),
                Ok(Shown::Whole(body, plain)) => self.whole(number, body, &plain, scope, at),
                Ok(Shown::Events(chunk, events)) => {
                    self.events(number, (chunk, events), scope, out, at)
                }
                Ok(Shown::End(end)) => self.ends(number, end, scope, out, at),
            };
            if let Some(won) = won? {
                return Ok(Some(won));
            }
        }
    }

    /// Begins where nothing runs: at first, and when a place is free. False while one is waited for.
    fn begin(&mut self, scope: &Scope, at: &mut Visit<'_, '_>) -> Done<bool> {
        let event = match self.places.poll(at.cx) {
            None => Event::Begin,
            Some(Poll::Pending) => return Ok(false),
            Some(Poll::Ready(Turn::Granted)) => Event::Refilled,
            Some(Poll::Ready(Turn::Displaced)) => {
                self.places.leave();
                self.error.turned_away(None);
                Event::TurnedAway
            }
        };
        let steps = self.attempts.on(event, at.now, false);
        if steps.is_empty() {
            return Err(self.error.take(Kind::Bug));
        }
        self.apply(steps, scope, at)?;
        Ok(true)
    }

    /// Events of a stream that is not committed yet.
    fn events(
        &mut self,
        number: u8,
        (chunk, events): (Bytes, Events),
        scope: &Scope,
        out: &mut Outbound,
        at: &mut Visit<'_, '_>,
    ) -> Done<Option<Won>> {
        let Some(contender) = self.contenders.get(number) else { return Ok(None) };
        let (contents, ends) = match contender.looks(&events, &scope.request) {
            Ok(seen) => seen,
            Err(error) => return self.fail(number, error, scope, at).map(|()| None),
        };
        if ends || contents > 0 || contender.attempt.first.is_some() {
            self.shows(number, contents, ends, scope, at)?;
        }
        if let Some((attempt, held)) = self.take_winner() {
            out.append(held);
            let mut relay = Relay::new(attempt);
            let moved = relay.pass(chunk, events, scope, out, at)?;
            let over = moved == Moved::Over;
            return Ok(Some(if over { Won::Ended } else { Won::Stream(relay) }));
        }
        if let Some(Contender { attempt, held }) = self.contenders.get(number)
            && let Err(error) = held.pass(chunk, events, attempt, &scope.request)
        {
            self.fail(number, error, scope, at)?;
        }
        Ok(None)
    }

    /// Handles a stream that has ended before commitment.
    fn ends(
        &mut self,
        number: u8,
        end: wire::End,
        scope: &Scope,
        out: &mut Outbound,
        at: &mut Visit<'_, '_>,
    ) -> Done<Option<Won>> {
        let Some(contender) = self.contenders.get(number) else { return Ok(None) };
        let shown = contender.attempt.first.is_some() || !contender.is_silent();
        if !shown || !end.real() {
            let error = contender.ended(shown, end);
            return self.fail(number, error, scope, at).map(|()| None);
        }
        self.shows(number, 0, true, scope, at)?;
        let Some((mut attempt, held)) = self.take_winner() else { return Ok(None) };
        out.append(held);
        out.push_end(&mut attempt, scope.request.body.wants_usage());
        Relay::new(attempt).finish(at);
        Ok(Some(Won::Ended))
    }

    /// Handles a plain answer that is complete.
    fn whole(
        &mut self,
        number: u8,
        body: Bytes,
        plain: &wire::Plain,
        scope: &Scope,
        at: &mut Visit<'_, '_>,
    ) -> Done<Option<Won>> {
        self.shows(number, 0, true, scope, at)?;
        let winner = self.winner.and_then(|it| self.contenders.get(it));
        let Some(winner) = winner else { return Ok(None) };
        (at.log.reported, at.log.counted_output) = (plain.reported, plain.counted_output);
        at.log.complete = true;
        at.close(&winner.attempt, AttemptResult::Ok);
        Ok(Some(Won::Whole(body)))
    }

    /// Tells the machine what an attempt has shown by now: so much content more, and whether it ends.
    fn shows(
        &mut self,
        number: u8,
        contents: u32,
        ends: bool,
        scope: &Scope,
        at: &mut Visit<'_, '_>,
    ) -> Done<()> {
        let Some(contender) = self.contenders.get(number) else { return Ok(()) };
        contender.has_shown(contents, scope, at.now);
        let event = contender.event(ends);
        let model = contender.attempt.endpoint.model;
        let guarded = scope.plan.slow_stream.is_some();
        let other = guarded && self.places.has_other(model, scope, at.now);
        let steps = self.attempts.on(event, at.now, other);
        self.apply(steps, scope, at)
    }

    /// Handles an attempt that has failed.
    fn fail(
        &mut self,
        number: u8,
        error: AttemptError,
        scope: &Scope,
        at: &mut Visit<'_, '_>,
    ) -> Done<()> {
        let late = self.attempts.late(at.now);
        let Some(Contender { attempt, .. }) = self.contenders.get(number) else { return Ok(()) };
        let mut error = error.without(attempt.key());
        match attempt.objection.take() {
            Some(Objection::Again(refused)) if !late => {
                self.again(number, refused, scope, at);
                return Ok(());
            }
            Some(Objection::Bound) => error = error.unbounded(),
            _ => {}
        }
        scope.blame(attempt, &error, at);
        at.close_with(attempt, error.result, error.cause);
        let (model, replica) = (attempt.endpoint.model, attempt.endpoint.index);
        let crossed = attempt.crossed;
        self.contenders.take(number);
        let (kind, retry) = (error.failure.kind, error.failure.retry);
        self.error.set(error.failure);
        if crossed {
            self.places.forget(model, replica);
        }
        let other = self.places.has_other(model, scope, at.now);
        let steps = self.attempts.on(Event::Failed(number, kind, retry), at.now, other);
        self.apply(steps, scope, at)
    }

    /// Asks the same replica without what it refused of our edits. It is one more sending, and in the
    /// log; but what was ours to leave out is no try of the plan, and nobody's failure.
    fn again(&mut self, number: u8, refused: RefusedEdits, scope: &Scope, at: &mut Visit<'_, '_>) {
        let Some(Contender { attempt, .. }) = self.contenders.take(number) else { return };
        at.close(&attempt, AttemptResult::Status);
        let record = at.open(&attempt.endpoint);
        scope.asked_again(&attempt, &refused);
        let start = attempt.again(record, refused);
        self.contenders.push(Attempt::start(start, &scope.request, at.now, at.cx));
    }

    /// The attempt that answers, and what was held of it.
    fn take_winner(&mut self) -> Option<(Attempt, Outbound)> {
        let Contender { attempt, held } = self.contenders.take(self.winner.take()?)?;
        Some((attempt, held))
    }

    /// Carries out the steps of the machine.
    fn apply(&mut self, steps: Steps, scope: &Scope, at: &mut Visit<'_, '_>) -> Done<()> {
        let preferred = steps.iter().any(|step| matches!(step, Step::Commit(_)));
        let unwanted = match (preferred, self.attempts.late(at.now)) {
            (true, _) => AttemptResult::LostHedge,
            (false, true) => AttemptResult::Timeout,
            (false, false) => AttemptResult::Cancelled,
        };
        for step in steps {
            match step {
                Step::Start { attempt, planned } => self.start(attempt, planned, scope, at)?,
                Step::Cancel(number) => {
                    if let Some(contender) = self.contenders.take(number) {
                        at.close(&contender.attempt, unwanted);
                    }
                }
                Step::Commit(number) => self.commit(number, at),
                Step::Queue { planned } => self.queue(planned, scope, at)?,
                Step::GiveUp(kind) => return Err(self.error.take(kind)),
            }
        }
        Ok(())
    }

    /// Notes that this attempt answers.
    fn commit(&mut self, number: u8, at: &mut Visit<'_, '_>) {
        let Some(contender) = self.contenders.get(number) else { return };
        at.log.committed = u8::try_from(contender.attempt.record).ok();
        at.log.first_content = Some(at.now);
        at.count(&contender.attempt);
        self.winner = Some(number);
    }

    fn start(
        &mut self,
        number: u8,
        planned: u8,
        scope: &Scope,
        at: &mut Visit<'_, '_>,
    ) -> Done<()> {
        let Some(entry) = scope.plan.attempts.get(usize::from(planned)).copied() else {
            return Err(self.error.take(Kind::Bug));
        };
        let again = !at.log.attempts.is_empty();
        let (endpoint, target) = match self.places.find(&entry, again, scope, at.now) {
            Ok(found) => found,
            Err(full) => {
                let steps = self.attempts.on(self.error.none_found(number, full), at.now, false);
                // As deep as the plan is long: each step moves on in the plan.
                return self.apply(steps, scope, at);
            }
        };
        let record = at.open(&endpoint);
        at.log.bound_told = scope.request.bound;
        let half_full = entry.is_half_full(scope.plan.input_tokens);
        let start =
            Start { number, record, endpoint, target, planned: entry, half_full, refused: None };
        self.contenders.push(Attempt::start(start, &scope.request, at.now, at.cx));
        let steps = self.attempts.on(Event::Began(number), at.now, false);
        self.apply(steps, scope, at)
    }

    /// Waits for a place at an entry of the plan, if there is use in it.
    fn queue(&mut self, planned: u8, scope: &Scope, at: &mut Visit<'_, '_>) -> Done<()> {
        let Some(entry) = scope.plan.attempts.get(usize::from(planned)) else {
            return Err(self.error.take(Kind::Bug));
        };
        match self.places.join(entry.model, scope, at.now) {
            Ok(()) => Ok(()),
            Err(wait) => {
                self.error.turned_away(Some(wait));
                let steps = self.attempts.on(Event::TurnedAway, at.now, false);
                self.apply(steps, scope, at)
            }
        }
    }

    /// Ends what has taken too long. True if anything changed.
    pub(super) fn expire(&mut self, scope: &Scope, at: &mut Visit<'_, '_>) -> Done<bool> {
        if self.attempts.due().is_some_and(|due| at.now >= due) {
            self.tick(Event::Tick, scope, at)?;
            return Ok(true);
        }
        if self.doubts(scope, at) {
            self.tick(Event::Doubt, scope, at)?;
            return Ok(true);
        }
        if self.places.until().is_some_and(|until| at.now >= until) {
            self.places.leave();
            self.error.turned_away(None);
            let steps = self.attempts.on(Event::TurnedAway, at.now, false);
            self.apply(steps, scope, at)?;
            return Ok(true);
        }
        let Some((number, error)) = self.contenders.expired(scope, at.now) else {
            return Ok(false);
        };
        self.fail(number, error, scope, at)?;
        Ok(true)
    }

    /// Whether the only attempt of a plain answer has become doubtful. Its first sign is its end, so silence
    /// says nothing, until it is longer than a stream's may be and others found that its replica is silent.
    fn doubts(&mut self, scope: &Scope, at: &mut Visit<'_, '_>) -> bool {
        if self.doubted || scope.stream() {
            return false;
        }
        let Some(attempt) = self.contenders.only() else { return false };
        self.doubted =
            at.now >= attempt.clocks.late_at() && attempt.poll_ejection(at.cx).is_ready();
        self.doubted
    }

    /// The envelope is over, a hedge is due, the time that a stream was held back for, or the only attempt
    /// is in doubt.
    fn tick(&mut self, event: Event, scope: &Scope, at: &mut Visit<'_, '_>) -> Done<()> {
        if self.attempts.late(at.now) {
            self.error.late();
        }
        // The machine asks this only of the one that runs alone.
        let model = self.contenders.oldest().map(|attempt| attempt.endpoint.model);
        let other = model.is_some_and(|model| self.places.has_other(model, scope, at.now));
        let steps = self.attempts.on(event, at.now, other);
        self.apply(steps, scope, at)
    }

    /// When `expire` has something to do.
    pub(super) fn next_moment(&self, scope: &Scope, now: Instant) -> Option<Instant> {
        let doubts = !scope.stream() && !self.doubted;
        let contenders = self.contenders.next_moment(scope, doubts, now);
        [contenders, self.places.until(), self.attempts.due()].into_iter().flatten().min()
    }

    /// The caller took so long to take what had come.
    pub(super) fn excuse(&mut self, taken: Duration) {
        self.contenders.excuse(taken);
    }

    /// The process ends, and all attempts with it.
    pub(super) fn stop(&self, at: &mut Visit<'_, '_>) {
        self.contenders.stop(at);
    }
}
