//! A budget that begins while requests are open counts these as well: whichever way it is new.

use futures_util::future::join_all;
use policies::facts::Money;
use serde_json::json;

use super::directory::{ANN, ann, budget, in_force, post, serving, status, team};
use crate::harness::{Reply, SimBackend, ask, sim_backend::quick, streamed, wait, with};

/// Room for one reservation of the open request, not for two.
const ROOM: &str = "0.0100";

fn named(window: &str, zone: &str) -> String {
    format!("{{ amount = \"{ROOM}\", window = \"{window}\", timezone = \"{zone}\" }}")
}

/// Every way in which a budget may be new: what is there before, and then.
fn ways() -> Vec<(&'static str, String, String)> {
    let cards = |budget: &str| team("cards", &format!("budget = {budget}"));
    let mine = |teams: String, team: &str| teams + &ann(&format!("team = \"{team}\""));
    let within = |teams: &str| teams.to_owned() + &ann("team = \"cards\"");
    let wide = cards("{ amount = \"1\", window = \"month\", timezone = \"UTC\" }");
    let below = |parent: &str, lines: &str| {
        team(parent, lines) + &team("cards", &format!("parent = \"{parent}\""))
    };
    let month = budget(ROOM);
    vec![
        ("a key's first", ann(""), ann(&month)),
        ("a team's first", within(&team("cards", "")), within(&team("cards", &month))),
        ("another window", within(&wide), within(&cards(&named("total", "UTC")))),
        ("another time zone", within(&wide), within(&cards(&named("month", "Asia/Singapore")))),
        ("first above the team", within(&below("bank", "")), within(&below("bank", &month))),
        (
            "renamed above the team",
            within(&below("bank", &budget("1"))),
            within(&below("bank-sg", &month)),
        ),
        (
            "the team itself is renamed",
            mine(team("bank", &budget("1")) + &team("cards", "parent = \"bank\""), "cards"),
            mine(team("bank", &month) + &team("cards-sg", "parent = \"bank\""), "cards-sg"),
        ),
    ]
}

#[tokio::test]
async fn what_is_open_when_a_budget_begins_counts_in_it() {
    for (way, before, after) in ways() {
        let up = SimBackend::with(quick().paced(0, 100));
        let setup = |sections: &str| serving(&up, sections).and("[budget]\nwait_ms = 0\n");
        let gateway = setup(&before).start().await;
        let long = with(streamed("a"), json!({ "max_tokens": 2000 }));
        let open = post(&gateway, ANN, &long).send().await.expect("a stream");
        in_force(&gateway.reload(&setup(&after)).await);
        let second = post(&gateway, ANN, &long).send().await.expect("an answer");
        assert_eq!(second.status(), 429, "{way}: the money is reserved");
        let body: serde_json::Value = second.json().await.expect("an error");
        let said = body["error"]["message"].as_str().unwrap_or_default();
        assert!(said.contains("still open"), "{way}: {said}");
        drop(open);
        gateway.until(|books| books.verification.settled == 1).await;
        let short = with(ask("a"), json!({ "max_tokens": 2000 }));
        let served = async || Reply::of(post(&gateway, ANN, &short)).await.status;
        wait::answers(way, 200, served).await;
        gateway.close().await;
    }
}

/// What the ledger says that a team has spent, in the unit of the metric.
fn in_ledger(books: &crate::harness::Books, team: &str) -> f64 {
    let costs = books.entries.iter().filter(|it| it.team == team).filter_map(|it| it.cost);
    costs.map(Money::nano).sum::<i64>() as f64 / 1e9
}

#[tokio::test]
async fn what_a_budget_that_begins_under_load_says_is_what_the_ledger_says() {
    let up = SimBackend::start();
    let stating = |lines: &str| serving(&up, &(team("cards", lines) + &ann("team = \"cards\"")));
    let gateway = stating("").start().await;
    let mut served = 0;
    for window in ["day", "week", "month", "total"] {
        let stated = named(window, "UTC").replace(ROOM, "9");
        let others = || join_all((0..12).map(|_| status(&gateway, ANN)));
        let reloaded = async { gateway.reload(&stating(&format!("budget = {stated}"))).await };
        let (first, reloaded, second) = tokio::join!(others(), reloaded, others());
        in_force(&reloaded);
        assert_eq!((first, second), (vec![200; 12], vec![200; 12]));
        served += 24;
        let books = gateway.until(|books| books.verification.settled == served).await;
        let (metrics, expected) = (gateway.metrics().await, in_ledger(&books, "cards"));
        let labels = ["team=\"cards\"", &format!("window=\"{window}\"")];
        let spent = metrics.sum("signalbox_budget_spent", &labels);
        assert!((spent - expected).abs() < 1e-12, "{window}: {spent} of {expected}");
        assert!(expected > 0.0, "{window}");
        assert!(metrics.sum("signalbox_budget_reserved", &labels).abs() < 1e-12, "{window}");
    }
    gateway.close().await;
}
