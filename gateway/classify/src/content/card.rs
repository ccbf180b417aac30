//! Numbers of payment cards: Luhn's check digit, the issuers' ranges, their lengths.

use smallvec::SmallVec;

use super::{
    context::Context,
    look::Look,
    national,
    number::{Number, luhn},
    piece::Piece,
    symbol::Gap,
    topic::Topic,
};
use crate::model::sample::floor;

/// How sure a range says that a number is a card's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Range {
    /// One of the networks whose cards are met everywhere.
    Main,
    /// A range that is wide or rare: a word beside it must say that it is a card.
    Rare,
}

/// Groups in which cards print their numbers.
const PRINTED: [&[u8]; 7] =
    [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3], &[6, 13], &[4, 4, 4, 1], &[6, 4, 6]];

/// The ranges of issuers as their networks publish them, by the first six digits and the length.
fn range(prefix: u32, length: usize) -> Option<Range> {
    let two = prefix / 10_000;
    let three = prefix / 1_000;
    let four = prefix / 100;
    let main = match () {
        // Visa.
        () if prefix / 100_000 == 4 => matches!(length, 16),
        // Mastercard.
        () if (51..=55).contains(&two) || (2221..=2720).contains(&four) => length == 16,
        // American Express.
        () if two == 34 || two == 37 => length == 15,
        // JCB.
        () if (3528..=3589).contains(&four) => length == 16,
        // UnionPay.
        () if two == 62 => matches!(length, 16 | 19),
        // Discover.
        () if four == 6011 || (644..=649).contains(&three) || two == 65 => length == 16,
        // Diners Club.
        () if two == 36 || (300..=305).contains(&three) => length == 14,
        () => false,
    };
    // Visa and Discover of 19 digits, Diners Club, Maestro, RuPay, Mir, Troy.
    let rare = match () {
        () if prefix / 100_000 == 4 || four == 6011 || two == 65 => length == 19,
        () if matches!(two, 38 | 39) || four == 3095 => length == 14 || length == 16,
        () if matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763) => {
            (12..=19).contains(&length)
        }
        () if two == 60 || matches!(two, 81 | 82) || three == 508 => length == 16,
        () if (2200..=2204).contains(&four) || four == 9792 => length == 16,
        () => false,
    };
    match (main, rare) {
        (true, _) => Some(Range::Main),
        (false, true) => Some(Range::Rare),
        _ => None,
    }
}

/// How many characters from here on are the number of a card.
pub(super) fn read(look: &mut Look<'_>, from: usize) -> Option<usize> {
    (12..=19).rev().find(|count| is_card(look, from, *count).is_some())
}

fn is_card(look: &mut Look<'_>, from: usize, count: usize) -> Option<()> {
    let number = Number::read(look.piece, from, count);
    let month = number.is_none();
    let number = number.or_else(|| Number::read_before_month(look.piece, from, count))?;
    let range = range(number.value(0, 6), count)?;
    if !luhn(&number.digits) {
        return None;
    }
    let main = range == Range::Main;
    // What has many lengths must not be the beginning of a longer row of groups.
    let short = !main || (number.value(0, 2) == 62 && count == 16);
    if short && !number.bare() && (1..12).contains(&look.piece.behind(from, count)) {
        return None;
    }
    let printed = number.grouped(&PRINTED);
    if month && (short || !printed || !number.spaced()) {
        return None;
    }
    let context = look.context(from, count);
    // One of ten identity numbers of sixteen digits is right by Luhn's formula as well.
    let other = context.says_one_of(&[Topic::Id, Topic::Ph, Topic::TaxId, Topic::Identity]);
    if other && !context.says(Topic::Card) && national::read(look, from) == Some(count) {
        return None;
    }
    let referred = || context.denies() && refers(look.text, place(look, from));
    if main && printed && !row(look.piece, from, count) && !referred() {
        return Some(());
    }
    let glued = look.glued(from) && !(from == 0 && look.piece.hashed);
    // `pan` names the number of a card as well.
    let named = context.says(Topic::Card) || (main && context.says(Topic::Pan));
    let said = named || (main && context.speaks_of(Topic::Card));
    let alone = main && number.bare() && context.silent() && !glued;
    (said || alone).then_some(())
}

/// Where a character of a stretch stands in the text.
fn place(look: &Look<'_>, from: usize) -> usize {
    look.piece.chars.get(from).map_or(0, |it| it.at)
}

/// Words of orders and references right before a number that is theirs, and words between.
const REFERENCES: &[&str] =
    &["order", "ref", "reference", "invoice", "tracking", "booking", "serial"];
const NUMBERS: &[&str] = &["no", "number", "nr", "id"];
/// Bytes in which they stand.
const REFERENCE_BYTES: usize = 32;

/// Whether a word of orders and references stands right before a place.
fn refers(text: &str, at: usize) -> bool {
    let before = text.get(floor(text, at.saturating_sub(REFERENCE_BYTES))..at).unwrap_or("");
    let of_word = |c: char| !c.is_alphabetic();
    let mut words = before.rsplit(of_word).filter(|it| !it.is_empty());
    let is = |word: Option<&str>, words: &[&str]| {
        word.is_some_and(|word| words.iter().any(|it| it.eq_ignore_ascii_case(word)))
    };
    let plain = !before.trim_end_matches([' ', ':', '#', '.']).ends_with(of_word);
    let last = words.next();
    plain && (is(last, REFERENCES) || (is(last, NUMBERS) && is(words.next(), REFERENCES)))
}

/// Whether a group of four digits begins at a place.
fn four(piece: &Piece, at: usize) -> bool {
    let digits = (at..at + 4).all(|at| piece.mark(at).is_ascii_digit());
    digits && piece.begins(at) && piece.ends(at + 4) && !(at + 1..at + 4).any(|at| piece.begins(at))
}

/// Whether four groups of four digits stand at a place; and if so, whether they are those of a card.
fn quad(piece: &Piece, at: usize) -> Option<bool> {
    let spaced = |group: usize| group == 0 || piece.gap(at + 4 * group) == Gap::Space;
    if !(0..4).all(|group| four(piece, at + 4 * group) && spaced(group)) {
        return None;
    }
    let digits = (at..at + 16).map(|at| piece.mark(at).wrapping_sub(b'0'));
    let digits: SmallVec<[u8; 20]> = digits.collect();
    let prefix = digits.iter().take(6).fold(0, |value, digit| value * 10 + u32::from(*digit));
    Some(luhn(&digits) && range(prefix, 16).is_some())
}

/// Whether groups of four digits are of a longer row, or of a table of such rows; other cards beside them
/// make none. One group behind them may be the month in which a card expires, or a year.
fn row(piece: &Piece, from: usize, count: usize) -> bool {
    if count != 16 || quad(piece, from).is_none() {
        return false;
    }
    let to = from + count;
    let dated = |at: usize| matches!(piece.gap(at), Gap::Dot | Gap::Slash | Gap::Hyphen);
    let above = from.checked_sub(count).and_then(|at| quad(piece, at));
    let below = quad(piece, to);
    if above == Some(true) || below == Some(true) {
        return false;
    }
    let before = from.checked_sub(4).is_some_and(|at| four(piece, at) && !dated(at));
    let behind = four(piece, to) && four(piece, to + 4) && piece.gap(to + 4) == Gap::Space;
    let beside = |at: usize, is: bool, rows: bool| match piece.gap(at) {
        Gap::Space => is,
        Gap::Line => rows,
        _ => false,
    };
    beside(from, before, above.is_some()) || beside(to, behind, below.is_some())
}

/// What parts the four groups of a card, and whether a word must say that it is one, since it parts fields.
const PARTED: [(&str, bool); 12] = [
    (",", true),
    (", ", true),
    (";", true),
    ("; ", true),
    ("|", false),
    (" | ", false),
    ("*", false),
    ("&nbsp;", false),
    ("&#160;", false),
    ("%20", false),
    ("+", true),
    ("</td><td>", true),
];

/// Where a card's number ends whose four groups from a place on are parted by a sign that else parts numbers:
/// `4111|1111|1111|1111`. Where that sign parts fields, a word must say that it is a card.
pub(super) fn parted(text: &str, from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    let signs = rest.get(4..)?;
    let to = signs.bytes().position(|b| b.is_ascii_digit());
    // The digits of what parts are none of a group.
    let (sign, said) = PARTED
        .into_iter()
        .rev()
        .find(|(sign, _)| signs.starts_with(sign) && to.is_some_and(|to| to <= sign.len()))?;
    let digit = |at: Option<&u8>| at.is_some_and(u8::is_ascii_digit);
    let mut digits = SmallVec::<[u8; 20]>::new();
    let mut left = rest;
    for group in 0..4 {
        if group > 0 {
            left = left.strip_prefix(sign)?;
        }
        let four = left.as_bytes().get(..4).filter(|it| it.iter().all(u8::is_ascii_digit))?;
        digits.extend(four.iter().map(|b| b - b'0'));
        left = left.get(4..)?;
    }
    // In a longer row of fields it is four of them.
    let before = text.get(..from)?.strip_suffix(sign);
    let before = before.is_some_and(|it| digit(it.as_bytes().last()));
    let behind = left.strip_prefix(sign).is_some_and(|it| digit(it.as_bytes().first()));
    if before || behind || digit(left.as_bytes().first()) {
        return None;
    }
    let to = text.len() - left.len();
    let prefix = digits.iter().take(6).fold(0, |value, digit| value * 10 + u32::from(*digit));
    let right = range(prefix, digits.len()) == Some(Range::Main) && luhn(&digits);
    let named = || Context::before(text, from).with_behind(text, to).speaks_of(Topic::Card);
    (right && (!said || named())).then_some(to)
}
