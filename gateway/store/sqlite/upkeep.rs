//! What the writer does from time to time: old entries go, and the disk's free space is looked at.
//!
//! Entries go in steps of a few hundred rows, each a transaction of its own. What they had cost stays:
//! `gone` takes the sums of removed entries by the cells of `balance`, so that the balances stay as they
//! are and can still be proved. Cells that no window reaches any more are folded into the quarter 0.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior, params};

use super::{
    experiments::COUNT_ROWS,
    schema::{ADD_BALANCE, KEEP_NEXT_SEQ, QUARTER_MS},
    started_at,
};
use crate::record::Upkeep;

/// Rows of each kind that one step removes: some milliseconds of the writer's time.
const STEP_ROWS: usize = 512;
/// How often is looked for entries that have become too old.
const LOOK_EVERY_MS: i64 = 60_000;
/// A step comes each second: a clock that has gone on by so much meanwhile was set, or the machine slept.
const LEAP_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// A year's window reaches 366 days back and, by its time zone, a day further; some are to spare.
const WINDOW_DAYS: i64 = 370;

/// Free bytes on the disk of this folder; `None` if the system does not say.
#[must_use]
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let said = rustix::fs::statvfs(folder).ok()?;
    Some(said.f_bavail.saturating_mul(said.f_frsize))
}

/// How long entries are kept, and how much space is left free.
pub struct Keep {
    /// Entries that began so many days ago go.
    pub days: u32,
    /// With less than so many bytes free, the disk counts as full.
    pub free_bytes_min: u64,
    /// Milliseconds since 1970.
    pub now_ms: fn() -> i64,
    /// Free bytes where the ledger stands; `None` if the system does not say.
    pub free_bytes: Box<dyn FnMut() -> Option<u64> + Send>,
    /// When it was last found that nothing is too old.
    looked_ms: Option<i64>,
    /// The clock at the last step.
    stepped_ms: Option<i64>,
    /// Until then nothing goes: the clock has leapt ahead, and somebody may still set it right.
    waits_until_ms: i64,
}

impl std::fmt::Debug for Keep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keep").field("days", &self.days).finish_non_exhaustive()
    }
}

impl Keep {
    /// Entries for so many days; so many bytes free, measured at `folder`.
    #[must_use]
    pub fn new(days: u32, free_bytes_min: u64, folder: PathBuf, now_ms: fn() -> i64) -> Self {
        let free_bytes = Box::new(move || free_bytes(&folder));
        let (looked_ms, stepped_ms, waits_until_ms) = (None, None, i64::MIN);
        Self { days, free_bytes_min, now_ms, free_bytes, looked_ms, stepped_ms, waits_until_ms }
    }

    /// Whether the clock has leapt ahead within the last day of its own time. One that came back has not.
    fn waits(&mut self, now_ms: i64) -> bool {
        let last = self.stepped_ms.replace(now_ms).unwrap_or(now_ms);
        if now_ms.saturating_sub(last) > LEAP_MS {
            self.waits_until_ms = now_ms.saturating_add(DAY_MS);
        } else if now_ms < self.waits_until_ms.saturating_sub(DAY_MS + LEAP_MS) {
            self.waits_until_ms = i64::MIN;
        }
        now_ms < self.waits_until_ms
    }

    pub(super) fn step(&mut self, connection: &mut Connection) -> Upkeep {
        let free_bytes = (self.free_bytes)();
        let low = free_bytes.is_some_and(|free| free < self.free_bytes_min);
        let now_ms = (self.now_ms)();
        let lately = |looked: i64| (looked..looked.saturating_add(LOOK_EVERY_MS)).contains(&now_ms);
        if self.waits(now_ms) || self.looked_ms.is_some_and(lately) {
            return Upkeep { low, free_bytes, ..Upkeep::default() };
        }
        let removed = remove(connection, now_ms, i64::from(self.days) * DAY_MS);
        let more = removed.unwrap_or_else(|error| {
            // Tried again at the next look; until then it is only more than was asked for.
            let (ledger, error) = (connection.path().unwrap_or_default(), super::failed(error));
            tracing::warn!(ledger, %error, "old entries of the ledger could not be removed");
            false
        });
        self.looked_ms = (!more).then_some(now_ms);
        Upkeep { low, free_bytes, more, ..Upkeep::default() }
    }
}

/// The oldest closed entries that began before a moment. An open one stays, however old it is.
const CHOOSE: &str = "INSERT INTO temp.old SELECT seq FROM entry WHERE started_at < ?1 AND \
     EXISTS (SELECT 1 FROM entry_close WHERE entry_close.seq = entry.seq) \
     ORDER BY started_at LIMIT ?2";
const KEEP_SUMS: &str = "INSERT INTO gone (quarter, tree, team, \"key\", cost_nano, requests) \
     SELECT unixepoch(started_at) / 900, tree, team, \"key\", sum(cost_nano), count(*) \
     FROM temp.old JOIN line USING (seq) WHERE true GROUP BY 1, 2, 3, 4 ON CONFLICT DO UPDATE SET \
     cost_nano = cost_nano + excluded.cost_nano, requests = requests + excluded.requests";
const REMOVE_ENTRIES: &str = "DELETE FROM entry WHERE seq IN (SELECT seq FROM temp.old)";
const REMOVE_CLOSES: &str = "DELETE FROM entry_close WHERE seq IN (SELECT seq FROM temp.old)";
/// What goes with old entries: the arms that they were, and what was told of them.
const REMOVE_ENROLLED: &str = "DELETE FROM enrolled WHERE seq IN (SELECT seq FROM temp.old)";
const REMOVE_SHADOWS: &str = "DELETE FROM shadow WHERE seq IN (SELECT seq FROM temp.old)";
const REMOVE_CACHED: &str = "DELETE FROM cached WHERE seq IN (SELECT seq FROM temp.old)";
const REMOVE_JUDGED: &str = "DELETE FROM judged WHERE id IN \
     (SELECT id FROM temp.old CROSS JOIN entry USING (seq))";
const REMOVE_TOLD: &str = "DELETE FROM feedback_value WHERE id IN \
     (SELECT id FROM temp.old CROSS JOIN entry USING (seq))";
/// What was told of refusals that go.
const REMOVE_TOLD_OF_REFUSALS: &str = "DELETE FROM feedback_value WHERE id IN \
     (SELECT id FROM refusal WHERE arm IS NOT NULL AND rowid IN \
     (SELECT rowid FROM refusal WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2))";
const REMOVE_REFUSALS: &str = "DELETE FROM refusal WHERE rowid IN \
     (SELECT rowid FROM refusal WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)";

const FOLDABLE: &str = "SELECT quarter, tree, team, \"key\", cost_nano, requests FROM gone \
     WHERE quarter > 0 AND quarter < ?1 ORDER BY quarter LIMIT ?2";
const ADD_GONE: &str = "INSERT INTO gone (quarter, tree, team, \"key\", cost_nano, requests) \
     VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET cost_nano = cost_nano + excluded.cost_nano, \
     requests = requests + excluded.requests";
const REMOVE_GONE: &str =
    "DELETE FROM gone WHERE quarter = ? AND tree = ? AND team = ? AND \"key\" = ?";
const REMOVE_EMPTY: &str = "DELETE FROM balance WHERE quarter = ? AND tree = ? AND team = ? \
     AND \"key\" = ? AND requests = 0 AND cost_nano = 0";

/// One step; whether there is more to do.
fn remove(connection: &mut Connection, now_ms: i64, keep_ms: i64) -> rusqlite::Result<bool> {
    let before = now_ms.saturating_sub(keep_ms);
    let rows = i64::try_from(STEP_ROWS).unwrap_or(i64::MAX);
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let entries = remove_entries(&tx, before, rows)?;
    let told = tx.prepare_cached(REMOVE_TOLD_OF_REFUSALS)?.execute(params![before, rows])?;
    uncount(&tx, "feedback_value", told)?;
    let refusals = tx.prepare_cached(REMOVE_REFUSALS)?.execute(params![before, rows])?;
    let unreached = now_ms.saturating_sub(WINDOW_DAYS * DAY_MS).div_euclid(QUARTER_MS);
    let folded = fold(&tx, unreached, rows)?;
    if entries + refusals + folded > 0 {
        tx.commit()?;
    }
    Ok([entries, refusals, folded].contains(&STEP_ROWS))
}

fn remove_entries(tx: &Connection, before_ms: i64, rows: i64) -> rusqlite::Result<usize> {
    tx.execute_batch("CREATE TEMP TABLE IF NOT EXISTS old (seq INTEGER PRIMARY KEY)")?;
    tx.execute("DELETE FROM temp.old", [])?;
    let before = started_at(before_ms);
    let entries = tx.prepare_cached(CHOOSE)?.execute(params![before, rows])?;
    if entries > 0 {
        for (sql, counted) in [
            (REMOVE_ENROLLED, Some("enrolled")),
            (REMOVE_SHADOWS, Some("shadow")),
            (REMOVE_CACHED, Some("cached")),
            (REMOVE_JUDGED, Some("judged")),
            (REMOVE_TOLD, Some("feedback_value")),
            (KEEP_NEXT_SEQ, None),
            (KEEP_SUMS, None),
            (REMOVE_CLOSES, None),
            (REMOVE_ENTRIES, None),
        ] {
            let changed = tx.prepare_cached(sql)?.execute([])?;
            counted.map_or(Ok(()), |table| uncount(tx, table, changed))?;
        }
    }
    Ok(entries)
}

/// So many rows of a table that is counted are gone.
fn uncount(tx: &Connection, table: &str, gone: usize) -> rusqlite::Result<()> {
    if gone > 0 {
        let less = -i64::try_from(gone).unwrap_or(i64::MAX);
        tx.prepare_cached(COUNT_ROWS)?.execute(params![table, less])?;
    }
    Ok(())
}

type Cell = (i64, i64, String, String, i64, i64);

fn fold(connection: &Connection, before: i64, rows: i64) -> rusqlite::Result<usize> {
    let mut select = connection.prepare_cached(FOLDABLE)?;
    let cell = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    };
    let cells = select.query_map(params![before, rows], cell)?;
    let cells: Vec<Cell> = cells.collect::<rusqlite::Result<_>>()?;
    for (quarter, tree, team, key, cost, requests) in &cells {
        // The cell's part that is gone moves into the quarter 0 of both tables.
        for sql in [ADD_GONE, ADD_BALANCE] {
            let mut add = connection.prepare_cached(sql)?;
            add.execute(params![0, tree, team, key, cost, requests])?;
        }
        let mut subtract = connection.prepare_cached(ADD_BALANCE)?;
        subtract.execute(params![quarter, tree, team, key, -cost, -requests])?;
        for sql in [REMOVE_GONE, REMOVE_EMPTY] {
            connection.prepare_cached(sql)?.execute(params![quarter, tree, team, key])?;
        }
    }
    Ok(cells.len())
}
