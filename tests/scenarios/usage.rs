//! What a backend says it used, in whatever dialect, is what the books say and what the caller reads.

use serde_json::{Value, json};

use crate::harness::{
    Reply, Setup, ask,
    byte_backend::{ByteBackend, Play, Step},
    streamed, with,
};

/// A backend that answers every request with this, and closes.
async fn engine(content_type: &str, body: &str) -> ByteBackend {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n");
    let steps = vec![Step::Send([head.as_str(), body].concat().into_bytes()), Step::Close];
    ByteBackend::start(vec![Play::from(steps)]).await
}

fn model(urls: &[String]) -> String {
    format!(
        "[[model]]\nid = \"priced\"\nupstream_model = \"scripted\"\n\
         price = {{ input_per_mtok = \"1.00\", cached_input_per_mtok = \"0.10\", \
         output_per_mtok = \"10.00\" }}\n[[model.endpoint]]\nurl = \"{}\"\n",
        urls[0]
    )
}

fn asked() -> Value {
    with(streamed("priced"), json!({ "stream_options": { "include_usage": true } }))
}

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn chunk(delta: &Value, finish: Option<&str>, members: Value) -> Value {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
    with(
        json!({ "id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 17,
            "model": "scripted", "choices": [choice] }),
        members,
    )
}

/// The events with a bill, as they were sent.
fn bills(reply: &Reply) -> Vec<Value> {
    assert!(reply.status == 200 && reply.done(), "{}", reply.text());
    let events = reply.events();
    let events = events.iter().filter(|event| *event != "[DONE]");
    let events = events.map(|event| serde_json::from_str::<Value>(event).expect("JSON"));
    events.filter(|event| event.get("signalbox").is_some()).collect()
}

#[tokio::test]
async fn every_dialect_is_charged_as_its_backend_counts() {
    let cases = [
        // Kimi: 100 + 900 cached + 10.
        (
            json!({ "prompt_tokens": 1000, "completion_tokens": 10, "cached_tokens": 900 }),
            "0.00029",
        ),
        // Reasoning inside, and beside.
        (
            json!({ "prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30,
                "completion_tokens_details": { "reasoning_tokens": 4 } }),
            "0.00012",
        ),
        (
            json!({ "prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 34,
                "completion_tokens_details": { "reasoning_tokens": 4 } }),
            "0.00016",
        ),
        (
            json!({ "input_tokens": 20, "cache_read_input_tokens": 900, "output_tokens": 10 }),
            "0.00021",
        ),
    ];
    for (usage, cost) in cases {
        let message = json!({ "role": "assistant", "content": "Four." });
        let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
        let body = json!({ "id": "x", "choices": [choice], "usage": usage });
        let up = engine("application/json", &body.to_string()).await;
        let gateway = Setup::new().and(&model(&up.urls())).start().await;
        let reply = gateway.ask(&ask("priced")).await;
        assert_eq!(reply.header("x-signalbox-cost"), cost, "{usage}");
        let estimated = gateway.metrics().await.sum("signalbox_usage_estimated_total", &[]);
        assert_eq!(estimated, 0.0, "{usage}");
    }
}

/// Usage in the choice (Moonshot), beside it (DeepSeek), in a place of its own (Groq), and on every chunk.
#[tokio::test]
async fn the_last_usage_of_a_stream_carries_its_cost() {
    let usage = json!({ "prompt_tokens": 1000, "completion_tokens": 10, "cached_tokens": 900 });
    let running = json!({ "prompt_tokens": 1000, "completion_tokens": 1, "cached_tokens": 900 });
    let text = chunk(&json!({ "content": "Four." }), None, json!({}));
    let finish = chunk(&json!({}), Some("stop"), json!({}));
    let mut in_choice = finish.clone();
    in_choice["choices"][0]["usage"] = usage.clone();
    let with_finish = with(finish.clone(), json!({ "usage": usage }));
    let groq = with(finish.clone(), json!({ "x_groq": { "id": "r", "usage": usage } }));
    let on_each = with(text.clone(), json!({ "usage": running }));
    let alone = json!({ "id": "chatcmpl-7", "choices": [], "usage": usage });
    let last_text = chunk(&json!({ "content": "Four." }), Some("stop"), json!({ "usage": usage }));
    for events in [
        vec![&text, &in_choice],
        vec![&text, &with_finish],
        vec![&text, &groq],
        vec![&on_each, &with_finish],
        vec![&on_each, &finish, &alone],
        vec![&last_text],
    ] {
        let told: String = events.iter().map(|it| event(it)).collect();
        for done in ["data: [DONE]\n\n", ""] {
            let up = engine("text/event-stream", &format!("{told}{done}")).await;
            let gateway = Setup::new().and(&model(&up.urls())).start().await;
            let bills = bills(&gateway.ask(&asked()).await);
            assert_eq!(bills.len(), 1, "{told}: {bills:?}");
            assert_eq!(bills[0]["signalbox"], json!({ "cost": "0.00029" }), "{told}");
            let unasked = gateway.ask(&streamed("priced")).await;
            assert!(!unasked.text().contains("signalbox\""), "{}", unasked.text());
            let books = gateway.close().await;
            for entry in &books.entries {
                assert_eq!(entry.cost.unwrap().to_string(), "0.00029", "{told}");
            }
        }
    }
}

#[tokio::test]
async fn who_asked_for_usage_gets_it_from_us_if_from_nobody_else() {
    let text = event(&chunk(&json!({ "content": "Four, I think." }), None, json!({})));
    let finish = event(&chunk(&json!({}), Some("stop"), json!({ "usage": null })));
    let empty = event(&json!({ "choices": [], "usage": {} }));
    let wrong = event(&json!({ "choices": [],
        "usage": { "prompt_tokens": -1, "completion_tokens": 0.5 } }));
    for last in ["", &empty, &wrong] {
        let up =
            engine("text/event-stream", &format!("{text}{finish}{last}data: [DONE]\n\n")).await;
        let gateway = Setup::new().and(&model(&up.urls())).start().await;
        let reply = gateway.ask(&asked()).await;
        let bills = bills(&reply);
        assert_eq!(bills.len(), 1, "{}", reply.text());
        let bill = &bills[0];
        assert_eq!(bill["choices"], json!([]));
        let named = ["id", "object", "created", "model"].map(|name| &bill[name]);
        let named = named.map(|it| it.to_string().replace('"', ""));
        assert_eq!(named, ["chatcmpl-7", "chat.completion.chunk", "17", "scripted"]);
        assert_eq!(reply.text().matches("\"usage\":{").count(), 1, "{}", reply.text());
        let books = gateway.close().await;
        let entry = books.only();
        let cost = entry.cost.unwrap().to_string();
        assert_eq!(bill["signalbox"], json!({ "estimated": true, "cost": cost }));
        assert_eq!(bill["usage"]["prompt_tokens"], entry.input_tokens);
        assert_eq!(bill["usage"]["completion_tokens"], entry.output_tokens);
        assert_eq!(entry.output_tokens, 4, "14 bytes");
    }
}
