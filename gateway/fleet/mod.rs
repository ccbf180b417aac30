//! The replicas and how they are: what is in flight, how fast they answer, who is ejected.
//!
//! The fleet observes and is looked at; it sends nothing. Decisions read a [`FleetView`] that is
//! republished a few times a second and at once on an ejection, never built for a request.

mod balance;
mod breaker;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use policies::facts::{FleetView, ModelIndex, ModelView};

use self::{balance::Candidate, breaker::Breaker};

/// Weight of the newest first-token time in the running mean.
const LATENCY_WEIGHT: f32 = 0.2;

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
    concurrency_max: u32,
    in_flight: AtomicU32,
    /// Recent time to first token in ms as `f32` bits; 0 is unknown.
    first_token: AtomicU32,
    /// Set while the breaker holds anything, so that a healthy endpoint costs no lock.
    troubled: AtomicBool,
    breaker: Mutex<Breaker>,
}

/// A request in flight at an endpoint; dropping it ends it.
pub(crate) struct InFlight(Arc<Endpoint>);

impl std::ops::Deref for InFlight {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
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
    fn new(model: ModelIndex, index: u16, seed: EndpointSeed) -> Self {
        Self {
            model,
            index,
            label: seed.label,
            weight: seed.weight,
            concurrency_max: seed.concurrency_max,
            in_flight: AtomicU32::new(0),
            first_token: AtomicU32::new(0),
            troubled: AtomicBool::new(false),
            breaker: Mutex::new(Breaker::default()),
        }
    }

    /// Requests in flight.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it takes requests now.
    pub(crate) fn up(&self, now: Instant) -> bool {
        !self.troubled.load(Ordering::Relaxed) || self.breaker(|breaker| breaker.allows(now))
    }

    fn breaker<T>(&self, f: impl FnOnce(&mut Breaker) -> T) -> T {
        f(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn full(&self) -> bool {
        self.concurrency_max > 0 && self.in_flight() >= self.concurrency_max
    }

    fn first_token_ms(&self) -> Option<f32> {
        let ms = f32::from_bits(self.first_token.load(Ordering::Relaxed));
        (ms > 0.0).then_some(ms)
    }

    /// An answer came, its first content after `first_token`.
    pub(crate) fn answered(&self, first_token: Duration) {
        let newest = first_token.as_secs_f32() * 1_000.0;
        let ms =
            self.first_token_ms().map_or(newest, |mean| mean + LATENCY_WEIGHT * (newest - mean));
        self.first_token.store(ms.max(0.001).to_bits(), Ordering::Relaxed);
        if self.troubled.swap(false, Ordering::Relaxed) {
            self.breaker(Breaker::succeeded);
        }
    }

    /// A request ended without a verdict on the endpoint.
    pub(crate) fn undecided(&self) {
        if self.troubled.load(Ordering::Relaxed) {
            self.breaker(Breaker::undecided);
        }
    }
}

impl Fleet {
    /// A fleet whose endpoints all take requests.
    pub(crate) fn new(models: Vec<Vec<EndpointSeed>>, now: Instant) -> Self {
        let models = (0u16..)
            .zip(models)
            .map(|(model, seeds)| {
                let endpoint = |(index, seed)| Endpoint::new(ModelIndex(model), index, seed);
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

    /// Takes a replica of this model that was not tried yet, the least loaded first.
    pub(crate) fn pick(
        &self,
        model: ModelIndex,
        tried: &[(ModelIndex, u16)],
        draw: u64,
        now: Instant,
    ) -> Option<InFlight> {
        let endpoints = self.models.get(model.get())?;
        let candidates = endpoints.iter().map(|endpoint| Candidate {
            in_flight: endpoint.in_flight(),
            weight: endpoint.weight,
            usable: !tried.contains(&(model, endpoint.index))
                && !endpoint.full()
                && endpoint.up(now),
        });
        let endpoint = endpoints.get(balance::least_loaded(candidates, draw)?)?;
        endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
        if endpoint.troubled.load(Ordering::Relaxed) {
            endpoint.breaker(|breaker| breaker.begins(now));
        }
        Some(InFlight(Arc::clone(endpoint)))
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

    /// A request failed by the endpoint's fault. True if this ejected it.
    pub(crate) fn failed(&self, endpoint: &Endpoint, now: Instant) -> bool {
        endpoint.troubled.store(true, Ordering::Relaxed);
        let ejected = endpoint.breaker(|breaker| breaker.failed(now));
        if ejected {
            self.publish(now);
        }
        ejected
    }
}

fn model_view(endpoints: &[Arc<Endpoint>], now: Instant) -> ModelView {
    let known = endpoints.iter().filter_map(|endpoint| endpoint.first_token_ms());
    let limits = endpoints.iter().map(|endpoint| endpoint.concurrency_max);
    ModelView {
        available: endpoints.iter().any(|endpoint| endpoint.up(now)),
        in_flight: endpoints.iter().map(|endpoint| endpoint.in_flight()).sum(),
        concurrency_max: if limits.clone().any(|max| max == 0) { 0 } else { limits.sum() },
        first_token_ms: known.reduce(f32::min),
    }
}
