//! A caller who leaves takes his request with him, whatever it is waiting for, and at once: the clock stands
//! still, so that no timer helps.

use std::time::Duration;

use serde_json::Value;
use signalbox::sim::InjectedFault;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::harness::{
    Gateway, Setup, SimBackend, ask,
    clock::{Clock, settle},
    raw,
    sim_backend::quick,
    streamed, wait,
};

/// How often each departure is tried.
const TRIES: u64 = 5;

/// A connection on which this has been sent.
async fn sent(gateway: &Gateway, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    stream
}

/// Leaves once the backend has the request, and, where `reads`, once content has come.
async fn leave(phase: &str, up: SimBackend, request: &Value, reads: bool) {
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let clock = Clock::stop();
    let mut buf = [0; 1_024];
    for nth in 0..TRIES {
        let mut stream = sent(&gateway, &raw::chat("", request.to_string().as_bytes())).await;
        up.until(|seen| seen.requests == nth + 1 && seen.in_flight == 1).await;
        let mut read = String::new();
        while reads && !read.contains("delta") {
            let length = stream.read(&mut buf).await.expect("an answer");
            assert!(length > 0, "{phase}: {read}");
            read += &String::from_utf8_lossy(&buf[..length]);
        }
        // So that it waits where it is meant to.
        settle().await;
        assert_eq!(up.seen().in_flight, 1, "{phase}: it ended by itself");
        drop(stream);
        let gone = || up.seen().cancelled == nth + 1 && up.seen().in_flight == 0;
        wait::until(phase, gone).await;
    }
    assert_eq!(up.seen().completed, 0, "{phase}");
    gateway.until(|books| books.verification.settled == TRIES).await;
    drop(clock);
    tokio::time::resume();
    let books = gateway.close().await;
    let outcomes = books.entries.iter().map(|entry| entry.outcome.as_deref());
    assert!(outcomes.clone().all(|it| it == Some("cancelled")), "{phase}: {:?}", books.entries);
    assert_eq!(outcomes.count() as u64, TRIES, "{phase}");
}

#[tokio::test]
async fn before_the_head() {
    for request in [streamed("a"), ask("a")] {
        leave("before the head", SimBackend::failing(InjectedFault::StallHead), &request, false)
            .await;
    }
}

#[tokio::test]
async fn between_head_and_content() {
    for fault in [InjectedFault::StallContent, InjectedFault::StallPings] {
        leave("before the content", SimBackend::failing(fault), &streamed("a"), false).await;
    }
}

#[tokio::test]
async fn within_a_stream() {
    leave("a stream at rest", SimBackend::failing(InjectedFault::StallMid), &streamed("a"), true)
        .await;
    let slow = SimBackend::with(quick().paced(0, 20));
    leave("a slow stream", slow, &streamed("a"), true).await;
}

#[tokio::test]
async fn within_a_plain_answer() {
    for fault in [InjectedFault::StallMid, InjectedFault::StallContent] {
        leave("a plain answer", SimBackend::failing(fault), &ask("a"), false).await;
    }
}

/// Nobody behind the gateway has heard of the request by then: it is refused, and no entry.
#[tokio::test]
async fn within_its_own_body() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let whole = raw::chat("", ask("a").to_string().as_bytes());
    let labels = ["stage=\"receive\"", "kind=\"cancelled\""];
    let clock = Clock::stop();
    for nth in 1..=TRIES {
        let stream = sent(&gateway, &whole[..whole.len() - 10]).await;
        settle().await;
        drop(stream);
        let refused = async || gateway.metrics().await.sum("signalbox_refusals_total", &labels);
        wait::answers("it is given up", nth as f64, refused).await;
    }
    assert_eq!(up.seen().requests, 0);
    drop(clock);
    assert!(gateway.close().await.entries.is_empty());
}

/// A listener that accepts nobody and has its queue full answers no further connection.
#[tokio::test]
async fn while_connecting() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(1).expect("a listener");
    let addr = listener.local_addr().expect("an address");
    let mut queue = Vec::new();
    while let Ok(stream) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(addr)).await
    {
        queue.push(stream.expect("a place in the queue"));
        if queue.len() > 64 {
            println!("connecting: this system takes any number of connections; not tried");
            return;
        }
    }
    let lines = "timeouts = { connect_ms = 20000 }\n";
    let setup = Setup::new().model_with("a", &[format!("http://{addr}/v1")], lines);
    let gateway = setup.start().await;
    let clock = Clock::stop();
    let request = raw::chat("", ask("a").to_string().as_bytes());
    for nth in 1..=TRIES {
        let stream = sent(&gateway, &request).await;
        settle().await;
        drop(stream);
        gateway.until(|books| books.verification.settled == nth).await;
    }
    drop(clock);
    let books = gateway.close().await;
    let cancelled = |entry: &signalbox::store::Entry| entry.outcome.as_deref() == Some("cancelled");
    assert!(books.entries.iter().all(cancelled), "{:?}", books.entries);
}
