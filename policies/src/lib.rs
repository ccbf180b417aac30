//! **What should happen.** Which model serves a request, why, and at what most: a pure function.
//!
//! This crate has no input or output, no clock, no randomness and nothing asynchronous. Randomness
//! comes in as [`facts::Draw`], time as [`facts::CivilTime`], the world as [`facts::FleetView`].

pub mod facts;
mod money;
mod plan;

pub use money::{Counts, MoneyError, per_million};
pub use plan::{Matched, Plan, Planned, Reason, Refusal, Skip, Why};

/// A compiled policy. (Being built on its own branch.)
#[derive(Debug)]
pub struct Policy(());
