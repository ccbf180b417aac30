//! One bounded pass over JSON: checks the whole grammar, builds nothing, tells where things stand.
//!
//! A tree of the body costs more than everything else the gateway does with a request. What is
//! needed are the places of a few fields; everything else must only be *valid*. The scanner walks
//! objects and arrays for whoever asks ([`Scanner::object`], [`Scanner::array`]) and skips the rest
//! without recursion, so that neither depth nor size of a body can hurt.
//!
//! It does not check UTF-8: requests are checked as a whole before (one vectorised pass), answers are
//! passed on as they came.

mod string;

use self::string::Tail;
pub(super) use super::span::{JsonError, Key, Shape, Span, Str};

/// The deepest nesting there is: the open containers of a skip are the bits of one `u128`.
const DEPTH_MAX: usize = 128;

/// A place in JSON text.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    depth_max: usize,
    /// Whether half a surrogate pair is a fault: an engine would choke on it.
    strict: bool,
}

impl<'a> Scanner<'a> {
    /// For a caller's text: everything is checked. Depths above 128 count as 128.
    pub(super) fn strict(bytes: &'a [u8], depth_max: usize) -> Self {
        Self { bytes, at: 0, depth: 0, depth_max: depth_max.min(DEPTH_MAX), strict: true }
    }

    /// For a backend's text: what every client reads passes.
    pub(super) fn lenient(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0, depth_max: DEPTH_MAX, strict: false }
    }

    /// Goes on inside the top-level object, where a value is due: the bytes before were seen.
    pub(super) fn resume(bytes: &'a [u8], at: usize) -> Self {
        Self { at, depth: 1, ..Self::lenient(bytes) }
    }

    /// Bytes behind us.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The text being scanned.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    fn fault<T>(&self, what: &'static str) -> Result<T, JsonError> {
        JsonError::at(self.bytes, self.at, what)
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// What the next value is; the place is then its first byte.
    #[inline]
    pub(super) fn shape(&mut self) -> Result<Shape, JsonError> {
        self.space();
        match self.peek() {
            Some(b'{') => Ok(Shape::Object),
            Some(b'[') => Ok(Shape::Array),
            Some(b'"') => Ok(Shape::String),
            Some(b'-' | b'0'..=b'9') => Ok(Shape::Number),
            Some(b't') => Ok(Shape::True),
            Some(b'f') => Ok(Shape::False),
            Some(b'n') => Ok(Shape::Null),
            _ => self.fault("no value"),
        }
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { self.fault("text after the end") }
    }

    /// Reads a string whose opening quote is the next byte.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Str, JsonError> {
        if self.peek() != Some(b'"') {
            return self.fault("no string");
        }
        self.at += 1;
        let start = self.at;
        let escaped = self.string_tail()?;
        Ok(Str { span: Span::new(start, self.at - 1), escaped })
    }

    /// Skips any value; returns what it was and where it stands.
    pub(super) fn value(&mut self) -> Result<(Shape, Span), JsonError> {
        let shape = self.shape()?;
        let start = self.at;
        self.skip()?;
        Ok((shape, Span::new(start, self.at)))
    }

    /// Walks the object that starts here. `each` gets every key and must pass over its value.
    pub(super) fn object<E: From<JsonError>>(
        &mut self,
        mut each: impl FnMut(&mut Self, Key<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.enter()?;
        if !self.first_member()? {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            each(self, key)?;
            if !self.another_member()? {
                return Ok(());
            }
        }
    }

    /// Walks the array that starts here. `each` gets every position and must pass over its value.
    pub(super) fn array<E: From<JsonError>>(
        &mut self,
        mut each: impl FnMut(&mut Self, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        self.enter()?;
        self.space();
        if self.peek() == Some(b']') {
            self.leave();
            return Ok(());
        }
        let mut position = 0;
        loop {
            each(self, position)?;
            position += 1;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.leave();
                    return Ok(());
                }
                _ => return Ok(self.fault("no comma or bracket after an element")?),
            }
        }
    }

    /// After an opening brace: whether a member follows; else the object is behind us.
    #[inline]
    pub(super) fn first_member(&mut self) -> Result<bool, JsonError> {
        self.space();
        match self.peek() {
            Some(b'"') => Ok(true),
            Some(b'}') => {
                self.leave();
                Ok(false)
            }
            _ => self.fault("no key"),
        }
    }

    /// After a member: whether another one follows; else the object is behind us.
    #[inline]
    pub(super) fn another_member(&mut self) -> Result<bool, JsonError> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(b'}') => {
                self.leave();
                Ok(false)
            }
            _ => self.fault("no comma or brace after a member"),
        }
    }

    /// Reads a key and its colon.
    #[inline]
    pub(super) fn key(&mut self) -> Result<Key<'a>, JsonError> {
        self.space();
        let text = self.string().map_err(|fault| match fault.what {
            "no string" => JsonError { what: "no key", ..fault },
            _ => fault,
        })?;
        self.colon()?;
        Ok(Key::new(text, self.bytes))
    }

    /// Steps into the object or array whose first byte is next.
    #[inline]
    pub(super) fn enter(&mut self) -> Result<(), JsonError> {
        if self.depth >= self.depth_max {
            return Err(JsonError { what: "too deep a nesting", at: self.at });
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.at += 1;
    }

    #[inline]
    fn colon(&mut self) -> Result<(), JsonError> {
        self.space();
        if self.peek() != Some(b':') {
            return self.fault("no colon after a key");
        }
        self.at += 1;
        Ok(())
    }

    /// Passes over one value of any kind, without recursion.
    pub(super) fn skip(&mut self) -> Result<(), JsonError> {
        let outside = self.depth;
        let mut objects: u128 = 0; // one bit an open container: 1 is an object
        loop {
            match self.shape()? {
                Shape::Object => {
                    self.enter()?;
                    self.space();
                    objects = objects << 1 | 1;
                    if self.peek() != Some(b'}') {
                        self.key()?;
                        continue;
                    }
                }
                Shape::Array => {
                    self.enter()?;
                    self.space();
                    objects <<= 1;
                    if self.peek() != Some(b']') {
                        continue;
                    }
                }
                Shape::String => {
                    self.at += 1;
                    self.string_tail()?;
                }
                Shape::Number => self.number()?,
                Shape::True => self.literal(b"true")?,
                Shape::False => self.literal(b"false")?,
                Shape::Null => self.literal(b"null")?,
            }
            if !self.climb(outside, &mut objects)? {
                return Ok(());
            }
        }
    }

    /// After a value or at a closing byte: closes what ends here; whether another value is due.
    #[inline]
    fn climb(&mut self, outside: usize, objects: &mut u128) -> Result<bool, JsonError> {
        while self.depth > outside {
            self.space();
            match (self.peek(), *objects & 1 == 1) {
                (Some(b','), true) => {
                    self.at += 1;
                    self.key()?;
                    return Ok(true);
                }
                (Some(b','), false) => {
                    self.at += 1;
                    return Ok(true);
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    self.leave();
                    *objects >>= 1;
                }
                (_, true) => return self.fault("no comma or brace after a member"),
                (_, false) => return self.fault("no comma or bracket after an element"),
            }
        }
        Ok(false)
    }

    #[inline]
    fn literal(&mut self, word: &'static [u8]) -> Result<(), JsonError> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word) {
            return Err(JsonError { what: "no value", at: self.at });
        }
        self.at = end;
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { self.fault("no digit in a number") } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if let Some(b'0'..=b'9') = self.peek() {
                return self.fault("a number with a leading zero");
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// From just past the opening quote to just past the closing one; whether it has escapes.
    #[inline]
    fn string_tail(&mut self) -> Result<bool, JsonError> {
        let mut tail = Tail { bytes: self.bytes, at: self.at, strict: self.strict };
        let escaped = tail.read();
        self.at = tail.at;
        escaped
    }
}

#[cfg(test)]
mod tests;
