//! `[content]`: the model of the operator's own that is asked what the texts of requests contain.

use std::time::Duration;

use policies::document::{Faults, Section};

use crate::config::{
    Secret,
    fields::{MIB, bytes, number, token, word},
    outside::Outside,
    url,
};

/// `[content]`, where it says whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentCheck {
    /// Where texts are sent, as it stands in the file.
    pub url: String,
    /// How long one question may take, from the connection to the last byte.
    pub timeout: Duration,
    /// What becomes of a request whose texts could not be checked.
    pub on_failure: OnFailure,
    /// The most bytes of texts that are sent of one request.
    pub bytes_max: usize,
    /// Answers that are kept.
    pub cache_entries: usize,
    /// Questions that are under way at once.
    pub concurrent_max: usize,
    /// What is shown to the model as a bearer token.
    pub credential: Option<Secret>,
}

/// What becomes of a request whose texts could not be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It is refused.
    Closed,
    /// It goes on with what the recognisers have found.
    Open,
}

const EXPECTED_URL: &str = "an http or https URL of a model that says what texts contain, without query and \
                            credentials, such as \"http://127.0.0.1:8085/contains\"";

/// Reads the section. Nobody is asked where it says no `http`.
pub(super) fn check(
    mut it: Section<'_>,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Option<ContentCheck> {
    let stands = it.get("http").is_some();
    let url = if stands { url::base(&mut it, "http", EXPECTED_URL, faults) } else { None };
    let url = url.and_then(|_| it.get("http")?.as_str().map(str::to_owned));
    let words = [("closed", OnFailure::Closed), ("open", OnFailure::Open)];
    let timeout_ms = number(&mut it, "timeout_ms", 200, 1..=60_000, faults);
    let on_failure = word(&mut it, "on_failure", &words, OnFailure::Closed, faults);
    let bytes_max = bytes(number(&mut it, "bytes_max", 65_536, 1_024..=16 * MIB, faults));
    let cache_entries = bytes(number(&mut it, "cache_entries", 10_000, 0..=1_000_000, faults));
    let concurrent_max = bytes(number(&mut it, "concurrent_max", 64, 1..=10_000, faults));
    let credential = token(&mut it, "credential", outside, faults);
    it.close(faults);
    let timeout = Duration::from_millis(timeout_ms);
    Some(ContentCheck {
        url: url?,
        timeout,
        on_failure,
        bytes_max,
        cache_entries,
        concurrent_max,
        credential,
    })
}
