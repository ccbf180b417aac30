//! The hash by which a policy is known, in the ledger and to operators.

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::Xxh3;

use crate::facts::FleetFacts;

/// xxh3 of the document and of everything in the fleet that a decision reads.
pub(super) fn hash(document: &str, fleet: &FleetFacts) -> String {
    let mut hasher = Xxh3::new();
    document.hash(&mut hasher);
    format!("{:?}{:?}{:?}", fleet.models, fleet.teams, fleet.aliases).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
