//! Keys and teams that change while the gateway serves: by the operators' API, by commands beside it, and in
//! force within a second, on connections that are open too.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{
    KEY, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    gateway::{Folder, Gateway, client},
    wait,
};

fn setup(up: &SimBackend) -> Setup {
    Setup::new()
        .operated()
        .model("good", &up.urls())
        .model("other", &up.urls())
        .and("[[team]]\nname = \"bank\"\n")
}

/// What the operators' API answers.
async fn call(gateway: &Gateway, method: Method, path: &str, body: Value) -> Reply {
    call_if(gateway, (method, path), body, None).await
}

async fn call_if(
    gateway: &Gateway,
    (method, path): (Method, &str),
    body: Value,
    version: Option<&str>,
) -> Reply {
    let url = format!("http://{}/admin/v1/{path}", gateway.admin_addr());
    let request = gateway.client.request(method, url).bearer_auth(KEY);
    let request = match version {
        Some(version) => request.header("if-match", version),
        None => request,
    };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Reply::of(request.body(body)).await
}

/// The key of an answer.
fn key_of(reply: &Reply) -> String {
    reply.json()["key"].as_str().unwrap_or_else(|| panic!("no key: {}", reply.text())).to_owned()
}

async fn status(gateway: &Gateway, key: &str, model: &str) -> u16 {
    let request = gateway.client.post(gateway.url("/v1/chat/completions")).bearer_auth(key);
    Reply::of(request.body(ask(model).to_string())).await.status
}

fn code(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["error"]["code"].as_str().unwrap_or("-").to_owned())
}

#[tokio::test]
async fn a_key_lives_from_its_creation_to_its_end_on_one_connection() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    let fields =
        json!({ "name": "chat/bot-1", "team": "bank", "models": ["good"], "reason": "new" });
    let made = call(&gateway, Method::POST, "keys", fields.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let (first, it) = (key_of(&made), made.json());
    assert!(first.starts_with("sk-sb-") && first.len() >= 40, "160 bits at the least");
    assert_eq!(
        (&it["source"], &it["state"], &it["version"]),
        (&json!("store"), &json!("active"), &json!(1))
    );
    assert_eq!(it["created_by"], "admin");
    assert_eq!(status(&gateway, &first, "good").await, 200);
    assert_eq!(status(&gateway, &first, "other").await, 403);
    let again = call(&gateway, Method::POST, "keys", fields).await;
    assert_eq!(code(&again), (409, "name_taken".into()));

    let path = "keys/chat%2Fbot-1";
    let changed = call(&gateway, Method::PATCH, path, json!({ "models": ["other"] })).await;
    assert_eq!(
        (changed.status, &changed.json()["version"]),
        (200, &json!(2)),
        "{}",
        changed.text()
    );
    assert_eq!(status(&gateway, &first, "good").await, 403);
    assert_eq!(status(&gateway, &first, "other").await, 200);
    let late =
        call_if(&gateway, (Method::PATCH, path), json!({ "hints": false }), Some("\"1\"")).await;
    assert_eq!(code(&late), (412, "version_differs".into()));
    assert!(late.text().contains("`admin`"), "the last writer is named: {}", late.text());

    let rotated = call(&gateway, Method::POST, &format!("{path}/rotate"), Value::Null).await;
    let second = key_of(&rotated);
    assert!(rotated.json()["previous_until"].is_string(), "{}", rotated.text());
    for key in [&first, &second] {
        assert_eq!(status(&gateway, key, "other").await, 200, "both open for a while");
    }
    // Whoever rotates once more is told what ends by it, whatever overlap he means.
    for overlap in [json!({}), json!({ "overlap_seconds": 0 }), json!({ "end_overlap": false })] {
        let told = call(&gateway, Method::POST, &format!("{path}/rotate"), overlap).await;
        assert_eq!(code(&told), (409, "overlap_runs".into()), "{}", told.text());
        let until = rotated.json()["previous_until"].as_str().expect("a moment").to_owned();
        assert!(told.text().contains(&until), "{}", told.text());
    }
    assert_eq!(status(&gateway, &first, "other").await, 200, "nothing has ended");
    let at_once = json!({ "overlap_seconds": 0, "end_overlap": true });
    let third = key_of(&call(&gateway, Method::POST, &format!("{path}/rotate"), at_once).await);
    for (key, expected) in [(&first, 401), (&second, 401), (&third, 200)] {
        assert_eq!(status(&gateway, key, "other").await, expected);
    }
    let shown = call(&gateway, Method::GET, path, Value::Null).await;
    assert!(shown.json()["last_used_at"].is_string(), "{}", shown.text());

    revoked_for_good(&gateway, path, [&first, &second, &third]).await;
    gateway.close().await;
}

/// Revokes the key: the last of its secrets opens nothing, and none of them is shown or kept anywhere.
async fn revoked_for_good(gateway: &Gateway, path: &str, secrets: [&String; 3]) {
    let revoked = call(gateway, Method::DELETE, path, json!({ "reason": "leaked" })).await;
    assert_eq!((revoked.status, &revoked.json()["state"]), (200, &json!("revoked")));
    assert_eq!(status(gateway, secrets[2], "other").await, 401);
    let shown = [revoked.text(), call(gateway, Method::GET, "keys", Value::Null).await.text()];
    for secret in secrets {
        assert!(shown.iter().all(|it| !it.contains(secret.as_str())), "{shown:?}");
    }
    let records = call(gateway, Method::GET, "audit", Value::Null).await.json();
    let what: Vec<&str> = records["records"]
        .as_array()
        .expect("records")
        .iter()
        .filter(|it| it["subject"] == "chat/bot-1")
        .map(|it| it["what"].as_str().expect("a text"))
        .collect();
    assert_eq!(what, ["key.created", "key.changed", "key.rotated", "key.rotated", "key.revoked"]);
}

/// A body, where it is sent, and the status, code and field of what is told.
type Wrong = (Value, &'static str, u16, &'static str, &'static str);

#[rustfmt::skip]
fn wrong_fields() -> Vec<Wrong> {
    let over = "2020-01-31T00:00:00Z";
    let alerts = json!([0.5, 0.9, 0.8]);
    let key = |name: &str, field: &str, value: Value| json!({ "name": name, field: value });
    let taken = |name: &str| json!({ "name": name });
    vec![
        (json!({}), "keys", 400, "missing_field", "name"),
        (json!({ "name": 5 }), "keys", 400, "invalid_value", "name"),
        (json!({ "name": "a b" }), "keys", 400, "invalid_value", "name"),
        (key("a", "colour", json!(1)), "keys", 400, "invalid_value", "colour"),
        (key("a", "team", json!("bnak")), "keys", 400, "invalid_value", "team"),
        (key("a.team", "team", json!("bnak")), "keys", 400, "invalid_value", "team"),
        (key("a", "models", json!(["god"])), "keys", 400, "invalid_value", "models[0]"),
        (key("a", "models", json!([null])), "keys", 400, "invalid_value", "models"),
        (key("a", "secret", json!("env:HOME")), "keys", 400, "invalid_value", "secret"),
        (key("a", "hash", json!("x")), "keys", 400, "invalid_value", "hash"),
        (key("a", "expires", json!(over)), "keys", 400, "invalid_value", "expires"),
        (key("a", "budget", json!({ "amount": "-1" })), "keys", 400, "invalid_value", "budget.amount"),
        (
            key("a", "budget", json!([{ "amount": "1", "alerts": alerts }])),
            "keys", 400, "invalid_value", "budget[0].alerts[2]",
        ),
        (key("t", "parent", json!("t")), "teams", 400, "invalid_value", "parent"),
        (taken("scenario"), "keys", 409, "name_taken", "name"),
        (taken("bank"), "teams", 409, "name_taken", "name"),
        (json!([]), "keys", 400, "invalid_body", "-"),
    ]
}

#[rustfmt::skip]
fn wrong_imports() -> Vec<Wrong> {
    let second = |key: Value| json!({ "keys": [{ "name": "b" }, key] });
    let budget = json!([{ "amount": "x" }]);
    let of = |key: Value, code, param| (second(key), "key-import", 400, code, param);
    vec![
        (json!({ "keys": [] }), "key-import", 400, "invalid_value", "keys"),
        of(json!({ "hash": "x" }), "missing_field", "keys[1].name"),
        of(json!({ "name": "c", "hash": "x" }), "invalid_value", "keys[1].hash"),
        of(json!({ "name": "c.d", "budget": budget }), "invalid_value", "keys[1].budget[0].amount"),
        of(json!({ "name": "c", "models": [null] }), "invalid_value", "keys[1].models"),
        of(json!({ "name": "c", "secret": "env:HOME" }), "invalid_value", "keys[1].secret"),
        (second(json!({ "name": "scenario" })), "key-import", 409, "name_taken", "keys[1].name"),
    ]
}

#[tokio::test]
async fn what_cannot_be_so_is_told_with_its_field_and_changes_nothing() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    for (body, path, status, expected, param) in wrong_fields().into_iter().chain(wrong_imports()) {
        let reply = call(&gateway, Method::POST, path, body.clone()).await;
        assert_eq!(code(&reply), (status, expected.into()), "{body}: {}", reply.text());
        assert_eq!(
            reply.json()["error"]["param"].as_str().unwrap_or("-"),
            param,
            "{}",
            reply.text()
        );
        assert!(!reply.text().contains("store."), "a path of the store: {}", reply.text());
    }
    let in_file = call(&gateway, Method::DELETE, "keys/scenario", Value::Null).await;
    assert_eq!(code(&in_file), (409, "stands_in_file".into()));
    let absent = call(&gateway, Method::PATCH, "teams/gone", json!({})).await;
    assert_eq!(code(&absent), (404, "not_found".into()));
    assert_eq!(call(&gateway, Method::GET, "keys?limit=0", Value::Null).await.status, 400);
    let all = call(&gateway, Method::GET, "keys", Value::Null).await.json();
    assert_eq!(all["keys"].as_array().map(Vec::len), Some(1), "{all}");
    assert_eq!(all["keys"][0]["source"], "file");
    assert_eq!(
        Reply::of(gateway.client.get(format!("http://{}/admin/v1/keys", gateway.admin_addr())))
            .await
            .status,
        401
    );
    gateway.close().await;
}

#[tokio::test]
async fn a_secret_belongs_to_one_key_for_good() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    let hash_of = async |name: &str, state: &str| {
        let page = call(&gateway, Method::GET, &format!("keys?hashes=true{state}"), Value::Null)
            .await
            .json();
        let keys = page["keys"].as_array().unwrap_or_else(|| panic!("{page}")).clone();
        keys.into_iter().find(|it| it["name"] == name).expect("a key")
    };
    let import = async |key: Value| {
        call(&gateway, Method::POST, "key-import", json!({ "keys": [key] })).await
    };
    let first = key_of(&call(&gateway, Method::POST, "keys", json!({ "name": "a" })).await);
    let before = hash_of("a", "").await;
    let again = |name: &str| json!({ "name": name, "hash": before["hash"] });
    assert_eq!(import(again("b")).await.status, 400, "it is that of a key in force");
    let rotated = call(&gateway, Method::POST, "keys/a/rotate", json!({})).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    let second = key_of(&rotated);
    assert_eq!(code(&import(again("b")).await), (409, "hash_taken".into()));
    assert_eq!(call(&gateway, Method::DELETE, "keys/a", Value::Null).await.status, 200);
    assert_eq!(code(&import(again("b")).await), (409, "hash_taken".into()));
    let mut revoked = hash_of("a", "&state=revoked").await;
    revoked["name"] = "c".into();
    assert_eq!(code(&import(revoked.clone()).await), (400, "invalid_value".into()));
    revoked.as_object_mut().expect("an object").remove("state");
    assert_eq!(code(&import(revoked).await), (409, "hash_taken".into()));
    for key in [first, second] {
        assert_eq!(status(&gateway, &key, "good").await, 401);
    }
}

#[tokio::test]
async fn every_change_heeds_the_version_that_is_meant_and_names_can_be_asked_for() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    assert_eq!(call(&gateway, Method::POST, "keys", json!({ "name": "a" })).await.status, 201);
    assert_eq!(call(&gateway, Method::POST, "teams", json!({ "name": "t" })).await.status, 201);
    for (method, path) in [
        (Method::PUT, "teams/t"),
        (Method::PATCH, "teams/t"),
        (Method::DELETE, "teams/t"),
        (Method::PATCH, "keys/a"),
        (Method::POST, "keys/a/rotate"),
        (Method::DELETE, "keys/a"),
        (Method::PUT, "teams/new"),
    ] {
        let late = call_if(&gateway, (method.clone(), path), Value::Null, Some("\"7\"")).await;
        assert_eq!(code(&late), (412, "version_differs".into()), "{method} {path}");
        let none = call_if(&gateway, (method.clone(), path), Value::Null, Some("zz")).await;
        assert_eq!(code(&none), (400, "invalid_header".into()), "{method} {path}");
    }
    for kind in ["keys", "teams"] {
        for name in ["", ".", ".."] {
            let made = call(&gateway, Method::POST, kind, json!({ "name": name })).await;
            assert_eq!(code(&made), (400, "invalid_value".into()), "{kind} {name:?}");
        }
        let path = format!("{kind}/%ff");
        assert_eq!(call(&gateway, Method::GET, &path, Value::Null).await.status, 404);
    }
    assert_eq!(call(&gateway, Method::PUT, "teams/%ff", json!({})).await.status, 400);
    assert_eq!(call(&gateway, Method::PUT, "teams/t", json!({ "owner": "x" })).await.status, 200);
}

#[tokio::test]
async fn a_teams_budget_is_raised_while_it_runs_and_a_team_in_use_stays() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    let least = json!({ "amount": "0.000000001", "window": "day" });
    let tight = json!({ "name": "cards", "parent": "bank", "budget": least });
    assert_eq!(call(&gateway, Method::POST, "teams", tight).await.status, 201);
    let key = key_of(
        &call(&gateway, Method::POST, "keys", json!({ "name": "a", "team": "cards" })).await,
    );
    assert_eq!(status(&gateway, &key, "good").await, 429);
    let raised = json!({ "budget": { "amount": "100", "window": "day" } });
    assert_eq!(call(&gateway, Method::PATCH, "teams/cards", raised).await.status, 200);
    assert_eq!(status(&gateway, &key, "good").await, 200);
    let used = call(&gateway, Method::DELETE, "teams/cards", Value::Null).await;
    assert_eq!(code(&used), (409, "team_in_use".into()), "{}", used.text());
    assert!(used.text().contains("in use by 1 key (`a`): give them"), "{}", used.text());
    call(&gateway, Method::PATCH, "keys/a", json!({ "team": "bank" })).await;
    assert_eq!(call(&gateway, Method::DELETE, "teams/cards", Value::Null).await.status, 204);
    assert_eq!(call(&gateway, Method::GET, "teams/cards", Value::Null).await.status, 404);
    gateway.close().await;
}

#[tokio::test]
async fn a_change_that_changes_nothing_leaves_version_and_trail_as_they_are() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    let budget = json!({ "amount": "5", "window": "day" });
    let fields = json!({ "name": "a", "team": "bank", "budget": budget, "models": ["good"] });
    assert_eq!(call(&gateway, Method::POST, "keys", fields).await.status, 201);
    let team = json!({ "name": "t", "limits": { "concurrent": 2 } });
    assert_eq!(call(&gateway, Method::POST, "teams", team).await.status, 201);
    let records = async || {
        let all = call(&gateway, Method::GET, "audit", Value::Null).await.json();
        all["records"].as_array().expect("records").len()
    };
    let before = records().await;
    let put = json!({ "limits": { "concurrent": 2 }, "tags": null });
    for (method, path, body) in [
        (Method::PATCH, "keys/a", Value::Null),
        (Method::PATCH, "keys/a", json!({})),
        (Method::PATCH, "keys/a", json!({ "reason": "none" })),
        (Method::PATCH, "keys/a", json!({ "team": "bank", "owner": null })),
        (Method::PATCH, "keys/a", json!({ "budget": budget, "limits": {} })),
        (Method::PATCH, "keys/a", json!({ "budget": [{ "amount": "5.00", "window": "day" }] })),
        (Method::PATCH, "keys/a", json!({ "tags": [], "hints": true, "feedback": false })),
        (Method::PATCH, "teams/t", json!({ "tags": [] })),
        (Method::PATCH, "teams/t", json!({ "models": ["*"] })),
        (Method::PATCH, "teams/t", json!({ "budget": [] })),
        (Method::PATCH, "teams/t", json!({ "limits": { "concurrent": 2 } })),
        (Method::PUT, "teams/t", put),
    ] {
        let same = call_if(&gateway, (method.clone(), path), body.clone(), Some("\"1\"")).await;
        let it = same.json();
        assert_eq!((same.status, &it["version"]), (200, &json!(1)), "{method} {path} {body}: {it}");
    }
    for (method, path, body, field) in [
        (Method::PATCH, "keys/a", json!({ "bugdet": null }), "bugdet"),
        (Method::PATCH, "teams/t", json!({ "limits": { "concurent": null } }), "limits.concurent"),
        (Method::PATCH, "keys/a", json!({ "budget": { "windw": null } }), "budget.windw"),
        (Method::PATCH, "keys/a", json!({ "limit": {} }), "limit"),
        (Method::PUT, "teams/t", json!({ "modles": null }), "modles"),
        (Method::POST, "keys", json!({ "name": "b", "exprires": null }), "exprires"),
    ] {
        let told = call(&gateway, method, path, body).await;
        assert_eq!(code(&told), (400, "invalid_value".into()), "{field}: {}", told.text());
        assert_eq!(told.json()["error"]["param"], *field, "{}", told.text());
        assert!(told.text().contains("did you mean `"), "{}", told.text());
    }
    assert_eq!(call(&gateway, Method::DELETE, "keys/a", Value::Null).await.status, 200);
    assert_eq!(records().await, before + 1);
    let again = call(&gateway, Method::DELETE, "keys/a", Value::Null).await;
    assert_eq!((again.status, &again.json()["version"]), (200, &json!(2)), "{}", again.text());
    for (method, path) in [(Method::PATCH, "keys/a"), (Method::POST, "keys/a/rotate")] {
        let ended = call(&gateway, method, path, json!({})).await;
        assert_eq!(code(&ended), (409, "key_revoked".into()));
        let told = "the key `a` is revoked; nothing of it can be changed";
        assert_eq!(ended.json()["error"]["message"], told);
    }
    assert_eq!(records().await, before + 1);
    gateway.close().await;
}

#[tokio::test]
async fn no_key_is_given_an_end_that_is_over_but_one_that_has_ended_is_imported() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    let past = "2020-01-31T00:00:00Z";
    assert_eq!(call(&gateway, Method::POST, "keys", json!({ "name": "a" })).await.status, 201);
    let told = call(&gateway, Method::PATCH, "keys/a", json!({ "expires": past })).await;
    assert_eq!(code(&told), (400, "invalid_value".into()), "{}", told.text());
    let said = told.json()["error"]["message"].as_str().expect("a message").to_owned();
    assert!(said.starts_with(&format!("expires: found `{past}`, and it is ")), "{said}");
    let digits = "ab".repeat(32);
    let key = json!({ "name": "old", "hash": format!("hmac-sha256:{digits}"), "expires": past });
    let import = json!({ "keys": [key] });
    assert_eq!(call(&gateway, Method::POST, "key-import", import).await.status, 201);
    let old = call(&gateway, Method::GET, "keys/old", Value::Null).await.json();
    assert_eq!((&old["state"], &old["expires"]), (&json!("expired"), &json!(past)));
    // What is over stays so while something else is changed, and may begin anew.
    for patch in [json!({ "hints": false }), json!({ "expires": "2999-01-31T00:00:00Z" })] {
        assert_eq!(call(&gateway, Method::PATCH, "keys/old", patch).await.status, 200);
    }
    gateway.close().await;
}

#[tokio::test]
async fn a_team_in_use_is_told_with_how_many_use_it_and_which() {
    let up = SimBackend::start();
    let file = "[[key]]\nname = \"old\"\nteam = \"bank\"\nsecret = \"file:old.key\"\n";
    let gateway = setup(&up).and(file).file("old.key", "key-of-old-0123456789").start().await;
    assert_eq!(call(&gateway, Method::POST, "teams", json!({ "name": "t" })).await.status, 201);
    let bank = call(&gateway, Method::DELETE, "teams/bank", Value::Null).await;
    assert_eq!(code(&bank), (409, "stands_in_file".into()));
    for name in ["k1", "k2", "k3", "k4"] {
        let key = json!({ "name": name, "team": "t" });
        assert_eq!(call(&gateway, Method::POST, "keys", key).await.status, 201);
    }
    let below = json!({ "name": "t/low", "parent": "t" });
    assert_eq!(call(&gateway, Method::POST, "teams", below).await.status, 201);
    let used = call(&gateway, Method::DELETE, "teams/t", Value::Null).await;
    assert_eq!(code(&used), (409, "team_in_use".into()));
    assert_eq!(
        used.json()["error"]["message"],
        "the team `t` is in use by 4 keys (`k1`, `k2`, `k3` …) and 1 team below it (`t/low`): give them \
         another one first"
    );
    // A key that is revoked uses none.
    for name in ["k1", "k2", "k3", "k4"] {
        let path = format!("keys/{name}");
        assert_eq!(call(&gateway, Method::DELETE, &path, Value::Null).await.status, 200);
    }
    assert_eq!(call(&gateway, Method::DELETE, "teams/t%2Flow", Value::Null).await.status, 204);
    assert_eq!(call(&gateway, Method::DELETE, "teams/t", Value::Null).await.status, 204);
    // `default` is a team without being written down, and so never in use.
    let default = json!({ "name": "default", "limits": { "concurrent": 9 } });
    assert_eq!(call(&gateway, Method::POST, "teams", default).await.status, 201);
    assert_eq!(call(&gateway, Method::DELETE, "teams/default", Value::Null).await.status, 204);
    gateway.close().await;
}

async fn command(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String, String) {
    let out = binary::run(&folder.config(), arguments).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

#[tokio::test]
async fn a_command_says_a_field_once_and_keeps_a_name() {
    let up = SimBackend::start();
    let folder = setup(&up).write();
    for made in [["key", "create", "--name", "a"], ["team", "set", "cards", "--concurrent=5"]] {
        assert_eq!(command(&folder, &made).await.0, Some(0), "{made:?}");
    }
    let mut wrong: Vec<(i32, &str, String)> = Vec::new();
    for of in ["key set a", "team set cards", "team set new"] {
        for (field, options) in [
            ("budget", "--budget 7 --unset budget"),
            ("budget", "--budget 5 --set budget=[]"),
            ("hints", "--set hints=true --unset hints"),
            ("hints", "--set hints=true --set hints=false"),
            ("limits", "--concurrent 5 --unset limits"),
        ] {
            wrong.push((64, field, format!("{of} {options}")));
        }
        wrong.push((2, "name", format!("{of} --set name=\"b\"")));
    }
    for (code, field, line) in [
        (64, "team", "key set a --team bank --unset team"),
        (64, "expires", "key set a --expires 9d --unset expires"),
        (64, "parent", "team set cards --parent bank --set parent=\"bank\""),
        (64, "team", "key create --name b --team bank --set team=\"bank\""),
        (2, "name", "key create --name b --set name=\"c\""),
        (2, "bugdet", "key set a --unset bugdet"),
        (2, "bugdet", "team set cards --unset bugdet"),
        (2, "bugdet", "team set new --unset bugdet"),
        (64, "90d at the most", "key rotate a --overlap 1000d"),
    ] {
        wrong.push((code, field, line.to_owned()));
    }
    for (code, field, line) in wrong {
        let words: Vec<&str> = line.split(' ').collect();
        let (done, out, said) = command(&folder, &words).await;
        assert_eq!((done, &*out), (Some(code), ""), "{line}: {said}");
        assert!(said.contains(field), "{line}: {said}");
    }
    // Nothing of it has left anything behind.
    let audit = command(&folder, &["audit"]).await.1;
    assert_eq!(audit.lines().filter(|it| it.contains("  cli:")).count(), 2, "{audit}");

    let first = command(&folder, &["key", "rotate", "a", "--overlap", "90d"]).await;
    assert_eq!(first.0, Some(0), "{}", first.2);
    let again = command(&folder, &["key", "rotate", "a"]).await;
    assert_eq!((again.0, &*again.1), (Some(2), ""), "{}", again.2);
    assert!(again.2.contains("--end-overlap"), "{}", again.2);
    let ended = command(&folder, &["key", "rotate", "a", "--end-overlap"]).await;
    assert!(ended.0 == Some(0) && ended.1.starts_with("sk-sb-"), "{}", ended.2);
}

#[tokio::test]
async fn commands_beside_a_server_are_in_force_there_and_outlive_it() {
    let up = SimBackend::start();
    let folder = setup(&up).write();
    let (done, key, said) = command(
        &folder,
        &["key", "create", "--name", "a", "--team", "bank", "--budget", "50/month"],
    )
    .await;
    assert_eq!(done, Some(0), "{said}");
    let server = Server::start(&folder.config()).await;
    let asks = async |key: &str| Reply::of(server.post_with(key, &ask("good"))).await.status;
    assert_eq!(asks(&key).await, 200, "made before there was a server");
    let (_, second, _) = command(&folder, &["key", "rotate", "a", "--overlap", "0s"]).await;
    wait::answers("the new key", 200, async || asks(&second).await).await;
    assert_eq!(asks(&key).await, 401);
    let (_, exported, _) = command(&folder, &["key", "export"]).await;
    assert!(
        exported.contains("\"hash\":\"hmac-sha256:") && !exported.contains(&second),
        "{exported}"
    );
    assert_eq!(command(&folder, &["key", "revoke", "a", "--reason", "gone"]).await.0, Some(0));
    wait::answers("the revocation", 401, async || asks(&second).await).await;
    let listed = command(&folder, &["key", "list"]).await.1;
    assert!(listed.contains("revoked") && listed.contains("scenario"), "{listed}");
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));

    // On another ledger with the same pepper the export is the same keys.
    let exported = exported.replace("\"name\":\"a\"", "\"name\":\"b\"");
    std::fs::write(folder.0.join("keys.jsonl"), exported).expect("a file");
    let file = folder.0.join("keys.jsonl").display().to_string();
    let (done, _, said) = command(&folder, &["key", "import", &file]).await;
    assert_eq!(done, Some(2), "here it was revoked");
    assert!(said.contains("that of the key `a`, which was revoked"), "{said}");
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", folder.ledger().display()));
    }
    let (done, _, said) = command(&folder, &["key", "import", &file]).await;
    assert_eq!(done, Some(0), "{said}");
    let revoked = "{\"name\":\"g\",\"state\":\"revoked\"}\n";
    std::fs::write(folder.0.join("revoked.jsonl"), revoked).expect("a file");
    let file = folder.0.join("revoked.jsonl").display().to_string();
    let (done, _, said) = command(&folder, &["key", "import", &file]).await;
    assert_eq!(done, Some(2), "{said}");
    assert!(said.contains("line 1: `state`: found a key that was revoked"), "{said}");
    let two_lines = ["key", "create", "--name", "f", "--reason", "x\"\n99  by root"];
    let (done, _, said) = command(&folder, &two_lines).await;
    assert_eq!(done, Some(64), "{said}");
    assert!(said.contains("characters on one line"), "{said}");
    let server = Server::start(&folder.config()).await;
    assert_eq!(Reply::of(server.post_with(&second, &ask("good"))).await.status, 200);
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    let (done, said, _) = command(&folder, &["ledger", "verify"]).await;
    assert_eq!(done, Some(0), "{said}");
}

#[tokio::test]
async fn a_name_in_file_and_store_is_a_fault_and_what_is_in_force_stays() {
    let up = SimBackend::start();
    let folder = setup(&up).write();
    command(&folder, &["key", "create", "--name", "twice"]).await;
    let before = std::fs::read_to_string(folder.config()).expect("a file");
    let more = "[[key]]\nname = \"twice\"\nsecret = \"file:caller.key\"\n";
    std::fs::write(folder.config(), format!("{before}{more}")).expect("a file");
    let (done, _, said) = command(&folder, &["check"]).await;
    assert_eq!(done, Some(2));
    assert!(
        said.contains("store.key.twice: found the name of a key of the file as well"),
        "{said}"
    );
    // What stands in the way can be taken out of it.
    std::fs::write(folder.config(), before.replace("bank", "bnak")).expect("a file");
    command(&folder, &["key", "create", "--name", "c", "--team", "bnak"]).await;
    std::fs::write(folder.config(), &before).expect("a file");
    assert_eq!(command(&folder, &["check"]).await.0, Some(2), "its team is gone");
    assert_eq!(command(&folder, &["key", "revoke", "c"]).await.0, Some(0));
    assert_eq!(command(&folder, &["check"]).await.0, Some(0));
}

#[tokio::test]
async fn an_operator_who_vanishes_leaves_whole_changes() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    let url = format!("http://{}/admin/v1/keys", gateway.admin_addr());
    for nth in 0..8 {
        let body = json!({ "name": format!("k{nth}"), "budget": { "amount": "1" } }).to_string();
        let request = client().post(&url).bearer_auth(KEY).body(body).send();
        // He is gone before the answer, and his connection with him.
        tokio::select! {
            biased;
            () = crate::harness::clock::settle() => {}
            _ = request => {}
        }
    }
    // Whatever was written is in force, with its one record.
    let made = call(&gateway, Method::POST, "keys", json!({ "name": "last" })).await;
    assert_eq!(status(&gateway, &key_of(&made), "good").await, 200);
    let all = call(&gateway, Method::GET, "keys", Value::Null).await.json();
    let stored = all["keys"].as_array().expect("keys").iter().filter(|it| it["source"] == "store");
    let records = call(&gateway, Method::GET, "audit", Value::Null).await.json();
    let made = records["records"].as_array().expect("records").iter();
    assert_eq!(made.filter(|it| it["what"] == "key.created").count(), stored.count());
    gateway.close().await;
}
