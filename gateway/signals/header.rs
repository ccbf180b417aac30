//! The headers that are ours, in one table: what a request may carry, and what answers carry.
//!
//! A name that only looks like one of them is refused: who misspells the header of a data class must not
//! learn of it from where the text went.

use http::{HeaderMap, HeaderName};
use policies::{distance, nearest};

use crate::failure::{Failure, shown};

/// How the names of all of these begin.
const PREFIX: &str = "x-signalbox-";
/// What names begin with that are meant to be ours, behind an `x-` or without it.
const OURS: &str = "signalbox";

/// The request's id: ours in answers and to backends, that of a gateway in front in requests.
pub(crate) const ID: HeaderName = HeaderName::from_static("x-signalbox-id");
/// The language: as the caller states it in requests, as it was recognised in answers.
pub(crate) const LANGUAGE: HeaderName = HeaderName::from_static("x-signalbox-language");
/// The task, likewise.
pub(crate) const TASK: HeaderName = HeaderName::from_static("x-signalbox-task");
/// The data class of the request's text.
pub(crate) const DATA_CLASS: HeaderName = HeaderName::from_static("x-signalbox-data-class");
/// What requests of one session have in common.
pub(crate) const SESSION: HeaderName = HeaderName::from_static("x-signalbox-session");
/// The end user for whom a front end asks.
pub(crate) const USER: HeaderName = HeaderName::from_static("x-signalbox-user");
/// Tags for rules, as `k=v,…`.
pub(crate) const TAGS: HeaderName = HeaderName::from_static("x-signalbox-tags");

/// The model that serves.
pub(crate) const MODEL: HeaderName = HeaderName::from_static("x-signalbox-model");
/// The rule that decided.
pub(crate) const RULE: HeaderName = HeaderName::from_static("x-signalbox-rule");
/// How often backends were asked.
pub(crate) const ATTEMPTS: HeaderName = HeaderName::from_static("x-signalbox-attempts");
/// The experiment and its arm.
pub(crate) const EXPERIMENT: HeaderName = HeaderName::from_static("x-signalbox-experiment");
/// What a plain answer cost.
pub(crate) const COST: HeaderName = HeaderName::from_static("x-signalbox-cost");
/// Whether the answer was given before.
pub(crate) const CACHE: HeaderName = HeaderName::from_static("x-signalbox-cache");
/// The time that the gateway itself took.
pub(crate) const OVERHEAD: HeaderName = HeaderName::from_static("x-signalbox-overhead-ms");
/// Why it was decided so.
pub(crate) const WHY: HeaderName = HeaderName::from_static("x-signalbox-why");
/// By whom the tokens of a request were counted: its engine, or an estimate.
pub(crate) const TOKEN_COUNT: HeaderName = HeaderName::from_static("x-signalbox-token-count");
/// The bound on the answer, where the gateway set one.
pub(crate) const OUTPUT_MAX: HeaderName = HeaderName::from_static("x-signalbox-output-tokens-max");

/// What a request may carry.
pub(crate) static OF_REQUESTS: [HeaderName; 7] =
    [TASK, LANGUAGE, DATA_CLASS, SESSION, TAGS, USER, ID];
/// What answers carry, and requests do not.
pub(crate) static OF_ANSWERS: [HeaderName; 10] =
    [MODEL, RULE, ATTEMPTS, EXPERIMENT, COST, CACHE, OVERHEAD, WHY, TOKEN_COUNT, OUTPUT_MAX];

/// Whether any header of a request is one of ours. Most requests have none, and then none is looked up.
///
/// # Errors
/// When one looks like ours and is none that a request may carry.
pub(super) fn any(headers: &HeaderMap) -> Result<bool, Failure> {
    let mut any = false;
    for name in headers.keys().filter(|name| is_ours(name.as_str())) {
        any = true;
        if !OF_REQUESTS.contains(name) {
            return Err(unknown(name));
        }
    }
    Ok(any)
}

/// Whether a name is ours, or written by someone who thinks so: `x-signalbox_task`, `signalbox-task`,
/// `x-signal-box-task`, `x-singalbox-task`.
fn is_ours(name: &str) -> bool {
    let Some(behind) = name.strip_prefix("x-").or_else(|| name.strip_prefix("x_")) else {
        return name.starts_with(OURS);
    };
    behind.starts_with(OURS) || behind.starts_with('s') && is_misspelt(behind)
}

/// Whether a name begins as ours do, but for two letters. Clients send many names with an `s` behind their
/// `x-`; few of them have another `x` soon.
fn is_misspelt(behind: &str) -> bool {
    if !behind.bytes().take(OURS.len() + 3).any(|b| b == b'x') {
        return false;
    }
    let letters = behind.chars().filter(char::is_ascii_alphanumeric);
    distance(&letters.take(OURS.len()).collect::<String>(), OURS) <= 2
}

fn unknown(name: &HeaderName) -> Failure {
    let known = OF_REQUESTS.each_ref().map(HeaderName::as_str).join(", ");
    let what = match meant(name.as_str()) {
        _ if OF_ANSWERS.contains(name) => String::from("only answers have it."),
        Some(near) => format!("there is none of this name; did you mean `{PREFIX}{near}`?"),
        None => String::from("there is none of this name."),
    };
    let what = format!("header {}: {what} A request may have {known}", shown(name.as_str()));
    Failure::invalid("invalid_header", what).at(shown(name.as_str()))
}

/// What follows the prefix in the header that was meant by a name.
fn meant(name: &str) -> Option<&'static str> {
    let Some((_, said)) = name.split_once(OURS) else {
        let near = nearest(name, OF_REQUESTS.iter().map(HeaderName::as_str));
        return near.and_then(|near| near.strip_prefix(PREFIX));
    };
    let said = said.replace('_', "-");
    let said = said.trim_matches('-');
    let known = || OF_REQUESTS.iter().filter_map(|it| it.as_str().strip_prefix(PREFIX));
    let part = |it: &&str| !said.is_empty() && (it.contains(said) || said.contains(it));
    nearest(said, known()).or_else(|| known().find(part))
}
