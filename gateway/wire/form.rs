//! Which API a body is of, told by its form, where no path says it.

use serde_json::{Map, Value};

use super::Surface;

/// Kinds of content parts that Messages have and chat completions do not.
const PARTS: [&str; 6] =
    ["tool_use", "tool_result", "document", "thinking", "redacted_thinking", "search_result"];

/// The name by which a command is told an API, such as `chat` or `messages`.
#[must_use]
pub(crate) fn api(surface: &Surface) -> &'static str {
    let path = surface.path.trim_start_matches('/');
    path.split_once('/').map_or(path, |(name, _)| name)
}

/// The surface of this name.
///
/// # Errors
/// The names that there are.
pub(crate) fn named(name: &str) -> Result<&'static Surface, String> {
    let known = || Surface::all().iter();
    known().find(|it| api(it) == name).ok_or_else(|| {
        let names: Vec<&str> = known().map(api).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// The surface that a body has the form of; chat completions where nothing speaks for another.
#[must_use]
pub(crate) fn of_form(body: &Map<String, Value>) -> &'static Surface {
    let has = |key: &str| body.contains_key(key);
    let texts = |it: &Value| !it.is_object();
    let path = match () {
        () if has("messages") && is_messages(body) => "/messages",
        () if has("messages") => return Surface::first(),
        () if has("documents") => "/rerank",
        () if has("prompt") => "/completions",
        () if has("input") => {
            let list = body.get("input").and_then(Value::as_array);
            let vectors = list.is_some_and(|it| it.iter().any(texts));
            let vectors = vectors || has("encoding_format") || has("dimensions");
            if vectors { "/embeddings" } else { "/responses" }
        }
        () => return Surface::first(),
    };
    Surface::behind(path).unwrap_or_else(Surface::first)
}

fn is_messages(body: &Map<String, Value>) -> bool {
    let parts = |message: &Value| {
        let parts = message.get("content").and_then(Value::as_array);
        parts.is_some_and(|it| it.iter().any(is_part))
    };
    let messages = body.get("messages").and_then(Value::as_array);
    ["system", "anthropic_version"].iter().any(|key| body.contains_key(*key))
        || messages.is_some_and(|it| it.iter().any(parts))
}

fn is_part(part: &Value) -> bool {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    PARTS.contains(&kind) || kind == "image" && part.get("source").is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_of_the_api_whose_form_it_has() {
        let parts = |part: Value| json!({ "messages": [{ "role": "user", "content": [part] }] });
        for (body, expected) in [
            (json!({}), "chat"),
            (json!({ "messages": [{ "role": "user", "content": "a" }], "max_tokens": 1 }), "chat"),
            (parts(json!({ "type": "text", "text": "a" })), "chat"),
            (parts(json!({ "type": "image_url", "image_url": { "url": "a" } })), "chat"),
            (json!({ "system": "a", "messages": [] }), "messages"),
            (json!({ "anthropic_version": "a", "max_tokens": 1, "messages": [] }), "messages"),
            (parts(json!({ "type": "tool_use", "input": {} })), "messages"),
            (parts(json!({ "type": "tool_result" })), "messages"),
            (parts(json!({ "type": "document", "source": {} })), "messages"),
            (parts(json!({ "type": "image", "source": {} })), "messages"),
            (json!({ "input": "a" }), "responses"),
            (json!({ "input": [{ "role": "user", "content": "a" }] }), "responses"),
            (json!({ "input": ["a"] }), "embeddings"),
            (json!({ "input": "a", "dimensions": 8 }), "embeddings"),
            (json!({ "prompt": "a" }), "completions"),
            (json!({ "query": "a", "documents": ["a"] }), "rerank"),
        ] {
            let found = of_form(body.as_object().unwrap());
            assert_eq!(api(found), expected, "{body}");
            assert_eq!(named(expected).unwrap(), found);
        }
        assert!(named("mail").unwrap_err().contains("chat, messages, responses"));
    }
}
