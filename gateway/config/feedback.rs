//! `[feedback]`: what callers may tell of answers, and for how long.

use policies::document::{Faults, Section};
use toml::Value;

use super::fields::number;

/// `[feedback]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// Days after the start of a request for which values may be told of it.
    pub days_max: u32,
    /// Whether the callers' words are kept beside their values.
    pub comments: bool,
}

/// Reads the section.
pub(super) fn feedback(mut it: Section<'_>, faults: &mut Faults) -> Feedback {
    let days = number(&mut it, "days_max", 30, 1..=3_650, faults);
    let feedback = Feedback {
        days_max: u32::try_from(days).unwrap_or(30),
        comments: it
            .read("comments", "true or false", faults, Value::as_bool)
            .unwrap_or_default(),
    };
    it.close(faults);
    feedback
}
