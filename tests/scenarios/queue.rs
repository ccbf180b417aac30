//! More requests than a model has places for: they wait in turn, or are told at once to come later.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::future::join_all;
use serde_json::Value;
use signalbox::{
    sim::{InjectedFault, ModelSpec},
    store::Entry,
};

use tokio::task::JoinHandle;

use crate::harness::{
    Gateway, KEY, Setup, SimBackend, ask, clock::Clock, gateway::Reply, sim_backend::MODEL, wait,
};

/// A model whose plain answers take about this long.
fn taking(ms: u32) -> SimBackend {
    SimBackend::with(ModelSpec::plain(MODEL).paced(ms, 100_000))
}

/// One model with two places.
fn narrow(up: &SimBackend, queue: &str) -> Setup {
    let lines = "concurrency_max = 2\n";
    let setup = Setup::new().model("a", &up.urls()).and(&format!("[queue]\n{queue}"));
    setup.endpoint(lines)
}

/// The status of an answer to this key.
async fn by(gateway: &Gateway, key: &str) -> u16 {
    let request = gateway.client.post(gateway.url("/v1/chat/completions")).bearer_auth(key);
    let body: Value = ask("a");
    let request = request.header("content-type", "application/json").body(body.to_string());
    Reply::of(request).await.status
}

#[tokio::test]
async fn those_who_find_no_place_wait_for_one() {
    let up = taking(20);
    let gateway = narrow(&up, "wait_ms = 5000\n").start().await;
    let body = ask("a");
    let all = join_all((0..20).map(|_| gateway.ask(&body))).await;
    assert!(all.iter().all(|reply| reply.status == 200), "{all:?}");
    assert_eq!(up.seen().requests, 20);
    let books = gateway.close().await;
    assert_eq!(books.verification.settled, 20);
}

#[tokio::test]
async fn a_full_model_is_passed_over_while_another_is_free() {
    let (up, other) = (taking(200), SimBackend::start());
    let setup = narrow(&up, "wait_ms = 5000\n").model("b", &other.urls());
    let gateway = setup.and("[alias]\nall = [\"a\", \"b\"]\n").start().await;
    let body = ask("all");
    let all = join_all((0..6).map(|_| gateway.ask(&body))).await;
    let with =
        |model: &str| all.iter().filter(|it| it.header("x-signalbox-model") == model).count();
    assert_eq!((with("a"), with("b")), (2, 4), "{all:?}");
}

#[tokio::test]
async fn a_wait_that_is_over_ends_in_503_and_without_a_wait_at_once() {
    for wait_ms in [100, 0] {
        let up = SimBackend::failing(InjectedFault::StallHead);
        let gateway = narrow(&up, &format!("wait_ms = {wait_ms}\n")).start().await;
        let clock = Clock::stop();
        let body = ask("a");
        let served = [(); 2].map(|()| tokio::spawn(gateway.post(&body).send()));
        up.until(|seen| seen.in_flight == 2).await;
        let away = [(); 2].map(|()| tokio::spawn(Reply::of(gateway.post(&body))));
        let over = || away.iter().all(JoinHandle::is_finished);
        if wait_ms > 0 {
            waiting(&gateway, |many| many >= 2.0).await;
            clock.happens_after(wait_ms, "the wait is over", over).await;
        } else {
            wait::until("told at once", over).await;
        }
        for it in away {
            let reply = it.await.expect("a task");
            assert_eq!((reply.status, reply.header("retry-after")), (503, "1"), "{reply:?}");
        }
        served.iter().for_each(JoinHandle::abort);
        drop(clock);
        tokio::time::resume();
        gateway.close().await;
    }
}

/// Waits until so many are in the line.
async fn waiting(gateway: &Gateway, expected: impl Fn(f64) -> bool) {
    let look = async || {
        let waiting = gateway.metrics().await.sum("signalbox_queue_waiting", &[]);
        if expected(waiting) { Ok(()) } else { Err(waiting) }
    };
    wait::found("so many in the queue", look).await;
}

const QUIET: &str = "sk-quiet-0123456789abcdef0123456789abcdef";

/// The same with a second key.
fn with_quiet(setup: Setup, lines: &str) -> Setup {
    let key = format!("[[key]]\nname = \"quiet\"\nsecret = \"file:quiet.key\"\n{lines}\n");
    setup.and(&key).file("quiet.key", QUIET)
}

#[tokio::test]
async fn a_flood_of_one_key_does_not_keep_others_waiting() {
    let up = taking(20);
    let setup = narrow(&up, "wait_ms = 5000\nlength_max = 40\n");
    let gateway = with_quiet(setup, "").start().await;
    let before = AtomicUsize::new(0);
    let flood = join_all((0..120).map(async |_| {
        let status = by(&gateway, KEY).await;
        before.fetch_add(usize::from(status == 200), Relaxed);
        status
    }));
    let quiet = async {
        waiting(&gateway, |many| many >= 38.0).await;
        let mut took = Vec::new();
        for _ in 0..5 {
            let already = before.load(Relaxed);
            assert_eq!(by(&gateway, QUIET).await, 200);
            took.push(before.load(Relaxed) - already);
        }
        took
    };
    let (flood, quiet) = tokio::join!(flood, quiet);
    // Its turn comes after one of the other's, and answers under way come before it; in order of arrival
    // it would wait for all forty.
    assert!(quiet.iter().all(|served| *served <= 12), "served before it: {quiet:?}");
    let served = flood.iter().filter(|status| **status == 200).count();
    assert!((40..120).contains(&served), "the line is bounded, and moves: {served}");
}

#[tokio::test]
async fn whoever_comes_first_by_priority_is_served_first() {
    let up = SimBackend::failing(InjectedFault::StallHead);
    let setup = narrow(&up, "wait_ms = 5000\n").key("priority = \"batch\"\n");
    let gateway = with_quiet(setup, "priority = \"interactive\"\n").start().await;
    let body = ask("a");
    let stalled = [(); 2].map(|()| tokio::spawn(gateway.post(&body).send()));
    up.until(|seen| seen.in_flight == 2).await;
    up.mend().await;
    let asked = |key: &'static str| {
        let request = gateway.client.post(gateway.url("/v1/chat/completions")).bearer_auth(key);
        tokio::spawn(
            request.header("content-type", "application/json").body(body.to_string()).send(),
        )
    };
    let mut all = vec![asked(KEY)];
    waiting(&gateway, |many| many >= 1.0).await;
    all.push(asked(QUIET));
    waiting(&gateway, |many| many >= 2.0).await;
    // One place becomes free.
    stalled[0].abort();
    for it in all {
        assert_eq!(it.await.expect("a task").expect("an answer").status(), 200);
    }
    stalled[1].abort();
    let books = gateway.until(|books| books.verification.settled == 4).await;
    let first = |key: &str| {
        let of = |it: &&Entry| it.key == key && it.outcome.as_deref() == Some("ok");
        let entry = books.entries.iter().find(of).expect("served");
        entry.first_token_ms.expect("answered")
    };
    assert!(first("quiet") < first("scenario"), "{:?}", books.entries);
}

#[tokio::test]
async fn who_leaves_the_queue_leaves_nothing_behind() {
    let up = SimBackend::failing(InjectedFault::StallHead);
    let gateway = narrow(&up, "wait_ms = 5000\n").start().await;
    let body = ask("a");
    let stalled = [(); 2].map(|()| tokio::spawn(gateway.post(&body).send()));
    up.until(|seen| seen.in_flight == 2).await;
    let third = tokio::spawn(gateway.post(&body).send());
    waiting(&gateway, |many| many >= 1.0).await;
    third.abort();
    waiting(&gateway, |many| many < 1.0).await;
    let of = |it: &Entry| {
        it.outcome.as_deref() == Some("cancelled") && it.attempts.as_deref() == Some("[]")
    };
    gateway.until(|books| books.entries.iter().any(of)).await;
    up.mend().await;
    stalled.iter().for_each(JoinHandle::abort);
    up.until(|seen| seen.in_flight == 0).await;
    assert_eq!(gateway.ask(&body).await.status, 200);
    assert_eq!(up.seen().requests, 3, "the one who left was never sent on");
}
