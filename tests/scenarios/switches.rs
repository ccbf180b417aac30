//! Models that are switched off and endpoints that are drained while the gateway serves: by the operators'
//! API and by commands beside it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
};

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::harness::{
    KEY, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    byte_backend::{ByteBackend, Step},
    gateway::{Folder, Gateway},
    manual_backend::{CONTENT, DONE, STREAM},
    streamed, wait,
};

const POLICY: &str = "version = \"1\"\n[default]\nroute = [\"lab/good\", \"other\"]\n";

fn setup(up: &SimBackend) -> Setup {
    Setup::new()
        .operated()
        .model("lab/good", &up.urls())
        .model("other", &up.urls())
        .and("[policy]\nfile = \"policy.toml\"\n")
        .file("policy.toml", POLICY)
}

/// What the operators' API answers.
async fn call(gateway: &Gateway, method: Method, path: &str, body: Value) -> Reply {
    let url = format!("http://{}/admin/v1/{path}", gateway.admin_addr());
    let request = gateway.client.request(method, url).bearer_auth(KEY);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Reply::of(request.body(body)).await
}

async fn switch(gateway: &Gateway, path: &str, reason: &str) -> Value {
    let body = if reason.is_empty() { Value::Null } else { json!({ "reason": reason }) };
    let reply = call(gateway, Method::POST, &format!("models/{path}"), body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn shown(gateway: &Gateway, id: &str) -> Value {
    call(gateway, Method::GET, &format!("models/{id}"), Value::Null).await.json()
}

/// What the audit trail says of switches, the oldest first.
async fn recorded(gateway: &Gateway) -> Vec<(String, String, String)> {
    let all = call(gateway, Method::GET, "audit", Value::Null).await.json();
    let text = |it: &Value, field: &str| it[field].as_str().expect("a text").to_owned();
    let all = all["records"].as_array().expect("records").iter();
    let all = all.map(|it| (text(it, "what"), text(it, "subject"), text(it, "reason")));
    all.filter(|(what, ..)| what.starts_with("model.") || what.starts_with("endpoint.")).collect()
}

#[tokio::test]
async fn a_model_is_switched_off_under_load_and_no_request_fails_that_has_another() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    let (ends, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let asks = |_| {
        let (client, url) = (gateway.client.clone(), gateway.url("/v1/chat/completions"));
        let (ends, asked) = (Arc::clone(&ends), Arc::clone(&asked));
        tokio::spawn(async move {
            while !ends.load(SeqCst) {
                let request = client.post(&url).bearer_auth(KEY).body(ask("auto").to_string());
                let reply = Reply::of(request).await;
                assert_eq!(reply.status, 200, "{}", reply.text());
                asked.fetch_add(1, SeqCst);
            }
        })
    };
    let callers: Vec<_> = (0..6).map(asks).collect();
    let more = async || {
        let until = asked.load(SeqCst) + 12;
        wait::until("some answers more", || asked.load(SeqCst) >= until).await;
    };
    more().await;
    let off = switch(&gateway, "lab%2Fgood/disable", "a bad build").await;
    assert_eq!(
        (&off["id"], &off["enabled"], &off["changed"], &off["by"], &off["reason"]),
        (&json!("lab/good"), &json!(false), &json!(true), &json!("admin"), &json!("a bad build"))
    );
    assert!(off["since"].is_string() && off["available"] == false, "{off}");
    let reply = gateway.ask(&ask("auto")).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "other"), "at once");
    more().await;
    switch(&gateway, "lab%2Fgood/enable", "").await;
    more().await;
    ends.store(true, SeqCst);
    for caller in join_all(callers).await {
        caller.expect("no request failed");
    }
    let reply = gateway.ask(&ask("auto")).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "lab/good"));
    gateway.close().await;
}

#[tokio::test]
async fn what_is_off_is_told_as_such_and_the_same_again_leaves_no_record() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    let off = ["lab%2Fgood/disable", "lab%2Fgood/disable", "other/disable"];
    let mut changed = Vec::new();
    for path in off {
        changed.push(switch(&gateway, path, "").await["changed"] == true);
    }
    assert_eq!(changed, [true, false, true]);
    let pin = gateway.ask(&ask("lab/good")).await;
    assert_eq!((pin.status, pin.json()["error"]["code"].as_str()), (503, Some("no_capacity")));
    assert!(pin.text().contains("the model `lab/good` is switched off"), "{}", pin.text());
    assert_eq!(pin.header("retry-after"), "1");
    let auto = gateway.ask(&ask("auto")).await;
    assert!(auto.status == 503 && auto.text().contains("other (switched off)"), "{}", auto.text());
    let request = gateway.client.post(gateway.url("/v1/route")).bearer_auth(KEY);
    let route = Reply::of(request.body(ask("auto").to_string())).await.json();
    assert_eq!(route["decision"]["skipped"][0]["reason"], "switched off", "{route}");
    let list = Reply::of(gateway.client.get(gateway.url("/v1/models")).bearer_auth(KEY)).await;
    assert!(!list.text().contains("lab/good") && list.text().contains("auto"), "{}", list.text());
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("signalbox_model_enabled", &[]), 0.0);
    assert_eq!(metrics.sum("signalbox_endpoint_up", &["model=\"other\""]), 1.0, "its health");
    assert_eq!(gateway.admin("/readyz").await.status, 200, "an operator's wish is no outage");

    let on = switch(&gateway, "lab%2Fgood/enable", "mended").await;
    assert_eq!((&on["enabled"], &on["changed"]), (&json!(true), &json!(true)));
    assert!(on.get("since").is_none(), "{on}");
    assert_eq!(switch(&gateway, "lab%2Fgood/enable", "").await["changed"], false);
    assert_eq!(gateway.ask(&ask("lab/good")).await.status, 200);
    assert_eq!(gateway.metrics().await.sum("signalbox_model_enabled", &[]), 1.0);
    let record = |what: &str, subject: &str, reason: &str| {
        (what.to_owned(), subject.to_owned(), reason.to_owned())
    };
    assert_eq!(
        recorded(&gateway).await,
        [
            record("model.disabled", "lab/good", ""),
            record("model.disabled", "other", ""),
            record("model.enabled", "lab/good", "mended"),
        ]
    );
    gateway.close().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_its_near_name_is_said() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    let rows = [
        (Method::POST, "models/othr/disable", 404, "did you mean `other`?"),
        (Method::POST, "models/othr/enable", 404, "did you mean `other`?"),
        (Method::GET, "models/othr", 404, "did you mean `other`?"),
        (Method::POST, "models/othr/endpoints/0/drain", 404, "did you mean `other`?"),
        (Method::POST, "models/other/endpoints/1/drain", 404, "expected a number from 0 to 0"),
        (Method::POST, "models/other/endpoints/-1/undrain", 404, "expected a number"),
        (Method::POST, "models/other/endpoints/%2B0/drain", 404, "expected a number"),
        (Method::POST, "models/other/endpoints/00/drain", 404, "expected a number"),
        (Method::POST, "models/other/endpoints/%200/drain", 404, "expected a number"),
        (Method::POST, "models/%FF/disable", 404, "there is no model"),
        (Method::GET, "models/other/disable", 405, "expected the method POST"),
    ];
    for (method, path, status, words) in rows {
        let reply = call(&gateway, method, path, Value::Null).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        assert!(reply.text().contains(words), "{path}: {}", reply.text());
    }
    for body in [json!({ "why": "x" }), json!({ "reason": 5 }), json!([])] {
        let reply = call(&gateway, Method::POST, "models/other/disable", body.clone()).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
    }
    let url = format!("http://{}/admin/v1/models/other/disable", gateway.admin_addr());
    assert_eq!(Reply::of(gateway.client.post(url)).await.status, 401);
    assert_eq!(shown(&gateway, "other").await["enabled"], true);
    assert!(recorded(&gateway).await.is_empty());
    gateway.close().await;
}

#[tokio::test]
async fn a_drained_endpoint_ends_what_it_has_and_gets_nothing_more() {
    let (release, held) = watch::channel(false);
    let first = format!("{STREAM}{CONTENT}").into_bytes();
    let last = format!("{CONTENT}{DONE}").into_bytes();
    let steps = vec![Step::Send(first), Step::Hold(held), Step::Send(last), Step::Close];
    let (slow, quick) = (ByteBackend::listing(vec![steps.into()]).await, SimBackend::start());
    let urls = [slow.urls(), quick.urls()].concat();
    let gateway = Setup::new().operated().model("m", &urls).start().await;
    switch(&gateway, "m/endpoints/1/drain", "").await;
    let mut answer = gateway.post(&streamed("m")).send().await.expect("a head");
    assert!(answer.chunk().await.expect("a chunk").is_some());
    switch(&gateway, "m/endpoints/1/undrain", "").await;
    let drained = switch(&gateway, "m/endpoints/0/drain", "a new driver").await;
    let endpoint = &drained["endpoints"][0];
    assert_eq!(
        (&endpoint["n"], &endpoint["drained"], &endpoint["up"], &endpoint["in_flight"]),
        (&json!(0), &json!(true), &json!(true), &json!(1)),
        "{drained}"
    );
    assert_eq!((&endpoint["by"], &endpoint["reason"]), (&json!("admin"), &json!("a new driver")));
    for _ in 0..8 {
        assert_eq!(gateway.ask(&ask("m")).await.status, 200);
    }
    assert_eq!(slow.requests(), 1, "nothing more begins there");
    assert_eq!(gateway.metrics().await.sum("signalbox_endpoint_drained", &[]), 1.0);
    release.send(true).expect("it is held");
    let mut rest = Vec::new();
    while let Some(chunk) = answer.chunk().await.expect("it is not cut") {
        rest.extend_from_slice(&chunk);
    }
    assert!(String::from_utf8_lossy(&rest).contains("[DONE]"), "what ran goes on to its end");

    switch(&gateway, "m/endpoints/1/drain", "").await;
    assert_eq!(shown(&gateway, "m").await["available"], false);
    let none = gateway.ask(&ask("m")).await;
    assert_eq!((none.status, none.json()["error"]["code"].as_str()), (503, Some("no_capacity")));
    assert_eq!(gateway.admin("/readyz").await.status, 200);

    // It is meant by its URL, wherever that stands in the list.
    switch(&gateway, "m/endpoints/1/undrain", "").await;
    let turned: Vec<String> = urls.iter().rev().cloned().collect();
    gateway.reload(&Setup::new().operated().model("m", &turned)).await;
    let endpoints = shown(&gateway, "m").await["endpoints"].clone();
    assert_eq!((&endpoints[0]["drained"], &endpoints[1]["drained"]), (&json!(false), &json!(true)));
    assert_eq!(gateway.ask(&ask("m")).await.status, 200);
    // What is gone from the list is no fault.
    gateway.reload(&Setup::new().operated().model("m", &quick.urls())).await;
    assert_eq!(gateway.ask(&ask("m")).await.status, 200);
    let url = slow.urls().remove(0);
    let subjects: Vec<String> = recorded(&gateway).await.into_iter().map(|it| it.1).collect();
    assert!(subjects.contains(&format!("m {url}")), "{subjects:?}");
    gateway.close().await;
}

async fn command(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String, String) {
    let out = binary::run(&folder.config(), arguments).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

#[tokio::test]
async fn commands_beside_a_server_are_followed_and_outlive_it() {
    let up = SimBackend::start();
    let folder = setup(&up).write();
    let server = Server::start(&folder.config()).await;
    let asks = async || Reply::of(server.post(&ask("lab/good"))).await.status;
    assert_eq!(asks().await, 200);
    let (done, _, said) =
        command(&folder, &["model", "disable", "lab/good", "--reason", "a bad build"]).await;
    assert_eq!((done, said.contains("is switched off")), (Some(0), true), "{said}");
    wait::answers("the switch", 503, async || asks().await).await;
    let (done, _, said) = command(&folder, &["model", "disable", "lab/good"]).await;
    assert_eq!((done, said.contains("as before")), (Some(0), true), "{said}");
    assert_eq!(command(&folder, &["endpoint", "drain", "other", "0"]).await.0, Some(0));
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));

    let server = Server::start(&folder.config()).await;
    let asks = async |model: &str| Reply::of(server.post(&ask(model))).await.status;
    assert_eq!(
        (asks("lab/good").await, asks("other").await),
        (503, 503),
        "it outlives the process"
    );
    let listed = command(&folder, &["model", "list", "--json"]).await.1;
    let first: Value = serde_json::from_str(listed.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&first["id"], &first["enabled"]), (&json!("lab/good"), &json!(false)), "{listed}");
    assert_eq!(first["reason"], "a bad build");
    let table = command(&folder, &["model", "list"]).await.1;
    assert!(table.contains("off") && table.contains("drained"), "{table}");
    let body = folder.0.join("request.json");
    std::fs::write(&body, ask("auto").to_string()).expect("a file");
    let explained = command(&folder, &["explain", &body.display().to_string()]).await.1;
    assert!(explained.contains("switched off"), "{explained}");
    for (arguments, words) in [
        (&["model", "enable", "lab/god"][..], "did you mean `lab/good`?"),
        (&["endpoint", "drain", "other", "7"], "expected a number from 0 to 0"),
    ] {
        let (done, _, said) = command(&folder, arguments).await;
        assert!(done == Some(2) && said.contains(words), "{done:?} {said}");
    }
    assert_eq!(command(&folder, &["model", "enable", "lab/good"]).await.0, Some(0));
    assert_eq!(command(&folder, &["endpoint", "undrain", "other", "0"]).await.0, Some(0));
    wait::answers("all of it", (200, 200), async || (asks("lab/good").await, asks("other").await))
        .await;
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    let (done, said, _) = command(&folder, &["ledger", "verify"]).await;
    assert_eq!(done, Some(0), "{said}");
}
