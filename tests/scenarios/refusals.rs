//! Wrong requests: each gets one clear error, leaves no entry, and harms nobody after it.

use serde_json::{Value, json};

use crate::harness::{Gateway, KEY, Setup, SimBackend, ask, raw, with};

/// A gateway with small limits, and its backend.
async fn small() -> (SimBackend, Gateway) {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls()).server("body_bytes_max = 65536\n");
    (up, setup.key("data_class_max = \"internal\"\n").start().await)
}

/// What is expected of one wrong request.
struct Case {
    name: &'static str,
    request: Vec<u8>,
    status: u16,
    /// Stage and kind in the metrics.
    counted: (&'static str, &'static str),
    code: &'static str,
}

fn case(
    name: &'static str,
    request: Vec<u8>,
    status: u16,
    counted: (&'static str, &'static str),
    code: &'static str,
) -> Case {
    Case { name, request, status, counted, code }
}

fn body(name: &'static str, body: impl AsRef<[u8]>, code: &'static str) -> Case {
    case(name, raw::chat("", body.as_ref()), 400, ("classify", "invalid_request"), code)
}

fn fields(name: &'static str, fields: Value, code: &'static str) -> Case {
    body(name, with(ask("a"), fields).to_string(), code)
}

fn head(
    name: &'static str,
    line: &str,
    status: u16,
    counted: (&'static str, &'static str),
) -> Case {
    case(name, raw::chat(line, ask("a").to_string().as_bytes()), status, counted, "")
}

fn keyed(name: &'static str, lines: &str, status: u16, code: &'static str) -> Case {
    let body = ask("a").to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let kind = if status == 400 { "invalid_request" } else { "unauthenticated" };
    case(name, request.into_bytes(), status, ("authenticate", kind), code)
}

fn line(name: &'static str, line: &str, status: u16) -> Case {
    let request = format!(
        "{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\r\n"
    );
    case(name, request.into_bytes(), status, ("receive", "invalid_request"), "")
}

fn bodies() -> Vec<Case> {
    let deep = format!(r#"{{"model":"a","messages":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let twice = r#"{"model":"a","messages":[{"role":"user","content":"x"}],"model":"b"}"#;
    vec![
        body("nothing", "", "invalid_json"),
        body("no JSON", "model=a", "invalid_json"),
        body("half of it", r#"{"model":"a","messages":[{"#, "invalid_json"),
        body(
            "something after it",
            r#"{"model":"a","messages":[{"role":"user","content":"x"}]} x"#,
            "invalid_json",
        ),
        body(
            "no UTF-8",
            b"{\"model\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}",
            "",
        ),
        body("too deep", deep, ""),
        body("a key twice", twice, ""),
        body("a list", "[1,2]", ""),
        body("a number", "7", ""),
        body("no model", r#"{"messages":[{"role":"user","content":"x"}]}"#, ""),
        body("no messages", r#"{"model":"a"}"#, ""),
        fields("messages are text", json!({ "messages": "hi" }), ""),
        fields("no message", json!({ "messages": [] }), ""),
        fields("a message is text", json!({ "messages": ["hi"] }), ""),
        fields("model is a number", json!({ "model": 7 }), ""),
        fields("stream is text", json!({ "stream": "yes" }), ""),
        fields("n is too large", json!({ "n": 1_000 }), ""),
        fields("n is nothing", json!({ "n": 0 }), ""),
        fields("no room for an answer", json!({ "max_tokens": -1 }), ""),
        fields("a template", json!({ "chat_template": "x" }), "unsupported_parameter"),
        fields("a way out", json!({ "api_base": "http://x" }), "unsupported_parameter"),
        fields("a list of models", json!({ "models": ["a", "b"] }), "unsupported_parameter"),
        fields("a provider", json!({ "provider": { "order": ["x"] } }), "unsupported_parameter"),
        fields("a fallback", json!({ "route": "fallback" }), "unsupported_parameter"),
        fields("fallbacks", json!({ "fallbacks": ["b"] }), "unsupported_parameter"),
        fields("transforms", json!({ "transforms": ["middle-out"] }), "unsupported_parameter"),
        fields("a credential", json!({ "api_key": "sk-x" }), "unsupported_parameter"),
    ]
}

/// What has crashed or stalled engines.
fn harmful() -> Vec<Case> {
    let limit = "unsupported_parameter";
    let regex = json!({ "regex": "(" });
    let parts = json!([{ "role": "user", "content": [{ "text": "x" }] }]);
    vec![
        fields("alternatives", json!({ "top_logprobs": 1_000_000_000 }), limit),
        fields("nested repetitions", json!({ "guided_regex": "((a+)+)+$" }), "invalid_value"),
        fields("no pattern", json!({ "structured_outputs": regex }), "invalid_value"),
        fields("a part of no type", json!({ "messages": parts }), "missing_required_parameter"),
        fields("a choice of tools", json!({ "tool_choice": 7 }), "invalid_type"),
        fields("a format", json!({ "response_format": { "type": "exec" } }), "invalid_value"),
        fields("a temperature", json!({ "temperature": "hot" }), "invalid_type"),
        fields("no end", json!({ "ignore_eos": true }), "invalid_value"),
        fields("a tool without a name", json!({ "tools": [{}] }), "missing_required_parameter"),
    ]
}

fn heads() -> Vec<Case> {
    let receive = ("receive", "invalid_request");
    let other = format!("authorization: Bearer {KEY}\r\nx-api-key: sk-other\r\n");
    let large = format!("x-large: {}\r\n", "y".repeat(70 * 1024));
    let unknown = with(ask("a"), json!({ "model": "nobody" })).to_string();
    vec![
        keyed("no key", "", 401, "invalid_api_key"),
        keyed("an unknown key", "authorization: Bearer sk-nobody\r\n", 401, "invalid_api_key"),
        keyed("two keys", &other, 400, ""),
        head("compressed", "content-encoding: gzip\r\n", 415, receive),
        head("too large a head", &large, 431, ("receive", "too_large")),
        head(
            "a class above the key's",
            "x-signalbox-data-class: secret\r\n",
            403,
            ("classify", "forbidden"),
        ),
        head(
            "no class",
            "x-signalbox-data-class: cosmic\r\n",
            400,
            ("classify", "invalid_request"),
        ),
        head("no task", "x-signalbox-task: juggling\r\n", 400, ("classify", "invalid_request")),
        head(
            "no language",
            "x-signalbox-language: martian\r\n",
            400,
            ("classify", "invalid_request"),
        ),
        case(
            "too large",
            raw::chat("", &[b' '; 70_000]),
            413,
            ("receive", "too_large"),
            "request_too_large",
        ),
        case(
            "unknown",
            raw::chat("", unknown.as_bytes()),
            404,
            ("decide", "unknown_model"),
            "model_not_found",
        ),
        line("wrong method", "GET /v1/chat/completions", 405),
        line("wrong method elsewhere", "DELETE /v1/models", 405),
        line("nothing there", "GET /v1/nothing", 404),
        line("not supported", "POST /v1/files", 404),
    ]
}

async fn hold(cases: Vec<Case>) {
    let (up, gateway) = small().await;
    let mut wrong = Vec::new();
    for case in &cases {
        let labels =
            [format!("stage=\"{}\"", case.counted.0), format!("kind=\"{}\"", case.counted.1)];
        let labels = [&*labels[0], &*labels[1]];
        let before = gateway.metrics().await.sum("signalbox_refusals_total", &labels);
        let answer = raw::send(gateway.addr(), &case.request).await;
        let after = gateway.metrics().await.sum("signalbox_refusals_total", &labels);
        if let Some(fault) = fault(case, &answer) {
            wrong.push(format!("{}: {fault}: {answer}", case.name));
        } else if after != before + 1.0 {
            wrong.push(format!("{}: counted {before} → {after}: {answer}", case.name));
        }
        assert_eq!(gateway.ask(&ask("a")).await.status, 200, "after {}", case.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert_eq!(up.seen().requests, cases.len() as u64, "a wrong request reached the backend");
    assert_eq!(gateway.close().await.entries.len(), cases.len(), "a refusal has an entry");
}

/// What is wrong with the answer.
fn fault(case: &Case, answer: &str) -> Option<String> {
    if raw::answers(answer) != 1 {
        return Some(String::from("not one answer"));
    }
    if !answer.starts_with(&format!("HTTP/1.1 {} ", case.status)) {
        return Some(format!("not {}", case.status));
    }
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    if !head.contains("x-signalbox-id: ") || !head.contains("content-type: application/json") {
        return Some(String::from("a header is missing"));
    }
    let Ok(body) = serde_json::from_str::<Value>(body) else {
        return Some(String::from("no JSON"));
    };
    let error = &body["error"];
    let texts = ["message", "type", "code"].map(|name| error[name].as_str().unwrap_or(""));
    let shaped = texts.iter().all(|it| !it.is_empty()) && error.get("param").is_some();
    if !shaped || (!case.code.is_empty() && texts[2] != case.code) {
        return Some(format!("not the error {}", case.code));
    }
    None
}

#[tokio::test]
async fn a_wrong_body_is_refused_and_counted() {
    hold(bodies()).await;
}

#[tokio::test]
async fn what_harms_engines_is_refused_and_counted() {
    hold(harmful()).await;
}

#[tokio::test]
async fn a_wrong_head_is_refused_and_counted() {
    hold(heads()).await;
}

#[tokio::test]
async fn what_is_no_http_harms_nobody() {
    let (_up, gateway) = small().await;
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(5_000));
    let smuggled = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\
                    content-length: 5\r\n\r\nabcde";
    for request in ["\0\0\0\0\r\n\r\n", "hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", &many, smuggled]
    {
        let answer = raw::send(gateway.addr(), request.as_bytes()).await;
        assert!(raw::answers(&answer) <= 1, "{answer}");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert_eq!(gateway.ask(&ask("a")).await.status, 200);
    }
}

#[tokio::test]
async fn a_body_that_never_comes_ends_in_408() {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls()).server("body_timeout_ms = 100\n");
    let gateway = setup.start().await;
    let mut request = raw::chat("", &[b' '; 100]);
    request.truncate(request.len() - 50);
    let answer = raw::send(gateway.addr(), &request).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("request_timeout"), "{answer}");
    assert!(gateway.close().await.entries.is_empty());
}

#[tokio::test]
async fn a_head_that_never_comes_is_not_waited_for() {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls()).server("header_timeout_ms = 100\n");
    let gateway = setup.start().await;
    let answer = raw::send(gateway.addr(), b"POST /v1/chat/completions HTTP/1.1\r\nhos").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
}
