//! The rows that say who writes, and how what a dead writer has left open is closed.

use std::path::Path;

use policies::facts::Money;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::checksum;
use super::schema::{FIND_NUMBER, FIND_OPEN, OPEN_FROM, RECOVER, SET_META};

const NEXT_BOOT: &str = "SELECT max((SELECT coalesce(max(id), 0) FROM boot), ?) + 1";
const INSERT_BOOT: &str = "INSERT INTO boot (id, started_at) \
     VALUES (?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))";
const FIND_OTHERS: &str = "SELECT id FROM boot WHERE ended_at IS NULL AND id <> ?";

const RESERVED: &str = "SELECT reserved_nano FROM entry JOIN temp.left_open USING (seq)";

/// Entries that a writer that is gone had left open, closed at what they had reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// How many there were.
    pub entries: u64,
    /// What they cost together.
    pub cost: Money,
}

impl Recovered {
    /// Says so in the log, if there were some.
    pub(super) fn say(self, ledger: &Path) {
        let Self { entries, cost } = self;
        if entries > 0 {
            let ledger = ledger.display();
            tracing::warn!(
                %ledger,
                entries,
                %cost,
                "a gateway has ended with open entries: closed as recovered, at what they had reserved"
            );
        }
    }
}

/// The first open entry between two numbers, whoever has opened it.
const FIRST_OPEN: &str = "SELECT seq FROM entry WHERE seq >= ? AND seq < ? AND NOT EXISTS \
     (SELECT 1 FROM entry_close WHERE entry_close.seq = entry.seq) ORDER BY seq LIMIT 1";

/// Adds a boot with a number that none has had, above `least`; returns it.
pub(super) fn add_boot(transaction: &Transaction<'_>, least: i64) -> rusqlite::Result<i64> {
    let number = transaction.query_row(NEXT_BOOT, [least], |row| row.get(0))?;
    transaction.execute(INSERT_BOOT, [number])?;
    checksum::seal(transaction, &checksum::BOOT, "id = ?", [number])?;
    Ok(number)
}

/// The numbers of the other boots that have not ended, dead or alive.
pub(super) fn others(connection: &Connection, own: i64) -> rusqlite::Result<Vec<i64>> {
    let mut find = connection.prepare_cached(FIND_OTHERS)?;
    find.query_map([own], |row| row.get(0))?.collect()
}

/// Closes the open entries of all boots but the living, and of none, at their whole reservations, and says
/// that those boots have ended.
pub(super) fn recover(
    transaction: &Transaction<'_>,
    living: &[i64],
) -> rusqlite::Result<Recovered> {
    let from = open_from(transaction)?;
    let kept = living.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    transaction.execute_batch("CREATE TEMP TABLE left_open (seq INTEGER PRIMARY KEY)")?;
    let find = format!(
        "INSERT INTO temp.left_open SELECT seq FROM ({FIND_OPEN}) \
         WHERE coalesce(boot, 0) NOT IN ({kept})"
    );
    let open = transaction.execute(&find, [from])?;
    let mut cost = Money::ZERO;
    if open > 0 {
        let mut reserved = transaction.prepare(RESERVED)?;
        for nano in reserved.query_map([], |row| row.get(0))? {
            cost = cost.saturating_add(Money::from_nano(nano?));
        }
        transaction.execute_batch(RECOVER)?;
        seal(transaction)?;
    }
    transaction.execute_batch("DROP TABLE temp.left_open")?;
    let end = format!(
        "UPDATE boot SET ended_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') \
         WHERE ended_at IS NULL AND id NOT IN ({kept})"
    );
    transaction.execute(&end, [])?;
    // Beside one that lives the mark is moved by its groups.
    if living.is_empty() {
        let last: Option<i64> =
            transaction.query_row("SELECT max(seq) FROM entry", [], |row| row.get(0))?;
        let next = last.map_or(from, |last| last + 1);
        if next > from {
            set_open_from(transaction, next)?;
        }
    }
    Ok(Recovered { entries: u64::try_from(open).unwrap_or(0), cost })
}

/// Gives what was written by SQL its checksums.
fn seal(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let made = "id = (SELECT min(id) FROM result WHERE state = 2 AND usage_source = 'reserved' AND \
                model IS NULL)";
    checksum::seal(transaction, &checksum::RESULT, made, [])?;
    let mut find = transaction.prepare("SELECT seq FROM temp.left_open")?;
    let closed = find.query_map([], |row| row.get::<_, i64>(0))?;
    for seq in closed.collect::<rusqlite::Result<Vec<_>>>()? {
        checksum::seal(transaction, &checksum::CLOSE, "seq = ?", [seq])?;
    }
    Ok(())
}

/// The number below which every entry is closed.
pub(super) fn open_from(connection: &Connection) -> rusqlite::Result<i64> {
    let find = || connection.query_row(FIND_NUMBER, [OPEN_FROM], |row| row.get(0)).optional();
    Ok(find()?.unwrap_or(1))
}

/// Says so of another number.
pub(super) fn set_open_from(transaction: &Transaction<'_>, seq: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached(SET_META)?.execute(params![OPEN_FROM, seq.to_string()])?;
    Ok(())
}

/// The first entry from `mark` on that any boot has open; `own` where that is this boot's first.
pub(super) fn first_open(
    transaction: &Transaction<'_>,
    (mark, own): (i64, i64),
    boot: i64,
) -> rusqlite::Result<i64> {
    // One that writes alone knows it; nobody joins within its transaction.
    if others(transaction, boot)?.is_empty() {
        return Ok(own);
    }
    let mut find = transaction.prepare_cached(FIRST_OPEN)?;
    Ok(find.query_row([mark, own], |row| row.get(0)).optional()?.unwrap_or(own))
}
