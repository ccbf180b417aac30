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
    proto::{Counter, Gauge as Value, Metric, MetricFamily, MetricType},
};

use super::money::{family, pairs, units};

/// Labels of what is said of a budget.
const BUDGET: &[&str] = &["team", "window", "currency"];
/// Labels of what is said of an endpoint.
const ENDPOINT: &[&str] = &["model", "endpoint"];
/// Labels of what is in force.
const INFO: &[&str] = &["version", "hash"];

/// The gauges there are, and what of the process itself only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Gauge {
    /// The amount of a budget. Labels: team, window, currency.
    BudgetLimit,
    /// What of it is spent. Labels: team, window, currency.
    BudgetSpent,
    /// What of it is reserved by open requests. Labels: team, window, currency.
    BudgetReserved,
    /// 1 if requests are refused when it is spent, 0 if it only counts. Labels: team, window, currency.
    BudgetHard,
    /// The first moment of its current window, in seconds since 1970. Labels: team, window, currency.
    BudgetWindowStart,
    /// The first moment after its current window, in seconds since 1970. Labels: team, window, currency.
    BudgetWindowEnd,
    /// The price of a million tokens. Labels: model, type.
    Price,
    /// What an hour of a model's own machines costs, all replicas together; none where nobody pays by the
    /// hour. Labels: model, currency.
    GpuCost,
    /// A model; always 1. Labels: model, family, zone, licence, empty where nothing is stated.
    ModelInfo,
    /// 0 if an operator has switched a model off, else 1. Labels: model.
    ModelEnabled,
    /// 1 if an endpoint serves, else 0, whatever operators say of it. Labels: model, endpoint.
    EndpointUp,
    /// 1 if an operator has drained an endpoint, else 0. Labels: model, endpoint.
    EndpointDrained,
    /// Requests in flight at an endpoint. Labels: model, endpoint.
    EndpointInFlight,
    /// Requests that wait for a place at a full model. Labels: model.
    QueueWaiting,
    /// 1 if an arm has broken a bound of its guard, else 0. Labels: experiment, arm, metric.
    ExperimentGuard,
    /// The different units of an arm since the process began. Labels: experiment, arm.
    ExperimentUnits,
    /// Ledger rows that are not yet durable. No labels.
    LedgerPending,
    /// Free bytes on the ledger's disk, none where the system does not say. No labels.
    LedgerDiskFree,
    /// The number of this process in its ledger. Labels: replica.
    LedgerBoot,
    /// The number of the newest record of an audit trail. Labels: chain.
    AuditHead,
    /// Keys that are valid and expire within so many days. Labels: within.
    KeysExpiring,
    /// How long ago the keys of an issuer of tokens were last had, in seconds. Labels: issuer.
    JwksAge,
    /// 1 if a check of `/readyz` passes, else 0. Labels: check.
    Ready,
    /// The program; always 1. Labels: version, hash.
    BuildInfo,
    /// The configuration in force; always 1. Labels: version, hash.
    ConfigInfo,
    /// The policy in force; always 1. Labels: version, hash.
    PolicyInfo,
    /// 1 while the files are not what is in force, because the last reload was refused. No labels.
    ConfigStale,
    /// The moment at which the process made its metrics, in seconds since 1970. No labels.
    ProcessStart,
    /// Seconds of CPU that the process has used; a counter. No labels.
    ProcessCpu,
    /// Bytes of memory that are resident. No labels.
    ProcessResident,
    /// Bytes of address space. No labels.
    ProcessVirtual,
    /// Threads of the process. No labels.
    ProcessThreads,
    /// Open file descriptors. No labels.
    ProcessOpenFds,
    /// File descriptors that may be open. No labels.
    ProcessMaxFds,
}

/// Name, labels and help text of a gauge.
type About = (Gauge, &'static str, &'static [&'static str], &'static str);

/// Every gauge.
#[rustfmt::skip]
const GAUGES: &[About] = &[
    (Gauge::BudgetLimit, "signalbox_budget_limit", BUDGET,
        "Amount of a team's budget in its current window, in units of the currency."),
    (Gauge::BudgetSpent, "signalbox_budget_spent", BUDGET,
        "Money of a team's budget spent in its current window, in units of the currency."),
    (Gauge::BudgetReserved, "signalbox_budget_reserved", BUDGET,
        "Money of a team's budget reserved by open requests, in units of the currency."),
    (Gauge::BudgetHard, "signalbox_budget_hard", BUDGET,
        "Whether requests are refused when a team's budget is spent: 1 or 0."),
    (Gauge::BudgetWindowStart, "signalbox_budget_window_start_timestamp_seconds", BUDGET,
        "Beginning of a budget's current window, in seconds since 1970; none of a total."),
    (Gauge::BudgetWindowEnd, "signalbox_budget_window_end_timestamp_seconds", BUDGET,
        "End of a budget's current window, in seconds since 1970; none of a total."),
    (Gauge::Price, "signalbox_price", &["model", "type"],
        "Price of a million tokens of a type, in units of the ledger's currency; 0 is free."),
    (Gauge::GpuCost, "signalbox_gpu_cost_per_hour", &["model", "currency"],
        "Cost of an hour of all replicas of a model that is paid by the hour, in units of the currency."),
    (Gauge::ModelInfo, "signalbox_model_info", &["model", "family", "zone", "licence"],
        "What a model is; always 1."),
    (Gauge::ModelEnabled, "signalbox_model_enabled", &["model"],
        "Whether a model is not switched off by an operator: 1 or 0."),
    (Gauge::EndpointDrained, "signalbox_endpoint_drained", ENDPOINT,
        "Whether an operator has drained an endpoint: 1 or 0."),
    (Gauge::EndpointUp, "signalbox_endpoint_up", ENDPOINT,
        "Whether an endpoint serves: 1 or 0; none before it has answered."),
    (Gauge::EndpointInFlight, "signalbox_endpoint_in_flight", ENDPOINT,
        "Number of requests of this replica in flight at an endpoint."),
    (Gauge::QueueWaiting, "signalbox_queue_waiting", &["model"],
        "Number of requests that wait for a place at a full model."),
    (Gauge::ExperimentGuard, "signalbox_experiment_guard", &["experiment", "arm", "metric"],
        "Whether an arm has broken a bound of its experiment's guard: 1 or 0."),
    (Gauge::ExperimentUnits, "signalbox_experiment_units", &["experiment", "arm"],
        "Number of different units of an arm since the process began; about, above 4,096."),
    (Gauge::LedgerPending, "signalbox_ledger_pending", &[],
        "Number of ledger rows that are not yet durable."),
    (Gauge::LedgerDiskFree, "signalbox_ledger_disk_free_bytes", &[],
        "Bytes free on the ledger's disk, as of a second ago."),
    (Gauge::LedgerBoot, "signalbox_ledger_boot", &["replica"],
        "Number of this process in its ledger, by which the entries that it writes name it."),
    (Gauge::AuditHead, "signalbox_audit_head", &["chain"],
        "Number of the newest record of an audit trail, as of a second ago."),
    (Gauge::KeysExpiring, "signalbox_keys_expiring", &["within"],
        "Number of keys that are valid and expire within so many days."),
    (Gauge::JwksAge, "signalbox_jwks_age_seconds", &["issuer"],
        "Seconds since the keys of an issuer of tokens were last had from it; none before the first time."),
    (Gauge::Ready, "signalbox_ready", &["check"],
        "Whether a check of /readyz passes: 1 or 0; the replica is ready if all do."),
    (Gauge::BuildInfo, "signalbox_build_info", INFO,
        "The running program; always 1."),
    (Gauge::ConfigInfo, "signalbox_config_info", &["hash"],
        "The configuration in force; always 1."),
    (Gauge::PolicyInfo, "signalbox_policy_info", INFO,
        "The policy in force; always 1."),
    (Gauge::ConfigStale, "signalbox_config_stale", &[],
        "Whether the last reload was refused: 1 or 0."),
    (Gauge::ProcessStart, "process_start_time_seconds", &[],
        "Beginning of the process, in seconds since 1970."),
    (Gauge::ProcessCpu, "process_cpu_seconds_total", &[],
        "Seconds of CPU that the process has used, in user and system mode."),
    (Gauge::ProcessResident, "process_resident_memory_bytes", &[],
        "Bytes of memory of the process that are resident."),
    (Gauge::ProcessVirtual, "process_virtual_memory_bytes", &[],
        "Bytes of address space of the process."),
    (Gauge::ProcessThreads, "process_threads", &[],
        "Number of threads of the process."),
    (Gauge::ProcessOpenFds, "process_open_fds", &[],
        "Number of file descriptors that are open, connections among them."),
    (Gauge::ProcessMaxFds, "process_max_fds", &[],
        "Number of file descriptors that may be open."),
];

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

    /// Any number: seconds, bytes.
    #[must_use]
    pub fn number(gauge: Gauge, labels: impl IntoIterator<Item = Arc<str>>, value: f64) -> Self {
        Self { gauge, labels: labels.into_iter().collect(), value }
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
        let desc = |&(gauge, name, labels, help): &About| {
            let labels = labels.iter().map(|&label| label.to_owned()).collect();
            let desc = Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())?;
            Ok((gauge, desc))
        };
        let descs = GAUGES.iter().map(desc).collect::<prometheus::Result<_>>()?;
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
        // Two lines with the same labels would spoil the whole scrape: the last one stands.
        let mut distinct: BTreeMap<Gauge, BTreeMap<&[Arc<str>], f64>> = BTreeMap::new();
        for it in &readings {
            distinct.entry(it.gauge).or_default().insert(&it.labels, it.value);
        }
        let lines = |gauge: Gauge, desc: &Desc| -> Vec<Metric> {
            let all = distinct.get(&gauge).into_iter().flatten();
            let whole = all.filter(|(labels, _)| labels.len() == desc.variable_labels.len());
            whole.map(|(labels, value)| sample(desc, labels, *value)).collect()
        };
        let of = |(gauge, desc): &(Gauge, Desc)| {
            let counts = desc.fq_name.ends_with("_total");
            let kind = if counts { MetricType::COUNTER } else { MetricType::GAUGE };
            family(desc, kind, lines(*gauge, desc))
        };
        self.descs.iter().map(of).collect()
    }
}

fn sample(desc: &Desc, labels: &[Arc<str>], value: f64) -> Metric {
    let labels = labels.iter().map(|label| label.as_ref().to_owned());
    let mut metric = Metric::from_label(pairs(desc, labels));
    if desc.fq_name.ends_with("_total") {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    } else {
        let mut gauge = Value::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    }
    metric
}
