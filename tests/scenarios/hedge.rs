//! A second attempt beside one that is late: one answers, the other is cancelled and paid for.

use std::time::Duration;

use signalbox::sim::InjectedFault;

use crate::harness::{
    Books, Gateway, Setup, SimBackend, ask, gateway::results, sim_backend::quick, streamed,
};

const POLICY: &str = "version = \"hedged\"\n[[rule]]\nname = \"hedged\"\n\
     route = [\"a\", \"b\"]\nhedge = { after_ms = 80 }\n[default]\nroute = [\"b\"]\n";

async fn pair(a: &SimBackend, b: &SimBackend) -> Gateway {
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
    for silence in
        [InjectedFault::StallHead, InjectedFault::StallContent, InjectedFault::StallPings]
    {
        let (a, b) = (SimBackend::failing(silence), SimBackend::start());
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
    let a = SimBackend::with(quick().paced(300, 2_000));
    let b = SimBackend::failing(InjectedFault::StallContent);
    let gateway = pair(&a, &b).await;
    let reply = gateway.ask(&streamed("auto")).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "a"));
    assert!(reply.done(), "{}", reply.text());
    b.until(|seen| seen.cancelled == 1 && seen.in_flight == 0).await;
    assert_eq!(attempts(&gateway.close().await), ["ok", "lost_hedge"]);
}

#[tokio::test]
async fn a_hedge_that_fails_costs_the_first_nothing() {
    for fault in [
        InjectedFault::Status500,
        InjectedFault::Status400,
        InjectedFault::ErrorFirst,
        InjectedFault::Refuse,
        InjectedFault::Html,
    ] {
        let a = SimBackend::with(quick().paced(300, 2_000));
        let b = SimBackend::failing(fault);
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
    let (a, b) = (SimBackend::start(), SimBackend::start());
    let gateway = pair(&a, &b).await;
    assert_eq!(gateway.ask(&streamed("auto")).await.header("x-signalbox-attempts"), "1");
    let slow = SimBackend::with(quick().paced(200, 2_000));
    let patient = pair(&slow, &b).await;
    let reply = patient.ask(&ask("auto")).await;
    assert_eq!((reply.status, reply.header("x-signalbox-attempts")), (200, "1"));
    assert_eq!(reply.header("x-signalbox-model"), "a");
    assert_eq!(b.seen().requests, 0);
}

/// The silence of a plain answer says nothing; that its replica gives nobody an answer does.
#[tokio::test]
async fn a_plain_answer_is_not_waited_for_where_streams_have_found_nobody() {
    for replicas in [1, 2] {
        let (a, b) = (SimBackend::with(quick().replicas(replicas)), SimBackend::start());
        let lines = "timeouts = { first_token_ms = 100, idle_ms = 100, total_ms = 20000 }\n";
        let setup = Setup::new().model_with("a", &a.urls(), lines).model("b", &b.urls());
        let gateway = setup.and("[alias]\nall = [\"a\", \"b\"]\n").start().await;
        a.fail(InjectedFault::StallHead).await;
        let (plain, stream) = (ask("all"), streamed("all"));
        let streams = futures_util::future::join_all((0..12).map(|_| gateway.ask(&stream)));
        let (plain, streams) = tokio::join!(gateway.ask(&plain), streams);
        assert_eq!((plain.status, plain.header("x-signalbox-model")), (200, "b"));
        assert_eq!(plain.header("x-signalbox-attempts"), "2");
        assert!(streams.iter().all(|it| it.status == 200 && it.done()));
        a.until(|seen| seen.in_flight == 0).await;
        let books = gateway.close().await;
        assert_eq!(books.verification.open, 0);
        let lost = books.entries.iter().map(results).filter(|it| *it == ["lost_hedge", "ok"]);
        assert_eq!(lost.count(), 1, "{:?}", books.entries);
    }
}

#[tokio::test]
async fn a_plain_answer_that_takes_its_time_is_waited_for() {
    let (a, b) = (SimBackend::with(quick().fixed(400, 4, 1_000)), SimBackend::start());
    let lines = "timeouts = { first_token_ms = 50, idle_ms = 50, total_ms = 20000 }\n";
    let setup = Setup::new().model_with("a", &a.urls(), lines).model("b", &b.urls());
    let gateway = setup.and("[alias]\nall = [\"a\", \"b\"]\n").start().await;
    let reply = gateway.ask(&ask("all")).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "a"));
    assert_eq!(attempts(&gateway.close().await), ["ok"]);
}

#[tokio::test]
async fn a_caller_who_leaves_ends_both() {
    let (a, b) = (
        SimBackend::failing(InjectedFault::StallContent),
        SimBackend::failing(InjectedFault::StallHead),
    );
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
    let up = SimBackend::with(quick().replicas(2));
    let policy = POLICY.replace("[\"a\", \"b\"]", "[\"a\"]").replace("[\"b\"]", "[\"a\"]");
    let setup = Setup::new().model("a", &up.urls()).and("[policy]\nfile = \"policy.toml\"\n");
    let gateway = setup.file("policy.toml", &policy).start().await;
    up.fail_replica(0, InjectedFault::StallContent).await;
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
