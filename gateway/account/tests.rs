//! Money: never over a hard budget, never lost, whatever the order; and quota.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderMap;
use jiff::Timestamp;
use policies::{
    Counts, Matched, Plan, Planned, Why,
    facts::{
        DataClass, KeyIndex, ModelIndex, Money, Price, Signals, TeamIndex, Timeouts, Tokens, Window,
    },
};
use proptest::prelude::*;
use smallvec::smallvec;

use super::{Accounts, Permit, price};
use crate::{
    config::{Budget, Credential, Key, Limits, Team},
    failure::Kind,
    outcome::{Attempt, AttemptResult, Caller, ModelName, Names, Trail, UsageSource},
};

fn budget(amount: i64, hard: bool) -> Budget {
    Budget {
        amount: Money::from_nano(amount),
        window: Window::Day,
        hard,
        timezone: jiff::tz::TimeZone::get("Asia/Singapore").unwrap(),
    }
}

fn team(name: &str, parent: Option<u16>, budgets: Vec<Budget>, limits: Limits) -> Team {
    Team {
        name: name.into(),
        parent: parent.map(TeamIndex),
        budgets,
        limits,
        data_class: DataClass::Public,
        data_class_max: DataClass::Secret,
    }
}

fn key(team: u16, budgets: Vec<Budget>, limits: Limits) -> Key {
    Key {
        name: "k".into(),
        team: TeamIndex(team),
        credential: Credential::Hash([0; 32]),
        budgets,
        limits,
        data_class: None,
        data_class_max: None,
        hints: true,
        expires: None,
    }
}

fn caller(key: u32) -> Caller {
    Caller {
        key: KeyIndex(key),
        key_name: "k".into(),
        team_path: smallvec![TeamIndex(0)],
        team_name: "bank".into(),
        data_class: DataClass::Public,
        data_class_max: DataClass::Secret,
        hints: true,
    }
}

fn plan(cost_max: i64) -> Plan {
    Plan {
        matched: Matched::Default,
        rule: "default".into(),
        attempts: smallvec![Planned {
            model: ModelIndex(0),
            timeouts: Timeouts::default(),
            output_tokens_max: Tokens(100),
        }],
        retries_max: 0,
        cost_max: Money::from_nano(cost_max),
        output_tokens_bound: Tokens(100),
        why: Why::default(),
    }
}

fn noon() -> Timestamp {
    "2026-11-24T04:00:00Z".parse().unwrap()
}

fn accounts(teams: &[Team], keys: &[Key]) -> Accounts {
    Accounts::new(teams, keys, Duration::from_secs(1), (&[], noon()))
}

/// A bank of 1,000 with a team of 600 in it and a key for each.
fn bank() -> Accounts {
    let teams = [
        team("bank", None, vec![budget(1_000, true)], Limits::default()),
        team("retail", Some(0), vec![budget(600, true)], Limits::default()),
    ];
    accounts(&teams, &[key(0, vec![], Limits::default()), key(1, vec![], Limits::default())])
}

async fn admit(accounts: &Accounts, who: u32, cost: i64, at: Timestamp) -> Result<Permit, Kind> {
    let (caller, plan) = (caller(who), plan(cost));
    let admitted = accounts.admit(&caller, &plan, Tokens(10), (Instant::now(), at));
    admitted.await.map_err(|failure| failure.kind)
}

fn spent(accounts: &Accounts, at: Timestamp) -> Vec<(i64, i64)> {
    let readings = accounts.budgets(at);
    readings.iter().map(|it| (it.spent.nano(), it.reserved.nano())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_child_spends_its_own_budget_and_its_parents() {
    let accounts = bank();
    let permit = admit(&accounts, 1, 500, noon()).await.unwrap();
    assert_eq!(spent(&accounts, noon()), [(0, 500), (0, 500)]);
    permit.settle(Money::from_nano(120), Counts::default());
    assert_eq!(spent(&accounts, noon()), [(120, 0), (120, 0)]);
    assert_eq!(accounts.left(&caller(1), noon()), Some(Money::from_nano(480)));
    assert_eq!(admit(&accounts, 1, 481, noon()).await.err(), Some(Kind::BudgetExceeded));
    assert_eq!(spent(&accounts, noon()), [(120, 0), (120, 0)], "all or nothing");
}

#[tokio::test(start_paused = true)]
async fn an_admit_waits_for_open_reservations_but_not_for_ever() {
    let accounts = Arc::new(bank());
    let held = admit(&accounts, 0, 900, noon()).await.unwrap();
    let waiting = tokio::spawn({
        let accounts = Arc::clone(&accounts);
        async move { admit(&accounts, 0, 300, noon()).await.map(|permit| permit.reserved()) }
    });
    tokio::task::yield_now().await;
    held.settle(Money::from_nano(100), Counts::default());
    assert_eq!(waiting.await.unwrap(), Ok(Money::from_nano(300)));
    let _held = admit(&accounts, 0, 900, noon()).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(admit(&accounts, 0, 300, noon()).await.err(), Some(Kind::BudgetExceeded));
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
    assert_eq!(admit(&accounts, 0, 950, noon()).await.err(), Some(Kind::BudgetExceeded));
    assert_eq!(begun.elapsed(), Duration::from_secs(1), "what could never fit is not waited for");
}

#[tokio::test(start_paused = true)]
async fn a_permit_settles_in_the_window_in_which_it_was_made() {
    let accounts = bank();
    let late: Timestamp = "2026-11-24T15:59:59Z".parse().unwrap();
    let next: Timestamp = "2026-11-24T16:00:00Z".parse().unwrap();
    let permit = admit(&accounts, 0, 700, late).await.unwrap();
    assert_eq!(spent(&accounts, next)[0], (0, 0), "midnight in Singapore");
    permit.settle(Money::from_nano(650), Counts::default());
    assert_eq!(spent(&accounts, next)[0], (0, 0));
    assert!(admit(&accounts, 0, 1_000, next).await.is_ok());
}

#[tokio::test]
async fn a_soft_budget_refuses_nothing() {
    let teams = [team("bank", None, vec![budget(10, false)], Limits::default())];
    let accounts = accounts(&teams, &[key(0, vec![], Limits::default())]);
    admit(&accounts, 0, 500, noon())
        .await
        .unwrap()
        .settle(Money::from_nano(500), Counts::default());
    assert_eq!(spent(&accounts, noon()), [(500, 0)]);
    assert_eq!((accounts.left(&caller(0), noon()), accounts.binds(&caller(0))), (None, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_together_never_pass_a_hard_budget() {
    let teams = [team("bank", None, vec![budget(100_000, true)], Limits::default())];
    let accounts =
        Accounts::new(&teams, &[key(0, vec![], Limits::default())], Duration::ZERO, (&[], noon()));
    let accounts = Arc::new(accounts);
    let work = |seed: u64| {
        let accounts = Arc::clone(&accounts);
        tokio::spawn(async move {
            let mut sum = 0;
            for round in 0..2_000 {
                let cost = ((seed * 7 + round * 13) % 90 + 10) as i64;
                let Ok(permit) = admit(&accounts, 0, cost, noon()).await else { continue };
                let (used, reserved) = spent(&accounts, noon())[0];
                assert!(used + reserved <= 100_000 + 100, "{used} + {reserved}");
                if round % 3 == 0 {
                    drop(permit);
                } else {
                    sum += cost / 2;
                    permit.settle(Money::from_nano(cost / 2), Counts::default());
                }
            }
            sum
        })
    };
    let mut sum = 0;
    for worker in (0..4).map(work).collect::<Vec<_>>() {
        sum += worker.await.unwrap();
    }
    assert_eq!(spent(&accounts, noon()), [(sum, 0)]);
    assert!(sum <= 100_000);
}

proptest! {
    /// Any order of admit, settle and drop: spent and reserved stay within the amount, and what is
    /// spent in the end is the exact sum.
    #[test]
    fn any_order_keeps_the_books(steps in prop::collection::vec((0..3u8, 0..2u32, 1..400i64), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let accounts = bank();
            let (mut open, mut sums) = (Vec::new(), [0, 0]);
            for (step, who, cost) in steps {
                match (step, open.pop()) {
                    (0, last) => {
                        open.extend(last);
                        if let Ok(permit) = admit(&accounts, who, cost, noon()).await {
                            open.push((who, permit));
                        }
                    }
                    (1, Some((who, permit))) => {
                        let cost = permit.reserved().nano().min(cost);
                        sums[0] += cost;
                        sums[1] += if who == 1 { cost } else { 0 };
                        permit.settle(Money::from_nano(cost), Counts::default());
                    }
                    (_, last) => drop(last),
                }
                for ((spent, reserved), most) in spent(&accounts, noon()).into_iter().zip([1_000, 600]) {
                    assert!(spent + reserved <= most && reserved >= 0);
                }
            }
            drop(open);
            assert_eq!(spent(&accounts, noon()), [(sums[0], 0), (sums[1], 0)]);
        });
    }
}

#[tokio::test]
async fn limits_are_kept_and_shown() {
    let limits = Limits {
        requests_per_minute: Some(2),
        tokens_per_minute: Some(Tokens(100)),
        concurrent: Some(1),
    };
    let accounts =
        accounts(&[team("bank", None, vec![], Limits::default())], &[key(0, vec![], limits)]);
    let who = caller(0);
    let seat = accounts.enter(&who).unwrap();
    assert_eq!(accounts.enter(&who).err().map(|it| it.kind), Some(Kind::RateLimited), "at once");
    drop(seat);
    drop(accounts.enter(&who).unwrap());
    let third = accounts.enter(&who).err().unwrap();
    assert!(third.retry_after.unwrap() > Duration::from_secs(1), "{third:?}");
    let now = Instant::now();
    let take =
        |tokens| accounts.admit(&who, PLAN.get_or_init(|| plan(0)), Tokens(tokens), (now, noon()));
    let permit = take(90).await.unwrap();
    assert_eq!(take(20).await.err().map(|it| it.kind), Some(Kind::RateLimited));
    permit.settle(Money::ZERO, Counts { input: 10, ..Counts::default() });
    assert!(take(20).await.is_ok(), "tokens that were not used are given back");
    let mut headers = HeaderMap::new();
    accounts.limits(&who, now).write(&mut headers);
    assert_eq!(headers["x-ratelimit-limit-requests"], "2");
    assert_eq!(headers["x-ratelimit-remaining-requests"], "0");
    assert_eq!(headers["x-ratelimit-limit-tokens"], "100");
}

static PLAN: std::sync::OnceLock<Plan> = std::sync::OnceLock::new();

fn attempt(result: Option<AttemptResult>, sent: bool) -> Attempt {
    Attempt {
        model: ModelIndex(0),
        endpoint: 0,
        endpoint_label: "e".into(),
        started: Instant::now(),
        took: None,
        result,
        sent,
    }
}

fn names() -> Names {
    let nano = Money::from_nano;
    let price = Price { input: nano(1_000_000), output: nano(3_000_000), ..Price::default() };
    Names {
        replica: "r".into(),
        currency: "USD".into(),
        policy_version: "p".into(),
        policy_hash: "h".into(),
        price_version: "v".into(),
        models: vec![ModelName { id: "m".into(), zone: None, price: Some(price) }],
        teams: vec!["bank".into()],
    }
}

/// One nano-unit a token in, three a token out; 10 tokens in, at most 1,000 in and 100 out.
fn charged(trail: &Trail) -> (i64, UsageSource) {
    let mut signals = Signals::chat("auto");
    (signals.input_tokens, signals.input_tokens_bound) = (Tokens(10), Tokens(1_000));
    let charge = price::charge(trail, &signals, &plan(0), &names());
    (charge.cost.nano(), charge.usage.source)
}

#[test]
fn attempts_are_charged_by_what_is_known_of_them() {
    use AttemptResult::{Cancelled, Connect, Cut, Invalid, LostHedge, Ok, Status, Timeout};
    use UsageSource::{Estimated, Reported};
    let failed =
        |result, sent| Trail { attempts: smallvec![attempt(result, sent)], ..Trail::default() };
    for free in [Connect, Status, Invalid] {
        assert_eq!(charged(&failed(Some(free), true)), (0, Reported), "{free:?}");
    }
    assert_eq!(charged(&failed(Some(Timeout), false)), (0, Reported), "not sent whole");
    for given_up in [Timeout, Cancelled, LostHedge] {
        assert_eq!(charged(&failed(Some(given_up), true)), (10, Estimated), "{given_up:?}");
    }
    let counts = |input, output| Some(Counts { input, output, ..Counts::default() });
    let served = |result, reported, counted, complete| Trail {
        attempts: smallvec![attempt(Some(Timeout), true), attempt(Some(result), true)],
        committed: Some(1),
        reported,
        counted_output: Tokens(counted),
        complete,
        ..Trail::default()
    };
    assert_eq!(charged(&served(Ok, counts(20, 30), 9, true)), (10 + 20 + 90, Estimated));
    assert_eq!(charged(&served(Ok, counts(20, 101), 9, true)), (10 + 10 + 27, Estimated));
    assert_eq!(charged(&served(Cut, None, 7, false)), (10 + 10 + 21, Estimated));
    assert_eq!(charged(&served(Cut, counts(20, 5), 7, false)), (10 + 20 + 21, Estimated));
    assert_eq!(charged(&served(Ok, None, 4_000, true)), (10 + 10 + 300, Estimated), "clipped");
    let alone = Trail {
        attempts: smallvec![attempt(Some(Ok), true)],
        ..served(Ok, counts(20, 30), 0, true)
    };
    let alone = Trail { committed: Some(0), ..alone };
    assert_eq!(charged(&alone), (20 + 90, Reported));
}
