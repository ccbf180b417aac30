//! Reasoning in the one field that a model's configuration names, whatever its engine's spelling.

use serde_json::{Value, json};

use crate::harness::{
    Reply, Setup, ask,
    script::{Play, Script, Step},
    streamed, with,
};

/// A backend that answers every request with these events, or with this body, and closes.
async fn engine(content_type: &str, body: &str) -> Script {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n");
    let steps = vec![Step::Send([head.as_str(), body].concat().into_bytes()), Step::Close];
    Script::start(vec![Play::from(steps)]).await
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
