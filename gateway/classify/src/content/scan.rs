//! One pass over a text: where something could begin that is looked for.

use super::{
    block::{BLOCK, Bits},
    contact, context,
    field::{self, Login},
    look::Look,
    piece::Piece,
    recognise, secret,
    symbol::{Gap, Symbol, escape_around, escape_letters, escaped},
};
use crate::{Content, Contents, model::sample::floor};

/// A word of so many bytes may be a token.
const TOKEN_MIN: usize = 20;
/// Letters before a number's first digit that may be of it.
const LETTERS_MAX: usize = 8;
/// Bytes in which these stand, with what cannot be seen between them.
const START_BYTES: usize = 20 * LETTERS_MAX;
/// Bytes in which a number has its digits, as bits, and how many it has in them at least: a year has
/// four, and so has the shortest number with letters before them.
const NEAR: u64 = (1 << NEAR_BYTES) - 1;
const NEAR_BYTES: usize = 24;
/// Bytes in which they are where what cannot be seen stands between them.
const SPARSE_BYTES: usize = 320;
const DIGITS_MIN: u32 = 6;
const DIGITS_LETTERED_MIN: u32 = 4;

/// Groups of digits of one text that are looked at in full. In more, which only tables have, a number must be
/// written without a gap: the time for a body of any length stays that of reading it.
const GROUPS_MAX: u32 = 100_000;
/// Bytes of a token before and behind the first character in it that cannot be seen.
const UNSEEN_BEFORE: usize = 96;
const UNSEEN_BEHIND: usize = 480;
/// Bytes of the shortest of all that is looked for: `a@b.de`.
const SHORTEST: usize = 6;
/// Digits of a number without a gap.
const BARE_MIN: usize = 7;

/// How far a text has been looked at: nothing that begins before these places is looked at again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Numbers.
    pub numbers: usize,
    /// Secrets by their name or their form.
    pub secrets: usize,
    /// Words that may be tokens.
    pub words: usize,
    /// Groups that may still be looked at in full.
    pub groups: u32,
}

impl Default for Seen {
    fn default() -> Self {
        Self { numbers: 0, secrets: 0, words: 0, groups: GROUPS_MAX }
    }
}

impl Seen {
    /// The same places, where the text's first bytes are gone.
    pub(super) fn shifted(self, gone: usize) -> Self {
        let of = |place: usize| place.saturating_sub(gone);
        let (numbers, secrets) = (of(self.numbers), of(self.secrets));
        Self { numbers, secrets, words: of(self.words), ..self }
    }
}

/// A pass over a text.
pub(super) struct Scan<'a> {
    pub text: &'a str,
    pub seen: Seen,
    pub found: &'a mut Contents,
}

/// The places of the bits that are set, the lowest first.
fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(place)
    })
}

/// The bits from `from` on.
fn above(bits: u64, from: usize) -> u64 {
    if from >= BLOCK { 0 } else { bits >> from << from }
}

impl Scan<'_> {
    /// Counts what begins in `from..to`.
    pub(super) fn run(&mut self, from: usize, to: usize) {
        let bytes = self.text.as_bytes();
        // Nothing that is looked for is shorter.
        if bytes.len() < SHORTEST {
            return;
        }
        let mut now = Bits::of(bytes, from);
        let mut at = from;
        while at < to {
            let more = at + BLOCK < bytes.len();
            let next = if more { Bits::of(bytes, at + BLOCK) } else { Bits::default() };
            let within = if to - at < BLOCK { (1 << (to - at)) - 1 } else { u64::MAX };
            let done = if now.token == 0 { 0 } else { self.words(at, within, (now, next)) };
            self.rest(at, above(within, done), (now, next));
            now = next;
            at += BLOCK;
        }
    }

    /// What begins at the bits `within` a block, but words.
    fn rest(&mut self, at: usize, within: u64, (now, next): (Bits, Bits)) {
        if (now.digit | now.wide) & within != 0 {
            self.numbers(at, within, (now, next));
        }
        for place in places(now.mark & within) {
            self.mark(at + place);
        }
        for place in places(now.wide & within) {
            self.wide_mark(at + place);
        }
    }

    /// The digits of a block: at which could a number begin? The bits of the block behind it tell what
    /// goes on.
    fn numbers(&mut self, at: usize, within: u64, (now, next): (Bits, Bits)) {
        let mut left = (now.digit | now.wide) & within;
        left = above(left, self.seen.numbers.saturating_sub(at));
        while left != 0 {
            let place = left.trailing_zeros() as usize;
            let far = if place == 0 { 0 } else { BLOCK - place };
            let near = |now: u64, next: u64| {
                if far == 0 { now } else { now >> place | next << far }
            };
            let digits = (near(now.digit, next.digit) & NEAR).count_ones()
                + (near(now.wide, next.wide) & NEAR).count_ones();
            // The digits of this group are looked at together.
            let group = near(now.digit, next.digit).trailing_ones().max(1) as usize;
            let lettered = self.lettered(at + place);
            let few = self.seen.groups == 0 && group < BARE_MIN;
            let enough = digits >= DIGITS_MIN || (lettered && digits >= DIGITS_LETTERED_MIN);
            let enough = enough || self.sparse(at + place, group, lettered);
            if enough && (lettered || !few) && self.goes_on(at + place, lettered) {
                self.number(at + place);
            }
            let seen = self.seen.numbers.saturating_sub(at).max(place + group);
            left = above(left, seen);
        }
    }

    /// Whether the digits from a place on are enough for a number before something ends it.
    fn goes_on(&self, at: usize, lettered: bool) -> bool {
        let near = self.text.as_bytes().get(at..).unwrap_or_default().iter().take(NEAR_BYTES);
        let least = if lettered { DIGITS_LETTERED_MIN } else { DIGITS_MIN };
        let mut digits = 0;
        for b in near {
            match b {
                // One beyond ASCII may be a digit, or nothing.
                b'0'..=b'9' | 0x80.. => digits += 1,
                b'A'..=b'Z' | b'a'..=b'z' | b' ' | b'-'..=b'/' | b'(' | b')' | b'_' => {}
                b'\n' | b'\r' | b'\t' | b'\\' => {}
                _ => return false,
            }
            if digits >= least {
                return true;
            }
        }
        false
    }

    /// Whether the digits from a place on are enough for a number, with what cannot be seen between them.
    fn sparse(&self, at: usize, group: usize, lettered: bool) -> bool {
        let behind = self.text.as_bytes().get(at + group..).unwrap_or_default();
        let far = |b: Option<&u8>| b.is_some_and(|b| !b.is_ascii());
        if !far(behind.first()) && !far(behind.get(1)) {
            return false;
        }
        let begin = floor(self.text, at);
        let near = self.text.get(begin..floor(self.text, begin + SPARSE_BYTES)).unwrap_or("");
        let least = if lettered { DIGITS_LETTERED_MIN } else { DIGITS_MIN };
        let (mut digits, mut unseen) = (0, false);
        for c in near.chars() {
            match Symbol::of(c) {
                Symbol::Nothing => unseen = true,
                Symbol::Mark(mark) => digits += u32::from(mark.is_ascii_digit()),
                Symbol::Gap(_) => {}
                Symbol::Other => break,
            }
            if digits >= least {
                return unseen;
            }
        }
        false
    }

    /// Whether a letter stands right before a place.
    fn lettered(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|at| self.text.as_bytes().get(at));
        before.is_some_and(|b| b.is_ascii_alphabetic() || !b.is_ascii())
    }

    fn mark(&mut self, at: usize) {
        match self.text.as_bytes().get(at) {
            Some(b'@') => self.at_sign(at, 1),
            Some(b'-') if at > self.seen.secrets => self.hyphens(at - 1),
            Some(b'=' | b':') if at >= self.seen.secrets && self.names(at) => self.field(at, 1),
            _ => {}
        }
    }

    /// A byte beyond ASCII that may end a full-width `@`, `:` or `=`.
    fn wide_mark(&mut self, last: usize) {
        let Some(at) = last.checked_sub(2) else { return };
        match self.text.as_bytes().get(at..=last) {
            Some([0xEF, 0xBC, 0xA0]) => self.at_sign(at, 3),
            Some([0xEF, 0xBC, 0x9A | 0x9D]) if at >= self.seen.secrets && self.names(at) => {
                self.field(at, 3);
            }
            Some([0xEF, 0xBC, _]) => {}
            _ if last >= self.seen.words => self.unseen(floor(self.text, last)),
            _ => {}
        }
    }

    /// A character that may be one that cannot be seen: is a token around it?
    fn unseen(&mut self, at: usize) {
        let of_token = |c: &char| c.is_ascii_alphanumeric() || matches!(*c, '_' | '-' | '.');
        let nothing = |c: &char| !c.is_ascii() && Symbol::of(*c) == Symbol::Nothing;
        let taken = |c: &char| of_token(c) || nothing(c);
        let bytes =
            |chars: &mut dyn Iterator<Item = char>| chars.map(char::len_utf8).sum::<usize>();
        if !self.text.get(at..).and_then(|it| it.chars().next()).is_some_and(|c| nothing(&c)) {
            return;
        }
        let from = floor(self.text, at.saturating_sub(UNSEEN_BEFORE)).max(self.seen.words.min(at));
        let before = self.text.get(from..at).unwrap_or("");
        let start = at - bytes(&mut before.chars().rev().take_while(taken));
        let behind = self.text.get(at..floor(self.text, at + UNSEEN_BEHIND)).unwrap_or("");
        let end = at + bytes(&mut behind.chars().take_while(taken));
        let word = self.text.get(start..end).unwrap_or("");
        if word.len() < TOKEN_MIN || !word.starts_with(|c: char| c.is_ascii()) {
            return;
        }
        let word: String = word.chars().filter(of_token).collect();
        if word.len() >= TOKEN_MIN && secret::token(&word) {
            self.found.add(Content::Secret);
            self.seen.words = end;
            self.seen.numbers = self.seen.numbers.max(end);
            self.seen.secrets = self.seen.secrets.max(end);
        }
    }

    /// Whether what stands before a `=` or `:` could end a name of a secret: every such name ends in one of
    /// these pairs of letters or beyond ASCII, and may be quoted.
    #[inline]
    fn names(&self, at: usize) -> bool {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let quoted = |b: &u8| matches!(*b, b' ' | b'"' | b'\'' | b'\\' | b':' | b'*' | b'`');
        let kept = before.iter().rev().take(4).take_while(|b| quoted(b)).count();
        let before = before.get(..before.len() - kept).unwrap_or_default();
        let [.., first, last] = before else { return false };
        let pair = [first | 0x20, last | 0x20];
        !last.is_ascii()
            || !first.is_ascii()
            || matches!(
                &pair,
                b"ey" | b"et" | b"en" | b"rd" | b"wd" | b"ss" | b"on" | b"di" | b"an"
            )
    }

    /// A digit, or a byte that may end one: what number could it be of?
    fn number(&mut self, at: usize) {
        let begin = floor(self.text, at);
        let Some(c) = self.text.get(begin..).and_then(|it| it.chars().next()) else { return };
        // A digit of an escape's code is none, but the character may be one.
        let escape = if c.is_ascii() { escape_around(self.text, begin) } else { None };
        let code = escape.and_then(|at| escaped(self.text.get(at..)?));
        let (c, length) = code.unwrap_or((c, c.len_utf8()));
        let begin = escape.unwrap_or(begin);
        if c == '@' {
            return self.at_sign(begin, length);
        }
        let digit = Symbol::of(c).mark().is_some_and(|it| it.is_ascii_digit());
        if !digit || begin < self.seen.numbers {
            return;
        }
        let piece = Piece::read(self.text, self.start(begin));
        self.seen.numbers = piece.next().unwrap_or(0).max(begin + length);
        let mut look = Look::new(self.text, &piece);
        let mut from = 0;
        while from < piece.until && (from == 0 || self.seen.groups > 0) {
            self.seen.groups -= u32::from(piece.begins(from) && self.seen.groups > 0);
            let begins = piece.begins(from) || self.joint(&piece, from);
            let found = if begins { recognise(&mut look, from) } else { None };
            from += match found {
                Some((kind, count)) => {
                    self.found.add(kind);
                    count
                }
                None => 1,
            };
        }
        if from == 0 || self.seen.groups == 0 {
            let end = (1..piece.chars.len()).find(|at| piece.begins(*at));
            let next = end.and_then(|at| piece.chars.get(at)).map_or(self.seen.numbers, |it| it.at);
            self.seen.numbers = next.max(begin + length);
        }
        // A number that was found may end in what would be the next stretch.
        if let Some(last) = from.checked_sub(1).and_then(|at| piece.chars.get(at)) {
            self.seen.numbers = self.seen.numbers.max(last.end);
        }
    }

    /// Whether a number begins behind letters that it is joined to: a word that says what it is, a name of
    /// which a capital letter begins the next word, the country of an Italian tax number.
    fn joint(&self, piece: &Piece, from: usize) -> bool {
        let before = from.checked_sub(1).and_then(|at| piece.chars.get(at));
        let (Some(before), Some(c)) = (before, piece.chars.get(from)) else { return false };
        if c.gap != Gap::Joined || !before.mark.is_ascii_uppercase() {
            return false;
        }
        let letters = (0..=6).take_while(|at| piece.mark(from + at).is_ascii_uppercase()).count();
        let digits = piece.digits(from + letters);
        if digits < 4 && !(letters == 2 && digits >= 2) {
            return false;
        }
        let named = before.small && !c.small && letters > 0;
        let italian = letters == 0 && digits == 11 && before.mark == b'T';
        let italian = italian && from == 2 && piece.mark(0) == b'I';
        named || italian || context::labelled(self.text, c.at)
    }

    /// Where the word begins that a digit stands in, or the one or two letters that are parted from it by a
    /// blank or a hyphen.
    fn start(&self, at: usize) -> usize {
        let from = floor(self.text, at.saturating_sub(START_BYTES)).max(self.seen.numbers.min(at));
        let before = self.text.get(from..at).unwrap_or("");
        let (mut start, mut letters, mut gaps) = (at, 0, 0);
        for c in before.chars().rev() {
            match Symbol::of(c) {
                Symbol::Nothing => {}
                Symbol::Mark(_) if letters == LETTERS_MAX => return self.capital(at),
                Symbol::Mark(_) => letters += 1,
                Symbol::Gap(_) if letters == 0 && gaps == 0 => gaps += 1,
                _ => break,
            }
            start -= c.len_utf8();
        }
        let apart = gaps > 0 && !(1..=2).contains(&letters);
        if letters > 0 && !apart {
            return start + escape_letters(self.text.as_bytes(), start);
        }
        self.names_of_a_code(at).unwrap_or(at)
    }

    /// Where one or two capital letters before a place begin that are no part of the word before them:
    /// `passportE1234567`.
    fn capital(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let capitals = before.iter().rev().take(3).take_while(|b| b.is_ascii_uppercase()).count();
        if (1..=2).contains(&capitals) { at - capitals } else { at }
    }

    /// Where the six letters of names before a birth date of an Italian tax code begin: `RSS MRA 85T10
    /// A562S`.
    fn names_of_a_code(&self, at: usize) -> Option<usize> {
        let mut behind = self.text.get(at..)?.chars().filter_map(|c| Symbol::of(c).mark());
        let (year, ten, month) = (behind.next()?, behind.next()?, behind.next()?);
        let months = b"ABCDEHLMPRST";
        if !(year.is_ascii_digit() && ten.is_ascii_digit() && months.contains(&month)) {
            return None;
        }
        let (mut start, mut letters, mut gaps) = (at, 0, 0);
        for c in self.text.get(self.seen.numbers.min(at)..at)?.chars().rev() {
            match Symbol::of(c) {
                Symbol::Nothing => {}
                Symbol::Mark(mark) if mark.is_ascii_uppercase() && letters < 6 => letters += 1,
                Symbol::Gap(_) if gaps < 4 && matches!(letters, 0 | 3) => gaps += 1,
                Symbol::Mark(_) => return None,
                _ => break,
            }
            start -= c.len_utf8();
        }
        (letters == 6).then_some(start)
    }

    fn at_sign(&mut self, at: usize, width: usize) {
        match field::login(self.text, at) {
            Login::Password => self.found.add(Content::Secret),
            Login::None if contact::mail(self.text, at, width) => self.found.add(Content::Mail),
            Login::None | Login::Name => {}
        }
    }

    fn hyphens(&mut self, at: usize) {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        let count = rest.iter().take(BLOCK).take_while(|b| **b == b'-').count();
        if count >= 5 && secret::private_key(self.text, at) {
            self.found.add(Content::Secret);
        }
        self.seen.secrets = self.seen.secrets.max(at + count);
    }

    fn field(&mut self, at: usize, width: usize) {
        if let Some(end) = field::named(self.text, at, width) {
            self.found.add(Content::Secret);
            self.seen.secrets = end;
            self.seen.words = self.seen.words.max(end);
        }
    }

    /// The words of a block that are long enough for a token: the runs of its bits, and those at its ends
    /// however long they are in it. What begins before such a word is counted before it, so that a token
    /// hides only what is within it; up to which bit that was done is told.
    fn words(&mut self, at: usize, within: u64, bits: (Bits, Bits)) -> usize {
        let mut left = above(bits.0.token & within, self.seen.words.saturating_sub(at));
        let mut done = 0;
        while left != 0 {
            let place = left.trailing_zeros() as usize;
            // A word that goes on beyond what is looked at is as long as it is.
            let length = (bits.0.token >> place).trailing_ones() as usize;
            let whole = place > 0 && place + length < BLOCK;
            if length >= TOKEN_MIN || (!whole && length >= 8) {
                self.rest(at, above(within, done) & ((1 << place) - 1), bits);
                done = place;
                if self.seen.words <= at + place {
                    self.word(at + place);
                }
            }
            let seen = self.seen.words.saturating_sub(at).max(place + length);
            left = above(left, seen);
        }
        done
    }

    /// The word around a place: is it a token?
    fn word(&mut self, at: usize) {
        let of_token = |b: &&u8| b.is_ascii_alphanumeric() || matches!(**b, b'_' | b'-' | b'.');
        let bytes = self.text.as_bytes();
        let before = bytes.get(self.seen.words.min(at)..at).unwrap_or_default();
        let start = at - before.iter().rev().take_while(of_token).count();
        let behind = bytes.get(at..).unwrap_or_default();
        let end = at + behind.iter().take_while(of_token).count();
        let start = (start + escape_letters(bytes, start)).min(end);
        self.seen.words = end;
        let word = self.text.get(start..end).unwrap_or("");
        let secret = secret::token(word) || secret::hook(self.text, start, word);
        if word.len() >= TOKEN_MIN && secret {
            self.found.add(Content::Secret);
            self.seen.numbers = self.seen.numbers.max(end);
            self.seen.secrets = self.seen.secrets.max(end);
        }
    }
}
