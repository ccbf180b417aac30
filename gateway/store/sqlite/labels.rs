//! Labels that repeat: each set of them is written once, and a row holds the set's number.

use std::{collections::HashMap, fmt::Write as _};

use rusqlite::{OptionalExtension, ToSql, Transaction};

use super::{entry, schema};
use crate::outcome::{Opened, Outcome};

/// Numbers remembered of each kind of set. Most files need some hundreds.
const REMEMBERED: usize = 16_384;

/// Two labels that follow each other are told apart by what no label holds.
const BETWEEN: char = '\u{1}';

/// The numbers of sets of labels that are known to stand in their table.
#[derive(Debug, Default)]
pub(super) struct Labels {
    callers: HashMap<Box<str>, i64>,
    shapes: HashMap<Box<str>, i64>,
    results: HashMap<Box<str>, i64>,
    /// The set that is looked for, as one text.
    key: String,
    /// A part of it that has to be put together first.
    part: String,
}

/// The number of the set with these labels, written where it is new.
fn number(
    transaction: &Transaction<'_>,
    (known, key): (&mut HashMap<Box<str>, i64>, &str),
    (find, insert): (&str, &str),
    labels: &[&dyn ToSql],
) -> rusqlite::Result<i64> {
    let found = transaction.prepare_cached(find)?.query_row(labels, |row| row.get(0)).optional()?;
    let number = match found {
        Some(number) => number,
        None => {
            transaction.prepare_cached(insert)?.execute(labels)?;
            transaction.last_insert_rowid()
        }
    };
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(key.into(), number);
    Ok(number)
}

fn joined(key: &mut String, labels: &[&str]) {
    key.clear();
    for label in labels {
        key.push_str(label);
        key.push(BETWEEN);
    }
}

impl Labels {
    /// Who asked.
    pub(super) fn caller(
        &mut self,
        transaction: &Transaction<'_>,
        opened: &Opened,
    ) -> rusqlite::Result<i64> {
        let (team, key) = (&*opened.caller.team_name, &*opened.caller.key_name);
        joined(&mut self.key, &[team, key]);
        if let Some(number) = self.callers.get(&*self.key) {
            return Ok(*number);
        }
        let sql = (schema::FIND_CALLER, schema::INSERT_CALLER);
        number(transaction, (&mut self.callers, &self.key), sql, &[&team, &key])
    }

    /// What was asked and what decided.
    pub(super) fn shape(
        &mut self,
        transaction: &Transaction<'_>,
        opened: &Opened,
    ) -> rusqlite::Result<i64> {
        let signals = &*opened.signals;
        self.part.clear();
        for need in signals.needs.names() {
            if !self.part.is_empty() {
                self.part.push(',');
            }
            self.part.push_str(need);
        }
        let (dialect, operation) = (signals.dialect.code(), signals.operation.code());
        let (language, task) = (signals.language.code(), signals.task.code());
        let (class, rule) = (signals.data_class.code(), &*opened.plan.rule);
        let (hinted, requested) = (entry::hinted(signals.hinted), &*signals.requested);
        let stream = if signals.stream { "s" } else { "" };
        let labels = [
            dialect, operation, stream, requested, hinted, language, task, &self.part, class, rule,
        ];
        joined(&mut self.key, &labels);
        // Writing to a string cannot fail.
        let _ = write!(self.key, "{}", signals.n);
        if let Some(number) = self.shapes.get(&*self.key) {
            return Ok(*number);
        }
        let labels: [&dyn ToSql; 11] = [
            &dialect,
            &operation,
            &signals.stream,
            &requested,
            &hinted,
            &language,
            &task,
            &self.part,
            &class,
            &signals.n,
            &rule,
        ];
        let sql = (schema::FIND_SHAPE, schema::INSERT_SHAPE);
        number(transaction, (&mut self.shapes, &self.key), sql, &labels)
    }

    /// How it ended. Of a single attempt the form of its JSON is a label too, with its milliseconds left
    /// out.
    pub(super) fn result(
        &mut self,
        transaction: &Transaction<'_>,
        outcome: &Outcome,
    ) -> rusqlite::Result<i64> {
        let ends = entry::Ends::of(outcome);
        self.part.clear();
        if let [attempt] = &*outcome.attempt_log.attempts {
            entry::attempts_form(&mut self.part, attempt, &outcome.opened.names);
        }
        let or = |label: Option<&'static str>| label.unwrap_or("");
        let labels = [
            ends.model.unwrap_or(""),
            ends.endpoint.unwrap_or(""),
            ends.zone.unwrap_or(""),
            &self.part,
            ends.usage_source,
            ends.outcome,
            or(ends.failure_kind),
        ];
        joined(&mut self.key, &labels);
        if let Some(number) = self.results.get(&*self.key) {
            return Ok(*number);
        }
        let form = (!self.part.is_empty()).then_some(&*self.part);
        let labels: [&dyn ToSql; 8] = [
            &schema::SETTLED,
            &ends.model,
            &ends.endpoint,
            &ends.zone,
            &form,
            &ends.usage_source,
            &ends.outcome,
            &ends.failure_kind,
        ];
        let sql = (schema::FIND_RESULT, schema::INSERT_RESULT);
        number(transaction, (&mut self.results, &self.key), sql, &labels)
    }
}
