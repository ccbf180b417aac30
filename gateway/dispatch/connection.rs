//! Connections to backends: the only hyper client.
//!
//! An idle connection waits in its endpoint's [`Pool`]. While a request uses it, its driver is polled
//! inside the request's own task: no second task, no wake between tasks, and dropping the request
//! closes the connection, which is how HTTP/1.1 says that nobody listens any more.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming,
    client::conn::http1,
    rt::{Read, ReadBufCursor, Write},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::connect::{Connected, Connection as Connect, HttpConnector},
    rt::TokioIo,
};
use smallvec::SmallVec;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::{wakes, wire};

/// The largest head of an answer that is read, twice that if it comes in one go; a backend that sends more
/// is broken.
const ANSWER_HEAD_BYTES_MAX: usize = 128 * 1024;

/// What the kernel takes from a backend before we do; it may double it. Left to itself it takes many
/// megabytes of an answer whose caller does not read.
const RECEIVE_BYTES: usize = 128 * 1024;

/// A kept connection that breaks so soon after a request has left for it was being closed in that moment:
/// what its peer says of that takes a way there and back, at the most around the world.
const CLOSED_WITHIN: Duration = Duration::from_millis(250);

type Tcp = TokioIo<TcpStream>;
type Io = MaybeHttpsStream<Watched>;
type Answering = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

/// Opens connections: TCP with `TCP_NODELAY`, TLS 1.2 or 1.3 against the system's roots for `https`.
#[derive(Clone, Debug)]
pub(crate) struct Connector(HttpsConnector<Watching>);

impl Connector {
    /// A connector.
    ///
    /// # Errors
    /// When the system's root certificates cannot be used.
    pub(crate) fn new() -> io::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        tcp.set_recv_buffer_size(Some(RECEIVE_BYTES));
        let provider = rustls::crypto::ring::default_provider();
        let builder = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(provider)
            .map_err(io::Error::other)?;
        Ok(Self(builder.https_or_http().enable_http1().wrap_connector(Watching(tcp))))
    }

    /// Opens a connection to the scheme and authority of `uri`. The caller bounds the time.
    pub(crate) async fn connect(mut self, uri: Uri) -> io::Result<Connection> {
        let io = self.0.call(uri).await.map_err(io::Error::other)?;
        let sent = match &io {
            MaybeHttpsStream::Http(it) => Arc::clone(&it.sent),
            MaybeHttpsStream::Https(it) => Arc::clone(&it.inner().get_ref().0.inner().sent),
        };
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(ANSWER_HEAD_BYTES_MAX)
            .handshake(io)
            .await
            .map_err(io::Error::other)?;
        let wire = Wire { sender, driver, sent };
        let idle_since = tokio::time::Instant::now().into_std();
        Ok(Connection { wire: Box::new(wire), reused: false, idle_since })
    }
}

/// Opens what is watched.
#[derive(Clone, Debug)]
struct Watching(HttpConnector);

impl Service<Uri> for Watching {
    type Response = Watched;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Watched, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { Ok(Watched { tcp: connecting.await?, sent: Arc::default() }) })
    }
}

/// A connection, beneath its TLS, that notes whether anything has left on it: whoever finds it broken
/// then knows whether the peer may have seen a request.
#[derive(Debug)]
struct Watched {
    tcp: Tcp,
    sent: Arc<Sent>,
}

impl Watched {
    fn noting(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.sent.any.store(true, Ordering::Relaxed);
        }
        written
    }
}

impl Connect for Watched {
    fn connected(&self) -> Connected {
        self.tcp.connected()
    }
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl Write for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.noting(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.noting(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// One open connection that nobody uses right now.
pub(crate) struct Connection {
    wire: Box<Wire>,
    reused: bool,
    idle_since: Instant,
}

struct Wire {
    sender: http1::SendRequest<Slices>,
    driver: http1::Connection<Io, Slices>,
    sent: Arc<Sent>,
}

/// How much of a request has left.
#[derive(Debug, Default)]
struct Sent {
    /// The system has taken a byte: the peer may come to see it.
    any: AtomicBool,
    /// The body's last byte was taken for sending.
    all: AtomicBool,
}

impl Connection {
    /// Sends a request; the head of its answer comes from [`Exchange::poll_head`].
    pub(crate) fn send(mut self, mut request: Request<Slices>) -> Exchange {
        self.wire.sent.any.store(false, Ordering::Relaxed);
        self.wire.sent.all.store(false, Ordering::Relaxed);
        request.body_mut().sent = Some(Arc::clone(&self.wire.sent));
        // The driver is polled for the answer's head before the task sleeps.
        let (answering, _) = wakes::quietly(|| self.wire.sender.send_request(request));
        let answering: Answering = Box::pin(answering);
        Exchange { answering: Some(answering), body: None, connection: self, broken: None }
    }

    /// Since when it is idle.
    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// Whether the peer still holds the connection, as far as can be known without sending.
    pub(super) fn alive(&mut self, cx: &mut Context<'_>) -> bool {
        Pin::new(&mut self.wire.driver).poll(cx).is_pending() && self.wire.sender.is_ready()
    }
}

/// A request on its way and the answer to it. Dropping it closes the connection.
pub(crate) struct Exchange {
    answering: Option<Answering>,
    body: Option<Incoming>,
    connection: Connection,
    /// The error with which the driver ended, if it did.
    broken: Option<io::Error>,
}

impl Exchange {
    /// Whether its connection had served before, and no byte of the request has left on it.
    pub(crate) fn unseen(&self) -> bool {
        self.connection.reused && !self.connection.wire.sent.any.load(Ordering::Relaxed)
    }

    /// Whether an error so long after sending says that the connection had served before, and that its peer
    /// was closing it in the moment in which it was taken.
    pub(crate) fn crossed(&self, error: &io::Error, ago: Duration) -> bool {
        let garbage = error.kind() == io::ErrorKind::InvalidData;
        self.connection.reused && ago < CLOSED_WITHIN && !garbage
    }

    /// Since when the connection was idle before, if it had served.
    pub(crate) fn idle_since(&self) -> Instant {
        self.connection.idle_since
    }

    /// Whether all of the request was taken for sending.
    pub(crate) fn all_out(&self) -> bool {
        self.connection.wire.sent.all.load(Ordering::Relaxed)
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if self.broken.is_some() {
            return;
        }
        if let Poll::Ready(end) = Pin::new(&mut self.connection.wire.driver).poll(cx) {
            self.broken = Some(match end {
                Ok(()) => io::Error::from(io::ErrorKind::UnexpectedEof),
                Err(error) => io::Error::other(error),
            });
        }
    }

    /// Waits for the head of the answer; what is none is invalid data. Must not be called again once it has
    /// come.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Response<()>>> {
        self.drive(cx);
        let Some(answering) = self.answering.as_mut() else {
            return Poll::Ready(Err(io::Error::other("the head was read before")));
        };
        match answering.as_mut().poll(&mut quiet()) {
            Poll::Pending => self.ended().map_or(Poll::Pending, |end| Poll::Ready(Err(end))),
            Poll::Ready(Err(error)) if error.is_parse() => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(io::Error::other(error))),
            Poll::Ready(Ok(response)) => {
                let (head, body) = response.into_parts();
                self.answering = None;
                self.body = Some(body);
                Poll::Ready(Ok(Response::from_parts(head, ())))
            }
        }
    }

    /// Waits for the next bytes of the answer; `None` at its end.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        // What the driver has put down before, else what it puts down now.
        let before = self.take_bytes();
        if before.is_ready() {
            return before;
        }
        self.drive(cx);
        match self.take_bytes() {
            Poll::Pending => self.ended().map_or(Poll::Pending, |end| Poll::Ready(Some(Err(end)))),
            ready => ready,
        }
    }

    /// How the driver ended, if it did. A driver that ends in good order, as when the peer closes a
    /// connection that was idle until just now, tells nobody who still waits on it.
    fn ended(&self) -> Option<io::Error> {
        let end = self.broken.as_ref()?;
        Some(io::Error::new(end.kind(), end.to_string()))
    }

    fn take_bytes(&mut self) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
            // There is room for more now. The driver is polled for that when it is asked for: whoever reads
            // an answer asks until there is nothing.
            let (polled, _) = wakes::quietly(|| Pin::new(body).poll_frame(&mut quiet()));
            match ready!(polled) {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                None => {
                    self.body = None;
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// The connection, if its answer was read to the end; it is idle from now on.
    pub(super) fn into_idle(mut self, now: Instant) -> Option<Connection> {
        if self.answering.is_some() || self.body.is_some() || self.broken.is_some() {
            return None;
        }
        self.connection.reused = true;
        self.connection.idle_since = now;
        Some(self.connection)
    }
}

/// The context in which an answer is looked for. The driver is polled in the request's own, right before;
/// what it hands over in the same breath need not wake the task that is running.
fn quiet() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// The body of a request to a backend: slices of the caller's own bytes, sent without a copy. It is kept
/// small: hyper has room for 32 requests beside each connection.
pub(crate) struct Slices {
    slices: SmallVec<[Bytes; 1]>,
    next: usize,
    left: usize,
    sent: Option<Arc<Sent>>,
}

impl Slices {
    /// Slices to be sent one after the other.
    pub(crate) fn new(body: wire::Body) -> Self {
        Self { slices: body.slices, next: 0, left: body.len, sent: None }
    }
}

impl Body for Slices {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let at = self.next;
        let Some(slice) = self.slices.get_mut(at).map(std::mem::take) else {
            return Poll::Ready(None);
        };
        self.next += 1;
        self.left -= slice.len();
        if self.left == 0
            && let Some(sent) = &self.sent
        {
            sent.all.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::dispatch::pool::Pool;

    fn request() -> Request<Slices> {
        let slices = SmallVec::from_iter([Bytes::from_static(b"{}")]);
        let mut request = Request::new(Slices::new(wire::Body { slices, len: 2 }));
        request.headers_mut().insert("host", http::HeaderValue::from_static("x"));
        request
    }

    async fn head(exchange: &mut Exchange) -> io::Result<Response<()>> {
        let head = std::future::poll_fn(|cx| exchange.poll_head(cx));
        tokio::time::timeout(Duration::from_secs(5), head).await.expect("it hangs")
    }

    /// The peer closes an idle connection after it was found alive and before anything is sent on it.
    #[tokio::test]
    async fn a_connection_that_ends_as_it_is_taken_does_not_hang() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let connecting = Connector::new().unwrap().connect(uri);
        let (connection, accepted) = tokio::join!(connecting, listener.accept());
        let (mut peer, _) = accepted.unwrap();
        let mut exchange = connection.unwrap().send(request());
        let answer = async {
            let mut buf = [0; 256];
            assert!(peer.read(&mut buf).await.unwrap() > 0);
            peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        };
        let (answered, ()) = tokio::join!(head(&mut exchange), answer);
        assert_eq!(answered.unwrap().status(), 200);
        assert!(exchange.all_out());
        assert!(std::future::poll_fn(|cx| exchange.poll_bytes(cx)).await.is_none());
        let pool = Pool::new(Duration::from_secs(60));
        pool.recycle(exchange, Instant::now());
        let taken = std::future::poll_fn(|cx| Poll::Ready(pool.take(cx, Instant::now()))).await;
        let connection = taken.expect("it is alive");
        drop(peer);
        // Whoever sees the end of a later connection has been told of this one's before.
        let later = TcpStream::connect(listener.local_addr().unwrap());
        let (later, accepted) = tokio::join!(later, listener.accept());
        drop(accepted);
        assert_eq!(later.unwrap().read(&mut [0]).await.unwrap(), 0);
        let mut exchange = connection.send(request());
        assert!(head(&mut exchange).await.is_err());
        assert!(exchange.unseen(), "nobody can have seen it");
    }
}
