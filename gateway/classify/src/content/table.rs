//! Tables of text, whose headings hold for their columns: fields parted by commas, semicolons, tabs or bars.
//!
//! Nothing is looked at until a number is there that needs a word: then the heading is looked for in the
//! lines right before it, and kept for the lines that follow. It has a fixed room.

use super::context;

/// Columns of a table, bytes of a heading's field, and its words.
const COLUMNS: usize = 32;
const FIELD: usize = 40;
const WORDS: usize = 4;
/// Digits in a name of a field.
const DIGITS: usize = 2;
/// Bytes before and behind a number in which its line and the heading stand: less than a window of a stream
/// keeps.
const AROUND: usize = 352;
/// What parts fields, the rarest in prose first.
const SIGNS: [u8; 4] = [b'\t', b'|', b';', b','];

/// The table that a text was last seen to have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Table {
    /// What each column's heading says.
    columns: [u32; COLUMNS],
    /// What parts the fields of a line, and how often; none without a table.
    signs: Option<(u8, usize)>,
    /// Where the last line begins that was looked at.
    line: Option<usize>,
}

impl Table {
    /// The same, where the text's first bytes are gone.
    pub(super) fn shifted(self, gone: usize) -> Self {
        Self { line: self.line.and_then(|it| it.checked_sub(gone)), ..self }
    }

    /// What the heading of the column says in which a number stands; nothing outside of tables, and where its
    /// field has words of its own.
    pub(super) fn column(&mut self, text: &str, at: usize) -> Option<u32> {
        let bytes = text.as_bytes();
        let least = at.saturating_sub(AROUND);
        let start = line_start(bytes, at, least)?;
        let ahead = bytes.get(at..)?.iter().take(AROUND);
        let end = at + ahead.take_while(|b| **b != b'\n').count();
        let signs = signs(bytes.get(start..end)?)?;
        if self.line != Some(start) {
            self.find(text, start, least, signs);
            self.line = Some(start);
        }
        if self.signs != Some(signs) {
            return None;
        }
        let before = bytes.get(start..at)?;
        let begin = field_begin(before, signs.0);
        let words = before.get(begin..)?.iter().any(|b| b.is_ascii_alphabetic() || !b.is_ascii());
        let column = parted(before, signs.0).count();
        self.columns.get(column).copied().filter(|_| !words)
    }

    /// Another table begins, or none.
    fn begin(&mut self, columns: Option<[u32; COLUMNS]>, signs: (u8, usize)) {
        self.signs = columns.is_some().then_some(signs);
        self.columns = columns.unwrap_or_default();
    }

    /// Looks for the heading in the lines before the one that begins at a place.
    fn find(&mut self, text: &str, start: usize, least: usize, signs: (u8, usize)) {
        let bytes = text.as_bytes();
        // The first line of a table is its heading: one below may be a row of words.
        let (mut to, mut top) = (start, None);
        loop {
            let Some(end) = to.checked_sub(1) else { return self.begin(top, signs) };
            // Farther away is only what was seen before.
            let Some(begin) = line_start(bytes, end, least) else {
                if self.signs != Some(signs) {
                    self.begin(top, signs);
                }
                return;
            };
            let line = text.get(begin..end).unwrap_or("").trim_end_matches('\r');
            let rule = line.contains('-') && line.bytes().all(|b| b"|-: \t".contains(&b));
            if !rule {
                if self.line == Some(begin) && self.signs == Some(signs) {
                    return;
                }
                if self::signs(line.as_bytes()) != Some(signs) {
                    return self.begin(top, signs);
                }
                let columns = heading(line, signs);
                if columns.is_some_and(|it| sure(&it, signs)) {
                    return self.begin(columns, signs);
                }
                top = columns.or(top);
            }
            to = begin;
        }
    }
}

/// Whether so many columns are named that no row of a table is like it.
fn sure(columns: &[u32; COLUMNS], (_, signs): (u8, usize)) -> bool {
    let named = columns.iter().filter(|it| **it != 0).count();
    named >= 2 && named * 2 > signs
}

/// Where the line begins that a place stands in, if it is no farther away than `least`.
fn line_start(bytes: &[u8], at: usize, least: usize) -> Option<usize> {
    let before = bytes.get(least..at)?;
    match before.iter().rposition(|b| *b == b'\n') {
        Some(end) => Some(least + end + 1),
        None => (least == 0).then_some(0),
    }
}

/// The places of the signs that part the fields of a line; between quotes they part nothing.
fn parted(line: &[u8], sign: u8) -> impl Iterator<Item = usize> {
    let mut open = false;
    line.iter().enumerate().filter_map(move |(at, b)| {
        open ^= *b == b'"';
        (*b == sign && !open).then_some(at)
    })
}

/// What parts the fields of a line, and how often.
fn signs(line: &[u8]) -> Option<(u8, usize)> {
    let sign = SIGNS.into_iter().find(|sign| parted(line, *sign).next().is_some())?;
    Some((sign, parted(line, sign).count())).filter(|(_, count)| *count < COLUMNS)
}

/// Where the last field of the beginning of a line begins.
fn field_begin(before: &[u8], sign: u8) -> usize {
    parted(before, sign).last().map_or(0, |at| at + 1)
}

/// What the fields of a heading say: names of few words, of which one says something.
fn heading(line: &str, (sign, _): (u8, usize)) -> Option<[u32; COLUMNS]> {
    let prose = matches!(sign, b',' | b';') && (line.contains(", ") || line.contains("; "));
    if prose || line.contains(|c: char| ":{}[]=<>?!".contains(c)) {
        return None;
    }
    let mut columns = [0; COLUMNS];
    for (column, field) in columns.iter_mut().zip(line.split(char::from(sign))) {
        let field = field.trim().trim_matches(['"', '*', '\'']);
        // `address2` is a name, a number is none.
        let digits = field.chars().filter(|c| c.is_numeric()).count();
        let named = digits == 0 || (digits <= DIGITS && field.contains(char::is_alphabetic));
        if !named || field.len() > FIELD || field.split_whitespace().count() > WORDS {
            return None;
        }
        *column = context::said(field);
    }
    columns.iter().any(|it| *it != 0).then_some(columns)
}
