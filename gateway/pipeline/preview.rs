//! The decision for a request, with nothing sent: `POST /v1/route`.

use std::sync::Arc;

use policies::facts::ModelIndex;
use serde_json::{Value, json};

use super::{Bytes, EXPLAINED, Epoch, Failure, Gateway, Inbound, Tab, ask, decide, wire};

/// Reads and decides as for a request that is served, by the fleet as it is at this moment. Nothing is
/// reserved, sent or entered in the ledger; the caller's concurrency limits and rates hold.
pub(crate) async fn preview<B>(gw: &Arc<Gateway>, inbound: Inbound<B>) -> Result<Value, Failure>
where
    B: Future<Output = Result<Bytes, Failure>>,
{
    let mut tab = Tab::unrecorded(&inbound, gw);
    let epoch = tab.epoch();
    let asked = ask(gw, &epoch, inbound, &mut tab, wire::read).await?;
    let mut said = decide(gw, &epoch, &asked, &mut tab, EXPLAINED)?.json();
    if let Some(decision) = said.get_mut("decision") {
        unsaid(&epoch, &asked.request, decision);
    }
    Ok(said)
}

/// Tells of the models of a plan those that cannot be asked what the request says, and that it is refused
/// where no other is left.
fn unsaid(epoch: &Epoch, request: &wire::Request, decision: &mut Value) {
    let models = &epoch.policy.fleet().models;
    let reason = |it: &Value| {
        let id = it.get("model").and_then(Value::as_str)?;
        let at = models.iter().position(|it| &*it.id == id)?;
        let dialects = epoch.upstreams.dialects(ModelIndex(u16::try_from(at).ok()?));
        let wire::Unsayable { path, what } = request.sayable(dialects, None).err()?;
        Some(json!({ "model": id, "reason": format!("{path} is {what}") }))
    };
    let Some(plan) = decision.get_mut("plan").and_then(Value::as_array_mut) else { return };
    let passed: Vec<Value> = plan.iter().filter_map(reason).collect();
    plan.retain(|it| reason(it).is_none());
    let first = passed.first().filter(|_| plan.is_empty()).and_then(|it| it.get("reason")).cloned();
    if let Some(skipped) = decision.get_mut("skipped").and_then(Value::as_array_mut) {
        skipped.extend(passed);
    }
    if let (Some(decision), Some(reason)) = (decision.as_object_mut(), first) {
        decision.insert("refusal".to_owned(), reason);
    }
}
