//! What a request used and what it cost.

use policies::{
    Counts,
    facts::{Money, Tokens},
};

/// Where the figures of a usage come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageSource {
    /// The backend said so, and it is possible.
    Reported,
    /// Counted by us.
    Estimated,
    /// The whole reservation: nobody knows better.
    Reserved,
}

impl UsageSource {
    /// As the ledger spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Estimated => "estimated",
            Self::Reserved => "reserved",
        }
    }
}

/// Tokens used by one request, over all its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The tokens, disjoint.
    pub counts: Counts,
    /// Who says so.
    pub source: UsageSource,
}

impl Usage {
    /// All of its output, reasoning included.
    #[must_use]
    pub fn output(self) -> Tokens {
        Tokens(self.counts.output.saturating_add(self.counts.reasoning))
    }
}

/// What a request cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Tokens.
    pub usage: Usage,
    /// Money, over all attempts.
    pub cost: Money,
    /// The part of the attempt whose content the caller got, if any came.
    pub served: Option<Usage>,
}
