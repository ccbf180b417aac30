//! A table on a terminal, aligned by the width in which characters are shown.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

/// The most cells of a line.
pub(super) const WIDTH: usize = 110;

/// On which side a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Side {
    /// Text.
    Left,
    /// Figures.
    Right,
}

/// One cell.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Cell {
    text: String,
    colour: Option<&'static str>,
}

/// As it should be.
pub(super) const GREEN: &str = "\x1b[32m";
/// Otherwise.
pub(super) const RED: &str = "\x1b[31m";

impl Cell {
    /// Plain text.
    pub(in crate::cli) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), colour: None }
    }

    /// The same in a colour, where there are colours.
    pub(super) fn coloured(text: impl Into<String>, colour: &'static str) -> Self {
        Self { text: text.into(), colour: Some(colour) }
    }
}

/// Draws a table with a heading; two spaces between columns, none at the end of a line.
pub(in crate::cli) fn draw(columns: &[(&str, Side)], rows: &[Vec<Cell>], colours: bool) -> String {
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
    // What would have joined the next letter to the last one.
    let joins = ['\u{17d2}', '\u{1039}', '\u{200d}', ' '];
    let end = words.trim_end_matches(joins).len();
    words.truncate(end);
    words.push('…');
    words
}

/// In how many cells a terminal shows a text.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
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
        let burmese = beginning("အဆင့်လိုက် ရှင်းပြပေးပါမည်", 8);
        assert!((7..=8).contains(&width(&burmese)), "{burmese}");
        // A letter that would stand under the next one is no end.
        for most in 1..12 {
            let khmer = beginning("ខ្ញុំចង់បើកគណនីសន្សំថ្មី", most);
            assert!(!khmer.contains("\u{17d2}…") && width(&khmer) <= most, "{khmer}");
        }
    }
}
