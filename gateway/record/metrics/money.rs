//! A counter of money: whole nano-units inside, divided only when it is exposed.
//!
//! A double holds every amount below 8,388,608 units to the nano-unit, so that what is exposed is
//! the exact decimal; a sum of doubles would drift from the ledger after a few thousand requests.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use policies::facts::Money;
use prometheus::{
    core::{Collector, Desc},
    proto::{Counter, LabelPair, Metric, MetricFamily, MetricType},
};

/// Nano-units in one unit, as a double.
const NANO: f64 = 1e9;

/// An amount as a double of whole units.
#[allow(clippy::cast_precision_loss, reason = "the module doc says from where on it rounds")]
pub(super) fn units(money: Money) -> f64 {
    money.nano() as f64 / NANO
}

/// One sum of money that only grows.
#[derive(Clone, Debug, Default)]
pub(super) struct MoneyCounter(Arc<AtomicU64>);

impl MoneyCounter {
    /// Adds an amount; one below nothing is no charge and adds nothing.
    pub(super) fn add(&self, money: Money) {
        self.0.fetch_add(u64::try_from(money.nano()).unwrap_or(0), Ordering::Relaxed);
    }

    fn total(&self) -> Money {
        Money::from_nano(i64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(i64::MAX))
    }
}

/// Sums of money by labels.
#[derive(Clone, Debug)]
pub(super) struct MoneyVec {
    desc: Desc,
    sums: Arc<Mutex<BTreeMap<Arc<[String]>, MoneyCounter>>>,
}

impl MoneyVec {
    pub(super) fn new(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<Self> {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        let desc = Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())?;
        Ok(Self { desc, sums: Arc::default() })
    }

    pub(super) fn handle(&self, labels: &[&str]) -> MoneyCounter {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.entry(labels).or_default().clone()
    }
}

impl Collector for MoneyVec {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Whoever makes a new line meanwhile waits for these pointers, not for what is made of them.
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let shared =
            |(labels, sum): (&Arc<[String]>, &MoneyCounter)| (Arc::clone(labels), sum.clone());
        let shared: Vec<_> = sums.iter().map(shared).collect();
        drop(sums);
        let metrics = shared.iter().map(|(labels, sum)| {
            let mut counter = Counter::default();
            counter.set_value(units(sum.total()));
            let mut metric = Metric::from_label(pairs(&self.desc, labels.iter().cloned()));
            metric.set_counter(counter);
            metric
        });
        vec![family(&self.desc, MetricType::COUNTER, metrics.collect())]
    }
}

/// The labels of one line, in the order in which the library sorts its own.
pub(super) fn pairs(desc: &Desc, values: impl Iterator<Item = String>) -> Vec<LabelPair> {
    let pair = |(name, value): (&String, String)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.clone());
        pair.set_value(value);
        pair
    };
    let mut pairs: Vec<_> = desc.variable_labels.iter().zip(values).map(pair).collect();
    pairs.sort_by(|a, b| a.name().cmp(b.name()));
    pairs
}

/// All lines of one metric.
pub(super) fn family(desc: &Desc, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(desc.fq_name.clone());
    family.set_help(desc.help.clone());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}
