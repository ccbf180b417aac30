//! A stretch of text that could be a number: its digits and letters, and what parts its groups.

use smallvec::SmallVec;

use super::symbol::{Gap, Symbol, escaped};

/// Characters of a stretch: the longest number has 34, an IBAN.
pub(super) const CHARS_MAX: usize = 64;
/// A stretch that was cut is looked at from the groups that begin before this character; what begins later
/// is the next stretch.
const AHEAD: usize = CHARS_MAX - 36;
/// Characters between two groups: a hyphen between blanks, a line's end and its indent.
const GAP_CHARS_MAX: usize = 4;
/// Digits of a number that has no slash in it.
const LONG: usize = 12;
/// A word of more letters parts two numbers. Four stand in an IBAN.
const WORD_LETTERS_MAX: usize = 4;

/// How the names of months begin.
const MONTHS: [&[u8; 3]; 12] = [
    b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC",
];

/// A character of a stretch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Char {
    /// A digit or a capital letter.
    pub mark: u8,
    /// What stands before it.
    pub gap: Gap,
    /// Whether it is written as a small letter.
    pub small: bool,
    /// Where it stands in the text, in bytes.
    pub at: usize,
    /// Where it ends.
    pub end: usize,
    /// How many digits follow each other from here on, whatever parts them.
    pub digits: u8,
    /// Whether several signs stand before it: a hyphen beside a blank.
    pub loose: bool,
}

/// A stretch of digits and letters.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub chars: SmallVec<[Char; CHARS_MAX]>,
    /// Groups that begin at or after this character belong to the next stretch.
    pub until: usize,
    /// Whether a digit before it belongs to the same number.
    pub joined: bool,
    /// Whether a comma stands right before it.
    comma: bool,
    /// Whether letters before it are attached.
    pub glued: bool,
    /// Whether a sign of numbers stands right before it: `#`.
    pub hashed: bool,
    /// Whether a plus sign stands before it.
    pub plus: bool,
}

impl Piece {
    /// The stretch that begins at a place of a text.
    pub(super) fn read(text: &str, from: usize) -> Self {
        let mut piece = Self::default();
        piece.look_back(text.get(..from).unwrap_or(""));
        let (mut gap, mut between, mut letters, mut word) = (Gap::Joined, 0, 0, 0);
        let rest = text.get(from..).unwrap_or("");
        let mut past = 0;
        for (at, c) in rest.char_indices() {
            if at < past {
                continue;
            }
            let escape = if c == '\\' { rest.get(at..).and_then(escaped) } else { None };
            let (c, bytes) = escape.unwrap_or((c, c.len_utf8()));
            past = at + bytes;
            match Symbol::of(c) {
                Symbol::Nothing => continue,
                Symbol::Other => break,
                // A dot before a blank ends a sentence, or the number of a list's item.
                Symbol::Gap(found) if gap == Gap::Dot && found != Gap::Dot => break,
                Symbol::Gap(found) => {
                    between += 1;
                    gap = gap.max(found);
                    if between > GAP_CHARS_MAX {
                        break;
                    }
                }
                Symbol::Mark(mark) => {
                    let first = piece.chars.is_empty();
                    if between > 0 || first {
                        (letters, word) = (0, piece.chars.len());
                    }
                    letters += usize::from(mark.is_ascii_uppercase());
                    let plain = piece.chars.len() - word + 1 == letters;
                    if plain && letters > WORD_LETTERS_MAX && word > 0 {
                        piece.chars.truncate(word);
                        break;
                    }
                    if piece.chars.len() == CHARS_MAX {
                        piece.until = piece.cut();
                        piece.count();
                        piece.joined &= !piece.comma;
                        return piece;
                    }
                    let gap = if first { Gap::Joined } else { gap };
                    let end = from + past;
                    let small = c.is_ascii_lowercase();
                    let (at, loose) = (from + at, !first && between > 1);
                    piece.chars.push(Char { mark, gap, small, at, end, digits: 0, loose });
                }
            }
            if !matches!(Symbol::of(c), Symbol::Gap(_)) {
                (gap, between) = (Gap::Joined, 0);
            }
        }
        piece.close(rest.get(..past).unwrap_or(""), rest.get(past..).unwrap_or(""));
        // After a comma only thousands belong to what stands before it.
        let first = (1..=piece.chars.len()).find(|at| piece.ends(*at));
        piece.joined &= !piece.comma || first == Some(3);
        piece
    }

    /// Closes a stretch between what was read and what stands behind it. A last group that is the hours of a
    /// time is none of it: `2026 10:11`.
    fn close(&mut self, read: &str, behind: &str) {
        let timed = read.ends_with(':') && behind.starts_with(|c: char| c.is_ascii_digit());
        let last = (1..self.chars.len()).rev().find(|at| timed && self.begins(*at));
        let hours = |at: &usize| {
            self.gap(*at) == Gap::Space && self.group(*at).is_some_and(|(length, _)| length <= 2)
        };
        if let Some(at) = last.filter(hours) {
            self.chars.truncate(at);
        }
        self.until = self.chars.len();
        self.count();
    }

    /// Counts the digits that follow each other.
    fn count(&mut self) {
        let mut digits = 0;
        for c in self.chars.iter_mut().rev() {
            digits = if c.mark.is_ascii_digit() { digits + 1 } else { 0 };
            c.digits = digits;
        }
    }

    /// Sees what stands right before it.
    fn look_back(&mut self, before: &str) {
        let mut chars = before.chars().rev().filter(|c| Symbol::of(*c) != Symbol::Nothing);
        let last = chars.next().unwrap_or(' ');
        self.plus = matches!(last, '+' | '＋');
        let attached = matches!(Symbol::of(last), Symbol::Gap(Gap::Dot | Gap::Slash | Gap::Hyphen));
        self.comma = last == ',';
        if attached || matches!(last, ',' | '#' | ':') {
            let mark = chars.next().and_then(|it| Symbol::of(it).mark());
            self.joined = mark.is_some_and(|it| it.is_ascii_digit()) && last != '#' && last != ':';
            self.glued = attached && mark.is_some_and(|it| it.is_ascii_uppercase());
        }
        self.hashed = last == '#';
        self.glued |= self.hashed;
    }

    /// Where a stretch that is too long is parted: at the last group that begins early enough.
    fn cut(&self) -> usize {
        let begins = |at: &usize| self.begins(*at) && *at > 0;
        (0..AHEAD).rev().find(begins).unwrap_or(CHARS_MAX)
    }

    /// Whether a group begins at a character.
    pub(super) fn begins(&self, at: usize) -> bool {
        at == 0 || self.chars.get(at).is_some_and(|it| it.gap != Gap::Joined)
    }

    /// Whether a group ends before a character.
    pub(super) fn ends(&self, at: usize) -> bool {
        at >= self.chars.len() || self.begins(at)
    }

    /// Where what comes after the stretch begins in the text.
    pub(super) fn next(&self) -> Option<usize> {
        match self.chars.get(self.until) {
            Some(next) => Some(next.at),
            None => self.chars.last().map(|last| last.end),
        }
    }

    /// The digit or letter at a place; 0 behind the end.
    pub(super) fn mark(&self, at: usize) -> u8 {
        self.chars.get(at).map_or(0, |it| it.mark)
    }

    /// What stands before a place; a line's end behind the end.
    pub(super) fn gap(&self, at: usize) -> Gap {
        self.chars.get(at).map_or(Gap::Line, |it| it.gap)
    }

    /// How many digits follow each other from a place on, whatever parts them.
    pub(super) fn digits(&self, from: usize) -> usize {
        self.chars.get(from).map_or(0, |it| usize::from(it.digits))
    }

    /// Whether a digit before a place belongs to the same number: a decimal, a longer code.
    pub(super) fn attached(&self, from: usize, count: usize) -> bool {
        let Some(before) = from.checked_sub(1) else { return self.joined };
        self.mark(before).is_ascii_digit() && self.joins((from, count), from, self.run_before(from))
    }

    /// Whether the sign at a place beside some digits joins the group of `other` digits behind it to them.
    fn joins(&self, (from, count): (usize, usize), at: usize, other: usize) -> bool {
        // A dash between blanks parts what is not written with such dashes.
        let loose = self.loose(at) && !(from + 1..from + count).any(|at| self.loose(at));
        let sign = match self.gap(at) {
            // A table of numbers writes a long one as a fraction: `4111111111111111.0`.
            Gap::Dot => {
                let naught = at == from + count && other == 1 && self.mark(at) == b'0';
                !(naught && self.long(from, count))
            }
            Gap::Hyphen => other < LONG || !self.long(from, count),
            Gap::Slash => !self.long(from, count),
            _ => false,
        };
        sign && !loose
    }

    /// Whether several signs stand before a place.
    pub(super) fn loose(&self, at: usize) -> bool {
        self.chars.get(at).is_some_and(|it| it.loose)
    }

    /// Whether some digits are so many without a gap that a slash beside them parts them from others.
    fn long(&self, from: usize, count: usize) -> bool {
        count >= LONG && self.bare(from, count)
    }

    fn bare(&self, from: usize, count: usize) -> bool {
        !(from + 1..from + count).any(|at| self.begins(at))
    }

    /// How many digits the group that ends before a place has.
    fn run_before(&self, at: usize) -> usize {
        let begin = (0..at).rev().find(|at| self.begins(*at)).unwrap_or(0);
        let digits = (begin..at).all(|at| self.mark(at).is_ascii_digit());
        if digits { at - begin } else { 0 }
    }

    /// How many digits the group that begins at a place has, and where it ends; nothing, if it is none of
    /// digits alone.
    fn group(&self, at: usize) -> Option<(usize, usize)> {
        self.chars.get(at)?;
        let end =
            (at + 1..self.chars.len()).find(|at| self.begins(*at)).unwrap_or(self.chars.len());
        let digits = (at..end).all(|at| self.mark(at).is_ascii_digit());
        digits.then_some((end - at, end))
    }

    /// Whether a date begins at a place behind a blank: `12/27`, `2024-01-31`, `30 Nov`.
    pub(super) fn dated(&self, at: usize) -> bool {
        let Some((length, end)) = self.group(at) else { return false };
        let word = [self.mark(end), self.mark(end + 1), self.mark(end + 2)];
        if self.gap(at) == Gap::Space && self.gap(end) == Gap::Space && MONTHS.contains(&&word) {
            return length <= 2;
        }
        let sign = matches!(self.gap(end), Gap::Slash | Gap::Hyphen | Gap::Dot) && !self.loose(end);
        let second = self.group(end).map_or(0, |(length, _)| length);
        self.gap(at) == Gap::Space
            && sign
            && matches!((length, second), (1 | 2 | 4, 1 | 2) | (2, 4))
    }

    /// Whether what stands behind some digits could be the month in which a card expires.
    pub(super) fn month(&self, from: usize, count: usize) -> bool {
        let at = from + count;
        let month =
            matches!((self.mark(at), self.mark(at + 1)), (b'0', b'1'..=b'9') | (b'1', b'0'..=b'2'));
        month && self.gap(at) == Gap::Space && self.group(at).is_some_and(|(length, _)| length == 2)
    }

    /// How many digits stand behind some on the same line, with blanks or signs between them alone.
    pub(super) fn behind(&self, from: usize, count: usize) -> usize {
        let at = from + count;
        if self.gap(at) == Gap::Line || self.dated(at) { 0 } else { self.digits(at) }
    }

    /// Whether a few digits behind some, parted by a blank, are the last of the stretch.
    pub(super) fn trails(&self, from: usize, count: usize) -> bool {
        let at = from + count;
        let few = |(length, end): (usize, usize)| length <= 4 && end == self.chars.len();
        self.gap(at) == Gap::Space && self.group(at).is_some_and(few)
    }

    /// Whether no other digits stand beside some on the same line, or what parts them from these is nothing
    /// that parts the groups of these: what is told by its groups alone must not be a part of a longer row of
    /// groups.
    pub(super) fn apart(&self, from: usize, count: usize) -> bool {
        let digit = |at: usize| self.mark(at).is_ascii_digit();
        let end = from + count;
        let before = from.checked_sub(1).is_some_and(digit) && !self.parts((from, count), from);
        let behind = digit(end) && !self.parts((from, count), end) && !self.dated(end);
        !before && !behind
    }

    /// Whether what stands before a place parts some digits from others.
    fn parts(&self, (from, count): (usize, usize), at: usize) -> bool {
        let within = || (from + 1..from + count).filter(|at| self.begins(*at));
        let gap = self.gap(at);
        let other = within().next().is_some() && within().all(|at| self.gap(at) != gap);
        let loose = self.loose(at) && !within().any(|at| self.loose(at));
        let long = gap == Gap::Space && self.long(from, count);
        gap == Gap::Line || other || loose || long
    }

    /// Whether the digits behind a place belong to the same number: attached ones, and one or two that stand
    /// as a last group of their own.
    pub(super) fn goes_on(&self, from: usize, count: usize) -> bool {
        let to = from + count;
        if !self.mark(to).is_ascii_digit() {
            return false;
        }
        let length = self.group(to).map_or(0, |(length, _)| length);
        if self.gap(to) != Gap::Space {
            return self.joins((from, count), to, length);
        }
        let blank = (from + 1..to).any(|at| self.gap(at) == Gap::Space);
        let digits = self.chars.iter().skip(to + 1).position(|it| it.gap != Gap::Joined);
        let length = digits.map_or(self.chars.len() - to, |at| at + 1);
        blank && length <= 2 && !self.dated(to)
    }
}
