//! The metrics, in Prometheus' text format.

use std::sync::Arc;

use axum::{extract::State, response::IntoResponse};
use http::header;

use super::AdminState;
use crate::failure::Failure;

/// The format of `/metrics`.
pub(super) const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics.
pub(super) async fn metrics(
    State(state): State<Arc<AdminState>>,
) -> Result<impl IntoResponse, Failure> {
    let text = (state.expose)().await?;
    Ok(([(header::CONTENT_TYPE, EXPOSITION)], text))
}
