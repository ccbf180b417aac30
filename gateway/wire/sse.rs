//! Server-sent events of a backend: bytes in, whole events out, without IO.
//!
//! Events keep their own bytes, so that the caller sees what the backend sent. However the bytes are
//! cut on their way, the events are the same. What is looked at is content, usage, errors and the end.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use policies::{Counts, facts::Tokens};
use smallvec::SmallVec;

use super::chunk;

/// What a stream may cost.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// The largest event.
    pub event_bytes_max: usize,
}

/// Why a stream cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFault {
    /// An event is over the limit.
    TooLarge,
    /// An event's data is no JSON.
    NotJson,
}

/// One event, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its bytes, the blank line that ends it included.
    pub bytes: Bytes,
    /// What it shows.
    pub what: What,
}

/// What an event shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Text, a tool call or reasoning.
    Content,
    /// Nothing yet: a role, a heartbeat of the engine's own, an unknown event.
    Other,
    /// A choice has ended, without new content.
    Finish,
    /// Usage and nothing else.
    Usage,
    /// An error: its message.
    Error(Box<str>),
    /// `[DONE]`.
    Done,
    /// A comment, or nothing at all: no sign of life.
    Comment,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Whether the backend had said that it was done, or that its choices had ended.
    pub real: bool,
}

/// The decoder of one stream.
#[derive(Debug)]
pub struct Stream {
    limits: StreamLimits,
    /// What has come of an event that is not whole.
    carry: BytesMut,
    /// How far `carry` was looked through.
    cut: Cut,
    begun: bool,
    done: bool,
    finished: bool,
    reported: Option<Counts>,
    content_events: u32,
    content_bytes: usize,
}

/// Events that became whole.
type Events = SmallVec<[Event; 8]>;

impl Stream {
    /// A decoder at the beginning of a stream.
    #[must_use]
    pub fn new(limits: StreamLimits) -> Self {
        Self {
            limits,
            carry: BytesMut::new(),
            cut: Cut::default(),
            begun: false,
            done: false,
            finished: false,
            reported: None,
            content_events: 0,
            content_bytes: 0,
        }
    }

    /// Takes the next bytes, and hands out the events that became whole with them. What follows
    /// `[DONE]` is not handed out.
    ///
    /// # Errors
    /// When an event is too large or no JSON; the stream is over then.
    pub fn push(&mut self, mut chunk: Bytes, out: &mut Events) -> Result<(), StreamFault> {
        if !self.carry.is_empty() {
            self.carry.extend_from_slice(&chunk);
            while let Some(end) = self.cut.next(&self.carry) {
                let event = self.carry.split_to(end).freeze();
                self.event(event, out)?;
            }
            return self.bounded(self.carry.len());
        }
        while let Some(end) = self.cut.next(&chunk) {
            let event = chunk.split_to(end);
            self.event(event, out)?;
        }
        self.bounded(chunk.len())?;
        self.carry.extend_from_slice(&chunk);
        Ok(())
    }

    fn bounded(&self, length: usize) -> Result<(), StreamFault> {
        if length > self.limits.event_bytes_max { Err(StreamFault::TooLarge) } else { Ok(()) }
    }

    /// The bytes have ended. An event whose blank line is missing counts if it is whole otherwise.
    ///
    /// # Errors
    /// As for [`Self::push`].
    pub fn finish(&mut self, out: &mut Events) -> Result<End, StreamFault> {
        let rest = std::mem::take(&mut self.carry).freeze();
        if data(&rest).as_deref() == Some(b"[DONE]") {
            self.event(rest, out)?;
        }
        Ok(End { real: self.done || self.finished })
    }

    /// What the backend reported last, if it can be true.
    #[must_use]
    pub fn reported(&self) -> Option<Counts> {
        self.reported
    }

    /// Our own count of the output: engines send about a token an event, and a token is about four
    /// bytes; the larger of both.
    #[must_use]
    pub fn counted_output(&self) -> Tokens {
        let by_bytes = u32::try_from(self.content_bytes.div_ceil(4)).unwrap_or(u32::MAX);
        Tokens(self.content_events.max(by_bytes))
    }

    fn event(&mut self, mut bytes: Bytes, out: &mut Events) -> Result<(), StreamFault> {
        if !std::mem::replace(&mut self.begun, true) && bytes.starts_with(b"\xEF\xBB\xBF") {
            bytes = bytes.slice(3..);
        }
        if self.done || bytes.is_empty() {
            return Ok(());
        }
        self.bounded(bytes.len())?;
        let what = self.what(&bytes)?;
        out.push(Event { bytes, what });
        Ok(())
    }

    fn what(&mut self, event: &[u8]) -> Result<What, StreamFault> {
        let Some(data) = data(event) else { return Ok(What::Comment) };
        let json = data.trim_ascii();
        if json.starts_with(b"[DONE]") {
            self.done = true;
            return Ok(What::Done);
        }
        if json.is_empty() {
            return Ok(What::Comment);
        }
        let seen = chunk::look(json).map_err(|_| StreamFault::NotJson)?;
        if let Some(error) = seen.error {
            return Ok(What::Error(error));
        }
        self.reported = seen.usage.or(self.reported);
        self.finished |= seen.finished;
        if seen.content > 0 {
            self.content_events = self.content_events.saturating_add(1);
            self.content_bytes += seen.content;
            return Ok(What::Content);
        }
        Ok(match (seen.choices, seen.has_usage) {
            _ if seen.finished => What::Finish,
            (None | Some(0), true) => What::Usage,
            _ => What::Other,
        })
    }
}

/// The data of an event: of its `data` lines, joined by newlines. `None` if it has none.
fn data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut data: Option<Cow<'_, [u8]>> = None;
    for line in lines(event) {
        let Some(rest) = line.strip_prefix(b"data") else { continue };
        let value = match rest.strip_prefix(b":") {
            Some(value) => value.strip_prefix(b" ").unwrap_or(value),
            None if rest.is_empty() => rest,
            None => continue,
        };
        match &mut data {
            None => data = Some(Cow::Borrowed(value)),
            Some(data) => {
                data.to_mut().push(b'\n');
                data.to_mut().extend_from_slice(value);
            }
        }
    }
    data
}

/// Lines ended by LF, CRLF or CR. A CRLF shows as a line and an empty one, which says nothing.
fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    event.split(|b| matches!(b, b'\n' | b'\r'))
}

/// Finds where events end: past a blank line. It remembers how far it looked, so that an event that
/// comes in many pieces is looked through once.
#[derive(Clone, Copy, Debug, Default)]
struct Cut {
    /// Up to here no line ended that is not accounted for.
    at: usize,
    /// Where the line at hand begins.
    line: usize,
}

impl Cut {
    /// The end of the first event in `bytes`, which begin where the last event ended.
    fn next(&mut self, bytes: &[u8]) -> Option<usize> {
        loop {
            let rest = bytes.get(self.at..)?;
            let found = memchr::memchr2(b'\n', b'\r', rest);
            let Some(end) = found.map(|found| self.at + found) else {
                self.at = bytes.len();
                return None;
            };
            let past = match (bytes.get(end), bytes.get(end + 1)) {
                (Some(b'\r'), Some(b'\n')) => end + 2,
                // It may be half a CRLF: the next byte tells.
                (Some(b'\r'), None) => {
                    self.at = end;
                    return None;
                }
                _ => end + 1,
            };
            let blank = end == self.line;
            (self.at, self.line) = (past, past);
            if blank {
                *self = Self::default();
                return Some(past);
            }
        }
    }
}
