//! Every timeout, with a clock that only moves by hand: just before its moment nothing has happened,
//! just after it what was promised has.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};

use crate::harness::{
    Books, Gateway, Setup, ask,
    clock::Clock,
    gateway::results,
    manual_backend::{CONTENT, DONE, Line, ManualBackend, STREAM},
    raw, streamed,
    wait::until,
};

pub(super) async fn call(gateway: &Gateway, body: &Value) -> Arc<Line> {
    Line::call(gateway.addr(), &raw::chat("", body.to_string().as_bytes())).await
}

/// One model at this backend.
fn model(up: &ManualBackend, lines: &str) -> Setup {
    Setup::new().model_with("a", &up.urls(), lines)
}

/// The books, once all entries are closed.
pub(super) async fn closed(gateway: &Gateway) -> Books {
    let closed = |books: &Books| !books.entries.is_empty() && books.verification.open == 0;
    until("closed entries", || closed(&gateway.books())).await;
    gateway.books()
}

/// How the one entry ended, and its attempts.
async fn ending(gateway: &Gateway) -> (String, Vec<String>) {
    let books = closed(gateway).await;
    (books.outcome().to_owned(), results(books.only()))
}

fn ended(outcome: &str, attempts: &[&str]) -> (String, Vec<String>) {
    (outcome.to_owned(), attempts.iter().map(|&it| it.to_owned()).collect())
}

/// A stream that has shown content: the caller's end and the backend's.
async fn streaming(gateway: &Gateway, up: &ManualBackend) -> (Arc<Line>, Arc<Line>) {
    let caller = call(gateway, &streamed("a")).await;
    let backend = up.asked().await;
    backend.say(STREAM);
    backend.say(CONTENT);
    caller.hears("some words").await;
    (caller, backend)
}

const REFUSED: &str = "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A plain answer.
pub(super) fn yes() -> String {
    const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"content":"yes"}}]}"#;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
    format!("{head}: {}\r\n\r\n{ANSWER}", ANSWER.len())
}

/// An address that takes no more connections, and what has filled it.
pub(super) fn deaf() -> (SocketAddr, impl Sized) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(1).expect("a listener");
    let addr = listener.local_addr().expect("an address");
    let patience = Duration::from_millis(100);
    let connect = || std::net::TcpStream::connect_timeout(&addr, patience).ok();
    let full: Vec<_> = std::iter::from_fn(connect).collect();
    (addr, (listener, full))
}

#[tokio::test]
async fn connecting() {
    let clock = Clock::stop();
    let (addr, _full) = deaf();
    let gateway = Setup::new().model("a", &[format!("http://{addr}/v1")]).start().await;
    let caller = call(&gateway, &ask("a")).await;
    clock.happens_after(3_000, "504", || caller.has("HTTP/1.1 504")).await;
    assert!(caller.has("could not be reached in time"), "{}", caller.heard());
    assert_eq!(ending(&gateway).await, ended("failed", &["timeout"]));
}

#[tokio::test]
async fn an_early_head_and_the_first_token() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let gateway = model(&up, "").start().await;
    let caller = call(&gateway, &streamed("a")).await;
    let backend = up.asked().await;
    backend.say(STREAM);
    let head = || caller.has("HTTP/1.1 200") && caller.has("\n: ");
    clock.happens_after(15_000, "head and comment", head).await;
    // A backend that only says that it lives has not begun to answer.
    backend.say(": ping\n\n");
    clock.happens_after(20_000 - 15_005, "an error event", || caller.has("data: {\"error\"")).await;
    assert!(caller.has("did not begin to answer in time"), "{}", caller.heard());
    until("the backend is left", || backend.closed()).await;
    assert_eq!(ending(&gateway).await, ended("failed", &["timeout"]));
}

#[tokio::test]
async fn silence_between_events() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let gateway = model(&up, "").start().await;
    let (caller, backend) = streaming(&gateway, &up).await;
    clock.pass(Duration::from_secs(10)).await;
    backend.say(CONTENT);
    until("the second event", || caller.times("some words") == 2).await;
    clock.pass(Duration::from_secs(10)).await;
    backend.say(": ping\n\n");
    clock.happens_after(5_000, "an error event", || caller.has("data: {\"error\"")).await;
    assert!(caller.has("fell silent") && !caller.has("[DONE]"), "{}", caller.heard());
    until("the backend is left", || backend.closed()).await;
    assert_eq!(ending(&gateway).await, ended("cut", &["cut"]));
}

#[tokio::test]
async fn a_comment_where_nothing_is_said() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let gateway = model(&up, "timeouts = { idle_ms = 60000 }\n").start().await;
    let (caller, backend) = streaming(&gateway, &up).await;
    for nth in 1..=3 {
        let comments = || caller.times("\n: ") == nth;
        clock.happens_after(15_000, "a comment", comments).await;
    }
    backend.say(DONE);
    caller.hears("[DONE]").await;
}

#[tokio::test]
async fn the_whole_of_a_stream() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let gateway = model(&up, "timeouts = { total_ms = 40000 }\n").start().await;
    let (caller, backend) = streaming(&gateway, &up).await;
    for nth in 2..=4 {
        clock.pass(Duration::from_secs(10)).await;
        backend.say(CONTENT);
        until("an event", || caller.times("some words") == nth).await;
    }
    clock.happens_after(10_000, "an error event", || caller.has("data: {\"error\"")).await;
    assert!(caller.has("took too long") && !caller.has("[DONE]"), "{}", caller.heard());
    assert_eq!(ending(&gateway).await, ended("cut", &["cut"]));
}

#[tokio::test]
async fn the_whole_of_a_plain_answer() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let gateway = model(&up, "").start().await;
    let caller = call(&gateway, &ask("a")).await;
    let backend = up.asked().await;
    clock.happens_after(600_000, "504", || caller.has("HTTP/1.1 504")).await;
    until("the backend is left", || backend.closed()).await;
    assert_eq!(ending(&gateway).await, ended("failed", &["timeout"]));
}

/// Twice the longest total is for all attempts together.
#[tokio::test]
async fn all_attempts_together() {
    let clock = Clock::stop();
    let (a, b, c) =
        (ManualBackend::start().await, ManualBackend::start().await, ManualBackend::start().await);
    let lines = "timeouts = { total_ms = 10000 }\n";
    let setup = model(&a, lines).model_with("b", &b.urls(), lines);
    let setup = setup.model_with("c", &c.urls(), lines);
    let gateway = setup.and("[alias]\nall = [\"a\", \"b\", \"c\"]\n").start().await;
    let caller = call(&gateway, &ask("all")).await;
    let first = a.asked().await;
    clock.pass(Duration::from_secs(9)).await;
    first.say("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n");
    let second = b.asked().await;
    clock.pass(Duration::from_secs(9)).await;
    second.say("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n");
    c.asked().await;
    clock.happens_after(2_000, "504", || caller.has("HTTP/1.1 504")).await;
    let attempts = ended("failed", &["status", "status", "timeout"]);
    assert_eq!(ending(&gateway).await, attempts);
}

#[tokio::test]
async fn the_wait_in_the_queue() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let gateway = model(&up, "").endpoint("concurrency_max = 1\n").start().await;
    let (_first, _backend) = streaming(&gateway, &up).await;
    let second = call(&gateway, &ask("a")).await;
    clock.happens_after(2_000, "503", || second.has("HTTP/1.1 503")).await;
    assert!(second.has("no_capacity"), "{}", second.heard());
    assert_eq!(up.connections(), 1);
}

#[tokio::test]
async fn the_wait_for_money() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let budget = "budget = { amount = \"0.030\", window = \"month\", hard = true }\n";
    let gateway = model(&up, "").key(budget).start().await;
    let (_first, _backend) = streaming(&gateway, &up).await;
    let second = call(&gateway, &ask("a")).await;
    clock.happens_after(1_000, "429", || second.has("HTTP/1.1 429")).await;
    assert!(second.has("budget_exceeded"), "{}", second.heard());
    assert!(second.has("still open") && !second.has("spent"), "{}", second.heard());
    assert_eq!(up.connections(), 1);
}

#[tokio::test]
async fn a_hedge() {
    let clock = Clock::stop();
    let (a, b) = (ManualBackend::start().await, ManualBackend::start().await);
    let policy = "version = \"hedged\"\n[[rule]]\nname = \"hedged\"\nroute = [\"a\", \"b\"]\n\
         hedge = { after_ms = 700 }\n[default]\nroute = [\"b\"]\n";
    let setup = model(&a, "").model("b", &b.urls()).and("[policy]\nfile = \"policy.toml\"\n");
    let gateway = setup.file("policy.toml", policy).start().await;
    let caller = call(&gateway, &streamed("auto")).await;
    let first = a.asked().await;
    clock.happens_after(700, "a second attempt", || b.connections() == 1).await;
    let second = b.asked().await;
    second.say(format!("{STREAM}{CONTENT}{DONE}"));
    caller.hears("[DONE]").await;
    until("the first is left", || first.closed()).await;
}

/// Its replica has failed others; its own silence is that of any plain answer.
#[tokio::test]
async fn doubt_in_a_plain_answer() {
    let clock = Clock::stop();
    let (a, b) = (ManualBackend::start().await, ManualBackend::start().await);
    let setup = model(&a, "timeouts = { first_token_ms = 900 }\n").model("b", &b.urls());
    let gateway = setup.and("[alias]\nall = [\"a\", \"b\"]\n").start().await;
    let caller = call(&gateway, &ask("all")).await;
    let first = a.asked().await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(call(&gateway, &ask("all")).await);
        a.asked().await.say(REFUSED);
        others.push(b.asked().await);
    }
    clock.happens_after(900, "a second attempt", || b.connections() == 4).await;
    b.asked().await.say(yes());
    caller.hears("yes").await;
    until("the first is left", || first.closed()).await;
}

/// A backend that goes away ends what it has and takes nothing new: its last answers do not bring it back.
#[tokio::test]
async fn the_last_answers_of_a_replica_that_is_ejected() {
    let clock = Clock::stop();
    let (a, b) = (ManualBackend::start().await, ManualBackend::start().await);
    let setup = model(&a, "").model("b", &b.urls());
    let gateway = setup.and("[alias]\nall = [\"a\", \"b\"]\n").start().await;
    let early = call(&gateway, &ask("all")).await;
    let last = a.asked().await;
    clock.pass(Duration::from_millis(10)).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(call(&gateway, &ask("all")).await);
        a.asked().await.say(REFUSED);
        others.push(b.asked().await);
    }
    clock.pass(Duration::from_millis(10)).await;
    last.say(yes());
    early.hears("yes").await;
    let next = call(&gateway, &ask("all")).await;
    b.asked().await.say(yes());
    next.hears("yes").await;
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("signalbox_endpoint_up", &["model=\"a\""]), 0.0);
    assert_eq!(metrics.sum("signalbox_ejections_total", &[]), 1.0);
}

#[tokio::test]
async fn the_connection_after_the_end_of_a_stream() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let gateway = model(&up, "").start().await;
    let (caller, backend) = streaming(&gateway, &up).await;
    backend.say(DONE);
    caller.hears("[DONE]").await;
    clock.happens_after(1_000, "both ends", || caller.closed() && backend.closed()).await;
    assert!(caller.heard().ends_with("\r\n0\r\n\r\n"), "{}", caller.heard());
    assert_eq!(ending(&gateway).await, ended("ok", &["ok"]));
}

#[tokio::test]
async fn a_head_that_does_not_come() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let gateway = model(&up, "").start().await;
    let caller = Line::call(gateway.addr(), b"POST /v1/chat/completions HTTP/1.1\r\nho").await;
    clock.happens_after(10_000, "its end", || caller.closed()).await;
    assert_eq!(gateway.books().entries, []);
}

#[tokio::test]
async fn a_body_that_does_not_come() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let gateway = model(&up, "").start().await;
    let mut request = raw::chat("", ask("a").to_string().as_bytes());
    request.truncate(request.len() - 1);
    let caller = Line::call(gateway.addr(), &request).await;
    clock.happens_after(30_000, "408", || caller.has("HTTP/1.1 408")).await;
    assert!(caller.has("the body did not come in time"), "{}", caller.heard());
    assert_eq!((up.connections(), gateway.books().entries.len()), (0, 0));
}

#[tokio::test]
async fn a_connection_that_is_kept() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let gateway = model(&up, "").start().await;
    let first = call(&gateway, &ask("a")).await;
    let kept = up.asked().await;
    kept.say(yes());
    first.hears("yes").await;
    clock.pass(Duration::from_millis(3_990)).await;
    let second = call(&gateway, &ask("a")).await;
    until("a second request", || kept.times("\"messages\"") == 2).await;
    kept.say(yes());
    second.hears("yes").await;
    clock.pass(Duration::from_millis(3_990)).await;
    assert!(!kept.closed(), "it is kept");
    // Those that nobody takes are looked at each second.
    clock.pass(Duration::from_millis(1_010)).await;
    until("it is closed", || kept.closed()).await;
    let _third = call(&gateway, &ask("a")).await;
    up.asked().await;
    assert_eq!(up.connections(), 2);
}

/// An event of a megabyte, nearly the largest, in pieces.
fn large() -> Vec<Vec<u8>> {
    let filler = "x".repeat(1_000_000);
    let event = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{filler}\"}}}}]}}\n\n"
    );
    event.as_bytes().chunks(128 * 1024).map(<[u8]>::to_vec).collect()
}

/// Whether anything has come to this process from this port and was not read.
fn unread_from(port: u16) -> bool {
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("a list of sockets");
    sockets.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[2].ends_with(&format!(":{port:04X}")) && !fields[4].ends_with(":00000000")
    })
}

/// A caller who has begun a stream and does not read, the backend, and what of an event it has not said:
/// it has said as much as is taken from it, and a part of an event that is not.
async fn unread(
    clock: &Clock,
    gateway: &Gateway,
    up: &ManualBackend,
) -> (TcpStream, Arc<Line>, Vec<Vec<u8>>) {
    let mut caller = TcpStream::connect(gateway.addr()).await.expect("a connection");
    let request = raw::chat("", streamed("a").to_string().as_bytes());
    caller.write_all(&request).await.expect("it is open");
    let backend = up.asked().await;
    backend.say(STREAM);
    for _ in 0..24 {
        let mut event = large();
        while !event.is_empty() {
            backend.say(event.remove(0));
            clock.pass(Duration::ZERO).await;
            if unread_from(up.port()) {
                return (caller, backend, event);
            }
        }
    }
    panic!("it takes all, though its caller takes nothing");
}

/// Nobody waits for a backend whose caller does not read: its clocks stand still.
#[tokio::test]
async fn a_backend_that_waits_for_its_caller_is_not_late() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let lines = "timeouts = { idle_ms = 5000, total_ms = 30000 }\n";
    let gateway = model(&up, lines).start().await;
    let (mut caller, backend, rest) = unread(&clock, &gateway, &up).await;
    clock.pass(Duration::from_millis(59_000)).await;
    let all = tokio::spawn(async move { raw::read(&mut caller).await });
    until("it is read on", || !unread_from(up.port())).await;
    clock.pass(Duration::from_millis(4_000)).await;
    assert!(!all.is_finished() && !backend.closed(), "it was cut");
    rest.iter().for_each(|piece| backend.say(piece));
    backend.say(DONE);
    backend.hang_up();
    until("the end of it", || all.is_finished()).await;
    let all = all.await.expect("an answer");
    assert!(all.contains("data: [DONE]") && !all.contains("\"error\""), "it was cut");
    assert_eq!(ending(&gateway).await, ended("ok", &["ok"]));
}

#[tokio::test]
async fn a_caller_who_takes_nothing() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let gateway = model(&up, "").start().await;
    let (_caller, backend, _rest) = unread(&clock, &gateway, &up).await;
    clock.happens_after(60_000, "the backend is left", || backend.closed()).await;
    assert_eq!(ending(&gateway).await, ended("cancelled", &["cancelled"]));
}
