//! Reasoning in one normal form: whatever field or tag a backend puts it in, callers get it in the one that
//! the model's configuration names.
//!
//! An answer that is in that form keeps its very bytes; in another, the deltas (or messages) in question are
//! written anew and all around them stays.

use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    chunk::{self, Look, Pattern},
    escape::{quoted, unescape},
    event::{Event, What},
    frame::{fields, only_data},
    scan::{JsonError, Scanner, Shape, Span},
    think_tags::{Parts, Text},
};
use crate::config::ReasoningField;

/// Choices whose text is followed; those beyond pass as they are.
const CHOICES_MAX: usize = 64;

/// Text of a stream that is held back where its engine's template may have opened the tag: some 16,000
/// tokens of thinking.
const HELD_BYTES_MAX: usize = 64 * 1024;
/// By the tag that ends a reasoning.
const CLOSE: &[u8] = b"</think>";

/// The normal form of one answer.
#[derive(Debug)]
pub(super) struct Form {
    field: ReasoningField,
    /// So much of a text that begins without a tag is held back for one that only closes.
    most: usize,
    /// Whether the engine's template opens the tag, as far as this answer has told.
    lesson: Option<bool>,
    choices: SmallVec<[(u64, Text); 1]>,
    /// The choices whose text is beyond any tag, a bit each.
    plain: u64,
}

/// One choice of an answer or of a chunk.
#[derive(Default)]
struct Choice {
    /// Just behind its opening brace.
    open: usize,
    empty: bool,
    index: u64,
    finished: bool,
    delta: Option<Delta>,
}

/// Its `delta` or `message`.
struct Delta {
    span: Span,
    members: Vec<Member>,
}

struct Member {
    name: String,
    shape: Shape,
    value: Span,
}

impl Member {
    /// Neither empty nor `null`.
    fn is_something(&self) -> bool {
        matches!(self.shape, Shape::String | Shape::Array | Shape::Object) && self.value.len() > 2
    }

    /// Its text, if it is one.
    fn text(&self, data: &[u8]) -> Option<String> {
        let inner = (self.shape == Shape::String).then(|| self.value.of(data))?;
        let inner = inner.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let mut text = String::with_capacity(inner.len());
        unescape(inner, &mut text);
        Some(text)
    }
}

impl Form {
    /// For a stream that has not begun; with `holds`, text without a tag waits for the closing one.
    pub(super) fn new(field: ReasoningField, holds: bool) -> Self {
        let most = if holds { HELD_BYTES_MAX } else { 0 };
        Self { field, most, lesson: None, choices: SmallVec::new(), plain: 0 }
    }

    /// Whether the next stream of this engine should hold text back, if this one has told.
    pub(super) fn lesson(&self) -> Option<bool> {
        self.lesson
    }

    /// An event with its reasoning where it belongs.
    pub(super) fn event(&mut self, event: Event, seen: u64, out: &mut SmallVec<[Event; 8]>) {
        if event.what == What::Done {
            let said = |bytes| Event { bytes, what: What::Content, usage: false };
            out.extend(self.rest().map(said));
        }
        if !matches!(event.what, What::Content | What::Other | What::Finish) {
            return out.push(event);
        }
        let mut joined = Vec::new();
        let bytes = event.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&event.bytes);
        let one_line = |data: &&[u8]| memchr::memchr2(b'\n', b'\r', data).is_none();
        let data = only_data(bytes).filter(one_line).unwrap_or_else(|| {
            fields(bytes, &mut joined);
            &joined
        });
        let written = if self.concerns(data, seen) { self.chunk(data) } else { None };
        let Some(mut data) = written else { return out.push(event) };
        // Between values of JSON a line's end is white space, and in a stream the end of its field.
        data.iter_mut().filter(|it| matches!(**it, b'\n' | b'\r')).for_each(|it| *it = b' ');
        let look = chunk::look(&data, &mut Pattern::default()).unwrap_or_default();
        let what = match look {
            // What is held back is a sign of an answer too.
            _ if event.what == What::Content => What::Content,
            Look { contents: 1.., .. } => What::Content,
            Look { finished: 1.., .. } => What::Finish,
            _ => What::Other,
        };
        let bytes = [b"data: ", &*data, b"\n\n"].concat().into();
        out.push(Event { bytes, what, usage: event.usage });
    }

    /// Whether a chunk of these choices can be in another form.
    fn concerns(&mut self, data: &[u8], seen: u64) -> bool {
        if seen & !self.plain == 0 && memchr::memmem::find(data, CLOSE).is_some() {
            // Too late for this stream.
            self.lesson = Some(true);
        }
        seen & !self.plain != 0
            || memchr::memmem::find(data, in_quotes(other(self.field)).as_bytes()).is_some()
    }

    /// A chunk in the normal form; `None` if it is in it.
    fn chunk(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        self.written(data, "delta", false)
    }

    /// A whole answer in the normal form; `None` if it is in it.
    pub(super) fn whole(field: ReasoningField, data: &[u8]) -> Option<Bytes> {
        let mut form = Self { most: usize::MAX, ..Self::new(field, true) };
        form.written(data, "message", true).map(Bytes::from)
    }

    /// The event for what is still held where a stream is done, if anything is.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        let mut said = Vec::new();
        for (index, text) in &mut self.choices {
            let mut parts = Parts::default();
            text.end(&mut parts);
            let mut members = Vec::new();
            add(&mut members, self.field, &parts.reasoning);
            if !parts.content.is_empty() {
                members.push(format!("\"content\":{}", quoted(&parts.content)));
            }
            if !members.is_empty() {
                said.push(format!("{{\"index\":{index},\"delta\":{{{}}}}}", members.join(",")));
            }
        }
        (!said.is_empty()).then(|| {
            let choices = said.join(",");
            format!("data: {{\"object\":\"chat.completion.chunk\",\"choices\":[{choices}]}}\n\n")
                .into()
        })
    }

    fn written(&mut self, data: &[u8], name: &str, whole: bool) -> Option<Vec<u8>> {
        // What cannot be read was judged before; it passes as it is.
        let choices = choices(data, name.as_bytes()).ok()?;
        let mut edits: SmallVec<[(Range<usize>, String); 1]> = SmallVec::new();
        for choice in &choices {
            edits.extend(self.edit(choice, data, (name, whole)));
        }
        if edits.is_empty() {
            return None;
        }
        let (mut out, mut from) = (Vec::with_capacity(data.len() + 64), 0);
        for (range, text) in edits {
            out.extend_from_slice(data.get(from..range.start)?);
            out.extend_from_slice(text.as_bytes());
            from = range.end;
        }
        out.extend_from_slice(data.get(from..)?);
        Some(out)
    }

    /// What has to be written anew of a choice.
    fn edit(
        &mut self,
        choice: &Choice,
        data: &[u8],
        (name, whole): (&str, bool),
    ) -> Option<(Range<usize>, String)> {
        let members = choice.delta.as_ref().map_or(&[][..], |delta| &delta.members);
        let content = members.iter().find(|it| it.name == "content");
        let said = content.and_then(|it| it.text(data));
        let mut parts = Parts::default();
        let names = [self.field.name(), other(self.field).name()];
        if members.iter().any(|it| names.contains(&&*it.name) && it.is_something()) {
            (self.most, self.lesson) = (0, Some(false)); // the engine tells reasoning from text itself
        }
        let most = self.most;
        let text = self.text(choice.index)?;
        if let Some(said) = &said {
            text.push(said, most, &mut parts);
        }
        // What was said before a call stays before it.
        if members.iter().any(|it| it.name == "tool_calls" && it.is_something()) {
            text.release(&mut parts);
        }
        if choice.finished || whole {
            text.end(&mut parts);
        }
        let is_plain = *text == Text::Plain;
        if parts.closed {
            self.lesson = Some(true);
        } else if is_plain && !parts.content.is_empty() {
            self.lesson.get_or_insert(false);
        }
        if is_plain {
            self.plain |= 1 << choice.index.min(63);
        }
        let other = members.iter().any(|it| it.name == other(self.field).name());
        if !other && said.unwrap_or_default() == parts.content && parts.reasoning.is_empty() {
            return None;
        }
        let delta = self.delta(members, parts, data);
        Some(match &choice.delta {
            Some(it) => (it.span.start as usize..it.span.end as usize, delta),
            None => {
                let comma = if choice.empty { "" } else { "," };
                (choice.open..choice.open, format!("\"{name}\":{delta}{comma}"))
            }
        })
    }

    fn text(&mut self, index: u64) -> Option<&mut Text> {
        if let Some(at) = self.choices.iter().position(|(known, _)| *known == index) {
            return self.choices.get_mut(at).map(|(_, text)| text);
        }
        if self.choices.len() >= CHOICES_MAX {
            return None;
        }
        self.choices.push((index, Text::default()));
        self.choices.last_mut().map(|(_, text)| text)
    }

    /// A delta anew: reasoning once, in its field, before the content; all else as it was.
    fn delta(&self, members: &[Member], parts: Parts, data: &[u8]) -> String {
        let names = [self.field.name(), other(self.field).name()];
        let is_reasoning = |it: &&Member| names.contains(&&*it.name);
        // Under both names it is the same text.
        let given = members.iter().filter(is_reasoning).filter_map(|it| it.text(data));
        let given =
            given.fold(String::new(), |known, it| if known.is_empty() { it } else { known });
        let mut out = Vec::with_capacity(members.len() + 1);
        let mut reasoning = Some(given + &parts.reasoning);
        let has_content = members.iter().any(|it| it.name == "content");
        for member in members {
            if is_reasoning(&member) || member.name == "content" {
                add(&mut out, self.field, &reasoning.take().unwrap_or_default());
            }
            if member.name == "content" && member.shape == Shape::String {
                out.push(format!("\"content\":{}", quoted(&parts.content)));
            } else if !is_reasoning(&member) {
                let value = String::from_utf8_lossy(member.value.of(data));
                out.push(format!("{}:{value}", quoted(&member.name)));
            }
        }
        add(&mut out, self.field, &reasoning.take().unwrap_or_default());
        if !has_content && !parts.content.is_empty() {
            out.push(format!("\"content\":{}", quoted(&parts.content)));
        }
        format!("{{{}}}", out.join(","))
    }
}

/// The field for reasoning that is not wanted.
const fn other(wanted: ReasoningField) -> ReasoningField {
    match wanted {
        ReasoningField::ReasoningContent => ReasoningField::Reasoning,
        ReasoningField::Reasoning => ReasoningField::ReasoningContent,
    }
}

/// A field's name as it stands in JSON.
const fn in_quotes(field: ReasoningField) -> &'static str {
    match field {
        ReasoningField::ReasoningContent => "\"reasoning_content\"",
        ReasoningField::Reasoning => "\"reasoning\"",
    }
}

/// Adds the member for reasoning, if there is any.
fn add(members: &mut Vec<String>, field: ReasoningField, reasoning: &str) {
    if !reasoning.is_empty() {
        members.push(format!("{}:{}", in_quotes(field), quoted(reasoning)));
    }
}

/// The choices of an answer, each with the members of its `delta` or `message`.
fn choices(data: &[u8], name: &[u8]) -> Result<SmallVec<[Choice; 1]>, JsonError> {
    let mut found = SmallVec::new();
    let mut scanner = Scanner::lenient(data);
    if scanner.shape()? != Shape::Object {
        return Ok(found);
    }
    scanner.object(|scanner, key| {
        if *key.name() != *b"choices" || scanner.shape()? != Shape::Array {
            return scanner.skip();
        }
        scanner.array(|scanner, _| {
            found.push(choice(scanner, name)?);
            Ok::<_, JsonError>(())
        })
    })?;
    Ok(found)
}

fn choice(scanner: &mut Scanner<'_>, name: &[u8]) -> Result<Choice, JsonError> {
    let mut it = Choice { empty: true, ..Choice::default() };
    if scanner.shape()? != Shape::Object {
        scanner.skip()?;
        return Ok(it);
    }
    it.open = scanner.at() + 1;
    scanner.object(|scanner, key| {
        it.empty = false;
        match &*key.name() {
            b"index" => {
                let digits = scanner.value()?.1.of(scanner.bytes());
                let index = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                it.index = index.unwrap_or(0);
            }
            b"finish_reason" => {
                let (shape, span) = scanner.value()?;
                it.finished = shape == Shape::String && span.len() > 2;
            }
            key if key == name && scanner.shape()? == Shape::Object => {
                let start = scanner.at();
                let members = members(scanner)?;
                it.delta = Some(Delta { span: Span::new(start, scanner.at()), members });
            }
            _ => scanner.skip()?,
        }
        Ok::<_, JsonError>(())
    })?;
    Ok(it)
}

fn members(scanner: &mut Scanner<'_>) -> Result<Vec<Member>, JsonError> {
    let mut members = Vec::new();
    scanner.object(|scanner, key| {
        let name = String::from_utf8_lossy(&key.name()).into_owned();
        let (shape, value) = scanner.value()?;
        members.push(Member { name, shape, value });
        Ok::<_, JsonError>(())
    })?;
    Ok(members)
}

#[cfg(test)]
mod tests;
