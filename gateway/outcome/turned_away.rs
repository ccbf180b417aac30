//! A request that was turned away, as the log says it.

use policies::facts::Signals;
use uuid::Uuid;

use super::Caller;
use crate::failure::{Failure, Kind, Stage};

/// A request that was turned away, as far as it was known by then.
pub struct TurnedAway<'a> {
    /// Our id.
    pub id: Uuid,
    /// The caller's own, checked.
    pub caller_request_id: Option<&'a str>,
    /// Who asked.
    pub caller: Option<&'a Caller>,
    /// What was asked.
    pub signals: Option<&'a Signals>,
    /// The kind of failure.
    pub kind: Kind,
    /// The stage that turned it away.
    pub stage: Stage,
    /// What the caller was told; nothing where he left.
    pub failure: Option<&'a Failure>,
}
