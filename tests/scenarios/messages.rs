//! Callers who ask by Messages, of engines that speak them and of those that do not.

use serde_json::{Value, json};

use crate::harness::{
    Gateway, KEY, Reply, Setup,
    engine::{Engine, answer, usage},
    manual_backend::{
        ManualBackend, STREAM,
        messages::{BEGIN, END},
    },
    with,
};

const NATIVE: &str = "dialects = [\"openai\", \"anthropic\"]\n";

fn request(model: &str) -> Value {
    let messages = json!([{ "role": "user", "content": "What is a signal box for?" }]);
    json!({ "model": model, "max_tokens": 50, "messages": messages })
}

async fn ask(gateway: &Gateway, request: &Value) -> Reply {
    let question = gateway.client.post(gateway.url("/v1/messages")).header("x-api-key", KEY);
    let question = question.header("anthropic-version", "2023-06-01");
    let question = question.header("anthropic-beta", "one-2025,two-2026");
    let question = question.header("anthropic-beta", "three-2026");
    Reply::of(question.body(request.to_string())).await
}

#[tokio::test]
async fn an_engine_of_messages_gets_the_callers_words_and_headers_and_gives_its_own() {
    let up = ManualBackend::start().await;
    let gateway = Setup::new().model_with("a", &up.urls(), NATIVE).start().await;
    let tools = json!([{ "type": "web_search_20250305", "name": "web_search" }]);
    let request = with(request("a"), json!({ "stream": true, "tools": tools, "new": { "x": 1 } }));
    let told = async {
        let backend = up.asked().await;
        for part in [
            "POST /v1/messages ",
            "anthropic-version: 2023-06-01\r\n",
            "anthropic-beta: one-2025,two-2026\r\n",
            "anthropic-beta: three-2026\r\n",
            "\"new\":{\"x\":1}",
        ] {
            assert!(backend.has(part), "{part}: {}", backend.heard());
        }
        assert!(!backend.has(KEY), "{}", backend.heard());
        backend.say([STREAM, BEGIN, END].concat());
        backend.hang_up();
    };
    let (reply, ()) = tokio::join!(ask(&gateway, &request), told);
    assert_eq!(reply.text(), [BEGIN, END].concat());
    gateway.until(|books| books.verification.open == 0).await;
    let entries = gateway.close().await.entries;
    assert_eq!((entries[0].input_tokens, entries[0].output_tokens), (7, 3));
}

#[tokio::test]
async fn what_is_cut_is_never_told_as_whole() {
    let chat = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
    for (lines, said) in [(NATIVE, BEGIN), ("", chat)] {
        let up = ManualBackend::start().await;
        let gateway = Setup::new().model_with("a", &up.urls(), lines).start().await;
        let request = with(request("a"), json!({ "stream": true }));
        let told = async {
            let backend = up.asked().await;
            backend.say([STREAM, said].concat());
            backend.hang_up();
        };
        let (reply, ()) = tokio::join!(ask(&gateway, &request), told);
        let text = reply.text();
        assert!(text.contains("event: error\ndata: {\"type\":\"error\""), "{text}");
        assert!(!text.contains("message_stop"), "{text}");
        gateway.until(|books| books.verification.open == 0).await;
        let entries = gateway.close().await.entries;
        assert_eq!(entries[0].outcome.as_deref(), Some("cut"));
    }
}

/// What only Messages can say goes to the models that speak them, and to no other; what all can say falls
/// back from one to the other.
#[tokio::test]
async fn a_model_that_cannot_be_asked_something_is_passed_over() {
    let chat = Engine::start(|_| answer("by chat", &usage(5, 2))).await;
    let native = ManualBackend::start().await;
    let gateway = Setup::new()
        .model("chat", &chat.urls())
        .model_with("native", &native.urls(), NATIVE)
        .and("[alias]\nboth = [\"chat\", \"native\"]\nturned = [\"native\", \"chat\"]\n")
        .start()
        .await;
    let tools = json!([{ "type": "web_search_20250305", "name": "web_search" }]);
    let body = json!({ "type": "message", "content": [{ "type": "text", "text": "found" }],
        "stop_reason": "end_turn", "usage": { "input_tokens": 4, "output_tokens": 2 } })
    .to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let whole = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let special = with(request("both"), json!({ "tools": tools }));
    let told = async {
        let backend = native.asked().await;
        backend.say(&whole);
        backend.hang_up();
    };
    let (reply, ()) = tokio::join!(ask(&gateway, &special), told);
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "native"));
    assert_eq!(reply.text(), body);
    assert!(chat.asked().is_empty());
    let refused = ask(&gateway, &with(request("chat"), json!({ "tools": tools }))).await;
    let error = refused.json();
    assert_eq!((refused.status, &error["type"]), (400, &"error".into()), "{error}");
    assert!(error["error"]["message"].as_str().unwrap().starts_with("tools[0].type is"), "{error}");
    let failing = async {
        loop {
            native.asked().await.hang_up();
        }
    };
    let plain = request("turned");
    let reply = tokio::select! {
        reply = ask(&gateway, &plain) => reply,
        () = failing => unreachable!("it fails for ever"),
    };
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "chat"));
    assert_eq!(reply.json()["content"][0]["text"], "by chat");
    gateway.close().await;
}
