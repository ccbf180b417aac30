//! The body of a request by Messages as a JSON Schema: what is read of it, and nothing of what is passed on.

use serde_json::{Value, json};

use super::request::{HINTS, SETTINGS};

/// The body of a message.
pub(in super::super) fn body() -> Value {
    let mut it = json!({
        "type": "object", "required": ["model", "max_tokens", "messages"],
        "properties": {
            "model": { "type": "string", "minLength": 1 },
            "max_tokens": { "type": "integer", "minimum": 1 },
            "stream": { "type": ["boolean", "null"] },
            "system": { "type": ["string", "array", "null"] },
            "messages": { "type": "array", "minItems": 1, "items": {
                "type": "object", "required": ["role", "content"],
                "properties": {
                    "role": { "enum": ["user", "assistant", "system"] },
                    "content": { "type": ["string", "array"] },
                },
            } },
            "tools": { "type": ["array", "null"], "items": { "type": "object" } },
            "tool_choice": { "type": ["object", "null"] },
            "thinking": { "type": ["object", "null"] },
            "metadata": { "type": ["object", "null"] },
            "output_config": { "type": ["object", "null"] },
        },
    });
    if let Some(properties) = it.get_mut("properties").and_then(Value::as_object_mut) {
        for name in SETTINGS.iter().map(|(name, _)| name).chain(&HINTS) {
            properties.entry(*name).or_insert_with(|| json!({}));
        }
    }
    it
}

/// A message of a model.
pub(in super::super) fn answer() -> Value {
    json!({
        "type": "object", "required": ["type", "role", "content", "usage"],
        "properties": {
            "type": { "const": "message" }, "role": { "const": "assistant" },
            "content": { "type": "array", "items": { "type": "object" } },
            "stop_reason": { "type": ["string", "null"] }, "usage": { "type": "object" },
        },
    })
}
