//! What is counted of each request.

use std::sync::Arc;

use super::{Observation, Setup};

/// What is counted of every request without anybody's opinion.
const COUNTED: [&str; 7] =
    ["error", "cost", "first_token_ms", "duration_ms", "output_tokens", "schema_valid", "retried"];
/// Where the cost stands among them.
const COST: usize = 1;
/// Where `retried` stands among them.
pub(super) const RETRIED: usize = 6;
/// The cost of a request that succeeds: a ratio of two means.
pub(super) const COST_PER_SUCCESS: &str = "cost_per_success";

/// The metrics of a report, by position: what is counted, then what callers told.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    pub names: Vec<Arc<str>>,
    /// The metric of the verdict, if anything can be known of it.
    pub primary: Option<usize>,
    /// The feedback by which a request is a success; otherwise, one that has not failed is.
    success: Option<usize>,
    /// Where each name of feedback stands; a name of what is counted is not taken from callers.
    feedback: Vec<Option<usize>>,
}

impl Metrics {
    pub(super) fn new(setup: &Setup) -> Self {
        let mut names: Vec<Arc<str>> = COUNTED.into_iter().map(Arc::from).collect();
        let mut feedback = Vec::new();
        for name in &setup.feedback {
            let is_free = !names.contains(name) && &**name != COST_PER_SUCCESS;
            feedback.push(is_free.then_some(names.len()));
            if is_free {
                names.push(Arc::clone(name));
            }
        }
        let judged = &setup.experiment.judged;
        let at = |name: &str| names.iter().position(|it| **it == *name);
        let primary = at(&judged.primary);
        let told = primary.filter(|at| *at >= COUNTED.len() && judged.higher_is_better);
        let success = told.or_else(|| at("success"));
        Self { primary, success, feedback, names }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// A request's values by position, `retried` left open, into `values`.
    pub(super) fn values(&self, it: &Observation<'_>, values: &mut Vec<Option<f64>>) {
        let truth = |it: Option<bool>| it.map(|it| f64::from(u8::from(it)));
        values.clear();
        values.extend([
            truth(it.error),
            it.cost,
            it.first_token_ms,
            it.duration_ms,
            it.output_tokens,
            truth(it.schema_valid),
            None,
        ]);
        values.resize(self.len(), None);
        for (name, value) in it.feedback {
            let at = self.feedback.get(*name).copied().flatten();
            if let Some(place) = at.and_then(|at| values.get_mut(at)) {
                *place = Some(*value);
            }
        }
        values.iter_mut().for_each(|value| *value = value.filter(|it| it.is_finite()));
    }

    /// What a request cost, and how much of a success it was; `None` where either is not known.
    pub(super) fn success(&self, values: &[Option<f64>]) -> Option<(f64, f64)> {
        let at = |at: usize| values.get(at).copied().flatten();
        let success = match self.success {
            Some(told) => at(told)?,
            None => 1.0 - at(0)?,
        };
        Some((at(COST)?, success))
    }
}
