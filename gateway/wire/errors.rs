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
    let name: &[u8] = match dialect {
        Dialect::OpenAi => b"",
        Dialect::Anthropic | Dialect::Responses => b"event: error\n",
    };
    Bytes::from([name, b"data: ", &error_body(dialect, failure), b"\n\n"].concat())
}

#[cfg(test)]
mod tests;
