//! One attempt at one replica: connect, request, read. Polled by hand, so that whoever owns it may be
//! dropped at any moment and the backend hears of it at once.

mod edits;
mod limits;
mod told;

use std::{
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use http::Response;
use policies::{Planned, facts::Tokens};
use smallvec::SmallVec;

pub(crate) use self::edits::Start;
use super::{
    connection::{Connection, Connector, Exchange},
    judge::{self, AttemptError},
    own::{Objection, Refused},
    pool::Approach,
    target::{Target, UpstreamRequest},
};
use crate::{fleet::InFlight, wire};

/// The largest plain answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How much of an error body is read.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// The largest event of a stream.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// What a stream may say before its first content, which is held back till then.
const PRELUDE_BYTES_MAX: usize = 2 * EVENT_BYTES_MAX;

/// What an attempt has to show.
#[allow(clippy::large_enum_variant, reason = "the large one is the usual one, and is moved once")]
pub(crate) enum Shown {
    /// More of a stream: the raw chunk, and the events that became complete with it.
    Events(Bytes, Events),
    /// The stream's end, as the decoder sees it.
    End(wire::End),
    /// A whole plain answer.
    Whole(Bytes, wire::Plain),
}

/// Events of one chunk.
pub(crate) type Events = SmallVec<[wire::Event; 8]>;

/// What an attempt shows next, or how it failed.
type Polled = Poll<Result<Shown, AttemptError>>;

/// One attempt.
pub(crate) struct Attempt {
    /// Number of the attempt in the machine.
    pub number: u8,
    /// Its position in the log.
    pub record: usize,
    /// Held while the attempt runs.
    pub endpoint: InFlight,
    /// When the request was handed over for sending.
    pub asked: Option<Instant>,
    /// What the replica says against an edit of ours.
    pub objection: Option<Objection>,
    /// Whether its kept connection was being closed as it was taken, which no replica can help.
    pub crossed: bool,
    target: Arc<Target>,
    planned: Planned,
    /// What it refused of our edits, in this attempt or else before.
    refused: Refused,
    /// Whether it refused that in this attempt.
    taught: bool,
    /// Whether the prompt takes half of the model's context window, or more.
    half_full: bool,
    started: Instant,
    /// Since when it waits for a connection, if it does.
    reaching: Instant,
    last_life: Instant,
    /// Output of its first content, once that has come.
    pub first: Option<Tokens>,
    /// Bytes of a stream before its first content, or after it.
    pub unread: usize,
    phase: Phase,
    /// The decoder of a stream that has ended: what it counted is still wanted.
    ended: Option<Box<wire::Stream>>,
    /// Nothing of a stream's body has come yet: it may be none.
    sniffs: bool,
    /// The caller, who asked for it, has got the last usage.
    pub billed: bool,
    /// How it ended, while the events that its last bytes completed are shown.
    end: Option<wire::End>,
    /// Comes true when its replica is ejected.
    ejection: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

enum Phase {
    Connecting(Approach),
    Waiting(Exchange),
    Streaming(Exchange, Box<wire::Stream>),
    Collecting(Exchange, Option<Bytes>, BytesMut),
    Refused(Exchange, Box<Response<()>>, BytesMut),
    Over,
}

impl Attempt {
    /// Begins an attempt: on an idle connection if there is one, else on a new one.
    pub(crate) fn start(
        start: Start,
        request: &UpstreamRequest,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Self {
        let Start { number, record, endpoint, target, planned, half_full, refused } = start;
        let mut attempt = Self {
            number,
            record,
            endpoint,
            asked: None,
            objection: None,
            crossed: false,
            planned,
            refused: refused.unwrap_or_else(|| target.learned.refused()),
            taught: refused.is_some(),
            half_full,
            started: now,
            reaching: now,
            last_life: now,
            first: None,
            unread: 0,
            phase: Phase::Over,
            ended: None,
            sniffs: false,
            billed: false,
            end: None,
            ejection: None,
            target,
        };
        attempt.reach(request, now, cx);
        attempt
    }

    fn reach(&mut self, request: &UpstreamRequest, now: Instant, cx: &mut Context<'_>) {
        self.reaching = now;
        self.asked = None;
        match self.target.pool.take(cx, now) {
            Some(connection) => self.send(connection, request, now),
            None => self.phase = Phase::Connecting(Approach::begin(&self.target.pool, cx, now)),
        }
    }

    fn send(&mut self, connection: Connection, request: &UpstreamRequest, now: Instant) {
        self.asked = Some(now);
        let edit = self.target.edit(request, self.planned.output_tokens_max, self.refused);
        self.phase = Phase::Waiting(connection.send(self.target.request(request, &edit)));
    }

    /// The credential that its replica is shown.
    pub(crate) fn key(&self) -> &str {
        self.target.key()
    }

    /// Whether all of the request has left.
    pub(crate) fn all_out(&self) -> bool {
        match &self.phase {
            Phase::Connecting(_) => false,
            Phase::Waiting(exchange) => exchange.all_out(),
            _ => true,
        }
    }

    /// Notes that it has shown its first content, with so much output.
    pub(crate) fn shows_content(&mut self, first: Tokens, request: &UpstreamRequest, now: Instant) {
        if self.taught {
            self.remember(request);
        }
        self.first = Some(first);
        self.unread = 0;
        self.last_life = now;
    }

    /// Output of a stream that was counted so far.
    pub(crate) fn counted(&self) -> Tokens {
        self.stream().map_or(Tokens(0), wire::Stream::counted_output)
    }

    /// What the stream has reported, and what we counted.
    pub(crate) fn stream(&self) -> Option<&wire::Stream> {
        match &self.phase {
            Phase::Streaming(_, stream) => Some(stream),
            _ => self.ended.as_deref(),
        }
    }

    /// Text of a broken stream that was held back.
    pub(crate) fn rest(&mut self) -> Option<Bytes> {
        match &mut self.phase {
            Phase::Streaming(_, stream) => stream.rest(),
            _ => self.ended.as_mut().and_then(|stream| stream.rest()),
        }
    }

    /// Waits for the ejection of its replica.
    pub(crate) fn poll_ejection(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let endpoint = &self.endpoint;
        self.ejection.get_or_insert_with(|| Box::pin(endpoint.ejection())).as_mut().poll(cx)
    }

    /// Goes on until there is something to show.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connector: &Connector,
        request: &UpstreamRequest,
        now: Instant,
    ) -> Polled {
        loop {
            match &mut self.phase {
                Phase::Connecting(way) => {
                    match ready!(way.poll(cx, connector, &self.target.uri, now)) {
                        Ok(connection) => self.send(connection, request, now),
                        Err(error) => return self.over(AttemptError::connect(error)),
                    }
                }
                Phase::Waiting(exchange) => match ready!(exchange.poll_head(cx)) {
                    Ok(head) => {
                        if let Err(error) = self.head(head, request) {
                            return self.over(error);
                        }
                    }
                    // It was closed before the first byte could leave: nobody was asked.
                    Err(_) if exchange.unseen() => self.reach(request, now, cx),
                    Err(error) => return self.broken(error, now),
                },
                Phase::Streaming(..) => return self.poll_stream(cx, request, now),
                Phase::Collecting(..) => return self.poll_whole(cx, request, now),
                Phase::Refused(..) => return self.poll_refused(cx, request),
                Phase::Over => {
                    let end = self.end.take().map(|end| Ok(Shown::End(end)));
                    return end.map_or(Poll::Pending, Poll::Ready);
                }
            }
        }
    }

    /// The connection broke before an answer came, and the peer may have read the request.
    fn broken(&mut self, error: io::Error, now: Instant) -> Polled {
        let ago = now.saturating_duration_since(self.asked.unwrap_or(now));
        if let Phase::Waiting(exchange) = &self.phase
            && exchange.crossed(&error, ago)
        {
            // What was idle for longer is being closed as well.
            self.target.pool.forget(exchange.idle_since());
            self.crossed = true;
        }
        self.over(AttemptError { blame: !self.crossed, ..AttemptError::broken(error) })
    }

    fn over(&mut self, error: AttemptError) -> Polled {
        if let Phase::Streaming(_, stream) = std::mem::replace(&mut self.phase, Phase::Over) {
            self.ended = Some(stream);
        }
        Poll::Ready(Err(error))
    }

    fn head(&mut self, head: Response<()>, request: &UpstreamRequest) -> Result<(), AttemptError> {
        let Phase::Waiting(exchange) = std::mem::replace(&mut self.phase, Phase::Over) else {
            return Ok(());
        };
        if !judge::answers(head.status()) {
            if !judge::body_matters(head.status(), head.headers()) {
                let said = wire::Said::default();
                let (status, headers) = (head.status(), head.headers());
                return Err(AttemptError::status(status, headers, &said, self.case()));
            }
            self.phase = Phase::Refused(exchange, Box::new(head), BytesMut::new());
            return Ok(());
        }
        judge::check_head(head.headers(), request.body.stream())?;
        self.phase = if request.body.stream() {
            let limits = wire::StreamLimits { event_bytes_max: EVENT_BYTES_MAX };
            let stream = wire::Stream::new(limits, !request.body.wants_usage());
            let holds = self.target.holds.load(Relaxed);
            let stream = stream.of(request.body.n());
            let mut stream = stream.reasoning_in(self.target.reasoning_field, holds);
            if request.bound {
                let choices = u32::from(request.body.n());
                stream = stream.at_most(self.planned.output_tokens_max.saturating_mul(choices));
            }
            self.sniffs = true;
            Phase::Streaming(exchange, Box::new(stream))
        } else {
            Phase::Collecting(exchange, None, BytesMut::new())
        };
        Ok(())
    }

    fn poll_stream(
        &mut self,
        cx: &mut Context<'_>,
        request: &UpstreamRequest,
        now: Instant,
    ) -> Polled {
        let Phase::Streaming(exchange, stream) = &mut self.phase else { return Poll::Pending };
        let mut events = Events::new();
        let fault =
            |fault| AttemptError::invalid("the model's stream is broken", format!("{fault:?}"));
        match ready!(exchange.poll_bytes(cx)) {
            Some(Ok(chunk)) => {
                if std::mem::take(&mut self.sniffs) {
                    // No line of a stream of events begins so.
                    match chunk.trim_ascii_start().first() {
                        Some(b'{' | b'[') => return self.poll_told(&chunk, cx, request),
                        None => self.sniffs = true,
                        _ => {}
                    }
                }
                self.unread = self.unread.saturating_add(chunk.len());
                if self.first.is_none() && self.unread > PRELUDE_BYTES_MAX {
                    let public = "the model's server sent no answer";
                    let why = "a stream that does not come to its content";
                    return self.over(AttemptError::invalid(public, why));
                }
                stream.push(chunk.clone(), &mut events).map_err(fault)?;
                // Comments are not life.
                if events.iter().any(|event| !matches!(event.what, wire::What::Comment)) {
                    self.last_life = now;
                }
                Poll::Ready(Ok(Shown::Events(chunk, events)))
            }
            Some(Err(error)) => self.over(AttemptError::broken(error)),
            None => {
                let end = stream.finish(&mut events).map_err(fault)?;
                self.give_back(now);
                if events.is_empty() {
                    return Poll::Ready(Ok(Shown::End(end)));
                }
                self.end = Some(end);
                Poll::Ready(Ok(Shown::Events(Bytes::new(), events)))
            }
        }
    }

    fn poll_whole(
        &mut self,
        cx: &mut Context<'_>,
        request: &UpstreamRequest,
        now: Instant,
    ) -> Polled {
        let Phase::Collecting(exchange, first, rest) = &mut self.phase else {
            return Poll::Pending;
        };
        let whole = loop {
            match ready!(exchange.poll_bytes(cx)) {
                // One chunk is the usual case, and then nothing is copied.
                Some(Ok(chunk)) if first.is_none() && rest.is_empty() => *first = Some(chunk),
                Some(Ok(chunk)) => {
                    if let Some(first) = first.take() {
                        rest.extend_from_slice(&first);
                    }
                    rest.extend_from_slice(&chunk);
                    if rest.len() > ANSWER_BYTES_MAX {
                        let public = "the model's answer is too large";
                        return self
                            .over(AttemptError::invalid(public, "plain answer over the limit"));
                    }
                }
                Some(Err(error)) => return self.over(AttemptError::broken(error)),
                None => break first.take().unwrap_or_else(|| std::mem::take(rest).freeze()),
            }
        };
        self.give_back(now);
        let plain = judge::plain(&whole, self.case());
        let plain = plain.inspect_err(|_| self.hear(request, &wire::Said::read(&whole)))?;
        let whole = match self.target.reasoning_field {
            Some(field) => wire::reasoning_in(field, whole),
            None => whole,
        };
        Poll::Ready(Ok(Shown::Whole(whole, plain)))
    }

    fn give_back(&mut self, now: Instant) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Streaming(exchange, stream) => {
                exchange.recycle(&self.target.pool, now);
                if let Some(holds) = stream.lesson() {
                    self.target.holds.store(holds, Relaxed);
                }
                self.ended = Some(stream);
            }
            Phase::Collecting(exchange, ..) => exchange.recycle(&self.target.pool, now),
            _ => {}
        }
    }
}
