//! What replicas are asked by the gateway itself: once what they serve, when they are new; then, while they
//! are ejected or wrong, whether they are back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt,
    stream::{self, FuturesUnordered},
};

use crate::{
    fleet::Endpoint,
    pipeline::{Epoch, Gateway},
};

/// How often ejected replicas are asked.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Those that answer, but not as they should, are asked each so many times: nobody is kept waiting by it.
const WRONG_EVERY: u64 = 5;
/// So many replicas are asked at once what they serve.
pub(super) const ASKED_AT_ONCE: usize = 64;

/// Asks all replicas at the start, if they are to be asked.
pub(super) fn begin(gateway: &Gateway, asks: bool, succeeds: bool) {
    let epoch = gateway.epoch.load_full();
    // Whoever asked the one before whether it is ready hears the same of its successor.
    if succeeds || !asks {
        epoch.upstreams.fleet.presume();
    }
    if asks {
        ask_first(epoch, None, gateway.sources.now);
    }
}

/// Asks each replica of the epoch that is new, or is asked otherwise than in the one before, what it serves,
/// beside everything else; a line in the log says what is wrong with one.
pub(super) fn ask_first(epoch: Arc<Epoch>, before: Option<&Epoch>, clock: fn() -> Instant) {
    let fleet = Arc::clone(&epoch.upstreams.fleet);
    let new = |it: &&Arc<Endpoint>| before.is_none_or(|before| new_or_changed(it, &epoch, before));
    let new: Vec<_> = fleet.endpoints().filter(new).cloned().collect();
    if new.is_empty() {
        return;
    }
    new.iter().for_each(|it| it.doubt());
    tokio::spawn(async move {
        let endpoints = new.len();
        let asked = stream::iter(new).map(|it| first(&epoch, it, clock));
        let good = asked.buffer_unordered(ASKED_AT_ONCE).filter(|good| std::future::ready(*good));
        let serving = good.count().await;
        tracing::info!(endpoints, serving, "backends have been asked what they serve");
    });
}

fn new_or_changed(endpoint: &Endpoint, epoch: &Epoch, before: &Epoch) -> bool {
    let then = before.upstreams.fleet.endpoints().find(|it| it.same(endpoint));
    then.is_none_or(|then| epoch.prober.differs(endpoint, (&before.prober, then)))
}

async fn first(epoch: &Epoch, endpoint: Arc<Endpoint>, clock: fn() -> Instant) -> bool {
    let asked = epoch.prober.ask_first(&epoch.upstreams.fleet, &endpoint, clock).await;
    if let Err(fault) = &asked {
        let (model, label) = (model(epoch, &endpoint), &*endpoint.label);
        tracing::warn!(model, endpoint = label, fault = fault.kind.name(), "backend: {fault}");
    }
    asked.is_ok()
}

fn model<'a>(epoch: &'a Epoch, endpoint: &Endpoint) -> &'a str {
    epoch.names.models().get(endpoint.model.get()).map_or("", |model| &model.id)
}

/// Asks those of the epoch in force again and again, each once at a time.
pub(super) async fn run(gateway: Arc<Gateway>) {
    let mut beat = tokio::time::interval(PROBE_EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Once: from one probe to the next of the same replica it is the same time then.
    let random = (gateway.sources.random)();
    let mut asked = FuturesUnordered::new();
    let mut beats: u64 = 0;
    loop {
        tokio::select! {
            _ = beat.tick() => {
                beats = beats.wrapping_add(1);
                let epoch = gateway.epoch.load_full();
                let all = beats.is_multiple_of(WRONG_EVERY);
                let doubtful = epoch.upstreams.fleet.doubtful(all);
                for endpoint in doubtful.filter(|it| it.probe_begins()) {
                    asked.push(again(&gateway, Arc::clone(&epoch), Arc::clone(endpoint), random));
                }
            }
            Some(()) = asked.next() => {}
        }
    }
}

async fn again(gateway: &Gateway, epoch: Arc<Epoch>, endpoint: Arc<Endpoint>, random: u64) {
    let fleet = &epoch.upstreams.fleet;
    if epoch.prober.ask(fleet, &endpoint, random, gateway.sources.now).await {
        let (model, label) = (model(&epoch, &endpoint), &*endpoint.label);
        tracing::info!(model, endpoint = label, "backend: it serves now");
    }
    endpoint.probe_ends();
}
