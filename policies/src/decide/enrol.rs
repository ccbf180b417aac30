//! Taking part in an experiment.

use super::{Chosen, Filter, Moment};
use crate::{
    experiment::{ArmIndex, Assigned, Enrolled, ExperimentIndex, Outside},
    facts::ModelIndex,
    policy::Route,
};

/// The arm that a request has, or the experiment in which it has none, and why.
type Enrolment = (Option<Enrolled>, Option<(ExperimentIndex, Outside)>);

/// Gives a request of a rule with an experiment the route of its arm, if it takes part.
///
/// It does only if each arm may and can serve it, however the fleet is: else the arms would be compared by
/// different requests. The same holds for units whose arm is rolled back.
pub(super) fn enrol<'a>(
    moment: &Moment<'a>,
    chosen: &mut Chosen<'a>,
    filter: &Filter<'_>,
) -> Enrolment {
    let Some(at) = moment.rule(chosen.rule).and_then(|rule| rule.experiment) else {
        return (None, None);
    };
    let Some(experiment) = moment.policy.experiment(at) else { return (None, None) };
    let state = moment.experiments.states.get(usize::from(at.0));
    let outside = |why| (None, Some((at, why)));
    let assigned = experiment.assign(moment.signals, state);
    let (arm, enrolment) = match assigned {
        Assigned::Outside(why @ Outside::RolledBack(_)) => (experiment.control, outside(why)),
        Assigned::Outside(why) => return outside(why),
        Assigned::Arm(arm, unit) => (arm, (Some(Enrolled { experiment: at, arm, unit }), None)),
    };
    let serves = |models: &[ModelIndex]| models.iter().any(|it| moment.may(*it, filter).is_ok());
    if !serves(chosen.models) {
        // The rule itself cannot: it is passed over, or refuses.
        return (None, None);
    }
    let cannot = |route: Option<&Route>| route.is_some_and(|it| !serves(&it.models));
    let unable = experiment.arms.iter().position(|arm| cannot(arm.route.as_ref()));
    if let Some(unable) = unable.and_then(|at| u8::try_from(at).ok()) {
        return outside(Outside::Unservable(ArmIndex(unable)));
    }
    if let Some(route) = experiment.arm(arm).and_then(|arm| arm.route.as_ref()) {
        chosen.models = &route.models;
        chosen.by = &route.by;
    }
    enrolment
}
