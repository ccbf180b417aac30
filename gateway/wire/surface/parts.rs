//! What a row of the table of surfaces is made of.

use bytes::Bytes;
use policies::{Counts, facts::Tokens};
use serde_json::Value;
use uuid::Uuid;

use super::Surface;
use crate::{
    failure::Failure,
    wire::{
        AnswerFormat, AnswerLabel, Bill, Invalid, Plain, Purpose, ReadLimits, Request, Transcript,
        Unsayable, What,
        chunk::{Look, Pattern},
        delta::{Delta, Deltas},
        encoder::Writer,
        scan::JsonError,
    },
};

/// How the tokens of a surface's requests are counted, and nothing else done with them.
pub struct Count {
    /// Its path behind the version, as callers name it; and behind the URL of an engine that counts so.
    pub path: &'static str,
    /// Whether engines of the dialect count so, unless it is known that they do not.
    pub usual: bool,
    /// The answer that says how many they are.
    pub answer: fn(u32) -> Bytes,
}

/// What clients ask for at the second version of an API, whose requests are the same.
pub(super) const SECOND: [&str; 1] = ["/rerank"];

/// Reads a body of a surface.
pub(super) type Reader =
    fn(&'static Surface, Bytes, &ReadLimits, Purpose) -> Result<Request, Failure>;

/// How it is asked in another dialect what a chat completion asks.
pub(in crate::wire) struct Asks {
    /// Says what of it cannot be said.
    pub(in crate::wire) judge: fn(&[u8]) -> Result<(), Unsayable>,
    /// Writes it, of an answer that may be so long.
    pub(in crate::wire) write: fn(&[u8], Tokens) -> Result<Vec<u8>, Unsayable>,
}

/// What a surface's bodies may be, and its whole answers, as JSON Schemas.
pub(super) struct Described {
    pub(super) body: fn() -> Value,
    pub(super) answer: fn() -> Value,
}

/// What the gateway itself writes into the streams of a surface.
pub(super) struct Events {
    /// The end of a whole answer.
    pub(super) done: fn() -> Bytes,
    /// What keeps a silent connection alive.
    pub(super) keep_alive: fn() -> Bytes,
    /// A backend's event with usage, with the bill added.
    pub(super) priced: fn(&Bytes, Bill<'_>) -> Bytes,
    /// Usage and bill where the backend told none, behind its last event.
    pub(super) usage: fn(Option<&Bytes>, Uuid, Counts, Bill<'_>) -> Bytes,
    /// The end of these choices at their bound, behind the backend's last event.
    pub(super) length: fn(&[u8], &[u32]) -> Bytes,
}

/// How an engine's answers by a surface are read, and written where the engine speaks another dialect.
pub(super) struct Answers {
    /// A whole one.
    pub(super) plain: fn(&Bytes) -> Result<Plain, Invalid>,
    /// What the data of an event holds, and whether the stream ends with it.
    pub(super) look: Looks,
    /// Whether this event is kept for the closing, of what it is and whether none is kept yet.
    pub(super) keeps: fn(&What, bool) -> bool,
    /// What a whole stream ends with, of the event that was kept, and whether the engine has ended it.
    pub(super) closing: fn(Option<Bytes>, bool) -> Bytes,
    /// What it says.
    pub(super) deltas: Deltas,
    /// What writes such a stream from another dialect's.
    pub(super) writer: Option<fn(&Request, AnswerLabel) -> Writer>,
    /// Writes a whole one from what another dialect's says; nothing where there is no other.
    pub(super) whole: Whole,
}

/// Looks at the data of an event, where so much is known to be used by now.
pub(super) type Looks = fn(&[u8], &mut Pattern, Option<Counts>) -> Result<(Look, bool), JsonError>;

/// Writes a whole answer from what a chat completion says.
pub(super) type Whole =
    fn(&Request, &AnswerLabel, (&[Delta<'_>], Counts)) -> Result<Option<Vec<u8>>, &'static str>;

/// How answers of a surface are read by those who judge them when they are over.
pub(super) struct Judged {
    /// The form that a body asks its answer to have.
    pub(super) format: fn(&Bytes) -> Option<AnswerFormat>,
    /// What an answer said, streamed or not.
    pub(super) transcript: fn(bool, &[u8]) -> Option<Transcript>,
    /// Whether a whole answer, streamed or not, ended by itself.
    pub(super) own_end: fn(bool, &[u8]) -> bool,
}
