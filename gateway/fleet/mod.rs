//! The replicas and how they are: what is in flight, how fast they answer, who is ejected.
//!
//! The fleet observes and is looked at; it sends nothing. Decisions read a [`FleetView`] that is
//! republished a few times a second and at once on an ejection, never built for a request.

mod balance;
mod breaker;
mod latency;
mod probe;
mod trouble;

/// What the model checker puts its own in the place of.
mod sync {
    pub(super) use std::sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    };
}

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use policies::facts::{FleetView, ModelIndex, ModelView};
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use self::{
    balance::Candidate,
    breaker::{Breaker, Relief},
    latency::Peak,
    trouble::{Places, Trouble},
};
pub(crate) use self::{
    balance::Choice,
    probe::{Probe, Prober},
};

/// Weight of the newest first-token time in the running mean.
const LATENCY_WEIGHT: f32 = 0.2;
/// How long a replica that is back gets less than its share.
const WARM_UP: Duration = Duration::from_secs(10);
/// The part of its share that it begins with.
const COLD_SHARE: f64 = 0.1;
/// Attempts beyond the first that replicas in trouble may have in flight, as a part of all of their
/// model's, and in any case.
const RETRY_SHARE: u32 = 5;
const RETRIES_MIN: u32 = 3;

/// All models' replicas.
pub(crate) struct Fleet {
    models: Vec<Vec<Arc<Endpoint>>>,
    view: ArcSwap<FleetView>,
    version: AtomicU64,
}

/// One replica: its runtime state.
pub(crate) struct Endpoint {
    /// The model it serves.
    pub model: ModelIndex,
    /// Position among its model's replicas.
    pub index: u16,
    /// `host:port`, as metrics and ledger name it.
    pub label: Arc<str>,
    weight: u16,
    places: Places,
    /// Recent time to first token in ms as `f32` bits; 0 is unknown.
    first_token: AtomicU32,
    /// The same with peaks, as `f32` bits, above the milliseconds from `since` to when it was so.
    peak: AtomicU64,
    /// Until when it asked to be left alone, in milliseconds from `since`; 0 is never.
    rest: AtomicU32,
    /// When it came back from its last ejection, in milliseconds from `since`; 0 is never.
    back: AtomicU32,
    since: Instant,
    name: u64,
    /// Attempts beyond the first at replicas of this model that are in trouble.
    retries: Arc<AtomicU32>,
    trouble: Trouble,
}

/// A request in flight at an endpoint; dropping it ends it.
pub(crate) struct InFlight {
    endpoint: Arc<Endpoint>,
    /// It draws on the retry budget.
    retry: bool,
}

/// Which replica is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Of this model.
    pub model: ModelIndex,
    /// None of these.
    pub tried: &'a [(ModelIndex, u16)],
    /// What decides among those left.
    pub choice: Choice,
    /// Whether another attempt was made before for the same request.
    pub again: bool,
}

impl std::ops::Deref for InFlight {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.endpoint.places.give_back();
        if self.retry {
            self.endpoint.retries.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What an endpoint is made from.
pub(crate) struct EndpointSeed {
    /// `host:port`.
    pub label: Arc<str>,
    /// Share of the load, at least 1.
    pub weight: u16,
    /// Requests in flight at the most; 0 is no limit.
    pub concurrency_max: u32,
}

impl Endpoint {
    fn new(
        (model, index): (ModelIndex, u16),
        seed: EndpointSeed,
        retries: Arc<AtomicU32>,
        since: Instant,
    ) -> Self {
        Self {
            model,
            index,
            name: xxh3_64(seed.label.as_bytes()),
            peak: AtomicU64::new(0),
            rest: AtomicU32::new(0),
            back: AtomicU32::new(0),
            since,
            retries,
            label: seed.label,
            weight: seed.weight,
            places: Places::new(seed.concurrency_max),
            first_token: AtomicU32::new(0),
            trouble: Trouble::new(),
        }
    }

    /// Requests in flight.
    pub(crate) fn in_flight(&self) -> u32 {
        self.places.taken()
    }

    /// Whether it takes requests now.
    pub(crate) fn up(&self, now: Instant) -> bool {
        let rest = self.rest.load(Ordering::Relaxed);
        (rest == 0 || self.clock(now) >= rest)
            && (!self.trouble.any() || self.trouble.breaker(|breaker| breaker.allows(now)))
    }

    fn full(&self) -> bool {
        self.places.full()
    }

    fn first_token_ms(&self) -> Option<f32> {
        let ms = f32::from_bits(self.first_token.load(Ordering::Relaxed));
        (ms > 0.0).then_some(ms)
    }

    /// Milliseconds since it is there, at least 1; enough for seven weeks, after which figures are old.
    fn clock(&self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.since).as_millis();
        u32::try_from(passed).unwrap_or(u32::MAX).max(1)
    }

    fn peak(&self, now: Instant) -> Option<Peak> {
        let bits = self.peak.load(Ordering::Relaxed);
        let (ms, at) = (f32::from_bits((bits >> 32) as u32), bits as u32);
        let age = Duration::from_millis(self.clock(now).saturating_sub(at).into());
        (bits != 0).then_some(Peak { ms, age })
    }

    /// Its share of the load: less than configured while it is back for a short time only.
    fn share(&self, now: Instant) -> f64 {
        let weight = f64::from(self.weight.max(1));
        match self.back.load(Ordering::Relaxed) {
            0 => weight,
            back => {
                let warm = f64::from(self.clock(now).saturating_sub(back));
                weight * (warm / WARM_UP.as_millis() as f64).clamp(COLD_SHARE, 1.0)
            }
        }
    }

    fn candidate(&self, wanted: &Wanted<'_>, spent: bool, now: Instant) -> Candidate {
        let barred = spent && self.trouble.any();
        let tried = wanted.tried.contains(&(self.model, self.index));
        Candidate {
            in_flight: self.in_flight(),
            weight: self.share(now),
            first_token_ms: self.peak(now).map(|peak| f64::from(peak.faded())),
            name: self.name,
            usable: !tried && !barred && !self.full() && self.up(now),
        }
    }

    /// An answer came, its first content after `first_token`. The first content of a plain answer is its
    /// end, which says little of first tokens: it counts only where no stream has told.
    pub(crate) fn answered(&self, first_token: Duration, stream: bool, now: Instant) {
        let newest = first_token.as_secs_f32() * 1_000.0;
        let before = self.peak(now);
        if stream {
            let peak = u64::from(Peak::with(before, newest).max(0.001).to_bits());
            self.peak.store(peak << 32 | u64::from(self.clock(now)), Ordering::Relaxed);
        }
        if stream || before.is_none() {
            let mean = self.first_token_ms();
            let ms = mean.map_or(newest, |mean| mean + LATENCY_WEIGHT * (newest - mean));
            self.first_token.store(ms.max(0.001).to_bits(), Ordering::Relaxed);
        }
        if self.trouble.any() && self.trouble.succeeded(now) == Relief::Back {
            self.back.store(self.clock(now), Ordering::Relaxed);
        }
    }

    /// A request ended without a verdict on the endpoint.
    pub(crate) fn undecided(&self) {
        if self.trouble.any() {
            self.trouble.breaker(Breaker::undecided);
        }
    }

    /// Takes a place for a request, unless others were faster: the last place and the trial after an
    /// ejection go to one of those who saw them free.
    fn enter(self: &Arc<Self>, again: bool, now: Instant) -> Option<InFlight> {
        if !self.places.take() {
            return None;
        }
        let troubled = self.trouble.any();
        let retry = again && troubled;
        if retry {
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
        let entered = InFlight { endpoint: Arc::clone(self), retry };
        (!troubled || self.trouble.begins(now)).then_some(entered)
    }
}

impl Fleet {
    /// A fleet whose endpoints all take requests.
    pub(crate) fn new(models: Vec<Vec<EndpointSeed>>, now: Instant) -> Self {
        let models = (0u16..)
            .zip(models)
            .map(|(model, seeds)| {
                let retries = Arc::new(AtomicU32::new(0));
                let endpoint = |(index, seed)| {
                    let place = (ModelIndex(model), index);
                    Endpoint::new(place, seed, Arc::clone(&retries), now)
                };
                (0u16..).zip(seeds).map(endpoint).map(Arc::new).collect()
            })
            .collect();
        let fleet =
            Self { models, view: ArcSwap::from_pointee(FleetView::default()), version: 0.into() };
        fleet.publish(now);
        fleet
    }

    /// The world as decisions see it.
    pub(crate) fn view(&self) -> arc_swap::Guard<Arc<FleetView>> {
        self.view.load()
    }

    /// The endpoints of all models, for gauges and the readiness check.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.models.iter().flatten()
    }

    /// Whether any endpoint takes requests.
    pub(crate) fn any_up(&self, now: Instant) -> bool {
        self.endpoints().any(|endpoint| endpoint.up(now))
    }

    /// Makes the view anew.
    pub(crate) fn publish(&self, now: Instant) {
        let models = self.models.iter().map(|endpoints| model_view(endpoints, now)).collect();
        let version = self.version.fetch_add(1, Ordering::Relaxed);
        self.view.store(Arc::new(FleetView { version, models }));
    }

    /// Takes a replica. An attempt beyond the first goes freely to a replica without trouble; those in
    /// trouble share a budget, so that an outage is not multiplied.
    pub(crate) fn pick(&self, wanted: Wanted<'_>, now: Instant) -> Option<InFlight> {
        let endpoints = self.models.get(wanted.model.get())?;
        // Whoever comes too late for the one it chose chooses again.
        for _ in 0..=endpoints.len() {
            let spent = wanted.again && budget_spent(endpoints);
            let candidates: SmallVec<[Candidate; 8]> =
                endpoints.iter().map(|it| it.candidate(&wanted, spent, now)).collect();
            let endpoint = endpoints.get(balance::choose(&candidates, wanted.choice)?)?;
            if let Some(entered) = endpoint.enter(wanted.again, now) {
                return Some(entered);
            }
        }
        None
    }

    /// Whether this model has a live replica that was not tried yet.
    pub(crate) fn has_other(
        &self,
        model: ModelIndex,
        tried: &[(ModelIndex, u16)],
        now: Instant,
    ) -> bool {
        self.models.get(model.get()).is_some_and(|endpoints| {
            endpoints
                .iter()
                .any(|it| !tried.contains(&(model, it.index)) && !it.full() && it.up(now))
        })
    }

    /// The endpoints that are ejected, or on trial.
    fn ejected(&self) -> impl Iterator<Item = &Endpoint> {
        let all = self.endpoints().filter(|it| it.trouble.any());
        all.filter(|it| it.trouble.breaker(|breaker| breaker.ejected())).map(|it| &**it)
    }

    /// An ejected endpoint was asked whether it is there.
    fn probed(&self, endpoint: &Endpoint, alive: bool, now: Instant) {
        if endpoint.trouble.breaker(|breaker| breaker.probed(alive, now)) {
            self.publish(now);
        }
    }

    /// An endpoint asks to be left alone for a while.
    pub(crate) fn rests(&self, endpoint: &Endpoint, rest: Duration, now: Instant) {
        endpoint.rest.fetch_max(endpoint.clock(now + rest), Ordering::Relaxed);
        self.publish(now);
    }

    /// A request failed by the endpoint's fault. True if this ejected it.
    pub(crate) fn failed(&self, endpoint: &Endpoint, now: Instant) -> bool {
        let ejected = endpoint.trouble.failed(now);
        if ejected {
            self.publish(now);
        }
        ejected
    }
}

/// Whether replicas in trouble have enough attempts beyond the first in flight.
fn budget_spent(endpoints: &[Arc<Endpoint>]) -> bool {
    let retries = endpoints.first().map_or(0, |it| it.retries.load(Ordering::Relaxed));
    let in_flight: u32 = endpoints.iter().map(|it| it.in_flight()).sum();
    retries >= (in_flight / RETRY_SHARE).max(RETRIES_MIN)
}

fn model_view(endpoints: &[Arc<Endpoint>], now: Instant) -> ModelView {
    let known = endpoints.iter().filter_map(|endpoint| endpoint.first_token_ms());
    let limits = endpoints.iter().map(|endpoint| endpoint.places.max);
    ModelView {
        available: endpoints.iter().any(|endpoint| endpoint.up(now)),
        in_flight: endpoints.iter().map(|endpoint| endpoint.in_flight()).sum(),
        concurrency_max: if limits.clone().any(|max| max == 0) { 0 } else { limits.sum() },
        first_token_ms: known.reduce(f32::min),
    }
}
