//! What can go wrong with a request: whose fault it is, where it was seen, whether to try again.
//!
//! A [`Failure`] is built where the fault is seen and rendered once, at the edge. It never logs
//! itself. What a caller may read is in `public`; the `cause` goes to the log alone.

mod verdict;

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

pub use self::verdict::{Decision, Verdict};
pub(crate) use self::verdict::{NONE_HELD, kept_reason};
use policies::{experiment::Enrolled, printable};

/// The eight stages of a request: span names, metric labels, error fields, headings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// HTTP head to `Inbound`.
    Receive,
    /// Credential to `Caller`.
    Authenticate,
    /// Bytes to `Signals`.
    Classify,
    /// Policy, signals and fleet to a `Plan`.
    Decide,
    /// Limits and budget to a `Reservation`.
    Admit,
    /// Plan and request to an `Answer`.
    Dispatch,
    /// Reservation and usage to a `Charge`.
    Settle,
    /// Outcome to metrics and ledger.
    Record,
}

impl Stage {
    /// All stages, in the order of a request's way.
    pub const ALL: [Self; 8] = [
        Self::Receive,
        Self::Authenticate,
        Self::Classify,
        Self::Decide,
        Self::Admit,
        Self::Dispatch,
        Self::Settle,
        Self::Record,
    ];

    /// The stage's one name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Authenticate => "authenticate",
            Self::Classify => "classify",
            Self::Decide => "decide",
            Self::Admit => "admit",
            Self::Dispatch => "dispatch",
            Self::Settle => "settle",
            Self::Record => "record",
        }
    }
}

/// The closed list of failures: metric label, status, code of the reply, row in the docs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The request is wrong.
    InvalidRequest,
    /// No key, or no such key.
    Unauthenticated,
    /// The key, a guard or the data class forbids it.
    Forbidden,
    /// No such model.
    UnknownModel,
    /// The body did not come in time.
    BodyTimeout,
    /// Body or head over the limit.
    TooLarge,
    /// Too many requests or tokens, or too many at once.
    RateLimited,
    /// The money is spent.
    BudgetExceeded,
    /// Every backend is full, or none is live.
    NoCapacity,
    /// A backend failed and no other was left.
    UpstreamError,
    /// A backend was silent and no other was left.
    UpstreamTimeout,
    /// Ledger or store cannot be reached, or the process ends before the answer.
    Unavailable,
    /// The caller left.
    Cancelled,
    /// Our mistake.
    Bug,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// The caller's.
    Caller,
    /// A backend's.
    Upstream,
    /// The gateway's.
    Gateway,
}

/// Whether another attempt may help; set where the fault is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Another attempt would end the same way.
    Never,
    /// Another replica or another model may do better.
    Elsewhere,
    /// Only a model with more room can do it.
    LargerContext,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::InvalidRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::UnknownModel,
        Self::BodyTimeout,
        Self::TooLarge,
        Self::RateLimited,
        Self::BudgetExceeded,
        Self::NoCapacity,
        Self::UpstreamError,
        Self::UpstreamTimeout,
        Self::Unavailable,
        Self::Cancelled,
        Self::Bug,
    ];

    /// The kind's one name: metric label and ledger value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::UnknownModel => "unknown_model",
            Self::BodyTimeout => "body_timeout",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::BudgetExceeded => "budget_exceeded",
            Self::NoCapacity => "no_capacity",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::Unavailable => "unavailable",
            Self::Cancelled => "cancelled",
            Self::Bug => "bug",
        }
    }

    /// The HTTP status, unless the failure states a closer one.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::UnknownModel => 404,
            Self::BodyTimeout => 408,
            Self::TooLarge => 413,
            Self::RateLimited | Self::BudgetExceeded => 429,
            Self::NoCapacity | Self::Unavailable => 503,
            Self::UpstreamError => 502,
            Self::UpstreamTimeout => 504,
            Self::Cancelled => 499,
            Self::Bug => 500,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn fault(self) -> Party {
        match self {
            Self::InvalidRequest
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::UnknownModel
            | Self::BodyTimeout
            | Self::TooLarge
            | Self::RateLimited
            | Self::BudgetExceeded
            | Self::Cancelled => Party::Caller,
            Self::NoCapacity | Self::UpstreamError | Self::UpstreamTimeout => Party::Upstream,
            Self::Unavailable | Self::Bug => Party::Gateway,
        }
    }

    /// The `code` of an OpenAI error where the failure names no closer one.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unauthenticated => "invalid_api_key",
            Self::Forbidden => "policy_forbidden",
            Self::UnknownModel => "model_not_found",
            Self::BodyTimeout => "request_timeout",
            Self::TooLarge => "request_too_large",
            Self::RateLimited => "rate_limit_exceeded",
            Self::BudgetExceeded => "budget_exceeded",
            Self::NoCapacity => "no_capacity",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::Unavailable => "gateway_unavailable",
            Self::Cancelled => "cancelled",
            Self::Bug => "internal_error",
        }
    }
}

/// A request that came to no good end.
#[derive(Debug)]
pub struct Failure {
    /// What it is.
    pub kind: Kind,
    /// Where it was seen.
    pub stage: Stage,
    /// Whether another attempt may help.
    pub retry: Retry,
    /// A closer status than the kind's own, such as 405 or 431.
    pub status: Option<u16>,
    /// The `code` of the reply.
    pub code: &'static str,
    /// The field of the request that is wrong.
    pub param: Option<Cow<'static, str>>,
    /// What the caller reads. Never a URL, a host, a key or a prompt.
    pub public: Cow<'static, str>,
    /// What decided so, and why. One word: whatever may fail has room for it.
    pub why: Option<Box<Decision>>,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// What the log reads.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure of this kind, seen at this stage, that no other attempt would mend.
    #[must_use]
    pub fn new(kind: Kind, stage: Stage, public: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            stage,
            retry: Retry::Never,
            status: None,
            code: kind.code(),
            param: None,
            public: public.into(),
            why: None,
            retry_after: None,
            cause: None,
        }
    }

    /// A wrong request: the code says how, the message says what was expected.
    #[must_use]
    pub fn invalid(code: &'static str, public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::InvalidRequest, Stage::Classify, public).coded(code)
    }

    /// The same with this code.
    #[must_use]
    pub fn coded(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// The same, naming the wrong field.
    #[must_use]
    pub fn at(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same with a closer status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same, to be tried again as said.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The same, with the time after which to come back.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same, with why it was decided so.
    #[must_use]
    pub fn decided(mut self, why: impl Into<Box<str>>) -> Self {
        self.why.get_or_insert_default().words = why.into();
        self
    }

    /// The same, with what chose the models, and the guard that forbids those.
    #[must_use]
    pub fn by(mut self, rule: &Arc<str>, guard: Option<Arc<str>>) -> Self {
        let why = self.why.get_or_insert_default();
        why.rule = Some(Arc::clone(rule)).filter(|rule| !rule.is_empty());
        why.guard = guard;
        self
    }

    /// The same, with what the log reads.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The same, with the arm of an experiment that its request is, as answers say it.
    #[must_use]
    pub fn of_arm(mut self, arm: Enrolled, said: impl Into<Box<str>>) -> Self {
        let why = self.why.get_or_insert_default();
        (why.arm, why.experiment) = (Some(arm), Some(said.into()));
        self
    }

    /// The HTTP status of the reply.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.unwrap_or_else(|| self.kind.status())
    }
}

/// As much of a caller's own word as a message repeats.
const SHOWN_CHARS_MAX: usize = 64;

/// A caller's own word, such as a name that there is none of, as a message repeats it.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", printable(text.get(..end).unwrap_or_default())),
        None => printable(text).into_owned(),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.kind.name(), self.stage.name(), self.public)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| cause.as_ref() as &(dyn Error + 'static))
    }
}
