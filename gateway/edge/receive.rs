//! Reading a request's body: with a size, a deadline and a bound for all bodies together.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::Body;
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::framing::FramingError;
use crate::{
    failure::{Failure, Kind, Stage},
    wakes,
};

/// Bodies up to this size are not counted: connections bound them.
const COUNTED_FROM: usize = 16 * 1024;

/// A body that came in one piece and is not longer is copied: kept, it would keep all of the buffer that its
/// connection has read it into for as long as its request lasts.
const COPIED_TO: usize = 4 * 1024;

/// Limits on bodies, and what is held of them right now.
pub(crate) struct Bodies {
    /// The largest body.
    pub bytes_max: usize,
    /// For the whole body.
    pub timeout: Duration,
    /// All bodies together.
    pub in_flight_max: usize,
    /// What is held.
    pub in_flight: AtomicUsize,
}

/// Room for a body; given back when its last byte is dropped.
struct Room {
    bodies: Arc<Bodies>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.bodies.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct Counted {
    bytes: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn fail(kind: Kind, public: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
    Failure::new(kind, Stage::Receive, public)
}

impl Bodies {
    fn too_large(&self) -> Failure {
        let public = format!("the body is over the limit of {} bytes", self.bytes_max);
        fail(Kind::TooLarge, public)
    }

    fn room(self: &Arc<Self>, bytes: usize) -> Result<Room, Failure> {
        let held = self.in_flight.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let room = Room { bodies: Arc::clone(self), bytes };
        if held <= self.in_flight_max {
            return Ok(room);
        }
        let public = "the gateway holds as many bodies as it may; try again";
        Err(fail(Kind::Unavailable, public).after(Duration::from_secs(1)))
    }
}

/// Refuses a body by its head alone, before any of it is read.
///
/// # Errors
/// When it is encoded or says that it is too large.
pub(crate) fn check(headers: &HeaderMap, bodies: &Bodies) -> Result<(), Failure> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes);
    if encoding.is_some_and(|it| !it.eq_ignore_ascii_case(b"identity")) {
        let public = "content-encoding: only `identity` is accepted";
        return Err(fail(Kind::InvalidRequest, public)
            .with_status(415)
            .coded("unsupported_encoding"));
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > bodies.bytes_max) {
        return Err(bodies.too_large());
    }
    Ok(())
}

/// Reads a whole body.
///
/// # Errors
/// When it is too large, too slow, or its caller leaves.
pub(crate) fn read(body: Incoming, bodies: Arc<Bodies>) -> Reading {
    let collect = Collect { body, first: None, rest: BytesMut::new(), room: None };
    Reading { collect, bodies, late: None }
}

/// A body on its way.
pub(crate) struct Reading {
    collect: Collect,
    bodies: Arc<Bodies>,
    /// Runs once anything of it has to be waited for; most bodies come with their head.
    late: Option<Pin<Box<Sleep>>>,
}

impl Future for Reading {
    type Output = Result<Bytes, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { collect, bodies, late } = self.get_mut();
        let Poll::Ready(read) = collect.poll(cx, bodies) else {
            let late = late.get_or_insert_with(|| Box::pin(tokio::time::sleep(bodies.timeout)));
            let failure = || fail(Kind::BodyTimeout, "the body did not come in time");
            return late.as_mut().poll(cx).map(|()| Err(failure()));
        };
        let bytes = read?;
        Poll::Ready(Ok(match collect.room.take() {
            None => bytes,
            Some(room) => Bytes::from_owner(Counted { bytes, _room: room }),
        }))
    }
}

/// A body that broke off, or is framed as nothing should be.
fn broken(error: hyper::Error) -> Failure {
    let cause = std::error::Error::source(&error).and_then(|it| it.downcast_ref::<io::Error>());
    let failure = match cause.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
            FramingError::Ambiguous("chunks out of form").failure()
        }
        _ => fail(Kind::Cancelled, "the caller left"),
    };
    failure.because(error)
}

struct Collect {
    body: Incoming,
    /// The only chunk, as long as there is only one: then nothing is copied.
    first: Option<Bytes>,
    rest: BytesMut,
    room: Option<Room>,
}

impl Collect {
    fn poll(&mut self, cx: &mut Context<'_>, bodies: &Arc<Bodies>) -> Poll<Result<Bytes, Failure>> {
        loop {
            let (polled, woken) = wakes::quietly(|| Pin::new(&mut self.body).poll_frame(cx));
            // Its connection is to bring more. It is polled by this task, but not before this returns; what
            // it has brought to the end, it has nothing more to do for.
            if woken && !self.body.is_end_stream() {
                cx.waker().wake_by_ref();
            }
            match std::task::ready!(polled) {
                None => {
                    return Poll::Ready(Ok(self.whole()));
                }
                Some(Err(error)) => {
                    return Poll::Ready(Err(broken(error)));
                }
                Some(Ok(frame)) => {
                    if let Ok(chunk) = frame.into_data() {
                        self.take(chunk, bodies)?;
                    }
                    // All of the length that was said has come: nothing follows.
                    if self.body.is_end_stream() {
                        return Poll::Ready(Ok(self.whole()));
                    }
                }
            }
        }
    }

    /// All that has come.
    fn whole(&mut self) -> Bytes {
        match self.first.take() {
            Some(only) if only.len() <= COPIED_TO => Bytes::copy_from_slice(&only),
            Some(only) => only,
            None => std::mem::take(&mut self.rest).freeze(),
        }
    }

    fn take(&mut self, chunk: Bytes, bodies: &Arc<Bodies>) -> Result<(), Failure> {
        let held = self.first.as_ref().map_or(self.rest.len(), Bytes::len);
        let length = held + chunk.len();
        if length > bodies.bytes_max {
            return Err(bodies.too_large());
        }
        self.grow(length, bodies)?;
        if held == 0 {
            self.first = Some(chunk);
            return Ok(());
        }
        if let Some(first) = self.first.take() {
            let expected = usize::try_from(self.body.size_hint().lower()).unwrap_or(0);
            self.rest.reserve(length + expected.min(bodies.bytes_max));
            self.rest.extend_from_slice(&first);
        }
        self.rest.extend_from_slice(&chunk);
        Ok(())
    }

    /// Takes room for what is held by now.
    fn grow(&mut self, length: usize, bodies: &Arc<Bodies>) -> Result<(), Failure> {
        if length < COUNTED_FROM {
            return Ok(());
        }
        match &mut self.room {
            None => self.room = Some(bodies.room(length)?),
            Some(room) => {
                let more = bodies.room(length - room.bytes)?;
                room.bytes = length;
                std::mem::forget(more);
            }
        }
        Ok(())
    }
}
