//! Streams that crawl: held back for a while, given up where something else can answer, and never after
//! the caller has read of them. By a clock that stands still, what comes before the end of a hold is what
//! comes although no time passes.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use signalbox::sim::InjectedFault;
use tokio::task::JoinHandle;

use crate::harness::{
    Gateway, KEY, Reply, Setup, SimBackend,
    byte_backend::{ByteBackend, Play, Step},
    clock::{Clock, settle},
    gateway::results,
    sim_backend::quick,
    streamed, wait, with,
};

/// So long that whoever waits for its end has failed.
const LONG: u32 = 25_000;
/// Nine tokens by our count, of four bytes each: more than the short hold asks for, but all at once.
const CRAWLED: &str = "it is a long way to go at a crawl";
/// How long the short hold is.
const SHORT_MS: u64 = 200;

fn policy(route: &str, more: &str) -> String {
    format!(
        "version = \"guarded\"\n[[rule]]\nname = \"guarded\"\nwhen = {{ model = [\"auto\"] }}\n\
         route = {route}\n{more}\n[default]\nroute = [\"b\"]\n"
    )
}

/// A hold of 200 ms in which four tokens must come.
fn short(route: &str) -> String {
    policy(route, "slow_stream = { hold_ms = 200, output_tokens_per_second_min = 20 }")
}

/// A hold that is over for a stream only by its pace or its end: `tokens` of output after the first.
fn long(route: &str, tokens: u32) -> String {
    let least = tokens * 1_000 / LONG;
    let said = format!("{{ hold_ms = {LONG}, output_tokens_per_second_min = {least} }}");
    policy(route, &format!("slow_stream = {said}"))
}

async fn pair(a: &[String], b: &[String], policy: &str) -> Gateway {
    let setup = Setup::new().model("a", a).model("b", b);
    setup.and("[policy]\nfile = \"policy.toml\"\n").file("policy.toml", policy).start().await
}

/// A token at once, and then one each half second.
fn crawler() -> SimBackend {
    SimBackend::with(quick().paced(0, 2))
}

fn content(text: &str) -> String {
    let choice = json!({ "index": 0, "delta": { "content": text }, "finish_reason": null });
    let chunk = json!({ "id": "c", "object": "chat.completion.chunk", "choices": [choice] });
    format!("data: {chunk}\n\n")
}

/// A backend that streams these events, and then does this.
async fn saying(events: &[String], then: Step) -> ByteBackend {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let first = Step::Send((head.to_owned() + &events.concat()).into_bytes());
    ByteBackend::start(vec![Play::from(vec![first, then])]).await
}

/// An answer under way.
fn asked(gateway: &Gateway, request: &Value) -> JoinHandle<Reply> {
    tokio::spawn(Reply::of(gateway.post(request)))
}

/// The answer, for which no time has to pass.
async fn at_once(gateway: &Gateway, request: &Value) -> Reply {
    let asked = asked(gateway, request);
    wait::until("an answer at once", || asked.is_finished()).await;
    asked.await.expect("an answer")
}

/// The answer, which is there before the long hold is over.
async fn before_the_end(clock: &Clock, gateway: &Gateway, request: &Value) -> Reply {
    let asked = asked(gateway, request);
    let took = clock.runs_until("an answer", || asked.is_finished()).await;
    assert!(took < Duration::from_millis(LONG.into()) / 2, "{took:?}");
    asked.await.expect("an answer")
}

/// What is said until it is enough, for which no time has to pass.
async fn said_at_once(gateway: &Gateway, enough: &'static str) -> String {
    let request = gateway.post(&streamed("auto"));
    let said = tokio::spawn(async move {
        let mut pieces = request.send().await.expect("an answer").bytes_stream();
        let mut said = String::new();
        while !said.contains(enough) {
            let next = pieces.next().await.expect("more").expect("bytes");
            said += std::str::from_utf8(&next).expect("text");
        }
        said
    });
    wait::until(enough, || said.is_finished()).await;
    said.await.expect("it is said")
}

#[tokio::test]
async fn one_that_crawls_is_given_up_and_paid_for_as_far_as_it_came() {
    let clock = Clock::stop();
    let (a, b) = (saying(&[content(CRAWLED)], Step::Silence).await, SimBackend::start());
    let gateway = pair(&a.urls(), &b.urls(), &short("[\"a\", \"b\"]")).await;
    let reply = asked(&gateway, &streamed("auto"));
    wait::until("a request", || a.requests() == 1).await;
    clock.happens_after(SHORT_MS, "it goes elsewhere", || b.seen().requests == 1).await;
    clock.runs_until("the whole answer", || reply.is_finished()).await;
    let reply = reply.await.expect("an answer");
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"));
    assert_eq!(reply.header("x-signalbox-attempts"), "2");
    assert!(reply.done() && !reply.text().contains(CRAWLED), "{}", reply.text());
    wait::until("the backend hears of it", || a.left() == 1).await;
    clock.goes_on();
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("signalbox_endpoint_in_flight", &[]), 0.0);
    assert_eq!(metrics.sum("signalbox_attempts_total", &["result=\"cancelled\""]), 1.0);
    let books = gateway.close().await;
    let (entry, served) = (books.only(), b.seen());
    assert_eq!(results(entry), ["cancelled", "ok"]);
    assert_eq!((books.outcome(), entry.model.as_deref()), ("ok", Some("b")));
    let held = CRAWLED.len().div_ceil(4) as u64;
    assert_eq!(entry.output_tokens, served.completion_tokens + held, "{entry:?}");
    assert!(entry.input_tokens > served.prompt_tokens, "{entry:?}");
}

#[tokio::test]
async fn where_more_than_one_crawls_it_switches_once() {
    let (a, b, c) = (crawler(), crawler(), SimBackend::start());
    let policy = short("[\"a\", \"b\", \"c\"]");
    let setup = Setup::new().model("a", &a.urls()).model("b", &b.urls()).model("c", &c.urls());
    let setup = setup.and("[policy]\nfile = \"policy.toml\"\n").file("policy.toml", &policy);
    let gateway = setup.start().await;
    let request = with(streamed("auto"), json!({ "max_tokens": 3 }));
    let reply = gateway.ask(&request).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"));
    assert!(reply.done(), "{}", reply.text());
    a.until(|seen| seen.cancelled == 1 && seen.in_flight == 0).await;
    assert_eq!((a.seen().requests, b.seen().requests, c.seen().requests), (1, 1, 0));
    assert_eq!(results(gateway.close().await.only()), ["cancelled", "ok"]);
}

#[tokio::test]
async fn the_other_replica_of_the_only_model_is_somewhere_else_to_go() {
    let (slow, fast) = (saying(&[content(CRAWLED)], Step::Silence).await, SimBackend::start());
    let urls = [slow.urls(), fast.urls()].concat();
    let gateway = pair(&urls, &fast.urls(), &short("[\"a\"]")).await;
    for nth in 0..20 {
        // Prompts that begin alike stay with one replica.
        let messages = json!([{ "role": "user", "content": format!("{nth} and no other") }]);
        let request = with(streamed("auto"), json!({ "messages": messages }));
        let reply = gateway.ask(&request).await;
        assert!(reply.done() && !reply.text().contains(CRAWLED), "{}", reply.text());
        if reply.header("x-signalbox-attempts") == "2" {
            return;
        }
    }
    panic!("20 requests, and none began at the slow replica");
}

#[tokio::test]
async fn a_slow_answer_is_better_than_none() {
    let clock = Clock::stop();
    let alone = crawler();
    let short_one = with(streamed("auto"), json!({ "max_tokens": 2 }));
    // Nowhere to go: it is not held at all.
    let gateway = pair(&alone.urls(), &alone.urls(), &long("[\"a\"]", 1_000)).await;
    let reply = before_the_end(&clock, &gateway, &short_one).await;
    assert!(reply.done(), "{}", reply.text());
    said_at_once(&gateway, "\"content\":").await;
    // The other model is there, but full when the time is over.
    let (a, b) = (crawler(), SimBackend::failing(InjectedFault::StallContent));
    let setup = Setup::new().model("a", &a.urls());
    let setup = setup.model("b", &b.urls()).endpoint("concurrency_max = 1\n");
    let setup = setup.and("[policy]\nfile = \"policy.toml\"\n");
    let gateway = setup.file("policy.toml", &short("[\"a\", \"b\"]")).start().await;
    let client = gateway.client.clone();
    let request = client.post(gateway.url("/v1/chat/completions")).bearer_auth(KEY);
    let occupied = tokio::spawn(request.body(streamed("b").to_string()).send());
    b.until(|seen| seen.in_flight == 1).await;
    let reply = before_the_end(&clock, &gateway, &short_one).await;
    clock.goes_on();
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "a"));
    assert!(reply.done(), "{}", reply.text());
    assert_eq!((a.seen().requests, a.seen().completed), (1, 1), "{:?}", a.seen());
    occupied.abort();
    let books = gateway.close().await;
    let entry = books.entries.iter().find(|it| it.model.as_deref() == Some("a")).expect("it");
    assert_eq!(results(entry), ["ok"]);
    assert_eq!(entry.output_tokens, a.seen().completion_tokens);
}

#[tokio::test]
async fn one_that_proves_its_pace_is_not_held_any_longer() {
    let _clock = Clock::stop();
    let words: Vec<String> = (0..30).map(|nth| content(&format!("w{nth} "))).collect();
    let (a, b) = (saying(&words, Step::Silence).await, SimBackend::start());
    let gateway = pair(&a.urls(), &b.urls(), &long("[\"a\", \"b\"]", 25)).await;
    // It says nothing after these, so neither its end nor that of the time lets them through.
    let said = said_at_once(&gateway, "w29").await;
    let places: Vec<_> =
        (0..30).map(|nth| said.find(&format!("\"w{nth} \"")).expect("all")).collect();
    assert!(places.is_sorted(), "in order: {said}");
    assert_eq!(b.seen().requests, 0);
}

#[tokio::test]
async fn no_more_than_a_bound_is_held() {
    let _clock = Clock::stop();
    let other = format!("data: {{\"choices\":[],\"padding\":\"{}\"}}\n\n", "x".repeat(1_000));
    let events = [vec![content("begun")], vec![other; 100]].concat();
    let (a, b) = (saying(&events, Step::Silence).await, SimBackend::start());
    let gateway = pair(&a.urls(), &b.urls(), &long("[\"a\", \"b\"]", 1_000)).await;
    said_at_once(&gateway, "begun").await;
    assert_eq!(b.seen().requests, 0);
}

#[tokio::test]
async fn what_is_held_has_begun_to_answer_in_time() {
    let clock = Clock::stop();
    let (a, b) = (SimBackend::with(quick().paced(0, 4)), SimBackend::start());
    let policy = long("[\"a\", \"b\"]", 1_000);
    let policy = policy.replace("slow_stream", "timeouts = { first_token_ms = 1000 }\nslow_stream");
    let gateway = pair(&a.urls(), &b.urls(), &policy).await;
    let request = with(streamed("auto"), json!({ "max_tokens": 8 }));
    let reply = before_the_end(&clock, &gateway, &request).await;
    clock.goes_on();
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "a"));
    assert!(reply.done(), "{}", reply.text());
    assert_eq!(results(gateway.close().await.only()), ["ok"]);
}

#[tokio::test]
async fn one_that_ends_within_the_hold_is_delivered() {
    let finish = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    let finish = format!("data: {finish}\n\n");
    let done = "data: [DONE]\n\n".to_owned();
    for (end, then) in [
        (vec![finish.clone(), done.clone()], Step::Close),
        (vec![done], Step::Close),
        (vec![finish.trim_end().to_owned()], Step::Close),
    ] {
        let clock = Clock::stop();
        let events = [vec![content("short"), content("answer")], end.clone()].concat();
        let (a, b) = (saying(&events, then).await, SimBackend::start());
        let gateway = pair(&a.urls(), &b.urls(), &long("[\"a\", \"b\"]", 1_000)).await;
        let reply = at_once(&gateway, &streamed("auto")).await;
        clock.goes_on();
        assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "a"), "{end:?}");
        let text = reply.text();
        assert!(reply.done() && text.contains("short") && text.contains("answer"), "{text}");
        assert_eq!(b.seen().requests, 0, "{end:?}");
        assert_eq!(results(gateway.close().await.only()), ["ok"], "{end:?}");
    }
}

#[tokio::test]
async fn one_that_breaks_while_it_is_held_is_a_failure_of_which_nobody_reads() {
    let error = "data: {\"error\":{\"message\":\"out of memory\"}}\n\n".to_owned();
    for (end, then) in [(error, Step::Silence), (String::new(), Step::Close)] {
        let clock = Clock::stop();
        let (a, b) = (saying(&[content("broken"), end], then).await, SimBackend::start());
        let gateway = pair(&a.urls(), &b.urls(), &long("[\"a\", \"b\"]", 1_000)).await;
        let reply = before_the_end(&clock, &gateway, &streamed("auto")).await;
        clock.goes_on();
        assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"));
        assert!(reply.done() && !reply.text().contains("broken"), "{}", reply.text());
        let books = gateway.close().await;
        assert_eq!(results(books.only()), ["invalid", "ok"]);
        assert_eq!(books.only().output_tokens, b.seen().completion_tokens, "it is free");
    }
}

#[tokio::test]
async fn while_it_is_held_a_caller_gets_what_a_silent_stream_gives() {
    let (a, b) = (crawler(), SimBackend::start());
    let setup = Setup::new().model("a", &a.urls()).model("b", &b.urls());
    let setup = setup.server("early_head_ms = 50\n").and("[policy]\nfile = \"policy.toml\"\n");
    let gateway = setup.file("policy.toml", &short("[\"a\", \"b\"]")).start().await;
    let reply = gateway.ask(&streamed("auto")).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, ""), "too early to say");
    let text = reply.text();
    assert!(text.starts_with(": keep-alive\n\n") && reply.done(), "{text}");
    assert_eq!(text.matches("\"role\":\"assistant\"").count(), 1, "{text}");
    assert_eq!(results(gateway.close().await.only()), ["cancelled", "ok"]);
}

#[tokio::test]
async fn a_caller_who_leaves_pays_for_what_was_held() {
    let (a, b) = (saying(&[content(CRAWLED)], Step::Silence).await, SimBackend::start());
    let gateway = pair(&a.urls(), &b.urls(), &long("[\"a\", \"b\"]", 1_000)).await;
    let caller = asked(&gateway, &streamed("auto"));
    wait::until("a request", || a.requests() == 1).await;
    settle().await;
    caller.abort();
    gateway.until(|books| books.entries.len() == 1 && books.verification.open == 0).await;
    let books = gateway.close().await;
    assert_eq!(
        (books.outcome(), results(books.only())),
        ("cancelled", vec!["cancelled".to_owned()])
    );
    let held = CRAWLED.len().div_ceil(4) as u64;
    assert_eq!(books.only().output_tokens, held, "{:?}", books.only());
}

#[tokio::test]
async fn a_hedge_and_its_rival_are_both_held_and_one_answers() {
    // The hedge crawls, and the older one is silent: the hedge answers.
    let (a, b) = (SimBackend::failing(InjectedFault::StallContent), crawler());
    let both = "hedge = { after_ms = 60 }\n\
         slow_stream = { hold_ms = 200, output_tokens_per_second_min = 20 }";
    let gateway = pair(&a.urls(), &b.urls(), &policy("[\"a\", \"b\"]", both)).await;
    let reply = gateway.ask(&with(streamed("auto"), json!({ "max_tokens": 2 }))).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"));
    assert!(reply.done(), "{}", reply.text());
    a.until(|seen| seen.cancelled == 1 && seen.in_flight == 0).await;
    let books = gateway.close().await;
    assert_eq!(results(books.only()), ["lost_hedge", "ok"]);
    assert_eq!(books.only().output_tokens, b.seen().completion_tokens);
}

#[tokio::test]
async fn a_plain_answer_is_never_held() {
    let (a, b) = (SimBackend::with(quick().paced(0, 10)), SimBackend::start());
    let gateway = pair(&a.urls(), &b.urls(), &short("[\"a\", \"b\"]")).await;
    let request = with(crate::harness::ask("auto"), json!({ "max_tokens": 5 }));
    let reply = gateway.ask(&request).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "a"));
    assert_eq!(b.seen().requests, 0);
}
