//! Places in JSON text, and what may stand or be wrong there.

use std::borrow::Cow;

use crate::failure::Failure;

/// What is wrong with the bytes, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JsonError {
    /// What was found or is missing.
    pub(super) what: &'static str,
    /// Bytes before the fault.
    pub(super) at: usize,
}

impl JsonError {
    /// A fault at a place of some bytes, whose end says that they were cut.
    pub(super) fn at<T>(bytes: &[u8], at: usize, what: &'static str) -> Result<T, Self> {
        Err(Self { what: if at >= bytes.len() { "it ends too early" } else { what }, at })
    }
}

impl From<JsonError> for Failure {
    fn from(fault: JsonError) -> Self {
        let JsonError { what, at } = fault;
        Self::invalid("invalid_json", format!("the body is not valid JSON: {what} at byte {at}"))
    }
}

/// What kind of value stands at a place, told by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

impl Shape {
    /// How a message to the caller calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::True | Self::False => "a boolean",
            Self::Null => "null",
        }
    }
}

/// A range of bytes in a body; bodies are far below 4 GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    /// The range; past 4 GiB (refused before any scan) it would be empty.
    pub(super) fn new(start: usize, end: usize) -> Self {
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(end)) => Self { start, end },
            _ => Self::default(),
        }
    }

    pub(super) fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Its bytes in the body it was found in.
    pub(super) fn of(self, body: &[u8]) -> &[u8] {
        body.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A string of the body, without its quotes, as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Str {
    pub(super) span: Span,
    /// Whether there is a backslash in it.
    pub(super) escaped: bool,
}

impl Str {
    /// The string after unescaping; borrowed unless it has escapes.
    pub(super) fn text(self, body: &[u8]) -> Cow<'_, [u8]> {
        Key::new(self, body).name()
    }
}

/// The key of a member, as written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Key<'a> {
    /// The key that this string of this text is.
    pub(super) fn new(text: Str, body: &'a [u8]) -> Self {
        Self { raw: text.span.of(body), escaped: text.escaped }
    }

    /// The key after unescaping; borrowed unless it has escapes.
    pub(super) fn name(self) -> Cow<'a, [u8]> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        let mut name = String::with_capacity(self.raw.len());
        super::escape::unescape(self.raw, &mut name);
        Cow::Owned(name.into_bytes())
    }
}
