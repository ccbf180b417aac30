//! What the models of a plan can be asked: not everything that a dialect can say, and of an arm only what is
//! written into chat completions.

use std::sync::Arc;

use policies::{Plan, Planned};

use super::{Epoch, Failure};
use crate::wire;

/// What the arm of a request's experiment writes into it.
pub(super) fn edited(epoch: &Epoch, plan: &Plan) -> Option<Arc<wire::ArmEdit>> {
    plan.asked_as(|at| Some(epoch.policy.experiment(at)?.control))
        .and_then(|it| epoch.arms.edit(it))
}

/// The plan without models that cannot be asked what only the caller's own dialect can say: their engines
/// speak another one, or an arm is written into what they are asked, which is done in chat completions.
///
/// # Errors
/// No model is left: what cannot be said is refused by name, before anything is sent.
pub(super) fn sayable(
    epoch: &Epoch,
    request: &wire::Request,
    plan: Arc<Plan>,
    changed: bool,
) -> Result<Arc<Plan>, Failure> {
    let Some(wire::Unsayable { path, what }) = request.unsayable() else { return Ok(plan) };
    let speaks = |it: &Planned| !changed && epoch.upstreams.speaks(it.model, request.surface());
    if plan.attempts.iter().all(speaks) {
        return Ok(plan);
    }
    let mut left = Plan::clone(&plan);
    left.attempts.retain(|it| speaks(it));
    if !left.attempts.is_empty() {
        return Ok(Arc::new(left));
    }
    let deaf = plan.attempts.first().and_then(|it| epoch.policy.fleet().models.get(it.model.get()));
    let model = deaf.map_or("", |it| &*it.id);
    let public = format!("{path} is {what}: the model `{model}` cannot be asked it");
    Err(Failure::invalid("unsupported_parameter", public).at(path.clone()).by(&plan.rule, None))
}
