//! Entries as they settle, read again and again by a command while gateways write.
//!
//! Numbers are given at the beginning of a request, and requests end in any order: what was open at the last
//! read is looked at again, and then what is new.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};
use serde_json::{Map, Value};

use super::{
    request,
    schema::{FIND_NUMBER, FIND_OPEN, OPEN_FROM},
    started_at,
};

/// New entries that one read looks at, at the most: what it finds is held in memory.
const STEP_ROWS: i64 = 1_000;

const NEXT: &str = "SELECT coalesce(max(seq) + 1, 1) FROM entry";
/// The first entry that began at or after a moment.
const FIRST_SINCE: &str = "SELECT min(seq) FROM entry WHERE started_at >= ?";
const OPEN: &str = "SELECT e.id, c.seq IS NOT NULL FROM entry AS e \
     LEFT JOIN entry_close AS c ON c.seq = e.seq WHERE e.seq = ?";
const NEW: &str = "SELECT e.seq, e.id, c.seq IS NOT NULL FROM entry AS e \
     LEFT JOIN entry_close AS c ON c.seq = e.seq WHERE e.seq >= ? ORDER BY e.seq LIMIT ?";

/// How far the entries were followed.
#[derive(Debug)]
pub struct Following {
    /// Every entry with a smaller number has been looked at.
    next: i64,
    /// Those of them that were open then.
    open: BTreeSet<i64>,
}

/// What one read has found.
#[derive(Debug, Default)]
pub struct Settled {
    /// The columns of the view `ledger`, of each entry that has ended since the last read.
    pub entries: Vec<Map<String, Value>>,
    /// Whether there is more to read at once.
    pub more: bool,
}

impl Following {
    /// From here on, or from the entries on that began at a moment. What is open now and ends later is in it.
    pub(super) fn begin(connection: &Connection, since_ms: Option<i64>) -> rusqlite::Result<Self> {
        let end: i64 = connection.query_row(NEXT, [], |row| row.get(0))?;
        let first =
            |since| connection.query_row(FIRST_SINCE, [started_at(since)], |row| row.get(0));
        let next = since_ms.map(first).transpose()?.flatten().unwrap_or(end);
        let mut number = connection.prepare(FIND_NUMBER)?;
        let mut mark = number.query_map([OPEN_FROM], |row| row.get::<_, i64>(0))?;
        let mark = mark.next().transpose()?.unwrap_or(0);
        let mut select = connection.prepare(FIND_OPEN)?;
        let open = select.query_map([mark], |row| row.get(0))?;
        let open = open.collect::<rusqlite::Result<BTreeSet<i64>>>()?;
        Ok(Self { next, open: open.into_iter().filter(|seq| *seq < next).collect() })
    }

    /// Reads on; what it was stays if that fails.
    pub(super) fn read_on(&mut self, connection: &Connection) -> rusqlite::Result<Settled> {
        let (mut next, mut open) = (self.next, BTreeSet::new());
        let mut ended: Vec<String> = Vec::new();
        let mut find = connection.prepare_cached(OPEN)?;
        for seq in &self.open {
            let mut rows = find.query([seq])?;
            // An entry that is gone has ended, but nobody knows how any more.
            let Some(row) = rows.next()? else { continue };
            if row.get(1)? {
                ended.push(row.get(0)?);
            } else {
                open.insert(*seq);
            }
        }
        let mut select = connection.prepare_cached(NEW)?;
        let mut rows = select.query(params![next, STEP_ROWS])?;
        let mut looked = 0;
        while let Some(row) = rows.next()? {
            let seq = row.get(0)?;
            if row.get(2)? {
                ended.push(row.get(1)?);
            } else {
                open.insert(seq);
            }
            (next, looked) = (seq + 1, looked + 1);
        }
        let entries = ended.iter().map(|id| request::columns(connection, id));
        let entries = entries.collect::<rusqlite::Result<Vec<_>>>()?;
        *self = Self { next, open };
        Ok(Settled { entries: entries.into_iter().flatten().collect(), more: looked == STEP_ROWS })
    }
}
