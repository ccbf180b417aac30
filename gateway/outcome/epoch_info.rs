//! What the figures of an epoch are called where people read them.

use std::sync::Arc;

use policies::facts::Price;

/// One model as records name it.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelName {
    /// Its id.
    pub id: Arc<str>,
    /// Where it runs.
    pub zone: Option<Arc<str>>,
    /// Its price.
    pub price: Option<Price>,
}

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
    /// Models by [`ModelIndex`].
    pub models: Vec<ModelName>,
    /// Teams, each with the one above it: money that is spent in this epoch counts for these.
    pub teams: Vec<(Arc<str>, Option<Arc<str>>)>,
}
