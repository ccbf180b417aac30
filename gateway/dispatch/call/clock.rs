//! What bounds a call in time: one timer, moved only when it would come too late.

use std::{
    task::{Context, Poll},
    time::Instant,
};

use super::{COMMENT_EVERY, Call, State};
use crate::{
    dispatch::{attempt::Attempt, attempts::Event, judge::AttemptError},
    failure::Failure,
    outcome::AttemptLog,
};

impl Call {
    /// Ends what has taken too long. True if anything changed.
    pub(super) fn expired(
        &mut self,
        cx: &mut Context<'_>,
        log: &mut AttemptLog,
        now: Instant,
    ) -> Result<bool, Failure> {
        if let State::Tail(until) = self.state {
            if now >= until {
                self.finish(log, now);
            }
            return Ok(now >= until);
        }
        if self.attempts.due().is_some_and(|at| now >= at) {
            self.tick(Event::Tick, cx, log, now)?;
            return Ok(true);
        }
        if self.doubts(cx, now) {
            self.tick(Event::Doubt, cx, log, now)?;
            return Ok(true);
        }
        if self.ticket.as_ref().is_some_and(|ticket| now >= ticket.until) {
            self.turned_away(None);
            let steps = self.attempts.on(Event::TurnedAway, now, false);
            self.take(steps, log, cx, now)?;
            return Ok(true);
        }
        let stream = self.request.body.stream();
        if self.rival.as_ref().is_some_and(|rival| now >= rival.0.deadline(stream).0) {
            self.swap();
        }
        let Some(attempt) = self.attempt.as_ref() else { return Ok(false) };
        let (at, public) = attempt.deadline(stream);
        if now < at {
            return Ok(false);
        }
        let mut error = AttemptError::timeout(public);
        // A replica is not blamed for an attempt that still reads a long prompt, nor for one that waits for
        // a connection.
        error.blame = !(attempt.waits_its_turn() || attempt.reads() && self.plan.reads_long());
        if self.state == State::Committed {
            return Err(self.cut(error, log, now));
        }
        self.error(error, log, cx, now)?;
        Ok(true)
    }

    /// Whether the only attempt of a plain answer has become doubtful. The first sign of such an answer is
    /// its end, so its silence says nothing; but where it is longer than that of any stream may be, and
    /// others have found that its replica does not answer, that says enough.
    fn doubts(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.doubted || self.request.body.stream() || self.rival.is_some() {
            return false;
        }
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| now >= attempt.late_at()) else {
            return false;
        };
        self.doubted = attempt.poll_ejection(cx).is_ready();
        self.doubted
    }

    /// The envelope is over, a hedge is due, the time that a stream was held back for, or the only attempt
    /// is in doubt.
    fn tick(
        &mut self,
        event: Event,
        cx: &mut Context<'_>,
        log: &mut AttemptLog,
        now: Instant,
    ) -> Result<(), Failure> {
        if self.attempts.late(now) {
            self.error = Some(AttemptError::timeout("the model took too long").failure);
        }
        let model = self.attempt.as_ref().map(|attempt| attempt.endpoint.model);
        let fleet = &self.upstreams.fleet;
        let other = model.is_some_and(|model| fleet.has_other(model, &self.tried, now));
        let steps = self.attempts.on(event, now, other);
        self.take(steps, log, cx, now)?;
        if self.attempt.is_none() {
            self.swap();
        }
        Ok(())
    }

    /// Sees to it that the call is polled again in time. The timer is only ever moved when it would
    /// come too late: one that comes early finds nothing to do and is set anew.
    pub(super) fn arm(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        let at = self.next_moment(now).into();
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if timer.is_elapsed() || at < timer.deadline() {
            timer.as_mut().reset(at);
        } else if timer.deadline().into_std() > now
            && self.armed_by.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            return Poll::Pending;
        }
        self.armed_by = Some(cx.waker().clone());
        timer.as_mut().poll(cx)
    }

    pub(super) fn next_moment(&self, now: Instant) -> Instant {
        let stream = self.request.body.stream();
        let attempt = self.attempt.as_ref().map(|attempt| attempt.deadline(stream).0);
        let rival = self.rival.as_ref().map(|rival| rival.0.deadline(stream).0);
        let doubt =
            self.attempt.as_ref().filter(|_| !stream && !self.doubted).map(Attempt::late_at);
        let doubt = doubt.filter(|at| *at > now);
        let tail = match self.state {
            State::Tail(until) => Some(until),
            _ => None,
        };
        let comment = (stream && self.early_at.is_none()).then(|| self.last_piece + COMMENT_EVERY);
        let turn = self.ticket.as_ref().map(|ticket| ticket.until);
        [attempt, rival, doubt, tail, turn, comment, self.early_at, self.attempts.due()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now + COMMENT_EVERY)
    }
}
