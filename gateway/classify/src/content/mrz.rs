//! The second line of a passport that machines read (ICAO 9303, part 4): its number, a country, a day of
//! birth, a sex and a day of expiry. The check digit of the number must be right.

use super::look::Look;

/// Bytes of what is looked at: up to the check digit of the day of expiry.
const BYTES: usize = 28;

/// How many characters from here on are of such a line.
pub(super) fn read(look: &Look<'_>, from: usize) -> Option<usize> {
    let at = look.piece.chars.get(from)?.at;
    let line = look.text.as_bytes().get(at..at + BYTES)?;
    if !matches!(line, [.., b'M' | b'F' | b'<', _, _, _, _, _, _, _]) {
        return None;
    }
    let lettered = |range: std::ops::Range<usize>| {
        line.get(range).is_some_and(|it| it.iter().all(|b| b.is_ascii_uppercase() || *b == b'<'))
    };
    let digits = |range: std::ops::Range<usize>| {
        line.get(range).is_some_and(|it| it.iter().all(u8::is_ascii_digit))
    };
    let right = digits(13..20) && digits(21..28) && checked(line.get(..9)?, *line.get(9)?);
    let count = look.piece.chars.iter().skip(from).take_while(|it| it.at < at + BYTES).count();
    (lettered(10..13) && right).then_some(count)
}

/// Whether a digit is that of some characters with the weights 7, 3 and 1.
fn checked(part: &[u8], digit: u8) -> bool {
    let value = |b: u8| match b {
        b'0'..=b'9' => Some(u32::from(b - b'0')),
        b'A'..=b'Z' => Some(u32::from(b - b'A') + 10),
        b'<' => Some(0),
        _ => None,
    };
    let weighed = part.iter().zip([7, 3, 1].into_iter().cycle());
    let sum = weighed.map(|(b, weight)| value(*b).map(|it| it * weight)).sum::<Option<u32>>();
    sum.is_some_and(|sum| digit.is_ascii_digit() && sum % 10 == u32::from(digit - b'0'))
}
