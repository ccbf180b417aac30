//! Reasoning in one normal form: whatever field or tag a backend puts it in, callers get it in the one that
//! the model's configuration names.
//!
//! An answer that is in that form keeps its very bytes; in another, the deltas (or messages) in question are
//! written anew and all around them stays.

use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    edit::quoted,
    scan::{Fault, Scanner, Shape, Span},
    text::unescape,
    think::{Parts, Text},
};
use crate::config::ReasoningField;

/// Choices whose text is followed; those beyond pass as they are.
const CHOICES_MAX: usize = 64;

/// The normal form of one answer.
#[derive(Debug)]
pub(super) struct Form {
    field: ReasoningField,
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
    /// For an answer that has not begun.
    pub(super) fn new(field: ReasoningField) -> Self {
        Self { field, choices: SmallVec::new(), plain: 0 }
    }

    /// Whether a chunk of these choices can be in another form.
    pub(super) fn concerns(&self, data: &[u8], seen: u64) -> bool {
        seen & !self.plain != 0
            || memchr::memmem::find(data, self.field.other_quoted().as_bytes()).is_some()
    }

    /// A chunk in the normal form; `None` if it is in it.
    pub(super) fn chunk(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        self.written(data, "delta", false)
    }

    /// A whole answer in the normal form; `None` if it is in it.
    pub(super) fn whole(mut self, data: &[u8]) -> Option<Bytes> {
        self.written(data, "message", true).map(Bytes::from)
    }

    /// The event for what is still held where a stream is done, if anything is.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        let mut said = Vec::new();
        for (index, text) in &mut self.choices {
            let mut parts = Parts::default();
            text.end(&mut parts);
            let mut members = Vec::new();
            self.field.push(&mut members, parts.reasoning);
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
        let text = self.text(choice.index)?;
        if let Some(said) = &said {
            text.push(said, &mut parts);
        }
        if choice.finished || whole {
            text.end(&mut parts);
        }
        if *text == Text::Plain {
            self.plain |= 1 << choice.index.min(63);
        }
        let other = members.iter().any(|it| it.name == self.field.other());
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
        let names = [self.field.name(), self.field.other()];
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
                self.field.push(&mut out, reasoning.take().unwrap_or_default());
            }
            if member.name == "content" && member.shape == Shape::String {
                out.push(format!("\"content\":{}", quoted(&parts.content)));
            } else if !is_reasoning(&member) {
                let value = String::from_utf8_lossy(member.value.of(data));
                out.push(format!("{}:{value}", quoted(&member.name)));
            }
        }
        self.field.push(&mut out, reasoning.take().unwrap_or_default());
        if !has_content && !parts.content.is_empty() {
            out.push(format!("\"content\":{}", quoted(&parts.content)));
        }
        format!("{{{}}}", out.join(","))
    }
}

impl ReasoningField {
    /// The name that is not wanted.
    const fn other(self) -> &'static str {
        match self {
            Self::ReasoningContent => "reasoning",
            Self::Reasoning => "reasoning_content",
        }
    }

    const fn other_quoted(self) -> &'static str {
        match self {
            Self::ReasoningContent => "\"reasoning\"",
            Self::Reasoning => "\"reasoning_content\"",
        }
    }

    fn push(self, members: &mut Vec<String>, text: String) {
        if !text.is_empty() {
            members.push(format!("\"{}\":{}", self.name(), quoted(&text)));
        }
    }
}

/// The choices of an answer, each with the members of its `delta` or `message`.
fn choices(data: &[u8], name: &[u8]) -> Result<SmallVec<[Choice; 1]>, Fault> {
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
            Ok::<_, Fault>(())
        })
    })?;
    Ok(found)
}

fn choice(scanner: &mut Scanner<'_>, name: &[u8]) -> Result<Choice, Fault> {
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
        Ok::<_, Fault>(())
    })?;
    Ok(it)
}

fn members(scanner: &mut Scanner<'_>) -> Result<Vec<Member>, Fault> {
    let mut members = Vec::new();
    scanner.object(|scanner, key| {
        let name = String::from_utf8_lossy(&key.name()).into_owned();
        let (shape, value) = scanner.value()?;
        members.push(Member { name, shape, value });
        Ok::<_, Fault>(())
    })?;
    Ok(members)
}

#[cfg(test)]
mod tests;
