//! What a backend is asked before it serves anybody: at a start, at a reload, by `check --online`.

use std::{
    collections::HashMap,
    net::TcpListener,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::harness::{
    KEY, Setup, SimBackend, ask,
    binary::{self, Server},
    byte_backend::{ByteBackend, Play, Step},
    gateway::BACKEND_KEY,
    wait,
};

const JSON: &str = "content-type: application/json\r\n";

/// The bytes of an answer.
fn answer(status: &str, headers: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}");
    vec![Step::Send(text.into_bytes())]
}

fn listing(models: &[&str]) -> Vec<Step> {
    let models: Vec<_> = models.iter().map(|id| serde_json::json!({ "id": id })).collect();
    let body = serde_json::json!({ "object": "list", "data": models }).to_string();
    answer("200 OK", JSON, &body)
}

fn serving() -> Vec<Step> {
    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"yes"},
        "finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
    answer("200 OK", JSON, body)
}

/// A port at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    format!("http://{}/v1", listener.local_addr().expect("an address"))
}

/// A way of being wrong: its name, its kind, what is said of it, what is done, and the ends of its URL.
struct Way {
    name: &'static str,
    kind: &'static str,
    said: &'static str,
    does: Vec<Step>,
    url: (&'static str, &'static str),
}

fn way(name: &'static str, kind: &'static str, said: &'static str, does: Vec<Step>) -> Way {
    Way { name, kind, said, does, url: ("http", "/v1") }
}

fn without_v1(it: Way) -> Way {
    Way { url: ("http", ""), ..it }
}

fn tls(it: Way) -> Way {
    Way { url: ("https", "/v1"), ..it }
}

/// Every way in which an endpoint that answers may be wrong.
fn ways() -> Vec<Way> {
    [broken(), refusing(), of_other_services(), of_other_models()].into_iter().flatten().collect()
}

/// Connections that come to nothing.
fn broken() -> Vec<Way> {
    let https = "Client sent an HTTP request to an HTTPS server.";
    let tls_alert = vec![Step::Send(b"\x15\x03\x03\x00\x02\x02\x46".to_vec()), Step::Close];
    vec![
        way("black-hole", "timeout", "no answer within", vec![Step::Silence]),
        way("closes", "closed", "the connection breaks without an answer", vec![Step::Close]),
        way("resets", "closed", "the connection breaks without an answer", vec![Step::Reset]),
        tls(way(
            "tls-to-plain",
            "tls",
            "does it speak plain HTTP? write http://",
            answer("400 Bad Request", "", "what?"),
        )),
        way("plain-to-tls", "not_http", "another service's port, or https://?", tls_alert),
        way(
            "plain-to-tls-in-words",
            "tls",
            "400: it wants TLS; its url begins with http: write https",
            answer("400 Bad Request", "", https),
        ),
        way("ssh", "not_http", "no HTTP: ", vec![Step::Send(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec())]),
    ]
}

/// Statuses.
fn refusing() -> Vec<Way> {
    let to = "location: https://elsewhere.test/v1/models?token=sk-hidden-redirect\r\n";
    let (one, none) = (answer("404 Not Found", "", ""), answer("404 Not Found", "", ""));
    vec![
        without_v1(way("no-v1", "not_found", "/models; no /v1 at its end?", one)),
        way("no-list", "not_found", "404: nothing at http://127.0.0.1:", none),
        way(
            "no-key",
            "unauthorized",
            "401: it does not know the credential; is its api_key right?",
            answer("401 Unauthorized", "", BACKEND_KEY),
        ),
        way(
            "no-entry",
            "forbidden",
            "403: it does not let the gateway in; may its api_key do this",
            answer("403 Forbidden", JSON, r#"{"error":{"message":"no"}}"#),
        ),
        way("fails", "server_error", "500: it fails", answer("500 Internal Server Error", "", "")),
        way(
            "loads",
            "server_error",
            "503: it fails; does its engine still load?",
            answer("503 Service Unavailable", JSON, r#"{"error":{"message":"Loading model"}}"#),
        ),
        way(
            "leads-away",
            "redirect",
            "leads to https://elsewhere.test/v1/models; nobody follows it",
            answer("307 Temporary Redirect", to, ""),
        ),
        way("odd", "status", "418 instead of a list of models", answer("418 I'm a teapot", "", "")),
        way("empty-answer", "status", "204 instead of a list", answer("204 No Content", "", "")),
    ]
}

/// Answers that are something else.
fn of_other_services() -> Vec<Way> {
    let web = |headers| answer("200 OK", headers, "<!doctype html><title>Open WebUI</title>");
    vec![
        way("nothing", "not_json", "an empty answer; another service", answer("200 OK", "", "")),
        way(
            "web-page",
            "html",
            "a web page instead of a list of models",
            web("content-type: text/html; charset=utf-8\r\n"),
        ),
        way("web-page-untold", "html", "a web page instead of a list of models", web("")),
        way(
            "text",
            "not_json",
            "no JSON, but `Ollama is running`",
            answer("200 OK", "content-type: text/plain\r\n", "Ollama is running"),
        ),
        way(
            "echo",
            "not_json",
            "no JSON, but `authorization: Bearer …, and more`",
            answer("200 OK", "", &format!("authorization: Bearer {BACKEND_KEY}, and more")),
        ),
        way(
            "other-json",
            "no_list",
            "JSON that is no list of models",
            answer("200 OK", JSON, r#"{"models":[{"name":"scripted"}]}"#),
        ),
    ]
}

/// Lists without the model.
fn of_other_models() -> Vec<Way> {
    let long = "x".repeat(9 << 20);
    let many: Vec<String> = (0..2_000).map(|n| format!("model-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    vec![
        way(
            "no-models",
            "model_missing",
            "no upstream_model `scripted`: its list of models is empty",
            listing(&[]),
        ),
        way(
            "other-model",
            "model_missing",
            "in its list of one model; it serves qwen3-32b",
            listing(&["qwen3-32b"]),
        ),
        way(
            "near-model",
            "model_missing",
            "in its list of 2 models; did you mean `scriptd`?",
            listing(&["gemma", "scriptd"]),
        ),
        way(
            "longer-model",
            "model_missing",
            "did you mean `Acme/Scripted-8B`?",
            listing(&["gemma", "Acme/Scripted-8B"]),
        ),
        way(
            "many-models",
            "model_missing",
            "in its list of 2000 models; it serves model-0, model-1, \
            model-2, model-3, model-4 and 1995 more",
            listing(&many),
        ),
        way("endless", "too_long", "a list of more than 8 MiB", answer("200 OK", JSON, &long)),
    ]
}

/// A model for each way, one that is refused, and those that serve.
async fn fleet() -> (Setup, Vec<Way>, Vec<ByteBackend>) {
    let (mut setup, mut running) = (Setup::new(), Vec::new());
    let mut ways = ways();
    for Way { name, does, url: (scheme, path), .. } in &ways {
        // What begins TLS is no request.
        let read_first = if *scheme == "https" { 1 } else { usize::MAX };
        let play = Play { read_first, steps: does.clone() };
        let backend = ByteBackend::start(vec![play]).await;
        setup = setup.model(name, &[format!("{scheme}://{}{path}", backend.addr)]);
        running.push(backend);
    }
    let said = "connection refused; does it run, and is this its port?";
    ways.push(way("nobody", "refused", said, Vec::new()));
    setup = setup.model("nobody", &[nobody()]);
    let busy = answer("429 Too Many Requests", "", "");
    for (name, does) in [
        ("good", listing(&["scripted"])),
        ("good-of-two", listing(&["other", "scripted"])),
        ("good-tagged", listing(&["scripted:latest"])),
        ("good-bare", answer("200 OK", "", r#"[{"id":"models/scripted"}]"#)),
        ("good-busy", busy),
    ] {
        let backend = ByteBackend::start(vec![does.into()]).await;
        setup = setup.model(name, &backend.urls());
        running.push(backend);
    }
    let lists_none = vec![answer("404 Not Found", "", "").into(), serving().into()];
    let backend = ByteBackend::start(lists_none).await;
    setup = setup.model_with("good-token", &backend.urls(), "probe = \"completion\"");
    running.push(backend);
    (setup, ways, running)
}

#[tokio::test]
async fn check_online_says_of_each_backend_what_is_wrong_with_it() {
    let (setup, ways, _running) = fleet().await;
    let folder = setup.write();
    let out = binary::run(&folder.config(), &["check", "--online"]).await;
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(2), "{said}");
    let line = |name: &str| {
        let line = said.lines().find(|it| it.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("{name}: {said}"))
    };
    for Way { name, said: words, .. } in &ways {
        assert!(line(name).contains("WRONG: ") && line(name).contains(words), "{}", line(name));
    }
    for (name, words) in [
        ("good", "good: it lists `scripted`"),
        ("good-of-two", "good: it lists 2 models, `scripted` among them"),
        ("good-tagged", "good: it lists `scripted`"),
        ("good-bare", "good: it lists `scripted`"),
        ("good-busy", "good: it answers, without a list of models"),
        ("good-token", "good: it answers, without a list of models"),
    ] {
        assert!(line(name).ends_with(words), "{}", line(name));
    }
    assert!(said.ends_with(&format!("35 endpoints asked: {} wrong\n", ways.len())), "{said}");
    for secret in [BACKEND_KEY, KEY, "sk-hidden-redirect"] {
        assert!(!format!("{out:?}").contains(secret), "{secret}: {said}");
    }
}

#[tokio::test]
async fn check_online_speaks_json_and_is_good_where_all_is_good() {
    let (setup, ways, _running) = fleet().await;
    let folder = setup.write();
    let out = binary::run(&folder.config(), &["check", "--online", "--json"]).await;
    assert_eq!(out.status.code(), Some(2), "{out:?}");
    let lines = String::from_utf8_lossy(&out.stdout);
    let lines: Vec<Value> =
        lines.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect();
    let by_model: HashMap<_, _> =
        lines.iter().map(|it| (it["model"].as_str().unwrap(), it)).collect();
    for Way { name, kind, .. } in &ways {
        let line = by_model[name];
        assert_eq!(
            (line["good"].as_bool(), line["fault"].as_str()),
            (Some(false), Some(*kind)),
            "{line}"
        );
    }
    assert_eq!(by_model["near-model"]["did_you_mean"], "scriptd");
    assert_eq!(
        (&by_model["good-of-two"]["good"], &by_model["good-of-two"]["models"]),
        (&true.into(), &2.into())
    );
    assert!(!format!("{out:?}").contains(BACKEND_KEY));

    let up = SimBackend::start();
    let folder = Setup::new().model("a", &up.urls()).write();
    let out = binary::run(&folder.config(), &["check", "--online"]).await;
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stdout).ends_with("1 endpoint asked: good\n"), "{out:?}");
    assert_eq!(up.seen().requests, 0, "no request was made of it");
}

#[tokio::test]
async fn the_log_of_a_start_says_the_same_and_serving_waits_for_nobody() {
    let (setup, ways, _running) = fleet().await;
    let folder = setup.write();
    let began = Instant::now();
    let server = Server::start(&folder.config()).await;
    let logged = |server: &Server| {
        let log = server.log().into_iter();
        log.filter(|it| it["message"].as_str().is_some_and(|it| it.starts_with("backend: ")))
            .map(|it| (it["model"].as_str().unwrap_or_default().to_owned(), it))
            .collect::<HashMap<_, _>>()
    };
    let silent = began.elapsed() < Duration::from_secs(2);
    assert!(!silent || !logged(&server).contains_key("black-hole"), "it serves before it knows");
    server.ready().await;
    wait::until("all are asked", || {
        server.log().iter().any(|it| it["serving"] == 6 && it["endpoints"] == 35)
    })
    .await;
    let logged = logged(&server);
    for Way { name, kind, said, .. } in &ways {
        let line = &logged.get(*name).unwrap_or_else(|| panic!("{name}: {logged:?}"));
        let message = line["message"].as_str().expect("a message");
        assert!(message.contains(said), "{name}: {message}");
        assert_eq!((line["level"].as_str(), line["fault"].as_str()), (Some("WARN"), Some(*kind)));
    }
    assert_eq!(logged.len(), ways.len(), "a line for each, and none for those that serve");
    let metrics = server.page("/metrics", "").await;
    for Way { name, kind, .. } in &ways {
        // Whoever answers without such a list may serve all the same.
        let open = ["not_found", "no_list", "too_long", "model_missing"].contains(kind);
        assert_eq!(up(&metrics, name), Some(u8::from(open)), "{name}");
    }
    for name in ["good", "good-of-two", "good-tagged", "good-bare", "good-busy", "good-token"] {
        assert_eq!(up(&metrics, name), Some(1), "{name}");
    }
    for secret in [BACKEND_KEY, KEY, "sk-hidden-redirect"] {
        assert!(!format!("{:?}", server.log()).contains(secret), "{secret}");
    }
}

/// What the metric says of a model's one endpoint.
fn up(metrics: &str, model: &str) -> Option<u8> {
    let of = |line: &&str| {
        line.starts_with("signalbox_endpoint_up{") && line.contains(&format!("model=\"{model}\""))
    };
    metrics.lines().find(of).map(|line| line.ends_with(" 1").into())
}

#[tokio::test]
async fn with_dead_backends_it_is_not_ready_until_one_serves() {
    let sim = SimBackend::start();
    sim.kill(0).await;
    let folder = Setup::new().model("a", &sim.urls()).model("b", &[nobody()]).write();
    let server = Server::start(&folder.config()).await;
    let why = async || server.page("/readyz", "").await.contains("no model has a live endpoint");
    wait::answers("it says why", true, why).await;
    assert_eq!(server.admin("/readyz").await, 503);
    let metrics = server.page("/metrics", "").await;
    assert_eq!((up(&metrics, "a"), up(&metrics, "b")), (Some(0), Some(0)));
    let refused = server.post(&ask("a")).send().await.expect("an answer");
    assert!(refused.status().is_server_error(), "{refused:?}");
    sim.revive(0).await;
    server.ready().await;
    let served = server.post(&ask("a")).send().await.expect("an answer");
    assert_eq!(served.status(), 200);
    let metrics = server.page("/metrics", "").await;
    assert_eq!((up(&metrics, "a"), up(&metrics, "b")), (Some(1), Some(0)));
}

/// A backend may fail what it is asked, and serve: then requests go there where nobody else serves them.
#[tokio::test]
async fn one_that_fails_the_question_and_serves_is_asked_as_the_last_resort_and_is_up_then() {
    for status in ["500 Internal Server Error", "404 Not Found"] {
        let plays = vec![answer(status, "", "").into(), serving().into()];
        let backend = ByteBackend::start(plays).await;
        let folder = Setup::new().model("a", &backend.urls()).write();
        let server = Server::start(&folder.config()).await;
        let asked = || server.log().iter().any(|it| it["model"] == "a" && it["level"] == "WARN");
        wait::until("it was asked", asked).await;
        let served = server.post(&ask("a")).send().await.expect("an answer");
        assert_eq!(served.status(), 200, "{status}");
        server.ready().await;
        assert_eq!(up(&server.page("/metrics", "").await, "a"), Some(1), "{status}");
    }
}

#[tokio::test]
async fn until_it_has_answered_nothing_is_said_of_it_and_requests_are_served() {
    let plays = vec![vec![Step::Silence].into(), serving().into()];
    let backend = ByteBackend::start(plays).await;
    let folder = Setup::new().model("a", &backend.urls()).write();
    let server = Server::start(&folder.config()).await;
    wait::until("it is asked", || backend.requests() == 1).await;
    // If the machine was that slow, it has been found silent meanwhile.
    let page = server.page("/readyz", "").await;
    let unknown = page.contains("no endpoint has answered yet");
    assert!(unknown || page.contains("no model has a live endpoint"), "{page}");
    let served = server.post(&ask("a")).send().await.expect("an answer");
    assert_eq!(served.status(), 200);
    server.ready().await;
}

#[tokio::test]
async fn a_reload_asks_those_alone_that_are_new_or_changed() {
    let (a, b) = (listing(&["scripted", "other"]), listing(&["scripted"]));
    let a = ByteBackend::start(vec![a.into()]).await;
    let b = ByteBackend::start(vec![b.into()]).await;
    let first = Setup::new().model("a", &a.urls());
    let folder = first.write();
    let server = Server::start(&folder.config()).await;
    server.ready().await;
    let asked = |times: usize| {
        let of = |it: &&Value| it["message"].as_str().is_some_and(|it| it.contains("been asked"));
        server.log().iter().filter(of).count() == times
    };
    wait::until("the first is asked", || asked(1)).await;
    Setup::new().model("a", &a.urls()).model("b", &b.urls()).write_into(&folder);
    server.hangup().await;
    wait::until("the second is asked", || asked(2)).await;
    assert_eq!((a.requests(), b.requests()), (1, 1));
    let text = std::fs::read_to_string(folder.config()).expect("the configuration");
    let other = text.replacen("\"scripted\"", "\"other\"", 1);
    std::fs::write(folder.config(), &other).expect("one");
    server.hangup().await;
    wait::until("the first is asked by another name", || asked(3)).await;
    assert_eq!((a.requests(), b.requests()), (2, 1));
    std::fs::write(folder.config(), other.replace("\"other\"", "\"gone\"")).expect("one");
    server.hangup().await;
    wait::until("the first lacks this one", || asked(4)).await;
    let metrics = server.page("/metrics", "").await;
    let both = (Some(1), Some(1));
    assert_eq!(
        (up(&metrics, "a"), up(&metrics, "b")),
        both,
        "a list without the name proves nothing"
    );
}

#[tokio::test]
async fn a_reload_that_replaces_all_endpoints_is_as_ready_as_before() {
    let a = ByteBackend::start(vec![listing(&["scripted"]).into()]).await;
    let b = ByteBackend::start(vec![vec![Step::Silence].into()]).await;
    let folder = Setup::new().model("a", &a.urls()).write();
    let server = Server::start(&folder.config()).await;
    server.ready().await;
    Setup::new().model("a", &b.urls()).write_into(&folder);
    server.hangup().await;
    let began = Instant::now();
    wait::until("the other is asked", || b.requests() == 1).await;
    let ready = server.admin("/readyz").await;
    assert!(ready == 200 || began.elapsed() > Duration::from_secs(2), "it flaps");
    wait::answers("it has found out", 503, async || server.admin("/readyz").await).await;
}

#[tokio::test]
async fn a_successor_is_as_ready_as_the_one_before_while_it_asks() {
    let plays = vec![listing(&["scripted"]).into(), vec![Step::Silence].into()];
    let backend = ByteBackend::start(plays).await;
    let folder = Setup::new().model("a", &backend.urls()).write();
    let old = Server::start(&folder.config()).await;
    old.ready().await;
    let began = Instant::now();
    let new = Server::start(&folder.config()).await;
    let ready = new.admin("/readyz").await;
    // Later it is known that the backend has fallen silent.
    assert!(ready == 200 || began.elapsed() > Duration::from_secs(2), "it flaps");
    wait::answers("it has found out", 503, async || new.admin("/readyz").await).await;
}
