//! What an event is, read from a tree of its JSON.

use serde_json::{Value, json};

use crate::wire::{What, chunk};

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
    let filled = |it: &Value| match it {
        Value::String(text) => !text.is_empty(),
        Value::Array(parts) => !parts.is_empty(),
        _ => false,
    };
    let content = |delta: &Value| {
        let texts = ["content", "refusal", "reasoning", "reasoning_content"];
        let calls = ["tool_calls", "function_call"];
        texts.iter().any(|name| delta.get(name).is_some_and(filled))
            || calls.iter().any(|name| delta.get(name).is_some_and(is_call))
            || delta.get("audio").is_some_and(Value::is_object)
    };
    let finished = |it: Option<&Value>| it.and_then(Value::as_str).is_some_and(|it| !it.is_empty());
    let deltas = ["delta", "message"];
    if choices.iter().any(|choice| {
        deltas.iter().any(|name| choice.get(*name).is_some_and(content))
            || choice.get("text").is_some_and(filled)
    }) {
        What::Content
    } else if choices.is_empty() && value.get("usage").is_some_and(Value::is_object) {
        What::Usage
    } else if choices.iter().any(|it| finished(it.get("finish_reason")) || failed(it)) {
        What::Finish
    } else {
        What::Other
    }
}

fn is_call(value: &Value) -> bool {
    value.is_object() || value.as_array().is_some_and(|calls| calls.iter().any(is_call))
}
