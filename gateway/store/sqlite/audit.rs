//! The audit trail: what was changed, by whom and why, as a chain of records that are only ever appended.
//! Each holds the hash of the one before and the hash of itself, so that a record which is changed, removed,
//! moved or put in between no longer fits. Records are written in the transaction of what they record: both
//! stand, or neither does.

use policies::counted;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, types::ValueRef};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{schema, started_at};
use crate::outcome::{AuditAction, AuditRecord, ExperimentAction, ExperimentChange};

/// What every hash begins with: no hash of anything else is one of a record of this form.
const FORM: &[u8] = b"signalbox audit record 1\n";
/// Bytes of a hash.
const HASH_BYTES: usize = 32;
/// The name in `meta` of the chain's end: the number of the last record, a blank, its hash in hexadecimal
/// digits.
const HEAD: &str = "audit_head";
/// Findings that are named one by one; more are counted.
const NAMED_MAX: usize = 20;

/// The columns that a record's hash covers, in its order.
macro_rules! columns {
    () => {
        "seq, id, at_ms, who, what, subject, reason, \"before\", \"after\", prev"
    };
}

/// The trail, and from which change of experiments on it has a record of each: an earlier version wrote none.
macro_rules! tables {
    () => {
        "CREATE TABLE audit (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
       at_ms INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, subject TEXT NOT NULL,
       reason TEXT NOT NULL, \"before\" TEXT, \"after\" TEXT, prev BLOB NOT NULL,
       hash BLOB NOT NULL);
     INSERT INTO meta (name, value) VALUES
       ('audit_head', '0 ' || lower(hex(zeroblob(32)))),
       ('audit_changes_from', (SELECT coalesce(max(seq), 0) + 1 FROM experiment_change))
       ON CONFLICT DO UPDATE SET value = excluded.value;"
    };
}
pub(super) use tables;

const INSERT: &str =
    concat!("INSERT INTO audit (", columns!(), ", hash) VALUES (?,?,?,?,?,?,?,?,?,?,?)");
const FIND: &str = "SELECT 1 FROM audit WHERE id = ?";
const FIND_HEAD: &str = "SELECT value FROM meta WHERE name = ?";
const LAST: &str = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
const NEWEST: &str = "SELECT at_ms FROM audit ORDER BY seq DESC LIMIT 1";
const ALL: &str = concat!("SELECT ", columns!(), ", hash FROM audit ORDER BY seq");
const CONFIG: &str =
    "SELECT \"after\" FROM audit WHERE what LIKE 'config.%' ORDER BY seq DESC LIMIT 1";
/// Those after a number and from a moment on.
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    ", hash FROM audit WHERE seq > ? AND at_ms >= ? ORDER BY seq LIMIT ?"
);
/// Whether the trail is there.
const TABLE: &str = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'audit'";
/// Changes of experiments without a record.
const UNRECORDED: &str = "SELECT 'the change ' || id || ' of the experiment ' || experiment || \
     ' has no audit record' FROM experiment_change WHERE id NOT IN (SELECT id FROM audit) AND \
     seq >= coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'audit_changes_from'), 1) \
     LIMIT 20";

pub(super) type Hash = [u8; HASH_BYTES];

/// The end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    /// The number of the last record; 0 is before the first.
    seq: i64,
    /// Its hash.
    hash: Hash,
}

impl Head {
    /// The end of a chain without a record.
    const EMPTY: Self = Self { seq: 0, hash: [0; HASH_BYTES] };

    /// As `meta` holds it.
    fn text(self) -> String {
        format!("{} {}", self.seq, hex(&self.hash))
    }

    fn read(text: &str) -> Option<Self> {
        let (seq, digits) = text.split_once(' ')?;
        let mut hash = [0; HASH_BYTES];
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        let head = Self { seq: seq.parse().ok()?, hash };
        // There is one spelling.
        (head.text() == text).then_some(head)
    }
}

/// The end of the chain, as it was written down.
fn noted(connection: &Connection) -> rusqlite::Result<Option<Head>> {
    let read = |row: &Row<'_>| Ok(row.get_ref(0)?.as_str().ok().and_then(Head::read));
    Ok(connection.query_row(FIND_HEAD, [HEAD], read).optional()?.flatten())
}

/// The number of the newest record and its hash, as they were written down; nothing before the first.
pub(super) fn head(connection: &Connection) -> rusqlite::Result<Option<(i64, Hash)>> {
    Ok(noted(connection)?.filter(|it| it.seq > 0).map(|it| (it.seq, it.hash)))
}

/// What the newest record of a configuration says of it.
pub(super) fn config(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let after = connection.query_row(CONFIG, [], |row| row.get::<_, Option<String>>(0));
    Ok(after.optional()?.flatten())
}

/// When the newest record was made, in milliseconds since 1970; 0 where there is none.
pub(super) fn newest_ms(connection: &Connection) -> rusqlite::Result<i64> {
    let newest = connection.prepare_cached(NEWEST)?.query_row([], |row| row.get(0)).optional()?;
    Ok(newest.unwrap_or(0))
}

/// The records after the one of this number and from this moment on, the newest last.
pub(super) fn page(
    connection: &Connection,
    (after, since_ms): (i64, i64),
    limit: u32,
) -> rusqlite::Result<Vec<Map<String, Value>>> {
    let mut select = connection.prepare(PAGE)?;
    let rows = select.query_map(params![after, since_ms, limit], shown)?;
    rows.collect()
}

/// A record as people and programs read it: the time as text, objects as objects, hashes in digits.
fn shown(row: &Row<'_>) -> rusqlite::Result<Map<String, Value>> {
    let statement = row.as_ref();
    let mut shown = Map::new();
    for (at, name) in statement.column_names().enumerate() {
        let (name, value) = match (name, row.get_ref(at)?) {
            ("at_ms", ValueRef::Integer(at_ms)) => ("at", started_at(at_ms).into()),
            ("before" | "after", ValueRef::Text(text)) => {
                let read = serde_json::from_slice(text);
                (name, read.unwrap_or_else(|_| String::from_utf8_lossy(text).into()))
            }
            (_, ValueRef::Null) => (name, Value::Null),
            (_, ValueRef::Integer(number)) => (name, number.into()),
            (_, ValueRef::Real(number)) => (name, number.into()),
            (_, ValueRef::Text(text)) => (name, String::from_utf8_lossy(text).into()),
            (_, ValueRef::Blob(bytes)) => (name, hex(bytes).into()),
        };
        shown.insert(name.into(), value);
    }
    Ok(shown)
}

/// Where the next record goes. It is what was written down, not the last row that is there: a chain that was
/// cut is never grown together again.
fn end(connection: &Connection) -> rusqlite::Result<Head> {
    if let Some(head) = noted(connection)? {
        return Ok(head);
    }
    let last = connection.query_row(LAST, [], |row| {
        Ok(Head { seq: row.get(0)?, hash: hash_at(row, 1)?.unwrap_or_default() })
    });
    Ok(last.optional()?.unwrap_or(Head::EMPTY))
}

/// Appends a record; nothing where it stands already. One that has waited while others were written is not of
/// before them: the trail goes forward in time.
pub(super) fn append(tx: &Transaction<'_>, record: &AuditRecord) -> rusqlite::Result<()> {
    let id = record.id.to_string();
    if tx.prepare_cached(FIND)?.exists([&id])? {
        return Ok(());
    }
    let head = end(tx)?;
    let at_ms = record.at_ms.max(newest_ms(tx)?);
    let seq = head.seq.saturating_add(1);
    let (before, after) = (record.before.as_deref(), record.after.as_deref());
    let what = record.what.name();
    let hash = sum(
        FORM,
        [
            ValueRef::Integer(seq),
            text(&id),
            ValueRef::Integer(at_ms),
            text(&record.who),
            text(what),
            text(&record.subject),
            text(&record.reason),
            before.map_or(ValueRef::Null, text),
            after.map_or(ValueRef::Null, text),
            ValueRef::Blob(&head.hash),
        ],
    );
    let AuditRecord { who, subject, reason, .. } = record;
    let mut insert = tx.prepare_cached(INSERT)?;
    insert.execute(params![
        seq, id, at_ms, who, what, subject, reason, before, after, head.hash, hash
    ])?;
    tx.prepare_cached(schema::SET_META)?.execute([HEAD, &Head { seq, hash }.text()])?;
    Ok(())
}

/// The record of a change of an experiment, under the change's own id.
pub(super) fn of_change(change: &ExperimentChange) -> AuditRecord {
    let mut after = Map::new();
    after.insert("version".into(), (&*change.version).into());
    if let Some(arm) = &change.arm {
        after.insert("arm".into(), (&**arm).into());
    }
    AuditRecord {
        id: change.id,
        at_ms: change.at_ms,
        who: change.by.clone(),
        what: match change.change {
            ExperimentAction::Stopped => AuditAction::ExperimentStopped,
            ExperimentAction::Resumed => AuditAction::ExperimentResumed,
            ExperimentAction::RolledBack => AuditAction::ExperimentRolledBack,
        },
        subject: (&*change.experiment).into(),
        reason: change.reason.clone(),
        before: None,
        after: Some(Value::Object(after).to_string().into()),
    }
}

fn text(text: &str) -> ValueRef<'_> {
    ValueRef::Text(text.as_bytes())
}

/// The hash of a form and of values, each with its type and its length: no two rows of values are the same
/// bytes.
pub(super) fn sum<'a>(form: &[u8], values: impl IntoIterator<Item = ValueRef<'a>>) -> Hash {
    let mut sum = Sha256::new();
    sum.update(form);
    let mut part = |kind: u8, bytes: &[u8]| {
        sum.update([kind]);
        sum.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        sum.update(bytes);
    };
    for value in values {
        match value {
            ValueRef::Null => part(0, &[]),
            ValueRef::Integer(number) => part(1, &number.to_be_bytes()),
            ValueRef::Real(number) => part(2, &number.to_bits().to_be_bytes()),
            ValueRef::Text(text) => part(3, text),
            ValueRef::Blob(bytes) => part(4, bytes),
        }
    }
    sum.finalize().into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash that a column holds; nothing where it is none.
pub(super) fn hash_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Hash>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Blob(bytes) => bytes.try_into().ok(),
        _ => None,
    })
}

/// What going along the trail has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Records that do not fit, each in words and by its number.
    pub(super) faults: Vec<String>,
    /// How many records there are.
    pub(super) records: u64,
    /// Whether there is a trail.
    pub(super) is_there: bool,
}

/// Goes along the whole trail.
pub(super) fn verify(connection: &Connection) -> rusqlite::Result<Found> {
    if connection.query_row(TABLE, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(Found {
            faults: vec!["the table audit is missing".into()],
            records: 0,
            is_there: false,
        });
    }
    let mut walk = Walk::default();
    let mut select = connection.prepare(ALL)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        walk.step(row)?;
    }
    walk.end(noted(connection)?);
    let mut faults = walk.faults;
    if let Some(more) = faults.len().checked_sub(NAMED_MAX).filter(|it| *it > 0) {
        faults.truncate(NAMED_MAX);
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        faults.push(counted(more, "more finding", "more findings") + " about the audit trail");
    }
    let mut unrecorded = connection.prepare(UNRECORDED)?;
    let unrecorded = unrecorded.query_map([], |row| row.get::<_, String>(0))?;
    faults.extend(unrecorded.collect::<rusqlite::Result<Vec<_>>>()?);
    Ok(Found { faults, records: walk.records, is_there: true })
}

/// Going along the trail, from record to record.
#[derive(Debug, Default)]
struct Walk {
    /// The number of the last record; 0 is before the first.
    last: i64,
    /// Its hash as it holds it; all zeros before the first.
    held: Hash,
    /// Its hash as it should be: by this one, too, the next is known to follow.
    made: Hash,
    records: u64,
    faults: Vec<String>,
}

impl Walk {
    fn step(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let width = row.as_ref().column_count().saturating_sub(1);
        let values: Vec<_> = (0..width).map(|at| row.get_ref(at)).collect::<Result<_, _>>()?;
        let seq: i64 = row.get(0)?;
        let made = sum(FORM, values);
        let held = hash_at(row, width)?;
        let prev = hash_at(row, width.saturating_sub(1))?;
        let sound = held == Some(made);
        if !sound {
            self.faults.push(format!("audit record {seq} is not as it was written"));
        }
        self.records += 1;
        if seq < 1 {
            self.faults.push(format!("audit record {seq} stands before the audit trail begins"));
            return Ok(());
        }
        if seq != self.last.saturating_add(1) {
            self.missing(seq);
        } else if sound && prev != Some(self.held) && prev != Some(self.made) {
            let what = match self.last {
                0 => "the beginning of the audit trail".to_owned(),
                last => format!("record {last}"),
            };
            self.faults.push(format!(
                "audit record {seq} does not follow {what}: one of them was put there or written anew"
            ));
        }
        self.last = seq;
        self.held = held.unwrap_or(made);
        self.made = made;
        Ok(())
    }

    /// Says that there is no record between the last one and this one.
    fn missing(&mut self, before: i64) {
        let (first, last) = (self.last.saturating_add(1), before.saturating_sub(1));
        self.faults.push(if first == last {
            format!("audit record {first} is missing: it was removed")
        } else {
            format!("audit records {first} to {last} are missing: they were removed")
        });
    }

    /// Compares the last record with the end that was written down.
    fn end(&mut self, noted: Option<Head>) {
        match noted {
            None => self.faults.push(
                "the end of the audit trail is not written down: `audit_head` in `meta` was removed \
                 or changed"
                    .into(),
            ),
            Some(head) if head.seq > self.last => self.missing(head.seq.saturating_add(1)),
            Some(head) if head.seq < self.last => self.faults.push(format!(
                "the audit trail ends with record {}, and record {} stands beyond its end",
                head.seq, self.last
            )),
            Some(head) if head.hash != self.held && head.hash != self.made => {
                self.faults.push(format!(
                    "audit record {} is not the one with which the audit trail ends",
                    self.last
                ));
            }
            Some(_) => {}
        }
    }
}
