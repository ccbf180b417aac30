//! One request by its id: its entry or its refusal, and what is kept of how it was decided.

use policies::facts::{Money, Price};
use rusqlite::{Connection, OptionalExtension, Row, params, types::ValueRef};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Adjustment, adjustment, recognised, removed, schema};

/// One request as the books have it.
#[derive(Clone, Debug, Default)]
pub struct KeptRequest {
    /// The columns of the view `ledger`; of a refusal those that it has, the state `refused`, and `stage`,
    /// `guard`, `code` and `reason` beside them.
    pub columns: Map<String, Value>,
    /// The policy's document and, as JSON, the fleet that it was compiled against; nothing where an earlier
    /// version has decided, or where the row was removed.
    pub policy: Option<(String, String)>,
    /// Who closes it, in words, where it is open and its process is gone.
    pub left_open: Option<&'static str>,
    /// Whether what decided it was kept when it was: then a policy that is not here was removed. Nothing
    /// where the file does not say.
    pub policy_was_kept: Option<bool>,
    /// Whether lists of what keys could use were removed from the file.
    pub lists_removed: bool,
    /// The models that its key could use, as a list in JSON; nothing where it could use all.
    pub key_models: Option<String>,
    /// The prices that it was charged by: of the model that served, nought of one that is free. Nothing where
    /// none served, or where the row was removed.
    pub price: Option<Price>,
    /// The corrections of what it cost, the newest last.
    pub adjustments: Vec<Adjustment>,
}

/// A request by its caller's own name for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Our id; nothing for a refusal that an earlier version has written.
    pub id: String,
    /// RFC 3339, UTC, with milliseconds.
    pub started_at: String,
    /// `open`, `settled`, `recovered` or `refused`.
    pub state: String,
    /// How it ended, such as `ok`; nothing of what is open, recovered or refused.
    pub outcome: Option<String>,
    /// The kind of its failure, if it has failed or was refused.
    pub failure_kind: Option<String>,
}

const ENTRY: &str = "SELECT * FROM ledger WHERE id = ?";

const OPEN_BOOT: &str = "SELECT coalesce(boot, 0) FROM entry WHERE id = ? AND NOT EXISTS \
     (SELECT 1 FROM entry_close WHERE entry_close.seq = entry.seq)";

const REFUSAL: &str = "SELECT r.id AS id, 'refused' AS state, \
     strftime('%Y-%m-%dT%H:%M:%fZ', r.at_ms / 1000.0, 'unixepoch') AS started_at, \
     p.replica AS replica, r.caller_request_id AS caller_request_id, r.team AS team, \
     r.\"key\" AS \"key\", r.tags AS tags, r.dialect AS dialect, r.operation AS operation, \
     r.stream AS stream, r.requested_model AS requested_model, r.hinted AS hinted, \
     r.language AS language, r.task AS task, r.language_confidence AS language_confidence, \
     r.task_confidence AS task_confidence, r.needs AS needs, \
     r.complexity AS complexity, r.contains AS contains, r.data_class AS data_class, \
     r.input_tokens_estimate AS input_tokens_estimate, \
     r.output_tokens_asked AS output_tokens_asked, r.n AS n, printf('%u', r.draw) AS draw, \
     r.rule AS rule, r.guard AS guard, r.stage AS stage, r.kind AS failure_kind, r.code AS code, \
     r.reason AS reason, p.policy_version AS policy_version, p.policy_hash AS policy_hash, \
     p.price_version AS price_version, p.currency AS currency \
     FROM refusal AS r LEFT JOIN epoch AS p ON p.id = r.epoch WHERE r.id = ?";

const CALLED: &str = "SELECT id, started_at, state, outcome, failure_kind FROM (SELECT id, \
     started_at, state, outcome, failure_kind FROM ledger WHERE caller_request_id = ?1 \
     UNION ALL SELECT id, strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch'), 'refused', \
     NULL, kind FROM refusal WHERE caller_request_id = ?1) ORDER BY started_at DESC LIMIT ?2";

const POLICY: &str = "SELECT document, fleet FROM policy WHERE hash = ?";

const KEY_MODELS: &str = "SELECT models FROM key_models WHERE \"key\" = ?1 AND since_ms <= \
     unixepoch(?2) * 1000 + substr(?2, 21, 3) ORDER BY since_ms DESC, rowid DESC LIMIT 1";

const PRICE: &str = "SELECT input_nano, cached_input_nano, cache_write_nano, output_nano, \
     reasoning_nano FROM price WHERE version = ? AND model = ?";

/// Whether this version decided it; nothing where the file has no mark.
const WAS_KEPT: &str = concat!(
    "SELECT (SELECT epoch FROM entry WHERE id = ?1 UNION ALL SELECT epoch FROM refusal WHERE id = ?1) >= ",
    schema::policies_from!()
);

/// The entry or the refusal with this id.
pub(super) fn find(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<KeptRequest>> {
    let id = id.hyphenated().to_string();
    let mut columns = columns(connection, &id)?;
    if columns.is_none() {
        columns = row_of(connection, REFUSAL, &id)?;
    }
    let Some(columns) = columns else { return Ok(None) };
    let text = |name: &str| columns.get(name).and_then(Value::as_str).unwrap_or_default();
    let policy = connection
        .query_row(POLICY, [text("policy_hash")], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let policy_was_kept = connection.query_row(WAS_KEPT, [&id], |row| row.get(0))?;
    let lists_removed = removed::lists(connection)? > 0;
    let key_models = key_models(connection, text("key"), text("started_at"))?;
    let priced = [text("price_version"), text("model")];
    let price = connection.query_row(PRICE, priced, price).optional()?;
    let left_open = None;
    let adjustments = adjustment::of(connection, &id)?;
    let kept = KeptRequest {
        columns,
        policy,
        left_open,
        policy_was_kept,
        lists_removed,
        key_models,
        price,
        adjustments,
    };
    Ok(Some(kept))
}

/// The list of this key at this moment, if it had any.
pub(super) fn key_models(
    connection: &Connection,
    key: &str,
    at: &str,
) -> rusqlite::Result<Option<String>> {
    connection.query_row(KEY_MODELS, [key, at], |row| row.get(0)).optional()
}

/// The boot that has opened an entry that is open; 0 is one of an earlier version.
pub(super) fn open_boot(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<i64>> {
    let id = id.hyphenated().to_string();
    connection.query_row(OPEN_BOOT, [id], |row| row.get(0)).optional()
}

/// The columns of the view `ledger` of the entry with this id.
pub(super) fn columns(
    connection: &Connection,
    id: &str,
) -> rusqlite::Result<Option<Map<String, Value>>> {
    row_of(connection, ENTRY, id)
}

/// The row that such a statement finds by an id.
fn row_of(
    connection: &Connection,
    sql: &str,
    id: &str,
) -> rusqlite::Result<Option<Map<String, Value>>> {
    let mut select = connection.prepare_cached(sql)?;
    let names: Vec<String> = select.column_names().map(Into::into).collect();
    select.query_row([id], |row| object(row, &names)).optional()
}

/// The newest requests that their callers called so.
pub(super) fn called(
    connection: &Connection,
    name: &str,
    most: u32,
) -> rusqlite::Result<Vec<Named>> {
    let mut select = connection.prepare(CALLED)?;
    let rows = select.query_map(params![name, most], |row| {
        let id = row.get::<_, Option<String>>(0)?.unwrap_or_default();
        let (outcome, failure_kind) = (row.get(3)?, row.get(4)?);
        Ok(Named { id, started_at: row.get(1)?, state: row.get(2)?, outcome, failure_kind })
    })?;
    rows.collect()
}

fn price(row: &Row<'_>) -> rusqlite::Result<Price> {
    let money = |at| -> rusqlite::Result<Money> {
        Ok(Money::from_nano(row.get::<_, Option<i64>>(at)?.unwrap_or_default()))
    };
    Ok(Price {
        input: money(0)?,
        cached_input: money(1)?,
        cache_write: money(2)?,
        output: money(3)?,
        reasoning: money(4)?,
    })
}

/// A row as JSON. What a column holds as JSON is no text in it.
fn object(row: &Row<'_>, names: &[String]) -> rusqlite::Result<Map<String, Value>> {
    let mut columns = Map::new();
    for (at, name) in names.iter().enumerate() {
        let value = match row.get_ref(at)? {
            ValueRef::Integer(number) => number.into(),
            ValueRef::Real(number) => number.into(),
            ValueRef::Text(text) => {
                let text = String::from_utf8_lossy(text);
                let nested = match &**name {
                    "attempts" | "tags" => serde_json::from_str(&text).ok(),
                    "contains" => recognised::object(&text),
                    _ => None,
                };
                nested.unwrap_or_else(|| text.into_owned().into())
            }
            ValueRef::Null | ValueRef::Blob(_) => Value::Null,
        };
        columns.insert(name.clone(), value);
    }
    Ok(columns)
}
