//! When an endpoint is left alone for a while: passive outlier ejection.
//!
//! A few failures in a row eject an endpoint, and so do failures that are half of what it is asked. After
//! the ejection one trial request goes out, and its result decides between full service and a longer
//! ejection. Pure: time comes in as an argument.

use std::time::{Duration, Instant};

/// Failures in a row that eject.
const FAILURES_MAX: u32 = 3;
/// How long failures are counted together.
const WINDOW: Duration = Duration::from_secs(10);
/// Requests of a window from which on its share of failures says something.
const REQUESTS_MIN: u32 = 10;
/// The first ejection; each further one doubles it.
const EJECTION: Duration = Duration::from_secs(1);
/// The longest ejection.
const EJECTION_MAX: Duration = Duration::from_secs(30);
/// How long the result of a probe that found nobody holds: longer than it takes to the next.
const DEAD: Duration = Duration::from_secs(4);

/// The state of one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Breaker {
    failures: u32,
    ejections: u32,
    ejected_at: Option<Instant>,
    ejected_until: Option<Instant>,
    /// Since when it has been out of service, as was said once, however often it was ejected since.
    out_since: Option<Instant>,
    trial_since: Option<Instant>,
    window: Option<Window>,
    /// Set while a probe has found nobody there.
    dead: bool,
    /// Set while only its first question is held against the endpoint: no request has failed.
    suspected: bool,
}

/// What happened since the first failure that is still counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    since: Instant,
    good: u32,
    bad: u32,
}

/// What a success says of an endpoint that was in outlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// The endpoint was ejected, and is back.
    Back,
    /// Nothing is held against the endpoint any more.
    Calm,
    /// Failures of a moment ago still count.
    Watched,
}

impl Breaker {
    /// Whether a request may go to the endpoint now.
    pub(crate) fn allows(&self, now: Instant) -> bool {
        match self.ejected_until {
            None => true,
            Some(until) if now < until => false,
            // Half open: one trial at a time, and a trial that never came back does not block.
            Some(_) => self.trial_since.is_none_or(|since| now >= since + EJECTION_MAX),
        }
    }

    /// A request goes out: the trial, if the endpoint was ejected.
    pub(crate) fn begins(&mut self, now: Instant) {
        if self.ejected_until.is_some() {
            self.trial_since = Some(now);
        }
    }

    /// A request was answered.
    pub(crate) fn succeeded(&mut self, began: Instant, now: Instant) -> Recovery {
        if let Some(at) = self.ejected_at {
            // What began before says how it was then: one that goes away still ends what it has.
            if began < at {
                return Recovery::Watched;
            }
            *self = Self::default();
            return Recovery::Back;
        }
        self.failures = 0;
        match self.window.as_mut().filter(|window| now < window.since + WINDOW) {
            Some(window) => {
                window.good = window.good.saturating_add(1);
                Recovery::Watched
            }
            None => {
                *self = Self::default();
                Recovery::Calm
            }
        }
    }

    /// A request failed by the endpoint's fault. True if this ejects it.
    pub(crate) fn failed(&mut self, began: Instant, now: Instant) -> bool {
        if self.ejected_at.is_some() {
            let on_trial = self.trial_since.take_if(|since| *since == began).is_some();
            if on_trial {
                self.suspected = false;
                self.ejects(now);
            }
            return on_trial;
        }
        self.failures = self.failures.saturating_add(1);
        let counted = self.window.filter(|window| now < window.since + WINDOW);
        let mut window = counted.unwrap_or(Window { since: now, good: 0, bad: 0 });
        window.bad = window.bad.saturating_add(1);
        self.window = Some(window);
        let all = window.good.saturating_add(window.bad);
        let half = all >= REQUESTS_MIN && window.bad >= all.div_ceil(2);
        let outlier = self.failures >= FAILURES_MAX || half;
        if outlier {
            self.ejects(now);
        }
        outlier
    }

    /// The endpoint is ejected for another reason than failures. False if it was already.
    pub(crate) fn eject(&mut self, now: Instant) -> bool {
        if self.ejected_until.is_some() {
            return false;
        }
        self.ejects(now);
        true
    }

    fn ejects(&mut self, now: Instant) {
        self.window = None;
        let span = EJECTION.saturating_mul(1 << self.ejections.min(8)).min(EJECTION_MAX);
        self.ejections = self.ejections.saturating_add(1);
        self.ejected_at = Some(now);
        self.ejected_until = Some(now + span);
    }

    /// The endpoint did not answer its first question: others come first until it answers one, or a request
    /// that nobody else can serve. False if it is ejected already.
    pub(crate) fn suspects(&mut self, now: Instant) -> bool {
        if !self.eject(now) {
            return false;
        }
        // The first ejection by failures is as short as ever.
        self.ejections = 0;
        self.suspected = true;
        self.probed(false, now);
        true
    }

    /// Whether a probe found nobody there, and requests did not either.
    pub(crate) fn dead(&self) -> bool {
        self.dead && !self.suspected
    }

    /// Whether it is ejected, or on trial after it.
    pub(crate) fn ejected(&self) -> bool {
        self.ejected_until.is_some()
    }

    /// A probe's result. Nobody there: the ejection goes on, and no caller need find out. There again:
    /// the trial may come at once; but one who was there all the time and fails requests serves its time.
    /// True if requests may go there now that could not before.
    pub(crate) fn probed(&mut self, alive: bool, now: Instant) -> bool {
        let Some(until) = self.ejected_until else { return false };
        if alive && self.suspected {
            *self = Self::default();
            return true;
        }
        let back = alive && self.dead;
        if back {
            self.ejected_until = Some(now.min(until));
            self.trial_since = None;
        } else if !alive {
            self.ejected_until = Some(until.max(now + DEAD));
        }
        self.dead = !alive;
        back && now < until
    }

    /// Whether it is out of service and nobody has been told: true once, until it is back.
    pub(crate) fn newly_out(&mut self, now: Instant) -> bool {
        let new = self.ejected_at.is_some() && self.out_since.is_none();
        if new {
            self.out_since = Some(now);
        }
        new
    }

    /// Since when it has been out of service, if somebody was told.
    pub(crate) fn out_since(&self) -> Option<Instant> {
        self.out_since
    }

    /// A request ended and says nothing of the endpoint: the caller left, or the endpoint was only full.
    pub(crate) fn undecided(&mut self, began: Instant) {
        self.trial_since.take_if(|since| *since == began);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ejected(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        assert!(!breaker.failed(now, now) && !breaker.failed(now, now) && breaker.failed(now, now));
        breaker
    }

    #[test]
    fn three_failures_in_a_row_eject_and_a_success_forgets() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        assert!(!breaker.failed(now, now) && !breaker.failed(now, now));
        assert_eq!(breaker.succeeded(now, now), Recovery::Watched);
        assert!(!breaker.failed(now, now) && !breaker.failed(now, now));
        assert!(breaker.allows(now));
        assert!(breaker.failed(now, now));
        assert!(!breaker.allows(now));
    }

    #[test]
    fn a_suspect_comes_last_and_is_back_with_its_first_answer() {
        let now = Instant::now();
        let suspect = || {
            let mut breaker = Breaker::default();
            assert!(breaker.suspects(now) && !breaker.allows(now) && !breaker.dead());
            assert!(
                !breaker.probed(false, now) && !breaker.dead(),
                "the last resort still tries it"
            );
            assert!(!breaker.allows(now + EJECTION), "the probe holds");
            breaker
        };
        let mut by_probe = suspect();
        assert!(by_probe.probed(true, now) && by_probe == Breaker::default());
        let mut by_request = suspect();
        by_request.begins(now);
        assert_eq!(by_request.succeeded(now, now), Recovery::Back);
        assert_eq!(by_request, Breaker::default());
        // Once a request has failed too, a probe that finds nobody is believed.
        let mut failed = suspect();
        failed.begins(now);
        assert!(failed.failed(now, now) && failed.dead());
        assert!(!ejected(now).suspects(now), "what is ejected by failures stays so");
    }

    #[test]
    fn it_is_told_to_be_out_once_however_often_its_trial_fails_and_anew_once_it_was_back() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut breaker = ejected(now);
        assert!(breaker.newly_out(now) && !breaker.newly_out(now));
        for second in [10, 20, 30] {
            breaker.begins(at(second));
            assert!(breaker.failed(at(second), at(second)) && !breaker.newly_out(at(second)));
        }
        breaker.begins(at(70));
        assert_eq!(breaker.out_since(), Some(now));
        assert_eq!(breaker.succeeded(at(70), at(70)), Recovery::Back);
        assert!(breaker.out_since().is_none() && !breaker.newly_out(at(70)));
        assert!(breaker.eject(at(80)) && breaker.newly_out(at(80)));
        // Nobody was told of a suspect; once a request fails there as well, somebody is.
        let mut suspect = Breaker::default();
        assert!(suspect.suspects(now) && suspect.out_since().is_none());
        suspect.begins(now);
        assert!(suspect.failed(now, now) && suspect.newly_out(now));
    }

    #[test]
    fn after_the_ejection_one_trial_decides() {
        let now = Instant::now();
        let mut breaker = ejected(now);
        let later = now + EJECTION;
        assert!(breaker.allows(later));
        breaker.begins(later);
        assert!(!breaker.allows(later), "one trial at a time");
        assert!(breaker.failed(later, later), "ejected again");
        assert!(!breaker.allows(later + EJECTION), "for longer than before");
        let again = later + 2 * EJECTION;
        breaker.begins(again);
        assert_eq!(breaker.succeeded(again, again), Recovery::Back);
        assert!(breaker.allows(again));
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn each_ejection_is_twice_as_long_as_the_one_before_up_to_half_a_minute() {
        let mut now = Instant::now();
        let mut breaker = ejected(now);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let over = now + Duration::from_secs(seconds);
            assert!(!breaker.allows(over - Duration::from_millis(1)), "{seconds}");
            assert!(breaker.allows(over), "{seconds}");
            now = over;
            breaker.begins(now);
            assert!(breaker.failed(now, now));
        }
    }

    #[test]
    fn every_other_one_failing_ejects_in_the_end_and_few_of_many_do_not() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        let mut ejected = 0;
        for _ in 0..5 {
            assert!(ejected == 0);
            ejected += u32::from(breaker.failed(now, now));
            breaker.succeeded(now, now);
        }
        assert_eq!(ejected, 0, "ten requests, and the tenth was good");
        assert!(breaker.failed(now, now), "six of eleven");
        let mut breaker = Breaker::default();
        for _ in 0..50 {
            assert!(!breaker.failed(now, now));
            (0..3).for_each(|_| assert_eq!(breaker.succeeded(now, now), Recovery::Watched));
        }
        assert_eq!(breaker.succeeded(now + WINDOW, now + WINDOW), Recovery::Calm);
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn a_trial_whose_caller_left_makes_room_for_the_next() {
        let now = Instant::now();
        let mut breaker = ejected(now);
        breaker.begins(now + EJECTION);
        breaker.undecided(now + EJECTION);
        assert!(breaker.allows(now + EJECTION));
    }

    #[test]
    fn a_probe_keeps_the_dead_out_and_lets_the_living_in_at_once() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut breaker = ejected(now);
        for second in 1..60 {
            assert!(!breaker.probed(false, at(second)));
            assert!(!breaker.allows(at(second) + Duration::from_secs(2)), "{second}");
        }
        assert!(breaker.probed(true, at(60)));
        assert!(breaker.allows(at(60)));
        assert_eq!(breaker.succeeded(at(60), at(60)), Recovery::Back);
        assert!(!breaker.probed(true, at(61)) && breaker.allows(at(61)));
        // One that lists its models and fails all else gets no favour.
        let mut breaker = ejected(now);
        assert!(!breaker.probed(true, now));
        assert!(!breaker.allows(now));
        assert!(breaker.allows(now + EJECTION));
    }

    #[test]
    fn late_failures_of_an_ejected_endpoint_do_not_prolong() {
        let now = Instant::now();
        let mut breaker = ejected(now);
        assert!(!breaker.failed(now, now));
        assert!(breaker.allows(now + EJECTION));
    }

    #[test]
    fn what_began_before_the_ejection_does_not_end_it_and_is_no_trial() {
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let mut breaker = ejected(at(500));
        assert_eq!(breaker.succeeded(now, at(600)), Recovery::Watched);
        assert!(!breaker.allows(at(600)), "it ends what it has, and takes nothing new");
        let trial = at(1_500);
        breaker.begins(trial);
        assert!(!breaker.failed(now, at(1_600)), "this one is not the trial");
        breaker.undecided(now);
        assert!(!breaker.allows(at(1_600)), "the trial goes on");
        assert_eq!(breaker.succeeded(trial, at(1_700)), Recovery::Back);
    }
}
