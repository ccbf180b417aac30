//! The body of a request by Responses as a JSON Schema: what is read of it, and nothing of what is passed on.

use serde_json::{Value, json};

use super::request::{HINTS, SETTINGS};

/// The body of a response.
pub(in super::super) fn body() -> Value {
    let mut it = json!({
        "type": "object", "required": ["model", "input"],
        "properties": {
            "model": { "type": "string", "minLength": 1 },
            "input": { "anyOf": [{ "type": "string" }, {
                "type": "array", "items": { "type": "object" },
            }] },
            "instructions": { "type": ["string", "array", "null"] },
            "stream": { "type": ["boolean", "null"] },
            "max_output_tokens": { "type": ["integer", "null"], "minimum": 1 },
            "tools": { "type": ["array", "null"], "items": { "type": "object" } },
            "tool_choice": { "type": ["string", "object", "null"] },
            "parallel_tool_calls": { "type": ["boolean", "null"] },
            "text": { "type": ["object", "null"] },
            "reasoning": { "type": ["object", "null"] },
            "user": { "type": ["string", "null"] },
            "background": { "enum": [false, null] },
        },
    });
    if let Some(properties) = it.get_mut("properties").and_then(Value::as_object_mut) {
        for name in SETTINGS.iter().chain(&HINTS) {
            properties.entry(*name).or_insert_with(|| json!({}));
        }
    }
    it
}

/// A response of a model.
pub(in super::super) fn answer() -> Value {
    json!({
        "type": "object", "required": ["object", "status", "output"],
        "properties": {
            "object": { "const": "response" }, "status": { "type": "string" },
            "output": { "type": "array", "items": { "type": "object" } },
            "usage": { "type": ["object", "null"] },
        },
    })
}
