//! `signalbox audit`: what was changed, by whom and why. Only reads the ledger.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use jiff::{ZonedDateTime, tz::TimeZone};
use policies::printable;
use serde_json::{Map, Value};

use super::print::{err, out};
use crate::{record::StoreError, spend, store::Reader};

/// Records that are read at once.
const PAGE: u32 = 1_000;

/// Options of `audit`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Begin with what was done then: 10m, 24h, 7d, today, yesterday, a date, a moment (UTC). Without it,
    /// with the first record.
    #[arg(long, value_name = "TIME", value_parser = spend::point)]
    since: Option<spend::Point>,
    /// A copy of the ledger to read, in place of the configuration's.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Print all columns of each record, as JSON on one line.
    #[arg(long)]
    json: bool,
    /// Print the public key that checks the newest signature, and nothing else.
    #[arg(long, conflicts_with_all = ["since", "json"])]
    key: bool,
}

/// Prints the trail, the newest record last.
pub(super) fn run(config: &Path, args: &Args) -> ExitCode {
    let ledger = match super::ledger_of(args.ledger.as_deref(), config) {
        Ok(ledger) => ledger,
        Err(code) => return code,
    };
    let now = ZonedDateTime::now().with_time_zone(TimeZone::UTC);
    let since_ms = match args.since.map(|since| since.past(&now)).transpose() {
        Ok(since) => since.map_or(i64::MIN, jiff::Timestamp::as_millisecond),
        Err(error) => {
            err!("signalbox: --since: {error}");
            return ExitCode::from(super::USAGE);
        }
    };
    let printed = if args.key { key(&ledger) } else { print(&ledger, since_ms, args.json) };
    printed.unwrap_or_else(|error| {
        err!("signalbox: {}: {error}", ledger.display());
        ExitCode::FAILURE
    })
}

fn key(ledger: &Path) -> Result<ExitCode, StoreError> {
    let Some(key) = Reader::open(ledger)?.audit_key()? else {
        err!("signalbox: {}: no record of its audit trail is signed yet", ledger.display());
        return Ok(ExitCode::FAILURE);
    };
    out!("{key}");
    Ok(ExitCode::SUCCESS)
}

fn print(ledger: &Path, since_ms: i64, json: bool) -> Result<ExitCode, StoreError> {
    let reader = Reader::open(ledger)?;
    let mut after = 0;
    loop {
        let records = reader.audit((after, since_ms), PAGE)?;
        let last = records.last().and_then(|it| it.get("seq")?.as_i64());
        for record in records {
            let line = if json { Value::Object(record).to_string() } else { line(&record) };
            out!("{line}");
        }
        match last {
            Some(last) => after = last,
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// A record on one line: its number, when, who, what, to what, why, and what it is afterwards.
fn line(record: &Map<String, Value>) -> String {
    let word = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or("-");
    let seq = record.get("seq").and_then(Value::as_i64).unwrap_or(0);
    let after = record.get("after").filter(|it| !it.is_null());
    let after = after.map_or_else(String::new, |it| format!("  {it}"));
    let (at, who, what) = (word("at"), word("who"), word("what"));
    let line =
        format!("{seq}  {at}  {who}  {what}  {}  \"{}\"{after}", word("subject"), word("reason"));
    printable(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_is_one_line() {
        let record = json!({
            "seq": 3, "at": "2026-11-29T16:00:00.001Z", "who": "admin", "what": "experiment.stopped",
            "subject": "ab", "reason": "too dear", "before": null, "after": {"version": "v"},
        });
        assert_eq!(
            line(record.as_object().unwrap()),
            "3  2026-11-29T16:00:00.001Z  admin  experiment.stopped  ab  \"too dear\"  {\"version\":\"v\"}"
        );
    }
}
