//! The accept loop: connections with hyper's limits set, and a graceful end for all of them.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Semaphore, mpsc, watch},
};

use super::{EdgeBody, framing::FramingGuard, write_timeout::WriteTimeout};
use crate::wakes::TaskWaker;

/// The most that is read ahead of one connection.
const READ_BYTES_MAX: usize = 512 * 1024;
/// What the kernel holds for a caller who does not read; it may double it. Left to itself it holds four
/// megabytes.
const SEND_BYTES: u32 = 512 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;
/// After an error of `accept` (no file descriptors left, for one), how long to wait.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener and its limits.
pub(crate) struct ListenerConfig {
    /// The socket that listens.
    pub listener: TcpListener,
    /// The time for the whole head of a request.
    pub header_timeout: Duration,
    /// How long a caller may take nothing of what is written to him.
    pub write_timeout: Duration,
    /// Open connections at the most; further ones wait to be accepted.
    pub connections_max: usize,
    /// True while the listener is paused: a connection then waits to be accepted, here or by another process.
    pub resting: watch::Receiver<bool>,
}

/// How far a listener has been shut down. It only ever goes further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shutdown {
    /// It accepts connections.
    Open,
    /// No connection is accepted here any more, but by another process that has the socket. Connections go
    /// on as before.
    Left,
    /// No connection is accepted any more. One that is serving a request ends after it; one that is idle
    /// ends at once.
    Shut,
    /// Every connection is polled again: the answers under way have been asked to end.
    Hurry,
    /// What is still open is dropped.
    Dropped,
}

/// Serves a listener until it is shut down and every connection has ended.
pub(crate) async fn run<S, F>(
    mut config: ListenerConfig,
    mut closing: watch::Receiver<Shutdown>,
    serve: S,
) where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<EdgeBody>, Infallible>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(config.connections_max));
    // Each connection holds a sender; when all are gone, the receiver ends.
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    loop {
        let accepted = tokio::select! {
            biased;
            () = left(&mut closing) => break,
            () = paused(&mut config.resting) => {
                resumed(&mut config.resting, &mut closing).await;
                continue;
            }
            accepted = accept(&config.listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else { continue };
        let stream = WriteTimeout::new(stream, config.write_timeout);
        let connection = connection(stream, config.header_timeout, closing.clone(), serve.clone());
        let open = open.clone();
        tokio::spawn(async move {
            connection.await;
            drop((place, open));
        });
    }
    // Whoever comes now is to be refused, and not to wait for an answer that never comes.
    drop(config.listener);
    drop(open);
    while all_closed.recv().await.is_some() {}
}

/// Listens on an address.
///
/// # Errors
/// When it cannot be listened on.
pub(crate) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    bind(addr)?.listen(BACKLOG)
}

/// A socket at this address, on which nobody can connect before it listens.
///
/// # Errors
/// When there is no such address here, the port may not be opened, or somebody listens there.
pub(crate) fn bind(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Connections have it from their listener.
    socket.set_send_buffer_size(SEND_BYTES)?;
    socket.bind(addr)?;
    Ok(socket)
}

/// Takes over a listening socket that another process has opened.
///
/// # Errors
/// When it is none that listens.
pub(crate) fn adopt(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    rustix::net::sockopt::set_socket_send_buffer_size(&listener, SEND_BYTES as usize)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Waits until the listener is to pause.
async fn paused(resting: &mut watch::Receiver<bool>) {
    if resting.wait_for(|resting| *resting).await.is_err() {
        // Whoever could say so has gone.
        std::future::pending::<()>().await;
    }
}

/// Waits until the pause is over, or the listener is to be shut down.
async fn resumed(resting: &mut watch::Receiver<bool>, closing: &mut watch::Receiver<Shutdown>) {
    tokio::select! {
        // A listener whose process has a successor stays paused until it is left.
        Ok(_) = resting.wait_for(|resting| !*resting) => {}
        () = left(closing) => {}
    }
}

/// Waits until the listener accepts no connection any more.
async fn left(closing: &mut watch::Receiver<Shutdown>) {
    // A sender that is gone means the same.
    let _ = closing.wait_for(|closing| *closing >= Shutdown::Left).await;
}

type Heard = (Shutdown, Option<watch::Receiver<Shutdown>>);

/// Tells the task of a connection how far its listener has been shut down.
struct ShutdownListener {
    watched: watch::Receiver<Shutdown>,
    listening: Option<Pin<Box<dyn Future<Output = Heard> + Send>>>,
    asked: bool,
}

impl ShutdownListener {
    fn new(mut closing: watch::Receiver<Shutdown>) -> Self {
        let watched = closing.clone();
        // Whoever comes late hears what was said before.
        closing.mark_changed();
        Self { watched, listening: Some(Box::pin(Self::changed(closing))), asked: false }
    }

    async fn changed(mut closing: watch::Receiver<Shutdown>) -> Heard {
        if closing.changed().await.is_err() {
            // A sender that is gone means the same.
            return (Shutdown::Shut, None);
        }
        let state = *closing.borrow_and_update();
        (state, Some(closing))
    }

    /// The state of the shutdown, if it has changed.
    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Option<Shutdown> {
        // The task's waker stays the same, so it is registered once and not at every event.
        if self.asked && !self.watched.has_changed().unwrap_or(true) { None } else { self.hear(cx) }
    }

    #[cold]
    fn hear(&mut self, cx: &mut Context<'_>) -> Option<Shutdown> {
        let mut changed = None;
        while let Some(listening) = &mut self.listening {
            self.asked = true;
            let Poll::Ready((state, closing)) = listening.as_mut().poll(cx) else { break };
            changed = Some(state);
            self.asked = false;
            self.listening = closing.map(|it| Box::pin(Self::changed(it)) as _);
        }
        changed
    }
}

type Place = tokio::sync::OwnedSemaphorePermit;

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, Place)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // A stream of small events must not wait for more of them.
            stream.set_nodelay(true).ok()?;
            Some((stream, place))
        }
        Err(error) => {
            let listener = listener.local_addr().ok().map(tracing::field::display);
            tracing::warn!(listener, %error, "a connection cannot be accepted: it waits");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn connection<S, F>(
    stream: WriteTimeout<TcpStream>,
    header_timeout: Duration,
    closing: watch::Receiver<Shutdown>,
    serve: S,
) where
    S: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response<EdgeBody>, Infallible>>,
{
    let (guarded, watch) = FramingGuard::new(stream);
    let serve = move |request| serve(watch.marked(request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(READ_BYTES_MAX)
        // Answers and events are small: one buffer costs less than a list of slices.
        .writev(false)
        .serve_connection(TokioIo::new(guarded), service_fn(serve));
    let mut connection = std::pin::pin!(connection);
    let mut shutdown = ShutdownListener::new(closing);
    let mut task_waker = TaskWaker::default();
    let ended = std::future::poll_fn(|cx| {
        // Only ever polled by the task that it is spawned as.
        let cx = &mut task_waker.context(cx);
        match shutdown.poll(cx) {
            None | Some(Shutdown::Open | Shutdown::Left) => {}
            Some(Shutdown::Shut | Shutdown::Hurry) => connection.as_mut().graceful_shutdown(),
            Some(Shutdown::Dropped) => return Poll::Ready(Ok(())),
        }
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of a caller or operator ended");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        task::{JoinSet, yield_now},
    };

    use super::*;

    const ROUNDS: usize = 300;

    /// Asks once and reads to the end. True if a whole answer came.
    async fn ask(addr: SocketAddr) -> bool {
        let Ok(mut stream) = TcpStream::connect(addr).await else { return false };
        let mut answer = Vec::new();
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let _ = stream.read_to_end(&mut answer).await;
        answer.ends_with(b"served")
    }

    /// Callers connect while the listener is shut down, each time a little earlier or later.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_was_let_in_before_the_listener_closed_is_waited_for() {
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut served = 0;
        for round in 0..ROUNDS {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let (closing, closed) = watch::channel(Shutdown::Open);
            let (b, e) = (Arc::clone(&begun), Arc::clone(&ended));
            let serve = move |_| {
                b.fetch_add(1, Ordering::SeqCst);
                let e = Arc::clone(&e);
                async move {
                    for _ in 0..round % 50 {
                        yield_now().await;
                    }
                    e.fetch_add(1, Ordering::SeqCst);
                    Ok(Response::new(EdgeBody::Whole(Some(Bytes::from_static(b"served")))))
                }
            };
            let minute = Duration::from_secs(60);
            let (header_timeout, write_timeout) = (minute, minute);
            let (_rest, resting) = watch::channel(false);
            let connections_max = 3;
            let config = ListenerConfig {
                listener,
                header_timeout,
                write_timeout,
                connections_max,
                resting,
            };
            let serving = tokio::spawn(run(config, closed, serve));
            let mut callers: JoinSet<bool> = (0..4).map(|_| ask(addr)).collect();
            while begun.load(Ordering::SeqCst) <= served && round % 3 > 0 {
                yield_now().await;
            }
            for _ in 0..round % 40 {
                yield_now().await;
            }
            closing.send(Shutdown::Shut).unwrap();
            let drained = tokio::time::timeout(Duration::from_secs(20), serving).await;
            drained.expect("the listener never closes").unwrap();
            let (begun, ended) = (begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst));
            assert_eq!(begun, ended, "round {round}: it closed while requests were served");
            while let Some(answered) = callers.join_next().await {
                served += usize::from(answered.unwrap());
            }
            assert_eq!(served, ended, "round {round}: an answer did not reach its caller");
        }
        assert!(served >= ROUNDS / 2, "{served} served: hardly any caller came in");
    }
}
