//! Corrections of what closed entries cost. Entries are never written anew: a correction is a row of its own,
//! the newest of an entry counts, and each has a record of the audit trail under its own id.

use policies::facts::Money;
use rusqlite::{Connection, Row};
use serde::Serialize;

/// The columns of `adjustment`.
macro_rules! columns {
    () => {
        "seq, id, entry, request, at_ms, cost_nano_before, cost_nano_after, who, reason"
    };
}

/// The table of corrections, and the view of entries as it is with them.
macro_rules! tables {
    () => {
        concat!(
            "CREATE TABLE adjustment (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
       entry INTEGER NOT NULL, request TEXT NOT NULL, at_ms INTEGER NOT NULL,
       cost_nano_before INTEGER NOT NULL, cost_nano_after INTEGER NOT NULL, who TEXT NOT NULL,
       reason TEXT NOT NULL);
     CREATE INDEX adjustment_entry ON adjustment (entry, seq);
     DROP VIEW line;
     ",
            $crate::store::sqlite::schema::line_view!($crate::store::sqlite::schema::corrected!())
        )
    };
}
pub(super) use {columns, tables};

/// One correction of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Adjustment {
    /// When it was made, as text.
    pub at: String,
    /// Who has made it.
    pub who: String,
    /// Why, in words.
    pub reason: String,
    /// What the entry cost before.
    #[serde(serialize_with = "decimal")]
    pub before: Money,
    /// What it costs afterwards.
    #[serde(serialize_with = "decimal")]
    pub after: Money,
}

fn decimal<S: serde::Serializer>(money: &Money, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(money)
}

const OF_REQUEST: &str = "SELECT at_ms, who, reason, cost_nano_before, cost_nano_after \
     FROM adjustment WHERE entry = (SELECT seq FROM entry WHERE id = ?) ORDER BY seq";

/// Each correction with what it should follow: the cost before it, and its record.
const ALL: &str = "SELECT j.seq, j.request, e.id, j.cost_nano_before, \
     coalesce((SELECT i.cost_nano_after FROM adjustment AS i WHERE i.entry = j.entry \
       AND i.seq < j.seq ORDER BY i.seq DESC LIMIT 1), c.cost_nano), a.id IS NOT NULL, \
     a.what = 'ledger.adjusted' AND a.at_ms = j.at_ms AND a.who = j.who AND a.subject = j.request \
       AND a.reason = j.reason AND \
       CASE WHEN json_valid(a.\"before\") AND json_valid(a.\"after\") THEN \
         json_extract(a.\"before\", '$.cost_nano') IS j.cost_nano_before AND \
         json_extract(a.\"after\", '$.cost_nano') IS j.cost_nano_after END \
     FROM adjustment AS j LEFT JOIN entry AS e ON e.seq = j.entry \
     LEFT JOIN entry_close AS c ON c.seq = j.entry LEFT JOIN audit AS a ON a.id = j.id ORDER BY j.seq";
const REMOVED: &str = "SELECT 'the correction of entry ' || subject || ' that audit record ' || seq || \
     ' has recorded is missing: its row was removed' FROM audit WHERE what = 'ledger.adjusted' AND \
     id NOT IN (SELECT id FROM adjustment) LIMIT 20";
/// Findings that are named one by one.
const NAMED_MAX: usize = 20;

/// The corrections of an entry by its id, the newest last.
pub(super) fn of(connection: &Connection, id: &str) -> rusqlite::Result<Vec<Adjustment>> {
    let mut select = connection.prepare_cached(OF_REQUEST)?;
    let rows = select.query_map([id], |row| {
        Ok(Adjustment {
            at: super::started_at(row.get(0)?),
            who: row.get(1)?,
            reason: row.get(2)?,
            before: Money::from_nano(row.get(3)?),
            after: Money::from_nano(row.get(4)?),
        })
    })?;
    rows.collect()
}

/// Proves each correction: it is of the entry that it names, goes on from what that cost, and says the same
/// as its record in the audit trail; and each such record has its correction.
pub(super) fn verify(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut select = connection.prepare(ALL)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        faults.extend(fault(row)?);
    }
    faults.truncate(NAMED_MAX);
    let mut removed = connection.prepare(REMOVED)?;
    let removed = removed.query_map([], |row| row.get::<_, String>(0))?;
    faults.extend(removed.collect::<rusqlite::Result<Vec<_>>>()?);
    Ok(faults)
}

fn fault(row: &Row<'_>) -> rusqlite::Result<Option<String>> {
    let request = row.get_ref(1)?.as_str().unwrap_or("?");
    let told = format!("the correction {} of entry {request}", row.get::<_, i64>(0)?);
    // One whose entry has become too old to be kept stays, and is proved by its record alone.
    let entry = row.get_ref(2)?.as_str_or_null().ok().flatten();
    Ok(if entry.is_some_and(|entry| entry != request) {
        Some(told + " is of another entry")
    } else if entry.is_some() && row.get_ref(3)? != row.get_ref(4)? {
        Some(told + " does not go on from what the entry cost")
    } else if row.get(5)? {
        let same = row.get::<_, Option<bool>>(6)? == Some(true);
        (!same).then(|| told + " is not what the audit trail says of it")
    } else {
        Some(told + " has no audit record")
    })
}
