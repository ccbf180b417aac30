//! What other rooms know and a scrape asks for: of the epoch that is in force when it asks.

use std::sync::{Arc, Weak};

use super::real_now;
use crate::{
    account::Accounts,
    pipeline::{Epoch, Gateway},
    record::{Gauge, GaugeReading, Recorder},
};

/// Policy, prices, endpoints and lines.
pub(super) fn register(gateway: &Arc<Gateway>) {
    let known: Weak<Gateway> = Arc::downgrade(gateway);
    gateway.recorder.metrics().register_gauges(Box::new(move || {
        known.upgrade().map(|gateway| read(&gateway.epoch.load())).unwrap_or_default()
    }));
}

fn read(epoch: &Epoch) -> Vec<GaugeReading> {
    let (now, names) = (real_now(), &epoch.names);
    let (version, hash) = (Arc::clone(&names.policy_version), Arc::clone(&names.policy_hash));
    let config = Arc::clone(&epoch.config_hash);
    let mut readings = vec![
        GaugeReading::info(Gauge::PolicyInfo, version, hash),
        GaugeReading::info(Gauge::ConfigInfo, "".into(), config),
    ];
    let fleet = &epoch.upstreams.fleet;
    for endpoint in fleet.endpoints() {
        let Some(model) = names.models().get(endpoint.model.get()) else { continue };
        let labels = || [Arc::clone(&model.id), Arc::clone(&endpoint.label)];
        let up = usize::from(endpoint.up(now));
        readings.push(GaugeReading::count(Gauge::EndpointUp, labels(), up));
        let in_flight = endpoint.in_flight() as usize;
        readings.push(GaugeReading::count(Gauge::EndpointInFlight, labels(), in_flight));
    }
    for (model, waiting) in fleet.waiting() {
        readings.push(GaugeReading::count(Gauge::QueueWaiting, [Arc::clone(model)], waiting));
    }
    readings
}

/// How the budgets of teams stand.
pub(super) fn register_budgets(recorder: &Recorder, accounts: &Arc<Accounts>, currency: Arc<str>) {
    let accounts = Arc::clone(accounts);
    recorder.metrics().register_gauges(Box::new(move || {
        let mut readings = Vec::new();
        for it in accounts.budgets(jiff::Timestamp::now()) {
            let labels = || [Arc::clone(&it.team), Arc::from(it.window), Arc::clone(&currency)];
            readings.push(GaugeReading::money(Gauge::BudgetLimit, labels(), it.limit));
            readings.push(GaugeReading::money(Gauge::BudgetSpent, labels(), it.spent));
            readings.push(GaugeReading::money(Gauge::BudgetReserved, labels(), it.reserved));
        }
        readings
    }));
}
