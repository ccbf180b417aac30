//! The most that a plan can cost, exactly.

use crate::{
    facts::{ModelFacts, Money, Signals, Tokens},
    money::per_million,
};

/// What the attempts so far can cost at the most: every attempt's input at its dearest, the dearest
/// single output, and what attempts given up before commitment may have begun to write. A retry counts
/// as another attempt on the dearest model. In 128 bits, rounded up once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    input_tokens: i128,
    choices: i128,
    retries: i128,
    attempts: u32,
    inputs: i128,
    input_most: i128,
    output_most: i128,
    held: i128,
    held_most: i128,
    output_tokens_bound: Tokens,
    choices_number: u32,
}

impl Tally {
    pub(super) fn new(signals: &Signals, retries: u8) -> Self {
        let choices = u32::from(signals.n.max(1));
        Self {
            input_tokens: i128::from(signals.input_tokens_bound.0),
            choices: i128::from(choices),
            retries: i128::from(retries),
            attempts: 0,
            inputs: 0,
            input_most: 0,
            output_most: 0,
            held: 0,
            held_most: 0,
            output_tokens_bound: Tokens(0),
            choices_number: choices,
        }
    }

    /// The tally with one more model.
    pub(super) fn with(mut self, facts: &ModelFacts, output_tokens_max: Tokens) -> Self {
        let price = facts.price.unwrap_or_default();
        let dearest_output = i128::from(price.dearest_output().nano());
        let input = self.input_tokens * i128::from(price.dearest_input().nano());
        let output = self.choices * i128::from(output_tokens_max.0) * dearest_output;
        let held = i128::from(facts.held_tokens_max.0) * dearest_output;
        self.attempts += 1;
        self.inputs += input;
        self.input_most = self.input_most.max(input);
        self.output_most = self.output_most.max(output);
        self.held += held;
        self.held_most = self.held_most.max(held);
        let all = output_tokens_max.saturating_mul(self.choices_number);
        self.output_tokens_bound = self.output_tokens_bound.max(all);
        self
    }

    /// The most it can cost.
    pub(super) fn cost_max(&self) -> Money {
        let again = self.retries * (self.input_most + self.held_most);
        // A single attempt is either held or committed, never both.
        let alone = self.attempts == 1 && self.retries == 0;
        let held = if alone { (self.held - self.output_most).max(0) } else { self.held };
        per_million(self.inputs + self.output_most + held + again)
    }

    /// The most output of any attempt, all choices together.
    pub(super) fn output_tokens_bound(&self) -> Tokens {
        self.output_tokens_bound
    }
}
