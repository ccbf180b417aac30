//! The table of what own machines really cost, beside what was charged.

use std::collections::BTreeMap;

use crate::{
    cli::demo::table::{Cell, Side, draw},
    spend::{Real, Report, hours},
    store::Charged,
};

/// Nano-units of a unit.
const UNIT: i128 = 1_000_000_000;
/// From so many units on, money stands with cents alone.
const LARGE: i128 = 1_000 * UNIT;

/// The columns of figures.
const COLUMNS: [&str; 10] = [
    "requests",
    "tokens",
    "GPU hours",
    "charged",
    "real",
    "real per 1M",
    "idle",
    "idle share",
    "at list",
    "list per 1M",
];
/// Digits of what a million tokens cost, as price lists have them, and nano-units of the last one.
const PER_MTOK_DIGITS: u32 = 4;
const PER_MTOK_STEP: i128 = UNIT / 10_i128.pow(PER_MTOK_DIGITS);

/// The rows and their sums. Money is rounded here: the other forms have it to the last digit.
pub(super) fn rows(report: &Report, sums: &BTreeMap<String, Real>) -> String {
    let mut columns: Vec<_> = report.by.iter().map(|by| (by.name(), Side::Left)).collect();
    columns.extend(COLUMNS.map(|name| (name, Side::Right)));
    columns.push(("", Side::Left));
    let large = sums.values().any(|it| it.cost_nano >= LARGE);
    let digits = if large { 2 } else { 6 };
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for row in &report.rows {
        let labels = row.labels.iter().map(|label| Cell::plain(label.as_deref().unwrap_or("-")));
        let mut cells: Vec<Cell> = labels.collect();
        figures(&mut cells, (&row.charged, &row.real), &row.currency, digits);
        rows.push(cells);
    }
    for (currency, sum) in &report.sums {
        let mut cells = vec![Cell::plain("sum")];
        cells.resize(report.by.len(), Cell::plain(""));
        let real = sums.get(currency).copied().unwrap_or_default();
        figures(&mut cells, (sum, &real), currency, digits);
        rows.push(cells);
    }
    if rows.is_empty() { String::from("nothing\n") } else { draw(&columns, &rows, false) }
}

fn figures(cells: &mut Vec<Cell>, (charged, real): (&Charged, &Real), currency: &str, digits: u32) {
    let tokens = charged.tokens_total();
    let idle = real.idle_share();
    let known = |nano: Option<i128>, digits| {
        Cell::plain(nano.map_or_else(|| "-".to_owned(), |nano| rounded(nano, digits)))
    };
    cells.extend([
        Cell::plain(charged.requests.to_string()),
        Cell::plain(tokens.to_string()),
        Cell::plain(hours(real.machine_ms)),
        Cell::plain(rounded(charged.cost_nano, digits)),
        Cell::plain(rounded(real.cost_nano, digits)),
        known(real.per_mtok(tokens, PER_MTOK_STEP), PER_MTOK_DIGITS),
        Cell::plain(rounded(real.idle_nano, digits)),
        Cell::plain(format!("{}.{} %", idle / 10, idle % 10)),
        known(real.list_nano(), digits),
        known(real.list_per_mtok(tokens, PER_MTOK_STEP), PER_MTOK_DIGITS),
        Cell::plain(currency),
    ]);
}

/// Nano-units with so many digits after the point, half of the last one rounded up.
fn rounded(nano: i128, digits: u32) -> String {
    let step = 10_i128.pow(9 - digits);
    let steps = (nano * 2 + step).div_euclid(2 * step);
    let (sign, steps) = (if steps < 0 { "-" } else { "" }, steps.unsigned_abs());
    let one = 10_u128.pow(digits);
    let width = usize::try_from(digits).unwrap_or_default();
    format!("{sign}{}.{:0width$}", steps / one, steps % one)
}
