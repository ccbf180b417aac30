//! Headers of ours in requests: each is believed, or refused with what was meant; none is passed over.

use serde_json::{Value, json};

use crate::harness::{Gateway, KEY, Reply, Setup, SimBackend, ask, binary, streamed};

/// Names that are none, and what each of them means.
const MISSPELT: [(&str, &str); 25] = [
    ("x-signalbox-dataclass", "data-class"),
    ("X-Signalbox-DataClass", "data-class"),
    ("x-signalbox-data_class", "data-class"),
    ("x_signalbox_data_class", "data-class"),
    ("x-signalbox_data-class", "data-class"),
    ("signalbox-data-class", "data-class"),
    ("x-signalboxdata-class", "data-class"),
    ("x-signalbox--data-class", "data-class"),
    ("x-signalbox-class", "data-class"),
    ("x-signalbox-data", "data-class"),
    ("x-signalbox-data-classification", "data-class"),
    ("x-signalbox-data-klass", "data-class"),
    ("x-signalbox-lang", "language"),
    ("x-signalbox-langauge", "language"),
    ("x-signalbox-tasks", "task"),
    ("x-signalbox-tag", "tags"),
    ("x-signalbox-session-id", "session"),
    ("x-signalbox-sesion", "session"),
    ("x-signalbox-request-id", "id"),
    ("x-signalbox-users", "user"),
    ("x-signalbox-user-id", "user"),
    ("x-singalbox-data-class", "data-class"),
    ("x-signal-box-data-class", "data-class"),
    ("x-signlbox-task", "task"),
    ("x-signallbox-tags", "tags"),
];
/// Names that are none, and mean nothing that there is.
const NONE: [&str; 5] =
    ["x-signalbox", "x-signalbox-", "x-signalbox-zone", "x-signalbox-priority", "signalbox"];
/// What a request may have.
const KNOWN: [&str; 7] = ["task", "language", "data-class", "session", "tags", "user", "id"];
/// What answers alone have.
const ANSWERS: [&str; 8] =
    ["model", "rule", "attempts", "experiment", "cost", "overhead-ms", "why", "output-tokens-max"];

async fn sent(gateway: &Gateway, path: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
    let mut request = gateway.client.post(gateway.url(path)).bearer_auth(KEY);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Reply::of(request.body(body.to_string())).await
}

/// The message of a header that is refused.
fn refused(reply: &Reply, name: &str) -> String {
    assert_eq!(reply.status, 400, "{name}: {}", reply.text());
    let error = &reply.json()["error"];
    assert_eq!(error["type"], "invalid_request_error", "{error}");
    assert_eq!(error["code"], "invalid_header", "{error}");
    assert_eq!(error["param"], name.to_ascii_lowercase(), "{error}");
    error["message"].as_str().expect("a message").to_owned()
}

#[tokio::test]
async fn a_header_that_only_looks_like_ours_is_refused_with_what_was_meant() {
    let up = SimBackend::start();
    // That a key's hints are ignored does not mean that a misspelt data class is.
    let gateway = Setup::new().model("a", &up.urls()).key("hints = false\n").start().await;
    let (plain, stream) = (ask("a"), streamed("a"));
    for (path, body) in
        [("/v1/chat/completions", &plain), ("/chat/completions/", &stream), ("/v1/route", &plain)]
    {
        for (name, meant) in MISSPELT {
            let reply = sent(&gateway, path, body, &[(name, "confidential")]).await;
            let said = refused(&reply, name);
            let near = format!("did you mean `x-signalbox-{meant}`?");
            assert!(said.contains(&near) && said.contains(&name.to_lowercase()), "{said}");
            assert!(KNOWN.iter().all(|it| said.contains(&format!("x-signalbox-{it}"))), "{said}");
        }
        for name in NONE {
            let said = refused(&sent(&gateway, path, body, &[(name, "x")]).await, name);
            assert!(said.contains("there is none of this name. "), "{said}");
        }
    }
    // What is known does not cover for what is not, whichever comes first.
    for headers in [
        [("x-signalbox-data-class", "internal"), ("x-signalbox-dataclass", "internal")],
        [("x-signalbox-dataclass", "internal"), ("x-signalbox-data-class", "internal")],
    ] {
        let reply = sent(&gateway, "/v1/chat/completions", &plain, &headers).await;
        refused(&reply, "x-signalbox-dataclass");
    }
    let long = format!("x-signalbox-{}", "a".repeat(4_000));
    let reply = sent(&gateway, "/v1/route", &plain, &[(&long, "x")]).await;
    assert!(reply.status == 400 && reply.text().len() < 1_000, "{}", reply.text());
    assert_eq!(up.seen().requests, 0, "nothing of it went anywhere");
    assert!(gateway.close().await.entries.is_empty());
}

#[tokio::test]
async fn a_header_of_answers_is_none_of_requests() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    for name in ANSWERS.map(|it| format!("x-signalbox-{it}")) {
        let reply = sent(&gateway, "/v1/chat/completions", &ask("a"), &[(&name, "a")]).await;
        assert!(refused(&reply, &name).contains("only answers have it"), "{}", reply.text());
    }
    // The id of a gateway in front is its request's id, and so the caller's for this one.
    let front = [("x-signalbox-id", "f-1")];
    let reply = sent(&gateway, "/v1/chat/completions", &ask("a"), &front).await;
    assert_eq!((reply.status, reply.header("x-request-id")), (200, "f-1"), "{}", reply.text());
    assert_ne!(reply.header("x-signalbox-id"), "f-1");
    for other in
        ["x-signature", "x-stainless-lang", "x-source-proxy", "x-forwarded-for", "x-signal-xid"]
    {
        let reply = sent(&gateway, "/v1/chat/completions", &ask("a"), &[(other, "x")]).await;
        assert_eq!(reply.status, 200, "{other}: {}", reply.text());
    }
    assert_eq!(gateway.close().await.entries.len(), 6);
}

#[tokio::test]
async fn a_value_that_cannot_be_is_refused_with_what_was_found_and_what_can() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let (long, many) = ("s".repeat(257), "k=v,".repeat(17));
    for (name, value, found, expected) in [
        ("task", "codng", "found `codng`", "did you mean `coding`?"),
        ("task", "", "found nothing", "expected one of "),
        ("language", "martian", "found `martian`", "expected one of ar, bn"),
        ("data-class", "cosmic", "found `cosmic`", "public, internal, confidential, secret"),
        ("data-class", "confidental", "found `confidental`", "did you mean `confidential`?"),
        ("data-class", "", "found nothing", "expected one of public"),
        ("data-class", "secret, public", "found `secret, public`", "expected one of public"),
        ("session", "", "found 0 characters", "expected 1 to 256"),
        ("session", &long, "found 257 characters", "expected 1 to 256"),
        ("tags", "desk", "found `desk`", "expected k=v,…"),
        ("tags", "a=b,=c", "found `=c`", "expected k=v,…"),
        ("tags", &many, "found 17 tags", "expected at most 16"),
        ("task", &long, "found `ssss", "…`, expected one of"),
        ("data-class", "é", "found bytes beyond ASCII", "expected plain ASCII"),
    ] {
        let name = format!("x-signalbox-{name}");
        let reply = sent(&gateway, "/v1/chat/completions", &ask("a"), &[(&name, value)]).await;
        let said = refused(&reply, &name);
        assert!(said.starts_with(&format!("header {name}: {found}")), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(up.seen().requests, 0);
}

#[tokio::test]
async fn a_header_that_is_sent_twice_says_one_thing() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    for (name, one, other) in [
        ("x-signalbox-data-class", "internal", "public"),
        ("x-signalbox-task", "coding", "banking"),
        ("x-signalbox-language", "th", "vi"),
        ("x-signalbox-session", "s-1", "s-2"),
    ] {
        for (one, other) in [(one, other), (other, one)] {
            let twice = [(name, one), (name, other)];
            let reply = sent(&gateway, "/v1/chat/completions", &ask("a"), &twice).await;
            let found = format!("found `{one}` and `{other}`, expected one value");
            assert!(refused(&reply, name).contains(&found), "{}", reply.text());
        }
        let twice = [(name, one), (name, one)];
        let reply = sent(&gateway, "/v1/chat/completions", &ask("a"), &twice).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    assert_eq!(up.seen().requests, 4);
}

#[tokio::test]
async fn tags_of_several_headers_are_one_list() {
    let up = SimBackend::start();
    let policy = "version = \"v\"\n[default]\nroute = [\"a\"]\n[[rule]]\nname = \"desk\"\n\
                  when = { tag = [\"desk=fx\"] }\nroute = [\"b\"]\n";
    let gateway = Setup::new()
        .model("a", &up.urls())
        .model("b", &up.urls())
        .and("[policy]\nfile = \"policy.toml\"\n")
        .file("policy.toml", policy)
        .start()
        .await;
    let tags = [("x-signalbox-tags", "floor=3"), ("x-signalbox-tags", "desk=fx")];
    let reply = sent(&gateway, "/v1/chat/completions", &ask("auto"), &tags).await;
    assert_eq!((reply.status, reply.header("x-signalbox-rule")), (200, "desk"), "{}", reply.text());
}

#[tokio::test]
async fn explain_refuses_the_same_in_the_same_words() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let folder = Setup::new().model("a", &up.urls()).write();
    let body = ask("a").to_string();
    for headers in [
        &[("x-signalbox-dataclass", "confidential")][..],
        &[("X-Signalbox-Data_Class", "confidential")],
        &[("x-signalbox-model", "a")],
        &[("x-signalbox-data-class", "cosmic")],
        &[("x-signalbox-data-class", "internal"), ("x-signalbox-data-class", "public")],
    ] {
        let reply = sent(&gateway, "/v1/route", &json!(ask("a")), headers).await;
        let said = refused(&reply, headers[0].0);
        let lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let mut arguments = vec!["explain"];
        lines.iter().for_each(|line| arguments.extend(["--header", line]));
        let out = binary::run_with(&folder.config(), &arguments, &[], body.as_bytes()).await;
        assert_ne!(out.status.code(), Some(0), "{out:?}");
        let error = String::from_utf8_lossy(&out.stderr);
        assert!(error.contains(&said), "{said}\n{error}");
    }
}
