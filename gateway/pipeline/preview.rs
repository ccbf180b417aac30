//! The decision for a request, with nothing sent: `POST /v1/route`.

use std::sync::Arc;

use super::{Bytes, Failure, Gateway, Inbound, Tab, ask, decide, explained, wire};

/// Reads and decides as for a request that is served, by the fleet as it is at this moment. Nothing is
/// reserved, sent or entered in the ledger; the caller's concurrency limits and rates hold.
pub(crate) async fn preview<B>(
    gw: &Arc<Gateway>,
    inbound: Inbound<B>,
) -> Result<serde_json::Value, Failure>
where
    B: Future<Output = Result<Bytes, Failure>>,
{
    let mut tab = Tab::unrecorded(&inbound, gw);
    let epoch = tab.epoch();
    let asked = ask(gw, &epoch, inbound, &mut tab, wire::read).await?;
    Ok(decide(gw, &epoch, &asked, &mut tab, explained)?.json())
}
