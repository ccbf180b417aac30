//! What an event is, read from its tree.

use serde_json::{Value, json};

use crate::wire::{What, chunk};

/// Members that only say what a part of a text is.
const LABELS: [&str; 6] = ["type", "format", "id", "index", "status", "signature"];

/// What an event is, by its tree.
pub(super) fn kind(value: &Value) -> What {
    let silent = |it: Option<&Value>| matches!(it, None | Some(Value::Null | Value::Bool(false)));
    if !silent(value.get("error")) || value.get("object") == Some(&json!("error")) {
        return What::Error("".into());
    }
    let choices = value.get("choices").and_then(Value::as_array).into_iter().flatten();
    let choices: Vec<_> = choices.filter_map(Value::as_object).collect();
    let failed = |it: &&serde_json::Map<String, Value>| {
        let abort = |it: &Value| it.is_object() && it.to_string().contains("\"abort\"");
        let finish = it.get("finish_reason");
        !silent(it.get("error"))
            || finish.and_then(Value::as_str).is_some_and(|it| chunk::is_failure(it.as_bytes()))
            || finish.is_some_and(abort)
    };
    if !choices.is_empty() && choices.iter().all(failed) {
        return What::Error("".into());
    }
    let content = |delta: &Value| {
        delta.as_object().into_iter().flatten().any(|(name, value)| match &**name {
            "role" | "name" | "id" | "type" | "index" | "status" => false,
            "tool_calls" | "function_call" => is_call(value),
            "audio" => value.is_object(),
            "annotations" => says_anything(value, &[]),
            _ => says_anything(value, &LABELS),
        })
    };
    let finished = |it: Option<&Value>| it.and_then(Value::as_str).is_some_and(|it| !it.is_empty());
    let deltas = ["delta", "message"];
    let usages = [value.get("usage"), value.get("x_groq").and_then(|it| it.get("usage"))];
    if choices.iter().any(|choice| {
        deltas.iter().any(|name| choice.get(*name).is_some_and(content))
            || choice.get("text").is_some_and(|it| says_anything(it, &LABELS))
    }) {
        What::Content
    } else if choices.is_empty() && usages.into_iter().flatten().any(Value::is_object) {
        What::Usage
    } else if choices.iter().any(|it| finished(it.get("finish_reason")) || failed(it)) {
        What::Finish
    } else {
        What::Other
    }
}

/// Whether there is a text in it, but for members of these names.
fn says_anything(value: &Value, but: &[&str]) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(parts) => parts.iter().any(|it| says_anything(it, but)),
        Value::Object(members) => {
            members.iter().any(|(name, it)| !but.contains(&&**name) && says_anything(it, but))
        }
        _ => false,
    }
}

fn is_call(value: &Value) -> bool {
    value.is_object() || value.as_array().is_some_and(|calls| calls.iter().any(is_call))
}
