//! The seams of a message in parts: a number that is split over two of them is one number to its reader.

use classify::{ContentStream, Contents};

use super::escape::{self, Held};

/// Bytes of a long part on each side of a seam: more than the longest number has, and what is said around it.
const SIDE_BYTES: usize = 512;

/// The parts of messages, joined with nothing and joined with a blank between.
#[derive(Default)]
pub(super) struct Seams<'a> {
    /// The last part, and its message.
    last: Option<(&'a str, usize)>,
    /// Made for the first message in parts.
    joined: Option<Box<[ContentStream; 2]>>,
    /// What stands behind escapes.
    held: Held,
    open: bool,
}

impl<'a> Seams<'a> {
    /// Takes one part of a message as it is written.
    pub(super) fn part(&mut self, raw: &'a str, message: usize) {
        let last = self.last.replace((raw, message));
        let Some((before, _)) = last.filter(|(_, it)| *it == message) else {
            return self.end();
        };
        if !self.open {
            self.push(tail(before));
            self.open = true;
        }
        if let Some([_, spaced]) = self.joined.as_deref_mut() {
            spaced.push(" ");
        }
        if raw.len() <= 2 * SIDE_BYTES {
            return self.push(raw);
        }
        self.push(raw.split_at(raw.floor_char_boundary(SIDE_BYTES)).0);
        self.end();
    }

    fn push(&mut self, raw: &str) {
        let joined = self.joined.get_or_insert_default();
        escape::parts(raw, &mut self.held, |part| joined.iter_mut().for_each(|it| it.push(part)));
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.open) {
            self.joined.iter_mut().flat_map(|it| it.iter_mut()).for_each(ContentStream::end);
        }
    }

    /// What has been found, at least that of the parts alone.
    pub(super) fn found(mut self, alone: Contents) -> Contents {
        self.end();
        let joined = self.joined.iter().flat_map(|it| it.iter());
        joined.map(ContentStream::found).fold(alone, highest)
    }
}

/// The end of a part.
fn tail(raw: &str) -> &str {
    raw.split_at(raw.floor_char_boundary(raw.len().saturating_sub(SIDE_BYTES))).1
}

/// The higher count of each kind.
fn highest(mut one: Contents, other: Contents) -> Contents {
    for (kind, count) in other.found() {
        one.add_many(kind, count.saturating_sub(one.count(kind)));
    }
    one
}
