//! What the gateway itself says, in the caller's dialect.

use bytes::Bytes;
use policies::facts::{Dialect, ModelFacts};
use serde::Serialize;

use crate::failure::{Failure, Kind};

/// The end of a stream.
#[must_use]
pub fn done_event() -> Bytes {
    Bytes::from_static(b"data: [DONE]\n\n")
}

/// A comment: keeps a silent connection alive.
#[must_use]
pub fn comment() -> Bytes {
    Bytes::from_static(b": keep-alive\n\n")
}

/// A usage event with what the request cost: `"signalbox":{"cost":"…"}` in its object.
#[must_use]
pub fn with_cost(event: &Bytes, cost: &str) -> Bytes {
    let Some(at) = memchr::memchr(b'{', event) else { return event.clone() };
    let (head, tail) = event.split_at(at + 1);
    let field = format!(r#""signalbox":{{"cost":"{cost}"}},"#);
    [head, field.as_bytes(), tail].concat().into()
}

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

/// The body of an error.
#[must_use]
pub fn error_body(dialect: Dialect, failure: &Failure) -> Bytes {
    let body = match dialect {
        Dialect::OpenAi | Dialect::Responses => serde_json::to_vec(&OpenAi {
            error: OpenAiError {
                message: &failure.public,
                r#type: openai_type(failure.kind),
                param: failure.param.as_deref(),
                code: failure.code,
            },
        }),
        Dialect::Anthropic => serde_json::to_vec(&Anthropic {
            r#type: "error",
            error: AnthropicError {
                r#type: anthropic_type(failure.kind),
                message: &failure.public,
            },
        }),
    };
    body.unwrap_or_default().into()
}

/// An error in the middle of a stream.
#[must_use]
pub fn error_event(dialect: Dialect, failure: &Failure) -> Bytes {
    let name: &[u8] = if dialect == Dialect::Anthropic { b"event: error\n" } else { b"" };
    [name, b"data: ", &error_body(dialect, failure), b"\n\n"].concat().into()
}

fn openai_type(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest
        | Kind::UnknownModel
        | Kind::BodyTimeout
        | Kind::TooLarge
        | Kind::Cancelled => "invalid_request_error",
        Kind::Unauthenticated => "authentication_error",
        Kind::Forbidden => "permission_error",
        Kind::RateLimited => "rate_limit_error",
        Kind::BudgetExceeded => "insufficient_quota",
        Kind::NoCapacity
        | Kind::UpstreamError
        | Kind::UpstreamTimeout
        | Kind::Unavailable
        | Kind::Bug => "api_error",
    }
}

fn anthropic_type(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest | Kind::BodyTimeout | Kind::Cancelled => "invalid_request_error",
        Kind::Unauthenticated => "authentication_error",
        Kind::Forbidden => "permission_error",
        Kind::UnknownModel => "not_found_error",
        Kind::TooLarge => "request_too_large",
        Kind::RateLimited | Kind::BudgetExceeded => "rate_limit_error",
        Kind::NoCapacity => "overloaded_error",
        Kind::UpstreamError | Kind::UpstreamTimeout | Kind::Unavailable | Kind::Bug => "api_error",
    }
}

/// One model as `GET /v1/models` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct ModelCard<'a> {
    /// Its id.
    pub id: &'a str,
    object: &'static str,
    created: u32,
    owned_by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    capabilities: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<PriceCard>,
}

#[derive(Clone, Debug, Serialize)]
struct PriceCard {
    input_per_mtok: String,
    cached_input_per_mtok: String,
    output_per_mtok: String,
}

impl<'a> ModelCard<'a> {
    /// The card of a model.
    #[must_use]
    pub fn of(model: &'a ModelFacts) -> Self {
        Self {
            id: &model.id,
            object: "model",
            created: 0,
            owned_by: model.family.as_deref().unwrap_or("signalbox"),
            context_length: Some(model.context_tokens_max.0),
            max_output_tokens: Some(model.output_tokens_max.0),
            capabilities: model.capabilities.names().collect(),
            price: model.price.map(|price| PriceCard {
                input_per_mtok: price.input.to_string(),
                cached_input_per_mtok: price.cached_input.to_string(),
                output_per_mtok: price.output.to_string(),
            }),
        }
    }

    fn auto() -> Self {
        Self {
            id: "auto",
            object: "model",
            created: 0,
            owned_by: "signalbox",
            context_length: None,
            max_output_tokens: None,
            capabilities: Vec::new(),
            price: None,
        }
    }
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<ModelCard<'a>>,
}

/// The list of models, `auto` first.
#[must_use]
pub fn models_list<'a>(cards: impl Iterator<Item = ModelCard<'a>>) -> Bytes {
    let data = std::iter::once(ModelCard::auto()).chain(cards).collect();
    serde_json::to_vec(&List { object: "list", data }).unwrap_or_default().into()
}

/// One model.
#[must_use]
pub fn model_card(card: &ModelCard<'_>) -> Bytes {
    serde_json::to_vec(card).unwrap_or_default().into()
}
