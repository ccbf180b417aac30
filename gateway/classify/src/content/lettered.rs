//! Numbers with letters in them: identity cards of Singapore, Hong Kong, Taiwan and China, tax codes of Italy
//! and India, bank accounts by IBAN.

use super::{look::Look, number::date, piece::Char, symbol::Gap, topic::Topic};
use crate::Content::{self, Iban, NationalId, TaxId};

/// What begins here, and how many characters of the stretch it has.
pub(super) fn read(look: &mut Look<'_>, from: usize) -> Option<(Content, usize)> {
    let first = look.piece.mark(from);
    if first.is_ascii_digit() {
        return chinese(look, from).map(|count| (NationalId, count));
    }
    let second = look.piece.mark(from + 1);
    if !second.is_ascii_digit() && look.piece.mark(from + 2).is_ascii_uppercase() {
        let found = italian(look, from).or_else(|| indian(look, from));
        return found.map(|count| (TaxId, count));
    }
    let id = singaporean(look, from).or_else(|| taiwanese(look, from));
    let id = id.or_else(|| hong_kong(look, from));
    id.map(|count| (NationalId, count)).or_else(|| iban(look, from).map(|count| (Iban, count)))
}

/// `count` characters from here on, with nothing attached behind them, and how many groups they are in.
fn marks<'a>(look: &'a Look<'_>, from: usize, count: usize) -> Option<(&'a [Char], usize)> {
    let marks = look.marks(from, count)?;
    let groups = (1..count).filter(|at| look.piece.begins(from + at)).count() + 1;
    look.piece.ends(from + count).then_some((marks, groups))
}

/// Values of some characters that must be digits.
fn sum(marks: &[Char], weights: &[u32]) -> Option<u32> {
    let weigh = |(c, weight): (&Char, &u32)| digit(c.mark).map(|digit| digit * weight);
    if marks.len() != weights.len() {
        return None;
    }
    marks.iter().zip(weights).map(weigh).sum()
}

fn digit(mark: u8) -> Option<u32> {
    mark.is_ascii_digit().then(|| u32::from(mark - b'0'))
}

/// A letter's value, A being 0.
fn letter(mark: u8) -> Option<u32> {
    mark.is_ascii_uppercase().then(|| u32::from(mark - b'A'))
}

/// NRIC and FIN of Singapore: S, T, F, G or M, seven digits, a check letter. The scheme is known by
/// reverse engineering and the same everywhere it is told: weights 2 7 6 5 4 3 2, an offset of 4 for T
/// and G, 3 for M.
fn singaporean(look: &mut Look<'_>, from: usize) -> Option<usize> {
    let (marks, groups) = marks(look, from, 9)?;
    let [first, digits @ .., last] = marks else { return None };
    let sum = sum(digits, &[2, 7, 6, 5, 4, 3, 2])?;
    let (offset, letters): (u32, &[u8; 11]) = match first.mark {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => (3, b"XWUTRQPNJLK"),
        _ => return None,
    };
    let right = letters.get(((sum + offset) % 11) as usize) == Some(&last.mark);
    let bracketed = look.piece.gap(from + 8) == Gap::Paren;
    (right && groups <= 4 && !bracketed).then_some(9)
}

/// Numbers of Taiwan's identity cards and of residence since 2021: a letter, nine digits, weights 1 and
/// 9 for the letter's number, 8 down to 1, and 1.
fn taiwanese(look: &mut Look<'_>, from: usize) -> Option<usize> {
    const NUMBERS: [u32; 26] = [
        10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21, 22, 35, 23, 24, 25, 26, 27, 28, 29, 32,
        30, 31, 33,
    ];
    let (marks, groups) = marks(look, from, 10)?;
    let [first, digits @ ..] = marks else { return None };
    let sex = digits.first()?.mark;
    let number = *NUMBERS.get(letter(first.mark)? as usize)?;
    let sum = sum(digits, &[8, 7, 6, 5, 4, 3, 2, 1, 1])? + number / 10 + number % 10 * 9;
    if !sum.is_multiple_of(10) || !matches!(sex, b'1' | b'2' | b'8' | b'9') || groups > 2 {
        return None;
    }
    let glued = look.glued(from);
    let context = look.context(from, 10);
    let said = context.says(Topic::Tw) || context.says(Topic::Identity);
    (said || (!context.denies() && !context.says(Topic::Passport) && !glued)).then_some(10)
}

/// Hong Kong's identity cards: one or two letters, six digits, and a check digit or A, in parentheses or not.
fn hong_kong(look: &mut Look<'_>, from: usize) -> Option<usize> {
    let letters = if look.piece.mark(from + 1).is_ascii_digit() { 1 } else { 2 };
    let count = letters + 7;
    let (marks, groups) = marks(look, from, count)?;
    let value = |c: &Char| letter(c.mark).map(|value| value + 10);
    let heads = match marks {
        [one, ..] if letters == 1 => 36 * 9 + value(one)? * 8,
        [one, two, ..] => value(one)? * 9 + value(two)? * 8,
        _ => return None,
    };
    let digits = marks.get(letters..letters + 6)?;
    let last = marks.last()?.mark;
    let check = if last == b'A' { 10 } else { digit(last)? };
    if !(heads + sum(digits, &[7, 6, 5, 4, 3, 2])? + check).is_multiple_of(11) {
        return None;
    }
    let bracketed = look.piece.gap(from + count - 1) == Gap::Paren;
    if bracketed && groups == 2 {
        return Some(count);
    }
    // A letter or a digit of its own behind it is of the same number, which is then of another length.
    if look.piece.ends(from + count + 1) && from + count < look.piece.chars.len() {
        return None;
    }
    let context = look.context(from, count);
    (context.says(Topic::Hk) || context.says(Topic::Identity)).then_some(count)
}

/// China's citizens (GB 11643-1999): a province, a date of birth, a serial number, and a check digit or X by
/// ISO 7064 MOD 11-2.
fn chinese(look: &mut Look<'_>, from: usize) -> Option<usize> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let (marks, _) = marks(look, from, 18)?;
    let (digits, last) = (marks.get(..17)?, marks.last()?.mark);
    let sum = sum(digits, &WEIGHTS)?;
    let value = |from: usize, count: usize| {
        let digits = digits.iter().skip(from).take(count);
        digits.fold(0, |value, c| value * 10 + u32::from(c.mark - b'0'))
    };
    let province = matches!(
        value(0, 2),
        11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91
    );
    let dated = (1850..=2100).contains(&value(6, 4)) && date(value(10, 2), value(12, 2));
    let right = b"10X98765432".get((sum % 11) as usize) == Some(&last);
    (right && province && dated).then_some(18)
}

/// Italy's tax code (decree of 23 December 1976): three letters each of the names, a date of birth, a place,
/// a check letter. Letters may stand for digits where two persons would have had the same.
fn italian(look: &mut Look<'_>, from: usize) -> Option<usize> {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let (marks, _) = marks(look, from, 16)?;
    let figure = |c: &Char| c.mark.is_ascii_digit() || b"LMNPQRSTUV".contains(&c.mark);
    let mut sum = 0;
    for (at, c) in marks.iter().take(15).enumerate() {
        let fits = match at {
            6 | 7 | 9 | 10 | 12..=14 => figure(c),
            8 => b"ABCDEHLMPRST".contains(&c.mark),
            _ => c.mark.is_ascii_uppercase(),
        };
        let value = digit(c.mark).or_else(|| letter(c.mark)).filter(|_| fits)?;
        sum += if at % 2 == 0 { *ODD.get(value as usize)? } else { value };
    }
    (letter(marks.last()?.mark)? == sum % 26).then_some(16)
}

/// India's Permanent Account Number: five letters, the fourth a kind of holder, four digits, a letter. Its
/// check letter's scheme is not published.
fn indian(look: &mut Look<'_>, from: usize) -> Option<usize> {
    let (marks, groups) = marks(look, from, 10)?;
    let fits = |(at, c): (usize, &Char)| match at {
        3 => b"ABCFGHJLPT".contains(&c.mark),
        5..=8 => c.mark.is_ascii_digit(),
        _ => c.mark.is_ascii_uppercase(),
    };
    let capitals = marks.iter().all(|c| !c.small);
    if !marks.iter().enumerate().all(fits) || marks.iter().skip(5).take(4).all(|c| c.mark == b'0') {
        return None;
    }
    let glued = look.glued(from);
    let context = look.context(from, 10);
    let said = context.says_one_of(&[Topic::Pan, Topic::Tax]);
    let alone = capitals && groups == 1 && !glued && !context.denies();
    (said || alone).then_some(10)
}

/// Bank accounts by ISO 13616: a country, two check digits, the country's length, and the rest of 97.
fn iban(look: &mut Look<'_>, from: usize) -> Option<usize> {
    let country = [look.piece.mark(from), look.piece.mark(from + 1)];
    let checks = [look.piece.mark(from + 2), look.piece.mark(from + 3)];
    if !checks.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = usize::from(length(country)?);
    let (marks, _) = marks(look, from, count)?;
    // It is written in groups of four or without a gap: words of prose are neither.
    if (1..count).any(|at| at % 4 != 0 && look.piece.begins(from + at)) {
        return None;
    }
    // The first four characters count last.
    let (head, body) = marks.split_at_checked(4)?;
    let rest = body.iter().chain(head).try_fold(0, |rest, c| match digit(c.mark) {
        Some(digit) => Some((rest * 10 + digit) % 97),
        None => letter(c.mark).map(|value| (rest * 100 + value + 10) % 97),
    })?;
    (rest == 1).then_some(count)
}

/// How many characters an IBAN of a country has, by the registry of SWIFT.
fn length(country: [u8; 2]) -> Option<u8> {
    const LENGTHS: &[(u8, &str)] = &[
        (15, "NO"),
        (16, "BE"),
        (18, "DK FI FK FO GL NL SD"),
        (19, "MK SI"),
        (20, "AT BA EE KZ LT LU MN XK"),
        (21, "CH HR LI LV"),
        (22, "BG BH CR DE GB GE IE ME RS VA"),
        (23, "AE GI IL IQ OM SO TL"),
        (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
        (25, "LY PT ST"),
        (26, "IS TR"),
        (27, "BI DJ FR GR IT MC MR SM"),
        (28, "AL AZ BY CY DO GT HU LB NI PL SV"),
        (29, "BR EG PS QA UA"),
        (30, "JO KW MU YE"),
        (31, "MT SC"),
        (32, "LC"),
        (33, "RU"),
    ];
    let listed = |codes: &str| codes.as_bytes().chunks(3).any(|it| it.starts_with(&country));
    LENGTHS.iter().find(|(_, codes)| listed(codes)).map(|(length, _)| *length)
}

/// India's GSTIN: a state, a PAN, an entity, Z, and a check character over 36, every second value doubled.
fn indian_trader(look: &Look<'_>, from: usize) -> Option<usize> {
    let (marks, groups) = marks(look, from, 15)?;
    let mut sum = 0;
    for (at, c) in marks.iter().enumerate() {
        let number = digit(c.mark);
        let fits = match at {
            0 | 1 | 7..=10 => number.is_some(),
            2..=6 | 11 => number.is_none(),
            13 => c.mark == b'Z',
            _ => true,
        };
        let value = number.or_else(|| letter(c.mark).map(|value| value + 10)).filter(|_| fits)?;
        let product = value * if at % 2 == 1 { 2 } else { 1 };
        sum += if at == 14 { value } else { product / 36 + product % 36 };
    }
    (sum.is_multiple_of(36) && groups == 1).then_some(15)
}

/// India's GSTIN, and China's credit code of organisations by GB 32100-2015, which a word beside it tells.
pub(super) fn organisation(look: &mut Look<'_>, from: usize) -> Option<usize> {
    const MARKS: &[u8] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    const WEIGHTS: [usize; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
    if let Some(count) = indian_trader(look, from) {
        return Some(count);
    }
    let (marks, _) = marks(look, from, 18)?;
    let place = |c: &Char| MARKS.iter().position(|it| *it == c.mark);
    let mut sum = 0;
    for (c, weight) in marks.iter().zip(WEIGHTS) {
        sum += place(c)? * weight;
    }
    let right = place(marks.last()?)? == (31 - sum % 31) % 31;
    (right && look.context(from, 18).says(Topic::Tax)).then_some(18)
}

/// Korea's passports since 2021: a letter, three digits, a letter, four digits.
fn korean_passport(look: &Look<'_>, from: usize) -> Option<usize> {
    let (marks, groups) = marks(look, from, 9)?;
    let fits = |(at, c): (usize, &Char)| c.mark.is_ascii_uppercase() == matches!(at, 0 | 4);
    (groups <= 2 && marks.iter().enumerate().all(fits)).then_some(9)
}

/// Passports: up to two letters, six to nine digits and at times a last letter, where a word says so.
pub(super) fn passport(look: &mut Look<'_>, from: usize) -> Option<usize> {
    if let Some(count) = korean_passport(look, from) {
        return look.context(from, count).says(Topic::Passport).then_some(count);
    }
    let letters = (0..3).take_while(|at| look.piece.mark(from + at).is_ascii_uppercase()).count();
    let digits = (0..10).take_while(|at| look.piece.mark(from + letters + at).is_ascii_digit());
    let digits = digits.count();
    let mut count = letters + digits;
    count += usize::from(!look.piece.ends(from + count));
    let groups = (1..count).filter(|at| look.piece.begins(from + at)).count();
    let fits =
        letters <= 2 && (6..=9).contains(&digits) && (7..=10).contains(&count) && groups <= 1;
    let last = look.piece.mark(from + count - 1);
    let ended = look.piece.ends(from + count) && (count == letters + digits || letters > 0);
    let fits = fits && ended && (last.is_ascii_digit() || last.is_ascii_uppercase());
    (fits && look.context(from, count).says(Topic::Passport)).then_some(count)
}
