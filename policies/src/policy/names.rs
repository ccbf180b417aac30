//! Names that rules mention, found in the fleet: the tables for it are made once for all rules of a policy,
//! and only if one of them names a team or a key.

use std::{cell::OnceCell, collections::HashMap};

use crate::{document::Faults, facts::FleetFacts};

/// Where teams and keys stand in a fleet, by their names.
pub(super) struct Names<'a> {
    /// The fleet.
    pub(super) fleet: &'a FleetFacts,
    teams: OnceCell<HashMap<&'a str, usize>>,
    keys: OnceCell<HashMap<&'a str, usize>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(fleet: &'a FleetFacts) -> Self {
        Self { fleet, teams: OnceCell::new(), keys: OnceCell::new() }
    }

    /// The positions of these teams.
    pub(super) fn teams(&self, texts: Vec<(String, &str)>, faults: &mut Faults) -> Vec<usize> {
        let names = self.fleet.teams.iter().map(|it| &*it.name);
        positions(texts, "a team", (names, &self.teams), faults)
    }

    /// The positions of these keys.
    pub(super) fn keys(&self, texts: Vec<(String, &str)>, faults: &mut Faults) -> Vec<usize> {
        let names = self.fleet.keys.iter().map(|it| &*it.name);
        positions(texts, "a key", (names, &self.keys), faults)
    }
}

fn positions<'a>(
    texts: Vec<(String, &str)>,
    what: &str,
    (names, known): (impl Iterator<Item = &'a str> + Clone, &OnceCell<HashMap<&'a str, usize>>),
    faults: &mut Faults,
) -> Vec<usize> {
    let known = known.get_or_init(|| {
        let mut known = HashMap::new();
        // The first of a name counts, as if they were looked through.
        for (at, name) in names.clone().enumerate() {
            known.entry(name).or_insert(at);
        }
        known
    });
    let mut found = Vec::with_capacity(texts.len());
    for (path, text) in texts {
        match known.get(text) {
            Some(at) => found.push(*at),
            None => faults.push_unknown(path, text, what, names.clone()),
        }
    }
    found
}
