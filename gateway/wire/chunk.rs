//! One look at the JSON of an answer, whole or a chunk of a stream: content, usage, finish, error.
//!
//! No tree: the scanner passes once over the bytes and only these four are looked at. The chunks of
//! a stream differ in little but their text; [`Pattern`] remembers the rest of the last one, so
//! that it is compared instead of scanned again.

use policies::Counts;

use super::{
    bare::{self, Bare},
    finish::Finish,
    scan::{JsonError, Key, Scanner, Shape, Span},
    usage,
};

/// What is in an answer or a chunk of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Choices with content: text, tool call, reasoning or refusal.
    pub(super) contents: u32,
    /// Bytes of that content as written.
    pub(super) content_bytes: u64,
    /// Choices in it.
    pub(super) choices: u32,
    /// One bit for each choice seen, by its index; indices above 63 share the last bit.
    pub(super) seen: u64,
    /// The same for those that finished.
    pub(super) finished: u64,
    /// The same for those that failed: by an error of their own, or by how they say that they ended.
    pub(super) failed: u64,
    /// Choices that failed.
    failures: u32,
    /// A choice says that it ended for a reason that an answer may be empty for.
    pub(super) explained: bool,
    /// There is a usage object, plausible or not.
    pub(super) has_usage: bool,
    /// What it says, if that can be true.
    pub(super) usage: Option<Counts>,
    /// One bit for each choice that this is the usage of, where a choice has its own; zero where it is
    /// that of the answer.
    pub(super) usage_of: u64,
    /// It is, or holds, an error.
    pub(super) error: bool,
    /// What else it says of itself.
    bare: Bare,
    /// The last string of a delta that was not empty.
    text: Span,
    /// How many of them there were.
    texts: u32,
}

/// A chunk with content, but for the content: the next one nearly always differs in that alone, and
/// comparing is several times faster than scanning.
#[derive(Clone, Debug, Default)]
pub(super) struct Pattern {
    /// Up to the content, its opening quote included; empty if nothing is known yet.
    head: Vec<u8>,
    /// From its closing quote on.
    tail: Vec<u8>,
    look: Look,
}

/// Longer ones are not worth comparing.
const PATTERN_BYTES_MAX: usize = 2048;

/// Looks at the JSON object of an answer or of a chunk.
pub(super) fn look(data: &[u8], pattern: &mut Pattern) -> Result<Look, JsonError> {
    if let Some(look) = pattern.fit(data) {
        return Ok(look);
    }
    let mut look = Look::default();
    let mut scanner = Scanner::lenient(data);
    if scanner.shape()? != Shape::Object {
        return Err(JsonError { what: "no object", at: scanner.at() });
    }
    scanner.object(|scanner, key| look.member(key, scanner))?;
    scanner.end()?;
    look.error |= look.choices == 0 && look.bare.is_failure();
    pattern.learn(&look, data);
    Ok(look)
}

impl Pattern {
    /// What is in these bytes if they differ from the pattern in their content alone. The scanner
    /// would come to the content in the same state, and leave what follows it the same way.
    fn fit(&self, data: &[u8]) -> Option<Look> {
        let quote = self.head.len().checked_sub(1)?;
        let end = data.len().checked_sub(self.tail.len())?;
        if data.get(end..) != Some(&*self.tail) || !data.starts_with(&self.head) {
            return None;
        }
        let text = Scanner::resume(data, quote).string().ok()?.span;
        let whole = text.end as usize == end && text.len() > 0;
        whole.then(|| Look { text, content_bytes: text.len() as u64, ..self.look })
    }

    /// Keeps what stands around the content, if all that was noticed is one text of one choice.
    fn learn(&mut self, look: &Look, data: &[u8]) {
        let Look { text, texts: 1, contents: 1, choices: 1, finished: 0, .. } = *look else {
            return;
        };
        let failed = look.error || look.failed != 0;
        let other = look.has_usage || failed || look.content_bytes != text.len() as u64;
        if other || data.len() - text.len() > PATTERN_BYTES_MAX {
            return;
        }
        self.head.clear();
        self.head.extend_from_slice(data.get(..text.start as usize).unwrap_or_default());
        self.tail.clear();
        self.tail.extend_from_slice(data.get(text.end as usize..).unwrap_or_default());
        self.look = *look;
    }
}

impl Look {
    /// What is in an answer, or an event of one, that has no choices: so many bytes of content, how it
    /// ended, whether there is usage and which, and whether it is an error.
    pub(super) fn of_one(
        bytes: u64,
        finish: Option<Finish>,
        (has_usage, usage): (bool, Option<Counts>),
        error: bool,
    ) -> Self {
        Self {
            contents: u32::from(bytes > 0),
            content_bytes: bytes,
            choices: 1,
            seen: 1,
            finished: u64::from(finish.is_some()),
            explained: finish == Some(Finish::Explained),
            has_usage,
            usage,
            error,
            ..Self::default()
        }
    }

    /// The same, with all figures of usage that are known by now.
    pub(super) fn beside(self, known: Option<Counts>) -> Self {
        let usage = self.usage.zip(known).map(|(told, known)| usage::largest(told, known));
        Self { usage: usage.or(self.usage), ..self }
    }

    /// Whether every choice in it failed.
    pub(super) fn all_failed(&self) -> bool {
        self.failures > 0 && self.failures == self.choices
    }

    fn member<'a>(&mut self, key: Key<'a>, scanner: &mut Scanner<'a>) -> Result<(), JsonError> {
        match &*key.name() {
            b"choices" => self.choices(scanner),
            b"usage" => {
                let is_there = scanner.shape()? == Shape::Object;
                let counts = usage::read(scanner)?;
                self.whole_usage(is_there, counts);
                Ok(())
            }
            b"x_groq" => {
                let (is_there, counts) = usage::within(scanner)?;
                self.whole_usage(is_there, counts);
                Ok(())
            }
            b"error" => {
                self.error |= bare::says(scanner)?;
                Ok(())
            }
            b"object" => {
                if scanner.shape()? != Shape::String {
                    return scanner.skip();
                }
                self.error |= *scanner.string()?.text(scanner.bytes()) == *b"error";
                Ok(())
            }
            name => self.bare.member(name, scanner),
        }
    }

    /// Takes what is said of the whole answer, before what is said of its choices.
    fn whole_usage(&mut self, is_there: bool, counts: Option<Counts>) {
        self.has_usage |= is_there;
        if counts.is_some() && (self.usage.is_none() || self.usage_of != 0) {
            (self.usage, self.usage_of) = (counts, 0);
        }
    }

    /// Takes what one choice says it used.
    fn choice_usage(&mut self, counts: Counts, bit: u64) {
        match self.usage {
            Some(_) if self.usage_of == 0 => {}
            Some(known) => {
                self.usage = Some(usage::joined(known, counts));
                self.usage_of |= bit;
            }
            None => (self.usage, self.usage_of) = (Some(counts), bit),
        }
    }

    fn choices(&mut self, scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        match scanner.shape()? {
            Shape::Array => scanner.array(|scanner, _| self.choice(scanner)),
            _ => scanner.skip(),
        }
    }

    fn choice(&mut self, scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        if scanner.shape()? != Shape::Object {
            return scanner.skip();
        }
        let (mut bit, mut finish, mut failed) = (1, Finish::None, false);
        let (before, mut used) = (self.content_bytes, None);
        scanner.object(|scanner, key| match &*key.name() {
            b"index" => {
                let (_, span) = scanner.value()?;
                bit = index_bit(span.of(scanner.bytes()));
                Ok(())
            }
            b"delta" | b"message" => self.delta(scanner),
            b"text" => {
                self.content_bytes += string_bytes(scanner)?;
                Ok(())
            }
            b"finish_reason" => {
                let (shape, span) = scanner.value()?;
                finish = Finish::read(shape, span.of(scanner.bytes()));
                Ok(())
            }
            b"error" => {
                failed = bare::says(scanner)?;
                Ok(())
            }
            b"usage" => {
                self.has_usage |= scanner.shape()? == Shape::Object;
                used = usage::read(scanner)?;
                Ok(())
            }
            _ => scanner.skip(),
        })?;
        if let Some(counts) = used {
            self.choice_usage(counts, bit);
        }
        self.choices = self.choices.saturating_add(1);
        self.contents = self.contents.saturating_add(u32::from(self.content_bytes > before));
        self.seen |= bit;
        failed |= finish == Finish::Failed;
        self.finished |= if failed || finish != Finish::None { bit } else { 0 };
        self.failed |= if failed { bit } else { 0 };
        self.failures = self.failures.saturating_add(u32::from(failed));
        self.explained |= finish == Finish::Explained;
        Ok(())
    }

    fn delta(&mut self, scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        if scanner.shape()? != Shape::Object {
            return scanner.skip();
        }
        let mut reasoning = 0; // under several names in some engines' answers, the same text in all
        scanner.object(|scanner, key| {
            match &*key.name() {
                b"role" | b"name" | b"id" | b"type" | b"index" | b"status" => scanner.skip()?,
                b"content" | b"refusal" => self.content_bytes += self.text(scanner)?,
                b"reasoning_content" | b"reasoning" | b"reasoning_details" | b"reasoning_text"
                | b"thinking" | b"thinking_blocks" | b"thought" | b"thoughts" => {
                    reasoning = self.text(scanner)?.max(reasoning);
                }
                b"tool_calls" | b"function_call" => self.content_bytes += call_bytes(scanner)?,
                b"audio" if scanner.shape()? == Shape::Object => {
                    let transcript = said_bytes(scanner, |name| name == b"transcript")?;
                    self.content_bytes += transcript + 1;
                }
                b"audio" => scanner.skip()?,
                // Not generated, but no silence.
                b"annotations" => {
                    self.content_bytes += said_bytes(scanner, |_| true)?.min(1);
                }
                // What is not known is not silence.
                _ => {
                    let said = said_bytes(scanner, |name| !LABELS.contains(&name))?;
                    self.texts = self.texts.saturating_add(u32::from(said > 0));
                    self.content_bytes += said;
                }
            }
            Ok::<_, JsonError>(())
        })?;
        self.content_bytes += reasoning;
        Ok(())
    }
}

impl Look {
    /// Bytes of a text in a delta; notes where it stands.
    fn text(&mut self, scanner: &mut Scanner<'_>) -> Result<u64, JsonError> {
        if scanner.shape()? != Shape::String {
            let said = string_bytes(scanner)?;
            self.texts = self.texts.saturating_add(u32::from(said > 0)); // parts of text: no pattern
            return Ok(said);
        }
        let span = scanner.string()?.span;
        if span.len() > 0 {
            self.text = span;
            self.texts = self.texts.saturating_add(1);
        }
        Ok(span.len() as u64)
    }
}

fn index_bit(digits: &[u8]) -> u64 {
    let index = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u32>().ok());
    1 << index.unwrap_or(0).min(63)
}

/// Members of a part of a text that only say what it is.
const LABELS: [&[u8]; 6] = [b"type", b"format", b"id", b"index", b"status", b"signature"];

/// Bytes of a string, or of the texts of an array of parts.
fn string_bytes(scanner: &mut Scanner<'_>) -> Result<u64, JsonError> {
    said_bytes(scanner, |name| !LABELS.contains(&name))
}

/// Bytes of the strings in a value, of members those of these names. A picture within the text counts as
/// one: its bytes are not what the model wrote.
fn said_bytes(scanner: &mut Scanner<'_>, counts: fn(&[u8]) -> bool) -> Result<u64, JsonError> {
    let mut bytes = 0;
    match scanner.shape()? {
        Shape::String => {
            let text = scanner.string()?.span;
            let is_media = text.of(scanner.bytes()).starts_with(b"data:");
            bytes = if is_media { 1 } else { text.len() as u64 };
        }
        Shape::Array => scanner.array(|scanner, _| {
            bytes += said_bytes(scanner, counts)?;
            Ok::<_, JsonError>(())
        })?,
        Shape::Object => scanner.object(|scanner, key| {
            if counts(&key.name()) {
                bytes += said_bytes(scanner, counts)?;
            } else {
                scanner.skip()?;
            }
            Ok::<_, JsonError>(())
        })?,
        _ => scanner.skip()?,
    }
    Ok(bytes)
}

/// Bytes of names and arguments of tool calls; at least one if there is a call at all.
fn call_bytes(scanner: &mut Scanner<'_>) -> Result<u64, JsonError> {
    let mut bytes = 0;
    match scanner.shape()? {
        Shape::Array => scanner.array(|scanner, _| {
            bytes += call_bytes(scanner)?;
            Ok::<_, JsonError>(())
        })?,
        Shape::Object => {
            bytes = 1;
            scanner.object(|scanner, key| {
                match &*key.name() {
                    b"function" | b"custom" => bytes += call_bytes(scanner)?,
                    b"name" | b"arguments" | b"input" => bytes += string_bytes(scanner)?,
                    _ => scanner.skip()?,
                }
                Ok::<_, JsonError>(())
            })?;
        }
        _ => scanner.skip()?,
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Deltas that look alike.
    fn delta() -> impl Strategy<Value = String> {
        prop_oneof![
            r#"[a-c\\n\\"]{0,4}"#.prop_map(|text| format!(r#"{{"content":"{text}"}}"#)),
            "\\PC{0,4}".prop_map(|text| serde_json::json!({ "content": text }).to_string()),
            "[ab]{0,2}".prop_map(|text| format!(r#"{{"content":"","reasoning":"{text}"}}"#)),
            "[ab]{0,2}".prop_map(|text| format!(r#"{{"content":"{text}","reasoning":"a"}}"#)),
            "[ab]{0,2}".prop_map(|text| format!(r#"{{"content":null,"thinking":"{text}"}}"#)),
            ("[ab]{0,2}", "[ab]{0,2}").prop_map(|(one, two)| format!(
                r#"{{"reasoning":"{one}","reasoning_details":[{{"type":"t","text":"{two}"}}]}}"#
            )),
            "[ab]{0,2}".prop_map(|text| format!(r#"{{"content":"a","news":["{text}"]}}"#)),
            Just(r#"{"content":"a"},"finish_reason":"stop""#.to_owned()),
            Just(r#"{"content":"a"}}],"error":{"a":[{"b":0"#.to_owned()),
            Just(r#"{"content":[{"type":"text","text":"a"}]}"#.to_owned()),
            Just(r#"{"tool_calls":[{"function":{"arguments":"a"}}]}"#.to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn what_a_pattern_says_a_scan_says_too(
            deltas in prop::collection::vec(delta(), 1..12),
            usage in prop::collection::vec(any::<bool>(), 12),
        ) {
            let mut pattern = Pattern::default();
            for (delta, usage) in deltas.iter().zip(usage) {
                let usage = if usage { "null" } else { r#"{"prompt_tokens":1}"# };
                let data = format!(
                    r#"{{"id":"a","choices":[{{"index":0,"delta":{delta}}}],"usage":{usage}}}"#
                );
                let scanned = look(data.as_bytes(), &mut Pattern::default());
                prop_assert_eq!(look(data.as_bytes(), &mut pattern), scanned, "{}", data);
            }
        }
    }
}
