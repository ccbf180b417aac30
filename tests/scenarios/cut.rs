//! Streams that break after their first content, backends that say no, and fleets that are down.

use serde_json::{Value, json};
use signalbox::sim::{InjectedFault, ModelSpec};

use crate::harness::{
    Gateway, Setup, SimBackend, ask,
    gateway::results,
    manual_backend::{CONTENT, Line, ManualBackend, STREAM},
    raw,
    sim_backend::quick,
    streamed, with,
};

const ALIAS: &str = "[alias]\nboth = [\"a\", \"b\"]\n";
const HASTY: &str = "timeouts = { first_token_ms = 150, idle_ms = 150, total_ms = 1500 }\n";

async fn pair(a: &SimBackend, b: &SimBackend) -> Gateway {
    let setup = Setup::new().model_with("a", &a.urls(), HASTY).model_with("b", &b.urls(), HASTY);
    setup.and(ALIAS).start().await
}

/// One choice was over before the other began, and then the backend was gone.
#[tokio::test]
async fn half_of_the_choices_are_no_answer() {
    const STOP: &str =
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    for (choices, end) in [(1, "data: [DONE]"), (2, "data: {\"error\"")] {
        let up = ManualBackend::start().await;
        let gateway = Setup::new().model("a", &up.urls()).start().await;
        let body = with(streamed("a"), json!({ "n": choices })).to_string();
        let caller = Line::call(gateway.addr(), &raw::chat("", body.as_bytes())).await;
        let backend = up.asked().await;
        backend.say(format!("{STREAM}{CONTENT}{STOP}"));
        backend.hang_up();
        caller.hears(end).await;
        assert_eq!(caller.has("[DONE]"), choices == 1, "{}", caller.heard());
    }
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_one_error_and_without_done() {
    let faults = [
        InjectedFault::Half,
        InjectedFault::CutEvent,
        InjectedFault::StallMid,
        InjectedFault::ErrorMid,
        InjectedFault::NoDone,
    ];
    for fault in faults {
        let (a, b) = (SimBackend::failing(fault), SimBackend::start());
        let gateway = pair(&a, &b).await;
        let reply = gateway.ask(&streamed("both")).await;
        assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "a"), "{fault:?}");
        let events = reply.events();
        let errors = events.iter().filter(|it| it.starts_with("{\"error\":")).count();
        assert_eq!(errors, 1, "{fault:?}: {events:?}");
        let last: Value = serde_json::from_str(events.last().unwrap()).expect("JSON");
        assert!(last["error"]["message"].is_string(), "{fault:?}: {last}");
        assert!(!events.iter().any(|it| it == "[DONE]"), "{fault:?}: {events:?}");
        for event in &events {
            assert!(serde_json::from_str::<Value>(event).is_ok(), "{fault:?}: half: {event}");
        }
        let estimated = "signalbox_usage_estimated_total";
        let metrics = gateway.metrics().await;
        assert_eq!(metrics.sum(estimated, &["model=\"a\""]), 1.0, "{fault:?}");
        let books = gateway.close().await;
        assert_eq!(books.outcome(), "cut", "{fault:?}: {:?}", books.entries);
        let entry = books.only();
        assert!(entry.output_tokens > 0 && entry.input_tokens > 0, "{fault:?}: {entry:?}");
        assert_eq!(entry.model.as_deref(), Some("a"));
        let (own, all) = (entry.gateway_us.unwrap() as f64 / 1e3, entry.duration_ms.unwrap());
        let waited = if fault == InjectedFault::StallMid { 140.0 } else { 0.0 };
        assert!(own + waited <= all, "a backend's silence is not the gateway's time: {entry:?}");
        assert_eq!(b.seen().requests, 0, "no fallback after content");
    }
}

#[tokio::test]
async fn a_backends_no_goes_to_the_caller_without_its_secrets() {
    for stream in [false, true] {
        let (a, b) = (SimBackend::failing(InjectedFault::Status400), SimBackend::start());
        let gateway = pair(&a, &b).await;
        let request = if stream { streamed("both") } else { ask("both") };
        let reply = gateway.ask(&request).await;
        let text = reply.text();
        assert_eq!(reply.status, 400, "{text}");
        let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(!message.is_empty() && message.len() <= 500, "{message}");
        for secret in ["://", "sk-", "127.0.0.1", "localhost", "10.", ".internal"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert_eq!(b.seen().requests, 0, "another backend would say the same");
        let books = gateway.close().await;
        assert_eq!(books.outcome(), "failed");
        assert_eq!(books.only().failure_kind.as_deref(), Some("invalid_request"));
        assert_eq!(books.only().cost.unwrap().nano(), 0);
    }
}

#[tokio::test]
async fn a_context_too_long_goes_to_a_model_with_more_room() {
    let (a, b) = (SimBackend::failing(InjectedFault::ContextLength), SimBackend::start());
    let setup = Setup::new().model_with("a", &a.urls(), "context_tokens_max = 16384\n");
    let setup = setup.model_with("b", &b.urls(), "context_tokens_max = 131072\n");
    let gateway = setup.and(ALIAS).start().await;
    let reply = gateway.ask(&ask("both")).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"), "{}", reply.text());
    let reply = gateway.ask(&ask("a")).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(reply.json()["error"]["code"], "context_length_exceeded");
}

#[tokio::test]
async fn when_all_are_down_the_error_says_how() {
    let cases = [
        (InjectedFault::Refuse, [502, 503], "upstream"),
        (InjectedFault::Status500, [502, 502], "upstream_error"),
        (InjectedFault::Status429, [503, 503], "no_capacity"),
        (InjectedFault::StallHead, [504, 504], "upstream_timeout"),
        (InjectedFault::Html, [502, 502], "upstream_error"),
    ];
    for (fault, statuses, kind) in cases {
        for stream in [false, true] {
            let (a, b) = (SimBackend::failing(fault), SimBackend::failing(fault));
            let gateway = pair(&a, &b).await;
            let request = if stream { streamed("both") } else { ask("both") };
            let reply = gateway.ask(&request).await;
            assert!(
                statuses.contains(&reply.status),
                "{fault:?}: {} {}",
                reply.status,
                reply.text()
            );
            assert!(reply.json()["error"]["message"].is_string());
            if reply.status == 503 {
                assert!(!reply.header("retry-after").is_empty(), "{fault:?}: {:?}", reply.headers);
            }
            let books = gateway.close().await;
            assert_eq!(books.outcome(), "failed", "{fault:?}");
            let entry = books.only();
            let found = entry.failure_kind.as_deref().unwrap_or("");
            assert!(found.starts_with(kind), "{fault:?}: {entry:?}");
            // A plain answer has no first token to wait for: a stall takes the whole envelope.
            let least = if fault == InjectedFault::StallHead && !stream { 1 } else { 2 };
            assert!(results(entry).len() >= least, "{fault:?}: {entry:?}");
            assert!(
                entry.gateway_us < Some(1_000_000),
                "its own time has no waits in it: {entry:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_caller_who_leaves_mid_stream_is_not_served_on() {
    let up = SimBackend::with(quick().paced(0, 20));
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let mut answer = gateway.post(&streamed("a")).send().await.expect("a head");
    let first = answer.chunk().await.expect("a chunk").expect("content");
    assert!(!first.is_empty());
    drop(answer);
    let seen = up.until(|seen| seen.cancelled == 1 && seen.in_flight == 0).await;
    assert_eq!(seen.completed, 0);
    let closed = |books: &crate::harness::Books| books.verification.settled == 1;
    gateway.until(closed).await;
    let books = gateway.close().await;
    assert_eq!(books.outcome(), "cancelled");
    assert!(books.only().cost.unwrap().nano() > 0, "what was written is paid");
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_head_is_not_served_on() {
    for stream in [false, true] {
        let spec = ModelSpec::plain("slow").paced(60_000, 20);
        let up = SimBackend::with(spec);
        let gateway = Setup::new().model("a", &up.urls()).start().await;
        let request = if stream { streamed("a") } else { ask("a") };
        let waiting = tokio::spawn(gateway.post(&request).send());
        up.until(|seen| seen.in_flight == 1).await;
        waiting.abort();
        up.until(|seen| seen.cancelled == 1 && seen.in_flight == 0).await;
        gateway.until(|books| books.verification.settled == 1).await;
        assert_eq!(gateway.close().await.outcome(), "cancelled", "stream: {stream}");
    }
}
