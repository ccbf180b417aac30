//! A backend and a caller that say what the test says, when it says it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

use super::wait::{found, until};

/// The head of a stream without a length: it ends with its connection.
pub(crate) const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
/// An event with content.
pub(crate) const CONTENT: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"some words \"}}]}\n\n";
/// The end of a stream.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// An answer by Messages, as a stream.
pub(crate) mod messages {
    /// All but its end.
    pub(crate) const BEGIN: &str = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":",
        "{\"input_tokens\":7,\"output_tokens\":1}}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":",
        "{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n",
    );
    /// Its end.
    pub(crate) const END: &str = concat!(
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},",
        "\"usage\":{\"output_tokens\":3}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
}

/// One end of a connection that only does what it is told.
#[derive(Debug)]
pub(crate) struct Line {
    say: UnboundedSender<Vec<u8>>,
    heard: Mutex<Vec<u8>>,
    closed: AtomicBool,
    /// Whether a test has it already.
    taken: AtomicBool,
}

impl Line {
    /// The end of a connection that is open.
    pub(crate) fn over(stream: TcpStream) -> Arc<Self> {
        let (mut from, mut to) = stream.into_split();
        let (say, mut said) = unbounded_channel::<Vec<u8>>();
        let line = Arc::new(Self {
            say,
            heard: Mutex::default(),
            closed: AtomicBool::new(false),
            taken: AtomicBool::new(false),
        });
        tokio::spawn(async move {
            while let Some(bytes) = said.recv().await {
                if bytes.is_empty() {
                    let _ = to.shutdown().await;
                } else if to.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        });
        let hears = Arc::clone(&line);
        tokio::spawn(async move { hears.listen(&mut from).await });
        line
    }

    async fn listen(&self, from: &mut OwnedReadHalf) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut bytes).await {
            self.heard.lock().unwrap().extend_from_slice(&bytes[..read]);
        }
        self.closed.store(true, SeqCst);
    }

    /// A caller who sends these bytes.
    pub(crate) async fn call(addr: SocketAddr, request: &[u8]) -> Arc<Self> {
        let line = Self::over(TcpStream::connect(addr).await.expect("a connection"));
        line.say(request);
        line
    }

    /// Sends these bytes.
    pub(crate) fn say(&self, bytes: impl AsRef<[u8]>) {
        let _ = self.say.send(bytes.as_ref().to_vec());
    }

    /// Says that nothing more comes.
    pub(crate) fn hang_up(&self) {
        self.say("");
    }

    /// All that has come so far.
    pub(crate) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    /// Whether this has come.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.heard().contains(text)
    }

    /// How often this has come.
    pub(crate) fn times(&self, text: &str) -> usize {
        self.heard().matches(text).count()
    }

    /// Whether the peer has closed.
    pub(crate) fn closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    /// Waits until this has come.
    pub(crate) async fn hears(&self, text: &str) {
        until(&format!("hearing {text}"), || self.has(text)).await;
    }
}

/// A backend.
pub(crate) struct ManualBackend {
    addr: SocketAddr,
    lines: Arc<Mutex<Vec<Arc<Line>>>>,
    task: JoinHandle<()>,
}

impl ManualBackend {
    /// Begins to listen.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let addr = listener.local_addr().expect("an address");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                kept.lock().unwrap().push(Line::over(stream));
            }
        });
        Self { addr, lines, task }
    }

    /// Its base URL.
    pub(crate) fn urls(&self) -> Vec<String> {
        vec![format!("http://{}/v1", self.addr)]
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.lines.lock().unwrap().len()
    }

    /// The next connection on which a request has come: others may have come on which there is none.
    pub(crate) async fn asked(&self) -> Arc<Line> {
        let asks = |it: &Line| it.has("\"messages\"") || it.has("\"input\":");
        let next = |it: &&Arc<Line>| asks(it) && !it.taken.swap(true, SeqCst);
        let look = async || self.lines.lock().unwrap().iter().find(next).map(Arc::clone).ok_or(());
        found("a request", look).await
    }
}

impl Drop for ManualBackend {
    fn drop(&mut self) {
        self.task.abort();
    }
}
