//! The requests of an experiment as its report reads them: one unit's after the other's, none of them kept.
//! SQLite sorts them, beyond its cache in files of its own, so that the memory goes by no number of units.

use policies::experiment::UnitKind;
use rusqlite::{Connection, OptionalExtension, Row, params};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    read::since,
    request_end::{self, RequestEnd},
};

/// Names of feedback at the most.
const NAMES_MAX: i64 = 32;

/// What there is of an experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Milliseconds since 1970 of the first entry with an arm of this version, if there is any.
    pub since_ms: Option<i64>,
    /// Of the last one.
    pub until_ms: i64,
    /// Of the first one with an arm of any version.
    pub first_ms: i64,
    /// The names under which callers told of them, in order.
    pub feedback: Vec<String>,
    /// The currency of the last one.
    pub currency: Option<String>,
}

/// Which requests a report reads.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The experiment's name.
    pub experiment: &'a str,
    /// Its version; requests with an arm of another one are left out.
    pub version: &'a str,
    /// Whose requests get one arm together.
    pub unit: UnitKind,
    /// How long before its beginning requests are a unit's past, in milliseconds.
    pub past_ms: i64,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObservedRow<'a> {
    /// The unit, as it was hashed; of what took no part, who would have been it.
    pub unit: u128,
    /// Milliseconds since 1970 at which it came in.
    pub at_ms: i64,
    /// The arm's name.
    pub arm: Option<&'a str>,
    /// The language's code.
    pub language: Option<&'a str>,
    /// The task's code.
    pub task: Option<&'a str>,
    /// The team's name.
    pub team: Option<&'a str>,
    /// How it ended.
    pub end: RequestEnd<'a>,
    /// Whether its answer is of the form that it asked for, where that was looked at.
    pub schema_valid: Option<bool>,
    /// The latest values told of it: the position of the name, and the value.
    pub feedback: &'a [(usize, f64)],
}

const AT_MS: &str = "unixepoch(e.started_at) * 1000 + substr(e.started_at, 21, 3)";

/// The beginning and the end; `NAMED` says of which arms.
const SPAN: &str = "SELECT min(AT_MS), max(AT_MS), max(x.seq) FROM enrolled AS x \
     JOIN entry AS e ON e.seq = x.seq WHERE x.arm IN (SELECT id FROM arm WHERE NAMED)";

const NAMES: &str = "SELECT DISTINCT f.name FROM feedback_value AS f JOIN entry AS e ON e.id = f.id \
     JOIN enrolled AS x ON x.seq = e.seq \
     WHERE x.arm IN (SELECT id FROM arm WHERE experiment = ?1 AND version = ?2) ORDER BY 1 LIMIT ?3";

const CURRENCY: &str =
    "SELECT p.currency FROM entry AS e JOIN epoch AS p ON p.id = e.epoch WHERE e.seq = ?";

/// `UNIT` is the column by which units are told apart, `REFUSED` that of refusals. What took no part is there
/// as a unit's past, and where its rule is one by which others got an arm.
const ROWS: &str = "WITH arms AS (SELECT id, version, arm FROM arm WHERE experiment = ?1), \
     rules AS (SELECT DISTINCT s.rule FROM enrolled AS x JOIN entry AS e ON e.seq = x.seq \
       JOIN shape AS s ON s.id = e.shape WHERE x.arm IN (SELECT id FROM arms WHERE version = ?2)) \
     SELECT UNIT AS unit, AT_MS AS at_ms, e.seq AS seq, a.arm, s.language, s.task, w.team, \
       e.id, END_OF_ENTRY, \
       (SELECT value FROM judged AS j WHERE j.id = e.id AND j.name = 'schema_valid') \
     FROM entry AS e LEFT JOIN enrolled AS x ON x.seq = e.seq AND x.arm IN (SELECT id FROM arms) \
       LEFT JOIN arms AS a ON a.id = x.arm LEFT JOIN entry_close AS c ON c.seq = e.seq \
       LEFT JOIN result AS r ON r.id = c.result LEFT JOIN caller AS w ON w.id = e.caller \
       LEFT JOIN shape AS s ON s.id = e.shape \
     WHERE e.started_at >= ?3 AND e.started_at <= ?4 AND UNIT IS NOT NULL \
       AND (a.version = ?2 OR (a.id IS NULL AND e.seq NOT IN (SELECT seq FROM shadow) \
         AND (e.started_at < ?5 OR s.rule IN (SELECT rule FROM rules)))) \
     UNION ALL \
     SELECT REFUSED, f.at_ms, 0, a.arm, f.language, f.task, f.team, \
       coalesce(f.id, ''), END_OF_REFUSAL, NULL \
     FROM refusal AS f JOIN arms AS a ON a.id = f.arm \
     WHERE f.arm IS NOT NULL AND a.version = ?2 AND f.at_ms BETWEEN ?6 AND ?7 AND REFUSED IS NOT NULL \
     ORDER BY unit, at_ms, seq";

const TOLD: &str = "SELECT value FROM feedback_value WHERE id = ? AND name = ?";

/// What there is of an experiment's version.
pub(super) fn observed(
    connection: &Connection,
    experiment: &str,
    version: &str,
) -> rusqlite::Result<Observed> {
    let sql = |named: &str| SPAN.replace("AT_MS", AT_MS).replace("NAMED", named);
    let span = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (since_ms, until_ms, last): (Option<i64>, Option<i64>, Option<i64>) = connection
        .query_row(&sql("experiment = ?1 AND version = ?2"), [experiment, version], span)?;
    let first_ms: Option<i64> =
        connection.query_row(&sql("experiment = ?1"), [experiment], |row| row.get(0))?;
    let mut names = connection.prepare(NAMES)?;
    let feedback = names.query_map(params![experiment, version, NAMES_MAX], |row| row.get(0))?;
    Ok(Observed {
        since_ms,
        until_ms: until_ms.unwrap_or_default(),
        first_ms: first_ms.unwrap_or_default(),
        feedback: feedback.collect::<Result<_, _>>()?,
        currency: connection.query_row(CURRENCY, [last], |row| row.get(0)).optional()?,
    })
}

/// Calls `each` with every request that a report is made of, in the order of units and time.
pub(super) fn observations(
    connection: &Connection,
    asked: Asked<'_>,
    it: &Observed,
    mut each: impl FnMut(&ObservedRow<'_>),
) -> rusqlite::Result<()> {
    let Some(since_ms) = it.since_ms else { return Ok(()) };
    let (unit, refused) = match asked.unit {
        UnitKind::User => ("coalesce(x.unit, e.\"user\")", "f.unit"),
        UnitKind::Session => ("coalesce(x.unit, e.session)", "f.unit"),
        UnitKind::Key => ("w.\"key\"", "f.\"key\""),
        // Each is a unit of its own, and none has a past.
        UnitKind::Request => ("coalesce(x.unit, e.seq)", "f.unit"),
    };
    let sql = ROWS.replace("AT_MS AS", &format!("{AT_MS} AS"));
    let sql = sql.replace("END_OF_ENTRY", request_end::OF_ENTRY);
    let sql = sql.replace("END_OF_REFUSAL", request_end::OF_REFUSAL);
    let sql = sql.replace("UNIT", unit).replace("REFUSED", refused);
    let past_ms = if asked.unit == UnitKind::Request { 0 } else { asked.past_ms };
    let [from, until, first] =
        [(it.first_ms.min(since_ms)).saturating_sub(past_ms), it.until_ms, it.first_ms].map(|ms| {
            let [_, started_at] = since(ms);
            started_at
        });
    let mut select = connection.prepare(&sql)?;
    let mut told = connection.prepare(TOLD)?;
    let mut rows = select.query(params![
        asked.experiment,
        asked.version,
        from,
        until,
        first,
        since_ms,
        it.until_ms
    ])?;
    let mut feedback = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get_ref(7)?.as_str().map_err(rusqlite::Error::from)?;
        feedback.clear();
        for (at, name) in it.feedback.iter().enumerate() {
            let value = told.query_row([id, name], |row| row.get(0)).optional()?;
            feedback.extend(value.map(|value| (at, value)));
        }
        tell(row, &feedback, &mut each)?;
    }
    Ok(())
}

fn tell(
    row: &Row<'_>,
    feedback: &[(usize, f64)],
    each: &mut impl FnMut(&ObservedRow<'_>),
) -> rusqlite::Result<()> {
    use rusqlite::types::ValueRef;
    let text = |at| row.get_ref(at)?.as_str_or_null().map_err(rusqlite::Error::from);
    let unit = match row.get_ref(0)? {
        ValueRef::Blob(bytes) => bytes.try_into().map(u128::from_be_bytes).unwrap_or_default(),
        ValueRef::Text(key) => xxh3_128(key),
        ValueRef::Integer(seq) => u128::from(seq.unsigned_abs()),
        _ => return Ok(()),
    };
    each(&ObservedRow {
        unit,
        at_ms: row.get(1)?,
        arm: text(3)?,
        language: text(4)?,
        task: text(5)?,
        team: text(6)?,
        end: RequestEnd::read(row, 8)?,
        schema_valid: row.get::<_, Option<f64>>(15)?.map(|it| it != 0.0),
        feedback,
    });
    Ok(())
}
