//! A model of the operator's own says what texts contain that no recogniser sees.

use serde_json::{Value, json};

use crate::harness::{
    Gateway, KEY, Reply, Setup, SimBackend, ask, binary,
    receiver::{Does, Receiver},
    with,
};

const POLICY: &str = "version = \"v\"\n\
     [[rule]]\nname = \"home\"\nwhen = { data_class = [\"confidential\", \"secret\"] }\n\
     require = { zone = [\"on_prem\"] }\n\
     [default]\nroute = [\"far\", \"near\"]\n";
/// A person whom only a model recognises.
const PERSON: &str = "Jane Tan of 12 Orchard Road asks for a loan.";
const FOUND: &str = r#"{"contains": {"national_id": 1, "phone": 2}}"#;
const NOTHING: &str = r#"{"contains": {}}"#;

/// Two models, one of them on premises, and a class that keeps requests there.
fn setup(up: &SimBackend, content: &str) -> Setup {
    let setup = Setup::new().model_with("far", &up.urls(), "zone = \"cloud\"\n");
    let setup = setup.model_with("near", &up.urls(), "zone = \"on_prem\"\n");
    let classes = "[data_class.content]\nnational_id = \"confidential\"\n";
    let policy = "[policy]\nfile = \"policy.toml\"\n";
    let setup = setup.and(&format!("{policy}{classes}{content}")).file("policy.toml", POLICY);
    setup.file("hook.key", "hook-secret-12345").key("data_class_max = \"secret\"\n")
}

/// The section that has this address asked.
fn section(url: &str, lines: &str) -> String {
    let timeout = if lines.contains("timeout_ms") { "" } else { "timeout_ms = 20000\n" };
    format!("[content]\nhttp = \"{url}\"\n{timeout}{lines}")
}

fn asking(text: &str) -> Value {
    with(ask("auto"), json!({ "messages": [{ "role": "user", "content": text }] }))
}

async fn served_by(gateway: &Gateway, text: &str) -> String {
    let reply = gateway.ask(&asking(text)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-signalbox-model").to_owned()
}

/// How many checks came to each end.
async fn counted(gateway: &Gateway) -> [f64; 4] {
    let metrics = gateway.metrics().await;
    ["ok", "cached", "failed", "busy"].map(|result| {
        let label = format!("result=\"{result}\"");
        metrics.sum("signalbox_content_checks_total", &[&label])
    })
}

fn is_refused(reply: &Reply) {
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.json()["error"]["code"], "content_check_failed");
    assert_eq!(reply.header("retry-after"), "1");
}

#[tokio::test]
async fn what_only_the_model_finds_keeps_a_request_on_premises_and_is_asked_once() {
    let (up, hook) = (SimBackend::start(), Receiver::that(vec![Does::Says(FOUND)]).await);
    let content = section(&hook.url("/contains"), "credential = \"file:hook.key\"\n");
    let gateway = setup(&up, &content).start().await;
    for _ in 0..2 {
        assert_eq!(served_by(&gateway, PERSON).await, "near");
    }
    let came = hook.came();
    assert_eq!(came.len(), 1, "{came:?}");
    assert_eq!(came[0].json(), json!({ "texts": [PERSON] }));
    assert!(came[0].head.starts_with("POST /contains "), "{came:?}");
    assert_eq!(came[0].header("authorization"), "Bearer hook-secret-12345");
    let all = format!("{came:?}");
    for never in [KEY, "scenario", "x-signalbox", "x-request-id", "traceparent"] {
        assert!(!all.contains(never), "{never}: {all}");
    }
    assert_eq!(counted(&gateway).await, [1.0, 1.0, 0.0, 0.0]);
    let route = Reply::of(gateway.post_to("/v1/route", &asking("Is Jane Tan in?"))).await;
    let signals = &route.json()["signals"];
    assert_eq!(signals["contains"], json!({ "national_id": 1, "phone": 2 }), "{}", route.text());
    assert_eq!((&signals["data_class"], hook.came().len()), (&json!("confidential"), 2));
    gateway.until(|books| books.verification.open == 0).await;
    let labels = ["kind=\"national_id\"", "data_class=\"confidential\""];
    assert_eq!(gateway.metrics().await.sum("signalbox_contains_total", &labels), 2.0);
    assert_eq!(gateway.close().await.entries.len(), 2);
}

#[tokio::test]
async fn what_the_model_does_not_find_takes_nothing_away() {
    let says = r#"{"contains": {"national_id": 0}}"#;
    let (up, hook) = (SimBackend::start(), Receiver::that(vec![Does::Says(says)]).await);
    let gateway = setup(&up, &section(&hook.url("/contains"), "")).start().await;
    assert_eq!(served_by(&gateway, "My identity number is S1234567D.").await, "near");
    assert_eq!(served_by(&gateway, "Hello, how are you?").await, "far");
    gateway.stop().await;
}

#[tokio::test]
async fn a_check_that_fails_refuses_the_request_or_lets_it_go_on_as_is_configured() {
    let up = SimBackend::start();
    for does in [
        Does::Answers(500),
        Does::Answers(201),
        Does::Redirects,
        Does::Floods,
        Does::Hangs,
        Does::Says("no"),
        Does::Says(r#"{"contains": {"name": 1}}"#),
        Does::Says(r#"{"contains": {"phone": "1"}}"#),
    ] {
        let hook = Receiver::that(vec![does]).await;
        let timeout = if matches!(does, Does::Hangs) { "timeout_ms = 100\n" } else { "" };
        let url = hook.url("/contains");
        let gateway = setup(&up, &section(&url, timeout)).start().await;
        is_refused(&gateway.ask(&asking(PERSON)).await);
        // What failed is not kept: the next one asks again, and no redirect is followed.
        is_refused(&Reply::of(gateway.post_to("/v1/route", &asking(PERSON))).await);
        let came = hook.came();
        assert!(
            came.len() == 2 && came.iter().all(|it| it.head.contains("/contains ")),
            "{came:?}"
        );
        assert_eq!(counted(&gateway).await, [0.0, 0.0, 2.0, 0.0], "{does:?}");
        let books = gateway.close().await;
        assert!(books.entries.is_empty(), "nothing was reserved or sent: {books:?}");
        let open = section(&url, &format!("{timeout}on_failure = \"open\"\n"));
        let gateway = setup(&up, &open).start().await;
        assert_eq!(served_by(&gateway, PERSON).await, "far", "{does:?}");
        assert_eq!(served_by(&gateway, "It is S1234567D.").await, "near", "{does:?}");
        assert_eq!(counted(&gateway).await, [0.0, 0.0, 2.0, 0.0], "{does:?}");
        gateway.stop().await;
    }
    // Nobody listens there.
    let gateway = setup(&up, &section("http://127.0.0.1:1/contains", "")).start().await;
    is_refused(&gateway.ask(&asking(PERSON)).await);
    gateway.stop().await;
}

#[tokio::test]
async fn texts_to_embed_and_to_rank_are_checked_too() {
    let (up, hook) = (SimBackend::start(), Receiver::that(vec![Does::Answers(500)]).await);
    let gateway = setup(&up, &section(&hook.url("/contains"), "")).start().await;
    for (path, body, texts) in [
        ("/v1/embeddings", json!({ "input": ["a", "Jane"] }), json!(["a", "Jane"])),
        ("/v1/completions", json!({ "prompt": "Jane" }), json!(["Jane"])),
        ("/v1/rerank", json!({ "query": "[Jane]", "documents": ["b"] }), json!(["[Jane]", "b"])),
        ("/v1/responses", json!({ "input": "Jane" }), json!(["Jane"])),
        (
            "/v1/messages",
            json!({ "max_tokens": 9, "messages": [{ "role": "user", "content": "Jane" }] }),
            json!(["Jane"]),
        ),
    ] {
        let before = hook.came().len();
        let reply = Reply::of(gateway.post_to(path, &with(json!({ "model": "auto" }), body))).await;
        assert_eq!(reply.status, 503, "{path}: {}", reply.text());
        let came = hook.came();
        assert_eq!(came[before..].len(), 1, "{path}");
        assert_eq!(came[before].json(), json!({ "texts": texts }), "{path}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn no_more_checks_are_under_way_than_may_be() {
    let does = vec![Does::Hangs, Does::Says(NOTHING)];
    let (up, hook) = (SimBackend::start(), Receiver::that(does).await);
    let content = section(&hook.url("/contains"), "concurrent_max = 1\n");
    let gateway = setup(&up, &content).start().await;
    let first = tokio::spawn(gateway.post(&asking("one")).send());
    hook.after(1).await;
    is_refused(&gateway.ask(&asking("two")).await);
    assert_eq!(counted(&gateway).await, [0.0, 0.0, 0.0, 1.0]);
    // Who leaves takes his check with him.
    first.abort();
    crate::harness::wait::answers("there is a place again", 200, async || {
        gateway.ask(&asking("two")).await.status
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_reload_has_another_address_asked_and_what_was_found_stays_known() {
    let up = SimBackend::start();
    let finds = Receiver::that(vec![Does::Says(FOUND)]).await;
    let blind = Receiver::that(vec![Does::Says(NOTHING)]).await;
    let to = |hook: &Receiver| setup(&up, &section(&hook.url("/contains"), ""));
    let gateway = to(&finds).start().await;
    for (stated, model, came) in [
        (to(&finds), "near", (1, 0)),
        (to(&blind), "far", (1, 1)),
        (to(&finds), "near", (1, 1)),
        (setup(&up, ""), "far", (1, 1)),
    ] {
        gateway.reload(&stated).await;
        assert_eq!(served_by(&gateway, PERSON).await, model);
        assert_eq!((finds.came().len(), blind.came().len()), came);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn explain_asks_nobody_and_says_so() {
    let (up, hook) = (SimBackend::start(), Receiver::that(vec![Does::Says(FOUND)]).await);
    let folder = setup(&up, &section(&hook.url("/contains"), "")).write();
    let request = folder.0.join("request.json");
    std::fs::write(&request, asking(PERSON).to_string()).expect("a request");
    let request = request.display().to_string();
    for arguments in [vec!["explain", &request], vec!["explain", &request, "--json"]] {
        let out = binary::run(&folder.config(), &arguments).await;
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(said.contains("the model of [content] is not asked here"), "{said}");
    }
    assert!(hook.came().is_empty());
}
