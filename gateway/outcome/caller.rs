//! Who asks, and who comes first of those who ask.

use std::sync::Arc;

use policies::facts::{DataClass, KeyIndex, TeamIndex};
use smallvec::SmallVec;

use super::Tags;

/// Number of a key: the same for its name as long as the process lives, and never another key's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub u32);

/// Number of a team: the same for its name as long as the process lives, and never another team's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TeamId(pub u32);

/// Who asks: a key, resolved at load with all that a request needs to know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    /// The key, for whatever lives longer than a configuration.
    pub key_id: KeyId,
    /// The key's index in the policy's list.
    pub key: KeyIndex,
    /// Its name.
    pub key_name: Arc<str>,
    /// The team and its ancestors, the nearest first, by their places in the policy's list; never empty.
    pub team_path: SmallVec<[TeamIndex; 4]>,
    /// The nearest team, for whatever lives longer than a configuration.
    pub team_id: TeamId,
    /// Its name.
    pub team_name: Arc<str>,
    /// The class of its requests unless they state a higher one.
    pub data_class: DataClass,
    /// The highest data class that its requests may have.
    pub data_class_max: DataClass,
    /// The team whose limit that is; none where it is the key's own.
    pub data_class_max_of: Option<Arc<str>>,
    /// Whether its hint headers are believed.
    pub hints: bool,
    /// Whether it may tell values of its whole team's requests, not only of its own.
    pub feedback: bool,
    /// Whether the end users that it forwards are believed.
    pub frontend: bool,
    /// Tags of its requests: its own and its teams', over what a request says by the same name.
    pub tags: Tags,
    /// The priority of its requests where requests wait.
    pub priority: Priority,
}

/// Who comes first where requests wait for a model; the first is the highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Priority {
    /// A person waits for the answer.
    Interactive,
    /// Nothing was configured.
    #[default]
    Default,
    /// The answer can come later.
    Batch,
}

impl Priority {
    /// Every priority.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Default, Self::Batch];

    /// The spelling in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Default => "default",
            Self::Batch => "batch",
        }
    }
}
