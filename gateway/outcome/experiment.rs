//! What is kept of experiments beside the requests themselves: what callers tell of answers, and what becomes
//! of an experiment or an arm.

use std::sync::Arc;

use uuid::Uuid;

/// A value that a caller tells of an answer. The last one of a request and a name counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Feedback {
    /// The id of the request, as `x-signalbox-id` told it.
    pub request: Uuid,
    /// The value's name.
    pub name: Box<str>,
    /// The value; 1 is true, 0 is false.
    pub value: f64,
    /// Whether it was told as true or false, not as a number.
    pub is_bool: bool,
    /// The caller's words, where the configuration keeps them.
    pub comment: Option<Box<str>>,
    /// The name of the key that tells it.
    pub key: Arc<str>,
    /// Milliseconds since 1970 at which it came in.
    pub at_ms: i64,
    /// The arm that the request was, if it took part in an experiment.
    pub arm: Option<ArmName>,
}

/// What the gateway itself has found about an answer: a figure, never a word of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The id of the request whose answer it was.
    pub request: Uuid,
    /// What was looked at.
    pub name: &'static str,
    /// The figure; 1 is true, 0 is false.
    pub value: f64,
}

impl Judged {
    /// The name of whether an answer is of the form that its request asked for.
    pub const SCHEMA_VALID: &'static str = "schema_valid";
    /// The names of what is found about a shadow's answer and the one that was served: whether each is of
    /// the form asked for, whether both call the same tools with the same arguments, whether each refuses,
    /// and how many characters the shadow's has for each one of the other.
    pub const OF_SHADOWS: [&'static str; 6] = [
        "form_served",
        "form_shadow",
        "calls_agree",
        "refused_served",
        "refused_shadow",
        "length_ratio",
    ];
}

/// An arm by the names that the ledger has for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArmName {
    /// The experiment's name.
    pub experiment: Arc<str>,
    /// The experiment's version.
    pub version: Arc<str>,
    /// The arm's name.
    pub arm: Arc<str>,
}

/// Whose a request was, as far as what is told of it afterwards depends on that.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrolment {
    /// The team that asked.
    pub team: Box<str>,
    /// The key that asked.
    pub key: Box<str>,
    /// Milliseconds since 1970 at which the request came in.
    pub at_ms: i64,
    /// The arm that it was, if it took part in an experiment.
    pub arm: Option<ArmName>,
    /// How many values have been told of it under other names than the one asked for.
    pub others: u32,
    /// The value that was told of it under that name before.
    pub before: Option<f64>,
}

/// What has become of an experiment, or of one of its arms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExperimentChange {
    /// UUIDv7 of this change: one that is written again stands once.
    pub id: Uuid,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// The experiment's name.
    pub experiment: Arc<str>,
    /// The experiment's version then.
    pub version: Arc<str>,
    /// The arm; `None` is the whole experiment.
    pub arm: Option<Arc<str>>,
    /// What was done.
    pub change: ExperimentAction,
    /// Why, in words.
    pub reason: Box<str>,
    /// Who has done it: an operator, or the guard itself.
    pub by: Box<str>,
}

/// What is done to an experiment or an arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExperimentAction {
    /// All units get the rule's own route.
    Stopped,
    /// A stop or a rollback is undone.
    Resumed,
    /// The arm's units get the control's route.
    RolledBack,
}

impl ExperimentAction {
    /// Every action.
    pub const ALL: [Self; 3] = [Self::Stopped, Self::Resumed, Self::RolledBack];

    /// The spelling in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Resumed => "resumed",
            Self::RolledBack => "rolled_back",
        }
    }

    /// The action of this spelling.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}
