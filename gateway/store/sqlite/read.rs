//! Entries and their sums, as commands show them.

use policies::facts::Money;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::{
    schema::{OPEN, SETTLED},
    started_at,
};

/// Which entries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Started at or after this many milliseconds since 1970.
    pub since_ms: i64,
    /// At most so many, the newest first; 0 is all.
    pub limit: u32,
}

/// One entry, as far as a table on a terminal shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// UUID.
    pub id: String,
    /// `open`, `settled` or `recovered`.
    pub state: &'static str,
    /// RFC 3339, UTC, with milliseconds.
    pub started_at: String,
    /// The team's name.
    pub team: String,
    /// The key's name.
    pub key: String,
    /// The language's code.
    pub language: String,
    /// The task's code.
    pub task: String,
    /// What decided.
    pub rule: String,
    /// The model that served; none while open or when recovered.
    pub model: Option<String>,
    /// The endpoint that served.
    pub endpoint: Option<String>,
    /// Attempts as JSON.
    pub attempts: Option<String>,
    /// Input, cached and written to the cache included.
    pub input_tokens: u64,
    /// Output, reasoning included.
    pub output_tokens: u64,
    /// What it cost.
    pub cost: Option<Money>,
    /// Milliseconds to the first content.
    pub first_token_ms: Option<f64>,
    /// Milliseconds to the end.
    pub duration_ms: Option<f64>,
    /// Microseconds of the gateway's own time.
    pub gateway_us: Option<i64>,
    /// `ok`, `cut`, `cancelled`, `failed`.
    pub outcome: Option<String>,
    /// The kind of failure, if it failed.
    pub failure_kind: Option<String>,
}

/// What entries are summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// The team nearest to the caller.
    Team,
    /// The model that served.
    Model,
    /// The task.
    Task,
    /// The language.
    Language,
    /// The day in UTC.
    Day,
}

impl Dimension {
    const fn expression(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Model => "coalesce(model, '')",
            Self::Task => "task",
            Self::Language => "language",
            Self::Day => "substr(started_at, 1, 10)",
        }
    }
}

/// A sum over closed entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The values of the dimensions asked for, in their order.
    pub group: Vec<String>,
    /// Requests.
    pub requests: u64,
    /// Input tokens, cached and written to the cache included.
    pub input_tokens: u64,
    /// Output tokens, reasoning included.
    pub output_tokens: u64,
    /// Money.
    pub cost: Money,
}

/// The newest first, walked from the end and no further than it must be.
const ENTRIES: &str = "SELECT id, state, started_at, team, \"key\", language, \
     task, rule, model, endpoint, attempts, \
     coalesce(input_tokens + cached_input_tokens + cache_write_tokens, 0), \
     coalesce(output_tokens + reasoning_tokens, 0), cost_nano, first_token_us, duration_us, \
     gateway_us, outcome, failure_kind FROM line WHERE id >= ?1 AND started_at >= ?2 \
     ORDER BY id DESC LIMIT ?3";

/// An id's first 48 bits are the milliseconds at which it was made, a moment after its request
/// began; so much earlier is early enough.
const ID_SLACK_MS: i64 = 60_000;

/// No request that began at or after this moment has a smaller id.
pub(super) fn first_id(since_ms: i64) -> String {
    let stamp = u128::try_from(since_ms.saturating_sub(ID_SLACK_MS)).unwrap_or(0);
    Uuid::from_u128(stamp << 80).to_string()
}

/// A moment as it is compared with: the id's and the time's own bound.
pub(super) fn since(since_ms: i64) -> [String; 2] {
    [first_id(since_ms), started_at(since_ms)]
}

/// Entries, the newest first.
pub(super) fn entries(connection: &Connection, filter: Filter) -> rusqlite::Result<Vec<Entry>> {
    let limit = if filter.limit == 0 { -1 } else { i64::from(filter.limit) };
    let mut select = connection.prepare_cached(ENTRIES)?;
    let [id, started_at] = since(filter.since_ms);
    let rows = select.query_map(params![id, started_at, limit], entry)?;
    rows.collect()
}

/// Sums over closed entries that started at or after `since_ms`, in the order of the groups.
pub(super) fn sums(
    connection: &Connection,
    by: &[Dimension],
    since_ms: i64,
) -> rusqlite::Result<Vec<Sum>> {
    let groups = by.len();
    let mut sql = String::from("SELECT ");
    for dimension in by {
        sql.push_str(dimension.expression());
        sql.push_str(", ");
    }
    sql.push_str(
        "count(*), coalesce(sum(input_tokens + cached_input_tokens + cache_write_tokens), 0), \
         coalesce(sum(output_tokens + reasoning_tokens), 0), coalesce(sum(cost_nano), 0) \
         FROM line WHERE id >= ?1 AND started_at >= ?2 AND state > 0",
    );
    if groups > 0 {
        let list: Vec<_> = (1..=groups).map(|position| position.to_string()).collect();
        let list = list.join(", ");
        sql.push_str(&format!(" GROUP BY {list} ORDER BY {list}"));
    }
    let mut select = connection.prepare(&sql)?;
    let rows = select.query_map(since(since_ms), |row| {
        Ok(Sum {
            group: (0..groups).map(|at| row.get(at)).collect::<rusqlite::Result<_>>()?,
            requests: unsigned(row, groups)?,
            input_tokens: unsigned(row, groups + 1)?,
            output_tokens: unsigned(row, groups + 2)?,
            cost: Money::from_nano(row.get(groups + 3)?),
        })
    })?;
    rows.collect()
}

/// A count. None is ever below nothing.
pub(super) fn unsigned(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0))
}

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<Entry> {
    let ms = |micros: Option<f64>| micros.map(|micros| micros / 1e3);
    let state = match row.get(1)? {
        OPEN => "open",
        SETTLED => "settled",
        _ => "recovered",
    };
    Ok(Entry {
        id: row.get(0)?,
        state,
        started_at: row.get(2)?,
        team: row.get(3)?,
        key: row.get(4)?,
        language: row.get(5)?,
        task: row.get(6)?,
        rule: row.get(7)?,
        model: row.get(8)?,
        endpoint: row.get(9)?,
        attempts: row.get(10)?,
        input_tokens: unsigned(row, 11)?,
        output_tokens: unsigned(row, 12)?,
        cost: row.get::<_, Option<i64>>(13)?.map(Money::from_nano),
        first_token_ms: ms(row.get(14)?),
        duration_ms: ms(row.get(15)?),
        gateway_us: row.get(16)?,
        outcome: row.get(17)?,
        failure_kind: row.get(18)?,
    })
}
