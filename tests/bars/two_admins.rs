//! Many operators change one key at once: with `if-match` nothing of any is lost, and each change has its
//! record; without it the last one counts, and is named.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::Operator;
use crate::harness::{
    Setup, SimBackend,
    binary::{self, Server},
    gateway::Folder,
};

const ADMINS: usize = 50;

/// A field that each sixth operator changes.
fn field(nth: usize) -> Value {
    match nth % 6 {
        0 => json!({ "hints": false }),
        1 => json!({ "feedback": true }),
        2 => json!({ "priority": "batch" }),
        3 => json!({ "limits": { "concurrent": 40 } }),
        4 => json!({ "limits": { "requests_per_minute": 400 } }),
        _ => json!({ "models": ["good"] }),
    }
}

/// Reads, adds its number to what all share, changes a field of its own, and does so anew while another was
/// faster. Returns how often that was.
async fn add(operator: &Operator, nth: usize) -> usize {
    for refused in 0.. {
        let read = operator.asked((Method::GET, "keys/shared"), (&Value::Null, None)).await;
        let (_, version, it) = read.expect("an answer");
        let mut patch = field(nth);
        let owner = it["owner"].as_str().expect("a text");
        patch["owner"] = format!("{owner}{nth},").into();
        let asked = operator.asked((Method::PATCH, "keys/shared"), (&patch, Some(&version)));
        match asked.await.expect("an answer") {
            (200, ..) => return refused,
            (412, _, error) => {
                let said = error["error"]["message"].as_str().unwrap_or_default();
                assert!(said.contains("`admin`"), "the last writer is named: {said}");
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("never")
}

/// The records of the key: who has written each, and the fields after it.
fn records(folder: &Folder) -> Vec<(String, Value)> {
    let connection = Connection::open(folder.ledger()).expect("a ledger");
    let sql = "SELECT who, \"after\" FROM audit WHERE subject = 'shared' ORDER BY seq";
    let mut select = connection.prepare(sql).expect("a question");
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?));
    let rows = select.query_map([], row).expect("rows");
    let rows = rows.map(|row| row.expect("a row"));
    rows.map(|(who, after)| (who, serde_json::from_str(&after).expect("JSON"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_operators_at_once_lose_nothing_and_the_last_one_is_named() {
    let up = SimBackend::start();
    let folder = Setup::new().operated().model("good", &up.urls()).write();
    let server = Server::start(&folder.config()).await;
    let operator = Operator::at(server.admin_addr());
    operator.key(json!({ "name": "shared", "owner": ":" })).await;
    let refused = join_all((0..ADMINS).map(|nth| add(&operator, nth))).await;
    let it = operator.done(Method::GET, "keys/shared", Value::Null).await;
    let owner = it["owner"].as_str().expect("a text").trim_matches([':', ',']).to_owned();
    let there: BTreeSet<usize> = owner.split(',').map(|nth| nth.parse().expect("one")).collect();
    assert_eq!(there, (0..ADMINS).collect(), "what some have added is lost");
    assert_eq!(it["version"], json!(1 + ADMINS));
    let all = (0..6).map(field).fold(json!({}), |mut all, it| {
        for (name, value) in it.as_object().expect("an object") {
            match (all.get_mut(name).and_then(Value::as_object_mut), value.as_object()) {
                (Some(before), Some(more)) => before.extend(more.clone()),
                _ => all[name] = value.clone(),
            }
        }
        all
    });
    for (name, value) in all.as_object().expect("an object") {
        assert_eq!(&it[name], value, "{name}");
    }
    assert_eq!(records(&folder).len(), 1 + ADMINS, "each change has its record");

    // Whoever does not say what he has read: all are taken, one of them is the last.
    let patches = (0..ADMINS).map(|nth| json!({ "owner": format!("last {nth}") }));
    let patched = patches.map(|it| operator.done(Method::PATCH, "keys/shared", it));
    let config = folder.config();
    let command = binary::run(&config, &["key", "set", "shared", "--set", "owner=\"by command\""]);
    let (_, out) = tokio::join!(join_all(patched), command);
    assert!(out.status.success(), "{out:?}");
    let (who, after) = records(&folder).pop().expect("a record");
    let look = async || {
        let it = operator.done(Method::GET, "keys/shared", Value::Null).await;
        let same = it["version"] == json!(2 + 2 * ADMINS);
        if same { Ok(it) } else { Err(it) }
    };
    let it = crate::harness::wait::found("all changes in force", look).await;
    assert_eq!((&it["changed_by"], &it["owner"]), (&json!(who), &after["owner"]));
    assert_eq!(records(&folder).len(), 2 + 2 * ADMINS);
    println!(
        "bar two admins: {ADMINS} at once with if-match: none lost, {} tried anew, {} records of {} changes; \
         without it: {} changes, the last by {who}",
        refused.iter().sum::<usize>(),
        1 + ADMINS,
        1 + ADMINS,
        ADMINS + 1,
    );
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    let out = binary::run(&config, &["ledger", "verify"]).await;
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stdout));
}
