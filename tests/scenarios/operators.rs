//! Operators by name: each may what his role may, whatever is changed names who did it, and who is let go is
//! turned away at once.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{
    Gateway, KEY, Reply, Setup, SimBackend,
    binary::{self, Server},
    gateway::{Folder, client},
    issuer::{Issuer, Signer},
    wait,
};

const VIEWER: &str = "token-of-vera-0123456789";
const OPERATOR: &str = "token-of-mei-0123456789";
const ADMIN: &str = "token-of-raj-0123456789";
const EXPIRED: &str = "token-of-old-0123456789";
const METRICS: &str = "token-of-prometheus-0123";
const WRONG: &str = "token-of-nobody-0123456789";

/// The operators of a configuration: name, role, the file with his token.
const OPERATORS: &str = "\
     [[operator]]\nname = \"vera\"\nrole = \"viewer\"\ntoken = \"file:vera.token\"\n\
     [[operator]]\nname = \"mei.tan\"\nrole = \"operator\"\ntoken = \"file:mei.token\"\n\
     [[operator]]\nname = \"raj\"\nrole = \"admin\"\ntoken = \"file:raj.token\"\n\
     expires = \"2999-01-31T00:00:00Z\"\n\
     [[operator]]\nname = \"old\"\nrole = \"admin\"\ntoken = \"file:old.token\"\n\
     expires = \"2026-01-31T00:00:00Z\"\n";

const POLICY: &str = "version = \"1\"\n\
     [[experiment]]\nname = \"ab\"\nunit = \"user\"\nprimary = \"error\"\n\
     arms = [\n  { name = \"old\", share = 0.5, route = [\"good\"] },\n\
     \x20 { name = \"new\", share = 0.5, route = [\"other\"] },\n]\n\
     [[rule]]\nname = \"talk\"\nwhen = { operation = [\"chat\"] }\nroute = [\"good\"]\n\
     experiment = \"ab\"\n\
     [default]\nroute = [\"good\"]\n";

/// A model for each arm, `admin.token` of the key's text, and these operators.
fn setup(up: &SimBackend, operators: &str) -> Setup {
    Setup::new()
        .operated()
        .model("good", &up.urls())
        .model("other", &up.urls())
        .and(&format!("[policy]\nfile = \"policy.toml\"\n{operators}"))
        .file("policy.toml", POLICY)
        .file("vera.token", VIEWER)
        .file("mei.token", OPERATOR)
        .file("raj.token", ADMIN)
        .file("old.token", EXPIRED)
        .file("metrics.token", METRICS)
}

/// Whom a page answers, as the matrix has it.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) enum For {
    Anybody,
    Metrics,
    Viewer,
    Operator,
    Admin,
}

/// Every page: method, a path of it, whom it answers, and with which status.
#[rustfmt::skip]
pub(super) const PAGES: [(&str, &str, For, u16); 38] = [
    ("GET", "/livez", For::Anybody, 200),
    ("GET", "/readyz", For::Anybody, 200),
    ("GET", "/metrics", For::Metrics, 200),
    ("GET", "/openapi.json", For::Anybody, 200),
    ("GET", "/admin/v1/me", For::Viewer, 200),
    ("GET", "/admin/v1/policy", For::Viewer, 200),
    ("GET", "/admin/v1/requests/019b7c4a-9e2f-7000-8000-00000000002a", For::Viewer, 404),
    ("GET", "/admin/v1/spend", For::Viewer, 200),
    ("GET", "/admin/v1/audit", For::Viewer, 200),
    ("GET", "/admin/v1/experiments", For::Viewer, 200),
    ("GET", "/admin/v1/experiments/ab", For::Viewer, 200),
    ("POST", "/admin/v1/experiments/ab/stop", For::Operator, 200),
    ("POST", "/admin/v1/experiments/ab/resume", For::Operator, 200),
    ("GET", "/admin/v1/keys", For::Viewer, 200),
    ("POST", "/admin/v1/keys", For::Admin, 400),
    ("GET", "/admin/v1/keys/gone", For::Viewer, 404),
    ("PATCH", "/admin/v1/keys/gone", For::Admin, 404),
    ("DELETE", "/admin/v1/keys/gone", For::Operator, 404),
    ("POST", "/admin/v1/keys/gone/rotate", For::Admin, 404),
    ("POST", "/admin/v1/key-import", For::Admin, 400),
    ("GET", "/admin/v1/teams", For::Viewer, 200),
    ("POST", "/admin/v1/teams", For::Admin, 400),
    ("GET", "/admin/v1/teams/gone", For::Viewer, 404),
    ("PATCH", "/admin/v1/teams/gone", For::Admin, 404),
    ("PUT", "/admin/v1/teams/a%20b", For::Admin, 400),
    ("DELETE", "/admin/v1/teams/gone", For::Admin, 404),
    ("GET", "/admin/v1/models", For::Viewer, 200),
    ("GET", "/admin/v1/models/good", For::Viewer, 200),
    ("POST", "/admin/v1/models/gone/disable", For::Operator, 404),
    ("POST", "/admin/v1/models/gone/enable", For::Operator, 404),
    ("POST", "/admin/v1/models/gone/endpoints/0/drain", For::Operator, 404),
    ("POST", "/admin/v1/models/gone/endpoints/0/undrain", For::Operator, 404),
    ("GET", "/admin/v1/proposals", For::Viewer, 200),
    ("GET", "/admin/v1/proposals/gone", For::Viewer, 404),
    ("POST", "/admin/v1/proposals/gone/approve", For::Admin, 404),
    ("POST", "/admin/v1/proposals/gone/reject", For::Admin, 404),
    ("POST", "/admin/v1/policy/proposals", For::Admin, 400),
    ("POST", "/admin/v1/policy/proposals/gone/approve", For::Admin, 404),
];

/// The answer of a page to one with this token, or with none.
async fn asked(gateway: &Gateway, (method, path): (&str, &str), token: Option<&str>) -> Reply {
    let url = format!("http://{}{path}", gateway.admin_addr());
    let request = gateway.client.request(method.parse().expect("a method"), url);
    let request = match method {
        "GET" => request,
        _ => request.body(r#"{"reason": "because"}"#),
    };
    Reply::of(token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth)).await
}

#[tokio::test]
async fn each_page_answers_those_whom_it_is_for_and_nobody_else() {
    let up = SimBackend::start();
    let signer = Signer::es256();
    let issuer = Issuer::start(vec![signer.public("k1")]).await;
    let rule = |role: &str| {
        format!("[[oidc.operator]]\nwhen = {{ groups = \"{role}s\" }}\nrole = \"{role}\"\n")
    };
    let rules = ["viewer", "operator", "admin"].map(rule).concat();
    let corp = format!(
        "{OPERATORS}[[oidc]]\nname = \"corp\"\nissuer = \"{}\"\naudience = \"signalbox\"\n\
         team = \"default\"\n{rules}",
        issuer.name()
    );
    let of = |groups: &str| signer.token("k1", &issuer.claims(json!({ "groups": [groups] })));
    let signed = ["viewers", "operators", "admins", "staff"].map(of);
    let [viewer, operator, admin, staff] = signed.each_ref().map(|it| Some(&**it));
    let gateway = setup(&up, &corp).admin("metrics_token = \"file:metrics.token\"\n").start().await;
    // What each may at the most; nobody at all where it is another error than 403.
    let who = [
        ("nobody", None, For::Anybody, 401),
        ("a stranger", Some(WRONG), For::Anybody, 401),
        ("one who has left", Some(EXPIRED), For::Anybody, 401),
        ("a scraper", Some(METRICS), For::Metrics, 401),
        ("a viewer", Some(VIEWER), For::Viewer, 403),
        ("an operator", Some(OPERATOR), For::Operator, 403),
        ("an admin", Some(ADMIN), For::Admin, 403),
        ("admin.token", Some(KEY), For::Admin, 403),
        ("a caller of an issuer", staff, For::Anybody, 401),
        ("a viewer of an issuer", viewer, For::Viewer, 403),
        ("an operator of an issuer", operator, For::Operator, 403),
        ("an admin of an issuer", admin, For::Admin, 403),
    ];
    for (method, path, needed, status) in PAGES {
        for (name, token, most, refused) in who {
            let reply = asked(&gateway, (method, path), token).await;
            let expected = if needed <= most { status } else { refused };
            assert_eq!(reply.status, expected, "{name}: {method} {path}: {}", reply.text());
            let slashed = asked(&gateway, (method, &format!("{path}/")), token).await;
            assert_eq!(slashed.status, expected, "{name}: {method} {path}/");
            if expected == 403 {
                let error = &reply.json()["error"];
                assert_eq!(error["code"], "role_forbidden", "{error}");
                let has = if most == For::Viewer { "`viewer`" } else { "`operator`" };
                let takes = if needed == For::Admin { "`admin`" } else { "`operator`" };
                let told = format!("has the role {has}, and this takes the role {takes}");
                assert!(error["message"].as_str().is_some_and(|it| it.ends_with(&told)), "{error}");
            }
            if expected == 401 && needed != For::Metrics {
                assert_eq!(
                    reply.json()["error"]["type"],
                    "authentication_error",
                    "{}",
                    reply.text()
                );
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_stands_twice_in_a_body_is_refused_by_every_page_that_takes_one() {
    let up = SimBackend::start();
    let gateway = setup(&up, OPERATORS).start().await;
    let changing: Vec<_> = PAGES.iter().filter(|(method, ..)| *method != "GET").collect();
    assert!(changing.len() >= 19, "{changing:?}");
    for (method, path, ..) in changing {
        for (body, param) in [
            (r#"{"reason":"a","reason":"b"}"#, "reason"),
            (
                r#"{"name":"x","budget":[{"amount":"1"},{"amount":"2","amount":"9"}]}"#,
                "budget[1].amount",
            ),
            (
                r#"{"keys":[{"name":"x","limits":{"concurrent":1,"concurrent":2}}]}"#,
                "keys[0].limits.concurrent",
            ),
        ] {
            let url = format!("http://{}{path}", gateway.admin_addr());
            let request = gateway.client.request(method.parse().expect("a method"), url);
            let reply = Reply::of(request.bearer_auth(ADMIN).body(body)).await;
            let error = &reply.json()["error"];
            assert_eq!(
                (reply.status, &error["code"], &error["param"]),
                (400, &json!("invalid_json"), &json!(param)),
                "{method} {path}: {error}"
            );
            let told = format!("the key `{param}` stands in it twice");
            assert!(error["message"].as_str().is_some_and(|it| it.contains(&told)), "{error}");
        }
    }
    let audit = asked(&gateway, ("GET", "/admin/v1/audit"), Some(ADMIN)).await.text();
    assert!(!audit.contains("created") && !audit.contains("disabled"), "{audit}");
    gateway.close().await;
}

#[tokio::test]
async fn an_operator_is_told_who_he_is() {
    let up = SimBackend::start();
    let gateway = setup(&up, OPERATORS).start().await;
    for (token, name, role, expires) in [
        (VIEWER, "vera", "viewer", Value::Null),
        (OPERATOR, "mei.tan", "operator", Value::Null),
        (ADMIN, "raj", "admin", json!("2999-01-31T00:00:00Z")),
        (KEY, "admin", "admin", Value::Null),
    ] {
        let me = asked(&gateway, ("GET", "/admin/v1/me"), Some(token)).await.json();
        assert_eq!(me, json!({ "name": name, "role": role, "expires": expires }));
    }
    // An operator is no caller.
    let ask = gateway.client.post(gateway.url("/v1/chat/completions")).bearer_auth(ADMIN);
    assert_eq!(Reply::of(ask.body("{}")).await.status, 401);
}

/// The records of the audit trail, each with these of its columns.
async fn trail(folder: &Folder) -> Vec<Value> {
    let said = binary::run(&folder.config(), &["audit", "--json"]).await;
    let said = String::from_utf8(said.stdout).expect("a text");
    for secret in [VIEWER, OPERATOR, ADMIN, EXPIRED, WRONG, KEY] {
        assert!(!said.contains(secret), "{said}");
    }
    said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn whatever_is_changed_or_refused_names_who_it_was() {
    let up = SimBackend::start();
    let folder = setup(&up, OPERATORS).write();
    let server = Server::start(&folder.config()).await;
    let post = async |what: &str, token: &str| {
        let url = format!("http://{}/admin/v1/experiments/ab/{what}", server.admin_addr());
        let request = client().post(url).bearer_auth(token).body(r#"{"reason": "too dear"}"#);
        Reply::of(request).await
    };
    let stopped = post("stop", OPERATOR).await.json();
    assert_eq!(stopped["stopped"]["by"], "mei.tan");
    assert_eq!(post("resume", ADMIN).await.status, 200);
    for _ in 0..3 {
        assert_eq!(post("stop", VIEWER).await.status, 403);
        assert_eq!(post("stop", EXPIRED).await.status, 401);
        assert_eq!(post("stop", WRONG).await.status, 401);
    }
    let changes = || {
        let lines = server.log();
        let asked = lines.iter().filter(|it| it["message"] == "an operator has asked for a change");
        let fields = ["operator", "method", "path", "status"];
        asked.map(|it| fields.map(|name| it[name].clone())).collect::<Vec<_>>()
    };
    wait::until("two lines", || changes().len() == 2).await;
    let line = |who: &str, what: &str| {
        let path = format!("/admin/v1/experiments/{{name}}/{what}");
        [json!(who), json!("POST"), json!(path), json!(200)]
    };
    assert_eq!(changes(), [line("mei.tan", "stop"), line("raj", "resume")]);
    let by =
        |line: &Value| line["message"] == "experiment: it is stopped" && line["by"] == "mei.tan";
    assert!(server.log().iter().any(by), "{:?}", server.log());
    for line in server.log() {
        let line = line.to_string();
        assert!(![VIEWER, OPERATOR, ADMIN, WRONG].iter().any(|it| line.contains(it)), "{line}");
    }
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));

    let records = trail(&folder).await;
    let of = |what: &str| records.iter().filter(|it| it["what"] == what).collect::<Vec<_>>();
    assert_eq!(of("experiment.stopped")[0]["who"], "mei.tan");
    assert_eq!(of("experiment.resumed")[0]["who"], "raj");
    let refused: Vec<_> = of("access.refused")
        .into_iter()
        .map(|it| [&it["who"], &it["subject"], &it["after"]["door"], &it["after"]["count"]])
        .collect();
    let one = |who: &str, kind: &str| [json!(who), json!(kind), json!("operators"), json!(3)];
    let expected = [
        one("vera", "forbidden"),
        one("(operators)", "unauthenticated"),
        one("old", "unauthenticated"),
    ];
    assert_eq!(refused, expected.iter().map(<[_; 4]>::each_ref).collect::<Vec<_>>());
    let verified = binary::run(&folder.config(), &["ledger", "verify"]).await;
    assert_eq!(verified.status.code(), Some(0));
}

#[tokio::test]
async fn a_reload_lets_operators_in_and_turns_them_away_on_connections_that_are_open() {
    let up = SimBackend::start();
    let gateway = setup(&up, "").start().await;
    let status =
        async |token: &str| asked(&gateway, ("GET", "/admin/v1/policy"), Some(token)).await.status;
    assert_eq!((status(OPERATOR).await, status(KEY).await), (401, 200));
    let _ = gateway.reload(&setup(&up, OPERATORS)).await;
    assert_eq!((status(OPERATOR).await, status(KEY).await), (200, 200));
    // Another token of the same operator: the one before opens nothing.
    let other = "token-of-mei-9876543210";
    let _ = gateway.reload(&setup(&up, OPERATORS).file("mei.token", other)).await;
    assert_eq!((status(OPERATOR).await, status(other).await), (401, 200));
    // The token of the configuration itself is taken over too, and one for metrics.
    let without = Setup::new()
        .model("good", &up.urls())
        .model("other", &up.urls())
        .and(&format!("[policy]\nfile = \"policy.toml\"\n{OPERATORS}"));
    let _ = gateway.reload(&without).await;
    assert_eq!((status(KEY).await, status(ADMIN).await), (401, 200));
    assert_eq!(gateway.admin("/metrics").await.status, 200);
    let guarded = setup(&up, OPERATORS).admin("metrics_token = \"file:metrics.token\"\n");
    let _ = gateway.reload(&guarded).await;
    assert_eq!(gateway.admin("/metrics").await.status, 401);
    let scraped = asked(&gateway, ("GET", "/metrics"), Some(METRICS)).await;
    assert_eq!((scraped.status, status(METRICS).await), (200, 401));
    let _ = gateway.reload(&setup(&up, "")).await;
    assert_eq!((status(ADMIN).await, status(KEY).await), (401, 200));

    let records = trail(&gateway.stop().await).await;
    let reloads = records.iter().filter(|it| it["what"] == "config.reloaded");
    let said: Vec<_> = reloads.map(|it| it["after"]["operators"].clone()).collect();
    let all = json!(["vera", "mei.tan", "raj", "old"]);
    let expected = [
        json!({ "added": all }),
        json!({ "changed": ["mei.tan"] }),
        json!({ "removed": ["admin"] }),
        json!({ "added": ["admin"], "changed": ["mei.tan"] }),
        json!({ "removed": all }),
    ];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_changed_file_lets_an_operator_in_by_his_hash_and_out_again() {
    let up = SimBackend::start();
    let folder = setup(&up, "").write();
    let server = Server::start(&folder.config()).await;
    let made = ["key", "create", "--lines", "--team", "default", "--name", "mei.tan"];
    let made = binary::run(&folder.config(), &made).await;
    let token = String::from_utf8(made.stdout).expect("a text").trim().to_owned();
    let lines = String::from_utf8(made.stderr).expect("a text");
    let hash = lines.lines().find(|line| line.starts_with("hash = ")).expect("a hash");
    let operator = format!("[[operator]]\nname = \"mei.tan\"\nrole = \"operator\"\n{hash}\n");
    let status = async || server.reply("/admin/v1/me", &token).await.status;
    assert_eq!(status().await, 401);
    setup(&up, &operator).write_into(&folder);
    wait::answers("he is let in", 200, status).await;
    let me = server.reply("/admin/v1/me", &token).await.json();
    assert_eq!((&me["name"], &me["role"]), (&json!("mei.tan"), &json!("operator")));
    setup(&up, "").write_into(&folder);
    wait::answers("he is turned away", 401, status).await;
    server.terminate().await;
    server.ended().await;
}

/// What a command says on both streams, and its exit code.
async fn command(config: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let out = binary::run_with(config, arguments, variables, b"").await;
    let said = [out.stdout, out.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    (out.status.code().unwrap_or(-1), said.concat())
}

#[tokio::test]
async fn commands_act_by_the_name_of_who_runs_them() {
    let up = SimBackend::start();
    let folder = setup(&up, OPERATORS).write();
    let server = Server::start(&folder.config()).await;
    let url = format!("http://{}", server.admin_addr());
    let config = folder.config();
    let run = async |what: &str, more: &[&str], variables: &[(&str, &str)]| {
        let always = ["experiment", what, "ab", "--reason", "too dear", "--url", &url];
        command(&config, &[&always[..], more].concat(), variables).await
    };
    let own = [("SIGNALBOX_OPERATOR_TOKEN", OPERATOR), ("SIGNALBOX_ADMIN_TOKEN", WRONG)];
    let (code, said) = run("stop", &[], &own).await;
    assert!(code == 0 && said.contains("(mei.tan): too dear"), "{said}");
    let file = format!("file:{}", folder.0.join("vera.token").display());
    let (code, said) = run("resume", &["--token", &file], &own).await;
    assert!(code == 1 && said.contains("403: the operator `vera`"), "{said}");
    let (code, said) = run("resume", &["--token", "env:RAJ"], &[("RAJ", ADMIN)]).await;
    assert!(code == 0 && said.starts_with("ab: running"), "{said}");
    // Without any, it is that of the configuration.
    let (code, said) = run("stop", &[], &[]).await;
    assert!(code == 0 && said.contains("(admin): too dear"), "{said}");
    for (reference, told) in [
        ("env:UNSET_TOKEN", "--token env:UNSET_TOKEN: this variable is not set"),
        ("file:/nowhere/token", "--token file:/nowhere/token: "),
        (ADMIN, "--token: expected where the token is to be found"),
    ] {
        let (code, said) = run("resume", &["--token", reference], &[]).await;
        assert!(code == 64 && said.contains(told) && !said.contains(ADMIN), "{said}");
    }
    server.terminate().await;
    server.ended().await;
}
