//! The doors: how requests may be framed, who is let in, and what guards bind.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{KEY, Reply, Setup, SimBackend, ask, raw, streamed, with};

fn chunked(body: &str) -> String {
    format!(
        "POST /chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\nconnection: close\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    )
}

#[tokio::test]
async fn a_body_may_come_in_chunks_and_no_larger_for_it() {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls()).server("body_bytes_max = 4096\n");
    let gateway = setup.start().await;
    let answer = raw::send(gateway.addr(), chunked(&ask("a").to_string()).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = raw::send(gateway.addr(), chunked(&" ".repeat(5_000)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let mut exact = ask("a").to_string();
    exact += &" ".repeat(4_096 - exact.len());
    let answer = raw::send(gateway.addr(), &raw::chat("", exact.as_bytes())).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn one_who_asks_before_sending_is_told_to_go_on() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let body = ask("a").to_string();
    let whole = raw::chat("expect: 100-continue\r\n", body.as_bytes());
    let (head, body) = whole.split_at(whole.len() - body.len());
    let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
    stream.write_all(head).await.expect("sent");
    let mut said = [0; 25];
    stream.read_exact(&mut said).await.expect("an answer");
    assert!(said.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&said));
    stream.write_all(body).await.expect("sent");
    let answer = raw::read(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// A refusal that left a body unread must not take the next request's bytes for it.
#[tokio::test]
async fn requests_on_one_connection_are_kept_apart() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let bad = with(ask("a"), json!({ "n": 0 })).to_string();
    let unknown = String::from_utf8(raw::chat("", ask("a").to_string().as_bytes())).unwrap();
    let unknown = unknown.replace(KEY, "sk-nobody").replace("connection: close\r\n", "");
    let bad = String::from_utf8(raw::chat("", bad.as_bytes())).unwrap();
    let bad = bad.replace("connection: close\r\n", "");
    let good = String::from_utf8(raw::chat("", ask("a").to_string().as_bytes())).unwrap();
    let answer = raw::send(gateway.addr(), format!("{bad}{good}").as_bytes()).await;
    assert_eq!(raw::answers(&answer), 2, "{answer}");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("HTTP/1.1 200 "), "{answer}");
    let answer = raw::send(gateway.addr(), format!("{unknown}{good}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let second = answer.match_indices("HTTP/1.1 ").nth(1).map(|(at, _)| &answer[at..at + 12]);
    assert!(second.is_none_or(|it| it == "HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_key_that_expired_is_no_key() {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls());
    let gateway = setup.key("expires = \"2020-01-01T00:00:00Z\"\n").start().await;
    let reply = gateway.ask(&ask("a")).await;
    assert_eq!(reply.status, 401, "{}", reply.text());
    assert_eq!(reply.json()["error"]["code"], "invalid_api_key");
}

#[tokio::test]
async fn hints_of_a_key_without_hints_are_ignored() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).key("hints = false\n").start().await;
    let request = gateway.post(&ask("a")).header("x-signalbox-language", "th");
    let reply = Reply::of(request).await;
    assert_eq!((reply.status, reply.header("x-signalbox-language")), (200, "en"));
}

#[tokio::test]
async fn a_guard_binds_pins_aliases_and_auto() {
    let (near, far) = (SimBackend::start(), SimBackend::start());
    let setup = Setup::new()
        .model_with("far", &far.urls(), "zone = \"cloud\"\n")
        .model_with("near", &near.urls(), "zone = \"on_prem\"\n")
        .and("[alias]\nboth = [\"far\", \"near\"]\n[policy]\nfile = \"policy.toml\"\n");
    let policy = "version = \"v1\"\n[default]\nroute = [\"far\", \"near\"]\n[[rule]]\nname = \"home\"\n\
                  when = { data_class = [\"confidential\", \"secret\"] }\n\
                  require = { zone = [\"on_prem\"] }\n";
    let gateway = setup.file("policy.toml", policy).start().await;
    let send = |model: &str, class: &'static str| {
        Reply::of(gateway.post(&ask(model)).header("x-signalbox-data-class", class))
    };
    for model in ["auto", "both"] {
        assert_eq!(send(model, "public").await.header("x-signalbox-model"), "far", "{model}");
        assert_eq!(send(model, "secret").await.header("x-signalbox-model"), "near", "{model}");
    }
    let reply = send("far", "confidential").await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert_eq!(reply.json()["error"]["code"], "policy_forbidden");
    near.fail(signalbox::sim::InjectedFault::Status500).await;
    let reply = send("both", "secret").await;
    assert_eq!(reply.status, 502, "it must not leave the house: {}", reply.text());
    assert_eq!(far.seen().requests, 2);
}

#[tokio::test]
async fn tool_calls_come_through() {
    let up = SimBackend::start();
    let setup = Setup::new().model_with("a", &up.urls(), "capabilities = [\"tools\"]\n");
    let gateway = setup.model("b", &up.urls()).start().await;
    let schema = json!({ "type": "object", "properties": { "account": { "type": "string" } } });
    let function = json!({ "name": "balance", "description": "x", "parameters": schema });
    let tools = json!({
        "tools": [{ "type": "function", "function": function }],
        "tool_choice": "required",
    });
    let reply = gateway.ask(&with(ask("auto"), tools.clone())).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "a"), "{}", reply.text());
    let call = &reply.json()["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "balance");
    let reply = gateway.ask(&with(streamed("auto"), tools.clone())).await;
    assert!(reply.done() && reply.text().contains("\"tool_calls\""), "{}", reply.text());
    let arguments: String = reply
        .events()
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok())
        .filter_map(|event| {
            let path = "/choices/0/delta/tool_calls/0/function/arguments";
            event.pointer(path)?.as_str().map(str::to_owned)
        })
        .collect();
    assert!(serde_json::from_str::<Value>(&arguments).is_ok(), "{arguments}");
    let reply = gateway.ask(&with(ask("b"), tools)).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
}

#[tokio::test]
async fn every_answer_says_why_where_the_configuration_wants_it() {
    let (near, far) = (SimBackend::start(), SimBackend::start());
    let setup = |why: &str| {
        Setup::new()
            .server(why)
            .model_with("far", &far.urls(), "zone = \"cloud\"\n")
            .model_with("near", &near.urls(), "zone = \"on_prem\"\n")
            .and("[policy]\nfile = \"policy.toml\"\n")
            .file(
                "policy.toml",
                "version = \"v1\"\n[default]\nroute = [\"far\", \"near\"]\n[[rule]]\n\
                 name = \"home\"\nwhen = { data_class = [\"confidential\", \"secret\"] }\n\
                 require = { zone = [\"on_prem\"] }\n",
            )
    };
    let gateway = setup("why_header = true\n").start().await;
    let why = |reply: &Reply| reply.header("x-signalbox-why").to_owned();
    let class = |body: &Value| gateway.post(body).header("x-signalbox-data-class", "confidential");
    let bound = "rule default; guards home; plan near; without far (forbidden by rule `home`)";
    assert_eq!(why(&gateway.ask(&ask("auto")).await), "rule default; plan far, near");
    assert_eq!(why(&Reply::of(class(&ask("auto"))).await), bound);
    assert_eq!(why(&Reply::of(class(&streamed("auto"))).await), bound);
    assert_eq!(why(&gateway.ask(&ask("near")).await), "rule pin; plan near");
    let refused = Reply::of(class(&ask("far"))).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let said = "rule pin; guards home; no plan: rule `home` forbids every model left; without far \
                (forbidden by rule `home`)";
    assert_eq!(why(&refused), said);
    near.fail(signalbox::sim::InjectedFault::Status500).await;
    let failed = gateway.ask(&ask("near")).await;
    assert_eq!((failed.status, &*why(&failed)), (502, "rule pin; plan near"));
    // What is refused before it is decided says where.
    let early = gateway.ask(&with(ask("auto"), json!({ "n": 0 }))).await;
    assert_eq!((early.status, &*why(&early)), (400, "invalid_request at classify"));
    let early = Reply::of(gateway.client.get(gateway.url("/v1/nothing"))).await;
    assert_eq!((early.status, &*why(&early)), (404, "invalid_request at receive"));
    let silent = setup("").start().await;
    for body in [ask("auto"), streamed("auto"), ask("nobody")] {
        assert!(!silent.ask(&body).await.headers.contains_key("x-signalbox-why"), "{body}");
    }
}
