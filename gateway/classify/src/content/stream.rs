//! A text that comes in parts, such as one whose escapes are resolved on the way: only a window of it is
//! held.

use super::scan::{Scan, Seen};
use crate::{Contents, model::sample::floor};

/// Bytes that are held at once.
const WINDOW: usize = 8192;
/// Bytes before a place that are kept for the words that stand there, and bytes behind it that must be there
/// before it is looked at: more than the longest number has, and what is said around it.
const BEHIND: usize = 512;
const AHEAD: usize = 1024;

/// Reads texts and counts what they contain.
pub struct ContentStream {
    held: [u8; WINDOW],
    length: usize,
    /// What was looked at of what is held.
    done: usize,
    seen: Seen,
    found: Contents,
}

impl Default for ContentStream {
    fn default() -> Self {
        Self { held: [0; WINDOW], length: 0, done: 0, seen: Seen::default(), found: Contents::NONE }
    }
}

impl ContentStream {
    /// Takes the next part of a text.
    pub fn push(&mut self, part: &str) {
        let mut rest = part;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(floor(rest, WINDOW - self.length));
            if let Some(to) = self.held.get_mut(self.length..self.length + now.len()) {
                to.copy_from_slice(now.as_bytes());
                self.length += now.len();
            }
            rest = later;
            if !rest.is_empty() {
                self.look(false);
            }
        }
    }

    /// The text ends here; the next part is another text's.
    pub fn end(&mut self) {
        self.look(true);
        (self.length, self.done, self.seen) = (0, 0, Seen::default());
    }

    /// What has been found in all texts that have ended.
    #[must_use]
    pub fn found(&self) -> Contents {
        self.found
    }

    fn look(&mut self, last: bool) {
        let held = self.held.get(..self.length).unwrap_or_default();
        // Parts are whole characters.
        let text = str::from_utf8(held).unwrap_or("");
        let to = if last { text.len() } else { floor(text, text.len().saturating_sub(AHEAD)) };
        let mut scan = Scan { text, seen: self.seen, found: &mut self.found };
        scan.run(self.done, to);
        let gone = floor(text, to.saturating_sub(BEHIND));
        self.seen = scan.seen.shifted(gone);
        self.done = to - gone;
        self.held.copy_within(gone..self.length, 0);
        self.length -= gone;
    }
}
