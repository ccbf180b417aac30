//! Who asks, where a proof is about a list of models.

use super::space::{Area, Space};
use crate::{
    facts::{FleetFacts, KeyIndex, Signals, TeamIndex},
    policy::Policy,
    set::BitSet,
};

/// Lists of models, of keys and of teams, that are told to lead nowhere.
const LISTS_MAX: usize = 8;

/// A team or a key that has a list of models.
#[derive(Clone, Copy)]
pub(super) enum Asking {
    Team(TeamIndex),
    Key(KeyIndex),
}

impl Asking {
    /// Its requests; `named` are the keys that rules name.
    pub(super) fn area(self, space: &Space, named: &[KeyIndex]) -> Area {
        match self {
            Self::Team(team) => space.team(team),
            Self::Key(key) => space.key(key, named),
        }
    }

    /// What it is and how it is called.
    pub(super) fn name(self, fleet: &FleetFacts) -> String {
        let (what, name) = match self {
            Self::Team(team) => ("team", fleet.teams.get(team.get()).map(|it| &it.name)),
            Self::Key(key) => ("key", fleet.keys.get(key.get()).map(|it| &it.name)),
        };
        format!("{what} `{}`", name.map_or("", |name| name))
    }

    /// Makes it ask.
    pub(super) fn put(self, signals: &mut Signals) {
        match self {
            Self::Team(_) => {}
            Self::Key(key) => signals.key = key,
        }
    }
}

/// Teams and keys that may use some model and none of the default route: the first of each such list.
pub(super) fn shut_out(policy: &Policy) -> impl Iterator<Item = (Asking, &BitSet)> {
    let mut default = BitSet::empty(policy.fleet().models.len());
    policy.default.models.iter().for_each(|it| default.insert(it.get()));
    let teams = policy.team_lists().map(|(team, set)| (Asking::Team(team), set));
    let keys = policy.key_lists().map(|(key, set)| (Asking::Key(key), set));
    let shut = teams.chain(keys).filter(move |(_, set)| !set.is_empty() && !set.meets(&default));
    shut.take(LISTS_MAX)
}
