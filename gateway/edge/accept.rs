//! The accept loop: connections with hyper's limits set, and a graceful end for all of them.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
};

use super::{EdgeBody, framing::Guarded};

/// The most that is read ahead of one connection.
const READ_BYTES_MAX: usize = 512 * 1024;
/// After an error of `accept` (no file descriptors left, for one), how long to wait.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What one door is like.
pub(crate) struct Door {
    /// Where it listens.
    pub listener: TcpListener,
    /// For the whole head of a request.
    pub header_timeout: Duration,
    /// Open connections at the most; further ones wait to be accepted.
    pub connections_max: usize,
}

/// Serves a door until `closing` says so and every connection has ended. A connection that is serving
/// a request ends after it; one that is idle ends at once.
pub(crate) async fn run<S, F>(door: Door, mut closing: watch::Receiver<bool>, serve: S)
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<EdgeBody>, Infallible>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(door.connections_max));
    // Each connection holds a sender; when all are gone, the receiver ends.
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    loop {
        let accepted = tokio::select! {
            biased;
            () = told(&mut closing) => break,
            accepted = accept(&door.listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else { continue };
        let connection = connection(stream, door.header_timeout, closing.clone(), serve.clone());
        let open = open.clone();
        tokio::spawn(async move {
            connection.await;
            drop((place, open));
        });
    }
    drop(open);
    while all_closed.recv().await.is_some() {}
}

/// Waits until the door is told to close.
async fn told(closing: &mut watch::Receiver<bool>) {
    // The sender's end says the same as its word.
    let _ = closing.wait_for(|closing| *closing).await;
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
    stream: TcpStream,
    header_timeout: Duration,
    mut closing: watch::Receiver<bool>,
    serve: S,
) where
    S: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response<EdgeBody>, Infallible>>,
{
    let (guarded, watch) = Guarded::new(stream);
    let serve = move |request| serve(watch.marked(request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(READ_BYTES_MAX)
        // Answers and events are small: one buffer costs less than a list of slices.
        .writev(false)
        .serve_connection(TokioIo::new(guarded), service_fn(serve));
    let mut connection = std::pin::pin!(connection);
    let (watched, mut asked) = (closing.clone(), false);
    let mut listening = Some(Box::pin(async move { told(&mut closing).await }));
    let ended = std::future::poll_fn(|cx| {
        // The task's waker stays the same: whoever was told of it once is not asked at every event.
        if let Some(told) = &mut listening
            && (!asked || watched.has_changed().unwrap_or(true))
        {
            asked = true;
            if told.as_mut().poll(cx).is_ready() {
                listening = None;
                connection.as_mut().graceful_shutdown();
            }
        }
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
