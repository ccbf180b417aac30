//! What an event is, read from its tree.

use serde_json::{Value, json};

use crate::wire::{What, finish::Finish};

/// Members that only say what a part of a text is.
const LABELS: [&str; 6] = ["type", "format", "id", "index", "status", "signature"];

/// What an event is, by its tree.
pub(super) fn kind(value: &Value) -> What {
    let silent = |it: Option<&Value>| !it.is_some_and(says);
    if !silent(value.get("error")) || value.get("object") == Some(&json!("error")) {
        return What::Error("".into());
    }
    let choices = value.get("choices").and_then(Value::as_array).into_iter().flatten();
    let choices: Vec<_> = choices.filter_map(Value::as_object).collect();
    let failed = |it: &&serde_json::Map<String, Value>| {
        let abort = |it: &Value| it.is_object() && it.to_string().contains("\"abort\"");
        let finish = it.get("finish_reason");
        !silent(it.get("error"))
            || finish
                .and_then(Value::as_str)
                .is_some_and(|it| Finish::word(it.as_bytes()) == Finish::Failed)
            || finish.is_some_and(abort)
    };
    if !choices.is_empty() && choices.iter().all(failed) {
        return What::Error("".into());
    }
    if choices.is_empty() && is_bare_failure(value) {
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

/// Whether it says by itself that it is a failure, without `error`.
fn is_bare_failure(value: &Value) -> bool {
    let of = |names: &[&str], holds: &dyn Fn(&Value) -> bool| {
        names.iter().filter_map(|name| value.get(*name)).any(holds)
    };
    let number = |it: &Value| is_code(it, false);
    let code = of(&["code", "error_code"], &|it| is_code(it, true))
        || of(&["status", "status_code", "statusCode"], &number)
        || of(&["type"], &|it| it.as_str().is_some_and(|it| it.contains("rror")));
    of(&["detail", "errors"], &says)
        || of(&["success"], &|it| it == &json!(false))
        || of(&["base_resp"], &|it| it.get("status_code").is_some_and(number))
        || code && of(&["message", "msg", "error_msg", "error_message"], &says)
}

fn is_code(value: &Value, words: bool) -> bool {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return false,
    };
    if text.chars().all(|it| it.is_ascii_digit()) {
        let well = text.len() == 3 && text.starts_with('2') || text.chars().all(|it| it == '0');
        return !well;
    }
    words && !["ok", "success"].iter().any(|it| text.eq_ignore_ascii_case(it))
}

/// Whether there is anything in it.
fn says(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => all.iter().any(says),
        Value::Object(members) => members.values().any(says),
        Value::Number(number) => number.to_string().contains(|it| matches!(it, '1'..='9')),
        Value::Bool(it) => *it,
        Value::Null => false,
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
