//! The surfaces that are served: one row for each API by which callers ask models for something.
//!
//! A row says all that depends on it: the path it stands at, here and at engines; how its requests are read;
//! what the gateway itself writes into its answers. Another surface is another row, with its reader and its
//! events: the edge, the signals, dispatch, the answer and the ledger go by the row.

mod table;

use std::fmt;

use bytes::Bytes;
use http::HeaderName;
use policies::{
    Counts,
    facts::{Dialect, Operation},
};
use uuid::Uuid;

use self::table::TABLE;
use super::{
    AnswerFormat, AnswerLabel, Bill, Invalid, Plain, ReadLimits, Request, Transcript, What,
    chunk::{Look, Pattern},
    delta::Delta,
    encoder::Encoder,
    errors,
    scan::JsonError,
    vectors,
};
use crate::{config::BoundNames, failure::Failure};

/// One API by which callers ask models for something.
pub struct Surface {
    /// Its dialect: the form of its errors, a signal, and a column of the ledger.
    pub dialect: Dialect,
    /// What it asks of a model: a signal, and a column of the ledger.
    pub operation: Operation,
    /// Its path behind the version, as callers name it; and behind an endpoint's URL.
    pub path: &'static str,
    /// Its place in the table.
    row: usize,
    reader: Reader,
    events: Events,
    answers: Answers,
    judged: Judged,
}

/// Reads a body of a surface.
type Reader = fn(&'static Surface, Bytes, &ReadLimits) -> Result<Request, Failure>;

/// What the gateway itself writes into the streams of a surface.
struct Events {
    /// The end of a whole answer.
    done: fn() -> Bytes,
    /// What keeps a silent connection alive.
    keep_alive: fn() -> Bytes,
    /// A backend's event with usage, with the bill added.
    priced: fn(&Bytes, Bill<'_>) -> Bytes,
    /// Usage and bill where the backend told none, behind its last event.
    usage: fn(Option<&Bytes>, Uuid, Counts, Bill<'_>) -> Bytes,
    /// The end of these choices at their bound, behind the backend's last event.
    length: fn(&[u8], &[u32]) -> Bytes,
}

/// How an engine's answers by a surface are read, and written where the engine speaks another dialect.
struct Answers {
    /// A whole one.
    plain: fn(&Bytes) -> Result<Plain, Invalid>,
    /// What the data of an event holds, and whether the stream ends with it.
    look: Looks,
    /// Whether this event is kept for the closing, of what it is and whether none is kept yet.
    keeps: fn(&What, bool) -> bool,
    /// What a whole stream ends with, of the event that was kept, and whether the engine has ended it.
    closing: fn(Option<Bytes>, bool) -> Bytes,
    /// What writes such a stream from chat completions.
    encoder: Option<fn(&Request, AnswerLabel) -> Encoder>,
    /// Writes a whole one from what a chat completion says; nothing where it is one.
    whole: Whole,
}

/// Looks at the data of an event, where so much is known to be used by now.
type Looks = fn(&[u8], &mut Pattern, Option<Counts>) -> Result<(Look, bool), JsonError>;

/// Writes a whole answer from what a chat completion says.
type Whole =
    fn(&Request, &AnswerLabel, (&[Delta<'_>], Counts)) -> Result<Option<Vec<u8>>, &'static str>;

/// How answers of a surface are read by those who judge them when they are over.
struct Judged {
    /// The form that a body asks its answer to have.
    format: fn(&Bytes) -> Option<AnswerFormat>,
    /// What an answer said, streamed or not.
    transcript: fn(bool, &[u8]) -> Option<Transcript>,
    /// Whether a whole answer, streamed or not, ended by itself.
    own_end: fn(bool, &[u8]) -> bool,
}

impl Surface {
    /// How many there are.
    pub const COUNT: usize = 6;

    /// What a caller calls the texts of a request for this.
    #[must_use]
    pub const fn content(operation: Operation) -> &'static str {
        match operation {
            Operation::Chat => "messages",
            Operation::TextCompletion => "prompt",
            Operation::Embeddings => "input",
            Operation::Rerank => "documents",
        }
    }

    /// The names by which its engines are told a bound that is to stand under these: what writes no text has
    /// none, and of text alone the older name is all that there is.
    #[must_use]
    pub fn bounds(&self, told_as: BoundNames) -> BoundNames {
        match self.operation {
            Operation::Chat => told_as,
            Operation::TextCompletion if told_as.any() => BoundNames::MAX_TOKENS,
            _ => BoundNames::default(),
        }
    }

    /// Every surface.
    #[must_use]
    pub fn all() -> &'static [Self; Self::COUNT] {
        &TABLE
    }

    /// The first of the table: an error takes its form where the path names no surface.
    #[must_use]
    pub fn first() -> &'static Self {
        let [first, ..] = &TABLE;
        first
    }

    /// The headers of a caller that engines of this dialect read.
    #[must_use]
    pub fn headers(&self) -> &'static [HeaderName] {
        static ANTHROPIC: [HeaderName; 2] = [
            HeaderName::from_static("anthropic-version"),
            HeaderName::from_static("anthropic-beta"),
        ];
        match self.dialect {
            Dialect::Anthropic => &ANTHROPIC,
            Dialect::OpenAi | Dialect::Responses => &[],
        }
    }

    /// The first surface of a dialect: an error takes its form where the path names none.
    #[must_use]
    pub fn of(dialect: Dialect) -> &'static Self {
        TABLE.iter().find(|it| it.dialect == dialect).unwrap_or_else(Self::first)
    }

    /// The surface at a path of a request.
    #[must_use]
    pub fn at(path: &str) -> Option<&'static Self> {
        let path = behind_version(path);
        TABLE.iter().find(|it| it.path == path)
    }

    /// This surface's own of what there is one of for each.
    #[must_use]
    pub fn own<'a, T>(&self, each: &'a [T; Self::COUNT]) -> &'a T {
        let [first, ..] = each;
        each.get(self.row).unwrap_or(first)
    }

    /// Reads a body.
    pub(super) fn read(
        &'static self,
        body: Bytes,
        limits: &ReadLimits,
    ) -> Result<Request, Failure> {
        (self.reader)(self, body, limits)
    }

    /// The form that a body asks its answer to have.
    pub(super) fn format(&self, body: &Bytes) -> Option<AnswerFormat> {
        (self.judged.format)(body)
    }

    /// What an answer said, streamed or not.
    pub(super) fn transcript(&self, streamed: bool, answer: &[u8]) -> Option<Transcript> {
        (self.judged.transcript)(streamed, answer)
    }

    /// Whether a whole answer, streamed or not, ended because the model had no more to say.
    #[must_use]
    pub fn own_end(&self, streamed: bool, answer: &[u8]) -> bool {
        (self.judged.own_end)(streamed, answer)
    }

    /// The body of a failed reply.
    #[must_use]
    pub fn error_body(&self, failure: &Failure) -> Bytes {
        errors::error_body(self.dialect, failure)
    }

    /// The last event of a stream that broke after its first content.
    #[must_use]
    pub fn error_event(&self, failure: &Failure) -> Bytes {
        errors::error_event(self.dialect, failure)
    }

    /// Reads a whole answer of an engine that was asked by it.
    ///
    /// # Errors
    /// What it is if it is no answer.
    pub fn plain(&self, answer: &Bytes) -> Result<Plain, Invalid> {
        (self.answers.plain)(answer)
    }

    /// What the data of an event of such an engine holds, where so much is known to be used by now, and
    /// whether the stream ends with it.
    pub(super) fn look(
        &self,
        data: &[u8],
        pattern: &mut Pattern,
        known: Option<Counts>,
    ) -> Result<(Look, bool), JsonError> {
        (self.answers.look)(data, pattern, known)
    }

    /// Whether an event is kept for the closing.
    pub(super) fn keeps(&self, what: &What, first: bool) -> bool {
        (self.answers.keeps)(what, first)
    }

    /// What a whole stream of such an engine ends with.
    pub(super) fn closing(&self, kept: Option<Bytes>, ended: bool) -> Bytes {
        (self.answers.closing)(kept, ended)
    }

    /// The writer of the streamed answer to a request from chat completions.
    pub(super) fn encoder(&self, request: &Request, label: AnswerLabel) -> Option<Encoder> {
        self.answers.encoder.map(|make| make(request, label))
    }

    /// A whole answer to a request, written from what a chat completion says; nothing where it is one.
    pub(super) fn whole(
        &self,
        request: &Request,
        label: &AnswerLabel,
        said: (&[Delta<'_>], Counts),
    ) -> Result<Option<Vec<u8>>, &'static str> {
        (self.answers.whole)(request, label, said)
    }

    /// The same, with so many vectors where vectors were asked for.
    ///
    /// # Errors
    /// What it is if it is no answer, or one to another request.
    pub fn plain_with(&self, answer: &Bytes, vectors: Option<u32>) -> Result<Plain, Invalid> {
        vectors.map_or_else(|| self.plain(answer), |asked| vectors::embeddings(answer, asked))
    }

    /// Whether what is said by it is messages, in which a model's reasoning has a field.
    #[must_use]
    pub fn has_messages(&self) -> bool {
        self.operation == Operation::Chat
    }

    /// What keeps a silent connection alive.
    #[must_use]
    pub fn keep_alive(&self) -> Bytes {
        (self.events.keep_alive)()
    }

    /// The end of a stream that is whole.
    #[must_use]
    pub fn done_event(&self) -> Bytes {
        (self.events.done)()
    }

    /// An event of a backend that holds usage, with the bill in it.
    #[must_use]
    pub fn priced(&self, event: &Bytes, bill: Bill<'_>) -> Bytes {
        (self.events.priced)(event, bill)
    }

    /// The usage with the bill for a caller who asked for it, where the backend sent none: called as the last
    /// event of the stream is, or by our id of the request.
    #[must_use]
    pub fn usage_event(
        &self,
        last: Option<&Bytes>,
        id: Uuid,
        counts: Counts,
        bill: Bill<'_>,
    ) -> Bytes {
        (self.events.usage)(last, id, counts, bill)
    }

    /// The end of choices that passed their bound, called as the backend's last event is.
    #[must_use]
    pub fn length_event(&self, like: &[u8], choices: &[u32]) -> Bytes {
        (self.events.length)(like, choices)
    }
}

impl fmt::Debug for Surface {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.path)
    }
}

/// A path of the callers' API without its version and without a slash at its end, both of which may be there
/// or not.
#[must_use]
pub fn behind_version(path: &str) -> &str {
    let path = path.strip_suffix('/').unwrap_or(path);
    match path.strip_prefix("/v1") {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_knows_its_place_and_is_found_by_its_path() {
        let places = std::array::from_fn(|row| row);
        for (row, surface) in Surface::all().iter().enumerate() {
            assert_eq!((surface.row, *surface.own(&places)), (row, row));
            let path = surface.path;
            let spelled = [path.to_owned(), format!("/v1{path}"), format!("/v1{path}/")];
            for path in &spelled {
                let found = Surface::at(path).unwrap();
                assert!(std::ptr::eq(found, surface), "{path}");
            }
            for path in [format!("/v1/v1{path}"), format!("{path}//"), format!("/v1x{path}")] {
                assert!(Surface::at(&path).is_none(), "{path}");
            }
        }
        assert!(["", "/", "/v1", "/v1/"].into_iter().all(|path| Surface::at(path).is_none()));
    }

    #[test]
    fn what_it_writes_is_in_its_dialect() {
        for surface in Surface::all() {
            let failure = Failure::invalid("invalid_json", "x");
            let body = errors::error_body(surface.dialect, &failure);
            assert_eq!(surface.error_body(&failure), body);
            let event = surface.error_event(&failure);
            let members = body.strip_prefix(b"{").unwrap();
            assert!(event.windows(members.len()).any(|part| part == members));
        }
    }
}
