//! What was tried upstream, attempt by attempt.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use policies::{
    Counts,
    facts::{ModelIndex, Tokens},
};
use smallvec::SmallVec;

/// The result of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AttemptResult {
    /// The answer was complete.
    Ok,
    /// The answer broke off after its first content.
    Cut,
    /// No connection came about.
    Connect,
    /// The backend was silent for too long.
    Timeout,
    /// The backend answered with a status that is no answer.
    Status,
    /// An answer that is none: HTML, empty, an error inside a 200; or one not of the form asked for.
    Invalid,
    /// The caller left, or another attempt was preferred.
    Cancelled,
    /// The attempt ran beside another one that showed content first.
    LostHedge,
}

impl AttemptResult {
    /// Every result.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Cut,
        Self::Connect,
        Self::Timeout,
        Self::Status,
        Self::Invalid,
        Self::Cancelled,
        Self::LostHedge,
    ];

    /// The spelling in metrics and the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cut => "cut",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Invalid => "invalid",
            Self::Cancelled => "cancelled",
            Self::LostHedge => "lost_hedge",
        }
    }
}

/// What an attempt failed of, where its result leaves that open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptCause {
    /// The status that came, or that an error inside of an answer stated.
    Status(u16),
    /// Why there was no connection.
    Connect(Unreached),
    /// An answer that came whole, and costs what it used, was not of the form that was asked for.
    Form,
}

impl AttemptCause {
    /// The spelling of a wrong form in the ledger.
    pub const FORM: &'static str = "form";
}

/// Why there is no connection to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Unreached {
    /// Nobody listens at its port.
    Refused,
    /// It took the connection and dropped it.
    Reset,
    /// No way leads to its host.
    Unreachable,
    /// Its host's name has no address.
    Unresolved,
    /// Nothing came back in time.
    Timeout,
    /// No TLS came about.
    Tls,
    /// Anything else.
    Failed,
}

impl Unreached {
    /// The spelling in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Unreachable => "unreachable",
            Self::Unresolved => "unresolved",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Failed => "failed",
        }
    }
}

/// One attempt at one endpoint.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// The model that was asked.
    pub model: ModelIndex,
    /// The endpoint's position in its model's list.
    pub endpoint: u16,
    /// The endpoint's label: `host:port`.
    pub endpoint_label: Arc<str>,
    /// The moment at which the attempt began.
    pub started: Instant,
    /// The time that the attempt took; none while it runs.
    pub took: Option<Duration>,
    /// The result of the attempt; none while it runs.
    pub result: Option<AttemptResult>,
    /// What it failed of, where that is known more closely.
    pub cause: Option<AttemptCause>,
    /// Whether the whole request had left for the backend.
    pub sent: bool,
    /// Output counted by us before commitment, charged where it never came to that.
    pub held: Tokens,
    /// What it used, where its answer came whole and was not passed on.
    pub used: Option<Used>,
}

/// What an answer used that came whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// What its backend reported.
    pub reported: Option<Counts>,
    /// Output counted by us.
    pub counted_output: Tokens,
}

/// What happened to a request upstream, written **as things happen**: its future may be dropped at
/// any await, and this is then all that is known.
#[derive(Clone, Debug, Default)]
pub struct AttemptLog {
    /// Every attempt, in the order in which they began.
    pub attempts: SmallVec<[AttemptRecord; 2]>,
    /// The attempt whose content the caller got, if any came so far.
    pub committed: Option<u8>,
    /// The moment at which the first content came.
    pub first_content: Option<Instant>,
    /// The usage that the committed backend has reported so far.
    pub reported: Option<Counts>,
    /// Output counted by us so far, for the case that nothing is reported.
    pub counted_output: Tokens,
    /// Whether the backend's answer came to its real end.
    pub complete: bool,
    /// Whether the plan's bound on the output was written into the request.
    pub bound_told: bool,
    /// Whether a stream was ended by us because it passed that bound.
    pub bound_passed: bool,
}

impl AttemptLog {
    /// Ends what was still running, with its request.
    pub fn end(&mut self, now: Instant) {
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.result.is_none()) {
            attempt.result = Some(AttemptResult::Cancelled);
            attempt.took = Some(now.saturating_duration_since(attempt.started));
        }
    }
}
