//! The access log: one line of each request at its end, under the names of the ledger's columns. Never a
//! word of a prompt or an answer, and never a key's secret.
//!
//! The lines of accepted requests are made by the ledger's writer, behind the group with which their entries
//! have become durable: no request waits for it, and whatever is said stands in the ledger.

use policies::facts::Signals;
use uuid::Uuid;

use super::{Group, REFUSALS_PER_SECOND, model_of, served};
use crate::{
    failure::{Failure, Kind},
    log::{Line, Log},
    outcome::{Caller, Outcome, Refused, TraceContext},
};

/// As much of the name of a model that somebody asked for as a line repeats: more than any has.
const NAME_CHARS_MAX: usize = 128;

/// Our id of a request, and the trace that it belongs to.
type Ids = (Uuid, Option<TraceContext>);

/// Writes the lines of the requests whose entries are durable now.
pub(super) fn written(log: &Log, group: &Group) {
    if log.access() {
        group.whole.iter().chain(&group.settled).for_each(|it| log.request(accepted(log, it)));
    }
}

/// Writes the line of a request that was turned away, with what its caller was told if anything.
pub(super) fn turned_away(log: &Log, it: &Refused, told: Option<&Failure>) {
    if !log.access() {
        return;
    }
    let (kind, code) = (it.kind.name(), it.verdict.code);
    let kind = [("stage", it.stage.name()), ("failure_kind", kind), ("code", code)];
    if log.admits(kind, REFUSALS_PER_SECOND) {
        log.request(refused(log, it, told));
    }
}

fn who(line: &mut Line, (id, trace): Ids, callers: Option<&str>, caller: Option<&Caller>) {
    line.shown("id", id.hyphenated());
    if let Some(trace) = trace {
        line.shown("trace_id", format_args!("{:032x}", trace.trace_id));
    }
    line.known("caller_request_id", callers);
    line.known("team", caller.map(|it| &*it.team_name));
    line.known("key", caller.map(|it| &*it.key_name));
}

fn asked(line: &mut Line, signals: &Signals) {
    line.text("dialect", signals.dialect.code());
    line.text("operation", signals.operation.code());
    line.number("stream", signals.stream);
    match signals.requested.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => {
            let begin = signals.requested.get(..end).unwrap_or_default();
            line.shown("requested_model", format_args!("{begin}…"));
        }
        None => line.text("requested_model", &signals.requested),
    }
    line.text("language", signals.language.code());
    line.number("language_confidence", format_args!("{:.3}", signals.language_confidence));
    line.text("task", signals.task.code());
    line.number("task_confidence", format_args!("{:.3}", signals.task_confidence));
    line.text("complexity", signals.complexity.code());
    line.text("data_class", signals.data_class.code());
    if !signals.contains.is_empty() {
        let kinds = signals.contains.found().map(|(kind, count)| format!("{kind}={count}"));
        line.text("contains", &kinds.collect::<Vec<_>>().join(","));
    }
}

/// The line of a request that was accepted.
fn accepted(log: &Log, outcome: &Outcome) -> Line {
    let Outcome { opened, ending, attempt_log, charge, .. } = outcome;
    let mut line = Line::new(log.format());
    line.message("request");
    who(
        &mut line,
        (opened.id, opened.trace),
        opened.caller_request_id.as_deref(),
        Some(&opened.caller),
    );
    asked(&mut line, &opened.signals);
    line.text("rule", &opened.plan.rule);
    if let Some(it) = &opened.shadow_of {
        line.shown("shadow_of", it.request.hyphenated());
    }
    let model = opened.names.models().get(model_of(outcome).get());
    line.known("model", model.map(|model| &*model.id));
    line.known("endpoint", served(outcome).map(|attempt| &*attempt.endpoint_label));
    line.number("attempts", attempt_log.attempts.len());
    line.text("outcome", ending.name());
    line.known("failure_kind", ending.failure().map(Kind::name));
    let counts = charge.usage.counts;
    line.number("input_tokens", counts.input);
    line.number("cached_input_tokens", counts.cached_input);
    line.number("output_tokens", counts.output);
    line.number("reasoning_tokens", counts.reasoning);
    line.text("usage_source", charge.usage.source.name());
    line.shown("cost", charge.cost);
    if let Some(first) = outcome.first_token {
        line.number("first_token_ms", format_args!("{:.3}", first.as_secs_f64() * 1e3));
    }
    line.number("duration_ms", format_args!("{:.3}", outcome.duration.as_secs_f64() * 1e3));
    let own: std::time::Duration = outcome.stages.iter().sum();
    line.number("gateway_us", own.as_micros());
    line
}

/// The line of a request that was turned away.
fn refused(log: &Log, it: &Refused, told: Option<&Failure>) -> Line {
    let mut line = Line::new(log.format());
    line.message("refused");
    who(&mut line, (it.id, it.trace), it.caller_request_id.as_deref(), it.caller.as_deref());
    if let Some(signals) = &it.signals {
        asked(&mut line, signals);
    }
    line.text("stage", it.stage.name());
    line.text("failure_kind", it.kind.name());
    let verdict = &it.verdict;
    line.text("code", verdict.code);
    line.known("rule", verdict.rule.as_deref());
    line.known("guard", verdict.guard.as_deref());
    // As the books have it: what the caller reads may repeat a part of what he wrote.
    line.known("reason", verdict.reason.as_deref());
    if let Some(told) = told {
        line.number("status", told.status());
        line.known("why", told.why.as_ref().map(|why| &*why.words));
    }
    line
}
