//! Taking part in an experiment.

use super::{Chosen, Filter, Moment};
use crate::{
    experiment::{ArmIndex, Assigned, Enrolled, Experiment},
    facts::ModelIndex,
    policy::Route,
};

impl<'a> Moment<'a> {
    /// Gives a request of a rule with an experiment the route of its arm, if it takes part.
    ///
    /// It does only if each arm may and can serve it, however the fleet is: else the arms would be compared by
    /// different requests.
    pub(super) fn enrol(&self, chosen: &mut Chosen<'a>, filter: &Filter<'_>) -> Option<Enrolled> {
        let at = self.rule(chosen.rule)?.experiment?;
        let experiment = self.policy.experiment(at)?;
        let state = self.experiments.states.get(usize::from(at.0));
        let (arm, enrolled) = match experiment.assign(self.signals, state) {
            Assigned::Out => return None,
            Assigned::RolledBack => (experiment.control, None),
            Assigned::Arm(arm, unit) => (arm, Some(Enrolled { experiment: at, arm, unit })),
        };
        let serves = |models: &[ModelIndex]| models.iter().any(|it| self.may(*it, filter).is_ok());
        let routes = experiment.arms.iter().filter_map(|arm| arm.route.as_ref());
        if !serves(chosen.models) || !routes.into_iter().all(|route| serves(&route.models)) {
            return None;
        }
        if let Some(route) = self.route_of(experiment, arm) {
            chosen.models = &route.models;
            chosen.by = &route.by;
        }
        enrolled
    }

    fn route_of(&self, experiment: &'a Experiment, arm: ArmIndex) -> Option<&'a Route> {
        experiment.arm(arm)?.route.as_ref()
    }
}
