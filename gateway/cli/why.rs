//! `signalbox why`: a past request explained from the ledger. Only reads it.

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use uuid::Uuid;

use super::print::{self, err, out};
use crate::{
    store::{Named, Reader},
    why::Account,
};

/// For how long what was just asked is looked for: a slow disk takes some of it.
const WRITTEN_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Requests of one name of a caller's that are listed.
const LISTED_MAX: u32 = 100;
/// The longest id of a caller's that the gateway keeps.
const NAME_MAX: usize = 64;

/// Options of `why`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The request: `x-signalbox-id` of its answer, or the caller's own `x-request-id`.
    #[arg(value_parser = id)]
    id: String,
    /// A copy of the ledger to read, in place of the configuration's.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// An id as answers carry it: letters, digits, `.`, `_` and `-`.
fn id(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    let id = "the value of `x-signalbox-id`, such as 019b7c4a-9e2f-7000-8000-00000000002a";
    Err(format!(
        "expected {id}, or an `x-request-id` of 1 to {NAME_MAX} letters, digits, `.`, `_` and `-`"
    ))
}

/// What a search has found.
enum Found {
    Request(Box<Account>),
    Several(Vec<Named>),
    Nothing,
}

/// Explains one request of the past.
pub(super) fn run(config: &Path, args: &Args) -> ExitCode {
    let (ledger, days) = match &args.ledger {
        Some(ledger) => (ledger.clone(), None),
        None => match super::load_ledger(config) {
            Ok(ledger) => (ledger.sqlite, Some(ledger.retention_days)),
            Err(code) => return code,
        },
    };
    match find_written(&ledger, &args.id) {
        Ok(Found::Request(account)) if args.json => out!("{:#}", account.json()),
        Ok(Found::Request(account)) => print::answer(format_args!("{account}")),
        Ok(Found::Several(all)) => list(&all, args),
        Ok(Found::Nothing) => {
            err!("signalbox: {}", nothing(&ledger, &args.id, days));
            return ExitCode::FAILURE;
        }
        Err(error) => {
            err!("signalbox: {}: {error}", ledger.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// What is found once it has had the time to be written: a refusal is, shortly after its caller was told.
fn find_written(ledger: &Path, id: &str) -> Result<Found, Box<dyn Error>> {
    let began = Instant::now();
    loop {
        let found = find(ledger, id)?;
        let absent = matches!(found, Found::Nothing);
        if !absent || !is_of_just_now(id, Timestamp::now()) || began.elapsed() > WRITTEN_WITHIN {
            return Ok(found);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Whether a request of this id of ours came so short a time ago that it may still be written.
fn is_of_just_now(id: &str, now: Timestamp) -> bool {
    let came = Uuid::try_parse(id).ok().and_then(|it| it.get_timestamp());
    let came = came.and_then(|it| i64::try_from(it.to_unix().0).ok());
    came.is_some_and(|it| now.as_second().abs_diff(it) <= WRITTEN_WITHIN.as_secs())
}

/// By our id, else by the callers' own.
fn find(ledger: &Path, id: &str) -> Result<Found, Box<dyn Error>> {
    let reader = Reader::open(ledger)?;
    let by_id = |id: Uuid| reader.request(id).map(|it| it.map(|it| Box::new(Account::of(it))));
    if let Ok(ours) = Uuid::try_parse(id)
        && let Some(account) = by_id(ours)?
    {
        return Ok(Found::Request(account));
    }
    let all = reader.called(id, LISTED_MAX)?;
    if let [only] = &*all
        && let Ok(ours) = Uuid::try_parse(&only.id)
        && let Some(account) = by_id(ours)?
    {
        return Ok(Found::Request(account));
    }
    Ok(if all.is_empty() { Found::Nothing } else { Found::Several(all) })
}

fn list(all: &[Named], args: &Args) {
    if args.json {
        let one = |it: &Named| {
            let Named { id, started_at, state, outcome, failure_kind } = it;
            serde_json::json!({
                "id": id, "started_at": started_at, "state": state, "outcome": outcome,
                "failure_kind": failure_kind,
            })
        };
        let all: Vec<_> = all.iter().map(one).collect();
        out!("{:#}", serde_json::json!({ "requests": all }));
        return;
    }
    out!("requests that their callers call {}, the newest first:", args.id);
    for it in all {
        let outcome = it.outcome.as_ref().map_or_else(String::new, |it| format!(": {it}"));
        let kind = it.failure_kind.as_ref().map_or_else(String::new, |it| format!(" ({it})"));
        out!("{}  {}  {}{outcome}{kind}", it.id, it.started_at, it.state);
    }
}

fn nothing(ledger: &Path, id: &str, days: Option<u32>) -> String {
    let days = match days {
        Some(days) => format!("older than {days} days (`ledger.retention_days`)"),
        None => String::from("older than `ledger.retention_days`"),
    };
    format!(
        "there is no request {id} in {}: it may be of another replica, {days}, or a refusal that was not \
         kept (at most 100 a second are, and none while the ledger cannot be written)",
        ledger.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_just_now_may_still_be_written() {
        // Its time is midnight of 2026-01-01.
        let id = "019b76da-a800-7000-8000-00000000002a";
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(is_of_just_now(id, at("2026-01-01T00:00:02Z")));
        assert!(!is_of_just_now(id, at("2026-01-01T00:00:09Z")));
        assert!(!is_of_just_now(id, at("2025-12-31T23:59:00Z")));
        assert!(!is_of_just_now("desk-4", at("2026-01-01T00:00:02Z")));
    }
}
