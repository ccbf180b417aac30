//! A table on a terminal, aligned by the width in which characters are shown.

use std::fmt::Write;

/// On which side a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Text.
    Left,
    /// Figures.
    Right,
}

/// One cell.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    colour: Option<&'static str>,
}

/// As it should be.
pub(super) const GREEN: &str = "\x1b[32m";
/// Otherwise.
pub(super) const RED: &str = "\x1b[31m";

impl Cell {
    /// Plain text.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), colour: None }
    }

    /// The same in a colour, where there are colours.
    pub(super) fn coloured(text: impl Into<String>, colour: &'static str) -> Self {
        Self { text: text.into(), colour: Some(colour) }
    }
}

/// Draws a table with a heading; two spaces between columns, none at the end of a line.
pub(super) fn draw(columns: &[(&str, Side)], rows: &[Vec<Cell>], colours: bool) -> String {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, (name, _))| {
            let cells = rows.iter().filter_map(|row| row.get(at));
            cells.map(|cell| width(&cell.text)).max().unwrap_or(0).max(width(name))
        })
        .collect();
    let heading: Vec<Cell> = columns.iter().map(|(name, _)| Cell::plain(*name)).collect();
    let mut text = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for ((cell, (_, side)), most) in row.iter().zip(columns).zip(&widths) {
            let gap = " ".repeat(most - width(&cell.text).min(*most));
            let shown = match cell.colour {
                Some(colour) if colours => format!("{colour}{}\x1b[0m", cell.text),
                _ => cell.text.clone(),
            };
            // Writing to a string cannot fail.
            let _ = match side {
                Side::Left => write!(line, "{shown}{gap}  "),
                Side::Right => write!(line, "{gap}{shown}  "),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The beginning of a text, on one line, in at most so many cells.
pub(super) fn beginning(text: &str, most: usize) -> String {
    // A text may be a book: only as much of it is looked at as can be shown.
    let start: String = text.chars().take(most * 8).collect();
    let mut words = start.split_whitespace().collect::<Vec<_>>().join(" ");
    if start.len() == text.len() && width(&words) <= most {
        return words;
    }
    while width(&words) + 1 > most {
        words.pop();
    }
    words.push('…');
    words
}

/// In how many cells a terminal shows a text.
fn width(text: &str) -> usize {
    text.chars().map(cells).sum()
}

/// Two for what East Asian fonts draw square, none for marks that sit on the letter before. Enough
/// for the languages of the demo's prompts.
fn cells(c: char) -> usize {
    match c {
        '\u{0300}'..='\u{036f}'
        | '\u{093a}'
        | '\u{093c}'
        | '\u{0941}'..='\u{0948}'
        | '\u{094d}'
        | '\u{0bc0}'
        | '\u{0bcd}'
        | '\u{0e31}'
        | '\u{0e34}'..='\u{0e3a}'
        | '\u{0e47}'..='\u{0e4e}'
        | '\u{102d}'..='\u{1030}'
        | '\u{1032}'..='\u{1037}'
        | '\u{1039}'..='\u{103a}'
        | '\u{103d}'..='\u{103e}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{17b7}'..='\u{17bd}'
        | '\u{17c6}'
        | '\u{17c9}'..='\u{17d3}'
        | '\u{200b}'..='\u{200d}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_cells() {
        let columns = [("prompt", Side::Left), ("tokens", Side::Right)];
        let rows: Vec<Vec<Cell>> = [("你好吗", "7"), ("สวัสดี", "12"), ("hi", "1024")]
            .map(|(prompt, tokens)| vec![Cell::plain(prompt), Cell::plain(tokens)])
            .into();
        let drawn = draw(&columns, &rows, false);
        let widths: Vec<usize> = drawn.lines().map(width).collect();
        assert_eq!(widths, [14, 14, 14, 14], "{drawn}");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let columns = [("a", Side::Left), ("b", Side::Left)];
        let rows = [vec![Cell::coloured("✓", GREEN), Cell::plain("x")]];
        assert_eq!(draw(&columns, &rows, false), "a  b\n✓  x\n");
        assert_eq!(draw(&columns, &rows, true), "a  b\n\x1b[32m✓\x1b[0m  x\n");
    }

    #[test]
    fn a_beginning_fits() {
        assert_eq!(beginning("two  words", 10), "two words");
        assert_eq!(beginning("请问转账手续费", 7), "请问转…");
        assert_eq!(width(&beginning("အဆင့်လိုက် ရှင်းပြပေးပါမည်", 8)), 8);
    }
}
