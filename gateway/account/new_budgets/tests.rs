use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use policies::{
    Counts,
    facts::{KeyIndex, Tokens, Window},
};
use proptest::prelude::*;

use super::*;
use crate::account::{
    Reservation,
    tests::{self, plan, team},
};

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn budget(amount: i64, window: Window) -> config::Budget {
    tests::budget(amount, window, true)
}

fn key(name: &str, team: u16, budgets: Vec<config::Budget>) -> Key {
    Key { name: name.into(), ..tests::key(team, budgets) }
}

/// A request in the memory of the gateway and in its ledger.
struct Entry {
    id: Uuid,
    key: usize,
    reserved: i64,
    /// While it is not settled.
    reservation: Option<Reservation>,
    /// Once its end is on its way to the ledger.
    cost: Option<i64>,
    /// Whether its end is in the ledger.
    written: bool,
}

impl Entry {
    fn committed(&self) -> i64 {
        self.cost.filter(|_| self.reservation.is_none()).unwrap_or(self.reserved)
    }
}

/// A gateway with two keys of one team, and its ledger.
#[derive(Default)]
struct World {
    accounts: Vec<Accounts>,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
enum Step {
    /// A request that comes in through the accounts so many versions ago.
    Admit { versions_ago: usize, key: usize, reserved: i64 },
    /// The end of one is handed to the ledger, with this cost.
    Send(usize, i64),
    /// One that was handed to it is settled.
    Settle(usize),
    /// The ledger writes one.
    Write(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize, 0..2_usize, 1..60_i64).prop_map(|(versions_ago, key, reserved)| Step::Admit {
            versions_ago,
            key,
            reserved
        }),
        (0..9_usize, 0..60_i64).prop_map(|(at, cost)| Step::Send(at, cost)),
        (0..9_usize).prop_map(Step::Settle),
        (0..9_usize).prop_map(Step::Write),
    ]
}

impl World {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Admit { versions_ago, key, reserved } => {
                let version = self.accounts.len().saturating_sub(1 + versions_ago);
                let accounts = &self.accounts[version];
                let id = Uuid::from_u128(self.entries.len() as u128);
                let request = Requester { id, key: format!("k{key}").into(), at: now() };
                let account = Arc::clone(accounts.of_key(key).unwrap());
                let plan = plan(reserved);
                let admit = account.admit(request, &plan, Tokens(0), Instant::now());
                let Some(Ok(reservation)) = admit.now_or_never() else { return };
                let reservation = Some(reservation);
                let (cost, written) = (None, false);
                self.entries.push(Entry { id, key, reserved, reservation, cost, written });
            }
            Step::Send(at, cost) => {
                let mut open = self.entries.iter_mut().filter(|it| it.cost.is_none());
                if let Some(it) = open.nth(at) {
                    it.cost = Some(cost.min(it.reserved));
                }
            }
            Step::Settle(at) => {
                let mut sent = self.entries.iter_mut().filter(|it| it.cost.is_some());
                let of = |it: &mut Entry| Some((it.reservation.take()?, it.cost?));
                if let Some((reservation, cost)) = sent.nth(at).and_then(of) {
                    reservation.settle(Money::from_nano(cost), Counts::default());
                }
            }
            Step::Write(at) => {
                let mut sent = self.entries.iter_mut().filter(|it| it.cost.is_some());
                sent.nth(at).into_iter().for_each(|it| it.written = true);
            }
        }
    }

    fn steps(&mut self, steps: &[Step]) {
        steps.iter().for_each(|step| self.step(step));
    }

    fn settle_all(&mut self) {
        for it in &mut self.entries {
            let cost = *it.cost.get_or_insert(it.reserved / 2);
            if let Some(reservation) = it.reservation.take() {
                reservation.settle(Money::from_nano(cost), Counts::default());
            }
        }
    }

    /// A reload as it is done, with these steps between its own.
    fn reload(&mut self, who: (&[Team], &[Key]), between: &[Vec<Step>; 4]) {
        let new = Arc::new(self.accounts.last().unwrap().new_budgets(who, now()));
        self.steps(&between[0]);
        self.accounts.last().unwrap().count_in(&new, <[_]>::to_vec, now());
        let settled = |it: &Entry| it.reservation.is_none() && it.cost.is_some();
        let flushed: Vec<usize> =
            (0..self.entries.len()).filter(|at| settled(&self.entries[*at])).collect();
        self.steps(&between[1]);
        flushed.into_iter().for_each(|at| self.entries[at].written = true);
        // The moment at which the ledger is read.
        let written: Vec<_> = self.entries.iter().filter(|it| it.written).collect();
        let spent: Vec<_> = written
            .iter()
            .map(|it| Spent {
                teams: vec![TeamIndex(0)],
                key: Some(KeyIndex(u32::try_from(it.key).unwrap())),
                at: now(),
                cost: Money::from_nano(it.cost.unwrap()),
            })
            .collect();
        let cost = |it: &&Entry| (it.id, Money::from_nano(it.cost.unwrap()));
        let costs: HashMap<_, _> = written.iter().map(cost).collect();
        let joined = new.joined();
        let costs = costs.into_iter().filter(|(id, _)| joined.contains(id)).collect();
        self.steps(&between[2]);
        new.begin(who, (&spent, &costs), now());
        self.steps(&between[3]);
        let after = self.accounts.last().unwrap().after(who, &new, Instant::now());
        self.accounts.push(after);
    }

    /// What the budget of this owner says is spent and is committed.
    fn said(&self, owner: &Owner, at: usize) -> (i64, i64) {
        let budget = &self.accounts.last().unwrap().budgets_of(owner)[at];
        let window = budget.window(now());
        let spent = window.spent().nano();
        (spent, spent + window.reserved().nano())
    }
}

proptest! {
    /// However a reload falls among requests that come, end and are written, budgets that begin with it know
    /// in the end exactly what was spent, and at no time less than is spent and reserved.
    #[test]
    fn a_budget_that_begins_knows_all_that_was_and_all_that_is_open(
        first in proptest::collection::vec(step(), 0..40),
        between in proptest::array::uniform4(proptest::collection::vec(step(), 0..8)),
        then in proptest::collection::vec(step(), 0..30),
        again in proptest::array::uniform4(proptest::collection::vec(step(), 0..8)),
        last in proptest::collection::vec(step(), 0..30),
    ) {
        // An admit that would wait asks for the time, and is given up.
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _timers = clock.enter();
        let (day, month, total) = (Window::Day, Window::Month, Window::Total);
        let mut world = World::default();
        let keys = [key("k0", 0, Vec::new()), key("k1", 0, Vec::new())];
        let who = (&[team("t", None, vec![budget(700, day)])][..], &keys[..]);
        let terms = (Duration::ZERO, &Arc::from("EUR"));
        world.accounts.push(Accounts::new(who, terms, (&[], now()), Instant::now()));
        world.steps(&first);
        // The team's other window, and the first budget of a key.
        let keys = [key("k0", 0, vec![budget(300, total)]), key("k1", 0, Vec::new())];
        let team_budgets = vec![budget(700, day), budget(500, month)];
        let who = (&[team("t", None, team_budgets)][..], &keys[..]);
        world.reload(who, &between);
        let team_owner = Owner::Team("t".into());
        let [k0, k1] = ["k0", "k1"].map(|name| Owner::Key(name.into()));
        let counted = |world: &World| {
            let of = |key: Option<usize>| -> i64 {
                let mine = world.entries.iter().filter(|it| key.is_none_or(|key| key == it.key));
                mine.map(Entry::committed).sum()
            };
            let team = world.said(&team_owner, 1).1 >= of(None);
            let day = world.said(&team_owner, 0).1 == of(None);
            team && day && world.said(&k0, 0).1 >= of(Some(0))
        };
        for step in &then {
            world.step(step);
            prop_assert!(counted(&world));
        }
        // Again, while requests of the first version are open: now the other key's first.
        let keys = [key("k0", 0, vec![budget(300, total)]), key("k1", 0, vec![budget(200, month)])];
        let who = (who.0, &keys[..]);
        world.reload(who, &again);
        for step in &last {
            world.step(step);
            prop_assert!(counted(&world));
        }
        world.settle_all();
        let cost = |key: Option<usize>| -> i64 {
            let mine = world.entries.iter().filter(|it| key.is_none_or(|key| key == it.key));
            mine.map(|it| it.cost.unwrap()).sum()
        };
        for (owner, at, key) in
            [(&team_owner, 0, None), (&team_owner, 1, None), (&k0, 0, Some(0)), (&k1, 0, Some(1))]
        {
            prop_assert_eq!(world.said(owner, at), (cost(key), cost(key)));
        }
    }
}

#[test]
fn a_request_that_came_in_before_the_window_does_not_count_in_it() {
    let keys = [key("k0", 0, Vec::new())];
    let terms = (Duration::ZERO, &Arc::from("EUR"));
    let who = (&[team("t", None, Vec::new())][..], &keys[..]);
    let accounts = Accounts::new(who, terms, (&[], now()), Instant::now());
    let admit = |id, at: &str| {
        let id = Uuid::from_u128(id);
        let request = Requester { id, key: "k0".into(), at: at.parse().unwrap() };
        let (account, plan) = (Arc::clone(accounts.of_key(0).unwrap()), plan(10));
        let admitted = account.admit(request, &plan, Tokens(0), Instant::now()).now_or_never();
        admitted.unwrap().ok().unwrap()
    };
    // Midnight in Singapore is at 16:00 UTC.
    let yesterday = admit(1, "2026-11-22T15:59:59Z");
    let today = admit(2, "2026-11-22T16:00:00Z");
    let who = (&[team("t", None, vec![budget(100, Window::Day)])][..], &keys[..]);
    let new = Arc::new(accounts.new_budgets(who, now()));
    accounts.count_in(&new, <[_]>::to_vec, now());
    new.begin(who, (&[], &HashMap::new()), now());
    let after = accounts.after(who, &new, Instant::now());
    let reading = |accounts: &Accounts| {
        let reading = &accounts.budgets(now())[0];
        (reading.spent.nano(), reading.reserved.nano())
    };
    assert_eq!(reading(&after), (0, 10));
    yesterday.settle(Money::from_nano(3), Counts::default());
    today.settle(Money::from_nano(4), Counts::default());
    assert_eq!(reading(&after), (4, 0));
}
