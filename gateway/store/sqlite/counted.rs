//! What one process has charged by the labels of its counters, as it stands in the ledger: what they are held
//! against.

use std::path::Path;

use policies::facts::Money;
use rusqlite::{Connection, OptionalExtension};

use super::{Reader, boot, failed, read::unsigned};
use crate::record::StoreError;

/// Entries that a process has closed, of one team, one model and one outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedRow {
    /// The team of then.
    pub team: String,
    /// The model that served, was tried last or was planned; none where no name was known.
    pub model: Option<String>,
    /// How they ended.
    pub outcome: String,
    /// How many there are.
    pub requests: u64,
    /// What was charged for them at their end, corrections aside.
    pub cost: Money,
    /// Their tokens: input, cached input, cache write, output and reasoning.
    pub tokens: [u64; 5],
}

/// What a ledger says of a process by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    /// All that it has closed.
    All(Vec<CountedRow>),
    /// Some of its entries were too old to be kept, so that the others say nothing of the whole.
    Removed,
    /// It is none that writes to this ledger now.
    Stranger,
}

/// What a process has closed and not somebody else in its place, corrections aside.
const ROWS: &str = "SELECT w.team, r.model, coalesce(r.outcome, ''), count(*), sum(c.cost_nano), \
     coalesce(sum(c.input_tokens), 0), coalesce(sum(c.cached_input_tokens), 0), \
     coalesce(sum(c.cache_write_tokens), 0), coalesce(sum(c.output_tokens), 0), \
     coalesce(sum(c.reasoning_tokens), 0) \
     FROM entry AS e JOIN entry_close AS c ON c.seq = e.seq JOIN result AS r ON r.id = c.result \
     JOIN caller AS w ON w.id = e.caller WHERE e.boot = ? AND r.state = 1 GROUP BY 1, 2, 3";
const REPLICA: &str = "SELECT value FROM meta WHERE name = 'replica'";
/// Whether entries were removed of a quarter of an hour in which the process was there.
const REMOVED: &str = "SELECT EXISTS (SELECT 1 FROM gone, boot \
     WHERE boot.id = ? AND (gone.quarter + 1) * 900 > unixepoch(boot.started_at))";

/// What the process of this number has closed in a ledger of the replica of this name.
///
/// # Errors
/// The file cannot be read, or is no ledger of this version.
pub fn counted(ledger: &Path, (replica, number): (&str, i64)) -> Result<Counted, StoreError> {
    let reader = Reader::open(ledger)?;
    if !boot::living(ledger)?.iter().any(|it| it.number == number) {
        return Ok(Counted::Stranger);
    }
    of_boot(reader.connection(), (replica, number)).map_err(failed)
}

/// The name of the replica that writes this ledger, once it has one.
pub(super) fn replica(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection.query_row(REPLICA, [], |row| row.get(0)).optional()
}

fn of_boot(connection: &Connection, (replica, number): (&str, i64)) -> rusqlite::Result<Counted> {
    let tx = connection.unchecked_transaction()?;
    if self::replica(&tx)?.as_deref() != Some(replica) {
        return Ok(Counted::Stranger);
    }
    if tx.query_row(REMOVED, [number], |row| row.get(0))? {
        return Ok(Counted::Removed);
    }
    let mut select = tx.prepare(ROWS)?;
    let rows = select.query_map([number], |row| {
        let mut tokens = [0; 5];
        for (at, count) in tokens.iter_mut().enumerate() {
            *count = unsigned(row, at + 5)?;
        }
        Ok(CountedRow {
            team: row.get(0)?,
            model: row.get(1)?,
            outcome: row.get(2)?,
            requests: unsigned(row, 3)?,
            cost: Money::from_nano(row.get(4)?),
            tokens,
        })
    })?;
    Ok(Counted::All(rows.collect::<rusqlite::Result<_>>()?))
}
