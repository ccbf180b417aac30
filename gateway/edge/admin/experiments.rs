//! The experiments: how they stand, and the switches of operators.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    response::IntoResponse,
};
use http::header;
use policies::nearest;
use serde_json::Value;

use super::{
    AdminState,
    failure::Told,
    said::{object, taken_text, unknown},
};
use crate::{
    directory::Operator,
    failure::{Failure, Kind, Stage, shown},
    outcome::{ExperimentAction, REASON_CHARS_MAX, wrong_reason},
    pipeline::guards,
};

/// The longest body that is read; the longest reason takes a quarter of it.
const BODY_BYTES_MAX: usize = 8 * 1024;

/// What a name in a path is read as.
type Name = Result<Path<String>, PathRejection>;

/// All experiments.
pub(super) async fn list(State(state): State<Arc<AdminState>>) -> Result<impl IntoResponse, Told> {
    Ok(json(&serde_json::json!({ "experiments": guards::shown(&state.gateway) })))
}

/// One experiment.
pub(super) async fn one(
    State(state): State<Arc<AdminState>>,
    name: Name,
) -> Result<impl IntoResponse, Told> {
    Ok(json(&found(&state, &text(name))?))
}

/// Stops an experiment. One that is stopped stays so, with the reason that it has.
pub(super) async fn stop(
    State(state): State<Arc<AdminState>>,
    Extension(by): Extension<Arc<Operator>>,
    name: Name,
    body: Body,
) -> Result<impl IntoResponse, Told> {
    changed(&state, (name, ExperimentAction::Stopped), &by, body).await
}

/// Resumes an experiment that is stopped, or whose arms are rolled back. One that runs goes on.
pub(super) async fn resume(
    State(state): State<Arc<AdminState>>,
    Extension(by): Extension<Arc<Operator>>,
    name: Name,
    body: Body,
) -> Result<impl IntoResponse, Told> {
    changed(&state, (name, ExperimentAction::Resumed), &by, body).await
}

async fn changed(
    state: &AdminState,
    (name, action): (Name, ExperimentAction),
    by: &Operator,
    body: Body,
) -> Result<impl IntoResponse + use<>, Told> {
    let name = text(name);
    // Before what is said of it: a name that is wrong is the first thing to mend.
    found(state, &name)?;
    let reason = reason(body).await?;
    let changed = guards::change(&state.gateway, &name, action, (&reason, &by.name)).await?;
    let mut now = found(state, &name)?;
    if let Some(now) = now.as_object_mut() {
        now.insert("changed".into(), changed.unwrap_or(false).into());
    }
    Ok(json(&now))
}

/// What is no text at all is no name.
fn text(name: Name) -> String {
    name.map_or_else(|_| String::new(), |Path(name)| name)
}

fn json(document: &Value) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "application/json")], document.to_string())
}

fn found(state: &AdminState, name: &str) -> Result<Value, Failure> {
    let all = guards::shown(&state.gateway);
    let named = |it: &Value| it.get("name").and_then(Value::as_str).map(str::to_owned);
    if let Some(it) = all.iter().find(|it| named(it).as_deref() == Some(name)) {
        return Ok(it.clone());
    }
    let names: Vec<String> = all.iter().filter_map(named).collect();
    let near = nearest(name, names.iter().map(String::as_str));
    let near = match (near, names.is_empty()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, true) => "the policy in force has none".to_owned(),
        (None, false) => format!("the policy in force has `{}`", names.join("`, `")),
    };
    let public = format!("there is no experiment `{}`: {near}", shown(name));
    let failure = Failure::new(Kind::InvalidRequest, Stage::Receive, public);
    Err(failure.with_status(404).coded("experiment_not_found").at("name"))
}

/// The reason that a body gives.
async fn reason(body: Body) -> Result<String, Failure> {
    let mut fields = object(body, BODY_BYTES_MAX).await?;
    let Some(reason) = taken_text(&mut fields, "reason")? else {
        let public = "`reason` is missing: expected an object {\"reason\": \"…\"}";
        return Err(Failure::invalid("missing_field", public).at("reason"));
    };
    unknown(&fields, "`reason`")?;
    let reason = reason.trim();
    let wrong = |what: &str| {
        let public = format!(
            "{what}: expected why, in 1 to {REASON_CHARS_MAX} characters on one line; it is kept in the books"
        );
        Err(Failure::invalid("invalid_value", public).at("reason"))
    };
    match wrong_reason(reason) {
        _ if reason.is_empty() => wrong("`reason` is empty"),
        Some(told) => wrong(&format!("`reason` {told}")),
        None => Ok(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: &str) -> Result<String, String> {
        reason(Body::from(body.to_owned()))
            .await
            .map_err(|it| format!("{}: {}", it.status(), it.public))
    }

    #[tokio::test]
    async fn a_reason_is_one_text_on_one_line() {
        assert_eq!(read(r#"{"reason": " too dear "}"#).await.unwrap(), "too dear");
        let longest = "ü".repeat(500);
        assert_eq!(read(&format!(r#"{{"reason": "{longest}"}}"#)).await.unwrap(), longest);
        for (body, told) in [
            ("", "`reason` is missing"),
            ("{}", "`reason` is missing"),
            ("[]", "a JSON object"),
            (r#""why""#, "a JSON object"),
            (r#"{"reason": 5}"#, "expected a text"),
            (r#"{"reason": null}"#, "expected a text"),
            (r#"{"reason": "a", "reason": "b"}"#, "`reason` stands in it twice"),
            (r#"{"reason": "a", "force": true}"#, "no field `force`"),
            (r#"{"reason": "a"} and"#, "trailing"),
            (r#"{"reason": "  "}"#, "is empty"),
            (r#"{"reason": "a\nb"}"#, "control characters"),
            (&format!(r#"{{"reason": "{}"}}"#, "x".repeat(501)), "has 501 characters"),
        ] {
            let error = read(body).await.unwrap_err();
            assert!(error.starts_with("400: ") && error.contains(told), "{body}: {error}");
        }
        let error = read(&"x".repeat(BODY_BYTES_MAX + 1)).await.unwrap_err();
        assert!(error.starts_with("413: "), "{error}");
    }
}
