//! The bodies of this dialect as a JSON Schema, made from the tables by which they are read: each field that
//! is looked at with the values that are taken. All other fields are the backend's business.

use serde_json::{Map, Value, json};

use super::{
    MODEL_BYTES_MAX,
    fields::{CHAT, COMPLETION, EMBEDDINGS, Field, RERANK, Table},
};

/// The body of a chat completion.
pub(in super::super) fn chat_body() -> Value {
    body(&CHAT)
}

/// The body of a completion of prompts.
pub(in super::super) fn completion_body() -> Value {
    body(&COMPLETION)
}

/// The body of a question for vectors.
pub(in super::super) fn embeddings_body() -> Value {
    body(&EMBEDDINGS)
}

/// The body of a question for ranks.
pub(in super::super) fn rerank_body() -> Value {
    body(&RERANK)
}

fn body(table: &Table) -> Value {
    let named = |(name, field): &(&[u8], Field)| {
        (String::from_utf8_lossy(name).into_owned(), values(*field))
    };
    let properties: Map<String, Value> = table.all.iter().map(named).collect();
    let needed: Vec<&str> = table.needed.iter().map(|(_, name)| *name).collect();
    json!({ "type": "object", "properties": properties, "required": needed })
}

/// What a field may be.
fn values(field: Field) -> Value {
    match field {
        Field::Model => json!({
            "type": "string", "minLength": 1, "maxLength": MODEL_BYTES_MAX,
            "description": "a model, an alias or `auto`", "examples": ["auto"],
        }),
        Field::Messages => messages(),
        Field::Stream | Field::Echo => json!({ "type": ["boolean", "null"] }),
        Field::NoStream => json!({ "enum": [false, null] }),
        Field::StreamOptions => json!({
            "type": ["object", "null"],
            "properties": { "include_usage": { "type": ["boolean", "null"] } },
        }),
        Field::MaxTokens
        | Field::MaxCompletionTokens
        | Field::N
        | Field::Dimensions
        | Field::TopN
        | Field::TokensPerDocument
        | Field::Chunks => json!({ "type": ["integer", "null"], "minimum": 1 }),
        Field::BestOf => json!({ "type": ["integer", "null"] }),
        Field::Tools | Field::Functions => {
            json!({ "type": ["array", "null"], "items": { "type": "object" } })
        }
        Field::ResponseFormat => json!({ "type": ["object", "null"] }),
        Field::ReasoningEffort | Field::Suffix => json!({ "type": ["string", "null"] }),
        Field::TemplateKwargs => {
            let known = super::TEMPLATE_KEYS.map(|it| String::from_utf8_lossy(it).into_owned());
            json!({ "type": ["object", "null"], "propertyNames": { "enum": known } })
        }
        Field::Logprobs => json!({ "type": ["boolean", "integer", "null"] }),
        Field::Prompt | Field::Input => json!({ "anyOf": [{ "type": "string" }, {
            "type": "array", "minItems": 1,
            "description": "texts, the token ids of a text, or a list for each text",
        }] }),
        Field::EncodingFormat => json!({ "enum": ["float", "base64", null] }),
        Field::Query => json!({ "type": "string", "minLength": 1 }),
        Field::Documents => json!({
            "type": "array", "minItems": 1, "items": { "type": ["string", "object"] },
        }),
        // Any value is taken; what is none that is known says nothing.
        Field::Reasoning
        | Field::Thinking
        | Field::EnableThinking
        | Field::ThinkingBudget
        | Field::Think
        | Field::User
        | Field::SafetyIdentifier
        | Field::Metadata => json!({}),
    }
}

/// The messages of a chat.
fn messages() -> Value {
    json!({ "type": "array", "minItems": 1, "items": {
        "type": "object", "required": ["role"],
        "properties": {
            "role": { "type": "string" },
            "content": { "type": ["string", "array", "null"] },
        },
    } })
}

/// A chat completion, or a completion of prompts, as far as the gateway holds an engine to it.
pub(in super::super) fn completion_answer() -> Value {
    json!({
        "type": "object", "required": ["choices"],
        "properties": {
            "choices": { "type": "array", "items": { "type": "object" } },
            "usage": { "type": ["object", "null"] },
        },
    })
}

/// Vectors.
pub(in super::super) fn embeddings_answer() -> Value {
    json!({
        "type": "object", "required": ["data"],
        "properties": { "data": { "type": "array", "items": { "type": "object" } } },
    })
}

/// Ranks.
pub(in super::super) fn rerank_answer() -> Value {
    json!({
        "type": "object", "required": ["results"],
        "properties": { "results": { "type": "array", "items": { "type": "object" } } },
    })
}
