//! Answers that must be of a form: a rule that validates asks the next model where one is not.

use serde_json::{Value, json};
use signalbox::store::Entry;

use crate::harness::{
    Gateway, Reply, Setup, ask,
    engine::{Engine, Said, answer, stream, usage},
    gateway::results,
    trial::Api,
    wait, with,
};

/// A word of the answers that hold to nothing: nobody but their caller may read it.
const WORD: &str = "zyzzyva";
const ABLE: &str = "capabilities = [\"json_schema\", \"tools\"]\noutput_tokens_max = 1000\n";
const GOOD: &str = "{\"name\":\"Ada\"}";

fn policy(more: &str) -> String {
    format!(
        "version = \"1\"\n[[rule]]\nname = \"forms\"\nwhen = {{ model = [\"auto\"] }}\n\
         route = [\"a\", \"b\"]\n{more}\n[default]\nroute = [\"b\"]\n"
    )
}

async fn pair(a: &Engine, b: &Engine, more: &str) -> Gateway {
    let setup = Setup::new().model_with("a", &a.urls(), ABLE).model_with("b", &b.urls(), ABLE);
    let setup = setup.and("[policy]\nfile = \"policy.toml\"\n");
    setup.file("policy.toml", &policy(more)).start().await
}

/// An engine that always says this.
async fn saying(said: Said) -> Engine {
    Engine::start(move |_| said.clone()).await
}

async fn texts(text: &str) -> Engine {
    saying(answer(text, &usage(10, 5))).await
}

/// A whole answer of these messages, each with how it ended.
fn choices(messages: &[(Value, &str)]) -> Said {
    let choice = |(at, it): (usize, &(Value, &str))| {
        let (message, end) = it;
        json!({ "index": at, "message": message, "finish_reason": end })
    };
    let choices: Vec<_> = messages.iter().enumerate().map(choice).collect();
    (200, json!({ "id": "c", "choices": choices, "usage": usage(10, 5) }).to_string())
}

fn message(text: &str) -> Value {
    json!({ "role": "assistant", "content": text })
}

fn call(name: &str, arguments: &str) -> Value {
    let function = json!({ "name": name, "arguments": arguments });
    let call = json!({ "id": "call-1", "type": "function", "function": function });
    json!({ "role": "assistant", "content": null, "tool_calls": [call] })
}

fn schema() -> Value {
    json!({
        "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"]
    })
}

fn formed(more: Value) -> Value {
    let format = json!({ "name": "person", "schema": schema() });
    let format = json!({ "type": "json_schema", "json_schema": format });
    with(with(ask("auto"), json!({ "response_format": format })), more)
}

fn tooled() -> Value {
    let function = json!({ "name": "greet", "parameters": schema() });
    with(ask("auto"), json!({ "tools": [{ "type": "function", "function": function }] }))
}

async fn asked(gateway: &Gateway, api: Api, chat: &Value) -> Reply {
    Reply::of(gateway.post_to(api.path(), &api.request(chat))).await
}

fn nano(entry: &Entry) -> i64 {
    entry.cost.expect("a cost").nano()
}

/// What a request of this kind came to: its status, its model, and the results of its attempts.
async fn ended(api: Api, (a, b): (Said, Said), more: &str, chat: &Value) -> (u16, String, String) {
    let (a, b) = (saying(a).await, saying(b).await);
    let gateway = pair(&a, &b, more).await;
    let reply = asked(&gateway, api, chat).await;
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("signalbox_ejections_total", &[]), 0.0, "a model's words eject nobody");
    let charged = metrics.sum("signalbox_cost_total", &[]);
    let books = gateway.close().await;
    let entry = books.only();
    let tried = results(entry).join(" ");
    // Each answer that came whole has its 10 tokens at 1.00 and 5 at 2.00 a million.
    let whole = results(entry).len() as i64;
    assert_eq!(nano(entry), whole * 20_000, "{api:?} {tried}: {entry:?}");
    assert_eq!(
        (charged * 1e9).round() as i64,
        nano(entry),
        "the ledger says what the counters say"
    );
    (reply.status, reply.header("x-signalbox-model").to_owned(), tried)
}

#[tokio::test]
async fn an_answer_of_another_form_is_a_failed_attempt_and_the_next_model_is_asked() {
    let said = |text: &str| answer(text, &usage(10, 5));
    for api in Api::ALL {
        for bad in [
            WORD.to_owned(),
            "{\"name\":".into(),
            "{\"name\":7}".into(),
            "{}".into(),
            format!("```json\n{GOOD}\n```"),
        ] {
            let found =
                ended(api, (said(&bad), said(GOOD)), "validate = true", &formed(json!({}))).await;
            assert_eq!(found, (200, "b".into(), "invalid ok".into()), "{api:?} {bad}");
        }
        let good =
            ended(api, (said(GOOD), said(GOOD)), "validate = true", &formed(json!({}))).await;
        assert_eq!(good, (200, "a".into(), "ok".into()), "{api:?}");
        // Nobody looks where the rule does not say so, and at what asks for no form.
        for (more, request) in [("", formed(json!({}))), ("validate = true", ask("auto"))] {
            let found = ended(api, (said(WORD), said(GOOD)), more, &request).await;
            assert_eq!(found, (200, "a".into(), "ok".into()), "{api:?} {more}");
        }
    }
}

#[tokio::test]
async fn where_no_answer_holds_the_caller_is_told_where_the_last_broke_it_and_no_word_of_it() {
    let bad = format!("{{\"name\":[\"{WORD}\"],\"{WORD}\":1}}");
    for api in Api::ALL {
        let (a, b) = (texts(WORD).await, texts(&bad).await);
        let gateway = pair(&a, &b, "validate = true").await;
        let reply = asked(&gateway, api, &formed(json!({}))).await;
        let text = reply.text();
        assert_eq!(reply.status, 502, "{text}");
        let told = "no model's answer held to the form that was asked for: the last broke it at \
                    `/name`, expected a text";
        assert!(text.contains(told) && !text.contains(WORD), "{text}");
        let books = gateway.close().await;
        let entry = books.only();
        assert_eq!(results(entry), ["invalid", "invalid"]);
        assert_eq!(entry.failure_kind.as_deref(), Some("upstream_error"));
        assert_eq!(nano(entry), 40_000, "both wrote all of their answers");
        let kept = format!("{entry:?}");
        assert!(!kept.contains("/name") && !kept.contains(WORD), "{kept}");
    }
}

#[tokio::test]
async fn all_choices_must_hold() {
    let good = (message(GOOD), "stop");
    let both = |second: &str| choices(&[good.clone(), (message(second), "stop")]);
    let request = formed(json!({ "n": 2 }));
    let found = ended(Api::Chat, (both(WORD), both(GOOD)), "validate = true", &request).await;
    assert_eq!(found, (200, "b".into(), "invalid ok".into()));
    let found = ended(Api::Chat, (both(GOOD), both(GOOD)), "validate = true", &request).await;
    assert_eq!(found, (200, "a".into(), "ok".into()));
}

#[tokio::test]
async fn calls_of_tools_are_held_to_their_parameters() {
    for api in Api::ALL {
        let good = (call("greet", GOOD), "tool_calls");
        for bad in [call("greet", "{\"name\":7}"), call("greet", "{"), call(WORD, GOOD)] {
            let said =
                (choices(&[(bad.clone(), "tool_calls")]), choices(std::slice::from_ref(&good)));
            let (status, model, tried) = ended(api, said, "validate = true", &tooled()).await;
            assert_eq!((status, &*model, &*tried), (200, "b", "invalid ok"), "{api:?} {bad}");
        }
        let said = (choices(std::slice::from_ref(&good)), choices(&[good]));
        let found = ended(api, said, "validate = true", &tooled()).await;
        assert_eq!(found, (200, "a".into(), "ok".into()), "{api:?}");
    }
}

#[tokio::test]
async fn refusals_pass_and_so_does_what_the_callers_own_bound_cuts() {
    let refused = json!({ "role": "assistant", "content": null, "refusal": "no" });
    let cut = (message("{\"name\":\"A"), "length");
    let good = answer(GOOD, &usage(10, 5));
    for api in Api::ALL {
        for (said, request, expected) in [
            (choices(&[(refused.clone(), "stop")]), formed(json!({})), ("a", "ok")),
            (choices(&[(message("no"), "content_filter")]), formed(json!({})), ("a", "ok")),
            (choices(std::slice::from_ref(&cut)), formed(json!({ "max_tokens": 5 })), ("a", "ok")),
            // It was cut by what its model gives: another one may give more.
            (
                choices(std::slice::from_ref(&cut)),
                formed(json!({ "max_tokens": 30_000 })),
                ("b", "invalid ok"),
            ),
        ] {
            let said = (said, good.clone());
            let (status, model, tried) = ended(api, said, "validate = true", &request).await;
            assert_eq!((status, &*model, &*tried), (200, expected.0, expected.1), "{api:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_is_passed_on_as_it_comes_and_judged_when_it_is_over() {
    let judged = |path: &std::path::Path, value: i64| -> i64 {
        let books = rusqlite::Connection::open(path).expect("a ledger");
        let sql = "SELECT count(*) FROM judged WHERE name = 'schema_valid' AND value = ?1";
        books.query_row(sql, [value], |row| row.get(0)).expect("a count")
    };
    for api in Api::ALL {
        for (text, value) in [(WORD, 0), (GOOD, 1)] {
            let (a, b) = (saying(stream(&[text], &usage(10, 5))).await, texts(GOOD).await);
            let gateway = pair(&a, &b, "validate = true").await;
            let reply = asked(&gateway, api, &formed(json!({ "stream": true }))).await;
            assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "a"), "{api:?}");
            let path = gateway.ledger();
            wait::until("the judgement", || judged(&path, value) == 1).await;
            assert_eq!(results(gateway.close().await.only()), ["ok"]);
            assert!(b.asked().is_empty());
        }
    }
    // So is a plain answer that has passed.
    let (a, b) = (texts(GOOD).await, texts(GOOD).await);
    let gateway = pair(&a, &b, "validate = true").await;
    assert_eq!(asked(&gateway, Api::Chat, &formed(json!({}))).await.status, 200);
    let path = gateway.ledger();
    wait::until("the judgement", || judged(&path, 1) == 1).await;
}

#[tokio::test]
async fn a_model_that_only_writes_badly_is_never_ejected() {
    let (a, b) = (texts(WORD).await, texts(GOOD).await);
    let gateway = pair(&a, &b, "validate = true").await;
    for _ in 0..20 {
        let reply = asked(&gateway, Api::Chat, &formed(json!({}))).await;
        assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"));
    }
    assert_eq!((a.asked().len(), b.asked().len()), (20, 20));
}

#[tokio::test]
async fn a_model_without_the_ability_is_never_chosen_and_its_name_is_refused() {
    let (a, b) = (texts(GOOD).await, texts(GOOD).await);
    let unable = "capabilities = []\n";
    let setup = Setup::new().model_with("a", &a.urls(), unable);
    let setup = setup.model_with("b", &b.urls(), ABLE);
    let setup = setup.and("[policy]\nfile = \"policy.toml\"\n[alias]\nboth = [\"a\", \"b\"]\n");
    let gateway = setup.file("policy.toml", &policy("")).start().await;
    for api in Api::ALL {
        for request in [formed(json!({})), tooled()] {
            for name in ["auto", "both"] {
                let request = with(request.clone(), json!({ "model": name }));
                let reply = asked(&gateway, api, &request).await;
                let found = (reply.status, reply.header("x-signalbox-model").to_owned());
                assert_eq!(found, (200, "b".into()), "{api:?} {name} {}", reply.text());
            }
            let request = with(request, json!({ "model": "a" }));
            let reply = asked(&gateway, api, &request).await;
            let said = reply.text();
            assert_eq!(reply.status, 400, "{api:?} {said}");
            assert!(said.contains("a cannot "), "{api:?} {said}");
        }
    }
    assert!(a.asked().is_empty(), "{:?}", a.asked());
}
