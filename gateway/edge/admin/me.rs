//! Who asks.

use std::sync::Arc;

use axum::{Extension, response::IntoResponse};
use http::header;

use crate::directory::Operator;

/// The operator whose token it is: name, role, and when the token expires, which is null where it never does.
pub(super) async fn me(Extension(it): Extension<Arc<Operator>>) -> impl IntoResponse {
    let expires = it.expires.map(|at| at.to_string());
    let said = serde_json::json!({ "name": it.name, "role": it.role.name(), "expires": expires });
    ([(header::CONTENT_TYPE, "application/json")], said.to_string())
}
