//! A change that waits for a second person, as a row of the store holds it: what is proposed, why, until
//! when, and what has become of it. Who has proposed it is who has made the row.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use toml::Table;

use super::{Author, Edit, ManagedKind, ManagedRow, ManagedState};

/// The name of the one row of a policy.
pub const POLICY: &str = "policy";
/// Proposals that are open at once at the most.
pub const OPEN_MAX: usize = 200;

/// What has become of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProposalState {
    /// It waits for a second person.
    Open,
    /// A second person has approved it, and it came into force.
    Approved,
    /// Somebody has rejected it.
    Rejected,
    /// Nobody has approved it in time.
    Expired,
    /// Another policy was approved meanwhile.
    Superseded,
}

impl ProposalState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Open, Self::Approved, Self::Rejected, Self::Expired, Self::Superseded];

    /// The spelling in the store and in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
        }
    }
}

/// The fields of a proposal's row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// What has become of it.
    pub state: ProposalState,
    /// Why, in words.
    pub reason: String,
    /// From this moment on nobody can approve it, in milliseconds since 1970.
    pub expires_ms: i64,
    /// The changes of keys and teams, as JSON, which knows `null`.
    edits: Option<String>,
    /// The policy that is proposed.
    pub document: Option<String>,
    /// What changes, as JSON: as it was when it was proposed, and as it was when it was approved.
    changes: String,
    /// Why it was closed, in words.
    #[serde(default)]
    pub closed_reason: String,
}

impl Proposal {
    /// An open proposal of changes.
    #[must_use]
    pub fn of_edits(edits: &[Edit], changes: &Value, (reason, expires_ms): (&str, i64)) -> Self {
        let edits = serde_json::to_string(edits).ok();
        Self { edits, ..Self::open(None, changes, (reason, expires_ms)) }
    }

    /// An open proposal of a policy.
    #[must_use]
    pub fn of_policy(document: &str, changes: &Value, (reason, expires_ms): (&str, i64)) -> Self {
        Self::open(Some(document.to_owned()), changes, (reason, expires_ms))
    }

    fn open(document: Option<String>, changes: &Value, (reason, expires_ms): (&str, i64)) -> Self {
        Self {
            state: ProposalState::Open,
            reason: reason.to_owned(),
            expires_ms,
            edits: None,
            document,
            changes: changes.to_string(),
            closed_reason: String::new(),
        }
    }

    /// The proposal in a row; nothing where a later version has written something else.
    #[must_use]
    pub fn of_row(row: &ManagedRow) -> Option<Self> {
        (row.kind == ManagedKind::Proposal).then(|| row.fields.clone().try_into().ok())?
    }

    /// The changes that are proposed; none where it is a policy, or what a later version has written.
    #[must_use]
    pub fn edits(&self) -> Option<Vec<Edit>> {
        match &self.document {
            Some(document) => {
                let fields = Table::from_iter([("document".to_owned(), document.clone().into())]);
                Some(vec![Edit::Put {
                    kind: ManagedKind::Policy,
                    name: POLICY.into(),
                    fields,
                    version: None,
                }])
            }
            None => serde_json::from_str(self.edits.as_deref()?).ok(),
        }
    }

    /// What changes, as it was found last.
    #[must_use]
    pub fn changes(&self) -> Value {
        serde_json::from_str(&self.changes).unwrap_or_default()
    }

    /// The same with what changes as it is found now.
    #[must_use]
    pub fn changing(self, changes: &Value) -> Self {
        Self { changes: changes.to_string(), ..self }
    }

    /// The row of a new proposal.
    #[must_use]
    pub fn row(&self, id: &str, author: &Author) -> ManagedRow {
        let done = author.done();
        ManagedRow {
            kind: ManagedKind::Proposal,
            name: id.into(),
            fields: self.fields(),
            credential: None,
            state: ManagedState::Active,
            version: 1,
            created: done.clone(),
            changed: done,
        }
    }

    /// The row after this one, in which the proposal is closed.
    #[must_use]
    pub fn closed(self, row: &ManagedRow, state: ProposalState, by: &Author) -> ManagedRow {
        let it = Self { state, closed_reason: by.reason.to_string(), ..self };
        ManagedRow {
            fields: it.fields(),
            version: row.version.saturating_add(1),
            changed: by.done(),
            ..row.clone()
        }
    }

    fn fields(&self) -> Table {
        Table::try_from(self).unwrap_or_default()
    }

    /// What the audit trail keeps of it: a document by its hash alone.
    #[must_use]
    pub fn recorded(&self) -> Map<String, Value> {
        let mut it = Map::new();
        it.insert("state".into(), self.state.name().into());
        it.insert("expires_ms".into(), self.expires_ms.into());
        it.insert("changes".into(), self.changes());
        if let Some(document) = &self.document {
            it.insert("document_sha256".into(), document_sha256(document).into());
        }
        it
    }
}

/// The hash of a document as the audit trail names it, in hexadecimal digits.
fn document_sha256(document: &str) -> String {
    super::read::hex(&Sha256::digest(document.as_bytes()))
}

/// What a change makes of one row, as operators are shown it: without a secret or a hash.
#[must_use]
pub fn shown_change(before: Option<&ManagedRow>, after: &ManagedRow) -> Value {
    let fields = |row: &ManagedRow| match (row.kind, row.state) {
        (_, ManagedState::Active) => row.recorded_fields(),
        _ => Map::from_iter([("state".to_owned(), row.state.name().into())]),
    };
    let before = before.filter(|row| row.state == ManagedState::Active).map(fields);
    json!({
        "kind": after.kind.name(), "name": &*after.name, "before": before, "after": fields(after),
    })
}

impl ManagedRow {
    /// The fields as the audit trail has them: documents by their hashes.
    #[must_use]
    pub fn recorded_fields(&self) -> Map<String, Value> {
        match (Proposal::of_row(self), self.fields.get("document").and_then(toml::Value::as_str)) {
            (Some(it), _) => it.recorded(),
            (None, Some(document)) if self.kind == ManagedKind::Policy => {
                Map::from_iter([("document_sha256".to_owned(), document_sha256(document).into())])
            }
            _ => match serde_json::to_value(&self.fields) {
                Ok(Value::Object(fields)) => fields,
                _ => Map::new(),
            },
        }
    }
}
