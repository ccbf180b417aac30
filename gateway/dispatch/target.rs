//! Where a replica is and how it is asked: everything about it that is fixed for an epoch.

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT},
    uri::PathAndQuery,
};
use policies::facts::{Dialect, Tokens};
use smallvec::SmallVec;
use uuid::Uuid;

use super::{
    connection::Slices,
    own::{Learned, RefusedEdits},
    pool::Pool,
};
use crate::{
    config::{self, BoundNames, ReasoningField, Tokenizer},
    outcome::TraceContext,
    wire::{self, Surface},
};

/// The header that carries our id to the backend.
const ID: HeaderName = HeaderName::from_static("x-signalbox-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// Bytes of a trace's state that are passed on: as many as everybody must pass on.
const TRACESTATE_BYTES_MAX: usize = 512;

/// One replica's address, credential and idle connections.
pub(crate) struct Target {
    /// Scheme and authority to connect to.
    pub uri: Uri,
    /// The model's name at its engine.
    pub upstream_model: Box<str>,
    /// Where callers get the model's reasoning.
    reasoning_field: Option<ReasoningField>,
    /// What its engine says of prompts that are too long, beyond what is known.
    pub context_errors: Box<[Box<str>]>,
    /// Whether a stream's text waits for a tag that only closes: until one has shown that none comes.
    pub holds: AtomicBool,
    /// Idle connections.
    pub pool: Arc<Pool>,
    /// The edits that it has refused.
    pub learned: Learned,
    /// The dialects that its engine speaks.
    dialects: Box<[Dialect]>,
    /// Whether its engine counts the tokens of each surface's requests.
    counts: [bool; Surface::COUNT],
    /// How its engine counts those of chat completions.
    tokenizer: Option<Tokenizer>,
    stream_usage: bool,
    output_bound: BoundNames,
    output_tokens_max: Tokens,
    /// The path of each surface at this replica.
    paths: [PathAndQuery; Surface::COUNT],
    /// The credential as its header has it.
    credential: Option<HeaderValue>,
    /// The head of every request but for what each has of its own: of plain ones, and of streams.
    heads: [HeaderMap; 2],
}

/// A way in which an engine counts the tokens of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    /// By the caller's own dialect, at this path.
    Own(&'static str),
    /// By the chat completion that says the same.
    Tokenizer(Tokenizer),
}

/// What goes along with a body to every backend that is asked.
pub(crate) struct UpstreamRequest {
    /// The caller's request.
    pub body: Box<wire::Request>,
    /// Our id.
    pub id: HeaderValue,
    /// The trace that the request belongs to.
    pub trace: Option<TraceContext>,
    /// What others say in the caller's trace.
    pub tracestate: Option<HeaderValue>,
    /// Whether each attempt's bound on the answer must be written into the request.
    pub bound: bool,
    /// What the arm of an experiment writes into it.
    pub arm: Option<Arc<wire::ArmEdit>>,
    /// Whether a plain answer must hold to the form that it asks for.
    pub validates: bool,
    /// What the answer is called by where it is written anew.
    pub label: wire::AnswerLabel,
    /// The caller's headers of his dialect, for engines that speak it.
    pub dialect_headers: SmallVec<[(HeaderName, HeaderValue); 2]>,
}

impl UpstreamRequest {
    /// What goes along with this request, under its id and in its trace; if `bound`, no answer may be longer
    /// than planned.
    pub(crate) fn new(
        body: Box<wire::Request>,
        headers: &HeaderMap,
        (label, id, trace): (Uuid, HeaderValue, Option<TraceContext>),
        bound: bool,
    ) -> Self {
        // It belongs to the caller's trace, and to no other.
        let stated = trace.and_then(|trace| trace.parent);
        let tracestate = stated.and_then(|_| tracestate(headers));
        let own = body.surface().headers().iter();
        let own =
            own.flat_map(|name| headers.get_all(name).iter().map(|it| (name.clone(), it.clone())));
        let dialect_headers = own.collect();
        Self {
            body,
            id,
            trace,
            tracestate,
            bound,
            arm: None,
            validates: false,
            label: wire::AnswerLabel(label),
            dialect_headers,
        }
    }
}

/// What others say in a trace, as it is; its parts in several headers are one list.
fn tracestate(headers: &HeaderMap) -> Option<HeaderValue> {
    let all: Vec<&[u8]> = headers.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes).collect();
    let text = all.join(&b',');
    let fits = (1..=TRACESTATE_BYTES_MAX).contains(&text.len())
        && text.iter().all(|it| matches!(it, b' '..=b'~' | b'\t'));
    fits.then(|| HeaderValue::from_bytes(&text).ok()).flatten()
}

impl Target {
    /// The target of one configured endpoint, with the idle connections that `before` has to it.
    ///
    /// # Errors
    /// When URL or credential cannot stand in a request.
    pub(crate) fn new(
        model: &config::Model,
        endpoint: &config::Endpoint,
        before: Option<&Arc<Pool>>,
    ) -> io::Result<Self> {
        let uri = endpoint.url.clone();
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        let host = HeaderValue::try_from(authority).map_err(io::Error::other)?;
        let credential = model.credential(endpoint).map_err(io::Error::other)?;
        Ok(Self {
            paths: paths(&uri)?,
            heads: ["application/json", "text/event-stream"]
                .map(|accept| head(&host, accept, credential.clone())),
            credential: credential.map(|(_, value)| value),
            upstream_model: model.upstream_model.clone(),
            reasoning_field: model.reasoning_field,
            context_errors: model.context_errors.clone(),
            holds: AtomicBool::new(true),
            pool: before.cloned().unwrap_or_else(|| Arc::new(Pool::new(model.pool_idle))),
            learned: Learned::default(),
            dialects: model.dialects.clone().into(),
            counts: Surface::all().each_ref().map(|it| {
                it.count.as_ref().is_some_and(|count| model.counts(it.dialect, count.usual))
            }),
            tokenizer: model.engine.and_then(|it| it.tokenizer),
            stream_usage: model.stream_usage,
            output_bound: model.output_bound,
            output_tokens_max: model.output_tokens_max,
            uri,
        })
    }

    /// The surface by which it is asked for this request.
    pub(crate) fn spoken(&self, request: &UpstreamRequest) -> &'static Surface {
        request.body.spoken(&self.dialects, request.arm.is_some())
    }

    /// The dialects that its engine speaks.
    pub(crate) fn dialects(&self) -> &[Dialect] {
        &self.dialects
    }

    /// How its engine is asked how many tokens a request of this surface has; nothing where it cannot say.
    pub(crate) fn counting(&self, surface: &Surface) -> Option<Counting> {
        let own = surface.count.as_ref().filter(|_| *surface.own(&self.counts));
        own.map(|it| Counting::Own(it.path)).or(self.tokenizer.map(Counting::Tokenizer))
    }

    /// Whether it gets the caller's own bytes for this request.
    fn is_native(&self, request: &UpstreamRequest) -> bool {
        self.spoken(request) == request.body.surface() && request.arm.is_none()
    }

    /// The field in which the caller gets the reasoning of an answer to this request, if not where it is.
    pub(crate) fn reasoning_in(&self, request: &UpstreamRequest) -> Option<ReasoningField> {
        self.reasoning_field.filter(|_| request.body.surface().has_messages())
    }

    /// The credential itself; empty if there is none.
    pub(crate) fn key(&self) -> &str {
        let text = self.credential.as_ref().and_then(|it| it.to_str().ok()).unwrap_or_default();
        text.strip_prefix("Bearer ").unwrap_or(text)
    }

    /// What is changed in a request for this replica, but for what it refuses; one hint of its answer
    /// has `most` output.
    pub(crate) fn edit<'a>(
        &'a self,
        request: &'a UpstreamRequest,
        most: Tokens,
        refused: RefusedEdits,
    ) -> wire::Edit<'a> {
        let told_as = request.body.surface().bounds(refused.told_as(self.output_bound));
        wire::Edit {
            model: &self.upstream_model,
            ask_usage: self.stream_usage && request.body.stream() && !refused.usage,
            output_tokens_max: if request.bound { most } else { self.output_tokens_max },
            planned: most,
            told_as: if request.bound { told_as } else { BoundNames::default() },
            arm: request.arm.as_deref(),
            native: self.is_native(request),
            spoken: self.spoken(request),
        }
    }

    /// The request as this replica gets it in the attempt at this position of the log.
    pub(crate) fn request(
        &self,
        request: &UpstreamRequest,
        edit: &wire::Edit<'_>,
        position: usize,
    ) -> Request<Slices> {
        let spoken = self.spoken(request);
        let body = request.body.to_upstream(edit);
        let length = decimal(body.len);
        let mut sent = Request::new(Slices::new(body));
        *sent.method_mut() = Method::POST;
        *sent.version_mut() = Version::HTTP_11;
        *sent.uri_mut() = Uri::from(spoken.own(&self.paths).clone());
        let [plain, stream] = &self.heads;
        let headers = sent.headers_mut();
        *headers = if request.body.stream() { stream.clone() } else { plain.clone() };
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(ID, request.id.clone());
        if edit.native {
            for (name, value) in &request.dialect_headers {
                headers.append(name, value.clone());
            }
        }
        if let Some((name, version)) = spoken.version().filter(|(it, _)| !headers.contains_key(it))
        {
            headers.insert(name, version);
        }
        if let Some(trace) = &request.trace {
            let told = wire::write_traceparent(trace.told(position));
            headers.extend(HeaderValue::from_bytes(&told).ok().map(|it| (TRACEPARENT, it)));
            headers.extend(request.tracestate.clone().map(|it| (TRACESTATE, it)));
        }
        sent
    }
}

/// A number as a header value: one allocation of its size, where the conversion of the crate takes two.
fn decimal(number: usize) -> HeaderValue {
    let mut digits = [b'0'; 20];
    let (mut rest, mut from) = (number, digits.len());
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        (rest, from) = (rest / 10, from - 1);
        if rest == 0 {
            break;
        }
    }
    let digits = digits.get(from..).unwrap_or_default();
    HeaderValue::from_bytes(digits).unwrap_or_else(|_| HeaderValue::from(number))
}

/// The head of a request: a place is kept for what each has of its own.
fn head(
    host: &HeaderValue,
    accept: &'static str,
    credential: Option<(HeaderName, HeaderValue)>,
) -> HeaderMap {
    let agent = concat!("signalbox/", env!("CARGO_PKG_VERSION"));
    let mut head = HeaderMap::with_capacity(8);
    head.insert(HOST, host.clone());
    head.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.insert(ACCEPT, HeaderValue::from_static(accept));
    head.insert(USER_AGENT, HeaderValue::from_static(agent));
    head.insert(ID, HeaderValue::from_static(""));
    head.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    head.extend(credential);
    head
}

/// Where an endpoint of this URL serves each surface.
fn paths(uri: &Uri) -> io::Result<[PathAndQuery; Surface::COUNT]> {
    let base = uri.path().trim_end_matches('/');
    let mut wrong = None;
    let paths = Surface::all().each_ref().map(|surface| {
        PathAndQuery::try_from(format!("{base}{}", surface.path)).unwrap_or_else(|error| {
            wrong = Some(error);
            PathAndQuery::from_static("/")
        })
    });
    wrong.map_or(Ok(paths), |error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_said_in_decimal_digits() {
        for number in [0, 1, 9, 10, 1_024, 10_000_000, usize::MAX] {
            assert_eq!(decimal(number), number.to_string().as_str());
        }
    }

    #[test]
    fn each_surface_stands_behind_the_base_url() {
        for base in ["http://host:1", "http://host:1/", "http://host:1/v1", "http://host:1/a/v1/"] {
            let uri: Uri = base.parse().unwrap();
            let paths = paths(&uri).unwrap();
            for surface in Surface::all() {
                let expected = format!("{}{}", uri.path().trim_end_matches('/'), surface.path);
                assert_eq!(surface.own(&paths).as_str(), expected);
            }
        }
        let uri = "http://host:1/v1".parse().unwrap();
        assert_eq!(Surface::first().own(&paths(&uri).unwrap()).as_str(), "/v1/chat/completions");
    }
}
