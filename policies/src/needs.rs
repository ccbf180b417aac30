//! What a request needs of a model that not every model can do.

/// A set of things a request needs, or a model can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Needs(u8);

impl Needs {
    /// Nothing beyond text.
    pub const NONE: Self = Self(0);
    /// Function calling.
    pub const TOOLS: Self = Self(1);
    /// Answers bound to a JSON schema.
    pub const JSON_SCHEMA: Self = Self(1 << 1);
    /// Images as input.
    pub const VISION: Self = Self(1 << 2);
    /// Sound as input.
    pub const AUDIO: Self = Self(1 << 3);
    /// Effort or thinking was asked for.
    pub const REASONING: Self = Self(1 << 4);
    /// Log probabilities of tokens.
    pub const LOGPROBS: Self = Self(1 << 5);
    /// The estimate of the input is above 32,768 tokens; no capability, the context decides.
    pub const LONG_CONTEXT: Self = Self(1 << 6);

    /// Every need with its spelling.
    pub const NAMES: [(Self, &'static str); 7] = [
        (Self::TOOLS, "tools"),
        (Self::JSON_SCHEMA, "json_schema"),
        (Self::VISION, "vision"),
        (Self::AUDIO, "audio"),
        (Self::REASONING, "reasoning"),
        (Self::LOGPROBS, "logprobs"),
        (Self::LONG_CONTEXT, "long_context"),
    ];

    /// The need with this spelling, if there is one.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, name)| *name == code).map(|(need, _)| *need)
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What of this set is not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What a model must be able to do, in words, with `between` between them: `read images or call tools`.
    #[must_use]
    pub fn in_words(self, between: &str) -> String {
        let words = Self::NAMES.iter().filter(|(need, _)| self.contains(*need));
        let words = words.map(|(need, _)| match *need {
            Self::TOOLS => "call tools",
            Self::JSON_SCHEMA => "keep to a JSON schema",
            Self::VISION => "read images",
            Self::AUDIO => "hear audio",
            Self::REASONING => "reason on request",
            Self::LOGPROBS => "return log probabilities",
            _ => "take a long context",
        });
        words.collect::<Vec<_>>().join(between)
    }

    /// The spellings of what is in the set, in order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().filter(move |(need, _)| self.contains(*need)).map(|(_, name)| *name)
    }
}
