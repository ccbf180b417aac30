//! What goes back to the caller: head, headers of ours, and a body that owns the request's tab.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::{Body, Frame, SizeHint};
use policies::{Policy, facts::Money};

use super::Tab;
use crate::{
    account::RateHeaders,
    dispatch::{Call, Committed, Piece},
    failure::Stage,
    outcome::{Charge, Ending, UsageSource},
    wire::{self, Surface},
};

/// Our headers, by name.
pub(crate) mod name {
    use http::HeaderName;

    /// Our id of the request.
    pub(crate) const ID: HeaderName = HeaderName::from_static("x-signalbox-id");
    /// The caller's id, or ours.
    pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    pub(super) const MODEL: HeaderName = HeaderName::from_static("x-signalbox-model");
    pub(super) const RULE: HeaderName = HeaderName::from_static("x-signalbox-rule");
    pub(super) const LANGUAGE: HeaderName = HeaderName::from_static("x-signalbox-language");
    pub(super) const TASK: HeaderName = HeaderName::from_static("x-signalbox-task");
    pub(super) const ATTEMPTS: HeaderName = HeaderName::from_static("x-signalbox-attempts");
    pub(super) const COST: HeaderName = HeaderName::from_static("x-signalbox-cost");
    pub(super) const OVERHEAD: HeaderName = HeaderName::from_static("x-signalbox-overhead-ms");
    pub(super) const OUTPUT_MAX: HeaderName =
        HeaderName::from_static("x-signalbox-output-tokens-max");
}

/// Header values that many answers of an epoch share: made once, cloned by counting.
pub(crate) struct HeaderCache {
    /// Model names by `ModelIndex`.
    models: Vec<HeaderValue>,
}

impl HeaderCache {
    /// Values for the models of this policy.
    pub(crate) fn new(policy: &Policy) -> Self {
        let models = &policy.fleet().models;
        Self { models: models.iter().map(|model| value(&model.id)).collect() }
    }
}

/// A text as a header value; what cannot stand in one is left out.
fn value(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// A committed answer, before the tab is handed over.
pub(super) struct Pending {
    pub(super) committed: Committed,
    pub(super) call: Box<Call>,
    /// The surface in whose form it is written.
    pub(super) surface: &'static Surface,
    pub(super) rates: RateHeaders,
    /// Whether the bound on the answer was written into the request.
    pub(super) bound: bool,
}

/// An answer for the caller.
pub(crate) type Answer = Response<AnswerBody>;

impl Pending {
    /// Hands the tab over to the answer. A plain answer is settled here, so that its cost is in the
    /// head; a stream settles when it ends.
    pub(super) fn carrying(self, mut tab: Tab) -> Answer {
        let mut headers = HeaderMap::with_capacity(24);
        tab.ids().write(&mut headers);
        decided(&tab, &mut headers);
        self.rates.write(&mut headers);
        let longest =
            tab.plan().and_then(|plan| plan.attempts.first()).map(|it| it.output_tokens_max);
        if let Some(longest) = longest.filter(|_| self.bound) {
            headers.insert(name::OUTPUT_MAX, HeaderValue::from(longest.0));
        }
        if !matches!(self.committed, Committed::Early) {
            served(&mut tab, &mut headers);
        }
        headers.insert(name::OVERHEAD, millis(tab.overhead()));
        let (kind, inner) = match self.committed {
            Committed::Whole(body) => {
                let charge = tab.close(Ending::Ok);
                let cost = charge.map(|charge| charge.cost).unwrap_or_default();
                headers.insert(name::COST, decimal(cost));
                ("application/json", Inner::Whole(Some(body)))
            }
            Committed::Streaming | Committed::Early => {
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
                // From here on it is backend and caller who take their time.
                tab.at(Stage::Dispatch);
                let stream = Streaming { call: self.call, surface: self.surface, tab, over: false };
                ("text/event-stream", Inner::Stream(Box::new(stream)))
            }
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let mut answer = Response::new(AnswerBody(inner));
        *answer.headers_mut() = headers;
        answer
    }
}

/// Writes the headers that were known before anything was sent.
fn decided(tab: &Tab, headers: &mut HeaderMap) {
    if let Some(signals) = tab.known() {
        let language = HeaderValue::from_static(signals.language.code());
        headers.insert(name::LANGUAGE, language);
        headers.insert(name::TASK, HeaderValue::from_static(signals.task.code()));
    }
    if let Some(plan) = tab.plan() {
        headers.insert(name::RULE, value(&plan.rule));
    }
}

/// Writes the headers of the model that serves and of its attempt.
fn served(tab: &mut Tab, headers: &mut HeaderMap) {
    let epoch = tab.epoch();
    let log = tab.log();
    headers.insert(name::ATTEMPTS, HeaderValue::from(log.attempts.len()));
    let model = log.committed.and_then(|at| log.attempts.get(usize::from(at)));
    let stamp = model.and_then(|attempt| epoch.header_cache.models.get(attempt.model.get()));
    if let Some(stamp) = stamp {
        headers.insert(name::MODEL, stamp.clone());
    }
}

fn decimal(money: Money) -> HeaderValue {
    written(money.to_string())
}

/// A text of our own making as a header value.
fn written(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// Milliseconds with three decimals.
fn millis(spent: Duration) -> HeaderValue {
    written(format!("{}.{:03}", spent.as_millis(), spent.subsec_micros() % 1_000))
}

/// The body of an answer. A stream owns its tab: its end, whichever it is, closes it.
pub(crate) struct AnswerBody(Inner);

enum Inner {
    Whole(Option<Bytes>),
    Stream(Box<Streaming>),
}

struct Streaming {
    call: Box<Call>,
    surface: &'static Surface,
    tab: Tab,
    over: bool,
}

impl Streaming {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.over {
            return Poll::Ready(None);
        }
        if self.tab.stopped() {
            self.call.stop(super::stopping(), self.tab.log());
        }
        match ready!(self.call.poll_piece(cx, self.tab.log())) {
            Some(Ok(Piece::Content(bytes))) => Poll::Ready(Some(bytes)),
            Some(Ok(Piece::Usage(event))) => Poll::Ready(Some(self.priced(&event))),
            Some(Ok(Piece::Bill(last))) => Poll::Ready(Some(self.billed(last.as_ref()))),
            Some(Ok(Piece::Length(it))) => {
                Poll::Ready(Some(self.surface.length_event(&it.like, &it.choices)))
            }
            Some(Ok(Piece::KeepAlive)) => Poll::Ready(Some(wire::comment())),
            Some(Ok(Piece::Done)) => Poll::Ready(Some(self.surface.done_event())),
            Some(Err(failure)) => {
                self.over = true;
                let cut = self.tab.log().committed.is_some();
                self.tab.close(if cut { Ending::Cut } else { Ending::failed(&failure) });
                Poll::Ready(Some(self.surface.error_event(&failure)))
            }
            None => {
                self.over = true;
                self.tab.close(Ending::Ok);
                Poll::Ready(None)
            }
        }
    }

    /// The usage event with what the request costs.
    fn priced(&mut self, event: &Bytes) -> Bytes {
        let Some(charge) = self.tab.charge_when_whole() else { return event.clone() };
        let estimated = charge.usage.source == UsageSource::Estimated;
        self.surface.priced(event, wire::Bill { cost: &charge.cost.to_string(), estimated })
    }

    /// The usage that the backend did not tell.
    fn billed(&mut self, last: Option<&Bytes>) -> Bytes {
        let Some(charge) = self.tab.charge_when_whole() else { return wire::comment() };
        let Charge { usage, cost, .. } = charge;
        let estimated = usage.source == UsageSource::Estimated;
        let bill = wire::Bill { cost: &cost.to_string(), estimated };
        self.surface.usage_event(last, self.tab.ids().id(), usage.counts, bill)
    }
}

/// The edge gathers what it writes in a buffer of its own: a large answer is handed over in pieces of this
/// size, so that no second copy of all of it is ever made.
const PIECE_BYTES: usize = 64 * 1024;

/// The next piece of a whole answer.
fn piece(body: &mut Option<Bytes>) -> Option<Bytes> {
    match body {
        Some(rest) if rest.len() > PIECE_BYTES => Some(rest.split_to(PIECE_BYTES)),
        _ => body.take(),
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let bytes = match &mut self.0 {
            Inner::Whole(body) => piece(body),
            Inner::Stream(stream) => ready!(stream.poll(cx)),
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Whole(body) => body.is_none(),
            Inner::Stream(stream) => stream.over,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(body) => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
            Inner::Stream(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_answer_comes_in_pieces_and_whole() {
        for length in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 7] {
            let whole: Vec<u8> = (0..=250).cycle().take(length).collect();
            let mut body = Some(Bytes::from(whole.clone()));
            let pieces: Vec<Bytes> = std::iter::from_fn(|| piece(&mut body)).collect();
            assert!(pieces.iter().all(|it| it.len() <= PIECE_BYTES), "{length}");
            assert_eq!(pieces.concat(), whole);
        }
    }
}
