//! One pass over a text: where something could begin that is looked for.

use fearless_simd::{Simd, dispatch};

use super::{
    apart,
    begin::{self, DIGITS_LETTERED_MIN, DIGITS_MIN, NEAR_BYTES, TOKEN_MIN},
    beside,
    block::{BLOCK, Bits},
    card, contact,
    field::{self, Login},
    look::Look,
    naming,
    piece::Piece,
    places::{above, near, places},
    recognise, secret,
    seen::Seen,
    symbol::{Symbol, escape_around, escape_letters, escaped},
    unsigned,
};
use crate::{Content, Contents, bits, model::sample::floor};

/// Bytes in which a number has its digits, as bits.
const NEAR: u64 = (1 << NEAR_BYTES) - 1;

/// Bytes of the shortest of all that is looked for: `a@b.de`.
const SHORTEST: usize = 6;
/// Digits of a number without a gap.
const BARE_MIN: usize = 7;
/// Digits that stand near where a card's groups are parted by what ends a number.
const PARTED_MIN: u32 = 8;

/// A pass over a text.
pub(super) struct Scan<'a> {
    pub text: &'a str,
    pub seen: Seen,
    pub found: &'a mut Contents,
}

impl Scan<'_> {
    /// Counts what begins in `from..to`.
    pub(super) fn run(&mut self, from: usize, to: usize) {
        dispatch!(bits::level(), simd => self.pass(simd, from, to));
    }

    #[inline(always)]
    fn pass<S: Simd>(&mut self, simd: S, from: usize, to: usize) {
        let bytes = self.text.as_bytes();
        // Nothing that is looked for is shorter.
        if bytes.len() < SHORTEST {
            return;
        }
        let mut now = Bits::of(simd, bytes, from);
        // How many bytes of a word stand right before the block. What was read before is not known.
        let mut before = if from == 0 { 0 } else { BLOCK as u32 };
        let mut at = from;
        while at < to {
            let more = at + BLOCK < bytes.len();
            let next = if more { Bits::of(simd, bytes, at + BLOCK) } else { Bits::default() };
            let within = if to - at < BLOCK { (1 << (to - at)) - 1 } else { u64::MAX };
            let done = if now.token == 0 { 0 } else { self.words(at, within, before, (now, next)) };
            self.rest(at, above(within, done), (now, next));
            (before, now) = (now.name.leading_ones(), next);
            at += BLOCK;
        }
    }

    /// What begins at the bits `within` a block, but words.
    #[inline(always)]
    fn rest(&mut self, at: usize, within: u64, (now, next): (Bits, Bits)) {
        if (now.digit | now.wide) & within != 0 {
            self.numbers(at, within, (now, next));
        }
        for place in places((now.mark | now.wide | now.mixed) & within) {
            if now.mark >> place & 1 == 1 {
                self.mark(at + place);
            } else if now.mixed >> place & 1 == 1 {
                self.apart(at + place);
            } else {
                self.wide_mark(at + place);
            }
        }
    }

    /// The digits of a block: at which could a number begin? The bits of the block behind it tell what
    /// goes on.
    #[inline(always)]
    fn numbers(&mut self, at: usize, within: u64, (now, next): (Bits, Bits)) {
        // One beyond ASCII may be a digit, or nothing.
        let (one, two) = (now.digit | now.wide, next.digit | next.wide);
        let plain = now.wide | next.wide == 0;
        let mut left = above(one & within, self.seen.numbers.saturating_sub(at));
        while left != 0 {
            let place = left.trailing_zeros() as usize;
            let digits = near(place, one, two);
            if plain && self.few(at + place, digits) {
                left &= left.wrapping_add(1 << place);
                continue;
            }
            // The digits of this group are looked at together.
            let group = if plain { digits } else { near(place, now.digit, next.digit) };
            let length = group.trailing_ones().clamp(1, 62) as usize;
            self.group(at, (place, length), digits, (now, next));
            left = above(left, self.seen.numbers.saturating_sub(at).max(place + length));
        }
    }

    /// Whether too few digits stand near behind a place: most groups are a day, an amount, a count.
    #[inline(always)]
    fn few(&self, at: usize, digits: u64) -> bool {
        let count = (digits & NEAR).count_ones();
        count < DIGITS_LETTERED_MIN || count < DIGITS_MIN && !self.lettered(at)
    }

    /// A group of digits, with those that stand near behind it: could a number begin here, or do four stand
    /// for themselves, which may be a card's?
    #[inline(always)]
    fn group(
        &mut self,
        at: usize,
        (place, length): (usize, usize),
        digits: u64,
        (now, next): (Bits, Bits),
    ) {
        let lettered = self.lettered(at + place);
        let least = if lettered { DIGITS_LETTERED_MIN } else { DIGITS_MIN };
        let likely = if (digits & NEAR).count_ones() < least {
            // What cannot be seen has up to four bytes.
            let unseen = near(place, now.wide, next.wide) >> length & 0xF != 0;
            unseen && begin::sparse(self.text, at + place, lettered)
        } else {
            let (one, two) = if lettered { (now.stop, next.stop) } else { (now.parts, next.parts) };
            let stop = near(place, one, two) & NEAR | 1 << NEAR_BYTES;
            let goes_on = (stop & stop.wrapping_neg()) - 1;
            (digits & goes_on).count_ones() >= least
        };
        let whole = self.seen.groups > 0 || length >= BARE_MIN;
        if likely && (whole || lettered) {
            self.number(at + place);
        } else if length == 4 && !lettered && (digits & NEAR).count_ones() >= PARTED_MIN {
            self.parted(at + place);
        }
    }

    /// A digit behind a letter: is it in a word that is a secret, by a name apart from it?
    fn apart(&mut self, at: usize) {
        let seen = self.seen.tokens.max(self.seen.secrets);
        // A word that goes on for long is none of these.
        if at < seen || self.seen.words > at + beside::WORD_BYTES || self.seen.mixed == 0 {
            return;
        }
        self.seen.mixed -= 1;
        if let Some(end) = apart::secret(self.text, at) {
            self.found.add(Content::Secret);
            self.seen.tokens = end;
        }
    }

    /// Four digits that something ends: may they be a card's?
    fn parted(&mut self, at: usize) {
        if let Some(end) = card::parted(self.text, at) {
            self.found.add(Content::PaymentCard);
            self.seen.numbers = end;
        }
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
            Some(b'%') if unsigned::at_sign(self.text, at) => self.at_sign(at, 3),
            _ if at < self.seen.secrets => {}
            Some(b'=' | b':') if self.names(at) => self.field(at, 1),
            Some(b':') => self.secret(at, unsigned::user),
            Some(b'>') if self.names(at) => self.secret(at, unsigned::element),
            Some(b'\'' | b'"') => self.secret(at, unsigned::quoted),
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
            _ if last >= self.seen.tokens => self.unseen(floor(self.text, last)),
            _ => {}
        }
    }

    /// A character that may be one that cannot be seen: is a token around it?
    fn unseen(&mut self, at: usize) {
        if let Some(end) = begin::unseen_token(self.text, at, self.seen.tokens) {
            self.found.add(Content::Secret);
            self.seen.tokens = end;
            self.seen.words = self.seen.words.max(end);
            self.seen.secrets = self.seen.secrets.max(end);
        }
    }

    /// Whether what stands before a sign could end a name of a secret; it may be quoted.
    #[inline]
    fn names(&self, at: usize) -> bool {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let quoted = |b: &u8| matches!(*b, b' ' | b'"' | b'\'' | b'\\' | b':' | b'*' | b'`' | b']');
        let kept = before.iter().rev().take(4).take_while(|b| quoted(b)).count();
        naming::likely(before.get(..before.len() - kept).unwrap_or_default())
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
        let piece = Piece::read(self.text, begin::start(self.text, self.seen.numbers, begin));
        self.seen.numbers = piece.next().unwrap_or(0).max(begin + length);
        let mut look = Look::new(self.text, &piece, &mut self.seen.table);
        let mut from = 0;
        while from < piece.until && (from == 0 || self.seen.groups > 0) {
            self.seen.groups -= u32::from(piece.begins(from) && self.seen.groups > 0);
            let begins = piece.begins(from) || begin::joint(self.text, &piece, from);
            let found = if begins { recognise(&mut look, from) } else { None };
            from += match found {
                Some((kind, count)) => {
                    if let Some(kind) = kind {
                        self.found.add(kind);
                    }
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
        if count == 2 {
            self.secret(at, unsigned::flag);
        }
    }

    fn field(&mut self, at: usize, width: usize) {
        let named = field::named(self.text, at, width);
        self.ends(named.or_else(|| unsigned::paired(self.text, at, width)));
    }

    fn secret(&mut self, at: usize, read: fn(&str, usize) -> Option<usize>) {
        self.ends(read(self.text, at));
    }

    /// Counts a secret that ends at a place: what is within it is none of its own.
    fn ends(&mut self, end: Option<usize>) {
        if let Some(end) = end {
            self.found.add(Content::Secret);
            self.seen.secrets = end;
            self.seen.tokens = self.seen.tokens.max(end);
            self.seen.words = self.seen.words.max(end);
        }
    }

    /// The words of a block that are long enough for a token: those whose beginnings are told. What begins
    /// before such a word is counted before it, so that a token hides only what is within it; up to which bit
    /// that was done is told.
    #[inline(never)]
    fn words(&mut self, at: usize, within: u64, before: u32, bits: (Bits, Bits)) -> usize {
        let mut done = 0;
        for place in places(bits.0.token & within) {
            let here = (bits.0.name >> place).trailing_ones();
            let ends = place + here as usize == BLOCK;
            let behind = if ends { bits.1.name.trailing_ones() } else { 0 };
            let length = if place == 0 { before } else { 0 } + here + behind;
            if length < TOKEN_MIN as u32 {
                continue;
            }
            self.before_word(at, above(within, done) & ((1 << place) - 1), bits);
            done = place;
            if self.seen.words <= at + place {
                self.word(at + place);
            }
        }
        done
    }

    /// What begins before a long word: few blocks have one, and the code is there once.
    #[inline(never)]
    fn before_word(&mut self, at: usize, within: u64, bits: (Bits, Bits)) {
        self.rest(at, within, bits);
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
        let token = secret::token(word) || secret::hook(self.text, start, word);
        let told = |is: fn(&str, usize, &str) -> bool| is(self.text, start, word);
        let secret = token || told(secret::bearer) || told(secret::joined) || told(apart::key);
        if word.len() >= TOKEN_MIN && secret {
            self.found.add(Content::Secret);
            self.seen.tokens = self.seen.tokens.max(end);
            // What `Bearer` tells may have digits in its first letters, before which nothing told of it.
            if token {
                self.seen.numbers = self.seen.numbers.max(end);
            }
            self.seen.secrets = self.seen.secrets.max(end);
        }
    }
}
