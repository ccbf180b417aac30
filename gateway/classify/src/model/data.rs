//! Lines that nobody says: those of a log, a table, a stack trace, a mail's head, or code.

use super::{blocks, sample};

/// Bytes of a line that are looked at.
const LINE_BYTES: usize = 160;

/// No words have so many ASCII characters and no space between them.
const SOLID: usize = 80;

/// What the bytes of a line tell.
#[derive(Default)]
struct Seen {
    marks: usize,
    /// Commas with something else than a space right behind them.
    commas: usize,
    tabs: usize,
    wide: usize,
    spaces: usize,
    /// Whether there is anything that plain prose has not.
    suspect: bool,
}

impl Seen {
    fn of(line: &[u8]) -> Self {
        let mut seen = Self::default();
        let mut suspect = false;
        blocks::of(line, |block, next, _| suspect |= seen.count(block, next));
        // Behind the last byte there is nothing.
        seen.commas -= usize::from(line.last() == Some(&b','));
        let solid = line.len() >= SOLID && seen.spaces == 0;
        seen.suspect = suspect || seen.commas > 0 || solid;
        seen
    }

    /// Counts the bytes of a block, without a branch, so that many are asked at once. True if there is
    /// one that plain prose has not.
    fn count(&mut self, block: &[u8], next: &[u8]) -> bool {
        let within = |b: u8, first: u8, count: u8| b.wrapping_sub(first) < count;
        let (mut marks, mut commas, mut tabs, mut wide) = (0_u8, 0_u8, 0_u8, 0_u8);
        let (mut spaces, mut suspects) = (0_u8, 0_u8);
        for (b, next) in block.iter().copied().zip(next.iter().copied()) {
            let bracket = within(b, b'[', 3) | within(b, b'{', 3) | within(b, b';', 4);
            let mark = bracket | (b == b'"') | (b == b'_') | (b == b'$');
            marks += u8::from(mark);
            commas += u8::from((b == b',') & (next != b' '));
            tabs += u8::from(b == b'\t');
            wide += u8::from(b >= 0x80);
            spaces += u8::from(b == b' ');
            // Up to the colon: digits, and a slash before them. From the round bracket on: `)`, `*`, `+`.
            let number = within(b, b'/', 12) | within(b, b'(', 4);
            suspects |= u8::from(mark | number | (b == b'#') | (b == b'@') | (b == b'\t'));
        }
        self.marks += usize::from(marks);
        self.commas += usize::from(commas);
        self.tabs += usize::from(tabs);
        self.wide += usize::from(wide);
        self.spaces += usize::from(spaces);
        suspects != 0
    }
}

/// Whether a line is a log's, a table's, a stack trace's or code.
pub(super) fn is_line(line: &str) -> bool {
    let bytes = line.as_bytes();
    let bytes = bytes.get(..LINE_BYTES).unwrap_or(bytes);
    let seen = Seen::of(bytes);
    if !seen.suspect {
        // Plain prose, and most lines are: what begins in capitals may be a log's or a query's.
        let bare = line.trim_start();
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
    let bare = line.trim();
    stamped(bare.as_bytes())
        || traced(bare)
        || queried(bare)
        || keyed(line, bare)
        || latin && (coded(line, bare) || celled(bytes))
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
    let parts = |it: &[u8]| {
        matches!(it, [before, b';', after] if before.is_ascii_graphic()
        && after.is_ascii_alphanumeric())
    };
    line.contains(&b';') && line.windows(3).any(parts) && !line.contains(&b'&')
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
    const BEGIN: [&str; 19] = [
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
    let begins = BEGIN.iter().any(|it| bare.starts_with(it));
    // `index` is a word too.
    let begins = begins && (!bare.starts_with("index ") || bare.contains(".."));
    begins || bare.starts_with("at ") && bare.contains('(') && bare.ends_with(')') || failed(bare)
}

/// `java.lang.IllegalStateException: …`, `ValueError: …`.
fn failed(bare: &str) -> bool {
    let name = bare.split([' ', ':']).next().unwrap_or("");
    bare.as_bytes().get(name.len()) == Some(&b':')
        && (name.ends_with("Error") || name.ends_with("Exception"))
}

/// A clause of a query.
fn queried(bare: &str) -> bool {
    const SQL: [&str; 16] = [
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
    SQL.iter().any(|it| bare.starts_with(it))
}

fn coded(line: &str, bare: &str) -> bool {
    const BEGIN: [&str; 16] = [
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
    let begins = BEGIN.iter().any(|it| bare.starts_with(it));
    let marked = || ["()", " = ", "->", "=="].iter().any(|mark| bare.contains(mark));
    let ends = bare.ends_with(['{', '}', ';']) || bare.ends_with("):") || bare.ends_with("*/");
    let inset = line.starts_with("    ") || line.starts_with('\t');
    ends || begins && (marked() || bare.contains(['(', '=', '.']))
        || inset && (marked() || bare.ends_with(':'))
        || inset && bare.starts_with(['#', '@', '*'])
        || bare.starts_with("\"\"\"") && bare.ends_with("\"\"\"")
}
