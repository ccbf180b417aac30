//! What changes make of what is managed: the rows, each with the record of the audit trail that stands or
//! falls with it.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    config::{
        Author, DEFAULT_TEAM, Edit, EditRefused, Managed, ManagedKind, ManagedRow, ManagedState,
        ReadFrom,
    },
    outcome::{AuditAction, AuditRecord},
    store,
};

/// A row that is to be written, with its record.
pub(super) type Made = (ManagedRow, AuditRecord);

/// A change that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct RefusedAt {
    /// The number of it among those that were asked for, from 0.
    pub nth: usize,
    /// Why not.
    pub why: EditRefused,
}

/// The rows that changes make, and what they are managed beside: the last of a name counts.
pub(super) fn rows(
    (edits, author): (&[Edit], &Author),
    managed: &Managed,
    files: Option<&ReadFrom>,
) -> Result<(Managed, Vec<Made>), RefusedAt> {
    let in_file =
        |kind: ManagedKind, name: &str| files.is_some_and(|it| it.in_file(kind, name).is_some());
    let (mut after, mut made) = (managed.clone(), Vec::with_capacity(edits.len()));
    let used =
        if edits.iter().any(|it| it.brought().is_some()) { used(managed) } else { HashMap::new() };
    for (nth, edit) in edits.iter().enumerate() {
        let refused = |why| RefusedAt { nth, why };
        let (kind, name) = edit.row();
        edit.meaningful().map_err(refused)?;
        if edit.is_so(&after) && !in_file(kind, name) {
            continue;
        }
        if let Some((owner, how)) = edit.brought().and_then(|hash| used.get(&hash)) {
            return Err(refused(EditRefused::Used(Arc::clone(owner), how)));
        }
        let before = after.get(kind, name).cloned();
        let (row, action) = edit.apply(&after, author, in_file).map_err(refused)?;
        if matches!(edit, Edit::Remove { kind: ManagedKind::Team, .. }) {
            unused(name, &after, files).map_err(refused)?;
        }
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

/// Names that a message lists.
const NAMES_MAX: usize = 3;

/// Refuses to remove a team that keys and teams name; `default` stands without being written down.
fn unused(team: &Arc<str>, managed: &Managed, files: Option<&ReadFrom>) -> Result<(), EditRefused> {
    if **team == *DEFAULT_TEAM {
        return Ok(());
    }
    let naming = |kind: ManagedKind, field: &str| {
        let names =
            |fields: &toml::Table| fields.get(field).and_then(toml::Value::as_str) == Some(&**team);
        let store = managed.active(kind).filter(|row| names(&row.fields)).map(|row| &*row.name);
        let file = files.into_iter().flat_map(|of| {
            let all = of.file_names(kind, "");
            all.filter(move |it| of.in_file(kind, it).is_some_and(names))
        });
        let mut all: Vec<String> = store.chain(file).map(|it| format!("`{it}`")).collect();
        all.sort_unstable();
        all
    };
    let said = |all: Vec<String>, [one, more]: [&str; 2]| {
        let count = policies::counted(all.len(), one, more);
        let rest = if all.len() > NAMES_MAX { " …" } else { "" };
        let names = all.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
        (!all.is_empty()).then(|| format!("{count} ({names}{rest})"))
    };
    let keys = said(naming(ManagedKind::Key, "team"), ["key", "keys"]);
    let teams = said(naming(ManagedKind::Team, "parent"), ["team below it", "teams below it"]);
    let all: Vec<String> = [keys, teams].into_iter().flatten().collect();
    if all.is_empty() {
        return Ok(());
    }
    Err(EditRefused::InUse(Arc::clone(team), all.join(" and ").into()))
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
        at_ms: author.recorded_ms(),
        who: (&*author.by).into(),
        what,
        subject: (&*after.name).into(),
        reason: author.reason.clone(),
        before,
        after: Some(Value::Object(told).to_string().into()),
    }
}
