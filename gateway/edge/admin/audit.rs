//! What was changed, by whom and why.

use std::sync::Arc;

use axum::{extract::State, response::IntoResponse};
use http::{Uri, header};

use super::{AdminState, failure::Told};

/// The page of the audit trail that the query asks for.
pub(super) async fn audit(
    State(state): State<Arc<AdminState>>,
    uri: Uri,
) -> Result<impl IntoResponse, Told> {
    let page = (state.audit)(uri.query().unwrap_or_default()).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], page.to_string()))
}
