//! A server that is killed again and again while it serves and while keys are changed: what was accepted has
//! its entry, what was changed has its record, and nothing has either alone.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Operator, full};
use crate::harness::{
    KEY, Setup, SimBackend, ask,
    binary::{self, Server},
    gateway::client,
    streamed, wait,
};

/// Callers at once.
const CALLERS: usize = 4;

/// What is known of a key: how often it was changed, and whether one more change may or may not be there.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    changes: i64,
    unsure: bool,
    revoked: bool,
}

/// The keys of one who changes them, by name.
type Keys = BTreeMap<String, Known>;

/// Ids of accepted requests.
type Accepted = Arc<Mutex<Vec<String>>>;

/// Asks again and again, with the newest of these keys too, until the server is gone.
async fn load(url: String, keys: Arc<Mutex<Vec<String>>>, accepted: Accepted, nth: usize) {
    let client = client();
    for turn in nth.. {
        let body = if turn.is_multiple_of(2) { ask("good") } else { streamed("good") };
        let newest = keys.lock().unwrap().last().cloned();
        let key = newest.filter(|_| turn.is_multiple_of(3)).unwrap_or_else(|| KEY.into());
        let answer = client.post(&url).bearer_auth(key).body(body.to_string()).send().await;
        let Ok(answer) = answer else { return };
        if answer.status() == 200 {
            let id = answer.headers()["x-signalbox-id"].to_str().expect("text");
            accepted.lock().unwrap().push(id.to_owned());
        }
        if answer.bytes().await.is_err() {
            return;
        }
    }
}

/// What is done to a key next: it is made, changed twice and revoked.
fn next(known: Known) -> Option<(Method, Value)> {
    match known.changes {
        0 => Some((Method::POST, json!({}))),
        1 | 2 => Some((Method::PATCH, json!({ "owner": format!("change {}", known.changes) }))),
        3 if !known.revoked => Some((Method::DELETE, Value::Null)),
        _ => None,
    }
}

/// Changes keys by the operators' API, one after the other, until the server is gone.
async fn change(operator: Operator, mut keys: Keys, made: Arc<Mutex<Vec<String>>>) -> Keys {
    loop {
        let open = keys.iter().find(|(_, known)| next(**known).is_some());
        let name = open.map_or_else(|| format!("api-{}", keys.len()), |(name, _)| name.clone());
        let known = keys.get(&name).copied().unwrap_or_default();
        let Some((method, body)) = next(known) else { panic!("{known:?}") };
        let (path, body) = match method {
            Method::POST => (String::from("keys"), json!({ "name": name })),
            _ => (format!("keys/{name}"), body),
        };
        let revoked = method == Method::DELETE;
        let asked = operator.asked((method, &path), (&body, None)).await;
        let known = keys.entry(name).or_default();
        let Some((status, _, document)) = asked else {
            known.unsure = true;
            return keys;
        };
        assert!((200..300).contains(&status), "{path}: {status} {document}");
        *known = Known { changes: known.changes + 1, unsure: false, revoked };
        made.lock().unwrap().extend(document["key"].as_str().map(str::to_owned));
    }
}

/// Changes one key by commands, whatever becomes of the server.
async fn command(config: &Path, name: String) -> (String, Known) {
    let change = [&["key", "set", &name, "--set", "owner=\"x\""][..], &["key", "revoke", &name]];
    let mut known = Known::default();
    for arguments in [&["key", "create", "--name", &name][..], change[0], change[1]] {
        let out = binary::run(config, arguments).await;
        assert!(out.status.success(), "{arguments:?}: {out:?}");
        known.changes += 1;
    }
    (name, Known { revoked: true, ..known })
}

/// The keys of the store, with their versions, and with their records.
fn stored(ledger: &Path) -> [BTreeMap<String, i64>; 2] {
    let connection = Connection::open(ledger).expect("a ledger");
    let read = |sql: &str| {
        let mut select = connection.prepare(sql).expect("a question");
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        rows.collect::<Result<_, _>>().expect("they are read")
    };
    [
        read("SELECT name, version FROM managed WHERE kind = 'key'"),
        read("SELECT subject, count(*) FROM audit WHERE what LIKE 'key.%' GROUP BY subject"),
    ]
}

/// Holds what callers and operators were told against what is there; what was unsure is known afterwards.
fn judge(ledger: &Path, accepted: &[String], keys: &mut Keys) {
    let [versions, records] = stored(ledger);
    assert_eq!(versions, records, "each change has its record, and each record its change");
    for (name, known) in &mut *keys {
        let found = versions.get(name).copied().unwrap_or_default();
        let may = known.changes..=known.changes + i64::from(known.unsure);
        assert!(may.contains(&found), "{name}: {found} changes are there, told {known:?}");
        *known = Known { changes: found, unsure: false, revoked: found >= 4 || known.revoked };
    }
    assert_eq!(versions.len(), keys.values().filter(|it| it.changes > 0).count(), "nobody's keys");
    let connection = Connection::open(ledger).expect("a ledger");
    let count = "SELECT count(*) FROM ledger WHERE id = ?";
    let mut count = connection.prepare(count).expect("a question");
    for id in accepted {
        let entries: i64 = count.query_row([id], |row| row.get(0)).expect("a count");
        assert_eq!(entries, 1, "entries of the accepted request {id}");
    }
}

async fn verified(config: &Path) {
    let out = binary::run(config, &["ledger", "verify"]).await;
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stdout));
}

/// One life of a server under load: it ends by `kill -9` at any moment, but the same one in every run: after
/// so many accepted requests, and so many milliseconds more.
async fn life(config: &Path, round: usize, keys: &mut Keys) -> Vec<String> {
    let (requests, more) = (1 + round * 7_919 % 61, round as u64 * 31 % 17);
    let server = Server::start(config).await;
    let (accepted, made): (Accepted, Arc<Mutex<Vec<String>>>) = Default::default();
    let url = format!("http://{}/v1/chat/completions", server.addr());
    let mut loads = JoinSet::new();
    for nth in 0..CALLERS {
        loads.spawn(load(url.clone(), Arc::clone(&made), Arc::clone(&accepted), nth));
    }
    let by_api = keys.iter().filter(|(name, _)| name.starts_with("api-"));
    let by_api = by_api.map(|(name, known)| (name.clone(), *known)).collect();
    let changes = tokio::spawn(change(Operator::at(server.admin_addr()), by_api, made));
    let kill = async {
        wait::until("a load", || accepted.lock().unwrap().len() >= requests).await;
        tokio::time::sleep(Duration::from_millis(more)).await;
        server.kill().await;
    };
    let ((name, known), ()) = tokio::join!(command(config, format!("cli-{round}")), kill);
    keys.insert(name, known);
    keys.extend(changes.await.expect("a task"));
    loads.join_all().await;
    let accepted = accepted.lock().unwrap();
    accepted.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_killed_at_any_moment_has_lost_nothing_and_has_nothing_twice() {
    let rounds = if full() { 500 } else { 8 };
    let up = SimBackend::start();
    let folder = Setup::new().operated().model("good", &up.urls()).write();
    let (mut keys, mut accepted) = (Keys::new(), 0);
    for round in 0..rounds {
        let ids = life(&folder.config(), round, &mut keys).await;
        accepted += ids.len();
        // What was left open is found by the next one that starts.
        let server = Server::start(&folder.config()).await;
        verified(&folder.config()).await;
        judge(&folder.ledger(), &ids, &mut keys);
        server.kill().await;
    }
    let server = Server::start(&folder.config()).await;
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    verified(&folder.config()).await;
    let connection = Connection::open(folder.ledger()).expect("a ledger");
    let of =
        |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).expect("a count") };
    println!(
        "bar killed: {rounds} times kill -9 and a restart: {accepted} requests accepted, each with one \
         entry; {} entries, {} recovered; {} keys, {} changes, each with one record; verified after \
         each restart",
        of("SELECT count(*) FROM ledger"),
        of("SELECT count(*) FROM ledger WHERE state = 'recovered'"),
        keys.len(),
        keys.values().map(|it| it.changes).sum::<i64>(),
    );
}
