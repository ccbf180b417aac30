//! A hard budget and many callers at once: none of it is overspent, and all of it can be spent.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use futures_util::future::join_all;
use http::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{Operator, by, decimal, full};
use crate::harness::{Gateway, KEY, Reply, Setup, SimBackend, ask, with};

/// How many requests were served so far.
#[derive(Default)]
struct Tally {
    served: AtomicI64,
    more: Notify,
}

fn request() -> Value {
    with(ask("a"), json!({ "max_tokens": 50 }))
}

/// What one request costs and the most that it can cost, in billionths.
async fn one(gateway: &Gateway) -> (i64, i64) {
    assert_eq!(Reply::of(by(gateway, KEY, &request())).await.status, 200);
    let books = gateway.until(|books| books.verification.settled == 1).await;
    let connection = Connection::open(gateway.ledger()).expect("a ledger");
    let reserved = "SELECT reserved_nano FROM ledger";
    let reserved = connection.query_row(reserved, [], |row| row.get(0)).expect("an amount");
    (books.only().cost.expect("a cost").nano(), reserved)
}

/// What a key is told: whether it is served, and else why not.
async fn served(gateway: &Gateway, key: &str) -> Result<(), String> {
    let reply = Reply::of(by(gateway, key, &request())).await;
    let code = || reply.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
    match reply.status {
        200 => Ok(()),
        429 => Err(code()),
        other => panic!("{other}: {}", reply.text()),
    }
}

/// Asks until there is no money, and says how often it was served.
async fn exhaust(gateway: &Gateway, key: &str, tally: &Tally) -> usize {
    let mut count = 0;
    loop {
        match served(gateway, key).await {
            Ok(()) => count += 1,
            Err(code) => {
                assert!(["budget_exceeded", "budget_too_small"].contains(&&*code), "{code}");
                return count;
            }
        }
        tally.served.fetch_add(1, Relaxed);
        tally.more.notify_one();
    }
}

/// What all entries of a key have cost.
fn spent(gateway: &Gateway, key: &str) -> i64 {
    let books = gateway.books();
    let of = books.entries.iter().filter(|it| it.key == key);
    of.filter_map(|it| it.cost).map(policies::facts::Money::nano).sum()
}

/// The budget of a team or of a key, which is raised in the midst or not.
async fn exhausted(of_team: bool, raised: bool) {
    let (callers, requests) = if full() { (200, 1_000_i64) } else { (40, 200) };
    let up = SimBackend::start();
    let setup = Setup::new().operated().model("a", &up.urls()).and("[budget]\nwait_ms = 5000\n");
    let gateway = setup.start().await;
    let operator = Operator::at(gateway.admin_addr());
    let (cost, worst) = one(&gateway).await;
    let budget = |nano: i64| json!({ "budget": { "amount": decimal(nano), "window": "total" } });
    let (first, more) = (cost * requests, cost * requests / 2 + 1);
    let key = if of_team {
        let team = with(json!({ "name": "bound" }), budget(first));
        operator.done(Method::POST, "teams", team).await;
        operator.key(json!({ "name": "k", "team": "bound" })).await
    } else {
        operator.key(with(json!({ "name": "k" }), budget(first))).await
    };
    let owner = if of_team { "teams/bound" } else { "keys/k" };
    let (tally, began) = (Tally::default(), std::time::Instant::now());
    let raise = async {
        if raised {
            // Once a tenth has been served.
            while tally.served.load(Relaxed) < requests / 10 {
                tally.more.notified().await;
            }
            operator.done(Method::PATCH, owner, budget(first + more)).await;
        }
    };
    let all = join_all((0..callers).map(|_| exhaust(&gateway, &key, &tally)));
    let (counts, ()) = tokio::join!(all, raise);
    // What was reserved by others when somebody was refused is free by now.
    let settled = |books: &crate::harness::Books| books.verification.open == 0;
    gateway.until(settled).await;
    let last = exhaust(&gateway, &key, &tally).await;
    gateway.until(settled).await;
    let amount = if raised { first + more } else { first };
    let (spent, counted) = (spent(&gateway, "k"), counts.iter().sum::<usize>() + last);
    println!(
        "bar budget: {owner}{}, {callers} callers at once, {counted} requests served in {:.1} s: {} of {} \
         spent, overshoot {}, left {} where one request can cost {}",
        if raised { " raised in the midst" } else { "" },
        began.elapsed().as_secs_f64(),
        decimal(spent),
        decimal(amount),
        decimal((spent - amount).max(0)),
        decimal((amount - spent).max(0)),
        decimal(worst),
    );
    assert!(spent <= amount, "{spent} of {amount}");
    assert!(amount - spent < worst, "{spent} of {amount}: {worst} would still fit");
    if of_team {
        let said = gateway.metrics().await.sum("signalbox_budget_spent", &["team=\"bound\""]);
        assert_eq!((said * 1e9).round() as i64, spent);
    }
    gateway.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_spend_a_hard_budget_and_no_more() {
    for of_team in [false, true] {
        exhausted(of_team, false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_that_is_raised_in_the_midst_is_spent_and_no_more() {
    for of_team in [false, true] {
        exhausted(of_team, true).await;
    }
}
