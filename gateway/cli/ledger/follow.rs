//! `signalbox ledger --follow`: entries as they settle, one line each.

use std::{error::Error, os::unix::fs::MetadataExt, path::Path, process::ExitCode, time::Duration};

use jiff::{ZonedDateTime, tz::TimeZone};
use serde_json::{Map, Value};

use crate::{
    cli::print::{err, out},
    spend::Point,
    store::{Following, Reader},
};

/// Why the file cannot be read.
type Fault = Box<dyn Error>;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A file that is followed.
struct Followed {
    reader: Reader,
    following: Following,
    /// Which file it is: another one may come to stand in its place.
    inode: u64,
}

impl Followed {
    fn open(file: &Path, since_ms: Option<i64>) -> Result<Self, Fault> {
        let reader = Reader::open(file)?;
        let following = reader.follow(since_ms)?;
        Ok(Self { reader, following, inode: inode(file).unwrap_or_default() })
    }
}

fn inode(file: &Path) -> Option<u64> {
    std::fs::metadata(file).ok().map(|it| it.ino())
}

/// Prints entries until Ctrl-C.
pub(super) async fn run(file: &Path, since: Option<Point>, json: bool) -> ExitCode {
    let now = ZonedDateTime::now().with_time_zone(TimeZone::UTC);
    let since = since.map(|since| since.past(&now)).transpose();
    let since_ms = match since {
        Ok(since) => since.map(jiff::Timestamp::as_millisecond),
        Err(error) => {
            err!("signalbox: --since: {error}");
            return ExitCode::from(crate::cli::USAGE);
        }
    };
    let mut followed = match Followed::open(file, since_ms) {
        Ok(followed) => followed,
        Err(error) => {
            err!("signalbox: {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    };
    let mut end = std::pin::pin!(tokio::signal::ctrl_c());
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut troubled = false;
    loop {
        tokio::select! {
            biased;
            _ = &mut end => return ExitCode::SUCCESS,
            _ = looks.tick() => {}
        }
        match look(file, &mut followed, json) {
            Ok(more) => {
                troubled = false;
                if more {
                    looks.reset_immediately();
                }
            }
            // Said once: whatever it is, it may be mended.
            Err(error) if !troubled => {
                err!("signalbox: {}: {error}; tried again", file.display());
                troubled = true;
            }
            Err(_) => {}
        }
    }
}

/// Prints what has ended since the last look; whether there is more.
fn look(file: &Path, followed: &mut Followed, json: bool) -> Result<bool, Fault> {
    if inode(file).is_some_and(|inode| inode != followed.inode) {
        *followed = Followed::open(file, None)?;
        err!("signalbox: {} is another file now: followed from here on", file.display());
    }
    let settled = followed.reader.settled(&mut followed.following)?;
    for entry in settled.entries {
        let line = if json { Value::Object(entry).to_string() } else { line(&entry) };
        out!("{line}");
    }
    Ok(settled.more)
}

/// An entry on one line: when, how it ended, who, what was recognised, what decided and served, tokens, money
/// and time.
fn line(entry: &Map<String, Value>) -> String {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
    let word = |name: &str| text(name).unwrap_or("-");
    let number = |name: &str| entry.get(name).and_then(Value::as_i64).unwrap_or(0);
    let input =
        number("input_tokens") + number("cached_input_tokens") + number("cache_write_tokens");
    let output = number("output_tokens") + number("reasoning_tokens");
    let ended = match (word("state"), text("outcome")) {
        ("settled", Some(outcome)) => outcome,
        (state, _) => state,
    };
    let kind = text("failure_kind").map(|kind| format!(":{kind}")).unwrap_or_default();
    let duration = entry.get("duration_ms").and_then(Value::as_f64);
    let duration = duration.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"));
    format!(
        "{}  {ended}{kind}  {}/{}  {} {}  {}  {}  {input}+{output} tokens  {} {}  {duration}  {}",
        word("started_at"),
        word("team"),
        word("key"),
        word("language"),
        word("task"),
        word("rule"),
        word("model"),
        word("cost"),
        word("currency"),
        word("id"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_is_one_line() {
        let mut entry = json!({
            "id": "0001", "state": "settled", "started_at": "2026-11-29T16:00:00.001Z", "team": "a",
            "key": "b", "language": "ms", "task": "banking", "rule": "home", "model": "m",
            "input_tokens": 17, "cached_input_tokens": 1, "cache_write_tokens": 2,
            "output_tokens": 110, "reasoning_tokens": 41, "cost": "0.00046", "currency": "USD",
            "duration_ms": 3295.8, "outcome": "ok", "failure_kind": null,
        });
        let said = |entry: &Value| line(entry.as_object().unwrap());
        assert_eq!(
            said(&entry),
            "2026-11-29T16:00:00.001Z  ok  a/b  ms banking  home  m  20+151 tokens  0.00046 USD  \
             3296 ms  0001"
        );
        entry["outcome"] = json!("failed");
        entry["failure_kind"] = json!("upstream_error");
        assert!(said(&entry).contains("  failed:upstream_error  "), "{}", said(&entry));
        let recovered = json!({ "id": "2", "state": "recovered", "cost": "1", "currency": "USD" });
        assert_eq!(said(&recovered), "-  recovered  -/-  - -  -  -  0+0 tokens  1 USD  -  2");
    }
}
