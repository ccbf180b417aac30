//! Whether the file is whole: its pages, its indexes against their tables, and the names in `meta`. A flipped
//! bit in an index changes no row, and all the same questions by that index have other answers.

use rusqlite::{Connection, ErrorCode};

/// Findings of SQLite that are told one by one.
const NAMED_MAX: usize = 5;
/// Reads each page, and holds each index against its table.
const CHECK: &str = "PRAGMA integrity_check(5)";
/// Names in `meta`.
const NAMES: &str = "SELECT CAST(name AS TEXT) FROM meta ORDER BY 1";
/// All names that any version writes; what is not yet known of a file has none.
const KNOWN: [&str; 17] = [
    "audit_changes_from",
    "audit_head",
    "checksums",
    "key_lists",
    "managed_seq",
    "next_seq",
    "open_from",
    "pepper_fingerprint",
    "policies_from",
    "replica",
    "rows_arm",
    "rows_cached",
    "rows_enrolled",
    "rows_experiment_change",
    "rows_feedback_value",
    "rows_judged",
    "rows_shadow",
];

/// What is damaged, each in words; nothing where the file is whole.
pub(super) fn found(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut check = connection.prepare(CHECK)?;
    let told = check.query_map([], |row| row.get::<_, String>(0))?;
    let told = told.take(NAMED_MAX).collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(told.into_iter().filter(|it| it != "ok").map(|it| words(&it)).collect())
}

/// Names in `meta` that no version writes, each in words: one that was changed is missed by nothing else,
/// since an earlier version may never have written it.
pub(super) fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut names = connection.prepare(NAMES)?;
    let names = names.query_map([], |row| row.get::<_, Option<String>>(0))?;
    let names = names.collect::<rusqlite::Result<Vec<_>>>()?;
    let names = names.into_iter().map(Option::unwrap_or_default);
    let unknown = names.filter(|it| !KNOWN.contains(&&**it));
    let told = |it: String| format!("`meta` has the name {it:?}, which no version writes");
    Ok(unknown.map(told).collect())
}

/// That the file is damaged, where this error says so; nothing where it has another reason, as a lock or a
/// disk that is full. A ledger of this version has every table, column and kind of value that is asked for.
pub(super) fn told(error: &rusqlite::Error) -> Option<String> {
    let damaged = match error {
        rusqlite::Error::SqliteFailure(it, _)
        | rusqlite::Error::SqlInputError { error: it, .. } => {
            matches!(
                it.code,
                ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::Unknown
                    | ErrorCode::TypeMismatch
            )
        }
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::QueryReturnedNoRows => true,
        _ => false,
    };
    damaged.then(|| words(&error.to_string()))
}

fn words(what: &str) -> String {
    format!("the file is damaged: {what}")
}
