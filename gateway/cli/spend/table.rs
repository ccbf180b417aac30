//! A report for people: a table.

use std::fmt::Write as _;

use super::true_cost;
use crate::{
    cli::demo::table::{Cell, Side, draw},
    spend::{Report, TOKENS, decimal},
    store::Charged,
};

/// The report as a table, with its time, its sums and its notes.
pub(super) fn table(report: &Report) -> String {
    let window = &report.window;
    let (from, to) = (window.local(window.from), window.local(window.to));
    let mut text = format!("spent from {from} to {to} ({})", window.zone_name());
    if let Some(team) = &report.team {
        let _ = write!(text, ", by {team} and the teams beneath it");
    }
    text.push_str("\n\n");
    text.push_str(&match &report.real {
        Some(sums) => true_cost::rows(report, sums),
        None => rows(report),
    });
    for note in report.notes() {
        let _ = write!(text, "\n{note}");
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// The rows of what was charged.
fn rows(report: &Report) -> String {
    let mut columns: Vec<_> = report.by.iter().map(|by| (by.name(), Side::Left)).collect();
    columns.push(("requests", Side::Right));
    columns.extend(TOKENS.map(|(_, heading)| (heading, Side::Right)));
    columns.extend([("cost", Side::Right), ("", Side::Left), ("share", Side::Right)]);
    let costs = report.rows.iter().map(|row| row.charged.cost_nano);
    let costs = costs.chain(report.sums.values().map(|sum| sum.cost_nano));
    let places = costs.map(|nano| fraction(&decimal(nano))).max().unwrap_or(0);
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for row in &report.rows {
        let share = report.share(row);
        let labels = row.labels.iter().map(|label| Cell::plain(label.as_deref().unwrap_or("-")));
        let mut cells: Vec<Cell> = labels.collect();
        figures(&mut cells, &row.charged, &row.currency, places);
        cells.push(Cell::plain(format!("{}.{} %", share / 10, share % 10)));
        rows.push(cells);
    }
    for (currency, sum) in &report.sums {
        let mut cells = vec![Cell::plain("sum")];
        cells.resize(report.by.len(), Cell::plain(""));
        figures(&mut cells, sum, currency, places);
        cells.push(Cell::plain(""));
        rows.push(cells);
    }
    if rows.is_empty() { String::from("nothing\n") } else { draw(&columns, &rows, false) }
}

/// How many digits stand after the point.
fn fraction(decimal: &str) -> usize {
    decimal.split_once('.').map_or(0, |(_, fraction)| fraction.len())
}

/// Adds requests, tokens, cost and currency; all costs have so many digits after the point.
fn figures(cells: &mut Vec<Cell>, charged: &Charged, currency: &str, places: usize) {
    cells.push(Cell::plain(charged.requests.to_string()));
    cells.extend(charged.tokens.map(|tokens| Cell::plain(tokens.to_string())));
    let cost = decimal(charged.cost_nano);
    let missing = places - fraction(&cost);
    let point = if missing > 0 && missing == places { "." } else { "" };
    cells.push(Cell::plain(format!("{cost}{point}{}", "0".repeat(missing))));
    cells.push(Cell::plain(currency));
}
