//! What a request is charged: each attempt by what is known of it, each model by its own price.

use policies::{
    Counts, Plan,
    facts::{Money, Signals},
};

use crate::outcome::{Attempt, AttemptResult, Charge, Names, Trail, Usage, UsageSource};

/// The charge of a request as things stand.
///
/// An attempt that was not sent whole, was refused or failed before content is free. One that was sent
/// and then given up costs its input. The committed one costs what its backend reported, if that can be
/// true, else what we counted.
pub(crate) fn charge(trail: &Trail, signals: &Signals, plan: &Plan, names: &Names) -> Charge {
    let mut sum = Counts::default();
    let mut cost = Money::ZERO;
    let mut source = UsageSource::Reported;
    for (at, attempt) in trail.attempts.iter().enumerate() {
        let committed = trail.committed.map(usize::from) == Some(at);
        let usage = if committed {
            served(trail, signals, plan)
        } else if given_up(attempt) {
            Usage { counts: estimated(signals, plan, 0), source: UsageSource::Estimated }
        } else {
            continue;
        };
        if usage.source == UsageSource::Estimated {
            source = UsageSource::Estimated;
        }
        let price = names.models.get(attempt.model.get()).and_then(|model| model.price);
        cost = cost.saturating_add(price.as_ref().map_or(Money::ZERO, |it| it.cost(usage.counts)));
        sum = added(sum, usage.counts);
    }
    Charge { usage: Usage { counts: sum, source }, cost, price_missing: false }
}

/// Sent whole, and then not waited for.
fn given_up(attempt: &Attempt) -> bool {
    let left = matches!(
        attempt.result,
        None | Some(AttemptResult::Timeout | AttemptResult::Cancelled | AttemptResult::LostHedge)
    );
    attempt.sent && left
}

/// What the committed attempt used.
fn served(trail: &Trail, signals: &Signals, plan: &Plan) -> Usage {
    let counted = trail.counted_output.0;
    match trail.reported.filter(|reported| plausible(*reported, signals, plan)) {
        Some(counts) if trail.complete => Usage { counts, source: UsageSource::Reported },
        // A running figure of a stream that broke may be behind what was sent.
        Some(counts) => {
            let more = counted.saturating_sub(counts.output.saturating_add(counts.reasoning));
            let output = counts.output.saturating_add(more);
            Usage { counts: Counts { output, ..counts }, source: UsageSource::Estimated }
        }
        None => Usage { counts: estimated(signals, plan, counted), source: UsageSource::Estimated },
    }
}

/// Whether figures stay below what cannot be passed.
fn plausible(counts: Counts, signals: &Signals, plan: &Plan) -> bool {
    let input = [counts.input, counts.cached_input, counts.cache_write];
    let input = input.into_iter().fold(0, u32::saturating_add);
    let output = counts.output.saturating_add(counts.reasoning);
    input <= signals.input_tokens_bound.0 && output <= plan.output_tokens_bound.0
}

/// The estimate of the input, and this much output; clipped to the bounds, so that no settle exceeds
/// its reservation.
fn estimated(signals: &Signals, plan: &Plan, output: u32) -> Counts {
    Counts {
        input: signals.input_tokens.min(signals.input_tokens_bound).0,
        output: output.min(plan.output_tokens_bound.0),
        ..Counts::default()
    }
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
