//! Callers who mean harm, or write odd but good HTTP: framing, names of other hosts.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Gateway, KEY, Setup, SimBackend, ask, raw, wait};

/// Header lines that leave two opinions on where a request of five bytes ends.
const LINES: &[&str] = &[
    "host: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n",
    "host: x\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n",
    "host: x\r\ncontent-length: 5\r\ncontent-length: 5\r\n",
    "host: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n",
    "host: x\r\ncontent-length: 5, 5\r\n",
    "host: x\r\ncontent-length: +5\r\n",
    "host: x\r\ncontent-length: -5\r\n",
    "host: x\r\ncontent-length: 0x5\r\n",
    "host: x\r\ncontent-length: 5 0\r\n",
    "host: x\r\ncontent-length:\r\n",
    "host: x\r\ncontent-length: 99999999999999999999\r\n",
    "host: x\r\ncontent-length : 5\r\n",
    "host: x\r\ntransfer-encoding : chunked\r\n",
    "host: x\r\ntransfer-encoding: gzip, chunked\r\n",
    "host: x\r\ntransfer-encoding: identity\r\n",
    "host: x\r\ntransfer-encoding: xchunked\r\n",
    "host: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    "host: x\r\ntransfer-encoding:\r\n chunked\r\n",
    "host: x\r\nx: y\rcontent-length: 5\r\n",
    "host: x\r\nx: y\0\r\ncontent-length: 5\r\n",
    "host: x\ncontent-length: 5\r\n",
    "host: x\r\nx: y\r\n\tcontent-length: 5\r\n",
    "host: x\r\nhost: y\r\ncontent-length: 5\r\n",
    "content-length: 5\r\n",
    "host: x\r\ncontent-length\r\n",
];

/// Bodies in chunks that decoders read in different ways.
const CHUNKS: &[&str] = &[
    "00000000000000005\r\nabcde\r\n0\r\n\r\n",
    "5\nabcde\r\n0\r\n\r\n",
    "5 \r\nabcde\r\n0\r\n\r\n",
    "0x5\r\nabcde\r\n0\r\n\r\n",
    "5;\nx\r\nabcde\r\n0\r\n\r\n",
    "5\r\nabcdef\r\n0\r\n\r\n",
    "0\r\n\n",
];

async fn scene() -> (SimBackend, Gateway) {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    (up, gateway)
}

/// A good request with these lines, keeping the connection.
fn good(lines: &str) -> String {
    let text = String::from_utf8(raw::chat(lines, ask("a").to_string().as_bytes())).expect("text");
    text.replace("connection: close\r\n", "")
}

fn start(version: &str, lines: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/{version}\r\nauthorization: Bearer {KEY}\r\n{lines}\r\n"
    )
}

fn ambiguous() -> Vec<String> {
    let mut all: Vec<_> =
        LINES.iter().map(|lines| start("1.1", lines) + "0\r\n\r\n" + &good("")).collect();
    let chunked = "transfer-encoding: chunked\r\n";
    all.push(start("1.0", chunked) + "0\r\n\r\n" + &good(""));
    let head = start("1.1", &format!("host: x\r\n{chunked}"));
    all.extend(CHUNKS.iter().map(|body| format!("{head}{body}{}", good(""))));
    all
}

fn assert_refused(answer: &str, request: &str) {
    assert_eq!(raw::answers(answer), 1, "{request:?}: {answer}");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?}: {answer}");
    assert!(answer.contains(r#""code":"ambiguous_framing""#), "{request:?}: {answer}");
    let lower = answer.to_ascii_lowercase();
    for line in ["x-signalbox-id: ", "connection: close\r\n", "content-type: application/json"] {
        assert!(lower.contains(line), "{request:?}: no {line}: {answer}");
    }
}

#[tokio::test]
async fn a_request_of_two_ends_gets_one_refusal_and_no_one_hears_of_it() {
    let (up, gateway) = scene().await;
    let labels = ["stage=\"receive\"", "kind=\"invalid_request\""];
    let mut refused = 0.0;
    for request in ambiguous() {
        for pause in [None, Some(request.len() / 3), Some(40)] {
            let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
            let (first, second) = request.split_at(pause.unwrap_or(request.len()));
            stream.set_nodelay(true).expect("set");
            let _ = stream.write_all(first.as_bytes()).await;
            if pause.is_some() {
                wait::turns().await;
            }
            let _ = stream.write_all(second.as_bytes()).await;
            assert_refused(&raw::read(&mut stream).await, &request);
            refused += 1.0;
        }
    }
    assert_eq!(gateway.metrics().await.sum("signalbox_refusals_total", &labels), refused);
    assert_eq!(up.seen().requests, 0, "a smuggled request was served");
    assert!(gateway.close().await.entries.is_empty());
}

#[tokio::test]
async fn the_operators_api_is_guarded_as_well() {
    let (_up, gateway) = scene().await;
    let page = "GET /livez HTTP/1.1\r\nhost: x\r\n";
    let wrong = format!("{page}\r\n{page}content-length: 0\r\ncontent-length: 0\r\n\r\n{page}\r\n");
    let answer = raw::send(gateway.admin_addr(), wrong.as_bytes()).await;
    assert_eq!(raw::answers(&answer), 2, "{answer}");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\nHTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("more than one content-length"), "{answer}");
}

/// The ids by which callers call their requests, in the order of the answers.
fn named(answer: &str) -> Vec<&str> {
    answer.lines().filter_map(|line| line.strip_prefix("x-request-id: ")).collect()
}

fn chunked(id: &str) -> String {
    let body = ask("a").to_string();
    let (first, second) = body.split_at(20);
    let lines = format!("host: x\r\ntransfer-encoding: chunked\r\nx-request-id: {id}\r\n");
    let (one, two) = (first.len(), second.len());
    start("1.1", &lines)
        + &format!("{one:x};a=b\r\n{first}\r\n{two:X}\r\n{second}\r\n0\r\nx: y\r\n\r\n")
}

#[tokio::test]
async fn requests_that_come_together_are_answered_in_order() {
    let (up, gateway) = scene().await;
    let id = |nth: &str| good(&format!("x-request-id: {nth}\r\n"));
    let last = id("5").replacen("host: x\r\n", "host: x\r\nconnection: close\r\n", 1);
    let all = [id("1"), chunked("2"), format!("\r\n{}", id("3")), chunked("4"), last].concat();
    for piece in [all.len(), 1_000, 333, 50] {
        let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
        stream.set_nodelay(true).expect("set");
        for piece in all.as_bytes().chunks(piece) {
            stream.write_all(piece).await.expect("sent");
            wait::turns().await;
        }
        let answer = raw::read(&mut stream).await;
        assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 5, "{answer}");
        assert_eq!(named(&answer), ["1", "2", "3", "4", "5"]);
    }
    assert_eq!(up.seen().requests, 20);
    let wrong = start("1.1", LINES[0]) + &id("3");
    let answer = raw::send(gateway.addr(), (id("1") + &chunked("2") + &wrong).as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 2, "{answer}");
    assert_eq!((named(&answer)[0], named(&answer)[1]), ("1", "2"));
    assert_refused(&answer[answer.rfind("HTTP/1.1 400 ").expect("a refusal")..], &wrong);
    assert_eq!((up.seen().requests, raw::answers(&answer)), (22, 3));
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let (_up, gateway) = scene().await;
    let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
    for nth in 0..5 {
        let request = if nth % 2 == 0 { good("") } else { chunked("x") };
        stream.write_all(request.as_bytes()).await.expect("sent");
        let (mut answer, mut buf) = (String::new(), [0; 4_096]);
        while !answer.ends_with('}') {
            let length = stream.read(&mut buf).await.expect("an answer");
            assert!(length > 0, "closed after {nth}: {answer}");
            answer += &String::from_utf8_lossy(&buf[..length]);
        }
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn the_host_of_a_request_changes_nothing() {
    let (up, gateway) = scene().await;
    let own = up.urls()[0].replace("http://", "").replace("/v1", "");
    let line = "POST /v1/";
    for (host, target) in [
        ("evil.example", line),
        ("169.254.169.254", line),
        ("", line),
        ("evil.example:1", "POST http://evil.example/v1/"),
    ] {
        let request =
            good("").replace("host: x\r\n", &format!("host: {host}\r\nconnection: close\r\n"));
        let request = request.replace(line, target);
        let answer = raw::send(gateway.addr(), request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
        assert!(!answer.contains("evil") && !answer.contains("169.254"), "{answer}");
        assert_eq!(up.last_header("host").as_deref(), Some(&*own), "{host}");
    }
    assert_eq!(up.seen().requests, 4);
}

#[tokio::test]
async fn a_newer_protocol_is_not_spoken() {
    let (up, gateway) = scene().await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let answer = raw::send(gateway.addr(), preface.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains(r#""code":"not_http""#), "{answer}");
    let upgrade = good("connection: close, upgrade, http2-settings\r\nupgrade: h2c\r\n");
    let answer = raw::send(gateway.addr(), upgrade.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "an offer may be ignored: {answer}");
    assert_eq!((raw::answers(&answer), up.seen().requests), (1, 1));
}
