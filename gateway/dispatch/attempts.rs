//! Retry and fallback as one state machine, without IO.
//!
//! One envelope bounds everything that may be tried for a request: a deadline and a count. The
//! machine is told what happens ([`Event`]) and says what to do next ([`Step`]). It ends with exactly
//! one [`Step::Commit`] or one [`Step::GiveUp`], and says nothing after that.

use std::time::Instant;

use policies::facts::Tokens;
use smallvec::{SmallVec, smallvec};

use crate::failure::{Kind, Retry};

/// What happened to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The request may go out.
    Begin,
    /// The attempt has shown content (a stream) or its whole answer (plain).
    Content(u8),
    /// The attempt came to nothing.
    Failed(u8, Kind, Retry),
    /// Time has passed.
    Tick,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Start an attempt on this entry of the plan.
    Start {
        /// Number of the attempt, from 0.
        attempt: u8,
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

/// The machine.
#[derive(Debug)]
pub(crate) struct Attempts {
    /// The context window of each entry of the plan.
    rooms: SmallVec<[Tokens; 4]>,
    retries_left: u8,
    deadline: Instant,
    state: State,
    started: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Running { attempt: u8, planned: u8 },
    Over,
}

impl Attempts {
    /// A machine for a plan whose entries have these context windows, that may try a model again
    /// `retries_max` times in all, and starts nothing at or after `deadline`.
    pub(crate) fn new(rooms: SmallVec<[Tokens; 4]>, retries_max: u8, deadline: Instant) -> Self {
        Self { rooms, retries_left: retries_max, deadline, state: State::Idle, started: 0 }
    }

    /// When [`Event::Tick`] must come at the latest, while there is anything to give up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (self.state != State::Over).then_some(self.deadline)
    }

    /// Takes an event. `retry_allowed` says whether the model of the running attempt has another live
    /// replica that was not tried yet.
    pub(crate) fn on(&mut self, event: Event, now: Instant, retry_allowed: bool) -> Steps {
        match (self.state, event) {
            (State::Idle, Event::Begin) => self.start(0),
            (State::Running { attempt, .. }, Event::Content(of)) if of == attempt => {
                self.state = State::Over;
                smallvec![Step::Commit(attempt)]
            }
            (State::Running { attempt, planned }, Event::Failed(of, kind, retry))
                if of == attempt =>
            {
                if now >= self.deadline {
                    return self.give_up(Kind::UpstreamTimeout);
                }
                self.after_failure(planned, kind, retry, retry_allowed)
            }
            (State::Running { attempt, .. }, Event::Tick) if now >= self.deadline => {
                self.state = State::Over;
                smallvec![Step::Cancel(attempt), Step::GiveUp(Kind::UpstreamTimeout)]
            }
            _ => Steps::new(),
        }
    }

    fn after_failure(
        &mut self,
        planned: u8,
        kind: Kind,
        retry: Retry,
        retry_allowed: bool,
    ) -> Steps {
        match retry {
            Retry::Never => self.give_up(kind),
            Retry::Elsewhere if retry_allowed && self.retries_left > 0 => {
                self.retries_left -= 1;
                self.start(planned)
            }
            Retry::Elsewhere => self.next(planned, Tokens(0), kind),
            Retry::LargerContext => {
                let room = self.rooms.get(usize::from(planned)).copied().unwrap_or_default();
                self.next(planned, room, kind)
            }
        }
    }

    /// The first entry after `planned` with more room than `room`, else the end.
    fn next(&mut self, planned: u8, room: Tokens, kind: Kind) -> Steps {
        let from = usize::from(planned) + 1;
        let found = self.rooms.iter().enumerate().skip(from).find(|(_, has)| **has > room);
        match found.and_then(|(at, _)| u8::try_from(at).ok()) {
            Some(at) => self.start(at),
            None => self.give_up(kind),
        }
    }

    fn start(&mut self, planned: u8) -> Steps {
        let attempt = self.started;
        self.started = self.started.saturating_add(1);
        self.state = State::Running { attempt, planned };
        smallvec![Step::Start { attempt, planned }]
    }

    fn give_up(&mut self, kind: Kind) -> Steps {
        self.state = State::Over;
        smallvec![Step::GiveUp(kind)]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn machine(rooms: &[u32], retries: u8, start: Instant) -> Attempts {
        let rooms = rooms.iter().map(|room| Tokens(*room)).collect();
        Attempts::new(rooms, retries, start + Duration::from_secs(60))
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
        assert_eq!(it.deadline(), None);
    }

    fn any_event() -> impl Strategy<Value = (Event, u64, bool)> {
        let kinds = prop_oneof![
            Just((Kind::UpstreamError, Retry::Elsewhere)),
            Just((Kind::InvalidRequest, Retry::Never)),
            Just((Kind::InvalidRequest, Retry::LargerContext)),
        ];
        let event = prop_oneof![
            Just(Event::Begin),
            (0..6u8).prop_map(Event::Content),
            (0..6u8, kinds).prop_map(|(n, (kind, retry))| Event::Failed(n, kind, retry)),
            Just(Event::Tick),
        ];
        (event, 0..20u64, any::<bool>())
    }

    proptest! {
        /// One commit or one give-up, nothing after it, and never more attempts than the envelope.
        #[test]
        fn it_ends_once(
            rooms in prop::collection::vec(1..4u32, 1..5),
            retries in 0..3u8,
            events in prop::collection::vec(any_event(), 0..40),
        ) {
            let start = Instant::now();
            let mut it = machine(&rooms, retries, start);
            let (mut ends, mut starts, mut now) = (0, 0, start);
            for (event, seconds, retry_allowed) in events {
                now += Duration::from_secs(seconds);
                for step in it.on(event, now, retry_allowed) {
                    prop_assert_eq!(ends, 0, "a step after the end");
                    match step {
                        Step::Start { .. } => starts += 1,
                        Step::Commit(_) | Step::GiveUp(_) => ends += 1,
                        Step::Cancel(_) => {}
                    }
                }
            }
            prop_assert!(ends <= 1);
            prop_assert!(starts <= rooms.len() + usize::from(retries));
        }
    }
}
