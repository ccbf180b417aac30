//! An outcome → its spans: one that serves the request, and beneath it one of each stage and of each
//! attempt. A function of the outcome alone, which the ledger's writer calls.
//!
//! No prompt, no answer, no user and no text of a caller's comes in, but for the name of the model that it
//! asked for, cut.

use std::time::Duration;

use policies::facts::Signals;

use super::{
    super::{model_of, semconv},
    WHO,
    message::{Attributes, KeyValue, Span, Status},
};
use crate::{
    failure::{Kind, Stage},
    outcome::{
        AttemptCause, AttemptResult, Caller, Ending, EpochInfo, Outcome, Refused, TraceContext,
    },
};

/// As much of the name of a model that somebody asked for as a span repeats.
const NAME_CHARS_MAX: usize = 128;
/// Kinds of spans.
const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;
/// The status of what failed.
const ERROR: i32 = 2;
/// The flag that says that the next one is known.
const REMOTE_KNOWN: u32 = 0x100;
/// The flag of a span whose parent is in another process.
const REMOTE: u32 = 0x200;

/// A time span on the wall clock, in nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Lasted {
    from: u64,
    to: u64,
}

impl Lasted {
    /// From a moment on the wall clock, for so long by the monotonic one.
    fn since(started_at_ms: i64, took: Duration) -> Self {
        let from = u64::try_from(started_at_ms).unwrap_or(0).saturating_mul(1_000_000);
        Self { from, to: from.saturating_add(nanos(took)) }
    }

    /// A part of it: never before it, never beyond it.
    fn part(self, after: Duration, took: Duration) -> Self {
        let from = self.from.saturating_add(nanos(after)).min(self.to);
        Self { from, to: from.saturating_add(nanos(took)).min(self.to) }
    }

    /// The part of it that ends so long before its end.
    fn last(self, before_end: Duration, took: Duration) -> Self {
        let to = self.to.saturating_sub(nanos(before_end)).max(self.from);
        Self { from: to.saturating_sub(nanos(took)).max(self.from), to }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The spans of an accepted request.
pub(super) fn accepted(outcome: &Outcome, trace: &TraceContext) -> Vec<Span> {
    let all = Lasted::since(outcome.opened.started_at_ms, outcome.duration);
    let mut spans = Vec::with_capacity(8 + outcome.attempt_log.attempts.len());
    spans.push(served(outcome, trace, all));
    stages(&outcome.stages, (trace, all), &mut spans);
    attempts(outcome, (trace, all), &mut spans);
    spans
}

/// The one span of a request that was turned away.
pub(super) fn refused(it: &Refused, trace: &TraceContext) -> Vec<Span> {
    let mut about = Attributes::default();
    about.text(semconv::REQUEST_ID, it.id.hyphenated().to_string());
    let name = match &it.signals {
        // A name that is nobody's model's is its caller's text, and names no span.
        Some(signals) if it.kind == Kind::UnknownModel => {
            asked(signals, &mut about);
            signals.operation.code().to_owned()
        }
        Some(signals) => asked(signals, &mut about),
        None => String::from("request"),
    };
    who(it.caller.as_deref(), &it.names, &mut about);
    about.known(semconv::RULE, it.verdict.rule.as_deref());
    about.known(semconv::GUARD, it.verdict.guard.as_deref());
    about.text(semconv::OUTCOME, "refused");
    about.text(semconv::REFUSAL_STAGE, it.stage.name());
    about.text(semconv::REFUSAL_KIND, it.kind.name());
    about.text(semconv::ERROR_TYPE, it.kind.name());
    let lasted = Lasted::since(it.at_ms, it.took);
    let mut span = own(trace, name, lasted, about.done());
    span.status = (it.kind.status() >= 500).then(|| error(it.kind.name()));
    vec![span]
}

/// The span of the request itself.
fn served(outcome: &Outcome, trace: &TraceContext, lasted: Lasted) -> Span {
    let Outcome { opened, ending, attempt_log, charge, .. } = outcome;
    let mut about = Attributes::default();
    about.text(semconv::REQUEST_ID, opened.id.hyphenated().to_string());
    let name = asked(&opened.signals, &mut about);
    who(Some(&opened.caller), &opened.names, &mut about);
    about.text(semconv::RULE, &*opened.plan.rule);
    let model = opened.names.models().get(model_of(outcome).get());
    about.known(semconv::RESPONSE_MODEL, model.map(|it| &*it.id));
    about.int(semconv::ATTEMPTS, i64::try_from(attempt_log.attempts.len()).unwrap_or(i64::MAX));
    let counts = charge.usage.counts;
    let input = [counts.input, counts.cached_input, counts.cache_write].map(i64::from);
    about.int(semconv::INPUT_TOKENS, input.iter().sum::<i64>());
    about.int(semconv::CACHED_TOKENS, counts.cached_input);
    about.int(semconv::OUTPUT_TOKENS, i64::from(counts.output) + i64::from(counts.reasoning));
    about.int(semconv::REASONING_TOKENS, counts.reasoning);
    about.text(semconv::USAGE_SOURCE, charge.usage.source.name());
    about.int(semconv::COST_NANO, charge.cost.nano());
    about.text(semconv::COST_CURRENCY, &*opened.names.currency);
    about.text(semconv::OUTCOME, ending.name());
    if let Some(first) = outcome.first_token {
        about.double(semconv::FIRST_CHUNK, first.as_secs_f64());
    }
    let failed = match ending {
        Ending::Ok | Ending::Cancelled => None,
        Ending::Cut => Some(ending.name()),
        Ending::Failed(kind) => Some(Kind::name(*kind)),
    };
    about.known(semconv::ERROR_TYPE, failed);
    let mut span = own(trace, name, lasted, about.done());
    // What is the caller's own fault is none of the server's.
    let callers = ending.failure().is_some_and(|it| it.status() < 500);
    span.status = failed.filter(|_| !callers).map(error);
    span
}

/// What was asked for; gives the span's name.
fn asked(signals: &Signals, about: &mut Attributes) -> String {
    let operation = signals.operation.code();
    let model: String = signals.requested.chars().take(NAME_CHARS_MAX).collect();
    let name = format!("{operation} {model}");
    about.text(semconv::OPERATION, operation);
    about.text(semconv::PROVIDER, WHO);
    about.text(semconv::REQUEST_MODEL, model);
    about.bool(semconv::REQUEST_STREAM, signals.stream);
    if let Some(asked) = signals.output_tokens_asked {
        about.int(semconv::REQUEST_MAX_TOKENS, asked.0);
    }
    about.text(semconv::TASK, signals.task.code());
    about.text(semconv::LANGUAGE, signals.language.code());
    about.text(semconv::COMPLEXITY, signals.complexity.code());
    if !signals.contains.is_empty() {
        let kinds: Vec<_> = signals.contains.found().map(|(kind, _)| kind.code()).collect();
        about.text(semconv::CONTAINS, kinds.join(","));
    }
    name
}

/// Who asked, and by which policy it was decided.
fn who(caller: Option<&Caller>, names: &EpochInfo, about: &mut Attributes) {
    about.known(semconv::TEAM, caller.map(|it| &*it.team_name));
    about.text(semconv::POLICY_VERSION, &*names.policy_version);
    about.text(semconv::POLICY_HASH, &*names.policy_hash);
    about.text(semconv::TABLE, semconv::VERSION);
}

/// One span of each stage that took time. The outcome knows how long each took: those before the backends
/// stand one behind the other from the beginning, those after them before the end.
fn stages(took: &[Duration; 8], (trace, all): (&TraceContext, Lasted), spans: &mut Vec<Span>) {
    let (mut before, mut behind) = (Duration::ZERO, Duration::ZERO);
    let of = |stage: Stage| took.get(stage as usize).copied().unwrap_or_default();
    let mut note = |stage: Stage, lasted| {
        let mut about = Attributes::default();
        about.text(semconv::STAGE, stage.name());
        let id = trace.stage_span(stage as usize);
        spans.push(child(trace, (id, INTERNAL), stage.name().to_owned(), (lasted, about)));
    };
    let (early, late) = Stage::ALL.split_at(Stage::Dispatch as usize);
    for stage in early.iter().filter(|it| !of(**it).is_zero()) {
        note(*stage, all.part(before, of(*stage)));
        before = before.saturating_add(of(*stage));
    }
    // Dispatch is the wait for backends, which the attempts tell.
    for stage in late.iter().rev().filter(|it| **it != Stage::Dispatch && !of(**it).is_zero()) {
        note(*stage, all.last(behind, of(*stage)));
        behind = behind.saturating_add(of(*stage));
    }
}

/// One span of each attempt.
fn attempts(outcome: &Outcome, (trace, all): (&TraceContext, Lasted), spans: &mut Vec<Span>) {
    let log = &outcome.attempt_log;
    let operation = outcome.opened.signals.operation.code();
    for (position, attempt) in log.attempts.iter().enumerate() {
        let after = attempt.started.saturating_duration_since(outcome.started);
        let lasted = all.part(after, attempt.took.unwrap_or_default());
        let model = outcome.opened.names.models().get(attempt.model.get());
        let model = model.map_or("unknown", |it| &*it.id);
        let result = attempt.result.unwrap_or(AttemptResult::Cancelled);
        let committed = log.committed.is_some_and(|it| usize::from(it) == position);
        let mut about = Attributes::default();
        about.text(semconv::OPERATION, operation);
        about.text(semconv::PROVIDER, WHO);
        about.text(semconv::REQUEST_MODEL, model);
        let (host, port) = attempt.endpoint_label.rsplit_once(':').unwrap_or_default();
        about.text(semconv::SERVER_ADDRESS, host.trim_matches(['[', ']']));
        about.int(semconv::SERVER_PORT, port.parse::<u16>().unwrap_or_default());
        about.int(semconv::ATTEMPT, i64::try_from(position).unwrap_or(i64::MAX).saturating_add(1));
        about.text(semconv::ATTEMPT_RESULT, result.name());
        about.bool(semconv::ATTEMPT_COMMITTED, committed);
        match attempt.cause {
            Some(AttemptCause::Status(status)) => about.int(semconv::HTTP_STATUS, status),
            Some(AttemptCause::Connect(why)) => about.text(semconv::CONNECT_ERROR, why.name()),
            Some(AttemptCause::Form) | None => {}
        }
        if let Some(first) = log.first_content.filter(|_| committed) {
            let first = first.saturating_duration_since(attempt.started);
            about.double(semconv::FIRST_CHUNK, first.as_secs_f64());
        }
        let failed = !matches!(
            result,
            AttemptResult::Ok | AttemptResult::Cancelled | AttemptResult::LostHedge
        );
        about.known(semconv::ERROR_TYPE, failed.then(|| result.name()));
        let place = (trace.attempt_span(position), CLIENT);
        let mut span = child(trace, place, format!("{operation} {model}"), (lasted, about));
        span.status = failed.then(|| error(result.name()));
        spans.push(span);
    }
}

/// The request's own span, beneath its caller's if that stated one.
fn own(trace: &TraceContext, name: String, lasted: Lasted, attributes: Vec<KeyValue>) -> Span {
    let remote = if trace.parent.is_some() { REMOTE } else { 0 };
    Span {
        trace_id: trace.trace_id.to_be_bytes().into(),
        span_id: trace.own_span().to_be_bytes().into(),
        parent_span_id: trace.parent.map_or_else(Vec::new, |it| it.to_be_bytes().into()),
        name,
        kind: SERVER,
        start_time_unix_nano: lasted.from,
        end_time_unix_nano: lasted.to,
        attributes,
        status: None,
        flags: u32::from(trace.flags) | REMOTE_KNOWN | remote,
    }
}

/// A span beneath the request's own.
fn child(
    trace: &TraceContext,
    (id, kind): (u64, i32),
    name: String,
    (lasted, about): (Lasted, Attributes),
) -> Span {
    Span {
        span_id: id.to_be_bytes().into(),
        parent_span_id: trace.own_span().to_be_bytes().into(),
        kind,
        flags: u32::from(trace.flags) | REMOTE_KNOWN,
        ..own(trace, name, lasted, about.done())
    }
}

fn error(kind: &str) -> Status {
    Status { message: kind.to_owned(), code: ERROR }
}
