//! Another process holds a lock on the ledger's file: whoever changes something is told so by one deadline,
//! what closes something goes first, and what was refused is never written.

use std::{future::Future, time::Duration};

use http::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::Instant};

use crate::harness::{
    KEY, Reply, Setup, SimBackend,
    binary::run,
    clock::Clock,
    gateway::{Folder, Gateway},
    wait,
};

/// The deadline of a change, and what a machine with much else to do adds to it.
const DEADLINE: Duration = Duration::from_secs(5);
const SLACK: Duration = Duration::from_millis(500);
/// Changes that wait.
const MANY: usize = 6;

/// What closes something, each with the name of its record in the audit trail.
const CLOSING: [(&str, Method, &str); 3] = [
    ("key.revoked", Method::DELETE, "keys/leaked"),
    ("model.disabled", Method::POST, "models/other/disable"),
    ("endpoint.drained", Method::POST, "models/good/endpoints/0/drain"),
];

fn asked(
    gateway: &Gateway,
    (method, path): (Method, &str),
    body: &Value,
) -> impl Future<Output = Reply> + use<> {
    let url = format!("http://{}/admin/v1/{path}", gateway.admin_addr());
    let request = gateway.client.request(method, url).bearer_auth(KEY);
    Reply::of(request.body(body.to_string()))
}

/// Asks from now on; when it is answered, with how long that took.
fn timed(gateway: &Gateway, what: (Method, &str), body: &Value) -> JoinHandle<(Reply, Duration)> {
    let (answer, began) = (asked(gateway, what, body), Instant::now());
    tokio::spawn(async move { (answer.await, began.elapsed()) })
}

/// A gateway with the key `leaked`.
async fn started() -> (SimBackend, Gateway) {
    let up = SimBackend::start();
    let setup = Setup::new().operated().model("good", &up.urls()).model("other", &up.urls());
    let gateway = setup.start().await;
    let made = asked(&gateway, (Method::POST, "keys"), &json!({ "name": "leaked" })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    (up, gateway)
}

/// A connection that holds the file.
fn held(gateway: &Gateway) -> Connection {
    let other = Connection::open(gateway.ledger()).expect("a ledger");
    other.busy_timeout(DEADLINE).expect("a connection");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody else holds it for long");
    other
}

/// What the audit trail has, but what a start writes.
async fn records(gateway: &Gateway) -> Vec<String> {
    let trail = asked(gateway, (Method::GET, "audit"), &Value::Null).await.json();
    let records = trail["records"].as_array().expect("a list");
    let what = records.iter().map(|it| it["what"].as_str().expect("text").to_owned());
    what.filter(|it| ["key.", "model.", "endpoint."].iter().any(|of| it.starts_with(of))).collect()
}

/// Milliseconds since 1970 of a moment that a page has as text.
fn ms(at: &Value) -> i64 {
    let at: jiff::Timestamp = at.as_str().expect("text").parse().expect("a moment");
    at.as_millisecond()
}

/// Whether a server or a command had to wait for the lock: the record says when it was written, and so does
/// what was changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_for_a_lock_is_recorded_at_the_moment_at_which_it_is_written() {
    let (_up, gateway) = started().await;
    for name in ["by-server", "by-command"] {
        let other = held(&gateway);
        let began = jiff::Timestamp::now().as_millisecond();
        let made = if name == "by-server" {
            let answer = asked(&gateway, (Method::POST, "keys"), &json!({ "name": name }));
            tokio::spawn(async move { answer.await.status == 201 })
        } else {
            let config = gateway.ledger().with_file_name("signalbox.toml");
            let create = async move { run(&config, &["key", "create", "--name", name]).await };
            tokio::spawn(async move { create.await.status.success() })
        };
        let waited = || jiff::Timestamp::now().as_millisecond() - began > 1_200;
        wait::until("the change has waited for a while", waited).await;
        other.execute_batch("ROLLBACK").expect("let go of");
        assert!(made.await.expect("an end"), "{name}");
        let trail = asked(&gateway, (Method::GET, "audit"), &Value::Null).await.json();
        let records = trail["records"].as_array().expect("a list");
        assert!(records.is_sorted_by_key(|it| ms(&it["at"])), "{records:?}");
        let record = records.iter().find(|it| it["subject"] == name).expect("a record");
        assert!(ms(&record["at"]) - began > 700, "{record}");
        let sql = "SELECT changed_ms, created_ms FROM managed WHERE name = ?";
        let both = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let row = other.query_row(sql, [name], both).expect("the row");
        assert_eq!(row, (ms(&record["at"]), ms(&record["at"])), "{record}");
    }
}

#[tokio::test]
async fn whoever_changes_something_is_told_by_one_deadline_and_nothing_is_written_later() {
    let (_up, gateway) = started().await;
    let other = held(&gateway);
    let clock = Clock::stop();
    let mut answers: Vec<_> = (0..MANY)
        .map(|nth| {
            timed(&gateway, (Method::POST, "keys"), &json!({ "name": format!("late-{nth}") }))
        })
        .collect();
    clock.pass(Duration::from_secs(1)).await;
    for (_, method, path) in CLOSING {
        answers.push(timed(&gateway, (method, path), &json!({})));
    }
    clock.runs_until("all are told", || answers.iter().all(JoinHandle::is_finished)).await;
    for answer in answers {
        let (reply, took) = answer.await.expect("an answer");
        let told = reply.text();
        assert_eq!((reply.status, reply.header("retry-after")), (503, "5"), "{told}");
        assert!((DEADLINE - SLACK..DEADLINE + SLACK).contains(&took), "{took:?}: {told}");
        let file = gateway.ledger().display().to_string();
        for part in ["nothing was changed: ", &*file, "another process holds a lock", "end it"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    other.execute_batch("ROLLBACK").expect("it is held");
    clock.pass(2 * DEADLINE).await;
    assert_eq!(records(&gateway).await, ["key.created"], "what was refused is never written");
    let after = asked(&gateway, (Method::POST, "keys"), &json!({ "name": "late-0" })).await;
    assert_eq!(after.status, 201, "{}", after.text());
    clock.goes_on();
    gateway.close().await;
}

#[tokio::test]
async fn what_closes_something_goes_before_all_that_waits() {
    for (what, method, path) in CLOSING {
        let (_up, gateway) = started().await;
        let other = held(&gateway);
        let clock = Clock::stop();
        let mut answers: Vec<_> = (0..MANY)
            .map(|nth| {
                timed(&gateway, (Method::POST, "keys"), &json!({ "name": format!("new-{nth}") }))
            })
            .collect();
        clock.pass(Duration::from_secs(1)).await;
        answers.push(timed(&gateway, (method, path), &json!({})));
        clock.pass(Duration::from_secs(1)).await;
        other.execute_batch("ROLLBACK").expect("it is held");
        clock.runs_until("all are done", || answers.iter().all(JoinHandle::is_finished)).await;
        for answer in answers {
            let (reply, took) = answer.await.expect("an answer");
            assert!([200, 201].contains(&reply.status), "{}", reply.text());
            assert!(took < DEADLINE, "{took:?}");
        }
        let mut expected = vec!["key.created", what];
        expected.extend(["key.created"; MANY]);
        assert_eq!(records(&gateway).await, expected);
        clock.goes_on();
        gateway.close().await;
    }
}

/// The output of a command that fails, and its code.
async fn failing(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String) {
    let out = run(&folder.config(), arguments).await;
    let text = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    (out.status.code(), text.into_owned())
}

#[tokio::test]
async fn a_command_beside_says_which_file_is_locked_and_what_to_do() {
    let (_up, gateway) = started().await;
    let folder = gateway.stop().await;
    let other = Connection::open(folder.ledger()).expect("a ledger");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody holds it");
    let file = folder.ledger().display().to_string();
    let mut commands: Vec<Vec<&str>> = [
        &["key", "create", "--name", "late"][..],
        &["key", "revoke", "leaked"],
        &["model", "disable", "other"],
    ]
    .map(<[&str]>::to_vec)
    .into();
    let id = "0193dead-0000-7000-8000-000000000000";
    commands.push(vec!["ledger", "adjust", id, "--cost", "1", "--reason", "dear"]);
    for arguments in commands {
        let (code, told) = failing(&folder, &arguments).await;
        assert_eq!(code, Some(1), "{arguments:?}: {told}");
        for part in [&*file, "another process holds a lock on the ledger's file", "end it"] {
            assert!(told.contains(part), "{arguments:?}: {part}: {told}");
        }
        assert!(!told.contains("database is locked"), "{told}");
    }
    other.execute_batch("ROLLBACK").expect("it is held");
    let (code, told) = failing(&folder, &["ledger", "verify"]).await;
    assert_eq!(code, Some(0), "{told}");
    let (_, told) = failing(&folder, &["key", "list"]).await;
    assert!(told.contains("leaked") && !told.contains("late"), "{told}");
}

/// What is no ledger's file, and what is told of it.
fn no_files(folder: &Folder) -> [(String, &'static str); 3] {
    let at = |name: &str| folder.0.join(name).display().to_string();
    std::fs::create_dir(at("folder")).expect("a folder");
    std::fs::write(at("file"), "no ledger").expect("a file");
    [
        (at("folder"), "it is a folder: expected the ledger's file"),
        (at("file/ledger.db"), "it cannot be found: Not a directory"),
        (at("none.db"), "there is no such file"),
    ]
}

#[tokio::test]
async fn what_is_wrong_with_a_ledgers_path_is_told_with_the_path() {
    let up = SimBackend::start();
    let folder = Setup::new().operated().model("good", &up.urls()).write();
    let id = "0193dead-0000-7000-8000-000000000000";
    for (path, expected) in no_files(&folder) {
        for arguments in [
            &["ledger", "verify"][..],
            &["ledger", "backup", "copy.db"],
            &["ledger", "adjust", id, "--cost", "1", "--reason", "dear"],
            &["ledger", "--follow"],
            &["spend"],
            &["why", id],
            &["audit"],
        ] {
            let arguments = [arguments, &["--ledger", &path]].concat();
            let (code, told) = failing(&folder, &arguments).await;
            assert!(code.is_some_and(|it| it > 0), "{arguments:?}: {told}");
            let fits = told.contains(&path) && told.contains(expected);
            assert!(fits, "{arguments:?}: {expected}: {told}");
        }
    }
}
