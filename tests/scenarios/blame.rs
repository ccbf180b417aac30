//! Whose fault a failure is: a caller's mistake harms no replica, whatever form the engine tells it in.

use serde_json::{Value, json};

use super::hostile::{DONE, FINISH, TEXT, USAGE, bytes, good, send};
use crate::harness::{
    Gateway, Setup, SimBackend, ask,
    byte_backend::{ByteBackend, Play, Step},
    streamed,
    trial::{
        End::{Cut, Other, Refused, Whole},
        Trial, hold,
    },
    with,
};

const TOO_LONG: &str = "The prompt is longer than the model's context length of 8192 tokens";

fn head(status: &str, kind: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n")
}

fn stream(events: &[&str]) -> Vec<Step> {
    bytes(head("200 OK", "text/event-stream") + &events.concat())
}

/// A first content, and this after it has been passed on.
fn late(events: &[&str]) -> Vec<Step> {
    let first = send(head("200 OK", "text/event-stream") + TEXT);
    vec![first, send(events.concat()), Step::Close]
}

fn plain(body: &str) -> Vec<Step> {
    bytes(head("200 OK", "application/json") + body)
}

/// A first event and a plain body with this error.
fn told(name: &str, error: &Value, end: crate::harness::trial::End) -> [Trial; 3] {
    let body = error.to_string();
    let event = format!("data: {body}\n\n");
    [
        Trial::plain(name, plain(&body), end),
        Trial::stream(name, stream(&[&event]), end),
        Trial::stream(&format!("{name}, as JSON"), plain(&body), end),
    ]
}

fn error(code: &Value, kind: &str) -> Value {
    json!({ "error": { "message": "this is bad", "type": kind, "code": code } })
}

#[tokio::test]
async fn an_error_inside_of_a_200_is_what_it_says() {
    let inner = json!({ "error": { "message": "this is bad", "code": 400 } }).to_string();
    let rows = [
        told("400", &error(&json!(400), "x"), Refused),
        told("422 in digits", &error(&json!("422"), "x"), Refused),
        told("by type", &error(&json!(null), "BadRequestError"), Refused),
        told("by another type", &error(&json!(null), "invalid_request_error"), Refused),
        told("bare", &json!({ "object": "error", "message": "x", "code": 400 }), Refused),
        told("in a choice", &json!({ "choices": [{ "error": { "code": 400 } }] }), Refused),
        told("429", &error(&json!(429), "x"), Other),
        told("401", &error(&json!(401), "x"), Other),
        told("404", &error(&json!("404"), "x"), Other),
        told("503", &error(&json!(503), "x"), Other),
        told("nothing", &error(&json!(null), "x"), Other),
        told("without error", &json!({ "code": 400, "message": "x", "data": null }), Refused),
        told("a word", &json!({ "code": "InvalidParameter", "message": "x" }), Refused),
        told("a field", &json!({ "detail": [{ "loc": ["body"], "msg": "required" }] }), Refused),
        told("base_resp", &json!({ "base_resp": { "status_code": 2013 } }), Refused),
        told("success", &json!({ "success": false, "code": 400 }), Refused),
        told("errors", &json!({ "errors": [{ "message": "x", "code": 400 }] }), Refused),
        told("detail", &json!({ "detail": "x" }), Other),
        told("a number of its own", &json!({ "code": 50505, "message": "overloaded" }), Other),
        told("JSON in JSON", &json!({ "error": { "message": inner } }), Refused),
    ];
    let named = "event: error\ndata: {\"message\":\"this is bad\",\"code\":400}\n\n";
    let field = "error: {\"message\":\"this is bad\",\"code\":400}\n\n";
    let bad = "data: {\"error\":{\"message\":\"this is bad\",\"code\":400}}\n\n";
    let more = [
        Trial::stream("event: error", stream(&[named]), Refused),
        Trial::stream("a line of errors", stream(&[field]), Refused),
        Trial::stream("after content", late(&[bad]), Cut),
    ];
    hold(rows.into_iter().flatten().chain(more).collect()).await;
}

#[tokio::test]
async fn an_error_that_says_nothing_is_none() {
    let mut trials = Vec::new();
    for none in ["\"\"", "{}", "[]", "0", "null", "false", "{\"code\":0,\"message\":\"\"}"] {
        let beside = format!("\"error\":{none}");
        let answer = format!(
            "{{{beside},\"choices\":[{{\"index\":0,\"message\":{{\"content\":\"zyzzyva\"}},\
             \"finish_reason\":\"stop\",{beside}}}],\
             \"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":3}}}}"
        );
        let text = format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"zyzzyva\"}},\
             {beside}}}],{beside}}}\n\n"
        );
        trials.push(Trial::plain(none, plain(&answer), Whole));
        trials.push(Trial::stream(none, stream(&[&text, FINISH, USAGE, DONE]), Whole));
    }
    hold(trials).await;
}

#[tokio::test]
async fn a_choice_says_how_it_ended() {
    let end = |reason: &str, error: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"{reason}\"{error}}}]}}\n\n"
        )
    };
    let answer = |reason: &str, error: &str, used: u32| {
        format!(
            "{{\"choices\":[{{\"index\":0,\"message\":{{\"content\":\"\"}},\
             \"finish_reason\":\"{reason}\"{error}}}],\
             \"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":{used}}}}}"
        )
    };
    let of_its_own = ",\"error\":{\"code\":502,\"message\":\"zyz\"}";
    let mut trials = vec![
        Trial::plain("error", plain(&answer("error", of_its_own, 0)), Other),
        Trial::stream("error", stream(&[&end("error", of_its_own), DONE]), Other),
        Trial::plain("nothing", plain(&answer("stop", "", 0)), Other),
        Trial::stream("nothing", stream(&[FINISH, DONE]), Other),
        Trial::stream("nothing, without an end", stream(&[FINISH]), Other),
    ];
    // What nobody knows does not say why there is nothing.
    trials.push(Trial::plain("load", plain(&answer("load", "", 0)), Other));
    trials.push(Trial::stream("load", stream(&[&end("load", ""), DONE]), Other));
    for reason in ["network_error", "abort", "insufficient_system_resource", "engine_overloaded"] {
        trials.extend([
            Trial::plain(reason, plain(&answer(reason, "", 0)), Other),
            Trial::stream(reason, stream(&[&end(reason, ""), USAGE, DONE]), Other),
            Trial::stream(&format!("{reason} late"), late(&[&end(reason, ""), DONE]), Cut),
        ]);
    }
    hold(trials).await;
}

/// A gateway with one scripted replica of the model `a`.
async fn alone(plays: Vec<Play>, lines: &str) -> (ByteBackend, Gateway) {
    let script = ByteBackend::start(plays).await;
    let gateway = Setup::new().model_with("a", &script.urls(), lines).start().await;
    (script, gateway)
}

#[tokio::test]
async fn an_end_without_content_that_is_explained_is_an_answer() {
    for reason in ["content_filter", "length"] {
        let end = format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\n"
        );
        let (_script, gateway) = alone(vec![stream(&[&end, DONE]).into()], "").await;
        let reply = gateway.ask(&streamed("a")).await;
        assert!(reply.status == 200 && reply.done(), "{reason}: {}", reply.text());
    }
    // A model that had nothing to say says that it used a token for it.
    let (_script, gateway) = alone(vec![stream(&[FINISH, USAGE, DONE]).into()], "").await;
    let reply = gateway.ask(&streamed("a")).await;
    assert!(reply.status == 200 && reply.done(), "{}", reply.text());
}

#[tokio::test]
async fn mistakes_of_callers_eject_nobody() {
    let error = json!({ "error": { "message": TOO_LONG, "type": "BadRequestError", "code": 400 } });
    let mut plays: Vec<Play> =
        (0..4).map(|_| stream(&[&format!("data: {error}\n\n")]).into()).collect();
    plays.push(stream(&[&good(true)]).into());
    let (script, gateway) = alone(plays, "").await;
    for _ in 0..4 {
        let reply = gateway.ask(&streamed("a")).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        let error = &reply.json()["error"];
        assert_eq!(error["message"], TOO_LONG);
        assert_eq!(error["code"], "context_length_exceeded");
    }
    for _ in 0..16 {
        assert_eq!(gateway.ask(&streamed("a")).await.status, 200);
    }
    assert_eq!(script.requests(), 20, "one attempt each");
    assert_eq!(gateway.metrics().await.sum("signalbox_ejections_total", &[]), 0.0);
}

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_to_a_model_with_more_room() {
    for (said, lines) in [
        ("max_tokens must be at least 1, got -160", ""),
        ("Range of input length should be [1, 30720]", ""),
        ("Your request exceeded model token limit: 8192", ""),
        ("the sack is full", "context_errors = [\"Sack is FULL\"]\n"),
    ] {
        let body = json!({ "error": { "message": said, "type": "x" } }).to_string();
        let refusal = || vec![Play::from(bytes(head("400 Bad", "application/json") + &body))];
        let (small, large) = (ByteBackend::start(refusal()).await, SimBackend::start());
        let lines = format!("context_tokens_max = 8192\n{lines}");
        let setup = Setup::new().model_with("a", &small.urls(), &lines).model("b", &large.urls());
        let gateway = setup.and("[alias]\nboth = [\"a\", \"b\"]\n").start().await;
        let reply = gateway.ask(&ask("both")).await;
        assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"), "{said}");
        let reply = gateway.ask(&ask("a")).await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.json()["error"]["code"], "context_length_exceeded", "{said}");
        assert_eq!(reply.json()["error"]["message"], said);
    }
}

#[tokio::test]
async fn no_length_of_a_prompt_ejects_a_replica() {
    let mut plays: Vec<Play> = (0..4)
        .map(|_| vec![send(head("200 OK", "text/event-stream")), Step::Silence].into())
        .collect();
    plays.push(stream(&[&good(true)]).into());
    let hasty = "timeouts = { first_token_ms = 50, total_ms = 100 }\n";
    let (_script, gateway) = alone(plays, hasty).await;
    let long = json!({ "messages": [{ "role": "user", "content": "word ".repeat(8_000) }],
        "max_tokens": 10 });
    for _ in 0..4 {
        let reply = gateway.ask(&with(streamed("a"), long.clone())).await;
        assert_eq!(reply.status, 504, "{}", reply.text());
    }
    for _ in 0..8 {
        assert_eq!(gateway.ask(&streamed("a")).await.status, 200);
    }
    assert_eq!(gateway.metrics().await.sum("signalbox_ejections_total", &[]), 0.0);
}

#[tokio::test]
async fn what_does_not_say_what_it_is_is_read_for_what_it_is() {
    let as_is = |status: &str, kind: &str, body: &str| {
        bytes(format!("HTTP/1.1 {status}\r\n{kind}connection: close\r\n\r\n{body}"))
    };
    let text = "content-type: text/plain\r\n";
    let html = "<!doctype html><p>zyz</p>";
    let mut trials = Vec::new();
    for kind in ["", text] {
        trials.extend([
            Trial::plain("an answer", as_is("200 OK", kind, &good(false)), Whole),
            Trial::plain("an answer made", as_is("201 Created", kind, &good(false)), Whole),
            Trial::stream("a stream", as_is("200 OK", kind, &good(true)), Whole),
            Trial::plain("a page", as_is("200 OK", kind, html), Other),
            Trial::stream("a page", as_is("200 OK", kind, html), Other),
            Trial::plain("words", as_is("200 OK", kind, "prompt is too long"), Other),
        ]);
    }
    hold(trials).await;
}

/// Some engines fail where they should refuse: the next model is asked, and they are not ejected.
#[tokio::test]
async fn a_500_about_the_prompt_ejects_nobody() {
    let error = json!({ "error": { "message": TOO_LONG, "code": 500 } }).to_string();
    let head = format!(
        "HTTP/1.1 500 X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        error.len()
    );
    let mut plays: Vec<Play> = (0..4).map(|_| vec![send(head.clone() + &error)].into()).collect();
    plays.push(stream(&[&good(true)]).into());
    let (script, gateway) = alone(plays, "").await;
    for _ in 0..4 {
        assert_eq!(gateway.ask(&streamed("a")).await.status, 502);
    }
    assert_eq!(gateway.ask(&streamed("a")).await.status, 200);
    assert_eq!(gateway.metrics().await.sum("signalbox_ejections_total", &[]), 0.0);
    assert_eq!(script.requests(), 5);
}
