//! The physical tables, the view `ledger` over them, and how an older file becomes this version's.
//!
//! An open entry stands in `entry_open`, a closed one in `entry`: closing is a delete in a table of
//! a few hot pages and an append, never the rewriting of a row in a large one; and what a crash has
//! left open is exactly what stands in the small table. EpochInfo that change with the configuration
//! only (versions, hashes, replica, currency) stand once in `epoch`.

use rusqlite::{Connection, TransactionBehavior};

use super::failed;
use crate::record::StoreError;

/// Milliseconds of a balance's slot. The day begins at a multiple of a quarter of an hour in every
/// time zone, so any window's sum can be made of such slots.
pub(super) const QUARTER_MS: i64 = 15 * 60 * 1_000;

/// The state of an entry in `entry_open`; no column holds it.
pub(super) const OPEN: i64 = 0;
/// The state of an entry closed by its outcome; one recovered after a crash is 2.
pub(super) const SETTLED: i64 = 1;

/// What is known of an entry when it is opened; columns of both tables.
macro_rules! opening {
    () => {
        "id, epoch, started_at_ms, caller_request_id, team, \"key\", \"user\", session, tags, \
         dialect, operation, stream, requested_model, hinted, language, task, \
         language_confidence, task_confidence, needs, data_class, input_tokens_estimate, \
         output_tokens_asked, output_tokens_bound, n, draw, rule, reserved_nano"
    };
}

/// What is known of it when it is closed.
macro_rules! closing {
    () => {
        "state, model, endpoint, zone, attempts, input_tokens, cached_input_tokens, \
         cache_write_tokens, output_tokens, reasoning_tokens, usage_source, cost_nano, \
         first_token_us, duration_us, gateway_us, outcome, failure_kind"
    };
}

pub(super) const INSERT_OPEN: &str = concat!(
    "INSERT INTO entry_open (",
    opening!(),
    ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
);

pub(super) const INSERT_ENTRY: &str = concat!(
    "INSERT INTO entry (",
    opening!(),
    ", ",
    closing!(),
    ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?",
    ",?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
);

pub(super) const DELETE_OPEN: &str = "DELETE FROM entry_open WHERE id = ?";

pub(super) const INSERT_REFUSAL: &str = "INSERT INTO refusal (at_ms, epoch, stage, kind, team, \
     \"key\", dialect, operation, stream, requested_model, hinted, language, task, \
     language_confidence, task_confidence, needs, data_class, input_tokens_estimate, \
     output_tokens_asked, n, tags) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

pub(super) const ADD_BALANCE: &str = "INSERT INTO balance (quarter, tree, team, \"key\", \
     cost_nano, requests) VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET \
     cost_nano = cost_nano + excluded.cost_nano, requests = requests + excluded.requests";

pub(super) const INSERT_EPOCH: &str = "INSERT INTO epoch (replica, currency, policy_version, \
     policy_hash, price_version, tree) VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING";

pub(super) const FIND_EPOCH: &str = "SELECT id FROM epoch WHERE replica = ? AND currency = ? AND \
     policy_version = ? AND policy_hash = ? AND price_version = ? AND tree = ?";

pub(super) const INSERT_PRICE: &str = "INSERT INTO price (version, model, currency, input_nano, \
     cached_input_nano, cache_write_nano, output_nano, reasoning_nano) VALUES (?,?,?,?,?,?,?,?) \
     ON CONFLICT DO NOTHING";

/// Closes what a crash has left open, at its whole reservation: nobody knows better. Fifteen
/// minutes in milliseconds is [`QUARTER_MS`].
const RECOVER: &str = concat!(
    "DELETE FROM entry_open WHERE id IN (SELECT id FROM entry);
     INSERT INTO balance (quarter, tree, team, \"key\", cost_nano, requests)
       SELECT started_at_ms / 900000, tree, team, \"key\", sum(reserved_nano), count(*)
       FROM entry_open JOIN epoch ON epoch.id = entry_open.epoch WHERE true GROUP BY 1, 2, 3, 4
       ON CONFLICT DO UPDATE SET cost_nano = cost_nano + excluded.cost_nano,
                                 requests = requests + excluded.requests;
     INSERT INTO entry (",
    opening!(),
    ", state, usage_source, cost_nano) SELECT ",
    opening!(),
    ", 2, 'reserved', reserved_nano FROM entry_open;
     DELETE FROM entry_open;"
);

macro_rules! opening_columns {
    () => {
        "id BLOB NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL, started_at_ms INTEGER NOT NULL, \
         caller_request_id TEXT, team TEXT NOT NULL, \"key\" TEXT NOT NULL, \"user\" BLOB, \
         session BLOB, tags TEXT, dialect TEXT, operation TEXT, stream INTEGER, \
         requested_model TEXT, hinted TEXT, language TEXT, task TEXT, language_confidence REAL, \
         task_confidence REAL, needs TEXT, data_class TEXT, input_tokens_estimate INTEGER, \
         output_tokens_asked INTEGER, output_tokens_bound INTEGER, n INTEGER, draw INTEGER, \
         rule TEXT, reserved_nano INTEGER NOT NULL"
    };
}

/// The view over the tables; made anew by a step that changes one of them.
macro_rules! view {
    () => {
        concat!(
            "CREATE VIEW ledger AS
       SELECT
         substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-' || substr(hex, 13, 4) || '-'
           || substr(hex, 17, 4) || '-' || substr(hex, 21) AS id,
         CASE state WHEN 0 THEN 'open' WHEN 1 THEN 'settled' ELSE 'recovered' END AS state,
         strftime('%Y-%m-%dT%H:%M:%fZ', started_at_ms / 1000.0, 'unixepoch') AS started_at,
         replica, caller_request_id, team, \"key\", lower(hex(\"user\")) AS \"user\",
         lower(hex(session)) AS session, tags, dialect, operation, stream, requested_model, hinted,
         language, task, language_confidence, task_confidence, needs, data_class,
         input_tokens_estimate, output_tokens_asked, output_tokens_bound, n,
         printf('%u', draw) AS draw, rule, policy_version, policy_hash,
         NULL AS experiment, NULL AS experiment_version, NULL AS unit, NULL AS arm,
         NULL AS shadow_of, NULL AS cache, model, endpoint, zone, attempts,
         input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
         usage_source, price_version, reserved_nano, cost_nano,
         CASE WHEN cost_nano IS NOT NULL THEN rtrim(rtrim(printf('%s%d.%09d',
           iif(cost_nano < 0, '-', ''), abs(cost_nano / 1000000000), abs(cost_nano % 1000000000)),
           '0'), '.') END AS cost,
         NULL AS saved_nano, currency, first_token_us / 1000.0 AS first_token_ms,
         duration_us / 1000.0 AS duration_ms, gateway_us, outcome, failure_kind
       FROM (SELECT lower(hex(id)) AS hex, ",
    opening!(),
    ", ",
    closing!(),
    " FROM entry UNION ALL SELECT lower(hex(id)), ",
    opening!(),
    ", 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
           NULL, NULL FROM entry_open) AS e JOIN epoch ON epoch.id = e.epoch;"
        )
    };
}

/// Each step makes the schema of its position plus one. The second keeps where teams hung when money was
/// spent, and what entries that are gone had cost.
pub(super) const STEPS: [&str; 2] = [
    concat!(
        "CREATE TABLE epoch (id INTEGER PRIMARY KEY, replica TEXT NOT NULL, currency TEXT NOT NULL,
       policy_version TEXT NOT NULL, policy_hash TEXT NOT NULL, price_version TEXT NOT NULL,
       UNIQUE (replica, currency, policy_version, policy_hash, price_version));
     CREATE TABLE price (version TEXT NOT NULL, model TEXT NOT NULL, currency TEXT NOT NULL,
       input_nano INTEGER, cached_input_nano INTEGER, cache_write_nano INTEGER,
       output_nano INTEGER, reasoning_nano INTEGER, PRIMARY KEY (version, model)) WITHOUT ROWID;
     CREATE TABLE entry_open (",
        opening_columns!(),
        ") WITHOUT ROWID;
     CREATE TABLE entry (",
        opening_columns!(),
        ", state INTEGER NOT NULL, model TEXT, endpoint TEXT, zone TEXT, attempts TEXT,
       input_tokens INTEGER, cached_input_tokens INTEGER, cache_write_tokens INTEGER,
       output_tokens INTEGER, reasoning_tokens INTEGER, usage_source TEXT,
       cost_nano INTEGER NOT NULL, first_token_us INTEGER, duration_us INTEGER,
       gateway_us INTEGER, outcome TEXT, failure_kind TEXT) WITHOUT ROWID;
     CREATE TABLE balance (quarter INTEGER NOT NULL, team TEXT NOT NULL, \"key\" TEXT NOT NULL,
       cost_nano INTEGER NOT NULL, requests INTEGER NOT NULL,
       PRIMARY KEY (quarter, team, \"key\")) WITHOUT ROWID;
     CREATE TABLE refusal (at_ms INTEGER NOT NULL, epoch INTEGER NOT NULL, stage TEXT NOT NULL,
       kind TEXT NOT NULL, team TEXT, \"key\" TEXT, dialect TEXT, operation TEXT, stream INTEGER,
       requested_model TEXT, hinted TEXT, language TEXT, task TEXT, language_confidence REAL,
       task_confidence REAL, needs TEXT, data_class TEXT, input_tokens_estimate INTEGER,
       output_tokens_asked INTEGER, n INTEGER, tags TEXT);
     CREATE INDEX refusal_at ON refusal (at_ms);",
        view!()
    ),
    concat!(
        "DROP VIEW ledger;
     ALTER TABLE epoch RENAME TO epoch_1;
     CREATE TABLE epoch (id INTEGER PRIMARY KEY, replica TEXT NOT NULL, currency TEXT NOT NULL,
       policy_version TEXT NOT NULL, policy_hash TEXT NOT NULL, price_version TEXT NOT NULL,
       tree INTEGER NOT NULL,
       UNIQUE (replica, currency, policy_version, policy_hash, price_version, tree));
     INSERT INTO epoch SELECT id, replica, currency, policy_version, policy_hash, price_version, 0
       FROM epoch_1;
     DROP TABLE epoch_1;
     ALTER TABLE balance RENAME TO balance_1;
     CREATE TABLE balance (quarter INTEGER NOT NULL, tree INTEGER NOT NULL, team TEXT NOT NULL,
       \"key\" TEXT NOT NULL, cost_nano INTEGER NOT NULL, requests INTEGER NOT NULL,
       PRIMARY KEY (quarter, tree, team, \"key\")) WITHOUT ROWID;
     INSERT INTO balance SELECT quarter, 0, team, \"key\", cost_nano, requests FROM balance_1;
     DROP TABLE balance_1;
     CREATE TABLE gone (quarter INTEGER NOT NULL, tree INTEGER NOT NULL, team TEXT NOT NULL,
       \"key\" TEXT NOT NULL, cost_nano INTEGER NOT NULL, requests INTEGER NOT NULL,
       PRIMARY KEY (quarter, tree, team, \"key\")) WITHOUT ROWID;
     CREATE TABLE tree (id INTEGER PRIMARY KEY, teams TEXT NOT NULL UNIQUE);
     CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
     ",
        view!()
    ),
];

/// The columns of the view `ledger`, in order.
pub const LEDGER_COLUMNS: [&str; 56] = [
    "id",
    "state",
    "started_at",
    "replica",
    "caller_request_id",
    "team",
    "key",
    "user",
    "session",
    "tags",
    "dialect",
    "operation",
    "stream",
    "requested_model",
    "hinted",
    "language",
    "task",
    "language_confidence",
    "task_confidence",
    "needs",
    "data_class",
    "input_tokens_estimate",
    "output_tokens_asked",
    "output_tokens_bound",
    "n",
    "draw",
    "rule",
    "policy_version",
    "policy_hash",
    "experiment",
    "experiment_version",
    "unit",
    "arm",
    "shadow_of",
    "cache",
    "model",
    "endpoint",
    "zone",
    "attempts",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "usage_source",
    "price_version",
    "reserved_nano",
    "cost_nano",
    "cost",
    "saved_nano",
    "currency",
    "first_token_ms",
    "duration_ms",
    "gateway_us",
    "outcome",
    "failure_kind",
];

/// The number of this version's schema.
pub(super) fn newest() -> usize {
    STEPS.len()
}

/// Brings the file to this version's schema, or refuses one from the future.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found: i64 =
        transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    let done = usize::try_from(found).unwrap_or(0);
    for step in STEPS.iter().skip(done) {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// Closes the entries that a crash has left open; returns how many.
pub(super) fn recover(connection: &mut Connection) -> rusqlite::Result<u64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let open: i64 =
        transaction.query_row("SELECT count(*) FROM entry_open", [], |row| row.get(0))?;
    if open > 0 {
        transaction.execute_batch(RECOVER)?;
    }
    transaction.commit()?;
    Ok(u64::try_from(open).unwrap_or(0))
}
