//! A request that no model of the first matching rule can serve: the next rule, the default, or a refusal
//! that says what is true.

use serde_json::{Value, json};

use crate::harness::{
    Gateway, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    with,
};

const SEES: &str = "capabilities = [\"vision\"]\nzone = \"cloud\"\n";
const READS: &str = "capabilities = [\"json_schema\"]\nzone = \"on_prem\"\ncontext_tokens_max = 4000\n\
                     output_tokens_max = 1000\noutput_tokens_default = 500\n";

/// A rule for everything with a model that only reads, and a default with one that sees.
fn setup(text: &SimBackend, eyes: &SimBackend, rules: &str) -> Setup {
    let policy = format!(
        "version = \"v1\"\n[default]\nroute = [\"eyes\"]\n[[rule]]\nname = \"chat\"\nroute = [\"text\"]\n\
         {rules}"
    );
    Setup::new()
        .model_with("text", &text.urls(), READS)
        .model_with("eyes", &eyes.urls(), SEES)
        .and("[policy]\nfile = \"policy.toml\"\n")
        .file("policy.toml", &policy)
}

fn image() -> Value {
    let pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q\
                 DwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let parts = json!([
        { "type": "text", "text": "What is on this picture?" },
        { "type": "image_url", "image_url": { "url": pixel } },
    ]);
    with(ask("auto"), json!({ "messages": [{ "role": "user", "content": parts }] }))
}

fn long() -> Value {
    let text = "What does the branch in Jurong open for on Sundays? ".repeat(600);
    with(ask("auto"), json!({ "messages": [{ "role": "user", "content": text }] }))
}

/// The model that answered, and the rule that decided.
async fn served(gateway: &Gateway, request: &Value) -> (String, String) {
    let reply = gateway.ask(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    (reply.header("x-signalbox-model").to_owned(), reply.header("x-signalbox-rule").to_owned())
}

fn error(reply: &Reply) -> (u16, String, String) {
    let body = reply.json();
    let text = |field: &str| body["error"][field].as_str().unwrap_or_default().to_owned();
    (reply.status, text("code"), text("message"))
}

#[tokio::test]
async fn what_the_first_rule_cannot_serve_the_default_does_and_the_header_says_so() {
    let (text, eyes) = (SimBackend::start(), SimBackend::start());
    let gateway = setup(&text, &eyes, "").start().await;
    assert_eq!(served(&gateway, &ask("auto")).await, ("text".into(), "chat".into()));
    assert_eq!(served(&gateway, &image()).await, ("eyes".into(), "default".into()));
    assert_eq!(served(&gateway, &long()).await, ("eyes".into(), "default".into()));
    let books = gateway.close().await;
    let rules: Vec<_> = books.entries.iter().map(|it| it.rule.clone()).collect();
    assert_eq!(rules, ["chat", "default", "default"]);
}

#[tokio::test]
async fn a_key_that_may_not_use_the_rules_model_is_served_by_the_default() {
    let (text, eyes) = (SimBackend::start(), SimBackend::start());
    let gateway = setup(&text, &eyes, "").key("models = [\"eyes\"]\n").start().await;
    assert_eq!(served(&gateway, &ask("auto")).await, ("eyes".into(), "default".into()));
}

#[tokio::test]
async fn a_refusal_names_what_is_needed_and_each_model_with_what_it_lacks() {
    let (text, eyes) = (SimBackend::start(), SimBackend::start());
    let gateway = setup(&text, &eyes, "").key("models = [\"text\"]\n").start().await;
    let (status, code, message) = error(&gateway.ask(&image()).await);
    assert_eq!((status, &*code), (400, "no_capable_model"));
    assert_eq!(
        message,
        "the request needs vision, and no model of rule `chat` or the default route can serve it: text \
         (cannot read images), eyes (key or team may not use it)"
    );
    let refusing = setup(&text, &eyes, "on_unservable = \"refuse\"\n").start().await;
    let (status, _, message) = error(&refusing.ask(&image()).await);
    assert_eq!(status, 400);
    assert_eq!(
        message,
        "the request needs vision, and no model of rule `chat` can serve it: text (cannot read images)"
    );
    let (status, code, message) = error(&gateway.ask(&long()).await);
    assert_eq!((status, &*code), (400, "context_length_exceeded"));
    assert!(message.contains("of rule `chat` or the default route that could serve it has 4000"));
    let outside = setup(&text, &eyes, "on_unservable = \"refuse\"\n");
    let outside = outside.key("models = [\"eyes\"]\n").start().await;
    let (status, code, message) = error(&outside.ask(&ask("auto")).await);
    assert_eq!((status, &*code), (403, "model_forbidden"));
    let expected = "this key may use no model of rule `chat`: text (key or team may not use it)";
    assert_eq!(message, expected);
    assert_eq!((text.seen().requests, eyes.seen().requests), (0, 0));
}

#[tokio::test]
async fn an_outage_and_a_guard_leave_the_rule_in_charge() {
    let (text, eyes) = (SimBackend::start(), SimBackend::start());
    let guard = "[[rule]]\nname = \"no-home\"\nwhen = { data_class = { not = [\"public\"] } }\n\
                 avoid = { zone = [\"on_prem\"] }\n";
    let gateway = setup(&text, &eyes, guard).start().await;
    let guarded = gateway.post(&ask("auto")).header("x-signalbox-data-class", "internal");
    let (status, code, _) = error(&Reply::of(guarded).await);
    assert_eq!((status, &*code), (403, "policy_forbidden"));
    text.fail(signalbox::sim::InjectedFault::Status500).await;
    assert!(gateway.ask(&ask("auto")).await.status >= 500);
    assert_eq!(eyes.seen().requests, 0);
}

#[tokio::test]
async fn explain_says_which_rules_were_passed_over() {
    let (text, eyes) = (SimBackend::start(), SimBackend::start());
    let folder = setup(&text, &eyes, "").file("image.json", &image().to_string()).write();
    let request = folder.0.join("image.json");
    let request = request.to_str().expect("a path");
    let out = binary::run(&folder.config(), &["explain", request]).await;
    let out = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.contains("\npassed   chat               text cannot read images\nrule     default\n"),
        "{out}"
    );
    let out = binary::run(&folder.config(), &["explain", "--json", request]).await;
    let json: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(json["decision"]["passed"][0]["rule"], "chat");
}

#[tokio::test]
async fn what_ends_nowhere_is_a_warning_of_check_and_serve_with_a_request() {
    let (text, eyes) = (SimBackend::start(), SimBackend::start());
    let good = setup(&text, &eyes, "").write();
    let out = binary::run(&good.config(), &["check"]).await;
    assert!(!String::from_utf8_lossy(&out.stderr).contains("warning"), "{out:?}");
    let guard = "[[rule]]\nname = \"home\"\nwhen = { data_class = [\"confidential\", \"secret\"] }\n\
                 require = { zone = [\"on_prem\"] }\n";
    let folder = setup(&text, &eyes, guard).write();
    let out = binary::run(&folder.config(), &["check"]).await;
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{said}");
    let line = "policy.toml:2: warning: default `default`: `home` leaves this route no model that can \
                do vision";
    assert!(said.contains(line), "{said}");
    assert!(
        said.contains("data_class = \"confidential\"") && said.contains("[\"vision\"]"),
        "{said}"
    );
    let server = Server::start(&folder.config()).await;
    let told =
        || server.log().iter().any(|it| it.to_string().contains("no model that can do vision"));
    crate::harness::wait::until("the warning", told).await;
    let warning = server.log().into_iter().find(|it| it.to_string().contains("can do vision"));
    let warning = warning.expect("a warning");
    assert!(warning["example"].as_str().is_some_and(|it| it.contains("confidential")), "{warning}");
}
