//! Rows as comma-separated values (RFC 4180), safe to open in a spreadsheet.

use super::report::{Report, decimal};

/// What a cell holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// A name, or any text that somebody else has written.
    Text(String),
    /// A figure or a moment of our own making.
    Plain(String),
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        Self::Text(text.unwrap_or_default())
    }
}

/// A document of a heading and rows.
pub(super) fn document(
    heading: impl Iterator<Item = &'static str>,
    rows: impl Iterator<Item = Vec<Cell>>,
) -> String {
    let mut text = String::new();
    let heading: Vec<Cell> = heading.map(|name| Cell::Plain(name.to_owned())).collect();
    for row in std::iter::once(heading).chain(rows) {
        for (at, cell) in row.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            push(&mut text, cell);
        }
        text.push('\n');
    }
    text
}

/// Writes one cell. A text that a spreadsheet would take for a formula gets an apostrophe before it, as such
/// programs themselves write it.
fn push(document: &mut String, cell: &Cell) {
    let (guard, text) = match cell {
        Cell::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) => ("'", text),
        Cell::Text(text) | Cell::Plain(text) => ("", text),
    };
    let bare = |c: char| !matches!(c, ',' | '"' | '\n' | '\r' | ';' | '\t');
    if text.chars().all(bare) && text.trim() == text {
        document.push_str(guard);
        document.push_str(text);
        return;
    }
    document.push('"');
    document.push_str(guard);
    document.push_str(&text.replace('"', "\"\""));
    document.push('"');
}

/// The columns of figures.
const FIGURES: [&str; 9] = [
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost",
    "currency",
    "share_percent",
];

/// The rows of a report, without its sum: a spreadsheet makes its own, and would count it twice.
pub(super) fn csv(report: &Report) -> String {
    let heading = report.by.iter().map(|by| by.name()).chain(FIGURES);
    let rows = report.rows.iter().map(|row| {
        let share = report.share(row);
        let figure = |number: u64| Cell::Plain(number.to_string());
        let mut cells: Vec<Cell> = row.labels.iter().cloned().map(Cell::from).collect();
        cells.push(figure(row.charged.requests));
        cells.extend(row.charged.tokens.map(figure));
        cells.push(Cell::Plain(decimal(row.charged.cost_nano)));
        cells.push(Cell::Text(row.currency.clone()));
        cells.push(Cell::Plain(format!("{}.{}", share / 10, share % 10)));
        cells
    });
    document(heading, rows)
}
