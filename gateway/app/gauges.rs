//! What other rooms know and a scrape asks for: of the epoch that is in force when it asks.

use std::sync::{Arc, Weak};

use super::real_now;
use crate::{
    pipeline::{Epoch, Gateway},
    record::{Gauge, GaugeReading},
};

/// Registers the gauges of policy, prices, endpoints, queues and budgets.
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
        GaugeReading::count(Gauge::ConfigInfo, [config], 1),
    ];
    let fleet = &epoch.upstreams.fleet;
    for endpoint in fleet.endpoints() {
        let Some(model) = names.models().get(endpoint.model.get()) else { continue };
        let labels = || [Arc::clone(&model.id), Arc::clone(&endpoint.label)];
        // Of one that has not answered yet nothing is said.
        if let Some(live) = endpoint.live(now) {
            let reading = GaugeReading::count(Gauge::EndpointUp, labels(), live.into());
            readings.push(reading);
        }
        let in_flight = endpoint.in_flight() as usize;
        readings.push(GaugeReading::count(Gauge::EndpointInFlight, labels(), in_flight));
    }
    for (model, waiting) in fleet.waiting() {
        readings.push(GaugeReading::count(Gauge::QueueWaiting, [Arc::clone(model)], waiting));
    }
    readings.extend(budgets(epoch));
    readings
}

/// How the budgets of teams stand.
fn budgets(epoch: &Epoch) -> impl Iterator<Item = GaugeReading> {
    let currency = Arc::clone(&epoch.names.currency);
    epoch.accounts.budgets(jiff::Timestamp::now()).into_iter().flat_map(move |it| {
        let labels = || [Arc::clone(&it.team), Arc::from(it.window), Arc::clone(&currency)];
        [
            GaugeReading::money(Gauge::BudgetLimit, labels(), it.limit),
            GaugeReading::money(Gauge::BudgetSpent, labels(), it.spent),
            GaugeReading::money(Gauge::BudgetReserved, labels(), it.reserved),
        ]
    })
}
