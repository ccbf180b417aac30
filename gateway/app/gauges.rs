//! What other rooms know and a scrape asks for: of the epoch that is in force when it asks.

use std::sync::{Arc, Weak};

use policies::facts::{ModelFacts, Price};

use super::process;
use crate::{
    account::BudgetReading,
    edge::admin::Expose,
    failure::{Failure, Kind, Stage},
    pipeline::{Epoch, Gateway, guards, readiness},
    record::{Gauge, GaugeReading},
};

/// Spans within which keys that expire are counted: their names, and days.
const EXPIRING: [(&str, i64); 2] = [("7d", 7), ("30d", 30)];

/// Registers the gauges of policy, prices, keys, endpoints, queues, budgets, readiness and process.
pub(super) fn register(gateway: &Arc<Gateway>) {
    let known: Weak<Gateway> = Arc::downgrade(gateway);
    let metrics = gateway.recorder.metrics();
    metrics.register_gauges(Box::new(move || {
        known.upgrade().map(|gateway| read(&gateway)).unwrap_or_default()
    }));
    let start = seconds((gateway.sources.timestamp)());
    metrics.register_gauges(Box::new(move || {
        let mut readings = process::read();
        readings.push(GaugeReading::number(Gauge::ProcessStart, [], start));
        readings
    }));
}

/// What writes out the metrics, on a thread on which no request is served.
pub(super) fn exposer(gateway: &Arc<Gateway>) -> Expose {
    let metrics = gateway.recorder.metrics().clone();
    Box::new(move || {
        let metrics = metrics.clone();
        Box::pin(async move {
            let wrong = || Failure::new(Kind::Bug, Stage::Record, "the metrics cannot be exposed");
            match tokio::task::spawn_blocking(move || metrics.expose()).await {
                Ok(text) => text.map_err(|error| wrong().because(error)),
                Err(error) => Err(wrong().because(error)),
            }
        })
    })
}

fn read(gateway: &Gateway) -> Vec<GaugeReading> {
    let (epoch, now) = (gateway.epoch.load(), (gateway.sources.timestamp)());
    let names = &epoch.names;
    let (version, hash) = (Arc::clone(&names.policy_version), Arc::clone(&names.policy_hash));
    let config = Arc::clone(&epoch.config_hash);
    let mut readings = vec![
        GaugeReading::info(Gauge::PolicyInfo, version, hash),
        GaugeReading::count(Gauge::ConfigInfo, [config], 1),
    ];
    readings.extend(readiness(gateway).map(|(check, wrong)| {
        GaugeReading::count(Gauge::Ready, [check.into()], wrong.is_none().into())
    }));
    readings.extend(EXPIRING.map(|(within, days)| {
        let span = jiff::SignedDuration::from_hours(24 * days);
        let expiring = epoch.directory.expiring(span, now);
        GaugeReading::count(Gauge::KeysExpiring, [within.into()], expiring)
    }));
    readings.extend(epoch.directory.issuer_keys().filter_map(|(keys, _)| {
        let age = keys.age(now)?.as_secs_f64();
        Some(GaugeReading::number(Gauge::JwksAge, [Arc::clone(&keys.name)], age))
    }));
    readings.extend(names.models().iter().flat_map(model));
    readings.extend(names.policy.iter().flat_map(|it| &it.by_hour).map(|(model, by_hour)| {
        let labels = [Arc::clone(model), Arc::clone(&names.currency)];
        GaugeReading::money(Gauge::GpuCost, labels, by_hour.of_all())
    }));
    endpoints(&epoch, gateway.now(), &mut readings);
    experiments(gateway, &epoch, &mut readings);
    let currency = &names.currency;
    readings.extend(epoch.accounts.budgets(now).iter().flat_map(|it| budget(it, currency)));
    readings
}

/// What a model is, and what it costs.
fn model(model: &ModelFacts) -> Vec<GaugeReading> {
    let stated = |it: &Option<Arc<str>>| it.clone().unwrap_or_default();
    let ModelFacts { id, family, zone, licence, price, .. } = model;
    let info = [Arc::clone(id), stated(family), stated(zone), stated(licence)];
    let Price { input, cached_input, cache_write, output, reasoning } = price.unwrap_or_default();
    let prices = [
        ("input", input),
        ("cached_input", cached_input),
        ("cache_write", cache_write),
        ("output", output),
        ("reasoning", reasoning),
    ];
    let price = |(kind, price): (&str, _)| {
        GaugeReading::money(Gauge::Price, [Arc::clone(id), kind.into()], price)
    };
    let info = GaugeReading::count(Gauge::ModelInfo, info, 1);
    [info].into_iter().chain(prices.map(price)).collect()
}

/// How endpoints and queues stand.
fn endpoints(epoch: &Epoch, now: std::time::Instant, readings: &mut Vec<GaugeReading>) {
    let fleet = &epoch.upstreams.fleet;
    for endpoint in fleet.endpoints() {
        let Some(model) = epoch.names.models().get(endpoint.model.get()) else { continue };
        let labels = || [Arc::clone(&model.id), Arc::clone(&endpoint.label)];
        // Of one that has not answered yet nothing is said.
        if let Some(live) = endpoint.live(now) {
            let reading = GaugeReading::count(Gauge::EndpointUp, labels(), live.into());
            readings.push(reading);
        }
        let drained = endpoint.drained.into();
        readings.push(GaugeReading::count(Gauge::EndpointDrained, labels(), drained));
        let in_flight = endpoint.in_flight() as usize;
        readings.push(GaugeReading::count(Gauge::EndpointInFlight, labels(), in_flight));
    }
    let view = fleet.view();
    for ((model, waiting), view) in fleet.waiting().zip(&view.models) {
        let enabled = (!view.switched_off).into();
        readings.push(GaugeReading::count(Gauge::ModelEnabled, [Arc::clone(model)], enabled));
        readings.push(GaugeReading::count(Gauge::QueueWaiting, [Arc::clone(model)], waiting));
    }
}

/// How the arms of the experiments stand.
fn experiments(gateway: &Gateway, epoch: &Epoch, readings: &mut Vec<GaugeReading>) {
    for watched in epoch.watch.all() {
        let experiment = &watched.experiment.name;
        for arm in guards::arms(gateway, watched) {
            let labels = || [Arc::clone(experiment), Arc::clone(&arm.name)];
            readings.push(GaugeReading::count(Gauge::ExperimentUnits, labels(), arm.units));
            readings.extend(arm.bounds.iter().map(|bound| {
                let labels = [Arc::clone(experiment), Arc::clone(&arm.name), bound.metric.clone()];
                let broken = arm.broken.as_ref() == Some(&bound.metric);
                GaugeReading::count(Gauge::ExperimentGuard, labels, broken.into())
            }));
        }
    }
}

/// How a team's budget stands.
fn budget(it: &BudgetReading, currency: &Arc<str>) -> Vec<GaugeReading> {
    let labels = || [Arc::clone(&it.team), Arc::from(it.window), Arc::clone(currency)];
    let mut readings = vec![
        GaugeReading::money(Gauge::BudgetLimit, labels(), it.limit),
        GaugeReading::money(Gauge::BudgetSpent, labels(), it.spent),
        GaugeReading::money(Gauge::BudgetReserved, labels(), it.reserved),
        GaugeReading::count(Gauge::BudgetHard, labels(), it.hard.into()),
    ];
    if let Some((from, until)) = it.span {
        let moment = |gauge, at| GaugeReading::number(gauge, labels(), seconds(at));
        readings.push(moment(Gauge::BudgetWindowStart, from));
        readings.push(moment(Gauge::BudgetWindowEnd, until));
    }
    readings
}

/// A moment in seconds since 1970.
#[allow(clippy::cast_precision_loss, reason = "milliseconds of any century are exact")]
fn seconds(at: jiff::Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1e3
}
