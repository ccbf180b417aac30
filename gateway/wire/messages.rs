//! The dialect of Anthropic's Messages: its requests, and its answers, whole and streamed.
//!
//! A request is read into a conversation and written anew as a chat completion, which all else is read from;
//! the caller's own bytes are kept beside it for engines that speak Messages themselves.

mod body;
mod deltas;
mod described;
mod encoder;
mod output;
mod request;
mod said;
#[cfg(test)]
mod tests;
mod transcript;

use bytes::Bytes;

use self::request::read;
use super::rewritten::Dialect;

pub(super) use self::{
    body::{askable, asked},
    deltas::deltas,
    described::{answer, body},
    encoder::Encoder,
    output::whole,
    said::{data, plain},
    transcript::transcript,
};

/// How requests by Messages are read.
pub(super) static DIALECT: Dialect = Dialect {
    read,
    output: "max_tokens",
    bounded: true,
    shared: &["model", "messages", "max_tokens", "stream", "tools", "thinking", "metadata"],
    messages: "messages",
    instructions: "system",
    names: &[
        (".image_url.url", ".source"),
        (".image_url", ".source"),
        (".function.parameters", ".input_schema"),
        (".function", ""),
        ("response_format.json_schema", "output_config.format"),
        ("stop[", "stop_sequences["),
    ],
    repeated: &[],
};

/// The event that ends a whole stream.
pub(super) fn stop_event() -> Bytes {
    Bytes::from_static(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
}

/// What keeps a silent connection alive.
pub(super) fn ping_event() -> Bytes {
    Bytes::from_static(b"event: ping\ndata: {\"type\":\"ping\"}\n\n")
}

/// The end of an engine's own stream at its bound.
pub(super) fn length_event(_: &[u8], _: &[u32]) -> Bytes {
    Bytes::from_static(
        b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\",\
          \"stop_sequence\":null},\"usage\":{}}\n\n",
    )
}
