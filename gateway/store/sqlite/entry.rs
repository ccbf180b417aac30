//! Values into columns. All formatting of a row happens here, on the writer's thread.

use std::fmt::Write as _;

use policies::facts::{Hinted, Signals};
use rusqlite::{
    CachedStatement, ToSql,
    types::{ToSqlOutput, ValueRef},
};
use uuid::Uuid;

use super::{checksum::Checksum, recognised};
use crate::{
    failure::Kind,
    outcome::{
        AttemptCause, AttemptRecord, AttemptResult, Cached, EpochInfo, ExperimentChange, Feedback,
        Judged, Opened, Outcome, Refused,
    },
    record::{model_of, served},
};

/// Columns of a refusal that hold what was known of the request: from `dialect` to `tags`.
const REFUSAL_SIGNALS: usize = 15;

/// One row being bound, column after column.
pub(super) struct Row<'a, 'c> {
    statement: &'a mut CachedStatement<'c>,
    bound: usize,
    checksum: Checksum,
}

impl<'a, 'c> Row<'a, 'c> {
    pub(super) fn of(statement: &'a mut CachedStatement<'c>) -> Self {
        Self { statement, bound: 0, checksum: Checksum::new() }
    }

    fn put(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        self.bind(value, |sum, _, value| sum.add(value))
    }

    /// Puts a value of a column that rows of an earlier version lack.
    fn put_later(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        self.bind(value, Checksum::add_later)
    }

    fn bind(
        &mut self,
        value: impl ToSql,
        add: impl FnOnce(&mut Checksum, usize, ValueRef<'_>),
    ) -> rusqlite::Result<()> {
        let place = self.bound;
        self.bound += 1;
        let value = value.to_sql()?;
        match &value {
            ToSqlOutput::Borrowed(value) => add(&mut self.checksum, place, *value),
            ToSqlOutput::Owned(value) => add(&mut self.checksum, place, ValueRef::from(value)),
            // No column has another kind.
            _ => {}
        }
        self.statement.raw_bind_parameter(self.bound, value)
    }

    /// Inserts the row with its checksum; returns how many rows came of it, none if it was there already.
    pub(super) fn insert(self) -> rusqlite::Result<usize> {
        self.statement.raw_bind_parameter(self.bound + 1, self.checksum.column())?;
        self.statement.raw_execute()
    }

    /// The columns of `opening!` in the schema, in that order, and the boot. The time comes as text, and
    /// with it the numbers of the epoch, the caller and the shape.
    pub(super) fn opening(
        &mut self,
        opened: &Opened,
        (seq, started_at, boot): (i64, &str, i64),
        labels: [i64; 3],
    ) -> rusqlite::Result<()> {
        let signals = &*opened.signals;
        self.put(seq)?;
        let mut id = Uuid::encode_buffer();
        self.put(&*opened.id.hyphenated().encode_lower(&mut id))?;
        self.put(started_at)?;
        for label in labels {
            self.put(label)?;
        }
        self.put(opened.caller_request_id.as_deref())?;
        self.put(signals.unit_user.map(u128::to_be_bytes).as_ref().map(<[u8; 16]>::as_slice))?;
        self.put(signals.session.map(u128::to_be_bytes).as_ref().map(<[u8; 16]>::as_slice))?;
        self.put(tags(signals))?;
        self.put(decimal(signals.language_confidence))?;
        self.put(decimal(signals.task_confidence))?;
        self.put(signals.input_tokens.0)?;
        self.put(signals.output_tokens_asked.map(|tokens| tokens.0))?;
        self.put(opened.plan.output_tokens_bound.0)?;
        // The same 64 bits; SQLite's integers have a sign.
        self.put(opened.draw.0.cast_signed())?;
        self.put(opened.reserved.nano())?;
        self.put(boot)?;
        let contains = Some(&signals.contains).filter(|it| !it.is_empty());
        self.put_later(contains.map(recognised::text))
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
    pub(super) fn closing(
        &mut self,
        outcome: &Outcome,
        (seq, result): (i64, i64),
    ) -> rusqlite::Result<()> {
        self.put(seq)?;
        self.put(result)?;
        match &*outcome.attempt_log.attempts {
            [attempt] => self.put(millis(attempt))?,
            attempts => self.put(attempts_json(attempts, &outcome.opened.names))?,
        }
        let counts = outcome.charge.usage.counts;
        self.put(counts.input)?;
        self.put(counts.cached_input)?;
        self.put(counts.cache_write)?;
        self.put(counts.output)?;
        self.put(counts.reasoning)?;
        self.put(outcome.charge.cost.nano())?;
        self.put(outcome.first_token.map(micros))?;
        self.put(micros(outcome.duration))?;
        self.put(micros(outcome.stages.iter().sum()))
    }

    /// The columns of a refusal: what was known of the request when it was turned away.
    pub(super) fn refusal(
        &mut self,
        refused: &Refused,
        (epoch, arm): (i64, Option<i64>),
    ) -> rusqlite::Result<()> {
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
            self.put(tags(signals))?;
        } else {
            for _ in 0..REFUSAL_SIGNALS {
                self.put(rusqlite::types::Null)?;
            }
        }
        let mut id = Uuid::encode_buffer();
        self.put_later(&*refused.id.hyphenated().encode_lower(&mut id))?;
        self.put_later(refused.caller_request_id.as_deref())?;
        self.put_later(refused.verdict.rule.as_deref())?;
        self.put_later(refused.verdict.guard.as_deref())?;
        self.put_later(refused.verdict.code)?;
        self.put_later(refused.verdict.reason.as_deref())?;
        self.put_later(refused.draw.map(|draw| draw.0.cast_signed()))?;
        self.put_later(arm)?;
        let unit = arm.and(refused.arm).map(|it| it.unit.to_be_bytes());
        self.put_later(unit.as_ref().map(<[u8; 16]>::as_slice))?;
        let signals = refused.signals.as_deref();
        self.put_later(signals.map(|it| it.complexity.code()))?;
        self.put_later(signals.map(|it| recognised::text(&it.contains)))
    }

    /// The columns of `enrolled!`: the arm that an entry is, its unit, and the shares it was drawn by.
    pub(super) fn enrolled(
        &mut self,
        (seq, arm): (i64, i64),
        unit: u128,
        shares: Option<&[f64]>,
    ) -> rusqlite::Result<()> {
        self.put(seq)?;
        self.put(arm)?;
        self.put(unit.to_be_bytes().as_slice())?;
        self.put(shares.map(|it| serde_json::Value::from(it).to_string()))
    }

    /// The columns of `feedback!`.
    pub(super) fn feedback(&mut self, feedback: &Feedback) -> rusqlite::Result<()> {
        let mut id = Uuid::encode_buffer();
        self.put(&*feedback.request.hyphenated().encode_lower(&mut id))?;
        self.put(&*feedback.name)?;
        self.put(feedback.value)?;
        self.put(feedback.is_bool)?;
        self.put(feedback.comment.as_deref())?;
        self.put(&*feedback.key)?;
        self.put(feedback.at_ms)
    }

    /// The columns of `shadow!`: the entry, the arm and the id of what it repeats.
    pub(super) fn shadow(&mut self, (seq, arm): (i64, i64), of: Uuid) -> rusqlite::Result<()> {
        self.put(seq)?;
        self.put(arm)?;
        let mut id = Uuid::encode_buffer();
        self.put(&*of.hyphenated().encode_lower(&mut id))
    }

    /// The columns of `cached`: the entry, whether the answer was given again, and what that saved.
    pub(super) fn cached(&mut self, seq: i64, it: Cached) -> rusqlite::Result<()> {
        self.put(seq)?;
        self.put(it.result.short())?;
        self.put(it.answer.map(|it| it.cost.nano()))
    }

    /// The columns of `judged!`.
    pub(super) fn judged(&mut self, judged: &Judged) -> rusqlite::Result<()> {
        let mut id = Uuid::encode_buffer();
        self.put(&*judged.request.hyphenated().encode_lower(&mut id))?;
        self.put(judged.name)?;
        self.put(judged.value)
    }

    /// The columns of `change!`.
    pub(super) fn change(&mut self, seq: i64, change: &ExperimentChange) -> rusqlite::Result<()> {
        self.put(seq)?;
        let mut id = Uuid::encode_buffer();
        self.put(&*change.id.hyphenated().encode_lower(&mut id))?;
        self.put(change.at_ms)?;
        self.put(&*change.experiment)?;
        self.put(&*change.version)?;
        self.put(change.arm.as_deref())?;
        self.put(change.change.name())?;
        self.put(&*change.reason)?;
        self.put(&*change.by)
    }
}

fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A confidence as the decimal a reader expects: 0.9 and not 0.8999999761581421.
fn decimal(confidence: f32) -> f64 {
    (f64::from(confidence) * 1e7).round() / 1e7
}

pub(super) fn hinted(hinted: Hinted) -> &'static str {
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

/// The labels of an end.
pub(super) struct Ends<'a> {
    pub(super) model: Option<&'a str>,
    pub(super) endpoint: Option<&'a str>,
    pub(super) zone: Option<&'a str>,
    pub(super) usage_source: &'static str,
    pub(super) outcome: &'static str,
    pub(super) failure_kind: Option<&'static str>,
}

impl<'a> Ends<'a> {
    pub(super) fn of(outcome: &'a Outcome) -> Self {
        let model = outcome.opened.names.models().get(model_of(outcome).get());
        Self {
            model: model.map(|model| &*model.id),
            endpoint: served(outcome).map(|attempt| &*attempt.endpoint_label),
            zone: model.and_then(|model| model.zone.as_deref()),
            usage_source: outcome.charge.usage.source.name(),
            outcome: outcome.ending.name(),
            failure_kind: outcome.ending.failure().map(Kind::name),
        }
    }
}

/// Attempts as a JSON array: model, endpoint, result and whole milliseconds of each.
fn attempts_json(attempts: &[AttemptRecord], names: &EpochInfo) -> String {
    let mut json = String::with_capacity(2 + attempts.len() * 96);
    json.push('[');
    for one in attempts {
        if json.len() > 1 {
            json.push(',');
        }
        attempt(&mut json, one, names);
        // Writing to a string cannot fail.
        let _ = write!(json, "{}}}", millis(one));
    }
    json.push(']');
    json
}

/// The JSON of one attempt alone as a form of SQLite's `printf`, which takes the milliseconds.
pub(super) fn attempts_form(one: &AttemptRecord, names: &EpochInfo) -> String {
    let mut form = String::from("[");
    attempt(&mut form, one, names);
    if form.contains('%') {
        form = form.replace('%', "%%");
    }
    form.push_str("%d}]");
    form
}

/// An attempt's JSON up to its milliseconds.
fn attempt(json: &mut String, attempt: &AttemptRecord, names: &EpochInfo) {
    let model = names.models().get(attempt.model.get()).map_or("", |model| &model.id);
    // One that nobody has ended was under way when the request ended.
    let result = attempt.result.unwrap_or(AttemptResult::Cancelled).name();
    json.push_str("{\"model\":");
    quote(json, model);
    json.push_str(",\"endpoint\":");
    quote(json, &attempt.endpoint_label);
    let _ = write!(json, ",\"result\":\"{result}\"");
    let _ = match attempt.cause {
        Some(AttemptCause::Status(status)) => write!(json, ",\"status\":{status}"),
        Some(AttemptCause::Connect(why)) => write!(json, ",\"cause\":\"{}\"", why.name()),
        Some(AttemptCause::Form) => write!(json, ",\"cause\":\"{}\"", AttemptCause::FORM),
        None => Ok(()),
    };
    json.push_str(",\"ms\":");
}

fn millis(attempt: &AttemptRecord) -> i64 {
    i64::try_from(attempt.took.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
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
