//! What was spent, by the names of then: the team, the teams above it as they hung when it was spent,
//! and the key. A configuration may have changed since in any way; a sum must not.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use policies::facts::Money;
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::{BootMark, schema::QUARTER_MS, trees::Trees};

/// What one key of one team has spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The team's name.
    pub team: String,
    /// The key's name.
    pub key: String,
    /// Money.
    pub cost: Money,
}

/// What one key of one team has spent in one quarter of an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spending {
    /// Milliseconds since 1970 at which the quarter began; 0 for all that is older than any window and
    /// whose entries are gone.
    pub at_ms: i64,
    /// The team and those above it, the nearest first, as they hung then.
    pub teams: Arc<[String]>,
    /// Whether it is known what hung above the team: files of the first version did not say.
    pub whole: bool,
    /// The key's name.
    pub key: String,
    /// Money.
    pub cost: Money,
}

/// The ledger's money at one moment, and where it can be read on from.
#[derive(Debug)]
pub struct Balances {
    /// What each key has spent.
    pub spendings: Vec<Spending>,
    /// What of that is of the requests that were asked for.
    pub costs: HashMap<Uuid, Money>,
    /// The moment.
    pub mark: BootMark,
}

const COST: &str = concat!(
    "SELECT ",
    super::schema::corrected!(),
    " FROM entry AS e JOIN entry_close AS c ON c.seq = e.seq WHERE e.id = ?"
);

const SPENT: &str = "SELECT team, \"key\", sum(cost_nano) FROM balance WHERE quarter >= ? \
     GROUP BY 1, 2 ORDER BY 1, 2";

const SPENDINGS: &str = "SELECT quarter, tree, team, \"key\", cost_nano FROM balance \
     WHERE quarter >= ? ORDER BY 1, 2, 3, 4";

const FIND_META: &str = "SELECT value FROM meta WHERE name = ?";

/// The name of the replica that writes this file; `made` becomes it where there is none yet.
pub(super) fn replica(connection: &Connection, made: &str) -> rusqlite::Result<String> {
    let insert = "INSERT INTO meta (name, value) VALUES ('replica', ?) ON CONFLICT DO NOTHING";
    connection.execute(insert, [made])?;
    connection.query_row(FIND_META, ["replica"], |row| row.get(0))
}

/// What each key has spent from a moment on; [`super::Reader::spent`] is its meaning.
pub(super) fn spent(connection: &Connection, since_ms: i64) -> rusqlite::Result<Vec<Spent>> {
    let mut select = connection.prepare_cached(SPENT)?;
    let rows = select.query_map([since_ms.div_euclid(QUARTER_MS)], |row| {
        let cost = Money::from_nano(row.get(2)?);
        Ok(Spent { team: row.get(0)?, key: row.get(1)?, cost })
    })?;
    rows.collect()
}

/// What these requests cost, of those that have ended.
pub(super) fn costs(
    connection: &Connection,
    requests: HashSet<Uuid>,
) -> rusqlite::Result<HashMap<Uuid, Money>> {
    let mut select = connection.prepare_cached(COST)?;
    let mut costs = HashMap::new();
    for id in requests {
        let cost = select.query_row([id.to_string()], |row| row.get(0)).optional()?;
        costs.extend(cost.map(|nano| (id, Money::from_nano(nano))));
    }
    Ok(costs)
}

/// What each key has spent by quarter of an hour. Runs within a transaction of the caller, since a tree
/// of teams may be new.
pub(super) fn spendings(connection: &Connection, since_ms: i64) -> rusqlite::Result<Vec<Spending>> {
    let mut trees = Trees::default();
    let mut select = connection.prepare(SPENDINGS)?;
    let rows = select.query_map([since_ms.div_euclid(QUARTER_MS)], |row| {
        let at_ms = row.get::<_, i64>(0)? * QUARTER_MS;
        let (teams, whole) = trees.path(connection, row.get(1)?, row.get(2)?)?;
        let cost = Money::from_nano(row.get(4)?);
        Ok(Spending { at_ms, teams, whole, key: row.get(3)?, cost })
    })?;
    rows.collect()
}
