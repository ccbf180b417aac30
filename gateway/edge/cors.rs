//! Pages in browsers: those of the origins that the configuration lists may ask and read; of all others a
//! browser gets no header, so that it lets none of them.

use http::{HeaderMap, HeaderValue, Method, Request, Response, header};

use super::EdgeBody;

/// What a page may send, beside whatever headers it names.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
/// Seconds for which a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// What a page may read of an answer's head.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-signalbox-id, x-request-id, x-signalbox-model, x-signalbox-rule, x-signalbox-language, \
     x-signalbox-task, x-signalbox-attempts, x-signalbox-experiment, x-signalbox-cost, \
     x-signalbox-overhead-ms, x-signalbox-why, x-signalbox-cache, x-signalbox-token-count, \
     x-signalbox-output-tokens-max, \
     x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, \
     x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens, \
     retry-after, x-should-retry",
);
const VARY: HeaderValue = HeaderValue::from_static("origin");

/// The origins that are let in; at least one.
pub(super) struct Cors(Vec<Box<str>>);

impl Cors {
    /// These origins; none where there are none.
    pub(super) fn of(origins: &[Box<str>]) -> Option<Self> {
        (!origins.is_empty()).then(|| Self(origins.to_vec()))
    }

    /// The origin of a request, if it is let in.
    pub(super) fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut all = headers.get_all(header::ORIGIN).iter();
        let (origin, None) = (all.next()?, all.next()) else { return None };
        let said = origin.as_bytes();
        self.0.iter().any(|it| it.as_bytes().eq_ignore_ascii_case(said)).then(|| origin.clone())
    }

    /// The answer to a browser that asks whether a page may ask; none for anything else.
    pub(super) fn preflight<B>(request: &Request<B>) -> Option<Response<EdgeBody>> {
        let headers = request.headers();
        if request.method() != Method::OPTIONS
            || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let mut answer = Response::new(EdgeBody::Whole(None));
        *answer.status_mut() = http::StatusCode::NO_CONTENT;
        let head = answer.headers_mut();
        head.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        head.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        for named in headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            head.append(header::ACCESS_CONTROL_ALLOW_HEADERS, named.clone());
        }
        Some(answer)
    }

    /// Says in an answer who may read it. The answer tells caches that it depends on who asks.
    pub(super) fn mark(origin: Option<HeaderValue>, head: &mut HeaderMap) {
        head.append(header::VARY, VARY);
        if let Some(origin) = origin {
            head.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            head.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}
