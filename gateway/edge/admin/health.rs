//! Whether the process lives, and whether it should be sent requests.

use std::sync::{Arc, atomic::Ordering};

use axum::extract::State;

use super::AdminState;
use crate::failure::{Failure, Kind, Stage};

/// It lives if it answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Ready: the ledger can be written, a model has a live endpoint, and nobody said stop.
pub(super) async fn ready(State(state): State<Arc<AdminState>>) -> Result<&'static str, Failure> {
    let gateway = &state.gateway;
    let upstreams = Arc::clone(&gateway.epoch.load().upstreams);
    let ledger = gateway.recorder.ledger().fault();
    let live = upstreams.fleet.any_live(gateway.now());
    let faults = [
        (gateway.draining.load(Ordering::Relaxed), "draining"),
        (ledger.is_some(), ledger.unwrap_or_default()),
        (live == Some(false), "no model has a live endpoint"),
        (live.is_none(), "no endpoint has answered yet"),
    ];
    let faults: Vec<_> = faults.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
    if faults.is_empty() {
        return Ok("ready\n");
    }
    Err(Failure::new(Kind::Unavailable, Stage::Receive, faults.join("\n")))
}
