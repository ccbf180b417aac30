//! Rows in the form of FOCUS 1.2, the open specification of cost and usage data that FinOps tools read.
//!
//! A row is what one key spent in one day on one model, in one language and task by one rule, at one
//! version of the prices. The gateway knows no invoices, discounts or commitments: all four costs are what
//! was charged. A correction is no row of its own: a day's row has its cost as it is corrected by now.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan};
use serde_json::json;

use super::{
    csv::{Cell, document},
    period::{BEYOND, Day, Window},
    report::{decimal, of_team},
};
use crate::store::{ChargeLabels, Charged, Charges};

/// Who provides and invoices, as far as the ledger knows.
const PROVIDER: &str = "Signalbox";

/// One row before it is put into columns.
struct Line<'a> {
    labels: &'a ChargeLabels,
    charged: Charged,
    dates: &'a Dates,
}

/// A day and its month as they are written: the beginning and the end of each.
struct Dates {
    period: [String; 2],
    billing: [String; 2],
}

/// What is in a column.
type Value = fn(&Line<'_>) -> Cell;

/// The columns in the order of their names, then our own.
const COLUMNS: &[(&str, Value)] = &[
    ("BilledCost", cost),
    ("BillingAccountId", |line| text(account(line))),
    ("BillingAccountName", |line| text(account(line))),
    ("BillingAccountType", |_| plain("Team")),
    ("BillingCurrency", |line| text(&line.labels.currency)),
    ("BillingPeriodEnd", |line| plain(&line.dates.billing[1])),
    ("BillingPeriodStart", |line| plain(&line.dates.billing[0])),
    ("ChargeCategory", |_| plain("Usage")),
    ("ChargeClass", |_| plain("")),
    ("ChargeDescription", description),
    ("ChargeFrequency", |_| plain("Usage-Based")),
    ("ChargePeriodEnd", |line| plain(&line.dates.period[1])),
    ("ChargePeriodStart", |line| plain(&line.dates.period[0])),
    ("ConsumedQuantity", tokens),
    ("ConsumedUnit", |_| plain("Tokens")),
    ("ContractedCost", cost),
    ("EffectiveCost", cost),
    ("InvoiceIssuerName", |_| plain(PROVIDER)),
    ("ListCost", cost),
    ("PricingCategory", |_| plain("Standard")),
    ("PricingCurrency", |line| text(&line.labels.currency)),
    ("PricingQuantity", tokens),
    ("PricingUnit", |_| plain("Tokens")),
    ("ProviderName", |_| plain(PROVIDER)),
    ("PublisherName", |_| plain(PROVIDER)),
    ("ResourceId", |line| text(model(line))),
    ("ResourceName", |line| text(model(line))),
    ("ResourceType", |_| plain("Model")),
    ("ServiceCategory", |_| plain("AI and Machine Learning")),
    ("ServiceName", |_| plain(PROVIDER)),
    ("ServiceSubcategory", |_| plain("Generative AI")),
    ("SkuId", |line| text(model(line))),
    ("SkuMeter", |_| plain("Tokens")),
    ("SkuPriceId", |line| text(&line.labels.price_version)),
    ("SubAccountId", |line| text(team(line))),
    ("SubAccountName", |line| text(team(line))),
    ("SubAccountType", |_| plain("Team")),
    ("Tags", tags),
    ("x_CacheWriteTokens", |line| of_kind(line, 2)),
    ("x_CachedInputTokens", |line| of_kind(line, 1)),
    ("x_InputTokens", |line| of_kind(line, 0)),
    ("x_OutputTokens", |line| of_kind(line, 3)),
    ("x_ReasoningTokens", |line| of_kind(line, 4)),
    ("x_Requests", |line| plain(&line.charged.requests.to_string())),
];

fn plain(text: &str) -> Cell {
    Cell::Plain(text.to_owned())
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// FOCUS wants UTC and whole seconds.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn cost(line: &Line<'_>) -> Cell {
    Cell::Plain(decimal(line.charged.cost_nano))
}

fn tokens(line: &Line<'_>) -> Cell {
    let all = line.charged.tokens.iter().fold(0_u64, |sum, it| sum.saturating_add(*it));
    Cell::Plain(all.to_string())
}

fn of_kind(line: &Line<'_>, kind: usize) -> Cell {
    Cell::Plain(line.charged.tokens.get(kind).copied().unwrap_or_default().to_string())
}

/// The team that asked.
fn team<'a>(line: &Line<'a>) -> &'a str {
    line.labels.teams.first().map_or("", |it| it)
}

/// The team at the root of its tree, as it hung then.
fn account<'a>(line: &Line<'a>) -> &'a str {
    line.labels.teams.last().map_or("", |it| it)
}

/// The model; a word where none has answered, since FOCUS wants one of every use.
fn model<'a>(line: &Line<'a>) -> &'a str {
    line.labels.model.as_deref().unwrap_or("(none)")
}

fn description(line: &Line<'_>) -> Cell {
    let ChargeLabels { task, language, .. } = line.labels;
    let (requests, model) = (line.charged.requests, model(line));
    let requests = policies::counted(requests, "request", "requests");
    let recovered = match line.charged.recovered {
        0 => String::new(),
        some => format!("; {some} recovered after a crash, charged with what was reserved"),
    };
    Cell::Text(format!("{requests} to {model}, {task} in {language}{recovered}"))
}

fn tags(line: &Line<'_>) -> Cell {
    let ChargeLabels { key, language, task, rule, .. } = line.labels;
    Cell::Text(json!({ "key": key, "language": language, "rule": rule, "task": task }).to_string())
}

/// The labels of a row in the order of rows.
type Key<'a> = [&'a str; 9];

/// The document: sums of spans that are these days, of a team and those beneath it or of all.
///
/// # Errors
/// A month that no calendar has.
pub(crate) fn focus(
    window: &Window,
    team: Option<&str>,
    charges: &Charges,
    days: &[Day],
) -> Result<String, String> {
    let dates: Result<Vec<_>, _> = days.iter().map(|day| dates(day, window)).collect();
    let dates = dates.map_err(|_| BEYOND)?;
    let mut lines: BTreeMap<(Timestamp, Key<'_>), Line<'_>> = BTreeMap::new();
    let sums = of_team(charges, team, days).map(|(_, sum)| sum);
    for (sum, day) in sums.filter(|(sum, _)| sum.charged.requests > 0) {
        let it = &sum.labels;
        let (team, account) = (it.teams.first(), it.teams.last());
        let model = it.model.as_deref().unwrap_or_default();
        let key: Key<'_> = [
            account.map_or("", |it| it),
            team.map_or("", |it| it),
            &it.key,
            model,
            &it.language,
            &it.task,
            &it.rule,
            &it.price_version,
            &it.currency,
        ];
        let Some(dates) = dates.get(sum.span) else { continue };
        let line = || Line { labels: it, charged: Charged::default(), dates };
        lines.entry((day.from, key)).or_insert_with(line).charged.add(&sum.charged);
    }
    let cells = |line: &Line<'_>| COLUMNS.iter().map(|(_, value)| value(line)).collect();
    Ok(document(COLUMNS.iter().map(|(name, _)| *name), lines.values().map(cells)))
}

/// A day and its month, in the time zone of the window.
fn dates(day: &Day, window: &Window) -> Result<Dates, jiff::Error> {
    let first = day.date.first_of_month();
    let begin = |date: jiff::civil::Date| {
        let day = date.to_zoned_datetime(window.zone.clone())?.start_of_day()?;
        Ok::<_, jiff::Error>(moment(day.timestamp()))
    };
    let billing = [begin(first)?, begin(first.checked_add(1.month())?)?];
    Ok(Dates { period: [moment(day.from), moment(day.to)], billing })
}
