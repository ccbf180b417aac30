//! What was spent.

use std::sync::Arc;

use axum::{extract::State, response::IntoResponse};
use http::{Uri, header};

use super::{AdminState, failure::Told};

/// The report that the query asks for, in the form that it names.
pub(super) async fn spend(
    State(state): State<Arc<AdminState>>,
    uri: Uri,
) -> Result<impl IntoResponse, Told> {
    let (media_type, document) = (state.spend)(uri.query().unwrap_or_default()).await?;
    Ok(([(header::CONTENT_TYPE, media_type)], document))
}
