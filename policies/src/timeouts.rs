//! How long an attempt may take, and how that grows with what its engine has to read.

use serde::{Deserialize, Serialize};

use crate::money::Tokens;

/// How long each phase of an attempt may take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// To connect.
    pub connect_ms: u32,
    /// From sending to the first content of a stream; in a plan, with the allowance for its input.
    pub first_token_ms: u32,
    /// Between two events; comments are not life.
    pub idle_ms: u32,
    /// For the whole attempt.
    pub total_ms: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect_ms: 3_000, first_token_ms: 20_000, idle_ms: 15_000, total_ms: 600_000 }
    }
}

/// Input up to this estimate is short: what an engine needs to read it is lost in all else.
pub const SHORT_INPUT: Tokens = Tokens(4_000);

impl Timeouts {
    /// The time that an engine is granted to read this much input before its first token, beyond that of
    /// short input: a millisecond a token, as slow as engines read.
    #[must_use]
    pub const fn reading_ms(input: Tokens) -> u32 {
        input.0.saturating_sub(SHORT_INPUT.0)
    }

    /// The timeouts for this much input: `first_token_ms` grows with it, up to `total_ms`.
    #[must_use]
    pub fn for_input(self, input: Tokens) -> Self {
        let grown = self.first_token_ms.saturating_add(Self::reading_ms(input));
        Self { first_token_ms: grown.min(self.total_ms).max(self.first_token_ms), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_token_of_a_long_prompt_may_come_later_up_to_the_end_of_all() {
        let first = |input, total_ms| {
            let timeouts = Timeouts { first_token_ms: 20_000, total_ms, ..Timeouts::default() };
            timeouts.for_input(Tokens(input)).first_token_ms
        };
        assert_eq!(first(0, 600_000), 20_000);
        assert_eq!(first(4_000, 600_000), 20_000);
        assert_eq!(first(5_000, 600_000), 21_000);
        assert_eq!(first(128_000, 600_000), 144_000);
        assert_eq!(first(1_000_000, 600_000), 600_000);
        assert_eq!(first(u32::MAX, u32::MAX), u32::MAX);
        assert_eq!(first(1_000_000, 1_000), 20_000, "what was configured stays");
    }
}
