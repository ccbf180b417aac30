//! Reasoning in the one field that a model's configuration names, whatever its engine's spelling.

use serde_json::{Value, json};

use crate::harness::{
    Reply, Setup, ask,
    byte_backend::{ByteBackend, Play, Step},
    streamed, with,
};

/// A backend that answers every request with these events, or with this body, and closes.
async fn engine(content_type: &str, body: &str) -> ByteBackend {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n");
    let steps = vec![Step::Send([head.as_str(), body].concat().into_bytes()), Step::Close];
    ByteBackend::start(vec![Play::from(steps)]).await
}

fn events(deltas: &[Value]) -> String {
    let event = |delta: &Value| {
        format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": delta }] }))
    };
    let finish = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    deltas.iter().map(event).collect::<String>() + &format!("data: {finish}\n\ndata: [DONE]\n\n")
}

/// What a caller reads of a stream: reasoning in the field that is wanted, content, and anything else.
fn read(reply: &Reply) -> [String; 3] {
    assert!(reply.status == 200 && reply.done(), "{}", reply.text());
    let mut said = [const { String::new() }; 3];
    for event in reply.events().iter().filter(|it| *it != "[DONE]") {
        let event: Value = serde_json::from_str(event).expect("JSON");
        let delta = &event["choices"][0]["delta"];
        for (at, name) in ["reasoning_content", "content", "reasoning"].iter().enumerate() {
            said[at] += delta[name].as_str().unwrap_or_default();
        }
    }
    said
}

const FIELD: &str = "reasoning_field = \"reasoning_content\"\n";

#[tokio::test]
async fn tags_in_a_stream_become_the_field() {
    let deltas = [
        json!({ "role": "assistant", "content": "" }),
        json!({ "content": "<th" }),
        json!({ "content": "ink>\nTwo and two" }),
        json!({ "content": " make</think>\n\nFo" }),
        json!({ "content": "ur." }),
    ];
    let up = engine("text/event-stream", &events(&deltas)).await;
    let setup =
        Setup::new().model_with("formed", &up.urls(), FIELD).model("as-it-comes", &up.urls());
    let gateway = setup.start().await;
    let reply = gateway.ask(&streamed("formed")).await;
    assert_eq!(read(&reply), ["\nTwo and two make", "Four.", ""]);
    let reply = gateway.ask(&streamed("as-it-comes")).await;
    assert_eq!(read(&reply)[1], "<think>\nTwo and two make</think>\n\nFour.");
    let books = gateway.close().await;
    assert!(
        books.entries.iter().all(|it| it.output_tokens >= 9),
        "tags count: they were generated"
    );
}

#[tokio::test]
async fn a_plain_answer_is_in_the_same_form() {
    let message = |it: Value| with(json!({ "role": "assistant", "refusal": null }), it);
    let said = message(json!({ "content": "<think>hm</think>\nFour." }));
    let body = json!({ "id": "x", "choices": [{ "index": 0, "message": said, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27 } });
    let up = engine("application/json", &body.to_string()).await;
    let gateway = Setup::new().model_with("a", &up.urls(), FIELD).start().await;
    let reply = gateway.ask(&ask("a")).await;
    let wanted = message(json!({ "reasoning_content": "hm", "content": "Four." }));
    assert_eq!(reply.json()["choices"][0]["message"], wanted);
    assert_eq!(reply.json()["usage"], body["usage"]);
    assert_eq!(gateway.close().await.only().output_tokens, 7);
}

#[tokio::test]
async fn a_fallback_to_an_engine_of_another_spelling_is_not_seen() {
    let broken = engine("text/event-stream", "data: {\"error\":\"no memory\"}\n\n").await;
    let deltas = [json!({ "reasoning": "hm" }), json!({ "content": "Four." })];
    let up = engine("text/event-stream", &events(&deltas)).await;
    let setup = Setup::new().model_with("a", &broken.urls(), FIELD);
    let setup = setup.model_with("b", &up.urls(), FIELD).and("[alias]\nall = [\"a\", \"b\"]\n");
    let gateway = setup.start().await;
    let reply = gateway.ask(&streamed("all")).await;
    assert_eq!(reply.header("x-signalbox-model"), "b");
    assert_eq!(read(&reply), ["hm", "Four.", ""]);
}

/// A template that opened the tag in the prompt: only the closing one comes.
#[tokio::test]
async fn a_tag_that_only_closes_ends_a_reasoning() {
    let deltas = [
        json!({ "role": "assistant", "content": "" }),
        json!({ "content": "Two and two" }),
        json!({ "content": " make</th" }),
        json!({ "content": "ink>\n\nFo" }),
        json!({ "content": "ur." }),
    ];
    let up = engine("text/event-stream", &events(&deltas)).await;
    let gateway = Setup::new().model_with("a", &up.urls(), FIELD).start().await;
    for _ in 0..3 {
        let reply = gateway.ask(&streamed("a")).await;
        assert_eq!(read(&reply), ["Two and two make", "Four.", ""]);
    }
    let message = json!({ "role": "assistant", "content": "Two and two make</think>\n\nFour." });
    let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
    let body = json!({ "id": "x", "choices": [choice] });
    let up = engine("application/json", &body.to_string()).await;
    let gateway = Setup::new().model_with("a", &up.urls(), FIELD).start().await;
    let message = &gateway.ask(&ask("a")).await.json()["choices"][0]["message"];
    assert_eq!(message["reasoning_content"], "Two and two make");
    assert_eq!(message["content"], "Four.");
}

/// Only the first stream of an engine that opens no tags waits for one.
#[tokio::test]
async fn an_engine_without_tags_is_held_back_once() {
    let deltas = [json!({ "content": "Fo" }), json!({ "content": "ur." })];
    let up = engine("text/event-stream", &events(&deltas)).await;
    let gateway = Setup::new().model_with("a", &up.urls(), FIELD).start().await;
    let pieces = |reply: &Reply| {
        let said = |event: &String| event.contains("Fo") || event.contains("ur.");
        reply.events().iter().filter(|event| said(event)).count()
    };
    let replies = [gateway.ask(&streamed("a")).await, gateway.ask(&streamed("a")).await];
    for reply in &replies {
        assert_eq!(read(reply), ["", "Four.", ""]);
    }
    assert_eq!(replies.each_ref().map(pieces), [1, 2]);
}

/// Thinking in words that are not known is neither silence nor nothing.
#[tokio::test]
async fn thinking_in_other_words_is_life_and_content() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    for delta in [
        json!({ "reasoning_details": [{ "type": "reasoning.text", "text": "hm, two", "index": 0 }] }),
        json!({ "role": "assistant", "content": "", "thinking": "hm, two" }),
        json!({ "thought": "hm, two" }),
        json!({ "content": null, "something_new": { "text": ["hm, two"] } }),
    ] {
        let chunk = json!({ "choices": [{ "index": 0, "delta": delta }] });
        let said = format!("{head}data: {chunk}\n\n");
        let up = ByteBackend::start(vec![Play::from(vec![Step::Send(said.into()), Step::Silence])])
            .await;
        let other = engine("text/event-stream", &events(&[json!({ "content": "Four." })])).await;
        let hasty = "timeouts = { first_token_ms = 300, idle_ms = 300, total_ms = 3000 }\n";
        let setup = Setup::new().model_with("a", &up.urls(), hasty).model("b", &other.urls());
        let gateway = setup.and("[alias]\nall = [\"a\", \"b\"]\n").start().await;
        let reply = gateway.ask(&streamed("all")).await;
        assert_eq!(reply.header("x-signalbox-model"), "a", "{delta}: {}", reply.text());
        assert!(reply.text().contains("hm, two"), "{}", reply.text());
        let books = gateway.close().await;
        assert_eq!((books.outcome(), books.only().output_tokens), ("cut", 2), "{delta}");
    }
    for silent in [
        json!({}),
        json!({ "role": "assistant", "content": "" }),
        json!({ "content": null, "reasoning_details": [], "thinking": "", "new": { "a": [""] } }),
        json!({ "reasoning_details": [{ "type": "reasoning.text", "text": "", "index": 0 }] }),
    ] {
        let chunk = json!({ "choices": [{ "index": 0, "delta": silent }] });
        let said = format!("{head}data: {chunk}\n\n");
        let up = ByteBackend::start(vec![Play::from(vec![Step::Send(said.into()), Step::Silence])])
            .await;
        let other = engine("text/event-stream", &events(&[json!({ "content": "Four." })])).await;
        let hasty = "timeouts = { first_token_ms = 300, idle_ms = 300, total_ms = 3000 }\n";
        let setup = Setup::new().model_with("a", &up.urls(), hasty).model("b", &other.urls());
        let gateway = setup.and("[alias]\nall = [\"a\", \"b\"]\n").start().await;
        let reply = gateway.ask(&streamed("all")).await;
        assert_eq!(reply.header("x-signalbox-model"), "b", "{silent}: {}", reply.text());
    }
}
