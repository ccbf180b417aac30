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

/// The most that is read ahead of one connection.
const READ_BYTES_MAX: usize = 512 * 1024;
/// What the kernel holds for a caller who does not read; it may double it. Left to itself it holds four
/// megabytes.
const SEND_BYTES: u32 = 512 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;
/// After an error of `accept` (no file descriptors left, for one), how long to wait.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What one door is like.
pub(crate) struct ListenerConfig {
    /// Where it listens.
    pub listener: TcpListener,
    /// For the whole head of a request.
    pub header_timeout: Duration,
    /// How long a caller may take nothing of what is written to him.
    pub write_timeout: Duration,
    /// Open connections at the most; further ones wait to be accepted.
    pub connections_max: usize,
    /// Says whether the door rests: whoever comes then waits to be accepted, here or by another process.
    pub resting: watch::Receiver<bool>,
}

/// How far a door has closed. It only ever closes further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shutdown {
    /// Not at all.
    Open,
    /// Nobody comes in here any more, but by another process that has the socket. Connections go on as
    /// before.
    Left,
    /// Nobody comes in any more. A connection that is serving a request ends after it; one that is idle
    /// ends at once.
    Shut,
    /// Every connection is looked at again: what answers has been told to come to its end.
    Hurry,
    /// What is still open is dropped.
    Dropped,
}

/// Serves a door until it is shut and every connection has ended.
pub(crate) async fn run<S, F>(
    mut door: ListenerConfig,
    mut closing: watch::Receiver<Shutdown>,
    serve: S,
) where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<EdgeBody>, Infallible>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(door.connections_max));
    // Each connection holds a sender; when all are gone, the receiver ends.
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    loop {
        let accepted = tokio::select! {
            biased;
            () = left(&mut closing) => break,
            () = rests(&mut door.resting) => {
                rested(&mut door.resting, &mut closing).await;
                continue;
            }
            accepted = accept(&door.listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else { continue };
        let stream = WriteTimeout::new(stream, door.write_timeout);
        let connection = connection(stream, door.header_timeout, closing.clone(), serve.clone());
        let open = open.clone();
        tokio::spawn(async move {
            connection.await;
            drop((place, open));
        });
    }
    // Whoever comes now is to be refused, and not to wait for an answer that never comes.
    drop(door.listener);
    drop(open);
    while all_closed.recv().await.is_some() {}
}

/// Listens on an address, for a door.
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

/// A socket that another process has opened, for a door.
///
/// # Errors
/// When it is none that listens.
pub(crate) fn adopt(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    rustix::net::sockopt::set_socket_send_buffer_size(&listener, SEND_BYTES as usize)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Waits until the door is to rest.
async fn rests(resting: &mut watch::Receiver<bool>) {
    if resting.wait_for(|rests| *rests).await.is_err() {
        // Whoever could say so has gone.
        std::future::pending::<()>().await;
    }
}

/// Waits until it has rested, or is to be shut.
async fn rested(resting: &mut watch::Receiver<bool>, closing: &mut watch::Receiver<Shutdown>) {
    tokio::select! {
        // A door whose process has been succeeded rests until it is left.
        Ok(_) = resting.wait_for(|rests| !*rests) => {}
        () = left(closing) => {}
    }
}

/// Waits until nobody is to come in any more.
async fn left(closing: &mut watch::Receiver<Shutdown>) {
    // The sender's end says the same as its word.
    let _ = closing.wait_for(|closing| *closing >= Shutdown::Left).await;
}

type Heard = (Shutdown, Option<watch::Receiver<Shutdown>>);

/// Hears within a connection's task how far the door has closed.
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
        Self { watched, listening: Some(Box::pin(Self::told(closing))), asked: false }
    }

    async fn told(mut closing: watch::Receiver<Shutdown>) -> Heard {
        if closing.changed().await.is_err() {
            // The sender's end says the same as its word.
            return (Shutdown::Shut, None);
        }
        let word = *closing.borrow_and_update();
        (word, Some(closing))
    }

    /// The last word, if there is a new one.
    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Option<Shutdown> {
        // The task's waker stays the same: whoever was told of it once is not asked at every event.
        if self.asked && !self.watched.has_changed().unwrap_or(true) { None } else { self.hear(cx) }
    }

    #[cold]
    fn hear(&mut self, cx: &mut Context<'_>) -> Option<Shutdown> {
        let mut said = None;
        while let Some(listening) = &mut self.listening {
            self.asked = true;
            let Poll::Ready((word, closing)) = listening.as_mut().poll(cx) else { break };
            said = Some(word);
            self.asked = false;
            self.listening = closing.map(|it| Box::pin(Self::told(it)) as _);
        }
        said
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
            tracing::warn!(%error, "accept failed");
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
    let mut ear = ShutdownListener::new(closing);
    let ended = std::future::poll_fn(|cx| {
        match ear.poll(cx) {
            None | Some(Shutdown::Open | Shutdown::Left) => {}
            Some(Shutdown::Shut | Shutdown::Hurry) => connection.as_mut().graceful_shutdown(),
            Some(Shutdown::Dropped) => return Poll::Ready(Ok(())),
        }
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
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

    /// Callers come in while the door closes, each time a little earlier or later.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_was_let_in_before_the_door_closed_is_waited_for() {
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
            let door = ListenerConfig {
                listener,
                header_timeout,
                write_timeout,
                connections_max,
                resting,
            };
            let door = tokio::spawn(run(door, closed, serve));
            let mut callers: JoinSet<bool> = (0..4).map(|_| ask(addr)).collect();
            while begun.load(Ordering::SeqCst) <= served && round % 3 > 0 {
                yield_now().await;
            }
            for _ in 0..round % 40 {
                yield_now().await;
            }
            closing.send(Shutdown::Shut).unwrap();
            let drained = tokio::time::timeout(Duration::from_secs(20), door).await;
            drained.expect("the door never closes").unwrap();
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
