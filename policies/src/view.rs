//! What is known of the world when a request is decided.

use crate::money::Tokens;

/// What one model is like right now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelView {
    /// An operator has switched the model off: it takes no requests, whatever the rest says.
    pub switched_off: bool,
    /// At least one endpoint takes requests.
    pub available: bool,
    /// No endpoint takes requests, but one is only ejected, and not known to be dead: where no other model
    /// of a route is there, it may be tried, sparingly.
    pub last_resort: bool,
    /// Requests in flight over all its endpoints.
    pub in_flight: u32,
    /// How many requests it may hold at once; 0 is no limit.
    pub concurrency_max: u32,
    /// Recent time to first token in milliseconds, if any request told.
    pub first_token_ms: Option<f32>,
    /// The most output tokens that an answer of it has had beyond a bound that its engine was told; 0 while
    /// bounds are kept. A reservation expects as many again.
    pub overrun_tokens_max: Tokens,
}

impl Default for ModelView {
    fn default() -> Self {
        Self {
            switched_off: false,
            available: true,
            last_resort: false,
            in_flight: 0,
            concurrency_max: 0,
            first_token_ms: None,
            overrun_tokens_max: Tokens(0),
        }
    }
}

/// What the world is like right now; republished by the fleet, read by decisions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetView {
    /// Grows with every publication.
    pub version: u64,
    /// By [`ModelIndex`].
    pub models: Vec<ModelView>,
}
