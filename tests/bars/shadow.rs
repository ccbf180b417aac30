//! Callers notice nothing of a shadow that hangs: a request takes as long as without one.

use std::time::Duration;

use serde_json::json;

use super::{by, call, full, ms, quantile};
use crate::harness::{Gateway, KEY, Setup, SimBackend, ask, manual_backend::ManualBackend, with};

/// Requests of each measurement.
fn requests() -> usize {
    if full() { 2_000 } else { 150 }
}

/// What a 99th percentile may differ by on a machine that may be busy.
fn slower_max(before: Duration) -> Duration {
    before + before / 2 + Duration::from_millis(20)
}

fn policy(shadow: &str) -> String {
    format!(
        "version = \"1\"\n\
         [[experiment]]\nname = \"chat-ab\"\nunit = \"user\"\nprimary = \"error\"\n\
         arms = [\n  {{ name = \"old\", share = 0.5 }},\n\
         \x20 {{ name = \"new\", share = 0.5, route = [\"a\"] }},\n]\n{shadow}\
         [[rule]]\nname = \"talk\"\nwhen = {{ operation = [\"chat\"] }}\nroute = [\"a\"]\n\
         experiment = \"chat-ab\"\n\
         [default]\nroute = [\"a\"]\n"
    )
}

async fn gateway(up: &SimBackend, hanging: &ManualBackend, shadow: &str) -> Gateway {
    let setup = Setup::new()
        .model("a", &up.urls())
        .model("b", &hanging.urls())
        .and("[policy]\nfile = \"policy.toml\"\n")
        .file("policy.toml", &policy(shadow));
    setup.start().await
}

/// The 99th percentile of so many requests, one after the other.
async fn p99(gateway: &Gateway) -> Duration {
    let mut seen = Vec::new();
    for user in 0..requests() {
        let body = with(ask("auto"), json!({ "user": format!("u{user}") }));
        seen.push(call(by(gateway, KEY, &body), false).await);
    }
    assert!(seen.iter().all(|it| it.status == 200));
    quantile(&seen, 0.99)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_are_served_as_fast_while_the_shadow_hangs() {
    let (up, hanging) = (SimBackend::start(), ManualBackend::start().await);
    let without = gateway(&up, &hanging, "").await;
    let before = p99(&without).await;
    without.close().await;
    let shadow = "shadow = { model = \"b\", share = 1.0, bill_to = \"default\", \
                  cost_per_day_max = \"100\", concurrency_max = 4 }\n";
    let with_shadow = gateway(&up, &hanging, shadow).await;
    let during = p99(&with_shadow).await;
    let busy = with_shadow.metrics().await;
    let busy = busy.sum("signalbox_shadow_requests_total", &["busy"]);
    println!(
        "p99 without a shadow {}, while it hangs {}; {busy} not asked",
        ms(before),
        ms(during)
    );
    assert_eq!(hanging.connections(), 4);
    assert!(busy + 4.0 >= requests() as f64 - 64.0, "{busy}");
    assert!(during <= slower_max(before), "{during:?} after {before:?}");
    with_shadow.close().await;
}
