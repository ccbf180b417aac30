//! What was spent.

use std::sync::Arc;

use axum::{extract::State, response::IntoResponse};
use http::{HeaderMap, Uri, header};

use super::{AdminState, failure::Told};

/// The report that the query asks for, in the form that it names.
pub(super) async fn spend(
    State(state): State<Arc<AdminState>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Told> {
    state.may_operate(&headers)?;
    let (media_type, document) = (state.spend)(uri.query().unwrap_or_default()).await?;
    Ok(([(header::CONTENT_TYPE, media_type)], document))
}
