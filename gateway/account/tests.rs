use std::thread;

use futures_util::FutureExt as _;
use policies::{
    Counts, Matched, Plan, Why,
    facts::{DataClass, KeyIndex, Money, Tokens, Window},
};
use proptest::prelude::*;
use smallvec::{SmallVec, smallvec};

use super::{
    reserve::{Windows, try_reserve},
    shortage::Refusal,
    *,
};
use crate::{
    config::{Budget, Credential, Limits},
    failure::{Failure, Kind, Stage},
};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn noon() -> Timestamp {
    at("2026-11-23T12:00:00Z")
}

pub(super) fn nano(nano: i64) -> Money {
    Money::from_nano(nano)
}

pub(super) fn budget(amount: i64, window: Window, hard: bool) -> Budget {
    let timezone = jiff::tz::TimeZone::get("Asia/Singapore").unwrap();
    Budget::plain(nano(amount), window, hard, timezone)
}

pub(super) fn team(name: &str, parent: Option<u16>, budgets: Vec<Budget>) -> Team {
    Team {
        name: name.into(),
        parent: parent.map(TeamIndex),
        budgets,
        limits: Limits::default(),
        data_class: DataClass::Public,
        data_class_max: DataClass::Secret,
        priority: None,
        owner: None,
        tags: Default::default(),
    }
}

pub(super) fn key(team: u16, budgets: Vec<Budget>) -> Key {
    Key {
        name: "k".into(),
        team: TeamIndex(team),
        credential: Credential::Hash([0; 32]),
        budgets,
        limits: Limits::default(),
        data_class: None,
        data_class_max: None,
        priority: None,
        hints: true,
        feedback: false,
        frontend: false,
        owner: None,
        tags: Default::default(),
        expires: None,
    }
}

/// The account of the key at this place.
pub(super) fn of(accounts: &Accounts, key: usize) -> Arc<Account> {
    Arc::clone(accounts.of_key(key).unwrap())
}

/// What is left of the amounts that bind this key.
pub(super) fn left(accounts: &Accounts, key: usize) -> Option<Money> {
    of(accounts, key).left(noon()).map(|it| it.amount)
}

fn with_spent(teams: &[Team], keys: &[Key], spent: &[Spent]) -> Accounts {
    let named = |(at, key): (usize, &Key)| Key { name: format!("k{at}").into(), ..key.clone() };
    let keys: &[Key] = &keys.iter().enumerate().map(named).collect::<Vec<_>>();
    let terms = (SECOND, &Arc::from("EUR"));
    Accounts::new((teams, keys), terms, (spent, noon()), Instant::now())
}

pub(super) fn accounts(teams: &[Team], keys: &[Key]) -> Accounts {
    with_spent(teams, keys, &[])
}

/// One key in the team `default`, which has this budget a month.
pub(super) fn one(amount: i64, hard: bool) -> Accounts {
    accounts(
        &[team("default", None, vec![budget(amount, Window::Month, hard)])],
        &[key(0, Vec::new())],
    )
}

pub(super) fn plan(cost_max: i64) -> Plan {
    Plan {
        matched: Matched::Default,
        arm: None,
        rule: "default".into(),
        attempts: smallvec![],
        retries_max: 0,
        hedge: None,
        slow_stream: None,
        validates: false,
        cache_ttl_s: None,
        last_resort: false,
        cost_max: nano(cost_max),
        output_tokens_bound: Tokens(0),
        input_tokens: Tokens(0),
        input_tokens_bound: Tokens(0),
        why: Why::default(),
    }
}

/// A request that came in at this moment.
fn request(at: Timestamp) -> Requester {
    Requester { id: uuid::Uuid::nil(), key: "k".into(), at }
}

pub(super) async fn admit(accounts: &Accounts, cost: i64) -> Result<Reservation, Failure> {
    let admitted =
        of(accounts, 0).admit(request(noon()), &plan(cost), Tokens(0), Instant::now()).await;
    admitted.map_err(|it| it.failure(per_token))
}

/// The `max_tokens` that fit where a token costs a hundredth.
fn per_token(left: Money) -> Option<Tokens> {
    u32::try_from(left.nano() / 10_000_000).ok().filter(|it| *it > 0).map(Tokens)
}

/// A refusal's code and what its caller reads.
pub(super) fn told(refusal: Refusal) -> (&'static str, String) {
    let failure = refusal.failure(per_token);
    assert_eq!((failure.kind, failure.status()), (Kind::BudgetExceeded, 429));
    assert_eq!(failure.retry_after, None, "coming back soon is of no use");
    (failure.code, failure.public.into_owned())
}

pub(super) fn settle(reservation: Reservation, cost: i64) {
    reservation.settle(nano(cost), Counts::default());
}

fn reading(accounts: &Accounts) -> (i64, i64) {
    let readings = accounts.budgets(noon());
    (readings[0].spent.nano(), readings[0].reserved.nano())
}

#[tokio::test(start_paused = true)]
async fn what_is_reserved_is_spent_or_free_again() {
    let accounts = one(100, true);
    assert_eq!(left(&accounts, 0), Some(nano(100)));
    let first = admit(&accounts, 60).await.unwrap();
    assert_eq!((first.reserved(), reading(&accounts)), (nano(60), (0, 60)));
    let second = admit(&accounts, 40).await.unwrap();
    settle(first, 25);
    assert_eq!(reading(&accounts), (25, 40));
    drop(second);
    assert_eq!(reading(&accounts), (25, 0));
    assert_eq!(left(&accounts, 0), Some(nano(75)));
}

#[tokio::test(start_paused = true)]
async fn what_no_settle_can_make_room_for_is_refused_at_once() {
    let accounts = one(100, true);
    let began = tokio::time::Instant::now();
    settle(admit(&accounts, 60).await.unwrap(), 60);
    let held = admit(&accounts, 40).await.unwrap();
    let failure = admit(&accounts, 41).await.map(drop).unwrap_err();
    assert_eq!((failure.kind, failure.stage), (Kind::BudgetExceeded, Stage::Admit));
    assert_eq!(began.elapsed(), Duration::ZERO);
    drop(held);
}

/// Spent is spent, too little is too little, and reserved is reserved: each is told for what it is, with the
/// budget, what is left, what the request can cost, what would fit and when the budget begins anew.
#[tokio::test(start_paused = true)]
async fn a_refusal_says_why_there_is_no_room() {
    let accounts = one(100_000_000, true);
    let refused = async |amount| {
        let failure = admit(&accounts, amount).await.map(drop).unwrap_err();
        (failure.code, failure.public.into_owned())
    };
    const ANEW: &str = "the budget begins anew at 2026-12-01 00:00 (Asia/Singapore)";
    let (code, text) = refused(120_000_000).await;
    assert_eq!(code, "budget_too_small");
    assert_eq!(
        text,
        format!(
            "0.1 EUR of the month budget of team `default` are left, and this request can cost up to \
             0.12 EUR: it fits with max_tokens of 10 or less; {ANEW}"
        )
    );
    let held = admit(&accounts, 60_000_000).await.unwrap();
    let (code, text) = refused(60_000_000).await;
    assert_eq!(code, "budget_exceeded");
    assert_eq!(
        text,
        format!(
            "0.1 EUR of the month budget of team `default` are left, but requests that are still open \
             have reserved all but 0.04 of them, and this request can cost up to 0.06 EUR: come \
             back when they are done; it fits with max_tokens of 4 or less; {ANEW}"
        )
    );
    settle(held, 60_000_000);
    let (code, text) = refused(40_000_001).await;
    assert_eq!(code, "budget_too_small");
    assert!(text.contains("0.04 EUR of") && text.contains("0.040000001 EUR"), "{text}");
    settle(admit(&accounts, 39_000_000).await.unwrap(), 39_000_000);
    let (code, text) = refused(2_000_000).await;
    assert_eq!(code, "budget_too_small");
    assert!(text.contains("its input alone can cost more than that"), "{text}");
    settle(admit(&accounts, 1_000_000).await.unwrap(), 1_000_000);
    let (code, text) = refused(1).await;
    assert_eq!(code, "budget_exceeded");
    assert_eq!(
        text,
        format!(
            "the month budget of team `default`, 0.1 EUR, is spent, and this request can cost up to \
             0.000000001 EUR; {ANEW}"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_when_each_window_begins_anew() {
    let zoned = |zone: &str| jiff::tz::TimeZone::get(zone).unwrap();
    for (window, zone, expected) in [
        (Window::Day, "Asia/Singapore", "begins anew at 2026-11-24 00:00 (Asia/Singapore)"),
        (Window::Day, "America/Anchorage", "begins anew at 2026-11-24 00:00 (America/Anchorage)"),
        (Window::Day, "UTC", "begins anew at 2026-11-24 00:00 (UTC)"),
        (Window::Week, "Asia/Singapore", "begins anew at 2026-11-30 00:00 (Asia/Singapore)"),
        (Window::Month, "Europe/Berlin", "begins anew at 2026-12-01 00:00 (Europe/Berlin)"),
        (Window::Total, "Europe/Berlin", "never begins anew"),
    ] {
        let own = Budget { timezone: zoned(zone), ..budget(10, window, true) };
        let accounts = accounts(&[team("default", None, Vec::new())], &[key(0, vec![own])]);
        let text = admit(&accounts, 11).await.map(drop).unwrap_err().public;
        let name = format!("of the {} budget of key `k0` are left", window.code());
        assert!(text.contains(&name) && text.ends_with(expected), "{text}");
    }
    // The end of the window in which the request came in, not of the one in which the process began.
    let day = vec![budget(10, Window::Day, true)];
    let accounts = accounts(&[team("default", None, day)], &[key(0, Vec::new())]);
    let at = at("2026-12-30T15:59:59Z");
    let late = of(&accounts, 0).admit(request(at), &plan(11), Tokens(0), Instant::now()).await;
    let (_, text) = told(late.map(drop).unwrap_err());
    assert!(text.ends_with("2026-12-31 00:00 (Asia/Singapore)"), "{text}");
}

/// Of several budgets that are in the way, the tightest is named: the one that a caller has to know of.
#[tokio::test(start_paused = true)]
async fn of_several_budgets_the_tightest_is_named() {
    let bound = |own: Vec<Budget>, cards: Vec<Budget>, bank: Vec<Budget>| {
        let teams = [
            team("default", None, Vec::new()),
            team("bank", None, bank),
            team("cards", Some(1), cards),
        ];
        accounts(&teams, &[key(2, own), key(1, Vec::new())])
    };
    let of_window = |amount, window| vec![budget(amount, window, true)];
    let (day, month, total) = (Window::Day, Window::Month, Window::Total);
    for (accounts, named) in [
        (
            bound(of_window(50, day), of_window(60, day), of_window(70, total)),
            "day budget of key `k0`",
        ),
        (
            bound(of_window(70, day), of_window(50, day), of_window(60, day)),
            "day budget of team `cards`",
        ),
        (bound(vec![], of_window(60, day), of_window(50, total)), "total budget of team `bank`"),
        // A soft one is in nobody's way.
        (
            bound(vec![budget(1, day, false)], vec![], of_window(50, month)),
            "month budget of team `bank`",
        ),
        // Alike: the one that is in the way for longer. Another one is not small enough to matter.
        (
            bound(of_window(50, day), [of_window(50, month), of_window(90, day)].concat(), vec![]),
            "month budget of team `cards`",
        ),
        (bound(of_window(50, total), of_window(50, month), vec![]), "total budget of key `k0`"),
    ] {
        let text = admit(&accounts, 80).await.map(drop).unwrap_err().public;
        assert!(
            text.starts_with("0.00000005 EUR of the ") && text.contains(named),
            "{named}: {text}"
        );
    }
    // Enough is unspent in all of them, but others have reserved it in the bank's.
    let accounts = bound(of_window(50, day), of_window(100, day), of_window(90, month));
    let now = Instant::now();
    let other = of(&accounts, 1).admit(request(noon()), &plan(60), Tokens(0), now).await;
    let other = other.ok().unwrap();
    let failure = admit(&accounts, 40).await.map(drop).unwrap_err();
    assert_eq!(failure.code, "budget_exceeded");
    let expected = "0.00000009 EUR of the month budget of team `bank` are left, but requests that are \
                    still open have reserved all but 0.00000003 of them";
    assert!(failure.public.starts_with(expected), "{}", failure.public);
    // What is spent is named before what is only too small.
    settle(other, 90);
    let failure = admit(&accounts, 60).await.map(drop).unwrap_err();
    assert_eq!(failure.code, "budget_exceeded");
    assert!(failure.public.starts_with("the month budget of team `bank`"), "{}", failure.public);
}

#[tokio::test(start_paused = true)]
async fn what_would_fit_waits_and_then_is_refused() {
    let accounts = one(100, true);
    let held = admit(&accounts, 60).await.unwrap();
    let began = tokio::time::Instant::now();
    assert!(admit(&accounts, 60).await.is_err());
    assert_eq!(began.elapsed(), SECOND, "it waits as long as it may");
    drop(held);
    drop(admit(&accounts, 100).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_served_in_order() {
    let accounts = one(100, true);
    let held = admit(&accounts, 100).await.unwrap();
    let mut large = Box::pin(admit(&accounts, 90));
    let mut small = Box::pin(admit(&accounts, 10));
    assert!((&mut large).now_or_never().is_none());
    assert!((&mut small).now_or_never().is_none());
    settle(held, 5);
    let mut late = Box::pin(admit(&accounts, 1));
    assert!((&mut late).now_or_never().is_none(), "it does not go before those who wait");
    let large = large.await.unwrap();
    assert!((&mut small).now_or_never().is_none(), "95 is left, 90 is reserved");
    settle(large, 10);
    let (small, late) = (small.await.unwrap(), late.await.unwrap());
    assert_eq!(reading(&accounts), (15, 11));
    drop((small, late));
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_queue_leaves_nothing_behind() {
    let accounts = one(100, true);
    let held = admit(&accounts, 100).await.unwrap();
    let mut first = Box::pin(admit(&accounts, 50));
    let mut second = Box::pin(admit(&accounts, 50));
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    settle(held, 0);
    let second = second.await.unwrap();
    assert_eq!(reading(&accounts), (0, 50));
    drop(second);
    assert!(admit(&accounts, 100).now_or_never().unwrap().is_ok(), "nobody stands in line");
}

#[tokio::test(start_paused = true)]
async fn every_budget_up_the_tree_binds_or_none_is_touched() {
    let teams = [
        team("default", None, Vec::new()),
        team("bank", None, vec![budget(100, Window::Month, true)]),
        team("cards", Some(1), vec![budget(1_000, Window::Day, true)]),
    ];
    let keys = [key(2, vec![budget(70, Window::Total, true)]), key(1, Vec::new())];
    let accounts = accounts(&teams, &keys);
    let spent = || accounts.budgets(noon()).iter().map(|it| it.spent.nano()).collect::<Vec<_>>();
    settle(admit(&accounts, 60).await.unwrap(), 50);
    assert_eq!(spent(), [50, 50], "bank and cards");
    assert_eq!(left(&accounts, 0), Some(nano(20)), "the key's own is the smallest");
    assert_eq!(left(&accounts, 1), Some(nano(50)));
    let now = Instant::now();
    let other =
        of(&accounts, 1).admit(request(noon()), &plan(45), Tokens(0), now).await.ok().unwrap();
    settle(other, 45);
    assert!(admit(&accounts, 10).await.is_err(), "the bank has 5 left");
    assert_eq!(spent(), [95, 50]);
    assert!(accounts.budgets(noon()).iter().all(|it| it.reserved == Money::ZERO));
    assert!(admit(&accounts, 5).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_soft_budget_only_counts() {
    let accounts = one(10, false);
    settle(admit(&accounts, 60).await.unwrap(), 50);
    settle(admit(&accounts, 60).await.unwrap(), 50);
    assert_eq!(reading(&accounts), (100, 0));
    assert_eq!((left(&accounts, 0), of(&accounts, 0).binds()), (None, false));
    assert!(of(&one(10, true), 0).binds());
}

#[tokio::test(start_paused = true)]
async fn a_charge_belongs_to_the_window_in_which_it_was_reserved() {
    let day = vec![budget(100, Window::Day, true)];
    let accounts = accounts(&[team("default", None, day)], &[key(0, Vec::new())]);
    // Midnight in Singapore is at 16:00 UTC.
    let (before, after) = (at("2026-11-23T15:59:59Z"), at("2026-11-23T16:00:00Z"));
    let admit = |at| {
        let accounts = &accounts;
        let admitted = of(accounts, 0);
        async move {
            admitted.admit(request(at), &plan(80), Tokens(0), Instant::now()).await.ok().unwrap()
        }
    };
    let yesterday = admit(before).await;
    let today = admit(after).await;
    settle(yesterday, 80);
    let reading = accounts.budgets(after)[0].clone();
    assert_eq!((reading.spent, reading.reserved), (Money::ZERO, nano(80)));
    settle(today, 1);
    assert_eq!(accounts.budgets(after)[0].spent, nano(1));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_leaps_years_ahead_and_back_holds_no_budget_there() {
    let day = vec![budget(100, Window::Day, true)];
    let accounts = accounts(&[team("default", None, day)], &[key(0, Vec::new())]);
    let spend = async |moment: &str, cost| {
        let account = of(&accounts, 0);
        let now = Instant::now();
        let admitted = account.admit(request(at(moment)), &plan(cost), Tokens(0), now).await;
        admitted.ok().map(|it| settle(it, cost)).is_some()
    };
    let spent = |moment: &str| accounts.budgets(at(moment))[0].spent.nano();
    assert!(spend("2026-11-23T12:00:00Z", 60).await);
    assert!(spend("2036-11-23T12:00:00Z", 90).await);
    // The day that was left has ended, by the clock's own word: it is not begun a second time.
    assert_eq!(spent("2026-11-23T12:00:01Z"), 90);
    assert!(!spend("2026-11-23T12:00:02Z", 20).await);
    // The next day is one that nobody has had, and so is the one after it.
    assert!(spend("2026-11-23T16:00:00Z", 70).await);
    assert_eq!(spent("2026-11-23T16:00:01Z"), 70);
    assert!(!spend("2026-11-24T15:59:59Z", 40).await);
    assert!(spend("2026-11-24T16:00:00Z", 40).await);
    // A second back is no leap, also where a week without a request lies before it.
    assert!(spend("2026-12-01T16:00:00Z", 50).await);
    assert_eq!(spent("2026-12-01T15:59:59Z"), 50);
}

#[test]
fn a_reading_says_whether_a_budget_is_hard_and_the_window_that_counts() {
    let windows = [(Window::Day, true), (Window::Week, false), (Window::Month, true)];
    let all = windows.into_iter().chain([(Window::Total, false)]);
    let budgets = all.map(|(window, hard)| budget(100, window, hard)).collect();
    let accounts = accounts(&[team("default", None, budgets)], &[]);
    let read = |moment: &str| {
        let readings = accounts.budgets(at(moment));
        let span = |it: BudgetReading| (it.hard, it.span.map(|(from, to)| format!("{from} {to}")));
        readings.into_iter().map(span).collect::<Vec<_>>()
    };
    let wanted = [
        (true, Some("2026-11-25T16:00:00Z 2026-11-26T16:00:00Z".to_owned())),
        (false, Some("2026-11-22T16:00:00Z 2026-11-29T16:00:00Z".to_owned())),
        (true, Some("2026-10-31T16:00:00Z 2026-11-30T16:00:00Z".to_owned())),
        (false, None),
    ];
    assert_eq!(read("2026-11-26T12:00:00Z"), wanted);
    // A clock that is set back does not bring back a window that has ended.
    assert_eq!(read("2026-09-01T00:00:00Z"), wanted);
}

#[test]
fn windows_begin_where_their_zone_says() {
    let spent = |window, moments: &[&str]| {
        let before: Vec<_> = moments
            .iter()
            .map(|text| Spent { teams: vec![TeamIndex(0)], key: None, at: at(text), cost: nano(1) })
            .collect();
        let teams = [team("default", None, vec![budget(100, window, true)])];
        let keys = [key(0, Vec::new())];
        with_spent(&teams, &keys, &before).budgets(noon())[0].spent.nano()
    };
    // It is 20:00 on Monday the 23rd in Singapore.
    let edges = |first, before| [first, before].map(|text: &str| text.to_owned());
    for (window, [first, before]) in [
        (Window::Day, edges("2026-11-22T16:00:00Z", "2026-11-22T15:59:59Z")),
        (Window::Week, edges("2026-11-22T16:00:00Z", "2026-11-22T15:59:59Z")),
        (Window::Month, edges("2026-10-31T16:00:00Z", "2026-10-31T15:59:59Z")),
        (Window::Total, edges("1999-01-01T00:00:00Z", "9999-01-01T00:00:00Z")),
    ] {
        let counted = spent(window, &[&first]);
        assert_eq!(counted, 1, "{window} counts {first}");
        if window != Window::Total {
            assert_eq!(spent(window, &[&first, &before]), 1, "{window} does not count {before}");
        }
    }
}

#[test]
fn what_was_spent_before_counts_up_the_tree() {
    let teams = [
        team("default", None, vec![budget(9, Window::Month, true)]),
        team("bank", None, vec![budget(100, Window::Month, true)]),
        team("cards", Some(1), vec![budget(100, Window::Month, true)]),
    ];
    let keys = [key(2, vec![budget(10, Window::Month, true)]), key(2, Vec::new())];
    let spent = |teams: &[u16], key, cost| Spent {
        teams: teams.iter().copied().map(TeamIndex).collect(),
        key,
        at: noon(),
        cost: nano(cost),
    };
    let (first, second) = (Some(KeyIndex(0)), Some(KeyIndex(1)));
    // The last is of a key that is gone.
    let before = [spent(&[2, 1], first, 3), spent(&[2, 1], second, 20), spent(&[1], None, 50)];
    let accounts = with_spent(&teams, &keys, &before);
    let sums: Vec<_> = accounts.budgets(noon()).iter().map(|it| it.spent.nano()).collect();
    assert_eq!(sums, [0, 73, 23]);
    assert_eq!(left(&accounts, 0), Some(nano(7)));
    assert_eq!(left(&accounts, 1), Some(nano(27)));
}

fn limited(requests: Option<u32>, tokens: Option<u32>, concurrent: Option<u32>) -> Limits {
    Limits { requests_per_minute: requests, tokens_per_minute: tokens.map(Tokens), concurrent }
}

#[test]
fn a_permit_is_free_again_when_it_is_dropped() {
    let wide = Team { limits: limited(None, None, Some(2)), ..team("default", None, Vec::new()) };
    let narrow = Key { limits: limited(None, None, Some(1)), ..key(0, Vec::new()) };
    let accounts = accounts(&[wide], &[narrow, key(0, Vec::new())]);
    let now = Instant::now();
    let first = of(&accounts, 0).enter(now).unwrap_or_else(|it| panic!("{it}"));
    let failure = of(&accounts, 0).enter(now).map(drop).unwrap_err();
    assert_eq!((failure.kind, failure.retry_after), (Kind::RateLimited, Some(SECOND)));
    let said = "key `k0` may have 1 requests at once, and as many are open; come back in 1 s";
    assert_eq!(failure.public, said);
    let second = of(&accounts, 1).enter(now).unwrap_or_else(|it| panic!("{it}"));
    let full = of(&accounts, 1).enter(now).map(drop).unwrap_err();
    assert!(full.public.starts_with("team `default` may have 2 requests at once, "), "{full}");
    drop(first);
    let third = of(&accounts, 1).enter(now);
    assert!(third.is_ok(), "a refusal holds no place");
    drop((second, third));
}

#[test]
fn requests_a_minute_bind_key_and_team() {
    let limits = limited(Some(3), None, None);
    let teams = [Team { limits, ..team("default", None, Vec::new()) }];
    let keys =
        [Key { limits: limited(Some(2), None, None), ..key(0, Vec::new()) }, key(0, Vec::new())];
    let accounts = accounts(&teams, &keys);
    let now = Instant::now();
    let enter = |key| of(&accounts, key).enter(now).map(drop);
    assert!(enter(0).is_ok() && enter(0).is_ok());
    let mut headers = http::HeaderMap::new();
    of(&accounts, 0).limits(now).write(&mut headers);
    assert_eq!(headers["x-ratelimit-limit-requests"], "2", "the tightest of both");
    assert_eq!(headers["x-ratelimit-remaining-requests"], "0");
    assert_eq!(headers["x-ratelimit-reset-requests"], "60s");
    let failure = enter(0).unwrap_err();
    assert_eq!((failure.kind, failure.code), (Kind::RateLimited, "rate_limit_exceeded"));
    assert!(failure.retry_after.is_some_and(|wait| wait <= Duration::from_secs(30)));
    let said = failure.public.to_string();
    assert!(
        said.contains(" may send 2 requests a minute, and has sent them; come back in "),
        "{said}"
    );
    assert!(enter(1).is_ok(), "what the key was refused took nothing of the team's");
    assert!(enter(1).is_err());
}

#[tokio::test(start_paused = true)]
async fn tokens_that_were_not_used_come_back() {
    let limits = limited(None, Some(600), None);
    let teams = [Team { limits, ..team("default", None, vec![budget(5, Window::Day, true)]) }];
    let accounts = accounts(&teams, &[key(0, Vec::new())]);
    let now = Instant::now();
    let admit = |tokens, cost| {
        let accounts = &accounts;
        let account = of(accounts, 0);
        async move {
            let admitted = account.admit(request(noon()), &plan(cost), Tokens(tokens), now).await;
            admitted.map_err(|it| it.failure(per_token))
        }
    };
    let first = admit(600, 0).await.unwrap();
    let failure = admit(60, 0).await.map(drop).unwrap_err();
    assert_eq!(failure.retry_after, Some(6 * SECOND));
    let said = "team `default` may use 600 tokens a minute, and too few are left for the input of this \
                request, about 60; come back in 6 s";
    assert_eq!(failure.public, said);
    first.settle(Money::ZERO, Counts { input: 100, reasoning: 20, ..Counts::default() });
    assert!(admit(480, 9).await.is_err(), "no money");
    drop(admit(480, 5).await.unwrap());
    let mut headers = http::HeaderMap::new();
    of(&accounts, 0).limits(now).write(&mut headers);
    assert_eq!(headers["x-ratelimit-limit-tokens"], "600");
    assert_eq!(headers["x-ratelimit-remaining-tokens"], "480");
    assert_eq!(headers["x-ratelimit-reset-tokens"], "12s");
    assert!(!headers.contains_key("x-ratelimit-limit-requests"), "not limited");
}

/// What a request of a test does.
#[derive(Clone, Debug)]
enum Step {
    Admit(i64),
    Settle(usize, i64),
    Drop(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_i64..60).prop_map(Step::Admit),
        (0_usize..9, 0_i64..60).prop_map(|(at, cost)| Step::Settle(at, cost)),
        (0_usize..9).prop_map(Step::Drop),
    ]
}

proptest! {
    /// Any order of reserve, settle and release: spent and reserved never pass a hard budget, and the
    /// spent is the exact sum of what was settled.
    #[test]
    fn money_is_exact(steps in proptest::collection::vec(any_step(), 1..120)) {
        let month = budget(100, Window::Month, true);
        let teams = [
            team("default", None, Vec::new()),
            team("bank", None, vec![month.clone(), budget(40, Window::Day, false)]),
        ];
        let keys = [key(1, vec![budget(90, Window::Total, true)])];
        let accounts = accounts(&teams, &keys);
        let mut open: Vec<Reservation> = Vec::new();
        let mut spent = 0;
        for step in steps {
            match step {
                // A request that would wait is dropped where it waits.
                Step::Admit(cost) => {
                    let reserve = {
                        let windows: Windows = accounts.keys[0].budgets.iter()
                            .map(|budget| budget.window(noon())).collect();
                        try_reserve(&windows, nano(cost)).map_err(drop).map(|()| windows.clone())
                    };
                    let held: i64 = open.iter().map(|it| it.reserved.nano()).sum();
                    prop_assert_eq!(reserve.is_ok(), spent + held + cost <= 90);
                    open.extend(reserve.ok().map(|windows| Reservation {
                        reserved: nano(cost), windows, tokens: SmallVec::new(), open: None,
                    }));
                }
                Step::Settle(at, cost) if at < open.len() => {
                    let reservation = open.swap_remove(at);
                    let cost = cost.min(reservation.reserved.nano());
                    spent += cost;
                    settle(reservation, cost);
                }
                Step::Drop(at) if at < open.len() => drop(open.swap_remove(at)),
                _ => {}
            }
            let held: i64 = open.iter().map(|it| it.reserved.nano()).sum();
            for reading in accounts.budgets(noon()) {
                prop_assert_eq!(reading.spent, nano(spent));
                prop_assert_eq!(reading.reserved, nano(held));
            }
            prop_assert_eq!(left(&accounts, 0), Some(nano(90 - spent - held)));
        }
    }
}

#[test]
fn threads_never_pass_a_budget_and_lose_nothing() {
    let accounts = one(1_000, true);
    let clock = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let spent: i64 = thread::scope(|scope| {
        let workers: Vec<_> = (0..4_i64)
            .map(|worker| {
                let (accounts, clock) = (&accounts, clock.handle());
                scope.spawn(move || {
                    let _timers = clock.enter();
                    let mut spent = 0;
                    for turn in 0..2_000_i64 {
                        let cost = (turn * 7 + worker) % 40;
                        let Some(Ok(reservation)) = admit(accounts, cost).now_or_never() else {
                            continue;
                        };
                        let reading = &accounts.budgets(noon())[0];
                        assert!(reading.spent <= nano(1_000), "{reading:?}");
                        if turn % 3 == 0 {
                            drop(reservation);
                        } else if turn % 50 == 1 {
                            spent += cost / 2;
                            settle(reservation, cost / 2);
                        } else {
                            settle(reservation, 0);
                        }
                    }
                    spent
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(reading(&accounts), (spent, 0));
    assert!(spent > 0 && spent <= 1_000, "{spent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_who_wait_are_served_in_the_end() {
    let teams = [team("default", None, vec![budget(50, Window::Month, true)])];
    let terms = (Duration::from_secs(60), &Arc::from("EUR"));
    let keys = [key(0, Vec::new())];
    let accounts = Accounts::new((&teams, &keys), terms, (&[], noon()), Instant::now());
    let accounts = Arc::new(accounts);
    let tasks: Vec<_> = (0..64)
        .map(|turn: i64| {
            let accounts = Arc::clone(&accounts);
            tokio::spawn(async move {
                let reservation = admit(&accounts, 10 + turn % 40).await.unwrap();
                tokio::task::yield_now().await;
                settle(reservation, i64::from(turn == 5));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(reading(&accounts), (1, 0));
}

/// A hard budget with a grace above its amount.
fn graced(amount: i64, until: i64) -> Accounts {
    let own = Budget { soft_until: Some(nano(until)), ..budget(amount, Window::Month, true) };
    accounts(&[team("default", None, vec![own])], &[key(0, Vec::new())])
}

#[tokio::test(start_paused = true)]
async fn in_the_grace_nothing_is_left_and_requests_are_taken() {
    let accounts = graced(100, 130);
    let money = || of(&accounts, 0).left(noon()).map(|it| (it.amount.nano(), it.free.nano()));
    assert_eq!(money(), Some((100, 130)));
    settle(admit(&accounts, 90).await.unwrap(), 90);
    assert_eq!(money(), Some((10, 40)));
    let over = admit(&accounts, 30).await.unwrap();
    assert_eq!(money(), Some((0, 10)));
    settle(over, 30);
    assert_eq!(admit(&accounts, 11).await.map(drop).unwrap_err().code, "budget_too_small");
    settle(admit(&accounts, 10).await.unwrap(), 10);
    let text = admit(&accounts, 1).await.map(drop).unwrap_err().public.into_owned();
    assert!(text.contains("0.00000013 EUR, is spent"), "the bound that is true: {text}");
    assert_eq!(accounts.budgets(noon())[0].limit, nano(100), "the gauge has the amount");
}

#[tokio::test(start_paused = true)]
async fn a_share_that_is_kept_ends_with_the_grace() {
    let accounts = graced(100, 180);
    settle(admit(&accounts, 100).await.unwrap(), 100);
    let aside = give_way(&accounts, noon());
    assert_eq!(aside.len(), 1);
    let money = of(&accounts, 0).left(noon()).unwrap();
    assert_eq!((money.amount, money.free), (nano(0), nano(10)), "an eighth of what is left");
    assert!(admit(&accounts, 11).await.is_err());
    settle(admit(&accounts, 10).await.unwrap(), 10);
    take_back(&accounts);
    assert_eq!(of(&accounts, 0).left(noon()).unwrap().free, nano(70));
}
