//! Which models teams and keys may use. Many have the same list: it stands once.

use std::collections::HashMap;

use crate::{document::Faults, facts::FleetFacts, select::select, set::BitSet};

/// The lists of all teams, or of all keys.
#[derive(Clone, Debug)]
pub(super) struct AllowLists {
    /// By team or key, which of the sets.
    of: Vec<u32>,
    /// Models, each set once.
    sets: Vec<BitSet>,
}

impl AllowLists {
    /// Reads what each list names; `what` is the section they stand in.
    pub(super) fn read<'a>(
        what: &str,
        lists: impl Iterator<Item = &'a [Box<str>]>,
        fleet: &FleetFacts,
        faults: &mut Faults,
    ) -> Self {
        let mut known: HashMap<&[Box<str>], u32> = HashMap::new();
        let mut all = Self { of: Vec::new(), sets: Vec::new() };
        for (at, list) in lists.enumerate() {
            let number = match known.get(list) {
                Some(number) => *number,
                None => {
                    let before = faults.count();
                    all.sets.push(set_of(&format!("{what}[{at}].models"), list, fleet, faults));
                    let number = u32::try_from(all.sets.len() - 1).unwrap_or(u32::MAX);
                    // A list with a fault is read again, so that the fault is said of each that has it.
                    if faults.count() == before {
                        known.insert(list, number);
                    }
                    number
                }
            };
            all.of.push(number);
        }
        all
    }

    /// Whether whoever may use one model may use the other.
    pub(super) fn admit(&self, one: usize, other: usize) -> bool {
        self.sets.iter().all(|set| !set.contains(one) || set.contains(other))
    }

    /// Each different list once: the first that has it, and its models.
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, &BitSet)> {
        let mut next = 0;
        // Sets are numbered as they are met.
        let first = move |(at, number): (usize, &u32)| {
            let new = *number == next;
            next += u32::from(new);
            new.then_some((at, *number as usize))
        };
        let firsts = (0..).zip(&self.of).filter_map(first);
        firsts.filter_map(|(at, number)| Some((at, self.sets.get(number)?)))
    }

    /// Leaves of `set` what this team or key may use. Whom the policy does not know may use nothing;
    /// where it knows nobody at all, it says nothing.
    pub(super) fn bind(&self, at: usize, set: &mut BitSet) {
        match self.of.get(at).and_then(|number| self.sets.get(*number as usize)) {
            Some(list) => set.retain(list),
            None if self.of.is_empty() => {}
            None => set.clear(),
        }
    }
}

fn set_of(path: &str, list: &[Box<str>], fleet: &FleetFacts, faults: &mut Faults) -> BitSet {
    let mut set = BitSet::empty(fleet.models.len());
    for (item, selector) in list.iter().enumerate() {
        let found = select(&format!("{path}[{item}]"), selector, fleet, faults);
        found.iter().for_each(|model| set.insert(model.get()));
    }
    set
}
