//! What a caller is told when it went wrong, in its own dialect; and what a backend said, as far as
//! a caller may read it.

use bytes::Bytes;
use policies::facts::Dialect;
use serde::Serialize;
use serde_json::Value;

use super::redact::{redact, without_key};
use crate::{
    config::BoundNames,
    failure::{Failure, Kind},
};

/// Characters of a backend's message that a caller reads.
const MESSAGE_CHARS_MAX: usize = 500;
/// Bytes of a backend's error that are read at all.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// How engines say that a prompt is too long; lower case.
const TOO_LONG: [&str; 16] = [
    "context_length_exceeded",
    "exceed_context_size",
    "maximum context length",
    "context length",
    "context size",
    "context window",
    "maximum model length",
    "max_model_len",
    "max_position_embeddings",
    "prompt is too long",
    "input is too long",
    "prompt too long",
    "longer than the maximum",
    "longer than the model",
    "exceeds the available context",
    "`inputs` tokens + `max_new_tokens` must be",
];

#[derive(Serialize)]
struct OpenAi<'a> {
    error: OpenAiError<'a>,
}

#[derive(Serialize)]
struct OpenAiError<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: &'static str,
}

#[derive(Serialize)]
struct Anthropic<'a> {
    r#type: &'static str,
    error: AnthropicError<'a>,
}

#[derive(Serialize)]
struct AnthropicError<'a> {
    r#type: &'static str,
    message: &'a str,
}

/// The `type` of an OpenAI error.
const fn openai_type(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest | Kind::UnknownModel | Kind::BodyTimeout | Kind::TooLarge => {
            "invalid_request_error"
        }
        Kind::Unauthenticated => "authentication_error",
        Kind::Forbidden => "permission_error",
        Kind::RateLimited => "rate_limit_error",
        Kind::BudgetExceeded => "insufficient_quota",
        Kind::NoCapacity
        | Kind::UpstreamError
        | Kind::UpstreamTimeout
        | Kind::Unavailable
        | Kind::Cancelled
        | Kind::Bug => "api_error",
    }
}

/// The `type` of an Anthropic error.
const fn anthropic_type(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest | Kind::BodyTimeout => "invalid_request_error",
        Kind::Unauthenticated => "authentication_error",
        Kind::Forbidden => "permission_error",
        Kind::UnknownModel => "not_found_error",
        Kind::TooLarge => "request_too_large",
        Kind::RateLimited | Kind::BudgetExceeded => "rate_limit_error",
        Kind::NoCapacity => "overloaded_error",
        Kind::UpstreamError
        | Kind::UpstreamTimeout
        | Kind::Unavailable
        | Kind::Cancelled
        | Kind::Bug => "api_error",
    }
}

/// The body of a failed reply.
#[must_use]
pub fn error_body(dialect: Dialect, failure: &Failure) -> Bytes {
    let message = &*failure.public;
    let json = match dialect {
        Dialect::OpenAi | Dialect::Responses => serde_json::to_vec(&OpenAi {
            error: OpenAiError {
                message,
                r#type: openai_type(failure.kind),
                param: failure.param.as_deref(),
                code: failure.code,
            },
        }),
        Dialect::Anthropic => {
            let error = AnthropicError { r#type: anthropic_type(failure.kind), message };
            serde_json::to_vec(&Anthropic { r#type: "error", error })
        }
    };
    // Strings into memory: there is nothing in it that can fail.
    json.map(Bytes::from).unwrap_or_default()
}

/// The last event of a stream that broke after its first content.
#[must_use]
pub fn error_event(dialect: Dialect, failure: &Failure) -> Bytes {
    let name: &[u8] = match dialect {
        Dialect::OpenAi => b"",
        Dialect::Anthropic | Dialect::Responses => b"event: error\n",
    };
    Bytes::from([name, b"data: ", &error_body(dialect, failure), b"\n\n"].concat())
}

/// The message of a backend's error body, without addresses, hosts and keys, at most 500
/// characters; `None` if there is none in a form that engines use.
#[must_use]
pub fn error_message(body: &[u8]) -> Option<String> {
    error_message_without(body, "")
}

/// The same without this credential, whatever it looks like.
#[must_use]
pub fn error_message_without(body: &[u8], key: &str) -> Option<String> {
    let body = body.get(..body.len().min(ERROR_BYTES_MAX))?;
    let value: Value = serde_json::from_slice(body.trim_ascii()).ok()?;
    let safe = redact(&without_key(message_in(&value, 4)?, key));
    let short: String = safe.trim().chars().take(MESSAGE_CHARS_MAX).collect();
    (!short.is_empty()).then_some(short)
}

/// `error`, `error.message`, `message`, `detail`, `detail[].msg`: where engines and the frameworks
/// they stand on put their text.
fn message_in(value: &Value, depth: u8) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts: Vec<String> =
                parts.iter().take(4).filter_map(|part| message_in(part, depth)).collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        Value::Object(members) => ["error", "message", "msg", "detail"]
            .iter()
            .filter_map(|name| members.get(*name))
            .find_map(|member| message_in(member, depth)),
        _ => None,
    }
}

/// Whether a backend refused a request because it does not fit its context.
#[must_use]
pub fn is_context_length(status: u16, body: &[u8]) -> bool {
    if !matches!(status, 400 | 413 | 422) {
        return false;
    }
    let body = body.get(..body.len().min(ERROR_BYTES_MAX)).unwrap_or_default();
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    TOO_LONG.iter().any(|sign| text.contains(sign))
}

/// Fields that a backend's error speaks of, among those that the gateway writes by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// `stream_options`, or its `include_usage`.
    pub usage: bool,
    /// Bounds on the output.
    pub bounds: BoundNames,
}

/// What a backend's error speaks of, however it spells it (`stream options`, `maxTokens`); what it quotes of
/// the request as its `input` is nothing that it says.
#[must_use]
pub fn named(body: &[u8]) -> Named {
    let body = body.get(..body.len().min(ERROR_BYTES_MAX)).unwrap_or_default();
    let mut words = String::new();
    match serde_json::from_slice(body.trim_ascii()) {
        Ok(value) => say(&value, 8, &mut words),
        Err(_) => spell(&String::from_utf8_lossy(body), &mut words),
    }
    let says = |word: &str| words.contains(word);
    Named {
        usage: says("streamoptions") || says("includeusage"),
        bounds: BoundNames {
            max_tokens: says("maxtokens"),
            max_completion_tokens: says("maxcompletiontokens"),
        },
    }
}

/// All texts of an error, but what it quotes.
fn say(value: &Value, depth: u8, words: &mut String) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        // Some engines wrap another's error as a text.
        Value::String(text) => spell(text, words),
        Value::Array(parts) => parts.iter().for_each(|part| say(part, depth, words)),
        Value::Object(members) => {
            let said = members.iter().filter(|(name, _)| !matches!(&***name, "input" | "body"));
            said.for_each(|(_, member)| say(member, depth, words));
        }
        _ => {}
    }
}

/// Letters alone, in lower case, and then a full stop.
fn spell(text: &str, words: &mut String) {
    let letters = text.chars().filter(|it| !matches!(it, '_' | '-' | ' '));
    words.extend(letters.map(|it| it.to_ascii_lowercase()));
    words.push('.');
}

#[cfg(test)]
mod tests;
