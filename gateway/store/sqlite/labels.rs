//! Labels that repeat: each set of them is written once, and a row holds the set's number.
//!
//! A set that is known is found by what its labels are made of; none of them is put into words for that.

use std::{hash::Hash, sync::Arc};

use foldhash::HashMap;
use policies::{
    experiment::{ArmIndex, Enrolled, ExperimentIndex},
    facts::{
        Complexity, Contents, DataClass, Dialect, Language, ModelIndex, Needs, Operation, Task,
    },
};
use rusqlite::{OptionalExtension, ToSql, Transaction};

use super::{
    checksum::{self, Table},
    entry, experiments, recognised, schema,
};
use crate::{
    failure::Kind,
    outcome::{AttemptResult, Caller, EpochInfo, Opened, Outcome},
    record::{model_of, served},
};

/// Numbers remembered of each kind of set. Most files need some hundreds.
const REMEMBERED: usize = 16_384;

/// The numbers of sets of labels that are known to stand in their table.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// By the caller's address. The caller is held, so that no other one comes to stand there.
    callers: HashMap<usize, (Arc<Caller>, i64)>,
    shapes: HashMap<Shape, i64>,
    results: HashMap<Ended, i64>,
    /// By the names by which they are called.
    arms: HashMap<(u32, ExperimentIndex, ArmIndex), i64>,
}

/// What the labels of a shape are made of.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Shape {
    dialect: Dialect,
    operation: Operation,
    stream: bool,
    requested: Arc<str>,
    hinted: &'static str,
    language: Language,
    task: Task,
    needs: Needs,
    data_class: DataClass,
    n: u8,
    rule: Arc<str>,
    complexity: Complexity,
    /// The kinds alone: counts would make a set of their own of nearly each request.
    contains: Contents,
}

/// What the labels of a result are made of.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Ended {
    /// The names by which the model is called.
    names: u32,
    model: ModelIndex,
    endpoint: Option<Arc<str>>,
    /// How the only attempt ended.
    single: Option<Option<&'static str>>,
    usage_source: &'static str,
    outcome: &'static str,
    failure_kind: Option<Kind>,
}

impl Ended {
    fn of(outcome: &Outcome, names: u32) -> Self {
        let attempts = &*outcome.attempt_log.attempts;
        let single = match attempts {
            [attempt] => Some(attempt.result.map(AttemptResult::name)),
            _ => None,
        };
        Self {
            names,
            model: model_of(outcome),
            endpoint: served(outcome).map(|attempt| Arc::clone(&attempt.endpoint_label)),
            single,
            usage_source: outcome.charge.usage.source.name(),
            outcome: outcome.ending.name(),
            failure_kind: outcome.ending.failure(),
        }
    }
}

/// The number of the set with these labels, written where it is new.
fn number(
    transaction: &Transaction<'_>,
    (table, find, insert): (&Table, &str, &str),
    labels: &[&dyn ToSql],
) -> rusqlite::Result<i64> {
    let found = transaction.prepare_cached(find)?.query_row(labels, |row| row.get(0)).optional()?;
    if let Some(number) = found {
        return Ok(number);
    }
    transaction.prepare_cached(insert)?.execute(labels)?;
    let number = transaction.last_insert_rowid();
    checksum::seal(transaction, table, "id = ?", [number])?;
    Ok(number)
}

fn remember<K: Eq + Hash, V>(known: &mut HashMap<K, V>, key: K, value: V) {
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(key, value);
}

impl Labels {
    /// Who asked.
    pub(super) fn caller(
        &mut self,
        transaction: &Transaction<'_>,
        opened: &Opened,
    ) -> rusqlite::Result<i64> {
        let caller = &opened.caller;
        let address = Arc::as_ptr(caller).addr();
        if let Some((_, number)) = self.callers.get(&address) {
            return Ok(*number);
        }
        let sql = (&checksum::CALLER, schema::FIND_CALLER, schema::INSERT_CALLER);
        let number = number(transaction, sql, &[&&*caller.team_name, &&*caller.key_name])?;
        remember(&mut self.callers, address, (Arc::clone(caller), number));
        Ok(number)
    }

    /// What was asked and what decided.
    pub(super) fn shape(
        &mut self,
        transaction: &Transaction<'_>,
        opened: &Opened,
    ) -> rusqlite::Result<i64> {
        let signals = &*opened.signals;
        let shape = Shape {
            dialect: signals.dialect,
            operation: signals.operation,
            stream: signals.stream,
            requested: Arc::clone(&signals.requested),
            hinted: entry::hinted(signals.hinted),
            language: signals.language,
            task: signals.task,
            needs: signals.needs,
            data_class: signals.data_class,
            n: signals.n,
            rule: Arc::clone(&opened.plan.rule),
            complexity: signals.complexity,
            contains: recognised::kinds(&signals.contains),
        };
        if let Some(number) = self.shapes.get(&shape) {
            return Ok(*number);
        }
        let labels: [&dyn ToSql; 13] = [
            &shape.dialect.code(),
            &shape.operation.code(),
            &shape.stream,
            &&*shape.requested,
            &shape.hinted,
            &shape.language.code(),
            &shape.task.code(),
            &shape.needs.names().collect::<Vec<_>>().join(","),
            &shape.data_class.code(),
            &shape.n,
            &&*shape.rule,
            &shape.complexity.code(),
            &recognised::kinds_text(&shape.contains),
        ];
        let sql = (&checksum::SHAPE, schema::FIND_SHAPE, schema::INSERT_SHAPE);
        let number = number(transaction, sql, &labels)?;
        remember(&mut self.shapes, shape, number);
        Ok(number)
    }

    /// The arm of an experiment that a request is, by the names with this number, and whether its row is new;
    /// `None` where these names have no such arm. `next` is the number of the next entry.
    pub(super) fn arm(
        &mut self,
        transaction: &Transaction<'_>,
        (names, number): (&EpochInfo, u32),
        enrolled: Enrolled,
        next: i64,
    ) -> rusqlite::Result<Option<(i64, bool)>> {
        let place = (number, enrolled.experiment, enrolled.arm);
        if let Some(arm) = self.arms.get(&place) {
            return Ok(Some((*arm, false)));
        }
        let Some((experiment, arm)) = names.arm(&enrolled) else { return Ok(None) };
        let labels: [&dyn ToSql; 3] = [&&*experiment.name, &&*experiment.version, &&*arm.name];
        let mut find = transaction.prepare_cached(experiments::FIND_ARM)?;
        let found = find.query_row(labels, |row| row.get(0)).optional()?;
        let (number, new) = match found {
            Some(number) => (number, false),
            None => {
                let [experiment, version, arm] = labels;
                let row: [&dyn ToSql; 4] = [experiment, version, arm, &next];
                transaction.prepare_cached(experiments::INSERT_ARM)?.execute(row)?;
                let number = transaction.last_insert_rowid();
                checksum::seal(transaction, &checksum::ARM, "id = ?", [number])?;
                (number, true)
            }
        };
        remember(&mut self.arms, place, number);
        Ok(Some((number, new)))
    }

    /// How it ended, by the names with this number. Of a single attempt the form of its JSON is a label
    /// too, with its milliseconds left out.
    pub(super) fn result(
        &mut self,
        transaction: &Transaction<'_>,
        outcome: &Outcome,
        names: u32,
    ) -> rusqlite::Result<i64> {
        let ended = Ended::of(outcome, names);
        if let Some(number) = self.results.get(&ended) {
            return Ok(*number);
        }
        let ends = entry::Ends::of(outcome);
        let form = match &*outcome.attempt_log.attempts {
            [attempt] => Some(entry::attempts_form(attempt, &outcome.opened.names)),
            _ => None,
        };
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
        let sql = (&checksum::RESULT, schema::FIND_RESULT, schema::INSERT_RESULT);
        let number = number(transaction, sql, &labels)?;
        remember(&mut self.results, ended, number);
        Ok(number)
    }
}
