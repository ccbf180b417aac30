//! How a request ended.

use crate::failure::{Failure, Kind};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The answer was complete.
    Ok,
    /// The answer broke off after the caller had got content.
    Cut,
    /// The caller left.
    Cancelled,
    /// There was no answer, for this reason.
    Failed(Kind),
}

impl Ending {
    /// The label in metrics and ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cut => "cut",
            Self::Cancelled => "cancelled",
            Self::Failed(_) => "failed",
        }
    }

    /// The ending that a failure makes; a caller who left is no failure of ours.
    #[must_use]
    pub fn failed(failure: &Failure) -> Self {
        match failure.kind {
            Kind::Cancelled => Self::Cancelled,
            kind => Self::Failed(kind),
        }
    }

    /// The kind of failure, if it was one.
    #[must_use]
    pub const fn failure(self) -> Option<Kind> {
        match self {
            Self::Failed(kind) => Some(kind),
            _ => None,
        }
    }
}
