//! What an epoch has ready for each arm of each experiment: nothing of it is written for one request.

use std::sync::Arc;

use http::HeaderValue;
use policies::{
    Policy,
    experiment::{Arm, ArmIndex, Enrolled, Experiment, ExperimentIndex},
};

use super::answer::value;
use crate::wire::ArmEdit;

/// The arms of a policy's experiments.
pub(crate) struct ArmTable {
    /// By experiment, by arm.
    rows: Vec<Vec<Row>>,
}

struct Row {
    /// The experiment and the arm, as answers say it.
    header: HeaderValue,
    /// What is written into requests; `None` where that is nothing.
    edit: Option<Arc<ArmEdit>>,
}

impl ArmTable {
    /// The arms of this policy.
    pub(crate) fn new(policy: &Policy) -> Self {
        let row = |experiment: &Experiment, arm: &Arm| Row {
            header: value(&named(experiment, arm)),
            edit: ArmEdit::new(&arm.params, arm.system_suffix.as_deref()).map(Arc::new),
        };
        let rows = |it: &Experiment| it.arms.iter().map(|arm| row(it, arm)).collect();
        Self { rows: policy.experiments().iter().map(rows).collect() }
    }

    fn row(&self, experiment: ExperimentIndex, arm: ArmIndex) -> Option<&Row> {
        self.rows.get(usize::from(experiment.0))?.get(usize::from(arm.0))
    }

    /// An arm in the header of an answer.
    pub(super) fn header(&self, arm: &Enrolled) -> Option<&HeaderValue> {
        self.row(arm.experiment, arm.arm).map(|row| &row.header)
    }

    /// What is written into the requests of an arm.
    pub(super) fn edit(&self, (experiment, arm): (ExperimentIndex, ArmIndex)) -> Option<Arc<ArmEdit>> {
        self.row(experiment, arm)?.edit.clone()
    }
}

/// An arm as answers name it.
pub(super) fn named(experiment: &Experiment, arm: &Arm) -> String {
    format!("{}={}", experiment.name, arm.name)
}
