//! **What should happen.** Which model serves a request, why, and at what most: a pure function.
//!
//! This crate has no input or output, no clock, no randomness and nothing asynchronous. Randomness
//! comes in as [`facts::Draw`], time as [`facts::CivilTime`], the world as [`facts::FleetView`].
//!
//! [`compile`] turns a document into a [`Policy`], with every fault at once; [`decide`] turns a policy
//! and the facts into a [`Plan`] or a [`Refusal`]; [`explain`] is the same decision with the rules that
//! nearly matched.

pub mod cases;
mod catalogue;
mod decide;
pub mod document;
mod enrolled;
pub mod experiment;
mod explain;
pub mod facts;
mod fault;
mod faults;
mod forbidden;
mod index;
pub mod labels;
pub mod lint;
mod money;
mod needs;
mod not_toml;
mod plan;
mod policy;
pub mod preset;
mod printable;
pub mod replay;
mod select;
mod set;
mod snapshot;
mod timeouts;
mod view;
mod words;

pub use catalogue::{CATALOGUE, catalogue};
pub use decide::{World, decide, shadow};
pub use explain::{
    Afterwards, Candidate, Explanation, Near, Param, Part, Passed, Skipped, explain, left_out,
};
pub use fault::{Fault, counted, did_you_mean, distance, nearest};
pub use forbidden::forbidden_in_words;
pub use money::{Counts, MoneyError, per_million};
pub use not_toml::not_toml;
pub use plan::{Hedge, Matched, Plan, Planned, Reason, Refusal, Skip, SlowStream, Why};
pub use policy::{Policy, compile};
pub use printable::{acts, printable};
pub use snapshot::FleetSnapshot;
pub use words::{plan_in_words, refusal_in_words};
