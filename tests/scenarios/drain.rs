//! The real program is told to stop while hundreds of streams run.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use signalbox::sim::InjectedFault;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};

use crate::harness::{
    Books, KEY, Reply, Setup, SimBackend, ask,
    binary::Server,
    byte_backend::{ByteBackend, Step},
    manual_backend::{CONTENT, DONE, STREAM},
    raw,
    sim_backend::quick,
    streamed, wait,
};

/// Begins so many streams and reads the first piece of each.
async fn begun(server: &Server, model: &str, many: usize) -> Vec<(reqwest::Response, Vec<u8>)> {
    let request = streamed(model);
    let begin = async |_| {
        let mut answer = server.post(&request).send().await.expect("a head");
        assert_eq!(answer.status(), 200);
        let first = answer.chunk().await.expect("a chunk").expect("content");
        (answer, first.to_vec())
    };
    let mut begun = Vec::new();
    // Not all in one breath: it is streams that are wanted, not a storm.
    while begun.len() < many {
        begun.extend(join_all((0..many.min(50)).map(begin)).await);
    }
    begun
}

/// The rest of a stream; whether it broke off without the end that HTTP wants.
async fn rest((mut answer, mut text): (reqwest::Response, Vec<u8>)) -> (String, bool) {
    let broken = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => text.extend_from_slice(&chunk),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    (String::from_utf8(text).expect("UTF-8"), broken)
}

/// Waits until the operators' door says that it is not ready.
async fn not_ready(server: &Server) {
    wait::answers("not ready", 503, async || server.admin("/readyz").await).await;
}

/// One request on a connection that its caller means to keep; the head of its answer.
async fn kept(stream: &mut TcpStream) -> String {
    let request =
        format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it is open");
    let mut text = String::new();
    while !text.ends_with("}]}") {
        let mut more = [0; 4096];
        let read = stream.read(&mut more).await.expect("it is open");
        assert!(read > 0, "it was closed: {text}");
        text += std::str::from_utf8(&more[..read]).expect("UTF-8");
    }
    text.split_once("\r\n\r\n").expect("a head").0.to_ascii_lowercase()
}

async fn refused(addr: SocketAddr) {
    wait::answers("nobody is taken in any more", true, async || {
        TcpStream::connect(addr).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn five_hundred_streams_outlive_the_signal() {
    // They go on when they are told to.
    let (release, held) = watch::channel(false);
    let first = format!("{STREAM}{CONTENT}").into_bytes();
    let last = format!("{CONTENT}{DONE}").into_bytes();
    let steps = vec![Step::Send(first), Step::Hold(held), Step::Send(last), Step::Close];
    let up = ByteBackend::listing(vec![steps.into()]).await;
    let lines = "timeouts = { connect_ms = 10000 }\n";
    let setup = Setup::new().model_with("slow", &up.urls(), lines);
    let setup = setup.server("drain_grace_ms = 4000\n");
    let quick = SimBackend::start();
    let folder = setup.model("fast", &quick.urls()).write();
    let server = Server::start(&folder.config()).await;
    let begin = Instant::now();
    let streams = begun(&server, "slow", 500).await;
    let begin = begin.elapsed();
    let mut keeps = TcpStream::connect(server.addr()).await.expect("a connection");
    assert!(!kept(&mut keeps).await.contains("connection: close"));

    assert_eq!((up.requests(), up.played()), (500, 0), "begun in {begin:?}");
    // From before the signal: the process may have it while this one waits for its turn.
    let from = Instant::now();
    server.terminate().await;
    not_ready(&server).await;
    let noticed = from.elapsed();
    let late = Reply::of(server.post(&ask("fast"))).await;
    assert_eq!((late.status, late.header("connection")), (200, "close"), "a new connection");
    let head = kept(&mut keeps).await;
    assert!(head.starts_with("http/1.1 200") && head.contains("connection: close"), "{head}");
    let also = begun(&server, "fast", 1).await.remove(0);
    let served = from.elapsed();
    assert!(rest(also).await.0.trim_end().ends_with("[DONE]"));
    refused(server.addr()).await;
    let shut = from.elapsed();

    assert_eq!(up.played(), 0, "the streams outlive the listener");
    release.send(true).expect("they are held");
    let ends = join_all(streams.into_iter().map(rest)).await;
    let last = from.elapsed();
    assert_eq!(server.ended().await.code(), Some(0));
    let exit = from.elapsed();
    let done = ends.iter().filter(|(text, _)| text.trim_end().ends_with("data: [DONE]")).count();
    let broken = ends.iter().filter(|(_, broken)| *broken).count();
    let books = Books::read(&folder.ledger());
    let ok = books.entries.iter().filter(|it| it.outcome.as_deref() == Some("ok")).count();
    println!(
        "SIGTERM under 500 streams (begun in {begin:.1?}): {done} [DONE], {broken} broken; \
         not ready after {noticed:.1?}, new requests served until {served:.1?}, shut at {shut:.1?}, \
         last stream {last:.1?}, exit {exit:.1?}; ledger: {} settled, {} open",
        books.verification.settled, books.verification.open,
    );
    assert_eq!((done, broken), (500, 0));
    assert_eq!((books.verification.settled, books.verification.open, ok), (502, 0, 502));
    assert_eq!(books.verification.faults, Vec::<String>::new());
    assert!(shut >= Duration::from_millis(4_000), "it shut after {shut:?}");
    assert!(noticed < served && served < shut, "{noticed:?}, {served:?}, {shut:?}");
    // It ends with its last stream, and not by the hard stop.
    assert!(exit < last + Duration::from_secs(10), "{exit:?} after {last:?}");
}

/// A caller who takes nothing of an answer that never ends.
async fn deaf(addr: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.expect("a connection");
    let request = raw::chat("", streamed("flood").to_string().as_bytes());
    stream.write_all(&request).await.expect("it is open");
    stream.readable().await.expect("a head");
    stream
}

#[tokio::test]
async fn at_the_hard_stop_streams_end_honestly_and_are_settled() {
    let endless = SimBackend::with(quick().fixed(0, 2_000, 50_000));
    let silent = SimBackend::failing(InjectedFault::StallHead);
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec();
    let event =
        r#"data: {"choices":[{"index":0,"delta":{"content":"flood "}}]}"#.to_owned() + "\n\n";
    let flood =
        ByteBackend::listing(vec![vec![Step::Send(head), Step::Flood(event.into())].into()]).await;
    let folder = Setup::new()
        .model("endless", &endless.urls())
        .model("silent", &silent.urls())
        .model("flood", &flood.urls())
        .server("drain_timeout_ms = 700\n")
        .write();
    let server = Server::start(&folder.config()).await;
    let streams = begun(&server, "endless", 50).await;
    let deaf = deaf(server.addr()).await;
    let waits = tokio::spawn(Reply::of(server.post(&ask("silent"))));
    let early = tokio::spawn(Reply::of(server.post(&streamed("silent"))));
    silent.until(|seen| seen.in_flight == 2).await;

    server.terminate().await;
    let from = Instant::now();
    let ends = join_all(streams.into_iter().map(rest)).await;
    for nobody in [waits, early] {
        let nobody = nobody.await.expect("an answer");
        assert_eq!((nobody.status, nobody.header("connection")), (503, "close"), "{nobody:?}");
        assert_eq!(nobody.json()["error"]["code"], "gateway_unavailable");
    }
    assert_eq!(server.ended().await.code(), Some(0));
    let exit = from.elapsed();
    drop(deaf);
    let honest = |(text, broken): &&(String, bool)| {
        let last = text.trim_end().rsplit("\n\n").next().unwrap_or("");
        !broken && last.starts_with("data: {\"error\"") && !text.contains("[DONE]")
    };
    let honest = ends.iter().filter(honest).count();
    let books = Books::read(&folder.ledger());
    let of = |outcome: &str| {
        let of = books.entries.iter().filter(|it| it.outcome.as_deref() == Some(outcome));
        of.collect::<Vec<_>>()
    };
    let cut = of("cut");
    let output: u64 = cut.iter().map(|it| it.output_tokens).sum();
    println!(
        "hard stop at 700 ms under 50 endless streams, a caller who does not read and two without an \
         answer: {honest} honest ends, exit after {exit:.1?}; ledger: {} cut, {} failed, {} open; \
         {output} output tokens charged",
        cut.len(),
        of("failed").len(),
        books.verification.open,
    );
    assert_eq!(honest, 50, "{:?}", ends.first());
    assert_eq!((cut.len(), of("failed").len()), (51, 2), "{:?}", books.entries);
    assert_eq!((books.verification.settled, books.verification.open), (53, 0));
    assert_eq!(books.verification.faults, Vec::<String>::new());
    assert!(cut.iter().all(|it| it.output_tokens > 0 && it.input_tokens > 0), "{cut:?}");
    // The streams would go on for a hundred seconds.
    assert!(exit >= Duration::from_millis(700) && exit < Duration::from_secs(20), "{exit:?}");
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let endless = SimBackend::with(quick().fixed(0, 2_000, 50_000));
    let folder = Setup::new().model("endless", &endless.urls()).write();
    let server = Server::start(&folder.config()).await;
    let streams = begun(&server, "endless", 5).await;
    server.terminate().await;
    not_ready(&server).await;
    server.terminate().await;
    // By the first signal alone it would wait for its streams, and end with 0.
    assert_eq!(server.ended().await.code(), Some(1));
    drop(streams);
    let again = Server::start(&folder.config()).await;
    again.terminate().await;
    assert_eq!(again.ended().await.code(), Some(0));
    let books = Books::read(&folder.ledger());
    assert_eq!((books.entries.len(), books.verification.open), (5, 0));
    assert!(books.entries.iter().all(|it| it.state == "recovered"), "{:?}", books.entries);
}
