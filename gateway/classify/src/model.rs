//! The parts that the trainer shares: how text becomes features, and what the weights are.
//!
//! Not a public interface: it changes with the model.

pub mod close;
pub mod follow;
pub mod grams;
pub mod han;
pub mod hash;
pub mod lang;
pub mod linear;
pub mod sample;
pub mod script;
pub mod structure;
pub mod target;
pub mod task;
pub mod tools;
mod word;
