//! Positions in the lists of models, teams, keys and rules.

/// Position of a model in its epoch's fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelIndex(pub u16);

/// Position of a team in its epoch's team tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TeamIndex(pub u16);

/// Position of a key in its epoch's list of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyIndex(pub u32);

/// Position of a rule in its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleIndex(pub u16);

impl ModelIndex {
    /// The index as an array position.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl TeamIndex {
    /// The index as an array position.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl KeyIndex {
    /// The index as an array position.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl RuleIndex {
    /// The index as an array position.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}
