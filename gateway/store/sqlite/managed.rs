//! What is managed while the gateway serves: a row for each key, team and switch, as it is now. Each change
//! is written with its record of the audit trail in one transaction, by whoever makes it: a server or a
//! command beside it. Its number tells every process on the ledger that there is something new.

use std::{collections::BTreeMap, sync::Arc};

use policies::counted;
use rusqlite::{
    Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params, types::ValueRef,
};

use super::{
    audit::{self, Hash, hash_at, hex},
    failed, schema,
};
use crate::{
    config::{Done, Managed, ManagedCredential, ManagedKind, ManagedRow, ManagedState},
    outcome::AuditRecord,
    record::StoreError,
};

/// What every sum of a row begins with.
const FORM: &[u8] = b"signalbox managed row 1\n";
/// The name in `meta` of the number of the last change.
const LAST: &str = "managed_seq";

/// The rows, and when each key was last used.
macro_rules! tables {
    () => {
        "CREATE TABLE managed (kind TEXT NOT NULL, name TEXT NOT NULL, fields TEXT NOT NULL,
       hash BLOB, previous_hash BLOB, previous_until_ms INTEGER, state TEXT NOT NULL,
       version INTEGER NOT NULL, created_ms INTEGER NOT NULL, created_by TEXT NOT NULL,
       changed_ms INTEGER NOT NULL, changed_by TEXT NOT NULL, seq INTEGER NOT NULL,
       audit_id TEXT NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
     CREATE INDEX managed_seq ON managed (seq);
     CREATE TABLE key_use (\"key\" TEXT NOT NULL PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
     INSERT INTO meta (name, value) VALUES ('managed_seq', '0') ON CONFLICT DO NOTHING;"
    };
}
pub(super) use tables;

/// The columns that say what a row is, in the order of its sum.
macro_rules! columns {
    () => {
        "kind, name, fields, hash, previous_hash, previous_until_ms, state, version, created_ms, \
         created_by, changed_ms, changed_by"
    };
}

const AFTER: &str = concat!("SELECT ", columns!(), " FROM managed WHERE seq > ? ORDER BY seq");
const UPSERT: &str = concat!(
    "INSERT INTO managed (",
    columns!(),
    ", seq, audit_id) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET \
     fields = excluded.fields, hash = excluded.hash, previous_hash = excluded.previous_hash, \
     previous_until_ms = excluded.previous_until_ms, state = excluded.state, \
     version = excluded.version, created_ms = excluded.created_ms, \
     created_by = excluded.created_by, changed_ms = excluded.changed_ms, \
     changed_by = excluded.changed_by, seq = excluded.seq, audit_id = excluded.audit_id"
);
/// The rows, each with what the audit trail says of its last change.
const SUMMED: &str = concat!(
    "SELECT ",
    columns!(),
    ", audit_id, (SELECT CASE WHEN json_valid(\"after\") THEN json_extract(\"after\", '$.row') END \
     FROM audit WHERE audit.id = audit_id) FROM managed"
);
/// The last record of each row that the trail speaks of.
const RECORDED: &str = "SELECT substr(what, 1, instr(what, '.') - 1) AS kind, subject, max(seq), id \
     FROM audit WHERE what LIKE 'key.%' OR what LIKE 'team.%' OR what LIKE 'model.%' OR \
     what LIKE 'endpoint.%' OR what LIKE 'proposal.%' OR what = 'policy.approved' GROUP BY 1, 2";

/// Why a change was not written.
#[derive(Debug, thiserror::Error)]
pub enum ManagedError {
    /// Something was changed, or recorded, since what the change was made from was read.
    #[error("something else was changed at the same time")]
    Conflict,
    /// The store has failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The number of the last change.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<i64> {
    let last = connection.prepare_cached(schema::FIND_NUMBER)?.query_row([LAST], |row| row.get(0));
    Ok(last.optional()?.unwrap_or(0))
}

/// What is managed, with what was changed after the change of the number that `known` has.
pub(super) fn read(connection: &Connection, known: &Managed) -> rusqlite::Result<Managed> {
    let tx = connection.unchecked_transaction()?;
    let last = last(&tx)?;
    let mut select = tx.prepare(AFTER)?;
    let rows = select.query_map([known.last], row)?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(known.with(last, rows.into_iter().flatten()))
}

/// A row; nothing where a later version has written something that this one does not know.
fn row(row: &Row<'_>) -> rusqlite::Result<Option<ManagedRow>> {
    let (kind, name, fields): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let kind = ManagedKind::ALL.into_iter().find(|it| it.name() == kind);
    let state: String = row.get(6)?;
    let state = ManagedState::ALL.into_iter().find(|it| it.name() == state);
    let (Some(kind), Some(state)) = (kind, state) else { return Ok(None) };
    let previous = hash_at(row, 4)?.zip(row.get::<_, Option<i64>>(5)?);
    let credential = hash_at(row, 3)?.map(|hash| ManagedCredential { hash, previous });
    let by = |column| row.get::<_, String>(column).map(Arc::from);
    Ok(Some(ManagedRow {
        kind,
        name: name.into(),
        fields: serde_json::from_str(&fields).unwrap_or_default(),
        credential,
        state,
        version: row.get(7)?,
        created: Done { at_ms: row.get(8)?, by: by(9)? },
        changed: Done { at_ms: row.get(10)?, by: by(11)? },
    }))
}

/// The fields of a row as the column holds them.
fn fields(row: &ManagedRow) -> String {
    serde_json::to_string(&row.fields).unwrap_or_default()
}

/// The sum of a row, as the audit trail names it, in hexadecimal digits.
#[must_use]
pub fn managed_sum(row: &ManagedRow) -> String {
    let fields = fields(row);
    let text = |it: &'static str| ValueRef::Text(it.as_bytes());
    let hash = row.credential.as_ref().map(|it| it.hash);
    let previous = row.credential.as_ref().and_then(|it| it.previous);
    let previous_hash: Option<Hash> = previous.map(|it| it.0);
    hex(&audit::sum(
        FORM,
        [
            text(row.kind.name()),
            ValueRef::Text(row.name.as_bytes()),
            ValueRef::Text(fields.as_bytes()),
            hash.as_ref().map_or(ValueRef::Null, |it| ValueRef::Blob(it)),
            previous_hash.as_ref().map_or(ValueRef::Null, |it| ValueRef::Blob(it)),
            previous.map_or(ValueRef::Null, |it| ValueRef::Integer(it.1)),
            text(row.state.name()),
            ValueRef::Integer(row.version),
            ValueRef::Integer(row.created.at_ms),
            ValueRef::Text(row.created.by.as_bytes()),
            ValueRef::Integer(row.changed.at_ms),
            ValueRef::Text(row.changed.by.as_bytes()),
        ],
    ))
}

/// Writes rows with their audit records, all of it or nothing, if the last change still has this number.
/// Returns the number of the new last change.
///
/// # Errors
/// Something else was changed meanwhile, or the file cannot be written.
pub(super) fn write_on(
    connection: &mut Connection,
    expected: i64,
    rows: &[(ManagedRow, AuditRecord)],
) -> Result<i64, ManagedError> {
    let begin = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let tx = begin.map_err(failed)?;
    if last(&tx).map_err(failed)? != expected {
        return Err(ManagedError::Conflict);
    }
    // A row says when it was changed as its record does: neither is of before what is recorded already.
    let newest_ms = audit::newest_ms(&tx).map_err(failed)?;
    if rows.iter().any(|(_, record)| record.at_ms < newest_ms) {
        return Err(ManagedError::Conflict);
    }
    let seq = expected.saturating_add(1);
    let write = || {
        for (row, record) in rows {
            write_row(&tx, row, (seq, record))?;
        }
        tx.prepare_cached(schema::SET_META)?.execute(params![LAST, seq.to_string()])?;
        rusqlite::Result::Ok(())
    };
    write().map_err(failed)?;
    tx.commit().map_err(failed)?;
    Ok(seq)
}

fn write_row(
    tx: &Transaction<'_>,
    row: &ManagedRow,
    (seq, record): (i64, &AuditRecord),
) -> rusqlite::Result<()> {
    audit::append(tx, record)?;
    let previous = row.credential.as_ref().and_then(|it| it.previous);
    tx.prepare_cached(UPSERT)?.execute(params![
        row.kind.name(),
        row.name,
        fields(row),
        row.credential.as_ref().map(|it| it.hash),
        previous.map(|it| it.0),
        previous.map(|it| it.1),
        row.state.name(),
        row.version,
        row.created.at_ms,
        row.created.by,
        row.changed.at_ms,
        row.changed.by,
        seq,
        record.id.to_string(),
    ])?;
    Ok(())
}

/// When these keys were last used, by their names, in milliseconds since 1970.
pub(super) fn uses(
    connection: &Connection,
    keys: &[String],
) -> rusqlite::Result<BTreeMap<String, i64>> {
    let mut select = connection.prepare("SELECT at_ms FROM key_use WHERE \"key\" = ?")?;
    let mut uses = BTreeMap::new();
    for key in keys {
        if let Some(at_ms) = select.query_row([key], |row| row.get(0)).optional()? {
            uses.insert(key.clone(), at_ms);
        }
    }
    Ok(uses)
}

/// What is wrong with the rows, each in words: one that is not as its last audit record says, and a record
/// whose row is gone.
pub(super) fn verify(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut recorded = BTreeMap::new();
    let mut select = connection.prepare(RECORDED)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let of: (String, String) = (row.get(0)?, row.get(1)?);
        recorded.insert(of, row.get::<_, String>(3)?);
    }
    let mut select = connection.prepare(SUMMED)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let values: Vec<_> = (0..12).map(|at| row.get_ref(at)).collect::<Result<_, _>>()?;
        let made = hex(&audit::sum(FORM, values));
        let (kind, name) = (shown(row, 0)?, shown(row, 1)?);
        let last = recorded.remove(&(kind.clone(), name.clone()));
        if last.as_deref() != row.get_ref(12)?.as_str().ok() {
            faults.push(format!("the {kind} `{name}` is not the one of its last audit record"));
        } else if row.get_ref(13)?.as_str().ok() != Some(&made) {
            faults.push(format!("the {kind} `{name}` is not as it was written"));
        }
    }
    let missing = |(kind, name): &(String, String)| {
        format!("the {kind} `{name}` is missing: it was removed without a record")
    };
    faults.extend(recorded.keys().map(missing));
    if let Some(more) = faults.len().checked_sub(NAMED_MAX).filter(|it| *it > 0) {
        faults.truncate(NAMED_MAX);
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        faults.push(counted(more, "more finding", "more findings") + " about keys and teams");
    }
    Ok(faults)
}

/// Findings that are named one by one; more are counted.
const NAMED_MAX: usize = 20;

fn shown(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => String::from("?"),
    })
}
