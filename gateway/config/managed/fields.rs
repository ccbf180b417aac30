//! The fields of rows: from JSON, by a merge patch, and their budgets.

use policies::document::{Faults, Section};
use serde_json::{Map, Value};
use toml::Table;

use super::{EditRefused, ManagedKind, meaning::known_nulls};
use crate::config::budget::{Budget, budgets};

/// Fields after a merge patch.
pub(super) fn patched(fields: &Table, patch: &Map<String, Value>) -> Result<Table, EditRefused> {
    let mut fields = fields.clone();
    merge(&mut fields, patch)?;
    Ok(fields)
}

fn merge(fields: &mut Table, patch: &Map<String, Value>) -> Result<(), EditRefused> {
    for (key, value) in patch {
        match value {
            Value::Null => {
                fields.remove(key);
            }
            Value::Object(patch) => {
                let below = fields.entry(key).or_insert_with(|| Table::new().into());
                if !below.is_table() {
                    *below = Table::new().into();
                }
                if let Some(below) = below.as_table_mut() {
                    merge(below, patch)?;
                }
            }
            value => {
                fields.insert(key.clone(), plain(key, value)?);
            }
        }
    }
    Ok(())
}

/// A JSON value as the configuration has it, which knows no `null`.
fn plain(key: &str, value: &Value) -> Result<toml::Value, EditRefused> {
    toml::Value::try_from(value).map_err(|_| {
        let expected = "texts, numbers, true, false, lists and objects of them";
        EditRefused::Field(key.into(), "null, or a number that is too large".into(), expected)
    })
}

/// What is shown of a key and cannot be set.
const SHOWN: [&str; 9] = [
    "source",
    "state",
    "version",
    "created_at",
    "created_by",
    "changed_at",
    "changed_by",
    "last_used_at",
    "previous_until",
];

/// Leaves of a key that was exported what can be set.
///
/// # Errors
/// It was revoked: its secret is to open nothing any more.
pub(crate) fn settable(fields: &mut Map<String, Value>) -> Result<(), &'static str> {
    if fields.get("state").is_some_and(|it| it == "revoked") {
        return Err("found a key that was revoked: its secret opens nothing any more");
    }
    for shown in SHOWN {
        fields.remove(shown);
    }
    Ok(())
}

/// The fields of a new row from a JSON object; `null` is as if it were not there.
///
/// # Errors
/// A value that no field can have, or `null` for a field that there is not.
pub(crate) fn fields(kind: ManagedKind, object: &Map<String, Value>) -> Result<Table, EditRefused> {
    known_nulls(kind, object)?;
    patched(&Table::new(), object)
}

/// Whether these fields have the same budgets, however they are written; what cannot be read is its own.
pub(crate) fn same_budget(one: &Table, other: &Table) -> bool {
    one.get("budget") == other.get("budget")
        || matches!((read_budgets(one), read_budgets(other)), (Some(one), Some(other)) if one == other)
}

/// Whether these fields have a budget.
pub(crate) fn has_budget(fields: &Table) -> bool {
    read_budgets(fields).is_none_or(|it| !it.is_empty())
}

/// The budgets of fields, in the order of their windows; none where there is a fault in them.
fn read_budgets(fields: &Table) -> Option<Vec<Budget>> {
    let mut faults = Faults::new();
    let mut read = budgets(&mut Section::root(fields), &mut faults);
    read.sort_by_key(|it| it.window.code());
    faults.is_empty().then_some(read)
}

/// Refuses fields that have expired by this moment, in milliseconds since 1970: whoever sets them means
/// another one.
///
/// # Errors
/// They have; both moments are told.
pub(crate) fn over(fields: &Table, now_ms: i64) -> Result<(), EditRefused> {
    let text = fields.get("expires").and_then(toml::Value::as_str).unwrap_or_default();
    let at = text.parse::<jiff::Timestamp>();
    let now = jiff::Timestamp::from_millisecond(now_ms);
    match (at, now) {
        (Ok(at), Ok(now)) if at <= now => {
            let found = format!("`{at}`, and it is {now} now");
            let expected = "a moment that is yet to come; who is to be shut out at once is revoked";
            Err(EditRefused::Field("expires".into(), found.into(), expected))
        }
        // What is no moment is told when it is read.
        _ => Ok(()),
    }
}
