//! A second attempt beside one that is late: one answers, the other is cancelled and paid for.

use std::time::Duration;

use signalbox::sim::Fault;

use crate::harness::{
    Books, Gateway, Setup, Upstream, ask, gateway::results, streamed, upstream::quick,
};

const POLICY: &str = "version = \"hedged\"\n[[rule]]\nname = \"hedged\"\n\
     route = [\"a\", \"b\"]\nhedge = { after_ms = 80 }\n[default]\nroute = [\"b\"]\n";

async fn pair(a: &Upstream, b: &Upstream) -> Gateway {
    let setup = Setup::new().model("a", &a.urls()).model("b", &b.urls());
    setup.and("[policy]\nfile = \"policy.toml\"\n").file("policy.toml", POLICY).start().await
}

/// The attempts of the one entry, which is closed.
fn attempts(books: &Books) -> Vec<String> {
    assert_eq!(books.verification.open, 0);
    results(books.only())
}

#[tokio::test]
async fn a_late_first_token_is_answered_by_the_second_model() {
    for silence in [Fault::StallHead, Fault::StallContent, Fault::StallPings] {
        let (a, b) = (Upstream::failing(silence), Upstream::start());
        let gateway = pair(&a, &b).await;
        let reply = gateway.ask(&streamed("auto")).await;
        assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"), "{silence:?}");
        assert_eq!(reply.header("x-signalbox-attempts"), "2");
        assert!(reply.done(), "{}", reply.text());
        a.until(|seen| seen.cancelled == 1 && seen.in_flight == 0).await;
        let served = b.seen();
        let metrics = gateway.metrics().await;
        assert_eq!(metrics.sum("signalbox_attempts_total", &["result=\"lost_hedge\""]), 1.0);
        assert_eq!(metrics.sum("signalbox_endpoint_in_flight", &[]), 0.0);
        let books = gateway.close().await;
        assert_eq!(attempts(&books), ["lost_hedge", "ok"], "{silence:?}");
        // The loser was sent whole: its input is paid for, beside what the winner used.
        let entry = books.only();
        assert_eq!(entry.outcome.as_deref(), Some("ok"));
        assert!(entry.input_tokens > served.prompt_tokens, "{entry:?}");
        assert_eq!(entry.output_tokens, served.completion_tokens, "{entry:?}");
    }
}

#[tokio::test]
async fn the_first_may_still_win() {
    let a = Upstream::with(quick().paced(300, 2_000));
    let b = Upstream::failing(Fault::StallContent);
    let gateway = pair(&a, &b).await;
    let reply = gateway.ask(&streamed("auto")).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "a"));
    assert!(reply.done(), "{}", reply.text());
    b.until(|seen| seen.cancelled == 1 && seen.in_flight == 0).await;
    assert_eq!(attempts(&gateway.close().await), ["ok", "lost_hedge"]);
}

#[tokio::test]
async fn a_hedge_that_fails_costs_the_first_nothing() {
    for fault in [Fault::Status500, Fault::Status400, Fault::ErrorFirst, Fault::Refuse, Fault::Html]
    {
        let a = Upstream::with(quick().paced(300, 2_000));
        let b = Upstream::failing(fault);
        let gateway = pair(&a, &b).await;
        let reply = gateway.ask(&streamed("auto")).await;
        assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "a"), "{fault:?}");
        assert!(reply.done(), "{}", reply.text());
        let books = gateway.close().await;
        assert_eq!(attempts(&books).first().map(String::as_str), Some("ok"), "{fault:?}");
        assert_eq!(books.only().input_tokens, a.seen().prompt_tokens, "{fault:?}");
    }
}

#[tokio::test]
async fn what_is_in_time_and_what_is_plain_is_not_hedged() {
    let (a, b) = (Upstream::start(), Upstream::start());
    let gateway = pair(&a, &b).await;
    assert_eq!(gateway.ask(&streamed("auto")).await.header("x-signalbox-attempts"), "1");
    let slow = Upstream::with(quick().paced(200, 2_000));
    let patient = pair(&slow, &b).await;
    let reply = patient.ask(&ask("auto")).await;
    assert_eq!((reply.status, reply.header("x-signalbox-attempts")), (200, "1"));
    assert_eq!(reply.header("x-signalbox-model"), "a");
    assert_eq!(b.seen().requests, 0);
}

#[tokio::test]
async fn a_caller_who_leaves_ends_both() {
    let (a, b) = (Upstream::failing(Fault::StallContent), Upstream::failing(Fault::StallHead));
    let gateway = pair(&a, &b).await;
    let patience = Duration::from_millis(400);
    let sent = gateway.post(&streamed("auto")).timeout(patience).send().await;
    assert!(sent.is_err(), "{sent:?}");
    a.until(|seen| seen.cancelled == 1 && seen.in_flight == 0).await;
    b.until(|seen| seen.cancelled == 1 && seen.in_flight == 0).await;
    gateway.until(|books| books.verification.open == 0).await;
    let books = gateway.close().await;
    assert_eq!(books.outcome(), "cancelled");
    assert_eq!(attempts(&books), ["cancelled", "cancelled"]);
    assert!(books.only().input_tokens > 0, "both were sent: {:?}", books.only());
}

#[tokio::test]
async fn the_only_model_is_hedged_on_its_other_replica() {
    let up = Upstream::with(quick().replicas(2));
    let policy = POLICY.replace("[\"a\", \"b\"]", "[\"a\"]").replace("[\"b\"]", "[\"a\"]");
    let setup = Setup::new().model("a", &up.urls()).and("[policy]\nfile = \"policy.toml\"\n");
    let gateway = setup.file("policy.toml", &policy).start().await;
    up.fail_replica(0, Fault::StallContent).await;
    let requests = [(); 8].map(|()| streamed("auto"));
    let replies = requests.iter().map(|request| gateway.ask(request));
    for reply in futures_util::future::join_all(replies).await {
        assert_eq!(reply.status, 200);
        assert!(reply.done(), "{}", reply.text());
    }
    let books = gateway.close().await;
    let hedged = books.entries.iter().map(results).filter(|it| *it == ["lost_hedge", "ok"]).count();
    assert!((1..8).contains(&hedged), "{hedged} of 8 began at the silent replica");
}
