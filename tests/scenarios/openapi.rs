//! The documents of both APIs: whoever reads them can ask for all that is served, and for nothing else.

use serde_json::Value;

use crate::harness::{Gateway, KEY, Reply, Setup, SimBackend};
use signalbox::wire::Surface;

/// The document at this address, asked for without a key.
async fn document(gateway: &Gateway, url: String) -> Value {
    let reply = Reply::of(gateway.client.get(url)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.headers["content-type"], "application/json");
    let it = reply.json();
    assert_eq!(it["openapi"], "3.1.0");
    it
}

/// Every reference in a value leads somewhere in its document.
fn resolves(all: &Value, it: &Value) -> usize {
    match it {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str).map_or(0, |to| {
                let pointer = to.strip_prefix('#').expect("within the document");
                assert!(all.pointer(pointer).is_some(), "{to} leads nowhere");
                1
            });
            own + members.values().map(|it| resolves(all, it)).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(|it| resolves(all, it)).sum(),
        _ => 0,
    }
}

/// Every path of a document with its methods.
fn operations(all: &Value) -> Vec<(String, String)> {
    let paths = all["paths"].as_object().expect("paths");
    let of = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().expect("methods").keys();
        methods.map(|it| (it.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

#[tokio::test]
async fn the_document_of_callers_names_all_that_is_served_and_every_reference_resolves() {
    let up = SimBackend::start();
    let gateway = Setup::new().operated().model("good", &up.urls()).start().await;
    let base = format!("http://{}", gateway.addr());
    let all = document(&gateway, format!("{base}/openapi.json")).await;
    assert_eq!(all, document(&gateway, format!("{base}/v1/openapi.json/")).await);
    assert!(resolves(&all, &all) > 50);
    let known = operations(&all);
    let surfaces = || Surface::all().iter();
    let decided: Vec<String> = surfaces().map(|it| format!("/route{}", it.path)).collect();
    let paths = surfaces().map(|it| it.path).chain(decided.iter().map(String::as_str));
    let counted = surfaces().filter_map(|it| Some(it.count.as_ref()?.path));
    let paths: Vec<_> = paths.chain(counted).map(|path| ("POST", path)).collect();
    let own = [
        ("POST", "/route"),
        ("POST", "/feedback"),
        ("GET", "/models"),
        ("GET", "/models/{id}"),
        ("GET", "/key"),
        ("GET", "/openapi.json"),
    ];
    for (method, path) in paths.iter().copied().chain(own) {
        let named = (method.to_owned(), format!("/v1{path}"));
        assert!(known.contains(&named), "{named:?} is not told");
    }
    assert_eq!(known.len(), paths.len() + own.len(), "{known:?}");
}

#[tokio::test]
async fn the_document_of_operators_names_every_page_and_every_reference_resolves() {
    let up = SimBackend::start();
    let gateway = Setup::new().operated().model("good", &up.urls()).start().await;
    let base = format!("http://{}", gateway.admin_addr());
    let all = document(&gateway, format!("{base}/openapi.json")).await;
    assert!(resolves(&all, &all) > 100);
    let known = operations(&all);
    for (method, path, ..) in super::operators::PAGES {
        let fits = |(of, at): &(String, String)| of == method && like(at, path);
        assert!(known.iter().any(fits), "{method} {path} is not told");
    }
    assert_eq!(known.len(), super::operators::PAGES.len(), "{known:?}");
}

/// Whether a path is of a form.
fn like(form: &str, path: &str) -> bool {
    let (form, path): (Vec<_>, Vec<_>) = (form.split('/').collect(), path.split('/').collect());
    form.len() == path.len()
        && form.iter().zip(&path).all(|(of, is)| of.starts_with('{') || of == is)
}

/// Methods that no path has a use for.
const STRANGE: [&str; 4] = ["TRACE", "OPTIONS", "PURGE", "GET"];

#[tokio::test]
async fn another_method_is_refused_by_every_path_and_told_which_are_served() {
    let up = SimBackend::start();
    let gateway = Setup::new().operated().model("good", &up.urls()).start().await;
    for base in [format!("http://{}", gateway.addr()), format!("http://{}", gateway.admin_addr())] {
        let all = document(&gateway, format!("{base}/openapi.json")).await;
        let known = operations(&all);
        for (_, path) in &known {
            let served: Vec<&str> =
                known.iter().filter(|(_, at)| at == path).map(|(of, _)| &**of).collect();
            for method in STRANGE.into_iter().filter(|it| !served.contains(it)) {
                let url = format!("{base}{}", path.replace(['{', '}'], "x"));
                let request = gateway.client.request(method.parse().expect("a method"), url);
                let reply = Reply::of(request.bearer_auth(KEY)).await;
                assert_eq!(reply.status, 405, "{method} {path}: {}", reply.text());
                assert_eq!(
                    reply.json()["error"]["code"].as_str().unwrap_or("method_not_allowed"),
                    "method_not_allowed"
                );
                let allow = reply.headers["allow"].to_str().expect("text");
                for method in &served {
                    assert!(allow.contains(method), "{method} {path}: {allow}");
                }
            }
        }
    }
}

#[tokio::test]
async fn every_answer_to_a_caller_has_an_id() {
    let up = SimBackend::start();
    let gateway = Setup::new().operated().model("good", &up.urls()).start().await;
    let base = format!("http://{}/v1", gateway.addr());
    let chat = r#"{"model":"good","messages":[{"role":"user","content":"hi"}]}"#;
    for (path, body) in [
        ("/models", None),
        ("/models/good", None),
        ("/models/gone", None),
        ("/key", None),
        ("/openapi.json", None),
        ("/nothing", None),
        ("/route", Some(chat)),
        ("/route/messages", Some("{}")),
        ("/messages/count_tokens", Some("{}")),
        ("/chat/completions", Some(chat)),
        ("/feedback", Some("{}")),
    ] {
        let url = format!("{base}{path}");
        let request = match body {
            Some(body) => gateway.client.post(url).body(body),
            None => gateway.client.get(url),
        };
        let reply = Reply::of(request.bearer_auth(KEY).header("x-request-id", "mine-7")).await;
        assert!(reply.headers.contains_key("x-signalbox-id"), "{path}");
        assert_eq!(reply.headers["x-request-id"], "mine-7", "{path}");
    }
}
