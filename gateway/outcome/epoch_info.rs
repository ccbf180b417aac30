//! What the figures of an epoch are called where people read them.

use std::sync::Arc;

use policies::facts::{FleetFacts, ModelFacts};

/// What the figures of an epoch are called: indices to names, and the versions in force.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochInfo {
    /// This process, among others of the same gateway.
    pub replica: Arc<str>,
    /// The ledger's currency.
    pub currency: Arc<str>,
    /// The policy's own version text.
    pub policy_version: Arc<str>,
    /// Hash of the compiled policy.
    pub policy_hash: Arc<str>,
    /// Hash of the price table.
    pub price_version: Arc<str>,
    /// The one table of what models are and cost, and of how teams hang, by which the policy decides.
    pub fleet: Arc<FleetFacts>,
}

impl EpochInfo {
    /// Models by `ModelIndex`.
    #[must_use]
    pub fn models(&self) -> &[ModelFacts] {
        &self.fleet.models
    }
}
