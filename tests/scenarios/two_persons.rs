//! A change of money or policy takes a second person: proposed by one, in force when another approves, and by
//! no other way while the gateway runs.

use http::Method;
use serde_json::{Value, json};
use signalbox::app::Reloaded;

use crate::harness::{
    Reply, Setup, SimBackend,
    binary::{self, Server},
    gateway::{Folder, Gateway, client},
    wait,
};

const MEI: &str = "token-of-mei-0123456789";
const RAJ: &str = "token-of-raj-0123456789";
const VERA: &str = "token-of-vera-0123456789";

const OPERATORS: &str = "\
     [[operator]]\nname = \"mei\"\nrole = \"admin\"\ntoken = \"file:mei.token\"\n\
     [[operator]]\nname = \"raj\"\nrole = \"admin\"\ntoken = \"file:raj.token\"\n\
     [[operator]]\nname = \"vera\"\nrole = \"viewer\"\ntoken = \"file:vera.token\"\n";

const CORP: &str = "[[oidc]]\nname = \"corp\"\nissuer = \"http://127.0.0.1:9/realms/corp\"\n\
     audience = [\"signalbox\"]\n\
     [[oidc.rule]]\nwhen = { groups = [\"cards\"] }\nteam = \"bank\"\n";

const POLICY: &str = "version = \"1\"\n[default]\nroute = [\"good\"]\n";

fn base(up: &SimBackend) -> Setup {
    Setup::new()
        .model("good", &up.urls())
        .model("other", &up.urls())
        .and(&format!("[policy]\nfile = \"policy.toml\"\n{OPERATORS}"))
        .file("policy.toml", POLICY)
        .file("mei.token", MEI)
        .file("raj.token", RAJ)
        .file("vera.token", VERA)
}

fn setup(up: &SimBackend) -> Setup {
    base(up).and("[audit]\ntwo_persons = true\n[[team]]\nname = \"bank\"\n")
}

async fn call(addr: &str, token: &str, (method, path): (Method, &str), body: Value) -> Reply {
    let url = format!("http://{addr}/admin/v1/{path}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Reply::of(client().request(method, url).bearer_auth(token).body(body)).await
}

fn code(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["error"]["code"].as_str().unwrap_or("-").to_owned())
}

fn id(reply: &Reply) -> String {
    assert_eq!(reply.status, 202, "{}", reply.text());
    reply.json()["id"].as_str().expect("an id").to_owned()
}

fn addr(gateway: &Gateway) -> String {
    gateway.admin_addr().to_string()
}

fn cards() -> Value {
    let budget = json!({ "amount": "5", "window": "day" });
    json!({ "name": "cards", "parent": "bank", "budget": budget, "reason": "q3" })
}

#[tokio::test]
async fn money_moves_when_another_admin_approves_and_not_before() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    let at = addr(&gateway);
    let made = call(&at, MEI, (Method::POST, "teams"), cards()).await;
    let first = id(&made);
    let it = made.json();
    assert_eq!(
        (&it["state"], &it["by"], &it["reason"]),
        (&json!("open"), &json!("mei"), &json!("q3"))
    );
    assert_eq!(it["changes"][0]["before"], Value::Null);
    assert_eq!(it["changes"][0]["after"]["budget"]["amount"], "5");
    assert_eq!(call(&at, VERA, (Method::GET, "teams/cards"), Value::Null).await.status, 404);

    let approve = format!("proposals/{first}/approve");
    for (token, expected) in [(MEI, (403, "own_approval")), (VERA, (403, "role_forbidden"))] {
        let refused = call(&at, token, (Method::POST, &approve), Value::Null).await;
        assert_eq!(code(&refused), (expected.0, expected.1.to_owned()), "{}", refused.text());
    }
    let shown = call(&at, VERA, (Method::GET, &format!("proposals/{first}")), Value::Null).await;
    assert_eq!((shown.status, &shown.json()["state"]), (200, &json!("open")));
    let done = call(&at, RAJ, (Method::POST, &approve), json!({ "reason": "fine" })).await;
    assert_eq!((done.status, &done.json()["approved_by"]), (200, &json!("raj")), "{}", done.text());
    let team = call(&at, VERA, (Method::GET, "teams/cards"), Value::Null).await.json();
    assert_eq!((&team["budget"]["amount"], &team["created_by"]), (&json!("5"), &json!("mei")));
    let again = call(&at, RAJ, (Method::POST, &approve), Value::Null).await;
    assert_eq!(code(&again), (409, "proposal_closed".into()));

    gateway.close().await;
}

#[tokio::test]
async fn what_moves_no_money_does_not_wait_and_what_cannot_be_is_told() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    let at = addr(&gateway);
    let made = id(&call(&at, MEI, (Method::POST, "teams"), cards()).await);
    let path = format!("proposals/{made}/approve");
    assert_eq!(call(&at, RAJ, (Method::POST, &path), Value::Null).await.status, 200);
    // Limits move no money; a key with a budget opens nothing before it is approved; ending one never waits.
    let limited = json!({ "models": ["good"] });
    assert_eq!(call(&at, MEI, (Method::PATCH, "teams/cards"), limited).await.status, 200);
    let key = json!({ "name": "a", "team": "cards", "budget": { "amount": "1", "window": "day" } });
    let key = call(&at, MEI, (Method::POST, "keys"), key).await;
    assert!(key.json()["key"].is_string(), "shown once: {}", key.text());
    assert!(
        !call(&at, VERA, (Method::GET, "proposals"), Value::Null).await.text().contains("hash")
    );
    let second = id(&key);
    let done =
        call(&at, RAJ, (Method::POST, &format!("proposals/{second}/approve")), Value::Null).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let moved = call(&at, RAJ, (Method::PATCH, "keys/a"), json!({ "team": "bank" })).await;
    let reject = format!("proposals/{}/reject", id(&moved));
    let rejected = call(&at, RAJ, (Method::POST, &reject), json!({ "reason": "no" })).await;
    assert_eq!(rejected.json()["state"], "rejected", "one may take back one's own");
    // What cannot be any more is told, and stays open.
    let late = id(&call(&at, RAJ, (Method::PATCH, "keys/a"), json!({ "team": "bank" })).await);
    assert_eq!(call(&at, MEI, (Method::DELETE, "keys/a"), Value::Null).await.status, 200);
    let conflict =
        call(&at, MEI, (Method::POST, &format!("proposals/{late}/approve")), Value::Null).await;
    assert_eq!(code(&conflict), (409, "proposal_conflicts".into()), "{}", conflict.text());
    let open = call(&at, VERA, (Method::GET, "proposals?state=open"), Value::Null).await.json();
    assert_eq!(open["proposals"].as_array().map(Vec::len), Some(1), "{open}");
    let page = call(&at, VERA, (Method::GET, &format!("proposals/{late}")), Value::Null).await;
    let why = &open["proposals"][0]["conflict"];
    assert!(why.as_str().is_some_and(|it| it.contains("`a` is revoked")), "{open}");
    assert_eq!(*why, page.json()["conflict"], "as its own page says");
    let records = call(&at, VERA, (Method::GET, "audit"), Value::Null).await.json();
    let what = |what: &str| {
        let all = records["records"].as_array().expect("records").iter();
        all.filter(|it| it["what"] == what).count()
    };
    assert_eq!(
        ["made", "approved", "rejected"].map(|it| what(&format!("proposal.{it}"))),
        [4, 2, 1]
    );
    gateway.close().await;
}

#[tokio::test]
async fn money_that_stays_as_it_is_takes_nobody() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    let at = addr(&gateway);
    let made = id(&call(&at, MEI, (Method::POST, "teams"), cards()).await);
    let path = format!("proposals/{made}/approve");
    assert_eq!(call(&at, RAJ, (Method::POST, &path), Value::Null).await.status, 200);
    let none = json!({ "name": "a", "budget": [], "team": "default" });
    assert_eq!(call(&at, MEI, (Method::POST, "keys"), none).await.status, 201);
    for (path, patch) in [
        ("teams/cards", json!({ "budget": { "amount": "5", "window": "day" } })),
        ("teams/cards", json!({ "budget": [{ "amount": "5.0", "window": "day", "hard": true }] })),
        ("teams/cards", json!({ "parent": "bank" })),
        ("keys/a", json!({ "budget": null })),
        ("keys/a", json!({ "team": null })),
    ] {
        let same = call(&at, MEI, (Method::PATCH, path), patch.clone()).await;
        assert_eq!((same.status, &same.json()["version"]), (200, &json!(1)), "{patch}");
    }
    let moved = json!({ "budget": { "amount": "5", "window": "day", "hard": false } });
    let _ = id(&call(&at, MEI, (Method::PATCH, "teams/cards"), moved).await);
    gateway.close().await;
}

#[tokio::test]
async fn a_policy_comes_into_force_by_a_second_person_alone() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    let at = addr(&gateway);
    let proposed = POLICY.replace("version = \"1\"", "version = \"2\"").replace("good", "other");
    let body = |document: &str| json!({ "document": document, "reason": "cheaper" });
    let bad = call(&at, MEI, (Method::POST, "policy/proposals"), body("route = 5")).await;
    assert_eq!(code(&bad), (400, "invalid_value".into()), "{}", bad.text());
    for (document, told) in [
        ("route = 5", "the proposed policy"),
        ("route =", "the proposed policy:1:"),
        (&POLICY.replace("good", "goof"), "the proposed policy:3: default.route[0]: found `goof`"),
    ] {
        let bad = call(&at, MEI, (Method::POST, "policy/proposals"), body(document)).await;
        let error = &bad.json()["error"];
        assert_eq!(error["param"], "document", "{error}");
        assert!(error["message"].as_str().is_some_and(|it| it.contains(told)), "{error}");
    }
    let older = id(&call(&at, RAJ, (Method::POST, "policy/proposals"), body(POLICY)).await);
    let made = id(&call(&at, MEI, (Method::POST, "policy/proposals"), body(&proposed)).await);
    let approve = format!("policy/proposals/{made}/approve");
    let own = call(&at, MEI, (Method::POST, &approve), Value::Null).await;
    assert_eq!(code(&own), (403, "own_approval".into()));
    let done = call(&at, RAJ, (Method::POST, &approve), Value::Null).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let policy = call(&at, VERA, (Method::GET, "policy"), Value::Null).await.json();
    assert_eq!(policy["version"], "2");
    let older = call(&at, VERA, (Method::GET, &format!("proposals/{older}")), Value::Null).await;
    assert_eq!(older.json()["state"], "superseded");

    // The file is not the way any more; what moves no money is taken over.
    let other = setup(&up).file("policy.toml", &POLICY.replace("\"1\"", "\"3\""));
    let _ = gateway.reload(&other).await;
    let policy = call(&at, VERA, (Method::GET, "policy"), Value::Null).await.json();
    assert_eq!(policy["version"], "2", "the approved one stays");
    gateway.close().await;
}

#[tokio::test]
async fn a_reload_that_moves_money_is_not_taken() {
    let up = SimBackend::start();
    let gateway = setup(&up).start().await;
    let with = |more: &str| base(&up).and(&format!("[audit]\ntwo_persons = true\n{more}"));
    let bank = "[[team]]\nname = \"bank\"\n";
    for (more, policy, told) in [
        (format!("{bank}budget = {{ amount = \"9\", window = \"day\" }}\n"), POLICY, "team `bank`"),
        (bank.to_owned(), "version = \"9\"\n[default]\nroute = [\"good\"]\n", "the policy"),
        (
            format!(
                "{bank}[[operator]]\nname = \"eve\"\nrole = \"admin\"\ntoken = \"file:eve.token\"\n"
            ),
            POLICY,
            "`[[operator]] eve`",
        ),
        (format!("{bank}{CORP}"), POLICY, "`[[oidc]] corp`"),
    ] {
        let changed =
            with(&more).file("policy.toml", policy).file("eve.token", "token-of-eve-0123456789");
        let Reloaded::NeedsSecond(held) = gateway.reload(&changed).await else {
            panic!("{more} is taken");
        };
        assert!(held.len() == 1 && held[0].contains(told), "{held:?}");
    }
    let harmless = with(&format!("{bank}models = [\"good\"]\n"));
    assert!(matches!(gateway.reload(&harmless).await, Reloaded::InForce { .. }));
    let off = base(&up).and(bank);
    let Reloaded::NeedsRestart(changes) = gateway.reload(&off).await else {
        panic!("a switch of the start");
    };
    let paths: Vec<&str> = changes.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["audit.two_persons"], "nobody has changed another one");
    gateway.close().await;
}

#[tokio::test]
async fn without_two_persons_a_policy_is_not_proposed() {
    let up = SimBackend::start();
    let gateway = base(&up).start().await;
    let at = addr(&gateway);
    let body = json!({ "document": POLICY });
    let off = call(&at, MEI, (Method::POST, "policy/proposals"), body).await;
    assert_eq!(code(&off), (409, "two_persons_off".into()), "{}", off.text());
    let made = json!({ "name": "cards", "budget": { "amount": "5", "window": "day" } });
    assert_eq!(call(&at, MEI, (Method::POST, "teams"), made).await.status, 201);
    gateway.close().await;
}

async fn command(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String, String) {
    let out = binary::run(&folder.config(), arguments).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

#[tokio::test]
async fn a_command_proposes_and_what_is_open_outlives_the_process() {
    let up = SimBackend::start();
    let folder = setup(&up).write();
    let (done, _, said) = command(&folder, &["team", "set", "cards", "--budget", "50/month"]).await;
    assert_eq!(done, Some(0), "{said}");
    assert!(said.contains("signalbox proposal approve "), "{said}");
    let wanted = said.rsplit(' ').next().expect("an id").trim().to_owned();
    let (done, _, said) = command(&folder, &["team", "set", "loans", "--budget", "50/month"]).await;
    assert_eq!(done, Some(0), "{said}");
    let old = said.rsplit(' ').next().expect("an id").trim().to_owned();

    let server = Server::start(&folder.config()).await;
    let url = format!("http://{}", server.admin_addr());
    let token = folder.0.join("raj.token").display().to_string();
    let open = ["proposal", "list", "--state", "open", "--url", &url, "--token-file", &token];
    let (done, listed, said) = command(&folder, &open).await;
    assert_eq!((done, listed.lines().count()), (Some(0), 3), "{listed}{said}");
    assert!(listed.contains("  cli:") && listed.contains("team cards"), "{listed}");
    assert!(listed.starts_with("ID  ") && listed.contains("CONFLICT"), "{listed}");
    let approve = ["proposal", "approve", &wanted, "--url", &url, "--token-file", &token];
    let (done, approved, said) = command(&folder, &approve).await;
    assert_eq!(done, Some(0), "{approved}{said}");
    let team = call(server.admin_addr(), VERA, (Method::GET, "teams/cards"), Value::Null).await;
    assert_eq!(team.status, 200, "{}", team.text());
    assert_eq!(command(&folder, &["ledger", "verify"]).await.0, Some(0));
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));

    // Its time is over while nobody is there.
    let ledger = rusqlite::Connection::open(folder.ledger()).expect("a ledger");
    let aged = "UPDATE managed SET fields = json_set(fields, '$.expires_ms', 1) WHERE name = ?";
    assert_eq!(ledger.execute(aged, [&old]).expect("a row"), 1);
    drop(ledger);
    let (_, _, said) = command(&folder, &["ledger", "verify"]).await;
    let server = Server::start(&folder.config()).await;
    let path = format!("proposals/{old}/approve");
    let late = call(server.admin_addr(), RAJ, (Method::POST, &path), Value::Null).await;
    assert_eq!(code(&late), (409, "proposal_expired".into()), "{} {said}", late.text());
    wait::answers("it is closed", 1, async || {
        let audit = call(server.admin_addr(), VERA, (Method::GET, "audit"), Value::Null).await;
        u16::from(audit.text().contains("proposal.expired"))
    })
    .await;
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
}
