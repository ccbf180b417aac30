//! Which replica takes a request, and what an outage does not multiply.

use std::collections::HashSet;

use serde_json::json;
use signalbox::sim::InjectedFault;

use crate::harness::{
    Setup, SimBackend, ask, gateway::results, sim_backend::quick, streamed, wait, with,
};

/// The replicas that served, one for each entry.
fn endpoints(books: &crate::harness::Books) -> Vec<String> {
    books.entries.iter().map(|it| it.endpoint.clone().expect("served")).collect()
}

#[tokio::test]
async fn a_session_stays_with_its_replica() {
    let up = SimBackend::with(quick().replicas(4));
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    for turn in 0..8 {
        let request = with(ask("a"), json!({ "temperature": turn }));
        let sent = gateway.post(&request).header("x-signalbox-session", "s-1").send().await;
        assert_eq!(sent.expect("an answer").status(), 200);
    }
    let homes: HashSet<_> = endpoints(&gateway.close().await).into_iter().collect();
    assert_eq!(homes.len(), 1, "{homes:?}");
}

#[tokio::test]
async fn prompts_that_begin_alike_meet_and_others_spread() {
    let up = SimBackend::with(quick().replicas(4));
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let long = "You answer questions about the branch in Jurong. ".repeat(30);
    let asked = |system: &str, question: usize| {
        let messages = json!([
            { "role": "system", "content": system },
            { "role": "user", "content": format!("Question {question}: when does it open?") },
        ]);
        with(ask("a"), json!({ "messages": messages }))
    };
    for question in 0..6 {
        assert_eq!(gateway.ask(&asked(&long, question)).await.status, 200);
    }
    gateway.until(|books| books.verification.open == 0).await;
    let homes: HashSet<_> = endpoints(&gateway.books()).into_iter().collect();
    assert_eq!(homes.len(), 1, "one beginning, one home: {homes:?}");
    for question in 0..24 {
        let other = format!("Branch {question}. {long}");
        assert_eq!(gateway.ask(&asked(&other, question)).await.status, 200);
    }
    let homes: HashSet<_> = endpoints(&gateway.close().await).into_iter().collect();
    assert_eq!(homes.len(), 4, "many beginnings, all homes: {homes:?}");
}

#[tokio::test]
async fn a_beginning_of_many_at_once_makes_no_hot_spot() {
    let up = SimBackend::with(quick().paced(150, 2_000).replicas(4));
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let request = ask("a");
    let replies = (0..40).map(|_| gateway.ask(&request));
    for reply in futures_util::future::join_all(replies).await {
        assert_eq!(reply.status, 200);
    }
    let served = endpoints(&gateway.close().await);
    for home in served.iter().collect::<HashSet<_>>() {
        let count = served.iter().filter(|it| *it == home).count();
        assert!(count <= 14, "{count} of 40 at one of four: {served:?}");
    }
}

#[tokio::test]
async fn a_total_outage_is_not_multiplied() {
    let ups = [(); 3].map(|()| SimBackend::failing(InjectedFault::Status500));
    let setup = ["a", "b", "c"].iter().zip(&ups);
    let setup = setup.fold(Setup::new(), |setup, (id, up)| setup.model(id, &up.urls()));
    let gateway = setup.and("[alias]\nall = [\"a\", \"b\", \"c\"]\n").start().await;
    let requests = 300;
    let request = ask("all");
    for _ in 0..requests / 30 {
        let replies = (0..30).map(|_| gateway.ask(&request));
        for reply in futures_util::future::join_all(replies).await {
            assert!(reply.status >= 500, "{}", reply.text());
        }
    }
    let attempts: u64 = ups.iter().map(|up| up.seen().requests).sum();
    assert!(attempts * 10 <= requests * 12, "{attempts} attempts for {requests} requests");
    let books = gateway.close().await;
    let booked: usize = books.entries.iter().map(|it| results(it).len()).sum();
    assert!(booked as u64 >= attempts, "{booked} booked, {attempts} seen");
}

/// The attempts of all entries that came to nothing.
fn failed(books: &crate::harness::Books) -> usize {
    books.entries.iter().flat_map(results).filter(|it| it != "ok").count()
}

#[tokio::test]
async fn a_dead_replica_meets_few_callers_and_comes_back_by_itself() {
    let (a, b) = (SimBackend::start(), SimBackend::start());
    let setup = Setup::new().model("a", &a.urls()).model("b", &b.urls());
    let gateway = setup.and("[alias]\nboth = [\"a\", \"b\"]\n").start().await;
    a.kill(0).await;
    let mut asked = 0;
    // Longer than two ejections: without probes each would have sent a caller there.
    let from = std::time::Instant::now();
    while from.elapsed() < std::time::Duration::from_secs(4) {
        let reply = gateway.ask(&ask("both")).await;
        assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"));
        asked += 1;
    }
    gateway.until(|books| books.verification.open == 0).await;
    let touched = failed(&gateway.books());
    assert!((1..=5).contains(&touched), "{touched} of {asked} callers met the dead replica");
    a.revive(0).await;
    let serves = async || gateway.ask(&ask("both")).await.header("x-signalbox-model").to_owned();
    wait::answers("it is back", "a".to_owned(), serves).await;
    gateway.until(|books| books.verification.open == 0).await;
    assert_eq!(failed(&gateway.close().await), touched, "and nobody failed for it");
}

/// One that lists its models and fails all else: asked for a token, it meets no further callers, and is back
/// with the first one that it writes.
async fn asked_for_a_token(fault: InjectedFault) {
    const LINES: &str = "probe = \"completion\"\ntimeouts = { first_token_ms = 150 }\n";
    let (a, b) = (SimBackend::start(), SimBackend::start());
    let setup = Setup::new().model_with("a", &a.urls(), LINES).model("b", &b.urls());
    let gateway = setup.and("[alias]\nboth = [\"a\", \"b\"]\n").start().await;
    a.fail(fault).await;
    // Longer than two ejections: without probes each would have sent a caller there.
    let from = std::time::Instant::now();
    while from.elapsed() < std::time::Duration::from_secs(4) {
        let reply = gateway.ask(&streamed("both")).await;
        assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"), "{fault:?}");
    }
    gateway.until(|books| books.verification.open == 0).await;
    let touched = failed(&gateway.books());
    // One more where a probe is late on a busy machine, fewer where it is there before the third caller;
    // without probes it would be five.
    assert!((1..=4).contains(&touched), "{touched} callers met it: {fault:?}");
    a.mend().await;
    let serves =
        async || gateway.ask(&streamed("both")).await.header("x-signalbox-model").to_owned();
    wait::answers("it is back", "a".to_owned(), serves).await;
    gateway.until(|books| books.verification.open == 0).await;
    assert_eq!(failed(&gateway.close().await), touched, "and nobody failed for it: {fault:?}");
}

#[tokio::test]
async fn a_replica_that_is_asked_for_a_token_is_back_when_it_writes_one() {
    let faults = [
        InjectedFault::Reset,
        InjectedFault::StallHead,
        InjectedFault::Status500,
        InjectedFault::Status404,
        InjectedFault::Garbage,
        InjectedFault::Html,
        InjectedFault::Empty,
        InjectedFault::ErrorObject,
    ];
    futures_util::future::join_all(faults.map(asked_for_a_token)).await;
}

#[tokio::test]
async fn a_backend_that_asks_for_a_rest_gets_it() {
    let (a, b) = (SimBackend::failing(InjectedFault::Status429), SimBackend::start());
    let setup = Setup::new().model("a", &a.urls()).model("b", &b.urls());
    let gateway = setup.and("[alias]\nboth = [\"a\", \"b\"]\n").start().await;
    for attempts in ["2", "1", "1", "1", "1", "1"] {
        let reply = gateway.ask(&ask("both")).await;
        assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"));
        assert_eq!(reply.header("x-signalbox-attempts"), attempts);
    }
    assert_eq!(a.seen().requests, 1, "it said seven seconds");
    let ejected = gateway.metrics().await.sum("signalbox_ejections_total", &["model=\"a\""]);
    assert_eq!(ejected, 0.0, "full is not broken");
}

#[tokio::test]
async fn a_long_plain_answer_does_not_cost_a_session_its_replica() {
    let up = SimBackend::with(quick().paced(0, 400).replicas(2));
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let session = "s-7";
    for stream in [true, false, true, false, true] {
        let request = if stream { streamed("a") } else { ask("a") };
        let sent = gateway.post(&request).header("x-signalbox-session", session).send().await;
        let reply = sent.expect("an answer");
        assert_eq!(reply.status(), 200);
        reply.bytes().await.expect("a whole body");
    }
    let homes: HashSet<_> = endpoints(&gateway.close().await).into_iter().collect();
    assert_eq!(homes.len(), 1, "{homes:?}");
}

#[tokio::test]
async fn a_replica_far_slower_than_its_peers_is_ejected() {
    let up = SimBackend::with(quick().paced(300, 2_000).replicas(3));
    up.fail_replica(0, InjectedFault::Slow).await;
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let slow = ["model=\"a\"", "cause=\"slow\""];
    let mut asked = 0;
    while gateway.metrics().await.sum("signalbox_ejections_total", &slow) < 1.0 {
        assert!(asked < 480, "it was never ejected");
        let all = (0..48).map(|at| {
            let request = with(streamed("a"), json!({ "user": format!("{asked} {at}") }));
            let gateway = &gateway;
            async move { gateway.ask(&request).await.done() }
        });
        assert!(futures_util::future::join_all(all).await.into_iter().all(|done| done));
        asked += 48;
    }
    gateway.close().await;
}

#[tokio::test]
async fn the_last_replica_is_not_given_up_in_silence() {
    let up = SimBackend::failing(InjectedFault::Status500);
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let counted = async || gateway.metrics().await.sum("signalbox_last_resort_total", &[]);
    while counted().await < 1.0 {
        assert!(gateway.ask(&ask("a")).await.status >= 500);
    }
    let ejected = gateway.metrics().await.sum("signalbox_ejections_total", &[]);
    assert!(ejected >= 1.0, "it is ejected, and asked all the same");
    up.mend().await;
    assert_eq!(gateway.ask(&ask("a")).await.status, 200, "at once, and not after the ejection");
}
