//! Which models of a plan can be asked what a request says.

use std::sync::Arc;

use policies::{Plan, Planned, facts::Signals};
use smallvec::SmallVec;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::Epoch;
use crate::{failure::Failure, wire};

/// What the arm of a request's experiment writes into it.
pub(super) fn edited(epoch: &Epoch, plan: &Plan) -> Option<Arc<wire::ArmEdit>> {
    plan.asked_as(|at| Some(epoch.policy.experiment(at)?.control))
        .and_then(|it| epoch.arms.edit(it))
}

/// The plan without models that cannot be asked: their engines speak another dialect than the caller, in
/// which something cannot be said that he says, or that an arm writes into what they are asked, which is done
/// in chat completions.
///
/// # Errors
/// No model is left: what cannot be said is refused by name, before anything is sent.
pub(super) fn sayable(
    epoch: &Epoch,
    request: &wire::Request,
    plan: Arc<Plan>,
    arm: Option<&wire::ArmEdit>,
) -> Result<Arc<Plan>, Failure> {
    if request.unsayable().is_none() && epoch.upstreams.all_chat() {
        return Ok(plan);
    }
    let deaf = |it: &Planned| request.sayable(epoch.upstreams.dialects(it.model), arm).err();
    let reasons: SmallVec<[_; 8]> = plan.attempts.iter().map(deaf).collect();
    if reasons.iter().all(Option::is_none) {
        return Ok(plan);
    }
    let mut left = Plan::clone(&plan);
    let mut asked = reasons.iter().map(Option::is_none);
    left.attempts.retain(|_| asked.next().unwrap_or_default());
    if !left.attempts.is_empty() {
        return Ok(Arc::new(left));
    }
    let first = plan.attempts.iter().zip(reasons).find_map(|(it, reason)| Some((it, reason?)));
    let Some((deaf, wire::Unsayable { path, what })) = first else { return Ok(plan) };
    let model = epoch.policy.fleet().models.get(deaf.model.get()).map_or("", |it| &*it.id);
    let public = format!("{path} is {what}: the model `{model}` cannot be asked it");
    Err(Failure::invalid("unsupported_parameter", public).at(path).by(&plan.rule, None))
}

/// What requests have in common that should meet the same engine's cache: the session, else the team and
/// how the prompt begins. The team is always in it: no one learns what another team's requests left.
pub(super) fn affinity(signals: &Signals, team: &str, leading: &[u8]) -> u64 {
    signals.session.map_or_else(
        || xxh3_64_with_seed(leading, xxh3_64(team.as_bytes())),
        |session| session as u64,
    )
}
