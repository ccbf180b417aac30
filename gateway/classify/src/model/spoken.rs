//! What a person says in a turn, told from what is pasted beside it: by structure, not by position.
//!
//! Fences are counted from the start, so that a closing one is never taken for an opening one; quotes,
//! blocks between tags and lines of data are somebody else's. Of a long turn its first and its last
//! bytes are walked, line by line, by their beginnings alone.

use smallvec::SmallVec;

use super::{
    data,
    labels::{self, Heading},
    next::Next,
    sample,
};

/// Bytes that are walked from the head, and as many from the tail.
const WINDOW: usize = 4 * 1024;
/// Stretches that are kept: the first ones and the last ones.
const KEPT: usize = 8;
/// Tags that are looked at.
const ZONES_MAX: usize = 32;

/// The parts of a turn that are the person's own.
#[derive(Clone, Debug, Default)]
pub struct Spoken<'a> {
    /// Paragraphs outside of everything that is pasted, in their order.
    pub blocks: SmallVec<[&'a str; KEPT]>,
    /// What a tag or a heading says is the question; the last one.
    pub question: Option<&'a str>,
    /// Whether something was passed over: code, a quote, a block, data.
    pub pasted: bool,
}

/// Finds what a person says in a turn. Bounded work; nothing is copied.
#[must_use]
pub fn of(text: &str) -> Spoken<'_> {
    let mut walk = Walk::over(text, true);
    if walk.zone.is_some() {
        // A tag that is never closed opens no block.
        walk = Walk::over(text, false);
    }
    // In a talk that is written down nobody is asked, unless it ends where the answer begins.
    let told = walk.speakers >= 2 && !walk.awaits && !walk.spoken.blocks.is_empty();
    if walk.by_speaker && told {
        walk.spoken.question = None;
    }
    walk.spoken
}

/// The parts of a text that are walked: its first bytes, and its last ones where it is long.
#[must_use]
pub fn windows(text: &str) -> (&str, &str) {
    if text.len() <= 2 * WINDOW + 1 {
        return (text, "");
    }
    let tail = text.get(sample::floor(text, text.len() - WINDOW)..).unwrap_or("");
    (text.get(..sample::floor(text, WINDOW)).unwrap_or(""), tail)
}

/// An opening fence: its mark, and how many of them.
#[derive(Clone, Copy, PartialEq)]
struct Fence(u8, usize);

impl Fence {
    /// The same of a line that may be set in. Most lines begin with a letter, and no more is asked.
    fn begun(line: &str) -> Option<(Self, bool)> {
        let letter = line.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if letter { None } else { Self::of(line.trim_start()) }
    }

    /// The fence that a line begins with, and whether something follows it on the line.
    fn of(line: &str) -> Option<(Self, bool)> {
        let marks = |b: &&u8| matches!(b, b'`' | b'~' | b'"' | b'\'');
        let mark = *line.as_bytes().first().filter(marks)?;
        if matches!(mark, b'"' | b'\'') {
            let alone = matches!(line.trim_end(), "\"\"\"" | "'''");
            return alone.then_some((Self(mark, 3), false));
        }
        let count = line.bytes().take_while(|b| *b == mark).count();
        let rest = line.get(count..).unwrap_or("").trim_end();
        // What is opened and closed in one line is no fence.
        (count >= 3 && !rest.contains('`')).then_some((Self(mark, count), !rest.is_empty()))
    }
}

/// What ends a heading or announces a question; the last is the first byte of a wide colon.
const MARKS: [Next; 3] = [Next::of(b':'), Next::of(b']'), Next::of(0xEF)];

struct Walk<'a> {
    text: &'a str,
    /// Where the part of the text ends whose lines are walked.
    end: usize,
    /// What ends a heading or announces a question in it.
    marks: [Next; 3],
    spoken: Spoken<'a>,
    fence: Option<Fence>,
    /// The block between tags that the walk is in: its tag's name, and whether the question stands in
    /// it.
    zone: Option<(&'a str, bool)>,
    /// Whether tags open blocks.
    tags: bool,
    /// Where the paragraph began that the walk is in.
    block: Option<usize>,
    /// Where a question began that a heading announced.
    asked: Option<usize>,
    /// Where a question in a tag began.
    inside: usize,
    diff: bool,
    /// Whether the last line that is not empty was one of data.
    data: bool,
    /// Turns of a talk that is written down.
    speakers: usize,
    /// Whether the question is what one of its speakers says.
    by_speaker: bool,
    /// Whether the last line that is not empty announces an answer.
    awaits: bool,
    /// Tags that were looked at.
    zones: usize,
}

impl<'a> Walk<'a> {
    fn over(text: &'a str, tags: bool) -> Self {
        let mut walk = Self {
            text,
            end: 0,
            marks: MARKS,
            spoken: Spoken::default(),
            fence: None,
            zone: None,
            tags,
            block: None,
            asked: None,
            inside: 0,
            diff: false,
            data: false,
            speakers: 0,
            by_speaker: false,
            awaits: false,
            zones: 0,
        };
        let (head, tail) = windows(text);
        walk.lines(0, head.len());
        if !tail.is_empty() {
            let from = text.len() - tail.len();
            walk.across(from);
            walk.lines(from, text.len());
        }
        walk
    }

    /// Goes on behind a gap, in which a fence may have been opened or closed.
    fn across(&mut self, tail: usize) {
        let rest = self.text.get(tail..).unwrap_or("");
        let fences = sample::lines(rest).filter_map(Fence::begun);
        let next = fences.take(1).next();
        self.fence = match (self.fence, next) {
            // Who opens one says the language of the code, and a fence inside of another is none.
            (Some(_), Some((_, true))) => None,
            (Some(open), _) => Some(open),
            (None, Some((fence, false))) => closes(rest).then_some(fence),
            (None, _) => None,
        };
        self.diff = false;
    }

    fn lines(&mut self, from: usize, to: usize) {
        let part = self.text.get(from..to).unwrap_or("");
        self.end = from + part.len();
        self.marks = MARKS;
        let mut at = from;
        for line in sample::lines(part) {
            self.line(line, at);
            at += line.len() + 1;
        }
        self.close(to);
        self.answered(to);
    }

    fn line(&mut self, line: &'a str, at: usize) {
        let bare = sample::trim_start(line);
        if let Some((fence, info)) = Fence::of(bare) {
            match self.fence {
                None => self.fence = Some(fence),
                Some(open) if open.0 == fence.0 && fence.1 >= open.1 && !info => self.fence = None,
                Some(_) => {}
            }
            return self.pass(at);
        }
        if self.fence.is_some() {
            return;
        }
        if let Some((name, asks)) = self.zone {
            return self.in_zone(line, at, name, asks);
        }
        if self.tags && self.opens_zone(bare, at + line.len() - bare.len()) {
            return;
        }
        if bare.is_empty() {
            self.close(at);
            if self.asked.is_some_and(|from| !self.slice(from, at).trim().is_empty()) {
                self.answered(at);
            }
            return;
        }
        self.plain(line, bare, at);
    }

    /// Whether a line that begins here may begin with a heading, and whether it may announce a question.
    fn marks(&mut self, begin: usize, length: usize) -> (bool, bool) {
        let part = self.text.as_bytes().get(..self.end).unwrap_or_default();
        let [colon, bracket, wide] = &mut self.marks;
        let (colon, near) = (colon.from(part, begin), length.min(labels::HEADING_BYTES));
        let marked = colon < begin + near || bracket.from(part, begin) < begin + near;
        (marked, colon < begin + length || wide.from(part, begin) < begin + length)
    }

    fn plain(&mut self, line: &'a str, bare: &'a str, at: usize) {
        if bare.starts_with('>') || bare.starts_with("&gt;") {
            // The line above a quote says who wrote it.
            if let Some(from) = self.block
                && self.slice(from, at).trim_end().ends_with(':')
            {
                let said = self.slice(from, at).trim_end();
                let last = said.rfind('\n').map_or(from, |cut| from + cut);
                self.block = Some(from);
                self.close(last);
            }
            return self.pass(at);
        }
        self.awaits = false;
        let begin = at + line.len() - bare.len();
        let (marked, told) = self.marks(begin, bare.len());
        if let Some((kind, length)) = labels::heading(bare, marked) {
            return self.heading(kind, line, begin + length, at);
        }
        self.diff = match bare.as_bytes() {
            [b'@', b'@', b' ', ..] | [b'd', b'i', b'f', b'f', b' ', b'-', ..] => true,
            [b'+' | b'-', ..] => self.diff,
            _ => self.diff && line.starts_with(' '),
        };
        if told && let Some(question) = labels::amid(bare) {
            self.pass(at);
            return self.ask(question);
        }
        self.data = self.diff || data::is_line(line) || self.data && data::goes_on(line);
        if self.data || bare.starts_with('“') && bare.trim_end().ends_with('”') {
            return self.pass(at);
        }
        self.block.get_or_insert(at);
    }

    /// A line with a heading, which ends at `said`.
    fn heading(&mut self, kind: Heading, line: &'a str, said: usize, at: usize) {
        self.answered(at);
        self.close(at);
        let end = at + line.len();
        let rest = self.slice(said, end).trim();
        self.speakers += usize::from(matches!(kind, Heading::Asking | Heading::Answering));
        self.awaits = rest.is_empty() && kind == Heading::Answering;
        match kind {
            Heading::Question if labels::amid(rest).is_none() => {
                self.by_speaker = false;
                self.asked = Some(said);
            }
            Heading::Asking if rest.is_empty() => {
                self.by_speaker = true;
                self.asked = Some(said);
            }
            Heading::Asking => {
                self.ask(rest);
                self.by_speaker = true;
            }
            _ => {
                if let Some(question) = labels::amid(rest) {
                    self.ask(question);
                }
            }
        }
    }

    /// A line inside of a block between tags.
    fn in_zone(&mut self, line: &'a str, at: usize, name: &str, asks: bool) {
        let Some(end) = closing(line, name) else { return };
        if asks {
            let said = self.slice(self.inside, at + end);
            self.ask(said);
        }
        self.zone = None;
        let after = at + end + name.len() + 3;
        if after < at + line.len() {
            self.rest(after, at + line.len());
        }
    }

    /// What follows a closing tag on its line.
    fn rest(&mut self, from: usize, to: usize) {
        let rest = self.slice(from, to);
        let bare = rest.trim_start();
        let begins = from + rest.len() - bare.len();
        if !self.opens_zone(bare, begins) && !bare.is_empty() {
            self.block = Some(begins);
        }
    }

    /// Whether a block between tags begins here, be it that it ends on the same line.
    fn opens_zone(&mut self, bare: &'a str, at: usize) -> bool {
        let Some(open) = labels::Tag::of(bare).filter(|_| self.zones < ZONES_MAX) else {
            return false;
        };
        self.zones += 1;
        let alone = bare.get(open.length..).unwrap_or("").trim().is_empty();
        if !(alone || open.question || open.material) {
            return false;
        }
        self.pass(at);
        self.zone = Some((open.name, open.question));
        self.inside = at + open.length;
        let line = bare.get(open.length..).unwrap_or("");
        self.in_zone(line, at + open.length, open.name, open.question);
        true
    }

    /// Something is passed over: the paragraph before it ends.
    fn pass(&mut self, at: usize) {
        self.close(at);
        self.answered(at);
        self.spoken.pasted = true;
    }

    fn close(&mut self, at: usize) {
        let Some(from) = self.block.take() else { return };
        let block = self.slice(from, at).trim();
        if block.is_empty() {
            return;
        }
        if self.spoken.blocks.len() == KEPT {
            // A long paragraph is what is asked about sooner than what is asked.
            let amid = self.spoken.blocks.iter().enumerate().skip(1).take(KEPT - 2);
            let longest = amid.max_by_key(|(_, block)| block.len()).map_or(1, |(at, _)| at);
            self.spoken.blocks.remove(longest);
        }
        self.spoken.blocks.push(block);
    }

    fn answered(&mut self, at: usize) {
        if let Some(from) = self.asked.take() {
            let by_speaker = self.by_speaker;
            self.ask(self.slice(from, at));
            self.by_speaker = by_speaker;
        }
    }

    fn ask(&mut self, said: &'a str) {
        let said = said.trim();
        if said.chars().any(char::is_alphabetic) {
            self.by_speaker = false;
            self.spoken.question = Some(said);
        }
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to.min(self.text.len())).unwrap_or("")
    }
}

/// Whether the first fence behind a gap closes one: what stands before it is data.
fn closes(rest: &str) -> bool {
    let before = sample::lines(rest).take_while(|line| Fence::begun(line).is_none());
    let (data, all) = before.fold((0, 0), |(data, all), line| {
        (data + usize::from(data::is_line(line)), all + usize::from(!line.trim().is_empty()))
    });
    data * 2 > all
}

/// Where the closing tag of this name stands in a line.
fn closing(line: &str, name: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = line.get(from..)?.find("</") {
        let here = from + at;
        let rest = line.get(here + 2..)?;
        if rest.strip_prefix(name).is_some_and(|it| it.starts_with('>')) {
            return Some(here);
        }
        from = here + 2;
    }
    None
}
