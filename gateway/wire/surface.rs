//! The surfaces that are served: one row for each API by which callers ask models for something.
//!
//! A row says all that depends on it: the path it stands at, here and at engines; how its requests are read;
//! what the gateway itself writes into its answers. Another surface is another row, with its reader and its
//! events: the edge, the signals, dispatch, the answer and the ledger go by the row.

mod parts;
mod table;

use std::fmt;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use policies::{
    Counts,
    facts::{Dialect, Operation},
};
use serde_json::Value;
use uuid::Uuid;

pub(super) use self::parts::Asks;
pub use self::parts::Count;
use self::{
    parts::{Answers, Described, Events, Judged, Reader, SECOND},
    table::TABLE,
};
use super::{
    AnswerFormat, AnswerLabel, Bill, Invalid, Plain, Purpose, ReadLimits, Request, Transcript,
    What,
    chunk::{Look, Pattern},
    delta::{Delta, Deltas},
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
    /// How the tokens of its requests are counted, where they are.
    pub count: Option<Count>,
    /// Its place in the table.
    row: usize,
    reader: Reader,
    /// How an engine that speaks nothing else is asked by it for callers of other dialects.
    asks: Option<Asks>,
    described: Described,
    events: Events,
    answers: Answers,
    judged: Judged,
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

    /// The header without which engines of this dialect do not answer, as it is where a caller has sent none.
    #[must_use]
    pub fn version(&self) -> Option<(HeaderName, HeaderValue)> {
        let name = self.headers().first()?.clone();
        Some((name, HeaderValue::from_static("2023-06-01")))
    }

    /// The first surface of a dialect: an error takes its form where the path names none.
    #[must_use]
    pub fn of(dialect: Dialect) -> &'static Self {
        TABLE.iter().find(|it| it.dialect == dialect).unwrap_or_else(Self::first)
    }

    /// The surface by which an engine of these dialects is asked what came in by this one: by this one
    /// itself where it speaks it and nothing is changed in what is asked, else by chat completions, and else
    /// by a dialect in which these can be said.
    #[must_use]
    pub fn spoken(&'static self, dialects: &[Dialect], changed: bool) -> &'static Self {
        let speaks = |dialect: &Dialect| dialects.contains(dialect);
        if self.operation != Operation::Chat || speaks(&self.dialect) && !changed {
            return self;
        }
        let asked = TABLE.iter().find(|it| it.asks.is_some() && speaks(&it.dialect));
        match asked.filter(|_| !speaks(&Dialect::OpenAi)) {
            Some(asked) => asked,
            None => Self::first(),
        }
    }

    /// Whether engines of these dialects can be asked by each surface for chat completions.
    #[must_use]
    pub fn all_chat(dialects: &[Dialect]) -> bool {
        dialects.contains(&Self::first().dialect)
    }

    /// What writes a chat completion anew where an engine is asked by this surface for a caller of another;
    /// nothing where it is asked as it is.
    pub(super) fn asks(&self) -> Option<&Asks> {
        self.asks.as_ref()
    }

    /// The surface at a path of a request.
    #[must_use]
    pub fn at(path: &str) -> Option<&'static Self> {
        let second = || path.strip_suffix('/').unwrap_or(path).strip_prefix("/v2");
        let second = || second().filter(|it| SECOND.contains(it));
        Self::behind(behind_version(path)).or_else(|| Self::behind(second()?))
    }

    /// The surface at a path behind the version.
    #[must_use]
    pub fn behind(path: &str) -> Option<&'static Self> {
        TABLE.iter().find(|it| it.path == path)
    }

    /// The surface whose requests are counted at a path.
    #[must_use]
    pub fn counted_at(path: &str) -> Option<&'static Self> {
        let path = behind_version(path);
        TABLE.iter().find(|it| it.count.as_ref().is_some_and(|it| it.path == path))
    }

    /// This surface's own of what there is one of for each.
    #[must_use]
    pub fn own<'a, T>(&self, each: &'a [T; Self::COUNT]) -> &'a T {
        let [first, ..] = each;
        each.get(self.row).unwrap_or(first)
    }

    /// Whether an answer by it may be a stream.
    #[must_use]
    pub const fn streams(&self) -> bool {
        matches!(self.operation, Operation::Chat | Operation::TextCompletion)
    }

    /// What its bodies may be, as a JSON Schema.
    #[must_use]
    pub fn body(&self) -> Value {
        (self.described.body)()
    }

    /// What its whole answers are, as a JSON Schema.
    #[must_use]
    pub fn answer(&self) -> Value {
        (self.described.answer)()
    }

    /// Reads a body.
    pub(super) fn read(
        &'static self,
        body: Bytes,
        limits: &ReadLimits,
        purpose: Purpose,
    ) -> Result<Request, Failure> {
        (self.reader)(self, body, limits, purpose)
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

    /// What an answer of such an engine says, or an event of one.
    pub(super) fn deltas(&self) -> Deltas {
        self.answers.deltas
    }

    /// The writer of the streamed answer to a request from that of an engine that was asked by another
    /// surface.
    pub(super) fn encoder(
        &self,
        request: &Request,
        spoken: &Self,
        label: AnswerLabel,
    ) -> Option<Encoder> {
        let writer = self.answers.writer?;
        Some(Encoder::new(writer(request, label), spoken.deltas()))
    }

    /// A whole answer to a request, written from what another dialect's says; nothing where there is none.
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

impl PartialEq for Surface {
    fn eq(&self, other: &Self) -> bool {
        self.row == other.row
    }
}

impl Eq for Surface {}

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
        assert_eq!(Surface::at("/v2/rerank"), Surface::at("/v1/rerank"));
        assert_eq!(Surface::at("/v2/rerank/"), Surface::at("/v1/rerank"));
        assert!(Surface::at("/v2/chat/completions").is_none());
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
