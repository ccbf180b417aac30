//! What changes make of what is managed: the rows, each with the record of the audit trail that stands or
//! falls with it.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    config::{Author, Edit, EditRefused, Managed, ManagedKind, ManagedRow, ManagedState, ReadFrom},
    outcome::{AuditAction, AuditRecord},
    store,
};

/// A row that is to be written, with its record.
pub(super) type Made = (ManagedRow, AuditRecord);

/// The rows that changes make, and what they are managed beside: the last of a name counts.
pub(super) fn rows(
    (edits, author): (&[Edit], &Author),
    managed: &Managed,
    files: Option<&ReadFrom>,
) -> Result<(Managed, Vec<Made>), EditRefused> {
    let in_file =
        |kind: ManagedKind, name: &str| files.is_some_and(|it| it.in_file(kind, name).is_some());
    let (mut after, mut made) = (managed.clone(), Vec::with_capacity(edits.len()));
    let used =
        if edits.iter().any(|it| it.brought().is_some()) { used(managed) } else { HashMap::new() };
    for edit in edits.iter().filter(|it| !it.is_so(managed)) {
        let (kind, name) = edit.row();
        if let Some((owner, how)) = edit.brought().and_then(|hash| used.get(&hash)) {
            return Err(EditRefused::Used(Arc::clone(owner), how));
        }
        let before = after.get(kind, name).cloned();
        let (row, action) = edit.apply(&after, author, in_file)?;
        let record = record(author, action, (before.as_deref(), &row));
        after.put(row.clone());
        made.push((row, record));
    }
    Ok((after, made))
}

/// The hashes that no key may have any more, or for a while, beside those of keys that are in force, which
/// reading the whole finds: whose they are, and why.
fn used(managed: &Managed) -> HashMap<[u8; 32], (Arc<str>, &'static str)> {
    let mut used = HashMap::new();
    for row in managed.after(ManagedKind::Key, "") {
        let Some(credential) = &row.credential else { continue };
        let mut add = |hash, how| used.insert(hash, (Arc::clone(&row.name), how));
        if row.state != ManagedState::Active {
            add(credential.hash, "was revoked");
        }
        if let Some((hash, _)) = credential.previous {
            add(hash, "had it before it was rotated");
        }
    }
    used
}

/// What the audit trail keeps of a change: the fields before and after, and the sum of the row by which it is
/// known to be as it was written.
pub(super) fn record(
    author: &Author,
    what: AuditAction,
    (before, after): (Option<&ManagedRow>, &ManagedRow),
) -> AuditRecord {
    let standing = before.filter(|row| row.state == ManagedState::Active);
    let before = standing.map(|row| Value::Object(row.recorded_fields()).to_string().into());
    let mut told =
        if after.state == ManagedState::Active { after.recorded_fields() } else { Map::new() };
    told.insert("version".into(), after.version.into());
    told.insert("row".into(), store::managed_sum(after).into());
    if let Some((_, until_ms)) = after.credential.as_ref().and_then(|it| it.previous) {
        let until = jiff::Timestamp::from_millisecond(until_ms).ok();
        told.insert("previous_until".into(), json!(until.map(|it| it.to_string())));
    }
    AuditRecord {
        id: Uuid::now_v7(),
        at_ms: author.at_ms,
        who: (&*author.by).into(),
        what,
        subject: (&*after.name).into(),
        reason: author.reason.clone(),
        before,
        after: Some(Value::Object(told).to_string().into()),
    }
}
