//! Amounts, dates and counts: what stands right before or behind some digits says that they name nobody.

use smallvec::SmallVec;

use super::{
    look::Look,
    number::date,
    symbol::Symbol,
    units::{BEFORE, DENSE, LARGE, NONE, SIGNS, SMALL, UNITS},
};

/// Blanks between an amount and its currency.
const BLANKS_MAX: usize = 2;
/// Digits that an amount in a currency of great worth rarely has, and an account often.
const LARGE_DIGITS: usize = 10;
/// Digits before a fraction of naught that are rather a number of somebody than an amount.
const FRACTION_DIGITS: usize = 8;

/// Whether some characters of a stretch are an amount, a date or a count.
pub(super) fn is(look: &Look<'_>, from: usize, count: usize) -> bool {
    let Some(marks) = look.marks(from, count) else { return false };
    let (Some(first), Some(last)) = (marks.first(), marks.last()) else { return false };
    // Two letters before digits may be a currency's: `RM 1500000`.
    if first.mark.is_ascii_uppercase() {
        let letters: SmallVec<[u8; 16]> =
            marks.iter().take_while(|c| c.mark.is_ascii_uppercase()).map(|c| c.mark).collect();
        let letters = std::str::from_utf8(&letters).unwrap_or("");
        let apart = look.piece.begins(from + letters.len());
        return apart && letters.len() > 1 && code(letters, count - letters.len());
    }
    if !thousands(look, from, count) {
        return dated(look, from, count);
    }
    let before = look.text.get(..first.at).unwrap_or("");
    let behind = look.text.get(last.end..).unwrap_or("");
    dated(look, from, count) || follows(before, count) || precedes(behind, count)
}

/// Whether digits are grouped as an amount is: not at all, or by thousands.
fn thousands(look: &Look<'_>, from: usize, count: usize) -> bool {
    (1..count).all(|at| look.piece.begins(from + at) == (count - at).is_multiple_of(3))
        || (1..count).all(|at| !look.piece.begins(from + at))
}

/// Whether a word is the code of a currency in which so many digits are an amount.
fn code(word: &str, digits: usize) -> bool {
    let of = |codes: &[&str]| codes.iter().any(|code| code.eq_ignore_ascii_case(word));
    of(SMALL) || (digits < LARGE_DIGITS && of(LARGE))
}

/// A text without the blanks at its end.
fn without_blanks(text: &str) -> &str {
    let blank = |c: &char| matches!(c, ' ' | '\u{A0}' | '\u{2009}' | '\u{202F}');
    let blanks = text.chars().rev().take_while(blank).take(BLANKS_MAX);
    let bytes: usize = blanks.map(char::len_utf8).sum();
    text.get(..text.len() - bytes).unwrap_or("")
}

/// Whether a currency stands at the end of what is before the digits.
fn follows(before: &str, digits: usize) -> bool {
    let before = without_blanks(before);
    let before = before.strip_suffix('.').unwrap_or(before);
    if before.ends_with(|c| SIGNS.contains(c)) || BEFORE.iter().any(|it| before.ends_with(it)) {
        return true;
    }
    let bytes = before.bytes().rev().take(5).take_while(u8::is_ascii_alphabetic).count();
    let word = before.get(before.len() - bytes..).unwrap_or("");
    (2..=4).contains(&bytes) && code(word, digits)
}

/// Whether a currency, a unit, what is counted or the cents stand at the beginning of what is behind.
fn precedes(behind: &str, digits: usize) -> bool {
    // A table of numbers writes an account as a fraction: `3122118895.0`.
    let naught = digits >= FRACTION_DIGITS && behind.starts_with(".0");
    if cents(behind) && (!naught || behind.starts_with(".00")) {
        return true;
    }
    let blank = |c: char| matches!(c, ' ' | '\u{A0}' | '\u{2009}' | '\u{202F}');
    let rest = behind.trim_start_matches(blank);
    let gap = behind.len() - rest.len();
    if gap > 2 * BLANKS_MAX || NONE.iter().any(|it| rest.starts_with(it)) {
        return false;
    }
    let Some(first) = rest.chars().next() else { return false };
    if matches!(first, '%' | '％' | '‰') {
        return true;
    }
    let bytes: usize =
        rest.chars().take_while(char::is_ascii_alphabetic).map(char::len_utf8).take(13).sum();
    let (word, after) = rest.split_at_checked(bytes).unwrap_or(("", ""));
    let whole = !after.starts_with(|c: char| c.is_alphanumeric());
    // A currency before other digits is theirs, and one before an account is that of the account.
    if whole && (SIGNS.contains(first) || code(word, digits)) {
        let after = after.trim_start_matches(|c| SIGNS.contains(c)).trim_start_matches(blank);
        let others =
            after.starts_with(|c: char| Symbol::of(c).mark().is_some_and(|it| it.is_ascii_digit()));
        let account = ["acc", "a/c", "sav"]
            .iter()
            .any(|it| after.get(..3).is_some_and(|after| after.eq_ignore_ascii_case(it)));
        return !others && !account;
    }
    let ends = |unit: &str| {
        let after = rest.get(unit.len()..).and_then(|it| it.chars().next());
        !after.is_some_and(joins)
    };
    let starts = |unit: &str| {
        rest.get(..unit.len()).is_some_and(|it| it.eq_ignore_ascii_case(unit)) && ends(unit)
    };
    UNITS.iter().copied().any(starts) || DENSE.iter().any(|unit| dense(rest, unit, gap > 0))
}

/// Whether a character goes on with a word: a letter, or a sign that is written over or behind one.
fn joins(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(c, '\'' | '’' | '\u{900}'..='\u{903}' | '\u{93A}'..='\u{94F}' | '\u{BBE}'..='\u{BCD}')
}

/// Whether a text begins with a unit that needs no blank behind it. Where a blank stands before it, it must
/// be a word of its own, or `元朗` were money: what follows is of another script, or a particle.
fn dense(text: &str, unit: &str, apart: bool) -> bool {
    let Some(rest) = text.strip_prefix(unit) else { return false };
    let writes = |c: char| {
        matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}')
            && !"的了在是有到和及或整이은을으의에입과도만정".contains(c)
    };
    !(apart && unit.starts_with(writes) && rest.starts_with(writes))
}

/// Whether a text begins with a dot and one or two digits, and nothing more of a number.
fn cents(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('.') else { return false };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let mut after = rest.get(digits..).unwrap_or("").chars();
    let more = |c: char| c.is_alphanumeric() || matches!(c, '-' | '/');
    let (next, second) = (after.next(), after.next());
    let goes_on =
        next.is_some_and(more) || (next == Some('.') && second.is_some_and(|c| c.is_ascii_digit()));
    (1..=2).contains(&digits) && !goes_on
}

/// Whether digits are a day of this century or the last, with or without a time: `20240131235959`,
/// `31-01-2024`.
fn dated(look: &Look<'_>, from: usize, count: usize) -> bool {
    let Some(marks) = look.marks(from, count) else { return false };
    let value = |from: usize, count: usize| {
        let digits = marks.iter().skip(from).take(count);
        digits.fold(0, |value, c| value * 10 + u32::from(c.mark.wrapping_sub(b'0')))
    };
    let starts: SmallVec<[usize; 20]> =
        (1..count).filter(|at| look.piece.begins(from + at)).collect();
    let year = |at: usize| (1900..2100).contains(&value(at, 4));
    let (hour, minute, second) = (value(8, 2), value(10, 2), value(12, 2));
    match (count, starts.as_slice()) {
        (8, []) => year(0) && date(value(4, 2), value(6, 2)),
        (12, []) => year(0) && date(value(4, 2), value(6, 2)) && hour < 24 && minute < 60,
        (14, []) => {
            year(0) && date(value(4, 2), value(6, 2)) && hour < 24 && minute < 60 && second < 60
        }
        (8, [2, 4]) => {
            year(4) && (date(value(2, 2), value(0, 2)) || date(value(0, 2), value(2, 2)))
        }
        _ => false,
    }
}
