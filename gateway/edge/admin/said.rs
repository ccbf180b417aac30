//! What a body says to the operators' API. One reader for all pages that take one: a key that stands twice is
//! refused wherever it stands, and why something is changed is on one line.

use axum::body::{Body, to_bytes};
use serde_json::{Map, Value};

use crate::{
    failure::{Failure, Kind, Stage, shown},
    outcome::{REASON_CHARS_MAX, wrong_reason},
    wire::{Unread, strict},
};

/// The longest body that is read: some ten thousand keys.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a body says: fields, and why.
pub(super) struct Said {
    pub(super) fields: Map<String, Value>,
    pub(super) reason: String,
}

/// The fields of a body, of which none may be said, and why.
pub(super) async fn said(body: Body) -> Result<Said, Failure> {
    let mut fields = object(body, BODY_BYTES_MAX).await?;
    let reason = taken_text(&mut fields, "reason")?.unwrap_or_default();
    if wrong_reason(&reason).is_some() {
        let public = format!(
            "expected why, in at most {REASON_CHARS_MAX} characters on one line; it is kept in the books"
        );
        return Err(Failure::invalid("invalid_value", public).at("reason"));
    }
    Ok(Said { fields, reason })
}

/// The object that a body of at most so many bytes is; no body is an object without fields.
pub(super) async fn object(body: Body, bytes_max: usize) -> Result<Map<String, Value>, Failure> {
    let body = to_bytes(body, bytes_max).await.map_err(|_| {
        let public = format!("the body is longer than {bytes_max} bytes, or broke off");
        Failure::new(Kind::TooLarge, Stage::Receive, public)
    })?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match strict(&body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Failure::invalid("invalid_body", "expected a JSON object")),
        // As callers are told.
        Err(Unread::Twice(path)) => {
            let path = shown(&path);
            let public = format!("the body is not valid JSON: the key `{path}` stands in it twice");
            Err(Failure::invalid("invalid_json", public).at(path))
        }
        Err(Unread::NotJson(error)) => {
            let public = format!("expected a JSON object: {}", shown(&error));
            Err(Failure::invalid("invalid_json", public))
        }
    }
}

/// The text under a name, which is taken out.
pub(super) fn taken_text(
    fields: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<String>, Failure> {
    match fields.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => {
            let public = format!("`{name}`: expected a text");
            Err(Failure::invalid("invalid_value", public).at(name))
        }
    }
}

/// Refuses what is left of the fields where all that are known were taken out.
pub(super) fn unknown(fields: &Map<String, Value>, known: &str) -> Result<(), Failure> {
    let Some(name) = fields.keys().next() else { return Ok(()) };
    let public = format!("there is no field `{}` here: expected {known}", shown(name));
    Err(Failure::invalid("unknown_field", public).at(shown(name)))
}
