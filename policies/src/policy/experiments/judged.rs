//! How an experiment is judged, and what rolls an arm back.

use std::sync::Arc;

use toml::Value;

use super::number;
use crate::{
    document::{Faults, Section},
    experiment::{Guard, Judged, OWN_METRICS},
    facts::Money,
    fault::Fault,
};

/// Requests of an arm before its guard says anything, where the policy does not say.
const REQUESTS_MIN: u64 = 50;

/// A name under which callers may send feedback.
pub(crate) fn is_feedback_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b))
}

/// The cost of a success.
const COST_PER_SUCCESS: &str = "cost_per_success";

const METRIC: &str = "error, cost, first_token_ms, duration_ms, output_tokens, schema_valid, retried, \
                      or a name of feedback of `a-z`, `0-9`, `_`, `.` and `-`, at most 40";

/// A metric that may be asked for; every report has the cost of a success beside it.
fn metric(value: &Value) -> Option<Arc<str>> {
    let text = value.as_str().filter(|it| is_feedback_name(it) && *it != COST_PER_SUCCESS)?;
    Some(text.into())
}

pub(super) fn judged(section: &mut Section<'_>, faults: &mut Faults) -> Judged {
    if section.get("primary").is_none() {
        faults.push(Fault::new(section.at("primary"), "nothing", METRIC));
    }
    let primary = section.read("primary", METRIC, faults, metric).unwrap_or_else(|| "".into());
    let mut metrics: Vec<Arc<str>> = Vec::new();
    for (path, value) in section.list("metrics").unwrap_or_default() {
        match metric(value) {
            Some(it) if it == primary || metrics.contains(&it) => {
                faults.push(Fault::new(path, format!("`{it}`"), "each metric once"));
            }
            Some(it) => metrics.push(it),
            None => {
                let found = value.as_str().map(|it| format!("`{it}`"));
                let found = found.unwrap_or_else(|| crate::document::kind(value));
                faults.push(Fault::new(path, found, METRIC));
            }
        }
    }
    // Of what is counted without anybody's opinion, less is better.
    let counted = ["error", "cost", "first_token_ms", "duration_ms", "output_tokens", "retried"];
    let less = counted.contains(&&*primary);
    let expected = "\"higher\" or \"lower\"";
    let higher = section.read("better", expected, faults, |value| match value.as_str()? {
        "higher" => Some(true),
        "lower" => Some(false),
        _ => None,
    });
    let alpha = section.read("alpha", "a probability from 0.0001 to 0.5", faults, |value| {
        number(value).filter(|it| (0.0001..=0.5).contains(it))
    });
    let units = section.read("units_min", "a number from 1 to 1000000000", faults, |value| {
        u64::try_from(value.as_integer()?).ok().filter(|it| (1..=1_000_000_000).contains(it))
    });
    let days = section.read("days_min", "a number from 0 to 365", faults, |value| {
        u32::try_from(value.as_integer()?).ok().filter(|it| *it <= 365)
    });
    Judged {
        primary,
        metrics,
        higher_is_better: higher.unwrap_or(!less),
        alpha: alpha.unwrap_or(0.05),
        units_min: units.unwrap_or(200),
        days_min: days.unwrap_or(7),
    }
}

pub(super) fn guard(section: &mut Section<'_>, faults: &mut Faults) -> Guard {
    let stands = section.get("guard").is_some();
    let mut it = section.section("guard", faults);
    let rate = it.read("error_rate_max", "a share above 0 and below 1", faults, |value| {
        number(value).filter(|it| *it > 0.0 && *it < 1.0)
    });
    let p95 = it.read("first_token_p95_ms_max", "milliseconds above 0", faults, |value| {
        number(value).filter(|it| *it > 0.0)
    });
    let cost = it.read("cost_mean_max", "money such as \"0.004\"", faults, |value| {
        Money::parse(value.as_str()?).ok().filter(|it| *it > Money::from_nano(0))
    });
    let requests = it.read("requests_min", "a number from 1 to 1000000", faults, |value| {
        u64::try_from(value.as_integer()?).ok().filter(|it| (1..=1_000_000).contains(it))
    });
    let mut feedback = it.section("feedback_min", faults);
    let mut feedback_min = Vec::new();
    for (name, value) in feedback.entries() {
        let path = feedback.at(name);
        match number(value) {
            _ if !is_feedback_name(name) || OWN_METRICS.contains(&&**name) => {
                let expected = "a name of feedback of `a-z`, `0-9`, `_`, `.` and `-`, at most 40";
                faults.push(Fault::new(path, format!("`{name}`"), expected));
            }
            Some(least) if least > 0.0 && least < 1.0 => {
                feedback_min.push((name.as_str().into(), least));
            }
            _ => {
                let found = crate::document::kind(value);
                faults.push(Fault::new(path, found, "a share above 0 and below 1"));
            }
        }
    }
    let guard = Guard {
        error_rate_max: rate,
        first_token_p95_ms_max: p95,
        cost_mean_max: cost,
        feedback_min,
        requests_min: requests.unwrap_or(REQUESTS_MIN),
    };
    let is_empty = guard == Guard { requests_min: guard.requests_min, ..Guard::default() };
    if stands && it.stands() && is_empty {
        let expected = "error_rate_max, first_token_p95_ms_max, cost_mean_max or feedback_min";
        faults.push(Fault::new(section.at("guard"), "no bound", expected));
    }
    it.close(faults);
    guard
}
