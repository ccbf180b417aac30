//! Where a number or a token begins, by what stands around a place at which it could.

use super::{
    context,
    piece::Piece,
    secret,
    symbol::{Gap, Held, Symbol, escape_letters, held},
};
use crate::model::sample::floor;

/// A word of so many bytes may be a token.
pub(super) const TOKEN_MIN: usize = 20;
/// Bytes in which a number has its digits, and how many it has in them at least: a year has four, and so has
/// the shortest number with letters before them.
pub(super) const NEAR_BYTES: usize = 24;
pub(super) const DIGITS_MIN: u32 = 6;
pub(super) const DIGITS_LETTERED_MIN: u32 = 4;
/// Bytes in which they are where what cannot be seen stands between them.
const SPARSE_BYTES: usize = 320;
/// Letters before a number's first digit that may be of it, and bytes in which these stand with what cannot
/// be seen between them.
const LETTERS_MAX: usize = 8;
const START_BYTES: usize = 20 * LETTERS_MAX;
/// Bytes of a token before and behind the first character in it that cannot be seen.
const UNSEEN_BEFORE: usize = 96;
const UNSEEN_BEHIND: usize = 480;

/// Whether the digits from a place on are enough for a number, with what cannot be seen between them.
pub(super) fn sparse(text: &str, at: usize, lettered: bool) -> bool {
    let begin = floor(text, at);
    let near = text.get(begin..floor(text, begin + SPARSE_BYTES)).unwrap_or("");
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

/// Whether a number begins behind letters that it is joined to: a word that says what it is, a name of
/// which a capital letter begins the next word, the country of an Italian tax number.
pub(super) fn joint(text: &str, piece: &Piece, from: usize) -> bool {
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
    // The first track of a card's stripe, and a number's sign without a blank.
    let long = letters == 0 && digits >= 12;
    let whole = |word: &str| long && from == word.len() && starts(piece, word);
    let track = whole("B") && text.get(..before.at).is_some_and(|it| it.ends_with('%'));
    named || italian || track || whole("NO") || whole("NR") || context::labelled(text, c.at)
}

/// Whether a stretch begins with some letters.
fn starts(piece: &Piece, word: &str) -> bool {
    word.bytes().enumerate().all(|(at, letter)| piece.mark(at) == letter)
}

/// Where the word begins that a digit stands in, or the one or two letters that are parted from it by a
/// blank or a hyphen.
pub(super) fn start(text: &str, seen: usize, at: usize) -> usize {
    let from = floor(text, at.saturating_sub(START_BYTES)).max(seen.min(at));
    let before = text.get(from..at).unwrap_or("");
    let (mut start, mut letters, mut gaps) = (at, 0, 0);
    for c in before.chars().rev() {
        match Symbol::of(c) {
            Symbol::Nothing => {}
            Symbol::Mark(_) if letters == LETTERS_MAX => return capital(text, at),
            Symbol::Mark(_) => letters += 1,
            Symbol::Gap(_) if letters == 0 && gaps == 0 => gaps += 1,
            _ => break,
        }
        start -= c.len_utf8();
    }
    let apart = gaps > 0 && !(1..=2).contains(&letters);
    if letters > 0 && !apart {
        return start + escape_letters(text.as_bytes(), start);
    }
    names_of_a_code(text, seen, at).unwrap_or(at)
}

/// Where one or two capital letters before a place begin that are no part of the word before them:
/// `passportE1234567`.
fn capital(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    let capitals = before.iter().rev().take(3).take_while(|b| b.is_ascii_uppercase()).count();
    if (1..=2).contains(&capitals) { at - capitals } else { at }
}

/// Where the six letters of names before a birth date of an Italian tax code begin: `RSS MRA 85T10
/// A562S`.
fn names_of_a_code(text: &str, seen: usize, at: usize) -> Option<usize> {
    let mut behind = text.get(at..)?.chars().filter_map(|c| Symbol::of(c).mark());
    let (year, ten, month) = (behind.next()?, behind.next()?, behind.next()?);
    let months = b"ABCDEHLMPRST";
    if !(year.is_ascii_digit() && ten.is_ascii_digit() && months.contains(&month)) {
        return None;
    }
    let (mut start, mut letters, mut gaps) = (at, 0, 0);
    for c in text.get(seen.min(at)..at)?.chars().rev() {
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

/// Where a token ends that has a character in it that cannot be seen, if this is one at a place; nothing is
/// looked at before `seen`.
pub(super) fn unseen_token(text: &str, at: usize, seen: usize) -> Option<usize> {
    let of_token = |c: &char| c.is_ascii_alphanumeric() || matches!(*c, '_' | '-' | '.');
    let nothing = |c: &char| !c.is_ascii() && Symbol::of(*c) == Symbol::Nothing;
    let taken = |c: &char| of_token(c) || nothing(c);
    let bytes = |chars: &mut dyn Iterator<Item = char>| chars.map(char::len_utf8).sum::<usize>();
    if !text.get(at..).and_then(|it| it.chars().next()).is_some_and(|c| nothing(&c)) {
        return None;
    }
    let from = floor(text, at.saturating_sub(UNSEEN_BEFORE)).max(seen.min(at));
    let before = text.get(from..at).unwrap_or("");
    let start = at - bytes(&mut before.chars().rev().take_while(taken));
    let behind = text.get(at..floor(text, at + UNSEEN_BEHIND)).unwrap_or("");
    let end = at + bytes(&mut behind.chars().take_while(taken));
    let word = text.get(start..end).unwrap_or("");
    if word.len() < TOKEN_MIN || !word.starts_with(|c: char| c.is_ascii()) {
        return None;
    }
    let mut room = Held::new();
    let word = held(word.chars().filter(of_token), &mut room);
    (word.len() >= TOKEN_MIN && secret::token(word)).then_some(end)
}
