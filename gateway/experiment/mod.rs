//! Experiments: which arm of a route serves a unit better, at what cost, and how sure that is.
//!
//! The statistics are pure functions of counted values. They may be looked at any time and as often as
//! anybody likes: every interval holds at all looks together, not at one look chosen beforehand.

pub(crate) mod bandit;
pub(crate) mod changelog;
mod draws;
pub(crate) mod evaluate;
pub(crate) mod guard;
pub(crate) mod judge;
pub(crate) mod judged;
mod now;
pub(crate) mod observe;
pub(crate) mod report;
pub(crate) mod stats;
pub(crate) mod status;
mod units;
pub(crate) mod view;

pub(crate) use now::{Experiments, View};
