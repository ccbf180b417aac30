//! A request of the past.

use std::sync::Arc;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::IntoResponse,
};
use http::header;
use uuid::Uuid;

use super::{AdminState, failure::Told};
use crate::failure::{Failure, Kind, Stage};

/// What the books have of the request with this id, and the decision on it, made again.
pub(super) async fn request(
    State(state): State<Arc<AdminState>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<impl IntoResponse, Told> {
    // What is no text at all is no id.
    let account = found(&state, &id.map_or_else(|_| String::new(), |Path(id)| id)).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], account.to_string()))
}

async fn found(state: &AdminState, id: &str) -> Result<serde_json::Value, Failure> {
    let wrong = |_| {
        let public = "expected the value of `x-signalbox-id`, a UUID, at the end of the path (by a \
             caller's own `x-request-id`, `signalbox why` finds it)";
        Failure::invalid("invalid_value", public).at("id")
    };
    let id = Uuid::try_parse(id).map_err(wrong)?;
    (state.find_request)(id).await?.ok_or_else(|| {
        let public = format!(
            "there is no request {id} in this replica's ledger: it may be of another replica or older than \
             `ledger.retention_days`, or a refusal that was not kept"
        );
        Failure::new(Kind::InvalidRequest, Stage::Record, public)
            .with_status(404)
            .coded("request_not_found")
            .at("id")
    })
}
