//! What the figures of an epoch are called where people read them.

use std::sync::Arc;

use policies::{
    FleetSnapshot, Policy,
    experiment::{Arm, Enrolled, Experiment},
    facts::{FleetFacts, ModelFacts, Money},
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
    /// The models whose own machines are paid by the hour from that moment on.
    pub by_hour: Vec<(Arc<str>, ByHour)>,
}

/// What the own machines of a model cost by the hour, whether they serve anybody or not. No decision and no
/// entry is made of it: they go by the running rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByHour {
    /// An hour of one replica.
    pub per_hour: Money,
    /// How many replicas are paid for.
    pub replicas: u32,
}

impl ByHour {
    /// An hour of all replicas, or the most that an amount can be.
    #[must_use]
    pub fn of_all(&self) -> Money {
        Money::from_nano(self.per_hour.nano().saturating_mul(i64::from(self.replicas)))
    }
}

impl PolicyRecord {
    /// The record of a policy that comes into force at this moment.
    #[must_use]
    pub fn new(policy: &Policy, since_ms: i64) -> Self {
        let document = Arc::clone(policy.document());
        Self { document, fleet: FleetSnapshot::of(policy), since_ms, by_hour: Vec::new() }
    }

    /// The same, with the models whose machines are paid by the hour.
    #[must_use]
    pub fn with_machines(self, by_hour: Vec<(Arc<str>, ByHour)>) -> Self {
        Self { by_hour, ..self }
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
