//! The dialect of OpenAI's Responses: its requests, and its answers, whole and streamed.
//!
//! A request is read into a conversation and written anew as a chat completion, as for Messages. Nothing of
//! an answer is kept here: what goes on with one that was kept is refused, whoever would be asked.

mod described;
mod encoder;
mod output;
mod request;
mod said;
#[cfg(test)]
mod tests;
mod transcript;

pub(super) use self::{
    described::{answer, body},
    encoder::{Encoder, whole},
    output::cut,
    said::{data, plain},
    transcript::transcript,
};
use self::{output::REPEATED, request::read};
use super::rewritten::Dialect;

/// How requests by Responses are read.
pub(super) static DIALECT: Dialect = Dialect {
    read,
    output: "max_output_tokens",
    bounded: false,
    shared: &[
        "model",
        "stream",
        "stream_options",
        "tools",
        "reasoning",
        "user",
        "safety_identifier",
        "metadata",
    ],
    messages: "input",
    instructions: "instructions",
    names: &[
        (".image_url.url", ".image_url"),
        (".file.file", ".file"),
        (".function", ""),
        ("response_format.json_schema", "text.format"),
        ("reasoning_effort", "reasoning.effort"),
        ("verbosity", "text.verbosity"),
    ],
    repeated: &REPEATED,
};
