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
    /// All of them, as the document of the API lists them.
    pub(super) all: &'static [(&'static [u8], Field)],
    /// Those without which there is no request.
    pub(super) needed: &'static [(Field, &'static str)],
}

/// A table of these fields: each is written once, and both found by its name and listed.
macro_rules! table {
    ($($name:literal => $field:ident,)*; needs $($needed:ident = $called:literal),*) => {
        Table {
            field: |name| {
                Some(match name {
                    $($name => Field::$field,)*
                    _ => return None,
                })
            },
            all: &[$(($name, Field::$field),)*],
            needed: &[$((Field::$needed, $called)),*],
        }
    };
}

/// Of a chat completion.
pub(super) static CHAT: Table = table! {
    b"model" => Model,
    b"messages" => Messages,
    b"stream" => Stream,
    b"stream_options" => StreamOptions,
    b"max_tokens" => MaxTokens,
    b"max_completion_tokens" => MaxCompletionTokens,
    b"n" => N,
    b"tools" => Tools,
    b"functions" => Functions,
    b"response_format" => ResponseFormat,
    b"reasoning_effort" => ReasoningEffort,
    b"reasoning" => Reasoning,
    b"thinking" => Thinking,
    b"enable_thinking" => EnableThinking,
    b"thinking_budget" => ThinkingBudget,
    b"think" => Think,
    b"chat_template_kwargs" => TemplateKwargs,
    b"logprobs" => Logprobs,
    b"user" => User,
    b"safety_identifier" => SafetyIdentifier,
    b"metadata" => Metadata,
    ; needs Model = "model", Messages = "messages"
};

/// Of the completion of prompts.
pub(super) static COMPLETION: Table = table! {
    b"model" => Model,
    b"prompt" => Prompt,
    b"suffix" => Suffix,
    b"stream" => Stream,
    b"stream_options" => StreamOptions,
    b"max_tokens" => MaxTokens,
    b"n" => N,
    b"best_of" => BestOf,
    b"echo" => Echo,
    b"logprobs" => Logprobs,
    b"response_format" => ResponseFormat,
    b"user" => User,
    b"safety_identifier" => SafetyIdentifier,
    b"metadata" => Metadata,
    ; needs Model = "model", Prompt = "prompt"
};

/// Of vectors.
pub(super) static EMBEDDINGS: Table = table! {
    b"model" => Model,
    b"input" => Input,
    b"encoding_format" => EncodingFormat,
    b"dimensions" => Dimensions,
    b"stream" => NoStream,
    b"user" => User,
    b"safety_identifier" => SafetyIdentifier,
    b"metadata" => Metadata,
    ; needs Model = "model", Input = "input"
};

/// Of ranks.
pub(super) static RERANK: Table = table! {
    b"model" => Model,
    b"query" => Query,
    b"documents" => Documents,
    b"top_n" => TopN,
    b"max_tokens_per_doc" => TokensPerDocument,
    b"max_chunks_per_doc" => Chunks,
    b"stream" => NoStream,
    b"user" => User,
    b"safety_identifier" => SafetyIdentifier,
    b"metadata" => Metadata,
    ; needs Model = "model", Query = "query", Documents = "documents"
};
