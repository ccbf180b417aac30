//! A backend that writes its own bytes: whatever they are, it is not bound to HTTP.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::wait::turns;

/// One thing that it does after a request has come.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Writes these bytes one by one.
    Trickle(Vec<u8>),
    /// Writes these bytes again and again, until the peer leaves or [`FLOOD_BYTES_MAX`] are out.
    Flood(Vec<u8>),
    /// Says nothing until this is set.
    Hold(watch::Receiver<bool>),
    /// Says nothing until the peer leaves.
    Silence,
    /// Closes the connection.
    Close,
    /// Resets it.
    Reset,
}

/// The list of the one model that scenarios ask for.
const LIST: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n\
     {\"object\":\"list\",\"data\":[{\"id\":\"scripted\"}]}";
/// Who takes so much of a flood has no bound.
const FLOOD_BYTES_MAX: usize = 100 << 20;

/// How one request is answered.
#[derive(Clone, Debug)]
pub(crate) struct Play {
    /// So many bytes of the request are read before the first step; the rest after the last.
    pub(crate) read_first: usize,
    /// What is done then. If it does not end the connection, the next request is read from it.
    pub(crate) steps: Vec<Step>,
}

impl From<Vec<Step>> for Play {
    fn from(steps: Vec<Step>) -> Self {
        Self { read_first: usize::MAX, steps }
    }
}

/// What was seen of the peer.
#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    left: AtomicUsize,
    played: AtomicUsize,
    took_a_flood: AtomicBool,
    /// Whether questions for its models are answered, and are none of its requests.
    lists: bool,
}

/// A running scripted backend. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct ByteBackend {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

impl ByteBackend {
    /// The first request is answered by the first play, and so on; all after them by the last.
    pub(crate) async fn start(plays: Vec<Play>) -> Self {
        Self::with(plays, Seen::default()).await
    }

    /// The same, but it answers those who ask for its models, beside the plays.
    pub(crate) async fn listing(plays: Vec<Play>) -> Self {
        Self::with(plays, Seen { lists: true, ..Seen::default() }).await
    }

    async fn with(plays: Vec<Play>, seen: Seen) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let addr = listener.local_addr().expect("an address");
        let seen = Arc::new(seen);
        let task = tokio::spawn(accept(listener, plays.into(), Arc::clone(&seen)));
        Self { addr, seen, task }
    }

    /// Its base URL.
    pub(crate) fn urls(&self) -> Vec<String> {
        vec![format!("http://{}/v1", self.addr)]
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Relaxed)
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.seen.requests.load(Relaxed)
    }

    /// Connections that the peer has closed.
    pub(crate) fn left(&self) -> usize {
        self.seen.left.load(Relaxed)
    }

    /// Plays that came to their end.
    pub(crate) fn played(&self) -> usize {
        self.seen.played.load(Relaxed)
    }

    /// Whether the peer took a flood to its end.
    pub(crate) fn took_a_flood(&self) -> bool {
        self.seen.took_a_flood.load(Relaxed)
    }
}

impl Drop for ByteBackend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, plays: Arc<[Play]>, seen: Arc<Seen>) {
    let mut open = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Relaxed);
        let _ = stream.set_nodelay(true);
        open.spawn(serve(stream, Arc::clone(&plays), Arc::clone(&seen)));
    }
}

/// All requests of one connection.
async fn serve(mut stream: TcpStream, plays: Arc<[Play]>, seen: Arc<Seen>) {
    loop {
        let mut request = Vec::new();
        let least = if seen.lists { "GET ".len() } else { 1 };
        if !read_some(&mut stream, &mut request, least).await {
            seen.left.fetch_add(1, Relaxed);
            return;
        }
        if seen.lists && request.starts_with(b"GET ") {
            // Whole, or closing would reset the connection.
            let _ = read_some(&mut stream, &mut request, usize::MAX).await;
            let _ = stream.write_all(LIST.as_bytes()).await;
            return;
        }
        let nth = seen.requests.fetch_add(1, Relaxed);
        let Some(play) = plays.get(nth).or(plays.last()) else { return };
        let ready = read_some(&mut stream, &mut request, play.read_first).await;
        for step in &play.steps {
            if !ready || !take(step, &mut stream, &seen).await {
                return;
            }
        }
        seen.played.fetch_add(1, Relaxed);
        if !read_some(&mut stream, &mut request, usize::MAX).await {
            return;
        }
    }
}

/// Reads on until the request has so many bytes or is whole. False if the peer left before.
async fn read_some(stream: &mut TcpStream, request: &mut Vec<u8>, least: usize) -> bool {
    while request.len() < least && !whole(request) {
        match stream.read_buf(request).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
    true
}

/// Whether a head and as much of a body as it says are there.
fn whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|it| it == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.map_or(0, |it| it.trim().parse().expect("a length"));
    request.len() >= end + 4 + length
}

/// Does one step. False if the connection is over.
async fn take(step: &Step, stream: &mut TcpStream, seen: &Seen) -> bool {
    let alive = match step {
        Step::Send(bytes) => stream.write_all(bytes).await.is_ok(),
        Step::Trickle(bytes) => trickle(stream, bytes).await,
        Step::Flood(bytes) => flood(stream, bytes, seen).await,
        Step::Hold(gate) => gate.clone().wait_for(|open| *open).await.is_ok(),
        Step::Silence => stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0),
        Step::Close => return false,
        Step::Reset => {
            let _ = stream.set_zero_linger();
            return false;
        }
    };
    if !alive {
        seen.left.fetch_add(1, Relaxed);
    }
    turns().await;
    alive
}

async fn trickle(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    for byte in bytes {
        if stream.write_all(std::slice::from_ref(byte)).await.is_err() {
            return false;
        }
        turns().await;
    }
    true
}

async fn flood(stream: &mut TcpStream, bytes: &[u8], seen: &Seen) -> bool {
    let block = bytes.repeat((64 * 1024 / bytes.len()).max(1));
    for _ in 0..FLOOD_BYTES_MAX / block.len() {
        if stream.write_all(&block).await.is_err() {
            return false;
        }
    }
    seen.took_a_flood.store(true, Relaxed);
    true
}
