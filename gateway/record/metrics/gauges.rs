//! Gauges: what other rooms know, asked at the moment of a scrape.
//!
//! A room hands in a closure that reads its own state; nothing is copied here meanwhile, so that a
//! gauge cannot be stale and costs a request nothing.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use policies::facts::Money;
use prometheus::{
    core::{Collector, Desc},
    proto::{Gauge as Value, Metric, MetricFamily, MetricType},
};

use super::money::{family, pairs, units};

/// The gauges there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gauge {
    /// The amount of a budget. Labels: team, window, currency.
    BudgetLimit,
    /// What of it is spent. Labels: team, window, currency.
    BudgetSpent,
    /// What of it is reserved by open requests. Labels: team, window, currency.
    BudgetReserved,
    /// 1 if an endpoint takes requests, else 0. Labels: model, endpoint.
    EndpointUp,
    /// Requests in flight at an endpoint. Labels: model, endpoint.
    EndpointInFlight,
    /// Requests that wait for a place at a full model. Labels: model.
    QueueWaiting,
    /// Ledger rows that are not yet durable. No labels.
    LedgerPending,
    /// The program; always 1. Labels: version, hash.
    BuildInfo,
    /// The configuration in force; always 1. Labels: version, hash.
    ConfigInfo,
    /// The policy in force; always 1. Labels: version, hash.
    PolicyInfo,
    /// 1 while the files are not what is in force, because the last reload was refused. No labels.
    ConfigStale,
}

impl Gauge {
    const ALL: [Self; 11] = [
        Self::BudgetLimit,
        Self::BudgetSpent,
        Self::BudgetReserved,
        Self::EndpointUp,
        Self::EndpointInFlight,
        Self::QueueWaiting,
        Self::LedgerPending,
        Self::BuildInfo,
        Self::ConfigInfo,
        Self::PolicyInfo,
        Self::ConfigStale,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::BudgetLimit => "signalbox_budget_limit",
            Self::BudgetSpent => "signalbox_budget_spent",
            Self::BudgetReserved => "signalbox_budget_reserved",
            Self::EndpointUp => "signalbox_endpoint_up",
            Self::EndpointInFlight => "signalbox_endpoint_in_flight",
            Self::QueueWaiting => "signalbox_queue_waiting",
            Self::LedgerPending => "signalbox_ledger_pending",
            Self::BuildInfo => "signalbox_build_info",
            Self::ConfigInfo => "signalbox_config_info",
            Self::PolicyInfo => "signalbox_policy_info",
            Self::ConfigStale => "signalbox_config_stale",
        }
    }

    const fn help(self) -> &'static str {
        match self {
            Self::BudgetLimit => "Amount of a team's budget in its current window.",
            Self::BudgetSpent => "Money of a team's budget spent in its current window.",
            Self::BudgetReserved => "Money of a team's budget reserved by open requests.",
            Self::EndpointUp => "Whether an endpoint serves: 1 or 0; none before it has answered.",
            Self::EndpointInFlight => "Requests of this replica in flight at an endpoint.",
            Self::QueueWaiting => "Requests that wait for a place at a full model.",
            Self::LedgerPending => "Ledger rows that are not yet durable.",
            Self::BuildInfo => "The running program; always 1.",
            Self::ConfigInfo => "The configuration in force; always 1.",
            Self::PolicyInfo => "The policy in force; always 1.",
            Self::ConfigStale => "Whether the last reload was refused: 1 or 0.",
        }
    }

    const fn labels(self) -> &'static [&'static str] {
        match self {
            Self::BudgetLimit | Self::BudgetSpent | Self::BudgetReserved => {
                &["team", "window", "currency"]
            }
            Self::EndpointUp | Self::EndpointInFlight => &["model", "endpoint"],
            Self::QueueWaiting => &["model"],
            Self::LedgerPending | Self::ConfigStale => &[],
            Self::ConfigInfo => &["hash"],
            Self::BuildInfo | Self::PolicyInfo => &["version", "hash"],
        }
    }
}

/// One sample of a gauge.
#[derive(Clone, Debug)]
pub struct GaugeReading {
    gauge: Gauge,
    labels: Vec<Arc<str>>,
    value: f64,
}

impl GaugeReading {
    /// A number. The labels' values stand in the order that the gauge names them; a reading with
    /// more or fewer is not exposed.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "nothing counted here comes near 2^53")]
    pub fn count(gauge: Gauge, labels: impl IntoIterator<Item = Arc<str>>, number: usize) -> Self {
        Self { gauge, labels: labels.into_iter().collect(), value: number as f64 }
    }

    /// An amount, in units of the ledger's currency.
    #[must_use]
    pub fn money(gauge: Gauge, labels: impl IntoIterator<Item = Arc<str>>, amount: Money) -> Self {
        Self { gauge, labels: labels.into_iter().collect(), value: units(amount) }
    }

    /// What is in force: version and hash, either of them empty where there is none.
    #[must_use]
    pub fn info(gauge: Gauge, version: Arc<str>, hash: Arc<str>) -> Self {
        Self { gauge, labels: vec![version, hash], value: 1.0 }
    }
}

type Source = Box<dyn Fn() -> Vec<GaugeReading> + Send + Sync>;

/// All sources of gauges.
#[derive(Clone)]
pub(super) struct Gauges {
    descs: Vec<(Gauge, Desc)>,
    sources: Arc<Mutex<Vec<Source>>>,
}

impl Gauges {
    pub(super) fn new() -> prometheus::Result<Self> {
        let desc = |gauge: Gauge| {
            let labels = gauge.labels().iter().map(|&label| label.to_owned()).collect();
            let desc = Desc::new(gauge.name().into(), gauge.help().into(), labels, HashMap::new())?;
            Ok((gauge, desc))
        };
        let descs = Gauge::ALL.into_iter().map(desc).collect::<prometheus::Result<_>>()?;
        Ok(Self { descs, sources: Arc::default() })
    }

    pub(super) fn register(&self, source: Source) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauges").finish_non_exhaustive()
    }
}

impl Collector for Gauges {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().map(|(_, desc)| desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let readings: Vec<_> = sources.iter().flat_map(|source| source()).collect();
        drop(sources);
        let lines = |gauge: Gauge, desc: &Desc| -> Vec<Metric> {
            let whole = |reading: &&GaugeReading| {
                reading.gauge == gauge && reading.labels.len() == desc.variable_labels.len()
            };
            // Two lines with the same labels would spoil the whole scrape.
            let distinct: BTreeMap<_, _> =
                readings.iter().filter(whole).map(|reading| (&reading.labels, reading)).collect();
            distinct.into_values().map(|reading| sample(desc, reading)).collect()
        };
        self.descs
            .iter()
            .map(|(gauge, desc)| family(desc, MetricType::GAUGE, lines(*gauge, desc)))
            .collect()
    }
}

fn sample(desc: &Desc, reading: &GaugeReading) -> Metric {
    let labels = reading.labels.iter().map(|label| label.as_ref().to_owned());
    let mut value = Value::default();
    value.set_value(reading.value);
    let mut metric = Metric::from_label(pairs(desc, labels));
    metric.set_gauge(value);
    metric
}
