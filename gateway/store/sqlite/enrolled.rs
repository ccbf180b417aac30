//! The requests of an experiment, as its report reads them: one after the other, none of them kept.

use std::collections::HashMap;

use rusqlite::{
    CachedStatement, Connection, OptionalExtension, Row, Rows,
    fallible_streaming_iterator::FallibleStreamingIterator, params,
};
use uuid::Uuid;

use super::schema::{OPEN, SETTLED};
use crate::outcome::{ArmName, Enrolment, ExperimentAction, ExperimentChange};

/// A request that took part in an experiment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnrolledRow<'a> {
    /// The number of its entry, which grows; of a refusal 0.
    pub seq: i64,
    /// Its id.
    pub id: &'a str,
    /// Milliseconds since 1970 at which it came in.
    pub at_ms: i64,
    /// The experiment's version.
    pub version: &'a str,
    /// The arm's name.
    pub arm: &'a str,
    /// The unit, as it was hashed.
    pub unit: u128,
    /// `open`, `settled`, `recovered` or `refused`.
    pub state: &'static str,
    /// The team's name.
    pub team: &'a str,
    /// The language's code.
    pub language: &'a str,
    /// The task's code.
    pub task: &'a str,
    /// Needs, between commas.
    pub needs: &'a str,
    /// `ok`, `cut`, `cancelled`, `failed`; nothing of what is open, recovered or refused.
    pub outcome: Option<&'a str>,
    /// The kind of its failure, if it has failed or was refused.
    pub failure_kind: Option<&'a str>,
    /// What it cost, in nano-units of the currency.
    pub cost_nano: Option<i64>,
    /// Microseconds to the first content.
    pub first_token_us: Option<i64>,
    /// Microseconds to the end.
    pub duration_us: Option<i64>,
    /// Output, reasoning included.
    pub output_tokens: Option<i64>,
    /// The latest values that were told of it, of the names asked for, in their order.
    pub feedback: &'a [Option<f64>],
}

const ARMS: &str = "SELECT id, version, arm, from_seq FROM arm WHERE experiment = ? ORDER BY id";

/// Entries in the order in which they were opened; `ARMS` stands for their arms.
const ENTRIES: &str = "SELECT x.arm, x.unit, x.seq, e.id, \
     unixepoch(e.started_at) * 1000 + substr(e.started_at, 21, 3), coalesce(r.state, 0), w.team, \
     s.language, s.task, s.needs, r.outcome, r.failure_kind, c.cost_nano, c.first_token_us, \
     c.duration_us, c.output_tokens + c.reasoning_tokens FROM enrolled AS x \
     CROSS JOIN entry AS e ON e.seq = x.seq LEFT JOIN entry_close AS c ON c.seq = x.seq \
     LEFT JOIN result AS r ON r.id = c.result LEFT JOIN caller AS w ON w.id = e.caller \
     LEFT JOIN shape AS s ON s.id = e.shape WHERE x.seq >= ? AND x.arm IN (ARMS) ORDER BY x.seq";

/// Refusals in the order of time, with the same columns.
const REFUSALS: &str = "SELECT arm, unit, 0, coalesce(id, ''), at_ms, -1, team, language, task, needs, \
     NULL, kind, NULL, NULL, NULL, NULL FROM refusal INDEXED BY refusal_arm \
     WHERE arm IS NOT NULL AND at_ms >= ? AND arm IN (ARMS) ORDER BY at_ms";

const TOLD: &str = "SELECT value FROM feedback_value WHERE id = ? AND name = ?";

const OF_ENTRY: &str = "SELECT w.team, w.\"key\", \
     unixepoch(e.started_at) * 1000 + substr(e.started_at, 21, 3), a.experiment, a.version, a.arm, \
     (SELECT count(*) FROM feedback_value AS f WHERE f.id = ?1 AND f.name <> ?2) \
     FROM entry AS e JOIN caller AS w ON w.id = e.caller LEFT JOIN enrolled AS x ON x.seq = e.seq \
     LEFT JOIN arm AS a ON a.id = x.arm WHERE e.id = ?1";
/// A refusal of somebody who was known, with the arm that it was.
const OF_REFUSAL: &str = "SELECT r.team, r.\"key\", r.at_ms, a.experiment, a.version, a.arm, \
     (SELECT count(*) FROM feedback_value AS f WHERE f.id = ?1 AND f.name <> ?2) \
     FROM refusal AS r JOIN arm AS a ON a.id = r.arm \
     WHERE r.id = ?1 AND r.team IS NOT NULL AND r.\"key\" IS NOT NULL LIMIT 1";

const CHANGES: &str = "SELECT id, at_ms, experiment, version, arm, change, reason, \"by\" \
     FROM experiment_change ORDER BY seq";

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

    fn statement(&self, sql: &str) -> String {
        let numbers: Vec<_> = self.names.keys().map(i64::to_string).collect();
        sql.replace("(ARMS)", &format!("({})", numbers.join(",")))
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

/// Calls `each` with every request of the experiment from an entry's number and from a moment on, in the
/// order of time; with the values told of it under these names.
pub(super) fn enrolled(
    connection: &Connection,
    experiment: &str,
    (from_seq, since_ms): (i64, i64),
    feedback: &[&str],
    mut each: impl FnMut(&EnrolledRow<'_>),
) -> rusqlite::Result<()> {
    let arms = Arms::read(connection, experiment)?;
    if arms.names.is_empty() {
        return Ok(());
    }
    let mut told = Told {
        select: connection.prepare_cached(TOLD)?,
        names: feedback,
        values: vec![None; feedback.len()],
    };
    let mut entries = connection.prepare(&arms.statement(ENTRIES))?;
    let mut entries = entries.query([from_seq.max(arms.from_seq)])?;
    let mut refusals = connection.prepare(&arms.statement(REFUSALS))?;
    let mut refusals = refusals.query([since_ms])?;
    // Both are in the order of time; a refusal is told before the first entry that came in after it.
    let mut refused_ms = next_ms(&mut refusals)?;
    while let Some(row) = entries.next()? {
        let at_ms: i64 = row.get(4)?;
        if at_ms < since_ms {
            continue;
        }
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
    rows.next()?.map(|row| row.get(4)).transpose()
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
    let text = |at| row.get_ref(at)?.as_str_or_null().map_err(rusqlite::Error::from);
    let id = text(3)?.unwrap_or_default();
    each(&EnrolledRow {
        seq: row.get(2)?,
        id,
        at_ms: row.get(4)?,
        version,
        arm,
        unit: row.get(1).map(u128::from_be_bytes)?,
        state: match row.get(5)? {
            OPEN => "open",
            SETTLED => "settled",
            -1 => "refused",
            _ => "recovered",
        },
        team: text(6)?.unwrap_or_default(),
        language: text(7)?.unwrap_or_default(),
        task: text(8)?.unwrap_or_default(),
        needs: text(9)?.unwrap_or_default(),
        outcome: text(10)?,
        failure_kind: text(11)?,
        cost_nano: row.get(12)?,
        first_token_us: row.get(13)?,
        duration_us: row.get(14)?,
        output_tokens: row.get(15)?,
        feedback: told.of(id)?,
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
    Ok(Enrolment { team, key, at_ms, arm, others: row.get(6)? })
}

/// All that has become of experiments, in its order. What no version of this program writes is left out.
pub(super) fn changes(connection: &Connection) -> rusqlite::Result<Vec<ExperimentChange>> {
    let mut select = connection.prepare_cached(CHANGES)?;
    let mut rows = select.query([])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
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
    Ok(changes)
}
