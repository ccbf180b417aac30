//! How long a key that is revoked under load still opens, on connections that are open already.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::{Operator, ms};
use crate::harness::{
    Setup, SimBackend, ask,
    binary::{self, Server},
    gateway::client,
    wait,
};

/// Connections that are kept, each asked so often.
const CONNECTIONS: usize = 8;
const EVERY: Duration = Duration::from_millis(40);
/// The key is ended once so many requests were answered.
const BEFORE: usize = 400;
/// How long a connection goes on after the first refusal: a late acceptance would be seen.
const AFTER: Duration = Duration::from_millis(1_500);

/// What a key was told, and when the head of it came.
type Told = (Instant, u16);

/// One who asks over one connection.
#[derive(Clone)]
struct Caller {
    client: reqwest::Client,
    url: Arc<str>,
    key: Arc<str>,
    /// Requests that were answered, of all callers.
    answered: Arc<AtomicUsize>,
}

/// Asks over one connection until the key has been refused for a while.
async fn ask_on(Caller { client, url, key, answered }: Caller) -> Vec<Told> {
    let (began, body) = (Instant::now(), ask("good").to_string());
    let mut beat = interval(EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut told, mut refused) = (Vec::new(), None::<Instant>);
    while refused.is_none_or(|at| at.elapsed() < AFTER) {
        beat.tick().await;
        assert!(began.elapsed() < Duration::from_secs(60), "nobody has revoked it");
        let answer = client.post(&*url).bearer_auth(&key).body(body.clone()).send().await;
        let answer = answer.expect("an answer");
        let status = answer.status().as_u16();
        told.push((Instant::now(), status));
        answered.fetch_add(1, Relaxed);
        assert!(answer.bytes().await.is_ok());
        if status != 200 {
            assert_eq!(status, 401);
            refused.get_or_insert_with(Instant::now);
        }
    }
    told
}

/// When the last answer came that the key had opened, after a moment.
fn last_accepted(told: &[Told], after: Instant) -> Duration {
    let accepted = told.iter().filter(|(_, status)| *status == 200).map(|(at, _)| *at);
    accepted.max().map_or(Duration::ZERO, |at| at.saturating_duration_since(after))
}

/// Loads a key, ends it by this, and says when that began and when it was done.
async fn ended(
    server: &Server,
    key: &str,
    end: impl Future<Output = ()>,
) -> (Vec<Told>, Instant, Instant) {
    let caller = Caller {
        client: client(),
        url: format!("http://{}/v1/chat/completions", server.addr()).into(),
        key: key.into(),
        answered: Arc::default(),
    };
    let answered = Arc::clone(&caller.answered);
    let loads = (0..CONNECTIONS).map(|_| tokio::spawn(ask_on(caller.clone())));
    let loads = join_all(loads.collect::<Vec<_>>());
    let end = async {
        wait::until("a load", || answered.load(Relaxed) >= BEFORE).await;
        let from = Instant::now();
        end.await;
        (from, Instant::now())
    };
    let (told, (from, until)) = tokio::join!(loads, end);
    let told = told.into_iter().flat_map(|it| it.expect("a task")).collect();
    (told, from, until)
}

fn say(by: &str, (told, from, until): &(Vec<Told>, Instant, Instant)) -> [Duration; 2] {
    // Without those of the first connections.
    let second = Duration::from_secs(1);
    let before = told.iter().filter(|(at, _)| at < from && *at + second >= *from).count();
    let last = [last_accepted(told, *from), last_accepted(told, *until)];
    println!(
        "bar revocation: by {by}, at {before} requests/s on {CONNECTIONS} kept connections: it returned \
         after {} ms; the last request was accepted {} ms after it began, {} ms after it returned",
        ms(until.duration_since(*from)),
        ms(last[0]),
        ms(last[1]),
    );
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_revoked_under_load_opens_nothing_after_a_second() {
    let up = SimBackend::start();
    let folder = Setup::new().operated().model("good", &up.urls()).write();
    let server = Server::start(&folder.config()).await;
    let operator = Operator::at(server.admin_addr());
    let key = operator.key(json!({ "name": "a" })).await;
    let end = async {
        operator.done(Method::DELETE, "keys/a", Value::Null).await;
    };
    let [from_begin, _] = say("DELETE /admin/v1/keys/NAME", &ended(&server, &key, end).await);
    assert!(from_begin <= Duration::from_secs(1), "{from_begin:?}");

    let key = operator.key(json!({ "name": "b" })).await;
    let config = folder.config();
    let end = async {
        let out = binary::run(&config, &["key", "revoke", "b"]).await;
        assert!(out.status.success(), "{out:?}");
    };
    // A command has first to start, and to read the configuration.
    let [_, from_return] = say("signalbox key revoke", &ended(&server, &key, end).await);
    assert!(from_return <= Duration::from_secs(1), "{from_return:?}");
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
}
