//! Limits and budgets: a clear 429, and nothing lost after it.

use serde_json::json;

use crate::harness::{Reply, Setup, SimBackend, ask, sim_backend::quick, streamed, wait, with};

#[tokio::test]
async fn one_request_a_minute_is_one() {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls());
    let gateway = setup.key("limits = { requests_per_minute = 1 }\n").start().await;
    let first = gateway.ask(&ask("a")).await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.header("x-ratelimit-limit-requests"), "1");
    assert_eq!(first.header("x-ratelimit-remaining-requests"), "0");
    let second = gateway.ask(&ask("a")).await;
    assert_eq!(second.status, 429);
    assert_eq!(second.json()["error"]["code"], "rate_limit_exceeded");
    let wait: u64 = second.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    let refused = ["stage=\"admit\"", "kind=\"rate_limited\""];
    assert_eq!(gateway.metrics().await.sum("signalbox_refusals_total", &refused), 1.0);
    assert_eq!(gateway.close().await.entries.len(), 1);
}

#[tokio::test]
async fn tokens_a_minute_bind() {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls());
    let gateway = setup.key("limits = { tokens_per_minute = 3000 }\n").start().await;
    let capped = with(ask("a"), json!({ "max_tokens": 20 }));
    let mut answers = Vec::new();
    for _ in 0..200 {
        let reply = gateway.ask(&capped).await;
        answers.push(reply.status);
        if reply.status != 200 {
            assert_eq!(reply.json()["error"]["code"], "rate_limit_exceeded");
            assert!(!reply.header("retry-after").is_empty());
            break;
        }
    }
    assert_eq!((answers[0], *answers.last().unwrap()), (200, 429), "{answers:?}");
}

#[tokio::test]
async fn a_hard_budget_refuses_what_it_cannot_pay() {
    let up = SimBackend::start();
    let budget = "budget = { amount = \"0.000001\", window = \"month\", hard = true }\n";
    let gateway = Setup::new().model("a", &up.urls()).key(budget).start().await;
    for request in [ask("a"), streamed("a")] {
        let reply = gateway.ask(&request).await;
        assert_eq!(reply.status, 429, "{}", reply.text());
        let error = &reply.json()["error"];
        assert_eq!(error["code"], "budget_too_small");
        let text = error["message"].as_str().expect("a message");
        assert!(text.starts_with("0.000001 ") && !text.contains("spent"), "{text}");
        assert_eq!(reply.header("x-should-retry"), "false");
    }
    assert_eq!(up.seen().requests, 0);
    assert!(gateway.close().await.entries.is_empty());
}

/// What a refusal says is so: with the `max_tokens` that it names the request is served, with one more it is
/// not; and where no `max_tokens` would help, none is named.
#[tokio::test]
async fn the_max_tokens_that_a_refusal_names_is_the_largest_that_fits() {
    let up = SimBackend::start();
    let team = "[[team]]\nname = \"cards\"\n\
                budget = { amount = \"0.01\", window = \"day\", timezone = \"Asia/Tokyo\" }\n";
    let setup = Setup::new().model("a", &up.urls()).model("b", &up.urls()).and(team);
    let gateway = setup.key("team = \"cards\"\n").start().await;
    let with_most = |most: u32| with(ask("auto"), json!({ "max_tokens": most, "n": 2 }));
    let refused = gateway.ask(&with_most(4_000)).await;
    let error = refused.json()["error"].clone();
    assert_eq!((refused.status, &error["code"]), (429, &json!("budget_too_small")), "{error}");
    let text = error["message"].as_str().expect("a message");
    assert!(text.starts_with("0.01 USD of the day budget of team `cards` are left"), "{text}");
    assert!(text.ends_with(" 00:00 (Asia/Tokyo)"), "{text}");
    let (_, rest) = text.split_once("max_tokens of ").expect("a bound");
    let most: u32 = rest.split(' ').next().and_then(|it| it.parse().ok()).expect("a number");
    assert!(most > 100, "{text}");
    assert_eq!(gateway.ask(&with_most(most + 1)).await.status, 429);
    assert_eq!(gateway.ask(&with_most(most)).await.status, 200, "{text}");
    let long = with(
        with_most(4),
        json!({ "messages": [{ "role": "user", "content": "x ".repeat(20_000) }] }),
    );
    let refused = gateway.ask(&long).await;
    let text = refused.text();
    assert!(
        text.contains("budget_too_small") && text.contains("its input alone can cost more"),
        "{text}"
    );
    assert!(!text.contains("max_tokens"), "{text}");
}

/// A picture of two megabytes costs a picture, and a long text no more than the context: neither is a
/// reason to refuse while money is left.
#[tokio::test]
async fn what_cannot_cost_much_is_not_refused() {
    let up = SimBackend::start();
    let budget = "budget = { amount = \"1.00\", window = \"month\", hard = true }\n";
    let lines = "capabilities = [\"vision\", \"audio\"]\ncontext_tokens_max = 200000\n";
    let gateway = Setup::new().model_with("a", &up.urls(), lines).key(budget).start().await;
    let data = "QUJD".repeat(525_000);
    let picture = json!({ "url": format!("data:image/png;base64,{data}") });
    for part in [
        json!({ "type": "image_url", "image_url": picture }),
        json!({ "type": "input_audio", "input_audio": { "data": data, "format": "wav" } }),
        json!({ "type": "file", "file": { "file_data": data } }),
    ] {
        let content = json!([{ "type": "text", "text": "What is it?" }, part, part]);
        let messages = json!([{ "role": "user", "content": content }]);
        let reply = gateway.ask(&with(ask("a"), json!({ "messages": messages }))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    assert_eq!(gateway.close().await.entries.len(), 3);
}

/// Many at once, each of which could spend a tenth: no more than the budget is ever spent.
#[tokio::test]
async fn a_hard_budget_is_never_passed() {
    let up = SimBackend::start();
    let budget = "budget = { amount = \"0.010\", window = \"month\", hard = true }\n";
    let gateway = Setup::new().model("a", &up.urls()).key(budget).and("[budget]\nwait_ms = 1\n");
    let gateway = gateway.start().await;
    let capped = with(ask("a"), json!({ "max_tokens": 50 }));
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let eight = (0..8).map(|_| gateway.ask(&capped));
        let replies = futures_util::future::join_all(eight).await;
        for reply in replies {
            let bound = reply.header("x-signalbox-output-tokens-max").to_owned();
            assert!(reply.status != 200 || bound == "50", "{bound}");
            statuses.push(reply.status);
        }
    }
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    let served = statuses.iter().filter(|it| **it == 200).count();
    let books = gateway.close().await;
    assert_eq!(books.entries.len(), served);
    assert!(books.verification.cost.nano() <= 10_000_000, "{}", books.verification.cost);
}

#[tokio::test]
async fn one_at_once_is_one() {
    let up = SimBackend::with(quick().paced(0, 20));
    let setup = Setup::new().model("a", &up.urls());
    let gateway = setup.key("limits = { concurrent = 1 }\n").start().await;
    let mut open = gateway.post(&streamed("a")).send().await.expect("a head");
    assert_eq!(open.status(), 200);
    open.chunk().await.expect("content");
    let second = gateway.ask(&ask("a")).await;
    assert_eq!(second.status, 429, "{}", second.text());
    assert_eq!(second.json()["error"]["code"], "rate_limit_exceeded");
    drop(open);
    let again =
        async || Reply::of(gateway.post(&with(ask("a"), json!({ "max_tokens": 1 })))).await.status;
    wait::answers("the place of a caller who left is given back", 200, again).await;
}
