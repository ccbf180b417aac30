//! A text that comes in parts, such as one whose escapes are resolved on the way: only a window of it is
//! held.

use super::{scan::Scan, seen::Seen};
use crate::{Contents, model::sample::floor};

/// Bytes that are held at once.
const WINDOW: usize = 8192;
/// Bytes before a place that are kept for the words that stand there, and bytes behind it that must be there
/// before it is looked at: more than the longest number has, and what is said around it.
const BEHIND: usize = 512;
const AHEAD: usize = 1024;

/// Reads texts and counts what they contain.
#[derive(Default)]
pub struct ContentStream {
    held: String,
    /// What was looked at of what is held.
    done: usize,
    seen: Seen,
    found: Contents,
}

impl ContentStream {
    /// Takes the next part of a text.
    pub fn push(&mut self, part: &str) {
        if self.held.capacity() < WINDOW {
            self.held.reserve_exact(WINDOW);
        }
        let mut rest = part;
        while !rest.is_empty() {
            let room = WINDOW.saturating_sub(self.held.len());
            let (now, later) = rest.split_at_checked(floor(rest, room)).unwrap_or((rest, ""));
            self.held.push_str(now);
            rest = later;
            if !rest.is_empty() {
                self.look(false);
            }
        }
    }

    /// The text ends here; the next part is another text's.
    pub fn end(&mut self) {
        self.look(true);
        self.held.clear();
        (self.done, self.seen) = (0, Seen::default());
    }

    /// What has been found in all texts that have ended.
    #[must_use]
    pub fn found(&self) -> Contents {
        self.found
    }

    fn look(&mut self, last: bool) {
        let text = self.held.as_str();
        let to = if last { text.len() } else { floor(text, text.len().saturating_sub(AHEAD)) };
        let mut scan = Scan { text, seen: self.seen, found: &mut self.found };
        scan.run(self.done, to);
        let gone = floor(text, to.saturating_sub(BEHIND));
        self.seen = scan.seen.shifted(gone);
        self.done = to - gone;
        self.held.drain(..gone);
    }
}
