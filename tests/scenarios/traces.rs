//! Spans of requests as a collector gets them, what backends are told of the trace, and collectors that are
//! away: no request knows of that.

use std::time::Duration;

use serde_json::json;
use signalbox::{app::Reloaded, config, sim::InjectedFault};

use crate::harness::{
    Gateway, Setup, SimBackend, ask,
    clock::Clock,
    collector::{Collector, SILENT, Seen},
    manual_backend::{CONTENT, DONE, ManualBackend, STREAM},
    streamed, wait, with,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const NOT_SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const SERVER: i32 = 2;
const CLIENT: i32 = 3;

/// The one span of a request, and those of its attempts.
fn parts(spans: &[Seen]) -> (Seen, Vec<Seen>) {
    let of = |kind| spans.iter().filter(move |it| it.span.kind == kind).cloned();
    let own: Vec<_> = of(SERVER).collect();
    assert_eq!(own.len(), 1, "{spans:#?}");
    (own[0].clone(), of(CLIENT).collect())
}

/// What holds for every tree: one trace, one root, children of it that lie within it.
fn is_a_tree(spans: &[Seen]) {
    let (own, _) = parts(spans);
    let mut ids: Vec<_> = spans.iter().map(Seen::id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), spans.len(), "each has an id of its own");
    for it in spans.iter().filter(|it| it.id() != own.id()) {
        assert_eq!((it.parent(), it.trace()), (own.id(), own.trace()), "{it:#?}");
        let (from, to) = (it.span.start_time_unix_nano, it.span.end_time_unix_nano);
        assert!(own.span.start_time_unix_nano <= from && from <= to, "{it:#?}");
        assert!(to <= own.span.end_time_unix_nano, "{it:#?}");
    }
}

/// A tree as people read it.
fn shown(spans: &[Seen]) -> String {
    let (own, _) = parts(spans);
    let from = own.span.start_time_unix_nano;
    let mut lines = format!("trace {}, parent {:?}\n", own.trace(), own.parent());
    for it in spans {
        let within = if it.id() == own.id() { "" } else { "  " };
        let us = |at: u64| (at - from) / 1_000;
        let (start, end) = (us(it.span.start_time_unix_nano), us(it.span.end_time_unix_nano));
        lines += &format!("{within}{} [{}] {start}..{end} us\n", it.span.name, it.id());
        let about: Vec<_> = it.about.iter().filter(|it| !it.0.starts_with("service.")).collect();
        for (name, value) in about {
            lines += &format!("{within}    {name} = {value}\n");
        }
    }
    lines
}

#[tokio::test]
async fn a_request_is_a_span_with_its_stages_and_attempts_beneath() {
    let (bad, good) = (SimBackend::failing(InjectedFault::Status500), SimBackend::start());
    let collector = Collector::start().await;
    let setup = Setup::new().model("a", &bad.urls()).model("b", &good.urls());
    let setup = setup.and("[alias]\nboth = [\"a\", \"b\"]\n").and(&collector.section("1.0"));
    let gateway = setup.start().await;
    let reply = gateway.ask(&ask("both")).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"));
    let books = gateway.close().await;
    let spans = collector.spans();
    println!("{}", shown(&spans));
    is_a_tree(&spans);
    let (own, attempts) = parts(&spans);
    let id = reply.header("x-signalbox-id");
    assert_eq!((own.trace(), own.parent()), (id.replace('-', ""), String::new()));
    let entry = books.only();
    assert_eq!(own.span.name, "chat both");
    let cost = entry.cost.expect("closed").nano().to_string();
    for (name, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.request.model", "both"),
        ("gen_ai.response.model", "b"),
        ("gen_ai.request.stream", "false"),
        ("gen_ai.usage.input_tokens", &entry.input_tokens.to_string()),
        ("gen_ai.usage.output_tokens", &entry.output_tokens.to_string()),
        ("signalbox.request.id", id),
        ("signalbox.team", "default"),
        ("signalbox.rule", "alias:both"),
        ("signalbox.outcome", "ok"),
        ("signalbox.cost.nano", &cost),
        ("signalbox.cost.currency", "USD"),
        ("service.name", "signalbox"),
        ("error.type", ""),
    ] {
        assert_eq!(own.get(name), value, "{name}");
    }
    assert!(cost != "0" && own.span.status.is_none());
    let stages: Vec<_> = spans.iter().map(|it| it.get("signalbox.stage")).collect();
    for stage in ["authenticate", "classify", "decide", "admit", "settle"] {
        assert!(stages.contains(&stage), "{stage}: {stages:?}");
    }
    let told = |it: &Seen, name: &str| it.get(name).to_owned();
    let results: Vec<_> = attempts.iter().map(|it| told(it, "signalbox.attempt.result")).collect();
    assert_eq!((&*results[0], &*results[results.len() - 1]), ("status", "ok"));
    let (first, last) = (&attempts[0], &attempts[attempts.len() - 1]);
    assert_eq!((&*first.span.name, &*last.span.name), ("chat a", "chat b"));
    assert_eq!(first.get("http.response.status_code"), "500");
    assert_eq!(first.span.status.as_ref().map(|it| it.code), Some(2));
    assert_eq!(last.get("signalbox.attempt.committed"), "true");
    assert!(first.span.end_time_unix_nano <= last.span.start_time_unix_nano);
    let text = format!("{spans:?}");
    assert!(!text.contains("signal box is for") && !text.contains("scenario-0123"), "content");
}

#[tokio::test]
async fn what_was_refused_is_a_span_as_well() {
    let good = SimBackend::start();
    let collector = Collector::start().await;
    let gateway = Setup::new().model("a", &good.urls()).and(&collector.section("1")).start().await;
    let reply = gateway.ask(&ask("nobody")).await;
    assert_eq!(reply.status, 404);
    gateway.close().await;
    let spans = collector.spans();
    is_a_tree(&spans);
    let (own, attempts) = parts(&spans);
    assert_eq!((spans.len(), attempts.len(), &*own.span.name), (1, 0, "chat"));
    assert_eq!(own.get("signalbox.outcome"), "refused");
    assert_eq!(own.get("signalbox.refusal.kind"), "unknown_model");
    assert_eq!(own.get("signalbox.refusal.stage"), "decide");
    assert!(own.span.status.is_none(), "it is the caller's fault");
}

/// A stream by a backend of the test's own, with these headers; what the backend heard.
async fn streamed_with(
    gateway: &Gateway,
    backend: &ManualBackend,
    headers: &[(&str, &str)],
) -> String {
    let mut request = gateway.post(&streamed("a"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let asked = tokio::spawn(request.send());
    let line = backend.asked().await;
    line.say(format!("{STREAM}{CONTENT}{DONE}"));
    line.hang_up();
    let answer = asked.await.unwrap().expect("an answer");
    assert!(answer.text().await.expect("a stream").contains("[DONE]"));
    line.heard()
}

#[tokio::test]
async fn a_callers_trace_goes_on_in_the_attempts_span_and_its_decision_holds() {
    let backend = ManualBackend::start().await;
    let collector = Collector::start().await;
    let setup = Setup::new().model("a", &backend.urls()).and(&collector.section("0.0"));
    let gateway = setup.start().await;
    let state = "vendor=one,other=two";
    let both = [("traceparent", SAMPLED), ("tracestate", state)];
    let heard = streamed_with(&gateway, &backend, &both).await;
    assert!(heard.contains(&format!("tracestate: {state}\r\n")), "{heard}");
    // Neither of these leaves spans: a caller that keeps none, and a share of none.
    let not = streamed_with(&gateway, &backend, &[("traceparent", NOT_SAMPLED)]).await;
    let said = not.lines().find(|it| it.starts_with("traceparent: ")).expect(&not);
    assert!(said.contains(TRACE) && said.ends_with("-00"), "{said}");
    let long = "x".repeat(513);
    let none = [("traceparent", "00-nonsense"), ("tracestate", state)];
    let new = streamed_with(&gateway, &backend, &none).await;
    assert!(new.contains("traceparent: 00-") && !new.contains("nonsense"), "{new}");
    assert!(!new.contains("tracestate"), "{new}");
    let long = [("traceparent", NOT_SAMPLED), ("tracestate", &*long)];
    assert!(!streamed_with(&gateway, &backend, &long).await.contains("tracestate"));
    gateway.close().await;
    let spans = collector.spans();
    is_a_tree(&spans);
    let (own, attempts) = parts(&spans);
    assert_eq!((own.trace(), own.parent()), (TRACE.to_owned(), "00f067aa0ba902b7".to_owned()));
    assert_eq!(own.get("gen_ai.request.stream"), "true");
    assert!(own.get("gen_ai.response.time_to_first_chunk").parse::<f64>().unwrap() > 0.0);
    assert_eq!(attempts.len(), 1);
    let told = format!("traceparent: 00-{TRACE}-{}-01\r\n", attempts[0].id());
    assert!(heard.contains(&told), "{heard} {told}");
}

#[tokio::test]
async fn without_a_section_a_callers_trace_is_passed_on_as_it_is() {
    let backend = ManualBackend::start().await;
    let gateway = Setup::new().model("a", &backend.urls()).start().await;
    let heard = streamed_with(&gateway, &backend, &[("traceparent", SAMPLED)]).await;
    assert!(heard.contains(&format!("traceparent: {SAMPLED}\r\n")), "{heard}");
    let twice = [("traceparent", SAMPLED), ("traceparent", NOT_SAMPLED)];
    for wrong in [&twice[..], &[("traceparent", "nonsense")], &[("tracestate", "a=b")], &[]] {
        let heard = streamed_with(&gateway, &backend, wrong).await;
        assert!(!heard.contains("trace"), "{heard}");
    }
    let metrics = gateway.admin("/metrics").await.text();
    assert!(!metrics.contains("signalbox_spans_total{"));
    gateway.close().await;
}

#[tokio::test]
async fn a_collector_that_refuses_costs_spans_and_nothing_else() {
    for status in [500, 413] {
        let good = SimBackend::start();
        let collector = Collector::answering(status).await;
        let setup = Setup::new().model("a", &good.urls()).and(&collector.section("1.0"));
        let gateway = setup.start().await;
        assert_eq!(gateway.ask(&ask("a")).await.status, 200);
        let failed = async || {
            let failed =
                gateway.metrics().await.sum("signalbox_spans_total", &["result=\"failed\""]);
            if failed > 0.0 { Ok(failed) } else { Err(failed) }
        };
        wait::found("spans that failed", failed).await;
        assert_eq!(collector.batches(), 1, "what is refused for good is not sent again");
        // And it takes them again.
        collector.answers(200);
        assert_eq!(gateway.ask(&ask("a")).await.status, 200);
        gateway.close().await;
        is_a_tree(&collector.spans());
    }
}

#[tokio::test]
async fn a_collector_that_is_silent_or_busy_is_asked_three_times_and_holds_nobody_up() {
    for status in [SILENT, 503] {
        let good = SimBackend::start();
        let collector = Collector::answering(status).await;
        let setup = Setup::new().model("a", &good.urls()).and(&collector.section("1.0"));
        let gateway = setup.start().await;
        assert_eq!(gateway.ask(&ask("a")).await.status, 200);
        let clock = Clock::stop();
        // A batch each second, twice 5 s for an answer, pauses of half a second and of one; each is seen at
        // the next half second.
        for _ in 0..2 * 17 {
            clock.pass(Duration::from_millis(500)).await;
        }
        assert_eq!(collector.batches(), 3, "{status}");
        clock.goes_on();
        // Meanwhile requests are answered as ever.
        assert_eq!(gateway.ask(&ask("a")).await.status, 200);
        collector.answers(200);
        gateway.close().await;
    }
}

#[tokio::test]
async fn a_stop_waits_two_seconds_at_the_most_for_a_collector() {
    let good = SimBackend::start();
    let collector = Collector::answering(SILENT).await;
    let setup = Setup::new().model("a", &good.urls()).and(&collector.section("1.0"));
    let gateway = setup.start().await;
    assert_eq!(gateway.ask(&ask("a")).await.status, 200);
    let from = std::time::Instant::now();
    let books = gateway.close().await;
    assert_eq!(books.outcome(), "ok");
    // Without the bound it would be three times five seconds.
    assert!(from.elapsed().as_secs() < 10, "{:?}", from.elapsed());
}

#[tokio::test]
async fn headers_go_along_and_a_reload_takes_none_of_it() {
    let good = SimBackend::start();
    let collector = Collector::start().await;
    let section = format!("{}headers = \"file:otlp\"\n", collector.section("1.0"));
    let setup = || Setup::new().model("a", &good.urls()).file("otlp", "x-scope=a%20b,x-key=k\n");
    let gateway = setup().and(&section).start().await;
    let half = section.replace("1.0", "0.5");
    for (other, path) in [(half.as_str(), "tracing.sample"), ("", "tracing.otlp")] {
        let Reloaded::NeedsRestart(fixed) = gateway.reload(&setup().and(other)).await else {
            panic!("taken: {other}");
        };
        assert_eq!(fixed[0].path, path);
        assert!(!format!("{fixed:?}").contains("a%20b"), "{fixed:?}");
    }
    let model = setup().and(&section).model("b", &good.urls());
    assert!(matches!(gateway.reload(&model).await, Reloaded::InForce { .. }));
    let asked = with(ask("b"), json!({ "max_tokens": 7 }));
    assert_eq!(gateway.ask(&asked).await.status, 200);
    gateway.close().await;
    let head = collector.heads().remove(0).to_ascii_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    for part in ["x-scope: a b", "x-key: k", "content-type: application/x-protobuf"] {
        assert!(head.contains(part), "{head}");
    }
    assert_eq!(parts(&collector.spans()).0.get("gen_ai.request.max_tokens"), "7");
}

#[tokio::test]
async fn a_wrong_section_is_told_whole() {
    let setup = Setup::new().model("a", &["http://127.0.0.1:9/v1".to_owned()]);
    let setup = setup.file("otlp", "secret-77");
    let folder = setup
        .and("[tracing]\notlp = \"tcp://x\"\nsample = 1.5\nheaders = \"file:otlp\"\nratio = 1\n")
        .write();
    let faults = config::load(Some(&folder.config())).expect_err("faults");
    let paths: Vec<_> = faults.iter().map(|it| &*it.path).collect();
    for path in ["tracing.otlp", "tracing.sample", "tracing.headers", "tracing.ratio"] {
        assert!(paths.contains(&path), "{faults:?}");
    }
    assert!(!format!("{faults:?}").contains("secret-77"), "{faults:?}");
    let setup = Setup::new().model("a", &["http://127.0.0.1:9/v1".to_owned()]);
    for (section, path) in [
        ("[tracing]\n", "tracing.otlp"),
        ("[tracing]\notlp = \"http://h:4318/v1/traces\"\n", "tracing.otlp"),
        ("[tracing]\notlp = \"http://u:p@h:4318\"\n", "tracing.otlp"),
        ("[tracing]\notlp = \"http://h:4318\"\nsample = -0.1\n", "tracing.sample"),
        ("[tracing]\notlp = \"http://h:4318\"\nsample = nan\n", "tracing.sample"),
    ] {
        let folder =
            Setup::new().model("a", &["http://127.0.0.1:9/v1".into()]).and(section).write();
        let faults = config::load(Some(&folder.config())).expect_err("faults");
        assert_eq!(faults.iter().map(|it| &*it.path).collect::<Vec<_>>(), [path], "{section}");
    }
    drop(setup);
}
