//! The replicas and how they are: what is in flight, how fast they answer, who is ejected, who waits.
//!
//! The fleet observes and is looked at; it sends nothing. Decisions read a [`FleetView`] that is
//! republished a few times a second and at once on an ejection, never built for a request.

mod balance;
mod breaker;
mod calibration;
mod endpoint;
mod evidence;
mod in_flight;
mod latency;
mod outlier;
mod probe;
mod queue;
mod readings;
mod retries;
mod wanted;

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
use policies::facts::{FleetView, ModelIndex, ModelView, Tokens};
use smallvec::SmallVec;

pub use self::probe::{BackendFault, FaultKind, ListedModel};
use self::{
    balance::Candidate, calibration::Calibration, endpoint::State, queue::Queue,
    retries::RetryBudget,
};
pub(crate) use self::{
    balance::PickHint,
    endpoint::{Endpoint, EndpointSeed},
    in_flight::InFlight,
    probe::{Probe, Prober, Question, TokenQuestion, models as listed_models, versioned},
    queue::{QueueLimits, QueueTicket, Turn, Waiter},
    wanted::{Found, Wanted},
};

/// All models' replicas.
pub(crate) struct Fleet {
    models: Vec<Arc<Replicas>>,
    view: ArcSwap<FleetView>,
    version: AtomicU64,
}

/// The replicas of one model.
pub(crate) struct Replicas {
    /// The model's id.
    id: Arc<str>,
    /// An operator has switched the model off.
    switched_off: bool,
    endpoints: Vec<Arc<Endpoint>>,
    /// What its tokens are to our estimates of them.
    calibration: Arc<Calibration>,
    /// For attempts at replicas in outlier, beyond those that anyone would make.
    retries: Arc<RetryBudget>,
    /// The requests that wait for a place.
    queue: Arc<Queue>,
    /// The most output tokens that an answer has had beyond a bound that the engine was given, since the
    /// configuration was loaded: whoever mends an engine loads it anew.
    overrun: AtomicU32,
}

/// The configuration that the replicas of a model are made from.
pub(crate) struct ReplicasSeed {
    /// The model's id.
    pub id: Arc<str>,
    /// Whether an operator has switched the model off.
    pub switched_off: bool,
    /// Its replicas.
    pub endpoints: Vec<EndpointSeed>,
}

impl Replicas {
    fn new(at: u16, seed: ReplicasSeed, before: Option<&Self>, now: Instant) -> Self {
        let known = |url: &str| {
            let endpoint = before?.endpoints.iter().find(|it| *it.url == *url)?;
            Some(Arc::clone(&endpoint.state))
        };
        let endpoint = |(index, seed): (u16, EndpointSeed)| {
            let state = known(&seed.url).unwrap_or_else(|| Arc::new(State::new(&seed, now)));
            Arc::new(Endpoint::new((ModelIndex(at), index), seed, state))
        };
        Self {
            id: seed.id,
            switched_off: seed.switched_off,
            endpoints: (0u16..).zip(seed.endpoints).map(endpoint).collect(),
            calibration: before.map(|it| Arc::clone(&it.calibration)).unwrap_or_default(),
            retries: before.map(|it| Arc::clone(&it.retries)).unwrap_or_default(),
            queue: before.map(|it| Arc::clone(&it.queue)).unwrap_or_default(),
            overrun: AtomicU32::new(0),
        }
    }

    /// Grants free places to those who wait for them.
    fn refill(&self) {
        if self.queue.waits() {
            let live = |it: &&Arc<Endpoint>| it.state.live.load(Ordering::Relaxed);
            let free = self.endpoints.iter().filter(live).map(|it| it.free());
            self.queue.refill(free.fold(0, u32::saturating_add));
        }
    }

    /// Whether replicas in outlier have had enough of such attempts.
    fn budget_spent(&self, first: bool) -> bool {
        self.retries.spent(self.endpoints.iter().map(|it| it.in_flight()).sum(), first)
    }

    /// Whether there is a replica that could take the request, now or later.
    fn serves(&self, wanted: &Wanted<'_>, now: Instant) -> bool {
        self.endpoints.iter().any(|it| !wanted.tried(it) && it.up(now))
    }

    /// Whether there is a replica that would take the request if it were not full.
    fn only_full(&self, wanted: &Wanted<'_>, now: Instant) -> bool {
        self.endpoints.iter().any(|it| !wanted.tried(it) && it.full() && it.up(now))
    }

    fn view(&self, now: Instant) -> ModelView {
        let mut available = false;
        let mut last_resort = false;
        for endpoint in &self.endpoints {
            let up = endpoint.up(now);
            endpoint.state.live.store(up, Ordering::Relaxed);
            available |= up;
            last_resort |= !up && endpoint.last_resort(now);
        }
        let known = self.endpoints.iter().filter_map(|endpoint| endpoint.first_token_ms());
        let limits = self.endpoints.iter().map(|endpoint| endpoint.concurrency_max());
        ModelView {
            switched_off: self.switched_off,
            available,
            last_resort,
            in_flight: self.endpoints.iter().map(|endpoint| endpoint.in_flight()).sum(),
            concurrency_max: if limits.clone().any(|max| max == 0) { 0 } else { limits.sum() },
            first_token_ms: known.reduce(f32::min),
            overrun_tokens_max: Tokens(self.overrun.load(Ordering::Relaxed)),
        }
    }

    /// Those whose first tokens come far later than their live peers' do; the quickest of them never.
    fn behind(&self, now: Instant) -> impl Iterator<Item = &Arc<Endpoint>> {
        let up = move |it: &&Arc<Endpoint>| it.up(now);
        self.endpoints.iter().filter(up).filter(move |it| {
            let others = self.endpoints.iter().filter(|other| !Arc::ptr_eq(other, it));
            let peers = others.filter(up).filter_map(|other| other.first_token_ms());
            let mut peers: SmallVec<[f32; 8]> = peers.collect();
            it.first_tokens().is_some_and(|own| latency::behind(own.ms, own.streams, &mut peers))
        })
    }
}

impl Fleet {
    /// A fleet whose endpoints are as they were `before`, by model and URL; new ones take requests.
    pub(crate) fn new(models: Vec<ReplicasSeed>, before: Option<&Self>, now: Instant) -> Self {
        let replicas = |(at, seed): (u16, ReplicasSeed)| {
            let known = before.and_then(|it| it.models.iter().find(|it| *it.id == *seed.id));
            Arc::new(Replicas::new(at, seed, known.map(|it| &**it), now))
        };
        let fleet = Self {
            models: (0u16..).zip(models).map(replicas).collect(),
            view: ArcSwap::from_pointee(FleetView::default()),
            version: before.map_or(0, |it| it.version.load(Ordering::Relaxed)).into(),
        };
        fleet.publish(now);
        fleet
    }

    /// Its epoch is in force: its limits bind everyone, those who still go by another epoch too.
    pub(crate) fn take_over(&self, now: Instant) {
        self.endpoints().for_each(|it| it.take_over());
        self.publish(now);
        // Nobody waits for what does not come.
        let closed = self.models.iter().filter(|it| it.endpoints.iter().all(|it| it.closed()));
        closed.for_each(|it| it.queue.dismiss());
    }

    /// The state of the fleet as decisions see it.
    pub(crate) fn view(&self) -> arc_swap::Guard<Arc<FleetView>> {
        self.view.load()
    }

    /// The endpoints of all models, for gauges and the readiness check.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.models.iter().flat_map(|it| &it.endpoints)
    }

    /// The id of a model; empty for one that is none of these.
    pub(crate) fn id(&self, model: ModelIndex) -> &str {
        self.models.get(model.get()).map_or("", |it| &it.id)
    }

    /// How many wait at each model, by id.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.models.iter().map(|it| (&it.id, it.queue.length()))
    }

    /// Whether any endpoint is known to serve and takes requests; `None` if that may turn out yet.
    pub(crate) fn any_live(&self, now: Instant) -> Option<bool> {
        let mut live = self.endpoints().map(|endpoint| endpoint.live(now));
        let mut unknown = false;
        let any = live.any(|it| {
            unknown |= it.is_none();
            it == Some(true)
        });
        (any || !unknown).then_some(any)
    }

    /// Endpoints of which nothing is known are taken to serve.
    pub(crate) fn presume(&self) {
        self.endpoints().for_each(|it| it.state.evidence.presume());
    }

    /// The endpoints that are to be asked again: those that are ejected or on trial and, if `all`, those that
    /// answer, but not as they should.
    pub(crate) fn doubtful(&self, all: bool) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.endpoints().filter(move |it| it.ejected() || all && it.wrong())
    }

    /// An endpoint has answered as it should. True if it had not before.
    fn serves(&self, endpoint: &Endpoint, now: Instant) -> bool {
        let mended = endpoint.state.evidence.answered();
        self.publish(now);
        mended
    }

    /// An endpoint answers, and says nothing of whether it serves its model: it is taken to.
    fn answers(&self, endpoint: &Endpoint, now: Instant) {
        endpoint.state.evidence.presume();
        self.publish(now);
    }

    /// An endpoint has not answered what it was asked first; `dead` if nobody can be served there.
    fn fails(&self, endpoint: &Endpoint, dead: bool, now: Instant) {
        if endpoint.fails(dead, now) {
            self.publish(now);
        }
    }

    /// Makes the view anew, and grants places where they have become free by the time's passing.
    pub(crate) fn publish(&self, now: Instant) {
        let models = self.models.iter().map(|it| it.view(now)).collect();
        let version = self.version.fetch_add(1, Ordering::Relaxed);
        self.view.store(Arc::new(FleetView { version, models }));
        for replicas in &self.models {
            replicas.queue.measure(now);
            replicas.refill();
        }
    }

    /// Lets this much time pass for the retry budgets.
    pub(crate) fn passed(&self, time: Duration) {
        let ms = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        self.models.iter().for_each(|it| it.retries.passed(ms));
    }

    /// Ejects replicas that are far slower than their peers, and says which.
    pub(crate) fn eject_slow(&self, now: Instant) -> SmallVec<[Arc<Endpoint>; 1]> {
        let behind = self.models.iter().filter(|it| it.endpoints.len() > 1);
        let behind = behind.flat_map(|it| it.behind(now).cloned().collect::<SmallVec<[_; 1]>>());
        let ejected: SmallVec<[_; 1]> = behind.filter(|it| it.falls_behind(now)).collect();
        if !ejected.is_empty() {
            self.publish(now);
        }
        ejected
    }

    /// Takes a replica. An attempt beyond the first goes freely to a replica without outlier; those in
    /// outlier share a budget, so that an outage is not multiplied.
    pub(crate) fn pick(&self, wanted: &Wanted<'_>, now: Instant) -> Found {
        let Some(replicas) = self.models.get(wanted.model.get()) else { return Found::Nothing };
        if !wanted.granted && replicas.queue.waits() && replicas.serves(wanted, now) {
            return Found::Full;
        }
        let extra = wanted.again || wanted.last_resort;
        let spent = extra && replicas.budget_spent(!wanted.again);
        // Whoever comes too late for a place or a trial sees that it is gone, and chooses again.
        for _ in 0..=replicas.endpoints.len() {
            let all = replicas.endpoints.iter();
            let candidates: SmallVec<[Candidate; 8]> =
                all.map(|it| it.candidate(wanted, spent, now)).collect();
            let chosen = balance::choose(&candidates, wanted.hint);
            let Some(endpoint) = chosen.and_then(|at| replicas.endpoints.get(at)) else { break };
            if let Some(place) = InFlight::enter(endpoint, replicas, wanted, now) {
                return Found::Place(place);
            }
        }
        if replicas.only_full(wanted, now) { Found::Full } else { Found::Nothing }
    }

    /// Whether this model has a live replica that was not tried yet.
    pub(crate) fn has_other(
        &self,
        model: ModelIndex,
        tried: &[(ModelIndex, u16)],
        now: Instant,
    ) -> bool {
        self.models.get(model.get()).is_some_and(|replicas| {
            let mut all = replicas.endpoints.iter();
            all.any(|it| !tried.contains(&(model, it.index)) && !it.full() && it.up(now))
        })
    }

    /// Waits for a place at this model.
    ///
    /// # Errors
    /// When there is no use in it: with the time after which there may be.
    pub(crate) fn join(
        &self,
        model: ModelIndex,
        waiter: Waiter,
        bounds: QueueLimits,
        now: Instant,
    ) -> Result<QueueTicket, Duration> {
        let Some(replicas) = self.models.get(model.get()) else { return Err(Duration::ZERO) };
        let ticket = Queue::join(replicas, waiter, bounds, now)?;
        // A place that became free just before has not been granted yet.
        if waiter.until.is_none() {
            replicas.refill();
        }
        Ok(ticket)
    }

    /// An ejected endpoint was asked whether it is there.
    fn probed(&self, endpoint: &Endpoint, alive: bool, now: Instant) {
        if endpoint.state.outlier.breaker(|breaker| breaker.probed(alive, now)) {
            self.publish(now);
        }
    }

    /// An endpoint asks to be left alone for a while.
    pub(crate) fn cools_down(&self, endpoint: &Endpoint, rest: Duration, now: Instant) {
        endpoint.rest(rest, now);
        self.publish(now);
    }

    /// A request was answered, its first content after `first_token`; `tells` if that says how the
    /// replica is. How long it had been out of service, if it is back by this.
    pub(crate) fn answered(
        &self,
        endpoint: &mut InFlight,
        first_token: Duration,
        tells: bool,
        now: Instant,
    ) -> Option<Duration> {
        let back = endpoint.answered(first_token, tells, now)?;
        self.publish(now);
        back.out
    }

    /// An answer of this model had so many output tokens beyond the bound that its engine was given: the next
    /// decision expects as many.
    pub(crate) fn overran(&self, model: ModelIndex, tokens: Tokens, now: Instant) {
        let Some(replicas) = self.models.get(model.get()) else { return };
        if replicas.overrun.fetch_max(tokens.0, Ordering::Relaxed) < tokens.0 {
            self.publish(now);
        }
    }

    /// An answer of this model has reported so many tokens of input where so many were estimated.
    pub(crate) fn counted(&self, model: ModelIndex, estimated: Tokens, reported: Tokens) {
        if let Some(replicas) = self.models.get(model.get()) {
            replicas.calibration.learn(estimated, reported);
        }
    }

    /// An estimate, by what such answers of this model have shown.
    pub(crate) fn calibrated(&self, model: ModelIndex, estimated: Tokens) -> Tokens {
        let replicas = self.models.get(model.get());
        replicas.map_or(estimated, |it| it.calibration.apply(estimated))
    }

    /// A request failed by the endpoint's fault. True if this took it out of service.
    pub(crate) fn failed(&self, endpoint: &mut InFlight, now: Instant) -> bool {
        let ejection = endpoint.failed(now);
        if ejection.ejects() {
            self.publish(now);
        }
        ejection.is_new()
    }
}
