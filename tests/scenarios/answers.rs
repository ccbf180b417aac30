//! Good answers: what the caller sees, and what the backend sees.

use serde_json::{Value, json};

use crate::harness::{KEY, Reply, Setup, SimBackend, ask, gateway::BACKEND_KEY, streamed, with};

#[tokio::test]
async fn a_plain_answer_says_who_gave_it_and_what_it_cost() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let reply = Reply::of(gateway.post(&ask("a")).header("x-request-id", "mine-1.2")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "application/json");
    for (name, value) in [
        ("x-signalbox-model", "a"),
        ("x-signalbox-rule", "pin"),
        ("x-signalbox-language", "en"),
        ("x-signalbox-attempts", "1"),
        ("x-request-id", "mine-1.2"),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
    }
    assert!(!reply.header("x-signalbox-task").is_empty());
    let body = reply.json();
    assert!(!body["choices"][0]["message"]["content"].as_str().unwrap().is_empty());
    let usage = |name: &str| body["usage"][name].as_i64().unwrap();
    let nano = usage("prompt_tokens") * 1_000 + usage("completion_tokens") * 2_000;
    let entry = gateway.close().await.only().clone();
    assert_eq!(entry.cost.unwrap().nano(), nano);
    assert_eq!(reply.header("x-signalbox-cost"), entry.cost.unwrap().to_string());
    assert_eq!(entry.id, reply.header("x-signalbox-id"));
    assert_eq!((entry.state, entry.outcome.as_deref()), ("settled", Some("ok")));
}

#[tokio::test]
async fn a_stream_ends_in_done_and_tells_usage_only_if_asked() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let reply = gateway.ask(&streamed("a")).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/event-stream"));
    assert!(reply.done(), "{}", reply.text());
    assert!(!reply.text().contains("\"usage\":{"), "{}", reply.text());
    assert_eq!(reply.header("x-signalbox-cost"), "", "a stream's cost is not known at its head");
    assert_eq!(up.last_body()["stream_options"]["include_usage"], true);

    let asked = with(streamed("a"), json!({ "stream_options": { "include_usage": true } }));
    let reply = gateway.ask(&asked).await;
    let events = reply.events();
    assert!(reply.done(), "{}", reply.text());
    let last: Value = serde_json::from_str(&events[events.len() - 2]).unwrap();
    assert_eq!(last["choices"], json!([]));
    let cost = last["usage"].get("signalbox").or(last.get("signalbox")).expect("signalbox");
    let books = gateway.close().await;
    assert_eq!(books.entries.len(), 2);
    let booked = books.entries[1].cost.unwrap().to_string();
    assert_eq!(
        cost["cost"].as_str().map_or_else(|| cost["cost"].to_string(), str::to_owned),
        booked
    );
    assert_eq!(books.entries[0].cost, books.entries[1].cost, "asking for usage changes nothing");
}

#[tokio::test]
async fn what_the_gateway_does_not_know_reaches_the_backend_byte_for_byte() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let odd = r#""top_k" : 4e1,"x_\u0066oo":{"b":[1.50,  2],"a":"\u00e9é"}"#;
    let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],{odd},"model":"a"}}"#);
    let request = gateway.client.post(gateway.url("/v1/chat/completions"));
    let reply = Reply::of(request.bearer_auth(KEY).body(body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = up.seen().last.unwrap().body;
    let sent = std::str::from_utf8(&sent).unwrap();
    assert!(sent.contains(odd), "{sent}");
    assert_eq!(up.last_body()["model"], "scripted");
}

#[tokio::test]
async fn a_backend_sees_its_own_key_and_never_the_callers() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let request = gateway.post(&ask("a")).header("x-api-key", KEY).header("cookie", "a=b");
    let reply = Reply::of(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(up.last_header("authorization"), Some(format!("Bearer {BACKEND_KEY}")));
    assert_eq!(up.last_header("x-signalbox-id").as_deref(), Some(reply.header("x-signalbox-id")));
    let last = up.seen().last.unwrap();
    assert!(!format!("{:?}{:?}", last.headers, last.body).contains(KEY));
    assert_eq!(up.last_header("cookie"), None);
    assert_eq!(up.last_header("x-api-key"), None);
}

#[tokio::test]
async fn a_request_id_that_does_not_fit_is_replaced_by_ours() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let reply = Reply::of(gateway.post(&ask("a")).header("x-request-id", "a b")).await;
    assert_eq!(reply.header("x-request-id"), reply.header("x-signalbox-id"));
}

#[tokio::test]
async fn an_alias_is_routed_as_it_says_and_auto_by_the_rules() {
    let (a, b) = (SimBackend::start(), SimBackend::start());
    let setup = Setup::new().model("a", &a.urls()).model("b", &b.urls());
    let gateway = setup.and("[alias]\n\"gpt-*\" = [\"b\", \"a\"]\nany = \"auto\"\n").start().await;
    let reply = gateway.ask(&ask("gpt-4o")).await;
    assert_eq!((reply.header("x-signalbox-model"), reply.status), ("b", 200));
    assert!(reply.header("x-signalbox-rule").starts_with("alias:"), "{:?}", reply.headers);
    for name in ["auto", "any"] {
        assert_eq!(gateway.ask(&ask(name)).await.status, 200, "{name}");
    }
    assert_eq!(gateway.close().await.entries.len(), 3);
}

#[tokio::test]
async fn a_model_can_be_pinned() {
    let (a, b) = (SimBackend::start(), SimBackend::start());
    let gateway = Setup::new().model("a", &a.urls()).model("b", &b.urls()).start().await;
    for id in ["a", "b", "a"] {
        let reply = gateway.ask(&ask(id)).await;
        let (model, rule) = (reply.header("x-signalbox-model"), reply.header("x-signalbox-rule"));
        assert_eq!((model, rule), (id, "pin"));
    }
    assert_eq!((a.seen().requests, b.seen().requests), (2, 1));
}

#[tokio::test]
async fn the_list_of_models_is_what_this_key_may_use() {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls()).model("b", &up.urls());
    let gateway = setup.key("models = [\"a\"]\n").start().await;
    let get = |path: &str| Reply::of(gateway.client.get(gateway.url(path)).bearer_auth(KEY));
    for path in ["/v1/models", "/models"] {
        let list = get(path).await.json();
        let ids = list["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap());
        assert_eq!(Vec::from_iter(ids), ["auto", "a"]);
    }
    assert_eq!(get("/v1/models/a").await.json()["id"], "a");
    assert_eq!(get("/v1/models/b").await.status, 404);
    let reply = gateway.ask(&ask("b")).await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert_eq!(reply.json()["error"]["code"], "model_forbidden");
}

#[tokio::test]
async fn it_lives_and_is_ready() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(gateway.admin(path).await.status, 200, "{path}");
    }
    let text = gateway.admin("/metrics").await.text();
    assert!(text.contains("signalbox_build_info{"), "{text}");
}

#[tokio::test]
async fn hints_are_believed_and_recorded() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let request = gateway.post(&ask("a")).header("x-signalbox-task", "banking");
    let reply = Reply::of(request.header("x-signalbox-language", "th")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-signalbox-task"), "banking");
    assert_eq!(reply.header("x-signalbox-language"), "th");
    let books = gateway.close().await;
    let entry = books.only();
    assert_eq!((&*entry.language, &*entry.task), ("th", "banking"));
}
