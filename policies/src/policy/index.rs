//! Which rules can match at all: for each value of each indexed dimension, a set of rules. A decision
//! is a few ANDs and a look at what is left.

use super::{
    Rule, When,
    conditions::{KeySet, team_slot},
};
use crate::{
    facts::{DataClass, FleetFacts, KeyIndex, Language, Operation, Signals, Task},
    set::BitSet,
};

/// Sets of rules by value, one list for each indexed dimension.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    language: Vec<BitSet>,
    task: Vec<BitSet>,
    data_class: Vec<BitSet>,
    operation: Vec<BitSet>,
    stream: Vec<BitSet>,
    team: Vec<BitSet>,
    /// The keys that rules name, in order.
    named: Vec<KeyIndex>,
    /// For a key that no rule names, and then for each that one names.
    key: Vec<BitSet>,
    all: BitSet,
}

impl Index {
    pub(super) fn new(rules: &[Rule], fleet: &FleetFacts) -> Self {
        let by = |size: usize, takes: &dyn Fn(&When, usize) -> bool| -> Vec<BitSet> {
            let rules_of = |value| {
                let mut set = BitSet::empty(rules.len());
                let taking = (0..).zip(rules).filter(|(_, rule)| takes(&rule.when, value));
                taking.for_each(|(at, _)| set.insert(at));
                set
            };
            (0..size).map(rules_of).collect()
        };
        let within = |set: &Option<BitSet>, at| set.as_ref().is_none_or(|set| set.contains(at));
        let named = named_keys(rules.iter());
        // No rule names the key after the last.
        let keys: Vec<KeyIndex> = [KeyIndex(u32::MAX)].into_iter().chain(named.clone()).collect();
        let takes_key = |when: &When, at: usize| {
            let key = keys.get(at).copied().unwrap_or(KeyIndex(u32::MAX));
            when.key.as_ref().is_none_or(|set| set.takes(key))
        };
        Self {
            language: by(Language::COUNT, &|when, at| within(&when.language, at)),
            task: by(Task::COUNT, &|when, at| within(&when.task, at)),
            data_class: by(DataClass::ALL.len(), &|when, at| within(&when.data_class, at)),
            operation: by(Operation::ALL.len(), &|when, at| within(&when.operation, at)),
            stream: by(2, &|when, at| when.stream.is_none_or(|it| usize::from(it) == at)),
            team: by(fleet.teams.len() + 1, &|when, at| within(&when.team, at)),
            key: by(keys.len(), &takes_key),
            named,
            all: BitSet::full(rules.len()),
        }
    }

    /// The rules whose indexed conditions hold.
    pub(crate) fn candidates(&self, signals: &Signals) -> BitSet {
        let mut set = self.all.clone();
        let lists = [
            self.language.get(signals.language.index()),
            self.task.get(signals.task.index()),
            self.data_class.get(signals.data_class as usize),
            self.operation.get(signals.operation as usize),
            self.stream.get(usize::from(signals.stream)),
            self.team.get(team_slot(signals)).or(self.team.first()),
            self.key.get(self.named.binary_search(&signals.key).map_or(0, |at| at + 1)),
        ];
        lists.into_iter().flatten().for_each(|list| set.retain(list));
        set
    }
}

/// The keys that any rule names, in order.
pub(crate) fn named_keys<'a>(rules: impl Iterator<Item = &'a Rule>) -> Vec<KeyIndex> {
    let sets = rules.filter_map(|rule| rule.when.key.as_ref());
    let mut named: Vec<KeyIndex> = sets.flat_map(KeySet::named).copied().collect();
    named.sort_unstable();
    named.dedup();
    named
}
