//! A hard budget holds while two processes serve.

use policies::facts::Money;
use serde_json::json;

use crate::harness::{
    Books, KEY, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    gateway::client,
    sim_backend::quick,
    streamed, wait, with,
};

/// A month's hard budget of the one team, and a wait of no time for money.
fn setup(up: &SimBackend, amount: &str) -> Setup {
    within(up, amount, "month")
}

/// The same of another window.
fn within(up: &SimBackend, amount: &str, window: &str) -> Setup {
    let budget = format!("budget = {{ amount = \"{amount}\", window = \"{window}\" }}\n");
    let team = format!("[[team]]\nname = \"bank\"\n{budget}[budget]\nwait_ms = 0\n");
    Setup::new().model("a", &up.urls()).key("team = \"bank\"\n").and(&team)
}

/// A request that reserves a little more than this many tokens of answer, at two millionths each.
fn of(tokens: u32) -> serde_json::Value {
    with(ask("a"), json!({ "max_tokens": tokens }))
}

async fn status(server: &Server, tokens: u32) -> u16 {
    Reply::of(server.post(&of(tokens))).await.status
}

/// What the metrics say of the budget.
async fn figure(server: &Server, name: &str) -> f64 {
    let page = server.page("/metrics", KEY).await;
    let line = page.lines().find(|line| line.starts_with(name)).expect("the budget");
    line.rsplit(' ').next().expect("a figure").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_successor_counts_what_the_old_one_has_open_until_it_is_settled() {
    counts_until_settled("month").await;
}

/// A budget that begins at a reload of the successor, while the old one ends its requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_that_is_new_to_the_successor_counts_what_the_old_one_has_open() {
    counts_until_settled("total").await;
}

/// The successor has a budget of this window when the old one has a request open.
async fn counts_until_settled(window: &str) {
    let (up, slow) = (SimBackend::start(), SimBackend::with(quick().fixed(0, 300, 100_000)));
    let setup = |window| {
        let setup = within(&up, "0.0300", window).model("slow", &slow.urls());
        setup.server("drain_grace_ms = 100\n")
    };
    let folder = setup("month").write();
    let old = Server::start(&folder.config()).await;
    // Two cents of three are reserved by a stream that lasts.
    let long = with(streamed("slow"), json!({ "max_tokens": 10_000 }));
    let stream = old.post(&long).send().await.expect("a stream");
    assert_eq!(stream.status(), 200);
    let new = Server::start(&folder.config()).await;
    setup(window).write_into(&folder);
    let in_force = async || {
        let page = new.page("/metrics", KEY).await;
        let of = |line: &str| line.starts_with("signalbox_budget_limit") && line.contains(window);
        page.lines().any(of)
    };
    wait::answers("the budget is in force", true, in_force).await;
    assert_eq!(status(&new, 100).await, 200, "there is money for it");
    assert_eq!(status(&new, 6_000).await, 429, "the stream's two cents are counted");
    assert!(figure(&new, "signalbox_budget_reserved").await >= 0.02);
    // Its caller leaves: what it has not cost is free again, at the successor.
    drop(stream);
    wait::answers("the money is free", 200, || status(&new, 6_000)).await;
    assert_eq!(old.ended().await.code(), Some(0));
    let settled = async || {
        let books = Books::read(&folder.ledger());
        let cost: i64 = books.entries.iter().filter_map(|it| it.cost).map(Money::nano).sum();
        let spent = figure(&new, "signalbox_budget_spent").await;
        let reserved = figure(&new, "signalbox_budget_reserved").await;
        (books.verification.open, (spent * 1e9).round() as i64 == cost, reserved == 0.0)
    };
    wait::answers("every nano is counted once", (0, true, true), settled).await;
    new.terminate().await;
    assert_eq!(new.ended().await.code(), Some(0));
    let verify = binary::run(&folder.config(), &["ledger", "verify"]).await;
    assert!(verify.status.success(), "{verify:?}");
}

/// Both admit at once, over connections that were open before and new ones: together no more than there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_together_never_spend_more_than_there_is() {
    let up = SimBackend::start();
    let amount = 20_000_000;
    let folder = setup(&up, "0.0200").server("drain_grace_ms = 1500\n").write();
    let old = Server::start(&folder.config()).await;
    // A connection that stays with the old one for its grace.
    assert_eq!(status(&old, 50).await, 200);
    let new = Server::start(&folder.config()).await;
    let (mut served, mut refused) = (1, 0);
    while refused < 20 {
        let (a, b) = tokio::join!(status_if_there(&old, 50), status(&new, 50));
        for status in a.into_iter().chain([b]) {
            // The old one sends whom it has no money for to the new one.
            assert!(matches!(status, 200 | 429 | 503), "{status}");
            served += usize::from(status == 200);
            refused += usize::from(status == 429);
        }
    }
    assert_eq!(old.ended().await.code(), Some(0));
    let books = Books::read(&folder.ledger());
    let cost: i64 = books.entries.iter().filter_map(|it| it.cost).map(Money::nano).sum();
    assert_eq!(books.entries.len(), served);
    assert!(cost <= amount, "{cost} of {amount} nano-units");
    assert!(cost > amount / 2, "{cost} of {amount}: it can hardly spend any of it");
    new.terminate().await;
    assert_eq!(new.ended().await.code(), Some(0));
}

/// The old one's answer as long as it serves.
async fn status_if_there(server: &Server, tokens: u32) -> Option<u16> {
    Some(server.post(&of(tokens)).send().await.ok()?.status().as_u16())
}

/// Requests that come one after another over connections of the old one need little of its share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_over_a_kept_connection_is_served_from_the_share() {
    const CALLERS: usize = 30;
    let up = SimBackend::start();
    let folder = setup(&up, "0.1500").server("drain_grace_ms = 8000\n").write();
    let old = Server::start(&folder.config()).await;
    let url = format!("http://{}/v1/chat/completions", old.addr());
    let callers: Vec<_> = (0..CALLERS).map(|_| client()).collect();
    let asked = async |caller: &reqwest::Client| {
        let request = caller.post(&url).bearer_auth(KEY).body(of(20).to_string());
        Reply::of(request).await.status
    };
    for caller in &callers {
        assert_eq!(asked(caller).await, 200);
    }
    let new = Server::start(&folder.config()).await;
    for (at, caller) in callers.iter().enumerate() {
        assert_eq!(asked(caller).await, 200, "caller {at}");
    }
    assert_eq!(old.ended().await.code(), Some(0));
    let books = Books::read(&folder.ledger());
    assert_eq!(books.verification.settled, 2 * CALLERS as u64);
    new.terminate().await;
    assert_eq!(new.ended().await.code(), Some(0));
}
