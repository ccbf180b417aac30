//! Whether the process lives, and whether it should be sent requests.

use std::sync::Arc;

use axum::extract::State;

use super::AdminState;
use crate::{
    failure::{Failure, Kind, Stage},
    pipeline::readiness,
};

/// It lives if it answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Ready: the ledger can be written, a model has a live endpoint, and nobody said stop.
pub(super) async fn ready(State(state): State<Arc<AdminState>>) -> Result<&'static str, Failure> {
    let faults: Vec<_> = readiness(&state.gateway).into_iter().filter_map(|(_, it)| it).collect();
    if faults.is_empty() {
        return Ok("ready\n");
    }
    Err(Failure::new(Kind::Unavailable, Stage::Receive, faults.join("\n")))
}
