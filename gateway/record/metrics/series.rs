//! How many lines are exposed, and what happens when it becomes too many.
//!
//! Labels come from configuration and closed enums, so the number of lines is bounded; the product
//! of a large configuration can still be more than a scrape should carry. Then the finer labels of
//! *new* lines fold into `other`: the language first, then the task. Team, model and currency never
//! fold: money must stay with whom it belongs to. For what never folds there is always room: so many lines
//! as the configuration can make by itself are kept free of those that could have folded.

use std::{
    collections::HashSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
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
    /// Lines that the configuration in force can make by itself.
    alone: AtomicUsize,
    folded: IntCounterVec,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    sets: HashSet<String>,
    /// Lines that tell languages or tasks apart.
    fine: usize,
    /// Lines that nothing can fold any more.
    coarse: usize,
}

/// The labels that can fold, in the order in which they do.
const LANGUAGE: &[&str] = &["language"];
const TASK: &[&str] = &["task", "signalbox_task"];

impl Series {
    pub(super) fn new(max: usize, folded: IntCounterVec) -> Self {
        Self { max, alone: (max / 4).into(), folded, known: Mutex::default() }
    }

    /// So many lines the configuration in force can make by itself.
    pub(super) fn keep_free(&self, alone: usize) {
        self.alone.store(alone, Ordering::Relaxed);
    }

    /// Makes room for a label set, or folds it into one for which there is room.
    ///
    /// Of the lines that are free for what can fold, three quarters are for sets of any language; the last
    /// one is for those that are told apart by their task alone. What has nothing left to fold is always new.
    fn admit(&self, metric: &str, lines: usize, names: &[&str], labels: &mut [&str]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.has(metric, labels) {
            return;
        }
        let fine = names.iter().any(|name| LANGUAGE.contains(name) || TASK.contains(name));
        let kept = self.alone.load(Ordering::Relaxed).max(known.coarse);
        let room = self.max.saturating_sub(kept);
        if fine && known.fine + lines <= room / 4 * 3 {
            return known.insert(metric, labels, (lines, 0));
        }
        let mut folded = fold(names, labels, LANGUAGE);
        let is = known.has(metric, labels);
        if fine && !is && known.fine + lines <= room {
            known.insert(metric, labels, (lines, 0));
        } else if !is {
            folded |= fold(names, labels, TASK);
            known.insert(metric, labels, (0, lines));
        }
        drop(known);
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

    fn insert(&mut self, metric: &str, labels: &[&str], (fine, coarse): (usize, usize)) {
        if self.sets.insert(Self::key(metric, labels)) {
            self.fine += fine;
            self.coarse += coarse;
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
