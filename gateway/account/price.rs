//! What a request is charged: each attempt by what is known of it, each model by its own price.

use policies::{
    Counts, Plan,
    facts::{Money, Signals},
};

use crate::outcome::{Attempt, AttemptResult, Charge, Names, Trail, Usage, UsageSource};

/// The charge of a request as things stand.
///
/// An attempt that was not sent whole, was refused or failed before commitment is free. One that was sent
/// and then given up costs its input, and what it wrote by then as far as that was reserved. The committed
/// one costs what its backend reported, if that can be true, else what we counted.
pub(crate) fn charge(trail: &Trail, signals: &Signals, plan: &Plan, names: &Names) -> Charge {
    let ceiling = Ceiling::of(signals, plan);
    let mut sum = Counts::default();
    let mut cost = Money::ZERO;
    let mut source = UsageSource::Reported;
    for (at, attempt) in trail.attempts.iter().enumerate() {
        let committed = trail.committed.map(usize::from) == Some(at);
        let usage = if committed {
            served(trail, signals, ceiling)
        } else if given_up(attempt) {
            let counts = ceiling.estimate(signals, held(attempt, plan));
            Usage { counts, source: UsageSource::Estimated }
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
    Charge { usage: Usage { counts: sum, source }, cost }
}

/// Sent whole, and then not waited for.
fn given_up(attempt: &Attempt) -> bool {
    let left = matches!(
        attempt.result,
        None | Some(AttemptResult::Timeout | AttemptResult::Cancelled | AttemptResult::LostHedge)
    );
    attempt.sent && left
}

/// The output charged of an attempt that was given up: at most what its model's part of the plan has.
fn held(attempt: &Attempt, plan: &Plan) -> u32 {
    let planned = plan.attempts.iter().find(|it| it.model == attempt.model);
    planned.map_or(0, |it| it.held_tokens_max.min(attempt.held).0)
}

/// What the committed attempt used.
fn served(trail: &Trail, signals: &Signals, ceiling: Ceiling) -> Usage {
    let counted = trail.counted_output.0;
    match trail.reported.filter(|reported| ceiling.holds(*reported)) {
        Some(counts) if trail.complete => Usage { counts, source: UsageSource::Reported },
        // A running figure of a stream that broke may be behind what was sent.
        Some(counts) => {
            let output = counted.min(ceiling.output).saturating_sub(counts.reasoning);
            let counts = Counts { output: output.max(counts.output), ..counts };
            Usage { counts, source: UsageSource::Estimated }
        }
        None => {
            Usage { counts: ceiling.estimate(signals, counted), source: UsageSource::Estimated }
        }
    }
}

/// What no attempt can have used more of: what was reserved, whichever model answers.
#[derive(Clone, Copy)]
struct Ceiling {
    input: u32,
    output: u32,
}

impl Ceiling {
    fn of(signals: &Signals, plan: &Plan) -> Self {
        Self { input: signals.input_tokens_bound.0, output: plan.output_tokens_bound.0 }
    }

    /// Whether figures stay below it.
    fn holds(self, counts: Counts) -> bool {
        let input = [counts.input, counts.cached_input, counts.cache_write];
        let input = input.into_iter().map(u64::from).sum::<u64>();
        let output = u64::from(counts.output) + u64::from(counts.reasoning);
        input <= self.input.into() && output <= self.output.into()
    }

    /// The estimate of the input, and this much output, as far as both are possible.
    fn estimate(self, signals: &Signals, output: u32) -> Counts {
        let (input, output) = (signals.input_tokens.0.min(self.input), output.min(self.output));
        Counts { input, output, ..Counts::default() }
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

#[cfg(test)]
mod tests;
