//! Backends whose HTTP is wrong, or right in a way that nobody expects.

use crate::harness::{
    Setup, ask,
    byte_backend::{ByteBackend, Play, Step},
    streamed,
    trial::{
        End::{self, Cut, Other, Refused, Whole},
        Trial, WORD, hold,
    },
    wait,
};

/// A good plain answer.
pub(super) const PLAIN: &str = r#"{"id":"x","object":"chat.completion","created":1,"model":"m",
 "choices":[{"index":0,"message":{"role":"assistant","content":"zyzzyva"},"finish_reason":"stop"}],
 "usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;
/// A good event with content.
pub(super) const TEXT: &str =
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"zyzzyva\"}}]}\n\n";
/// The end of the one choice.
pub(super) const FINISH: &str =
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
/// Its usage, alone.
pub(super) const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\n";
/// The end.
pub(super) const DONE: &str = "data: [DONE]\n\n";
const OK: &str = "HTTP/1.1 200 OK";

pub(super) fn send(bytes: impl AsRef<[u8]>) -> Step {
    Step::Send(bytes.as_ref().to_vec())
}

/// These bytes, then the end of the connection.
pub(super) fn bytes(bytes: impl AsRef<[u8]>) -> Vec<Step> {
    vec![send(bytes), Step::Close]
}

/// A good answer of a plain request or of a stream.
pub(super) fn good(stream: bool) -> String {
    if stream { [TEXT, FINISH, USAGE, DONE].concat() } else { PLAIN.to_owned() }
}

fn content_type(stream: bool) -> &'static str {
    if stream { "text/event-stream" } else { "application/json" }
}

/// A good body under this status line and these header lines, which replace those of a good head.
fn answer(status: &str, lines: &str, stream: bool) -> Vec<u8> {
    let (kind, body) = (content_type(stream), good(stream));
    let mut head = format!("{status}\r\n");
    if !lines.contains("content-type") {
        head += &format!("content-type: {kind}\r\n");
    }
    if !lines.contains("content-length") && !lines.contains("transfer-encoding") {
        head += &format!("content-length: {}\r\n", body.len());
    }
    [head.as_bytes(), lines.as_bytes(), b"\r\n", body.as_bytes()].concat()
}

/// The same trial for each way to ask: a good answer under a head of this kind.
fn heads(name: &str, status: &str, lines: &str, end: End) -> [Trial; 2] {
    let of = |stream| bytes(answer(status, lines, stream));
    [Trial::plain(name, of(false), end), Trial::stream(name, of(true), end)]
}

#[tokio::test]
async fn a_head_that_is_none() {
    let many: String = (0..1_000).map(|nth| format!("x-{nth}: y\r\n")).collect();
    let long = format!("x-a: {}\r\n", "y".repeat(300 << 10));
    let rows = [
        ("obs_fold", "x-a: one\r\n two\r\n"),
        ("nul_in_header", "x-a: o\0e\r\n"),
        ("bare_cr_in_header", "x-a: o\re\r\n"),
        ("space_before_colon", "x-a : one\r\n"),
        ("header_without_colon", "x-a one\r\n"),
        ("header_without_name", ": one\r\n"),
        ("thousand_headers", &*many),
        ("header_of_300_kb", &*long),
        ("length_negative", "content-length: -1\r\n"),
        ("length_garbage", "content-length: 12ab\r\n"),
        ("length_with_plus", "content-length: +12\r\n"),
        ("length_overflow", "content-length: 99999999999999999999999\r\n"),
        ("length_u64_max", "content-length: 18446744073709551615\r\n"),
        ("length_twice", "content-length: 300\r\ncontent-length: 301\r\n"),
        ("length_list", "content-length: 300, 301\r\n"),
        ("encoded_br", "content-encoding: br\r\n"),
        ("encoded_zstd", "content-encoding: zstd\r\n"),
        ("encoded_deflate", "content-encoding: deflate\r\n"),
        ("encoded_list", "content-encoding: identity, gzip\r\n"),
        ("encoded_on_second_line", "content-encoding: identity\r\ncontent-encoding: gzip\r\n"),
        ("type_octets", "content-type: application/octet-stream\r\n"),
        ("type_html", "content-type: text/html\r\n"),
        ("transfer_gzip", "transfer-encoding: gzip\r\n"),
        ("transfer_unknown", "transfer-encoding: zyz\r\n"),
    ];
    let rows = rows.iter().flat_map(|(name, lines)| heads(name, OK, lines, Other));
    let bare = |stream| {
        let body = good(stream);
        bytes(format!("{OK}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    };
    let typeless = [
        Trial::plain("type_missing", bare(false), Whole),
        Trial::stream("type_missing", bare(true), Whole),
        Trial::plain("type_stream_for_plain", bytes(answer(OK, "", true)), Other),
        Trial::stream("type_json_for_stream", bytes(answer(OK, "", false)), Other),
    ];
    let latin = [answer(OK, "", false), answer(OK, "", true)].map(|whole| {
        let at = whole.windows(2).position(|it| it == b"\r\n").unwrap() + 2;
        bytes([&whole[..at], b"content-encoding: gz\xE9\r\n", &whole[at..]].concat())
    });
    let [plain, stream] = latin;
    let latin = [
        Trial::plain("encoding_not_ascii", plain, Other),
        Trial::stream("encoding_not_ascii", stream, Other),
    ];
    let unsaid = [
        ("type_empty", "content-type: \r\n"),
        ("type_text", "content-type: text/plain; charset=utf-8\r\n"),
    ];
    let unsaid = unsaid.iter().flat_map(|(name, lines)| heads(name, OK, lines, Whole));
    let rows = rows.chain(unsaid);
    hold(rows.chain(typeless).chain(latin).collect()).await;
}

#[tokio::test]
async fn a_status_that_is_no_answer() {
    let lines = [
        "HTTP/1.1 099 Low",
        "HTTP/1.1 99 Short",
        "HTTP/1.1 abc Word",
        "HTTP/1.1 1000 Long",
        "HTTP/1.1 -20 Below",
        "HTTP/1.1 999 High",
        "HTTP/1.2 200 OK",
        "HTTP/2 200 OK",
        "http/1.1 200 OK",
        "ICY 200 OK",
    ];
    let odd = lines.iter().flat_map(|line| heads(line, line, "", Other));
    let codes = [
        204, 205, 402, 403, 405, 406, 407, 408, 409, 410, 411, 412, 415, 417, 418, 421, 423, 424,
        425, 426, 428, 431, 444, 451, 498, 499, 501, 502, 504, 505, 507, 508, 511, 520, 521, 522,
        524, 525, 529, 530, 599, 600,
    ];
    let codes = codes.iter().flat_map(|code| {
        let name = format!("status_{code}");
        heads(&name, &format!("HTTP/1.1 {code} X"), "", Other)
    });
    let good = [201, 202, 203, 206, 207, 226].into_iter().flat_map(|code| {
        heads(&format!("status_{code}"), &format!("HTTP/1.1 {code} X"), "", Whole)
    });
    let waits = [
        ("429_for_a_year", "retry-after: 31536000\r\n"),
        ("429_for_ever", "retry-after: 1e308\r\n"),
        ("429_negative", "retry-after: -5\r\n"),
        ("429_garbage", "retry-after: when I am ready\r\n"),
        ("429_until_9999", "retry-after: Fri, 31 Dec 9999 23:59:59 GMT\r\n"),
        ("429_twice", "retry-after: 1\r\nretry-after: 86400\r\n"),
    ];
    let waits = waits.iter().flat_map(|(name, lines)| heads(name, "HTTP/1.1 429 X", lines, Other));
    let switching = "connection: upgrade\r\nupgrade: websocket\r\n";
    let switching = heads("switching_protocols", "HTTP/1.1 101 X", switching, Other);
    hold(odd.chain(codes).chain(good).chain(waits).chain(switching).collect()).await;
}

#[tokio::test]
async fn a_redirect_of_any_kind_leads_nowhere() {
    let trap = ByteBackend::start(vec![bytes(answer(OK, "", false)).into()]).await;
    let to = format!("location: http://{}/v1/chat/completions\r\n", trap.addr);
    let codes = [300, 301, 302, 303, 304, 305, 308].iter().flat_map(|code| {
        let status = format!("HTTP/1.1 {code} X");
        heads(&format!("redirect_{code}"), &status, &to, Other)
    });
    let refresh = format!("refresh: 0; url=http://{0}/\r\nalt-svc: h2=\"{0}\"\r\n", trap.addr);
    let refresh = heads("refresh_and_alt_svc", OK, &refresh, Whole);
    hold(codes.chain(refresh).collect()).await;
    assert_eq!(trap.connections(), 0);
}

/// What is no fault, however odd.
#[tokio::test]
async fn an_odd_head_is_a_head() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n".repeat(2_000);
    let shouted = |stream: bool| format!("content-type: {}", content_type(stream).to_uppercase());
    let shouting =
        |stream| answer(OK, &format!("{}; Charset=\"UTF-8\"\r\n", shouted(stream)), stream);
    let own = "x-signalbox-model: zyz\r\nx-signalbox-cost: 9\r\nset-cookie: a=b\r\n";
    let rows = [
        ("no_reason", "HTTP/1.1 200", ""),
        ("reason_in_latin", "HTTP/1.1 200 D\u{e9}j\u{e0} vu", ""),
        ("http_1_0", "HTTP/1.0 200 OK", ""),
        ("empty_lines_first", "\r\n\r\nHTTP/1.1 200 OK", ""),
        ("continue_first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", ""),
        ("early_hints_flood", &*format!("{hints}{OK}"), ""),
        ("headers_of_ours", OK, own),
        ("encoding_identity", OK, "content-encoding: Identity\r\n"),
        ("close_and_keep", OK, "connection: close\r\nconnection: keep-alive\r\n"),
    ];
    let rows = rows.iter().flat_map(|(name, status, lines)| heads(name, status, lines, Whole));
    let more = [false, true].map(|stream| {
        let new = if stream { Trial::stream } else { Trial::plain };
        let text = String::from_utf8(answer(OK, "", stream)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let lf = format!("{}\n\n{body}", head.replace("\r\n", "\n"));
        let trickle = vec![Step::Trickle(answer(OK, "", stream)), Step::Close];
        [
            new("lf_only_head", bytes(lf), Whole),
            new("shouted_type", bytes(shouting(stream)), Whole),
            new("byte_by_byte", trickle, Whole),
            new("before_the_request_was_read", bytes(answer(OK, "", stream)), Whole).early(64),
            new("two_answers_in_one", bytes(text.repeat(2)), Whole),
        ]
    });
    hold(rows.chain(more.into_iter().flatten()).collect()).await;
}

#[tokio::test]
async fn bytes_that_are_no_http() {
    let rows: [(&str, &[u8]); 10] = [
        ("http_0_9", PLAIN.as_bytes()),
        ("http_2_settings", b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d\0\0\x08\x07\0\0\0\0\0"),
        ("tls_alert", b"\x15\x03\x01\0\x02\x02\x0a"),
        ("ssh_banner", b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("smtp_banner", b"220 mail ESMTP\r\n"),
        ("redis_error", b"-ERR unknown command 'POST'\r\n"),
        ("closed_without_a_byte", b""),
        ("half_a_status_line", b"HTTP/1.1 20"),
        ("half_a_head", b"HTTP/1.1 200 OK\r\ncontent-ty"),
        ("nul_bytes", &[0; 4096]),
    ];
    let mut trials: Vec<_> =
        rows.iter().flat_map(|(name, text)| Trial::both(name, &bytes(text), Other)).collect();
    for stream in [false, true] {
        let new = if stream { Trial::stream } else { Trial::plain };
        let head =
            |lines| send(format!("{OK}\r\ncontent-type: {}\r\n{lines}", content_type(stream)));
        let flood = |text: &str| Step::Flood(text.as_bytes().to_vec());
        trials.push(new("reset_after_head", vec![head("\r\n"), Step::Reset], Other));
        trials.push(new("endless_head", vec![head(""), flood("x-a: b\r\n")], Other));
        trials.push(new("endless_header", vec![head("x-a: "), flood("b")], Other));
        trials.push(new("endless_status_line", vec![send("HTTP/1.1 200 "), flood("O")], Other));
        trials.push(new("endless_empty_lines", vec![flood("\r\n")], Other).hasty());
        let hints = flood("HTTP/1.1 100 Continue\r\n\r\n");
        trials.push(new("endless_continue", vec![hints], Other).hasty());
        trials
            .push(new("head_then_half_a_header", vec![head("x-a"), Step::Silence], Other).hasty());
    }
    hold(trials).await;
}

/// A chunked answer: these parts as chunks, then these bytes.
fn chunked(stream: bool, parts: &[&str], tail: &str) -> Vec<u8> {
    let kind = content_type(stream);
    let mut text = format!("{OK}\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n");
    for part in parts {
        text += &format!("{:x}\r\n{part}\r\n", part.len());
    }
    (text + tail).into_bytes()
}

#[tokio::test]
async fn a_body_that_breaks_after_its_first_chunk() {
    let extensions = format!("5{}\r\nhello\r\n0\r\n\r\n", ";a=b".repeat(64 << 10));
    let trailers = format!("0\r\n{}\r\n", "x: y\r\n".repeat(64 << 10));
    let rows = [
        ("chunk_size_garbage", "zz\r\nhello\r\n0\r\n\r\n"),
        ("chunk_size_negative", "-5\r\nhello\r\n0\r\n\r\n"),
        ("chunk_size_overflow", "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
        ("chunk_size_huge", "FFFFFFFFFFFFFFF0\r\nhello"),
        ("chunk_size_empty", "\r\nhello\r\n0\r\n\r\n"),
        ("chunk_size_prefixed", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("chunk_without_crlf", "5\r\nhello5\r\nhello\r\n0\r\n\r\n"),
        ("chunk_too_long", "5\r\nhello and more\r\n0\r\n\r\n"),
        ("chunk_cut", "400\r\n: half"),
        ("last_chunk_missing", ""),
        ("last_chunk_half", "0\r\n"),
        ("chunk_extension_flood", &*extensions),
        ("trailer_flood", &*trailers),
    ];
    let half = &PLAIN[..PLAIN.len() / 2];
    let mut trials = Vec::new();
    for (name, tail) in rows {
        trials.push(Trial::plain(name, bytes(chunked(false, &[half], tail)), Other));
        trials.push(Trial::stream(name, bytes(chunked(true, &[TEXT], tail)), Cut));
        let first = format!("{name}_at_once");
        trials.push(Trial::stream(&first, bytes(chunked(true, &[], tail)), Other));
    }
    let head = |kind: &str| format!("{OK}\r\ncontent-type: {kind}\r\ncontent-length: 9999\r\n\r\n");
    let plain = head("application/json") + PLAIN;
    trials.push(Trial::plain("shorter_than_its_length", bytes(plain), Other));
    let stream = head("text/event-stream") + TEXT;
    trials.push(Trial::stream("shorter_than_its_length", bytes(&stream), Cut));
    let reset = vec![send(&stream), Step::Reset];
    trials.push(Trial::stream("reset_in_mid_stream", reset, Cut));
    let reset = vec![send(chunked(false, &[half], "")), Step::Reset];
    trials.push(Trial::plain("reset_in_mid_answer", reset, Other));
    hold(trials).await;
}

#[tokio::test]
async fn an_odd_body_is_a_body() {
    let mut trials = Vec::new();
    for stream in [false, true] {
        let new = if stream { Trial::stream } else { Trial::plain };
        let body = good(stream);
        let of = |parts: &[&str], tail: &str| chunked(stream, parts, tail);
        let trailers = of(&[&body], "0\r\nx-a: b\r\nx-signalbox-cost: 9\r\n\r\n");
        let extension = format!("{:X};a=\"b\";c\r\n{body}\r\n0;d\r\n\r\n", body.len());
        let zeros = format!("0000{:x}\r\n{body}\r\n000\r\n\r\n", body.len());
        let single: Vec<_> = body.split_inclusive(|_| true).collect();
        let both = String::from_utf8(of(&[&body], "0\r\n\r\n")).unwrap();
        let both = both.replace("transfer-", "content-length: 5\r\ntransfer-");
        let coded = String::from_utf8(of(&[&body], "0\r\n\r\n")).unwrap();
        trials.push(new("trailers", bytes(trailers), Whole));
        trials.push(new("chunk_extension", bytes(of(&[], &extension)), Whole));
        trials.push(new("chunk_size_with_zeros", bytes(of(&[], &zeros)), Whole));
        trials.push(new("chunks_of_one_byte", bytes(of(&single, "0\r\n\r\n")), Whole));
        trials.push(new("length_and_chunked", bytes(both), Whole));
        let gzip = coded.replace("chunked", "gzip, chunked");
        trials.push(new("transfer_gzip_chunked", bytes(gzip), Other));
        let twice = coded.replace("chunked", "chunked, gzip");
        trials.push(new("transfer_chunked_gzip", bytes(twice), Other));
    }
    hold(trials).await;
}

#[tokio::test]
async fn a_no_with_a_body_of_its_own() {
    let long = format!("{{\"error\":{{\"message\":\"{}\"}}}}", "no ".repeat(40_000));
    let key = crate::harness::gateway::BACKEND_KEY;
    let quoting = format!("{{\"error\":\"bad key {key} at http://zyzzyva.internal:8000/v1\"}}");
    let rows = [
        ("400_quotes_the_key", 400, &*quoting),
        ("413_quotes_the_key", 413, &*quoting),
        ("422_in_a_list", 422, r#"{"detail":[{"loc":["body"],"msg":"zyzzyva.internal"}]}"#),
        ("400_in_html", 400, "<html>nginx at zyzzyva.internal</html>"),
        ("400_empty", 400, ""),
        ("400_of_120_kb", 400, &*long),
        ("400_nested", 400, &*"[".repeat(10_000)),
    ];
    let mut trials: Vec<_> = rows
        .iter()
        .flat_map(|(name, status, body)| {
            let length = body.len();
            let head = format!("HTTP/1.1 {status} No\r\ncontent-length: {length}\r\n\r\n{body}");
            Trial::both(name, &bytes(head), Refused)
        })
        .collect();
    let endless = [send("HTTP/1.1 400 No\r\n\r\n{\"error\":\""), Step::Flood(b"no ".to_vec())];
    trials.extend(Trial::both("400_endless", &endless, Refused));
    let broken = bytes("HTTP/1.1 400 No\r\ncontent-length: 99\r\n\r\n{\"error\":\"zyzzyva.inter");
    trials.extend(Trial::both("400_cut", &broken, Refused));
    hold(trials).await;
}

/// What follows an answer on its connection is nobody's answer.
#[tokio::test]
async fn a_stale_second_answer_is_not_the_next_requests() {
    for (stream, at_once) in [(false, true), (true, true), (false, false), (true, false)] {
        let own = String::from_utf8(answer(OK, "", stream)).unwrap();
        let stale = own.replace(WORD, "stalest");
        let joined = send([own.as_str(), &stale].concat());
        let first = if at_once { vec![joined] } else { vec![send(&own), send(&stale)] };
        let up = ByteBackend::start(vec![Play::from(first), vec![send(&own)].into()]).await;
        let gateway = Setup::new().model("a", &up.urls()).start().await;
        let request = if stream { streamed("a") } else { ask("a") };
        for nth in 1..=3 {
            let reply = gateway.ask(&request).await;
            wait::until("the play's end", || up.played() >= nth).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert!(reply.text().contains(WORD) && !reply.text().contains("stalest"));
        }
        assert_eq!((up.requests(), up.connections(), up.left()), (3, 2, 1));
        assert_eq!(gateway.close().await.entries.len(), 3);
    }
}
