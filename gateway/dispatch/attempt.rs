//! One attempt at one replica: connect, request, read. Polled by hand, so that whoever owns it may be
//! dropped at any moment and the backend hears of it at once.

mod clocks;
mod edits;
mod held;
mod phase;
mod plain;

use std::{
    io,
    pin::Pin,
    sync::atomic::Ordering::Relaxed,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use http::Response;
use policies::facts::Tokens;

use self::{clocks::Clocks, edits::Edits, phase::Phase, plain::PlainBody};
pub(crate) use self::{
    edits::Start,
    phase::{Events, Shown},
};
use super::{
    connection::{Connection, Connector},
    judge::{self, AttemptError, NO_ANSWER},
    own::{Objection, RefusedEdits},
    pool::Approach,
    target::UpstreamRequest,
};
use crate::{fleet::InFlight, outcome::Used, wire};

/// Bytes of an error body that are read.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// What a stream may say before its first content, which is held back till then.
const PRELUDE_BYTES_MAX: usize = 2 * edits::EVENT_BYTES_MAX;

/// What an attempt shows next, or how it failed.
type Polled = Poll<Result<Shown, AttemptError>>;

/// One request to one replica, from its connection to its end.
pub(crate) struct Attempt {
    /// Number of the attempt in the machine.
    pub number: u8,
    /// Its position in the log.
    pub record: usize,
    /// Held while the attempt runs.
    pub endpoint: InFlight,
    /// What the replica says against an edit of ours.
    pub objection: Option<Objection>,
    /// What it used, where its answer came whole and is not passed on.
    pub used: Option<Used>,
    /// Whether its kept connection was being closed as it was taken, which no replica can help.
    pub crossed: bool,
    edits: Edits,
    /// The timeouts of the attempt.
    pub clocks: Clocks,
    /// Output of its first content, once that has come.
    pub first: Option<Tokens>,
    /// Bytes of a stream before its first content, or after it.
    pub unread: usize,
    phase: Phase,
    /// Nothing of a stream's body has come yet: it may be none.
    sniffs: bool,
    /// The caller, who asked for it, has got the last usage.
    pub billed: bool,
    /// How it ended, while the events that its last bytes completed are shown.
    end: Option<wire::End>,
    /// Completes when its replica is ejected.
    ejection: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
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
            objection: None,
            used: None,
            crossed: false,
            edits: Edits::new(target, planned, half_full, refused),
            clocks: Clocks::new(planned.timeouts, now),
            first: None,
            unread: 0,
            phase: Phase::Over(None),
            sniffs: false,
            billed: false,
            end: None,
            ejection: None,
        };
        attempt.reach(request, now, cx);
        attempt
    }

    fn reach(&mut self, request: &UpstreamRequest, now: Instant, cx: &mut Context<'_>) {
        self.clocks.reach(now);
        match self.edits.target.pool.take(cx, now) {
            Some(connection) => self.send(connection, request, now),
            None => {
                self.phase = Phase::Connecting(Approach::begin(&self.edits.target.pool, cx, now));
            }
        }
    }

    fn send(&mut self, connection: Connection, request: &UpstreamRequest, now: Instant) {
        self.clocks.asked = Some(now);
        let edit = self.edits.edit(request);
        let request = self.edits.target.request(request, &edit, self.record);
        self.phase = Phase::Waiting(connection.send(request));
    }

    /// The credential that its replica is shown.
    pub(crate) fn key(&self) -> &str {
        self.edits.target.key()
    }

    /// Whether all of the request has been sent.
    pub(crate) fn all_out(&self) -> bool {
        self.phase.all_out()
    }

    /// Notes that it has shown its first content, with so much output.
    pub(crate) fn shows_content(&mut self, first: Tokens, request: &UpstreamRequest, now: Instant) {
        self.edits.remember(request);
        self.first = Some(first);
        self.unread = 0;
        self.clocks.last_life = now;
    }

    /// Output of a stream that was counted so far.
    pub(crate) fn counted(&self) -> Tokens {
        self.stream().map_or(Tokens(0), wire::Stream::counted_output)
    }

    /// What the stream has reported, and what we counted.
    pub(crate) fn stream(&self) -> Option<&wire::Stream> {
        self.phase.stream()
    }

    /// What a whole stream ends with.
    pub(crate) fn closing(&mut self) -> Bytes {
        self.phase.stream_mut().map(wire::Stream::closing).unwrap_or_default()
    }

    /// Ends the stream at its bound; whether that is said at its closing.
    pub(crate) fn ends_at_length(&mut self) -> bool {
        self.phase.stream_mut().is_some_and(wire::Stream::ends_at_length)
    }

    /// Text of a broken stream that was held back.
    pub(crate) fn rest(&mut self) -> Option<Bytes> {
        self.phase.rest()
    }

    /// The same replica again, without what it refuses of our edits: a sending of its own, but not another
    /// try.
    pub(crate) fn again(self, record: usize, refused: RefusedEdits) -> Start {
        let Self { number, endpoint, edits, .. } = self;
        let Edits { target, planned, half_full, .. } = edits;
        Start { number, record, endpoint, target, planned, half_full, refused: Some(refused) }
    }

    /// What an event says that is an error.
    pub(crate) fn told(&mut self, request: &UpstreamRequest, event: &[u8]) -> AttemptError {
        let said = wire::Said::event(event);
        self.objection = self.edits.objection(request, &said);
        AttemptError::told(&said, self.edits.case())
    }

    /// When the attempt has taken too long, and what to say then.
    pub(crate) fn deadline(&self, stream: bool) -> (Instant, &'static str) {
        self.clocks.deadline(self.phase.awaits(self.first.is_some(), stream))
    }

    /// Whether its engine may still be reading: it is asked, and has shown no content.
    pub(crate) fn reads(&self) -> bool {
        self.clocks.asked.is_some() && self.first.is_none()
    }

    /// Whether it waits for its turn to connect: that is nothing that its replica does or fails to do.
    pub(crate) fn waits_its_turn(&self) -> bool {
        self.phase.waits_its_turn()
    }

    /// Polls for the ejection of its replica.
    pub(crate) fn poll_ejection(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let endpoint = &self.endpoint;
        self.ejection.get_or_insert_with(|| Box::pin(endpoint.ejection())).as_mut().poll(cx)
    }

    /// Polls the attempt until there is something to show.
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
                    match ready!(way.poll(cx, connector, &self.edits.target.uri, now)) {
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
                Phase::Over(_) => {
                    let end = self.end.take().map(|end| Ok(Shown::End(end)));
                    return end.map_or(Poll::Pending, Poll::Ready);
                }
            }
        }
    }

    /// The connection broke before an answer came, and the peer may have read the request.
    fn broken(&mut self, error: io::Error, now: Instant) -> Polled {
        let ago = now.saturating_duration_since(self.clocks.asked.unwrap_or(now));
        if let Phase::Waiting(exchange) = &self.phase
            && exchange.crossed(&error, ago)
        {
            // What was idle for longer is being closed as well.
            self.edits.target.pool.forget(exchange.idle_since());
            self.crossed = true;
        }
        self.over(AttemptError { blame: !self.crossed, ..AttemptError::broken(error) })
    }

    fn over(&mut self, error: AttemptError) -> Polled {
        if let Phase::Streaming(_, stream) = std::mem::replace(&mut self.phase, Phase::Over(None)) {
            self.phase = Phase::Over(Some(stream));
        }
        Poll::Ready(Err(error))
    }

    fn head(&mut self, head: Response<()>, request: &UpstreamRequest) -> Result<(), AttemptError> {
        let Phase::Waiting(exchange) = std::mem::replace(&mut self.phase, Phase::Over(None)) else {
            return Ok(());
        };
        if !judge::answers(head.status()) {
            if !judge::body_matters(head.status(), head.headers()) {
                let said = wire::Said::default();
                let (status, headers) = (head.status(), head.headers());
                return Err(AttemptError::status(status, headers, &said, self.edits.case()));
            }
            self.phase = Phase::Refused(exchange, Box::new(head), BytesMut::new());
            return Ok(());
        }
        judge::check_head(head.headers(), request.body.stream())?;
        self.phase = if request.body.stream() {
            self.sniffs = true;
            Phase::Streaming(exchange, Box::new(self.edits.stream(request)))
        } else {
            Phase::Collecting(exchange, PlainBody::default())
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
                    let why = "a stream that does not come to its content";
                    return self.over(AttemptError::invalid(NO_ANSWER, why));
                }
                stream.push(chunk.clone(), &mut events).map_err(fault)?;
                // Comments are not life.
                if events.iter().any(|event| !matches!(event.what, wire::What::Comment)) {
                    self.clocks.last_life = now;
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
        let Phase::Collecting(exchange, body) = &mut self.phase else { return Poll::Pending };
        let whole = match ready!(body.poll(exchange, cx)) {
            Ok(whole) => whole,
            Err(error) => return self.over(error),
        };
        self.give_back(now);
        let spoken = self.edits.target.spoken(request);
        let plain = judge::plain((spoken, request.body.vectors()), &whole, self.edits.case());
        let plain = plain.inspect_err(|_| {
            self.objection = self.edits.objection(request, &wire::Said::read(&whole));
        })?;
        let asked = (spoken, &self.edits.planned);
        if let Some((error, used)) = held::breach(request, asked, (&whole, &plain)) {
            self.used = Some(used);
            return Poll::Ready(Err(error));
        }
        let reasoning = self.edits.target.reasoning_in(request);
        let label = (&request.label, reasoning);
        let whole = wire::as_asked(&request.body, spoken, label, (whole, &plain));
        let whole = whole.map_err(|why| AttemptError::invalid(NO_ANSWER, why))?;
        Poll::Ready(Ok(Shown::Whole(whole, plain)))
    }

    fn give_back(&mut self, now: Instant) {
        match std::mem::replace(&mut self.phase, Phase::Over(None)) {
            Phase::Streaming(exchange, stream) => {
                self.edits.target.pool.recycle(exchange, now);
                if let Some(holds) = stream.lesson() {
                    self.edits.target.holds.store(holds, Relaxed);
                }
                self.phase = Phase::Over(Some(stream));
            }
            Phase::Collecting(exchange, ..) => self.edits.target.pool.recycle(exchange, now),
            _ => {}
        }
    }

    /// Reads what a backend says that is no answer.
    fn poll_refused(&mut self, cx: &mut Context<'_>, request: &UpstreamRequest) -> Polled {
        let Phase::Refused(exchange, _, body) = &mut self.phase else { return Poll::Pending };
        while body.len() < ERROR_BYTES_MAX {
            let Some(Ok(bytes)) = ready!(exchange.poll_bytes(cx)) else { break };
            body.extend_from_slice(&bytes);
        }
        let Phase::Refused(_, head, body) = std::mem::replace(&mut self.phase, Phase::Over(None))
        else {
            return Poll::Pending;
        };
        let (error, objection) = self.edits.refusal(&head, &body, request);
        self.objection = objection;
        Poll::Ready(Err(error))
    }

    /// What should be a stream begins as JSON: an error, or an answer that was not asked for.
    fn poll_told(
        &mut self,
        begin: &[u8],
        cx: &mut Context<'_>,
        request: &UpstreamRequest,
    ) -> Polled {
        if let Phase::Streaming(exchange, _) = std::mem::replace(&mut self.phase, Phase::Over(None))
        {
            let ok = Box::new(Response::new(()));
            self.phase = Phase::Refused(exchange, ok, BytesMut::from(begin));
        }
        self.poll_refused(cx, request)
    }
}
