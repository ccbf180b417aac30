//! What a backend's answer is worth: judged by status, head and body, where the fault is seen.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING},
};

use super::retry_after;
use crate::{
    failure::{Failure, Kind, NONE_HELD, Retry, Stage},
    outcome::{AttemptCause, AttemptResult, Unreached},
    wire,
};

/// The `retry-after` for a caller where a backend says nothing.
const WAIT: Duration = Duration::from_secs(1);

/// What a failure is judged by, beside what is said of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Case<'a> {
    /// The credential that the backend must not quote.
    pub key: &'a str,
    /// Whether the prompt takes half of the model's context window, or more.
    pub half_full: bool,
    /// What the engine says of prompts that are too long, beyond what is known.
    pub context_errors: &'a [Box<str>],
}

/// What the caller is told where an attempt has come to nothing.
pub(crate) const NO_ANSWER: &str = "the model's server sent no answer";

/// The error of an attempt that failed.
#[derive(Debug)]
pub(crate) struct AttemptError {
    /// The result of the attempt, for records.
    pub result: AttemptResult,
    /// What the caller is told if nothing better is left.
    pub failure: Failure,
    /// Whether the endpoint is to blame.
    pub blame: bool,
    /// Whether the endpoint itself asks to be left alone for as long as the failure says to wait.
    pub cooldown: bool,
    /// What it failed of, for the books.
    pub cause: Option<AttemptCause>,
}

impl AttemptError {
    fn new(result: AttemptResult, kind: Kind, public: &'static str) -> Self {
        let failure = Failure::new(kind, Stage::Dispatch, public).retry(Retry::Elsewhere);
        Self { result, failure, blame: true, cooldown: false, cause: None }
    }

    /// The error of an attempt without a connection.
    pub(crate) fn connect(error: io::Error) -> Self {
        let public = "the model's server could not be reached";
        let mut it = Self::new(AttemptResult::Connect, Kind::UpstreamError, public);
        it.cause = Some(AttemptCause::Connect(unreached(&error)));
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

    /// The error of an attempt whose answer is malformed.
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
        let failure = Failure::new(Kind::UpstreamError, Stage::Dispatch, public);
        self.failure = failure.retry(Retry::Elsewhere);
        self.blame = false;
        self
    }

    /// The error of an attempt that timed out.
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

    /// An answer with nothing in it: as likely by what was asked as by the replica that was.
    pub(crate) fn silent() -> Self {
        let public = "the model's server sent an empty answer";
        Self {
            blame: false,
            ..Self::invalid(public, "an answer without content and output tokens")
        }
    }

    /// The error of an attempt whose answer came whole and does not hold to the form that was asked for: what
    /// a model writes says nothing of how its replica is.
    pub(crate) fn not_held(breach: &str) -> Self {
        let mut it = Self::new(AttemptResult::Invalid, Kind::UpstreamError, NONE_HELD);
        it.failure.public = format!("{NONE_HELD}: the last broke it {breach}").into();
        it.failure = it.failure.because("an answer that is not of the form asked for");
        (it.blame, it.cause) = (false, Some(AttemptCause::Form));
        it
    }

    /// A status that is no answer, with what its body says.
    pub(crate) fn status(
        status: StatusCode,
        headers: &HeaderMap,
        said: &wire::Said,
        case: Case<'_>,
    ) -> Self {
        let asked =
            || retry_after::asked(headers).or_else(|| retry_after::said(said.wait.as_deref()?));
        let public = match status.as_u16() {
            400 | 413 | 422 => {
                let ours = said.is_ours().and_then(|it| StatusCode::from_u16(it).ok());
                let Some(ours) = ours else { return Self::refused(status, said, case) };
                return Self::status(ours, headers, said, case);
            }
            429 => {
                let public = "the model's server is over its own limit";
                let mut it = Self::new(AttemptResult::Status, Kind::NoCapacity, public);
                let cooldown = asked();
                it.cause = Some(AttemptCause::Status(429));
                it.cooldown = cooldown.is_some();
                it.failure = it.failure.after(cooldown.unwrap_or(WAIT));
                it.blame = false;
                return it;
            }
            300..=399 => "the model's server answered with a redirect",
            401..=404 => "the model's server refused the gateway",
            _ => "the model's server failed",
        };
        let mut it = Self::new(AttemptResult::Status, Kind::UpstreamError, public);
        it.cause = Some(AttemptCause::Status(status.as_u16()));
        it.failure = it.failure.because(format!("status {}", status.as_u16()));
        // Some engines fail at what a caller has asked for: another may take it, and they are well.
        let refused = matches!(said.status, Some(400 | 413 | 422)) || said.is_untaken_medium();
        if status == StatusCode::INTERNAL_SERVER_ERROR
            && (refused || said.is_too_long(400, case.half_full, case.context_errors))
        {
            it.blame = false;
        }
        if status == StatusCode::SERVICE_UNAVAILABLE
            && let Some(cooldown) = asked()
        {
            it.cooldown = true;
            it.failure = it.failure.after(cooldown);
        }
        it
    }

    /// The backend calls the request wrong: so would any other, unless its context is only too small.
    fn refused(status: StatusCode, said: &wire::Said, case: Case<'_>) -> Self {
        let public = said
            .message(case.key)
            .unwrap_or_else(|| String::from("the model's server calls the request invalid"));
        let mut failure = Failure::new(Kind::InvalidRequest, Stage::Dispatch, public);
        if said.is_too_long(status.as_u16(), case.half_full, case.context_errors) {
            failure = failure.coded("context_length_exceeded").retry(Retry::LargerContext);
        }
        let cause = Some(AttemptCause::Status(status.as_u16()));
        let mut it = Self::new(AttemptResult::Status, Kind::UpstreamError, "");
        (it.failure, it.blame, it.cause) = (failure, false, cause);
        it
    }

    /// A failure that stands where an answer should: what counts is whose it is, not that it came with
    /// another status than it states. Its cause goes to the log, and quotes nothing of the message: backends
    /// repeat the prompt in it.
    pub(crate) fn told(said: &wire::Said, case: Case<'_>) -> Self {
        let too_long = || said.is_too_long(400, case.half_full, case.context_errors).then_some(400);
        let status = said.status.or_else(too_long).and_then(|it| StatusCode::from_u16(it).ok());
        let Some(status) = status else {
            return Self::invalid("the model's server failed", "an error without a status");
        };
        let mut it = Self::status(status, &HeaderMap::new(), said, case);
        if it.failure.kind == Kind::UpstreamError {
            it.result = AttemptResult::Invalid;
            it.failure = it.failure.because(format!("status {} told", status.as_u16()));
        }
        it
    }
}

/// Why there is no connection.
fn unreached(error: &io::Error) -> Unreached {
    let says = |words: &[&str]| {
        let text = error.to_string();
        words.iter().any(|word| text.contains(word))
    };
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Unreached::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Unreached::Reset,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Unreached::Unreachable
        }
        io::ErrorKind::TimedOut => Unreached::Timeout,
        _ if says(&["dns error", "failed to lookup", "Name or service"]) => Unreached::Unresolved,
        _ if says(&["certificate", "tls", "TLS", "handshake"]) => Unreached::Tls,
        _ => Unreached::Failed,
    }
}

/// Whether the body after this head says more than the status. A 500 may be an engine's word for a prompt
/// that it could not take; that is read only where it is JSON of a known length, so as not to wait for it.
pub(crate) fn body_matters(status: StatusCode, headers: &HeaderMap) -> bool {
    match status.as_u16() {
        400 | 413 | 422 => true,
        500 => content_type(headers).contains("json") && headers.contains_key(CONTENT_LENGTH),
        _ => false,
    }
}

/// Whether what comes with this status may be an answer.
pub(crate) fn answers(status: StatusCode) -> bool {
    status.is_success() && !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT)
}

/// Whether the head of a 200 can be the head of what was asked for.
pub(crate) fn check_head(headers: &HeaderMap, stream: bool) -> Result<(), AttemptError> {
    // A backend's head has a few lines: one walk over them costs less than looking each name up.
    for (name, value) in headers {
        if coded(name, value.as_bytes()) {
            let public = "the model's server compressed an answer that was not to be";
            return Err(AttemptError::invalid(public, name.as_str()));
        }
    }
    let usual = if stream { "text/event-stream" } else { "application/json" };
    if headers.get(CONTENT_TYPE).is_some_and(|said| said == usual) {
        return Ok(());
    }
    let kind = content_type(headers);
    // What says nothing of itself, or says it wrong as servers do by default, is read for what it is. So
    // is JSON where a stream was asked for: errors come so.
    let unsaid = matches!(&*kind, "" | "text/plain");
    if unsaid || kind.contains("json") || stream && kind == "text/event-stream" {
        return Ok(());
    }
    let said = if kind == "text/html" { "a web page" } else { "another content-type" };
    Err(AttemptError::invalid(NO_ANSWER, said))
}

/// What the body says that it is, without parameters, in lower case; empty if it does not say.
fn content_type(headers: &HeaderMap) -> String {
    let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    found.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a line of a head says a coding that is any but the usual.
fn coded(name: &HeaderName, value: &[u8]) -> bool {
    let usual = match *name {
        CONTENT_ENCODING => "identity",
        TRANSFER_ENCODING => "chunked",
        _ => return false,
    };
    !value.is_empty() && !value.eq_ignore_ascii_case(usual.as_bytes())
}

/// Reads a plain answer that has come whole.
pub(crate) fn plain(
    (surface, vectors): (&wire::Surface, Option<u32>),
    body: &Bytes,
    case: Case<'_>,
) -> Result<wire::Plain, AttemptError> {
    surface.plain_with(body, vectors).map_err(|invalid| {
        let told = match &invalid.why {
            wire::Why::Silent => return AttemptError::silent(),
            wire::Why::Error(_) | wire::Why::NoChoices | wire::Why::NoItems => true,
            // Some put an error into a list.
            wire::Why::NotJson => body.trim_ascii_start().starts_with(b"["),
            wire::Why::Empty | wire::Why::Html | wire::Why::Vectors { .. } => false,
        };
        let said = if told { wire::Said::read(body) } else { wire::Said::default() };
        let error = AttemptError::told(&said, case);
        if error.failure.kind != Kind::UpstreamError || said.status.is_some() {
            return error;
        }
        AttemptError::invalid(NO_ANSWER, invalid.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cause_quotes_what_a_backend_says() {
        for body in [
            r#"{"error":"what is open-sesame?"}"#,
            r#"{"error":{"message":"what is open-sesame?","code":500}}"#,
            r#"{"error":{"message":"what is open-sesame?","type":"open-sesame"}}"#,
            r#"{"choices":[{"error":{"message":"open-sesame"}}]}"#,
            r#"[{"error":{"message":"open-sesame"}}]"#,
            "<html>open-sesame</html>",
            "open-sesame",
        ] {
            let whole = Bytes::from_static(body.as_bytes());
            let error = plain((wire::Surface::first(), None), &whole, Case::default()).unwrap_err();
            let cause = error.failure.cause.expect("a cause").to_string();
            assert!(!cause.is_empty() && !cause.contains("sesame"), "{body}: {cause}");
        }
    }

    #[test]
    fn no_cause_quotes_the_key() {
        let error = AttemptError::broken(io::Error::other("no open-sesame")).without("open-sesame");
        let cause = error.failure.cause.expect("a cause").to_string();
        assert_eq!(cause, "no [removed]");
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

    fn told(body: &str) -> AttemptError {
        AttemptError::told(&wire::Said::read(body.as_bytes()), Case::default())
    }

    #[test]
    fn a_failure_is_judged_by_whose_it_is() {
        use Kind::{InvalidRequest, NoCapacity, UpstreamError};
        use Retry::{Elsewhere, LargerContext, Never};
        for (body, kind, retry, blame) in [
            (r#"{"error":{"message":"x","code":400}}"#, InvalidRequest, Never, false),
            (r#"{"error":{"message":"x","code":"422"}}"#, InvalidRequest, Never, false),
            (r#"{"error":{"message":"x","code":400.0}}"#, InvalidRequest, Never, false),
            (r#"{"error":{"message":"x","code":400.5}}"#, UpstreamError, Elsewhere, true),
            (r#"{"error":"x","status":400}"#, InvalidRequest, Never, false),
            (r#"{"error":{"message":"x","status_code":400}}"#, InvalidRequest, Never, false),
            (r#"{"error":{"type":"BadRequestError","code":null}}"#, InvalidRequest, Never, false),
            (r#"{"error":{"type":"invalid_request_error"}}"#, InvalidRequest, Never, false),
            (r#"{"object":"error","message":"x","code":400}"#, InvalidRequest, Never, false),
            (r#"[{"error":{"code":400,"message":"x"}}]"#, InvalidRequest, Never, false),
            (r#"{"choices":[{"error":{"code":400}}]}"#, InvalidRequest, Never, false),
            (r#"{"error":{"message":"Error code: 400 - x"}}"#, InvalidRequest, Never, false),
            (r#"{"error":{"message":"prompt is too long"}}"#, InvalidRequest, LargerContext, false),
            (
                r#"{"error":{"code":413,"message":"many tokens"}}"#,
                InvalidRequest,
                LargerContext,
                false,
            ),
            (r#"{"error":{"code":429}}"#, NoCapacity, Elsewhere, false),
            (r#"{"error":{"type":"rate_limit_error"}}"#, NoCapacity, Elsewhere, false),
            (r#"{"error":{"code":401}}"#, UpstreamError, Elsewhere, true),
            (
                r#"{"error":{"type":"invalid_request_error","code":"model_not_found"}}"#,
                UpstreamError,
                Elsewhere,
                true,
            ),
            (r#"{"error":{"code":503}}"#, UpstreamError, Elsewhere, true),
            (r#"{"error":{"type":"InternalServerError"}}"#, UpstreamError, Elsewhere, true),
            (r#"{"error":{"message":"CUDA error"}}"#, UpstreamError, Elsewhere, true),
            (r#"{"error":"x"}"#, UpstreamError, Elsewhere, true),
            (
                r#"{"error":{"message":"{\"error\":{\"message\":\"x\",\"code\":400}}"}}"#,
                InvalidRequest,
                Never,
                false,
            ),
            (
                r#"{"detail":[{"type":"missing","loc":["body"],"msg":"required"}]}"#,
                InvalidRequest,
                Never,
                false,
            ),
            (
                r#"{"code":20015,"message":"length of prompt_tokens (9000) must be less than 8192"}"#,
                InvalidRequest,
                LargerContext,
                false,
            ),
        ] {
            let it = told(body);
            let found = (it.failure.kind, it.failure.retry, it.blame);
            assert_eq!(found, (kind, retry, blame), "{body}");
        }
    }

    #[test]
    fn a_rest_may_be_asked_for_in_words() {
        for (body, millis) in [
            (r#"{"error":{"code":429,"retry_after":7}}"#, Some(7_000)),
            (r#"{"error":{"code":429,"retry_after":"0.5"}}"#, Some(500)),
            (r#"{"error":{"code":429,"retry_after_ms":1500},"id":1}"#, Some(1_500)),
            (r#"{"error":{"code":503,"retryAfter":"2s"}}"#, Some(2_000)),
            (
                r#"[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[
                {"@type":"x/QuotaFailure"},{"@type":"x/RetryInfo","retryDelay":"34s"}]}}]"#,
                Some(34_000),
            ),
            (r#"{"error":{"code":429,"metadata":{"retry_after_seconds":3}}}"#, Some(3_000)),
            (r#"{"error":{"code":429,"retry_after":86400}}"#, Some(60_000)),
            (r#"{"error":{"code":429,"retry_after":"soon"}}"#, None),
            (r#"{"error":{"code":429,"retry_after":null}}"#, None),
            (r#"{"error":{"code":429,"retry_after":-1}}"#, None),
        ] {
            let it = told(body);
            let cooldown = it.failure.retry_after.filter(|_| it.cooldown).map(|it| it.as_millis());
            assert_eq!(cooldown, millis, "{body}");
        }
    }

    fn of_status(status: u16, body: &str) -> AttemptError {
        let said = wire::Said::read(body.as_bytes());
        let status = StatusCode::from_u16(status).unwrap();
        AttemptError::status(status, &HeaderMap::new(), &said, Case::default())
    }

    #[test]
    fn a_500_that_means_what_was_asked_is_no_replicas_fault() {
        for (body, blame) in [
            (
                r#"{"error":{"message":"Prompt length exceeds maximum input length","code":500}}"#,
                false,
            ),
            (r#"{"error":{"message":"x","code":400}}"#, false),
            // llama.cpp, of what was served without the part of a model that sees or hears.
            (
                r#"{"error":{"code":500,"message":"image input is not supported - hint: if this",
                "type":"server_error"}}"#,
                false,
            ),
            (r#"{"error":"audio input is not supported"}"#, false),
            (r#"{"error":"this model is missing data required for image input"}"#, false),
            (r#"{"error":{"message":"CUDA error: operation not supported","code":500}}"#, true),
            (r#"{"error":{"message":"the image encoder ran out of memory","code":500}}"#, true),
            (
                r#"{"error":{"code":500,"message":"input (2002 tokens) is too large to process.",
                "type":"server_error"}}"#,
                false,
            ),
            (r#"{"error":{"message":"CUDA error: out of memory","code":500}}"#, true),
            (r#"{"error":{"message":"x","type":"InternalServerError"}}"#, true),
            ("", true),
        ] {
            let it = of_status(500, body);
            let found = (it.failure.kind, it.failure.retry, it.blame);
            assert_eq!(found, (Kind::UpstreamError, Retry::Elsewhere, blame), "{body}");
        }
    }

    #[test]
    fn what_is_wrong_between_the_gateway_and_an_engine_is_no_callers_fault() {
        use Kind::{InvalidRequest, NoCapacity, UpstreamError};
        for (status, body, kind) in [
            (
                400,
                r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}"#,
                UpstreamError,
            ),
            (
                400,
                r#"{"error":{"type":"invalid_request_error",
                "message":"Your credit balance is too low to access the API"}}"#,
                UpstreamError,
            ),
            (400, r#"{"code":"Arrearage","message":"Access denied"}"#, UpstreamError),
            (
                413,
                r#"{"error":{"message":"Request too large on tokens per minute (TPM): Limit 6000",
                "type":"tokens","code":"rate_limit_exceeded"}}"#,
                NoCapacity,
            ),
            (400, r#"{"error":{"code":"insufficient_quota","message":"x"}}"#, NoCapacity),
            (
                400,
                r#"{"error":{"code":400,"message":"x","type":"BadRequestError"}}"#,
                InvalidRequest,
            ),
            (422, r#"{"detail":"x"}"#, InvalidRequest),
        ] {
            assert_eq!(of_status(status, body).failure.kind, kind, "{body}");
        }
    }

    #[test]
    fn plain_answers_that_are_none_are_judged_alike() {
        let judged = |body: &'static str| {
            let whole = Bytes::from_static(body.as_bytes());
            let error = plain((wire::Surface::first(), None), &whole, Case::default()).unwrap_err();
            (error.failure.kind, error.blame)
        };
        for (body, expected) in [
            (r#"{"error":{"code":400,"message":"x"}}"#, (Kind::InvalidRequest, false)),
            (r#"{"code":400,"msg":"x"}"#, (Kind::InvalidRequest, false)),
            (
                r#"{"choices":null,"base_resp":{"status_code":2013,"status_msg":"invalid params"}}"#,
                (Kind::InvalidRequest, false),
            ),
            (
                r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#,
                (Kind::UpstreamError, false),
            ),
            (
                r#"{"choices":[{"message":{"content":"a"},"finish_reason":"network_error"}]}"#,
                (Kind::UpstreamError, true),
            ),
            (r#"{"choices":[]}"#, (Kind::UpstreamError, true)),
            ("<html>context length</html>", (Kind::UpstreamError, true)),
            ("context length", (Kind::UpstreamError, true)),
        ] {
            assert_eq!(judged(body), expected, "{body}");
        }
    }

    #[test]
    fn what_does_not_say_what_it_is_may_be_an_answer() {
        for (value, plain, stream) in [
            (Some("application/json"), true, true),
            (Some("Text/Plain; charset=utf-8"), true, true),
            (Some(""), true, true),
            (None, true, true),
            (Some("text/event-stream"), false, true),
            (Some("text/html"), false, false),
            (Some("application/octet-stream"), false, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(value.map(|it| (CONTENT_TYPE, http::HeaderValue::from_static(it))));
            let taken = [false, true].map(|stream| check_head(&headers, stream).is_ok());
            assert_eq!(taken, [plain, stream], "{value:?}");
        }
    }
}
