//! Retry, fallback, hedge and the guard against slow streams as one state machine, without IO.
//!
//! One envelope bounds everything that may be tried for a request: a deadline and a count. A hedge is no
//! attempt more: it is the next one of the plan, or the retry, begun before the first has failed. So is
//! what is begun beside a plain answer in doubt, and what the guard puts in the place of a stream that
//! crawls: once for a request, and only where something has a place already, because a slow answer is
//! better than none. A hedge goes on while the guard holds its rival: whichever proves itself first
//! answers. It takes the place of a rival that crawls, unless it is the older one and still silent.
//!
//! The machine is told what happens ([`Event`]) and says what to do next ([`Step`]). It ends with exactly
//! one [`Step::Commit`] or one [`Step::GiveUp`], and says nothing after that.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use policies::{Plan, Planned, SlowStream, facts::Tokens};
use smallvec::{SmallVec, smallvec};

use crate::failure::{Kind, Retry};

/// An event that the machine is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The request may go out.
    Begin,
    /// The attempt has a place at a replica, and begins.
    Began(u8),
    /// The attempt has shown its whole answer, or of a stream more than may be held back.
    Content(u8),
    /// The attempt, a stream, has shown its first content, and by now so much output after it.
    Output(u8, Tokens),
    /// The attempt failed.
    Failed(u8, Kind, Retry),
    /// The only attempt may be waiting for nothing: others have found that its replica does not answer.
    Doubt,
    /// The attempt found all replicas of its model full.
    Full(u8),
    /// A replica is free for the request that waited for one.
    Refilled,
    /// The wait ended without a place.
    TurnedAway,
    /// Time has passed.
    Tick,
}

/// A step that the machine asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Start an attempt on this entry of the plan.
    Start {
        /// Number of the attempt, from 0.
        attempt: u8,
        /// Position in the plan.
        planned: u8,
    },
    /// Wait for a place at this entry of the plan: it alone could still serve.
    Queue {
        /// Position in the plan.
        planned: u8,
    },
    /// End this attempt; its answer is not wanted.
    Cancel(u8),
    /// This attempt answers the caller. Nothing else is tried from here on.
    Commit(u8),
    /// There is nothing left to try.
    GiveUp(Kind),
}

/// Steps to take, in order.
pub(crate) type Steps = SmallVec<[Step; 2]>;

/// The state machine of the attempts of one request.
#[derive(Debug)]
pub(crate) struct Attempts {
    /// What may be tried: models in order, each with its context window.
    plan: Arc<Plan>,
    retries_left: u8,
    deadline: Instant,
    hedge: Hedge,
    guard: Option<SlowStream>,
    /// The attempt that crawls, while another is sought for its place; and whether it may be a retry.
    slow: Option<(Running, bool)>,
    running: SmallVec<[Running; 2]>,
    started: u8,
    /// The last entry of the plan that was started.
    reached: u8,
    /// Entries from here on must have a larger context window than this.
    context_tokens_above: Tokens,
    /// The first entry of the plan that was only full.
    full: Option<u8>,
    /// A backend called the request wrong: nothing new is begun.
    wrong: bool,
    over: bool,
}

/// The bounds on the attempts of a request.
pub(crate) struct Envelope {
    /// Models in order, and how often one may be tried again, in all.
    pub plan: Arc<Plan>,
    /// The moment from which no attempt is started.
    pub deadline: Instant,
    /// After how much silence of the only attempt a second one is started beside it, once.
    pub hedge_after: Option<Duration>,
    /// Which streams are held back until they have proved their pace.
    pub guard: Option<SlowStream>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Running {
    attempt: u8,
    planned: u8,
    /// It has shown content, which is held back until then at the most.
    held_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Hedge {
    /// There is no hedge, or there was one.
    None,
    /// The hedge starts so long after an attempt.
    After(Duration),
    /// Due at this moment, and `After` again if another attempt starts before.
    At(Instant, Duration),
}

impl Running {
    /// Whether it had its time to prove its pace.
    fn crawls(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|until| now >= until)
    }
}

impl Attempts {
    /// A machine for this envelope.
    pub(crate) fn new(envelope: Envelope) -> Self {
        Self {
            retries_left: envelope.plan.retries_max,
            plan: envelope.plan,
            deadline: envelope.deadline,
            hedge: envelope.hedge_after.map_or(Hedge::None, Hedge::After),
            guard: envelope.guard,
            slow: None,
            running: SmallVec::new(),
            started: 0,
            reached: 0,
            context_tokens_above: Tokens(0),
            full: None,
            wrong: false,
            over: false,
        }
    }

    /// When [`Event::Tick`] must come at the latest, while there is anything to do.
    #[inline]
    pub(crate) fn due(&self) -> Option<Instant> {
        (!self.over).then(|| self.next_moment())
    }

    fn next_moment(&self) -> Instant {
        let hedge = match (self.hedge, &self.running[..]) {
            (Hedge::At(at, _), [Running { held_until: None, .. }]) => Some(at),
            _ => None,
        };
        let held = self.running.iter().filter_map(|it| it.held_until).min();
        [hedge, held].into_iter().flatten().fold(self.deadline, Instant::min)
    }

    /// Whether the envelope's time is over.
    pub(crate) fn late(&self, now: Instant) -> bool {
        now >= self.deadline
    }

    /// Takes an event. `retry_allowed` says whether the model of the attempt in question, at a tick of
    /// the one that runs alone, has another live replica that was not tried yet.
    pub(crate) fn on(&mut self, event: Event, now: Instant, retry_allowed: bool) -> Steps {
        if self.over {
            return Steps::new();
        }
        match event {
            Event::Begin if self.started == 0 => self.start(0, now),
            Event::Began(of) => self.replaced_by(of),
            Event::Content(of) if self.runs(of).is_some() => self.commit(of),
            Event::Output(of, tokens) => self.output(of, tokens, now, retry_allowed),
            Event::Failed(of, kind, retry) => {
                let Some(failed) = self.runs(of) else { return Steps::new() };
                self.running.retain(|it| it.attempt != of);
                if self.late(now) {
                    return self.give_up(Kind::UpstreamTimeout);
                }
                self.after_failure(failed.planned, (kind, retry), now, retry_allowed)
            }
            Event::Full(of) => {
                let Some(full) = self.runs(of) else { return Steps::new() };
                self.running.retain(|it| it.attempt != of);
                self.full = Some(self.full.unwrap_or(full.planned));
                self.onward(Kind::NoCapacity, now)
            }
            Event::Refilled if self.running.is_empty() => match self.full.take() {
                Some(planned) => self.start(planned, now),
                None => Steps::new(),
            },
            Event::Doubt => match self.running[..] {
                [Running { planned, held_until: None, .. }] => {
                    self.another(planned, now, retry_allowed)
                }
                _ => Steps::new(),
            },
            Event::TurnedAway if self.running.is_empty() => self.give_up(Kind::NoCapacity),
            Event::Tick if self.late(now) => self.give_up(Kind::UpstreamTimeout),
            Event::Tick => match self.running.iter().find(|it| it.crawls(now)).copied() {
                Some(slow) => self.replace(slow, now, retry_allowed),
                None => self.hedge(now, retry_allowed),
            },
            _ => Steps::new(),
        }
    }

    fn runs(&self, attempt: u8) -> Option<Running> {
        self.running.iter().copied().find(|it| it.attempt == attempt)
    }

    fn after_failure(
        &mut self,
        planned: u8,
        (kind, retry): (Kind, Retry),
        now: Instant,
        retry_allowed: bool,
    ) -> Steps {
        self.wrong |= retry == Retry::Never;
        if retry == Retry::LargerContext {
            let too_small = self.plan.attempts.get(usize::from(planned));
            let too_small = too_small.map_or(Tokens(0), |it| it.context_tokens_max);
            self.context_tokens_above = self.context_tokens_above.max(too_small);
        }
        let alone = self.running.is_empty() && !self.wrong;
        if alone && retry == Retry::Elsewhere && retry_allowed && self.retries_left > 0 {
            self.retries_left -= 1;
            return self.start(planned, now);
        }
        self.onward(kind, now)
    }

    /// The next entry of the plan; else a wait for one that was only full.
    fn onward(&mut self, kind: Kind, now: Instant) -> Steps {
        if let Some((slow, retry)) = self.slow.take().filter(|it| self.runs(it.0.attempt).is_some())
        {
            return self.instead_of(slow, now, retry);
        }
        if !self.running.is_empty() {
            // The other goes on, and is hope enough.
            return Steps::new();
        }
        if self.wrong {
            return self.give_up(kind);
        }
        let full = self.full.filter(|at| {
            self.plan.attempts.get(usize::from(*at)).is_some_and(|it| self.is_large_enough(it))
        });
        match (self.next(), full) {
            (Some(at), _) => self.start(at, now),
            (None, Some(planned)) => smallvec![Step::Queue { planned }],
            (None, None) => self.give_up(kind),
        }
    }

    /// A second attempt beside a silent one.
    fn hedge(&mut self, now: Instant, retry_allowed: bool) -> Steps {
        let (Hedge::At(at, _), [Running { planned, held_until: None, .. }]) =
            (self.hedge, &self.running[..])
        else {
            return Steps::new();
        };
        if now < at {
            return Steps::new();
        }
        let planned = *planned;
        self.hedge = Hedge::None;
        self.another(planned, now, retry_allowed)
    }

    /// Starts the next model of the plan, else another replica of this one; nothing if there is neither.
    fn another(&mut self, planned: u8, now: Instant, retry_allowed: bool) -> Steps {
        if !self.elsewhere(retry_allowed) {
            return Steps::new();
        }
        if let Some(at) = self.next() {
            return self.start(at, now);
        }
        self.retries_left -= 1;
        self.start(planned, now)
    }

    /// Whether another attempt may be started.
    fn elsewhere(&self, retry_allowed: bool) -> bool {
        !self.wrong && (self.next().is_some() || retry_allowed && self.retries_left > 0)
    }

    /// A stream shows content: it answers, unless it may still be found too slow.
    fn output(&mut self, of: u8, tokens: Tokens, now: Instant, retry_allowed: bool) -> Steps {
        let hope = self.running.len() > 1 || self.elsewhere(retry_allowed);
        let guard = self.guard.filter(|it| hope && tokens < it.output_tokens_enough());
        let Some(it) = self.running.iter_mut().find(|it| it.attempt == of) else {
            return Steps::new();
        };
        let Some(guard) = guard else { return self.commit(of) };
        let until = now + Duration::from_millis(guard.hold_ms.into());
        it.held_until.get_or_insert(until);
        Steps::new()
    }

    /// A stream did not prove its pace in time: what runs beside it takes its place, else another attempt.
    /// One that began earlier and is silent still is no better than a slow one.
    fn replace(&mut self, slow: Running, now: Instant, retry_allowed: bool) -> Steps {
        self.guard = None;
        let Some(rival) = self.running.iter().find(|it| it.attempt != slow.attempt).copied() else {
            return self.instead_of(slow, now, retry_allowed);
        };
        if rival.held_until.is_none() && rival.attempt < slow.attempt {
            return self.commit(slow.attempt);
        }
        self.running.retain(|it| it.attempt != slow.attempt);
        let mut steps: Steps = smallvec![Step::Cancel(slow.attempt)];
        if rival.held_until.is_some() {
            steps.extend(self.commit(rival.attempt));
        }
        steps
    }

    /// Another attempt for the place of a slow one, which goes on until that has begun; it answers if
    /// there is none.
    fn instead_of(&mut self, slow: Running, now: Instant, retry_allowed: bool) -> Steps {
        let steps = self.another(slow.planned, now, retry_allowed);
        if steps.is_empty() {
            return self.commit(slow.attempt);
        }
        self.slow = Some((slow, retry_allowed));
        steps
    }

    fn replaced_by(&mut self, attempt: u8) -> Steps {
        let slow = self.slow.take_if(|it| it.0.attempt != attempt).map(|it| it.0.attempt);
        let Some(slow) = slow.filter(|it| self.runs(*it).is_some()) else { return Steps::new() };
        self.running.retain(|it| it.attempt != slow);
        smallvec![Step::Cancel(slow)]
    }

    fn is_large_enough(&self, planned: &Planned) -> bool {
        planned.context_tokens_max > self.context_tokens_above
    }

    /// The first entry after the last one started whose context window is large enough.
    fn next(&self) -> Option<u8> {
        let from = usize::from(self.reached) + 1;
        let mut later = self.plan.attempts.iter().enumerate().skip(from);
        let found = later.find(|(_, it)| self.is_large_enough(it));
        found.and_then(|(at, _)| u8::try_from(at).ok())
    }

    fn start(&mut self, planned: u8, now: Instant) -> Steps {
        let attempt = self.started;
        self.started = self.started.saturating_add(1);
        self.reached = self.reached.max(planned);
        self.running.push(Running { attempt, planned, held_until: None });
        if let Hedge::After(after) | Hedge::At(_, after) = self.hedge {
            self.hedge = Hedge::At(now + after, after);
        }
        smallvec![Step::Start { attempt, planned }]
    }

    /// Cancels the attempts that still run.
    fn cancelled(&mut self) -> impl Iterator<Item = Step> {
        std::mem::take(&mut self.running).into_iter().map(|it| Step::Cancel(it.attempt))
    }

    fn commit(&mut self, attempt: u8) -> Steps {
        self.over = true;
        self.running.retain(|it| it.attempt != attempt);
        self.cancelled().chain([Step::Commit(attempt)]).collect()
    }

    /// The end, unless an attempt has shown content.
    fn give_up(&mut self, kind: Kind) -> Steps {
        if let Some(held) = self.running.iter().find(|it| it.held_until.is_some()) {
            return self.commit(held.attempt);
        }
        self.over = true;
        self.cancelled().chain([Step::GiveUp(kind)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use policies::{
        Matched, Why,
        facts::{ModelIndex, Money, Timeouts},
    };
    use proptest::prelude::*;

    use super::*;

    /// A plan of one model for each of these context windows.
    fn plan(windows: &[u32], retries_max: u8) -> Plan {
        let planned = |(model, window): (u16, &u32)| Planned {
            model: ModelIndex(model),
            timeouts: Timeouts::default(),
            context_tokens_max: Tokens(*window),
            output_tokens_max: Tokens(64),
            held_tokens_max: Tokens(64),
        };
        Plan {
            matched: Matched::Default,
            arm: None,
            rule: "default".into(),
            attempts: (0..).zip(windows).map(planned).collect(),
            retries_max,
            hedge: None,
            slow_stream: None,
            validates: false,
            cache_ttl_s: None,
            last_resort: false,
            cost_max: Money::ZERO,
            output_tokens_bound: Tokens(64),
            input_tokens: Tokens(1),
            input_tokens_bound: Tokens(1),
            why: Why::default(),
        }
    }

    fn machine(rooms: &[u32], retries: u8, start: Instant) -> Attempts {
        hedged(rooms, retries, start, None)
    }

    fn hedged(rooms: &[u32], retries: u8, start: Instant, after: Option<u64>) -> Attempts {
        with_both(rooms, retries, start, (after, None))
    }

    /// A hold of two seconds, in which ten tokens must come.
    const GUARD: SlowStream = SlowStream { hold_ms: 2_000, output_tokens_per_second_min: 5 };

    fn guarded(rooms: &[u32], retries: u8, start: Instant) -> Attempts {
        with_both(rooms, retries, start, (None, Some(GUARD)))
    }

    fn with_both(
        rooms: &[u32],
        retries: u8,
        start: Instant,
        (after, guard): (Option<u64>, Option<SlowStream>),
    ) -> Attempts {
        Attempts::new(Envelope {
            plan: Arc::new(plan(rooms, retries)),
            deadline: start + Duration::from_secs(60),
            hedge_after: after.map(Duration::from_secs),
            guard,
        })
    }

    const BROKEN: (Kind, Retry) = (Kind::UpstreamError, Retry::Elsewhere);

    #[test]
    fn a_retry_stays_with_the_model_while_it_has_another_replica() {
        let now = Instant::now();
        let mut it = machine(&[10, 10], 1, now);
        assert_eq!(it.on(Event::Begin, now, false)[..], [Step::Start { attempt: 0, planned: 0 }]);
        let failed = |n| Event::Failed(n, BROKEN.0, BROKEN.1);
        assert_eq!(it.on(failed(0), now, true)[..], [Step::Start { attempt: 1, planned: 0 }]);
        assert_eq!(it.on(failed(1), now, true)[..], [Step::Start { attempt: 2, planned: 1 }]);
        assert_eq!(it.on(failed(2), now, false)[..], [Step::GiveUp(Kind::UpstreamError)]);
    }

    #[test]
    fn a_full_context_goes_to_a_larger_one_only() {
        let now = Instant::now();
        let mut it = machine(&[10, 5, 20], 1, now);
        it.on(Event::Begin, now, false);
        let full = Event::Failed(0, Kind::InvalidRequest, Retry::LargerContext);
        assert_eq!(it.on(full, now, true)[..], [Step::Start { attempt: 1, planned: 2 }]);
    }

    #[test]
    fn a_wrong_request_is_not_tried_again() {
        let now = Instant::now();
        let mut it = machine(&[10, 10], 3, now);
        it.on(Event::Begin, now, false);
        let wrong = Event::Failed(0, Kind::InvalidRequest, Retry::Never);
        assert_eq!(it.on(wrong, now, true)[..], [Step::GiveUp(Kind::InvalidRequest)]);
        assert_eq!(it.due(), None);
    }

    #[test]
    fn a_hedge_starts_once_and_the_first_content_wins() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut it = hedged(&[10, 10], 1, now, Some(2));
        it.on(Event::Begin, now, false);
        assert_eq!(it.due(), Some(at(2)));
        assert_eq!(it.on(Event::Tick, at(1), true)[..], []);
        assert_eq!(it.on(Event::Tick, at(2), true)[..], [Step::Start { attempt: 1, planned: 1 }]);
        assert_eq!(it.due(), Some(at(60)));
        assert_eq!(it.on(Event::Tick, at(9), true)[..], []);
        assert_eq!(it.on(Event::Content(0), at(9), true)[..], [Step::Cancel(1), Step::Commit(0)]);
    }

    #[test]
    fn of_two_attempts_one_may_fail_and_the_other_goes_on() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let failed = |n| Event::Failed(n, BROKEN.0, BROKEN.1);
        let mut it = hedged(&[10, 10, 10], 1, now, Some(2));
        it.on(Event::Begin, now, false);
        it.on(Event::Tick, at(2), false);
        assert_eq!(it.on(failed(0), at(3), true)[..], []);
        assert_eq!(it.on(failed(1), at(3), false)[..], [Step::Start { attempt: 2, planned: 2 }]);
        // The silence of an attempt is its own: one that has just begun is given its time.
        let mut it = hedged(&[10, 10, 10], 1, now, Some(2));
        it.on(Event::Begin, now, false);
        it.on(failed(0), at(1), false);
        assert_eq!(it.due(), Some(at(3)));
        // What calls the request wrong does not speak for the other, but nothing new is begun.
        it.on(Event::Tick, at(3), false);
        let wrong = Event::Failed(1, Kind::InvalidRequest, Retry::Never);
        assert_eq!(it.on(wrong, at(4), false)[..], []);
        assert_eq!(it.on(failed(2), at(5), true)[..], [Step::GiveUp(Kind::UpstreamError)]);
    }

    #[test]
    fn the_only_model_is_hedged_on_another_replica_if_it_has_one() {
        let now = Instant::now();
        let due = now + Duration::from_secs(2);
        let mut it = hedged(&[10], 1, now, Some(2));
        it.on(Event::Begin, now, false);
        assert_eq!(it.on(Event::Tick, due, true)[..], [Step::Start { attempt: 1, planned: 0 }]);
        let mut it = hedged(&[10], 1, now, Some(2));
        it.on(Event::Begin, now, false);
        assert_eq!(it.on(Event::Tick, due, false)[..], []);
        let mut it = hedged(&[10], 0, now, Some(2));
        it.on(Event::Begin, now, false);
        assert_eq!(it.on(Event::Tick, due, true)[..], []);
    }

    #[test]
    fn what_is_in_doubt_goes_on_beside_another() {
        let now = Instant::now();
        let mut it = machine(&[10, 10], 1, now);
        it.on(Event::Begin, now, false);
        let start = |attempt, planned| Step::Start { attempt, planned };
        assert_eq!(it.on(Event::Doubt, now, true)[..], [start(1, 1)]);
        assert_eq!(it.on(Event::Doubt, now, true)[..], [], "there are two");
        assert_eq!(it.on(Event::Content(0), now, true)[..], [Step::Cancel(1), Step::Commit(0)]);
        // Where there is no other, it is waited for.
        let mut it = machine(&[10], 1, now);
        it.on(Event::Begin, now, false);
        assert_eq!(it.on(Event::Doubt, now, false)[..], []);
        assert_eq!(it.on(Event::Doubt, now, true)[..], [start(1, 0)]);
    }

    #[test]
    fn what_is_full_is_passed_over_and_waited_for_when_nothing_else_is_left() {
        let now = Instant::now();
        let mut it = machine(&[10, 10], 1, now);
        it.on(Event::Begin, now, false);
        assert_eq!(it.on(Event::Full(0), now, false)[..], [Step::Start { attempt: 1, planned: 1 }]);
        let failed = Event::Failed(1, BROKEN.0, BROKEN.1);
        assert_eq!(it.on(failed, now, false)[..], [Step::Queue { planned: 0 }]);
        assert_eq!(
            it.on(Event::Refilled, now, false)[..],
            [Step::Start { attempt: 2, planned: 0 }]
        );
        assert_eq!(it.on(Event::Full(2), now, false)[..], [Step::Queue { planned: 0 }]);
        assert_eq!(it.on(Event::TurnedAway, now, false)[..], [Step::GiveUp(Kind::NoCapacity)]);
    }

    #[test]
    fn nobody_waits_for_a_model_that_has_no_room() {
        let now = Instant::now();
        let mut it = machine(&[10, 20], 1, now);
        it.on(Event::Begin, now, false);
        it.on(Event::Full(0), now, false);
        let full = Event::Failed(1, Kind::InvalidRequest, Retry::LargerContext);
        assert_eq!(it.on(full, now, false)[..], [Step::GiveUp(Kind::InvalidRequest)]);
    }

    #[test]
    fn a_stream_that_crawls_is_given_up_once_another_has_begun() {
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let mut it = guarded(&[10, 10, 10], 1, now);
        it.on(Event::Begin, now, false);
        assert_eq!(it.on(Event::Output(0, Tokens(0)), at(500), false)[..], []);
        assert_eq!(it.due(), Some(at(2_500)));
        assert_eq!(it.on(Event::Output(0, Tokens(9)), at(2_400), false)[..], []);
        assert_eq!(it.on(Event::Tick, at(2_499), true)[..], []);
        let start = |attempt, planned| Step::Start { attempt, planned };
        assert_eq!(it.on(Event::Tick, at(2_500), true)[..], [start(1, 1)]);
        // The next is full: it goes on to the one after it.
        assert_eq!(it.on(Event::Full(1), at(2_500), false)[..], [start(2, 2)]);
        assert_eq!(it.on(Event::Began(2), at(2_500), false)[..], [Step::Cancel(0)]);
        // Once for a request: this one answers, however slow.
        let output = Event::Output(2, Tokens(0));
        assert_eq!(it.on(output, at(3_000), true)[..], [Step::Commit(2)]);
    }

    #[test]
    fn a_stream_that_proves_its_pace_answers_at_once() {
        let now = Instant::now();
        let mut it = guarded(&[10, 10], 1, now);
        it.on(Event::Begin, now, false);
        assert_eq!(it.on(Event::Output(0, Tokens(9)), now, false)[..], []);
        assert_eq!(it.on(Event::Output(0, Tokens(10)), now, false)[..], [Step::Commit(0)]);
        let mut it = guarded(&[10, 10], 1, now);
        it.on(Event::Begin, now, false);
        it.on(Event::Output(0, Tokens(1)), now, false);
        assert_eq!(it.on(Event::Content(0), now, false)[..], [Step::Commit(0)], "it has ended");
    }

    #[test]
    fn a_slow_answer_is_better_than_none() {
        let now = Instant::now();
        let late = now + Duration::from_secs(2);
        let output = Event::Output(0, Tokens(0));
        let mut it = guarded(&[10], 0, now);
        it.on(Event::Begin, now, false);
        assert_eq!(it.on(output, now, true)[..], [Step::Commit(0)], "nothing to hold it for");
        let mut it = guarded(&[10], 1, now);
        it.on(Event::Begin, now, false);
        assert_eq!(it.on(output, now, true)[..], []);
        assert_eq!(it.on(Event::Tick, late, false)[..], [Step::Commit(0)], "the other is gone");
        for gone in [Event::Full(1), Event::Failed(1, BROKEN.0, BROKEN.1)] {
            let mut it = guarded(&[10, 10], 1, now);
            it.on(Event::Begin, now, false);
            it.on(output, now, false);
            it.on(Event::Tick, late, false);
            assert_eq!(it.on(gone, late, false)[..], [Step::Commit(0)], "{gone:?}");
        }
        let mut it = guarded(&[10, 10], 1, now);
        it.on(Event::Begin, now + Duration::from_secs(59), false);
        it.on(output, now + Duration::from_secs(59), false);
        let over = now + Duration::from_secs(61);
        assert_eq!(it.on(Event::Tick, over, false)[..], [Step::Commit(0)], "the envelope is over");
    }

    #[test]
    fn the_only_model_is_guarded_by_its_other_replica() {
        let now = Instant::now();
        let late = now + Duration::from_secs(2);
        let mut it = guarded(&[10], 1, now);
        it.on(Event::Begin, now, false);
        it.on(Event::Output(0, Tokens(0)), now, true);
        assert_eq!(it.on(Event::Tick, late, true)[..], [Step::Start { attempt: 1, planned: 0 }]);
        assert_eq!(it.on(Event::Began(1), late, false)[..], [Step::Cancel(0)]);
    }

    #[test]
    fn of_a_hedge_and_its_rival_the_first_to_prove_itself_answers() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let output = |n, tokens| Event::Output(n, Tokens(tokens));
        let both = || {
            let mut it = with_both(&[10, 10, 10], 1, now, (Some(2), Some(GUARD)));
            it.on(Event::Begin, now, false);
            assert_eq!(it.on(Event::Tick, at(2), false).len(), 1);
            it
        };
        // What is held is not silent: no hedge beside it.
        let mut it = with_both(&[10, 10], 1, now, (Some(2), Some(GUARD)));
        it.on(Event::Begin, now, false);
        it.on(output(0, 0), at(1), false);
        assert_eq!((it.due(), it.on(Event::Tick, at(2), false).len()), (Some(at(3)), 0));

        let mut it = both();
        it.on(output(0, 0), at(3), false);
        assert_eq!(it.on(output(1, 10), at(3), false)[..], [Step::Cancel(0), Step::Commit(1)]);

        let mut it = both();
        it.on(output(0, 0), at(3), false);
        assert_eq!(it.on(Event::Tick, at(5), true)[..], [Step::Cancel(0)], "the younger goes on");
        assert_eq!(it.on(output(1, 0), at(6), true)[..], [Step::Commit(1)]);

        let mut it = both();
        it.on(output(1, 0), at(3), false);
        let kept = [Step::Cancel(0), Step::Commit(1)];
        assert_eq!(it.on(Event::Tick, at(5), true)[..], kept, "the older is silent");

        let mut it = both();
        it.on(output(1, 0), at(3), false);
        it.on(output(0, 0), at(4), false);
        assert_eq!(it.on(Event::Tick, at(5), true)[..], [Step::Cancel(1), Step::Commit(0)]);
    }

    fn any_event() -> impl Strategy<Value = (Event, u64, bool)> {
        let kinds = prop_oneof![
            Just((Kind::UpstreamError, Retry::Elsewhere)),
            Just((Kind::InvalidRequest, Retry::Never)),
            Just((Kind::InvalidRequest, Retry::LargerContext)),
        ];
        // What the guard is about comes often enough that it comes in a row.
        let event = prop_oneof![
            1 => Just(Event::Begin),
            1 => (0..6u8).prop_map(Event::Content),
            6 => (0..9u8).prop_map(Event::Began),
            6 => (0..9u8, 0..11u32).prop_map(|(n, tokens)| Event::Output(n, Tokens(tokens))),
            1 => (0..6u8).prop_map(Event::Full),
            1 => Just(Event::Refilled),
            1 => Just(Event::TurnedAway),
            1 => (0..6u8, kinds).prop_map(|(n, (kind, retry))| Event::Failed(n, kind, retry)),
            6 => Just(Event::Tick),
            1 => Just(Event::Doubt),
        ];
        (event, prop_oneof![3 => 0..3u64, 1 => 0..20u64], any::<bool>())
    }

    /// Events of numbers that are seldom reached are those of the newest attempt.
    fn aimed(event: Event, newest: u8) -> Event {
        match event {
            Event::Began(3..) => Event::Began(newest),
            Event::Output(3.., tokens) => Event::Output(newest, tokens),
            other => other,
        }
    }

    proptest! {
        /// One commit or one give-up, nothing after it, and never more attempts than the envelope. A
        /// stream that was shown to the guard is given up for another one only, and once.
        #[test]
        fn it_ends_once(
            rooms in prop::collection::vec(1..4u32, 1..5),
            retries in 0..3u8,
            hedge in prop::option::of(0..30u64),
            guard in prop::option::of(Just(GUARD)),
            events in prop::collection::vec(any_event(), 0..40),
        ) {
            let start = Instant::now();
            let mut it = with_both(&rooms, retries, start, (hedge, guard));
            let (mut ends, mut starts, mut switches, mut now) = (0, 0, 0, start);
            let (mut refills, mut second) = (0, hedge.is_some() || guard.is_some());
            let (mut running, mut held) = (Vec::new(), Vec::new());
            let begun = std::iter::once((Event::Begin, 0, false));
            for (event, seconds, retry_allowed) in begun.chain(events) {
                let event = aimed(event, running.last().copied().unwrap_or(0));
                now += Duration::from_secs(seconds);
                let steps = it.on(event, now, retry_allowed);
                refills += usize::from(event == Event::Refilled);
                if let Event::Failed(of, ..) | Event::Full(of) = event {
                    running.retain(|it| *it != of);
                }
                if let Event::Output(of, _) = event && running.contains(&of) {
                    held.push(of);
                }
                let end = |step: &Step| matches!(step, Step::Commit(_) | Step::GiveUp(_));
                let cancels = |step: &Step| matches!(step, Step::Cancel(_));
                let ended = steps.iter().any(end);
                let gives_up = steps.iter().any(|step| matches!(step, Step::GiveUp(_)));
                switches += usize::from(!ended && steps.iter().any(cancels));
                for step in steps {
                    prop_assert_eq!(ends, 0, "a step after the end");
                    match step {
                        Step::Start { attempt, .. } => {
                            starts += 1;
                            running.push(attempt);
                        }
                        Step::Commit(of) => {
                            prop_assert_eq!(&running, &[of]);
                            ends += 1;
                        }
                        Step::GiveUp(_) => {
                            prop_assert!(running.is_empty(), "left running");
                            ends += 1;
                        }
                        Step::Queue { .. } => prop_assert!(running.is_empty()),
                        Step::Cancel(of) => {
                            let lost = gives_up && held.contains(&of);
                            prop_assert!(!lost, "a slow answer is better than none");
                            running.retain(|it| *it != of);
                        }
                    }
                }
                second |= event == Event::Doubt;
                prop_assert!(running.len() <= 1 + usize::from(second));
                prop_assert!(ends == 1 || it.due().is_some_and(|at| at <= start + Duration::from_secs(60)));
            }
            prop_assert!(ends <= 1);
            prop_assert!(switches <= usize::from(guard.is_some()));
            prop_assert!(starts <= rooms.len() + usize::from(retries) + refills);
        }
    }
}
