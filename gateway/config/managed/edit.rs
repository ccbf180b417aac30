//! Changes of what is managed, as plain values: what is asked for, and the row that it makes of the one
//! before. Whether the whole is still a configuration is found by reading it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use toml::Table;

use super::{
    Done, EditRefused, Managed, ManagedCredential, ManagedKind, ManagedRow, ManagedState,
    fields::{over, patched},
    meaning::{known_nulls, same},
};
use crate::outcome::AuditAction;

/// A change of one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "snake_case")]
pub enum Edit {
    /// A row of a new name.
    Create {
        /// What it is of.
        kind: ManagedKind,
        /// Its name.
        name: Arc<str>,
        /// Its fields.
        fields: Table,
        /// The keyed hash of a key, as 64 hexadecimal digits.
        hash: Option<String>,
    },
    /// Other fields of a row: a JSON merge patch (RFC 7396), in which `null` takes a field away.
    Patch {
        /// What it is of.
        kind: ManagedKind,
        /// Its name.
        name: Arc<str>,
        /// The fields that change.
        patch: Map<String, Value>,
        /// The version that the change was made for; whatever it is, without one.
        version: Option<i64>,
    },
    /// All fields of a row, which is made where there is none.
    Put {
        /// What it is of.
        kind: ManagedKind,
        /// Its name.
        name: Arc<str>,
        /// Its fields.
        fields: Table,
        /// The version that is meant, which only a row that is there has; whatever it is, without one.
        #[serde(default)]
        version: Option<i64>,
    },
    /// A key that is to open nothing any more.
    Revoke {
        /// Its name.
        name: Arc<str>,
        /// The version that is meant; whatever it is, without one.
        version: Option<i64>,
    },
    /// Another secret for a key.
    Rotate {
        /// Its name.
        name: Arc<str>,
        /// The keyed hash of the new one, as 64 hexadecimal digits.
        hash: String,
        /// For so many milliseconds the old one opens too.
        overlap_ms: i64,
        /// Whether an overlap that runs may end by this: a key has one secret beside its own at the most.
        #[serde(default)]
        end_overlap: bool,
        /// The version that is meant; whatever it is, without one.
        #[serde(default)]
        version: Option<i64>,
    },
    /// A row that is to be gone.
    Remove {
        /// What it is of.
        kind: ManagedKind,
        /// Its name.
        name: Arc<str>,
        /// The version that is meant; whatever it is, without one.
        version: Option<i64>,
    },
}

/// The longest time for which the secret before a rotation opens too: a quarter of a year.
pub const OVERLAP_MS_MAX: i64 = 90 * 86_400_000;

/// Who asks for a change, and when.
#[derive(Clone, Debug)]
pub struct Author {
    /// The name of an operator, or `cli:` and that of a user of the system.
    pub by: Arc<str>,
    /// Milliseconds since 1970: from when on spans of it are reckoned.
    pub at_ms: i64,
    /// Milliseconds since 1970 of the newest record of the audit trail: where somebody has set the clock
    /// back, what is recorded is not of before it all the same.
    pub not_before_ms: i64,
    /// Why, in words; may be empty.
    pub reason: Box<str>,
}

impl Author {
    /// When the change is recorded as made.
    #[must_use]
    pub fn recorded_ms(&self) -> i64 {
        self.at_ms.max(self.not_before_ms)
    }

    /// By whom it is made, and when it is recorded as made.
    pub(super) fn done(&self) -> Done {
        Done { at_ms: self.recorded_ms(), by: Arc::clone(&self.by) }
    }
}

impl Edit {
    /// The kind and the name of the row.
    #[must_use]
    pub fn row(&self) -> (ManagedKind, &Arc<str>) {
        match self {
            Self::Create { kind, name, .. }
            | Self::Patch { kind, name, .. }
            | Self::Put { kind, name, .. }
            | Self::Remove { kind, name, .. } => (*kind, name),
            Self::Revoke { name, .. } | Self::Rotate { name, .. } => (ManagedKind::Key, name),
        }
    }

    /// Whether it closes something: a key that is to open nothing any more, a model or an endpoint that is to
    /// serve nothing. It may be that harm is done until it is in force.
    #[must_use]
    pub fn closes(&self) -> bool {
        match self {
            Self::Revoke { .. } => true,
            Self::Put { kind, .. } => matches!(kind, ManagedKind::Model | ManagedKind::Endpoint),
            Self::Create { .. }
            | Self::Patch { .. }
            | Self::Rotate { .. }
            | Self::Remove { .. } => false,
        }
    }

    /// Refuses what nobody can mean, whatever there is: another name, and to take away what there is not.
    ///
    /// # Errors
    /// See [`EditRefused`].
    pub fn meaningful(&self) -> Result<(), EditRefused> {
        let (kind, _) = self.row();
        let named = match self {
            Self::Create { fields, .. } | Self::Put { fields, .. } => fields.contains_key("name"),
            Self::Patch { patch, .. } => patch.contains_key("name"),
            Self::Revoke { .. } | Self::Rotate { .. } | Self::Remove { .. } => false,
        };
        if named && matches!(kind, ManagedKind::Key | ManagedKind::Team) {
            return Err(EditRefused::Field("name".into(), "another one".into(), NAME_STAYS));
        }
        match self {
            Self::Patch { patch, .. } => known_nulls(kind, patch),
            _ => Ok(()),
        }
    }

    /// Whether it asks for what is so already: a switch that stands as it is to stand, fields that say the
    /// same, a key that is revoked. A version that is meant must be that of the row.
    #[must_use]
    pub fn is_so(&self, managed: &Managed) -> bool {
        let (kind, name) = self.row();
        let row = managed.get(kind, name);
        let stands = row.is_some_and(|it| it.state == ManagedState::Active);
        match self {
            Self::Put { .. } if kind.is_switch() => return stands,
            Self::Remove { .. } if kind.is_switch() => return !stands,
            _ => {}
        }
        // The same policy approved anew is an approval all the same.
        let of_callers = matches!(kind, ManagedKind::Key | ManagedKind::Team);
        let row = row.filter(|row| of_callers && self.meant(row, true).is_ok());
        let Some(row) = row else { return false };
        match self {
            Self::Put { fields, .. } => stands && same(kind, &row.fields, fields),
            Self::Patch { patch, .. } => {
                let then = patched(&row.fields, patch);
                stands && then.is_ok_and(|then| same(kind, &row.fields, &then))
            }
            Self::Revoke { .. } => row.state == ManagedState::Revoked,
            Self::Create { .. } | Self::Rotate { .. } | Self::Remove { .. } => false,
        }
    }

    /// The row that this makes of the one before, and what the audit trail calls it. `in_file` says whether
    /// the configuration's file has one of this kind and name.
    ///
    /// # Errors
    /// See [`EditRefused`].
    pub fn apply(
        &self,
        managed: &Managed,
        author: &Author,
        in_file: impl Fn(ManagedKind, &str) -> bool,
    ) -> Result<(ManagedRow, AuditAction), EditRefused> {
        let (kind, name) = self.row();
        if in_file(kind, name) {
            return Err(match self {
                Self::Create { .. } => EditRefused::Exists(kind, Arc::clone(name)),
                _ => EditRefused::InFile(kind, Arc::clone(name)),
            });
        }
        self.named()?;
        let before = managed.get(kind, name);
        match before.map(|row| row.state) {
            Some(ManagedState::Revoked) if matches!(self, Self::Create { .. }) => {
                return Err(EditRefused::Revoked(Arc::clone(name)));
            }
            Some(ManagedState::Revoked) => return Err(EditRefused::Ended(Arc::clone(name))),
            Some(ManagedState::Active) if matches!(self, Self::Create { .. }) => {
                return Err(EditRefused::Exists(kind, Arc::clone(name)));
            }
            _ => {}
        }
        let standing = before.filter(|row| row.state == ManagedState::Active);
        let done = author.done();
        let base = match (standing, before) {
            (Some(row), _) => ManagedRow::clone(row),
            (None, before) if self.makes() => ManagedRow {
                kind,
                name: Arc::clone(name),
                fields: Table::new(),
                credential: None,
                state: ManagedState::Active,
                version: before.map_or(0, |row| row.version),
                created: done.clone(),
                changed: done.clone(),
            },
            _ => return Err(EditRefused::Absent(kind, Arc::clone(name))),
        };
        self.meant(&base, standing.is_some())?;
        let version = base.version.saturating_add(1);
        let row = ManagedRow { version, changed: done, ..base };
        let row = self.made(row, author.at_ms)?;
        self.without_hash(&row)?;
        if matches!(self, Self::Patch { .. })
            && standing
                .is_some_and(|before| before.fields.get("expires") != row.fields.get("expires"))
        {
            over(&row.fields, author.at_ms)?;
        }
        Ok((row, self.action(standing.is_some())))
    }

    /// A key's hash and its secret are no fields of it: what stands there instead may be the key itself, and
    /// would be kept and recorded as it is.
    fn without_hash(&self, row: &ManagedRow) -> Result<(), EditRefused> {
        let writes = matches!(self, Self::Create { .. } | Self::Put { .. } | Self::Patch { .. });
        if !writes || row.kind != ManagedKind::Key {
            return Ok(());
        }
        for (field, expected) in [
            (
                "hash",
                "nothing: a key's hash is made with it, or comes by an import (`key-import`, `key import`)",
            ),
            (
                "secret",
                "nothing: the gateway makes the secret of a key, and shows it once; one that there is \
                 already comes by an import, with its `hash`",
            ),
        ] {
            if row.fields.contains_key(field) {
                return Err(EditRefused::Field(field.into(), "a value".into(), expected));
            }
        }
        Ok(())
    }

    /// A name that can stand at the end of a path, where clients take `.` and `..` away.
    fn named(&self) -> Result<(), EditRefused> {
        let (kind, name) = self.row();
        let named = matches!(kind, ManagedKind::Key | ManagedKind::Team) && self.makes();
        if named && matches!(&**name, "" | "." | "..") {
            let found = format!("`{name}`");
            let expected = "a name that is neither empty nor `.` or `..`";
            return Err(EditRefused::Field("name".into(), found.into(), expected));
        }
        Ok(())
    }

    /// The hash that a new key brings with it.
    pub(crate) fn brought(&self) -> Option<[u8; 32]> {
        match self {
            Self::Create { hash, .. } => super::read::unhex(hash.as_deref()?),
            _ => None,
        }
    }

    const fn makes(&self) -> bool {
        matches!(self, Self::Create { .. } | Self::Put { .. })
    }

    /// Whether the row is still the one that the change was made for.
    fn meant(&self, row: &ManagedRow, stands: bool) -> Result<(), EditRefused> {
        let (Self::Patch { version, .. }
        | Self::Put { version, .. }
        | Self::Revoke { version, .. }
        | Self::Rotate { version, .. }
        | Self::Remove { version, .. }) = self
        else {
            return Ok(());
        };
        if let Some(version) = version.filter(|_| !stands) {
            return Err(EditRefused::Gone(row.kind, Arc::clone(&row.name), version));
        }
        if version.is_some_and(|version| version != row.version) {
            let by = Arc::clone(&row.changed.by);
            return Err(EditRefused::Version(row.kind, Arc::clone(&row.name), row.version, by));
        }
        Ok(())
    }

    fn made(&self, row: ManagedRow, now_ms: i64) -> Result<ManagedRow, EditRefused> {
        Ok(match self {
            Self::Create { fields, hash, .. } => {
                let hash = hash.as_deref().map(digits).transpose()?;
                let credential = hash.map(|hash| ManagedCredential { hash, previous: None });
                ManagedRow { fields: fields.clone(), credential, ..row }
            }
            Self::Put { fields, .. } => ManagedRow { fields: fields.clone(), ..row },
            Self::Patch { patch, .. } => ManagedRow { fields: patched(&row.fields, patch)?, ..row },
            Self::Revoke { .. } => ManagedRow { state: ManagedState::Revoked, ..row },
            Self::Remove { .. } => {
                ManagedRow { state: ManagedState::Removed, credential: None, ..row }
            }
            Self::Rotate { hash, overlap_ms, end_overlap, .. } => {
                let hash = digits(hash)?;
                let runs = row.credential.as_ref().and_then(|it| it.previous);
                let runs = runs.filter(|(_, until_ms)| *until_ms > now_ms && !end_overlap);
                let until = runs.and_then(|(_, ms)| jiff::Timestamp::from_millisecond(ms).ok());
                if let Some(until) = until {
                    return Err(EditRefused::Overlap(row.name, until));
                }
                let until = now_ms.saturating_add(*overlap_ms);
                let before = row.credential.as_ref().filter(|_| *overlap_ms > 0);
                let previous = before.map(|it| (it.hash, until));
                ManagedRow { credential: Some(ManagedCredential { hash, previous }), ..row }
            }
        })
    }

    /// What the audit trail calls it; a row that stands is not made.
    const fn action(&self, stands: bool) -> AuditAction {
        let (kind, gone) = match self {
            Self::Revoke { .. } => return AuditAction::KeyRevoked,
            Self::Rotate { .. } => return AuditAction::KeyRotated,
            Self::Remove { kind, .. } => (*kind, true),
            Self::Create { kind, .. } | Self::Put { kind, .. } | Self::Patch { kind, .. } => {
                (*kind, false)
            }
        };
        match (kind, gone, stands) {
            (ManagedKind::Team, true, _) => AuditAction::TeamRemoved,
            (ManagedKind::Team, false, false) => AuditAction::TeamCreated,
            (ManagedKind::Team, false, true) => AuditAction::TeamChanged,
            (ManagedKind::Key, true, _) => AuditAction::KeyRevoked,
            (ManagedKind::Key, false, false) => AuditAction::KeyCreated,
            (ManagedKind::Key, false, true) => AuditAction::KeyChanged,
            (ManagedKind::Model, true, _) => AuditAction::ModelEnabled,
            (ManagedKind::Model, false, _) => AuditAction::ModelDisabled,
            (ManagedKind::Endpoint, true, _) => AuditAction::EndpointUndrained,
            (ManagedKind::Endpoint, false, _) => AuditAction::EndpointDrained,
            (ManagedKind::Policy, ..) => AuditAction::PolicyApproved,
            (ManagedKind::Proposal, ..) => AuditAction::ProposalMade,
        }
    }
}

/// What is expected in the place of another name.
const NAME_STAYS: &str =
    "nothing: a name stays, and the books know it by that. Make another one, and end this one";

/// A keyed hash from its digits.
fn digits(text: &str) -> Result<[u8; 32], EditRefused> {
    super::read::unhex(text).ok_or_else(|| {
        let expected = "hmac-sha256: and 64 hexadecimal digits";
        EditRefused::Field("hash".into(), "something else".into(), expected)
    })
}
