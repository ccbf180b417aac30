//! Identity numbers of digits alone: Malaysia, Indonesia, Thailand, the Philippines, Vietnam, India, Japan,
//! Korea.
//!
//! One of ten random numbers passes a check digit, so that a number is taken by its check digit or its date
//! only where it is grouped as people group it, or a word beside it says what it is.

use super::{
    context::Context,
    look::Look,
    number::{Number, date, verhoeff},
    topic::Topic,
};

/// How many characters from here on are an identity number.
pub(super) fn read(look: &mut Look<'_>, from: usize) -> Option<usize> {
    [12, 13, 16, 10, 9, 15].into_iter().find(|count| {
        let Some(number) = Number::read(look.piece, from, *count) else { return false };
        let schemes: &[Scheme] = match count {
            12 => &[malaysian, aadhaar, japanese, vietnamese, philippine],
            13 => &[thai, korean],
            16 => &[indonesian, philippine],
            10 => &[philippine],
            9 => &[vietnamese_old],
            _ => &[chinese_old],
        };
        // What stands beside other digits is not told by its groups, but may be their part.
        let apart = look.piece.apart(from, *count);
        if !apart && !number.bare() {
            return false;
        }
        let glued = look.glued(from) || !apart;
        let shaped = schemes.iter().any(|scheme| scheme(&number, None, glued));
        shaped && {
            let context = look.context(from, *count);
            schemes.iter().any(|scheme| scheme(&number, Some(&context), glued))
        }
    })
}

/// Whether a number is of a scheme. Without what is said around it: whether it could be. Letters may be glued
/// to it, or other digits stand beside it: then its groups say nothing.
type Scheme = fn(&Number, Option<&Context>, bool) -> bool;

/// Whether a word beside it names the scheme, or identity numbers as such.
fn named(context: &Context, topic: Topic) -> bool {
    context.says(topic) || (context.says(Topic::Identity) && !context.says(Topic::Other))
}

/// Malaysia's MyKad: a date of birth, a place of birth, four digits. There is no check digit.
fn malaysian(number: &Number, context: Option<&Context>, glued: bool) -> bool {
    let place = number.value(6, 2);
    let placed =
        matches!(place, 1..=16 | 21..=59 | 60..=68 | 71 | 72 | 74..=79 | 82..=93 | 98 | 99);
    let fits = date(number.value(2, 2), number.value(4, 2)) && placed;
    let written = number.grouped(&[&[6, 2, 4]]);
    fits && context.is_none_or(|it| named(it, Topic::My) || (written && !glued && !it.denies()))
}

/// India's Aadhaar: twelve digits, the first above 1, a check digit by Verhoeff.
fn aadhaar(number: &Number, context: Option<&Context>, glued: bool) -> bool {
    let fits = number.digit(0) > 1 && verhoeff(&number.digits);
    let written = number.grouped(&[&[4, 4, 4]]) && (number.spaced() || number.hyphened());
    fits && context.is_none_or(|it| {
        it.says(Topic::Aadhaar)
            || (written && !glued && it.unnamed())
            || it.speaks_of(Topic::Aadhaar)
    })
}

/// Japan's My Number (ordinance 85 of 2014): a check digit over eleven, weights 6 5 4 3 2 7 6 5 4 3 2.
fn japanese(number: &Number, context: Option<&Context>, glued: bool) -> bool {
    let rest = number.weighed(&[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    let fits = number.digit(11) == if rest < 2 { 0 } else { 11 - rest };
    let written = number.grouped(&[&[4, 4, 4]]) && number.spaced();
    fits && context.is_none_or(|it| {
        let home = it.kana() && (it.says(Topic::Identity) || (written && !glued && it.unnamed()));
        it.says(Topic::Jp) || home
    })
}

/// Vietnam's citizens: a province, a century and a sex, a year, six digits. There is no check digit.
fn vietnamese(number: &Number, context: Option<&Context>, _: bool) -> bool {
    let placed = (1..=96).contains(&number.value(0, 3)) && number.digit(3) < 6;
    placed && context.is_none_or(|it| named(it, Topic::Vn))
}

/// Vietnam's earlier cards: nine digits, where a word says so.
fn vietnamese_old(number: &Number, context: Option<&Context>, _: bool) -> bool {
    let written = number.bare() || number.grouped(&[&[3, 3, 3]]);
    written && context.is_none_or(|it| it.says(Topic::Vn))
}

/// The Philippines: PhilSys (twelve digits, or sixteen on the card), UMID (4-7-1), PhilHealth (2-9-1), SSS
/// (2-7-1), where a word says so.
fn philippine(_: &Number, context: Option<&Context>, _: bool) -> bool {
    context.is_none_or(|it| it.says(Topic::Ph))
}

/// Thailand: thirteen digits, weights 13 down to 2, a check digit over eleven.
fn thai(number: &Number, context: Option<&Context>, glued: bool) -> bool {
    let sum = number.weighed(&[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    let fits = number.digit(0) > 0 && number.digit(12) == (11 - sum % 11) % 10;
    let written = number.grouped(&[&[1, 4, 5, 2, 1]]);
    fits && context.is_none_or(|it| {
        let home = it.thai() && it.unnamed() && !it.keyed() && !glued;
        let said = (written || number.bare()) && named(it, Topic::Th);
        it.says(Topic::Th) || said || (written && !glued && !it.denies()) || home
    })
}

/// Korea's residents: a date of birth, a sex and a century, six digits; a check digit over eleven for those
/// that were given before October 2020, none after it.
fn korean(number: &Number, context: Option<&Context>, glued: bool) -> bool {
    let dated = date(number.value(2, 2), number.value(4, 2));
    let sum = number.weighed(&[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    let checked = number.digit(12) == (11 - sum % 11) % 10;
    // Of foreigners the check digit is two higher.
    let foreign = matches!(number.digit(6), 5..=8) && number.digit(12) == (13 - sum % 11) % 10;
    // A child that was born since then has none.
    let new = matches!(number.digit(6), 3 | 4 | 7 | 8)
        && (2010..=3512).contains(&number.value(0, 4))
        && number.grouped(&[&[6, 7]]);
    let right = checked || foreign;
    dated
        && (right || new)
        && context.is_none_or(|it| {
            let written = number.bare() || number.grouped(&[&[6, 7]]);
            // A key of a record has too many digits that are right by chance.
            let keyed = it.keyed() && number.bare();
            let alone = right && written && !glued && it.unnamed() && !keyed;
            it.says(Topic::Kr) || (written && named(it, Topic::Kr)) || alone
        })
}

/// Indonesia's NIK: a province, a regency, a district, a date of birth (forty more for women), four digits.
/// There is no check digit.
fn indonesian(number: &Number, context: Option<&Context>, _: bool) -> bool {
    let province = matches!(
        number.value(0, 2),
        11..=19 | 21 | 31..=36 | 51..=53 | 61..=65 | 71..=76 | 81 | 82 | 91..=97
    );
    let day = number.value(6, 2);
    let day = if day > 40 { day - 40 } else { day };
    let fits = province
        && number.value(2, 2) > 0
        && number.value(4, 2) > 0
        && date(number.value(8, 2), day)
        && number.value(12, 4) > 0;
    fits && context.is_none_or(|it| named(it, Topic::Id))
}

/// China's cards before 1999: a province, a date of birth, three digits, where a word says so.
fn chinese_old(number: &Number, context: Option<&Context>, _: bool) -> bool {
    let fits =
        (11..=91).contains(&number.value(0, 2)) && date(number.value(8, 2), number.value(10, 2));
    fits && context.is_none_or(|it| it.says(Topic::Cn))
}
