//! Backends with habits of their own: late usage, none, silence before the first word, recovery.

use serde_json::json;
use signalbox::sim::{InjectedFault, Quirks, UsageReporting};

use crate::harness::{
    Setup, SimBackend, ask, gateway::results, sim_backend::quick, streamed, wait, with,
};

const ALIAS: &str = "[alias]\nboth = [\"a\", \"b\"]\n";

#[tokio::test]
async fn the_ledger_says_what_the_backend_counted() {
    let q = Quirks::NONE;
    let habits = [
        q,
        Quirks { usage: UsageReporting::Late, comments: true, ..q },
        Quirks { usage: UsageReporting::WithFinish, crlf: true, ..q },
        Quirks { tight: true, crlf: true, comments: true, ..q },
    ];
    for quirks in habits {
        let up = SimBackend::with(quick().quirks(quirks).reasoning(16));
        let gateway = Setup::new().model("a", &up.urls()).start().await;
        for request in [ask("a"), streamed("a"), with(ask("a"), json!({ "n": 2 }))] {
            let reply = gateway.ask(&request).await;
            assert_eq!(reply.status, 200, "{quirks:?}: {}", reply.text());
        }
        let metrics = gateway.metrics().await;
        assert_eq!(metrics.sum("signalbox_usage_estimated_total", &[]), 0.0, "{quirks:?}");
        let books = gateway.close().await;
        let sum =
            |of: fn(&signalbox::store::Entry) -> u64| books.entries.iter().map(of).sum::<u64>();
        let seen = up.seen();
        assert_eq!(sum(|it| it.input_tokens), seen.prompt_tokens, "{quirks:?}");
        assert_eq!(sum(|it| it.output_tokens), seen.completion_tokens, "{quirks:?}");
    }
}

#[tokio::test]
async fn usage_that_is_missing_or_impossible_is_counted_by_us() {
    for fault in [InjectedFault::NoUsage, InjectedFault::WrongUsage] {
        let up = SimBackend::failing(fault);
        let gateway = Setup::new().model("a", &up.urls()).start().await;
        for request in [ask("a"), streamed("a")] {
            assert_eq!(gateway.ask(&request).await.status, 200);
        }
        let estimated = gateway.metrics().await.sum("signalbox_usage_estimated_total", &[]);
        assert_eq!(estimated, 2.0, "{fault:?}");
        let truth = up.seen();
        for entry in gateway.close().await.entries {
            let output = truth.completion_tokens / 2;
            assert!(entry.input_tokens > 0, "{fault:?}: {entry:?}");
            assert!(entry.output_tokens > 0, "{fault:?}: {entry:?}");
            assert!(entry.output_tokens <= output * 4 + 16, "{fault:?}: {entry:?} for {output}");
        }
    }
}

/// Clients give up on silence: they get a head and a comment, and the next model may still answer.
#[tokio::test]
async fn a_silent_stream_gets_its_head_early_and_falls_back_all_the_same() {
    let (a, b) = (SimBackend::failing(InjectedFault::StallHead), SimBackend::start());
    let patient = "timeouts = { first_token_ms = 600 }\n";
    let setup = Setup::new().model_with("a", &a.urls(), patient).model("b", &b.urls());
    let gateway = setup.server("early_head_ms = 100\n").and(ALIAS).start().await;
    let mut answer = gateway.post(&streamed("both")).send().await.expect("a head");
    assert_eq!(b.seen().requests, 0, "the head came before the second attempt");
    for absent in ["x-signalbox-model", "x-signalbox-attempts", "x-signalbox-cost"] {
        assert!(answer.headers().get(absent).is_none(), "{absent}");
    }
    let first = answer.chunk().await.expect("a chunk").expect("a comment");
    assert!(first.starts_with(b":"), "{first:?}");
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.expect("the rest") {
        text.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(text.contains("data: {") && text.trim_end().ends_with("data: [DONE]"), "{text}");
    let books = gateway.close().await;
    assert_eq!((books.outcome(), books.only().model.as_deref()), ("ok", Some("b")));
    assert_eq!(results(books.only()), ["timeout", "ok"]);
}

#[tokio::test]
async fn a_stream_with_an_early_head_says_in_the_stream_that_nobody_answered() {
    let a = SimBackend::failing(InjectedFault::StallHead);
    let hasty = "timeouts = { first_token_ms = 400 }\n";
    let setup = Setup::new().model_with("a", &a.urls(), hasty).server("early_head_ms = 100\n");
    let gateway = setup.start().await;
    let reply = gateway.ask(&streamed("a")).await;
    assert_eq!(reply.status, 200);
    let events = reply.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].contains("upstream_timeout"), "{events:?}");
    let books = gateway.close().await;
    assert_eq!(books.outcome(), "failed");
    assert_eq!(books.only().failure_kind.as_deref(), Some("upstream_timeout"));
}

#[tokio::test]
async fn one_bad_answer_does_not_cost_a_model_its_place() {
    let (a, b) = (SimBackend::start(), SimBackend::start());
    let gateway = Setup::new().model("a", &a.urls()).model("b", &b.urls()).and(ALIAS).start().await;
    a.fail_times(InjectedFault::Status500, 1).await;
    let models = [gateway.ask(&ask("both")).await, gateway.ask(&ask("both")).await];
    let models = models.each_ref().map(|reply| reply.header("x-signalbox-model"));
    assert_eq!(models, ["b", "a"]);
}

#[tokio::test]
async fn a_model_that_comes_back_is_asked_again() {
    let (a, b) = (SimBackend::start(), SimBackend::start());
    let gateway = Setup::new().model("a", &a.urls()).model("b", &b.urls()).and(ALIAS).start().await;
    a.kill(0).await;
    for _ in 0..20 {
        assert_eq!(gateway.ask(&ask("both")).await.header("x-signalbox-model"), "b");
    }
    let ejected = gateway.metrics().await.sum("signalbox_ejections_total", &["model=\"a\""]);
    assert!(ejected >= 1.0);
    a.revive(0).await;
    let served = async || {
        let reply = gateway.ask(&ask("both")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.header("x-signalbox-model").to_owned()
    };
    wait::answers("it is asked again", "a".to_owned(), served).await;
}
