//! Tax numbers of digits alone, where a word says so: Italy, Vietnam, Indonesia, Korea, Taiwan, the
//! Philippines, Malaysia.

use smallvec::SmallVec;

use super::{
    look::Look,
    number::{Number, luhn},
    topic::Topic,
};

/// Groups in which an NPWP is printed.
const NPWP: &[u8] = &[2, 3, 3, 1, 3, 3];

/// Groups in which tax numbers with a check digit are written, where a word of taxes as such is beside them.
const WRITTEN: [&[u8]; 8] =
    [NPWP, &[4, 4, 4, 4], &[3, 2, 5], &[4, 3, 3], &[10, 3], &[4, 4], &[3, 3, 4], &[2, 3, 3, 1, 6]];

/// How many characters from here on are a tax number.
pub(super) fn read(look: &mut Look<'_>, from: usize) -> Option<usize> {
    if look.piece.mark(from).is_ascii_uppercase() {
        return malaysian(look, from);
    }
    [15, 16, 14, 13, 12, 11, 10, 9, 8].into_iter().find(|count| {
        let Some(number) = Number::read(look.piece, from, *count) else { return false };
        if !number.bare() && !look.piece.apart(from, *count) {
            return false;
        }
        // Indonesia's NPWP is printed as no other number is.
        if *count == 15 && number.grouped(&[NPWP]) && npwp(&number, 0) {
            return !look.context(from, *count).denies();
        }
        // Digits behind a company's number are those of its branch: three, or it is none.
        if *count == 10 && number.bare() && look.piece.trails(from, *count) && vietnamese(&number) {
            return false;
        }
        let schemes = schemes(&number, *count);
        !schemes.is_empty() && look.context(from, *count).says_one_of(&schemes)
    })
}

/// The words of which one must say that a number is a tax number: those of its country, and where it has
/// a check digit that is right, those of taxes as such.
fn schemes(number: &Number, count: usize) -> SmallVec<[Topic; 4]> {
    let mut topics = SmallVec::new();
    let written = number.bare() || number.grouped(&WRITTEN);
    let mut add = |fits: bool, topic: Topic, checked: bool| {
        if fits {
            topics.push(topic);
        }
        if fits && checked && written {
            topics.push(Topic::Tax);
        }
    };
    match count {
        // Partita IVA: eleven digits by Luhn.
        11 => add(luhn(&number.digits), Topic::TaxIt, true),
        10 => {
            add(korean(number), Topic::TaxKr, true);
            add(vietnamese(number), Topic::TaxVn, true);
        }
        // A branch of a Vietnamese company has three digits more.
        13 => add(vietnamese(number), Topic::TaxVn, true),
        // Unified business numbers of Taiwan.
        8 => add(taiwanese(number), Topic::TaxTw, true),
        // NPWP, since 2024 with a zero before it: the ninth digit is Luhn's.
        15 => add(npwp(number, 0), Topic::TaxId, true),
        16 => add(number.digit(0) == 0 && npwp(number, 1), Topic::TaxId, true),
        _ => {}
    }
    // The Philippines: nine digits, and three or five of a branch.
    let grouped = number.grouped(&[&[3, 3, 3], &[3, 3, 3, 3], &[3, 3, 3, 5]]);
    add(grouped || (number.bare() && matches!(count, 9 | 12 | 14)), Topic::TaxPh, false);
    topics
}

/// Indonesia's NPWP from a digit on: nine digits by Luhn, three of an office, three of a branch.
fn npwp(number: &Number, from: usize) -> bool {
    number.digits.get(from..from + 9).is_some_and(luhn)
}

/// Vietnam: weights 31 29 23 19 17 13 7 5 3, a check digit of 10 less the rest of 11.
fn vietnamese(number: &Number) -> bool {
    let rest = number.weighed(&[31, 29, 23, 19, 17, 13, 7, 5, 3]) % 11;
    rest > 0 && number.digit(9) == 10 - rest
}

/// Korea's businesses: weights 1 3 7 1 3 7 1 3 5, and the tens of the last product.
fn korean(number: &Number) -> bool {
    let sum = number.weighed(&[1, 3, 7, 1, 3, 7, 1, 3, 5]) + number.digit(8) * 5 / 10;
    number.digit(9) == (10 - sum % 10) % 10
}

/// Taiwan: weights 1 2 1 2 1 2 4 1, the digits of each product added up, a multiple of 5; a seventh digit
/// of 7 counts as 0 or 1.
fn taiwanese(number: &Number) -> bool {
    let products = number.digits.iter().zip([1, 2, 1, 2, 1, 2, 4, 1]);
    let sum: u32 = products.map(|(digit, weight)| u32::from(*digit) * weight).map(cross).sum();
    sum.is_multiple_of(5) || (number.digit(6) == 7 && (sum + 1).is_multiple_of(5))
}

fn cross(product: u32) -> u32 {
    product / 10 + product % 10
}

/// Malaysia: the kind of tax payer (`IG`, `C`, …), ten or eleven digits.
fn malaysian(look: &mut Look<'_>, from: usize) -> Option<usize> {
    let letters = (0..3).take_while(|at| look.piece.mark(from + at).is_ascii_uppercase()).count();
    let known = match (look.piece.mark(from), look.piece.mark(from + 1)) {
        (b'I' | b'S' | b'O', b'G') => letters == 2,
        (b'C' | b'D' | b'E' | b'F', _) => letters == 1,
        _ => false,
    };
    let count = [11, 10, 9].into_iter().find(|count| {
        let digits = (0..*count).all(|at| look.piece.mark(from + letters + at).is_ascii_digit());
        digits && look.piece.ends(from + letters + count)
    })?;
    let count = known.then_some(letters + count)?;
    look.context(from, count).says_one_of(&[Topic::Tax, Topic::TaxMy]).then_some(count)
}
