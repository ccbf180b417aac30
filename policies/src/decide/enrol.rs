//! Taking part in an experiment.

use super::{Chosen, Filter, Moment};
use crate::{
    experiment::{Added, Arm, ArmIndex, Assigned, Enrolled, ExperimentIndex, Outside},
    facts::{ModelIndex, Operation},
};

/// The arm that a request has, or the experiment in which it has none, and why.
type Enrolment = (Option<Enrolled>, Option<(ExperimentIndex, Outside)>);

/// Gives a request of a rule with an experiment the route of its arm, if it takes part, and makes
/// room for what the arm adds to its input.
///
/// It does only if each arm may and can serve it, however the fleet is: else the arms would be
/// compared by different requests. The same holds for units whose arm is rolled back.
pub(super) fn enrol<'a>(
    moment: &mut Moment<'a>,
    chosen: &mut Chosen<'a>,
    filter: &Filter<'_>,
) -> Enrolment {
    moment.adds = Added::default();
    let Some(at) = moment.rule(chosen.rule).and_then(|rule| rule.experiment) else {
        return (None, None);
    };
    let policy = moment.policy;
    let Some(experiment) = policy.experiment(at) else { return (None, None) };
    // What an arm writes into a request, it writes into a chat.
    let writes = |arm: &Arm| !arm.params.is_empty() || arm.system_suffix.is_some();
    if moment.signals.operation != Operation::Chat && experiment.arms.iter().any(writes) {
        return (None, None);
    }
    let state = moment.experiments.states.get(usize::from(at.0));
    let outside = |why| (None, Some((at, why)));
    let assigned = experiment.assign(moment.signals, state);
    let (arm, enrolment) = match assigned {
        Assigned::Outside(why @ Outside::RolledBack(_)) => (experiment.control, outside(why)),
        Assigned::Outside(why) => return outside(why),
        Assigned::Arm(arm, unit) => (arm, (Some(Enrolled { experiment: at, arm, unit }), None)),
    };
    if !serves(moment, chosen.models, Added::default(), filter) {
        // The rule itself cannot: it is passed over, or refuses.
        return (None, None);
    }
    let unable = experiment.arms.iter().position(|arm| {
        let models = arm.route.as_ref().map_or(chosen.models, |route| &route.models);
        // That the rule's own models can is known.
        let same = arm.adds == Added::default() && *models == *chosen.models;
        !same && !serves(moment, models, arm.adds, filter)
    });
    moment.adds = Added::default();
    if let Some(unable) = unable.and_then(|at| u8::try_from(at).ok()) {
        return outside(Outside::Unservable(ArmIndex(unable)));
    }
    let Some(arm) = experiment.arm(arm) else { return (None, None) };
    moment.adds = arm.adds;
    if let Some(route) = &arm.route {
        chosen.models = &route.models;
        chosen.by = &route.by;
    }
    enrolment
}

/// Whether any of these models may and can serve the request with so much added to its input.
fn serves(
    moment: &mut Moment<'_>,
    models: &[ModelIndex],
    adds: Added,
    filter: &Filter<'_>,
) -> bool {
    moment.adds = adds;
    models.iter().any(|it| moment.may(*it, filter).is_ok())
}
