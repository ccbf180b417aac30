//! What an answer said, put together from the pieces in which it went to a caller.
//!
//! It is for those who judge answers when they are over: nothing of it is on a request's way. Strings are
//! joined as they are written and unescaped once at the end, so that a character whose halves came in two
//! events is whole.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;

use super::{
    Surface,
    escape::{quoted, unescape},
    finish::Finish,
    frame::{Framer, fields, only_data},
    scan::{JsonError, Scanner, Shape},
};

/// What an answer said, of its first choice (that of index 0) alone: what other choices said is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transcript {
    /// The text for the caller; neither reasoning nor the text of a refusal is in it.
    pub(crate) text: String,
    /// The tools that the model calls, in the order of their indices.
    pub(crate) calls: Vec<ToolCall>,
    /// The answer calls itself a refusal: its member `refusal` has text, or it ended by a filter.
    pub(crate) refusal: bool,
    /// It said why it ended: it was not cut.
    pub(crate) finished: bool,
    /// It ended because it was as long as it may be.
    pub(crate) at_length: bool,
}

/// A call of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ToolCall {
    /// The name of the tool.
    pub(crate) name: String,
    /// The arguments as the model wrote them: JSON, if it was right.
    pub(crate) arguments: String,
}

/// Puts together what an answer of this surface said, from its pieces as they were forwarded: those of a
/// stream, cut anywhere, or those of one body. A stream that was cut gives what it said until then.
///
/// `None` where the pieces are no answer: neither a stream of chunks nor a body, or without a first choice.
pub(crate) fn transcript(
    surface: &Surface,
    streamed: bool,
    pieces: &[Bytes],
) -> Option<Transcript> {
    let answer = match pieces {
        [piece] => Cow::Borrowed(&**piece),
        pieces => Cow::Owned(pieces.concat()),
    };
    surface.transcript(streamed, &answer)
}

/// What each choice of a plain answer said, of so many, as an engine of this surface wrote it. Surfaces that
/// can be asked for several are read as chats.
pub(crate) fn transcripts(surface: &Surface, choices: u8, answer: &[u8]) -> Vec<Transcript> {
    let others = (1..u64::from(choices.max(1))).filter_map(|at| choice(at, false, answer));
    surface.transcript(false, answer).into_iter().chain(others).collect()
}

/// Reads an answer of a chat.
pub(super) fn chat(streamed: bool, answer: &[u8]) -> Option<Transcript> {
    choice(0, streamed, answer)
}

/// Reads one choice of an answer of a chat.
fn choice(wanted: u64, streamed: bool, answer: &[u8]) -> Option<Transcript> {
    let answer = answer.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(answer);
    let mut said = Said { wanted, ..Said::default() };
    if streamed {
        said.stream(answer).ok()?;
    } else {
        said.chunk(answer).ok()?;
    }
    said.seen.then(|| said.transcript())
}

/// How the names of what ended an answer by a filter are written.
const FILTERS: [&[u8]; 4] = [b"content_filter", b"refusal", b"safety", b"sensitive"];
/// How engines say that an answer is as long as it may be.
const LENGTHS: [&[u8]; 4] = [b"length", b"max_tokens", b"max_length", b"MAX_TOKENS"];
/// The place of the one call of the older `function_call`, behind all others.
const OLDER_CALL: u64 = u64::MAX;

/// What has been said so far; strings as they are written, without their quotes.
#[derive(Default)]
struct Said {
    /// The index of the choice that is read.
    wanted: u64,
    seen: bool,
    text: Vec<u8>,
    calls: BTreeMap<u64, Call>,
    refusal: bool,
    finished: bool,
    at_length: bool,
}

#[derive(Default)]
struct Call {
    name: Vec<u8>,
    arguments: Vec<u8>,
}

impl Said {
    fn transcript(self) -> Transcript {
        let text = |raw: Vec<u8>| {
            let mut text = String::new();
            unescape(&raw, &mut text);
            text
        };
        let call = |call: Call| ToolCall { name: text(call.name), arguments: text(call.arguments) };
        Transcript {
            calls: self.calls.into_values().map(call).collect(),
            text: text(self.text),
            refusal: self.refusal,
            finished: self.finished,
            at_length: self.at_length,
        }
    }

    /// Reads the events of a stream until its end; a last one that was cut says nothing.
    fn stream(&mut self, mut rest: &[u8]) -> Result<(), JsonError> {
        let (mut framer, mut joined) = (Framer::default(), Vec::new());
        while !rest.is_empty() {
            let length = framer.end_of_event(rest);
            let (event, after) = rest.split_at(length.unwrap_or(rest.len()).min(rest.len()));
            rest = after;
            let data = match only_data(event) {
                Some(data) if framer.is_one_line() => data,
                _ => {
                    joined.clear();
                    if fields(event, &mut joined).ping {
                        continue;
                    }
                    &joined
                }
            };
            match data.trim_ascii() {
                b"" => {}
                data if data.starts_with(b"[DONE]") => return Ok(()),
                data => match self.chunk(data) {
                    Err(_) if length.is_none() => {}
                    read => read?,
                },
            }
        }
        Ok(())
    }

    /// Reads one chunk of a stream, or the body of a plain answer: an object with choices.
    fn chunk(&mut self, data: &[u8]) -> Result<(), JsonError> {
        let mut scanner = Scanner::lenient(data);
        let shape = scanner.shape()?;
        // Before anything of it is kept: half of a chunk says nothing.
        scanner.skip()?;
        scanner.end()?;
        if shape != Shape::Object {
            return Err(JsonError { what: "no object", at: 0 });
        }
        members(data, |name, scanner| match (name, scanner.shape()?) {
            (b"choices", Shape::Array) => scanner.array(|scanner, position| {
                let (shape, span) = scanner.value()?;
                let choice = span.of(scanner.bytes());
                if shape == Shape::Object && index(choice, position)? == self.wanted {
                    self.seen = true;
                    members(choice, |name, scanner| self.choice(name, scanner))?;
                }
                Ok(())
            }),
            _ => scanner.skip(),
        })
    }

    fn choice(&mut self, name: &[u8], scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        match (name, scanner.shape()?) {
            (b"delta" | b"message", Shape::Object) => {
                scanner.object(|scanner, key| self.message(&key.name(), scanner))
            }
            // Of a completion.
            (b"text", Shape::String) => add(&mut self.text, scanner),
            (b"finish_reason", _) => {
                let (shape, span) = scanner.value()?;
                let value = span.of(scanner.bytes());
                self.finished |= Finish::read(shape, value) != Finish::None;
                let word = value.strip_prefix(b"\"").and_then(|word| word.strip_suffix(b"\""));
                self.at_length |= word.is_some_and(|it| LENGTHS.contains(&it));
                self.refusal |=
                    word.is_some_and(|word| FILTERS.iter().any(|it| word.eq_ignore_ascii_case(it)));
                Ok(())
            }
            _ => scanner.skip(),
        }
    }

    fn message(&mut self, name: &[u8], scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        match (name, scanner.shape()?) {
            (b"content", Shape::String) => add(&mut self.text, scanner),
            (b"content", Shape::Array) => scanner.array(|scanner, _| match scanner.shape()? {
                Shape::Object => scanner.object(|scanner, key| self.part(&key.name(), scanner)),
                Shape::String => add(&mut self.text, scanner),
                _ => scanner.skip(),
            }),
            (b"refusal", Shape::String) => {
                self.refusal |= scanner.string()?.span.len() > 0;
                Ok(())
            }
            (b"tool_calls", Shape::Array) => scanner.array(|scanner, position| {
                let (shape, span) = scanner.value()?;
                let call = span.of(scanner.bytes());
                if shape != Shape::Object {
                    return Ok(());
                }
                let into = self.calls.entry(index(call, position)?).or_default();
                members(call, |name, scanner| match (name, scanner.shape()?) {
                    (b"function" | b"custom", Shape::Object) => into.function(scanner),
                    _ => scanner.skip(),
                })
            }),
            (b"function_call", Shape::Object) => {
                self.calls.entry(OLDER_CALL).or_default().function(scanner)
            }
            _ => scanner.skip(),
        }
    }

    /// A member of a part of a content that is a list.
    fn part(&mut self, name: &[u8], scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        match (name, scanner.shape()?) {
            (b"text", Shape::String) => add(&mut self.text, scanner),
            (b"refusal", Shape::String) => {
                self.refusal |= scanner.string()?.span.len() > 0;
                Ok(())
            }
            _ => scanner.skip(),
        }
    }
}

impl Call {
    fn function(&mut self, scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        scanner.object(|scanner, key| match (&*key.name(), scanner.shape()?) {
            (b"name", Shape::String) => {
                let name = scanner.string()?.span.of(scanner.bytes());
                // Some engines say it again with each piece of the arguments.
                if self.name != name {
                    self.name.extend_from_slice(name);
                }
                Ok(())
            }
            (b"arguments" | b"input", Shape::String) => add(&mut self.arguments, scanner),
            // Some engines send them as they are instead of as text.
            (b"arguments" | b"input", Shape::Object) => {
                let (_, span) = scanner.value()?;
                let text = quoted(&String::from_utf8_lossy(span.of(scanner.bytes())));
                let text = text.as_bytes();
                self.arguments.extend_from_slice(text.get(1..text.len() - 1).unwrap_or_default());
                Ok(())
            }
            _ => scanner.skip(),
        })
    }
}

/// Adds the string that comes next, as it is written.
fn add(to: &mut Vec<u8>, scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
    to.extend_from_slice(scanner.string()?.span.of(scanner.bytes()));
    Ok(())
}

/// Walks the members of an object.
fn members(
    object: &[u8],
    mut each: impl FnMut(&[u8], &mut Scanner<'_>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    let mut scanner = Scanner::lenient(object);
    scanner.shape()?;
    scanner.object(|scanner, key| each(&key.name(), scanner))
}

/// The `index` of an object; where it says none, its place in the list.
fn index(object: &[u8], position: usize) -> Result<u64, JsonError> {
    let mut index = None;
    members(object, |name, scanner| {
        let (_, span) = scanner.value()?;
        if name == b"index" {
            index = std::str::from_utf8(span.of(object)).ok().and_then(|it| it.parse().ok());
        }
        Ok(())
    })?;
    Ok(index.unwrap_or(position as u64))
}

#[cfg(test)]
mod tests;
