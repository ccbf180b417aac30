//! What in a line is no word: addresses, paths, identifiers, encoded bytes, amounts, mark-up.
//!
//! Only what stands in ASCII can be such a thing; letters beyond it are always somebody's language.

use super::{
    script::{self, Script},
    suspects::Suspects,
};

/// No word of plain letters is longer; encoded bytes are.
const WORD_MAX: usize = 40;
/// A product's name with digits is no longer.
const PRODUCT_MAX: usize = 12;
/// From this length on a run of letters, digits and the marks of base64 may be encoded bytes.
const BLOB_MIN: usize = 20;
/// Bytes in which the end of a tag is looked for.
const TAG_BYTES: usize = 200;

/// Codes and signs of currencies and of time, as they stand beside an amount.
const AMOUNT: [&[u8]; 28] = [
    b"USD", b"EUR", b"SGD", b"MYR", b"IDR", b"THB", b"VND", b"JPY", b"CNY", b"RMB", b"KRW", b"INR",
    b"PHP", b"HKD", b"TWD", b"GBP", b"AUD", b"CHF", b"MMK", b"KHR", b"CAD", b"NZD", b"BND", b"LAK",
    b"RM", b"Rp", b"UTC", b"GMT",
];
/// What the names of months and days begin with.
const CALENDAR: [&[u8; 3]; 19] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
    b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun",
];
/// What an address begins with that has no slashes.
const SCHEMES: [&[u8]; 3] = [b"mailto:", b"tel:", b"urn:"];
/// What joins names of code.
const JOINTS: [&[u8; 2]; 5] = [b"()", b"::", b"->", b"=>", b"]["];
/// What a media type begins with.
const MEDIA: [&[u8]; 6] =
    [b"application/", b"text/", b"image/", b"audio/", b"video/", b"multipart/"];

/// Calls `each` with every stretch of a line between the things in it that are no words, for as long as
/// it wants more. False if it wants no more.
pub(super) fn words<'a>(line: &'a str, mut each: impl FnMut(&'a str) -> bool) -> bool {
    let bytes = line.as_bytes();
    let letter = |c: char| !c.is_ascii() && script::of(c) != Script::None;
    let wide = !line.is_ascii() && line.chars().any(letter);
    let numbered = !wide && bytes.iter().any(u8::is_ascii_digit);
    let (mut from, mut at) = (0, 0);
    let (mut suspects, mut likely) = (Suspects::of(bytes), 0);
    while let Some(byte) = bytes.get(at) {
        if at >= likely {
            let Some((begin, end)) = suspects.next(at) else { break };
            (at, likely) = (begin, end);
            continue;
        }
        if !byte.is_ascii_graphic() {
            at += 1;
            continue;
        }
        let ends = plain(bytes, at);
        if let Some(ends) = ends.filter(|it| !numbered || !beside_number(bytes, at, it - at)) {
            // What ends it is no part of another.
            at = ends + 1;
            continue;
        }
        let here = bytes.get(at..).unwrap_or_default();
        let mut run =
            tag(here).map_or_else(|| Run::of(here, wide), |length| Run { words: 0, length });
        if !wide && run.words == run.length && beside_number(bytes, at, run.length) {
            run.words = 0;
        }
        if run.words < run.length {
            // What is cut is ASCII: both ends are boundaries of characters.
            if !emit(line, from, at + run.words, &mut each) {
                return false;
            }
            from = at + run.length;
        }
        at += run.length.max(1);
    }
    emit(line, from, line.len(), &mut each)
}

/// What a byte is in a plain run: a letter up to `f`, another, a digit, what stands in a number, what
/// may end a phrase; nothing if it stands in no run.
const HEX: u8 = 1;
const SMALL: u8 = 2;
const CAPITAL: u8 = 4;
const DIGIT: u8 = 8;
const POINT: u8 = 16;
const MARK: u8 = 32;
const OTHER: u8 = 64;
const LETTER: u8 = HEX | SMALL;

static BYTES: [u8; 256] = told();

#[allow(clippy::indexing_slicing, reason = "a constant: a slip stops the compiler")]
const fn told() -> [u8; 256] {
    let mut bytes = [0; 256];
    let mut at = 0;
    while at < 256 {
        bytes[at] = match at as u8 {
            b'a'..=b'f' => HEX,
            b'g'..=b'z' => SMALL,
            b'A'..=b'Z' => CAPITAL,
            b'0'..=b'9' => DIGIT,
            b'.' | b',' => POINT | MARK,
            b';' | b'!' | b'?' => MARK,
            b'!'..=b'~' => OTHER,
            _ => 0,
        };
        at += 1;
    }
    bytes
}

/// What the byte at a place is; nothing beyond the end.
#[inline(always)]
fn byte(line: &[u8], at: usize) -> u8 {
    line.get(at).and_then(|it| BYTES.get(usize::from(*it))).copied().unwrap_or(0)
}

/// Where a word of plain letters ends that begins here, with the mark that ends its phrase, or a
/// number, before a space or the end. Most runs are one, and then no more has to be asked.
#[inline]
fn plain(line: &[u8], from: usize) -> Option<usize> {
    let first = byte(line, from);
    let (mut at, mut seen, mut told) = (from + 1, first, byte(line, from + 1));
    if first == DIGIT {
        while told & (DIGIT | POINT) != 0 {
            at += 1;
            told = byte(line, at);
        }
        return (at - from < BLOB_MIN && told == 0).then_some(at);
    }
    if first & (LETTER | CAPITAL) == 0 {
        return None;
    }
    while told & LETTER != 0 {
        seen |= told;
        at += 1;
        told = byte(line, at);
    }
    let length = at - from;
    if length > WORD_MAX || seen == HEX && length >= 8 || length == 3 && is_web(line.get(from..)?) {
        return None;
    }
    if first == CAPITAL && line.get(from..)?.starts_with(b"Rp") {
        return None;
    }
    if told == 0 {
        return Some(at);
    }
    (told & MARK != 0 && byte(line, at + 1) == 0).then_some(at + 1)
}

fn is_web(here: &[u8]) -> bool {
    here.get(..4).is_some_and(|it| it.eq_ignore_ascii_case(b"www."))
}

/// Whether a word is what is counted and measured in.
fn is_unit(word: &[u8]) -> bool {
    matches!(word, b"AM" | b"PM" | b"am" | b"pm" | b"ext" | b"km" | b"kg" | b"cm" | b"mm" | b"ml")
        || matches!(word, b"MB" | b"GB" | b"KB" | b"ms")
}

/// Whether a digit is what comes next before or after a word.
fn near_number(line: &[u8], at: usize, length: usize) -> bool {
    let marks = |b: &&u8| !matches!(b, b' ' | b',' | b'.' | b'(');
    let before = line.get(..at).unwrap_or_default().iter().rev().find(marks);
    let after = line.get(at + length..).unwrap_or_default().iter().find(marks);
    before.into_iter().chain(after).any(u8::is_ascii_digit)
}

/// Whether a word is the name of a month or a day, or a unit, and a number stands beside it.
#[inline]
fn beside_number(line: &[u8], at: usize, length: usize) -> bool {
    // Those of the calendar begin with a capital, and are no longer; no unit is as long.
    let likely = length <= 3 || length <= 9 && byte(line, at) == CAPITAL;
    likely && measures(line, at, length)
}

#[inline(never)]
fn measures(line: &[u8], at: usize, length: usize) -> bool {
    let word = line.get(at..at + length).unwrap_or_default();
    let named = word.first().is_some_and(u8::is_ascii_uppercase) && length <= 9 && {
        let mut begins = [0_u8; 3];
        begins.iter_mut().zip(word).for_each(|(to, from)| *to = from.to_ascii_lowercase());
        CALENDAR.contains(&&begins)
    };
    (named || is_unit(word)) && near_number(line, at, length)
}

fn emit<'a>(line: &'a str, from: usize, to: usize, each: &mut impl FnMut(&'a str) -> bool) -> bool {
    match line.get(from..to) {
        Some(stretch) if !stretch.is_empty() => each(stretch),
        _ => true,
    }
}

/// The length of a tag or an entity that begins here.
fn tag(here: &[u8]) -> Option<usize> {
    match here {
        [b'<', b'a'..=b'z' | b'A'..=b'Z' | b'/' | b'!' | b'?', ..] => {
            Some(here.iter().take(TAG_BYTES).position(|b| *b == b'>')? + 1)
        }
        [b'&', b'a'..=b'z' | b'A'..=b'Z' | b'#', ..] => {
            let end = here.iter().take(12).position(|b| *b == b';')?;
            let name = here.get(1..end)?;
            name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'#').then_some(end + 1)
        }
        _ => None,
    }
}

/// A run of ASCII: its first `words` bytes may be words, the rest of its `length` is none.
struct Run {
    words: usize,
    length: usize,
}

impl Run {
    fn of(here: &[u8], wide: bool) -> Self {
        let ends = |(at, b): (usize, &u8)| !b.is_ascii_graphic() || at > 0 && tag_begins(here, at);
        let length =
            here.iter().enumerate().position(|it| ends((it.0, it.1))).unwrap_or(here.len());
        let run = here.get(..length).unwrap_or_default();
        if run.iter().all(u8::is_ascii_alphabetic) {
            let words = if is_word(run, wide) { length } else { 0 };
            return Self { words, length };
        }
        if let Some(words) = address(run) {
            return Self { words, length };
        }
        if is_blob(run) || is_path(run) || is_code(run) {
            return Self { words: 0, length };
        }
        // One thing of several: up to the first mark that parts words.
        let part = |b: &u8| {
            matches!(b, b',' | b';' | b':' | b'(' | b')' | b'[' | b']' | b'{' | b'}')
                || matches!(b, b'"' | b'!' | b'?' | b'*' | b'|' | b'`' | b'>' | b'<')
        };
        let first = run.iter().position(part).unwrap_or(length);
        let word = run.get(..first).unwrap_or_default();
        let words = if first == 0 || is_word(word, wide) { first.max(1) } else { 0 };
        Self { words, length: first.max(1) }
    }
}

fn tag_begins(here: &[u8], at: usize) -> bool {
    matches!(here.get(at), Some(b'<' | b'&')) && tag(here.get(at..).unwrap_or_default()).is_some()
}

/// Where an address begins in a run: of the web, of mail, or a data URL.
fn address(run: &[u8]) -> Option<usize> {
    let scheme = run.windows(3).position(|it| it == b"://").map(|at| letters_before(run, at));
    let bare = || SCHEMES.iter().any(|it| run.starts_with(it));
    let data = || (run.starts_with(b"data:") || bare()).then_some(0);
    let web = || run.windows(4).position(|it| it.eq_ignore_ascii_case(b"www."));
    let mail = || {
        let at = run.iter().position(|b| *b == b'@')?;
        let named = run.get(at + 1).is_some_and(u8::is_ascii_alphanumeric);
        named.then(|| letters_before(run, at))
    };
    scheme.or_else(data).or_else(web).or_else(mail)
}

/// Where what stands before a place begins: letters, digits and the marks of an address.
fn letters_before(run: &[u8], at: usize) -> usize {
    let joins = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+');
    let before = run.get(..at).unwrap_or_default();
    before.iter().rposition(|b| !joins(b)).map_or(0, |last| last + 1)
}

/// Bytes as base64, base32 or hexadecimal.
fn is_blob(run: &[u8]) -> bool {
    let coded = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'_' | b'-');
    run.len() >= BLOB_MIN
        && run.iter().all(coded)
        && (run.iter().any(u8::is_ascii_digit) || humps(run) >= 2 || run.contains(&b'='))
}

/// Names of code that are joined, a call with a number, a variable of the shell, an option.
fn is_code(run: &[u8]) -> bool {
    let joined = |two: &[u8]| JOINTS.iter().any(|it| *it == two);
    let called = |it: &[u8]| matches!(it, [b'a'..=b'z', b'(', b'0'..=b'9']);
    matches!(run, [b'$', b'a'..=b'z' | b'A'..=b'Z', ..] | [b'%', .., b'%'])
        || matches!(run, [b'-', b'-', b'a'..=b'z', ..])
        || run.windows(2).any(joined)
        || run.windows(3).any(called)
}

fn is_path(run: &[u8]) -> bool {
    let slashes = run.iter().filter(|b| **b == b'/').count();
    let starts = |beginnings: &[&[u8]]| beginnings.iter().any(|it| run.starts_with(it));
    run.contains(&b'\\')
        || slashes >= 2
        || slashes == 1 && (run.contains(&b'.') || starts(&[b"/", b"~"]) || starts(&MEDIA))
}

/// Places where a small letter stands before a large one.
fn humps(run: &[u8]) -> usize {
    run.windows(2).filter(|it| matches!(it, [b'a'..=b'z', b'A'..=b'Z'])).count()
}

/// Whether ASCII between marks may be a word of a language. Amid letters of another script (`wide`),
/// what has digits is a product more often than an identifier.
fn is_word(run: &[u8], wide: bool) -> bool {
    let framing = |b: &&u8| !b.is_ascii_alphanumeric();
    let lead = run.iter().take_while(framing).count();
    let trail = run.iter().rev().take_while(framing).count();
    let Some(bare) = run.get(lead..run.len().saturating_sub(trail)) else { return true };
    let letters = bare.iter().filter(|b| b.is_ascii_alphabetic()).count();
    if letters == 0 {
        return true; // numbers alone say nothing, and do no harm
    }
    let plain = letters == bare.len();
    if plain
        && bare.len() < 8
        && !bare.first().is_some_and(u8::is_ascii_uppercase)
        && humps(bare) == 0
    {
        return true;
    }
    // A hashtag is made of words, written as one.
    if run.starts_with(b"#") && letters >= 3 && !bare.iter().all(u8::is_ascii_hexdigit) {
        return true;
    }
    let numbered = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-');
    let digits = bare.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    // `Motorshow2018` is a name and a year.
    let year = digits == 4 && letters + digits == bare.len() && letters < WORD_MAX / 2;
    if wide
        && !plain
        && (year || bare.len() <= PRODUCT_MAX && letters < 8 && bare.iter().all(numbered))
    {
        return true;
    }
    let hump = humps(bare);
    let camel = hump >= 2
        || hump == 1 && bare.len() <= 4
        || hump == 1 && bare.first().is_some_and(u8::is_ascii_lowercase);
    let coded =
        |b: &u8| matches!(b, b'_' | b'=' | b'#' | b'$' | b'%' | b'^' | b'~') || b.is_ascii_digit();
    let hex = bare.len() >= 8 && bare.iter().all(|b| matches!(b, b'a'..=b'f'));
    let dotted = bare.windows(3).any(|it| {
        matches!(it, [before, b'.', b'a'..=b'z' | b'0'..=b'9'] if before.is_ascii_alphanumeric())
    });
    !(camel
        || hex
        || dotted
        || bare.iter().any(coded)
        || bare.len() > WORD_MAX
        || AMOUNT.contains(&bare))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::BLOCK;

    /// What stands far from anything suspect is not looked at, and all that is beside it is.
    #[test]
    fn what_is_no_word_is_found_wherever_it_stands() {
        let plain = "and some plain words of a letter that goes on ";
        for odd in ["14 March", "March 14, 2026", "see https://a.example/b", "12 km", "x_y", "a.b"]
        {
            for (before, behind) in (0..4).flat_map(|b| (0..4).map(move |a| (b, a))) {
                for shift in 0..BLOCK {
                    let line = "q".repeat(shift % 30) + &" ".repeat(shift);
                    let line = line + &plain.repeat(before) + odd + " " + &plain.repeat(behind);
                    let mut said = String::new();
                    words(&line, |stretch| {
                        said += stretch;
                        true
                    });
                    let bare = line.replace(odd, "");
                    let letters = |it: &str| it.bytes().filter(u8::is_ascii_lowercase).count();
                    let kept = letters(&said) - letters(&bare);
                    assert!(kept <= "see".len(), "{odd}: {said}");
                }
            }
        }
    }

    /// What is plain at a glance is what a closer look calls words.
    #[test]
    fn plain_words_are_words() {
        let words = [
            "a",
            "I",
            "It",
            "Rp",
            "word",
            "Word",
            "deadbeef",
            "Deadbeef",
            "facade",
            "defaced",
            "www",
            "internationalization",
            "usd",
            "data",
            "x",
            "1",
            "1,250.00",
            "12.5",
        ];
        let long = "a".repeat(WORD_MAX + 1);
        for word in words.into_iter().chain([&*long]) {
            for end in ["", ".", ",", ";", "!", "?", ":", "..", ".a", "_", "1", "@"] {
                for after in ["", " next", "\u{e9}"] {
                    let text = format!("{word}{end}{after}");
                    let Some(length) = plain(text.as_bytes(), 0) else { continue };
                    let run = Run::of(text.as_bytes(), false);
                    assert_eq!(run.words, run.length, "{text}");
                    let rest = text.as_bytes().get(run.length..length).unwrap_or_default();
                    let rest = (!rest.is_empty()).then(|| Run::of(rest, false));
                    assert!(rest.is_none_or(|it| it.words == it.length), "{text}");
                }
            }
        }
    }
}
