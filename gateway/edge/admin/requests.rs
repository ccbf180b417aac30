//! A request of the past.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use uuid::Uuid;

use super::AdminState;
use crate::{
    failure::{Failure, Kind, Stage},
    wire::Surface,
};

/// What the books have of the request with this id, and the decision on it, made again. An error has the
/// form that callers know: here a program reads it.
pub(super) async fn request(
    State(state): State<Arc<AdminState>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let (status, body) = match found(&state, &id, &headers).await {
        Ok(account) => (200, account.to_string().into()),
        Err(failure) => (failure.status(), Surface::first().error_body(&failure)),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn found(
    state: &AdminState,
    id: &str,
    headers: &HeaderMap,
) -> Result<serde_json::Value, Failure> {
    state.may_operate(headers)?;
    let wrong = |_| {
        let public = "expected the value of `x-signalbox-id`, a UUID, at the end of the path";
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
