//! The names of a bound on an answer, as a set.

/// Names under which an engine can be given the most that one choice of its answer may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BoundNames {
    /// `max_tokens`
    pub max_tokens: bool,
    /// `max_completion_tokens`
    pub max_completion_tokens: bool,
}

impl BoundNames {
    /// The first alone.
    pub const MAX_TOKENS: Self = Self { max_tokens: true, max_completion_tokens: false };
    /// The second alone.
    pub const MAX_COMPLETION_TOKENS: Self = Self { max_tokens: false, max_completion_tokens: true };
    /// Both.
    pub const BOTH: Self = Self { max_tokens: true, max_completion_tokens: true };

    /// Whether there is any.
    #[must_use]
    pub const fn any(self) -> bool {
        self.max_tokens || self.max_completion_tokens
    }

    /// Those of these that are also among the others.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            max_tokens: self.max_tokens && other.max_tokens,
            max_completion_tokens: self.max_completion_tokens && other.max_completion_tokens,
        }
    }

    /// These and the others.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            max_tokens: self.max_tokens || other.max_tokens,
            max_completion_tokens: self.max_completion_tokens || other.max_completion_tokens,
        }
    }

    /// Those of these that are not among the others.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self {
            max_tokens: self.max_tokens && !other.max_tokens,
            max_completion_tokens: self.max_completion_tokens && !other.max_completion_tokens,
        }
    }

    /// The first of them alone.
    #[must_use]
    pub const fn first(self) -> Self {
        if self.max_tokens { Self::MAX_TOKENS } else { self }
    }
}
