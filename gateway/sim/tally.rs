//! What a simulated model has seen: for assertions, and to compare with the gateway's own books.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::reply::Used;

/// Counters of one model, over all its replicas.
#[derive(Debug, Default)]
pub(super) struct Tally {
    requests: AtomicU64,
    streams: AtomicU64,
    completed: AtomicU64,
    cancelled: AtomicU64,
    in_flight: AtomicU64,
    in_flight_max: AtomicU64,
    connections: AtomicU64,
    prompt_tokens: AtomicU64,
    cached_tokens: AtomicU64,
    completion_tokens: AtomicU64,
    reasoning_tokens: AtomicU64,
    last: Mutex<Option<Last>>,
}

/// The last request.
#[derive(Clone, Debug)]
pub struct Last {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What one model has seen so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Requests for an answer, whatever came of them.
    pub requests: u64,
    /// Of these, streamed ones.
    pub streams: u64,
    /// Answered to the end.
    pub completed: u64,
    /// Given up by the caller, or broken off by a fault.
    pub cancelled: u64,
    /// Under way.
    pub in_flight: u64,
    /// The most that were under way at once.
    pub in_flight_max: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Tokens of all completed answers, whether usage was told or not.
    pub prompt_tokens: u64,
    /// Of the prompt's tokens, those from the cache.
    pub cached_tokens: u64,
    /// Tokens of all completed answers.
    pub completion_tokens: u64,
    /// Of these, reasoning.
    pub reasoning_tokens: u64,
    /// The last request.
    pub last: Option<Last>,
}

impl Tally {
    /// A connection was accepted.
    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    /// A request has been read.
    pub(super) fn begin(self: &Arc<Self>, headers: HeaderMap, body: Bytes) -> InFlight {
        self.requests.fetch_add(1, Relaxed);
        let now = self.in_flight.fetch_add(1, Relaxed) + 1;
        self.in_flight_max.fetch_max(now, Relaxed);
        let last = Some(Last { headers, body });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
        InFlight { tally: Arc::clone(self), done: false }
    }

    /// A copy of the counters.
    pub(super) fn seen(&self) -> Seen {
        Seen {
            requests: self.requests.load(Relaxed),
            streams: self.streams.load(Relaxed),
            completed: self.completed.load(Relaxed),
            cancelled: self.cancelled.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            in_flight_max: self.in_flight_max.load(Relaxed),
            connections: self.connections.load(Relaxed),
            prompt_tokens: self.prompt_tokens.load(Relaxed),
            cached_tokens: self.cached_tokens.load(Relaxed),
            completion_tokens: self.completion_tokens.load(Relaxed),
            reasoning_tokens: self.reasoning_tokens.load(Relaxed),
            last: self.last.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// One request under way. Dropped before its end, it counts as cancelled.
#[derive(Debug)]
pub(super) struct InFlight {
    tally: Arc<Tally>,
    done: bool,
}

impl InFlight {
    /// The answer is a stream.
    pub(super) fn streams(&self) {
        self.tally.streams.fetch_add(1, Relaxed);
    }

    /// The answer has been given to the end.
    pub(super) fn complete(&mut self, used: Used) {
        self.done = true;
        self.tally.completed.fetch_add(1, Relaxed);
        self.tally.prompt_tokens.fetch_add(used.prompt.into(), Relaxed);
        self.tally.cached_tokens.fetch_add(used.cached.into(), Relaxed);
        self.tally.completion_tokens.fetch_add(used.completion.into(), Relaxed);
        self.tally.reasoning_tokens.fetch_add(used.reasoning.into(), Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.tally.in_flight.fetch_sub(1, Relaxed);
        if !self.done {
            self.tally.cancelled.fetch_add(1, Relaxed);
        }
    }
}

impl Seen {
    /// As the control address tells it.
    pub(super) fn fields(&self) -> Map<String, Value> {
        let counts = [
            ("requests", self.requests),
            ("streams", self.streams),
            ("completed", self.completed),
            ("cancelled", self.cancelled),
            ("in_flight", self.in_flight),
            ("in_flight_max", self.in_flight_max),
            ("connections", self.connections),
            ("prompt_tokens", self.prompt_tokens),
            ("cached_tokens", self.cached_tokens),
            ("completion_tokens", self.completion_tokens),
            ("reasoning_tokens", self.reasoning_tokens),
        ];
        let mut fields: Map<_, _> =
            counts.into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect();
        fields.insert("last".to_owned(), json!(self.last.as_ref().map(Last::json)));
        fields
    }
}

impl Last {
    fn json(&self) -> Value {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), Value::String(text(value.as_bytes()))));
        json!({ "headers": Value::Object(headers.collect()), "body": text(&self.body) })
    }
}
