//! Text that is put together from runs: each is copied in blocks, as how long it is cannot be foretold and a
//! wrong guess costs more than the bytes behind it.

use super::{CHARACTER_BYTES, PART_BYTES};
use crate::wire::utf8::utf8;

/// Bytes that are copied together, and that may be written behind what counts.
const BLOCK: usize = 64;

/// A text of at most [`PART_BYTES`].
#[derive(Default)]
pub(in crate::wire) struct Held {
    bytes: Vec<u8>,
    filled: usize,
}

impl Held {
    /// Begins a text of so many bytes, or a part of it.
    pub(super) fn begin(&mut self, bytes: usize) {
        let bytes = bytes.min(PART_BYTES) + CHARACTER_BYTES + BLOCK;
        if self.bytes.len() < bytes {
            self.bytes.resize(bytes, 0);
        }
        self.filled = 0;
    }

    /// Whether so many bytes and a character behind them have room beside what is there.
    #[inline(always)]
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.filled + bytes + CHARACTER_BYTES + BLOCK <= self.bytes.len()
    }

    /// Adds the first `count` of some bytes, for which there is room.
    #[inline(always)]
    pub(super) fn push(&mut self, bytes: &[u8], count: usize) {
        let (mut from, mut at) = (bytes, self.filled);
        self.filled += count;
        while at < self.filled
            && let Some((block, behind)) = from.split_first_chunk::<BLOCK>()
            && let Some(room) =
                self.bytes.get_mut(at..).and_then(|it| it.first_chunk_mut::<BLOCK>())
        {
            *room = *block;
            (from, at) = (behind, at + BLOCK);
        }
        if let Some(room) = self.bytes.get_mut(at..self.filled) {
            room.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
    }

    /// Adds a character.
    #[inline(always)]
    pub(super) fn add(&mut self, character: char) {
        let room = self.bytes.get_mut(self.filled..).unwrap_or_default();
        if let (true, Some(byte)) = (character.is_ascii(), room.first_mut()) {
            *byte = character as u8;
            self.filled += 1;
        } else if room.len() >= CHARACTER_BYTES {
            self.filled += character.encode_utf8(room).len();
        }
    }

    /// What is there.
    pub(super) fn text(&self) -> &str {
        self.bytes.get(..self.filled).and_then(utf8).unwrap_or("")
    }
}
