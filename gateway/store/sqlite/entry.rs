//! Values into columns. All formatting of a row happens here, on the writer's thread.

use std::fmt::Write as _;

use policies::facts::{Hinted, Signals};
use rusqlite::{CachedStatement, ToSql};

use super::schema::SETTLED;
use crate::{
    outcome::{AttemptRecord, AttemptResult, Ending, EpochInfo, Opened, Outcome, Refused},
    record::{model_of, served},
};

/// One row being bound, column after column.
pub(super) struct Row<'a, 'c> {
    statement: &'a mut CachedStatement<'c>,
    bound: usize,
}

impl<'a, 'c> Row<'a, 'c> {
    pub(super) fn of(statement: &'a mut CachedStatement<'c>) -> Self {
        Self { statement, bound: 0 }
    }

    fn put(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        self.bound += 1;
        self.statement.raw_bind_parameter(self.bound, value)
    }

    /// Inserts the row; returns how many rows came of it, none if it was there already.
    pub(super) fn insert(self) -> rusqlite::Result<usize> {
        self.statement.raw_execute()
    }

    /// The columns of `opening!` in the schema, in that order.
    pub(super) fn opening(&mut self, opened: &Opened, epoch: i64) -> rusqlite::Result<()> {
        let (signals, plan) = (&*opened.signals, &*opened.plan);
        self.put(opened.id.as_bytes().as_slice())?;
        self.put(epoch)?;
        self.put(opened.started_at_ms)?;
        self.put(opened.caller_request_id.as_deref())?;
        self.put(&*opened.caller.team_name)?;
        self.put(&*opened.caller.key_name)?;
        self.put(signals.unit_user.map(u128::to_be_bytes).as_ref().map(<[u8; 16]>::as_slice))?;
        self.put(signals.session.map(u128::to_be_bytes).as_ref().map(<[u8; 16]>::as_slice))?;
        self.put(tags(signals))?;
        self.signals(signals)?;
        self.put(plan.output_tokens_bound.0)?;
        self.put(signals.n)?;
        // The same 64 bits; SQLite's integers have a sign.
        self.put(opened.draw.0.cast_signed())?;
        self.put(&*plan.rule)?;
        self.put(opened.reserved.nano())
    }

    /// From `dialect` to `output_tokens_asked`.
    fn signals(&mut self, signals: &Signals) -> rusqlite::Result<()> {
        self.put(signals.dialect.code())?;
        self.put(signals.operation.code())?;
        self.put(signals.stream)?;
        self.put(&*signals.requested)?;
        self.put(hinted(signals.hinted))?;
        self.put(signals.language.code())?;
        self.put(signals.task.code())?;
        self.put(decimal(signals.language_confidence))?;
        self.put(decimal(signals.task_confidence))?;
        self.put(signals.needs.names().collect::<Vec<_>>().join(","))?;
        self.put(signals.data_class.code())?;
        self.put(signals.input_tokens.0)?;
        self.put(signals.output_tokens_asked.map(|tokens| tokens.0))
    }

    /// The columns of `closing!` in the schema, in that order.
    pub(super) fn closing(&mut self, outcome: &Outcome) -> rusqlite::Result<()> {
        let names = &outcome.opened.names;
        let model = names.models.get(model_of(outcome).get());
        self.put(SETTLED)?;
        self.put(model.map(|model| &*model.id))?;
        self.put(served(outcome).map(|attempt| &*attempt.endpoint_label))?;
        self.put(model.and_then(|model| model.zone.as_deref()))?;
        self.put(attempts(&outcome.attempt_log.attempts, names))?;
        let usage = outcome.charge.usage;
        self.put(usage.counts.input)?;
        self.put(usage.counts.cached_input)?;
        self.put(usage.counts.cache_write)?;
        self.put(usage.counts.output)?;
        self.put(usage.counts.reasoning)?;
        self.put(usage.source.name())?;
        self.put(outcome.charge.cost.nano())?;
        self.put(outcome.first_token.map(micros))?;
        self.put(micros(outcome.duration))?;
        self.put(micros(outcome.stages.iter().sum()))?;
        self.put(outcome.ending.name())?;
        self.put(match outcome.ending {
            Ending::Failed(kind) => Some(kind.name()),
            Ending::Ok | Ending::Cut | Ending::Cancelled => None,
        })
    }

    /// The columns of a refusal: what was known of the request when it was turned away.
    pub(super) fn refusal(&mut self, refused: &Refused, epoch: i64) -> rusqlite::Result<()> {
        let caller = refused.caller.as_deref();
        self.put(refused.at_ms)?;
        self.put(epoch)?;
        self.put(refused.stage.name())?;
        self.put(refused.kind.name())?;
        self.put(caller.map(|caller| &*caller.team_name))?;
        self.put(caller.map(|caller| &*caller.key_name))?;
        if let Some(signals) = refused.signals.as_deref() {
            self.signals(signals)?;
            self.put(signals.n)?;
            return self.put(tags(signals));
        }
        while self.bound < self.statement.parameter_count() {
            self.put(rusqlite::types::Null)?;
        }
        Ok(())
    }
}

fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A confidence as the decimal a reader expects: 0.9 and not 0.8999999761581421.
fn decimal(confidence: f32) -> f64 {
    (f64::from(confidence) * 1e7).round() / 1e7
}

fn hinted(hinted: Hinted) -> &'static str {
    match (hinted.language, hinted.task) {
        (false, false) => "",
        (true, false) => "language",
        (false, true) => "task",
        (true, true) => "language,task",
    }
}

/// Tags as a JSON object, the last of equal names.
fn tags(signals: &Signals) -> Option<String> {
    if signals.tags.is_empty() {
        return None;
    }
    let tags: serde_json::Map<_, _> =
        signals.tags.iter().map(|(name, value)| (name.to_string(), (**value).into())).collect();
    Some(serde_json::Value::Object(tags).to_string())
}

/// Attempts as a JSON array: model, endpoint, result and whole milliseconds of each.
fn attempts(attempts: &[AttemptRecord], names: &EpochInfo) -> String {
    let mut json = String::with_capacity(2 + attempts.len() * 96);
    json.push('[');
    for attempt in attempts {
        if json.len() > 1 {
            json.push(',');
        }
        let model = names.models.get(attempt.model.get()).map_or("", |model| &model.id);
        // One that nobody has ended was under way when the request ended.
        let result = attempt.result.unwrap_or(AttemptResult::Cancelled).name();
        json.push_str("{\"model\":");
        quote(&mut json, model);
        json.push_str(",\"endpoint\":");
        quote(&mut json, &attempt.endpoint_label);
        let ms = attempt.took.unwrap_or_default().as_millis();
        // Writing to a string cannot fail.
        let _ = write!(json, ",\"result\":\"{result}\",\"ms\":{ms}}}");
    }
    json.push(']');
    json
}

/// A JSON string. EpochInfo from configuration seldom have anything to escape.
fn quote(json: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        json.push_str(&serde_json::Value::from(text).to_string());
    } else {
        json.push('"');
        json.push_str(text);
        json.push('"');
    }
}
