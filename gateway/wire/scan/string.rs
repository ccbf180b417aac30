//! Strings of JSON, from behind their opening quote.

use fearless_simd::{Simd, dispatch};

use super::JsonError;
use crate::wire::{
    blocks::{self, LONG_BYTES, Places},
    escape::hex4,
    plain_run::plain,
};

/// A string whose opening quote has been read.
pub(super) struct Tail<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// Whether half a surrogate pair is a fault.
    pub(super) strict: bool,
}

impl Tail<'_> {
    /// From just past the opening quote to just past the closing one; whether it has escapes.
    #[inline]
    pub(super) fn read(&mut self) -> Result<bool, JsonError> {
        let (start, mut escaped) = (self.at, false);
        loop {
            self.at += plain(self.bytes.get(self.at..).unwrap_or_default());
            match self.special()? {
                true => escaped = true,
                false => return Ok(escaped),
            }
            if self.at - start >= LONG_BYTES {
                return dispatch!(blocks::level(), simd => self.long_tail(simd)).map(|()| true);
            }
        }
    }

    /// The rest of a string that is long and has escapes.
    #[inline(always)]
    fn long_tail<S: Simd>(&mut self, simd: S) -> Result<(), JsonError> {
        let mut specials = Places::<_, true, true>::new(simd, self.bytes, self.at);
        loop {
            self.at = specials.next().unwrap_or(self.bytes.len());
            let short = match self.bytes.get(self.at..self.at + 2) {
                Some([b'\\', escaped]) => {
                    matches!(escaped, b'"' | b'\\' | b'/' | b'n' | b'r' | b't')
                }
                _ => false,
            };
            if short {
                self.at += 2;
            } else if !self.special()? {
                return Ok(());
            }
            specials.go_on(self.at);
        }
    }

    /// Passes over what ends a plain run: whether that is an escape, and not the closing quote.
    #[inline(always)]
    fn special(&mut self) -> Result<bool, JsonError> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                Ok(false)
            }
            Some(b'\\') => self.escape().map(|()| true),
            Some(_) => self.fault("a control character in a string"),
            None => self.fault("a string without end"),
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            // Text beyond ASCII may be nothing but these.
            Some(b'u') => loop {
                let unit = self.unit()?;
                if self.strict && (0xD800..0xE000).contains(&unit) {
                    self.low_half(unit)?;
                }
                if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                    break;
                }
                self.at += 1;
            },
            _ => return self.fault("an unknown escape"),
        }
        Ok(())
    }

    /// Reads `uXXXX`.
    fn unit(&mut self) -> Result<u16, JsonError> {
        let hex = self.bytes.get(self.at + 1..self.at + 5);
        let Some(unit) = hex.and_then(hex4) else {
            return self.fault("an escape without four hexadecimal digits");
        };
        self.at += 5;
        Ok(unit)
    }

    /// After the first half of a surrogate pair: the second must follow.
    fn low_half(&mut self, first: u16) -> Result<(), JsonError> {
        let lone = JsonError { what: "half a surrogate pair", at: self.at };
        if first >= 0xDC00 || self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
            return Err(lone);
        }
        self.at += 1;
        if (0xDC00..0xE000).contains(&self.unit()?) { Ok(()) } else { Err(lone) }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fault<T>(&self, what: &'static str) -> Result<T, JsonError> {
        JsonError::at(self.bytes, self.at, what)
    }
}
