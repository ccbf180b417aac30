//! Bytes to values and back: what callers and backends say, and what they are told. Pure.
//!
//! A request is read in one bounded pass that keeps places, not copies ([`read`], [`Request`]), and
//! leaves as the caller's own bytes with a few edits between them ([`Request::to_upstream`]).
//! Answers pass through: [`sse`] frames a stream and looks at each event only for content, usage,
//! finish and error; [`answer`] does the same for a plain body. [`errors`] says in each dialect
//! what went wrong. What is served, and by which of all this, is the table in [`surface`].
//!
//! This room refuses to build a tree of a caller's body, to change what it does not know, to wait,
//! and to decide anything.

pub mod answer;
mod answer_format;
mod bare;
mod blocks;
mod canonical;
mod chat_body;
mod chunk;
mod contents;
mod conversation;
mod delta;
mod encoder;
mod errors;
mod escape;
mod event;
mod field;
mod finish;
pub(crate) mod form;
mod frame;
#[doc(hidden)]
pub mod fuzz;
mod grammar;
mod json;
pub mod key_card;
mod label;
mod media;
mod message;
mod messages;
pub mod models;
mod openai;
mod own;
mod own_end;
mod pattern;
mod plain_run;
mod reasoning;
mod redact;
mod refused;
mod remote;
mod request;
mod responses;
mod rewritten;
mod said;
mod scan;
mod shield;
mod span;
pub mod sse;
mod strict;
mod surface;
mod text;
mod think_tags;
mod too_long;
mod tools;
mod traceparent;
mod transcript;
mod usage;
mod utf8;
mod vectors;

use bytes::Bytes;

pub use answer::{Invalid, Plain, Why, plain, reasoning_in};
pub(crate) use answer_format::AnswerFormat;
pub(crate) use canonical::canonical;
pub(crate) use contents::{contents, texts};
pub use encoder::as_asked;
pub use key_card::{BudgetCard, KeyCard, Left, LimitCard};
pub use label::AnswerLabel;
pub use models::{ModelCard, anthropic_model, anthropic_models_list, model, models_list};
pub use own::{Bill, comment};
pub use redact::without_key;
pub use request::Request;
pub use request::arm::ArmEdit;
pub use request::edit::{Body, Edit, Own};
pub use request::native::Unsayable;
pub use said::{Named, Said};
pub use sse::{End, Event, Stream, StreamFault, StreamLimits, What};
pub(crate) use strict::{Unread, strict};
pub use surface::{Count, Surface, behind_version};
pub(crate) use traceparent::{traceparent, write_traceparent};
pub(crate) use transcript::{ToolCall, Transcript, transcript, transcripts};

use crate::failure::Failure;

/// What a request is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be answered.
    Answer,
    /// To have its tokens counted.
    Count,
}

/// How much a request may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Open objects and arrays at once; more than 128 count as 128.
    pub depth_max: usize,
    /// Choices.
    pub n_max: u8,
    /// Tools.
    pub tools_max: usize,
    /// Bytes of one schema or tool.
    pub schema_bytes_max: usize,
    /// Alternatives for each token.
    pub logprobs_max: u32,
    /// Bytes of one pattern, grammar or list of choices.
    pub grammar_bytes_max: usize,
    /// Hosts from which an engine may fetch media over `https`; exact names.
    pub media_hosts: Vec<Box<str>>,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            depth_max: 128,
            n_max: 8,
            tools_max: 128,
            schema_bytes_max: 65_536,
            logprobs_max: 20,
            grammar_bytes_max: 4_096,
            media_hosts: Vec::new(),
        }
    }
}

/// Reads a caller's body as the surface has it that it came in by.
///
/// # Errors
/// `invalid_json`, `invalid_type`, `invalid_value`, `missing_required_parameter` and
/// `unsupported_parameter`, each with the wrong field.
pub fn read(
    surface: &'static Surface,
    body: Bytes,
    limits: &ReadLimits,
) -> Result<Request, Failure> {
    surface.read(body, limits, Purpose::Answer)
}

/// Reads a body whose tokens are to be counted: it needs no bound on an answer.
///
/// # Errors
/// As for [`read`].
pub fn read_to_count(
    surface: &'static Surface,
    body: Bytes,
    limits: &ReadLimits,
) -> Result<Request, Failure> {
    surface.read(body, limits, Purpose::Count)
}

#[cfg(test)]
mod tests;
