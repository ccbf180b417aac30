//! The table of what the cache had to do with entries: one without a row here was of a rule that keeps no
//! answers, or passed the cache by.

/// The columns of `cached`.
macro_rules! columns {
    () => {
        "seq, result, saved_nano"
    };
}
pub(super) use columns;

/// The table, and the count of its rows.
macro_rules! tables {
    () => {
        "CREATE TABLE cached (seq INTEGER PRIMARY KEY, result TEXT NOT NULL, saved_nano INTEGER);
     INSERT INTO meta (name, value) VALUES ('rows_cached', '0')
       ON CONFLICT DO UPDATE SET value = excluded.value;"
    };
}
pub(super) use tables;

pub(super) const INSERT: &str = concat!(
    "INSERT INTO cached (",
    columns!(),
    ", checksum) VALUES (?,?,?,?) ON CONFLICT DO NOTHING"
);
