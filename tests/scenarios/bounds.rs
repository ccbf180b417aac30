//! A plan's bound on an answer is a reservation: told to the engine, and what is written beyond it is a fact.

use serde_json::{Value, json};

use crate::harness::{
    KEY, Reply, Setup, ask,
    engine::{Engine, answer, content, stream, usage},
    gateway::results,
    manual_backend::{ManualBackend, STREAM},
    streamed,
    wait::until,
    with,
};

/// Prices that make a report of 20 + 12,000 cost 0.12002.
const BIG: &str = "context_tokens_max = 200000\noutput_tokens_max = 100000\n";
const HARD: &str = "budget = { amount = \"1.00\", window = \"total\", hard = true }\n";
const BROKEN: &str = "signalbox_bound_broken_total";
const ESTIMATED: &str = "signalbox_usage_estimated_total";

fn setup(urls: &[String], lines: &str) -> Setup {
    Setup::new().priced("a", urls, ("1.00", "10.00"), &format!("{BIG}{lines}"))
}

#[tokio::test]
async fn a_report_above_a_bound_that_no_engine_was_given_is_believed() {
    let text = "word ".repeat(48_000 / 5);
    let (plain, streamed_text) = (text.clone(), text);
    let engine = Engine::start(move |body| {
        let usage = usage(20, 12_000);
        if body["stream"] == true {
            stream(&[&streamed_text], &usage)
        } else {
            answer(&plain, &usage)
        }
    });
    let engine = engine.await;
    let gateway = setup(&engine.urls(), "").start().await;
    let reply = gateway.ask(&ask("a")).await;
    assert_eq!((reply.status, reply.header("x-signalbox-cost")), (200, "0.12002"));
    assert!(gateway.ask(&streamed("a")).await.done());
    gateway.until(|books| books.verification.open == 0).await;
    let metrics = gateway.metrics().await;
    assert_eq!((metrics.sum(ESTIMATED, &[]), metrics.sum(BROKEN, &[])), (0.0, 0.0));
    for entry in gateway.close().await.entries {
        assert_eq!(entry.cost.expect("a cost").to_string(), "0.12002");
        assert_eq!((entry.input_tokens, entry.output_tokens), (20, 12_000));
    }
}

#[tokio::test]
async fn what_is_written_beyond_a_bound_under_a_hard_budget_is_charged_until_it_is_spent() {
    let engine = Engine::start(|_| answer("done", &usage(20, 10_000))).await;
    let gateway = setup(&engine.urls(), "").key(HARD).start().await;
    let request = with(ask("a"), json!({ "max_completion_tokens": 50 }));
    let mut served = 0;
    let refused = loop {
        let reply = gateway.ask(&request).await;
        if reply.status != 200 {
            break reply;
        }
        assert_eq!(reply.header("x-signalbox-cost"), "0.10002");
        served += 1;
        assert!(served <= 10, "the budget is passed again and again");
    };
    assert_eq!(refused.json()["error"]["code"], "budget_too_small");
    let message = refused.json()["error"]["message"].to_string();
    assert!(message.contains("0.09982") && !message.contains("spent"), "{message}");
    // The first shows what the engine makes of a bound; nine leave less than such an answer costs.
    assert_eq!(served, 9);
    let asked = engine.asked();
    assert!(asked.iter().all(|it| it["max_tokens"] == 50 && it["max_completion_tokens"] == 50));
    assert_eq!(gateway.metrics().await.sum(BROKEN, &["model=\"a\""]), 9.0);
    let books = gateway.close().await;
    assert_eq!(books.verification.cost.to_string(), "0.90018");
}

#[tokio::test]
async fn what_was_written_beyond_a_bound_is_expected_until_the_configuration_is_loaded_anew() {
    let engine = Engine::start(|_| answer("done", &usage(20, 10_000))).await;
    let start = || setup(&engine.urls(), "").key(HARD);
    let gateway = start().start().await;
    let request = with(ask("a"), json!({ "max_tokens": 50 }));
    let cost_max = async || -> f64 {
        let question = gateway.client.post(gateway.url("/v1/route")).bearer_auth(KEY);
        let said = Reply::of(question.body(request.to_string())).await.json();
        said["decision"]["cost_max"].as_str().expect("a cost").parse().expect("a number")
    };
    let before = cost_max().await;
    assert_eq!(gateway.ask(&request).await.status, 200);
    let after = cost_max().await;
    gateway.reload(&start().and("[queue]\nlength_max = 7\n")).await;
    let anew = cost_max().await;
    assert!(before < 0.02 && (0.1..0.12).contains(&after), "{before} {after}");
    assert!((anew - before).abs() < 1e-9, "{before} {anew}");
}

#[tokio::test]
async fn an_engine_is_given_the_bound_under_the_name_it_knows() {
    for (known, own, told) in [
        ("max_tokens", "max_completion_tokens", &["max_tokens", "max_completion_tokens"][..]),
        ("max_tokens", "max_tokens", &["max_tokens"]),
        ("max_completion_tokens", "max_tokens", &["max_tokens", "max_completion_tokens"]),
        ("max_completion_tokens", "max_completion_tokens", &["max_completion_tokens"]),
        ("both", "max_tokens", &["max_tokens", "max_completion_tokens"]),
    ] {
        let engine = Engine::start(|_| answer("done", &usage(2, 1))).await;
        let lines = format!("output_bound = \"{known}\"\n");
        let gateway = setup(&engine.urls(), &lines).key(HARD).start().await;
        let mut request = ask("a");
        request[own] = json!(50);
        assert_eq!(gateway.ask(&request).await.status, 200);
        let last = engine.asked().pop().unwrap();
        for name in ["max_tokens", "max_completion_tokens"] {
            let expected = if told.contains(&name) { json!(50) } else { Value::Null };
            assert_eq!(last[name], expected, "{known}, {own}: {last}");
        }
    }
}

/// The choices' ends in a stream.
fn finishes(reply: &Reply) -> Vec<Value> {
    let chunks = reply.events().into_iter().filter_map(|it| serde_json::from_str(&it).ok());
    let choices =
        chunks.flat_map(|it: Value| it["choices"].as_array().cloned().unwrap_or_default());
    choices.map(|it| it["finish_reason"].clone()).filter(Value::is_string).collect()
}

#[tokio::test]
async fn a_stream_that_passes_its_bound_ends_at_its_length() {
    let up = ManualBackend::start().await;
    let gateway = setup(&up.urls(), "").key(HARD).start().await;
    let request = with(streamed("a"), json!({ "max_completion_tokens": 5 }));
    let asked = gateway.ask(&request);
    let told = async {
        let backend = up.asked().await;
        assert!(backend.has("\"max_tokens\":5"), "{}", backend.heard());
        backend.say(STREAM.to_owned() + &content("word ").repeat(40));
        until("the backend is left", || backend.closed()).await;
    };
    let (reply, ()) = tokio::join!(asked, told);
    assert!(reply.status == 200 && reply.done(), "{}", reply.text());
    assert_eq!(reply.text().matches("word ").count(), 5, "{}", reply.text());
    assert_eq!(finishes(&reply), ["length"]);
    let end: Value = serde_json::from_str(&reply.events()[5]).unwrap();
    assert_eq!(
        (&end["id"], &end["model"], &end["created"]),
        (&json!("c-1"), &json!("scripted"), &json!(7))
    );
    let metrics = gateway.metrics().await;
    assert_eq!((metrics.sum(BROKEN, &[]), metrics.sum(ESTIMATED, &[])), (1.0, 1.0));
    let books = gateway.close().await;
    assert_eq!((books.outcome(), results(books.only())), ("ok", vec!["ok".to_owned()]));
    // Five events of five bytes: what was received.
    assert_eq!(books.only().output_tokens, 7);
}

#[tokio::test]
async fn large_events_and_many_choices_are_bounded_too() {
    for (n, texts) in [(1, vec!["x".repeat(4_000); 20]), (2, vec!["word ".to_owned(); 100])] {
        let engine = Engine::start(move |_| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            stream(&texts, &usage(20, 20_000))
        });
        let engine = engine.await;
        let gateway = setup(&engine.urls(), "").key(HARD).start().await;
        let request = with(streamed("a"), json!({ "max_tokens": 20, "n": n }));
        let reply = gateway.ask(&request).await;
        assert!(reply.done() && reply.text().len() < 12_000, "{}", reply.text().len());
        assert_eq!(finishes(&reply), vec!["length"; n]);
        let books = gateway.close().await;
        assert!(books.only().output_tokens <= 1_000, "{:?}", books.only());
    }
}

#[tokio::test]
async fn an_honest_engine_at_its_bound_is_not_cut() {
    // Ten tokens of nine letters, and the engine's own end.
    let engine = Engine::start(|_| stream(&["thoughts "; 10], &usage(20, 10))).await;
    let gateway = setup(&engine.urls(), "").key(HARD).start().await;
    let reply = gateway.ask(&with(streamed("a"), json!({ "max_tokens": 10 }))).await;
    assert_eq!(
        (reply.text().matches("thoughts ").count(), finishes(&reply)),
        (10, vec![json!("stop")])
    );
    let metrics = gateway.metrics().await;
    assert_eq!((metrics.sum(BROKEN, &[]), metrics.sum(ESTIMATED, &[])), (0.0, 0.0));
    let books = gateway.close().await;
    assert_eq!((books.only().output_tokens, books.only().input_tokens), (10, 20));
}

#[tokio::test]
async fn text_that_nobody_reported_is_counted_whole() {
    let text = "x".repeat(48_000);
    let engine = Engine::start(move |_| answer(&text, &Value::Null)).await;
    let gateway = setup(&engine.urls(), "").start().await;
    assert_eq!(gateway.ask(&ask("a")).await.status, 200);
    assert_eq!(gateway.close().await.only().output_tokens, 12_000);
}
