//! Whether the gateway should be sent requests: what `/readyz` answers, and a gauge says.

use std::sync::atomic::Ordering;

use super::Gateway;

/// A check, by its name in metrics, and what is wrong in words if it does not pass.
pub(crate) type Check = (&'static str, Option<&'static str>);

/// The checks of readiness: nobody said stop, the ledger can be written, a model has a live endpoint.
pub(crate) fn readiness(gateway: &Gateway) -> [Check; 3] {
    let live = gateway.epoch.load().upstreams.fleet.any_live(gateway.now());
    let draining = gateway.draining.load(Ordering::Relaxed).then_some("draining");
    let backends = match live {
        Some(true) => None,
        Some(false) => Some("no model has a live endpoint"),
        None => Some("no endpoint has answered yet"),
    };
    [
        ("not_draining", draining),
        ("ledger", gateway.recorder.ledger().fault()),
        ("backends", backends),
    ]
}
