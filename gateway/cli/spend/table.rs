//! A report for people and for programs: a table, and JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::report::{Report, decimal};
use crate::{
    cli::demo::table::{Cell, Side, draw},
    store::Charged,
};

/// The names of the disjoint kinds of tokens, as columns of the ledger and as headings.
const TOKENS: [(&str, &str); 5] = [
    ("input_tokens", "input"),
    ("cached_input_tokens", "cached"),
    ("cache_write_tokens", "written"),
    ("output_tokens", "output"),
    ("reasoning_tokens", "reasoning"),
];

/// The report as a table, with its time, its sums and its notes.
pub(super) fn table(report: &Report) -> String {
    let window = &report.window;
    let (from, to) = (window.local(window.from), window.local(window.to));
    let mut text = format!("spent from {from} to {to} ({})", window.zone_name());
    if let Some(team) = &report.team {
        let _ = write!(text, ", by {team} and the teams beneath it");
    }
    text.push_str("\n\n");
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
    if rows.is_empty() {
        text.push_str("nothing\n");
    } else {
        text.push_str(&draw(&columns, &rows, false));
    }
    for note in report.notes() {
        let _ = write!(text, "\n{note}");
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
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

/// The report as JSON. Money is text: a number would be read as a float.
pub(super) fn json(report: &Report) -> Value {
    let rows = report.rows.iter().map(|row| {
        let labels = report.by.iter().zip(&row.labels);
        let mut object: Map<_, _> =
            labels.map(|(by, label)| (by.name().to_owned(), json!(label))).collect();
        object.extend(sum(&row.charged, &row.currency));
        object.insert("share_percent".to_owned(), json!(report.share(row) as f64 / 10.0));
        Value::Object(object)
    });
    let sums = report.sums.iter().map(|(currency, charged)| {
        let mut object = sum(charged, currency);
        let more = [
            ("recovered_requests", json!(charged.recovered)),
            ("recovered_cost", json!(decimal(charged.recovered_nano))),
            ("open_requests", json!(charged.open)),
            ("open_reserved", json!(decimal(charged.reserved_nano))),
        ];
        object.extend(more.map(|(name, value)| (name.to_owned(), value)));
        Value::Object(object)
    });
    let (window, gone) = (&report.window, report.gone);
    json!({
        "from": format!("{:.3}", window.from), "to": format!("{:.3}", window.to),
        "timezone": window.zone_name(), "team": report.team,
        "by": report.by.iter().map(|by| by.name()).collect::<Vec<_>>(),
        "rows": rows.collect::<Vec<_>>(), "sums": sums.collect::<Vec<_>>(),
        "removed": {
            "requests": gone.requests, "cost": decimal(gone.cost_nano),
            "older_requests": gone.older_requests, "older_cost": decimal(gone.older_cost_nano),
        },
    })
}

fn sum(charged: &Charged, currency: &str) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("requests".to_owned(), json!(charged.requests));
    for ((name, _), tokens) in TOKENS.iter().zip(charged.tokens) {
        object.insert((*name).to_owned(), json!(tokens));
    }
    object.insert("cost".to_owned(), json!(decimal(charged.cost_nano)));
    object.insert("currency".to_owned(), json!(currency));
    object
}
