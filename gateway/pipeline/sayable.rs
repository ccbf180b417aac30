//! The part of a plan that a request can be said to, and where it is said best.

use std::sync::Arc;

use policies::{Plan, Planned, facts::Signals};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{Epoch, Failure};
use crate::wire;

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

/// What requests have in common that should meet the same engine's cache: the session, else the team and
/// how the prompt begins. The team is always in it: no one learns what another team's requests left.
pub(super) fn affinity(signals: &Signals, team: &str, leading: &[u8]) -> u64 {
    signals.session.map_or_else(
        || xxh3_64_with_seed(leading, xxh3_64(team.as_bytes())),
        |session| session as u64,
    )
}
