//! Shares of a budget that are spent are told once a window: in the metrics, and to the webhook, which is
//! tried again and holds nobody up.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use signalbox::{app, config};

use crate::harness::{
    Gateway, Setup, SimBackend, ask,
    clock::Clock,
    receiver::{Came, Does, Receiver},
    wait,
};

const SECRET: &str = "whsec-0123456789abcdef";
/// Less than any request costs.
const TINY: &str = "0.000000001";

/// A gateway of one team, whose budget says this, and of one key in it.
fn setup(up: &SimBackend, receiver: &Receiver, budget: &str) -> Setup {
    let sections =
        format!("{}[[team]]\nname = \"cards\"\n{budget}\n", receiver.section("hook.key"));
    let setup = Setup::new().model("a", &up.urls()).key("team = \"cards\"\n").and(&sections);
    setup.file("hook.key", SECRET)
}

fn budget(amount: &str, alerts: &str) -> String {
    format!(
        "budget = {{ amount = \"{amount}\", window = \"year\", hard = false, alerts = {alerts} }}"
    )
}

async fn told(gateway: &Gateway, share: &str) -> f64 {
    let labels = ["team=\"cards\"", "window=\"year\"", &format!("share=\"{share}\"")];
    gateway.metrics().await.sum("signalbox_budget_alerts_total", &labels)
}

async fn results(gateway: &Gateway) -> [f64; 3] {
    let metrics = gateway.metrics().await;
    ["ok", "failed", "dropped"]
        .map(|result| metrics.sum("signalbox_webhook_total", &[&format!("result=\"{result}\"")]))
}

/// Whether the signature is that of the body at the moment that it states.
fn is_signed(came: &Came) -> bool {
    let (t, v1) = came.header("x-signalbox-signature").split_once(",v1=").expect("both parts");
    let t = t.strip_prefix("t=").expect("the moment");
    let mut keyed = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
    keyed.update(format!("{t}.{}", came.body).as_bytes());
    let hash = keyed.finalize().into_bytes();
    let hex = hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    hex == v1 && t.parse::<i64>().is_ok()
}

/// Asks, and waits until what it cost is counted.
async fn spend(gateway: &Gateway) {
    let before = gateway.books().verification.settled;
    assert_eq!(gateway.ask(&ask("a")).await.status, 200);
    gateway.until(|books| books.verification.settled > before).await;
}

#[tokio::test]
async fn a_share_is_told_once_a_window_and_not_again_after_a_restart() {
    let (up, receiver) = (SimBackend::start(), Receiver::that(vec![Does::Answers(204)]).await);
    let stated = setup(&up, &receiver, &budget(TINY, "[0.5, 2.0]"));
    let gateway = stated.start().await;
    assert_eq!(results(&gateway).await, [0.0; 3], "the counters are there before anything comes");
    spend(&gateway).await;
    let came = receiver.after(2).await;
    let of = |came: &Came| {
        let it = came.json();
        let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
        assert!(is_signed(came) && came.header("content-type") == "application/json", "{came:?}");
        assert!(text("window_start").ends_with("-01-01T00:00:00Z"), "{it}");
        assert!(text("at").parse::<jiff::Timestamp>().is_ok(), "{it}");
        let said = [text("type"), text("window"), text("limit"), text("currency")];
        assert_eq!(said, ["budget.alert", "year", TINY, "USD"], "{it}");
        assert!(text("spent").parse::<f64>().expect("a decimal") > 0.0, "{it}");
        assert_eq!(it["owner"], serde_json::json!({ "team": "cards" }));
        (it["share"].as_f64().expect("a number"), text("id"))
    };
    let (first, second) = (of(&came[0]), of(&came[1]));
    assert_eq!((first.0, second.0), (0.5, 2.0));
    assert_ne!(first.1, second.1);
    spend(&gateway).await;
    assert_eq!((told(&gateway, "0.5").await, told(&gateway, "2").await), (1.0, 1.0));
    wait::answers("both are taken", [2.0, 0.0, 0.0], async || results(&gateway).await).await;
    let folder = gateway.stop().await;
    let config = config::load(Some(&folder.config())).expect("a good configuration");
    let running = app::start(config).await.expect("a gateway");
    // The looks of a second and a half find nothing.
    let clock = Clock::stop();
    clock.pass(Duration::from_millis(1_500)).await;
    clock.goes_on();
    running.shutdown().await;
    assert_eq!(receiver.came().len(), 2);
}

#[tokio::test]
async fn a_share_that_was_passed_is_told_again_after_the_amount_was_raised() {
    let (up, receiver) = (SimBackend::start(), Receiver::that(vec![Does::Answers(200)]).await);
    let stating = |amount: &str| setup(&up, &receiver, &budget(amount, "[1.0]"));
    let gateway = stating(TINY).start().await;
    spend(&gateway).await;
    receiver.after(1).await;
    gateway.reload(&stating("1000")).await;
    let clock = Clock::stop();
    clock.pass(Duration::from_millis(1_100)).await;
    clock.goes_on();
    gateway.reload(&stating("0.000000002")).await;
    let came = receiver.after(2).await;
    assert_eq!(came[1].json()["limit"], "0.000000002");
    assert!((told(&gateway, "1").await - 2.0).abs() < 1e-9);
    gateway.close().await;
}

#[tokio::test]
async fn a_keys_budget_is_told_to_the_webhook_and_is_no_label() {
    let (up, receiver) = (SimBackend::start(), Receiver::that(vec![Does::Answers(200)]).await);
    let sections = receiver.section("hook.key");
    let setup = Setup::new().model("a", &up.urls()).key(&budget(TINY, "[1.0]")).and(&sections);
    let gateway = setup.file("hook.key", SECRET).start().await;
    spend(&gateway).await;
    let came = receiver.after(1).await;
    assert_eq!(came[0].json()["owner"], serde_json::json!({ "key": "scenario" }));
    let counted = gateway.metrics().await.sum("signalbox_budget_alerts_total", &[]);
    assert!(counted.abs() < 1e-9, "a key is no label");
    gateway.close().await;
}

/// What a receiver does at first, what becomes of the message in the end, and the seconds between the tries.
#[tokio::test]
async fn a_message_is_tried_again_and_given_up_in_the_end() {
    for (does, taken, waits) in [
        (vec![Does::Answers(500), Does::Answers(200)], [1.0, 0.0, 0.0], &[1_000][..]),
        (vec![Does::Redirects, Does::Floods], [1.0, 0.0, 0.0], &[1_000][..]),
        (vec![Does::Hangs, Does::Answers(200)], [1.0, 0.0, 0.0], &[6_000][..]),
        (vec![Does::Answers(503)], [0.0, 1.0, 0.0], &[1_000, 5_000, 30_000, 120_000, 600_000][..]),
    ] {
        let (up, receiver) = (SimBackend::start(), Receiver::that(does.clone()).await);
        let gateway = setup(&up, &receiver, &budget(TINY, "[1.0]")).start().await;
        spend(&gateway).await;
        receiver.after(1).await;
        let clock = Clock::stop();
        for (at, wait) in waits.iter().enumerate() {
            // A little less than the wait: the clock stood a moment after the message came.
            clock.pass(Duration::from_millis(wait - 900)).await;
            assert_eq!(receiver.came().len(), at + 1, "{does:?}: before {wait} ms");
            let came = || receiver.came().len() == at + 2;
            clock.runs_until(&format!("{does:?}: try {}", at + 2), came).await;
        }
        clock.goes_on();
        let what = format!("{does:?}");
        wait::answers(&what, taken, async || results(&gateway).await).await;
        let came = receiver.came();
        assert_eq!(came.len(), waits.len() + 1, "{does:?}");
        assert!(came.iter().all(|it| it.head.starts_with("POST /hook ")), "{does:?}: no redirect");
        assert!(came.iter().all(|it| it.body == came[0].body && is_signed(it)), "{does:?}");
        gateway.close().await;
    }
}

#[tokio::test]
async fn a_webhook_that_hangs_holds_neither_requests_nor_the_end_up() {
    let (up, receiver) = (SimBackend::start(), Receiver::that(vec![Does::Hangs]).await);
    let gateway = setup(&up, &receiver, &budget(TINY, "[0.5, 1.0, 2.0]")).start().await;
    spend(&gateway).await;
    receiver.after(1).await;
    let began = tokio::time::Instant::now();
    for _ in 0..5 {
        assert_eq!(gateway.ask(&ask("a")).await.status, 200);
    }
    assert_eq!(gateway.close().await.entries.len(), 6);
    assert!(began.elapsed() < Duration::from_secs(5), "less than one try may take");
}
