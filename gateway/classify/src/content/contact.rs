//! Phone numbers, account numbers, mail addresses.

use super::{
    day,
    look::Look,
    symbol::{Gap, Held, Symbol, escapes, held},
    topic::Topic,
};
use crate::model::sample::floor;

/// Digits of a phone number, by ITU-T E.164 at most fifteen.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// Digits of an account number.
const ACCOUNT_DIGITS: std::ops::RangeInclusive<usize> = 6..=18;
/// The longest name before the `@` of a mail address (RFC 5321, 4.5.3.1.1), and its domain.
const LOCAL_BYTES_MAX: usize = 64;
/// Bytes before the `@` in which the name stands, with what cannot be seen in it.
const NAME_BYTES: usize = 3 * LOCAL_BYTES_MAX;
const DOMAIN_BYTES_MAX: usize = 255;
/// Bytes in which the line before a number is looked at.
const LINE_BYTES: usize = 80;

/// The digits from a place on, as far as groups of digits go on within a line, that are together no more than
/// `most`: how many, and whether they are all there are.
fn run(look: &Look<'_>, from: usize, most: usize, stops: &[Gap]) -> Option<usize> {
    let rest = look.piece.chars.get(from..)?;
    let (mut count, mut whole) = (0, 0);
    for c in rest {
        let parted = count > 0 && c.gap != Gap::Joined;
        if parted {
            whole = count;
        }
        let dated =
            || parted && c.gap == Gap::Space && day::day(look.piece, from + count).is_some();
        if !c.mark.is_ascii_digit() || (parted && stops.contains(&c.gap)) || dated() {
            // A letter that is attached to digits: these are none of the number.
            let attached = c.gap == Gap::Joined && count > 0;
            return Some(if attached { whole } else { count });
        }
        count += 1;
        if count > most {
            return Some(whole);
        }
    }
    Some(count)
}

/// How many characters from here on are a phone number.
pub(super) fn phone(look: &mut Look<'_>, from: usize) -> Option<usize> {
    let stops = [Gap::Line, Gap::Slash];
    let count = run(look, from, *PHONE_DIGITS.end(), &stops)?;
    if !PHONE_DIGITS.contains(&count) || !look.piece.ends(from + count) {
        return None;
    }
    if from == 0 && look.piece.plus && abroad(look, count) {
        return Some(count);
    }
    if (from == 0 && look.piece.joined) || !dialled(look, from, count) {
        return None;
    }
    let context = look.context(from, count);
    let said = context.says(Topic::Phone);
    let free = || context.unnamed() || (!context.says(Topic::Other) && next_line(look, from));
    (said || (local(look, from, count) && free())).then_some(count)
}

/// Whether digits behind a plus sign are a phone number with its country and no gain or change: North America
/// and Russia have eleven digits, and a word of amounts may stand before a few without a gap.
fn abroad(look: &mut Look<'_>, count: usize) -> bool {
    let first = look.piece.mark(0);
    let long = if matches!(first, b'1' | b'7') { count >= 11 } else { count >= 8 };
    let few = count <= 9 && !(1..count).any(|at| look.piece.begins(at));
    let dialled = long && first != b'0' && dialled(look, 0, count);
    dialled && !(few && look.context(0, count).pays())
}

/// Whether digits could be dialled: neither a date of numbers alone, nor an amount.
fn dialled(look: &Look<'_>, from: usize, count: usize) -> bool {
    let begins = |at: &usize| look.piece.begins(from + at);
    let mut starts = (1..count).filter(begins);
    let (first, second, third) = (starts.next(), starts.next(), starts.next());
    let year =
        matches!((look.piece.mark(from), look.piece.mark(from + 1)), (b'1', b'9') | (b'2', b'0'));
    let date = year
        && count >= 8
        && (first, second) == (Some(4), Some(6))
        && third.is_none_or(|it| it == 8);
    let amount = second.is_none()
        && first.is_some_and(|at| count - at <= 2 && look.piece.gap(from + at) == Gap::Dot);
    !date && !amount
}

/// Whether a number begins its line, and what stands before it has a number of its own: its word is not of
/// this one.
fn next_line(look: &Look<'_>, from: usize) -> bool {
    let at = look.piece.chars.get(from).map_or(0, |it| it.at);
    let before = look.text.get(floor(look.text, at.saturating_sub(LINE_BYTES))..at).unwrap_or("");
    let line = before.trim_end_matches([' ', '\t']).strip_suffix('\n').unwrap_or("");
    let last = line.rsplit('\n').next().unwrap_or("");
    let worded = last.contains(char::is_alphabetic);
    worded && last.bytes().filter(u8::is_ascii_digit).count() >= *PHONE_DIGITS.start()
}

/// Whether groups count or tell times rather than a phone: `001-002-003`, `0930 1045 1200`.
fn counted(look: &Look<'_>, from: usize, count: usize) -> bool {
    let starts = || (0..count).filter(|at| *at == 0 || look.piece.begins(from + at));
    let digit = |at: usize| u32::from(look.piece.mark(from + at).wrapping_sub(b'0'));
    let groups = starts().count();
    let even = (3..=4).contains(&(count / groups.max(1)))
        && starts().enumerate().all(|(nth, at)| at * groups == nth * count);
    let slot = |at: usize| {
        digit(at) * 10 + digit(at + 1) < 24 && digit(at + 2) < 6 && digit(at + 3).is_multiple_of(5)
    };
    let zeros = starts().all(|at| digit(at) == 0);
    even && groups > 2 && (zeros || (count == 4 * groups && starts().all(slot)))
}

/// Whether digits are written as phone numbers are within a country: a zero, an area or a network, and the
/// rest by hyphens or blanks.
fn local(look: &Look<'_>, from: usize, count: usize) -> bool {
    if look.piece.mark(from) != b'0' || !(9..=12).contains(&count) || look.glued(from) {
        return false;
    }
    let gaps = (from + 1..from + count).map(|at| look.piece.gap(at));
    let parted = gaps.clone().filter(|gap| *gap != Gap::Joined).count();
    let plain =
        gaps.clone().all(|gap| matches!(gap, Gap::Joined | Gap::Hyphen | Gap::Space | Gap::Paren));
    let area = (from + 1..from + 6).any(|at| look.piece.begins(at));
    plain && area && (1..=3).contains(&parted) && !counted(look, from, count)
}

/// How many characters from here on are the number of an account, where a word says so.
pub(super) fn account(look: &mut Look<'_>, from: usize) -> Option<usize> {
    let count = run(look, from, *ACCOUNT_DIGITS.end(), &[Gap::Line, Gap::Slash, Gap::Dot])?;
    let whole = ACCOUNT_DIGITS.contains(&count) && look.piece.ends(from + count);
    let apart = (from > 0 || !look.piece.joined) && dialled(look, from, count);
    (whole && apart && look.context(from, count).says(Topic::Account)).then_some(count)
}

/// Ends of names of files that are no ends of domains: `icon@2x.png`.
const FILES: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "ico", "bmp", "tif", "tiff", "heic", "mp3",
    "mp4", "mov", "wav", "css", "scss", "sass", "less", "js", "mjs", "cjs", "jsx", "ts", "tsx",
    "vue", "json", "yaml", "yml", "toml", "xml", "html", "htm", "txt", "log", "csv", "tsv", "pdf",
    "doc", "docx", "xls", "xlsx", "ppt", "pptx", "tgz", "tar", "gz", "bz", "xz", "zst", "whl",
    "jar", "war", "deb", "rpm", "exe", "dll", "lock", "map", "patch", "service", "target", "timer",
    "socket", "mount",
];

/// Whether a mail address stands around the `@` at a place.
pub(super) fn mail(text: &str, at: usize, width: usize) -> bool {
    let unseen = |c: char| !c.is_ascii() && Symbol::of(c) == Symbol::Nothing;
    let before = text.get(floor(text, at.saturating_sub(NAME_BYTES))..at).unwrap_or("");
    let behind = text.get(at + width..floor(text, at + width + DOMAIN_BYTES_MAX)).unwrap_or("");
    let of_name = |c: char| c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
    let taken = |c: &char| of_name(*c) || unseen(*c);
    let name: usize = before.chars().rev().take_while(taken).map(char::len_utf8).sum();
    let begin = before.len() - name;
    let begin = begin + usize::from(name > 0 && escapes(before.as_bytes(), begin));
    let name = before.get(begin..).unwrap_or("");
    let name = if name.is_empty() { quoted(before) } else { name };
    let of_domain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '．');
    let taken = |c: &char| of_domain(*c) || unseen(*c);
    let domain: usize = behind.chars().take_while(taken).map(char::len_utf8).sum();
    let domain = behind.get(..domain).unwrap_or("");
    if name.is_empty() || domain.is_empty() {
        return false;
    }
    if name.is_ascii() && domain.is_ascii() {
        return address(name, domain);
    }
    let mut rooms = (Held::new(), Held::new());
    let name = held(name.chars().filter(|c| !unseen(*c)), &mut rooms.0);
    let domain = held(domain.chars().filter(|c| !unseen(*c)), &mut rooms.1);
    // Where words are written without blanks, what is not of ASCII is of the sentence around it.
    let latin = name.rfind(|c: char| !c.is_ascii()).and_then(|at| {
        let next = at + name.get(at..)?.chars().next()?.len_utf8();
        name.get(next..).filter(|it| !it.is_empty())
    });
    let ends = domain.find(|c: char| !c.is_ascii()).unwrap_or(domain.len());
    let plain = domain.get(..ends).filter(|it| it.contains('.')).unwrap_or(domain);
    address(latin.unwrap_or(name), plain) || address(latin.unwrap_or(name), domain)
}

/// What is quoted at the end of a text, as a name with blanks is before an `@`; nothing where that is none.
fn quoted(before: &str) -> &str {
    let inner = before.strip_suffix('"').and_then(|it| it.rsplit_once('"'));
    let name = inner.map_or("", |(_, name)| name);
    let plain =
        name.len() <= LOCAL_BYTES_MAX && name.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if plain { name } else { "" }
}

/// Whether a name and a domain are those of a mail address.
fn address(name: &str, domain: &str) -> bool {
    let domain = domain.trim_end_matches(['.', '-']);
    let name = name.trim_start_matches(['.', '\'', '`', '*', '/', '=', '{', '|', '?', '&']);
    let host = |c: char| matches!(c, '.' | '．');
    // Of a long query or path, the address is the end.
    let long = name.len() > LOCAL_BYTES_MAX;
    let name = if long { name.rsplit(['/', '=', '?', '&']).next().unwrap_or("") } else { name };
    let Some((rest, top)) = domain.rsplit_once(host) else { return false };
    let lettered = top.chars().count() >= 2 && top.chars().all(char::is_alphabetic);
    let named = !name.is_empty() && name.len() <= LOCAL_BYTES_MAX && name != "git";
    let known = lettered || top.starts_with("xn--");
    let labels = rest.split(host).all(|label| !label.is_empty() && !label.starts_with('-'));
    named && known && labels && !of_file(rest, top)
}

/// Whether what stands behind an `@` is of a file or of a version: `3x.webp`, `1.2.3-rc.one`, `v1.tgz`.
fn of_file(rest: &str, top: &str) -> bool {
    let file = FILES.iter().any(|it| it.eq_ignore_ascii_case(top));
    let mut labels = rest.split('.');
    let number = |label: Option<&str>| {
        label.is_some_and(|it| it.bytes().next().is_some_and(|b| b.is_ascii_digit()))
    };
    let first = labels.next().unwrap_or("");
    let whole = first.trim_start_matches('v').bytes().all(|b| b.is_ascii_digit());
    file || (whole && number(labels.next()))
}
