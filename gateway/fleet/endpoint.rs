//! One replica: what is in flight there, how fast it answers, and what is held against it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use policies::facts::ModelIndex;
use tokio::sync::Notify;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Wanted,
    balance::Candidate,
    breaker::Recovery,
    evidence::Evidence,
    latency::Peak,
    outlier::{OutlierState, Places},
    readings::{FirstTokens, Moment, PeakReading, Reading},
};

/// How long a replica that is back gets less than its share.
const WARM_UP: Duration = Duration::from_secs(10);
/// The part of its share that it begins with.
const COLD_SHARE: f64 = 0.1;

/// One replica, as an epoch knows it.
pub(crate) struct Endpoint {
    /// The model it serves.
    pub model: ModelIndex,
    /// Position among its model's replicas.
    pub index: u16,
    /// `host:port`, as metrics and ledger name it.
    pub label: Arc<str>,
    /// What it is known by from one epoch to the next.
    pub(crate) url: Arc<str>,
    /// An operator has drained it: what runs there ends there, and nothing else begins.
    pub(crate) drained: bool,
    /// What its epoch says of it: it is drained, or its model switched off. What binds stands in the state.
    closed: bool,
    weight: u16,
    /// What its epoch says; what binds stands in the state.
    concurrency_max: u32,
    pub(super) name: u64,
    /// The state of the replica, which epochs share.
    pub(super) state: Arc<State>,
}

/// The configuration that an endpoint is made from.
pub(crate) struct EndpointSeed {
    /// `host:port`.
    pub label: Arc<str>,
    /// Its base URL.
    pub url: Arc<str>,
    /// The weight by which load is shared, at least 1.
    pub weight: u16,
    /// Requests in flight at the most; 0 is no limit.
    pub concurrency_max: u32,
    /// Whether an operator has drained it.
    pub drained: bool,
    /// Whether it gets no further requests: it is drained, or its model switched off.
    pub closed: bool,
}

/// What a failure does to its replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ejection {
    /// It takes requests as before.
    None,
    /// It was out of service, its trial failed, and it stays out for longer.
    Again,
    /// It is taken out of service.
    New,
}

impl Ejection {
    /// Whether the replica takes no request now.
    pub(super) fn ejects(self) -> bool {
        self != Self::None
    }

    /// Whether it took requests before.
    pub(super) fn is_new(self) -> bool {
        self == Self::New
    }
}

/// The end of an ejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Back {
    /// How long the replica was out of service, where somebody was told that it was.
    pub out: Option<Duration>,
}

/// The state of one replica, kept over reloads.
pub(super) struct State {
    places: Places,
    /// Requests in flight at the most, whatever epoch they are of; 0 is no limit.
    limit: AtomicU32,
    /// Whether it gets no further requests, by what operators say, whatever epoch they are of.
    closed: AtomicBool,
    /// Whether it took requests when somebody last looked: a few times a second, and when that changes.
    pub(super) live: AtomicBool,
    /// How long streams took to begin since the replica was last found to fall behind its peers.
    first_tokens: Reading<FirstTokens>,
    /// The mean with peaks remembered, from answers and probes alike.
    peak: Reading<PeakReading>,
    /// Until when it asked to be left alone, if it did.
    cooldown: Reading<Moment>,
    /// When it came back from its last ejection, if there was one.
    back: Reading<Moment>,
    since: Instant,
    /// Whether it has shown that it serves.
    pub(super) evidence: Evidence,
    pub(super) outlier: OutlierState,
    /// Wakes the requests at the replica when it is ejected.
    ejection: Arc<Notify>,
    /// Set while a probe is under way.
    probed: AtomicBool,
}

impl State {
    pub(super) fn new(seed: &EndpointSeed, since: Instant) -> Self {
        Self {
            places: Places::new(),
            limit: AtomicU32::new(seed.concurrency_max),
            closed: AtomicBool::new(seed.closed),
            live: AtomicBool::new(true),
            first_tokens: Reading::none(),
            peak: Reading::none(),
            cooldown: Reading::none(),
            back: Reading::none(),
            since,
            evidence: Evidence::none(),
            outlier: OutlierState::new(),
            ejection: Arc::default(),
            probed: AtomicBool::new(false),
        }
    }

    /// The moment that is `now` in its life.
    fn moment(&self, now: Instant) -> Moment {
        Moment::of(now, self.since)
    }
}

impl Endpoint {
    pub(super) fn new(
        (model, index): (ModelIndex, u16),
        seed: EndpointSeed,
        state: Arc<State>,
    ) -> Self {
        let EndpointSeed { label, url, weight, concurrency_max, drained, closed } = seed;
        let name = xxh3_64(label.as_bytes());
        Self { model, index, name, label, url, drained, closed, weight, concurrency_max, state }
    }

    /// Requests in flight.
    pub(crate) fn in_flight(&self) -> u32 {
        self.state.places.taken()
    }

    /// Whether it takes requests now.
    pub(crate) fn up(&self, now: Instant) -> bool {
        !self.closed() && self.healthy(now)
    }

    /// Whether operators let nothing more begin there.
    pub(super) fn closed(&self) -> bool {
        self.state.closed.load(Ordering::Relaxed)
    }

    /// Whether it could take requests now, whatever operators say.
    fn healthy(&self, now: Instant) -> bool {
        !self.cools_down(now)
            && (!self.state.outlier.any()
                || self.state.outlier.breaker(|breaker| breaker.allows(now)))
    }

    /// Whether it is known to serve and could take requests now, whatever operators say; `None` until it has
    /// answered.
    pub(crate) fn live(&self, now: Instant) -> Option<bool> {
        Some(self.state.evidence.serves()? && self.healthy(now))
    }

    /// Whether it did not answer as it should when it was asked, and has not done so since.
    pub(crate) fn wrong(&self) -> bool {
        self.state.evidence.serves() == Some(false)
    }

    /// Whether this is the same replica in another epoch.
    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// It is to be asked anew what it serves.
    pub(crate) fn doubt(&self) {
        self.state.evidence.doubt();
    }

    /// Whether the replica is in a cooldown that it asked for.
    fn cools_down(&self, now: Instant) -> bool {
        self.state.cooldown.get().is_some_and(|until| self.state.moment(now) < until)
    }

    /// Whether it may be asked where nobody else can be: it is ejected, but not known to be dead.
    pub(super) fn last_resort(&self, now: Instant) -> bool {
        !self.closed()
            && !self.cools_down(now)
            && !self.state.outlier.breaker(|breaker| breaker.dead())
    }

    pub(crate) fn full(&self) -> bool {
        self.free() == 0
    }

    /// Whether half of its places are taken at the most, or it has no limit.
    pub(crate) fn half_free(&self) -> bool {
        let max = self.concurrency_max();
        max == 0 || self.in_flight() <= max.div_ceil(2)
    }

    /// How many requests more it may have in flight.
    pub(super) fn free(&self) -> u32 {
        self.state.places.free(self.concurrency_max())
    }

    /// Requests in flight at the most; 0 is no limit.
    pub(super) fn concurrency_max(&self) -> u32 {
        self.state.limit.load(Ordering::Relaxed)
    }

    /// Puts the limits of this epoch in force.
    pub(super) fn take_over(&self) {
        self.state.limit.store(self.concurrency_max, Ordering::Relaxed);
        self.state.closed.store(self.closed, Ordering::Relaxed);
    }

    /// Takes a place, if there is one.
    pub(super) fn take_place(&self) -> bool {
        self.state.places.take(self.concurrency_max())
    }

    /// Gives the place back.
    pub(super) fn give_back(&self) {
        self.state.places.give_back();
    }

    pub(super) fn first_token_ms(&self) -> Option<f32> {
        self.first_tokens().map(|known| known.ms)
    }

    /// How long streams took here lately to begin, and from how many that is known.
    pub(super) fn first_tokens(&self) -> Option<FirstTokens> {
        self.state.first_tokens.get()
    }

    fn peak(&self, now: Instant) -> Option<Peak> {
        let PeakReading { ms, at } = self.state.peak.get()?;
        Some(Peak { ms, age: self.state.moment(now).after(at) })
    }

    /// Its share of the load: less than configured while it is back for a short time only.
    fn share(&self, now: Instant) -> f64 {
        let weight = f64::from(self.weight.max(1));
        let Some(back) = self.state.back.get() else { return weight };
        let warm = self.state.moment(now).after(back).div_duration_f64(WARM_UP);
        weight * warm.clamp(COLD_SHARE, 1.0)
    }

    pub(super) fn candidate(&self, wanted: &Wanted<'_>, spent: bool, now: Instant) -> Candidate {
        let barred = spent && self.state.outlier.any();
        let takes = self.up(now) || wanted.last_resort && self.last_resort(now);
        Candidate {
            in_flight: self.in_flight(),
            weight: self.share(now),
            first_token_ms: self.peak(now).map(|peak| f64::from(peak.faded())),
            name: self.name,
            usable: !wanted.tried(self) && !barred && !self.full() && takes,
        }
    }

    /// An answer came, its first content after `first_token`; `tells` if that says how the replica is. The
    /// first content of a plain answer is its end, and that of a long prompt comes late: they count only
    /// where no stream has been measured. What it is back from, if this ends an ejection.
    pub(super) fn answered(
        &self,
        began: Instant,
        first_token: Duration,
        tells: bool,
        now: Instant,
    ) -> Option<Back> {
        let newest = first_token.as_secs_f32() * 1_000.0;
        let state = &self.state;
        state.evidence.answered();
        let before = self.peak(now);
        if tells {
            state.peak.set(PeakReading { ms: Peak::with(before, newest), at: state.moment(now) });
        }
        if tells || before.is_none() {
            state.first_tokens.update(|known| FirstTokens::with(known, newest, tells));
        }
        if !state.outlier.any() {
            return None;
        }
        let (recovery, since) = state.outlier.succeeded(began, now);
        if recovery != Recovery::Back {
            return None;
        }
        state.back.set(state.moment(now));
        Some(Back { out: since.map(|since| now.saturating_duration_since(since)) })
    }

    /// A request failed by its fault. What began before it came back says nothing
    /// of how it is now.
    pub(super) fn failed(&self, began: Instant, now: Instant) -> Ejection {
        if self.state.back.get().is_some_and(|back| self.state.moment(began) < back) {
            return Ejection::None;
        }
        if !self.state.outlier.failed(began, now) {
            return Ejection::None;
        }
        self.state.ejection.notify_waiters();
        match self.state.outlier.breaker(|breaker| breaker.newly_out(now)) {
            true => Ejection::New,
            false => Ejection::Again,
        }
    }

    /// It did not answer its first question. True if this ejects it: it does not where it has shown meanwhile
    /// that it serves.
    pub(super) fn fails(&self, dead: bool, now: Instant) -> bool {
        self.state.evidence.failed() && dead && self.state.outlier.suspects(now)
    }

    /// Whether it is ejected, or on trial.
    pub(super) fn ejected(&self) -> bool {
        let outlier = &self.state.outlier;
        outlier.any() && outlier.breaker(|breaker| breaker.ejected())
    }

    /// Comes true when it is ejected, or at once if it is.
    pub(crate) fn ejection(&self) -> impl Future<Output = ()> + Send + 'static {
        // It hears from now on, and looks after that: nothing is missed between.
        let heard = Arc::clone(&self.state.ejection).notified_owned();
        let ejected = self.ejected();
        async move {
            if !ejected {
                heard.await;
            }
        }
    }

    /// It is to be asked whether it is back. False if it is asked already.
    pub(crate) fn probe_begins(&self) -> bool {
        !self.state.probed.swap(true, Ordering::Relaxed)
    }

    /// A probe has ended.
    pub(crate) fn probe_ends(&self) {
        self.state.probed.store(false, Ordering::Relaxed);
    }

    /// A request ended and says nothing of the endpoint.
    pub(super) fn undecided(&self, began: Instant) {
        if self.state.outlier.any() {
            self.state.outlier.breaker(|breaker| breaker.undecided(began));
        }
    }

    /// It is far slower than its peers. True if this ejects it.
    pub(super) fn falls_behind(&self, now: Instant) -> bool {
        // What it showed so far is held against it once.
        self.state.first_tokens.clear();
        let ejected = self.state.outlier.eject(now);
        if ejected {
            self.state.outlier.breaker(|breaker| breaker.newly_out(now));
            self.state.ejection.notify_waiters();
        }
        ejected
    }

    /// Notes that the replica asks to be left alone for a while.
    pub(super) fn rest(&self, rest: Duration, now: Instant) {
        let until = self.state.moment(now + rest);
        self.state.cooldown.update(|before| before.map_or(until, |before| before.max(until)));
    }
}
