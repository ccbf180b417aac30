//! **Making it happen.** Signalbox is one door to many open models: it recognises who asks, in which
//! language and for which task, decides by policy which model serves, and accounts for every request.
//!
//! A newcomer reads four files: `pipeline.rs`, `decide.rs` of the crate `policies`,
//! `account/mod.rs` and `dispatch/attempts.rs`.

pub mod account;
pub mod app;
mod cache;
pub mod cli;
pub mod config;
pub mod directory;
mod dispatch;
mod edge;
mod experiment;
pub mod failure;
mod fleet;
pub mod log;
pub mod outcome;
mod pipeline;
pub mod record;
mod schema;
mod signals;
pub mod sim;
mod spend;
pub mod store;
mod wakes;
mod why;
pub mod wire;
