//! Days and times, which are no part of a number that stands beside them.

use super::{look::Look, number::date, piece::Piece, symbol::Gap};

/// How many characters from here on are a day, with the time behind it, or the minutes and seconds of a time
/// that began before a colon.
pub(super) fn read(look: &Look<'_>, from: usize) -> Option<usize> {
    if from == 0
        && let Some(count) = minutes(look)
    {
        return Some(count);
    }
    let end = day(look.piece, from)?;
    Some(hour(look.piece, end).unwrap_or(end) - from)
}

/// Where the group of digits that begins at a place ends, and how many it has.
fn group(piece: &Piece, at: usize) -> Option<(usize, usize)> {
    let length = (at..piece.chars.len())
        .take_while(|it| piece.mark(*it).is_ascii_digit() && (*it == at || !piece.begins(*it)))
        .count();
    (length > 0).then_some((length, at + length))
}

fn value(piece: &Piece, from: usize, to: usize) -> u32 {
    (from..to)
        .fold(0, |value, at| value * 10 + u32::from(piece.mark(at).saturating_sub(b'0').min(9)))
}

/// Where a day ends that begins at a place: `2026-11-30`, `30/11/2026`, `30.11.26`, `2026-11-30T10`.
pub(super) fn day(piece: &Piece, from: usize) -> Option<usize> {
    let (first, second) = group(piece, from)?;
    let sign = piece.gap(second);
    if !matches!(first, 1 | 2 | 4) || !matches!(sign, Gap::Slash | Gap::Hyphen | Gap::Dot) {
        return None;
    }
    let (middle, third) = group(piece, second)?;
    let (last, mut end) = group(piece, third)?;
    if middle > 4
        || last > 4
        || piece.gap(third) != sign
        || piece.loose(second)
        || piece.loose(third)
    {
        return None;
    }
    let (a, b, c) =
        (value(piece, from, second), value(piece, second, third), value(piece, third, end));
    // Years of the Buddhist era are those of Thailand.
    let year = |it: u32| (1900..2100).contains(&it) || (2443..2643).contains(&it);
    let either = date(b, a) || date(a, b);
    let fits = match (first, middle, last) {
        (4, 1 | 2, 1 | 2) => year(a) && date(b, c),
        (1 | 2, 1 | 2, 4) => year(c) && either,
        (2, 2, 2) => either || date(b, c),
        _ => false,
    };
    if piece.mark(end) == b'T' && !piece.begins(end) && piece.mark(end + 1).is_ascii_digit() {
        end = (end..=piece.chars.len()).find(|at| piece.ends(*at)).unwrap_or(end);
    }
    let longer = piece.gap(end) == sign && !piece.loose(end) && piece.mark(end).is_ascii_digit();
    (fits && piece.ends(end) && (!longer || day(piece, end).is_some())).then_some(end)
}

/// Where a time with a dot ends that stands behind a day: `10.11`.
fn hour(piece: &Piece, at: usize) -> Option<usize> {
    let (hours, minutes) = group(piece, at)?;
    let (length, end) = group(piece, minutes)?;
    let fits = matches!((piece.gap(at), piece.gap(minutes)), (Gap::Space, Gap::Dot));
    let short = fits && hours <= 2 && length == 2 && piece.ends(end);
    let timed = || value(piece, at, minutes) < 24 && value(piece, minutes, end) < 60;
    (short && timed()).then_some(end)
}

/// How many characters of a stretch are the minutes or the seconds of a time that began before a colon.
fn minutes(look: &Look<'_>) -> Option<usize> {
    let before = look.text.get(..look.piece.chars.first()?.at)?.as_bytes();
    let timed = matches!(before, [.., digit, b':'] if digit.is_ascii_digit());
    let (length, end) = group(look.piece, 0)?;
    if !timed || length != 2 || value(look.piece, 0, end) > 59 {
        return None;
    }
    // Parts of a second, and the letter of a time's zone.
    let parts = (look.piece.gap(end) == Gap::Dot).then(|| group(look.piece, end)).flatten();
    let end = parts.filter(|(length, _)| *length <= 9).map_or(end, |(_, end)| end);
    (look.piece.ends(end) || look.piece.mark(end) == b'Z').then_some(end)
}
