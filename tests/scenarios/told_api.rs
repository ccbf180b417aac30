//! Of which API a body is, on the command line: its form says so, unless `--api` does.

use serde_json::{Value, json};

use crate::harness::{Setup, binary};

/// Bodies with the API whose form they have, and another that can read them too.
fn bodies() -> Vec<(Value, &'static str, &'static str)> {
    let user = |content: Value| json!([{ "role": "user", "content": content }]);
    let part = |kind: &str| json!([{ "type": kind, "text": "What is a loan?" }]);
    let image = json!([{ "type": "image", "source":
        { "type": "base64", "media_type": "image/png", "data": "aGVsbG8=" } },
        { "type": "text", "text": "What is a loan?" }]);
    vec![
        (json!({ "messages": user("What is a loan?".into()) }), "chat", "messages"),
        (json!({ "messages": user(part("text")), "max_tokens": 9 }), "chat", "messages"),
        (json!({ "system": "Be brief.", "messages": user(part("text")) }), "messages", "chat"),
        (
            json!({ "anthropic_version": "v", "messages": user("What is a loan?".into()) }),
            "messages",
            "chat",
        ),
        (json!({ "messages": user(image), "stream": true }), "messages", "messages"),
        (json!({ "input": "What is a loan?" }), "responses", "embeddings"),
        (
            json!({ "input": "What is a loan?", "instructions": "Be brief." }),
            "responses",
            "responses",
        ),
        (json!({ "input": user(part("input_text")) }), "responses", "responses"),
    ]
}

/// A model, and a bound on the answer where the API wants one.
fn whole(mut body: Value, api: &str) -> Value {
    body["model"] = "auto".into();
    if api == "messages" {
        body["max_tokens"] = 9.into();
    }
    body
}

#[tokio::test]
async fn classify_tells_the_api_by_the_body_and_takes_the_one_that_is_named() {
    let folder = Setup::new().model("a", &["http://127.0.0.1:9/v1".into()]).write();
    for (body, told, other) in bodies() {
        let line = format!("{body}\n");
        for (arguments, api) in [(&["classify"][..], told), (&["classify", "--api", other], other)]
        {
            let out = binary::run_with(&folder.config(), arguments, &[], line.as_bytes()).await;
            assert_eq!(out.status.code(), Some(0), "{body} {arguments:?}: {out:?}");
            let row: Value = serde_json::from_slice(&out.stdout).expect("JSON");
            assert_eq!((&row["api"], &row["language"]), (&api.into(), &"en".into()), "{body}");
        }
    }
}

#[tokio::test]
async fn explain_tells_the_api_by_the_body_and_takes_the_one_that_is_named() {
    let folder = Setup::new().model("a", &["http://127.0.0.1:9/v1".into()]).write();
    for (body, told, other) in bodies() {
        for (arguments, api) in
            [(&["explain", "--json"][..], told), (&["explain", "--json", "--api", other], other)]
        {
            let body = whole(body.clone(), api).to_string();
            let out = binary::run_with(&folder.config(), arguments, &[], body.as_bytes()).await;
            assert_eq!(out.status.code(), Some(0), "{body} {arguments:?}: {out:?}");
            let said: Value = serde_json::from_slice(&out.stdout).expect("JSON");
            assert_eq!(said["api"], api, "{body}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_none_of_the_api_that_is_named_is_refused_as_one_of_it() {
    let folder = Setup::new().model("a", &["http://127.0.0.1:9/v1".into()]).write();
    for (api, lacks) in [("responses", "input"), ("completions", "prompt"), ("rerank", "documents")]
    {
        let body = json!({ "model": "auto", "messages": [{ "role": "user", "content": "a" }] });
        for command in ["classify", "explain"] {
            let arguments = [command, "--api", api];
            let line = body.to_string();
            let out = binary::run_with(&folder.config(), &arguments, &[], line.as_bytes()).await;
            assert_ne!(out.status.code(), Some(0), "{arguments:?}: {out:?}");
            let said = String::from_utf8_lossy(&out.stderr);
            let of_it = [lacks, "query", "none of this API"].iter().any(|it| said.contains(it));
            assert!(of_it && !said.contains("by its form"), "{arguments:?}: {said}");
        }
    }
}
