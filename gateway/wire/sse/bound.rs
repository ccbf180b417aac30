//! What bounds a stream: its events in bytes, and its content in tokens.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{super::frame::last_event, Stream, fields};

/// How much a stream may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Bytes of one event with its blank line.
    pub event_bytes_max: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { event_bytes_max: 1024 * 1024 }
    }
}

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFault {
    /// An event is above [`StreamLimits::event_bytes_max`].
    EventTooLarge,
}

impl fmt::Display for StreamFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EventTooLarge => f.write_str("an event of the stream is too large"),
        }
    }
}

impl std::error::Error for StreamFault {}

/// Bytes of content that no token has, nearly always: runs of blanks are longer, escaped letters shorter.
const TOKEN_BYTES_MAX: u64 = 16;

/// Notes if content passes the bound: an event has a token at the least, and a token nearly always
/// [`TOKEN_BYTES_MAX`] bytes at the most. False if this event is one too many, which then never came.
/// The event that ends the answer is the engine's own end, wherever that is.
pub(super) fn within(stream: &mut Stream, before: (u32, u64, u64)) -> bool {
    let (contents, content_bytes, finished) = before;
    let by_events = stream.seen.contents > stream.most.0;
    let by_bytes = stream.seen.content_bytes / TOKEN_BYTES_MAX > u64::from(stream.most.0);
    let running = stream.seen.reported.is_some_and(|it| {
        u64::from(it.output) + u64::from(it.reasoning) > u64::from(stream.most.0)
    });
    if !(by_events || by_bytes || running) || stream.finished() && finished != stream.seen.finished
    {
        return true;
    }
    stream.passed = true;
    if by_events {
        (stream.seen.contents, stream.seen.content_bytes) = (contents, content_bytes);
    }
    !by_events
}

/// The end of these choices at their length, as an event like this one of the same answer.
pub(in crate::wire) fn length_event(like: &[u8], choices: &[u32]) -> Bytes {
    let ended = |index| json!({ "index": index, "delta": {}, "finish_reason": "length" });
    ended_by(like, choices.iter().copied().map(ended).collect())
}

/// The same in a stream of completions.
pub(in crate::wire) fn completion_length_event(like: &[u8], choices: &[u32]) -> Bytes {
    let ended = |index| json!({ "index": index, "text": "", "finish_reason": "length" });
    ended_by(like, choices.iter().copied().map(ended).collect())
}

fn ended_by(like: &[u8], choices: Vec<Value>) -> Bytes {
    #[derive(Default, Deserialize, Serialize)]
    struct Chunk {
        #[serde(default, skip_serializing_if = "Value::is_null")]
        id: Value,
        #[serde(default, skip_serializing_if = "Value::is_null")]
        object: Value,
        #[serde(default, skip_serializing_if = "Value::is_null")]
        created: Value,
        #[serde(default, skip_serializing_if = "Value::is_null")]
        model: Value,
        #[serde(skip_deserializing)]
        choices: Vec<Value>,
    }
    let mut joined = Vec::new();
    fields(last_event(like), &mut joined);
    let mut chunk: Chunk = serde_json::from_slice(&joined).unwrap_or_default();
    chunk.choices = choices;
    let data = serde_json::to_vec(&chunk).unwrap_or_default();
    Bytes::from([b"data: ", &*data, b"\n\n"].concat())
}
