//! One event of a stream, and what it is to the gateway.

use bytes::Bytes;

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// As it came, its blank line included.
    pub bytes: Bytes,
    /// What it is.
    pub what: What,
    /// A choice ends with it, and it holds usage: where it is the last one, no other may follow.
    pub usage: bool,
}

/// What an event is to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Text, a tool call, reasoning or a refusal: from the first one on there is no way back.
    Content,
    /// Passed on; the role, or something not known.
    Other,
    /// Usage alone: `choices` is empty.
    Usage,
    /// The end of a choice, without content.
    Finish,
    /// An error of the backend, or an event that is not JSON; the text may be shown.
    Error(Box<str>),
    /// `[DONE]`.
    Done,
    /// A comment, a ping or an empty event: not a sign of life.
    Comment,
}
