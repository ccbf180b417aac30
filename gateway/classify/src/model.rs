//! The parts that the trainer shares: how text becomes features, and what the weights are.
//!
//! Not a public interface: it changes with the model.

pub mod han;
pub mod hash;
pub mod lang;
pub mod linear;
pub mod sample;
pub mod script;
pub mod target;
pub mod task;
