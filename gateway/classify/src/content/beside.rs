//! A word with what stands beside it, in which a secret may be.

use super::unsigned::before;
use crate::model::sample::floor;

/// Bytes of such a word, before its first digit behind a letter and from there on.
pub(super) const WORD_BYTES: usize = 32;
/// Bytes before a word in which its name stands.
const HEAD_BYTES: usize = 160;
/// Bytes behind a word that tell whether the line goes on.
const REST_BYTES: usize = 40;

/// A word in which a secret may be, with what stands around it on both sides.
pub(super) struct Word<'a> {
    pub head: &'a str,
    pub value: &'a str,
    pub rest: &'a str,
}

impl<'a> Word<'a> {
    /// The one around a place.
    pub(super) fn around(text: &'a str, at: usize) -> Option<(Self, usize)> {
        let of = |b: &&u8| b.is_ascii_graphic() && !b"\"'`|,;<>()[]{}\\/:=".contains(b);
        let bytes = text.as_bytes();
        let from = at.saturating_sub(WORD_BYTES);
        let ahead = bytes.get(at..)?.iter().take(WORD_BYTES).take_while(of).count();
        if ahead == WORD_BYTES {
            return None;
        }
        let back = bytes.get(from..at)?.iter().rev().take_while(of).count();
        // At the first such digit of a word it was looked at.
        let looked =
            |pair: &[u8]| matches!(pair, [a, b] if a.is_ascii_alphabetic() && b.is_ascii_digit());
        if back == WORD_BYTES || bytes.get(at - back..at)?.windows(2).any(looked) {
            return None;
        }
        let end = at + ahead;
        Some((Self::between(text, at - back, end)?, end))
    }

    pub(super) fn between(text: &'a str, start: usize, end: usize) -> Option<Self> {
        let head = before(text, start, HEAD_BYTES);
        let rest = text.get(end..floor(text, end + REST_BYTES))?;
        Some(Self { head, value: text.get(start..end)?, rest })
    }

    /// Whether nothing else stands on the line behind the word.
    pub(super) fn ends_line(&self) -> bool {
        let rest = self.rest.trim_start_matches([' ', '"', '\'', '\r', '`', '*']);
        rest.is_empty() || rest.starts_with('\n')
    }
}
