//! The decision for a request, with nothing sent: `POST /v1/route`.

use serde_json::{Value, json};

use super::{Bytes, Failure, Gateway, Inbound, signals, wire};

/// Reads and decides as for a request that is served, by the fleet as it is at this moment. Nothing is
/// reserved, sent or entered in the ledger; the caller's concurrency limits and rates hold.
pub(crate) async fn preview<B>(gw: &Gateway, inbound: Inbound<B>) -> Result<Value, Failure>
where
    B: Future<Output = Result<Bytes, Failure>>,
{
    let Inbound { head, body, surface, at, .. } = inbound;
    let epoch = gw.epoch.load_full();
    let caller = gw.keys.authenticate(&head.headers, at)?;
    let _permit = gw.accounts.enter(&caller, gw.now())?;
    let body = body.await?;
    let request = wire::read(surface, body, &epoch.limits)?;
    let hash = |text: &str| gw.keys.user_hash(&caller.team_name, text);
    let at = (gw.world.timestamp)();
    let around = gw.signal_inputs(&caller, (&epoch, at), &hash);
    let signals = signals::of(&request, &head.headers, &caller, &around)?;
    let view = epoch.upstreams.fleet.view();
    let decision = policies::explain(&epoch.policy, &signals, &view, gw.draw(&signals));
    Ok(json!({ "signals": signals::known(&signals), "decision": decision }))
}
