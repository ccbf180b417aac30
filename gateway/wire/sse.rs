//! A backend's event stream, passed through: cut into events at their blank lines, byte for byte as
//! they came, each looked at only for content, usage, finish and error. No input or output of its
//! own.
//!
//! Any split of the bytes gives the same events. Where one lies within one chunk it is a slice of
//! that chunk; only an event that was cut is put together in a buffer of bounded size.

mod bound;
mod seen;

use bytes::Bytes;
use policies::{Counts, facts::Tokens};
use smallvec::SmallVec;

pub use self::bound::{StreamFault, StreamLimits};
pub(super) use self::bound::{completion_length_event, length_event};
use self::seen::Seen;
pub use super::event::{Event, What};
use super::{
    AnswerLabel, Request, Surface,
    chunk::{Look, Pattern},
    encoder::Encoder,
    frame::{Fields, Framer, fields, only_data},
    json::Json,
    reasoning::Form,
    said::Said,
    scan::{JsonError, Shape},
};
use crate::config::ReasoningField;

/// How a stream stood when the backend closed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// `[DONE]` came.
    pub done: bool,
    /// Every choice that was asked for or seen had a `finish_reason`.
    pub finished: bool,
    /// Half an event was left over.
    pub partial: bool,
}

impl End {
    /// Whether the answer is whole.
    #[must_use]
    pub const fn real(self) -> bool {
        self.done || self.finished
    }
}

/// Decoder of an engine's stream, and writer of what the caller gets of it.
#[derive(Debug)]
pub struct Stream {
    limits: StreamLimits,
    withhold_usage: bool,
    framer: Framer,
    /// The begin of an event that is not whole yet.
    pending: Vec<u8>,
    /// Joined `data` lines of an event that has several.
    joined: Vec<u8>,
    pattern: Pattern,
    started: bool,
    done: bool,
    /// What it has shown so far.
    seen: Seen,
    /// The last event that ends a choice.
    last: Option<Bytes>,
    /// The most output of all choices.
    most: Tokens,
    /// More than that came.
    passed: bool,
    /// Where reasoning goes, if not where it is.
    form: Option<Box<Form>>,
    /// The surface by which its engine was asked.
    spoken: &'static Surface,
    /// The writer of the answer in the caller's dialect, if that is another.
    encoder: Option<Encoder>,
    /// The engine's own last event, in dialects that have one with a name; by Responses its first one until
    /// then.
    closing: Option<Bytes>,
}

impl Stream {
    /// A decoder at the start of a stream. With `withhold_usage` events that hold nothing but usage
    /// are read and not handed out.
    #[must_use]
    pub fn new(limits: StreamLimits, withhold_usage: bool) -> Self {
        Self {
            limits,
            withhold_usage,
            framer: Framer::default(),
            pending: Vec::new(),
            joined: Vec::new(),
            pattern: Pattern::default(),
            started: false,
            done: false,
            seen: Seen::nothing(),
            last: None,
            most: Tokens(u32::MAX),
            passed: false,
            form: None,
            spoken: Surface::first(),
            encoder: None,
            closing: None,
        }
    }

    /// The same, of the answer to this request, by an engine that was asked by this surface.
    #[must_use]
    pub fn answering(
        mut self,
        request: &Request,
        spoken: &'static Surface,
        label: AnswerLabel,
    ) -> Self {
        self.spoken = spoken;
        if !std::ptr::eq(spoken, request.surface()) {
            self.encoder = request.surface().encoder(request, spoken, label);
        }
        self
    }

    /// What a whole stream ends with.
    pub fn closing(&mut self) -> Bytes {
        let counted = || Counts { output: self.counted_output().0, ..Counts::default() };
        let counts = self.reported().unwrap_or_else(counted);
        match &mut self.encoder {
            Some(encoder) => encoder.end(counts),
            None => self.spoken.closing(self.closing.take(), self.done),
        }
    }

    /// Ends the answer at its bound; whether that is said at its closing.
    pub fn ends_at_length(&mut self) -> bool {
        self.encoder.as_mut().is_some_and(Encoder::at_length)
    }

    /// The same, of so many choices.
    #[must_use]
    pub fn of(mut self, choices: u8) -> Self {
        self.seen.choices = choices;
        self
    }

    /// The same, with so much output of all choices together: what surely is more is not handed out, and
    /// nothing after it, unless it ends the answer.
    #[must_use]
    pub fn at_most(mut self, tokens: Tokens) -> Self {
        self.most = tokens;
        self
    }

    /// Whether more came than [`Stream::at_most`] allows.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.passed
    }

    /// The choices that were asked for or seen and have not come to their end, by their index.
    pub fn unfinished(&self) -> impl Iterator<Item = u32> {
        let open = self.seen.open();
        (0..64).filter(move |index| open >> index & 1 == 1)
    }

    /// The same, with reasoning in this field. With `holds`, a text that begins without a tag is held
    /// back, 64 KiB of it at most, for one that only closes: all before it is reasoning.
    #[must_use]
    pub fn reasoning_in(mut self, field: Option<ReasoningField>, holds: bool) -> Self {
        self.form = field.map(|field| Box::new(Form::new(field, holds)));
        self
    }

    /// Whether the next stream of the same engine should hold its text back, if this one has told.
    #[must_use]
    pub fn lesson(&self) -> Option<bool> {
        self.form.as_ref().and_then(|form| form.lesson())
    }

    /// The event for text that is held back where nothing more comes.
    pub fn rest(&mut self) -> Option<Bytes> {
        let bytes = self.form.as_mut().and_then(|form| form.rest())?;
        let encoder = self.encoder.as_mut().filter(|it| !it.is_chat());
        let Some(encoder) = encoder else { return Some(bytes) };
        Some(encoder.event(Event { bytes, what: What::Content, usage: false }).bytes)
    }

    /// Takes the next bytes and appends the events they complete. After `[DONE]` all is ignored.
    ///
    /// # Errors
    /// An event is too large; the events before it are in `out`.
    pub fn push(
        &mut self,
        chunk: Bytes,
        out: &mut SmallVec<[Event; 8]>,
    ) -> Result<(), StreamFault> {
        let mut rest = chunk;
        while !self.done && !self.passed && !rest.is_empty() {
            let Some(length) = self.framer.end_of_event(&rest) else {
                self.pending.extend_from_slice(&rest);
                return self.fits(self.pending.len());
            };
            self.fits(self.pending.len() + length)?;
            // The usual chunk is one event: it is handed on without another count of its owners.
            let piece = if length == rest.len() {
                std::mem::take(&mut rest)
            } else {
                rest.split_to(length)
            };
            let event = if self.pending.is_empty() {
                piece
            } else {
                self.pending.extend_from_slice(&piece);
                Bytes::from(std::mem::take(&mut self.pending))
            };
            self.event(event, out);
        }
        Ok(())
    }

    /// The backend has closed the stream: appends what its last bytes complete.
    ///
    /// A last event without its blank line counts if its data is whole JSON or `[DONE]`; it gets
    /// the blank line. Anything less is dropped.
    ///
    /// # Errors
    /// None today; kept beside [`Stream::push`].
    pub fn finish(&mut self, out: &mut SmallVec<[Event; 8]>) -> Result<End, StreamFault> {
        let mut partial = false;
        if !self.pending.is_empty() && !self.done && !self.passed {
            let mut event = std::mem::take(&mut self.pending);
            if !self.framer.at_event_end() {
                partial = !self.is_whole(&event);
                event.extend_from_slice(self.framer.missing());
            }
            if !partial {
                self.event(Bytes::from(event), out);
            }
        }
        Ok(End { done: self.done, finished: self.finished(), partial })
    }

    /// Whether every choice that was asked for or seen has come to its end.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.seen.all_finished()
    }

    /// The last event that ended a choice without content, if usage is not withheld.
    #[must_use]
    pub fn last(&self) -> Option<&Bytes> {
        self.last.as_ref()
    }

    /// What the backend reported so far, if it can be true: running reports replace each other as
    /// they grow. A report of no output where content came is not true.
    #[must_use]
    pub fn reported(&self) -> Option<Counts> {
        self.seen.believed()
    }

    /// Whether it came to nothing if it ends here: no content, no output that was used, and no reason why.
    #[must_use]
    pub fn silent(&self) -> bool {
        self.seen.silent()
    }

    /// Whether a choice has ended.
    #[must_use]
    pub fn finishes(&self) -> bool {
        self.seen.finished != 0
    }

    /// Output counted so far: one token for each content event or four bytes, whichever is more.
    #[must_use]
    pub fn counted_output(&self) -> Tokens {
        self.seen.counted()
    }

    /// Whether `[DONE]` came.
    #[must_use]
    pub fn done(&self) -> bool {
        self.done
    }

    /// Bytes of the begin of an event that wait for its end, or of its joined data, if that is more.
    pub(super) fn held(&self) -> usize {
        self.pending.len().max(self.joined.len())
    }

    fn fits(&self, length: usize) -> Result<(), StreamFault> {
        if length > self.limits.event_bytes_max { Err(StreamFault::EventTooLarge) } else { Ok(()) }
    }

    fn event(&mut self, bytes: Bytes, out: &mut SmallVec<[Event; 8]>) {
        let before = (self.seen.contents, self.seen.content_bytes, self.seen.finished);
        let what = self.what(&bytes);
        self.started = true;
        if what == What::Content && !bound::within(self, before) {
            return;
        }
        if self.withhold_usage && what == What::Usage {
            return;
        }
        if self.spoken.keeps(&what, self.closing.is_none()) {
            self.closing = Some(bytes.clone());
        }
        let usage = std::mem::take(&mut self.seen.ends_with_usage);
        let mut event = Event { bytes, what, usage };
        let mut encoder = self.encoder.as_mut();
        if let Some(encoder) = encoder.take_if(|it| it.is_chat()) {
            event = encoder.event(event);
        }
        if event.what == What::Finish && !self.withhold_usage {
            self.last = Some(event.bytes.clone());
        }
        let from = out.len();
        match &mut self.form {
            None => out.push(event),
            Some(form) => form.event(event, self.seen.seen, out),
        }
        if let Some(encoder) = encoder {
            for event in out.iter_mut().skip(from) {
                let none = Event { bytes: Bytes::new(), what: What::Comment, usage: false };
                *event = encoder.event(std::mem::replace(event, none));
            }
        }
    }

    fn what(&mut self, event: &[u8]) -> What {
        let event = self.without_mark(event);
        if self.framer.is_one_line()
            && let Some(data) = only_data(event)
        {
            return self.data(data, false);
        }
        let mut joined = std::mem::take(&mut self.joined);
        joined.clear();
        let fields = fields(event, &mut joined);
        let what = match fields {
            Fields { data: false, .. } | Fields { ping: true, .. } => What::Comment,
            Fields { error, .. } => self.data(&joined, error),
        };
        self.joined = joined;
        what
    }

    /// The first event without the byte order mark that may stand before it.
    fn without_mark<'e>(&self, event: &'e [u8]) -> &'e [u8] {
        if self.started { event } else { event.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(event) }
    }

    fn data(&mut self, data: &[u8], error: bool) -> What {
        let data = data.trim_ascii_start();
        if data.is_empty() {
            return What::Comment; // some backends keep a connection alive so
        }
        if data.starts_with(b"[DONE]") {
            self.done = true;
            return What::Done;
        }
        match self.look(data) {
            Ok(look) if look.error || error => What::Error(Said::text(data)),
            Ok(look) => {
                let what = self.seen.note(&look);
                if self.done {
                    return What::Done;
                }
                // Of several choices the others go on.
                if self.seen.all_failed(&look) { What::Error(Said::text(data)) } else { what }
            }
            Err(_) if error => What::Error(Said::text(data)),
            Err(_) => What::Error("the backend sent an event that is not JSON".into()),
        }
    }

    /// Looks at the data of an event in the engine's dialect.
    fn look(&mut self, data: &[u8]) -> Result<Look, JsonError> {
        let (look, done) = self.spoken.look(data, &mut self.pattern, self.seen.reported)?;
        self.done |= done;
        Ok(look)
    }

    /// Whether an event that lacks its blank line has whole data nevertheless.
    fn is_whole(&self, event: &[u8]) -> bool {
        let mut joined = Vec::new();
        let fields = fields(self.without_mark(event), &mut joined);
        let done = joined.trim_ascii() == b"[DONE]";
        fields.data
            && (done || Json::whole(joined.trim_ascii()).is_ok_and(|it| it.shape == Shape::Object))
    }
}

#[cfg(test)]
mod tests;
