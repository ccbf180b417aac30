//! The decision for a request, with nothing sent: `POST /v1/route`.

use policies::facts::Operation;
use serde_json::{Value, json};

use super::{Bytes, Failure, Gateway, Inbound, Principal, signals, wire};

/// Reads and decides as for a request that is served, by the fleet as it is at this moment. Nothing is
/// reserved, sent or entered in the ledger; the caller's concurrency limits and rates hold.
pub(crate) async fn preview<B>(gw: &Gateway, inbound: Inbound<B>) -> Result<Value, Failure>
where
    B: Future<Output = Result<Bytes, Failure>>,
{
    let Inbound { head, body, dialect, at, .. } = inbound;
    let epoch = gw.epoch.load_full();
    let principal = epoch.directory.authenticate(&head.headers, at)?;
    let Principal { caller, account } = &*principal;
    let _permit = account.enter(gw.now())?;
    let body = body.await?;
    let request = wire::read(dialect, Operation::Chat, body, &epoch.limits)?;
    let hash = |text: &str| epoch.directory.user_hash(&caller.team_name, text);
    let at = (gw.world.timestamp)();
    let around = gw.signal_inputs(dialect, account, (&epoch, at), &hash);
    let signals = signals::of(&request, &head.headers, caller, &around)?;
    let view = epoch.upstreams.fleet.view();
    let decision = policies::explain(&epoch.policy, &signals, &view, gw.draw(&signals));
    Ok(json!({ "signals": signals::known(&signals), "decision": decision }))
}
