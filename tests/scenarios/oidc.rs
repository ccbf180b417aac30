//! Callers come by the tokens of an issuer: whose are taken, for which team they ask, and what an issuer that
//! is down or answers nonsense can do.

use std::time::Duration;

use serde_json::{Value, json};

use super::directory::{in_force, post, refused};
use crate::harness::{
    Gateway, KEY, Reply, Setup, SimBackend, ask,
    clock::Clock,
    issuer::{Does, Issuer, Signer},
    wait, with,
};

const TEAMS: &str =
    "[[team]]\nname = \"retail\"\ndata_class = \"internal\"\n[[team]]\nname = \"cards\"\n";

/// A section for this issuer, with more lines.
fn corp(issuer: &Issuer, lines: &str) -> String {
    format!(
        "{TEAMS}[[oidc]]\nname = \"corp\"\nissuer = \"{}\"\naudience = [\"signalbox\"]\n\
         algorithms = [\"ES256\", \"EdDSA\", \"RS256\"]\n{lines}\n",
        issuer.name()
    )
}

fn serving(up: &SimBackend, sections: &str) -> Setup {
    Setup::new().model("a", &up.urls()).and(sections)
}

/// A backend, an issuer with one key, and that key.
async fn ground() -> (SimBackend, Issuer, Signer) {
    let signer = Signer::es256();
    let issuer = Issuer::start(vec![signer.public("k1")]).await;
    (SimBackend::start(), issuer, signer)
}

/// The status of a request while the stopped clock is moved on: a backend takes its time to answer.
async fn served(clock: &Clock, gateway: &Gateway, token: &str) -> u16 {
    let mut asked = std::pin::pin!(status(gateway, token));
    loop {
        tokio::select! {
            status = &mut asked => return status,
            () = clock.pass(Duration::from_millis(5)) => {}
        }
    }
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    Reply::of(post(gateway, token, &ask("a"))).await.status
}

/// What a refusal says, which is nothing of the token.
async fn message(gateway: &Gateway, token: &str) -> String {
    let reply = Reply::of(post(gateway, token, &ask("a"))).await;
    let text = reply.text();
    assert_eq!(reply.status, 401, "{text}");
    assert!(!text.contains("eyJ") && !text.contains("ann"), "{text}");
    reply.json()["error"]["message"].as_str().unwrap().to_owned()
}

/// What the ledger has of each entry, the oldest first, when the gateway has ended.
async fn column(gateway: Gateway, what: &str) -> Vec<String> {
    let folder = gateway.stop().await;
    let ledger = rusqlite::Connection::open(folder.ledger()).unwrap();
    let sql = format!("SELECT {what} FROM ledger ORDER BY id");
    let mut rows = ledger.prepare(&sql).expect("the view");
    let rows = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|it| it.unwrap()).collect()
}

const UNKNOWN: &str = "the token's key is not known (yet)";

#[tokio::test]
async fn a_token_asks_for_the_team_of_the_first_rule_and_stands_in_the_books() {
    let (up, issuer, signer) = ground().await;
    let other = Signer::ed_dsa();
    issuer.has(vec![
        signer.public("k1"),
        other.public("k2"),
        json!({ "kty": "oct", "use": "enc" }),
    ]);
    let rules = "team = \"cards\"\n[[oidc.rule]]\nwhen = { groups = [\"retail\"] }\nteam = \"retail\"\n\
                 data_class = \"confidential\"\n";
    let gateway = serving(&up, &corp(&issuer, rules)).start().await;
    let retail = signer.token("k1", &issuer.claims(json!({ "groups": ["staff", "retail"] })));
    let cards = other.token("k2", &issuer.claims(json!({ "sub": "ben" })));
    for token in [&retail, &retail, &cards] {
        assert_eq!(status(&gateway, token).await, 200);
    }
    assert_eq!(status(&gateway, KEY).await, 200, "keys are taken as ever");
    let models = gateway.client.get(gateway.url("/v1/models")).bearer_auth(&cards);
    assert_eq!(Reply::of(models).await.status, 200);
    let ages = gateway.metrics().await;
    assert!(
        ages.sum("signalbox_jwks_refreshes_total", &["issuer=\"corp\"", "result=\"ok\""]) > 0.0
    );
    let said = column(gateway, "\"key\" || ' ' || team || ' ' || data_class").await;
    let retail = "oidc(corp) retail confidential";
    assert_eq!(said, [retail, retail, "oidc(corp) cards public", "scenario default public"]);
}

#[tokio::test]
async fn the_user_of_a_token_counts_before_the_user_of_the_body() {
    let (up, issuer, signer) = ground().await;
    let gateway = serving(&up, &corp(&issuer, "team = \"cards\"\n")).start().await;
    let ann = signer.token("k1", &issuer.claims(json!({})));
    let nobody = signer.token("k1", &issuer.claims(json!({ "sub": null })));
    for (token, user) in [(&ann, "x"), (&ann, "y"), (&nobody, "x"), (&nobody, "ann")] {
        let reply =
            Reply::of(post(&gateway, token, &with(ask("a"), json!({ "user": user })))).await;
        assert_eq!(reply.status, 200);
    }
    let users = column(gateway, "\"user\"").await;
    assert_eq!((users.len(), users[0].len(), users[0] == users[1]), (4, 32, true), "{users:?}");
    assert_ne!(users[0], users[2]);
    assert_eq!(users[0], users[3], "one user, whoever says who he is");
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_said_and_nothing_of_it() {
    let (up, issuer, signer) = ground().await;
    let rules = "[[oidc.rule]]\nwhen = { groups = [\"retail\"] }\nteam = \"retail\"\n";
    let gateway = serving(&up, &corp(&issuer, rules)).start().await;
    let of = |claims: Value| signer.token("k1", &issuer.claims(claims));
    let now = jiff::Timestamp::now().as_second();
    for (token, said) in [
        (of(json!({ "iss": "http://127.0.0.1/other" })), "the token's issuer is not known"),
        (
            of(json!({ "aud": "another" })),
            "the token is not for this gateway: its `aud` is another",
        ),
        (of(json!({ "exp": now - 61 })), "the token has expired"),
        (of(json!({ "nbf": now + 90 })), "the token is not valid yet"),
        (of(json!({})), "no rule of its issuer takes this token"),
        (Signer::es256().token("k1", &issuer.claims(json!({}))), "the token's signature is wrong"),
        (Signer::es256().token("k9", &issuer.claims(json!({}))), UNKNOWN),
        (of(json!({ "x": "y".repeat(20_000) })), "the token is longer than 16384 bytes"),
    ] {
        assert_eq!(message(&gateway, &token).await, said);
    }
    assert!(message(&gateway, "eyJ!.x.y").await.starts_with("the token is no JWT"));
    assert_eq!(refused(&gateway, &of(json!({}))).await, (401, "invalid_api_key".into()));
    let edge = json!({ "groups": "retail", "exp": now - 30, "nbf": now + 30 });
    assert_eq!(status(&gateway, &of(edge)).await, 200, "clocks differ");
    gateway.close().await;
}

#[tokio::test]
async fn limits_of_an_issuer_bind_all_of_its_tokens_together() {
    let (up, issuer, signer) = ground().await;
    let lines = |limits: &str| {
        format!(
            "team = \"cards\"\n{limits}\n[[oidc.rule]]\nwhen = {{ sub = \"ben\" }}\nteam = \"retail\"\n"
        )
    };
    let limits = lines("limits = { requests_per_minute = 3 }");
    let gateway = serving(&up, &corp(&issuer, &limits)).start().await;
    let of = |who: &str| signer.token("k1", &issuer.claims(json!({ "sub": who })));
    let (ann, ben) = (of("ann"), of("ben"));
    for (token, expected) in [(&ann, 200), (&ben, 200), (&ann, 200), (&ben, 429), (&ann, 429)] {
        assert_eq!(status(&gateway, token).await, expected);
    }
    let spent = lines("budget = { amount = \"0.000000001\", window = \"total\" }");
    in_force(&gateway.reload(&serving(&up, &corp(&issuer, &spent))).await);
    for token in [&ann, &ben] {
        assert_eq!(refused(&gateway, token).await, (429, "budget_exceeded".into()));
    }
    in_force(&gateway.reload(&serving(&up, &corp(&issuer, &lines("models = [\"a\"]")))).await);
    assert_eq!(status(&gateway, &ben).await, 200);
    gateway.close().await;
}

#[tokio::test]
async fn a_new_key_is_taken_after_a_refresh_and_a_flood_of_made_up_ones_asks_once() {
    let (up, issuer, signer) = ground().await;
    let gateway = serving(&up, &corp(&issuer, "team = \"cards\"\n")).start().await;
    let (clock, new) = (Clock::stop(), Signer::es256());
    let asked = issuer.asked();
    issuer.has(vec![signer.public("k1"), new.public("k2")]);
    let token = new.token("k2", &issuer.claims(json!({})));
    assert_eq!(message(&gateway, &token).await, UNKNOWN);
    for nth in 0..30 {
        let made_up = new.token(&format!("made-up-{nth}"), &issuer.claims(json!({})));
        assert_eq!(message(&gateway, &made_up).await, UNKNOWN);
    }
    clock.pass(Duration::from_secs(5)).await;
    assert_eq!(issuer.asked(), asked, "not yet");
    clock.runs_until("the issuer is asked", || issuer.asked() > asked).await;
    wait::answers("the new key is taken", 200, async || served(&clock, &gateway, &token).await)
        .await;
    assert_eq!(issuer.asked(), asked + 1);
    // The old key goes: what was taken by it is not taken any more, though it was known.
    let old = signer.token("k1", &issuer.claims(json!({})));
    assert_eq!(served(&clock, &gateway, &old).await, 200);
    issuer.has(vec![new.public("k2")]);
    clock.pass(Duration::from_secs(301)).await;
    wait::answers("the old key is not", 401, async || served(&clock, &gateway, &old).await).await;
    assert_eq!(served(&clock, &gateway, &token).await, 200);
    clock.goes_on();
    gateway.close().await;
}

#[tokio::test]
async fn an_issuer_that_is_down_or_answers_nonsense_takes_nothing_away() {
    let (up, issuer, signer) = ground().await;
    let lines =
        format!("team = \"cards\"\nrefresh_seconds = 10\njwks_url = \"{}\"\n", issuer.url());
    let gateway = serving(&up, &corp(&issuer, &lines)).start().await;
    let clock = Clock::stop();
    let failed = async || {
        let metrics = gateway.metrics().await;
        metrics.sum("signalbox_jwks_refreshes_total", &["issuer=\"corp\"", "result=\"failed\""])
    };
    let mut before = 0.0;
    for nth in [Does::Closes, Does::Fails(503), Does::Redirects, Does::Page, Does::Floods] {
        issuer.does(nth);
        clock.pass(Duration::from_secs(11)).await;
        wait::answers("a refresh fails", true, async || failed().await > before).await;
        before = failed().await;
        let token = signer.token("k1", &issuer.claims(json!({ "jti": format!("{nth:?}") })));
        assert_eq!(served(&clock, &gateway, &token).await, 200, "{nth:?}");
    }
    issuer.does(Does::Serves);
    let asked = issuer.asked();
    clock.runs_until("it is asked again", || issuer.asked() > asked).await;
    clock.goes_on();
    gateway.close().await;
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_keeps_nobody_else_from_serving() {
    let (up, issuer, signer) = ground().await;
    issuer.does(Does::Redirects);
    let setup = || serving(&up, &corp(&issuer, "team = \"cards\"\n"));
    let gateway = setup().start().await;
    let token = signer.token("k1", &issuer.claims(json!({})));
    assert_eq!(message(&gateway, &token).await, UNKNOWN);
    assert_eq!(status(&gateway, KEY).await, 200);
    let ages = gateway.admin("/metrics").await.text();
    assert!(!ages.contains("signalbox_jwks_age_seconds{"), "nothing is known of it");
    let clock = Clock::stop();
    issuer.does(Does::Serves);
    let asked = issuer.asked();
    clock.runs_until("it is asked again", || issuer.asked() > asked).await;
    wait::answers("its token is taken", 200, async || served(&clock, &gateway, &token).await).await;
    clock.goes_on();
    // A reload that says something else of it keeps its keys, though it is down again.
    issuer.does(Does::Closes);
    let other = serving(&up, &corp(&issuer, "team = \"retail\"\n"));
    in_force(&gateway.reload(&other).await);
    assert_eq!(status(&gateway, &token).await, 200);
    in_force(&gateway.reload(&serving(&up, "")).await);
    assert_eq!(message(&gateway, &token).await, "the API key is not known");
    let books = gateway.close().await;
    let teams: Vec<_> = books.entries.iter().map(|it| &*it.team).collect();
    assert_eq!(teams, ["default", "cards", "retail"]);
}

#[tokio::test]
async fn a_token_of_another_library_comes_in_by_keys_from_a_file() {
    let made: Value =
        serde_json::from_str(include_str!("../../gateway/directory/token/made.json")).unwrap();
    let keys = json!({ "keys": made["keys"] }).to_string();
    let sections = format!(
        "{TEAMS}[[oidc]]\nname = \"corp\"\nissuer = \"https://login.example.com/realms/bank\"\n\
         audience = \"signalbox\"\njwks = \"file:keys.json\"\nalgorithms = [\"RS256\", \"PS256\"]\n\
         [[oidc.rule]]\nwhen = {{ \"realm_access.roles\" = \"user\" }}\nteam = \"retail\"\n"
    );
    let up = SimBackend::start();
    let gateway = serving(&up, &sections).file("keys.json", &keys).start().await;
    for it in made["tokens"].as_array().unwrap() {
        let (algorithm, token) = (it["algorithm"].as_str().unwrap(), it["token"].as_str().unwrap());
        let expected = if ["RS256", "PS256"].contains(&algorithm) { 200 } else { 401 };
        assert_eq!(status(&gateway, token).await, expected, "{algorithm}");
    }
    assert_eq!(status(&gateway, made["forged"].as_str().unwrap()).await, 401);
    gateway.close().await;
}
