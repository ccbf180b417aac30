//! Operators come by the tokens of an issuer: each as the role and by the name that its claims say, with the
//! same proofs that a caller's token takes, and nobody else.

use std::fs;

use http::Method;
use ring::hmac;
use serde_json::{Value, json};
use signalbox::app::Reloaded;

use super::directory::{in_force, refused};
use crate::harness::{
    Gateway, KEY, Reply, Setup, SimBackend,
    binary::{self, Server},
    gateway::{Folder, client},
    issuer::{Does, Issuer, Signer, token},
    wait,
};

/// Roles by groups.
const ROLES: &str = "\
     [[oidc.operator]]\nwhen = { groups = [\"gateway-admins\"] }\nrole = \"admin\"\n\
     [[oidc.operator]]\nwhen = { groups = [\"gateway-night-shift\"] }\nrole = \"operator\"\n\
     [[oidc.operator]]\nwhen = { groups = [\"staff\"] }\nrole = \"viewer\"\n";

const POLICY: &str = "version = \"1\"\n\
     [[experiment]]\nname = \"ab\"\nunit = \"user\"\nprimary = \"error\"\n\
     arms = [\n  { name = \"old\", share = 0.5, route = [\"a\"] },\n\
     \x20 { name = \"new\", share = 0.5, route = [\"b\"] },\n]\n\
     [[rule]]\nname = \"talk\"\nwhen = { operation = [\"chat\"] }\nroute = [\"a\"]\n\
     experiment = \"ab\"\n[default]\nroute = [\"a\"]\n";

/// An issuer with one key, and that key.
async fn ground() -> (SimBackend, Issuer, Signer) {
    let signer = Signer::es256();
    let issuer = Issuer::start(vec![signer.public("k1")]).await;
    (SimBackend::start(), issuer, signer)
}

/// An issuer of operators, named by the person's login, and more lines.
fn corp(issuer: &Issuer, lines: &str) -> String {
    format!(
        "[[oidc]]\nname = \"corp\"\nissuer = \"{}\"\noperator_audience = \"signalbox-operators\"\n\
         operator_name = \"preferred_username\"\n{lines}\n",
        issuer.name()
    )
}

fn setup(up: &SimBackend, sections: &str) -> Setup {
    Setup::new().model("a", &up.urls()).and(sections)
}

/// The claims of this person, who is in this group, for the operators' door.
fn claims(issuer: &Issuer, person: &str, group: &str) -> Value {
    issuer.claims(json!({
        "aud": "signalbox-operators", "sub": "5f7c8ec7", "preferred_username": person, "groups": [group],
    }))
}

async fn call(addr: &str, token: &str, (method, path): (Method, &str), body: &Value) -> Reply {
    let url = format!("http://{addr}/admin/v1/{path}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Reply::of(client().request(method, url).bearer_auth(token).body(body)).await
}

async fn me(gateway: &Gateway, token: &str) -> Reply {
    call(&gateway.admin_addr().to_string(), token, (Method::GET, "me"), &Value::Null).await
}

/// What a refusal says, which is nothing of the token.
async fn told(gateway: &Gateway, token: &str) -> String {
    let reply = me(gateway, token).await;
    let text = reply.text();
    assert_eq!(reply.status, 401, "{text}");
    assert!(!text.contains("eyJ") && !text.contains("mei") && !text.contains("5f7c"), "{text}");
    reply.json()["error"]["message"].as_str().expect("a message").to_owned()
}

async fn trail(folder: &Folder) -> Vec<Value> {
    let said = binary::run(&folder.config(), &["audit", "--json"]).await;
    let said = String::from_utf8(said.stdout).expect("a text");
    assert!(!said.contains("eyJ"), "{said}");
    said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn claims_say_who_an_operator_is_and_what_he_may() {
    let (up, issuer, signer) = ground().await;
    let gateway = setup(&up, &corp(&issuer, ROLES)).start().await;
    for (person, group, role) in [
        ("mei.tan", "gateway-admins", "admin"),
        ("raj@bank.example", "gateway-night-shift", "operator"),
        ("auth0|5f7c", "staff", "viewer"),
    ] {
        let claims = claims(&issuer, person, group);
        let reply = me(&gateway, &signer.token("k1", &claims)).await;
        // A minute of leeway counts.
        let until = claims["exp"].as_i64().expect("a moment") + 60;
        let until = jiff::Timestamp::from_second(until).expect("a moment").to_string();
        let name = format!("oidc(corp):{person}");
        assert_eq!(reply.json(), json!({ "name": name, "role": role, "expires": until }));
    }
    // The first rule counts, whatever else matches, and no operator is a caller.
    let mut both = claims(&issuer, "mei.tan", "staff");
    both["groups"] = json!(["staff", "gateway-night-shift"]);
    let both = signer.token("k1", &both);
    assert_eq!(me(&gateway, &both).await.json()["role"], "operator");
    assert_eq!(refused(&gateway, &both).await, (401, "invalid_api_key".into()));
    let alike = format!("{both}, Bearer {both}");
    assert_eq!(me(&gateway, &alike).await.status, 401, "one token to a line");
    gateway.close().await;
}

#[tokio::test]
async fn what_is_wrong_with_an_operators_token_is_said_and_nothing_of_it() {
    let (up, issuer, signer) = ground().await;
    let sections = corp(&issuer, ROLES);
    let sections = sections.replace(
        "operator_audience",
        "team = \"default\"\naudience = \"signalbox\"\noperator_audience",
    );
    let gateway = setup(&up, &sections).start().await;
    let of = |with: Value| {
        let mut claims = claims(&issuer, "mei.tan", "staff");
        claims.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        claims
    };
    let good = of(json!({}));
    assert_eq!(me(&gateway, &signer.token("k1", &good)).await.status, 200);
    let now = jiff::Timestamp::now().as_second();
    let names = "the token's `preferred_username` names no operator: expected 1 to 100 letters and digits of \
                 ASCII, `.`, `_`, `-`, `:`, `/`, `@`, `+` and `|`";
    let audience = "the token is not for this gateway: its `aud` is another";
    for (with, said) in [
        (json!({ "aud": "signalbox" }), audience),
        (json!({ "aud": [] }), audience),
        (json!({ "iss": "http://127.0.0.1/other" }), "the token's issuer is not known"),
        (json!({ "exp": now - 61 }), "the token has expired"),
        (json!({ "nbf": now + 90 }), "the token is not valid yet"),
        (json!({ "groups": ["cards"] }), "no rule of its issuer makes this token an operator's"),
        (json!({ "groups": null }), "no rule of its issuer makes this token an operator's"),
        (json!({ "preferred_username": "mei\nadmin" }), names),
        (json!({ "preferred_username": "" }), names),
        (json!({ "preferred_username": "m".repeat(101) }), names),
        (json!({ "preferred_username": ["mei"] }), names),
        (json!({ "preferred_username": null }), names),
        (json!({ "x": "y".repeat(20_000) }), "the token is longer than 16384 bytes"),
    ] {
        assert_eq!(told(&gateway, &signer.token("k1", &of(with))).await, said);
    }
    let other = Signer::es256();
    assert_eq!(told(&gateway, &other.token("k1", &good)).await, "the token's signature is wrong");
    assert_eq!(
        told(&gateway, &other.token("k9", &good)).await,
        "the token's key is not known (yet)"
    );
    let algorithm = "the token's algorithm is not allowed for its issuer";
    let by = |name: &str| json!({ "alg": name, "typ": "JWT", "kid": "k1" });
    assert_eq!(told(&gateway, &token(&by("none"), &good, |_| Vec::new())).await, algorithm);
    let public = signer.public("k1");
    for secret in [public.to_string(), public["x"].as_str().expect("a number").to_owned()] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signed = token(&by("HS256"), &good, |it| hmac::sign(&key, it).as_ref().to_vec());
        assert_eq!(told(&gateway, &signed).await, algorithm);
    }
    let mut critical = by("ES256");
    critical["crit"] = json!(["exp"]);
    let critical = token(&critical, &good, |_| vec![0; 64]);
    assert!(told(&gateway, &critical).await.contains("`crit`"));
    assert_eq!(told(&gateway, "nobody's").await, "the bearer token is that of no operator");
    gateway.close().await;
}

/// A server with an experiment and the operators of this issuer, and its folder.
async fn served(up: &SimBackend, issuer: &Issuer) -> (Server, Folder) {
    let sections = format!("[policy]\nfile = \"policy.toml\"\n{}", corp(issuer, ROLES));
    let setup = setup(up, &sections).model("b", &up.urls()).file("policy.toml", POLICY);
    let folder = setup.write();
    (Server::start(&folder.config()).await, folder)
}

/// Who has asked for changes by the log of a server, in which nothing of a token stands.
async fn asked_by(server: &Server, count: usize) -> Vec<Value> {
    let asked = || {
        let lines = server.log();
        let asked = lines.iter().filter(|it| it["message"] == "an operator has asked for a change");
        asked.map(|it| it["operator"].clone()).collect::<Vec<_>>()
    };
    wait::until("lines of changes", || asked().len() >= count).await;
    for line in server.log() {
        let line = line.to_string();
        assert!(!line.contains("eyJ") && !line.contains("5f7c8ec7"), "{line}");
    }
    asked()
}

/// Who has done this, by the trail.
fn who<'a>(records: &'a [Value], what: &str) -> Vec<&'a str> {
    let of = records.iter().filter(|it| it["what"] == what);
    of.map(|it| it["who"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn what_an_issuers_operator_changes_or_may_not_stands_under_his_name() {
    let (up, issuer, signer) = ground().await;
    let (server, folder) = served(&up, &issuer).await;
    let of = |person: &str, group: &str| signer.token("k1", &claims(&issuer, person, group));
    let (mei, vera) = (of("mei.tan", "gateway-admins"), of("vera", "staff"));
    let stranger = of("eve", "cards");
    let key = json!({ "name": "chat", "team": "default", "reason": "asked for" });
    let make =
        async |token: &str| call(server.admin_addr(), token, (Method::POST, "keys"), &key).await;
    for _ in 0..3 {
        let reply = make(&vera).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (403, &json!("role_forbidden")));
        assert_eq!(make(&stranger).await.status, 401);
    }
    let made = make(&mei).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(asked_by(&server, 1).await, ["oidc(corp):mei.tan"]);
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));

    let records = trail(&folder).await;
    assert_eq!(who(&records, "key.created"), ["oidc(corp):mei.tan"]);
    let refused: Vec<_> = records
        .iter()
        .filter(|it| it["what"] == "access.refused")
        .map(|it| (it["who"].clone(), it["subject"].clone(), it["after"]["count"].clone()))
        .collect();
    let one = |who: &str, kind: &str| (json!(who), json!(kind), json!(3));
    let expected = [one("oidc(corp):vera", "forbidden"), one("(operators)", "unauthenticated")];
    assert_eq!(refused, expected);
    let verified = binary::run(&folder.config(), &["ledger", "verify"]).await;
    assert_eq!(verified.status.code(), Some(0));
}

#[tokio::test]
async fn commands_take_an_issuers_token_as_any_other() {
    let (up, issuer, signer) = ground().await;
    let (server, folder) = served(&up, &issuer).await;
    let mut long = claims(&issuer, "raj", "gateway-night-shift");
    long["entitlements"] = json!("e".repeat(6_000));
    let raj = signer.token("k1", &long);
    let vera = signer.token("k1", &claims(&issuer, "vera", "staff"));
    let url = format!("http://{}", server.admin_addr());
    let run = async |more: &[&str], token: &str| {
        let arguments = [more, &["--url", &url]].concat();
        let variables = [("SIGNALBOX_OPERATOR_TOKEN", token)];
        let out = binary::run_with(&folder.config(), &arguments, &variables, b"").await;
        let said = [out.stdout, out.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        assert!(!said.concat().contains("eyJ"), "{said:?}");
        (out.status.code(), said.concat())
    };
    let stop = ["experiment", "stop", "ab", "--reason", "night"];
    let (code, said) = run(&stop, &vera).await;
    let expected = "403: the operator `oidc(corp):vera` has the role `viewer`";
    assert!(code == Some(1) && said.contains(expected), "{said}");
    let (code, said) = run(&["experiment", "list", "--live"], &vera).await;
    assert!(code == Some(0) && said.contains("ab"), "{said}");
    fs::write(folder.0.join("raj.jwt"), format!("{raj}\n")).expect("a file");
    let file = format!("file:{}", folder.0.join("raj.jwt").display());
    let (code, said) = run(&[&stop[..], &["--token", &file]].concat(), "unused").await;
    assert!(code == Some(0) && said.contains("(oidc(corp):raj): night"), "{said}");
    let (code, said) = run(&["experiment", "resume", "ab", "--reason", "day"], &raj).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(asked_by(&server, 2).await, ["oidc(corp):raj", "oidc(corp):raj"]);
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    let records = trail(&folder).await;
    assert_eq!(who(&records, "experiment.stopped"), ["oidc(corp):raj"]);
    assert_eq!(who(&records, "experiment.resumed"), ["oidc(corp):raj"]);
}

#[tokio::test]
async fn two_persons_of_an_issuer_are_two_and_one_by_two_doors_is_one() {
    let (up, issuer, signer) = ground().await;
    let (second, by_second) = (Issuer::start(vec![signer.public("k1")]).await, "login");
    let other = corp(&second, ROLES).replace("corp", by_second);
    let sections = |lines: &str| {
        format!(
            "[audit]\ntwo_persons = true\n[[team]]\nname = \"bank\"\n[[operator]]\nname = \"mei.tan\"\n\
             role = \"admin\"\ntoken = \"file:mei.token\"\n{}{other}",
            corp(&issuer, lines)
        )
    };
    let setup =
        |lines: &str| setup(&up, &sections(lines)).file("mei.token", "token-of-mei-0123456789");
    let gateway = setup(ROLES).start().await;
    let at = gateway.admin_addr().to_string();
    let of = |person: &str, group: &str| signer.token("k1", &claims(&issuer, person, group));
    let (mei, raj) = (of("mei.tan", "gateway-admins"), of("raj", "gateway-admins"));
    let elsewhere = signer.token("k1", &claims(&second, "mei.tan", "gateway-admins"));
    let budget = json!({ "amount": "5", "window": "day" });
    let team = json!({ "name": "cards", "parent": "bank", "budget": budget, "reason": "q3" });
    let made = call(&at, &mei, (Method::POST, "teams"), &team).await;
    assert_eq!((made.status, &made.json()["by"]), (202, &json!("oidc(corp):mei.tan")));
    let approve = format!("proposals/{}/approve", made.json()["id"].as_str().expect("an id"));
    let approve =
        async |token: &str| call(&at, token, (Method::POST, &approve), &Value::Null).await;
    for own in [&mei, "token-of-mei-0123456789", &elsewhere] {
        let reply = approve(own).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (403, &json!("own_approval")));
    }
    assert_eq!(approve(&of("vera", "staff")).await.status, 403);
    let done = approve(&raj).await;
    assert_eq!((done.status, &done.json()["approved_by"]), (200, &json!("oidc(corp):raj")));
    // Who are operators is not changed by a file alone.
    let others = ROLES.replace("\"staff\"", "\"everybody\"");
    assert!(!matches!(gateway.reload(&setup(&others)).await, Reloaded::InForce { .. }));
    assert_eq!(me(&gateway, &of("vera", "staff")).await.status, 200);
    gateway.close().await;
}

#[tokio::test]
async fn a_reload_takes_operators_of_an_issuer_over() {
    let (up, issuer, signer) = ground().await;
    let gateway = setup(&up, "").start().await;
    let of = |group: &str| signer.token("k1", &claims(&issuer, "mei.tan", group));
    let (admin, staff) = (of("gateway-admins"), of("staff"));
    let nobody = told(&gateway, &admin).await;
    assert!(nobody.starts_with("neither `admin.token` nor an `[[operator]]` is set"), "{nobody}");
    assert!(nobody.contains("nor an `[[oidc.operator]]`"), "{nobody}");
    in_force(&gateway.reload(&setup(&up, &corp(&issuer, ROLES))).await);
    wait::answers("he is let in", 200, async || me(&gateway, &admin).await.status).await;
    assert_eq!(me(&gateway, &staff).await.status, 200);
    let fewer =
        corp(&issuer, ROLES.split("[[oidc.operator]]\nwhen = { groups = [\"staff").next().unwrap());
    in_force(&gateway.reload(&setup(&up, &fewer)).await);
    assert_eq!((me(&gateway, &admin).await.status, me(&gateway, &staff).await.status), (200, 401));
    // What concerns callers alone concerns no operator.
    let callers = fewer
        .replace("operator_audience", "audience = \"x\"\nteam = \"default\"\noperator_audience");
    in_force(&gateway.reload(&setup(&up, &callers)).await);
    assert_eq!(me(&gateway, &admin).await.status, 200);
    in_force(&gateway.reload(&setup(&up, "")).await);
    assert_eq!(me(&gateway, &admin).await.status, 401);

    let records = trail(&gateway.stop().await).await;
    let reloads = records.iter().filter(|it| it["what"] == "config.reloaded");
    let said: Vec<_> = reloads
        .map(|it| (it["after"]["changed"].clone(), it["after"]["operators"].clone()))
        .collect();
    let one = |what: &str| {
        let operators = json!({ what: ["oidc(corp)"] });
        (json!(["keys", "operators", "oidc"]), operators)
    };
    let only = |(_, operators)| (json!(["operators", "oidc"]), operators);
    let expected =
        [one("added"), only(one("changed")), (json!(["oidc"]), Value::Null), one("removed")];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_lets_no_operator_in_and_keeps_no_other_out() {
    let (up, issuer, signer) = ground().await;
    issuer.does(Does::Fails(503));
    let gateway = setup(&up, &corp(&issuer, ROLES)).operated().start().await;
    let token = signer.token("k1", &claims(&issuer, "mei.tan", "gateway-admins"));
    assert_eq!(told(&gateway, &token).await, "the token's key is not known (yet)");
    assert_eq!(me(&gateway, KEY).await.json()["name"], "admin");
    let bearer = format!("Bearer {token}");
    let url = format!("http://{}/admin/v1/me", gateway.admin_addr());
    let two = client().get(url).header("authorization", bearer).bearer_auth(KEY);
    assert_eq!(Reply::of(two).await.status, 401);
    gateway.close().await;
}

#[tokio::test]
async fn the_example_of_the_pages_passes_the_check() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIG.md");
    let page = fs::read_to_string(page).expect("a page");
    let from = page.find("### `[[oidc]]`").expect("a section");
    let section = page[from..].split("\n### ").next().expect("a section");
    let example = section.split("```toml\n").nth(1).expect("an example");
    let example = example.split("```").next().expect("an end");
    assert!(example.contains("[[oidc.operator]]"), "{example}");
    let up = SimBackend::start();
    let teams = "[[team]]\nname = \"retail-banking\"\n";
    let folder = setup(&up, &format!("{teams}{example}")).write();
    let said = binary::run(&folder.config(), &["check"]).await;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[tokio::test]
async fn the_check_counts_an_issuers_admins_as_those_who_can_approve() {
    let (up, issuer, _) = ground().await;
    let two = "[audit]\ntwo_persons = true\n";
    for (roles, warned) in [(ROLES, false), (&*ROLES.replace("\"admin\"", "\"viewer\""), true)] {
        let folder = setup(&up, &format!("{two}{}", corp(&issuer, roles))).write();
        let said = binary::run(&folder.config(), &["check"]).await;
        let text = [said.stdout, said.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        assert!(said.status.success(), "{text:?}");
        let told = text.concat().contains("there are not two operators of the role `admin`");
        assert_eq!(told, warned, "{text:?}");
    }
}
