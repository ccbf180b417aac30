//! The tables of experiments, and the statements that write them: who was in which arm, what callers told of
//! answers, and what became of experiments.

/// The columns of `enrolled`.
macro_rules! enrolled {
    () => {
        "seq, arm, unit, shares"
    };
}
pub(super) use enrolled;

/// The columns of `feedback_value`.
macro_rules! feedback {
    () => {
        "id, name, value, is_bool, comment, \"key\", at_ms"
    };
}
pub(super) use feedback;

/// The columns of `shadow`.
macro_rules! shadow {
    () => {
        "seq, arm, request"
    };
}
pub(super) use shadow;

/// The columns of `judged`.
macro_rules! judged {
    () => {
        "id, name, value"
    };
}
pub(super) use judged;

/// The columns of `experiment_change`.
macro_rules! change {
    () => {
        "seq, id, at_ms, experiment, version, arm, change, reason, \"by\""
    };
}
pub(super) use change;

pub(super) const FIND_ARM: &str =
    "SELECT id FROM arm WHERE experiment = ? AND version = ? AND arm = ?";
/// The last value is the number of the entry before which it had none.
pub(super) const INSERT_ARM: &str =
    "INSERT INTO arm (experiment, version, arm, from_seq) VALUES (?,?,?,?)";
pub(super) const INSERT_ENROLLED: &str = concat!(
    "INSERT INTO enrolled (",
    enrolled!(),
    ", checksum) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING"
);

pub(super) const INSERT_SHADOW: &str = concat!(
    "INSERT INTO shadow (",
    shadow!(),
    ", checksum) VALUES (?,?,?,?) ON CONFLICT DO NOTHING"
);
/// Of a request that is gone nothing is kept, and nothing twice.
pub(super) const INSERT_JUDGED: &str = concat!(
    "INSERT INTO judged (",
    judged!(),
    ", checksum) SELECT ?1,?2,?3,?4 WHERE EXISTS (SELECT 1 FROM entry WHERE id = ?1) \
     ON CONFLICT DO NOTHING"
);

/// The value of a request under a name: told by a caller, or found by the gateway itself. No name is both.
pub(super) const VALUE: &str = "SELECT value FROM feedback_value WHERE id = ?1 AND name = ?2 \
     UNION ALL SELECT value FROM judged WHERE id = ?1 AND name = ?2 LIMIT 1";

pub(super) const REMOVE_FEEDBACK: &str = "DELETE FROM feedback_value WHERE id = ? AND name = ?";
/// Of a request that has become too old meanwhile nothing is kept.
pub(super) const INSERT_FEEDBACK: &str = concat!(
    "INSERT INTO feedback_value (",
    feedback!(),
    ", checksum) SELECT ?1,?2,?3,?4,?5,?6,?7,?8 WHERE EXISTS (SELECT 1 FROM entry WHERE id = ?1 \
     UNION ALL SELECT 1 FROM refusal WHERE id = ?1)"
);

/// A change that comes again is the same one.
pub(super) const INSERT_CHANGE: &str = concat!(
    "INSERT INTO experiment_change (",
    change!(),
    ", checksum) VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
);
/// The number of the next change: their order is what counts, whatever the clock says.
pub(super) const NEXT_CHANGE: &str = "SELECT coalesce(max(seq), 0) + 1 FROM experiment_change";

/// The tables whose rows are counted in `meta` as they come and go, so that one that is removed is missed.
pub(super) const COUNTED: [&str; 7] =
    ["arm", "enrolled", "feedback_value", "experiment_change", "shadow", "judged", "cached"];
/// Adds to such a count.
pub(super) const COUNT_ROWS: &str =
    "UPDATE meta SET value = CAST(value AS INTEGER) + ?2 WHERE name = 'rows_' || ?1";

/// Who took part in experiments: an entry without a row here was in none. What callers told of answers, one
/// row for each name, and what became of experiments. Which entries are a shadow's, with the arm and the id
/// of the request that each repeats, and what the gateway has found about answers.
macro_rules! experiments {
    () => {
        "CREATE TABLE arm (id INTEGER PRIMARY KEY, experiment TEXT NOT NULL, version TEXT NOT NULL,
       arm TEXT NOT NULL, from_seq INTEGER NOT NULL, UNIQUE (experiment, version, arm));
     CREATE TABLE enrolled (seq INTEGER PRIMARY KEY, arm INTEGER NOT NULL, unit BLOB NOT NULL,
       shares TEXT);
     ALTER TABLE refusal ADD COLUMN arm INTEGER;
     ALTER TABLE refusal ADD COLUMN unit BLOB;
     CREATE INDEX refusal_arm ON refusal (at_ms) WHERE arm IS NOT NULL;
     CREATE TABLE feedback_value (id TEXT NOT NULL, name TEXT NOT NULL, value REAL NOT NULL,
       is_bool INTEGER NOT NULL, comment TEXT, \"key\" TEXT NOT NULL, at_ms INTEGER NOT NULL,
       PRIMARY KEY (id, name)) WITHOUT ROWID;
     CREATE TABLE shadow (seq INTEGER PRIMARY KEY, arm INTEGER NOT NULL, request TEXT NOT NULL);
     CREATE TABLE judged (id TEXT NOT NULL, name TEXT NOT NULL, value REAL NOT NULL,
       PRIMARY KEY (id, name)) WITHOUT ROWID;
     CREATE TABLE experiment_change (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
       at_ms INTEGER NOT NULL, experiment TEXT NOT NULL, version TEXT NOT NULL, arm TEXT,
       change TEXT NOT NULL, reason TEXT NOT NULL, \"by\" TEXT NOT NULL);
     INSERT INTO meta (name, value) VALUES ('rows_arm', '0'), ('rows_enrolled', '0'),
       ('rows_feedback_value', '0'), ('rows_experiment_change', '0'), ('rows_shadow', '0'),
       ('rows_judged', '0')
       ON CONFLICT DO UPDATE SET value = excluded.value;"
    };
}
pub(super) use experiments;
