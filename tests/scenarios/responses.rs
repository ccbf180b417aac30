//! Callers who ask by Responses, of engines that speak them and of those that do not.

use serde_json::{Value, json};

use crate::harness::{
    Gateway, KEY, Reply, Setup,
    engine::{Engine, answer, stream, usage},
    manual_backend::{CONTENT, DONE, Line, ManualBackend, STREAM},
    raw, with,
};

const NATIVE: &str = "dialects = [\"openai\", \"responses\"]\n";

fn request() -> Value {
    json!({ "model": "a", "input": "What is a signal box for?" })
}

/// An engine's own event of this kind.
fn own(kind: &str, members: Value) -> String {
    let data = with(json!({ "type": kind }), members);
    format!("event: {kind}\ndata: {data}\n\n")
}

/// More text of an engine of Responses.
fn native(text: &str) -> String {
    own("response.output_text.delta", json!({ "delta": text }))
}

async fn ask(gateway: &Gateway, request: &Value) -> Reply {
    let question = gateway.client.post(gateway.url("/v1/responses")).bearer_auth(KEY);
    Reply::of(question.body(request.to_string())).await
}

/// The events of a stream.
fn events(reply: &Reply) -> Vec<Value> {
    reply.events().iter().map(|it| serde_json::from_str(it).expect("JSON")).collect()
}

#[tokio::test]
async fn an_engine_of_chat_completions_is_asked_by_them_and_its_answer_is_a_response() {
    let engine = Engine::start(|body| {
        let usage = usage(7, 2);
        if body["stream"] == true {
            stream(&["For ", "trains"], &usage)
        } else {
            answer("For trains", &usage)
        }
    });
    let engine = engine.await;
    let gateway = Setup::new().model("a", &engine.urls()).start().await;
    let whole = ask(&gateway, &with(request(), json!({ "instructions": "Be brief" }))).await;
    assert_eq!(whole.status, 200, "{}", whole.text());
    let asked = engine.asked().pop().unwrap();
    assert_eq!(asked["messages"][0], json!({ "role": "system", "content": "Be brief" }));
    let whole = whole.json();
    assert_eq!(
        (&whole["status"], &whole["instructions"]),
        (&"completed".into(), &"Be brief".into())
    );
    assert_eq!(whole["output"][0]["content"][0]["text"], "For trains");
    let told = ask(&gateway, &with(request(), json!({ "stream": true }))).await;
    let events = events(&told);
    let last = events.last().unwrap();
    assert_eq!(
        (&last["type"], events[0]["sequence_number"].as_u64()),
        (&"response.completed".into(), Some(0))
    );
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], "For trains");
    assert_eq!(last["response"]["usage"]["total_tokens"], 9);
    assert!(!told.text().contains("[DONE]"));
    gateway.until(|books| books.verification.open == 0).await;
    for entry in gateway.close().await.entries {
        assert_eq!((entry.input_tokens, entry.output_tokens), (7, 2));
    }
}

#[tokio::test]
async fn an_engine_of_responses_is_asked_in_the_callers_words_and_gives_its_own() {
    let up = ManualBackend::start().await;
    let gateway = Setup::new().model_with("a", &up.urls(), NATIVE).start().await;
    let request = with(request(), json!({ "stream": true, "tools": [{ "type": "web_search" }] }));
    let usage = json!({ "input_tokens": 7, "output_tokens": 3, "total_tokens": 10 });
    let ended = json!({ "id": "r", "status": "completed", "usage": usage });
    let said = [
        own("response.created", json!({ "response": { "id": "r" } })),
        native("hi"),
        own("response.completed", json!({ "response": ended })),
    ];
    let said = said.concat();
    let told = async {
        let backend = up.asked().await;
        assert!(backend.has("POST /v1/responses "), "{}", backend.heard());
        assert!(backend.has("\"tools\":[{\"type\":\"web_search\"}]"), "{}", backend.heard());
        backend.say(STREAM.to_owned() + &said);
        backend.hang_up();
    };
    let (reply, ()) = tokio::join!(ask(&gateway, &request), told);
    assert_eq!(reply.text(), said);
    gateway.until(|books| books.verification.open == 0).await;
    let entries = gateway.close().await.entries;
    assert_eq!((entries[0].input_tokens, entries[0].output_tokens), (7, 3));
}

#[tokio::test]
async fn what_an_engine_cannot_be_asked_is_refused_by_its_name() {
    let engine = Engine::start(|_| answer("done", &usage(2, 1))).await;
    let gateway = Setup::new().model("a", &engine.urls()).start().await;
    for (fields, param) in [
        (json!({ "tools": [{ "type": "web_search" }] }), "tools[0].type"),
        (json!({ "previous_response_id": "resp_1" }), "previous_response_id"),
        (json!({ "background": true }), "background"),
    ] {
        let reply = ask(&gateway, &with(request(), fields)).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["param"]), (400, &param.into()), "{error}");
        assert_eq!(error["code"], "unsupported_parameter");
    }
    assert!(engine.asked().is_empty());
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error_and_is_never_completed() {
    let native = native("hi");
    let error = json!({ "code": "server_error", "message": "no memory" });
    let failed = json!({ "response": { "status": "failed", "error": error } });
    let failed = own("response.failed", failed);
    let failed = failed.as_str();
    for (lines, said, more) in [("", CONTENT, ""), (NATIVE, &native, ""), (NATIVE, &native, failed)]
    {
        let up = ManualBackend::start().await;
        let gateway = Setup::new().model_with("a", &up.urls(), lines).start().await;
        let body = with(request(), json!({ "stream": true })).to_string();
        let asked = String::from_utf8(raw::chat("", body.as_bytes())).expect("text");
        let asked = asked.replace("/v1/chat/completions", "/v1/responses");
        let caller = Line::call(gateway.addr(), asked.as_bytes()).await;
        let backend = up.asked().await;
        backend.say(format!("{STREAM}{said}"));
        caller.hears("output_text.delta").await;
        backend.say(more);
        backend.hang_up();
        caller.hears("event: error").await;
        caller.hears("\r\n0\r\n").await;
        let heard = caller.heard();
        let last = heard.lines().filter_map(|it| it.strip_prefix("data: ")).next_back().unwrap();
        let last: Value = serde_json::from_str(last).expect("JSON");
        assert_eq!((&last["type"], &last["message"]), (&"error".into(), &last["error"]["message"]));
        assert!(last["message"].is_string() && last["code"].is_string(), "{last}");
        assert!(!heard.contains("response.completed"), "{heard}");
    }
}

#[tokio::test]
async fn a_stream_that_passes_its_bound_is_incomplete() {
    let created = own("response.created", json!({ "response": { "id": "r" } }));
    let hard = "budget = { amount = \"1.00\", window = \"total\", hard = true }\n";
    for (lines, first, more) in [("", "", CONTENT), (NATIVE, &*created, &*native("word "))] {
        let up = ManualBackend::start().await;
        let setup = Setup::new().priced("a", &up.urls(), ("1.00", "10.00"), lines).key(hard);
        let gateway = setup.start().await;
        let told = async {
            let backend = up.asked().await;
            backend.say(format!("{STREAM}{first}{}{DONE}", more.repeat(40)));
        };
        let request = with(request(), json!({ "stream": true, "max_output_tokens": 5 }));
        let (reply, ()) = tokio::join!(ask(&gateway, &request), told);
        let events = events(&reply);
        let last = events.last().unwrap();
        assert_eq!(last["type"], "response.incomplete", "{}", reply.text());
        assert_eq!(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
        assert_eq!(
            last["response"]["id"],
            events[0]["response"].get("id").cloned().unwrap_or_default()
        );
        assert_eq!(reply.text().matches("_text.delta\"").count(), 5, "{}", reply.text());
    }
}
