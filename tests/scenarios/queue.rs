//! More requests than a model has places for: they wait in turn, or are told at once to come later.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;
use signalbox::sim::ModelSpec;

use crate::harness::{Gateway, Setup, Upstream, ask, gateway::Reply, upstream::MODEL};

/// A model whose plain answers take about this long.
fn taking(ms: u32) -> Upstream {
    Upstream::with(ModelSpec::plain(MODEL).paced(ms, 100_000))
}

/// One model with two places.
fn narrow(up: &Upstream, queue: &str) -> Setup {
    let lines = "concurrency_max = 2\n";
    let setup = Setup::new().model("a", &up.urls()).and(&format!("[queue]\n{queue}"));
    setup.endpoint(lines)
}

async fn by(gateway: &Gateway, key: &str) -> (u16, Duration, String) {
    let from = Instant::now();
    let request = gateway.client.post(gateway.url("/v1/chat/completions")).bearer_auth(key);
    let body: Value = ask("a");
    let request = request.header("content-type", "application/json").body(body.to_string());
    let reply = Reply::of(request).await;
    (reply.status, from.elapsed(), reply.header("retry-after").to_owned())
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
    let (up, other) = (taking(200), Upstream::start());
    let setup = narrow(&up, "wait_ms = 5000\n").model("b", &other.urls());
    let gateway = setup.and("[alias]\nall = [\"a\", \"b\"]\n").start().await;
    let body = ask("all");
    let all = join_all((0..6).map(|_| gateway.ask(&body))).await;
    let with =
        |model: &str| all.iter().filter(|it| it.header("x-signalbox-model") == model).count();
    assert_eq!((with("a"), with("b")), (2, 4), "{all:?}");
}

#[tokio::test]
async fn a_wait_that_is_over_ends_in_503_and_none_is_turned_away_at_once() {
    let up = taking(400);
    let gateway = narrow(&up, "wait_ms = 100\n").start().await;
    let all = join_all((0..4).map(|_| by(&gateway, crate::harness::KEY))).await;
    let away: Vec<_> = all.iter().filter(|it| it.0 == 503).collect();
    assert_eq!(away.len(), 2, "{all:?}");
    assert!(away.iter().all(|it| it.1 >= Duration::from_millis(100) && it.2 == "1"), "{all:?}");
    drop(gateway.close().await);
    let gateway = narrow(&up, "wait_ms = 0\n").start().await;
    let all = join_all((0..4).map(|_| by(&gateway, crate::harness::KEY))).await;
    let away: Vec<_> = all.iter().filter(|it| it.0 == 503).collect();
    assert_eq!(away.len(), 2, "{all:?}");
    assert!(away.iter().all(|it| it.1 < Duration::from_millis(100)), "{all:?}");
}

#[tokio::test]
async fn a_flood_of_one_key_does_not_keep_others_waiting() {
    let up = taking(20);
    let key = |name: &str| format!("[[key]]\nname = \"{name}\"\nsecret = \"file:{name}.key\"\n");
    let setup = narrow(&up, "wait_ms = 5000\nlength_max = 40\n").and(&key("quiet"));
    let gateway =
        setup.file("quiet.key", "sk-quiet-0123456789abcdef0123456789abcdef").start().await;
    let flood = async {
        let all = join_all((0..80).map(|_| by(&gateway, crate::harness::KEY))).await;
        let away = all.iter().filter(|it| it.0 == 503).map(|it| it.1);
        (all.iter().filter(|it| it.0 == 200).count(), away.max())
    };
    let quiet = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let mut took = Vec::new();
        for _ in 0..5 {
            took.push(by(&gateway, "sk-quiet-0123456789abcdef0123456789abcdef").await);
        }
        took
    };
    let ((served, _), quiet) = tokio::join!(flood, quiet);
    assert!(quiet.iter().all(|it| it.0 == 200), "{quiet:?}");
    // Its turn comes after one place at the most: twenty milliseconds, and the same again to be served.
    let slowest = quiet.iter().map(|it| it.1).max().expect("some");
    assert!(slowest < Duration::from_millis(150), "{quiet:?}");
    assert!(served >= 40, "{served}");
}
