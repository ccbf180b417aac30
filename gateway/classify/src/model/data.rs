//! Lines that nobody says: those of a log, a table, a stack trace, a mail's head, or code.

use fearless_simd::{Simd, dispatch};

use super::sample;
use crate::bits::{self, Before, bits, count};

/// Bytes of a line that are looked at.
const LINE_BYTES: usize = 160;

/// No words have so many ASCII characters and no space between them.
const SOLID: usize = 80;

/// What a stack trace, a log and a difference of files begin a line with.
const TRACED: [&str; 19] = [
    "BEGIN ",
    "END ",
    "-----",
    "error[",
    "--> ",
    "| ",
    "$ ",
    "Traceback (",
    "File \"",
    "Caused by:",
    "Exception in thread",
    "goroutine ",
    "--- a/",
    "+++ b/",
    "INFO ",
    "WARN ",
    "ERROR ",
    "DEBUG ",
    "index ",
];
/// What the clauses of a query begin with.
const QUERIED: [&str; 16] = [
    "SELECT ",
    "FROM ",
    "WHERE ",
    "JOIN ",
    "LEFT JOIN ",
    "INNER JOIN ",
    "GROUP BY ",
    "ORDER BY ",
    "HAVING ",
    "INSERT INTO ",
    "UPDATE ",
    "DELETE FROM ",
    "CREATE TABLE ",
    "VALUES ",
    "AND ",
    "LIMIT ",
];
/// What a line of code begins with.
const CODED: [&str; 16] = [
    "def ",
    "import ",
    "#include",
    "fn ",
    "let ",
    "const ",
    "var ",
    "public ",
    "private ",
    "return ",
    "if (",
    "for (",
    "while (",
    "} else",
    "//",
    "function ",
];

/// Which of the lists have a beginning with some byte.
const TRACE: u8 = 1;
const QUERY: u8 = 2;
const CODE: u8 = 4;

static FIRST: [u8; 256] = first();

#[allow(clippy::indexing_slicing, reason = "a constant: a slip stops the compiler")]
const fn first() -> [u8; 256] {
    let mut bytes = [0; 256];
    let lists: [(u8, &[&str]); 3] = [(TRACE, &TRACED), (QUERY, &QUERIED), (CODE, &CODED)];
    let mut list = 0;
    while list < lists.len() {
        let (bit, beginnings) = lists[list];
        let mut at = 0;
        while at < beginnings.len() {
            bytes[beginnings[at].as_bytes()[0] as usize] |= bit;
            at += 1;
        }
        list += 1;
    }
    bytes
}

/// Whether a line begins as one of a list. Most do not begin with any byte of it.
#[inline]
fn begins(bare: &str, list: u8, beginnings: &[&str]) -> bool {
    let Some(byte) = bare.as_bytes().first() else { return false };
    let likely = FIRST.get(usize::from(*byte)).is_some_and(|it| it & list != 0);
    let same = |it: &&&str| it.as_bytes().first() == Some(byte);
    likely && beginnings.iter().filter(same).any(|it| bare.starts_with(it))
}

/// What the bytes of a line tell.
struct Seen {
    marks: usize,
    /// Commas with something else than a space right behind them.
    commas: usize,
    tabs: usize,
    wide: usize,
    /// Whether there is anything that plain prose has not.
    suspect: bool,
}

impl Seen {
    /// What the first bytes of a line tell.
    fn of(line: &[u8]) -> Self {
        dispatch!(bits::level(), simd => Self::told(simd, line))
    }

    #[inline(always)]
    fn told<S: Simd>(simd: S, line: &[u8]) -> Self {
        let mut seen = Self { marks: 0, commas: 0, tabs: 0, wide: 0, suspect: false };
        let (mut comma, mut spaces, mut others) = (Before::default(), 0, 0);
        bits::blocks(
            simd,
            line,
            #[inline(always)]
            |it| {
                seen.marks += count(sample::data_marks(it));
                let (tab, space) = (it.is(b'\t'), bits(it.is(b' ')));
                seen.tabs += count(tab);
                seen.wide += count(it.beyond_ascii());
                let other = it.within(b'(', 4) | it.within(b'/', 1) | it.is(b':');
                others |= bits(other | it.within(b'0', 10) | it.is(b'#') | it.is(b'@') | tab);
                // Behind the last byte there is nothing: the zeros that fill the block.
                let joined = comma.next(bits(it.is(b','))) & !(space | bits(it.is(0)));
                seen.commas += joined.count_ones() as usize;
                spaces |= space;
            },
        );
        let solid = line.len() >= SOLID && spaces == 0;
        Self { suspect: seen.marks > 0 || others != 0 || seen.commas > 0 || solid, ..seen }
    }
}

/// Whether a line is a log's, a table's, a stack trace's or code.
pub(super) fn is_line(line: &str) -> bool {
    let bytes = line.as_bytes();
    let bytes = bytes.get(..LINE_BYTES).unwrap_or(bytes);
    let seen = Seen::of(bytes);
    if !seen.suspect {
        // Plain prose, and most lines are: what begins in capitals may be a log's or a query's.
        let bare = sample::trim_start(line);
        let capitals = |it: &u8| it.is_ascii_uppercase();
        return bare.bytes().take(2).filter(capitals).count() == 2
            && (traced(bare) || queried(bare));
    }
    if bytes.len() >= SOLID && bytes.iter().take(SOLID).all(u8::is_ascii_graphic) {
        return true;
    }
    let latin = seen.wide * 3 < bytes.len();
    if bytes.len() >= 4 && seen.marks * 4 > bytes.len()
        || latin && (seen.commas >= 3 || seen.tabs >= 2)
    {
        return true;
    }
    let bare = sample::trim(line);
    stamped(bare.as_bytes())
        || traced(bare)
        || queried(bare)
        || keyed(line, bare)
        || latin && (coded(line, bare) || seen.marks > 0 && celled(bytes))
}

/// Whether a line goes on with the data before it: it is set in, as the lines below a call, a key or a
/// frame are.
pub(super) fn goes_on(line: &str) -> bool {
    line.starts_with("  ") || line.starts_with('\t')
}

/// Whether a line is a key with its value, as in JSON, YAML and the head of a mail.
fn keyed(line: &str, bare: &str) -> bool {
    const MAIL: [&str; 9] =
        ["From: ", "To: ", "Cc: ", "Bcc: ", "Subject: ", "Date: ", "Sent: ", "Reply-To: ", "X-"];
    if bare.starts_with('"') {
        return bare.contains("\":") || bare.ends_with("\",");
    }
    if bare.starts_with('[') && bare.ends_with(']') && bare.is_ascii() {
        return true;
    }
    let begin = bare.as_bytes();
    let colon = sample::find(begin.get(..LINE_BYTES).unwrap_or(begin), b':');
    let Some(end) = colon else { return matches!(bare, "{" | "}" | "[" | "]" | "},") };
    let key = bare.get(..end).unwrap_or("").trim_start_matches("- ");
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let key = !key.is_empty() && key.bytes().all(plain);
    key && (goes_on(line)
        || end + 1 == bare.len() && bare.starts_with(|c: char| c.is_ascii_lowercase()))
        || MAIL.iter().any(|it| bare.starts_with(it))
}

/// Whether a semicolon parts cells: no sentence goes on right behind one.
fn celled(line: &[u8]) -> bool {
    let parts = |at: usize| {
        let around = at.checked_sub(1).and_then(|from| line.get(from..at + 2));
        matches!(around, Some([before, _, after]) if before.is_ascii_graphic()
        && after.is_ascii_alphanumeric())
    };
    memchr::memchr_iter(b';', line).any(parts) && !sample::holds(line, b'&')
}

/// Whether a line begins with a moment, as those of a log do.
fn stamped(line: &[u8]) -> bool {
    // A transcript: `[10:15] Anna: …`.
    if let [b'[', first, ..] = line
        && first.is_ascii_digit()
    {
        return true;
    }
    let first = line.iter().take(32).take_while(|b| !b.is_ascii_alphabetic() || **b == b'T');
    let (digits, marks) = first.fold((0, 0), |(digits, marks), b| {
        (
            digits + usize::from(b.is_ascii_digit()),
            marks + usize::from(matches!(b, b':' | b'-' | b'/')),
        )
    });
    digits >= 6 && marks >= 2
}

fn traced(bare: &str) -> bool {
    let begins = begins(bare, TRACE, &TRACED);
    // `index` is a word too.
    let begins = begins && (!bare.starts_with("index ") || bare.contains(".."));
    begins || bare.starts_with("at ") && bare.contains('(') && bare.ends_with(')') || failed(bare)
}

/// `java.lang.IllegalStateException: …`, `ValueError: …`.
fn failed(bare: &str) -> bool {
    // Neither byte is a part of another character.
    let end = memchr::memchr2(b' ', b':', bare.as_bytes());
    let Some((name, after)) = end.and_then(|at| bare.split_at_checked(at)) else { return false };
    after.starts_with(':') && (name.ends_with("Error") || name.ends_with("Exception"))
}

/// A clause of a query.
fn queried(bare: &str) -> bool {
    begins(bare, QUERY, &QUERIED)
}

/// Whether a line calls, assigns, points or compares.
fn marked(bare: &[u8]) -> bool {
    let mut marks = memchr::memchr3_iter(b'(', b'=', b'-', bare);
    marks.any(|at| {
        let before = || at.checked_sub(1).and_then(|at| bare.get(at));
        match bare.get(at..) {
            Some([b'(', b')', ..] | [b'-', b'>', ..] | [b'=', b'=', ..]) => true,
            Some([b'=', b' ', ..]) => before() == Some(&b' '),
            _ => false,
        }
    })
}

fn coded(line: &str, bare: &str) -> bool {
    let begins = begins(bare, CODE, &CODED);
    let ends = bare.ends_with(['{', '}', ';']) || bare.ends_with("):") || bare.ends_with("*/");
    let inset = line.starts_with("    ") || line.starts_with('\t');
    ends || begins && (marked(bare.as_bytes()) || bare.contains(['(', '=', '.']))
        || inset && (marked(bare.as_bytes()) || bare.ends_with(':'))
        || inset && bare.starts_with(['#', '@', '*'])
        || bare.starts_with("\"\"\"") && bare.ends_with("\"\"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_begins_as_one_of_a_list_is_found() {
        for (list, beginnings) in [(TRACE, &TRACED[..]), (QUERY, &QUERIED), (CODE, &CODED)] {
            assert!(beginnings.iter().all(|it| begins(&format!("{it}x"), list, beginnings)));
            assert!(!["", "The end", "é"].iter().any(|it| begins(it, list, beginnings)));
        }
    }

    #[test]
    fn what_is_counted_of_a_line_is_what_stands_in_it() {
        let line = "{a},b, c,\td;\u{e9}_,";
        let seen = Seen::of(line.as_bytes());
        assert_eq!((seen.marks, seen.commas, seen.tabs, seen.wide), (4, 2, 1, 2));
        let full = "\"".repeat(LINE_BYTES);
        assert_eq!(Seen::of(full.as_bytes()).marks, LINE_BYTES);
        assert!(!Seen::of(b"Plain words, and no more than that.").suspect);
        assert!(Seen::of("x".repeat(SOLID).as_bytes()).suspect);
    }
}
