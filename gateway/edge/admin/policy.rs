//! The policy in force.

use std::sync::Arc;

use axum::{extract::State, response::IntoResponse};
use http::header;

use super::{AdminState, failure::Told};

/// What decides the next request: version, hash, time zone and the names of the rules.
pub(super) async fn policy(
    State(state): State<Arc<AdminState>>,
) -> Result<impl IntoResponse, Told> {
    let epoch = state.gateway.epoch.load_full();
    let rules: Vec<&str> = epoch.policy.rule_names().map(|name| &**name).collect();
    let said = serde_json::json!({
        "version": epoch.policy.version(), "hash": epoch.policy.hash(),
        "timezone": epoch.policy.timezone(), "rules": rules,
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], said.to_string()))
}
