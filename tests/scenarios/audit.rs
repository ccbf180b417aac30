//! Who changed what: every change leaves a record, and nobody bends the trail unseen.

use serde_json::{Value, json};

use crate::harness::{
    KEY, Reply, Setup, SimBackend,
    binary::{self, Server},
    gateway::{Folder, client},
    wait,
};

const POLICY: &str = "version = \"1\"\n\
     [[experiment]]\nname = \"ab\"\nunit = \"user\"\nprimary = \"error\"\n\
     arms = [\n  { name = \"old\", share = 0.5, route = [\"good\"] },\n\
     \x20 { name = \"new\", share = 0.5, route = [\"other\"] },\n]\n\
     [[rule]]\nname = \"talk\"\nwhen = { operation = [\"chat\"] }\nroute = [\"good\"]\n\
     experiment = \"ab\"\n\
     [default]\nroute = [\"good\"]\n";

fn setup(up: &SimBackend, policy: &str) -> Setup {
    Setup::new()
        .operated()
        .model("good", &up.urls())
        .model("other", &up.urls())
        .and("[policy]\nfile = \"policy.toml\"\n")
        .file("policy.toml", policy)
}

/// What verifying says, and its exit code.
async fn verify(folder: &Folder) -> (Option<i32>, String) {
    let out = binary::run(&folder.config(), &["ledger", "verify"]).await;
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Column by column, what the records of a page say.
fn column(records: &[Value], name: &str) -> Vec<String> {
    records.iter().map(|it| it[name].as_str().unwrap_or("-").to_owned()).collect()
}

/// The whole trail, in pages of two records.
async fn all(server: &Server) -> Vec<Value> {
    let (mut records, mut after) = (Vec::new(), 0);
    loop {
        let path = format!("/admin/v1/audit?after={after}&limit=2");
        let page = server.reply(&path, KEY).await.json();
        records.extend(page["records"].as_array().expect("records").clone());
        match page["next"].as_i64() {
            Some(next) => after = next,
            None => return records,
        }
    }
}

/// The end has signed the trail, and its export says the same as its pages, and no secret.
async fn exported(folder: &Folder, records: &[Value]) {
    let (code, said) = verify(folder).await;
    assert_eq!(code, Some(0), "{said}");
    let key = binary::run(&folder.config(), &["audit", "--key"]).await;
    let key = String::from_utf8(key.stdout).expect("a text");
    assert_eq!(records[0]["after"]["public_key"], key.trim());
    assert!(said.contains(&format!("signed up to record 6 by the key {}", key.trim())), "{said}");
    let export = binary::run(&folder.config(), &["audit", "--json"]).await;
    let export = String::from_utf8(export.stdout).expect("a text");
    let lines: Vec<Value> =
        export.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (last, before) = lines.split_last().expect("records");
    assert_eq!(before, records);
    assert_eq!((&last["what"], &last["who"]), (&json!("access.refused"), &json!("(operators)")));
    for secret in [KEY, &std::fs::read_to_string(folder.0.join("audit.key")).expect("a key")] {
        assert!(!export.contains(secret), "{export}");
    }
}

#[tokio::test]
async fn changes_are_in_the_trail_and_a_byte_of_it_that_is_flipped_is_named() {
    let up = SimBackend::start();
    let folder = setup(&up, POLICY).write();
    let server = Server::start(&folder.config()).await;
    let url = format!("http://{}/admin/v1/experiments/ab/stop", server.admin_addr());
    let stop = client().post(url).bearer_auth(KEY).body(r#"{"reason": "too dear"}"#);
    assert_eq!(Reply::of(stop).await.json()["state"], "stopped");
    let policy = POLICY.replace("version = \"1\"", "version = \"2\"");
    std::fs::write(folder.0.join("policy.toml"), policy).expect("a file");
    let last = async || {
        let records = server.reply("/admin/v1/audit?since=1h", KEY).await.json();
        records["records"].as_array().and_then(|it| it.last()?["what"].as_str().map(str::to_owned))
    };
    wait::answers("the reload", Some("policy.changed".to_owned()), last).await;

    let records = all(&server).await;
    let what = [
        "audit.key_changed",
        "config.loaded",
        "experiment.stopped",
        "config.reloaded",
        "policy.changed",
    ];
    assert_eq!(column(&records, "what"), what);
    assert_eq!(column(&records, "who"), ["gateway", "gateway", "admin", "file", "file"]);
    assert_eq!((&records[2]["subject"], &records[2]["reason"]), (&json!("ab"), &json!("too dear")));
    let [before, after] = ["before", "after"].map(|it| records[4][it]["policy_version"].clone());
    assert_eq!((before, after), (json!("1"), json!("2")));
    for (record, before) in records[1..].iter().zip(&records) {
        assert_eq!(record["prev"], before["hash"], "{record}");
    }
    assert_eq!(server.reply("/admin/v1/audit", "no").await.status, 401);
    let wrong = server.reply("/admin/v1/audit?limit=0", KEY).await;
    assert_eq!((wrong.status, &wrong.json()["error"]["param"]), (400, &json!("limit")));
    let head = "signalbox_audit_head{chain=\"ledger\"} 5";
    let head_is = async || server.page("/metrics", KEY).await.lines().any(|line| line == head);
    wait::answers("the head", true, head_is).await;
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));

    exported(&folder, &records).await;
    let mut bytes = std::fs::read(folder.ledger()).expect("a ledger");
    let at = bytes.windows(18).position(|it| it == b"experiment.stopped").expect("the record");
    bytes[at] ^= 1;
    std::fs::write(folder.ledger(), bytes).expect("a file");
    let (code, said) = verify(&folder).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.starts_with("audit record 3 is not as it was written\n"), "{said}");
}

#[tokio::test]
async fn a_start_says_what_was_in_force_before_it() {
    let up = SimBackend::start();
    let folder = setup(&up, POLICY).write();
    for team in ["", "", "[[team]]\nname = \"cards\"\n"] {
        let text = std::fs::read_to_string(folder.config()).expect("a file");
        std::fs::write(folder.config(), text + "\n" + team).expect("a file");
        let server = Server::start(&folder.config()).await;
        server.terminate().await;
        assert_eq!(server.ended().await.code(), Some(0));
        let policy = POLICY.replace("version = \"1\"", "version = \"2\"");
        std::fs::write(folder.0.join("policy.toml"), policy).expect("a file");
    }
    let said = binary::run(&folder.config(), &["audit"]).await;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let what: Vec<_> = said.lines().filter_map(|line| line.split("  ").nth(3)).collect();
    // Another team is no other policy, though it is compiled beside others.
    let loaded = "config.loaded";
    let expected = ["audit.key_changed", loaded, loaded, "policy.changed", loaded];
    assert_eq!(what, expected, "{said}");
    assert_eq!(verify(&folder).await.0, Some(0));
}

#[tokio::test]
async fn a_flood_of_wrong_keys_is_one_record_with_its_count() {
    let up = SimBackend::start();
    let gateway = setup(&up, POLICY).start().await;
    for _ in 0..20 {
        let request = client().post(gateway.url("/v1/chat/completions")).bearer_auth("sk-wrong");
        assert_eq!(Reply::of(request.body("{}")).await.status, 401);
    }
    let url = format!("http://{}/admin/v1/policy", gateway.admin_addr());
    assert_eq!(Reply::of(client().get(url).bearer_auth("wrong")).await.status, 401);
    let folder = gateway.stop().await;
    let said = binary::run(&folder.config(), &["audit", "--json"]).await;
    let said = String::from_utf8(said.stdout).expect("a text");
    let records = said.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let refused: Vec<_> = records
        .filter(|it| it["what"] == "access.refused")
        .map(|it| (it["who"].clone(), it["subject"].clone(), it["after"]["count"].clone()))
        .collect();
    let of = |who: &str, count: u64| (json!(who), json!("unauthenticated"), json!(count));
    assert_eq!(refused, [of("(operators)", 1), of("(unknown)", 20)]);
    assert_eq!(verify(&folder).await.0, Some(0));
}
