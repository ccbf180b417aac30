//! What was spent before this process began, for the budgets of today: by the names in the ledger,
//! whatever has become of keys and teams since.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use policies::facts::{KeyIndex, Money, TeamIndex};
use uuid::Uuid;

use crate::{
    account::{Spent, earliest, path},
    config::{Config, Key, Team},
    record::StoreError,
    store::{Balances, BootMark, BootMoney, Reader, Spending},
};

/// A moment of the ledger, and who reads on from there.
pub(super) type Marked = (Reader, BootMark);

/// What was spent, as far back as any window reaches that runs. What processes of these boots settle from
/// now on, while they serve or end their requests, is not in it, and is read on from the mark. What of it is
/// of the requests that `joined` names comes with it. Nothing is to be read where there is no budget.
pub(super) fn spent_beside(
    config: &Config,
    at: Timestamp,
    boots: &[i64],
    joined: impl FnOnce() -> HashSet<Uuid>,
) -> Result<Past, StoreError> {
    let Some(since) = since(config, at) else { return Ok(Past::default()) };
    let reader = Reader::open(&config.ledger.sqlite)?;
    let Balances { spendings, costs, mark } =
        reader.balances(since.as_millisecond(), boots, joined)?;
    let marked = (!boots.is_empty()).then_some((reader, mark));
    Ok(Past { spent: all_counted(&spendings, config), costs, marked })
}

/// What the ledger knows at one moment.
#[derive(Default)]
pub(super) struct Past {
    /// What was spent.
    pub spent: Vec<Spent>,
    /// What of it the requests have cost that were asked for.
    pub costs: HashMap<Uuid, Money>,
    /// Where the entries of other processes are read on from, if there are any.
    pub marked: Option<Marked>,
}

/// The first moment of the longest of the windows that run, if there is a budget.
fn since(config: &Config, at: Timestamp) -> Option<Timestamp> {
    let payers = config.payers();
    let budgets = config.teams.iter().map(|team| &team.budgets);
    let budgets = budgets.chain(payers.iter().map(|key| &key.budgets)).flatten();
    earliest(budgets, at)
}

fn all_counted(found: &[Spending], config: &Config) -> Vec<Spent> {
    let payers = config.payers();
    let places = Places::new(&config.teams, &payers);
    found.iter().filter_map(|it| counted(it, &places)).collect()
}

/// The teams for which the money of another process counts.
pub(super) fn teams_of(money: &BootMoney, teams: &[Team]) -> Vec<Arc<str>> {
    names(&counts_for(&money.teams, money.whole, &Places::new(teams, &[])), teams)
}

/// The teams for which a request counts that came in under these, the nearest first.
pub(super) fn counted_for<'a>(teams: &'a [Team]) -> impl Fn(&[Arc<str>]) -> Vec<Arc<str>> + 'a {
    let places = Places::new(teams, &[]);
    move |then| names(&counts_for(then, true, &places), teams)
}

fn names(counts: &[TeamIndex], teams: &[Team]) -> Vec<Arc<str>> {
    counts.iter().filter_map(|at| teams.get(at.get())).map(|team| Arc::clone(&team.name)).collect()
}

/// Where teams and keys stand in the configuration, by their names.
struct Places<'a> {
    teams: &'a [Team],
    team: HashMap<&'a str, TeamIndex>,
    key: HashMap<&'a str, KeyIndex>,
}

impl<'a> Places<'a> {
    fn new(teams: &'a [Team], keys: &'a [Key]) -> Self {
        let team = teams.iter().zip(0..).map(|(team, at)| (&*team.name, TeamIndex(at)));
        let key = keys.iter().zip(0..).map(|(key, at)| (&*key.name, KeyIndex(at)));
        Self { teams, team: team.collect(), key: key.collect() }
    }
}

fn counted(it: &Spending, places: &Places<'_>) -> Option<Spent> {
    Some(Spent {
        teams: counts_for(&it.teams, it.whole, places),
        key: places.key.get(&*it.key).copied(),
        at: Timestamp::from_millisecond(it.at_ms).ok()?,
        cost: it.cost,
    })
}

/// Money counts for the team that spent it and for those above it as they hung then: a key or a team
/// that is removed or moved gives nothing back. Where one on that way is gone, under whatever name it
/// may live on, the nearest that is left also counts for all above it today.
fn counts_for(then: &[impl AsRef<str>], whole: bool, places: &Places<'_>) -> Vec<TeamIndex> {
    let find = |name: &_| places.team.get(AsRef::<str>::as_ref(name)).copied();
    let mut counts: Vec<TeamIndex> = then.iter().filter_map(find).collect();
    if !whole || counts.len() < then.len() {
        let nearest = counts.first().copied();
        for above in nearest.into_iter().flat_map(|nearest| path(nearest, places.teams)) {
            if !counts.contains(&above) {
                counts.push(above);
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use policies::facts::DataClass;

    use super::*;

    fn teams(tree: &[(&str, Option<u16>)]) -> Vec<Team> {
        let team = |(name, parent): &(&str, Option<u16>)| Team {
            name: (*name).into(),
            parent: parent.map(TeamIndex),
            budgets: Vec::new(),
            limits: Default::default(),
            data_class: DataClass::Public,
            data_class_max: DataClass::Secret,
            priority: None,
            owner: None,
            tags: Default::default(),
        };
        tree.iter().map(team).collect()
    }

    fn counts(then: &[&str], whole: bool, now: &[(&str, Option<u16>)]) -> Vec<String> {
        let names: Vec<String> = then.iter().map(|&it| it.to_owned()).collect();
        let (teams, cost) = (teams(now), Money::from_nano(1));
        let it = Spending { at_ms: 0, teams: names.into(), whole, key: "gone".into(), cost };
        let counted = counted(&it, &Places::new(&teams, &[])).unwrap();
        assert_eq!((counted.key, counted.cost), (None, cost), "a key that is gone");
        counted.teams.iter().map(|at| teams[at.get()].name.to_string()).collect()
    }

    #[test]
    fn money_counts_for_the_teams_that_hung_above_when_it_was_spent() {
        let then = ["cards", "bank", "group"];
        for (now, expected) in [
            (
                vec![("group", None), ("bank", Some(0)), ("cards", Some(1))],
                vec!["cards", "bank", "group"],
            ),
            // In any order of the file.
            (
                vec![("x", None), ("group", None), ("bank", Some(1)), ("cards", Some(2))],
                vec!["cards", "bank", "group"],
            ),
            // The team is gone, or all but the top.
            (vec![("group", None), ("bank", Some(0))], vec!["bank", "group"]),
            (vec![("group", None), ("retail", Some(0))], vec!["group"]),
            // It hangs elsewhere now: what it had spent stays where it was spent.
            (
                vec![("group", None), ("bank", Some(0)), ("retail", None), ("cards", Some(2))],
                vec!["cards", "bank", "group"],
            ),
            // Another name above it.
            (
                vec![("group", None), ("bank-sg", Some(0)), ("cards", Some(1))],
                vec!["cards", "group", "bank-sg"],
            ),
            // Nobody is left.
            (vec![("other", None)], vec![]),
        ] {
            assert_eq!(counts(&then, true, &now), expected, "{now:?}");
        }
    }

    #[test]
    fn of_the_first_version_a_team_counts_where_it_hangs_today() {
        let now = [("group", None), ("cards", Some(0))];
        assert_eq!(counts(&["cards"], false, &now), ["cards", "group"]);
        assert!(counts(&["gone"], false, &now).is_empty());
    }
}
