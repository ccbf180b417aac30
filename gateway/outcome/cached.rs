//! What the cache had to do with a request.

use policies::facts::{ModelIndex, Money};

/// What became of a request in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CacheResult {
    /// An answer was there.
    Hit,
    /// No answer was there.
    Miss,
    /// An answer was there, and was too old.
    Expired,
    /// An answer was there once an equal request had been waited for.
    Waited,
}

impl CacheResult {
    /// Every result.
    pub const ALL: [Self; 4] = [Self::Hit, Self::Miss, Self::Expired, Self::Waited];

    /// The spelling in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Expired => "expired",
            Self::Waited => "waited",
        }
    }

    /// The spelling in the ledger and in the answer's header: whether the answer was given again.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::Hit | Self::Waited => "hit",
            Self::Miss | Self::Expired => "miss",
        }
    }
}

/// What the cache had to do with an accepted request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cached {
    /// What became of it there.
    pub result: CacheResult,
    /// The answer that was given again, if one was.
    pub answer: Option<GivenAgain>,
}

/// An answer that was given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenAgain {
    /// The model that wrote it.
    pub model: ModelIndex,
    /// What it had cost.
    pub cost: Money,
}
