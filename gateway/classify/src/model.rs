//! The parts that the trainer shares: how text becomes features, and what the weights are.
//!
//! Not a public interface: it changes with the model.

mod around;
pub mod asked;
mod cantonese;
mod chars;
pub mod classes;
pub mod close;
pub mod complexity;
mod counts;
pub mod cues;
mod data;
pub mod follow;
mod frequent;
pub mod grams;
pub mod han;
pub mod hash;
pub mod heat;
mod judge;
mod keywords;
mod labels;
pub mod lang;
pub mod letter;
pub mod linear;
mod next;
pub mod sample;
mod scan;
pub mod script;
pub mod short;
pub mod spoken;
pub mod structure;
mod suspects;
pub mod target;
pub mod task;
mod token;
pub mod tools;
mod weights;
mod word;
mod words;
