//! Guards the framing of requests. A server and whatever stands before it must agree where each
//! request ends; where a head can be read in two ways, hyper takes one of them. Here such a
//! request is refused before any of it is parsed.
//!
//! The guard judges and never decodes: bytes go on as they came. A head that comes in one read is
//! judged where it lies; one that comes in pieces is held back until it is whole. In the place of a
//! refused request stands a request of the guard's own, so that those before it are answered first,
//! and then the refusal, in order.

mod chunks;
mod head;
#[cfg(test)]
mod tests;

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Request;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

pub(crate) use self::head::{AMBIGUOUS, FramingError};
use self::{
    chunks::Chunks,
    head::{Body, Head},
};

/// Stands for a refused request.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
/// After a refusal, for how long what still comes is thrown away: a connection closed with bytes
/// unread is reset, and its caller may never see the answer.
const LINGER: Duration = Duration::from_secs(1);
/// Read at once of what is held back or thrown away.
const PIECE_BYTES: usize = 4 * 1024;

/// What a connection's guard and its service both know.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Requests that were let through, with the one that stands for a refused one.
    heads: AtomicU64,
    /// Requests that came out of the connection.
    served: AtomicU64,
    /// Which request was refused, and why.
    refused: OnceLock<(u64, FramingError)>,
}

impl Watch {
    /// Marks a request that must be refused: its extensions have a [`FramingError`] then.
    pub(crate) fn marked<B>(&self, mut request: Request<B>) -> Request<B> {
        let nth = self.served.fetch_add(1, Relaxed);
        let refusal = match self.refused.get() {
            Some((refused, why)) if *refused == nth => Some(*why),
            _ if nth < self.heads.load(Relaxed) => None,
            // Nobody judged it: whoever parsed it saw a request where the guard saw a body.
            _ => Some(FramingError::Ambiguous("a request within another one's body")),
        };
        if let Some(refusal) = refusal {
            request.extensions_mut().insert(refusal);
        }
        request
    }
}

/// Where in its requests a connection is.
#[derive(Debug)]
enum At {
    Head(Head),
    Length(u64),
    Chunks(Chunks),
    /// All further bytes are thrown away.
    Refused,
    /// The same, and the request under way cannot be read to its end.
    Broken,
}

/// A connection under guard.
pub(crate) struct FramingGuard<T> {
    io: T,
    watch: Arc<Watch>,
    at: At,
    /// What was read but not yet handed on.
    held: Vec<u8>,
    /// So much of `held` may be handed on; after it an unfinished head begins.
    ready: usize,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl<T: AsyncRead + Unpin> FramingGuard<T> {
    /// A connection at its beginning.
    pub(crate) fn new(io: T) -> (Self, Arc<Watch>) {
        let watch = Arc::new(Watch::default());
        let at = At::Head(Head::default());
        let guarded =
            Self { io, watch: Arc::clone(&watch), at, held: Vec::new(), ready: 0, lingering: None };
        (guarded, watch)
    }

    /// Reads more of a head that is held back.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut piece = [MaybeUninit::uninit(); PIECE_BYTES];
        let mut piece = ReadBuf::uninit(&mut piece);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut piece))?;
        self.held.extend_from_slice(piece.filled());
        let (passed, refusal) = self.at.follow(&self.held, &self.watch);
        self.ready = passed;
        if !matches!(self.at, At::Head(_)) {
            self.held.truncate(passed);
        }
        self.stand_in(refusal);
        Poll::Ready(Ok(piece.filled().len()))
    }

    /// Reads into `buf` what needs no holding back; true at the end of the connection.
    fn poll_direct(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let fresh = buf.filled().get(before..).unwrap_or_default();
        if fresh.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let (passed, refusal) = self.at.follow(fresh, &self.watch);
        if passed < fresh.len() {
            if let At::Head(_) = self.at {
                self.held.extend_from_slice(fresh.get(passed..).unwrap_or_default());
            }
            buf.set_filled(before + passed);
        }
        self.stand_in(refusal);
        Poll::Ready(Ok(false))
    }

    /// Puts a request of our own where the refused one stood.
    fn stand_in(&mut self, refusal: Option<FramingError>) {
        if let Some(refusal) = refusal {
            let nth = self.watch.heads.fetch_add(1, Relaxed);
            let _ = self.watch.refused.set((nth, refusal));
            self.held.extend_from_slice(STAND_IN);
            self.ready = self.held.len();
        }
    }

    /// Hands on what was held back and may go.
    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) {
        let now = self.ready.min(buf.remaining());
        buf.put_slice(self.held.get(..now).unwrap_or_default());
        self.ready -= now;
        self.held.drain(..now);
        if self.held.is_empty() {
            // Between requests a connection holds no memory.
            self.held = Vec::new();
        }
    }

    /// Throws away what comes, until nothing more does.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut piece = [MaybeUninit::uninit(); PIECE_BYTES];
            let mut piece = ReadBuf::uninit(&mut piece);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl At {
    /// Follows bytes: how many of them may be handed on. In a head, `bytes` begins where it begins,
    /// and what may not be handed on is an unfinished head.
    fn follow(&mut self, bytes: &[u8], watch: &Watch) -> (usize, Option<FramingError>) {
        let mut passed = 0;
        while let Some(rest) = bytes.get(passed..)
            && !rest.is_empty()
        {
            match self {
                Self::Head(head) => match head.judge(rest) {
                    Ok(None) => break,
                    Ok(Some((length, body))) => {
                        passed += length;
                        watch.heads.fetch_add(1, Relaxed);
                        *self = Self::body(body);
                    }
                    Err(refusal) => {
                        *self = Self::Refused;
                        return (passed, Some(refusal));
                    }
                },
                Self::Length(left) => {
                    let here = (*left).min(rest.len() as u64);
                    passed += here as usize;
                    *self = Self::body(Body::Length(*left - here));
                }
                Self::Chunks(chunks) => match chunks.follow(rest) {
                    Ok(None) => passed = bytes.len(),
                    Ok(Some(end)) => {
                        passed += end;
                        *self = Self::Head(Head::default());
                    }
                    Err(end) => {
                        passed += end;
                        *self = Self::Broken;
                    }
                },
                Self::Refused | Self::Broken => break,
            }
        }
        (passed, None)
    }

    fn body(body: Body) -> Self {
        match body {
            Body::Length(0) => Self::Head(Head::default()),
            Body::Length(length) => Self::Length(length),
            Body::Chunked => Self::Chunks(Chunks::START),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for FramingGuard<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            if this.ready > 0 {
                this.hand_on(buf);
                return Poll::Ready(Ok(()));
            }
            match &this.at {
                At::Broken => {
                    let odd = "the request's chunks are out of form";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, odd)));
                }
                At::Refused => {
                    // Its end is no news: the refusal is on its way, and then the connection ends.
                    ready!(this.poll_discard(cx))?;
                    return Poll::Pending;
                }
                _ if this.held.is_empty() => {
                    if ready!(this.poll_direct(cx, buf))? || buf.filled().len() > before {
                        return Poll::Ready(Ok(()));
                    }
                }
                _ => {
                    if ready!(this.poll_held(cx))? == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for FramingGuard<T> {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            if !matches!(this.at, At::Refused | At::Broken) {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if linger.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        this.poll_discard(cx)
    }
}
