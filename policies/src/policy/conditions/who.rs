//! Who asks: conditions on teams and keys.

use std::collections::HashSet;

use super::{super::names::Names, complement, dimension};
use crate::{
    document::{Faults, Section},
    facts::{KeyIndex, Signals, TeamFacts, TeamIndex},
    set::BitSet,
};

/// Where a set of teams has the nearest team of a request. 0 is no team, so that a request without one
/// is never taken for the first team's.
pub(crate) fn team_slot(signals: &Signals) -> usize {
    signals.team_path.first().map_or(0, |team| team.get() + 1)
}

/// The keys that a rule names, or with `not` all others. It is as large as what the rule says, however
/// many keys there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeySet {
    /// In order.
    named: Vec<KeyIndex>,
    not: bool,
}

impl KeySet {
    /// Whether a key is one of them; a key that the policy does not know is one of the others.
    pub(crate) fn takes(&self, key: KeyIndex) -> bool {
        self.named.binary_search(&key).is_ok() != self.not
    }

    /// The keys that stand in the rule.
    pub(crate) fn named(&self) -> &[KeyIndex] {
        &self.named
    }
}

/// The teams whose path to the root passes a named one.
pub(super) fn teams(
    section: &mut Section<'_>,
    names: &Names<'_>,
    faults: &mut Faults,
) -> Option<BitSet> {
    let (texts, not) = dimension(section, "team", faults)?;
    let named: HashSet<usize> = names.teams(texts, faults).into_iter().collect();
    let fleet = names.fleet;
    let slots = fleet.teams.len() + 1;
    let mut under = BitSet::empty(slots);
    for at in 0..fleet.teams.len() {
        if ancestry(&fleet.teams, at).any(|team| named.contains(&team)) {
            under.insert(at + 1);
        }
    }
    Some(complement(&under, slots, not))
}

/// A team and its ancestors. Parents stand earlier in the list, so this ends.
fn ancestry(teams: &[TeamFacts], at: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(at), |at| {
        let parent: Option<TeamIndex> = teams.get(*at)?.parent;
        parent.map(TeamIndex::get).filter(|parent| parent < at)
    })
}

pub(super) fn keys(
    section: &mut Section<'_>,
    names: &Names<'_>,
    faults: &mut Faults,
) -> Option<KeySet> {
    let (texts, not) = dimension(section, "key", faults)?;
    let named = names.keys(texts, faults);
    let index = |at: usize| u32::try_from(at).ok().map(KeyIndex);
    let mut named: Vec<KeyIndex> = named.into_iter().filter_map(index).collect();
    named.sort_unstable();
    named.dedup();
    Some(KeySet { named, not })
}
