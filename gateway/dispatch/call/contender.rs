//! An attempt before commitment, and what it has shown so far; found by its number among those that run.

use std::{
    task::Poll,
    time::{Duration, Instant},
};

use policies::facts::Tokens;

use super::scope::{Scope, Visit};
use crate::{
    dispatch::{
        attempt::{Attempt, Events, Shown},
        attempts::Event,
        judge::{AttemptError, NO_ANSWER},
        outbound::Outbound,
        target::UpstreamRequest,
    },
    outcome::AttemptResult,
    wire::{self, What},
};

/// A stream that has said so much since its first content is not held back any longer.
const HELD_BYTES_MAX: usize = 64 * 1024;

/// An attempt that may answer.
pub(super) struct Contender {
    /// The attempt.
    pub attempt: Attempt,
    /// What it has said for the caller, who does not get it before commitment.
    pub held: Outbound,
}

/// The attempts that run before commitment, the older first; more than one is rare. They are kept apart from
/// their call: together they would be too large for the allocator's short way.
#[derive(Default)]
pub(super) struct Contenders(Vec<Contender>);

impl Contender {
    /// Notes how far the attempt came.
    fn noted(&self, at: &mut Visit<'_, '_>) {
        if let Some(record) = at.log.attempts.get_mut(self.attempt.record) {
            record.sent = self.attempt.all_out();
            record.held = self.attempt.counted();
        }
    }

    /// How many of these events are content, and whether the answer ends with them; an error if there is
    /// none, or the backend tells one. That counts even after content: the caller has read nothing of it.
    pub(super) fn looks(
        &mut self,
        events: &Events,
        request: &UpstreamRequest,
    ) -> Result<(u32, bool), AttemptError> {
        let shown = self.attempt.first.is_some();
        let passed = self.attempt.stream().is_some_and(wire::Stream::passed);
        let (mut contents, mut ends) = (0, passed);
        for event in events {
            match &event.what {
                What::Content => contents += 1,
                What::Error(_) => return Err(self.attempt.told(request, &event.bytes)),
                What::Done if !shown && !ends && contents == 0 && self.is_silent() => {
                    return Err(self.empty("the stream was done before any content"));
                }
                // An end of nothing may still be explained by what was used.
                What::Finish if !shown && contents == 0 && self.is_silent() => {}
                What::Finish | What::Done => ends = true,
                _ => {}
            }
        }
        Ok((contents, ends))
    }

    /// Whether the stream would be an answer to nobody if it ended here.
    pub(super) fn is_silent(&self) -> bool {
        self.attempt.stream().is_none_or(wire::Stream::silent)
    }

    /// Notes the first sign of an answer: so many events, of which the first has an even share.
    pub(super) fn has_shown(&mut self, contents: u32, scope: &Scope, now: Instant) {
        let attempt = &mut self.attempt;
        if attempt.first.is_some() {
            return;
        }
        let first = Tokens(attempt.counted().0.div_ceil(contents.max(1)));
        attempt.shows_content(first, &scope.request, now);
        scope.answered(attempt, now);
    }

    /// The event for the machine, by what the attempt has shown by now.
    pub(super) fn event(&self, ends: bool) -> Event {
        let Attempt { number, first, unread, .. } = &self.attempt;
        let after = self.attempt.counted().0.saturating_sub(first.unwrap_or_default().0);
        match ends || *unread > HELD_BYTES_MAX {
            true => Event::Content(*number),
            false => Event::Output(*number, Tokens(after)),
        }
    }

    /// Why a stream that has ended is no answer.
    pub(super) fn ended(&self, shown: bool, end: wire::End) -> AttemptError {
        if !shown && end.real() {
            return self.empty("the stream ended before any content");
        }
        let why = if shown { "without an end" } else { "before any content" };
        AttemptError::invalid(NO_ANSWER, format!("the stream ended {why}"))
    }

    /// A stream without content. If it says that it ended well, that may be due to what was asked.
    fn empty(&self, why: &str) -> AttemptError {
        match self.attempt.stream().is_some_and(wire::Stream::finishes) {
            true => AttemptError::silent(),
            false => AttemptError::invalid(NO_ANSWER, why),
        }
    }
}

impl Contenders {
    /// Adds an attempt that was just begun.
    pub(super) fn push(&mut self, attempt: Attempt) {
        if self.0.is_empty() {
            // A vector of its own accord begins with room for four.
            self.0.reserve_exact(1);
        }
        self.0.push(Contender { attempt, held: Outbound::default() });
    }

    /// Whether nothing runs.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The attempt that began first.
    pub(super) fn oldest(&self) -> Option<&Attempt> {
        self.0.first().map(|it| &it.attempt)
    }

    /// The single attempt that runs, if there is no other.
    pub(super) fn only(&mut self) -> Option<&mut Attempt> {
        match &mut self.0[..] {
            [one] => Some(&mut one.attempt),
            _ => None,
        }
    }

    /// The attempt of this number.
    pub(super) fn get(&mut self, number: u8) -> Option<&mut Contender> {
        self.0.iter_mut().find(|it| it.attempt.number == number)
    }

    /// Takes the attempt of this number out.
    pub(super) fn take(&mut self, number: u8) -> Option<Contender> {
        let at = self.0.iter().position(|it| it.attempt.number == number)?;
        Some(self.0.remove(at))
    }

    /// Polls all until one has something to show; returns that with its number.
    pub(super) fn poll(
        &mut self,
        scope: &Scope,
        at: &mut Visit<'_, '_>,
    ) -> Poll<(u8, Result<Shown, AttemptError>)> {
        for it in &mut self.0 {
            let connector = &scope.upstreams.connector;
            let polled = it.attempt.poll(at.cx, connector, &scope.request, at.now);
            it.noted(at);
            if let Poll::Ready(shown) = polled {
                return Poll::Ready((it.attempt.number, shown));
            }
        }
        Poll::Pending
    }

    /// One that has taken too long, and the error that this is.
    pub(super) fn expired(&self, scope: &Scope, now: Instant) -> Option<(u8, AttemptError)> {
        self.0.iter().find_map(|Contender { attempt, .. }| {
            let (deadline, public) = attempt.deadline(scope.stream());
            (now >= deadline).then(|| (attempt.number, scope.timeout(attempt, public)))
        })
    }

    /// When the first of them has taken too long; with `doubts`, when that has to be asked already.
    pub(super) fn next_moment(&self, scope: &Scope, doubts: bool, now: Instant) -> Option<Instant> {
        let moment = |Contender { attempt, .. }: &Contender| {
            let late = Some(attempt.clocks.late_at()).filter(|late| doubts && *late > now);
            let deadline = attempt.deadline(scope.stream()).0;
            late.map_or(deadline, |late| late.min(deadline))
        };
        self.0.iter().map(moment).min()
    }

    /// The caller took so long to take what had come: nothing was waited for.
    pub(super) fn excuse(&mut self, taken: Duration) {
        self.0.iter_mut().for_each(|it| it.attempt.clocks.excuse(taken));
    }

    /// Notes that all of them are given up.
    pub(super) fn stop(&self, at: &mut Visit<'_, '_>) {
        for Contender { attempt, .. } in &self.0 {
            at.count(attempt);
            at.close(attempt, AttemptResult::Cancelled);
        }
    }
}
