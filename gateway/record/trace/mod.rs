//! Spans of requests, for an OpenTelemetry collector.
//!
//! The ledger's writer makes them of what has become durable, and lays them into a queue that never grows
//! beyond its bound; a task sends them. Where the collector is slow or away, spans are dropped and counted,
//! and no request knows of it.
//!
//! The messages are written here, and sent by the client that sends everything else: the crates of
//! OpenTelemetry bring threads, queues and randomness of their own, and know no outcome that is over.

mod export;
pub mod message;
mod spans;
#[cfg(test)]
mod tests;

use prost::Message;
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};

pub use self::export::Exporter;
use self::message::{ScopeSpans, Span};
use super::{Group, Metrics, SpanResult};
use crate::outcome::TraceContext;

/// What spans say of who makes them.
const WHO: &str = "signalbox";
/// Requests whose spans wait to be sent: at some 2 KB each, less than 10 MB.
const QUEUE: usize = 4_096;

/// The spans of one request, written.
struct Written {
    /// A part of a message `ScopeSpans`.
    bytes: Vec<u8>,
    spans: u64,
}

/// Takes the spans of requests that are over.
pub struct Tracer {
    queue: Sender<Written>,
    metrics: Metrics,
}

/// The two ends of the queue: what takes spans, and what an exporter sends from.
#[must_use]
pub fn tracer(metrics: &Metrics) -> (Tracer, SpanQueue) {
    let (queue, rest) = mpsc::channel(QUEUE);
    metrics.begin_spans();
    (Tracer { queue, metrics: metrics.clone() }, SpanQueue(rest))
}

/// The end of the queue from which spans are sent.
pub struct SpanQueue(Receiver<Written>);

impl Tracer {
    /// Takes what the spans of these requests are made of, of those whose traces are kept. Never waits.
    pub(super) fn written(&self, group: &Group) {
        for outcome in group.whole.iter().chain(&group.settled) {
            self.take(outcome.opened.trace, |trace| spans::accepted(outcome, trace));
        }
        for refused in &group.refused {
            self.take(refused.trace, |trace| spans::refused(refused, trace));
        }
    }

    fn take(&self, trace: Option<TraceContext>, spans: impl FnOnce(&TraceContext) -> Vec<Span>) {
        let Some(trace) = trace.filter(TraceContext::is_kept) else { return };
        let all = spans(&trace);
        let spans = all.len() as u64;
        // Where there is no room, nothing is written.
        match self.queue.try_reserve() {
            Ok(place) => {
                let bytes = ScopeSpans { scope: None, spans: all }.encode_to_vec();
                place.send(Written { bytes, spans });
            }
            Err(TrySendError::Full(()) | TrySendError::Closed(())) => {
                self.metrics.spans(SpanResult::Dropped, spans);
            }
        }
    }
}
