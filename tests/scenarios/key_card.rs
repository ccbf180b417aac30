//! `GET /v1/key`: what a key may do, and what is left for it, in its caller's own hands.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    Gateway, KEY, Reply, Setup, SimBackend, ask, manual_backend::ManualBackend, wait,
};

const PATHS: [&str; 4] = ["/v1/key", "/v1/key/", "/key", "/key/"];

async fn get(gateway: &Gateway, path: &str) -> Reply {
    Reply::of(gateway.client.get(gateway.url(path)).bearer_auth(KEY)).await
}

fn team(key: &str, team: &str) -> String {
    format!("[[team]]\nname = \"{key}\"\n{team}\n")
}

fn setup(urls: &[String], budget: &str) -> Setup {
    let bank = "owner = \"Ann\"\ndata_class_max = \"confidential\"\n\
                budget = { amount = \"500.00\", window = \"total\", hard = false }\n\
                limits = { tokens_per_minute = 400000 }";
    let cards = "parent = \"bank\"\npriority = \"batch\"\ntags = [\"floor=3\"]";
    Setup::new()
        .model("a", urls)
        .model("hidden", urls)
        .and("[alias]\nfast = \"a\"\nother = \"hidden\"\n\"x-*\" = \"a\"\n")
        .and(&(team("bank", bank) + &team("cards", cards)))
        .key(&format!(
            "team = \"cards\"\nmodels = [\"a\"]\nowner = \"Ben\"\nhints = false\nfrontend = true\n\
             tags = [\"project=loans\"]\ndata_class = \"internal\"\n{budget}\
             expires = \"2999-12-31T00:00:00+08:00\"\n\
             limits = {{ requests_per_minute = 60, concurrent = 4 }}\n"
        ))
}

#[tokio::test]
async fn a_caller_is_told_who_he_is_and_what_binds_him() {
    let up = SimBackend::start();
    let gateway = setup(&up.urls(), "").start().await;
    let expected = json!({
        "object": "key", "name": "scenario", "team": "cards", "teams": ["cards", "bank"],
        "expires": "2999-12-30T16:00:00Z", "data_class": "internal",
        "data_class_max": "confidential", "priority": "batch", "hints": false, "feedback": false,
        "frontend": true, "tags": { "project": "loans", "floor": "3" },
        "models": ["auto", "a", "fast"],
        "limits": [
            {
                "of": "key scenario",
                "requests_per_minute": { "limit": 60, "remaining": 60 },
                "concurrent": { "limit": 4, "remaining": 4 },
            },
            {
                "of": "team bank",
                "tokens_per_minute": { "limit": 400_000, "remaining": 400_000 },
            },
        ],
        "budgets": [{
            "of": "team bank", "window": "total", "amount": "500", "spent": "0", "reserved": "0",
            "left": "500", "currency": "USD", "resets_at": null, "hard": false,
        }],
    });
    for path in PATHS {
        let reply = get(&gateway, path).await;
        assert_eq!((reply.status, reply.json()), (200, expected.clone()), "{path}");
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    let list = get(&gateway, "/v1/models").await.json();
    let ids: Vec<_> = list["data"].as_array().expect("a list").iter().map(|it| &it["id"]).collect();
    assert_eq!(json!(ids), expected["models"], "as the list has them");
    let text = get(&gateway, "/v1/key").await.text();
    assert!(!text.contains("Ann") && !text.contains("Ben") && !text.contains(KEY), "{text}");
    assert!(gateway.close().await.entries.is_empty(), "it is no entry");
}

#[tokio::test]
async fn what_is_used_reserved_and_spent_is_seen_and_asking_counts_for_nothing() {
    let up = ManualBackend::start().await;
    let budget = "budget = { amount = \"9.00\", window = \"day\" }\n";
    let gateway = setup(&up.urls(), budget).start().await;
    let request = gateway.post(&ask("a"));
    let asking = tokio::spawn(Reply::of(request));
    let line = up.asked().await;
    let card = get(&gateway, "/v1/key").await.json();
    assert_eq!(card["limits"][0]["requests_per_minute"], json!({ "limit": 60, "remaining": 59 }));
    assert_eq!(card["limits"][0]["concurrent"], json!({ "limit": 4, "remaining": 3 }));
    let money = |card: &Value, at: usize, name: &str| -> f64 {
        card["budgets"][at][name].as_str().expect("decimal text").parse().expect("a number")
    };
    assert_eq!(
        (&card["budgets"][0]["of"], &card["budgets"][0]["hard"]),
        (&json!("key scenario"), &json!(true))
    );
    assert!(card["budgets"][0]["resets_at"].as_str().is_some_and(|it| it.ends_with("T00:00:00Z")));
    for at in [0, 1] {
        assert!(money(&card, at, "reserved") > 0.0 && money(&card, at, "spent") == 0.0, "{card}");
    }
    let said = json!({
        "choices": [{ "index": 0, "message": { "content": "yes" }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 },
    })
    .to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    line.say(format!("{head}content-length: {}\r\n\r\n{said}", said.len()));
    assert_eq!(asking.await.expect("an answer").status, 200);
    let settled = async || {
        let card = get(&gateway, "/v1/key").await.json();
        let over = card["limits"][0]["concurrent"]["remaining"] == 4;
        if over { Ok(card) } else { Err(card) }
    };
    let card = wait::found("the end of the request", settled).await;
    assert_eq!(card["budgets"][0]["spent"], "0.00002", "{card}");
    assert_eq!(card["budgets"][0]["reserved"], "0");
    assert_eq!(card["budgets"][0]["left"], "8.99998");
    assert_eq!(card["budgets"][1]["left"], "499.99998");
    // A budget that is stated no more is counted on, and is nobody's business here.
    gateway.reload(&setup(&up.urls(), "")).await;
    let card = get(&gateway, "/v1/key").await.json();
    assert_eq!(card["budgets"].as_array().expect("a list").len(), 1, "{card}");
    assert_eq!(card["limits"][0]["requests_per_minute"]["limit"], 60, "{card}");
    assert_eq!(gateway.close().await.entries.len(), 1);
}

#[tokio::test]
async fn who_has_no_key_or_another_method_is_refused_as_everywhere() {
    let up = SimBackend::start();
    let gateway = setup(&up.urls(), "").start().await;
    for path in PATHS {
        let url = gateway.url(path);
        let nobody = Reply::of(gateway.client.get(&url)).await;
        let code = nobody.json()["error"]["code"].clone();
        assert_eq!((nobody.status, code), (401, json!("invalid_api_key")), "{path}");
        assert!(!nobody.header("x-signalbox-id").is_empty());
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let request = gateway.client.request(method.clone(), &url).bearer_auth(KEY);
            let reply = Reply::of(request).await;
            let code = reply.json()["error"]["code"].clone();
            assert_eq!((reply.status, code), (405, json!("method_not_allowed")), "{method} {path}");
        }
    }
    assert_eq!(get(&gateway, "/v1/key/scenario").await.status, 404);
    assert!(gateway.close().await.entries.is_empty());
}
