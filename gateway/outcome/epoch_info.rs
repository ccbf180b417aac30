//! What the figures of an epoch are called where people read them.

use std::sync::Arc;

use policies::{
    FleetSnapshot, Policy,
    experiment::{Arm, Enrolled, Experiment},
    facts::{FleetFacts, ModelFacts},
};

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
    /// That policy as the ledger keeps it; nothing where nobody is to make a decision again.
    pub policy: Option<Arc<PolicyRecord>>,
    /// Hash of the price table.
    pub price_version: Arc<str>,
    /// The one table of what models are and cost, and of how teams hang, by which the policy decides.
    pub fleet: Arc<FleetFacts>,
    /// The policy's experiments, by position.
    pub experiments: Arc<[Experiment]>,
}

/// All that a decision of an epoch is made from, as it is written down once.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyRecord {
    /// The policy's document.
    pub document: Arc<str>,
    /// The fleet that it was compiled against.
    pub fleet: FleetSnapshot,
    /// Milliseconds since 1970 at which it came into force.
    pub since_ms: i64,
}

impl PolicyRecord {
    /// The record of a policy that comes into force at this moment.
    #[must_use]
    pub fn new(policy: &Policy, since_ms: i64) -> Self {
        let document = Arc::clone(policy.document());
        Self { document, fleet: FleetSnapshot::of(policy), since_ms }
    }
}

impl EpochInfo {
    /// Models by `ModelIndex`.
    #[must_use]
    pub fn models(&self) -> &[ModelFacts] {
        &self.fleet.models
    }

    /// The experiment and the arm of a request that takes part in one.
    #[must_use]
    pub fn arm(&self, enrolled: &Enrolled) -> Option<(&Experiment, &Arm)> {
        let experiment = self.experiments.get(usize::from(enrolled.experiment.0))?;
        Some((experiment, experiment.arm(enrolled.arm)?))
    }
}
