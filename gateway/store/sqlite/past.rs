//! Entries and refusals as a rehearsal needs them: signals, what was served, never a word of a text.

use std::collections::HashMap;

use policies::{
    Counts,
    facts::{Contents, Money},
};
use rusqlite::{Connection, Row, types::FromSql};
use uuid::Uuid;

use super::{read::since, recognised};

/// One entry or refusal.
#[derive(Clone, Debug, Default)]
pub struct PastRow {
    /// Milliseconds since 1970 at which it came in.
    pub at_ms: i64,
    /// The team's name; empty for a refusal before anybody was known.
    pub team: String,
    /// The key's name.
    pub key: String,
    /// Its id; none for a refusal of before it was kept.
    pub id: Option<Uuid>,
    /// Keyed hash of the end user.
    pub user: Option<[u8; 16]>,
    /// Keyed hash of the session.
    pub session: Option<[u8; 16]>,
    /// The arm that it was.
    pub arm: Option<PastArm>,
    /// Tags as a JSON object.
    pub tags: Option<String>,
    /// Codes and names as they stand in the columns.
    pub operation: String,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// The model asked for.
    pub requested: String,
    /// The language's code.
    pub language: String,
    /// The task's code.
    pub task: String,
    /// How sure of them.
    pub confidence: (f64, f64),
    /// Needs, between commas.
    pub needs: String,
    /// How much it asked of a model; empty in rows of an earlier version.
    pub complexity: String,
    /// What it contained; nothing in rows of an earlier version.
    pub contains: Contents,
    /// The data class.
    pub data_class: String,
    /// Estimate of the input.
    pub input_tokens: u32,
    /// What the caller allowed as output.
    pub output_tokens_asked: Option<u32>,
    /// Choices.
    pub n: u8,
    /// The draw.
    pub draw: u64,
    /// The model that served; none for refusals.
    pub model: Option<String>,
    /// What was counted.
    pub counts: Counts,
    /// What it cost.
    pub cost: Money,
}

/// The arm that a request was.
#[derive(Clone, Debug)]
pub struct PastArm {
    /// The experiment's name.
    pub experiment: String,
    /// The experiment's version.
    pub version: String,
    /// The arm's name.
    pub name: String,
    /// The unit, as it was hashed.
    pub unit: [u8; 16],
    /// The shares that it was drawn by, as a JSON list, where they followed the outcomes.
    pub shares: Option<String>,
}

/// Experiment, version and arm by the number of their row.
type Arms = HashMap<i64, [String; 3]>;

const ARMS: &str = "SELECT id, experiment, version, arm FROM arm";

const SIGNALS: &str = "team, \"key\", tags, operation, stream, requested_model, language, task, \
     language_confidence, task_confidence, needs, data_class, input_tokens_estimate, output_tokens_asked, n, \
     complexity, contains";

/// The medians of the time to first token by model.
const MEDIANS: &str = "SELECT model, avg(first_token_us) FROM (SELECT model, first_token_us, \
     row_number() OVER (PARTITION BY model ORDER BY first_token_us) AS nth, \
     count(*) OVER (PARTITION BY model) AS all_of FROM line \
     WHERE id >= ?1 AND started_at >= ?2 AND model IS NOT NULL AND first_token_us IS NOT NULL) \
     WHERE nth IN ((all_of + 1) / 2, (all_of + 2) / 2) GROUP BY model ORDER BY model";

/// Calls `each` with every served entry since a moment, then with every refusal of a decision.
pub(super) fn past(
    connection: &Connection,
    since_ms: i64,
    mut each: impl FnMut(PastRow),
) -> rusqlite::Result<()> {
    let served = format!(
        "SELECT unixepoch(started_at) * 1000 + substr(started_at, 21, 3), {SIGNALS}, \
         draw, session, model, input_tokens, cached_input_tokens, \
         cache_write_tokens, output_tokens, reasoning_tokens, cost_nano, id, \
         (SELECT e.\"user\" FROM entry AS e WHERE e.seq = line.seq), \
         (SELECT x.arm FROM enrolled AS x WHERE x.seq = line.seq), \
         (SELECT x.unit FROM enrolled AS x WHERE x.seq = line.seq), \
         (SELECT x.shares FROM enrolled AS x WHERE x.seq = line.seq) FROM line \
         WHERE id >= ?1 AND started_at >= ?2 AND state = 1 AND model IS NOT NULL \
         AND seq NOT IN (SELECT seq FROM shadow) ORDER BY id"
    );
    let refused = format!(
        "SELECT at_ms, {SIGNALS}, id, arm, unit, NULL FROM refusal WHERE at_ms >= ?1 AND stage = 'decide' \
         AND language IS NOT NULL ORDER BY rowid"
    );
    let mut select = connection.prepare(ARMS)?;
    let names = |row: &Row<'_>| Ok((row.get(0)?, [row.get(1)?, row.get(2)?, row.get(3)?]));
    let arms: Arms = select.query_map([], names)?.collect::<Result<_, _>>()?;
    let mut select = connection.prepare(&served)?;
    let mut rows = select.query(since(since_ms))?;
    while let Some(row) = rows.next()? {
        each(entry(row, &arms)?);
    }
    let mut select = connection.prepare(&refused)?;
    let mut rows = select.query([since_ms])?;
    while let Some(row) = rows.next()? {
        each(PastRow { id: id(row, 18)?, arm: arm(row, &arms, 19)?, ..signals(row)? });
    }
    Ok(())
}

/// The median time to first token of each model since a moment, in milliseconds.
pub(super) fn first_token_medians(
    connection: &Connection,
    since_ms: i64,
) -> rusqlite::Result<Vec<(String, f64)>> {
    let mut select = connection.prepare(MEDIANS)?;
    let rows = select
        .query_map(since(since_ms), |row| Ok((row.get(0)?, row.get::<_, f64>(1)? / 1_000.0)))?;
    rows.collect()
}

/// A column's value, or nothing where it holds none.
fn or_none<T: FromSql + Default>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    Ok(row.get::<_, Option<T>>(at)?.unwrap_or_default())
}

fn signals(row: &Row<'_>) -> rusqlite::Result<PastRow> {
    let text = |at| or_none::<String>(row, at);
    let small = |at| or_none::<u32>(row, at);
    Ok(PastRow {
        at_ms: row.get(0)?,
        team: text(1)?,
        key: text(2)?,
        tags: row.get(3)?,
        operation: text(4)?,
        stream: or_none(row, 5)?,
        requested: text(6)?,
        language: text(7)?,
        task: text(8)?,
        confidence: (or_none(row, 9)?, or_none(row, 10)?),
        needs: text(11)?,
        data_class: text(12)?,
        input_tokens: small(13)?,
        output_tokens_asked: row.get(14)?,
        n: u8::try_from(small(15)?).unwrap_or(1).max(1),
        complexity: text(16)?,
        contains: recognised::contents(&text(17)?),
        ..PastRow::default()
    })
}

fn id(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Uuid>> {
    Ok(Uuid::try_parse(&or_none::<String>(row, at)?).ok())
}

/// The arm of a row: its number, the unit and the shares.
fn arm(row: &Row<'_>, arms: &Arms, at: usize) -> rusqlite::Result<Option<PastArm>> {
    let number: Option<i64> = row.get(at)?;
    let (names, unit) = (number.and_then(|it| arms.get(&it)), row.get(at + 1)?);
    let (Some([experiment, version, name]), Some(unit)) = (names, unit) else { return Ok(None) };
    let (experiment, version, name) = (experiment.clone(), version.clone(), name.clone());
    Ok(Some(PastArm { experiment, version, name, unit, shares: row.get(at + 2)? }))
}

fn entry(row: &Row<'_>, arms: &Arms) -> rusqlite::Result<PastRow> {
    let small = |at| or_none::<u32>(row, at);
    Ok(PastRow {
        draw: or_none::<i64>(row, 18)?.cast_unsigned(),
        session: row.get(19)?,
        model: row.get(20)?,
        counts: Counts {
            input: small(21)?,
            cached_input: small(22)?,
            cache_write: small(23)?,
            output: small(24)?,
            reasoning: small(25)?,
        },
        cost: Money::from_nano(row.get(26)?),
        id: id(row, 27)?,
        user: row.get(28)?,
        arm: arm(row, arms, 29)?,
        ..signals(row)?
    })
}
