//! What goes back to the caller: head, headers of ours, and a body that owns the request's tab.

use std::{
    io::Write,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::{Body, Frame, SizeHint};
use policies::{Policy, facts::Money};
use smallvec::SmallVec;

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

    pub(crate) use crate::signals::header::*;

    /// The caller's id, or ours.
    pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
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
pub(super) fn value(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// Room for the headers of an answer without limits.
const HEADERS_MAX: usize = 12;
/// Room for the values of [`Values`]: four numbers, and a rule's name.
const VALUES_BYTES: usize = 96;

/// A committed answer, before the tab is handed over.
pub(super) struct Pending {
    pub(super) landed: Landed,
    /// The surface in whose form it is written.
    pub(super) surface: &'static Surface,
    pub(super) rates: RateHeaders,
    /// Whether the bound on the answer was written into the request.
    pub(super) bound: bool,
}

/// Where an answer comes from.
pub(super) enum Landed {
    /// A backend.
    Called(Committed, Box<Call>),
    /// The cache: all of it, and whether it is a stream's.
    Kept(Bytes, bool),
}

/// An answer for the caller.
pub(crate) type Answer = Response<AnswerBody>;

impl Pending {
    /// Hands the tab over to the answer. A plain answer is settled here, so that its cost is in the
    /// head; a stream settles when it ends.
    pub(super) fn carrying(self, mut tab: Tab) -> Answer {
        let mut headers = HeaderMap::new();
        self.rates.write(&mut headers);
        headers.reserve(HEADERS_MAX);
        tab.ids().write(&mut headers);
        let mut values = Values::default();
        decided(&tab, &mut headers, &mut values);
        let longest =
            tab.plan().and_then(|plan| plan.attempts.first()).map(|it| it.output_tokens_max);
        if let Some(longest) = longest.filter(|_| self.bound) {
            values.put(name::OUTPUT_MAX, |text| push_number(text, longest.0.into(), 1));
        }
        if !matches!(self.landed, Landed::Called(Committed::Early, _)) {
            served(&mut tab, &mut headers, &mut values);
        }
        let overhead = tab.overhead();
        values.put(name::OVERHEAD, |text| push_millis(text, overhead));
        let (streamed, inner) = match self.landed {
            Landed::Called(Committed::Streaming | Committed::Early, call) => {
                // From here on it is backend and caller who take their time.
                tab.at(Stage::Dispatch);
                let stream = Streaming { call, surface: self.surface, tab, over: false };
                (true, Inner::Stream(Box::new(stream)))
            }
            Landed::Called(Committed::Whole(body), _) => {
                tab.passed_on(&body);
                (false, whole(body, &mut tab, &mut values))
            }
            Landed::Kept(body, streamed) => (streamed, whole(body, &mut tab, &mut values)),
        };
        let kind = if streamed { "text/event-stream" } else { "application/json" };
        if streamed {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        values.write(&mut headers);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let mut answer = Response::new(AnswerBody(inner));
        *answer.headers_mut() = headers;
        answer
    }
}

/// An answer that is all there: it is settled, and its cost is in the head.
fn whole(body: Bytes, tab: &mut Tab, values: &mut Values) -> Inner {
    let cost = tab.close(Ending::Ok).map(|charge| charge.cost).unwrap_or_default();
    values.put(name::COST, |text| push_money(text, cost));
    Inner::Whole(Some(body))
}

/// Writes the headers that were known before anything was sent.
fn decided(tab: &Tab, headers: &mut HeaderMap, values: &mut Values) {
    if let Some(signals) = tab.known() {
        let language = HeaderValue::from_static(signals.language.code());
        headers.insert(name::LANGUAGE, language);
        headers.insert(name::TASK, HeaderValue::from_static(signals.task.code()));
    }
    if let Some(plan) = tab.plan() {
        headers.extend(tab.arm_header().map(|arm| (name::EXPERIMENT, arm)));
        values.put(name::RULE, |text| text.extend_from_slice(plan.rule.as_bytes()));
    }
    if let Some(cached) = tab.cached() {
        headers.insert(name::CACHE, HeaderValue::from_static(cached.result.short()));
    }
    if let Some(why) = tab.why() {
        values.put(name::WHY, |text| text.extend_from_slice(why.as_bytes()));
    }
}

/// Writes the headers of the model that serves and of its attempt.
fn served(tab: &mut Tab, headers: &mut HeaderMap, values: &mut Values) {
    let epoch = tab.epoch();
    let given_again = tab.cached().and_then(|it| Some(it.answer?.model));
    let log = tab.log();
    let attempts = log.attempts.len() as u64;
    values.put(name::ATTEMPTS, |text| push_number(text, attempts, 1));
    let served = log.committed.and_then(|at| log.attempts.get(usize::from(at)));
    let model = given_again.or_else(|| Some(served?.model));
    let stamp = model.and_then(|model| epoch.header_cache.models.get(model.get()));
    if let Some(stamp) = stamp {
        headers.insert(name::MODEL, stamp.clone());
    }
}

/// Header values that are written for one answer alone: one buffer holds all of them.
struct Values {
    text: Vec<u8>,
    /// The header of each, and where in the text its value ends.
    ends: SmallVec<[(HeaderName, usize); 5]>,
}

impl Default for Values {
    fn default() -> Self {
        Self { text: Vec::with_capacity(VALUES_BYTES), ends: SmallVec::new() }
    }
}

impl Values {
    fn put(&mut self, name: HeaderName, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.text);
        self.ends.push((name, self.text.len()));
    }

    fn write(self, headers: &mut HeaderMap) {
        let text = Bytes::from(self.text);
        let mut from = 0;
        for (name, to) in self.ends {
            // What cannot stand in a header is left out.
            let value = HeaderValue::from_maybe_shared(text.slice(from..to));
            headers.insert(name, value.unwrap_or_else(|_| HeaderValue::from_static("-")));
            from = to;
        }
    }
}

/// A number in decimal digits, at least so many.
fn push_number(text: &mut Vec<u8>, number: u64, width: usize) {
    let start = text.len();
    let mut rest = number;
    while rest > 0 || text.len() < start + width {
        text.push(b'0' + (rest % 10) as u8);
        rest /= 10;
    }
    if let Some(digits) = text.get_mut(start..) {
        digits.reverse();
    }
}

/// Milliseconds with three decimals.
fn push_millis(text: &mut Vec<u8>, spent: Duration) {
    push_number(text, u64::try_from(spent.as_millis()).unwrap_or(u64::MAX), 1);
    text.push(b'.');
    push_number(text, u64::from(spent.subsec_micros() % 1_000), 3);
}

fn push_money(text: &mut Vec<u8>, money: Money) {
    // A vector takes all that is written to it.
    let _ = write!(text, "{money}");
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
            Some(Ok(Piece::Content(bytes))) => {
                self.tab.passed_on(&bytes);
                Poll::Ready(Some(bytes))
            }
            Some(Ok(Piece::Usage(event))) => Poll::Ready(Some(self.priced(&event))),
            Some(Ok(Piece::Bill(last))) => Poll::Ready(Some(self.billed(last.as_ref()))),
            Some(Ok(Piece::Length(it))) => {
                Poll::Ready(Some(self.surface.length_event(&it.like, &it.choices)))
            }
            Some(Ok(Piece::KeepAlive)) => Poll::Ready(Some(self.surface.keep_alive())),
            Some(Ok(Piece::Done(bytes))) => {
                self.keep(|_, _| bytes.clone());
                Poll::Ready(Some(bytes))
            }
            Some(Err(failure)) => {
                self.over = true;
                let cut = self.tab.log().committed.is_some();
                let ending = if cut { Ending::Cut } else { Ending::failed(&failure) };
                self.tab.failed(ending, &failure);
                Poll::Ready(Some(self.surface.error_event(&failure)))
            }
            None => {
                self.over = true;
                self.tab.close(Ending::Ok);
                Poll::Ready(None)
            }
        }
    }

    /// Keeps a piece to be given again, as it is where it costs nothing, if the answer is kept.
    fn keep(&mut self, piece: impl FnOnce(&Surface, uuid::Uuid) -> Bytes) {
        let id = self.tab.ids().id();
        if let Some(cache) = self.tab.cache.as_mut().filter(|it| it.keeps()) {
            cache.push(&piece(self.surface, id));
        }
    }

    /// The usage event with what the request costs.
    fn priced(&mut self, event: &Bytes) -> Bytes {
        let Some(charge) = self.tab.charge_when_whole() else { return event.clone() };
        let estimated = charge.usage.source == UsageSource::Estimated;
        self.keep(|surface, _| surface.priced(event, wire::Bill { cost: "0", estimated }));
        self.surface.priced(event, wire::Bill { cost: &charge.cost.to_string(), estimated })
    }

    /// The usage that the backend did not tell.
    fn billed(&mut self, last: Option<&Bytes>) -> Bytes {
        let Some(charge) = self.tab.charge_when_whole() else { return wire::comment() };
        let Charge { usage, cost, .. } = charge;
        let estimated = usage.source == UsageSource::Estimated;
        self.keep(|surface, id| {
            let bill = wire::Bill { cost: "0", estimated };
            surface.usage_event(last, id, usage.counts, bill)
        });
        let bill = wire::Bill { cost: &cost.to_string(), estimated };
        self.surface.usage_event(last, self.tab.ids().id(), usage.counts, bill)
    }
}

impl AnswerBody {
    /// Our id of its request, while it is under way.
    pub(crate) fn id(&self) -> Option<uuid::Uuid> {
        match &self.0 {
            Inner::Whole(_) => None,
            Inner::Stream(stream) => Some(stream.tab.ids().id()),
        }
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
    fn values_that_share_a_buffer_are_each_their_own() {
        let mut values = Values::default();
        values.put(name::RULE, |text| text.extend_from_slice("a\nb".as_bytes()));
        values.put(name::ATTEMPTS, |text| push_number(text, 0, 1));
        values.put(name::OUTPUT_MAX, |text| push_number(text, u64::MAX, 1));
        let spent = Duration::from_micros(12_034_005);
        values.put(name::OVERHEAD, |text| push_millis(text, spent));
        values.put(name::COST, |text| push_money(text, Money::from_nano(-1_200_000_000)));
        let mut headers = HeaderMap::new();
        values.write(&mut headers);
        let said = |name| headers.get(name).and_then(|it| it.to_str().ok());
        assert_eq!(said(name::RULE), Some("-"));
        assert_eq!(said(name::ATTEMPTS), Some("0"));
        assert_eq!(said(name::OUTPUT_MAX), Some("18446744073709551615"));
        assert_eq!(said(name::OVERHEAD), Some("12034.005"));
        assert_eq!(said(name::COST), Some("-1.2"));
    }

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
