//! Connections to backends: what breaks on them, who waits for them, and how many are opened at once.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpSocket};

use super::timeouts::{call, closed, deaf, yes};
use crate::harness::{
    Gateway, Setup, ask,
    byte_backend::{ByteBackend, Step},
    clock::Clock,
    gateway::results,
    manual_backend::{Line, ManualBackend},
    wait::until,
};

const BOTH: &str = "[alias]\nall = [\"a\", \"b\"]\n";

/// A connection to this backend that has served once, and is kept.
async fn kept(gateway: &Gateway, up: &ManualBackend) -> Arc<Line> {
    let first = call(gateway, &ask("a")).await;
    let kept = up.asked().await;
    kept.say(yes());
    first.hears("yes").await;
    kept
}

/// How the attempts of each entry ended, in order of the entries.
async fn attempts(gateway: &Gateway) -> Vec<Vec<String>> {
    closed(gateway).await.entries.iter().map(results).collect()
}

async fn ejections(gateway: &Gateway) -> f64 {
    gateway.metrics().await.sum("signalbox_ejections_total", &[])
}

/// It has the whole request, works, and breaks the connection: that is an attempt, and by its fault.
#[tokio::test]
async fn a_kept_connection_that_breaks_over_its_work() {
    let clock = Clock::stop();
    let (a, b) = (ManualBackend::start().await, ManualBackend::start().await);
    let setup = Setup::new().model("a", &a.urls()).model("b", &b.urls()).and(BOTH);
    let gateway = setup.start().await;
    let kept = kept(&gateway, &a).await;
    let second = call(&gateway, &ask("all")).await;
    until("a second request", || kept.times("\"messages\"") == 2).await;
    clock.pass(Duration::from_millis(400)).await;
    kept.hang_up();
    b.asked().await.say(yes());
    second.hears("yes").await;
    assert!(second.has("x-signalbox-attempts: 2"), "{}", second.heard());
    assert_eq!(a.connections(), 1, "it was sent again in secret");
    assert_eq!(attempts(&gateway).await, [vec!["ok"], vec!["invalid", "ok"]]);
}

#[tokio::test]
async fn a_kept_connection_that_breaks_over_its_work_and_no_other_model() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let kept = kept(&gateway, &up).await;
    let second = call(&gateway, &ask("a")).await;
    until("a second request", || kept.times("\"messages\"") == 2).await;
    clock.pass(Duration::from_millis(400)).await;
    kept.hang_up();
    second.hears("HTTP/1.1 502").await;
    assert_eq!(up.connections(), 1, "it was sent again in secret");
    assert_eq!(attempts(&gateway).await, [vec!["ok"], vec!["invalid"]]);
}

/// It closes what was idle while a request is on its way there: the replica may be asked again, and that
/// stands in the books; nobody is to blame.
#[tokio::test]
async fn a_request_that_crosses_the_end_of_its_kept_connection() {
    let _clock = Clock::stop();
    let up = ManualBackend::start().await;
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let mut line = kept(&gateway, &up).await;
    for _ in 0..5 {
        let caller = call(&gateway, &ask("a")).await;
        until("a second request", || line.times("\"messages\"") == 2).await;
        line.hang_up();
        line = up.asked().await;
        line.say(yes());
        caller.hears("yes").await;
        assert!(caller.has("x-signalbox-attempts: 2"), "{}", caller.heard());
    }
    assert_eq!(up.connections(), 6);
    assert_eq!(attempts(&gateway).await[1..], vec![vec!["invalid", "ok"]; 5]);
    assert_eq!(ejections(&gateway).await, 0.0);
}

/// What was closed before anything could leave was never asked.
#[tokio::test]
async fn a_kept_connection_that_was_closed_is_no_attempt() {
    let clock = Clock::stop();
    let up = ManualBackend::start().await;
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    kept(&gateway, &up).await.hang_up();
    clock.pass(Duration::from_millis(10)).await;
    let second = call(&gateway, &ask("a")).await;
    up.asked().await.say(yes());
    second.hears("yes").await;
    assert!(second.has("x-signalbox-attempts: 1"), "{}", second.heard());
    assert_eq!(attempts(&gateway).await, [vec!["ok"], vec!["ok"]]);
}

/// The replica takes no more connections; the one that it has comes free.
#[tokio::test]
async fn who_waits_for_a_connect_takes_what_comes_free() {
    let clock = Clock::stop();
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener: TcpListener = socket.listen(1).expect("a listener");
    let addr = listener.local_addr().expect("an address");
    let gateway = Setup::new().model("a", &[format!("http://{addr}/v1")]).start().await;
    let first = call(&gateway, &ask("a")).await;
    let (stream, _) = listener.accept().await.expect("a connection");
    let only = Line::over(stream);
    until("a request", || only.has("\"messages\"")).await;
    let patience = Duration::from_millis(100);
    let connect = || std::net::TcpStream::connect_timeout(&addr, patience).ok();
    let _full: Vec<_> = std::iter::from_fn(connect).collect();
    let (second, third) = (call(&gateway, &ask("a")).await, call(&gateway, &ask("a")).await);
    clock.pass(Duration::from_millis(2_000)).await;
    for (nth, caller) in [first, second, third].iter().enumerate() {
        until("its turn", || only.times("\"messages\"") == nth + 1).await;
        only.say(yes());
        caller.hears("yes").await;
    }
    assert_eq!(attempts(&gateway).await, vec![vec!["ok"]; 3]);
}

/// Connects to this port that were not answered. While other sockets come and go, the list may have one twice
/// or leave one out: each counts once that stands in one of several lists.
fn unanswered(port: u16) -> usize {
    let mut from = HashSet::new();
    for _ in 0..3 {
        let sockets = std::fs::read_to_string("/proc/net/tcp").expect("a list of sockets");
        for line in sockets.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[2].ends_with(&format!(":{port:04X}")) && fields[3] == "02" {
                from.insert(fields[1].to_owned());
            }
        }
    }
    from.len()
}

/// The whole storm does not knock at once; who leaves makes room, and nobody waits for longer than the
/// bound of a connect.
#[tokio::test]
async fn a_storm_does_not_connect_all_at_once() {
    const AT_ONCE: usize = 64;
    let clock = Clock::stop();
    let (addr, _full) = deaf();
    // A busy system may still let one in, which then hears nothing.
    let lines = "timeouts = { total_ms = 3300 }\n";
    let setup = Setup::new().model_with("a", &[format!("http://{addr}/v1")], lines);
    let gateway = setup.start().await;
    let mut callers = Vec::new();
    for _ in 0..200 {
        callers.push(call(&gateway, &ask("a")).await);
    }
    clock.pass(Duration::from_millis(500)).await;
    assert_eq!(unanswered(addr.port()), AT_ONCE);
    clock.pass(Duration::from_millis(2_450)).await;
    assert_eq!(unanswered(addr.port()), AT_ONCE);
    assert!(callers.iter().all(|it| !it.has("HTTP")), "it was given up early");
    clock.pass(Duration::from_millis(500)).await;
    until("an answer for all", || callers.iter().all(|it| it.has("HTTP/1.1 50"))).await;
    assert_eq!(unanswered(addr.port()), 0);
}

/// All kept connections have been idle for too long, and then everybody comes.
#[tokio::test]
async fn a_storm_after_a_pause() {
    let clock = Clock::stop();
    let up = ByteBackend::start(vec![vec![Step::Send(yes().into_bytes())].into()]).await;
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    for storm in 1..=2 {
        let mut callers = Vec::new();
        for _ in 0..256 {
            callers.push(call(&gateway, &ask("a")).await);
        }
        for caller in &callers {
            caller.hears("HTTP/1.1 200").await;
        }
        assert_eq!(up.requests(), storm * 256);
        clock.pass(Duration::from_millis(5_000)).await;
        until("they are closed", || up.left() == up.connections()).await;
    }
    let books = closed(&gateway).await;
    assert!(books.entries.iter().all(|it| results(it) == ["ok"]), "{:?}", books.entries);
    assert_eq!(ejections(&gateway).await, 0.0);
}

/// A moment in milliseconds is no minute.
#[tokio::test]
async fn a_rest_until_a_moment_in_milliseconds() {
    let soon = std::time::SystemTime::now() + Duration::from_secs(2);
    let soon = soon.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let head = format!("HTTP/1.1 429 No\r\nx-ratelimit-reset: {soon}\r\ncontent-length: 0\r\n\r\n");
    let up = ByteBackend::start(vec![vec![Step::Send(head.into_bytes())].into()]).await;
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let reply = gateway.ask(&ask("a")).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    let wait = reply.header("retry-after");
    assert!(["1", "2"].contains(&wait), "{wait}");
}
