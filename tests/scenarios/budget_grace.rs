//! Between a budget's amount and its `soft_until` requests are taken, and a policy sees that nothing is left;
//! amounts are moved while requests run.

use serde_json::json;

use super::directory::{ANN, ann, in_force, post, serving};
use crate::harness::{
    Gateway, Reply, Setup, SimBackend, ask, sim_backend::quick, streamed, wait, with,
};

const POLICY: &str = r#"
version = "grace"

[[rule]]
name = "saving"
when = { budget_left = { max = "0" } }
route = ["cheap", "a"]

[default]
route = ["a"]
"#;

/// What 1,000 tokens of output can cost at the most, with a short question, is below this.
const ONE: &str = "0.0030";

fn setup(up: &SimBackend, budget: &str) -> Setup {
    let setup =
        Setup::new().model("a", &up.urls()).priced("cheap", &up.urls(), ("0.10", "0.20"), "");
    setup
        .file("policy.toml", POLICY)
        .key(&format!("budget = {budget}\n"))
        .and("[policy]\nfile = \"policy.toml\"\n[budget]\nwait_ms = 0\n")
}

async fn rule_of(gateway: &Gateway) -> (u16, String, String) {
    let reply = gateway.ask(&with(ask("auto"), json!({ "max_tokens": 1_000 }))).await;
    let (rule, text) = (reply.header("x-signalbox-rule").to_owned(), reply.text());
    (reply.status, rule, text)
}

#[tokio::test]
async fn in_the_grace_a_policy_saves_and_beyond_it_requests_are_refused() {
    let up = SimBackend::start();
    let gateway = setup(&up, "{ amount = \"0\", soft_until = \"0.0008\" }").start().await;
    let (status, rule, text) = rule_of(&gateway).await;
    assert_eq!((status, rule.as_str()), (200, "saving"), "{text}");
    let books = gateway.until(|books| books.verification.settled == 1).await;
    assert_eq!(books.entries.len(), 1);
    let refused = loop {
        let (status, rule, text) = rule_of(&gateway).await;
        if status != 200 {
            break text;
        }
        assert_eq!(rule, "saving", "{text}");
        assert!(gateway.books().entries.len() < 1_000, "the grace has an end");
    };
    assert!(refused.contains("of the month budget of key `scenario`"), "{refused}");
    let metrics = gateway.metrics().await;
    assert!(metrics.sum("signalbox_refusals_total", &["kind=\"budget_exceeded\""]) > 0.0);
    let books = gateway.close().await;
    let spent: i64 = books.entries.iter().filter_map(|it| it.cost).map(|it| it.nano()).sum();
    assert!(spent <= 800_000, "{spent}");
}

#[tokio::test]
async fn before_the_amount_is_spent_there_is_no_grace_to_see() {
    let up = SimBackend::start();
    let gateway = setup(&up, "{ amount = \"1\", soft_until = \"2\" }").start().await;
    let (status, rule, text) = rule_of(&gateway).await;
    assert_eq!((status, rule.as_str()), (200, "default"), "{text}");
    gateway.close().await;
}

fn hard(amount: &str) -> String {
    ann("team = \"cards\"")
        + &format!("[[team]]\nname = \"cards\"\nbudget = {{ amount = \"{amount}\" }}\n")
}

#[tokio::test]
async fn a_raised_amount_lets_in_who_waits() {
    let up = SimBackend::with(quick().paced(0, 100));
    let stating = |amount: &str| serving(&up, &hard(amount)).and("[budget]\nwait_ms = 20000\n");
    let gateway = stating(ONE).start().await;
    let long = with(streamed("a"), json!({ "max_tokens": 1_000 }));
    let open = post(&gateway, ANN, &long).send().await.expect("a stream");
    let short = with(ask("a"), json!({ "max_tokens": 1_000 }));
    let waits = async { Reply::of(post(&gateway, ANN, &short)).await };
    let raises = async {
        wait::turns().await;
        in_force(&gateway.reload(&stating("1")).await);
    };
    let began = std::time::Instant::now();
    let (told, ()) = tokio::join!(waits, raises);
    assert_eq!(told.status, 200, "{}", told.text());
    assert!(began.elapsed().as_secs() < 15, "it was let in by the raise");
    drop(open);
    gateway.close().await;
}

#[tokio::test]
async fn an_amount_below_what_is_spent_refuses_the_next_and_the_gauges_stay_right() {
    let up = SimBackend::start();
    let stating = |amount: &str| serving(&up, &hard(amount));
    let gateway = stating("1").start().await;
    let ask = with(ask("a"), json!({ "max_tokens": 1_000 }));
    assert_eq!(Reply::of(post(&gateway, ANN, &ask)).await.status, 200);
    gateway.until(|books| books.verification.settled == 1).await;
    let gauge = async |name: &str| gateway.metrics().await.sum(name, &["team=\"cards\""]);
    let spent = gauge("signalbox_budget_spent").await;
    assert!(spent > 0.0);
    in_force(&gateway.reload(&stating("0.000000001")).await);
    let reply = Reply::of(post(&gateway, ANN, &ask)).await;
    let text = reply.text();
    assert_eq!(reply.status, 429, "{text}");
    assert!(text.contains("0.000000001 USD, is spent"), "{text}");
    assert!((gauge("signalbox_budget_spent").await - spent).abs() < 1e-12);
    assert!(gauge("signalbox_budget_reserved").await.abs() < 1e-12);
    assert!((gauge("signalbox_budget_limit").await - 1e-9).abs() < 1e-15);
    in_force(&gateway.reload(&stating("1")).await);
    assert_eq!(Reply::of(post(&gateway, ANN, &ask)).await.status, 200, "raised again");
    gateway.close().await;
}
