//! Bytes and values: what callers ask and backends answer, read and written. Pure.
//!
//! A request is read by one bounded pass that builds no tree: it keeps the caller's own bytes and where
//! in them things stand, which is enough to classify it and to send it on. Streams are decoded without
//! IO, from any split of their bytes. This room refuses what is not of the right shape, and nothing
//! else: who may do what is decided elsewhere.

mod answer;
mod chunk;
mod openai;
mod render;
mod request;
mod scan;
mod splice;
mod sse;
mod tally;
#[cfg(test)]
mod tests;
mod usage;

use bytes::Bytes;
use policies::facts::{Dialect, Operation};

pub use self::{
    answer::{Invalid, Plain, error_message, is_context_length, plain},
    render::{
        ModelCard, comment, done_event, error_body, error_event, model_card, models_list, with_cost,
    },
    request::Request,
    splice::{Body, Edit},
    sse::{End, Event, Stream, StreamFault, StreamLimits, What},
};
use crate::failure::Failure;

/// What a request may ask for.
#[derive(Clone, Debug)]
pub struct ReadLimits {
    /// How deep it may nest.
    pub depth_max: usize,
    /// Choices.
    pub n_max: u8,
    /// Tools.
    pub tools_max: usize,
    /// Bytes of one schema.
    pub schema_bytes_max: usize,
    /// Hosts from which remote media may come, exact.
    pub media_hosts: Vec<Box<str>>,
}

/// Reads a request.
///
/// # Errors
/// When the body is no JSON, has the wrong shape, asks for what is refused, or is of a dialect or an
/// operation that is not served.
pub fn read(
    dialect: Dialect,
    operation: Operation,
    body: Bytes,
    limits: &ReadLimits,
) -> Result<Request, Failure> {
    match (dialect, operation) {
        (Dialect::OpenAi, Operation::Chat) => openai::chat(body, limits),
        _ => Err(Failure::invalid("not_supported", "this API is not supported")),
    }
}
