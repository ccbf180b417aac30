//! The tables of earlier versions, word for word as those made them, and rows as those wrote them.

use rusqlite::Connection;

use super::super::checksum;

/// The first schema.
pub(super) const FIRST: &str = r#"
    CREATE TABLE epoch (id INTEGER PRIMARY KEY, replica TEXT NOT NULL, currency TEXT NOT NULL,
    policy_version TEXT NOT NULL, policy_hash TEXT NOT NULL, price_version TEXT NOT NULL,
    UNIQUE (replica, currency, policy_version, policy_hash, price_version));
    CREATE TABLE price (version TEXT NOT NULL, model TEXT NOT NULL, currency TEXT NOT NULL,
    input_nano INTEGER, cached_input_nano INTEGER, cache_write_nano INTEGER,
    output_nano INTEGER, reasoning_nano INTEGER, PRIMARY KEY (version, model)) WITHOUT ROWID;
    CREATE TABLE entry_open (id BLOB NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL, started_at_ms
      INTEGER NOT NULL, caller_request_id TEXT, team TEXT NOT NULL, "key" TEXT NOT NULL, "user"
      BLOB, session BLOB, tags TEXT, dialect TEXT, operation TEXT, stream INTEGER, requested_model
      TEXT, hinted TEXT, language TEXT, task TEXT, language_confidence REAL, task_confidence REAL,
      needs TEXT, data_class TEXT, input_tokens_estimate INTEGER, output_tokens_asked INTEGER,
      output_tokens_bound INTEGER, n INTEGER, draw INTEGER, rule TEXT, reserved_nano INTEGER NOT
      NULL) WITHOUT ROWID;
    CREATE TABLE entry (id BLOB NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL, started_at_ms INTEGER
      NOT NULL, caller_request_id TEXT, team TEXT NOT NULL, "key" TEXT NOT NULL, "user" BLOB,
      session BLOB, tags TEXT, dialect TEXT, operation TEXT, stream INTEGER, requested_model TEXT,
      hinted TEXT, language TEXT, task TEXT, language_confidence REAL, task_confidence REAL, needs
      TEXT, data_class TEXT, input_tokens_estimate INTEGER, output_tokens_asked INTEGER,
      output_tokens_bound INTEGER, n INTEGER, draw INTEGER, rule TEXT, reserved_nano INTEGER NOT
      NULL, state INTEGER NOT NULL, model TEXT, endpoint TEXT, zone TEXT, attempts TEXT,
    input_tokens INTEGER, cached_input_tokens INTEGER, cache_write_tokens INTEGER,
    output_tokens INTEGER, reasoning_tokens INTEGER, usage_source TEXT,
    cost_nano INTEGER NOT NULL, first_token_us INTEGER, duration_us INTEGER,
    gateway_us INTEGER, outcome TEXT, failure_kind TEXT) WITHOUT ROWID;
    CREATE TABLE balance (quarter INTEGER NOT NULL, team TEXT NOT NULL, "key" TEXT NOT NULL,
    cost_nano INTEGER NOT NULL, requests INTEGER NOT NULL,
    PRIMARY KEY (quarter, team, "key")) WITHOUT ROWID;
    CREATE TABLE refusal (at_ms INTEGER NOT NULL, epoch INTEGER NOT NULL, stage TEXT NOT NULL,
    kind TEXT NOT NULL, team TEXT, "key" TEXT, dialect TEXT, operation TEXT, stream INTEGER,
    requested_model TEXT, hinted TEXT, language TEXT, task TEXT, language_confidence REAL,
    task_confidence REAL, needs TEXT, data_class TEXT, input_tokens_estimate INTEGER,
    output_tokens_asked INTEGER, n INTEGER, tags TEXT);
    CREATE INDEX refusal_at ON refusal (at_ms);
    CREATE VIEW ledger AS
    SELECT
    substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-' || substr(hex, 13, 4) || '-'
    || substr(hex, 17, 4) || '-' || substr(hex, 21) AS id,
    CASE state WHEN 0 THEN 'open' WHEN 1 THEN 'settled' ELSE 'recovered' END AS state,
    strftime('%Y-%m-%dT%H:%M:%fZ', started_at_ms / 1000.0, 'unixepoch') AS started_at,
    replica, caller_request_id, team, "key", lower(hex("user")) AS "user",
    lower(hex(session)) AS session, tags, dialect, operation, stream, requested_model, hinted,
    language, task, language_confidence, task_confidence, needs,
    NULL AS complexity, NULL AS contains, data_class,
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
    FROM (SELECT lower(hex(id)) AS hex, id, epoch, started_at_ms, caller_request_id, team, "key",
      "user", session, tags, dialect, operation, stream, requested_model, hinted, language, task,
      language_confidence, task_confidence, needs, data_class, input_tokens_estimate,
      output_tokens_asked, output_tokens_bound, n, draw, rule, reserved_nano, state, model,
      endpoint, zone, attempts, input_tokens, cached_input_tokens, cache_write_tokens,
      output_tokens, reasoning_tokens, usage_source, cost_nano, first_token_us, duration_us,
      gateway_us, outcome, failure_kind FROM entry UNION ALL SELECT lower(hex(id)), id, epoch,
      started_at_ms, caller_request_id, team, "key", "user", session, tags, dialect, operation,
      stream, requested_model, hinted, language, task, language_confidence, task_confidence, needs,
      data_class, input_tokens_estimate, output_tokens_asked, output_tokens_bound, n, draw, rule,
      reserved_nano, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
      NULL, NULL,
    NULL, NULL FROM entry_open) AS e JOIN epoch ON epoch.id = e.epoch;
"#;

/// What the second added to it.
pub(super) const SECOND: &str = r#"
    DROP VIEW ledger;
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
    "key" TEXT NOT NULL, cost_nano INTEGER NOT NULL, requests INTEGER NOT NULL,
    PRIMARY KEY (quarter, tree, team, "key")) WITHOUT ROWID;
    INSERT INTO balance SELECT quarter, 0, team, "key", cost_nano, requests FROM balance_1;
    DROP TABLE balance_1;
    CREATE TABLE gone (quarter INTEGER NOT NULL, tree INTEGER NOT NULL, team TEXT NOT NULL,
    "key" TEXT NOT NULL, cost_nano INTEGER NOT NULL, requests INTEGER NOT NULL,
    PRIMARY KEY (quarter, tree, team, "key")) WITHOUT ROWID;
    CREATE TABLE tree (id INTEGER PRIMARY KEY, teams TEXT NOT NULL UNIQUE);
    CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE VIEW ledger AS
    SELECT
    substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-' || substr(hex, 13, 4) || '-'
    || substr(hex, 17, 4) || '-' || substr(hex, 21) AS id,
    CASE state WHEN 0 THEN 'open' WHEN 1 THEN 'settled' ELSE 'recovered' END AS state,
    strftime('%Y-%m-%dT%H:%M:%fZ', started_at_ms / 1000.0, 'unixepoch') AS started_at,
    replica, caller_request_id, team, "key", lower(hex("user")) AS "user",
    lower(hex(session)) AS session, tags, dialect, operation, stream, requested_model, hinted,
    language, task, language_confidence, task_confidence, needs,
    NULL AS complexity, NULL AS contains, data_class,
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
    FROM (SELECT lower(hex(id)) AS hex, id, epoch, started_at_ms, caller_request_id, team, "key",
      "user", session, tags, dialect, operation, stream, requested_model, hinted, language, task,
      language_confidence, task_confidence, needs, data_class, input_tokens_estimate,
      output_tokens_asked, output_tokens_bound, n, draw, rule, reserved_nano, state, model,
      endpoint, zone, attempts, input_tokens, cached_input_tokens, cache_write_tokens,
      output_tokens, reasoning_tokens, usage_source, cost_nano, first_token_us, duration_us,
      gateway_us, outcome, failure_kind FROM entry UNION ALL SELECT lower(hex(id)), id, epoch,
      started_at_ms, caller_request_id, team, "key", "user", session, tags, dialect, operation,
      stream, requested_model, hinted, language, task, language_confidence, task_confidence, needs,
      data_class, input_tokens_estimate, output_tokens_asked, output_tokens_bound, n, draw, rule,
      reserved_nano, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
      NULL, NULL,
    NULL, NULL FROM entry_open) AS e JOIN epoch ON epoch.id = e.epoch;
"#;

/// Closed, recovered and open entries of the second schema: with and without values, with equal
/// and with other labels.
pub(super) const ROWS: &str = r#"
    INSERT INTO epoch SELECT value, 'replica-' || value, 'USD', 'v' || value, 'h', 'p', value - 1
      FROM (WITH n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 3)
        SELECT value FROM n);
    CREATE TEMP TABLE made AS WITH n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < 460)
      SELECT k, unhex(printf('%012x7%03x8%015x', 1767323045678 + k * 7, k % 4096, k * 977)) AS id,
      1 + k % 3 AS epoch, 1767323045678 + k * 7 - k % 5 AS started_at_ms,
      CASE k % 4 WHEN 0 THEN 'own-' || k END AS caller_request_id,
      'team-' || (k % 5) AS team, 'key-' || (k % 7) AS "key",
      CASE k % 3 WHEN 0 THEN unhex(printf('%032x', k)) END AS "user",
      CASE k % 2 WHEN 0 THEN unhex(printf('%032x', -k)) END AS session,
      CASE k % 6 WHEN 0 THEN '{"a":"' || k || '"}' END AS tags,
      iif(k % 9 = 0, NULL, 'openai') AS dialect, 'chat' AS operation, k % 2 AS stream,
      iif(k % 11 = 0, 'small', 'auto') AS requested_model,
      iif(k % 8 = 0, 'language,task', '') AS hinted, iif(k % 10 = 0, NULL, 'th') AS language,
      iif(k % 3 = 0, 'chat', 'banking') AS task, 0.1 * (k % 10) AS language_confidence,
      iif(k % 7 = 0, NULL, 0.7654321) AS task_confidence, iif(k % 5 = 0, 'tools', '') AS needs,
      iif(k % 2 = 0, 'internal', 'public') AS data_class, k AS input_tokens_estimate,
      iif(k % 4 = 0, NULL, 64) AS output_tokens_asked, 64 + k AS output_tokens_bound,
      1 + k % 2 AS n, k * 9007199254740993 - 4611686018427387904 AS draw,
      iif(k % 3 = 0, 'default', 'rule 100%') AS rule, k * 1000003 AS reserved_nano,
      iif(k % 13 = 0, 2, 1) AS state, iif(k % 13 = 0, NULL, 'model-' || (k % 4)) AS model,
      iif(k % 13 = 0, NULL, '10.0.0.' || (k % 6) || ':8000') AS endpoint,
      iif(k % 4 = 0, NULL, 'on_prem') AS zone,
      iif(k % 13 = 0, NULL, '[{"model":"m","endpoint":"e","result":"ok","ms":' || k || '}]')
        AS attempts, k % 97 AS input_tokens, k % 3 AS cached_input_tokens,
      0 AS cache_write_tokens, k % 31 AS output_tokens, 0 AS reasoning_tokens,
      iif(k % 13 = 0, 'reserved', 'reported') AS usage_source,
      iif(k % 13 = 0, k * 1000003, k * 1234567) AS cost_nano,
      iif(k % 5 = 0, NULL, k * 1001) AS first_token_us, k * 2003 AS duration_us, 80 AS gateway_us,
      iif(k % 13 = 0, NULL, iif(k % 17 = 0, 'failed', 'ok')) AS outcome,
      iif(k % 17 = 0, 'upstream_timeout', NULL) AS failure_kind FROM n;
    INSERT INTO entry SELECT id, epoch, started_at_ms, caller_request_id, team, "key", "user",
      session, tags, dialect, operation, stream, requested_model, hinted, language, task,
      language_confidence, task_confidence, needs, data_class, input_tokens_estimate,
      output_tokens_asked, output_tokens_bound, n, draw, rule, reserved_nano, state, model,
      endpoint, zone, attempts, input_tokens, cached_input_tokens, cache_write_tokens,
      output_tokens, reasoning_tokens, usage_source, cost_nano, first_token_us, duration_us,
      gateway_us, outcome, failure_kind FROM temp.made WHERE k % 23 <> 0 AND k <= 420;
    INSERT INTO entry_open SELECT id, epoch, started_at_ms, caller_request_id, team, "key", "user",
      session, tags, dialect, operation, stream, requested_model, hinted, language, task,
      language_confidence, task_confidence, needs, data_class, input_tokens_estimate,
      output_tokens_asked, output_tokens_bound, n, draw, rule, reserved_nano
      FROM temp.made WHERE k % 23 = 0 OR k > 420;
    INSERT INTO balance SELECT started_at_ms / 900000, epoch - 1, team, "key", sum(cost_nano),
      count(*) FROM entry GROUP BY 1, 2, 3, 4;
    INSERT INTO meta VALUES ('replica', 'replica-1');
    INSERT INTO refusal (at_ms, epoch, stage, kind) VALUES (1767323045678, 1, 'admit', 'x');
    DROP TABLE temp.made;
"#;

/// The third, which keeps entries in the order in which they came.
pub(super) const THIRD: &str = r#"
    CREATE TABLE epoch (id INTEGER PRIMARY KEY, replica TEXT NOT NULL, currency TEXT NOT NULL,
    policy_version TEXT NOT NULL, policy_hash TEXT NOT NULL, price_version TEXT NOT NULL,
    tree INTEGER NOT NULL,
    UNIQUE (replica, currency, policy_version, policy_hash, price_version, tree));
    CREATE TABLE price (version TEXT NOT NULL, model TEXT NOT NULL, currency TEXT NOT NULL,
    input_nano INTEGER, cached_input_nano INTEGER, cache_write_nano INTEGER,
    output_nano INTEGER, reasoning_nano INTEGER, PRIMARY KEY (version, model)) WITHOUT ROWID;
    CREATE TABLE balance (quarter INTEGER NOT NULL, tree INTEGER NOT NULL, team TEXT NOT NULL,
    "key" TEXT NOT NULL, cost_nano INTEGER NOT NULL, requests INTEGER NOT NULL,
    PRIMARY KEY (quarter, tree, team, "key")) WITHOUT ROWID;
    CREATE TABLE gone (quarter INTEGER NOT NULL, tree INTEGER NOT NULL, team TEXT NOT NULL,
    "key" TEXT NOT NULL, cost_nano INTEGER NOT NULL, requests INTEGER NOT NULL,
    PRIMARY KEY (quarter, tree, team, "key")) WITHOUT ROWID;
    CREATE TABLE tree (id INTEGER PRIMARY KEY, teams TEXT NOT NULL UNIQUE);
    CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE refusal (at_ms INTEGER NOT NULL, epoch INTEGER NOT NULL, stage TEXT NOT NULL,
    kind TEXT NOT NULL, team TEXT, "key" TEXT, dialect TEXT, operation TEXT, stream INTEGER,
    requested_model TEXT, hinted TEXT, language TEXT, task TEXT, language_confidence REAL,
    task_confidence REAL, needs TEXT, data_class TEXT, input_tokens_estimate INTEGER,
    output_tokens_asked INTEGER, n INTEGER, tags TEXT);
    CREATE INDEX refusal_at ON refusal (at_ms);
    CREATE TABLE caller (id INTEGER PRIMARY KEY, team TEXT NOT NULL, "key" TEXT NOT NULL,
    UNIQUE (team, "key"));
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
    caller_request_id TEXT, "user" BLOB, session BLOB, tags TEXT, language_confidence REAL,
    task_confidence REAL, input_tokens_estimate INTEGER, output_tokens_asked INTEGER,
    output_tokens_bound INTEGER, draw INTEGER, reserved_nano INTEGER NOT NULL);
    CREATE TABLE entry_close (seq INTEGER PRIMARY KEY, result INTEGER NOT NULL, attempts,
    input_tokens INTEGER, cached_input_tokens INTEGER, cache_write_tokens INTEGER,
    output_tokens INTEGER, reasoning_tokens INTEGER, cost_nano INTEGER NOT NULL,
    first_token_us INTEGER, duration_us INTEGER, gateway_us INTEGER);
    CREATE VIEW line AS
    SELECT e.seq, e.id, coalesce(r.state, 0) AS state, e.started_at, p.tree, w.team, w."key",
    e.session, e.tags, s.operation, s.stream, s.requested_model, s.language, s.task,
    e.language_confidence, e.task_confidence, s.needs, s.data_class, e.input_tokens_estimate,
    e.output_tokens_asked, s.n, e.draw, s.rule, r.model, r.endpoint, CASE typeof(c.attempts) WHEN
    'integer' THEN printf(r.attempts_form, c.attempts) ELSE c.attempts END AS attempts,
    c.input_tokens, c.cached_input_tokens, c.cache_write_tokens, c.output_tokens,
    c.reasoning_tokens, c.cost_nano, c.first_token_us, c.duration_us, c.gateway_us,
    r.outcome, r.failure_kind FROM entry AS e LEFT JOIN entry_close AS c ON c.seq = e.seq LEFT
    JOIN result AS r ON r.id = c.result LEFT JOIN caller AS w ON w.id = e.caller LEFT JOIN shape
    AS s ON s.id = e.shape LEFT JOIN epoch AS p ON p.id = e.epoch;
    CREATE VIEW ledger AS
    SELECT e.id AS id,
    CASE r.state WHEN 1 THEN 'settled' WHEN 2 THEN 'recovered' ELSE 'open' END AS state,
    e.started_at AS started_at, p.replica AS replica,
    e.caller_request_id AS caller_request_id, w.team AS team, w."key" AS "key",
    lower(hex(e."user")) AS "user", lower(hex(e.session)) AS session, e.tags AS tags,
    s.dialect AS dialect, s.operation AS operation, s.stream AS stream,
    s.requested_model AS requested_model, s.hinted AS hinted, s.language AS language,
    s.task AS task, e.language_confidence AS language_confidence,
    e.task_confidence AS task_confidence, s.needs AS needs,
    NULL AS complexity, NULL AS contains, s.data_class AS data_class,
    e.input_tokens_estimate AS input_tokens_estimate,
    e.output_tokens_asked AS output_tokens_asked,
    e.output_tokens_bound AS output_tokens_bound, s.n AS n, printf('%u', e.draw) AS draw,
    s.rule AS rule, p.policy_version AS policy_version, p.policy_hash AS policy_hash,
    NULL AS experiment, NULL AS experiment_version, NULL AS unit, NULL AS arm,
    NULL AS shadow_of, NULL AS cache, r.model AS model, r.endpoint AS endpoint,
    r.zone AS zone, CASE typeof(c.attempts) WHEN 'integer' THEN printf(r.attempts_form,
    c.attempts) ELSE c.attempts END AS attempts, c.input_tokens AS input_tokens,
    c.cached_input_tokens AS cached_input_tokens,
    c.cache_write_tokens AS cache_write_tokens, c.output_tokens AS output_tokens,
    c.reasoning_tokens AS reasoning_tokens, r.usage_source AS usage_source,
    p.price_version AS price_version, e.reserved_nano AS reserved_nano,
    c.cost_nano AS cost_nano,
    CASE WHEN c.cost_nano IS NOT NULL THEN rtrim(rtrim(printf('%s%d.%09d',
    iif(c.cost_nano < 0, '-', ''), abs(c.cost_nano / 1000000000),
    abs(c.cost_nano % 1000000000)), '0'), '.') END AS cost,
    NULL AS saved_nano, p.currency AS currency,
    c.first_token_us / 1000.0 AS first_token_ms, c.duration_us / 1000.0 AS duration_ms,
    c.gateway_us AS gateway_us, r.outcome AS outcome, r.failure_kind AS failure_kind FROM entry AS
    e LEFT JOIN entry_close AS c ON c.seq = e.seq LEFT JOIN result AS r ON r.id = c.result LEFT
    JOIN caller AS w ON w.id = e.caller LEFT JOIN shape AS s ON s.id = e.shape LEFT JOIN epoch AS
    p ON p.id = e.epoch;
    CREATE UNIQUE INDEX entry_id ON entry (id);
    CREATE INDEX entry_started ON entry (started_at);
"#;

/// Rows as the third has them: settled, open and recovered entries.
pub(super) const THIRD_ROWS: &str = r#"
    INSERT INTO epoch VALUES (1, 'replica-1', 'USD', 'v', 'h', 'p', 1);
    INSERT INTO tree VALUES (1, 'bank ' || char(10) || 'cards bank' || char(10));
    INSERT INTO caller VALUES (1, 'cards', 'app'), (2, 'bank', 'desk');
    INSERT INTO shape (id, dialect, operation, stream, requested_model, hinted, language, task,
      needs, data_class, n, rule) VALUES (1, 'openai', 'chat', 1, 'auto', '', 'th', 'chat', '',
      'internal', 1, 'default');
    INSERT INTO result (id, state, model, usage_source, outcome) VALUES
      (1, 1, 'a', 'reported', 'ok'), (2, 2, NULL, 'reserved', NULL);
    WITH n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < 200)
      INSERT INTO entry (seq, id, started_at, epoch, caller, shape, draw, reserved_nano)
      SELECT k, printf('019b7c4a-0000-7000-8000-%012x', k),
      strftime('%Y-%m-%dT%H:%M:%fZ', 1767323045 + k * 60, 'unixepoch'), 1, 1 + k % 2, 1, k, k * 9
      FROM n;
    INSERT INTO entry_close (seq, result, cost_nano)
      SELECT seq, 1 + (seq % 10 = 0), seq * iif(seq % 10 = 0, 9, 7)
      FROM entry WHERE seq % 7 > 0;
    INSERT INTO balance SELECT unixepoch(started_at) / 900, 1, team, "key", sum(cost_nano), count(*)
      FROM line WHERE state > 0 GROUP BY 1, 3, 4;
    INSERT INTO meta VALUES ('replica', 'replica-1'), ('open_from', '7');
"#;

/// What the fourth has beside the third: who has written, and checksums.
pub(super) const FOURTH: &str = r#"
    CREATE TABLE boot (id INTEGER PRIMARY KEY, started_at TEXT NOT NULL, ended_at TEXT);
    ALTER TABLE entry ADD COLUMN boot INTEGER;
    ALTER TABLE entry ADD COLUMN checksum INTEGER;
    ALTER TABLE entry_close ADD COLUMN checksum INTEGER;
    ALTER TABLE caller ADD COLUMN checksum INTEGER;
    ALTER TABLE shape ADD COLUMN checksum INTEGER;
    ALTER TABLE result ADD COLUMN checksum INTEGER;
    ALTER TABLE epoch ADD COLUMN checksum INTEGER;
    ALTER TABLE tree ADD COLUMN checksum INTEGER;
    ALTER TABLE boot ADD COLUMN checksum INTEGER;
    ALTER TABLE price ADD COLUMN checksum INTEGER;
    ALTER TABLE refusal ADD COLUMN checksum INTEGER;
"#;

/// A refusal of the fourth, and its epoch, with the checksums that it wrote.
pub(super) const FOURTH_ROWS: &str = r#"
    INSERT INTO meta VALUES ('checksums', '1'), ('replica', 'replica-1');
    INSERT INTO epoch VALUES (1, 'replica-1', 'USD', 'v', 'h', 'p', 0, 3059619739696992383);
    INSERT INTO refusal VALUES (1767323045678, 1, 'decide', 'forbidden', 'cards', 'app', 'openai',
      'chat', 1, 'auto', '', 'th', 'chat', 0.9, 0.75, '', 'confidential', 120, 64, 1, NULL,
      -7987467560718695427);
"#;

/// Makes a file of this version one of an earlier, from the seventh on, whose rows have the checksums that it
/// wrote.
pub(super) fn back_to(schema: i64, connection: &Connection) {
    let lacking = "contains = NULL, checksum = NULL";
    for (table, name, also) in [
        (&checksum::SHAPE, "shape", "complexity = NULL, "),
        (&checksum::REFUSAL, "refusal", "complexity = NULL, "),
        (&checksum::ENTRY, "entry", ""),
    ] {
        connection.execute_batch(&format!("UPDATE {name} SET {also}{lacking}")).unwrap();
        let mut rows = connection.prepare(&format!("SELECT rowid FROM {name}")).unwrap();
        let rows = rows.query_map([], |row| row.get::<_, i64>(0)).unwrap();
        for row in rows.collect::<Result<Vec<_>, _>>().unwrap() {
            checksum::seal(connection, table, "rowid = ?", [row]).unwrap();
        }
    }
    for (of, sql) in [(9, NINTH), (8, EIGHTH), (7, SEVENTH)] {
        if of >= schema {
            connection.execute_batch(sql).unwrap();
        }
    }
}

/// What makes a file of the tenth one of the ninth again: without how much a request asks and what it
/// contains.
const NINTH: &str = r#"
    DROP VIEW ledger;
    DROP VIEW line;
    DROP INDEX shape_labels;
    ALTER TABLE shape DROP COLUMN complexity;
    ALTER TABLE shape DROP COLUMN contains;
    ALTER TABLE entry DROP COLUMN contains;
    ALTER TABLE refusal DROP COLUMN complexity;
    ALTER TABLE refusal DROP COLUMN contains;
    CREATE INDEX shape_labels ON shape (requested_model, language, task, rule, needs, stream);
    CREATE VIEW line AS
    SELECT e.seq, e.id, coalesce(r.state, 0) AS state, e.started_at, p.tree, w.team, w."key",
    e.session, e.tags, s.operation, s.stream, s.requested_model, s.language, s.task,
    e.language_confidence, e.task_confidence, s.needs, s.data_class, e.input_tokens_estimate,
    e.output_tokens_asked, s.n, e.draw, s.rule, r.model, r.endpoint, CASE typeof(c.attempts) WHEN
    'integer' THEN printf(r.attempts_form, c.attempts)
    ELSE c.attempts END AS attempts, c.input_tokens, c.cached_input_tokens, c.cache_write_tokens,
    c.output_tokens,
    c.reasoning_tokens, coalesce((SELECT j.cost_nano_after FROM adjustment AS j WHERE j.entry = c.seq
    ORDER BY j.seq DESC LIMIT 1), c.cost_nano) AS cost_nano, c.first_token_us, c.duration_us, c.gateway_us,
    r.outcome, r.failure_kind FROM entry AS e LEFT JOIN entry_close AS c ON c.seq = e.seq LEFT JOIN
    result AS r ON
    r.id = c.result LEFT JOIN caller AS w ON w.id = e.caller LEFT JOIN shape AS s ON
    s.id = e.shape LEFT JOIN epoch AS p ON p.id = e.epoch;
    CREATE VIEW ledger AS SELECT NULL AS complexity, NULL AS contains;
    PRAGMA user_version = 9;
"#;

/// What makes a file of the ninth one of the eighth again: without answers that were given again.
const EIGHTH: &str = r#"
    DROP VIEW ledger;
    DROP TABLE cached;
    DELETE FROM meta WHERE name = 'rows_cached';
    CREATE VIEW ledger AS SELECT NULL AS cache, NULL AS saved_nano;
    PRAGMA user_version = 8;
"#;

/// What makes a file of the eighth one of the seventh: without corrections, and with the views as the
/// seventh made them.
const SEVENTH: &str = r#"
    DROP VIEW ledger;
    DROP VIEW line;
    DROP TABLE adjustment;
    DROP TABLE managed;
    DROP TABLE key_use;
    DELETE FROM meta WHERE name = 'managed_seq';
    CREATE VIEW line AS
    SELECT e.seq, e.id, coalesce(r.state, 0) AS state, e.started_at, p.tree, w.team, w."key",
    e.session, e.tags, s.operation, s.stream, s.requested_model, s.language, s.task,
    e.language_confidence, e.task_confidence, s.needs, s.data_class, e.input_tokens_estimate,
    e.output_tokens_asked, s.n, e.draw, s.rule, r.model, r.endpoint, CASE typeof(c.attempts) WHEN
    'integer' THEN printf(r.attempts_form, c.attempts)
    ELSE c.attempts END AS attempts, c.input_tokens, c.cached_input_tokens, c.cache_write_tokens,
    c.output_tokens,
    c.reasoning_tokens, c.cost_nano, c.first_token_us, c.duration_us, c.gateway_us,
    r.outcome, r.failure_kind FROM entry AS e LEFT JOIN entry_close AS c ON c.seq = e.seq LEFT JOIN
    result AS r ON
    r.id = c.result LEFT JOIN caller AS w ON w.id = e.caller LEFT JOIN shape AS s ON
    s.id = e.shape LEFT JOIN epoch AS p ON p.id = e.epoch;
    CREATE VIEW ledger AS
    SELECT e.id AS id,
    CASE r.state WHEN 1 THEN 'settled' WHEN 2 THEN 'recovered' ELSE 'open' END AS state,
    e.started_at AS started_at, p.replica AS replica,
    e.caller_request_id AS caller_request_id, w.team AS team, w."key" AS "key",
    lower(hex(e."user")) AS "user", lower(hex(e.session)) AS session, e.tags AS tags,
    s.dialect AS dialect, s.operation AS operation, s.stream AS stream,
    s.requested_model AS requested_model, s.hinted AS hinted, s.language AS language,
    s.task AS task, e.language_confidence AS language_confidence,
    e.task_confidence AS task_confidence, s.needs AS needs,
    NULL AS complexity, NULL AS contains, s.data_class AS data_class,
    e.input_tokens_estimate AS input_tokens_estimate,
    e.output_tokens_asked AS output_tokens_asked,
    e.output_tokens_bound AS output_tokens_bound, s.n AS n, printf('%u', e.draw) AS draw,
    s.rule AS rule, p.policy_version AS policy_version, p.policy_hash AS policy_hash,
    a.experiment AS experiment, a.version AS experiment_version,
    iif(x.unit IS NULL, NULL, lower(hex(x.unit))) AS unit, iif(x.seq IS NULL, NULL, a.arm) AS arm,
    h.request AS shadow_of, NULL AS cache, r.model AS model, r.endpoint AS endpoint,
    r.zone AS zone, CASE typeof(c.attempts) WHEN 'integer' THEN printf(r.attempts_form, c.attempts)
    ELSE c.attempts END AS attempts, c.input_tokens AS input_tokens, c.cached_input_tokens AS
    cached_input_tokens,
    c.cache_write_tokens AS cache_write_tokens, c.output_tokens AS output_tokens,
    c.reasoning_tokens AS reasoning_tokens, r.usage_source AS usage_source,
    p.price_version AS price_version, e.reserved_nano AS reserved_nano,
    c.cost_nano AS cost_nano,
    CASE WHEN c.cost_nano IS NOT NULL THEN rtrim(rtrim(printf('%s%d.%09d',
    iif(c.cost_nano < 0, '-', ''), abs(c.cost_nano / 1000000000),
    abs(c.cost_nano % 1000000000)), '0'), '.') END AS cost,
    NULL AS saved_nano, p.currency AS currency,
    c.first_token_us / 1000.0 AS first_token_ms, c.duration_us / 1000.0 AS duration_ms,
    c.gateway_us AS gateway_us, r.outcome AS outcome, r.failure_kind AS failure_kind FROM entry AS
    e LEFT JOIN entry_close AS c ON c.seq = e.seq LEFT JOIN result AS r ON
    r.id = c.result LEFT JOIN caller AS w ON w.id = e.caller LEFT JOIN shape AS s ON
    s.id = e.shape LEFT JOIN epoch AS p ON p.id = e.epoch LEFT JOIN enrolled AS x ON x.seq = e.seq
    LEFT JOIN shadow AS h ON h.seq = e.seq
    LEFT JOIN arm AS a ON a.id = coalesce(x.arm, h.arm);
    PRAGMA user_version = 7;
"#;
