//! Tags that an administrator gives keys and teams: every request has them, and no caller overwrites them.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Gateway, KEY, Reply, Setup, SimBackend, ask, binary};

const POLICY: &str = "version = \"v\"\n[default]\nroute = [\"a\"]\n\
     [[rule]]\nname = \"loans\"\nwhen = { tag = [\"project=loans\"] }\nroute = [\"b\"]\n\
     [[rule]]\nname = \"desk\"\nwhen = { tag = [\"desk=fx\"] }\nroute = [\"b\"]\n";

fn setup(up: &SimBackend, key: &str, team: &str) -> Setup {
    Setup::new()
        .model("a", &up.urls())
        .model("b", &up.urls())
        .and("[policy]\nfile = \"policy.toml\"\n")
        .file("policy.toml", POLICY)
        .key(&format!("team = \"cards\"\n{key}"))
        .and(&format!(
            "[[team]]\nname = \"bank\"\ntags = [\"env=prod\"]\n\
             [[team]]\nname = \"cards\"\nparent = \"bank\"\n{team}"
        ))
}

async fn asked(gateway: &Gateway, path: &str, tags: &str) -> Reply {
    let request = gateway.client.post(gateway.url(path)).bearer_auth(KEY);
    let request = if tags.is_empty() { request } else { request.header("x-signalbox-tags", tags) };
    Reply::of(request.body(ask("auto").to_string())).await
}

#[tokio::test]
async fn rules_go_by_the_tags_of_key_and_teams_whatever_the_caller_says() {
    let up = SimBackend::start();
    let (key, team) = ("tags = [\"project=loans\"]\n", "tags = [\"project=x\", \"floor=3\"]\n");
    let gateway = setup(&up, key, team).start().await;
    for (tags, expected) in [
        ("", json!({ "project": "loans", "floor": "3", "env": "prod" })),
        (
            "project=other,env=dev,desk=fx",
            json!({ "project": "loans", "floor": "3", "env": "prod", "desk": "fx" }),
        ),
    ] {
        let route = asked(&gateway, "/v1/route", tags).await.json();
        assert_eq!(route["decision"]["rule"], "loans", "{route}");
        assert_eq!(route["signals"]["tags"], expected, "{route}");
        let reply = asked(&gateway, "/v1/chat/completions", tags).await;
        let served = (reply.status, reply.header("x-signalbox-rule"));
        assert_eq!(served, (200, "loans"), "{}", reply.text());
        let books = Connection::open(gateway.ledger()).expect("a ledger");
        let sql = "SELECT tags FROM ledger ORDER BY id DESC LIMIT 1";
        let kept: String = books.query_row(sql, [], |row| row.get(0)).expect("an entry");
        assert_eq!(serde_json::from_str::<Value>(&kept).expect("JSON"), expected);
    }
    // Without the key's own, its team's holds, and a reload brings it.
    gateway.reload(&setup(&up, "", team)).await;
    let route = asked(&gateway, "/v1/route", "project=loans,desk=fx").await.json();
    assert_eq!(route["decision"]["rule"], "desk", "{route}");
    gateway.reload(&setup(&up, "", "")).await;
    let route = asked(&gateway, "/v1/route", "project=loans").await.json();
    assert_eq!(route["decision"]["rule"], "loans", "{route}");
    assert_eq!(route["signals"]["tags"], json!({ "project": "loans", "env": "prod" }));
    gateway.close().await;
}

#[tokio::test]
async fn explain_says_them() {
    let up = SimBackend::start();
    let folder = setup(&up, "tags = [\"project=loans\"]\n", "").write();
    let body = ask("auto").to_string();
    let out = binary::run_with(&folder.config(), &["explain"], &[], body.as_bytes()).await;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.contains(", tags project=loans, env=prod\n"), "{said}");
}
