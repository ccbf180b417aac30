//! What decisions go by in experiments: what the policy says, what operators and guards have changed beside
//! it, and the step of a ramp that the time has come to. Pure.

use std::{collections::BTreeMap, sync::Arc};

use policies::experiment::{ArmIndex, Experiment, ExperimentState, ExperimentView};

/// What operators and guards have changed in experiments, by name: a policy that is loaded anew keeps it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Changes(pub BTreeMap<Arc<str>, Change>);

/// What they have changed in one of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Change {
    /// Nobody takes part.
    pub stopped: bool,
    /// The arms that are rolled back, by name.
    pub rolled_back: Vec<Arc<str>>,
    /// The shares that follow the outcomes, by arm; what the policy says where one of the arms has none.
    pub shares: BTreeMap<Arc<str>, f64>,
}

/// The view of these experiments, in the policy's order, at a time in seconds since 1970.
pub(crate) fn view(experiments: &[Experiment], changes: &Changes, seconds: i64) -> ExperimentView {
    let unchanged = Change::default();
    let state = |it: &Experiment| {
        let change = changes.0.get(&it.name).unwrap_or(&unchanged);
        state(it, change, seconds)
    };
    ExperimentView { states: experiments.iter().map(state).collect() }
}

fn state(experiment: &Experiment, change: &Change, seconds: i64) -> ExperimentState {
    let arms = || (0..).map(ArmIndex).zip(&experiment.arms);
    let is_back = |name: &Arc<str>| change.rolled_back.contains(name);
    let shares = experiment.arms.iter().map(|arm| change.shares.get(&arm.name).copied());
    ExperimentState {
        enrol: Some(experiment.enrol_at(seconds)),
        stopped: change.stopped,
        rolled_back: arms().filter(|(_, arm)| is_back(&arm.name)).map(|(at, _)| at).collect(),
        shares: shares.collect::<Option<_>>().unwrap_or_default(),
    }
}

/// When a step of a ramp begins next, in seconds since 1970, if one does.
pub(crate) fn next_step(experiments: &[Experiment], seconds: i64) -> Option<i64> {
    experiments.iter().filter_map(|it| it.next_change(seconds)).min()
}
