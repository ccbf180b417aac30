//! What was spent, by the names of then: the team, the teams above it as they hung when it was spent,
//! and the key. A configuration may have changed since in any way; a sum must not.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use policies::facts::Money;
use rusqlite::{OptionalExtension, params};

use super::{Reader, Sqlite, UNKNOWN_TREE, failed, schema::QUARTER_MS};
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

const FIND_TREE: &str = "SELECT id FROM tree WHERE teams = ?";
const FIND_META: &str = "SELECT value FROM meta WHERE name = ?";

/// By team: the one above it.
type Tree = HashMap<String, String>;

/// Tells the writer of another tree of teams while it runs. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TreeSetter(Arc<Mutex<Option<OwnedTree>>>);

type OwnedTree = BTreeMap<String, Option<String>>;

impl TreeSetter {
    /// What is spent from the next group on is spent by these teams as they hang now.
    pub fn set<'a>(&self, teams: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) {
        let owned = |(team, above): (&str, Option<&str>)| (team.into(), above.map(Into::into));
        let teams = teams.into_iter().map(owned).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(teams);
    }

    fn get(&self) -> Option<OwnedTree> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A tree as it is kept: on each line a team and, after a space, the one above it. No name holds either.
fn written(teams: &BTreeMap<&str, Option<&str>>) -> String {
    let line = |(team, above): (&&str, &Option<&str>)| format!("{team} {}\n", above.unwrap_or(""));
    teams.iter().map(line).collect()
}

fn read(text: &str) -> Tree {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs
        .filter(|(_, above)| !above.is_empty())
        .map(|(team, above)| (team.into(), above.into()))
        .collect()
}

/// A team and all above it.
fn path(team: &str, tree: &Tree) -> Arc<[String]> {
    let above = |at: &String| tree.get(at).cloned();
    // No tree is deeper than it has teams; a damaged one must not be walked for ever.
    std::iter::successors(Some(team.to_owned()), above).take(tree.len() + 1).collect()
}

impl Sqlite {
    /// Says where the teams of this process hang, each with the name of the one above it: from here on
    /// what is spent is kept by that.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn hang<'a>(
        &mut self,
        teams: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<(), StoreError> {
        let teams = written(&teams.into_iter().collect());
        let find = |it: &rusqlite::Connection| {
            it.query_row(FIND_TREE, [&teams], |row| row.get(0)).optional()
        };
        self.tree = match find(&self.connection).map_err(failed)? {
            Some(tree) => tree,
            None => {
                let insert = "INSERT INTO tree (teams) VALUES (?)";
                self.connection.execute(insert, [&teams]).map_err(failed)?;
                self.connection.last_insert_rowid()
            }
        };
        Ok(())
    }

    /// How another tree is told while groups are written.
    #[must_use]
    pub fn tree_setter(&self) -> TreeSetter {
        self.next_tree.clone()
    }

    /// Takes the tree that was set. One that cannot be written is kept for the next try.
    pub(super) fn hang_next(&mut self) -> Result<(), StoreError> {
        let Some(teams) = self.next_tree.get() else { return Ok(()) };
        let pairs = || teams.iter().map(|(team, above)| (&**team, above.as_deref()));
        let hung = self.hang(pairs());
        if hung.is_err() {
            self.next_tree.set(pairs());
        }
        hung
    }

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
        let tx = self.connection().unchecked_transaction()?;
        let mut select = tx.prepare("SELECT id, teams FROM tree")?;
        let trees = select.query_map([], |row| {
            let teams: String = row.get(1)?;
            Ok((row.get::<_, i64>(0)?, read(&teams)))
        })?;
        let trees: HashMap<i64, Tree> = trees.collect::<rusqlite::Result<_>>()?;
        let mut paths: HashMap<(i64, String), Arc<[String]>> = HashMap::new();
        let mut select = tx.prepare(SPENDINGS)?;
        let rows = select.query_map(params![since_ms.div_euclid(QUARTER_MS)], |row| {
            let (quarter, tree): (i64, i64) = (row.get(0)?, row.get(1)?);
            let team: String = row.get(2)?;
            let known = trees.get(&tree).filter(|_| tree != UNKNOWN_TREE);
            let made = || known.map_or_else(|| [team.clone()].into(), |it| path(&team, it));
            let teams = Arc::clone(paths.entry((tree, team.clone())).or_insert_with(made));
            let cost = Money::from_nano(row.get(4)?);
            let at_ms = quarter * QUARTER_MS;
            Ok(Spending { at_ms, teams, whole: known.is_some(), key: row.get(3)?, cost })
        })?;
        rows.collect()
    }
}
