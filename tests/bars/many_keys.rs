//! Very many keys: how fast they are made, listed and ended, and that a request does not feel them.
//!
//! `SIGNALBOX_BAR_PROGRAM` names another build to be measured, such as an optimized one: times are held
//! against their bars for such a one alone.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::{Operator, full, ms};
use crate::harness::{
    KEY, Reply, Setup, SimBackend, ask,
    binary::{self, Server, other_build},
};

/// Keys of one import.
const LOT: usize = 1_000;
/// Requests of which the middle one counts.
const REQUESTS: usize = 200;
const PAGES: usize = 20;

fn optimized() -> bool {
    other_build().is_some() || !cfg!(debug_assertions)
}

fn name(nth: usize) -> String {
    format!("key-{nth:06}")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

async fn request(server: &Server, key: &str) -> u16 {
    Reply::of(server.post_with(key, &ask("good"))).await.status
}

/// The middle time of a request, one after the other.
async fn latency(server: &Server) -> Duration {
    let mut times = Vec::new();
    for _ in 0..REQUESTS {
        let from = Instant::now();
        assert_eq!(request(server, KEY).await, 200);
        times.push(from.elapsed());
    }
    median(times)
}

/// Makes one lot of keys and gives the first of them.
async fn import(operator: &Operator, first: usize) -> String {
    let key = |nth| match nth % 10 {
        // Some have what must be kept of each.
        0 => {
            json!({ "name": name(nth), "team": "bank", "limits": { "requests_per_minute": 6000 } })
        }
        1 => json!({ "name": name(nth), "budget": { "amount": "5", "window": "month" } }),
        _ => json!({ "name": name(nth), "team": "bank" }),
    };
    let keys: Vec<Value> = (first..first + LOT).map(key).collect();
    let made = operator.done(Method::POST, "key-import", json!({ "keys": keys })).await;
    assert_eq!(made["keys"].as_array().map(Vec::len), Some(LOT));
    made["keys"][5]["key"].as_str().expect("a key").to_owned()
}

/// From now until the key opens nothing.
async fn until_refused(server: &Server, key: &str, from: Instant) -> Duration {
    while request(server, key).await != 401 {
        assert!(from.elapsed() < Duration::from_secs(60), "it opens still");
    }
    from.elapsed()
}

/// The middle time of a page of a hundred.
async fn page(operator: &Operator, keys: usize) -> Duration {
    let mut times = Vec::new();
    for nth in 0..PAGES {
        let path = format!("keys?limit=100&after={}", name(nth * (keys - 200) / PAGES));
        let from = Instant::now();
        let page = operator.done(Method::GET, &path, Value::Null).await;
        times.push(from.elapsed());
        assert_eq!(page["keys"].as_array().map(Vec::len), Some(100));
    }
    median(times)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_keys_are_made_listed_and_ended_and_no_request_feels_them() {
    let keys = if full() { 50_000 } else { 3_000 };
    let up = SimBackend::start();
    let setup = Setup::new().operated().model("good", &up.urls());
    let folder = setup.and("[[team]]\nname = \"bank\"\n").write();
    let server = Server::start(&folder.config()).await;
    let operator = Operator::at(server.admin_addr());
    let alone = latency(&server).await;
    let (mut first, mut lots) = (Vec::new(), Vec::new());
    for at in (0..keys).step_by(LOT) {
        let from = Instant::now();
        first.push(import(&operator, at).await);
        lots.push(from.elapsed());
    }
    let all: Duration = lots.iter().sum();
    let rate = keys as f64 / all.as_secs_f64();
    let among = latency(&server).await;
    let page = page(&operator, keys).await;
    let mut ended = Vec::new();
    for (nth, key) in first.iter().enumerate().skip(1).take(3) {
        assert_eq!(request(&server, key).await, 200);
        let from = Instant::now();
        let path = format!("keys/{}", name(nth * LOT + 5));
        let (done, refused) = tokio::join!(
            operator.done(Method::DELETE, &path, Value::Null),
            until_refused(&server, key, from)
        );
        assert_eq!(done["state"], "revoked");
        ended.push(refused);
    }
    let ended = ended.into_iter().max().unwrap_or_default();
    let from = Instant::now();
    let out = binary::run(&folder.config(), &["key", "revoke", &name(5)]).await;
    assert!(out.status.success(), "{out:?}");
    let command = from.elapsed();
    let by_command = until_refused(&server, &first[0], Instant::now()).await;
    println!(
        "bar many keys ({}): {keys} keys in lots of {LOT}: {rate:.0} keys/s, a lot at most {} ms; a page \
         of 100 in {} ms; DELETE to 401 in at most {} ms; `key revoke` in {} ms and 401 {} ms later; a \
         request's p50 {} ms with one key, {} ms with {keys}; {} MiB resident",
        if optimized() { "optimized" } else { "not optimized" },
        ms(lots.into_iter().max().unwrap_or_default()),
        ms(page),
        ms(ended),
        ms(command),
        ms(by_command),
        ms(alone),
        ms(among),
        server.memory_kib() / 1_024,
    );
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    if optimized() {
        assert!(rate >= 1_000.0, "{rate} keys/s");
        assert!(page <= Duration::from_millis(20), "{page:?}");
        assert!(ended < Duration::from_secs(1), "{ended:?}");
    }
}
