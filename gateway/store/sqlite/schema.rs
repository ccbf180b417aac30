//! The physical tables, the view `ledger` over them, and the statements that write them.
//!
//! An entry is appended to `entry` when it is opened and never written again; what its end says is a row
//! of `entry_close` under the same number. An entry without such a row is open. Labels that repeat stand
//! once in tables of their own: who asked in `caller`, what was asked in `shape`, how it ended in
//! `result`; versions, hashes, replica and currency in `epoch`.

use super::recognised;

/// Milliseconds of a balance's slot. The day begins at a multiple of a quarter of an hour in every
/// time zone, so any window's sum can be made of such slots.
pub(super) const QUARTER_MS: i64 = 15 * 60 * 1_000;

/// The state of an entry without an end; no column holds it.
pub(super) const OPEN: i64 = 0;
/// The state of an entry closed by its outcome; one recovered after a crash is 2.
pub(super) const SETTLED: i64 = 1;

/// The columns that `shape` has had from its beginning.
macro_rules! shape {
    () => {
        "dialect, operation, stream, requested_model, hinted, language, task, needs, data_class, \
         n, rule"
    };
}
pub(super) use shape;

/// The columns of `result`.
macro_rules! result {
    () => {
        "state, model, endpoint, zone, attempts_form, usage_source, outcome, failure_kind"
    };
}
pub(super) use result;

/// The columns that `refusal` has had from its beginning.
macro_rules! refusal {
    () => {
        "at_ms, epoch, stage, kind, team, \"key\", dialect, operation, stream, requested_model, \
         hinted, language, task, language_confidence, task_confidence, needs, data_class, \
         input_tokens_estimate, output_tokens_asked, n, tags"
    };
}
pub(super) use refusal;

/// The columns of `refusal` that the fifth schema has added; empty in older rows.
macro_rules! refusal_decided {
    () => {
        "id, caller_request_id, rule, guard, code, reason, draw"
    };
}
pub(super) use refusal_decided;

/// The columns of `refusal` that the sixth schema has added: empty where no experiment had the request.
macro_rules! refusal_enrolled {
    () => {
        "arm, unit"
    };
}
pub(super) use refusal_enrolled;

/// The columns of `entry`, up to the boot that has opened it and what the request contains.
macro_rules! opening {
    () => {
        "seq, id, started_at, epoch, caller, shape, caller_request_id, \"user\", session, tags, \
         language_confidence, task_confidence, input_tokens_estimate, output_tokens_asked, \
         output_tokens_bound, draw, reserved_nano"
    };
}
pub(super) use opening;

/// The columns of `entry_close`.
macro_rules! closing {
    () => {
        "seq, result, attempts, input_tokens, cached_input_tokens, cache_write_tokens, \
         output_tokens, reasoning_tokens, cost_nano, first_token_us, duration_us, gateway_us"
    };
}
pub(super) use closing;

pub(super) const INSERT_ENTRY: &str = concat!(
    "INSERT INTO entry (",
    opening!(),
    ", boot, contains, checksum) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
);

pub(super) const INSERT_CLOSE: &str = concat!(
    "INSERT INTO entry_close (",
    closing!(),
    ", checksum) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
);

/// Where an entry stands whose number is not remembered.
pub(super) const FIND_ENTRY: &str = "SELECT seq FROM entry WHERE id = ?";

/// The open entries: none of them has a smaller number than the mark.
pub(super) const FIND_OPEN: &str = "SELECT seq, id, boot FROM entry WHERE seq >= ? AND NOT EXISTS \
     (SELECT 1 FROM entry_close WHERE entry_close.seq = entry.seq)";

/// The name in `meta` of the mark below which every entry is closed.
pub(super) const OPEN_FROM: &str = "open_from";
pub(super) const FIND_NUMBER: &str = "SELECT CAST(value AS INTEGER) FROM meta WHERE name = ?";
pub(super) const SET_META: &str = "INSERT INTO meta (name, value) VALUES (?, ?) \
     ON CONFLICT DO UPDATE SET value = excluded.value";

/// The number of the next entry. No number comes twice, not even where the newest entries are gone.
pub(super) const NEXT_SEQ: &str = "SELECT max((SELECT coalesce(max(seq), 0) + 1 FROM entry), \
     (SELECT coalesce(max(CAST(value AS INTEGER)), 1) FROM meta WHERE name IN \
     ('open_from', 'next_seq')))";
/// Remembers it before entries go.
pub(super) const KEEP_NEXT_SEQ: &str = "INSERT INTO meta (name, value) \
     SELECT 'next_seq', max(seq) + 1 FROM entry HAVING max(seq) IS NOT NULL \
     ON CONFLICT DO UPDATE SET value = excluded.value";

pub(super) const FIND_CALLER: &str = "SELECT id FROM caller WHERE team = ? AND \"key\" = ?";
pub(super) const INSERT_CALLER: &str = "INSERT INTO caller (team, \"key\") VALUES (?,?)";

pub(super) const FIND_SHAPE: &str = "SELECT id FROM shape WHERE dialect IS ? AND operation IS ? \
     AND stream IS ? AND requested_model IS ? AND hinted IS ? AND language IS ? AND task IS ? \
     AND needs IS ? AND data_class IS ? AND n IS ? AND rule IS ? AND complexity IS ? AND contains IS ?";
pub(super) const INSERT_SHAPE: &str = concat!(
    "INSERT INTO shape (",
    shape!(),
    ", ",
    recognised::columns!(),
    ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
);

pub(super) const FIND_RESULT: &str = "SELECT id FROM result WHERE state IS ? AND model IS ? AND \
     endpoint IS ? AND zone IS ? AND attempts_form IS ? AND usage_source IS ? AND outcome IS ? AND \
     failure_kind IS ?";
pub(super) const INSERT_RESULT: &str =
    concat!("INSERT INTO result (", result!(), ") VALUES (?,?,?,?,?,?,?,?)");

pub(super) const INSERT_REFUSAL: &str = concat!(
    "INSERT INTO refusal (",
    refusal!(),
    ", ",
    refusal_decided!(),
    ", ",
    refusal_enrolled!(),
    ", ",
    recognised::columns!(),
    ", checksum) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
);

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

/// The name in `meta` of the first epoch since which what decides is kept: from there on, a policy or a price
/// that is not there was removed.
macro_rules! policies_from {
    () => {
        "(SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'policies_from')"
    };
}
pub(super) use policies_from;

/// Marks from which epoch on what decides is kept, and how many lists of keys have been: once for a file, by
/// whoever makes it or brings it to this form.
pub(super) const MARK_DECISIONS: [&str; 2] = [
    "INSERT INTO meta (name, value) SELECT 'policies_from', coalesce(max(id), 0) + 1 FROM epoch \
     WHERE true ON CONFLICT DO NOTHING",
    "INSERT INTO meta (name, value) SELECT 'key_lists', count(*) FROM key_models WHERE true \
     ON CONFLICT DO NOTHING",
];
/// Counts a list that was written: of one that is removed nothing else would tell.
pub(super) const COUNT_LIST: &str =
    "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'key_lists'";
/// How many lists are missing, if any.
pub(super) const LISTS_REMOVED: &str = "SELECT CAST(value AS INTEGER) - \
     (SELECT count(*) FROM key_models) FROM meta WHERE name = 'key_lists'";

/// Whether a policy is kept already.
pub(super) const FIND_POLICY: &str = "SELECT 1 FROM policy WHERE hash = ?";
pub(super) const INSERT_POLICY: &str = "INSERT INTO policy (hash, version, document, fleet) \
     VALUES (?,?,?,?) ON CONFLICT DO NOTHING";

/// What each key could use at a moment, of those that had a list by then: the last row of a key counts.
pub(super) const LISTS_AT: &str = "SELECT \"key\", models FROM key_models \
     WHERE since_ms <= ? AND \"key\" NOT IN ('', '*') ORDER BY since_ms, rowid";
/// The key of rows that say no more than that a configuration came into force, with the machines of the one
/// before it. No key has this name.
pub(super) const MOMENT: &str = "*";
/// Whether a key, nobody (`''`: other machines are paid for) or [`MOMENT`] has a row of this moment.
pub(super) const FIND_LIST: &str =
    "SELECT 1 FROM key_models WHERE \"key\" = ? AND since_ms = ? LIMIT 1";
/// When the next configuration came into force of which anything was written.
pub(super) const NEXT_LISTS: &str =
    "SELECT min(since_ms) FROM key_models WHERE \"key\" IN ('', '*') AND since_ms > ?";
/// Which machines were paid for at a moment.
pub(super) const MACHINES_AT: &str = "SELECT models FROM key_models \
     WHERE \"key\" = '' AND since_ms <= ? ORDER BY since_ms DESC, rowid DESC LIMIT 1";
pub(super) const INSERT_LIST: &str =
    "INSERT INTO key_models (\"key\", since_ms, models) VALUES (?,?,?)";

/// Those of one boot.
pub(super) const FIND_OWN_OPEN: &str = "SELECT seq, id FROM entry WHERE seq >= ? AND boot = ? \
     AND NOT EXISTS (SELECT 1 FROM entry_close WHERE entry_close.seq = entry.seq)";

/// Closes what a crash has left open, at its whole reservation: nobody knows better.
pub(super) const RECOVER: &str = "
     INSERT INTO balance (quarter, tree, team, \"key\", cost_nano, requests)
       SELECT unixepoch(started_at) / 900, tree, team, \"key\", sum(reserved_nano), count(*)
       FROM entry JOIN temp.left_open USING (seq) JOIN caller ON caller.id = entry.caller
       JOIN epoch ON epoch.id = entry.epoch WHERE true GROUP BY 1, 2, 3, 4
       ON CONFLICT DO UPDATE SET cost_nano = cost_nano + excluded.cost_nano,
                                 requests = requests + excluded.requests;
     INSERT INTO result (state, usage_source) SELECT 2, 'reserved' WHERE NOT EXISTS (SELECT 1
       FROM result WHERE state = 2 AND usage_source = 'reserved' AND model IS NULL);
     INSERT INTO entry_close (seq, result, cost_nano) SELECT entry.seq, (SELECT min(id) FROM result
       WHERE state = 2 AND usage_source = 'reserved' AND model IS NULL), reserved_nano
       FROM entry JOIN temp.left_open USING (seq);";

/// All entries, open ones included, with their labels; every other table is asked for by its number and
/// only where one of its columns is. Both views begin with an entry, so that its indices serve them.
macro_rules! all_entries {
    () => {
        "entry AS e LEFT JOIN entry_close AS c ON c.seq = e.seq LEFT JOIN result AS r ON \
         r.id = c.result LEFT JOIN caller AS w ON w.id = e.caller LEFT JOIN shape AS s ON \
         s.id = e.shape LEFT JOIN epoch AS p ON p.id = e.epoch"
    };
}

/// The attempts as JSON: of a single one the milliseconds alone are kept, beside the form they fill.
macro_rules! attempts {
    () => {
        "CASE typeof(c.attempts) WHEN 'integer' THEN printf(r.attempts_form, c.attempts) \
         ELSE c.attempts END AS attempts"
    };
}

/// The view of all entries that this room itself reads, and what it says that they cost.
macro_rules! line_view {
    ($cost:expr) => {
        concat!(
            "CREATE VIEW line AS
       SELECT e.seq, e.id, coalesce(r.state, 0) AS state, e.started_at, p.tree, w.team, w.\"key\",
         e.session, e.tags, s.operation, s.stream, s.requested_model, s.language, s.task,
         e.language_confidence, e.task_confidence, s.needs, s.complexity, ",
            recognised::of_entry!(),
            " AS contains, s.data_class, e.input_tokens_estimate,
         e.output_tokens_asked, s.n, e.draw, s.rule, r.model, r.endpoint, ",
            attempts!(),
            ", c.input_tokens, c.cached_input_tokens, c.cache_write_tokens, c.output_tokens,
         c.reasoning_tokens, ",
            $cost,
            " AS cost_nano, c.first_token_us, c.duration_us, c.gateway_us,
         r.outcome, r.failure_kind FROM ",
            all_entries!(),
            ";"
        )
    };
}

/// What a closed entry costs: as its newest correction says, else as it was charged. The close is `c`.
macro_rules! corrected {
    () => {
        "coalesce((SELECT j.cost_nano_after FROM adjustment AS j WHERE j.entry = c.seq \
         ORDER BY j.seq DESC LIMIT 1), c.cost_nano)"
    };
}

/// The tables and views of which no earlier version had any.
macro_rules! entry_tables {
    () => {
        concat!(
            "CREATE TABLE caller (id INTEGER PRIMARY KEY, team TEXT NOT NULL, \"key\" TEXT NOT NULL,
       UNIQUE (team, \"key\"));
     CREATE TABLE shape (id INTEGER PRIMARY KEY, dialect TEXT, operation TEXT, stream INTEGER,
       requested_model TEXT, hinted TEXT, language TEXT, task TEXT, needs TEXT, data_class TEXT,
       n INTEGER, rule TEXT);
     CREATE INDEX shape_labels ON shape (requested_model, language, task, rule, needs, stream);
     CREATE TABLE result (id INTEGER PRIMARY KEY, state INTEGER NOT NULL, model TEXT,
       endpoint TEXT, zone TEXT, attempts_form TEXT, usage_source TEXT, outcome TEXT,
       failure_kind TEXT);
     CREATE INDEX result_labels ON result (model, endpoint, attempts_form, outcome, failure_kind);
     CREATE TABLE entry (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, started_at TEXT NOT NULL,
       epoch INTEGER NOT NULL, caller INTEGER NOT NULL, shape INTEGER NOT NULL,
       caller_request_id TEXT, \"user\" BLOB, session BLOB, tags TEXT, language_confidence REAL,
       task_confidence REAL, input_tokens_estimate INTEGER, output_tokens_asked INTEGER,
       output_tokens_bound INTEGER, draw INTEGER, reserved_nano INTEGER NOT NULL);
     CREATE TABLE entry_close (seq INTEGER PRIMARY KEY, result INTEGER NOT NULL, attempts,
       input_tokens INTEGER, cached_input_tokens INTEGER, cache_write_tokens INTEGER,
       output_tokens INTEGER, reasoning_tokens INTEGER, cost_nano INTEGER NOT NULL,
       first_token_us INTEGER, duration_us INTEGER, gateway_us INTEGER);",
            line_view!("c.cost_nano")
        )
    };
}

/// What finds an entry by its id or its time. Made after the rows are copied, where there are any.
macro_rules! entry_indices {
    () => {
        "CREATE UNIQUE INDEX entry_id ON entry (id);
     CREATE INDEX entry_started ON entry (started_at);"
    };
}

/// Tables of sums by cell, the same for what is kept and for what is gone.
macro_rules! cells {
    ($table:literal) => {
        concat!(
            "CREATE TABLE ",
            $table,
            " (quarter INTEGER NOT NULL, tree INTEGER NOT NULL, team TEXT NOT NULL,
       \"key\" TEXT NOT NULL, cost_nano INTEGER NOT NULL, requests INTEGER NOT NULL,
       PRIMARY KEY (quarter, tree, team, \"key\")) WITHOUT ROWID;"
        )
    };
}

macro_rules! epoch_table {
    () => {
        "CREATE TABLE epoch (id INTEGER PRIMARY KEY, replica TEXT NOT NULL, currency TEXT NOT NULL,
       policy_version TEXT NOT NULL, policy_hash TEXT NOT NULL, price_version TEXT NOT NULL,
       tree INTEGER NOT NULL,
       UNIQUE (replica, currency, policy_version, policy_hash, price_version, tree));"
    };
}

macro_rules! tree_and_meta {
    () => {
        "CREATE TABLE tree (id INTEGER PRIMARY KEY, teams TEXT NOT NULL UNIQUE);
     CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    };
}
/// Who has written: each process that opens the file for that is a boot, and its entries name it. Those of
/// earlier versions name none.
macro_rules! boots {
    () => {
        "CREATE TABLE boot (id INTEGER PRIMARY KEY, started_at TEXT NOT NULL, ended_at TEXT);
     ALTER TABLE entry ADD COLUMN boot INTEGER;"
    };
}

/// What decides, kept once for each hash, and what each key could use from when on: a past decision can be
/// made again. A key without a row could use every model; rows of no key (`''`) say when a configuration came
/// into force, and which machines it pays for by the hour. What refused a request, and by which id its caller
/// knows it.
macro_rules! decisions {
    () => {
        "CREATE TABLE policy (hash TEXT NOT NULL PRIMARY KEY, version TEXT NOT NULL,
       document TEXT NOT NULL, fleet TEXT NOT NULL);
     CREATE TABLE key_models (\"key\" TEXT NOT NULL, since_ms INTEGER NOT NULL,
       models TEXT NOT NULL);
     CREATE INDEX key_models_since ON key_models (\"key\", since_ms);
     ALTER TABLE refusal ADD COLUMN id TEXT;
     ALTER TABLE refusal ADD COLUMN caller_request_id TEXT;
     ALTER TABLE refusal ADD COLUMN rule TEXT;
     ALTER TABLE refusal ADD COLUMN guard TEXT;
     ALTER TABLE refusal ADD COLUMN code TEXT;
     ALTER TABLE refusal ADD COLUMN reason TEXT;
     ALTER TABLE refusal ADD COLUMN draw INTEGER;
     CREATE INDEX refusal_id ON refusal (id) WHERE id IS NOT NULL;"
    };
}
pub(super) use {
    all_entries, attempts, boots, cells, corrected, decisions, entry_indices, entry_tables,
    epoch_table, line_view, tree_and_meta,
};
