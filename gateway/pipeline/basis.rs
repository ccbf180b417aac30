//! What a charge that was told a caller stands on.

use policies::{Counts, facts::Tokens};

use crate::outcome::AttemptLog;

/// The figures of a committed stream by which it is charged: while they stand, the charge stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Basis {
    complete: bool,
    reported: Option<Counts>,
    counted_output: Tokens,
}

impl Basis {
    /// Those of this log.
    pub(super) fn of(log: &AttemptLog) -> Self {
        let AttemptLog { complete, reported, counted_output, .. } = *log;
        Self { complete, reported, counted_output }
    }
}
