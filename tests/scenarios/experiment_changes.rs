//! What becomes of experiments in one process is in force in every other on the same ledger, in seconds.

use std::{collections::BTreeMap, path::Path, time::Duration};

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::harness::{
    KEY, Reply, Setup, SimBackend, ask, binary::Server, clock::Clock, gateway::client,
    sim_backend::quick, streamed, wait, with,
};

/// Longer than it takes a process to see what another one has written.
const SEEN: Duration = Duration::from_secs(3);

const POLICY: &str = "version = \"1\"\n\
     [[experiment]]\nname = \"ab\"\nunit = \"user\"\nprimary = \"error\"\n\
     arms = [\n  { name = \"old\", share = 0.5, route = [\"good\"] },\n\
     \x20 { name = \"new\", share = 0.5, route = [\"other\"] },\n]\n\
     guard = { error_rate_max = 0.02, requests_min = 5 }\n\
     [[rule]]\nname = \"talk\"\nwhen = { operation = [\"chat\"] }\nroute = [\"good\"]\n\
     experiment = \"ab\"\n\
     [default]\nroute = [\"good\"]\n";

fn setup(good: &SimBackend, other: &[String]) -> Setup {
    Setup::new()
        .operated()
        .model("good", &good.urls())
        .model("other", other)
        .and("[policy]\nfile = \"policy.toml\"\n")
        .file("policy.toml", POLICY)
}

/// Writes a change into a ledger, as another process does.
fn write(ledger: &Path, change: &str, arm: Option<&str>, version: &Value) {
    let connection = Connection::open(ledger).expect("the ledger");
    let sql = "INSERT INTO experiment_change \
         (seq, id, at_ms, experiment, version, arm, change, reason, \"by\") \
         SELECT coalesce(max(seq), 0) + 1, 'other-' || count(*), 0, 'ab', ?, ?, ?, 'elsewhere', \
         'admin' FROM experiment_change";
    let version = version.as_str().expect("a version");
    connection.execute(sql, params![version, arm, change]).expect("a change");
}

#[tokio::test]
async fn what_another_process_writes_is_in_force_here_and_in_its_order() {
    let (good, other) = (SimBackend::start(), SimBackend::start());
    let gateway = setup(&good, &other.urls()).start().await;
    let one = async || gateway.operator("/admin/v1/experiments/ab").await.json();
    let arms = async || {
        let mut arms = BTreeMap::new();
        for user in 0..24 {
            let body = with(ask("auto"), json!({ "user": format!("u{user}") }));
            let reply = gateway.ask(&body).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            arms.insert(user, reply.header("x-signalbox-experiment").to_owned());
        }
        arms
    };
    let becomes = async |state: &str| {
        let clock = Clock::stop();
        clock.pass(SEEN).await;
        wait::answers("its state", json!(state), async || one().await["state"].clone()).await;
        clock.goes_on();
    };
    let first = arms().await;
    assert!(first.values().any(|arm| arm == "ab=new"), "{first:?}");
    let version = one().await["version"].clone();
    write(&gateway.ledger(), "stopped", None, &version);
    becomes("stopped").await;
    assert_eq!(one().await["stopped"]["reason"], "elsewhere");
    assert!(arms().await.values().all(String::is_empty), "nobody takes part");

    // The order in which they are written counts, and no clock: all of them are of the same moment.
    write(&gateway.ledger(), "rolled_back", Some("old"), &version);
    write(&gateway.ledger(), "resumed", None, &version);
    write(&gateway.ledger(), "rolled_back", Some("new"), &version);
    becomes("rolled_back").await;
    let without = |arm: &String| if arm == "ab=new" { String::new() } else { arm.clone() };
    let expected: BTreeMap<_, _> = first.iter().map(|(user, arm)| (*user, without(arm))).collect();
    assert_eq!(arms().await, expected);

    // Its own change is the same one when it is read, and what came before it does not come again.
    let url = format!("http://{}/admin/v1/experiments/ab/stop", gateway.admin_addr());
    let stop = client().post(url).bearer_auth(KEY).body(r#"{"reason": "here"}"#);
    assert_eq!(Reply::of(stop).await.json()["state"], "stopped");
    write(&gateway.ledger(), "rolled_back", Some("old"), &version);
    let clock = Clock::stop();
    clock.pass(SEEN).await;
    let also = async || one().await["arms"][0]["rolled_back"]["by"].clone();
    wait::answers("what was written after it", json!("admin"), also).await;
    clock.goes_on();
    let stopped = one().await;
    assert_eq!(
        (&stopped["state"], &stopped["stopped"]["reason"]),
        (&json!("stopped"), &json!("here"))
    );

    // Where another process resumes it, the evidence begins anew here as well.
    assert_ne!(stopped["arms"][0]["requests"], 0, "{stopped}");
    write(&gateway.ledger(), "resumed", None, &version);
    becomes("running").await;
    assert_eq!(one().await["arms"][0]["requests"], 0);
    assert_eq!(arms().await, first);
}

/// The requests that the process before ends after it has handed over may break a bound there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_by_the_process_that_handed_over_is_in_force_in_its_successor() {
    // Its streams take half a minute.
    let (good, other) = (SimBackend::start(), SimBackend::with(quick().fixed(0, 300, 100_000)));
    let folder = setup(&good, &other.urls()).server("drain_grace_ms = 100\n").write();
    let old = Server::start(&folder.config()).await;
    let arm = |answer: &reqwest::Response| answer.headers().get("x-signalbox-experiment").cloned();
    let mut streams = Vec::new();
    for user in 0..40 {
        let body = with(streamed("auto"), json!({ "user": format!("u{user}") }));
        let answer = old.post(&body).send().await.expect("a head");
        match arm(&answer).expect("an arm").to_str() {
            Ok("ab=new") => streams.push((user, answer)),
            _ => drop(answer.text().await.expect("a whole answer")),
        }
    }
    assert!(streams.len() > 8, "{}", streams.len());
    let new = Server::start(&folder.config()).await;
    let state = async || new.reply("/admin/v1/experiments/ab", KEY).await.json()["state"].clone();
    assert_eq!(state().await, "running");
    other.kill(0).await;
    wait::answers("the rollback", json!("rolled_back"), state).await;
    for (user, _) in &streams {
        let body = with(ask("auto"), json!({ "user": format!("u{user}") }));
        let answer = new.post(&body).send().await.expect("an answer");
        assert_eq!((answer.status().as_u16(), arm(&answer)), (200, None));
    }
    let told = |line: &Value| line["change"] == "rolled_back" && line["arm"] == "new";
    wait::until("a line in the log", || new.log().iter().any(told)).await;
    drop(streams);
    old.ended().await;
    new.terminate().await;
    assert_eq!(new.ended().await.code(), Some(0));
}
