//! `[cache]`: how much of earlier answers is kept, and how long equal requests wait for the first of them.

use std::time::Duration;

use policies::document::{Faults, Section};

use super::fields::{MIB, bytes, millis_or_none, number};

/// `[cache]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// The memory for answers that are kept; 0 keeps none.
    pub bytes_max: usize,
    /// How long a request waits for an equal one that is under way.
    pub wait: Duration,
}

/// Reads the section.
pub(super) fn cache(mut it: Section<'_>, faults: &mut Faults) -> Cache {
    let cache = Cache {
        bytes_max: bytes(number(&mut it, "bytes_max", 64 * MIB, 0..=1 << 40, faults)),
        wait: millis_or_none(&mut it, "wait_ms", 10_000, faults),
    };
    it.close(faults);
    cache
}
