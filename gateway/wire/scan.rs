//! One bounded pass over JSON: validates all of it, and hands out where things stand.
//!
//! Nothing is built: a value is a span of the bytes it was read from. The pass is ours because a
//! request needs four fields of its tree, and the tree itself costs more than everything else the
//! gateway does to a request.

use std::borrow::Cow;

/// Where a value stands: from its first byte to past its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Span {
    fn new(from: usize, to: usize) -> Self {
        // Bodies are bounded far below 4 GiB.
        let at = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { from: at(from), to: at(to) }
    }

    /// The bytes of the span.
    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.from as usize..self.to as usize).unwrap_or_default()
    }

    pub(super) fn len(self) -> usize {
        (self.to - self.from) as usize
    }
}

/// A text: its span without the quotes, and whether it has escapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) span: Span,
    pub(super) escaped: bool,
}

impl Text {
    /// The text itself; borrowed where nothing is escaped.
    pub(super) fn of(self, bytes: &[u8]) -> Cow<'_, str> {
        let raw = std::str::from_utf8(self.span.of(bytes)).unwrap_or("");
        if self.escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) }
    }
}

/// What kind a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Text,
    Number,
    True,
    False,
    Null,
}

impl Kind {
    /// For messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Array => "a list",
            Self::Text => "a text",
            Self::Number => "a number",
            Self::True | Self::False => "a boolean",
            Self::Null => "null",
        }
    }
}

/// What is wrong with the JSON, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: &'static str,
    pub(super) at: usize,
}

/// The pass: a position in the bytes, and how deep it is.
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    depth_max: usize,
}

type Scanned<T> = Result<T, Fault>;

impl<'a> Scan<'a> {
    /// A pass over bytes that are known to be UTF-8.
    pub(super) fn new(bytes: &'a [u8], depth_max: usize) -> Self {
        Self { bytes, at: 0, depth: 0, depth_max }
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn fault<T>(&self, what: &'static str) -> Scanned<T> {
        Err(Fault { what, at: self.at })
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// What the next value is.
    pub(super) fn kind(&mut self) -> Scanned<Kind> {
        self.space();
        Ok(match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'n') => Kind::Null,
            Some(_) => return self.fault("a character that begins no value"),
            None => return self.fault("the end where a value should be"),
        })
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Scanned<()> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { self.fault("more after the end") }
    }

    /// Passes over any value.
    pub(super) fn skip(&mut self) -> Scanned<Span> {
        let kind = self.kind()?;
        let from = self.at;
        match kind {
            Kind::Object => {
                self.object(|scan, _| scan.skip().map(drop))?;
            }
            Kind::Array => {
                self.array(|scan, _| scan.skip().map(drop))?;
            }
            Kind::Text => {
                self.text()?;
            }
            Kind::Number => self.number()?,
            Kind::True => self.word(b"true")?,
            Kind::False => self.word(b"false")?,
            Kind::Null => self.word(b"null")?,
        }
        Ok(Span::new(from, self.at))
    }

    /// Reads an object, calling `each` with every key, placed before its value.
    pub(super) fn object(
        &mut self,
        mut each: impl FnMut(&mut Self, Text) -> Scanned<()>,
    ) -> Scanned<Span> {
        let from = self.open()?;
        self.space();
        if self.peek() == Some(b'}') {
            return Ok(self.close(from));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return self.fault("no key where one should be");
            }
            let key = self.text()?;
            self.space();
            if self.peek() != Some(b':') {
                return self.fault("no colon after a key");
            }
            self.at += 1;
            self.space();
            each(self, key)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return Ok(self.close(from)),
                _ => return self.fault("no comma and no end in an object"),
            }
        }
    }

    /// Reads a list, calling `each` with every index, placed before its value.
    pub(super) fn array(
        &mut self,
        mut each: impl FnMut(&mut Self, usize) -> Scanned<()>,
    ) -> Scanned<Span> {
        let from = self.open()?;
        self.space();
        if self.peek() == Some(b']') {
            return Ok(self.close(from));
        }
        for index in 0.. {
            self.space();
            each(self, index)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return self.fault("no comma and no end in a list"),
            }
        }
        Ok(self.close(from))
    }

    fn open(&mut self) -> Scanned<usize> {
        self.space();
        if self.depth == self.depth_max {
            return self.fault("nesting over the limit");
        }
        self.depth += 1;
        self.at += 1;
        Ok(self.at - 1)
    }

    fn close(&mut self, from: usize) -> Span {
        self.depth -= 1;
        self.at += 1;
        Span::new(from, self.at)
    }

    /// Reads a text.
    pub(super) fn text(&mut self) -> Scanned<Text> {
        self.at += 1;
        let from = self.at;
        let mut escaped = false;
        loop {
            self.at += plain(self.bytes.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Text { span: Span::new(from, self.at - 1), escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return self.fault("a control character in a text"),
                None => return self.fault("the end within a text"),
            }
        }
    }

    fn escape(&mut self) -> Scanned<()> {
        let next = self.bytes.get(self.at + 1);
        let length = match next {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => {
                let hex = self.bytes.get(self.at + 2..self.at + 6);
                if !hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
                    return self.fault("an escape that is none");
                }
                6
            }
            _ => return self.fault("an escape that is none"),
        };
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Scanned<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return self.fault("a number that is none"),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Scanned<()> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.fault("a number that is none");
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Scanned<()> {
        if self.bytes.get(self.at..self.at + word.len()) != Some(word) {
            return self.fault("a word that is no value");
        }
        self.at += word.len();
        Ok(())
    }
}

/// How many bytes from the start are neither a quote, a backslash nor a control character. Whole blocks
/// are judged together, which compilers turn into vector instructions.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    const BLOCK: usize = 32;
    let special = |b: u8| b < 0x20 || b == b'"' || b == b'\\';
    let clean = |block: &&[u8]| !block.iter().fold(false, |hit, b| hit | special(*b));
    let blocks = bytes.chunks_exact(BLOCK).take_while(clean).count();
    let rest = bytes.get(blocks * BLOCK..).unwrap_or_default();
    blocks * BLOCK + rest.iter().position(|b| special(*b)).unwrap_or(rest.len())
}

/// Resolves escapes. Lenient: half a surrogate pair, or half an escape at the edge of a sample, becomes
/// the replacement character or stands as it is.
pub(super) fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        rest = one(after, &mut text);
    }
    text.push_str(rest);
    text
}

/// Resolves the escape at the start, and returns what follows it.
fn one<'a>(raw: &'a str, text: &mut String) -> &'a str {
    let simple = match raw.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return unicode(raw, text),
        Some(other) if other.is_ascii() => char::from(*other),
        _ => return raw.get(1..).unwrap_or(""),
    };
    text.push(simple);
    raw.get(2..).unwrap_or("")
}

fn unicode<'a>(raw: &'a str, text: &mut String) -> &'a str {
    let unit = |raw: &str| -> Option<u32> {
        let hex = raw.strip_prefix("\\u")?.get(..4)?;
        u32::from_str_radix(hex, 16).ok()
    };
    let Some(first) = unit(raw) else {
        text.push(char::REPLACEMENT_CHARACTER);
        return raw.get(2..).unwrap_or("");
    };
    let rest = raw.get(6..).unwrap_or("");
    if let (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) = (first, unit(rest)) {
        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        return rest.get(6..).unwrap_or("");
    }
    text.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
    rest
}
