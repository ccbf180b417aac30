//! Connections to the one backend, each driven by the task of the request that uses it.

use std::{
    error::Error,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{Connection, SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

type Fault = Box<dyn Error + Send + Sync>;

/// The backend and its idle connections.
pub(crate) struct Upstream {
    authority: String,
    host: HeaderValue,
    idle: Mutex<Vec<Open>>,
}

/// A connection, and the half that reads and writes it.
struct Open {
    sender: SendRequest<Full<Bytes>>,
    driver: Pin<Box<Connection<TokioIo<TcpStream>, Full<Bytes>>>>,
}

/// An answer's body; its connection is idle again when it has ended.
pub(crate) struct Relayed {
    body: Incoming,
    open: Option<Open>,
    upstream: Arc<Upstream>,
}

impl Upstream {
    /// A backend: host and port.
    pub(crate) fn new(authority: &str) -> Result<Self, Fault> {
        let host = HeaderValue::from_str(authority)?;
        Ok(Self { authority: authority.to_owned(), host, idle: Mutex::default() })
    }

    /// What the header `host` says.
    pub(crate) fn host(&self) -> HeaderValue {
        self.host.clone()
    }

    /// Sends a request; the head of its answer.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Relayed>, Fault> {
        let mut open = self.open().await?;
        let answer = {
            let mut sent = pin!(open.sender.send_request(request));
            poll_fn(|cx| {
                let ended = open.driver.as_mut().poll(cx).is_ready();
                match sent.as_mut().poll(cx) {
                    Poll::Pending if ended => Poll::Ready(Err(Fault::from("the backend has gone"))),
                    polled => polled.map_err(Fault::from),
                }
            })
            .await?
        };
        Ok(answer.map(|body| Relayed { body, open: Some(open), upstream: Arc::clone(self) }))
    }

    async fn open(&self) -> Result<Open, Fault> {
        let idle = self.idle().pop();
        if let Some(open) = idle.filter(|open| !open.sender.is_closed()) {
            return Ok(open);
        }
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let (sender, driver) = handshake(TokioIo::new(stream)).await?;
        Ok(Open { sender, driver: Box::pin(driver) })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relayed {
    /// Polls the driver; a connection that has ended is dropped.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if self.open.as_mut().is_some_and(|open| open.driver.as_mut().poll(cx).is_ready()) {
            self.open = None;
        }
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.drive(cx);
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || polled.is_ready() && self.body.is_end_stream() {
            // The driver sees the end too, and is ready for the next request.
            self.drive(cx);
            if let Some(open) = self.open.take() {
                self.upstream.idle().push(open);
            }
        }
        polled.map(|frame| frame.map(|frame| frame.map_err(Fault::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
