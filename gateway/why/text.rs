//! An account as a person reads it on a terminal.

use std::fmt::{Display, Formatter, Result};

use policies::{
    Afterwards,
    facts::{Content, Signals},
    printable,
};
use serde_json::Value;

use super::{
    Account,
    bill::{Bill, Line},
    past,
};

/// What was recognised of a request, in words.
pub(crate) fn signals_in_words(signals: &Signals) -> String {
    in_words(signals, &asks_in_words(signals))
}

/// How much a request asks of a model, and what it contains: a kind that is there more than once with its
/// count.
fn asks_in_words(signals: &Signals) -> String {
    let kind = |(kind, count): (Content, u16)| match count {
        1 => kind.to_string(),
        count => format!("{kind} ({count})"),
    };
    let kinds: Vec<_> = signals.contains.found().map(kind).collect();
    let contains = if kinds.is_empty() { "" } else { ", contains " };
    format!(", complexity {}{contains}{}", signals.complexity, kinds.join(", "))
}

fn in_words(signals: &Signals, asks: &str) -> String {
    let needs: Vec<_> = signals.needs.names().collect();
    let tag = |(name, value): &(Box<str>, Box<str>)| format!("{name}={value}");
    let tags: Vec<_> = signals.tags.iter().map(tag).collect();
    let tags = if tags.is_empty() { tags.concat() } else { format!(", tags {}", tags.join(", ")) };
    let tags = printable(&tags);
    format!(
        "{} ({:.2}), {} ({:.2}), {}{asks}, about {} input tokens, needs {}{tags}",
        signals.language,
        signals.language_confidence,
        signals.task,
        signals.task_confidence,
        signals.data_class,
        signals.input_tokens,
        if needs.is_empty() { String::from("nothing special") } else { needs.join(", ") },
    )
}

impl Display for Account {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        head(self, f)?;
        asked(self, f)?;
        match &self.decision {
            Some(decision) => write!(f, "{}", Afterwards(decision))?,
            None => decided(self, f)?,
        }
        for (at, attempt) in (1..).zip(&self.attempts) {
            let text = |name| attempt.get(name).and_then(Value::as_str).unwrap_or("?");
            let ms = attempt.get("ms").and_then(Value::as_u64).unwrap_or_default();
            let (model, endpoint, result) = (text("model"), text("endpoint"), text("result"));
            write!(f, "tried    {at}. {model} at {endpoint}: {result}")?;
            if let Some(status) = attempt.get("status").and_then(Value::as_u64) {
                // A status that is no answer is named by itself; one that an answer stated is beside it.
                let words = if result == "status" { " " } else { ", stated status " };
                write!(f, "{words}{status}")?;
            }
            if let Some(cause) = attempt.get("cause").and_then(Value::as_str) {
                write!(f, " ({cause})")?;
            }
            writeln!(f, " after {ms} ms")?;
        }
        if let Some(bill) = &self.money {
            money(f, bill)?;
        }
        times(self, f)?;
        for note in &self.notes {
            writeln!(f, "note     {note}")?;
        }
        Ok(())
    }
}

fn head(it: &Account, f: &mut Formatter<'_>) -> Result {
    let text = |name| it.column(name).unwrap_or("-");
    writeln!(f, "request  {}", text("id"))?;
    let kind = it.column("failure_kind");
    match (text("state"), it.column("outcome")) {
        ("refused", _) => {
            let (stage, kind) = (text("stage"), kind.unwrap_or("-"));
            writeln!(f, "state    refused at {stage}: {kind}, code {}", text("code"))?;
        }
        ("open", _) => match it.left_open {
            Some(left) => writeln!(f, "state    open, {left}")?,
            None => writeln!(f, "state    open: it has no end yet")?,
        },
        ("recovered", _) => writeln!(
            f,
            "state    recovered: its gateway ended before its end was written; how it ended is unknown"
        )?,
        (state, outcome) => {
            let kind = kind.map_or_else(String::new, |kind| format!(" ({kind})"));
            writeln!(f, "state    {state}: {}{kind}", outcome.unwrap_or("-"))?;
        }
    }
    writeln!(f, "when     {} on {}", text("started_at"), text("replica"))?;
    match it.column("key") {
        Some(key) => write!(f, "who      team {}, key {key}", text("team"))?,
        None => write!(f, "who      nobody who is known")?,
    }
    for name in ["user", "session"] {
        if let Some(hash) = it.column(name).filter(|hash| !hash.is_empty()) {
            write!(f, ", {name} {hash}")?;
        }
    }
    match it.column("caller_request_id") {
        Some(id) => writeln!(f, "; its caller calls it {id}"),
        None => writeln!(f),
    }
}

/// What was asked, and what was recognised.
fn asked(it: &Account, f: &mut Formatter<'_>) -> Result {
    let text = |name| it.column(name).unwrap_or("-");
    if it.column("language").is_none() {
        return Ok(());
    }
    let number = |name| it.request.get(name).and_then(Value::as_u64);
    let stream = if number("stream") == Some(1) { ", streamed" } else { "" };
    let (dialect, operation) = (text("dialect"), text("operation"));
    write!(f, "asked    {}; {dialect} {operation}{stream}", printable(text("requested_model")))?;
    if let Some(most) = number("output_tokens_asked") {
        write!(f, ", at most {most} output tokens")?;
    }
    if let Some(n) = number("n").filter(|n| *n > 1) {
        write!(f, ", {n} choices")?;
    }
    if let Some(tags) = it.request.get("tags").and_then(Value::as_object) {
        let tags = tags.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or("?")));
        write!(f, ", tags {}", printable(&tags.collect::<Vec<_>>().join(",")))?;
    }
    writeln!(f)?;
    let signals = past::signals(&past::row(&it.request));
    // An earlier version has not written how much was asked.
    let asks = it.column("complexity").map_or_else(String::new, |_| asks_in_words(&signals));
    write!(f, "signals  {}", in_words(&signals, &asks))?;
    match it.column("hinted").filter(|it| !it.is_empty()) {
        Some(hinted) => writeln!(f, "; stated by the caller: {}", printable(hinted)),
        None => writeln!(f),
    }
}

/// What the row itself says of the decision.
fn decided(it: &Account, f: &mut Formatter<'_>) -> Result {
    let text = |name| it.column(name).unwrap_or("-");
    writeln!(f, "policy   {} ({})", text("policy_version"), text("policy_hash"))?;
    if let Some(rule) = it.column("rule") {
        writeln!(f, "rule     {rule}")?;
    }
    if let (Some(experiment), Some(arm)) = (it.column("experiment"), it.column("arm")) {
        writeln!(f, "in       {experiment}: arm {arm}")?;
    }
    if let Some(guard) = it.column("guard") {
        writeln!(f, "guard    {guard}")?;
    }
    Ok(())
}

fn money(f: &mut Formatter<'_>, bill: &Bill) -> Result {
    let Bill { currency, price_version, reserved, lines, .. } = bill;
    writeln!(f, "reserved {reserved} {currency}")?;
    let source = bill.usage_source.as_deref();
    if !lines.is_empty() {
        let model = bill.model.as_deref().unwrap_or("-");
        let source = source.unwrap_or("-");
        writeln!(f, "tokens   {source}, at the prices {price_version} of {model}")?;
    }
    for Line { tokens_of, tokens, price_per_mtok, cost } in lines {
        write!(f, "         {tokens_of:<20} {tokens:>9}")?;
        match (price_per_mtok, cost) {
            (Some(price), Some(cost)) => writeln!(f, " × {price} per Mtok = {cost}")?,
            _ => writeln!(f)?,
        }
    }
    charged(f, bill)?;
    for it in &bill.adjustments {
        let (who, reason) = (printable(&it.who), printable(&it.reason));
        let (at, before, after) = (&it.at, it.before, it.after);
        writeln!(f, "adjusted from {before} to {after} {currency}, {at} by {who}: {reason}")?;
    }
    Ok(())
}

/// What was charged, before any correction, and how that comes about.
fn charged(f: &mut Formatter<'_>, bill: &Bill) -> Result {
    let Bill { currency, sum, lines, .. } = bill;
    let source = bill.usage_source.as_deref();
    let first = bill.adjustments.first().map(|it| it.before.to_string());
    let Some(cost) = first.as_ref().or(bill.cost.as_ref()) else { return Ok(()) };
    write!(f, "cost     {cost} {currency}")?;
    match (source, sum) {
        (Some("reserved"), _) => {
            writeln!(f, ", all that was reserved: nothing better is known")
        }
        _ if bill.prices_missing => writeln!(
            f,
            ": it cannot be reckoned again, since the prices are missing here: their row was removed"
        ),
        (_, None) => writeln!(f, ": no model served"),
        (_, Some(sum)) if cost == sum && (lines.is_empty() || cost == "0") => writeln!(f),
        (_, Some(sum)) if cost == sum => writeln!(f, ", the sum rounded up once to a billionth"),
        (_, Some(sum)) => writeln!(
            f,
            "; the lines make {sum}: an attempt that was given up is charged by its own model's prices"
        ),
    }
}

fn times(it: &Account, f: &mut Formatter<'_>) -> Result {
    if let Some(reason) = it.column("reason") {
        writeln!(f, "told     {}", printable(reason))?;
    }
    let ms = |name| it.request.get(name).and_then(Value::as_f64);
    let Some(whole) = ms("duration_ms") else { return Ok(()) };
    write!(f, "times    ")?;
    if let Some(first) = ms("first_token_ms") {
        write!(f, "first token {first:.1} ms, ")?;
    }
    let own = ms("gateway_us").unwrap_or_default() / 1_000.0;
    writeln!(f, "whole {whole:.1} ms, of it the gateway's own {own:.2} ms")
}
