//! What a request used and what it cost.

use policies::{
    Counts,
    facts::{Money, Tokens},
};

/// Where the figures of a usage come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageSource {
    /// The backend reported them, and they are possible.
    Reported,
    /// The gateway has counted them.
    Estimated,
    /// They are the whole reservation: nothing better is known.
    Reserved,
}

impl UsageSource {
    /// The spelling in the ledger.
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
    /// The source of the figures.
    pub source: UsageSource,
}

impl Usage {
    /// The output tokens, reasoning included.
    #[must_use]
    pub fn output(self) -> Tokens {
        Tokens(self.counts.output.saturating_add(self.counts.reasoning))
    }
}

/// The tokens and money that a request is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The tokens that are charged.
    pub usage: Usage,
    /// The money, over all attempts.
    pub cost: Money,
    /// The part of the attempt whose content the caller got, if any came.
    pub served: Option<Usage>,
}
