//! The requests of an experiment, as its report reads them: one after the other, none of them kept.

use std::collections::HashMap;

use rusqlite::{
    CachedStatement, Connection, OptionalExtension, Row, Rows,
    fallible_streaming_iterator::FallibleStreamingIterator, params,
};
use uuid::Uuid;

use super::{
    experiments::VALUE,
    request_end::{self, RequestEnd},
};
use crate::outcome::{ArmName, Enrolment, ExperimentAction, ExperimentChange};

/// A request that took part in an experiment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnrolledRow<'a> {
    /// Milliseconds since 1970 at which it came in.
    pub at_ms: i64,
    /// The experiment's version.
    pub version: &'a str,
    /// The arm's name.
    pub arm: &'a str,
    /// The unit, as it was hashed.
    pub unit: u128,
    /// How it ended.
    pub end: RequestEnd<'a>,
    /// The latest values that were told of it, of the names asked for, in their order.
    pub feedback: &'a [Option<f64>],
}

/// The column of the moment at which a request came in.
const AT_MS: usize = 3;

const ARMS: &str = "SELECT id, version, arm, from_seq FROM arm WHERE experiment = ? ORDER BY id";

/// Entries in the order in which they were opened; `ARMS` stands for their arms, `END` for how they ended.
const ENTRIES: &str = "SELECT x.arm, x.unit, e.id, \
     unixepoch(e.started_at) * 1000 + substr(e.started_at, 21, 3), END FROM enrolled AS x \
     CROSS JOIN entry AS e ON e.seq = x.seq LEFT JOIN entry_close AS c ON c.seq = x.seq \
     LEFT JOIN result AS r ON r.id = c.result WHERE x.seq >= ? AND x.arm IN (ARMS) ORDER BY x.seq";

/// Refusals in the order of time, with the same columns.
const REFUSALS: &str = "SELECT arm, unit, coalesce(id, ''), at_ms, END FROM refusal INDEXED BY refusal_arm \
     WHERE arm IS NOT NULL AND arm IN (ARMS) ORDER BY at_ms";

const OF_ENTRY: &str = "SELECT w.team, w.\"key\", \
     unixepoch(e.started_at) * 1000 + substr(e.started_at, 21, 3), a.experiment, a.version, a.arm, \
     (SELECT count(*) FROM feedback_value AS f WHERE f.id = ?1 AND f.name <> ?2), \
     (SELECT value FROM feedback_value AS f WHERE f.id = ?1 AND f.name = ?2) \
     FROM entry AS e JOIN caller AS w ON w.id = e.caller LEFT JOIN enrolled AS x ON x.seq = e.seq \
     LEFT JOIN arm AS a ON a.id = x.arm WHERE e.id = ?1";
/// A refusal of somebody who was known, with the arm that it was.
const OF_REFUSAL: &str = "SELECT r.team, r.\"key\", r.at_ms, a.experiment, a.version, a.arm, \
     (SELECT count(*) FROM feedback_value AS f WHERE f.id = ?1 AND f.name <> ?2), \
     (SELECT value FROM feedback_value AS f WHERE f.id = ?1 AND f.name = ?2) \
     FROM refusal AS r JOIN arm AS a ON a.id = r.arm \
     WHERE r.id = ?1 AND r.team IS NOT NULL AND r.\"key\" IS NOT NULL LIMIT 1";

const CHANGES: &str = "SELECT id, at_ms, experiment, version, arm, change, reason, \"by\", seq \
     FROM experiment_change WHERE seq > ? ORDER BY seq";

/// The arms of one experiment by the numbers of their rows, and the first entry that any of them may have.
struct Arms {
    names: HashMap<i64, (String, String)>,
    from_seq: i64,
}

impl Arms {
    fn read(connection: &Connection, experiment: &str) -> rusqlite::Result<Self> {
        let mut arms = Self { names: HashMap::new(), from_seq: i64::MAX };
        let mut select = connection.prepare_cached(ARMS)?;
        let mut rows = select.query([experiment])?;
        while let Some(row) = rows.next()? {
            arms.names.insert(row.get(0)?, (row.get(1)?, row.get(2)?));
            arms.from_seq = arms.from_seq.min(row.get(3)?);
        }
        Ok(arms)
    }

    fn statement(&self, sql: &str, end: &str) -> String {
        let numbers: Vec<_> = self.names.keys().map(i64::to_string).collect();
        sql.replace("END", end).replace("(ARMS)", &format!("({})", numbers.join(",")))
    }
}

/// The values told of requests, of some names.
struct Told<'c, 'n> {
    select: CachedStatement<'c>,
    names: &'n [&'n str],
    values: Vec<Option<f64>>,
}

impl Told<'_, '_> {
    fn of(&mut self, id: &str) -> rusqlite::Result<&[Option<f64>]> {
        for (value, name) in self.values.iter_mut().zip(self.names) {
            *value = self.select.query_row([id, name], |row| row.get(0)).optional()?;
        }
        Ok(&self.values)
    }
}

/// Calls `each` with every request of the experiment in the order of time, with the values told of it under
/// these names.
pub(super) fn enrolled(
    connection: &Connection,
    experiment: &str,
    feedback: &[&str],
    mut each: impl FnMut(&EnrolledRow<'_>),
) -> rusqlite::Result<()> {
    let arms = Arms::read(connection, experiment)?;
    if arms.names.is_empty() {
        return Ok(());
    }
    let mut told = Told {
        select: connection.prepare_cached(VALUE)?,
        names: feedback,
        values: vec![None; feedback.len()],
    };
    let mut entries = connection.prepare(&arms.statement(ENTRIES, request_end::OF_ENTRY))?;
    let mut entries = entries.query([arms.from_seq])?;
    let mut refusals = connection.prepare(&arms.statement(REFUSALS, request_end::OF_REFUSAL))?;
    let mut refusals = refusals.query([])?;
    // Both are in the order of time; a refusal is told before the first entry that came in after it.
    let mut refused_ms = next_ms(&mut refusals)?;
    while let Some(row) = entries.next()? {
        let at_ms: i64 = row.get(AT_MS)?;
        while refused_ms.is_some_and(|refused| refused <= at_ms) {
            current(&refusals, &arms, &mut told, &mut each)?;
            refused_ms = next_ms(&mut refusals)?;
        }
        tell(row, &arms, &mut told, &mut each)?;
    }
    while refused_ms.is_some() {
        current(&refusals, &arms, &mut told, &mut each)?;
        refused_ms = next_ms(&mut refusals)?;
    }
    Ok(())
}

fn next_ms(rows: &mut Rows<'_>) -> rusqlite::Result<Option<i64>> {
    rows.next()?.map(|row| row.get(AT_MS)).transpose()
}

fn current(
    rows: &Rows<'_>,
    arms: &Arms,
    told: &mut Told<'_, '_>,
    each: &mut impl FnMut(&EnrolledRow<'_>),
) -> rusqlite::Result<()> {
    rows.get().map_or(Ok(()), |row| tell(row, arms, told, each))
}

fn tell(
    row: &Row<'_>,
    arms: &Arms,
    told: &mut Told<'_, '_>,
    each: &mut impl FnMut(&EnrolledRow<'_>),
) -> rusqlite::Result<()> {
    let Some((version, arm)) = arms.names.get(&row.get(0)?) else { return Ok(()) };
    each(&EnrolledRow {
        at_ms: row.get(AT_MS)?,
        version,
        arm,
        unit: row.get(1).map(u128::from_be_bytes)?,
        end: RequestEnd::read(row, AT_MS + 1)?,
        feedback: told.of(row.get_ref(2)?.as_str()?)?,
    });
    Ok(())
}

/// Whose the request with this id was, and the arm that it was; a refusal without an arm is none.
pub(super) fn enrolment(
    connection: &Connection,
    id: Uuid,
    name: &str,
) -> rusqlite::Result<Option<Enrolment>> {
    let id = id.hyphenated().to_string();
    for sql in [OF_ENTRY, OF_REFUSAL] {
        let mut select = connection.prepare_cached(sql)?;
        let found = select.query_row(params![id, name], of_whom).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn of_whom(row: &Row<'_>) -> rusqlite::Result<Enrolment> {
    let text = |at| row.get::<_, Option<String>>(at);
    let arm = match (text(3)?, text(4)?, text(5)?) {
        (Some(experiment), Some(version), Some(arm)) => Some(ArmName {
            experiment: experiment.into(),
            version: version.into(),
            arm: arm.into(),
        }),
        _ => None,
    };
    let (team, key, at_ms) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Enrolment { team, key, at_ms, arm, others: row.get(6)?, before: row.get(7)? })
}

/// What has become of experiments after the change of a number, in its order, and the number of the last.
/// What no version of this program writes is left out.
pub(super) fn changes_after(
    connection: &Connection,
    seq: i64,
) -> rusqlite::Result<(i64, Vec<ExperimentChange>)> {
    let mut select = connection.prepare_cached(CHANGES)?;
    let mut rows = select.query([seq])?;
    let (mut last, mut changes) = (seq, Vec::new());
    while let Some(row) = rows.next()? {
        last = row.get(8)?;
        let text = |at| row.get::<_, String>(at);
        let Some(change) = ExperimentAction::of(&text(5)?) else { continue };
        changes.push(ExperimentChange {
            id: Uuid::try_parse(&text(0)?).unwrap_or_default(),
            at_ms: row.get(1)?,
            experiment: text(2)?.into(),
            version: text(3)?.into(),
            arm: row.get::<_, Option<String>>(4)?.map(Into::into),
            change,
            reason: text(6)?.into(),
            by: text(7)?.into(),
        });
    }
    Ok((last, changes))
}
