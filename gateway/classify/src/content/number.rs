//! The digits of a stretch that could be one number, and how they are grouped.

use smallvec::SmallVec;

use super::{piece::Piece, symbol::Gap};

/// Digits that begin and end where groups do.
#[derive(Clone, Debug)]
pub(super) struct Number {
    /// The digits' values, 0 to 9.
    pub digits: SmallVec<[u8; 20]>,
    /// How many digits each group has.
    groups: SmallVec<[u8; 20]>,
    /// Whether all that parts its groups are lines' ends: a column of numbers is none.
    lines: bool,
    /// Whether blanks alone part its groups, or hyphens alone.
    spaced: bool,
    hyphened: bool,
}

impl Number {
    /// The `count` digits from a place on, if they are one number: digits alone, with nothing attached.
    pub(super) fn read(piece: &Piece, from: usize, count: usize) -> Option<Self> {
        let whole = Self::whole(piece, from, count) && !piece.goes_on(from, count);
        whole.then(|| Self::written(piece, from, count))?
    }

    /// The same, where the month in which a card expires may stand behind them as a group of its own.
    pub(super) fn read_before_month(piece: &Piece, from: usize, count: usize) -> Option<Self> {
        let whole = Self::whole(piece, from, count) && piece.month(from, count);
        whole.then(|| Self::written(piece, from, count))?
    }

    /// Whether so many digits end where a group does, with nothing attached before them.
    fn whole(piece: &Piece, from: usize, count: usize) -> bool {
        piece.digits(from) >= count && piece.ends(from + count) && !piece.attached(from, count)
    }

    fn written(piece: &Piece, from: usize, count: usize) -> Option<Self> {
        let (digits, groups) = (SmallVec::new(), SmallVec::new());
        let mut number = Self { digits, groups, lines: true, spaced: true, hyphened: true };
        for (at, c) in piece.chars.get(from..from + count)?.iter().enumerate() {
            match number.groups.last_mut() {
                Some(group) if c.gap == Gap::Joined => *group += 1,
                _ => {
                    number.groups.push(1);
                    number.lines &= at == 0 || c.gap == Gap::Line;
                    number.spaced &= at == 0 || c.gap == Gap::Space;
                    number.hyphened &= at == 0 || c.gap == Gap::Hyphen;
                }
            }
            number.digits.push(c.mark - b'0');
        }
        Some(number)
    }

    /// Whether it is written without a gap.
    pub(super) fn bare(&self) -> bool {
        self.groups.len() == 1
    }

    /// Whether blanks alone part its groups.
    pub(super) fn spaced(&self) -> bool {
        self.spaced
    }

    /// Whether hyphens alone part its groups.
    pub(super) fn hyphened(&self) -> bool {
        self.hyphened
    }

    /// Whether it is written in these groups, and not as a column.
    pub(super) fn grouped(&self, ways: &[&[u8]]) -> bool {
        !self.lines && ways.iter().any(|way| *way == self.groups.as_slice())
    }

    /// The value of some digits.
    pub(super) fn value(&self, from: usize, count: usize) -> u32 {
        let digits = self.digits.get(from..from + count).unwrap_or_default();
        digits.iter().fold(0, |value, digit| value * 10 + u32::from(*digit))
    }

    /// The digit at a place; 0 where there is none.
    pub(super) fn digit(&self, at: usize) -> u32 {
        self.digits.get(at).copied().map_or(0, u32::from)
    }

    /// The sum of its digits, each times its weight.
    pub(super) fn weighed(&self, weights: &[u32]) -> u32 {
        self.digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
    }
}

/// Whether the digits' sum by Luhn's formula (ISO/IEC 7812-1, annex B) is a multiple of ten.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| u32::from(if at % 2 == 1 { doubled(*digit) } else { *digit }))
        .sum();
    sum.is_multiple_of(10)
}

/// Whether the digits are right by Verhoeff's scheme: permutations, and the dihedral group of ten.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTED: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let mut sum = 0;
    for (at, digit) in digits.iter().rev().enumerate() {
        let mut value = *digit;
        for _ in 0..at % 8 {
            value = PERMUTED.get(usize::from(value)).copied().unwrap_or(0);
        }
        sum = dihedral(sum, value);
    }
    sum == 0
}

/// The product of two members of the dihedral group of ten: rotations are 0 to 4, reflections 5 to 9.
fn dihedral(a: u8, b: u8) -> u8 {
    match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    }
}

/// Whether a year of two digits, a month and a day are a date of some century.
pub(super) fn date(month: u32, day: u32) -> bool {
    let days = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_those_of_their_schemes() {
        assert!(luhn(&[7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 3]));
        assert!(!luhn(&[7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 4]));
        assert!(verhoeff(&[2, 3, 6, 3]));
        for wrong in (0..10).filter(|digit| *digit != 3) {
            assert!(!verhoeff(&[2, 3, 6, wrong]), "{wrong}");
        }
    }
}
