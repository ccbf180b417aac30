//! What `signalbox key` and `signalbox team` have in common: fields by options, a change, a list.

mod fields;
mod span;

use std::{path::Path, process::ExitCode};

use serde_json::Value;

pub(super) use self::{
    fields::{Expires, Fields},
    span::{expiry, span},
};
use super::{
    print::{err, out},
    user,
};
use crate::{
    app::{self, ChangeError},
    config::{Author, Edit, ManagedKind, ManagedRow, as_written},
    outcome::{REASON_CHARS_MAX, wrong_reason},
    record::StoreError,
};

/// Why a change is made.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Why {
    /// Why, for the audit trail.
    #[arg(long, value_name = "TEXT", value_parser = words)]
    reason: Option<String>,
}

/// What is kept in the books, and printed line by line.
fn words(text: &str) -> Result<String, String> {
    let told =
        |wrong| format!("it {wrong}: expected at most {REASON_CHARS_MAX} characters on one line");
    wrong_reason(text).map_or_else(|| Ok(text.to_owned()), |wrong| Err(told(wrong)))
}

impl Why {
    /// The words; empty where there are none.
    pub(super) fn text(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }
}

/// Makes changes, all or none, or says why not. Where they wait for a second person, that is said, and the
/// command is done.
pub(super) fn change(path: &Path, edits: &[Edit], why: &Why) -> Result<Vec<ManagedRow>, ExitCode> {
    let rows = changed(path, edits, why)?;
    if waits(&rows) { Err(ExitCode::SUCCESS) } else { Ok(rows) }
}

/// Whether a proposal was made in place of a change, which is said.
pub(super) fn waits(rows: &[ManagedRow]) -> bool {
    let first = rows.first().filter(|row| row.kind == ManagedKind::Proposal);
    if let Some(row) = first {
        err!("this takes a second person, and is not in force yet: the proposal is {}", row.name);
        err!(
            "an operator of the role `admin` approves it: signalbox proposal approve {}",
            row.name
        );
    }
    first.is_some()
}

/// Makes changes or a proposal of them, or says why not.
pub(super) fn changed(path: &Path, edits: &[Edit], why: &Why) -> Result<Vec<ManagedRow>, ExitCode> {
    changed_at(path, edits, why, |_| String::new())
}

/// The same, where what is wrong with the change of a number is told with its place before it.
pub(super) fn changed_at(
    path: &Path,
    edits: &[Edit],
    why: &Why,
    place: impl Fn(usize) -> String,
) -> Result<Vec<ManagedRow>, ExitCode> {
    let author = Author {
        by: user::who().into(),
        at_ms: jiff::Timestamp::now().as_millisecond(),
        not_before_ms: 0,
        reason: why.text().into(),
    };
    app::change(path, edits, &author).map_err(|error| {
        match &error {
            ChangeError::Faults(faults) => {
                let asked: Vec<_> = edits.iter().map(Edit::row).collect();
                super::print_faults(&as_written(faults.clone(), &asked, &place));
            }
            ChangeError::Refused(refused) => err!("signalbox: {}{refused}", place(refused.nth)),
            ChangeError::Store(_, StoreError::Older { .. }) => {
                err!(
                    "signalbox: the ledger is of an earlier version: start the gateway on it once"
                );
            }
            ChangeError::Busy | ChangeError::Store(..) => {
                err!("signalbox: nothing was changed: {error}");
            }
            error => err!("signalbox: {error}"),
        }
        ExitCode::from(match error {
            ChangeError::Faults(_) | ChangeError::Refused(_) | ChangeError::Proposal(_) => {
                super::WRONG
            }
            ChangeError::Busy | ChangeError::Store(..) | ChangeError::Written(_) => 1,
        })
    })
}

/// Prints all of a kind as a table, or one object of JSON a line.
pub(super) fn list(
    path: &Path,
    kind: ManagedKind,
    (json, hashes): (bool, bool),
    fits: impl Fn(&Value) -> bool,
    columns: &[(&str, &str)],
) -> ExitCode {
    let config = match super::load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let all = match app::listed(&config, kind, hashes) {
        Ok(all) => all,
        Err(error) => {
            err!("signalbox: {}: {error}", config.ledger.sqlite.display());
            return ExitCode::FAILURE;
        }
    };
    let all: Vec<Value> = all.into_iter().filter(|it| fits(it)).collect();
    if json {
        all.iter().for_each(|it| out!("{it}"));
        return ExitCode::SUCCESS;
    }
    let head: Vec<String> = columns.iter().map(|(head, _)| (*head).to_owned()).collect();
    let cell = |it: &Value, field: &str| match it.get(field) {
        None | Some(Value::Null) => String::from("-"),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let rows = all.iter().map(|it| columns.iter().map(|(_, field)| cell(it, field)).collect());
    print_table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
    ExitCode::SUCCESS
}

pub(super) fn print_table(rows: &[Vec<String>]) {
    let width = |at: usize| {
        rows.iter().filter_map(|row| row.get(at)).map(|it| it.chars().count()).max().unwrap_or(0)
    };
    for row in rows {
        let cells = row.iter().enumerate();
        let line: String = cells.map(|(at, it)| format!("{it:<0$}  ", width(at))).collect();
        out!("{}", line.trim_end());
    }
}
