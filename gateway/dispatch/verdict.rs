//! What a backend's answer is worth: judged by status, head and body, where the fault is seen.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING},
};

use super::rest;
use crate::{
    failure::{Failure, Kind, Retry, Stage},
    outcome::AttemptResult,
    wire,
};

/// What a caller is told to wait where a backend says nothing.
const WAIT: Duration = Duration::from_secs(1);

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(crate) struct Setback {
    /// How the attempt ended, for records.
    pub result: AttemptResult,
    /// What the caller is told if nothing better is left.
    pub failure: Failure,
    /// Whether the endpoint is to blame.
    pub blame: bool,
    /// Whether the endpoint itself asks to be left alone for as long as the failure says to wait.
    pub rest: bool,
}

impl Setback {
    fn new(result: AttemptResult, kind: Kind, public: &'static str) -> Self {
        let failure = Failure::new(kind, Stage::Dispatch, public).retry(Retry::Elsewhere);
        Self { result, failure, blame: true, rest: false }
    }

    /// No connection.
    pub(crate) fn connect(error: io::Error) -> Self {
        let public = "the model's server could not be reached";
        let mut it = Self::new(AttemptResult::Connect, Kind::UpstreamError, public);
        it.failure = it.failure.because(error);
        it
    }

    /// The connection broke, or what came was no HTTP.
    pub(crate) fn broken(error: io::Error) -> Self {
        let public = "the model's server broke the connection";
        let mut it = Self::new(AttemptResult::Invalid, Kind::UpstreamError, public);
        it.failure = it.failure.because(error);
        it
    }

    /// An answer that is none.
    pub(crate) fn invalid(public: &'static str, why: impl Into<String>) -> Self {
        let mut it = Self::new(AttemptResult::Invalid, Kind::UpstreamError, public);
        it.failure = it.failure.because(why.into());
        it
    }

    /// The same, but its cause does not quote this credential: it is for the log.
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.failure.cause =
            self.failure.cause.map(|it| wire::without_key(it.to_string(), key).into());
        self
    }

    /// It takes no bound on its answer under any name, and the caller's budget needs one.
    pub(crate) fn unbounded(mut self) -> Self {
        let public = "the model's server takes no bound on its answer, which the budget needs";
        let said = std::mem::take(&mut self.failure.public);
        let failure = Failure::new(Kind::UpstreamError, Stage::Dispatch, public);
        self.failure = failure.retry(Retry::Elsewhere).because(said.into_owned());
        self.blame = false;
        self
    }

    /// Silence for too long.
    pub(crate) fn timeout(public: &'static str) -> Self {
        Self::new(AttemptResult::Timeout, Kind::UpstreamTimeout, public)
    }

    /// No replica of the model takes requests right now.
    pub(crate) fn none_free() -> Self {
        let public = "no server of the model takes requests right now";
        let mut it = Self::new(AttemptResult::Connect, Kind::NoCapacity, public);
        it.failure = it.failure.after(Duration::from_secs(1));
        it.blame = false;
        it
    }

    /// A status that is no answer, with what its body says; `key` is what the backend must not quote.
    pub(crate) fn status(status: StatusCode, headers: &HeaderMap, body: &[u8], key: &str) -> Self {
        let public = match status.as_u16() {
            400 | 413 | 422 => return Self::refused(status, body, key),
            429 => {
                let public = "the model's server is over its own limit";
                let mut it = Self::new(AttemptResult::Status, Kind::NoCapacity, public);
                let rest = rest::asked(headers);
                it.rest = rest.is_some();
                it.failure = it.failure.after(rest.unwrap_or(WAIT));
                it.blame = false;
                return it;
            }
            300..=399 => "the model's server answered with a redirect",
            401 | 403 | 404 => "the model's server refused the gateway",
            _ => "the model's server failed",
        };
        let mut it = Self::new(AttemptResult::Status, Kind::UpstreamError, public);
        it.failure = it.failure.because(format!("status {}", status.as_u16()));
        if status == StatusCode::SERVICE_UNAVAILABLE
            && let Some(rest) = rest::asked(headers)
        {
            it.rest = true;
            it.failure = it.failure.after(rest);
        }
        it
    }

    /// The backend calls the request wrong: so would any other, unless only room is missing.
    fn refused(status: StatusCode, body: &[u8], key: &str) -> Self {
        let said = wire::error_message_without(body, key)
            .unwrap_or_else(|| String::from("the model's server calls the request invalid"));
        let mut failure = Failure::new(Kind::InvalidRequest, Stage::Dispatch, said);
        if wire::is_context_length(status.as_u16(), body) {
            failure = failure.coded("context_length_exceeded").retry(Retry::LargerContext);
        }
        Self { result: AttemptResult::Status, failure, blame: false, rest: false }
    }
}

/// Whether the body of this status says more than the status.
pub(crate) fn body_matters(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 413 | 422)
}

/// Whether the head of a 200 can be the head of what was asked for.
pub(crate) fn check_head(headers: &HeaderMap, stream: bool) -> Result<(), Setback> {
    for (name, usual) in [(CONTENT_ENCODING, "identity"), (TRANSFER_ENCODING, "chunked")] {
        if let Some(found) = coded(headers, &name, usual) {
            let public = "the model's server compressed an answer that was not to be";
            return Err(Setback::invalid(public, format!("{name} {found}")));
        }
    }
    let wanted = if stream { "text/event-stream" } else { "json" };
    let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if found.to_ascii_lowercase().contains(wanted) {
        return Ok(());
    }
    Err(Setback::invalid("the model's server sent no answer", format!("content-type {found}")))
}

/// The first line of this name that says anything but the usual.
fn coded(headers: &HeaderMap, name: &HeaderName, usual: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
    let odd = |it: &&[u8]| !it.is_empty() && !it.eq_ignore_ascii_case(usual.as_bytes());
    values.find(odd).map(|it| String::from_utf8_lossy(it).into_owned())
}

/// Reads a plain answer that has come whole.
pub(crate) fn plain(body: &Bytes) -> Result<wire::Plain, Setback> {
    wire::plain(body).map_err(|invalid| {
        Setback::invalid("the model's server sent no answer", format!("{invalid:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cause_quotes_the_key() {
        let body = Bytes::from_static(br#"{"error":"is open-sesame a key?"}"#);
        let setback = plain(&body).unwrap_err().without("open-sesame");
        let cause = setback.failure.cause.expect("a cause").to_string();
        assert!(cause.contains("[removed] a key"), "{cause}");
    }

    #[test]
    fn any_coding_on_any_line_is_seen() {
        for (name, value, coded) in [
            ("content-encoding", "gzip", true),
            ("content-encoding", "Identity", false),
            ("content-encoding", "", false),
            ("transfer-encoding", "Chunked", false),
            ("transfer-encoding", "gzip, chunked", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
            headers.append(CONTENT_ENCODING, http::HeaderValue::from_static("identity"));
            headers.append(name, http::HeaderValue::from_static(value));
            assert_eq!(check_head(&headers, false).is_err(), coded, "{name}: {value}");
        }
    }
}
