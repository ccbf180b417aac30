//! Scarce things: places at a backend, money across a restart, room for a slow reader.

use serde_json::json;
use signalbox::sim::{InjectedFault, ModelSpec};

use crate::harness::{
    Books, Reply, Setup, SimBackend, ask, binary::Server, sim_backend::quick, streamed, with,
};

/// A setup whose model `a` serves one request at a time.
fn narrow(up: &SimBackend) -> Setup {
    let endpoint = format!("[[model.endpoint]]\nurl = \"{}\"\nconcurrency_max = 1\n", up.urls()[0]);
    Setup::new().model_with("a", &[], &endpoint).and("[queue]\nwait_ms = 100\n")
}

#[tokio::test]
async fn a_backend_never_gets_more_at_once_than_it_may() {
    let (a, b) = (SimBackend::with(quick().fixed(50, 3, 100)), SimBackend::start());
    let setup = narrow(&a).model("b", &b.urls()).and("[alias]\nboth = [\"a\", \"b\"]\n");
    let gateway = setup.start().await;
    let six = (0..6).map(|_| async { gateway.ask(&ask("both")).await.status });
    let statuses = futures_util::future::join_all(six).await;
    assert_eq!(statuses, [200; 6], "the next model has room");
    assert_eq!(a.seen().in_flight_max, 1);
    assert!(b.seen().requests >= 1);
}

#[tokio::test]
async fn who_finds_no_place_gets_a_503() {
    let up = SimBackend::failing(InjectedFault::StallHead);
    let gateway = narrow(&up).start().await;
    let first = tokio::spawn(gateway.post(&streamed("a")).send());
    up.until(|seen| seen.in_flight == 1).await;
    let reply = gateway.ask(&ask("a")).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.json()["error"]["code"], "no_capacity");
    assert!(!reply.header("retry-after").is_empty());
    first.abort();
    up.until(|seen| seen.in_flight == 0).await;
    up.mend().await;
    gateway.until(|books| books.verification.open == 0).await;
    assert_eq!(gateway.ask(&ask("a")).await.status, 200, "the place was given back");
}

#[tokio::test]
async fn who_leaves_gives_its_reservation_back() {
    let up = SimBackend::failing(InjectedFault::StallHead);
    // Room for one request of the size asked below, not for two.
    let budget = "budget = { amount = \"0.004\", window = \"month\", hard = true }\n";
    let gateway = Setup::new().model("a", &up.urls()).key(budget).and("[budget]\nwait_ms = 1\n");
    let gateway = gateway.start().await;
    let request = with(streamed("a"), json!({ "max_tokens": 200 }));
    let first = tokio::spawn(gateway.post(&request).send());
    up.until(|seen| seen.in_flight == 1).await;
    let reply = gateway.ask(&request).await;
    assert_eq!(reply.status, 429, "{}", reply.text());
    first.abort();
    up.until(|seen| seen.in_flight == 0).await;
    up.mend().await;
    gateway.until(|books| books.verification.open == 0).await;
    let reply = gateway.ask(&request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn money_spent_is_known_after_a_restart() {
    let up = SimBackend::start();
    let budget = "budget = { amount = \"0.006\", window = \"total\", hard = true }\n";
    let folder = Setup::new().model("a", &up.urls()).key(budget).write();
    let request = with(ask("a"), json!({ "max_tokens": 20 }));
    let mut served = 0;
    for _ in 0..3 {
        let server = Server::start(&folder.config()).await;
        for _ in 0..200 {
            let reply = Reply::of(server.post(&request)).await;
            if reply.status == 429 {
                break;
            }
            assert_eq!(reply.status, 200, "{}", reply.text());
            served += 1;
        }
        server.kill().await;
    }
    let server = Server::start(&folder.config()).await;
    assert_eq!(Reply::of(server.post(&request)).await.status, 429);
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    let books = Books::read(&folder.ledger());
    assert_eq!(books.verification.faults, Vec::<String>::new());
    assert_eq!(books.entries.len(), served);
    assert!(books.verification.cost.nano() <= 6_000_000, "{}", books.verification.cost);
}

/// A caller who reads slowly gets all of it; the gateway does not gather it in memory for ever.
#[tokio::test]
async fn a_slow_reader_gets_every_byte() {
    let up = SimBackend::with(ModelSpec::plain("a").fixed(0, 800, 10));
    let gateway = Setup::new().model("a", &up.urls()).start().await;
    let fast = gateway.ask(&streamed("a")).await.events().len();
    let mut answer = gateway.post(&streamed("a")).send().await.expect("a head");
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.expect("the rest") {
        text.extend_from_slice(&chunk);
        crate::harness::wait::turns().await;
    }
    let text = String::from_utf8(text).expect("UTF-8");
    assert_eq!(text.matches("data: ").count(), fast);
    assert!(text.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn with_wait_dispatch_the_entry_is_there_before_the_backend_is_asked() {
    let up = SimBackend::failing(InjectedFault::StallHead);
    let setup = Setup::new().model("a", &up.urls()).ledger("wait = \"dispatch\"\n");
    let gateway = setup.start().await;
    let waiting = tokio::spawn(gateway.post(&streamed("a")).send());
    up.until(|seen| seen.in_flight == 1).await;
    assert_eq!(gateway.books().verification.open, 1);
    waiting.abort();
    gateway.until(|books| books.verification.open == 0).await;
    assert_eq!(gateway.close().await.outcome(), "cancelled");
}
