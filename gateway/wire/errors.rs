//! What a caller is told when it went wrong, in its own dialect.

use bytes::Bytes;
use policies::facts::Dialect;
use serde::Serialize;

use crate::failure::{Failure, Kind};

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
pub(super) fn error_body(dialect: Dialect, failure: &Failure) -> Bytes {
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
pub(super) fn error_event(dialect: Dialect, failure: &Failure) -> Bytes {
    let body = error_body(dialect, failure);
    let (name, head): (&[u8], _) = match dialect {
        Dialect::OpenAi => (b"", None),
        Dialect::Anthropic => (b"event: error\n", None),
        Dialect::Responses => (b"event: error\n", Some(responses_head(failure))),
    };
    let body = match head.as_deref().and_then(|it| it.strip_suffix(b"}")) {
        // Clients look for the members of an event, or for an object `error` as everywhere.
        Some(head) => [head, b",", body.strip_prefix(b"{").unwrap_or(&body)].concat(),
        None => body.to_vec(),
    };
    Bytes::from([name, b"data: ", &body, b"\n\n"].concat())
}

#[derive(Serialize)]
struct ResponsesError<'a> {
    r#type: &'static str,
    code: &'static str,
    message: &'a str,
    param: Option<&'a str>,
}

/// The members of an event that is an error, by Responses.
fn responses_head(failure: &Failure) -> Vec<u8> {
    let (code, message, param) = (failure.code, &*failure.public, failure.param.as_deref());
    serde_json::to_vec(&ResponsesError { r#type: "error", code, message, param })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
