//! What a request is charged: each attempt by what is known of it, each model by its own price.

use policies::{
    Counts, Plan, Planned,
    facts::{Money, Signals, Tokens},
};

use crate::outcome::{
    AttemptLog, AttemptRecord, AttemptResult, Charge, EpochInfo, Usage, UsageSource, Used,
};

/// The charge of a request as things stand.
///
/// An attempt that was not sent whole, was refused or failed before commitment is free. One that was sent
/// and then given up costs its input, and what it wrote by then as far as that was reserved; one whose answer
/// came whole and was not of the form that was asked for costs what it used. The committed
/// one costs what its backend reported, if that can be true, else what we counted: facts, whether or not
/// they are within what was reserved.
pub(crate) fn charge(
    log: &AttemptLog,
    signals: &Signals,
    plan: &Plan,
    names: &EpochInfo,
) -> Charge {
    let mut sum = Counts::default();
    let mut cost = Money::ZERO;
    let mut source = UsageSource::Reported;
    let mut passed_on = None;
    for (at, attempt) in log.attempts.iter().enumerate() {
        let model = names.models().get(attempt.model.get());
        let committed = log.committed.map(usize::from) == Some(at);
        let usage = if committed {
            let used = Used { reported: log.reported, counted_output: log.counted_output };
            *passed_on.insert(whole((used, log.complete), signals, plan, context(attempt, plan)))
        } else if let Some(used) = attempt.used {
            whole((used, true), signals, plan, context(attempt, plan))
        } else if given_up(attempt) {
            estimated(plan, held(attempt, plan))
        } else {
            continue;
        };
        if usage.source == UsageSource::Estimated {
            source = UsageSource::Estimated;
        }
        let price = model.and_then(|model| model.price);
        cost = cost.saturating_add(price.as_ref().map_or(Money::ZERO, |it| it.cost(usage.counts)));
        sum = added(sum, usage.counts);
    }
    Charge { usage: Usage { counts: sum, source }, cost, served: passed_on }
}

/// Sent whole, and then not waited for.
fn given_up(attempt: &AttemptRecord) -> bool {
    let left = matches!(
        attempt.result,
        None | Some(AttemptResult::Timeout | AttemptResult::Cancelled | AttemptResult::LostHedge)
    );
    attempt.sent && left
}

/// The context window of the attempt's model.
fn context(attempt: &AttemptRecord, plan: &Plan) -> Tokens {
    planned(attempt, plan).map_or(Tokens(u32::MAX), |it| it.context_tokens_max)
}

fn planned<'a>(attempt: &AttemptRecord, plan: &'a Plan) -> Option<&'a Planned> {
    plan.attempts.iter().find(|it| it.model == attempt.model)
}

/// The output charged of an attempt that was given up: at most what its model's part of the plan has.
fn held(attempt: &AttemptRecord, plan: &Plan) -> u32 {
    planned(attempt, plan).map_or(0, |it| it.held_tokens_max.min(attempt.held).0)
}

/// What an attempt used that was not given up, and whether its answer came to its end.
fn whole((used, complete): (Used, bool), signals: &Signals, plan: &Plan, context: Tokens) -> Usage {
    let counted = used.counted_output;
    let sent = (plan.input_tokens_bound, u64::from(signals.n.max(1)));
    let possible = |counts: &Counts| can_be_true(*counts, sent, counted, context);
    match used.reported.filter(possible) {
        Some(counts) if complete => Usage { counts, source: UsageSource::Reported },
        // A running figure of a stream that broke may be behind what was sent.
        Some(counts) => {
            let output = counted.0.saturating_sub(counts.reasoning).max(counts.output);
            let counts = Counts { output, ..counts };
            Usage { counts, source: UsageSource::Estimated }
        }
        None => estimated(plan, counted.0),
    }
}

/// Whether a report can be true: prompt and the average choice fit the model's context as it is configured;
/// or, where that may be wrong, what was sent and received could have been as many tokens. What was sent is
/// at most so many tokens, and asks for so many choices.
fn can_be_true(
    counts: Counts,
    (sent, choices): (Tokens, u64),
    counted: Tokens,
    context: Tokens,
) -> bool {
    let input = [counts.input, counts.cached_input, counts.cache_write];
    let input = input.into_iter().map(u64::from).sum::<u64>();
    let output = u64::from(counts.output) + u64::from(counts.reasoning);
    let fits = input + output.div_ceil(choices) <= u64::from(context.0);
    // We count four bytes a token, and no token has less than one.
    let likely = input <= u64::from(sent.0) && output <= u64::from(counted.0).saturating_mul(4);
    fits || likely
}

/// The estimate of the input, and this much output.
fn estimated(plan: &Plan, output: u32) -> Usage {
    let counts = Counts { input: plan.input_tokens.0, output, ..Counts::default() };
    Usage { counts, source: UsageSource::Estimated }
}

fn added(a: Counts, b: Counts) -> Counts {
    Counts {
        input: a.input.saturating_add(b.input),
        cached_input: a.cached_input.saturating_add(b.cached_input),
        cache_write: a.cache_write.saturating_add(b.cache_write),
        output: a.output.saturating_add(b.output),
        reasoning: a.reasoning.saturating_add(b.reasoning),
    }
}

#[cfg(test)]
mod tests;
