//! What was spent, by the names of then: the team, the teams above it as they hung when it was spent,
//! and the key. A configuration may have changed since in any way; a sum must not.

use std::sync::Arc;

use policies::facts::Money;
use rusqlite::Connection;

use super::{Reader, Sqlite, failed, handover::BootMark, schema::QUARTER_MS, trees::Trees};
use crate::record::StoreError;

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

const SPENT: &str = "SELECT team, \"key\", sum(cost_nano) FROM balance WHERE quarter >= ? \
     GROUP BY 1, 2 ORDER BY 1, 2";

const SPENDINGS: &str = "SELECT quarter, tree, team, \"key\", cost_nano FROM balance \
     WHERE quarter >= ? ORDER BY 1, 2, 3, 4";

const FIND_META: &str = "SELECT value FROM meta WHERE name = ?";

impl Sqlite {
    /// The name of the replica that writes this file: once made, it stays. `made` is taken where there
    /// is none yet.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn replica(&mut self, made: &str) -> Result<String, StoreError> {
        let insert = "INSERT INTO meta (name, value) VALUES ('replica', ?) ON CONFLICT DO NOTHING";
        let named = || {
            self.connection.execute(insert, [made])?;
            self.connection.query_row(FIND_META, ["replica"], |row| row.get(0))
        };
        named().map_err(failed)
    }
}

impl Reader {
    /// What each key has spent from this moment on, by the start of its requests, to the quarter of
    /// an hour in which the moment lies. Open entries are not in it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn spent(&self, since_ms: i64) -> Result<Vec<Spent>, StoreError> {
        let read = || {
            let mut select = self.connection().prepare_cached(SPENT)?;
            let rows = select.query_map([since_ms.div_euclid(QUARTER_MS)], |row| {
                let cost = Money::from_nano(row.get(2)?);
                Ok(Spent { team: row.get(0)?, key: row.get(1)?, cost })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(failed)
    }

    /// What each key has spent from this moment on, by the quarter of an hour in which its requests
    /// started, and by the teams of then: enough to know any window's sum again.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn spendings(&self, since_ms: i64) -> Result<Vec<Spending>, StoreError> {
        self.spendings_of(since_ms).map_err(failed)
    }

    fn spendings_of(&self, since_ms: i64) -> rusqlite::Result<Vec<Spending>> {
        // One transaction: a tree may be new.
        spendings(&*self.connection().unchecked_transaction()?, since_ms)
    }

    /// What each key has spent, as [`Self::spendings`] has it, and a mark of the same moment: what the
    /// entries of these boots cost that are not in it is read by [`Self::of_boots`] from there on. Nothing
    /// is in both, and nothing in neither.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn spendings_and_mark(
        &self,
        since_ms: i64,
        boots: &[i64],
    ) -> Result<(Vec<Spending>, BootMark), StoreError> {
        let read = || {
            let tx = self.connection().unchecked_transaction()?;
            Ok((spendings(&tx, since_ms)?, BootMark::new(&tx, boots)?))
        };
        read().map_err(failed)
    }

    /// Reads on from a mark: afterwards it says what the boots' entries reserve and have cost since. It
    /// looks at what is open and what is new, so that it may be asked again and again.
    ///
    /// # Errors
    /// The file cannot be read; the mark is as it was, and can be asked for again.
    pub fn of_boots(&self, mark: &mut BootMark) -> Result<(), StoreError> {
        let mut read = || mark.read_on(&*self.connection().unchecked_transaction()?);
        read().map_err(failed)
    }
}

fn spendings(connection: &Connection, since_ms: i64) -> rusqlite::Result<Vec<Spending>> {
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
