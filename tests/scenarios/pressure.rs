//! A caller who stops reading stops the backend: what is not read is not fetched.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::harness::{Setup, streamed, wait};

/// What may lie between a backend and a caller who does not read, the kernel's buffers included.
const BUFFERED_MAX: usize = 8 << 20;

/// A backend that streams so many bytes as fast as they are taken.
struct Torrent {
    addr: SocketAddr,
    sent: Arc<AtomicUsize>,
    /// The hash of all events.
    task: JoinHandle<u64>,
}

impl Torrent {
    async fn start(bytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let addr = listener.local_addr().expect("an address");
        let sent = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(pour(listener, bytes, Arc::clone(&sent)));
        Self { addr, sent, task }
    }

    fn sent(&self) -> usize {
        self.sent.load(Relaxed)
    }
}

/// The nth event, of 1 to 64 KiB.
fn event(nth: usize) -> String {
    let letter = char::from(b'a' + u8::try_from(nth % 26).expect("a letter"));
    let filler = letter.to_string().repeat(1_024 + nth.wrapping_mul(7_919) % (63 * 1_024));
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{filler}\"}}}}]}}\n\n")
}

async fn pour(listener: TcpListener, bytes: usize, sent: Arc<AtomicUsize>) -> u64 {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut request = vec![0; 64 * 1024];
    let _ = stream.read(&mut request).await.expect("a request");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("it is taken");
    let (mut hash, mut poured, mut nth) = (Xxh3::new(), 0, 0);
    while poured < bytes {
        let event = event(nth);
        hash.update(event.as_bytes());
        let mut left = event.as_bytes();
        while !left.is_empty() {
            let taken = stream.write(left).await.expect("it is taken");
            sent.fetch_add(taken, Relaxed);
            left = &left[taken..];
        }
        (poured, nth) = (poured + event.len(), nth + 1);
    }
    stream.write_all(b"data: [DONE]\n\n").await.expect("it is taken");
    hash.update(b"data: [DONE]\n\n");
    hash.digest()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_stops_reading_stops_the_backend() {
    let full = std::env::var_os("SIGNALBOX_TEST_FULL").is_some();
    let torrent = Torrent::start(if full { 200 << 20 } else { 48 << 20 }).await;
    let urls = [format!("http://{}/v1", torrent.addr)];
    let gateway = Setup::new().model("a", &urls).start().await;
    let mut answer = gateway.post(&streamed("a")).send().await.expect("a head");
    let mut all = answer.chunk().await.expect("a stream").expect("content").to_vec();
    let held = wait::at_rest(|| torrent.sent()).await - all.len();
    println!("a caller who stopped reading: {} KiB on their way to him", held >> 10);
    assert!(held < BUFFERED_MAX, "{held}");
    while let Some(chunk) = answer.chunk().await.expect("the stream goes on") {
        all.extend_from_slice(&chunk);
    }
    assert!(all.ends_with(b"data: [DONE]\n\n"));
    assert_eq!(xxh3_64(&all), torrent.task.await.expect("it was taken"), "byte for byte");
    assert_eq!(gateway.close().await.outcome(), "ok");
}
