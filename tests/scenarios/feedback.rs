//! What callers tell of answers: from whom it is taken, until when, and what of it is kept.

use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{
    KEY, Reply, Setup, SimBackend, ask,
    binary::Server,
    gateway::{Gateway, client},
    streamed, with,
};

const SAME: &str = "sk-same-0123456789abcdef0123456789abcdef012";
const SPEAKS: &str = "sk-speaks-0123456789abcdef0123456789abcdef0";
const OTHER: &str = "sk-other-0123456789abcdef0123456789abcdef01";

/// Everybody is in an experiment of one model under two names.
const POLICY: &str = "[default]\nroute = [\"a\"]\n\
     [[rule]]\nname = \"chat\"\nwhen = { operation = [\"chat\"] }\nroute = [\"a\"]\n\
     experiment = \"ab\"\n\
     [[experiment]]\nname = \"ab\"\nunit = \"request\"\nprimary = \"success\"\n\
     arms = [{ name = \"old\", share = 0.5, route = [\"a\"] }, \
             { name = \"new\", share = 0.5, route = [\"a\"] }]\n";

/// A team of three keys, one of which speaks for it, and a team above it with a key that speaks too.
fn setup(backend: &SimBackend) -> Setup {
    let key = |name: &str, lines: &str| {
        format!("[[key]]\nname = \"{name}\"\nsecret = \"file:{name}.key\"\n{lines}\n")
    };
    let keys = [
        "[[team]]\nname = \"bank\"\n[[team]]\nname = \"cards\"\nparent = \"bank\"\n".to_owned(),
        "[policy]\nfile = \"policy.toml\"\n".to_owned(),
        key("same", "team = \"cards\""),
        key("speaks", "team = \"cards\"\nfeedback = true"),
        key("other", "team = \"bank\"\nfeedback = true"),
    ];
    Setup::new()
        .operated()
        .model("a", &backend.urls())
        .and(&keys.concat())
        .key("team = \"cards\"\n")
        .file("policy.toml", POLICY)
        .file("same.key", SAME)
        .file("speaks.key", SPEAKS)
        .file("other.key", OTHER)
}

async fn tell(gateway: &Gateway, key: &str, body: String) -> Reply {
    tell_at(&gateway.url("/v1/feedback"), key, body).await
}

async fn tell_at(url: &str, key: &str, body: String) -> Reply {
    Reply::of(client().post(url).bearer_auth(key).body(body)).await
}

fn value(id: &str, name: &str, value: Value) -> String {
    json!({ "request_id": id, "name": name, "value": value }).to_string()
}

/// Asks `auto`; the answer's id.
async fn asked(gateway: &Gateway) -> String {
    let reply = gateway.ask(&ask("auto")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-signalbox-id").to_owned()
}

fn told(ledger: &Path) -> Vec<(String, String, f64, String)> {
    let connection = Connection::open(ledger).expect("the ledger");
    let view = "SELECT id, name, value, \"key\" FROM feedback ORDER BY id, name";
    let mut select = connection.prepare(view).expect("the view");
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    select.query_map([], row).expect("rows").collect::<Result<_, _>>().expect("rows")
}

fn comments(gateway: &Gateway) -> Vec<Option<String>> {
    let connection = Connection::open(gateway.ledger()).expect("the ledger");
    let table = "SELECT comment FROM feedback_value ORDER BY id, name";
    let mut select = connection.prepare(table).expect("the table");
    select.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("rows")
}

fn wrong(reply: &Reply) -> (u16, String, String) {
    let error = &reply.json()["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (reply.status, text("code"), text("param"))
}

#[tokio::test]
async fn the_last_value_counts_and_only_of_a_request_of_ones_own_key_or_team() {
    let backend = SimBackend::start();
    let gateway = setup(&backend).start().await;
    let id = asked(&gateway).await;
    for (key, sent, status) in [
        (KEY, json!(true), 202),
        (KEY, json!(0.25), 202),
        (SAME, json!(1), 404),
        (SPEAKS, json!(false), 202),
        (OTHER, json!(1), 404),
        ("sk-nobody", json!(1), 401),
    ] {
        let reply = tell(&gateway, key, value(&id, "success", sent)).await;
        assert_eq!(reply.status, status, "{key}: {}", reply.text());
        if status == 404 {
            assert_eq!(wrong(&reply), (404, "request_not_found".into(), "request_id".into()));
        }
    }
    assert_eq!(told(&gateway.ledger()), [(id.clone(), "success".into(), 0.0, "speaks".into())]);
    let unmentioned = tell(&gateway, KEY, value(&id, "stars", json!(5))).await;
    assert_eq!(unmentioned.status, 202);
    assert_eq!(unmentioned.json(), json!({ "request_id": id, "name": "stars" }));
    let metrics = gateway.metrics().await;
    let counted = |name: &str| {
        let name = format!("name=\"{name}\"");
        metrics.sum("signalbox_feedback_total", &["experiment=\"ab\"", &name])
    };
    assert_eq!((counted("success"), counted("other"), counted("stars")), (3.0, 1.0, 0.0));
    let books = gateway.close().await;
    assert!(books.verification.faults.is_empty());
}

#[tokio::test]
async fn what_is_no_feedback_is_refused_by_its_field() {
    let backend = SimBackend::start();
    let gateway = setup(&backend).start().await;
    let id = asked(&gateway).await;
    let unknown = "019b7c4a-0000-7000-8000-00000000abcd";
    let body = |fields: Value| with(json!({ "request_id": id, "name": "a", "value": 1 }), fields);
    for (body, status, code, param) in [
        (body(json!({ "request_id": unknown })), 404, "request_not_found", "request_id"),
        (body(json!({ "request_id": "nobody" })), 404, "request_not_found", "request_id"),
        (body(json!({ "request_id": 7 })), 400, "invalid_type", "request_id"),
        (json!({ "request_id": id, "name": "a" }), 400, "missing_required_parameter", "value"),
        (body(json!({ "value": "yes" })), 400, "invalid_type", "value"),
        (body(json!({ "value": 1e300 })), 400, "invalid_value", "value"),
        (body(json!({ "name": "A" })), 400, "invalid_value", "name"),
        (body(json!({ "comment": "x".repeat(2_001) })), 400, "invalid_value", "comment"),
        (body(json!({ "score": 1 })), 400, "unsupported_parameter", "score"),
        (json!([1]), 400, "invalid_type", ""),
    ] {
        let reply = tell(&gateway, KEY, body.to_string()).await;
        assert_eq!(wrong(&reply), (status, code.into(), param.into()), "{body}");
    }
    let large = body(json!({ "comment": "x".repeat(20_000) })).to_string();
    assert_eq!(tell(&gateway, KEY, large).await.status, 413);
    let get = gateway.client.get(gateway.url("/v1/feedback")).bearer_auth(KEY);
    assert_eq!(Reply::of(get).await.status, 405);
    assert_eq!(told(&gateway.ledger()), []);
    // So many names a request, and no more; one that is there may still change.
    for at in 0..32 {
        let sent = tell(&gateway, KEY, value(&id, &format!("n{at}"), json!(at))).await;
        assert_eq!(sent.status, 202, "{}", sent.text());
    }
    let more = tell(&gateway, KEY, value(&id, "one.more", json!(1))).await;
    assert_eq!(wrong(&more), (400, "invalid_value".into(), "name".into()));
    assert_eq!(tell(&gateway, KEY, value(&id, "n7", json!(70))).await.status, 202);
    gateway.close().await;
}

/// A request that is still being answered has an entry: something may be told of it.
#[tokio::test]
async fn values_are_taken_while_the_answer_runs_and_comments_where_they_are_kept() {
    let backend = SimBackend::start();
    let setup = |lines: &str| setup(&backend).and(lines);
    let gateway = setup("").start().await;
    let answer = gateway.post(&streamed("auto")).send().await.expect("a head");
    let id = answer.headers()["x-signalbox-id"].to_str().expect("text").to_owned();
    let body = json!({ "request_id": id, "name": "a", "value": true, "comment": "so so" });
    assert_eq!(tell(&gateway, KEY, body.to_string()).await.status, 202);
    assert_eq!(comments(&gateway), [None]);
    drop(answer);
    gateway.reload(&setup("[feedback]\ncomments = true\n")).await;
    assert_eq!(tell(&gateway, KEY, body.to_string()).await.status, 202);
    assert_eq!(comments(&gateway), [Some("so so".to_owned())]);
    gateway.close().await;
}

#[tokio::test]
async fn what_is_told_late_is_refused_and_what_was_told_stays_over_a_crash() {
    let backend = SimBackend::start();
    let folder = setup(&backend).ledger("retention_days = 36500\n").write();
    let server = Server::start(&folder.config()).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let reply = Reply::of(server.post(&ask("auto"))).await;
        ids.push(reply.header("x-signalbox-id").to_owned());
    }
    let (id, late) = (&ids[0], &ids[1]);
    let url = |server: &Server| format!("http://{}/v1/feedback", server.addr());
    let sent = tell_at(&url(&server), KEY, value(id, "success", json!(true))).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
    server.kill().await;
    // As if the second one had come in long ago.
    let connection = Connection::open(folder.ledger()).expect("the ledger");
    let aged = "UPDATE entry SET started_at = '2020-01-01T00:00:00.000Z' WHERE id = ?";
    assert_eq!(connection.execute(aged, [late]), Ok(1));
    drop(connection);
    let server = Server::start(&folder.config()).await;
    let kept = |value| [(id.clone(), "success".to_owned(), value, "scenario".to_owned())];
    assert_eq!(told(&folder.ledger()), kept(1.0));
    let at = url(&server);
    let reply = tell_at(&at, KEY, value(late, "success", json!(true))).await;
    assert_eq!(wrong(&reply), (400, "feedback_too_late".into(), "request_id".into()));
    let foreign = tell_at(&at, OTHER, value(late, "success", json!(true))).await;
    assert_eq!(foreign.status, 404, "it is not said that it was there");
    assert_eq!(tell_at(&at, KEY, value(id, "success", json!(false))).await.status, 202);
    assert_eq!(told(&folder.ledger()), kept(0.0));
}

/// As it is written, byte for byte: what no JSON library would write.
#[tokio::test]
async fn absurd_values_are_refused_and_nothing_of_them_is_kept() {
    let backend = SimBackend::start();
    let gateway = setup(&backend).start().await;
    let id = asked(&gateway).await;
    let long = "n".repeat(41);
    for (rest, code, param) in [
        (r#""name":"a","value":NaN"#, "invalid_json", ""),
        (r#""name":"a","value":Infinity"#, "invalid_json", ""),
        (r#""name":"a","value":1e999"#, "invalid_value", "value"),
        (r#""name":"a","value":-1e999"#, "invalid_value", "value"),
        (r#""name":"a","value":"1""#, "invalid_type", "value"),
        (r#""name":"a","value":{"is":1}"#, "invalid_type", "value"),
        (r#""name":"a","value":[true]"#, "invalid_type", "value"),
        (r#""name":"a","value":null"#, "invalid_type", "value"),
        (r#""name":"a","value":1,"value":1"#, "unsupported_parameter", "value"),
        (r#""name":"a","name":"b","value":1"#, "unsupported_parameter", "name"),
        (r#""name":"","value":1"#, "invalid_value", "name"),
        (r#""name":"a b","value":1"#, "invalid_value", "name"),
        (r#""name":"a\u0000","value":1"#, "invalid_value", "name"),
        (r#""name":"\ud800","value":1"#, "invalid_type", "name"),
        (&*format!(r#""name":"{long}","value":1"#), "invalid_value", "name"),
        (r#""name":"a","value":1,"comment":5"#, "invalid_type", "comment"),
        (r#""name":"a","value":1"} x"#, "invalid_json", ""),
    ] {
        let reply = tell(&gateway, KEY, format!(r#"{{"request_id":"{id}",{rest}}}"#)).await;
        assert_eq!(wrong(&reply), (400, code.into(), param.into()), "{rest}: {}", reply.text());
    }
    for body in ["", "null", "7", "\"x\"", "{}", "{\"request_id\""] {
        assert_eq!(tell(&gateway, KEY, body.to_owned()).await.status, 400, "{body}");
    }
    assert_eq!(told(&gateway.ledger()), []);
    gateway.close().await;
}

/// A request in no experiment may be told of, and counts for none.
#[tokio::test]
async fn a_value_of_a_request_without_an_arm_is_kept_and_counts_for_no_arm() {
    let backend = SimBackend::start();
    let by_user = POLICY.replace("unit = \"request\"", "unit = \"user\"");
    let gateway = setup(&backend).file("policy.toml", &by_user).start().await;
    let id = asked(&gateway).await;
    assert_eq!(tell(&gateway, KEY, value(&id, "success", json!(0.5))).await.status, 202);
    assert_eq!(told(&gateway.ledger()), [(id, "success".into(), 0.5, "scenario".into())]);
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("signalbox_feedback_total", &[]), 0.0);
    gateway.close().await;
}

/// Each of many values told of one request at once takes the place of the one before: none is a request more.
#[tokio::test]
async fn many_values_of_one_request_at_once_are_one_for_the_guard_and_the_last_one_counts() {
    let backend = SimBackend::start();
    let guarded =
        format!("{POLICY}guard = {{ feedback_min = {{ success = 0.9 }}, requests_min = 1 }}\n");
    let gateway = setup(&backend).file("policy.toml", &guarded).start().await;
    let answer = gateway.ask(&ask("auto")).await;
    let id = answer.header("x-signalbox-id").to_owned();
    let told_once = (0..60).map(|_| tell(&gateway, KEY, value(&id, "success", json!(false))));
    let replies = futures_util::future::join_all(told_once).await;
    assert!(replies.iter().all(|it| it.status == 202));
    let it = gateway.operator("/admin/v1/experiments/ab").await.json();
    assert_eq!(it["state"], "running", "{it}");
    let arm = usize::from(answer.header("x-signalbox-experiment") == "ab=new");
    let guard = async || {
        let it = gateway.operator("/admin/v1/experiments/ab").await.json();
        it["arms"][arm]["guard"][0].clone()
    };
    assert_eq!(guard().await["value"], 0.0);
    assert!(guard().await["evidence"].as_f64().is_some_and(|it| it < 20.0), "{}", guard().await);
    assert_eq!(tell(&gateway, KEY, value(&id, "success", json!(1))).await.status, 202);
    assert_eq!(guard().await["value"], 1.0);
    assert_eq!(told(&gateway.ledger()).len(), 1);
    gateway.close().await;
}
