//! Engines that speak Messages and nothing else, asked for callers of every dialect.

use serde_json::{Value, json};

use crate::harness::{
    Gateway, KEY, Reply, Setup,
    engine::{Engine, answer, usage},
    gateway::{BACKEND_KEY, results},
    manual_backend::{
        Line, ManualBackend, STREAM,
        messages::{BEGIN, END},
    },
    with,
};

const ALONE: &str = "dialects = [\"anthropic\"]\ncapabilities = [\"tools\", \"json_schema\"]\n";
const PRICES: (&str, &str) = ("1.00", "10.00");

/// A whole answer by Messages.
fn message(text: &str) -> String {
    json!({ "type": "message", "model": "m", "content": [{ "type": "text", "text": text }],
        "stop_reason": "end_turn", "usage": { "input_tokens": 7, "output_tokens": 3 } })
    .to_string()
}

fn whole(body: &str) -> String {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len())
}

/// The same question by each API.
fn questions() -> [(&'static str, Value); 3] {
    let messages = json!([{ "role": "user", "content": "What is a signal box for?" }]);
    [
        ("/v1/chat/completions", json!({ "model": "a", "messages": messages })),
        ("/v1/messages", json!({ "model": "a", "max_tokens": 50, "messages": messages })),
        ("/v1/responses", json!({ "model": "a", "input": messages })),
    ]
}

async fn ask(gateway: &Gateway, path: &str, body: &Value) -> Reply {
    let question = gateway.client.post(gateway.url(path)).header("x-api-key", KEY);
    Reply::of(question.body(body.to_string())).await
}

async fn gateway(up: &ManualBackend, lines: &str) -> Gateway {
    let setup = Setup::new().priced("a", &up.urls(), PRICES, &format!("{ALONE}{lines}"));
    setup.start().await
}

/// It is asked as its provider wants to be: at `/messages`, with the key in its own header and a version.
fn is_asked_well(backend: &Line) {
    for part in ["POST /v1/messages ", "anthropic-version: ", "\"max_tokens\":", "signal box"] {
        assert!(backend.has(part), "{part}: {}", backend.heard());
    }
    assert!(backend.has(&format!("x-api-key: {BACKEND_KEY}")), "{}", backend.heard());
    assert!(!backend.has("authorization") && !backend.has(KEY), "{}", backend.heard());
}

#[tokio::test]
async fn callers_of_every_dialect_are_answered_in_their_own() {
    let up = ManualBackend::start().await;
    let gateway = gateway(&up, "").await;
    for (path, question) in questions() {
        let told = async {
            let backend = up.asked().await;
            is_asked_well(&backend);
            // Who states no bound has the plan's.
            let most = if path.ends_with("messages") { 50 } else { 8192 };
            assert!(backend.has(&format!("\"max_tokens\":{most}")), "{}", backend.heard());
            backend.say(whole(&message("to set points")));
            backend.hang_up();
        };
        let (reply, ()) = tokio::join!(ask(&gateway, path, &question), told);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let answer = reply.json();
        let text = match path {
            "/v1/messages" => &answer["content"][0]["text"],
            "/v1/responses" => &answer["output"][0]["content"][0]["text"],
            _ => &answer["choices"][0]["message"]["content"],
        };
        assert_eq!(text, "to set points", "{path}: {answer}");
        assert_eq!(reply.header("x-signalbox-cost"), "0.000037", "{path}");
    }
    gateway.until(|books| books.verification.open == 0).await;
    let books = gateway.close().await;
    assert_eq!(books.entries.len(), 3);
    for entry in &books.entries {
        assert_eq!((entry.input_tokens, entry.output_tokens), (7, 3), "{entry:?}");
    }
}

#[tokio::test]
async fn a_stream_is_told_in_the_callers_dialect_with_usage_and_cost_and_no_false_end() {
    let ends = [
        ("/v1/chat/completions", "[DONE]"),
        ("/v1/messages", "message_stop"),
        ("/v1/responses", "response.completed"),
    ];
    for is_whole in [true, false] {
        for ((path, question), (_, end)) in questions().into_iter().zip(ends) {
            let up = ManualBackend::start().await;
            let gateway = gateway(&up, "").await;
            let mut question = with(question, json!({ "stream": true }));
            if path.ends_with("completions") {
                question = with(question, json!({ "stream_options": { "include_usage": true } }));
            }
            let told = async {
                let backend = up.asked().await;
                assert!(!backend.has("stream_options"), "{}", backend.heard());
                backend.say([STREAM, BEGIN, if is_whole { END } else { "" }].concat());
                backend.hang_up();
            };
            let (reply, ()) = tokio::join!(ask(&gateway, path, &question), told);
            let text = reply.text();
            assert!(text.contains("hi"), "{path}: {text}");
            assert_eq!(text.contains(end), is_whole, "{path}: {text}");
            let fails = text.contains("\"error\":{") || text.contains("event: error");
            assert_eq!(fails, !is_whole, "{path}: {text}");
            if is_whole && path.ends_with("completions") {
                let usage = reply.events().into_iter().rev().nth(1).expect("a usage event");
                let usage: Value = serde_json::from_str(&usage).expect("JSON");
                assert_eq!(usage["usage"]["total_tokens"], 10, "{text}");
                assert_eq!(usage["signalbox"]["cost"], "0.000037", "{text}");
                assert!(usage["id"].as_str().unwrap().starts_with("chatcmpl-"), "{text}");
                assert_eq!((&usage["model"], &usage["choices"]), (&json!("m"), &json!([])));
            }
            gateway.until(|books| books.verification.open == 0).await;
            let books = gateway.close().await;
            let outcome = books.entries[0].outcome.as_deref();
            assert_eq!(outcome, Some(if is_whole { "ok" } else { "cut" }), "{path}");
        }
    }
}

/// What Messages cannot say goes to the models that can be asked it, and is refused by name where none is
/// left; nothing is sent for it.
#[tokio::test]
async fn what_messages_cannot_say_is_not_asked_of_it() {
    let chat = Engine::start(|_| answer("by chat", &usage(5, 2))).await;
    let alone = ManualBackend::start().await;
    let gateway = Setup::new()
        .model("chat", &chat.urls())
        .model_with("a", &alone.urls(), ALONE)
        .and("[alias]\nboth = [\"a\", \"chat\"]\n")
        .start()
        .await;
    let [(path, question), ..] = questions();
    for more in [
        json!({ "n": 2 }),
        json!({ "presence_penalty": 1.5 }),
        json!({ "logit_bias": { "5": 1 } }),
        json!({ "response_format": { "type": "json_object" } }),
        json!({ "seed": 7 }),
    ] {
        let (name, _) = more.as_object().unwrap().iter().next().unwrap();
        let refused = ask(&gateway, path, &with(question.clone(), more.clone())).await;
        let error = refused.json()["error"].clone();
        assert_eq!((refused.status, &error["code"]), (400, &json!("unsupported_parameter")));
        assert!(error["param"].as_str().unwrap().starts_with(name.as_str()), "{error}");
        // The decision that is asked for says the same.
        let told =
            async |body: &Value| ask(&gateway, "/v1/route", body).await.json()["decision"].clone();
        let decision = told(&with(question.clone(), more.clone())).await;
        assert!(decision["refusal"].as_str().unwrap().starts_with(name.as_str()), "{decision}");
        let both = with(with(question.clone(), more), json!({ "model": "both" }));
        let decision = told(&both).await;
        let skipped = &decision["skipped"][0];
        assert_eq!(
            (&decision["plan"][0]["model"], &skipped["model"]),
            (&json!("chat"), &json!("a"))
        );
        let reply = ask(&gateway, path, &both).await;
        assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "chat"));
    }
    let prompt = json!({ "model": "a", "prompt": "Points are" });
    let refused = ask(&gateway, "/v1/completions", &prompt).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(alone.connections(), 0);
    gateway.close().await;
}

/// Fallback goes from one dialect to the other.
#[tokio::test]
async fn a_failed_attempt_goes_on_in_another_dialect() {
    let completion = answer("by chat", &usage(5, 2)).1;
    for (bad, good, said) in [("", ALONE, message("by messages")), (ALONE, "", completion)] {
        for (path, question) in questions() {
            let up = [ManualBackend::start().await, ManualBackend::start().await];
            let gateway = Setup::new()
                .model_with("bad", &up[0].urls(), bad)
                .model_with("good", &up[1].urls(), good)
                .and("[alias]\na = [\"bad\", \"good\"]\n")
                .start()
                .await;
            let failing = async {
                loop {
                    up[0].asked().await.hang_up();
                }
            };
            let answering = async {
                let backend = up[1].asked().await;
                backend.say(whole(&said));
                backend.hang_up();
            };
            let served = async { tokio::join!(ask(&gateway, path, &question), answering).0 };
            let reply = tokio::select! {
                reply = served => reply,
                () = failing => unreachable!("it fails for ever"),
            };
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            assert!(reply.text().contains("by "), "{path}: {}", reply.text());
            gateway.until(|books| books.verification.open == 0).await;
            let books = gateway.close().await;
            let ends = results(books.only());
            assert_eq!(ends.last().map(String::as_str), Some("ok"), "{path}: {ends:?}");
        }
    }
}

/// Under a hard budget the bound is told, and what is written beyond it is not passed on.
#[tokio::test]
async fn a_bound_is_told_and_kept() {
    let up = ManualBackend::start().await;
    let setup = Setup::new().priced("a", &up.urls(), PRICES, ALONE);
    let hard = "budget = { amount = \"1.00\", window = \"total\", hard = true }\n";
    let gateway = setup.key(hard).start().await;
    let [(path, question), ..] = questions();
    let question = with(question, json!({ "stream": true, "max_tokens": 5 }));
    let told = async {
        let backend = up.asked().await;
        assert!(backend.has("\"max_tokens\":5"), "{}", backend.heard());
        let more = BEGIN.split_once("\n\n").unwrap().1.replace("hi", &"more ".repeat(40));
        backend.say([STREAM, BEGIN, &more, &more].concat());
        backend.hears("never").await;
    };
    let reply = tokio::select! {
        reply = ask(&gateway, path, &question) => reply,
        () = told => unreachable!("nothing more is asked"),
    };
    let text = reply.text();
    assert!(text.contains("\"finish_reason\":\"length\""), "{text}");
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert_eq!(text.matches("\"id\":\"chatcmpl-").count() + 1, reply.events().len(), "{text}");
    gateway.close().await;
}
