//! Backends that fail before the first content: the caller gets another's answer.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use signalbox::sim::InjectedFault;

use crate::harness::{Gateway, Setup, SimBackend, ask, gateway::results, streamed};

const ALIAS: &str = "[alias]\nboth = [\"a\", \"b\"]\n";
const HASTY: &str = "timeouts = { first_token_ms = 150, idle_ms = 150, total_ms = 3000 }\n";

/// What fails before any content, plain or streamed.
const BEFORE: &[InjectedFault] = &[
    InjectedFault::Refuse,
    InjectedFault::Reset,
    InjectedFault::StallHead,
    InjectedFault::StallContent,
    InjectedFault::StallPings,
    InjectedFault::Status500,
    InjectedFault::Status503,
    InjectedFault::Status429,
    InjectedFault::Status401,
    InjectedFault::Status404,
    InjectedFault::Redirect,
    InjectedFault::Html,
    InjectedFault::Empty,
    InjectedFault::ErrorObject,
    InjectedFault::Garbage,
    InjectedFault::Gzip,
];
/// What a plain answer, which is read whole, survives beside these.
const PLAIN: &[InjectedFault] = &[
    InjectedFault::Half,
    InjectedFault::CutEvent,
    InjectedFault::StallMid,
    InjectedFault::EndlessEvent,
];
/// What only a stream can do.
const STREAMED: &[InjectedFault] =
    &[InjectedFault::ErrorFirst, InjectedFault::DoneFirst, InjectedFault::EndlessEvent];

/// Two models, the first of which fails so.
async fn pair(fault: InjectedFault) -> (SimBackend, SimBackend, Gateway) {
    let (a, b) = (SimBackend::failing(fault), SimBackend::start());
    let setup = Setup::new().model_with("a", &a.urls(), HASTY).model("b", &b.urls());
    let gateway = setup.and(ALIAS).start().await;
    (a, b, gateway)
}

/// What went wrong where all should have gone well.
async fn served_by_the_other(fault: InjectedFault, stream: bool) -> Option<String> {
    let (_a, _b, gateway) = pair(fault).await;
    let request = if stream { streamed("both") } else { ask("both") };
    let sent = gateway.post(&request).timeout(Duration::from_secs(60)).send().await;
    let reply = match sent {
        Ok(answer) => {
            let head = (answer.status().as_u16(), answer.headers().clone());
            match answer.bytes().await {
                Ok(body) => {
                    crate::harness::Reply { status: head.0, headers: head.1, body: body.into() }
                }
                Err(error) => return Some(format!("{fault:?}: a broken body: {error:?}")),
            }
        }
        Err(error) => return Some(format!("{fault:?}: {error:?}")),
    };
    let attempts: u8 = reply.header("x-signalbox-attempts").parse().unwrap_or(0);
    let good = reply.status == 200
        && reply.header("x-signalbox-model") == "b"
        && attempts >= 2
        && (!stream || reply.done())
        && (stream || reply.json()["choices"][0]["finish_reason"].is_string());
    if !good {
        return Some(format!("{fault:?}: {} {:?} {}", reply.status, reply.headers, reply.text()));
    }
    let books = gateway.close().await;
    let booked = (books.entries.len(), books.outcome(), results(books.only()).len());
    let model = books.only().model.as_deref();
    if booked != (1, "ok", usize::from(attempts)) || model != Some("b") {
        return Some(format!("{fault:?}: {:?}", books.entries));
    }
    None
}

async fn all(faults: &[&[InjectedFault]], stream: bool) {
    let scenes = faults.iter().flat_map(|it| it.iter());
    let scenes = scenes.map(|fault| served_by_the_other(*fault, stream));
    // A few at a time: their short timeouts are not to be about a busy machine.
    let wrong: Vec<_> = stream::iter(scenes).buffer_unordered(4).collect().await;
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn a_plain_answer_comes_from_the_next_model() {
    all(&[BEFORE, PLAIN], false).await;
}

#[tokio::test]
async fn a_stream_comes_from_the_next_model() {
    all(&[BEFORE, STREAMED], true).await;
}

/// What is said before the content is held back until then: not without a bound.
#[tokio::test]
async fn a_stream_that_never_comes_to_its_content_is_given_up() {
    let (a, b) = (SimBackend::failing(InjectedFault::Prelude), SimBackend::start());
    let setup = Setup::new().model("a", &a.urls()).model("b", &b.urls());
    let gateway = setup.and(ALIAS).start().await;
    let reply = gateway.ask(&streamed("both")).await;
    assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"));
    assert!(reply.done() && reply.body.len() < 1 << 20, "{} bytes", reply.body.len());
    // Read to its end it would have been silent, and a timeout.
    assert_eq!(results(gateway.close().await.only()), ["invalid", "ok"]);
}

#[tokio::test]
async fn the_same_models_other_replica_is_tried_first() {
    let up = SimBackend::with(crate::harness::sim_backend::quick().replicas(2));
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    up.kill(0).await;
    // At once, so that the least loaded replica is now the one and now the other.
    let requests: Vec<_> =
        (0..16).map(|at| if at % 2 == 0 { streamed("a") } else { ask("a") }).collect();
    let replies = requests.iter().map(|request| gateway.ask(request));
    for reply in futures_util::future::join_all(replies).await {
        assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "a"));
    }
    let books = gateway.close().await;
    let retried = books.entries.iter().filter(|it| results(it).len() == 2).count();
    assert!(retried >= 1, "{:?}", books.entries);
    assert!(books.entries.iter().all(|it| it.outcome.as_deref() == Some("ok")));
}

#[tokio::test]
async fn a_kept_connection_that_is_reset_costs_no_caller_an_answer() {
    let up = SimBackend::start();
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    up.fail(InjectedFault::ResetReused).await;
    for attempts in ["1", "2", "2", "2"] {
        let reply = gateway.ask(&ask("a")).await;
        assert_eq!((reply.status, reply.header("x-signalbox-attempts")), (200, attempts));
    }
    assert_eq!(up.seen().requests, 7, "every sending is an attempt");
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let (_a, b, gateway) = pair(InjectedFault::Redirect).await;
    let reply = gateway.ask(&ask("a")).await;
    assert_eq!(reply.status, 502, "{}", reply.text());
    assert_eq!(b.seen().requests, 0, "a pin has no fallback");
}

/// What went wrong with one bad replica beside a good one.
async fn served_by_the_good_replica(fault: InjectedFault) -> Option<String> {
    let (bad, good) = (SimBackend::failing(fault), SimBackend::start());
    let replicas = [bad.urls(), good.urls()].concat();
    let gateway = Setup::new().model_with("a", &replicas, HASTY).start().await;
    for _ in 0..6 {
        let reply = gateway.ask(&streamed("a")).await;
        if reply.status != 200 || !reply.done() {
            return Some(format!("{fault:?}: {} {}", reply.status, reply.text()));
        }
    }
    let books = gateway.close().await;
    let retried = books.entries.iter().any(|it| results(it).len() == 2);
    let asked = bad.seen().requests > 0;
    (asked && !retried).then(|| format!("{fault:?}: no retry: {:?}", books.entries))
}

#[tokio::test]
async fn one_bad_replica_of_two_costs_no_caller_an_answer() {
    let mut wrong = Vec::new();
    // A few at a time: what is to answer within a moment needs a processor for it.
    for faults in BEFORE.chunks(3) {
        let scenes = faults.iter().map(|fault| served_by_the_good_replica(*fault));
        wrong.extend(futures_util::future::join_all(scenes).await.into_iter().flatten());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
