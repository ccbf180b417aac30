//! The metrics, in Prometheus' text format.

use std::sync::Arc;

use axum::{extract::State, response::IntoResponse};
use http::{HeaderMap, header};

use super::AdminState;
use crate::failure::{Failure, Kind, Stage};

/// The format of `/metrics`.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics, for who may read them.
pub(super) async fn metrics(
    State(state): State<Arc<AdminState>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failure> {
    state.may_read_metrics(&headers)?;
    let text = state.gateway.recorder.metrics().expose().map_err(|error| {
        Failure::new(Kind::Bug, Stage::Record, "the metrics cannot be exposed").because(error)
    })?;
    Ok(([(header::CONTENT_TYPE, EXPOSITION)], text))
}
