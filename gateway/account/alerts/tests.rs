use policies::facts::TeamIndex;

use super::*;
use crate::{
    account::{
        Spent,
        tests::{admit, at, budget, key, nano, noon, settle, team},
    },
    config,
};

fn shares(shares: &[f64]) -> Vec<Share> {
    shares.iter().map(|it| Share::of(*it).unwrap()).collect()
}

fn of(amount: i64, told_at: &[f64]) -> config::Budget {
    let plain = budget(amount, Window::Month, false);
    config::Budget { alerts: shares(told_at), ..plain }
}

/// One key in one team with this budget.
fn with(budget: config::Budget, spent: i64) -> Accounts {
    let cost = nano(spent);
    let spent = [Spent { teams: vec![TeamIndex(0)], key: None, at: noon(), cost }];
    let who = (&[team("default", None, vec![budget])][..], &[key(0, Vec::new())][..]);
    let terms = (std::time::Duration::from_secs(1), &Arc::from("EUR"));
    Accounts::new(who, terms, (&spent, noon()), std::time::Instant::now())
}

/// The same accounts after a reload with another budget.
fn reloaded(accounts: &Accounts, budget: config::Budget) -> Accounts {
    let who = (&[team("default", None, vec![budget])][..], &[key(0, Vec::new())][..]);
    let new = accounts.new_budgets(who, noon());
    accounts.after(who, &new, std::time::Instant::now())
}

async fn spend(accounts: &Accounts, cost: i64) {
    settle(admit(accounts, cost).await.unwrap(), cost);
}

fn told(accounts: &Accounts, now: Timestamp) -> Vec<(String, i64, i64)> {
    let told = |it: BudgetAlert| (it.share.to_string(), it.spent.nano(), it.limit.nano());
    alerts(accounts, now).into_iter().map(told).collect()
}

#[tokio::test(start_paused = true)]
async fn each_share_is_told_once_a_window() {
    let accounts = with(of(100, &[0.5, 0.8, 1.0, 2.0]), 0);
    assert!(told(&accounts, noon()).is_empty());
    spend(&accounts, 49).await;
    assert!(told(&accounts, noon()).is_empty());
    spend(&accounts, 1).await;
    assert_eq!(told(&accounts, noon()), [("0.5".into(), 50, 100)]);
    assert!(told(&accounts, noon()).is_empty());
    spend(&accounts, 60).await;
    assert_eq!(told(&accounts, noon()), [("0.8".into(), 110, 100), ("1".into(), 110, 100)]);
    let found = alerts(&accounts, noon());
    assert_eq!(found, [], "what is reserved and what was told is no news");
    // The next window begins with nothing.
    assert!(told(&accounts, at("2026-12-02T12:00:00Z")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_alert_says_whose_it_is_and_when_its_window_began() {
    let accounts = with(of(100, &[0.5]), 0);
    spend(&accounts, 50).await;
    let found = alerts(&accounts, noon()).remove(0);
    assert_eq!((found.team.as_deref(), found.key), (Some("default"), None));
    assert_eq!(
        (found.window, found.window_start),
        (Window::Month, Some(at("2026-10-31T16:00:00Z")))
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_passed_before_the_process_began_was_told_by_the_one_before() {
    let accounts = with(of(100, &[0.5, 0.8]), 60);
    assert!(told(&accounts, noon()).is_empty());
    spend(&accounts, 20).await;
    assert_eq!(told(&accounts, noon()), [("0.8".into(), 80, 100)]);
}

#[tokio::test(start_paused = true)]
async fn a_raised_amount_tells_anew_what_is_passed_again() {
    let accounts = with(of(100, &[0.5, 1.0]), 0);
    spend(&accounts, 100).await;
    assert_eq!(told(&accounts, noon()).len(), 2);
    let accounts = reloaded(&accounts, of(180, &[0.5, 1.0]));
    assert!(told(&accounts, noon()).is_empty(), "half of it is passed still");
    spend(&accounts, 80).await;
    assert_eq!(told(&accounts, noon()), [("1".into(), 180, 180)]);
    // A lower amount, and another share that is passed already.
    let accounts = reloaded(&accounts, of(90, &[0.5, 1.0, 1.5]));
    assert_eq!(told(&accounts, noon()), [("1.5".into(), 180, 90)]);
    let accounts = reloaded(&accounts, of(90, &[]));
    assert!(told(&accounts, noon()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_window_that_has_ended_comes_to_is_told_of_it() {
    let accounts = with(of(100, &[0.5, 1.0]), 0);
    let open = admit(&accounts, 70).await.unwrap();
    assert!(told(&accounts, noon()).is_empty());
    let next = at("2026-12-02T12:00:00Z");
    assert!(told(&accounts, next).is_empty());
    settle(open, 60);
    let found = alerts(&accounts, next);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].window_start, Some(at("2026-10-31T16:00:00Z")), "the window it counts in");
    assert!(told(&accounts, next).is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_what_is_a_successors_it_tells() {
    let hard = config::Budget { hard: true, ..of(100, &[0.5, 0.8]) };
    let accounts = with(hard, 0);
    spend(&accounts, 50).await;
    let aside = crate::account::give_way(&accounts, noon());
    assert_eq!(aside.len(), 1);
    assert_eq!(told(&accounts, noon()).len(), 1, "passed before it was given away");
    spend(&accounts, 6).await;
    accounts.budgets_of_all().for_each(|(_, budget)| {
        budget.window_of(noon(), noon()).unwrap().count(30, 30);
    });
    assert!(told(&accounts, noon()).is_empty());
    crate::account::take_back(&accounts);
    assert_eq!(told(&accounts, noon()).len(), 1, "it goes on");
}
