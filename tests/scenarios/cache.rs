//! Answers that were given before are given again to those who ask the very same, where the rule says so, and
//! never to anybody else.

use serde_json::{Value, json};

use crate::harness::{
    Gateway, KEY, Reply, Setup, ask,
    engine::{self, Engine},
    manual_backend::ManualBackend,
    streamed, with,
};

/// Another key.
const OTHER: &str = "sk-other-00123456789abcdef0123456789abcdef";

/// A policy by which answers of all routes are kept.
const POLICY: &str = "version = \"1\"\n[default]\nroute = [\"good\"]\ncache = { ttl_s = 3600 }\n";

fn setup(urls: &[String], policy: &str) -> Setup {
    Setup::new()
        .model("good", urls)
        .and("[policy]\nfile = \"policy.toml\"\n")
        .file("policy.toml", policy)
}

/// An engine that says another word each time, streamed where that is asked.
async fn counting() -> Engine {
    let nth = std::sync::atomic::AtomicU32::new(0);
    Engine::start(move |body| {
        let nth = nth.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let (said, usage) = (format!("answer {nth}"), engine::usage(10, 5));
        if body["stream"] == json!(true) {
            engine::stream(&[&said, "!"], &usage)
        } else {
            engine::answer(&said, &usage)
        }
    })
    .await
}

/// A column of the entries, in their order.
fn column(ledger: &std::path::Path, name: &str) -> Vec<String> {
    let books = rusqlite::Connection::open(ledger).expect("a ledger");
    let sql = format!("SELECT coalesce(CAST({name} AS TEXT), '-') FROM ledger ORDER BY id");
    let mut select = books.prepare(&sql).expect("a column");
    let rows = select.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("texts")
}

async fn settled(gateway: &Gateway, entries: usize) {
    let all = |books: &crate::harness::Books| {
        books.entries.iter().filter(|it| it.state == "settled").count() == entries
    };
    gateway.until(all).await;
}

async fn asked_by(gateway: &Gateway, key: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
    let mut request = gateway.client.post(gateway.url("/v1/chat/completions")).bearer_auth(key);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Reply::of(request.body(body.to_string())).await
}

#[tokio::test]
async fn the_same_question_costs_once_and_each_answer_is_an_entry() {
    let engine = counting().await;
    let gateway = setup(&engine.urls(), POLICY).start().await;
    let first = gateway.ask(&ask("auto")).await;
    let again = gateway.ask(&ask("auto")).await;
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.body, again.body);
    assert_eq!(engine.asked().len(), 1);
    for (reply, cache, cost, attempts) in
        [(&first, "miss", "0.00002", "1"), (&again, "hit", "0", "0")]
    {
        assert_eq!(reply.header("x-signalbox-cache"), cache);
        assert_eq!(reply.header("x-signalbox-cost"), cost);
        assert_eq!(reply.header("x-signalbox-attempts"), attempts);
        assert_eq!(reply.header("x-signalbox-model"), "good");
        assert_eq!(reply.header("content-type"), "application/json");
    }
    assert_ne!(first.header("x-signalbox-id"), again.header("x-signalbox-id"));
    settled(&gateway, 2).await;
    let ledger = gateway.ledger();
    let of = |name| column(&ledger, name);
    assert_eq!(of("cache"), ["miss", "hit"]);
    assert_eq!(of("saved_nano"), ["-", "20000"]);
    assert_eq!(of("cost_nano"), ["20000", "0"]);
    assert_eq!(of("reserved_nano")[1], "0");
    assert_eq!(of("model"), ["good", "good"]);
    assert_eq!(of("endpoint")[1], "-");
    assert_eq!(of("attempts")[1], "[]");
    assert_eq!(of("output_tokens"), ["5", "0"]);
    assert_eq!(of("outcome"), ["ok", "ok"]);
    let metrics = gateway.metrics().await;
    for result in ["miss", "hit"] {
        let labels = ["model=\"good\"", &format!("result=\"{result}\"")];
        assert_eq!(metrics.sum("signalbox_cache_total", &labels), 1.0, "{result}");
    }
    gateway.close().await;
}

#[tokio::test]
async fn a_rule_that_does_not_say_so_keeps_nothing_and_says_nothing() {
    let engine = counting().await;
    let gateway = setup(&engine.urls(), &POLICY.replace("cache =", "# cache =")).start().await;
    for _ in 0..2 {
        assert_eq!(gateway.ask(&ask("auto")).await.header("x-signalbox-cache"), "");
    }
    assert_eq!(engine.asked().len(), 2);
    settled(&gateway, 2).await;
    assert_eq!(column(&gateway.ledger(), "cache"), ["-", "-"]);
    gateway.close().await;
}

#[tokio::test]
async fn what_may_differ_is_another_question_and_a_spelling_is_none() {
    let engine = counting().await;
    let scene = setup(&engine.urls(), POLICY)
        .key("data_class_max = \"secret\"\n")
        .and(
            "[[team]]\nname = \"cards\"\n[[key]]\nname = \"mate\"\nsecret = \"file:mate.key\"\n\
             [[key]]\nname = \"other\"\nsecret = \"file:other.key\"\nteam = \"cards\"\n",
        )
        .file("other.key", OTHER)
        .file("mate.key", &OTHER.replace("other", "mates"));
    let gateway = scene.start().await;
    let base = ask("auto");
    let first = gateway.ask(&base).await;
    let mut asked = 1;
    let secret: &[_] = &[("x-signalbox-data-class", "secret")];
    for (key, headers, body) in [
        (KEY, &[][..], with(base.clone(), json!({ "temperature": 0.5 }))),
        (KEY, &[], with(base.clone(), json!({ "n": 1 }))),
        (KEY, &[], streamed("auto")),
        (KEY, &[], with(streamed("auto"), json!({ "stream_options": { "include_usage": true } }))),
        (KEY, secret, base.clone()),
        (OTHER, &[], base.clone()),
    ] {
        let reply = asked_by(&gateway, key, headers, &body).await;
        asked += 1;
        assert_eq!(reply.header("x-signalbox-cache"), "miss", "{headers:?} {body}");
        assert_eq!(engine.asked().len(), asked, "{headers:?} {body}");
        let again = asked_by(&gateway, key, headers, &body).await;
        assert_eq!(again.header("x-signalbox-cache"), "hit", "{headers:?} {body}");
    }
    let mate = OTHER.replace("other", "mates");
    for (key, headers, body) in [
        (KEY, &[("x-signalbox-session", "s")][..], base.clone()),
        (KEY, &[], with(base.clone(), json!({ "user": "u", "metadata": { "a": "b" } }))),
        (&*mate, &[], base.clone()),
    ] {
        let reply = asked_by(&gateway, key, headers, &body).await;
        assert_eq!(reply.header("x-signalbox-cache"), "hit", "{headers:?} {body}");
        assert_eq!(reply.body, first.body);
    }
    // Of the caller's own will.
    let reply = asked_by(&gateway, KEY, &[("cache-control", "no-store")], &base).await;
    assert_eq!((reply.header("x-signalbox-cache"), engine.asked().len()), ("", asked + 1));
    let reply = asked_by(&gateway, KEY, &[("cache-control", "no-cache")], &base).await;
    assert_eq!((reply.header("x-signalbox-cache"), engine.asked().len()), ("miss", asked + 2));
    assert_eq!(gateway.ask(&base).await.body, reply.body, "it is kept in place of the older one");
    gateway.close().await;
}

#[tokio::test]
async fn a_stream_is_given_again_byte_for_byte_but_for_what_it_costs_in_every_dialect() {
    let engine = counting().await;
    let gateway = setup(&engine.urls(), POLICY).start().await;
    let usage = json!({ "stream_options": { "include_usage": true } });
    let input = json!({ "model": "auto", "input": "hi" });
    let stream = json!({ "stream": true });
    let message = with(ask("auto"), json!({ "max_tokens": 50 }));
    for (path, body) in [
        ("/v1/chat/completions", streamed("auto")),
        ("/v1/chat/completions", with(streamed("auto"), usage)),
        ("/v1/messages", message.clone()),
        ("/v1/messages", with(message, stream.clone())),
        ("/v1/responses", input.clone()),
        ("/v1/responses", with(input, stream)),
    ] {
        let before = engine.asked().len();
        let first = Reply::of(gateway.post_to(path, &body)).await;
        let again = Reply::of(gateway.post_to(path, &body)).await;
        assert_eq!((first.status, again.status), (200, 200), "{}", first.text());
        assert_eq!(engine.asked().len(), before + 1, "{path} {body}");
        assert_eq!(again.header("x-signalbox-cache"), "hit");
        assert_eq!(again.header("content-type"), first.header("content-type"));
        let free = first.text().replace("\"cost\":\"0.00002\"", "\"cost\":\"0\"");
        assert_eq!(again.text(), free, "{path} {body}");
        if body["stream_options"].is_object() {
            assert_ne!(free, first.text(), "it says what it costs");
        }
    }
    gateway.close().await;
}

/// An answer with its head.
fn said(finish: &str) -> String {
    let body = engine::answer("yes", &engine::usage(10, 5)).1.replace("stop", finish);
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

/// Callers who ask the same at one moment.
fn callers(gateway: &Gateway, count: usize) -> Vec<tokio::task::JoinHandle<Reply>> {
    (0..count).map(|_| tokio::spawn(Reply::of(gateway.post(&ask("auto"))))).collect()
}

#[tokio::test]
async fn those_who_ask_at_once_wait_for_one_and_have_its_answer() {
    let backend = ManualBackend::start().await;
    let gateway = setup(&backend.urls(), POLICY).start().await;
    let all = callers(&gateway, 5);
    let line = backend.asked().await;
    line.say(said("stop"));
    let mut results = Vec::new();
    for it in all {
        let reply = it.await.expect("a reply");
        assert_eq!(reply.status, 200);
        results.push(reply.header("x-signalbox-cache").to_owned());
    }
    results.sort();
    assert_eq!(results, ["hit", "hit", "hit", "hit", "miss"]);
    assert_eq!(backend.connections(), 1);
    gateway.close().await;
}

#[tokio::test]
async fn if_the_first_hangs_up_or_fails_the_next_one_goes() {
    for hangs_up in [true, false] {
        let backend = ManualBackend::start().await;
        let gateway = setup(&backend.urls(), POLICY).start().await;
        let mut first = callers(&gateway, 1);
        let line = backend.asked().await;
        let second = callers(&gateway, 1).pop().unwrap();
        let first = first.pop().unwrap();
        if hangs_up {
            first.abort();
        } else {
            let refused =
                "HTTP/1.1 400 X\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
            line.say(refused);
            assert_eq!(first.await.expect("a reply").status, 400);
        }
        backend.asked().await.say(said("stop"));
        let reply = second.await.expect("a reply");
        assert_eq!((reply.status, reply.header("x-signalbox-cache")), (200, "miss"));
        gateway.close().await;
    }
}

#[tokio::test]
async fn what_did_not_end_by_itself_is_not_kept() {
    for finish in ["length", "content_filter"] {
        let engine = Engine::start(move |_| {
            let (status, body) = engine::answer("yes", &engine::usage(10, 5));
            (status, body.replace("stop", finish))
        });
        let engine = engine.await;
        let gateway = setup(&engine.urls(), POLICY).start().await;
        for nth in 1..3 {
            assert_eq!(gateway.ask(&ask("auto")).await.header("x-signalbox-cache"), "miss");
            assert_eq!(engine.asked().len(), nth, "{finish}");
        }
        gateway.close().await;
    }
    // Nor is one of which nobody knows what it used.
    let engine = Engine::start(|_| engine::answer("yes", &Value::Null)).await;
    let gateway = setup(&engine.urls(), POLICY).start().await;
    for nth in 1..3 {
        gateway.ask(&ask("auto")).await;
        assert_eq!(engine.asked().len(), nth);
    }
    gateway.close().await;
}

#[tokio::test]
async fn a_key_never_has_the_answer_of_a_model_that_it_may_not_use() {
    let engine = counting().await;
    let policy = POLICY.replace("[\"good\"]", "[\"good\", \"other\"]");
    let scene = setup(&engine.urls(), &policy)
        .model("other", &engine.urls())
        .and("[[key]]\nname = \"few\"\nsecret = \"file:other.key\"\nmodels = [\"other\"]\n")
        .file("other.key", OTHER);
    let gateway = scene.start().await;
    assert_eq!(gateway.ask(&ask("auto")).await.header("x-signalbox-model"), "good");
    let few = asked_by(&gateway, OTHER, &[], &ask("auto")).await;
    assert_eq!(
        (few.header("x-signalbox-model"), few.header("x-signalbox-cache")),
        ("other", "miss")
    );
    let few = asked_by(&gateway, OTHER, &[], &ask("auto")).await;
    assert_eq!(
        (few.header("x-signalbox-model"), few.header("x-signalbox-cache")),
        ("other", "hit")
    );
    gateway.close().await;
}

#[tokio::test]
async fn a_budget_that_is_spent_refuses_nothing_that_costs_nothing() {
    let engine = Engine::start(|_| engine::answer("yes", &engine::usage(9_000, 499))).await;
    let scene = setup(&engine.urls(), POLICY)
        .key("budget = { amount = \"0.0105\", window = \"total\", hard = true }\n");
    let gateway = scene.start().await;
    let question = with(ask("auto"), json!({ "max_tokens": 500 }));
    assert_eq!(gateway.ask(&question).await.status, 200);
    let other = with(question.clone(), json!({ "temperature": 0.1 }));
    assert_eq!(gateway.ask(&other).await.status, 429);
    let again = gateway.ask(&question).await;
    assert_eq!((again.status, again.header("x-signalbox-cache")), (200, "hit"));
    gateway.close().await;
}

#[tokio::test]
async fn another_policy_and_another_process_begin_with_nothing() {
    let engine = counting().await;
    let gateway = setup(&engine.urls(), POLICY).start().await;
    gateway.ask(&ask("auto")).await;
    let other = setup(&engine.urls(), &POLICY.replace("version = \"1\"", "version = \"2\""));
    gateway.reload(&other).await;
    assert_eq!(gateway.ask(&ask("auto")).await.header("x-signalbox-cache"), "miss");
    assert_eq!(gateway.ask(&ask("auto")).await.header("x-signalbox-cache"), "hit");
    let folder = gateway.stop().await;
    let config = signalbox::config::load(Some(&folder.config())).expect("a good configuration");
    let running = signalbox::app::start(config).await.expect("a gateway");
    let url = format!("http://{}/v1/chat/completions", running.addr);
    let client = crate::harness::gateway::client();
    let request = client.post(url).bearer_auth(KEY).body(ask("auto").to_string());
    assert_eq!(Reply::of(request).await.header("x-signalbox-cache"), "miss");
    drop(client);
    running.shutdown().await;
}
