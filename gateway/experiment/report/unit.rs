//! What is kept of the unit whose requests are being read.

use super::{Observation, segment::Segments};

/// A mean that grows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Running {
    sum: f64,
    count: f64,
}

impl Running {
    pub(super) fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
    }

    pub(super) fn sum(self) -> f64 {
        self.sum
    }

    /// The mean; `None` before any value.
    pub(super) fn mean(self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

/// A request of which it is not yet known whether its unit asks again.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub at_ms: i64,
    /// When it ended.
    pub end_ms: i64,
    /// Its values by metric.
    pub values: Vec<Option<f64>>,
    /// What it is exploratorily told apart by.
    pub segments: Vec<usize>,
}

/// The unit whose requests are being read. Its value of a metric is the mean of its requests.
#[derive(Debug, Default)]
pub(super) struct Unit {
    pub id: u128,
    pub arm: Option<usize>,
    /// Its first request with an arm.
    pub first_ms: i64,
    /// Requests that took no part while the experiment ran.
    pub held_out: u64,
    pub requests: u64,
    /// By metric: since it got its arm.
    pub now: Vec<Running>,
    /// By metric: from before the experiment.
    pub past: Vec<Running>,
    /// Cost and success of its requests of which both are known.
    pub cost: Running,
    pub success: Running,
    /// The primary by segment.
    pub segments: Vec<(usize, Running)>,
    pub waiting: Option<Waiting>,
    /// The next look that its requests have not passed.
    pub look: usize,
}

impl Unit {
    pub(super) fn new(id: u128, metrics: usize) -> Self {
        let empty = vec![Running::default(); metrics];
        Self { id, now: empty.clone(), past: empty, ..Self::default() }
    }

    /// Adds a request's values.
    pub(super) fn add(&mut self, it: &Waiting, primary: Option<f64>) {
        self.requests += 1;
        for (running, value) in self.now.iter_mut().zip(&it.values) {
            value.iter().for_each(|value| running.add(*value));
        }
        let Some(primary) = primary else { return };
        for segment in &it.segments {
            match self.segments.iter_mut().find(|(at, _)| at == segment) {
                Some((_, running)) => running.add(primary),
                None => {
                    let mut running = Running::default();
                    running.add(primary);
                    self.segments.push((*segment, running));
                }
            }
        }
    }
}

/// By what a request is told apart, as positions.
pub(super) fn segments(it: &Observation<'_>, all: &mut Segments) -> Vec<usize> {
    let labels = [("language", it.language), ("task", it.task), ("team", it.team)];
    let known = labels.into_iter().filter_map(|(by, value)| Some((by, value?)));
    known.filter_map(|(by, value)| all.place(by, value)).collect()
}
