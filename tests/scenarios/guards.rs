//! An arm that breaks a bound of its experiment is rolled back by itself, and operators stop and resume: at
//! once, and after whatever ends the process.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde_json::{Value, json};
use signalbox::{sim::InjectedFault, store::Reader};

use crate::harness::{
    KEY, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    gateway::{Folder, client},
    wait, with,
};

const POLICY: &str = "version = \"1\"\n\
     [[experiment]]\nname = \"chat-ab\"\nunit = \"user\"\nprimary = \"error\"\n\
     arms = [\n  { name = \"old\", share = 0.5, route = [\"good\"] },\n\
     \x20 { name = \"new\", share = 0.5, route = [\"other\"] },\n]\n\
     guard = { error_rate_max = 0.02, requests_min = 20 }\n\
     [[rule]]\nname = \"talk\"\nwhen = { operation = [\"chat\"] }\nroute = [\"good\"]\n\
     experiment = \"chat-ab\"\n\
     [default]\nroute = [\"good\"]\n";

struct Scene {
    /// It answers for the default route and for the control.
    _good: SimBackend,
    other: SimBackend,
    folder: Folder,
}

impl Scene {
    fn new() -> Self {
        let (good, other) = (SimBackend::start(), SimBackend::start());
        let setup = Setup::new()
            .model("good", &good.urls())
            .model("other", &other.urls())
            .and("[policy]\nfile = \"policy.toml\"\n")
            .file("policy.toml", POLICY);
        let folder = setup.write();
        let text = std::fs::read_to_string(folder.config()).expect("the configuration");
        let guarded = text.replacen("[admin]\n", "[admin]\ntoken = \"file:caller.key\"\n", 1);
        std::fs::write(folder.config(), guarded).expect("the configuration");
        Self { _good: good, other, folder }
    }

    async fn serve(&self) -> Server {
        let server = Server::anywhere(&self.folder.config()).await;
        server.ready().await;
        server
    }

    /// How many changes of experiments the books have.
    fn changes(&self) -> usize {
        let reader = Reader::open(&self.folder.ledger()).expect("a ledger");
        reader.experiment_changes().expect("its changes").len()
    }

    async fn recorded(&self, changes: usize) {
        wait::until("the change in the books", || self.changes() == changes).await;
    }
}

async fn asked(server: &Server, user: usize) -> u16 {
    let body = with(ask("auto"), json!({ "user": format!("u{user}") }));
    Reply::of(server.post(&body)).await.status
}

/// The users whose requests went to the backend.
async fn users_of(server: &Server, backend: &SimBackend, users: usize) -> BTreeSet<usize> {
    let mut theirs = BTreeSet::new();
    for user in 0..users {
        let before = backend.seen().requests;
        assert_eq!(asked(server, user).await, 200);
        if backend.seen().requests > before {
            theirs.insert(user);
        }
    }
    theirs
}

async fn change(server: &Server, what: &str, body: &str) -> Reply {
    let url = format!("http://{}/admin/v1/experiments/{what}", server.admin_addr());
    Reply::of(client().post(url).bearer_auth(KEY).body(body.to_owned())).await
}

async fn one(server: &Server) -> Value {
    server.reply("/admin/v1/experiments/chat-ab", KEY).await.json()
}

async fn metric(server: &Server, line: &str) -> Option<f64> {
    let all = server.page("/metrics", KEY).await;
    let value = all.lines().find_map(|it| it.strip_prefix(line))?;
    value.trim().parse().ok()
}

const GUARD: &str =
    "signalbox_experiment_guard{arm=\"new\",experiment=\"chat-ab\",metric=\"error\"}";

#[tokio::test]
async fn a_broken_arm_is_rolled_back_by_itself_and_stays_so() {
    let scene = Scene::new();
    let server = scene.serve().await;
    let new = users_of(&server, &scene.other, 60).await;
    assert!(new.len() > 15 && new.len() < 45, "{new:?}");
    assert_eq!(metric(&server, GUARD).await, Some(0.0));
    scene.other.fail(InjectedFault::Status500).await;
    let mut failed = 0;
    for user in new.iter().copied().cycle().take(200) {
        failed += usize::from(asked(&server, user).await != 200);
    }
    assert!((4..=20).contains(&failed), "{failed}");
    // From then on nobody is hurt, and nobody else has moved.
    let before = scene.other.seen().requests;
    for user in 0..60 {
        assert_eq!(asked(&server, user).await, 200);
    }
    assert_eq!(scene.other.seen().requests, before);
    let it = one(&server).await;
    assert_eq!(it["state"], "rolled_back", "{it}");
    assert_eq!(it["arms"][1]["guard"][0]["state"], "broken", "{it}");
    assert_eq!(it["arms"][0]["rolled_back"], Value::Null, "{it}");
    let reason = it["arms"][1]["rolled_back"]["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.starts_with("error: 0."), "{reason}");
    assert_eq!(metric(&server, GUARD).await, Some(1.0));
    let units = "signalbox_experiment_units{arm=\"new\",experiment=\"chat-ab\"}";
    assert_eq!(metric(&server, units).await, Some(new.len() as f64));
    let told = |line: &Value| line["experiment"] == "chat-ab" && line["arm"] == "new";
    wait::until("a line in the log", || server.log().iter().any(told)).await;
    let line = server.log().into_iter().find(told).expect("the line");
    assert_eq!((&line["metric"], &line["bound"]), (&json!("error"), &json!("0.02")), "{line}");
    assert!(line["requests"].as_u64().is_some_and(|it| it >= 20), "{line}");
    scene.recorded(1).await;
    server.kill().await;

    let server = scene.serve().await;
    for user in 0..60 {
        assert_eq!(asked(&server, user).await, 200);
    }
    assert_eq!(scene.other.seen().requests, before);
    assert_eq!(one(&server).await["state"], "rolled_back");
    assert_eq!(metric(&server, GUARD).await, Some(1.0));
    assert_eq!(scene.changes(), 1, "what is known is not written again");

    // Its evidence begins anew when it is resumed.
    scene.other.mend().await;
    let reply = change(&server, "chat-ab/resume", r#"{"reason": "it is mended"}"#).await;
    assert_eq!((reply.status, &reply.json()["changed"]), (200, &json!(true)), "{}", reply.text());
    assert_eq!(one(&server).await["arms"][1]["requests"], 0);
    assert_eq!(metric(&server, GUARD).await, Some(0.0));
    assert_eq!(users_of(&server, &scene.other, 60).await, new, "each unit has its arm again");
    server.kill().await;
    let server = scene.serve().await;
    assert_eq!(one(&server).await["state"], "running");
}

#[tokio::test]
async fn what_an_arm_has_shown_is_not_forgotten_by_a_restart() {
    let scene = Scene::new();
    let server = scene.serve().await;
    let new: Vec<usize> = users_of(&server, &scene.other, 30).await.into_iter().collect();
    scene.recorded(0).await;
    server.terminate().await;
    server.ended().await;
    // As if the clock had been a day ahead, and was set right before the next start.
    let connection = Connection::open(scene.folder.ledger()).expect("the ledger");
    let ahead =
        "UPDATE entry SET started_at = strftime('%Y-%m-%dT%H:%M:%fZ', started_at, '+1 day')";
    assert_eq!(connection.execute(ahead, []), Ok(30));
    drop(connection);
    let server = scene.serve().await;
    let requests = |it: &Value| it["arms"][1]["requests"].as_u64();
    wait::answers("its requests", Some(new.len() as u64), async || requests(&one(&server).await))
        .await;
    let it = one(&server).await;
    assert_eq!(it["arms"][1]["units"], new.len(), "{it}");
    assert_eq!(it["arms"][1]["guard"][0]["value"], 0.0, "{it}");
}

#[tokio::test]
async fn operators_stop_and_resume_at_once_and_over_restarts() {
    let scene = Scene::new();
    let server = scene.serve().await;
    let new = users_of(&server, &scene.other, 30).await;
    let reply = change(&server, "chat-ab/stop", r#"{"reason": "the board wants to see"}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let it = reply.json();
    assert_eq!((&it["state"], &it["changed"]), (&json!("stopped"), &json!(true)), "{it}");
    assert_eq!(it["stopped"]["reason"], "the board wants to see");
    // What is stopped stays so, and nothing more is written.
    let again = change(&server, "chat-ab/stop", r#"{"reason": "again"}"#).await.json();
    assert_eq!(again["changed"], false);
    assert_eq!(again["stopped"]["reason"], "the board wants to see");
    assert!(users_of(&server, &scene.other, 30).await.is_empty());
    assert_eq!(scene.changes(), 1, "it was durable before it was answered");
    server.kill().await;

    let server = scene.serve().await;
    assert!(users_of(&server, &scene.other, 30).await.is_empty());
    assert_eq!(one(&server).await["state"], "stopped");
    let url = format!("http://{}", server.admin_addr());
    let list = ["experiment", "list", "--live", "--url", &url];
    let resume = ["experiment", "resume", "chat-ab", "--reason", "seen", "--url", &url];
    let out = binary::run(&scene.folder.config(), &list).await;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(text.starts_with("chat-ab: stopped since 20"), "{text}");
    let out = binary::run(&scene.folder.config(), &resume).await;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success() && text.starts_with("chat-ab: running, 100 %"), "{out:?}");
    assert_eq!(users_of(&server, &scene.other, 30).await, new);
    let mut wrong = resume;
    wrong[2] = "chat-ba";
    let out = binary::run(&scene.folder.config(), &wrong).await;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(1) && text.contains("did you mean `chat-ab`?"), "{text}");
    assert_eq!(scene.changes(), 2);
}

#[tokio::test]
async fn what_is_asked_wrongly_changes_nothing() {
    let scene = Scene::new();
    let server = scene.serve().await;
    let good = r#"{"reason": "why"}"#;
    for (what, body, status, told) in [
        ("chat-ab/stop", "", 400, "{\\\"reason\\\": \\\"…\\\"}"),
        ("chat-ab/stop", "{}", 400, "`reason` is missing"),
        ("chat-ab/stop", r#"{"reason": ""}"#, 400, "`reason` is empty"),
        ("chat-ab/resume", r#"{"reason": "a", "by": "me"}"#, 400, "no field `by`"),
        ("chat-ba/stop", good, 404, "did you mean `chat-ab`?"),
        ("%FF/stop", good, 404, "there is no experiment"),
        ("chat-ab/halt", good, 404, "there is no such page"),
        ("chat-ab", good, 405, "expected the method GET"),
    ] {
        let reply = change(&server, what, body).await;
        assert_eq!(reply.status, status, "{what} {body}: {}", reply.text());
        assert!(reply.text().contains(told), "{what} {body}: {}", reply.text());
    }
    let long = json!({ "reason": "x".repeat(501) }).to_string();
    assert_eq!(change(&server, "chat-ab/stop", &long).await.status, 400);
    assert_eq!(change(&server, "chat-ab/stop", &"x".repeat(10_000)).await.status, 413);
    let url = |path: &str| format!("http://{}/admin/v1/experiments{path}", server.admin_addr());
    for (request, status) in [
        (client().post(url("/chat-ab/stop")).body(good), 401),
        (client().post(url("/chat-ab/stop")).bearer_auth("sk-other").body(good), 401),
        (client().get(url("")), 401),
        (client().get(url("/chat-ab")), 401),
        (client().get(url("/chat-ab/stop")).bearer_auth(KEY), 405),
    ] {
        assert_eq!(Reply::of(request).await.status, status);
    }
    assert_eq!(scene.changes(), 0);
    let it = one(&server).await;
    assert_eq!(
        (&it["state"], &it["arms"][0]["control"]),
        (&json!("running"), &json!(true)),
        "{it}"
    );
    let all = server.reply("/admin/v1/experiments", KEY).await.json();
    assert_eq!(all["experiments"], json!([it]));
}
