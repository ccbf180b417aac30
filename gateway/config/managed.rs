//! What is managed while the gateway serves: keys and teams that stand in the store and not in the file, and
//! switches. A row holds the very fields that the file has for its kind, so that one reader serves both.

mod edit;
mod fields;
mod meaning;
mod proposal;
mod read;
mod refused;
#[cfg(test)]
mod tests;
mod written;

use std::{
    collections::BTreeMap,
    fmt,
    ops::Bound,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize};
use toml::Table;

pub use self::edit::{Author, Edit, OVERLAP_MS_MAX};
pub(crate) use self::fields::{fields, has_budget, over, same_budget, settable};
pub use self::proposal::{OPEN_MAX, POLICY, Proposal, ProposalState, shown_change};
pub(super) use self::read::{Sections, credentials, join_keys, stored_keys};
pub use self::refused::EditRefused;
pub(crate) use self::written::as_written;
use super::key::KeptKey;

/// What a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ManagedKind {
    /// A team, with the fields of `[[team]]`.
    Team,
    /// A key, with the fields of `[[key]]` but for its credential.
    Key,
    /// A model that is switched off.
    Model,
    /// An endpoint of a model that is drained: its name is the model's id, a blank and its URL, so that it is
    /// meant wherever it stands in the list.
    Endpoint,
    /// The policy that two persons have approved; there is one at the most.
    Policy,
    /// A change that waits for a second person, or has waited: its name is its id.
    Proposal,
}

impl ManagedKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Team, Self::Key, Self::Model, Self::Endpoint, Self::Policy, Self::Proposal];

    /// Whether its rows are switches of models and endpoints.
    pub(super) const fn is_switch(self) -> bool {
        matches!(self, Self::Model | Self::Endpoint)
    }

    /// The spelling in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Key => "key",
            Self::Model => "model",
            Self::Endpoint => "endpoint",
            Self::Policy => "policy",
            Self::Proposal => "proposal",
        }
    }
}

impl fmt::Display for ManagedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What has become of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagedState {
    /// It is in force.
    Active,
    /// A key that opens nothing any more; its name is not given again.
    Revoked,
    /// It is as if it had never been; its name may be given again.
    Removed,
}

impl ManagedState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Revoked, Self::Removed];

    /// The spelling in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
            Self::Removed => "removed",
        }
    }
}

/// By what a managed key is recognised: keyed hashes alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedCredential {
    /// HMAC-SHA-256 of the key under the pepper.
    pub hash: [u8; 32],
    /// That of the key before the last rotation, and until when it opens too, in milliseconds since 1970.
    pub previous: Option<([u8; 32], i64)>,
}

/// Who has done something, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// The name of an operator, or `cli:` and that of a user of the system.
    pub by: Arc<str>,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct ManagedRow {
    /// What it is of.
    pub kind: ManagedKind,
    /// Its name, of its own among those of its kind.
    pub name: Arc<str>,
    /// The fields that the configuration would have, without name and credential.
    pub fields: Table,
    /// By what a key is recognised.
    pub credential: Option<ManagedCredential>,
    /// Whether it is in force.
    pub state: ManagedState,
    /// How often it was written, from 1 on.
    pub version: i64,
    /// Who has made it.
    pub created: Done,
    /// Who has changed it last.
    pub changed: Done,
}

/// All rows, as of one change. Cheap to clone and to change: what two have in common stands once.
#[derive(Clone, Debug, Default)]
pub struct Managed {
    /// The number of the last change; 0 is before the first.
    pub last: i64,
    rows: Arc<Rows>,
}

/// Rows by kind and name.
type Rows = BTreeMap<(ManagedKind, Arc<str>), Arc<Stored>>;

/// A row, and what a key of it was read as, if that was without a fault: most rows stay as they are when
/// another one changes, and need not be read again.
#[derive(Debug)]
struct Stored {
    row: Arc<ManagedRow>,
    key: OnceLock<KeptKey>,
}

impl PartialEq for Stored {
    fn eq(&self, other: &Self) -> bool {
        self.row == other.row
    }
}

impl PartialEq for Managed {
    fn eq(&self, other: &Self) -> bool {
        self.last == other.last && (Arc::ptr_eq(&self.rows, &other.rows) || self.rows == other.rows)
    }
}

impl Managed {
    /// These rows take the place of those of their names, up to the change of this number.
    #[must_use]
    pub fn with(&self, last: i64, rows: impl IntoIterator<Item = ManagedRow>) -> Self {
        let mut all = Self { last, rows: Arc::clone(&self.rows) };
        rows.into_iter().for_each(|row| all.put(row));
        all
    }

    /// This row takes the place of that of its name. The first change of what is shared copies the list of
    /// rows once, and each after it costs no more than itself.
    pub fn put(&mut self, row: ManagedRow) {
        let name = (row.kind, Arc::clone(&row.name));
        let stored = Stored { row: Arc::new(row), key: OnceLock::new() };
        Arc::make_mut(&mut self.rows).insert(name, Arc::new(stored));
    }

    /// The row of this name, whatever has become of it.
    #[must_use]
    pub fn get(&self, kind: ManagedKind, name: &str) -> Option<&Arc<ManagedRow>> {
        self.rows.get(&(kind, Arc::from(name))).map(|it| &it.row)
    }

    /// The rows of a kind after a name, in the order of their names, those too that are not in force.
    pub fn after(&self, kind: ManagedKind, name: &str) -> impl Iterator<Item = &Arc<ManagedRow>> {
        self.stored(kind, name).map(|it| &it.row)
    }

    fn stored(&self, kind: ManagedKind, after: &str) -> impl Iterator<Item = &Stored> {
        let from = Bound::Excluded((kind, Arc::from(after)));
        let rows = self.rows.range((from, Bound::Unbounded));
        rows.take_while(move |((of, _), _)| *of == kind).map(|(_, it)| &**it)
    }

    /// The rows of a kind that are in force.
    pub fn active(&self, kind: ManagedKind) -> impl Iterator<Item = &Arc<ManagedRow>> {
        self.after(kind, "").filter(|row| row.state == ManagedState::Active)
    }

    /// The policy that two persons have approved, if there is one.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        let row = self.get(ManagedKind::Policy, POLICY)?;
        let row = (row.state == ManagedState::Active).then_some(row)?;
        row.fields.get("document")?.as_str()
    }

    /// The proposals that wait for a second person, with their rows.
    pub fn open_proposals(&self) -> impl Iterator<Item = (&Arc<ManagedRow>, Proposal)> {
        let rows = self.active(ManagedKind::Proposal);
        let all = rows.filter_map(|row| Some((row, Proposal::of_row(row)?)));
        all.filter(|(_, it)| it.state == ProposalState::Open)
    }
}
