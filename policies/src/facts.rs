//! What a decision is made from: plain public values, no behaviour beyond arithmetic.
//!
//! Three values go into a decision: the [policy](crate::Policy), what is known of the request
//! ([`Signals`]) and what is known of the world ([`FleetView`]). Every room of the gateway speaks
//! in these types; none of them holds a handle, a clock or a store.

use std::sync::Arc;

pub use classify::{CoarseTask, Complexity, Content, Contents, Language, Task};
use smallvec::SmallVec;

pub use crate::timeouts::{SHORT_INPUT, Timeouts};

pub use crate::{
    index::{KeyIndex, ModelIndex, RuleIndex, TeamIndex},
    money::{Money, Price, Tokens},
    needs::Needs,
    view::{FleetView, ModelView},
};

/// Declares a closed, ordered set of names with `ALL`, `code`, `from_code` and `Display`.
macro_rules! closed {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* #[doc = concat!("`", $code, "`")] $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// How configuration, metrics and the ledger spell it.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The value with this spelling, if there is one.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.code())
            }
        }
    };
}

closed! {
    /// How secret a request is. Ordered: nothing ever lowers a class.
    DataClass { Public = "public", Internal = "internal", Confidential = "confidential", Secret = "secret" }
}

closed! {
    /// What a request wants done, by the OpenTelemetry name of the operation.
    Operation {
        Chat = "chat", TextCompletion = "text_completion", Embeddings = "embeddings",
        Rerank = "rerank",
    }
}

closed! {
    /// What a model is for.
    ModelKind { Chat = "chat", Embedding = "embedding", Rerank = "rerank" }
}

#[expect(clippy::derivable_impls, reason = "the macro makes no default")]
impl Default for ModelKind {
    fn default() -> Self {
        Self::Chat
    }
}

impl ModelKind {
    /// What models of this kind serve, in words.
    #[must_use]
    pub const fn serves(self) -> &'static str {
        match self {
            Self::Chat => "chats and completions",
            Self::Embedding => "embeddings",
            Self::Rerank => "reranking",
        }
    }
}

impl Operation {
    /// The kind of models that serves it.
    #[must_use]
    pub const fn kind(self) -> ModelKind {
        match self {
            Self::Chat | Self::TextCompletion => ModelKind::Chat,
            Self::Embeddings => ModelKind::Embedding,
            Self::Rerank => ModelKind::Rerank,
        }
    }

    /// Whether its answers are text that a model writes, and not vectors or ranks.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self.kind(), ModelKind::Chat)
    }

    /// Whether its answers are vectors: those of two models are of two spaces and cannot be compared.
    #[must_use]
    pub const fn has_vectors(self) -> bool {
        matches!(self.kind(), ModelKind::Embedding)
    }
}

closed! {
    /// The API a caller speaks.
    Dialect { OpenAi = "openai", Anthropic = "anthropic", Responses = "responses" }
}

closed! {
    /// The window over which a budget counts.
    Window {
        Hour = "hour", Day = "day", Week = "week", Month = "month", Quarter = "quarter", Year = "year",
        Total = "total",
    }
}

/// Which signals the caller stated instead of the classifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hinted {
    /// The language came from `x-signalbox-language`.
    pub language: bool,
    /// The task came from `x-signalbox-task`.
    pub task: bool,
}

/// A moment in the policy's own time zone, as a calendar and a clock show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CivilTime {
    /// 0 is Monday, 6 is Sunday.
    pub weekday: u8,
    /// Minutes since midnight, 0 to 1,439.
    pub minute: u16,
}

/// All that is known of one request when it is decided. Never a word of its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Signals {
    /// What is wanted.
    pub operation: Operation,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The API the caller speaks.
    pub dialect: Dialect,
    /// The model as the caller wrote it: `auto`, an alias or a model's id.
    pub requested: Arc<str>,
    /// The language in which the person asks.
    pub language: Language,
    /// All languages with a fair share of the text, with that share (0 to 1).
    pub languages: SmallVec<[(Language, f32); 3]>,
    /// Calibrated probability that `language` is right, 0 to 1.
    pub language_confidence: f32,
    /// What the request asks for.
    pub task: Task,
    /// Calibrated probability that `task` is right, 0 to 1.
    pub task_confidence: f32,
    /// Which of the above the caller stated.
    pub hinted: Hinted,
    /// How much it asks of a model.
    pub complexity: Complexity,
    /// What its texts contain, by kind: numbers of persons and accounts, addresses, secrets.
    pub contains: Contents,
    /// What the model must be able to do.
    pub needs: Needs,
    /// Estimate of the input, for routing, context fit and limits.
    pub input_tokens: Tokens,
    /// A figure that the input cannot exceed, for money.
    pub input_tokens_bound: Tokens,
    /// What the caller allowed as output for each choice, if anything.
    pub output_tokens_asked: Option<Tokens>,
    /// How many choices the caller asked for; at least 1.
    pub n: u8,
    /// Effective data class: the highest of team, key, header and what the request contains.
    pub data_class: DataClass,
    /// The team and its ancestors, the nearest first.
    pub team_path: SmallVec<[TeamIndex; 4]>,
    /// The key.
    pub key: KeyIndex,
    /// Keyed hash of the end user.
    pub unit_user: Option<u128>,
    /// Keyed hash of the session.
    pub session: Option<u128>,
    /// Hash of the key, as the unit of experiments.
    pub unit_key: Option<u128>,
    /// The request's id, as the unit of experiments.
    pub request: u128,
    /// Tags from the header, as given.
    pub tags: SmallVec<[(Box<str>, Box<str>); 2]>,
    /// The time in the policy's zone.
    pub at: CivilTime,
    /// The smallest budget left up the team tree; advisory. What conditions see.
    pub budget_left: Option<Money>,
    /// The most that may be reserved, where budgets have a grace above what is left: what a plan's further
    /// models are cut to. Without it, that is what is left.
    pub budget_free: Option<Money>,
}

impl Signals {
    /// A plain chat request about nothing in particular; tests and tools start from it.
    #[must_use]
    pub fn chat(requested: &str) -> Self {
        Self {
            operation: Operation::Chat,
            stream: false,
            dialect: Dialect::OpenAi,
            requested: Arc::from(requested),
            language: Language::Und,
            languages: SmallVec::new(),
            language_confidence: 0.0,
            task: Task::Chat,
            task_confidence: 0.0,
            hinted: Hinted::default(),
            complexity: Complexity::Easy,
            contains: Contents::NONE,
            needs: Needs::NONE,
            input_tokens: Tokens(0),
            input_tokens_bound: Tokens(0),
            output_tokens_asked: None,
            n: 1,
            data_class: DataClass::Public,
            team_path: SmallVec::new(),
            key: KeyIndex(0),
            unit_user: None,
            session: None,
            unit_key: None,
            request: 0,
            tags: SmallVec::new(),
            at: CivilTime::default(),
            budget_left: None,
            budget_free: None,
        }
    }

    /// How sure the classifier is of language and task together: the lower of both.
    #[must_use]
    pub fn confidence(&self) -> f32 {
        self.language_confidence.min(self.task_confidence)
    }
}

/// What one model is: from configuration, fixed for an epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelFacts {
    /// The id callers and policies use.
    pub id: Arc<str>,
    /// What it is for: it serves the operations of its kind and no others.
    pub kind: ModelKind,
    /// The space of its vectors, of an embedding model: vectors of one space can be compared.
    pub vector_space: Option<Arc<str>>,
    /// The family, for `family:…` selectors.
    pub family: Option<Arc<str>>,
    /// Tags, for `tag:…` selectors.
    pub tags: Vec<Arc<str>>,
    /// Where it runs; a model without zone satisfies no `require.zone`.
    pub zone: Option<Arc<str>>,
    /// Its licence.
    pub licence: Option<Arc<str>>,
    /// Languages it is good at, by the operator's choice.
    pub languages: Vec<Language>,
    /// What it can do; `LONG_CONTEXT` is never set here.
    pub capabilities: Needs,
    /// Prompt and answer together.
    pub context_tokens_max: Tokens,
    /// The longest answer.
    pub output_tokens_max: Tokens,
    /// The bound for callers who state none.
    pub output_tokens_default: Tokens,
    /// The most tokens that one image or audio part can cost.
    pub media_tokens_max: Tokens,
    /// The most output charged for an attempt given up before commitment.
    pub held_tokens_max: Tokens,
    /// What it costs; `None` is free.
    pub price: Option<Price>,
    /// How long each phase may take.
    pub timeouts: Timeouts,
}

/// One team: a name and its parent, which stands earlier in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamFacts {
    /// The team's name.
    pub name: Arc<str>,
    /// The parent team.
    pub parent: Option<TeamIndex>,
    /// Ids or selectors of the models it may use; `*` is all. Most share one list.
    pub models: Arc<[Box<str>]>,
}

/// One key: its name and what it may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// The key's name.
    pub name: Arc<str>,
    /// Ids or selectors of the models it may use; `*` is all. Its teams' lists bind as well.
    /// Most share one list.
    pub models: Arc<[Box<str>]>,
}

/// What an alias stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AliasTarget {
    /// The rules decide.
    Auto,
    /// These models, in this order; ids or selectors.
    Route(Vec<Box<str>>),
}

/// What the fleet is: all that a policy is compiled against.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetFacts {
    /// Models; [`ModelIndex`] is the position here.
    pub models: Vec<ModelFacts>,
    /// Teams; [`TeamIndex`] is the position here.
    pub teams: Vec<TeamFacts>,
    /// Keys; [`KeyIndex`] is the position here.
    pub keys: Vec<KeyFacts>,
    /// Aliases in the order of the configuration; a trailing `*` matches any end.
    pub aliases: Vec<(Box<str>, AliasTarget)>,
}

impl FleetFacts {
    /// The most tokens that one image or audio part can cost with any model.
    #[must_use]
    pub fn media_tokens_max(&self) -> Tokens {
        self.models.iter().map(|it| it.media_tokens_max).max().unwrap_or_default()
    }
}

/// The only randomness of a decision, passed in as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw(pub u64);
