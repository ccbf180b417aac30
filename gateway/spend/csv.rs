//! Rows as comma-separated values (RFC 4180), safe to open in a spreadsheet.

use super::{
    real::{Real, hours},
    report::{Report, decimal},
};

/// What a cell holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
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
pub(crate) fn document(
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
    let text = match cell {
        // Nothing in it needs quotes.
        Cell::Plain(figure) => return document.push_str(figure),
        Cell::Text(text) => text,
    };
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let guard = if formula { "'" } else { "" };
    let special = |byte| matches!(byte, b',' | b'"' | b'\n' | b'\r' | b';' | b'\t');
    let quote = if text.bytes().any(special) || text.trim() != text { "\"" } else { "" };
    let inner = if quote.is_empty() { text.clone() } else { text.replace('"', "\"\"") };
    for part in [quote, guard, &inner, quote] {
        document.push_str(part);
    }
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

/// The columns of what it really cost.
const REAL: [&str; 7] = [
    "gpu_hours",
    "real_cost",
    "real_per_mtok",
    "idle_cost",
    "idle_percent",
    "list_cost",
    "list_per_mtok",
];

fn real(real: &Real, tokens: u64) -> [Cell; 7] {
    let idle = real.idle_share();
    [
        hours(real.machine_ms),
        decimal(real.cost_nano),
        real.per_mtok(tokens, 1).map(decimal).unwrap_or_default(),
        decimal(real.idle_nano),
        format!("{}.{}", idle / 10, idle % 10),
        real.list_nano().map(decimal).unwrap_or_default(),
        real.list_per_mtok(tokens, 1).map(decimal).unwrap_or_default(),
    ]
    .map(Cell::Plain)
}

/// The rows of a report, without its sum: a spreadsheet makes its own, and would count it twice.
pub(crate) fn csv(report: &Report) -> String {
    let heading = report.by.iter().map(|by| by.name()).chain(FIGURES);
    let more = if report.real.is_some() { &REAL[..] } else { &[] };
    let heading = heading.chain(more.iter().copied());
    let rows = report.rows.iter().map(|row| {
        let share = report.share(row);
        let figure = |number: u64| Cell::Plain(number.to_string());
        let mut cells: Vec<Cell> = row.labels.iter().cloned().map(Cell::from).collect();
        cells.push(figure(row.charged.requests));
        cells.extend(row.charged.tokens.map(figure));
        cells.push(Cell::Plain(decimal(row.charged.cost_nano)));
        cells.push(Cell::Text(row.currency.clone()));
        cells.push(Cell::Plain(format!("{}.{}", share / 10, share % 10)));
        let more = report.real.is_some().then(|| real(&row.real, row.charged.tokens_total()));
        cells.extend(more.into_iter().flatten());
        cells
    });
    document(heading, rows)
}
