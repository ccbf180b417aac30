//! How an older file becomes this version's.

use std::time::Instant;

use rusqlite::{Connection, TransactionBehavior};

use super::{
    adjustment, audit, cached, checkpoint, checksum,
    experiments::experiments,
    failed, managed, recognised,
    schema::{
        MARK_DECISIONS, all_entries, attempts, boots, cells, closing, corrected, decisions,
        entry_indices, entry_tables, epoch_table, line_view, opening, shape, tree_and_meta,
    },
    view,
};
use crate::record::StoreError;

/// The number of this version's schema.
pub(super) const NEWEST: i64 = 10;
/// The first that has keys, teams and switches, in the form that they still have.
pub(super) const MANAGED: i64 = 8;
/// The first schema that has an audit trail.
pub(super) const AUDITED: i64 = 7;
/// The first schema whose entries stand as they do now: from it on none is written anew.
const KEPT: i64 = 3;

/// The tables of a new file.
const CREATE: &str = concat!(
    epoch_table!(),
    "CREATE TABLE price (version TEXT NOT NULL, model TEXT NOT NULL, currency TEXT NOT NULL,
       input_nano INTEGER, cached_input_nano INTEGER, cache_write_nano INTEGER,
       output_nano INTEGER, reasoning_nano INTEGER, PRIMARY KEY (version, model)) WITHOUT ROWID;",
    cells!("balance"),
    cells!("gone"),
    tree_and_meta!(),
    "CREATE TABLE refusal (at_ms INTEGER NOT NULL, epoch INTEGER NOT NULL, stage TEXT NOT NULL,
       kind TEXT NOT NULL, team TEXT, \"key\" TEXT, dialect TEXT, operation TEXT, stream INTEGER,
       requested_model TEXT, hinted TEXT, language TEXT, task TEXT, language_confidence REAL,
       task_confidence REAL, needs TEXT, data_class TEXT, input_tokens_estimate INTEGER,
       output_tokens_asked INTEGER, n INTEGER, tags TEXT);
     CREATE INDEX refusal_at ON refusal (at_ms);",
    entry_tables!(),
    entry_indices!(),
    boots!(),
    decisions!(),
    experiments!(),
    audit::tables!(),
    checkpoint::tables!(),
    managed::tables!(),
    adjustment::tables!(),
    cached::tables!(),
    recognised::tables!(),
);

/// From the first schema to the second, which keeps where teams hung when money was spent, and what entries
/// that are gone had cost.
const KEEP_TREES: &str = concat!(
    "DROP VIEW ledger;
     ALTER TABLE epoch RENAME TO epoch_1;",
    epoch_table!(),
    "INSERT INTO epoch SELECT id, replica, currency, policy_version, policy_hash, price_version, 0
       FROM epoch_1;
     DROP TABLE epoch_1;
     ALTER TABLE balance RENAME TO balance_1;",
    cells!("balance"),
    "INSERT INTO balance SELECT quarter, 0, team, \"key\", cost_nano, requests FROM balance_1;
     DROP TABLE balance_1;",
    cells!("gone"),
    tree_and_meta!(),
);

/// Bytes of an id as text.
macro_rules! id_text {
    () => {
        "(SELECT substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-' || substr(hex, 13, 4) || '-'
         || substr(hex, 17, 4) || '-' || substr(hex, 21) FROM (SELECT lower(hex(o.id)) AS hex))"
    };
}

/// The columns that an entry of the second schema had from its opening on.
macro_rules! opening_2 {
    () => {
        "id, epoch, started_at_ms, caller_request_id, team, \"key\", \"user\", session, tags, \
         dialect, operation, stream, requested_model, hinted, language, task, \
         language_confidence, task_confidence, needs, data_class, input_tokens_estimate, \
         output_tokens_asked, output_tokens_bound, n, draw, rule, reserved_nano"
    };
}

/// From the second schema to the third: entries in the order of their ids, labels once.
const APPEND_ENTRIES: &str = concat!(
    "DROP VIEW IF EXISTS ledger;
     ALTER TABLE entry RENAME TO entry_2;",
    entry_tables!(),
    "INSERT INTO caller (team, \"key\") SELECT team, \"key\" FROM entry_2
       UNION SELECT team, \"key\" FROM entry_open;
     INSERT INTO shape (",
    shape!(),
    ") SELECT ",
    shape!(),
    " FROM entry_2 UNION SELECT ",
    shape!(),
    " FROM entry_open;
     INSERT INTO result (state, model, endpoint, zone, usage_source, outcome, failure_kind)
       SELECT DISTINCT state, model, endpoint, zone, usage_source, outcome, failure_kind
       FROM entry_2;
     INSERT INTO entry (",
    opening!(),
    ") SELECT NULL, ",
    id_text!(),
    ", strftime('%Y-%m-%dT%H:%M:%fZ', o.started_at_ms / 1000.0, 'unixepoch'), o.epoch,
       (SELECT id FROM caller AS w WHERE w.team = o.team AND w.\"key\" = o.\"key\"),
       (SELECT id FROM shape AS s WHERE s.requested_model IS o.requested_model
         AND s.language IS o.language AND s.task IS o.task AND s.rule IS o.rule
         AND s.needs IS o.needs AND s.stream IS o.stream AND s.dialect IS o.dialect
         AND s.operation IS o.operation AND s.hinted IS o.hinted
         AND s.data_class IS o.data_class AND s.n IS o.n),
       o.caller_request_id, o.\"user\", o.session, o.tags, o.language_confidence,
       o.task_confidence, o.input_tokens_estimate, o.output_tokens_asked, o.output_tokens_bound,
       o.draw, o.reserved_nano
       FROM (SELECT ",
    opening_2!(),
    " FROM entry_2 UNION ALL SELECT ",
    opening_2!(),
    " FROM entry_open WHERE id NOT IN (SELECT id FROM entry_2) ORDER BY id) AS o;",
    entry_indices!(),
    "INSERT INTO entry_close (",
    closing!(),
    ") SELECT e.seq, (SELECT id FROM result AS r WHERE r.model IS o.model
         AND r.endpoint IS o.endpoint AND r.attempts_form IS NULL AND r.outcome IS o.outcome
         AND r.failure_kind IS o.failure_kind AND r.state IS o.state AND r.zone IS o.zone
         AND r.usage_source IS o.usage_source),
       o.attempts, o.input_tokens, o.cached_input_tokens, o.cache_write_tokens, o.output_tokens,
       o.reasoning_tokens, o.cost_nano, o.first_token_us, o.duration_us, o.gateway_us
       FROM entry_2 AS o CROSS JOIN entry AS e ON e.id = ",
    id_text!(),
    ";
     DROP TABLE entry_2;
     DROP TABLE entry_open;",
);

/// From the third schema to the fourth, which says whose an open entry is.
const KEEP_BOOTS: &str = boots!();
/// From the fourth schema to the fifth, by which a past decision can be made again.
const KEEP_DECISIONS: &str = decisions!();
/// From the fifth schema to the sixth, which knows experiments.
const KEEP_EXPERIMENTS: &str = experiments!();

/// From the sixth schema to the seventh, which has the audit trail.
const KEEP_AUDIT: &str = concat!(audit::tables!(), checkpoint::tables!());

/// From the seventh schema to the eighth, which has keys, teams and switches, and knows corrections: the
/// views are made anew with them.
const KEEP_MANAGED: &str = concat!(
    "DROP VIEW IF EXISTS ledger; DROP VIEW IF EXISTS feedback;",
    managed::tables!(),
    adjustment::tables!()
);

/// From the eighth schema to the ninth, which knows answers that were given again.
const KEEP_CACHED: &str =
    concat!("DROP VIEW IF EXISTS ledger; DROP VIEW IF EXISTS feedback;", cached::tables!());

/// From the ninth schema to the tenth, which knows how much a request asks and what it contains.
const KEEP_RECOGNISED: &str = concat!(
    "DROP VIEW IF EXISTS ledger; DROP VIEW IF EXISTS feedback; DROP VIEW line;",
    recognised::tables!(),
    line_view!(corrected!())
);

/// What makes a file of each schema, by its number, one of the next; the first makes a new one.
const STEPS: [&[&str]; 10] = [
    &[CREATE, view::PROMISED],
    &[KEEP_TREES],
    &[APPEND_ENTRIES],
    &[KEEP_BOOTS],
    &[KEEP_DECISIONS],
    &[KEEP_EXPERIMENTS],
    &[KEEP_AUDIT],
    &[KEEP_MANAGED],
    &[KEEP_CACHED],
    &[KEEP_RECOGNISED, view::PROMISED],
];

/// The number of the file's schema.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// That a file of an older schema is in another process's hands; nothing of this version's.
pub(super) fn older_in_use(found: i64) -> Option<StoreError> {
    let takes = match found {
        KEPT.. => "milliseconds",
        _ => "about 10 seconds for each million entries",
    };
    (1..NEWEST).contains(&found).then_some(StoreError::OlderInUse { found, known: NEWEST, takes })
}

/// Brings the file to this version's schema, or refuses one from the future. All or nothing.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = version(&transaction).map_err(failed)?;
    let first = match found {
        i64::MIN..=0 => 0,
        1..=NEWEST => usize::try_from(found).unwrap_or_default(),
        found => return Err(StoreError::Newer { found, known: NEWEST }),
    };
    let end = if first == 0 { 1 } else { STEPS.len() };
    let steps = STEPS.get(first..end).unwrap_or_default();
    let began = Instant::now();
    let older = (1..NEWEST).contains(&found);
    if older {
        tracing::info!(from = found, to = NEWEST, "the ledger is brought to this version's form");
    }
    for step in steps.iter().flat_map(|step| *step) {
        transaction.execute_batch(step).map_err(failed)?;
    }
    let added = checksum::add_columns(&transaction, found <= 0).map_err(failed)?;
    let mut marked = 0;
    for mark in MARK_DECISIONS {
        marked += transaction.execute(mark, []).map_err(failed)?;
    }
    if steps.is_empty() && !added && marked == 0 {
        return Ok(());
    }
    transaction.pragma_update(None, "user_version", NEWEST).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    if older {
        tracing::info!(
            seconds = began.elapsed().as_secs_f64(),
            "the ledger has this version's form"
        );
    }
    Ok(())
}
