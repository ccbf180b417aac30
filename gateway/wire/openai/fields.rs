//! The fields that are read of each operation's body.

/// A field that the gateway reads; the discriminant is the bit that marks one as seen.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Field {
    Model,
    Messages,
    Stream,
    StreamOptions,
    MaxTokens,
    MaxCompletionTokens,
    N,
    Tools,
    Functions,
    ResponseFormat,
    ReasoningEffort,
    Reasoning,
    Thinking,
    EnableThinking,
    ThinkingBudget,
    Think,
    TemplateKwargs,
    Logprobs,
    User,
    SafetyIdentifier,
    Metadata,
    Prompt,
    Suffix,
    BestOf,
    Echo,
    Input,
    EncodingFormat,
    Dimensions,
    TopN,
    TokensPerDocument,
    /// `stream` where there are no streams.
    NoStream,
    Query,
    Documents,
    Chunks,
}

/// The fields of one operation.
pub(super) struct Table {
    /// The field of a name.
    pub(super) field: fn(&[u8]) -> Option<Field>,
    /// Those without which there is no request.
    pub(super) needed: &'static [(Field, &'static str)],
}

/// Of a chat completion.
pub(super) static CHAT: Table = Table {
    field: |name| {
        Some(match name {
            b"model" => Field::Model,
            b"messages" => Field::Messages,
            b"stream" => Field::Stream,
            b"stream_options" => Field::StreamOptions,
            b"max_tokens" => Field::MaxTokens,
            b"max_completion_tokens" => Field::MaxCompletionTokens,
            b"n" => Field::N,
            b"tools" => Field::Tools,
            b"functions" => Field::Functions,
            b"response_format" => Field::ResponseFormat,
            b"reasoning_effort" => Field::ReasoningEffort,
            b"reasoning" => Field::Reasoning,
            b"thinking" => Field::Thinking,
            b"enable_thinking" => Field::EnableThinking,
            b"thinking_budget" => Field::ThinkingBudget,
            b"think" => Field::Think,
            b"chat_template_kwargs" => Field::TemplateKwargs,
            b"logprobs" => Field::Logprobs,
            b"user" => Field::User,
            b"safety_identifier" => Field::SafetyIdentifier,
            b"metadata" => Field::Metadata,
            _ => return None,
        })
    },
    needed: &[(Field::Model, "model"), (Field::Messages, "messages")],
};

/// Of the completion of prompts.
pub(super) static COMPLETION: Table = Table {
    field: |name| {
        Some(match name {
            b"model" => Field::Model,
            b"prompt" => Field::Prompt,
            b"suffix" => Field::Suffix,
            b"stream" => Field::Stream,
            b"stream_options" => Field::StreamOptions,
            b"max_tokens" => Field::MaxTokens,
            b"n" => Field::N,
            b"best_of" => Field::BestOf,
            b"echo" => Field::Echo,
            b"logprobs" => Field::Logprobs,
            b"response_format" => Field::ResponseFormat,
            b"user" => Field::User,
            b"safety_identifier" => Field::SafetyIdentifier,
            b"metadata" => Field::Metadata,
            _ => return None,
        })
    },
    needed: &[(Field::Model, "model"), (Field::Prompt, "prompt")],
};

/// Of vectors.
pub(super) static EMBEDDINGS: Table = Table {
    field: |name| {
        Some(match name {
            b"model" => Field::Model,
            b"input" => Field::Input,
            b"encoding_format" => Field::EncodingFormat,
            b"dimensions" => Field::Dimensions,
            b"stream" => Field::NoStream,
            b"user" => Field::User,
            b"safety_identifier" => Field::SafetyIdentifier,
            b"metadata" => Field::Metadata,
            _ => return None,
        })
    },
    needed: &[(Field::Model, "model"), (Field::Input, "input")],
};

/// Of ranks.
pub(super) static RERANK: Table = Table {
    field: |name| {
        Some(match name {
            b"model" => Field::Model,
            b"query" => Field::Query,
            b"documents" => Field::Documents,
            b"top_n" => Field::TopN,
            b"max_tokens_per_doc" => Field::TokensPerDocument,
            b"max_chunks_per_doc" => Field::Chunks,
            b"stream" => Field::NoStream,
            b"user" => Field::User,
            b"safety_identifier" => Field::SafetyIdentifier,
            b"metadata" => Field::Metadata,
            _ => return None,
        })
    },
    needed: &[(Field::Model, "model"), (Field::Query, "query"), (Field::Documents, "documents")],
};
