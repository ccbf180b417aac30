//! How many lines are exposed, and what happens when it becomes too many.
//!
//! Labels come from configuration and closed enums, so the number of lines is bounded; the product
//! of a large configuration can still be more than a scrape should carry. Then the finer labels of
//! *new* lines fold into `other`: the language first, then the task. Team, model and currency never
//! fold: money must stay with whom it belongs to.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec,
    core::{MetricVec, MetricVecBuilder},
};

use super::money::{MoneyCounter, MoneyVec};

/// What a folded label says.
const OTHER: &str = "other";

/// Where lines are made.
pub(super) trait Lines {
    /// One line, or the lines of one histogram.
    type Handle;
    fn handle(&self, labels: &[&str]) -> Self::Handle;
}

impl Lines for IntCounterVec {
    type Handle = IntCounter;
    fn handle(&self, labels: &[&str]) -> IntCounter {
        with(self, labels)
    }
}

impl Lines for HistogramVec {
    type Handle = Histogram;
    fn handle(&self, labels: &[&str]) -> Histogram {
        with(self, labels)
    }
}

impl Lines for MoneyVec {
    type Handle = MoneyCounter;
    fn handle(&self, labels: &[&str]) -> MoneyCounter {
        self.handle(labels)
    }
}

/// The number of labels is a constant of the [`Family`], so the library has nothing to refuse.
fn with<B: MetricVecBuilder>(vec: &MetricVec<B>, labels: &[&str]) -> B::M {
    vec.with_label_values(labels)
}

/// One metric with `N` labels.
pub(super) struct Family<V, const N: usize> {
    pub(super) name: &'static str,
    pub(super) labels: [&'static str; N],
    /// Exposed lines of one label set.
    pub(super) lines: usize,
    pub(super) vec: V,
}

impl<V: Lines, const N: usize> Family<V, N> {
    /// The handle of this label set, folded if the exposition is full.
    pub(super) fn of(&self, series: &Series, mut labels: [&str; N]) -> V::Handle {
        series.admit(self.name, self.lines, &self.labels, &mut labels);
        self.vec.handle(&labels)
    }
}

/// The lines there are.
pub(super) struct Series {
    max: usize,
    folded: IntCounterVec,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    sets: HashSet<String>,
    lines: usize,
}

impl Series {
    pub(super) fn new(max: usize, folded: IntCounterVec) -> Self {
        Self { max, folded, known: Mutex::default() }
    }

    /// Makes room for a label set, or folds it into one for which there is room.
    ///
    /// Up to three quarters of the cap any set is new; up to seven eighths its language folds;
    /// above, its task as well. The last eighth is for what never folds.
    fn admit(&self, metric: &str, lines: usize, names: &[&str], labels: &mut [&str]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.has(metric, labels) || known.fits(lines, self.max / 4 * 3) {
            return known.insert(metric, labels, lines);
        }
        let mut folded = fold(names, labels, &["language"]);
        let room = known.has(metric, labels) || known.fits(lines, self.max / 8 * 7);
        if !room {
            folded |= fold(names, labels, &["task", "signalbox_task"]);
        }
        known.insert(metric, labels, lines);
        if folded {
            self.folded.handle(&[metric]).inc();
        }
    }
}

impl Known {
    fn key(metric: &str, labels: &[&str]) -> String {
        let mut key = metric.to_owned();
        for label in labels {
            key.push('\0');
            key.push_str(label);
        }
        key
    }

    fn has(&self, metric: &str, labels: &[&str]) -> bool {
        self.sets.contains(&Self::key(metric, labels))
    }

    fn fits(&self, lines: usize, max: usize) -> bool {
        self.lines + lines <= max
    }

    fn insert(&mut self, metric: &str, labels: &[&str], lines: usize) {
        if self.sets.insert(Self::key(metric, labels)) {
            self.lines += lines;
        }
    }
}

/// Replaces the labels of these names; says whether there was one to replace.
fn fold(names: &[&str], labels: &mut [&str], which: &[&str]) -> bool {
    let mut folded = false;
    for (name, label) in names.iter().zip(labels) {
        if which.contains(name) {
            *label = OTHER;
            folded = true;
        }
    }
    folded
}
