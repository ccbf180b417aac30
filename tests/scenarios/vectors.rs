//! What is asked without messages: vectors, ranks and the completion of prompts.

use rusqlite::Connection;
use serde_json::{Value, json};
use signalbox::{app, config, sim::InjectedFault};

use crate::harness::{
    Books, Gateway, KEY, Reply, Setup, SimBackend,
    engine::{Engine, Said, error},
    gateway::results,
    with,
};

const HARD: &str = "budget = { amount = \"1.00\", window = \"total\", hard = true }\n";

fn embedding(space: &str) -> String {
    format!("kind = \"embedding\"\nvector_space = \"{space}\"\n")
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Reply {
    let request = gateway.client.post(gateway.url(path)).bearer_auth(KEY);
    Reply::of(request.header("content-type", "application/json").body(body.to_string())).await
}

/// Two vectors as base64, spelled as no writer of ours would.
const VECTORS: &str = "{ \"object\":\"list\", \"data\" : [\n {\"index\":0,\"embedding\":\"AACAPwAAAEA=\"},\
     {\"index\":1,\"embedding\":\"AAAAAAAAgD8=\"}],\"model\":\"scripted\",\
     \"usage\":{\"prompt_tokens\":1000,\"total_tokens\":1000} }";

fn asked(model: &str) -> Value {
    json!({ "model": model, "input": ["What is a signal box?", "Who works in it?"] })
}

fn operations(books: &std::path::Path) -> Vec<String> {
    let connection = Connection::open(books).expect("a ledger");
    let mut rows = connection.prepare("SELECT operation FROM line ORDER BY seq").unwrap();
    let rows = rows.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The operation of the last request, by the metrics.
async fn counted(gateway: &Gateway, operation: &str) -> f64 {
    let label = format!("gen_ai_operation_name=\"{operation}\"");
    let metrics = gateway.metrics().await;
    metrics.sum("gen_ai_server_request_duration_seconds_count", &[&label])
}

#[tokio::test]
async fn vectors_pass_byte_for_byte_and_cost_their_input() {
    let engine = Engine::start(|_| (200, VECTORS.to_owned())).await;
    let setup = Setup::new().priced("e", &engine.urls(), ("2.00", "0"), &embedding("a")).key(HARD);
    let gateway = setup.start().await;
    let body =
        with(asked("e"), json!({ "encoding_format": "base64", "dimensions": 2, "user": "u" }));
    let reply = post(&gateway, "/v1/embeddings", &body).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, VECTORS));
    assert_eq!(reply.header("x-signalbox-cost"), "0.002");
    assert_eq!(reply.header("x-signalbox-model"), "e");
    // Nothing but the model was changed, and no bound was added under a hard budget.
    assert_eq!(engine.asked(), [with(body, json!({ "model": "scripted" }))]);
    gateway.until(|books| books.verification.open == 0).await;
    let books = gateway.close().await;
    let entry = books.only();
    assert_eq!((entry.input_tokens, entry.output_tokens), (1_000, 0));
    assert_eq!(entry.cost.unwrap().to_string(), "0.002");
    assert_eq!((entry.task.as_str(), books.outcome()), ("none", "ok"));
}

#[tokio::test]
async fn what_no_engine_reports_is_estimated() {
    let engine = Engine::start(|_| (200, VECTORS.replace("usage", "used"))).await;
    let gateway = Setup::new().model_with("e", &engine.urls(), &embedding("a")).start().await;
    let ids = json!({ "model": "e", "input": [[1, 2, 3], [4]] });
    assert_eq!(post(&gateway, "/v1/embeddings", &ids).await.status, 200);
    let books = gateway.close().await;
    assert_eq!((books.only().input_tokens, books.only().output_tokens), (4, 0));
}

#[tokio::test]
async fn another_number_of_vectors_than_was_asked_for_is_no_answer() {
    for (inputs, good) in
        [(json!("one"), false), (json!(["one", "two"]), true), (json!(["1", "2", "3"]), false)]
    {
        let engine = Engine::start(|_| (200, VECTORS.to_owned())).await;
        let setup = Setup::new().model_with("e", &engine.urls(), &embedding("a"));
        let gateway = setup.start().await;
        let body = json!({ "model": "e", "input": inputs });
        let reply = post(&gateway, "/v1/embeddings", &body).await;
        assert_eq!(reply.status == 200, good, "{}", reply.text());
        let books = gateway.close().await;
        let expected = if good { "ok" } else { "invalid" };
        assert!(results(books.only()).iter().all(|it| it == expected), "{:?}", books.only());
    }
}

/// Two models of one space, one of another, and one that chats.
fn spaces(a: &SimBackend, b: &SimBackend, other: &SimBackend) -> Setup {
    let setup = Setup::new().model_with("a", &a.urls(), &embedding("one"));
    let setup = setup.model_with("b", &b.urls(), &embedding("one"));
    let setup = setup.model_with("other", &other.urls(), &embedding("two"));
    setup.model("chat", &other.urls())
}

const POLICY: &str = "version = \"v\"\n[default]\nroute = [\"a\", \"b\", \"chat\"]\n\
     [[rule]]\nname = \"other\"\nwhen = { model = \"other-ones\" }\nroute = [\"other\"]\n";

#[tokio::test]
async fn another_model_of_the_space_takes_over_and_never_one_of_another() {
    let (a, b, other) = (SimBackend::start(), SimBackend::start(), SimBackend::start());
    let setup = spaces(&a, &b, &other).and("[policy]\nfile = \"policy.toml\"\n");
    let gateway = setup.file("policy.toml", POLICY).start().await;
    let served = async |model: &str| {
        let reply = post(&gateway, "/v1/embeddings", &asked(model)).await;
        (reply.status, reply.header("x-signalbox-model").to_owned())
    };
    assert_eq!(served("auto").await, (200, "a".to_owned()));
    a.fail(InjectedFault::Status500).await;
    assert_eq!(served("auto").await, (200, "b".to_owned()));
    b.fail(InjectedFault::Status500).await;
    let (status, _) = served("auto").await;
    assert!(status >= 500, "{status}: no vectors of another space");
    assert_eq!(served("other").await, (200, "other".to_owned()));
    let reply = gateway.ask(&crate::harness::ask("auto")).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "chat"));
    let wrong = gateway.ask(&crate::harness::ask("a")).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("a serves embeddings"), "{}", wrong.text());
    gateway.stop().await;
}

const RANKS: &str = "version = \"v\"\n[default]\nroute = [\"*\"]\n[[rule]]\nname = \"thai\"\n\
     when = { language = \"th\", operation = \"rerank\" }\nroute = [\"thai\"]\n";

#[tokio::test]
async fn ranks_are_routed_by_the_language_of_the_query() {
    let up = SimBackend::start();
    let kind = "kind = \"rerank\"\n";
    let setup =
        Setup::new().model_with("plain", &up.urls(), kind).model_with("thai", &up.urls(), kind);
    let setup = setup.and("[policy]\nfile = \"policy.toml\"\n").file("policy.toml", RANKS);
    let gateway = setup.start().await;
    for (query, model) in [
        ("How do I raise the limit of my card?", "plain"),
        ("ฉันจะเพิ่มวงเงินบัตรเครดิตของฉันได้อย่างไร", "thai"),
    ] {
        let body = json!({
            "model": "auto", "query": query, "top_n": 1, "return_documents": true,
            "documents": ["about trains", { "text": "the limit of a card" }],
        });
        let reply = post(&gateway, "/v1/rerank", &body).await;
        assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, model), "{reply:?}");
        assert_eq!(reply.json()["results"].as_array().unwrap().len(), 1);
    }
    gateway.until(|books| books.verification.open == 0).await;
    let books = gateway.close().await;
    for entry in &books.entries {
        assert_eq!((entry.task.as_str(), entry.output_tokens), ("none", 0));
        assert!(entry.input_tokens > 0 && entry.cost.unwrap().nano() > 0);
    }
}

#[tokio::test]
async fn a_completion_is_streamed_with_its_usage_and_its_cost() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let body = json!({
        "model": "a", "prompt": ["Once upon a time", "Twice"], "n": 2, "max_tokens": 9, "stream": true,
        "stream_options": { "include_usage": true },
    });
    let reply = post(&gateway, "/v1/completions", &body).await;
    assert!(reply.status == 200 && reply.done(), "{}", reply.text());
    let events: Vec<Value> =
        reply.events().iter().filter_map(|it| serde_json::from_str(it).ok()).collect();
    let ended = |it: &&Value| it["choices"][0]["finish_reason"].is_string();
    assert_eq!(events.iter().filter(ended).count(), 4, "two prompts, two answers each");
    let last = events.last().unwrap();
    gateway.until(|books| books.verification.open == 0).await;
    let books = gateway.close().await;
    let entry = books.only();
    assert_eq!(last["usage"]["completion_tokens"], entry.output_tokens);
    assert_eq!(last["signalbox"]["cost"], entry.cost.unwrap().to_string());
    assert_eq!(books.outcome(), "ok");
}

fn completed(text: &str) -> Said {
    let choice = json!({ "index": 0, "text": text, "finish_reason": "stop" });
    let usage = json!({ "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7 });
    (
        200,
        json!({ "id": "c", "object": "text_completion", "choices": [choice], "usage": usage })
            .to_string(),
    )
}

#[tokio::test]
async fn a_suffix_passes_and_a_bound_is_told_by_its_older_name() {
    let engine = Engine::start(|_| completed(" of the line")).await;
    let lines = "output_bound = \"both\"\n";
    let setup = Setup::new().model_with("a", &engine.urls(), lines).key(HARD);
    let gateway = setup.start().await;
    let body = json!({ "model": "a", "prompt": "The end", "suffix": ".", "logprobs": 0 });
    let reply = post(&gateway, "/v1/completions", &body).await;
    assert_eq!(reply.json()["choices"][0]["text"], " of the line");
    let sent = engine.asked();
    assert_eq!((&sent[0]["suffix"], &sent[0]["prompt"]), (&json!("."), &json!("The end")));
    assert!(sent[0]["max_tokens"].is_u64() && sent[0].get("max_completion_tokens").is_none());
    let books = gateway.close().await;
    assert_eq!((books.only().input_tokens, books.only().output_tokens), (5, 2));
}

#[tokio::test]
async fn the_ledger_says_what_was_asked_for() {
    let up = SimBackend::start();
    let setup = Setup::new().model("chat", &up.urls()).model_with("e", &up.urls(), &embedding("a"));
    let gateway = setup.model_with("r", &up.urls(), "kind = \"rerank\"\n").start().await;
    for (path, body, operation) in [
        ("/v1/completions", json!({ "model": "auto", "prompt": "Once" }), "text_completion"),
        ("/v1/embeddings", asked("auto"), "embeddings"),
        ("/v1/rerank", json!({ "model": "auto", "query": "q", "documents": ["d"] }), "rerank"),
    ] {
        let reply = post(&gateway, path, &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        gateway.until(|books| books.verification.open == 0).await;
        let found = counted(&gateway, operation).await;
        assert!((found - 1.0).abs() < 0.1, "{operation}: {found}");
    }
    let ledger = gateway.ledger();
    let _: Books = gateway.books();
    assert_eq!(operations(&ledger), ["text_completion", "embeddings", "rerank"]);
    gateway.close().await;
}

#[tokio::test]
async fn what_an_engine_refuses_is_told_as_in_a_chat() {
    let engine = Engine::start(|_| error(400, "dimensions must be one of 256 and 512")).await;
    let gateway = Setup::new().model_with("e", &engine.urls(), &embedding("a")).start().await;
    let reply =
        post(&gateway, "/v1/embeddings", &with(asked("e"), json!({ "dimensions": 7 }))).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    let streamed =
        post(&gateway, "/v1/embeddings", &with(asked("e"), json!({ "stream": true }))).await;
    assert_eq!((streamed.status, &streamed.json()["error"]["param"]), (400, &json!("stream")));
    gateway.close().await;
}

#[tokio::test]
async fn a_gateway_in_which_auto_reaches_two_spaces_does_not_start() {
    let url = ["http://127.0.0.1:9/v1".to_owned()];
    let setup = Setup::new().model("chat", &url).model_with("a", &url, &embedding("one"));
    for (setup, starts) in [(setup, true), (two_spaces(&url), false)] {
        let folder = setup.write();
        let started = match config::load(Some(&folder.config())) {
            Ok(config) => app::start(config).await.map_err(|it| it.to_string()),
            Err(faults) => Err(format!("{faults:?}")),
        };
        match started {
            Ok(running) => {
                assert!(starts, "it starts with two spaces");
                running.shutdown().await;
            }
            Err(said) => {
                assert!(!starts, "{said}");
                assert!(said.contains("`one` and `two`"), "{said}");
            }
        }
    }
}

fn two_spaces(url: &[String]) -> Setup {
    let setup = Setup::new().model_with("a", url, &embedding("one"));
    setup.model_with("other", url, &embedding("two"))
}

/// The decision for a request of any API is asked for at that API's path behind `/v1/route`.
#[tokio::test]
async fn the_decision_is_told_for_every_api() {
    let up = SimBackend::start();
    let gateway = Setup::new()
        .model("talks", &up.urls())
        .model_with("vectors", &up.urls(), "kind = \"embedding\"\nvector_space = \"v\"\n")
        .model_with("ranks", &up.urls(), "kind = \"rerank\"\n")
        .start()
        .await;
    let turns = json!([{ "role": "user", "content": "hello" }]);
    for (path, body, model) in [
        ("", json!({ "messages": turns }), "talks"),
        ("/chat/completions", json!({ "messages": turns }), "talks"),
        ("/messages", json!({ "messages": turns, "max_tokens": 5 }), "talks"),
        ("/responses", json!({ "input": "hello" }), "talks"),
        ("/completions", json!({ "prompt": "hello" }), "talks"),
        ("/embeddings", json!({ "input": "hello" }), "vectors"),
        ("/rerank", json!({ "query": "hello", "documents": ["a", "b"] }), "ranks"),
    ] {
        let body = with(body, json!({ "model": "auto" }));
        let request = gateway.client.post(gateway.url(&format!("/v1/route{path}")));
        let reply = Reply::of(request.bearer_auth(KEY).body(body.to_string())).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(reply.json()["decision"]["plan"][0]["model"], model, "{path}: {}", reply.text());
    }
    let cohere = json!({ "model": "auto", "query": "hello", "documents": ["a", "b"] });
    let request = gateway.client.post(gateway.url("/v2/rerank"));
    let reply = Reply::of(request.bearer_auth(KEY).body(cohere.to_string())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}
