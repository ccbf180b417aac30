//! What was spent before this process began, for the budgets of today: by the names in the ledger,
//! whatever has become of keys and teams since.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use policies::facts::{KeyIndex, TeamIndex};

use crate::{
    account::{Spent, earliest, path},
    config::{Config, Key, Team},
    record::StoreError,
    store::{BootMark, BootMoney, Reader, Spending},
};

/// As far back as any window reaches that runs.
pub(super) fn spent(config: &Config, at: Timestamp) -> Result<Vec<Spent>, StoreError> {
    let Some(since) = since(config, at) else { return Ok(Vec::new()) };
    let found = Reader::open(&config.ledger.sqlite)?.spendings(since.as_millisecond())?;
    Ok(all_counted(&found, config))
}

/// A moment of the ledger, and who reads on from there.
pub(super) type Marked = (Reader, BootMark);

/// The same beside processes that still serve or end their requests: what these settle from now on is not
/// in it, and is read on from the mark. Nothing is to be read where there is no budget.
pub(super) fn spent_beside(
    config: &Config,
    at: Timestamp,
    boots: &[i64],
) -> Result<(Vec<Spent>, Option<Marked>), StoreError> {
    let Some(since) = since(config, at) else { return Ok((Vec::new(), None)) };
    let reader = Reader::open(&config.ledger.sqlite)?;
    let (found, mark) = reader.spendings_and_mark(since.as_millisecond(), boots)?;
    Ok((all_counted(&found, config), Some((reader, mark))))
}

/// The first moment of the longest of the windows that run, if there is a budget.
fn since(config: &Config, at: Timestamp) -> Option<Timestamp> {
    let budgets = config.teams.iter().map(|team| &team.budgets);
    let budgets = budgets.chain(config.keys.iter().map(|key| &key.budgets)).flatten();
    earliest(budgets, at)
}

fn all_counted(found: &[Spending], config: &Config) -> Vec<Spent> {
    let places = Places::new(&config.teams, &config.keys);
    found.iter().filter_map(|it| counted(it, &places)).collect()
}

/// The teams for which the money of another process counts.
pub(super) fn teams_of(money: &BootMoney, teams: &[Team]) -> Vec<Arc<str>> {
    let BootMoney { at_ms, teams: then, whole, .. } = money;
    let (then, key, cost) = (Arc::clone(then), String::new(), money.settled);
    let spending = Spending { at_ms: *at_ms, teams: then, whole: *whole, key, cost };
    let counts = counts_for(&spending, &Places::new(teams, &[]));
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
        teams: counts_for(it, places),
        key: places.key.get(&*it.key).copied(),
        at: Timestamp::from_millisecond(it.at_ms).ok()?,
        cost: it.cost,
    })
}

/// Money counts for the team that spent it and for those above it as they hung then: a key or a team
/// that is removed or moved gives nothing back. Where one on that way is gone, under whatever name it
/// may live on, the nearest that is left also counts for all above it today.
fn counts_for(it: &Spending, places: &Places<'_>) -> Vec<TeamIndex> {
    let find = |name: &String| places.team.get(&**name).copied();
    let mut counts: Vec<TeamIndex> = it.teams.iter().filter_map(find).collect();
    if !it.whole || counts.len() < it.teams.len() {
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
    use policies::facts::{DataClass, Money};

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
