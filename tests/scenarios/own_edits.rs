//! What the gateway adds to a request is its own affair, and never its caller's fault.

use serde_json::{Value, json};

use crate::harness::{
    Setup, ask,
    engine::{Engine, Said, answer, error, stream, usage},
    gateway::results,
    streamed, with,
};

const HARD: &str = "budget = { amount = \"1.00\", window = \"total\", hard = true }\n";

/// What FastAPI says of a field that it does not know.
fn extra(field: &str) -> Said {
    let detail = json!({
        "type": "extra_forbidden", "loc": ["body", field], "msg": "Extra inputs are not permitted",
        "input": { "include_usage": true }
    });
    (422, json!({ "detail": [detail] }).to_string())
}

fn said(body: &Value) -> Said {
    let usage = usage(20, 10);
    if body["stream"] == true {
        stream(&["so ", "be it"], &usage)
    } else {
        answer("so be it", &usage)
    }
}

#[tokio::test]
async fn a_backend_that_forbids_stream_options_is_asked_without_and_remembered() {
    let forbids: [fn() -> Said; 4] = [
        || extra("stream_options"),
        || error(400, "Unrecognized request argument supplied: stream_options"),
        || (422, json!({ "message": "stream_options: unknown field" }).to_string()),
        || (200, format!("data: {}\n\n", error(400, "stream_options is not supported").1)),
    ];
    for forbidden in forbids {
        let engine = Engine::start(move |body| match body.get("stream_options") {
            Some(_) => forbidden(),
            None => said(body),
        });
        let engine = engine.await;
        let gateway = Setup::new().model("a", &engine.urls()).start().await;
        for _ in 0..3 {
            let reply = gateway.ask(&streamed("a")).await;
            assert!(reply.status == 200 && reply.done(), "{}", reply.text());
        }
        let asked = engine.asked();
        let with: Vec<_> = asked.iter().map(|it| it.get("stream_options").is_some()).collect();
        assert_eq!(with, [true, false, false, false], "asked once, and remembered");
        let metrics = gateway.metrics().await;
        assert_eq!(metrics.sum("signalbox_ejections_total", &[]), 0.0);
        let books = gateway.close().await;
        let attempts: Vec<_> = books.entries.iter().map(results).collect();
        assert_eq!(attempts[0], ["status", "ok"], "each sending is in the ledger");
        assert_eq!(attempts[1..], [["ok"], ["ok"]]);
    }
}

#[tokio::test]
async fn many_of_them_eject_no_replica_and_use_no_attempt_up() {
    // The next attempt is the plan's own: the only model fails once after it was asked again.
    let engine = Engine::start(|body| match body.get("stream_options") {
        Some(_) => extra("stream_options"),
        None => (500, "{}".to_owned()),
    });
    let (engine, other) = (engine.await, Engine::start(said).await);
    let setup = Setup::new().model("a", &engine.urls()).model("b", &other.urls());
    let gateway = setup.and("[alias]\nboth = [\"a\", \"b\"]\n").start().await;
    let reply = gateway.ask(&streamed("both")).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"), "{}", reply.text());
    assert_eq!(reply.header("x-signalbox-attempts"), "3");
    let books = gateway.close().await;
    assert_eq!(results(books.only()), ["status", "status", "ok"]);
}

#[tokio::test]
async fn a_model_without_stream_usage_is_never_asked_for_it() {
    let engine = Engine::start(said).await;
    let gateway = Setup::new().model_with("a", &engine.urls(), "stream_usage = false\n");
    let gateway = gateway.start().await;
    assert_eq!(gateway.ask(&streamed("a")).await.status, 200);
    let own = json!({ "stream_options": { "include_usage": true } });
    assert_eq!(gateway.ask(&with(streamed("a"), own.clone())).await.status, 200);
    let asked = engine.asked();
    assert_eq!(asked[0].get("stream_options"), None);
    assert_eq!(asked[1]["stream_options"], own["stream_options"], "the caller's own");
}

#[tokio::test]
async fn what_the_caller_wrote_himself_is_his_own() {
    for own in [
        json!({ "stream": true, "stream_options": { "include_usage": true } }),
        json!({ "max_tokens": 5 }),
        json!({ "max_completion_tokens": 5 }),
    ] {
        let field = own.as_object().unwrap().keys().find(|it| *it != "stream").unwrap().clone();
        let engine = Engine::start(move |body| match body.get(&field) {
            Some(_) => extra(&field),
            None => said(body),
        });
        let engine = engine.await;
        let gateway = Setup::new().model("a", &engine.urls()).key(HARD).start().await;
        let reply = gateway.ask(&with(ask("a"), own.clone())).await;
        assert_eq!(reply.status, 400, "{own}: {}", reply.text());
        assert_eq!(results(gateway.close().await.only()), ["status"], "{own}");
    }
}

#[tokio::test]
async fn options_of_the_caller_that_we_changed_are_put_back() {
    let engine = Engine::start(|body| match body["stream_options"]["include_usage"] {
        Value::Bool(true) => error(400, "stream_options.include_usage is not supported"),
        _ => said(body),
    });
    let engine = engine.await;
    let gateway = Setup::new().model("a", &engine.urls()).start().await;
    let own = json!({ "stream_options": { "include_usage": false } });
    let reply = gateway.ask(&with(streamed("a"), own.clone())).await;
    assert!(reply.status == 200 && reply.done(), "{}", reply.text());
    assert_eq!(engine.asked()[1]["stream_options"], own["stream_options"]);
}

#[tokio::test]
async fn a_bound_refused_under_one_name_is_given_under_the_other() {
    const USE_THE_OTHER: &str = "Unsupported parameter: 'max_tokens' is not supported with this \
                                 model. Use 'max_completion_tokens' instead.";
    for (known, refused) in [
        ("max_tokens", error(400, USE_THE_OTHER)),
        ("max_tokens", extra("max_tokens")),
        ("max_completion_tokens", error(400, "extra fields not permitted: max_completion_tokens")),
        (
            "both",
            error(
                400,
                "Setting 'max_tokens' and 'max_completion_tokens' at the same time is \
                             not supported.",
            ),
        ),
    ] {
        let unwanted = if known == "both" { "max_tokens" } else { known };
        let other =
            if known == "max_completion_tokens" { "max_tokens" } else { "max_completion_tokens" };
        let engine = Engine::start(move |body| match body.get(unwanted) {
            Some(_) => refused.clone(),
            None => said(body),
        });
        let engine = engine.await;
        let lines = format!("output_bound = \"{known}\"\noutput_tokens_default = 77\n");
        let gateway = Setup::new().model_with("a", &engine.urls(), &lines).key(HARD).start().await;
        for _ in 0..2 {
            let reply = gateway.ask(&ask("a")).await;
            assert_eq!(reply.status, 200, "{known}: {}", reply.text());
        }
        let asked = engine.asked();
        assert_eq!(asked.len(), 3, "{known}: remembered");
        assert_eq!((&asked[1][other], &asked[2][other]), (&json!(77), &json!(77)), "{known}");
        let attempts: Vec<_> = gateway.close().await.entries.iter().map(results).collect();
        assert_eq!(attempts, [vec!["status", "ok"], vec!["ok"]], "{known}");
    }
}

#[tokio::test]
async fn a_bound_that_is_refused_under_both_names_is_no_callers_fault() {
    let engine = Engine::start(|body| {
        let name = ["max_tokens", "max_completion_tokens"].into_iter();
        let name = name.into_iter().find(|name| body.get(*name).is_some());
        name.map_or_else(|| said(body), extra)
    });
    let engine = engine.await;
    let gateway = Setup::new().model("a", &engine.urls()).key(HARD).start().await;
    for _ in 0..6 {
        let reply = gateway.ask(&ask("a")).await;
        assert_eq!(reply.status, 502, "{}", reply.text());
        assert_eq!(reply.json()["error"]["code"], "upstream_error");
    }
    assert_eq!(engine.asked().len(), 12, "each name once, and nobody is ejected");
    let books = gateway.close().await;
    assert!(books.entries.iter().all(|it| results(it) == ["status", "status"]));
}

#[tokio::test]
async fn a_bound_above_what_the_model_gives_is_lowered() {
    let engine = Engine::start(said).await;
    let lines = "output_tokens_max = 4000\n";
    let gateway = Setup::new().model_with("a", &engine.urls(), lines).start().await;
    for name in ["max_tokens", "max_completion_tokens"] {
        for (asked, sent) in [(65_536, 4_000), (4_001, 4_000), (4_000, 4_000), (5, 5)] {
            let mut request = ask("a");
            request[name] = json!(asked);
            assert_eq!(gateway.ask(&request).await.status, 200);
            let last = engine.asked().pop().unwrap();
            assert_eq!(last[name], sent);
            assert_eq!(last.as_object().unwrap().len(), 3, "nothing is added: {last}");
        }
    }
    let both = with(ask("a"), json!({ "max_tokens": 9_000, "max_completion_tokens": 50 }));
    assert_eq!(gateway.ask(&both).await.status, 200);
    let last = engine.asked().pop().unwrap();
    assert_eq!((&last["max_tokens"], &last["max_completion_tokens"]), (&json!(4_000), &json!(50)));
}
