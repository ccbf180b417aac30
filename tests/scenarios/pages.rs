//! What is beside the requests: the list of models, slashes at the ends of paths, pages in browsers.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Gateway, KEY, Reply, Setup, SimBackend, ask};

const PAGE: &str = "https://chat.example.com";

async fn get(gateway: &Gateway, path: &str) -> Reply {
    Reply::of(gateway.client.get(gateway.url(path)).bearer_auth(KEY)).await
}

fn listed(reply: &Reply) -> Vec<String> {
    let list = reply.json();
    let data = list["data"].as_array().expect("a list").iter();
    data.map(|it| it["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn aliases_are_listed_for_whom_they_lead_somewhere() {
    let up = SimBackend::start();
    let gateway = Setup::new()
        .model("a", &up.urls())
        .model("b", &up.urls())
        .and("[alias]\n\"gpt-4o\" = \"auto\"\nfast = [\"b\", \"a\"]\nother = \"b\"\n\"claude-*\" = \"a\"\n")
        .key("models = [\"a\"]\n")
        .start()
        .await;
    for path in ["/v1/models", "/v1/models/", "/models", "/models/"] {
        assert_eq!(listed(&get(&gateway, path).await), ["auto", "a", "fast", "gpt-4o"], "{path}");
    }
    for (id, status) in
        [("a", 200), ("auto", 200), ("fast", 200), ("other", 404), ("claude-*", 404)]
    {
        for path in [format!("/v1/models/{id}"), format!("/models/{id}/")] {
            assert_eq!(get(&gateway, &path).await.status, status, "{path}");
        }
    }
    // What an alias serves by how it begins is found, though no list can hold it.
    assert_eq!(get(&gateway, "/v1/models/claude-x").await.json()["id"], "claude-x");
    for model in ["fast", "gpt-4o", "claude-x"] {
        assert_eq!(gateway.ask(&ask(model)).await.status, 200, "{model}");
    }
}

#[tokio::test]
async fn a_name_with_slashes_is_a_name_like_any_other() {
    let up = SimBackend::start();
    let gateway = Setup::new()
        .model("meta/llama-3/8b", &up.urls())
        .and("[alias]\n\"openai/gpt-4o\" = \"auto\"\n\"claude/*\" = \"auto\"\n")
        .start()
        .await;
    assert_eq!(
        listed(&get(&gateway, "/v1/models").await),
        ["auto", "meta/llama-3/8b", "openai/gpt-4o"]
    );
    for id in ["meta/llama-3/8b", "openai/gpt-4o", "claude/x/y"] {
        for path in [id.to_owned(), id.replace('/', "%2F"), format!("{id}/")] {
            let reply = get(&gateway, &format!("/v1/models/{path}")).await;
            assert_eq!((reply.status, &reply.json()["id"]), (200, &id.into()), "{path}");
        }
        assert_eq!(gateway.ask(&ask(id)).await.status, 200, "{id}");
    }
}

#[tokio::test]
async fn what_came_when_is_told_and_stays() {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls()).and("[alias]\nfast = \"a\"\n");
    let before = jiff::Timestamp::now().as_second();
    let gateway = setup.start().await;
    let after = jiff::Timestamp::now().as_second();
    let list = get(&gateway, "/v1/models").await.json();
    let cards = list["data"].as_array().expect("a list");
    assert_eq!(cards.len(), 3);
    for card in cards {
        let created = card["created"].as_i64().expect("a time");
        assert!((before..=after).contains(&created), "{card}");
        let id = card["id"].as_str().expect("an id");
        assert_eq!(get(&gateway, &format!("/v1/models/{id}")).await.json(), *card);
    }
    assert_eq!(get(&gateway, "/v1/models").await.json(), list, "it stays");
}

#[tokio::test]
async fn a_name_that_there_is_none_of_is_told_with_the_nearest_that_there_is() {
    let up = SimBackend::start();
    let gateway = Setup::new()
        .model("glm-5.2", &up.urls())
        .model("qwen3-32b", &up.urls())
        .model("hidden-7b", &up.urls())
        .and("[alias]\nfast = \"glm-5.2\"\n")
        .key("models = [\"glm-5.2\", \"qwen3-32b\"]\n")
        .start()
        .await;
    let long = "x".repeat(256);
    for (name, near) in [
        ("glm-5.3", "did you mean `glm-5.2`? "),
        ("GLM-5.2", "did you mean `glm-5.2`? "),
        ("z-ai/glm-5.2", "did you mean `glm-5.2`? "),
        ("qwen3-32", "did you mean `qwen3-32b`? "),
        ("fasst", "did you mean `fast`? "),
        ("Auto", "did you mean `auto`? "),
        ("nobody", ""),
        ("hidden-7c", ""),
        (&long, ""),
    ] {
        let shown = if name.len() > 64 { format!("{}…", &name[..64]) } else { name.to_owned() };
        let expected = format!(
            "there is no model and no alias `{shown}` that this key may use; {near}`GET /v1/models` \
             lists them"
        );
        for reply in
            [get(&gateway, &format!("/v1/models/{name}")).await, gateway.ask(&ask(name)).await]
        {
            let error = &reply.json()["error"];
            assert_eq!((reply.status, &error["message"]), (404, &expected.as_str().into()));
            assert_eq!(
                (&error["code"], &error["param"]),
                (&"model_not_found".into(), &"model".into())
            );
        }
    }
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_path_changes_nothing() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    for path in ["/v1/chat/completions/", "/chat/completions/", "/v1/route/", "/route/"] {
        let request = gateway.client.post(gateway.url(path)).bearer_auth(KEY);
        let reply = Reply::of(request.body(ask("a").to_string())).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
    for path in ["/metrics/", "/livez/", "/readyz/"] {
        assert_eq!(gateway.admin(path).await.status, 200, "{path}");
    }
    assert_eq!(get(&gateway, "/v1/files/").await.status, 404);
    assert_eq!(get(&gateway, "/v1/").await.status, 404);
}

fn preflight(gateway: &Gateway, origin: &str) -> reqwest::RequestBuilder {
    let request = gateway.client.request(Method::OPTIONS, gateway.url("/v1/chat/completions"));
    let headers = "authorization, content-type, x-stainless-os";
    let request = request.header("origin", origin).header("access-control-request-method", "POST");
    request.header("access-control-request-headers", headers)
}

#[tokio::test]
async fn pages_of_listed_origins_may_ask_and_read() {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls());
    let gateway = setup.server(&format!("cors_origins = [\"{PAGE}\"]\n")).start().await;
    let reply = Reply::of(preflight(&gateway, PAGE)).await;
    assert_eq!((reply.status, reply.text().len()), (204, 0));
    assert_eq!(reply.header("access-control-allow-origin"), PAGE);
    assert_eq!(reply.header("access-control-allow-methods"), "GET, POST");
    assert!(reply.header("access-control-allow-headers").contains("x-stainless-os"));
    assert_eq!(reply.header("vary"), "origin");
    // Whatever is answered: the page must be able to read why.
    for (model, status) in [("a", 200), ("nobody", 404)] {
        let reply = Reply::of(gateway.post(&ask(model)).header("origin", PAGE)).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("access-control-allow-origin"), PAGE);
        assert_eq!(reply.header("access-control-allow-credentials"), "");
        let exposed = reply.header("access-control-expose-headers");
        let ours = reply.headers.keys().filter(|it| it.as_str().starts_with("x-"));
        for name in ours {
            assert!(exposed.contains(name.as_str()), "{name} is hidden from the page");
        }
    }
    for other in ["https://evil.example.com", "null", "https://chat.example.com.evil.net"] {
        let reply = Reply::of(preflight(&gateway, other)).await;
        assert_eq!(
            (reply.status, reply.header("access-control-allow-origin")),
            (405, ""),
            "{other}"
        );
        let reply = Reply::of(gateway.post(&ask("a")).header("origin", other)).await;
        assert_eq!(reply.header("access-control-allow-origin"), "", "{other}");
        assert_eq!((reply.status, reply.header("vary")), (200, "origin"));
    }
    let stream = crate::harness::with(ask("a"), json!({ "stream": true }));
    let reply = Reply::of(gateway.post(&stream).header("origin", PAGE)).await;
    assert!(reply.done(), "{}", reply.text());
    assert_eq!(reply.header("access-control-allow-origin"), PAGE);
    let books = gateway.close().await;
    assert_eq!(books.entries.len(), 5, "a preflight is no request");
}

#[tokio::test]
async fn without_a_list_no_page_gets_a_header() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let reply = Reply::of(preflight(&gateway, PAGE)).await;
    assert_eq!(reply.status, 405, "{}", reply.text());
    let answer = Reply::of(gateway.post(&ask("a")).header("origin", PAGE)).await;
    for reply in [reply, answer] {
        for name in ["access-control-allow-origin", "access-control-allow-methods", "vary"] {
            assert_eq!(reply.header(name), "");
        }
    }
}

#[tokio::test]
async fn hints_are_read_as_people_write_them() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    for (language, label) in
        [("zh-CN", "zh-Hans"), ("EN", "en"), ("en-US", "en"), ("zh_TW", "zh-Hant"), ("fil", "tl")]
    {
        let request = gateway.post(&ask("a")).header("x-signalbox-language", language);
        let reply = Reply::of(request.header("x-signalbox-task", "Closed-QA")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("x-signalbox-language"), label);
        assert_eq!(reply.header("x-signalbox-task"), "closed_qa");
    }
    let reply = Reply::of(gateway.post(&ask("a")).header("x-signalbox-language", "klingon")).await;
    assert_eq!(reply.json()["error"]["param"], "x-signalbox-language");
}
