//! A report as JSON.

use serde_json::{Map, Value, json};

use super::{
    real::{Real, hours},
    report::{Report, decimal},
};
use crate::store::Charged;

/// The names of the disjoint kinds of tokens, as columns of the ledger and as headings.
pub(crate) const TOKENS: [(&str, &str); 5] = [
    ("input_tokens", "input"),
    ("cached_input_tokens", "cached"),
    ("cache_write_tokens", "written"),
    ("output_tokens", "output"),
    ("reasoning_tokens", "reasoning"),
];

/// The report as JSON. Money is text: a number would be read as a float.
pub(crate) fn json(report: &Report) -> Value {
    let rows = report.rows.iter().map(|row| {
        let labels = report.by.iter().zip(&row.labels);
        let mut object: Map<_, _> =
            labels.map(|(by, label)| (by.name().to_owned(), json!(label))).collect();
        object.extend(sum(&row.charged, &row.currency));
        object.insert("share_percent".to_owned(), json!(report.share(row) as f64 / 10.0));
        let known = report.real.is_some().then(|| real(&row.real, row.charged.tokens_total()));
        object.extend(known.into_iter().flatten());
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
        let known = report.real.as_ref().and_then(|it| it.get(currency));
        let known = known.map(|it| real(it, charged.tokens_total()));
        object.extend(known.into_iter().flatten());
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
        "left_open_requests": report.left_open(),
    })
}

/// What it really cost, and what a million of so many tokens.
fn real(real: &Real, tokens: u64) -> Map<String, Value> {
    let figures = [
        ("gpu_hours", json!(hours(real.machine_ms))),
        ("real_cost", json!(decimal(real.cost_nano))),
        ("real_per_mtok", json!(real.per_mtok(tokens, 1).map(decimal))),
        ("idle_cost", json!(decimal(real.idle_nano))),
        ("idle_percent", json!(real.idle_share() as f64 / 10.0)),
        ("list_cost", json!(real.list_nano().map(decimal))),
        ("list_per_mtok", json!(real.list_per_mtok(tokens, 1).map(decimal))),
    ];
    figures.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
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
