//! What a stream has shown so far: its choices and their ends, its content, and what it says it used.

use policies::{Counts, facts::Tokens};
use smallvec::SmallVec;

use super::super::{chunk::Look, event::What, usage};

/// The figures of one stream.
#[derive(Debug)]
pub(super) struct Seen {
    /// Choices that were asked for.
    pub(super) choices: u8,
    /// One bit for each choice that was seen.
    pub(super) seen: u64,
    /// The same for those that ended.
    pub(super) finished: u64,
    failed: u64,
    /// A choice said that it ended for a reason that an answer may be empty for.
    explained: bool,
    /// What the backend says it used.
    pub(super) reported: Option<Counts>,
    /// What was reported of single choices, by their bits.
    parts: SmallVec<[(u64, Counts); 1]>,
    /// Whether the event that was looked at last ends a choice and holds usage.
    pub(super) ends_with_usage: bool,
    /// Choices with content, of all events.
    pub(super) contents: u32,
    /// Bytes of it.
    pub(super) content_bytes: u64,
}

impl Seen {
    /// Nothing yet, of one choice.
    pub(super) fn nothing() -> Self {
        Self {
            choices: 1,
            seen: 0,
            finished: 0,
            failed: 0,
            explained: false,
            reported: None,
            parts: SmallVec::new(),
            ends_with_usage: false,
            contents: 0,
            content_bytes: 0,
        }
    }

    fn asked(&self) -> u32 {
        u32::from(self.choices.clamp(1, 64))
    }

    /// The choices that were asked for or seen and have not come to their end, a bit each.
    pub(super) fn open(&self) -> u64 {
        (self.seen | u64::MAX >> (64 - self.asked())) & !self.finished
    }

    /// Whether every choice that was asked for or seen has come to its end.
    pub(super) fn all_finished(&self) -> bool {
        self.finished.count_ones() >= self.asked() && self.seen & !self.finished == 0
    }

    /// What was reported, if it can be true: a report of no output where content came is not.
    pub(super) fn believed(&self) -> Option<Counts> {
        let silent = |counts: &Counts| counts.output == 0 && counts.reasoning == 0;
        self.reported.filter(|counts| self.contents == 0 || !silent(counts))
    }

    /// Whether it came to nothing if it ends here: no content, no output that was used, and no reason why.
    pub(super) fn silent(&self) -> bool {
        let used = self.reported.is_some_and(|it| it.output > 0 || it.reasoning > 0);
        self.contents == 0 && !self.explained && !(used && self.finished != 0)
    }

    /// Output counted so far.
    pub(super) fn counted(&self) -> Tokens {
        usage::counted(self.contents, self.content_bytes)
    }

    /// Takes what an event holds, and says what it is.
    pub(super) fn note(&mut self, look: &Look) -> What {
        self.contents = self.contents.saturating_add(look.contents);
        self.content_bytes = self.content_bytes.saturating_add(look.content_bytes);
        self.seen |= look.seen;
        self.finished |= look.finished;
        self.failed |= look.failed;
        self.explained |= look.explained;
        self.ends_with_usage = look.has_usage && look.finished != 0;
        if let Some(counts) = look.usage {
            self.report(counts, look.usage_of);
        }
        match look {
            Look { contents: 1.., .. } => What::Content,
            Look { choices: 0, has_usage: true, .. } => What::Usage,
            Look { finished: 1.., .. } => What::Finish,
            _ => What::Other,
        }
    }

    /// Whether no choice is left that could be good.
    pub(super) fn all_failed(&self, look: &Look) -> bool {
        if self.asked() == 1 {
            return look.all_failed();
        }
        look.failed != 0
            && self.failed.count_ones() >= self.asked()
            && self.seen & !self.failed == 0
    }

    /// Takes a report, of the answer or of these choices alone. Running reports replace each other as they
    /// grow.
    fn report(&mut self, counts: Counts, of: u64) {
        let mut counts = counts;
        if of != 0 {
            self.parts.retain(|(known, _)| *known & of == 0);
            self.parts.push((of, counts));
            let parts = self.parts.iter().map(|(_, counts)| *counts);
            counts = parts.reduce(usage::joined).unwrap_or(counts);
        }
        if self.reported.is_none_or(|known| usage::sum(counts) >= usage::sum(known)) {
            self.reported = Some(counts);
        }
    }
}
