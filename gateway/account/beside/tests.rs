use std::time::{Duration, Instant};

use policies::facts::Window;
use proptest::prelude::*;

use super::*;
use crate::{
    account::tests::{key, team},
    config,
};

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// The team `bank`, with these budgets.
fn accounts(budgets: Vec<config::Budget>) -> Accounts {
    let (team, key) = (team("bank", None, budgets), key(0, Vec::new()));
    let terms = (Duration::ZERO, &Arc::from("EUR"));
    Accounts::new((&[team], &[key]), terms, (&[], now()), Instant::now())
}

fn budget(amount: i64, hard: bool) -> config::Budget {
    let (amount, timezone) = (Money::from_nano(amount), jiff::tz::TimeZone::UTC);
    config::Budget::plain(amount, Window::Month, hard, timezone)
}

/// A request: what it reserved, and its cost when it is closed.
#[derive(Clone, Copy, Debug)]
struct Entry {
    reserved: i64,
    cost: Option<i64>,
}

impl Entry {
    fn committed(self) -> i64 {
        self.cost.unwrap_or(self.reserved)
    }
}

struct Process {
    entries: Vec<Entry>,
    /// By entry, where it has reserved.
    windows: Vec<Arc<BudgetWindow>>,
    amount: i64,
}

fn window(accounts: &Accounts) -> Arc<BudgetWindow> {
    accounts.budgets_of(&Owner::Team("bank".into()))[0].window(now())
}

impl Process {
    fn admit(&mut self, accounts: &Accounts, reserved: i64) {
        let window = window(accounts);
        if window.reserve(Money::from_nano(reserved)) {
            self.entries.push(Entry { reserved, cost: None });
            self.windows.push(window);
        }
    }

    fn settle(&mut self, at: usize, cost: i64) {
        let mut open =
            self.entries.iter_mut().zip(&self.windows).filter(|(it, _)| it.cost.is_none());
        let Some((entry, window)) = open.nth(at % 5) else { return };
        let cost = cost.min(entry.reserved);
        entry.cost = Some(cost);
        window.settle(Money::from_nano(entry.reserved), Money::from_nano(cost));
    }

    fn committed(&self) -> i64 {
        self.entries.iter().map(|it| it.committed()).sum()
    }
}

/// What a ledger says of entries, all in one quarter of an hour.
fn count(beside: &mut Beside, accounts: &Accounts, entries: &[Entry]) {
    let settled = entries.iter().filter_map(|it| it.cost).sum();
    let reserved = entries.iter().filter(|it| it.cost.is_none()).map(|it| it.reserved).sum();
    let (settled, reserved) = (Money::from_nano(settled), Money::from_nano(reserved));
    let cost = Cost { teams: &["bank".into()], key: "k", at: now(), settled, reserved };
    beside.count(accounts, 0, cost, now());
}

#[derive(Clone, Debug)]
enum Step {
    OldAdmits(i64),
    OldSettles(usize, i64),
    NewAdmits(i64),
    NewSettles(usize, i64),
    /// What the ledger said so many steps ago is read.
    Reads(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..60_i64).prop_map(Step::OldAdmits),
        (0..9_usize, 0..60_i64).prop_map(|(at, cost)| Step::OldSettles(at, cost)),
        (1..60_i64).prop_map(Step::NewAdmits),
        (0..9_usize, 0..60_i64).prop_map(|(at, cost)| Step::NewSettles(at, cost)),
        (0..12_usize).prop_map(Step::Reads),
    ]
}

proptest! {
    /// However late the successor reads what the other one does, the two never commit more than there is,
    /// and in the end the successor has counted all of it.
    #[test]
    fn two_processes_never_commit_more_than_there_is(
        before in proptest::collection::vec(step(), 0..30),
        unread in 0..6_usize,
        first in proptest::collection::vec(step(), 0..30),
        then in proptest::collection::vec(step(), 0..60),
    ) {
        let amount = 400;
        let (old, new) = (accounts(vec![budget(amount, true)]), accounts(vec![budget(amount, true)]));
        let mut a = Process { entries: Vec::new(), windows: Vec::new(), amount };
        let mut b = Process { entries: Vec::new(), windows: Vec::new(), amount };
        for step in before {
            match step {
                Step::OldAdmits(reserved) => a.admit(&old, reserved),
                Step::OldSettles(at, cost) => a.settle(at, cost),
                _ => {}
            }
        }
        let mut beside = Beside::default();
        // The last of what was admitted is not in the ledger yet.
        let known = a.entries.len().saturating_sub(unread);
        count(&mut beside, &new, &a.entries[..known]);
        let aside = give_way(&old, now());
        let told = serde_json::to_string(&aside).unwrap();
        beside.hold(&new, &serde_json::from_str::<Vec<SetAside>>(&told).unwrap(), now());
        let mut history = vec![a.entries[..known].to_vec()];
        let mut read = 0;
        for (steps, all_read) in [(first, false), (then, true)] {
            if all_read {
                // In time, all of what was admitted before is in the ledger, and read.
                history.push(a.entries.clone());
                read = history.len() - 1;
                count(&mut beside, &new, &a.entries);
                beside.settle_down();
            }
            for step in steps {
                match step {
                    Step::OldAdmits(reserved) => a.admit(&old, reserved),
                    Step::OldSettles(at, cost) => a.settle(at, cost),
                    Step::NewAdmits(reserved) => b.admit(&new, reserved),
                    Step::NewSettles(at, cost) => b.settle(at, cost),
                    Step::Reads(ago) => {
                        read = read.max((history.len() - 1).saturating_sub(ago));
                        count(&mut beside, &new, &history[read]);
                    }
                }
                history.push(if all_read { a.entries.clone() } else { history[0].clone() });
                prop_assert!(a.committed() + b.committed() <= a.amount.min(b.amount));
            }
        }
        while a.entries.iter().chain(&b.entries).any(|it| it.cost.is_none()) {
            a.settle(0, 7);
            b.settle(0, 7);
        }
        count(&mut beside, &new, &a.entries);
        beside.end();
        let window = window(&new);
        prop_assert_eq!(window.spent().nano(), a.committed() + b.committed());
        prop_assert_eq!(window.reserved(), Money::ZERO);
    }
}

#[test]
fn who_goes_on_has_all_back_and_a_soft_budget_is_not_divided() {
    let both = vec![budget(800, true)];
    let old = accounts(both);
    assert!(window(&old).reserve(Money::from_nano(80)));
    let aside = give_way(&old, now());
    assert_eq!((aside.len(), aside[0].most, aside[0].share), (1, 170, 90));
    assert!(!window(&old).reserve(Money::from_nano(91)), "it may use its share alone");
    let share = window(&old);
    assert!(share.reserve(Money::from_nano(90)) && !share.reserve(Money::from_nano(1)));
    share.settle(Money::from_nano(90), Money::from_nano(10));
    assert!(share.reserve(Money::from_nano(80)), "what a late request has not used is free again");
    take_back(&old);
    assert!(!window(&old).reserve(Money::from_nano(631)), "80 + 10 + 80 are committed");
    share.release(Money::from_nano(80));
    assert!(window(&old).reserve(Money::from_nano(710)));
    assert_eq!(give_way(&accounts(vec![budget(800, false)]), now()), []);
}

#[test]
fn what_counts_in_another_window_is_not_counted_in_this_one() {
    let new = accounts(vec![budget(800, true)]);
    let mut beside = Beside::default();
    let (settled, reserved) = (Money::from_nano(5), Money::from_nano(7));
    let at = "2026-10-31T23:59:59Z".parse().unwrap();
    let cost = Cost { teams: &["bank".into()], key: "k", at, settled, reserved };
    beside.count(&new, 0, cost, now());
    assert_eq!((window(&new).spent(), window(&new).reserved()), (Money::ZERO, Money::ZERO));
}
