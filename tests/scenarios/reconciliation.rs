//! The books and the counters say the same, whatever happened.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::{StreamExt, stream};
use serde_json::json;
use signalbox::sim::{InjectedFault, ModelSpec};

use crate::harness::{Books, Gateway, Setup, SimBackend, ask, streamed, with};

const ALIAS: &str = "[alias]\nboth = [\"a\", \"b\"]\n";
const HASTY: &str = "timeouts = { first_token_ms = 150, idle_ms = 150, total_ms = 1000 }\n";

/// Fails unless counters and entries agree; takes the gateway down.
pub(crate) async fn agree(gateway: Gateway) -> Books {
    gateway.until(|books| books.verification.open == 0).await;
    let metrics = gateway.metrics().await;
    let books = gateway.close().await;
    for outcome in ["ok", "cut", "cancelled", "failed"] {
        let label = format!("outcome=\"{outcome}\"");
        let counted = metrics.sum("signalbox_requests_total", &[&label]);
        let booked = books.entries.iter().filter(|it| it.outcome.as_deref() == Some(outcome));
        assert_eq!(counted, booked.count() as f64, "{outcome}");
    }
    let counted = metrics.sum("signalbox_requests_total", &[]);
    assert_eq!(counted, books.entries.len() as f64);
    let nano = (metrics.sum("signalbox_cost_total", &[]) * 1e9).round() as i64;
    assert_eq!(nano, books.verification.cost.nano(), "money");
    let tokens: u64 = books.entries.iter().map(|it| it.input_tokens + it.output_tokens).sum();
    assert_eq!(metrics.sum("signalbox_tokens_total", &[]), tokens as f64);
    assert_eq!(metrics.sum("signalbox_endpoint_in_flight", &[]), 0.0);
    books
}

#[tokio::test]
async fn after_all_kinds_of_requests_they_agree() {
    let (a, b) = (SimBackend::start(), SimBackend::start());
    let setup = Setup::new().model_with("a", &a.urls(), HASTY).model_with("b", &b.urls(), HASTY);
    let gateway = setup.and(ALIAS).start().await;
    let faults = [
        None,
        Some(InjectedFault::Status500),
        Some(InjectedFault::Half),
        Some(InjectedFault::Status400),
        Some(InjectedFault::NoUsage),
        Some(InjectedFault::WrongUsage),
        Some(InjectedFault::ErrorMid),
        Some(InjectedFault::CutEvent),
    ];
    let mut asked = 0;
    for fault in faults {
        match fault {
            Some(fault) => a.fail(fault).await,
            None => a.mend().await,
        }
        for model in ["both", "a", "b"] {
            for request in [ask(model), streamed(model)] {
                let _ = gateway.ask(&request).await;
                asked += 1;
            }
            // One who leaves at once, and one who is refused.
            let answer = gateway.post(&streamed(model)).send().await.expect("a head");
            drop(answer);
            asked += 2;
            let refused = gateway.ask(&with(ask(model), json!({ "n": 0 }))).await;
            assert_eq!(refused.status, 400);
        }
    }
    // A pin on a model that was ejected meanwhile is refused, too.
    let refused = gateway.metrics().await.sum("signalbox_refusals_total", &[]);
    let books = agree(gateway).await;
    assert_eq!(books.entries.len() as f64 + refused, f64::from(asked));
    assert!(books.entries.len() > 40, "{}", books.entries.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_dies_under_load_costs_no_caller_an_answer() {
    let spec = || ModelSpec::plain("a").paced(2, 5_000);
    let (a, b) = (SimBackend::with(spec()), SimBackend::with(spec()));
    let setup = Setup::new().model("a", &a.urls()).model("b", &b.urls());
    let gateway = setup.and(ALIAS).start().await;
    let (done, killed) = (AtomicUsize::new(0), &a);
    let one = |nth: usize| {
        let (gateway, done) = (&gateway, &done);
        async move {
            if done.fetch_add(1, Relaxed) == 100 {
                killed.kill(0).await;
            }
            let request = if nth.is_multiple_of(2) { ask("both") } else { ask("b") };
            let reply = gateway.ask(&request).await;
            (reply.status, reply.text())
        }
    };
    let replies: Vec<_> = stream::iter(0..200).map(one).buffer_unordered(8).collect().await;
    let wrong: Vec<_> = replies.iter().filter(|(status, _)| *status != 200).collect();
    assert!(wrong.is_empty(), "{} of 200: {:?}", wrong.len(), wrong.first());
    let ejected = gateway.metrics().await.sum("signalbox_ejections_total", &["model=\"a\""]);
    assert!(ejected >= 1.0, "a dead model is not asked again and again");
    let books = agree(gateway).await;
    assert_eq!(books.entries.len(), 200);
    assert!(books.entries.iter().all(|it| it.outcome.as_deref() == Some("ok")));
}
