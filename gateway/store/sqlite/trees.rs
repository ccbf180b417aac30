//! How teams hung when their requests were served.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use policies::facts::TeamFacts;
use rusqlite::{Connection, OptionalExtension};

use super::checksum;

/// The tree of what was spent before trees were kept.
pub(super) const UNKNOWN_TREE: i64 = 0;

const FIND_TREE: &str = "SELECT id FROM tree WHERE teams = ?";
const INSERT_TREE: &str = "INSERT INTO tree (teams) VALUES (?)";
const TREE: &str = "SELECT teams FROM tree WHERE id = ?";
const ALL: &str = "SELECT teams FROM tree";

/// By team: the one above it.
type Tree = HashMap<String, String>;

/// A tree as it is kept: on each line a team and, after a space, the one above it. No name holds either.
fn written(teams: &[TeamFacts]) -> String {
    let above = |team: &TeamFacts| Some(&*teams.get(team.parent?.get())?.name);
    let teams: BTreeMap<&str, Option<&str>> =
        teams.iter().map(|team| (&*team.name, above(team))).collect();
    let line = |(team, above): (&&str, &Option<&str>)| format!("{team} {}\n", above.unwrap_or(""));
    teams.iter().map(line).collect()
}

/// The row of these teams as they hang; made where it is new.
pub(super) fn number(connection: &Connection, teams: &[TeamFacts]) -> rusqlite::Result<i64> {
    if teams.is_empty() {
        return Ok(UNKNOWN_TREE);
    }
    let teams = written(teams);
    // Most epochs hang as one before them.
    let found = connection.query_row(FIND_TREE, [&teams], |row| row.get(0)).optional()?;
    found.map_or_else(
        || {
            connection.execute(INSERT_TREE, [&teams])?;
            let number = connection.last_insert_rowid();
            checksum::seal(connection, &checksum::TREE, "id = ?", [number])?;
            Ok(number)
        },
        Ok,
    )
}

fn read(text: &str) -> Tree {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs
        .filter(|(_, above)| !above.is_empty())
        .map(|(team, above)| (team.into(), above.into()))
        .collect()
}

/// Every team of every tree.
pub(super) fn teams(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut select = connection.prepare(ALL)?;
    let texts =
        select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let lines = texts.iter().flat_map(|text| text.lines());
    Ok(lines.filter_map(|line| line.split_once(' ')).map(|(team, _)| team.to_owned()).collect())
}

/// A team and all above it.
fn path(team: &str, tree: &Tree) -> Arc<[String]> {
    let above = |at: &String| tree.get(at).cloned();
    // No tree is deeper than it has teams; a damaged one must not be walked for ever.
    std::iter::successors(Some(team.to_owned()), above).take(tree.len() + 1).collect()
}

/// Trees and paths that have been asked for.
#[derive(Debug, Default)]
pub(super) struct Trees {
    known: HashMap<i64, Option<Tree>>,
    paths: HashMap<(i64, String), Arc<[String]>>,
}

impl Trees {
    /// The team and those above it in this tree, the nearest first, and whether that is known.
    pub(super) fn path(
        &mut self,
        connection: &Connection,
        tree: i64,
        team: String,
    ) -> rusqlite::Result<(Arc<[String]>, bool)> {
        let known = match self.known.entry(tree) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let mut find = connection.prepare_cached(TREE)?;
                let teams = find.query_row([tree], |row| row.get::<_, String>(0)).optional()?;
                unknown.insert(teams.as_deref().map(read).filter(|_| tree != UNKNOWN_TREE))
            }
        };
        let teams = match self.paths.entry((tree, team)) {
            Entry::Occupied(path) => Arc::clone(path.get()),
            Entry::Vacant(place) => {
                let team = &place.key().1;
                let made =
                    known.as_ref().map_or_else(|| [team.clone()].into(), |it| path(team, it));
                Arc::clone(place.insert(made))
            }
        };
        Ok((teams, known.is_some()))
    }
}
