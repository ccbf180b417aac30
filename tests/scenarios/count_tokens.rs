//! The tokens of a request, counted by its engine or estimated, with no answer asked for.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Gateway, KEY, Reply, Setup, ask,
    clock::Clock,
    engine::{Engine, answer, usage},
    manual_backend::{Line, ManualBackend},
    sim_backend::{SimBackend, quick},
    with,
};

const PATH: &str = "/v1/messages/count_tokens";
const NATIVE: &str = "dialects = [\"openai\", \"anthropic\"]\n";
const VLLM: &str = "engine = \"vllm\"\n";

fn message(model: &str) -> Value {
    let messages = json!([{ "role": "user", "content": "What is a signal box for?" }]);
    json!({ "model": model, "system": "Be brief.", "messages": messages })
}

async fn count(gateway: &Gateway, request: &Value) -> Reply {
    let question = gateway.client.post(gateway.url(PATH)).header("x-api-key", KEY);
    Reply::of(question.header("anthropic-version", "2023-06-01").body(request.to_string())).await
}

/// Who counted, and how many there are.
async fn counted(gateway: &Gateway, request: &Value) -> (String, u64) {
    let reply = count(gateway, request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let by = reply.header("x-signalbox-token-count").to_owned();
    (by, reply.json()["input_tokens"].as_u64().expect("a number"))
}

/// What is estimated where no engine is asked.
async fn estimate() -> u64 {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let (by, tokens) = counted(&gateway, &message("a")).await;
    assert_eq!((by.as_str(), up.seen().requests), ("estimate", 0));
    tokens
}

#[tokio::test]
async fn an_engine_counts_what_an_answer_then_reports_and_nothing_is_kept_or_charged() {
    let up = SimBackend::with(quick().tokenizing());
    let tools = json!([{ "name": "f", "input_schema": { "type": "object" } }]);
    let setup = Setup::new().server("why_header = true\n");
    let lines = "engine = \"vllm\"\ncapabilities = [\"tools\"]\n";
    let gateway = setup.model_with("a", &up.urls(), lines).start().await;
    for more in [json!({}), json!({ "tools": tools })] {
        let request = with(message("a"), more);
        let reply = count(&gateway, &request).await;
        assert_eq!((reply.status, reply.header("x-signalbox-token-count")), (200, "engine"));
        for (name, value) in [("model", "a"), ("rule", "pin"), ("language", "en")] {
            assert_eq!(reply.header(&format!("x-signalbox-{name}")), value);
        }
        assert!(reply.header("x-signalbox-why").contains("pin"), "{:?}", reply.headers);
        assert!(!reply.header("x-signalbox-id").is_empty());
        let answer = gateway.post_to("/v1/messages", &with(request, json!({ "max_tokens": 9 })));
        let answer = Reply::of(answer).await.json();
        assert_eq!(answer["usage"]["input_tokens"], reply.json()["input_tokens"], "{answer}");
    }
    let responses = json!({ "model": "a", "instructions": "Be brief.", "input": "Hello" });
    let reply = Reply::of(gateway.post_to("/v1/responses/input_tokens", &responses)).await;
    assert_eq!(reply.json()["object"], "response.input_tokens", "{}", reply.text());
    assert!(reply.json()["input_tokens"].as_u64().unwrap() > 0);
    let books = gateway.close().await;
    assert_eq!(books.entries.len(), 2, "the answers alone are in the books");
}

#[tokio::test]
async fn an_engine_of_messages_is_asked_in_the_callers_words() {
    let up = ManualBackend::start().await;
    let gateway = Setup::new().model_with("a", &up.urls(), NATIVE).start().await;
    let told = async {
        let backend = up.asked().await;
        for part in
            ["POST /v1/messages/count_tokens ", "anthropic-version: 2023-06-01", "\"scripted\""]
        {
            assert!(backend.has(part), "{part}: {}", backend.heard());
        }
        assert!(!backend.has(KEY) && !backend.has("return_token_strs"), "{}", backend.heard());
        backend.say("HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n{\"input_tokens\":77}");
    };
    let request = message("a");
    let (said, ()) = tokio::join!(counted(&gateway, &request), told);
    assert_eq!(said, ("engine".to_owned(), 77));
}

#[tokio::test]
async fn an_engine_that_writes_the_prompt_first_is_asked_twice() {
    let up = Engine::start(|asked| match asked["content"].as_str() {
        Some(prompt) => {
            assert_eq!(prompt, "<user>x");
            (200, json!({ "tokens": [1, 2, 3, 4, 5] }).to_string())
        }
        None => (200, json!({ "prompt": "<user>x" }).to_string()),
    })
    .await;
    let lines = "engine = \"llama_cpp\"\n";
    let gateway = Setup::new().model_with("a", &up.urls(), lines).start().await;
    assert_eq!(counted(&gateway, &message("a")).await, ("engine".to_owned(), 5));
}

/// Whatever an engine does that is no answer, there is one for the caller.
#[tokio::test]
async fn where_no_engine_counts_the_tokens_are_estimated() {
    let expected = ("estimate".to_owned(), estimate().await);
    let answers = [
        (404, "{}".to_owned()),
        (500, json!({ "count": 7 }).to_string()),
        (302, json!({ "count": 7 }).to_string()),
        (200, "{\"count\": \"7\"}".to_owned()),
        (200, "{\"count\": -7}".to_owned()),
        (200, "{\"count\": [7]}".to_owned()),
        (200, "{\"input_tokens\": 7}".to_owned()),
        (200, "{\"count\": 7".to_owned()),
        (200, format!("{{\"count\": 7, \"tokens\": [{}]}}", "1234567,".repeat(1_100_000))),
    ];
    for said in answers {
        let shown: String = said.1.chars().take(40).collect();
        let up = Engine::start(move |_| said.clone()).await;
        let gateway = Setup::new().model_with("a", &up.urls(), VLLM).start().await;
        assert_eq!(counted(&gateway, &message("a")).await, expected, "{shown}");
    }
    for engine in ["ollama", "tgi", "openai"] {
        let up = SimBackend::with(quick().tokenizing());
        let lines = format!("engine = \"{engine}\"\n");
        let gateway = Setup::new().model_with("a", &up.urls(), &lines).start().await;
        assert_eq!(counted(&gateway, &message("a")).await, expected, "{engine}");
    }
    let gone = SimBackend::with(quick().tokenizing());
    let gateway = Setup::new().model_with("a", &gone.urls(), VLLM).start().await;
    gone.kill(0).await;
    assert_eq!(counted(&gateway, &message("a")).await, expected, "an engine that is down");
}

#[tokio::test]
async fn a_silent_engine_is_waited_for_two_seconds() {
    let up = ManualBackend::start().await;
    let gateway = Setup::new().model_with("a", &up.urls(), VLLM).start().await;
    let clock = Clock::stop();
    let body = message("a").to_string();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let caller = Line::call(gateway.addr(), (head + &body).as_bytes()).await;
    let backend = up.asked().await;
    assert!(backend.has("POST /tokenize "), "{}", backend.heard());
    let estimated = || caller.has("x-signalbox-token-count: estimate");
    clock.happens_after(2_000, "an estimate", estimated).await;
    clock.pass(Duration::from_millis(1)).await;
    clock.goes_on();
}

/// A model that is full is not asked for one more; one that is down gives way to the next of the plan.
#[tokio::test]
async fn an_engine_is_asked_within_its_own_limits() {
    let expected = ("estimate".to_owned(), estimate().await);
    let (full, next) = (ManualBackend::start().await, SimBackend::with(quick().tokenizing()));
    let gateway = Setup::new()
        .model_with("next", &next.urls(), VLLM)
        .model_with("full", &full.urls(), VLLM)
        .endpoint("concurrency_max = 1\n")
        .and("[alias]\nboth = [\"full\", \"next\"]\n")
        .start()
        .await;
    let held = tokio::spawn(gateway.post(&ask("full")).send());
    full.asked().await;
    assert_eq!(counted(&gateway, &message("full")).await, expected);
    let reply = count(&gateway, &message("both")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(next.seen().requests, 0);
    held.abort();
}

/// What is refused is what the message itself would be, in the form of its API.
#[tokio::test]
async fn it_is_refused_as_the_message_would_be() {
    let up = SimBackend::with(quick().tokenizing());
    let setup = Setup::new().model_with("a", &up.urls(), VLLM).model_with("b", &up.urls(), VLLM);
    let gateway = setup.key("models = [\"a\"]\n").start().await;
    let part = json!([{ "type": "web_search_20250305", "name": "web_search" }]);
    for (request, status, kind) in [
        (message("b"), 403, "permission_error"),
        (message("nobody"), 404, "not_found_error"),
        (json!({ "model": "a" }), 400, "invalid_request_error"),
        (with(message("a"), json!({ "max_tokens": "many" })), 400, "invalid_request_error"),
        (with(message("a"), json!({ "tools": part })), 400, "invalid_request_error"),
        (json!([1]), 400, "invalid_request_error"),
    ] {
        let reply = count(&gateway, &request).await;
        let error = reply.json();
        assert_eq!(reply.status, status, "{error}");
        assert_eq!((&error["type"], &error["error"]["type"]), (&json!("error"), &json!(kind)));
        if request["messages"].is_array() {
            let bound = if request["max_tokens"].is_null() { json!(9) } else { json!("many") };
            let asked = with(request, json!({ "max_tokens": bound }));
            let refused = Reply::of(gateway.post_to("/v1/messages", &asked)).await;
            assert_eq!((refused.status, &refused.json()["error"]), (status, &error["error"]));
        }
    }
    let nobody = gateway.client.post(gateway.url(PATH)).body(message("a").to_string());
    let reply = Reply::of(nobody).await;
    assert_eq!((reply.status, &reply.json()["type"]), (401, &json!("error")));
    assert_eq!(Reply::of(gateway.client.get(gateway.url(PATH))).await.status, 405);
    assert!(gateway.close().await.entries.is_empty());
}

#[tokio::test]
async fn it_counts_among_the_requests_of_a_minute() {
    let up = SimBackend::with(quick().tokenizing());
    let setup = Setup::new().model_with("a", &up.urls(), VLLM);
    let gateway = setup.key("limits = { requests_per_minute = 1 }\n").start().await;
    assert_eq!(counted(&gateway, &message("a")).await.0, "engine");
    let reply = count(&gateway, &message("a")).await;
    assert_eq!((reply.status, &reply.json()["error"]["type"]), (429, &json!("rate_limit_error")));
}

/// An estimate goes by what answers of the same model have reported, and by no other's.
#[tokio::test]
async fn estimates_learn_from_what_answers_report() {
    let expected = estimate().await;
    let reported = u32::try_from(3 * expected).unwrap();
    let up = Engine::start(move |_| answer("yes", &usage(reported, 1))).await;
    let silent = Engine::start(|_| answer("yes", &Value::Null)).await;
    let setup = Setup::new().model("a", &up.urls()).model("silent", &silent.urls());
    let gateway = setup.model("never", &up.urls()).start().await;
    for _ in 0..40 {
        for model in ["a", "silent"] {
            let asked = with(message(model), json!({ "max_tokens": 9 }));
            let answer = Reply::of(gateway.post_to("/v1/messages", &asked)).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    let (by, learnt) = counted(&gateway, &message("a")).await;
    assert_eq!(by, "estimate");
    let (least, most) = (expected * 29 / 10, expected * 3);
    assert!((least..=most).contains(&learnt), "{learnt} is not near {most}");
    for model in ["silent", "never"] {
        assert_eq!(counted(&gateway, &message(model)).await.1, expected, "{model}");
    }
}

/// It costs nobody anything, so it must not be a load either: of large bodies, and where the replica is half
/// full, there is an estimate, and no engine is asked.
#[tokio::test]
async fn what_costs_nothing_is_no_load_on_engines() {
    let up = SimBackend::with(quick().tokenizing());
    let gateway = Setup::new().model_with("a", &up.urls(), VLLM).start().await;
    let before = up.seen().requests;
    let large = "word ".repeat(300_000);
    let large = with(message("a"), json!({ "messages": [{ "role": "user", "content": large }] }));
    let reply = count(&gateway, &large).await;
    let by = reply.header("x-signalbox-token-count");
    assert!(reply.status == 400 || by == "estimate", "{}", reply.text());
    assert_eq!(up.seen().requests, before);
    gateway.close().await;

    let up = ManualBackend::start().await;
    let setup = Setup::new().model_with("a", &up.urls(), VLLM).endpoint("concurrency_max = 2\n");
    let gateway = setup.start().await;
    let asking = tokio::spawn(Reply::of(gateway.post(&ask("a"))));
    let line = up.asked().await;
    let (by, _) = counted(&gateway, &message("a")).await;
    assert_eq!((by.as_str(), up.connections()), ("estimate", 1));
    let body = answer("yes", &usage(5, 2)).1;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    line.say(format!("{head}content-length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(asking.await.expect("an answer").status, 200);
    gateway.close().await;
}
