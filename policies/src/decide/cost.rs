//! The most that a plan can cost, exactly.

use crate::{
    facts::{ModelFacts, Money, Signals, Tokens},
    money::per_million,
};

/// What the attempts so far can cost at the most: every attempt's input at its dearest, the plan's one
/// bound of output at the dearest price of all, and what attempts given up before commitment may have
/// begun to write; where answers are validated, all that each can write. A retry counts as another attempt
/// on the dearest model. In 128 bits.
///
/// The output is not taken model by model, but by the plan's one bound, whoever commits. It is a reservation
/// and not a bound on truth: an engine that writes more than it was told is charged with it all the same, and
/// what it wrote beyond is expected of it again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    input_tokens: i128,
    /// Whether the answer is text.
    writes: bool,
    choices: u32,
    retries: i128,
    attempts: i128,
    inputs: i128,
    input_most: i128,
    output_price_most: i128,
    held: i128,
    held_most: i128,
    /// Whether answers may come whole and not be passed on: each attempt then costs its own.
    validates: bool,
    whole: i128,
    whole_most: i128,
    /// The most output that any attempt is expected to have, all choices together.
    output_most: i128,
    output_tokens_bound: Tokens,
}

impl Tally {
    /// The tally of no model yet; no model reads more input than `input`.
    pub(super) fn new(signals: &Signals, input: Tokens, retries: u8, validates: bool) -> Self {
        Self {
            input_tokens: i128::from(input.0),
            writes: signals.operation.writes(),
            choices: u32::from(signals.n.max(1)),
            retries: i128::from(retries),
            attempts: 0,
            inputs: 0,
            input_most: 0,
            output_price_most: 0,
            held: 0,
            held_most: 0,
            // A stream is passed on before anybody knows whether it holds.
            validates: validates && !signals.stream,
            whole: 0,
            whole_most: 0,
            output_most: 0,
            output_tokens_bound: Tokens(0),
        }
    }

    /// The tally with one more model, whose engine has written so much beyond a bound.
    pub(super) fn with(
        mut self,
        facts: &ModelFacts,
        output_tokens_max: Tokens,
        overrun: Tokens,
    ) -> Self {
        let price = facts.price.unwrap_or_default();
        let output_price = i128::from(price.dearest_output().nano());
        // No model reads more than its context, whatever stands in the body; but vectors and ranks are asked
        // for many texts at once, each of which may be as long.
        let most = if self.writes { facts.context_tokens_max.0 } else { u32::MAX };
        let read = self.input_tokens.min(i128::from(most));
        let input = read * i128::from(price.dearest_input().nano());
        let held = i128::from(facts.held_tokens_max.0) * output_price;
        let output = output_tokens_max.saturating_mul(self.choices);
        // No answer is longer than the context, whatever its engine makes of bounds.
        let room = facts.context_tokens_max.saturating_mul(self.choices);
        let expected = match output {
            Tokens(0) => output,
            _ => output.saturating_add(overrun).min(room).max(output),
        };
        self.attempts += 1;
        self.inputs += input;
        self.input_most = self.input_most.max(input);
        self.output_price_most = self.output_price_most.max(output_price);
        self.held += held;
        self.held_most = self.held_most.max(held);
        let whole = held.max(i128::from(expected.0) * output_price);
        self.whole += whole;
        self.whole_most = self.whole_most.max(whole);
        self.output_most = self.output_most.max(expected.0.into());
        self.output_tokens_bound = self.output_tokens_bound.max(output);
        self
    }

    /// The most it can cost.
    pub(super) fn cost_max(&self) -> Money {
        let attempts = self.attempts + self.retries;
        let output = self.output_most * self.output_price_most;
        let written = match attempts {
            // A single attempt is either held or committed, never both.
            ..=1 => output.max(self.held),
            _ => output + self.held + self.retries * self.held_most,
        };
        let whole = self.whole + self.retries * self.whole_most;
        let written = if self.validates { written.max(whole) } else { written };
        let all = self.inputs + self.retries * self.input_most + written;
        // Each attempt is charged rounded up by itself, so each but one may add a nano-unit.
        let rounding = if all == 0 { 0 } else { (attempts - 1) * 1_000_000 };
        per_million(all + rounding)
    }

    /// The most output of any attempt, all choices together.
    pub(super) fn output_tokens_bound(&self) -> Tokens {
        self.output_tokens_bound
    }
}
