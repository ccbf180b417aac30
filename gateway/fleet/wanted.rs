//! What an attempt wants of a replica, and what comes of looking for one.

use policies::facts::ModelIndex;

use super::{Endpoint, InFlight, PickHint};

/// The conditions on the replica for one attempt.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The model.
    pub model: ModelIndex,
    /// The replicas that were asked already.
    pub tried: &'a [(ModelIndex, u16)],
    /// The hint that decides among those left.
    pub hint: PickHint,
    /// Whether another attempt was made before for the same request.
    pub again: bool,
    /// Whether it was its turn to take a place that others wait for.
    pub granted: bool,
    /// Whether an ejected one will do: no model of the plan has another.
    pub last_resort: bool,
}

impl Wanted<'_> {
    pub(super) fn tried(&self, endpoint: &Endpoint) -> bool {
        self.tried.contains(&(endpoint.model, endpoint.index))
    }
}

/// The result of looking for a replica.
pub(crate) enum Found {
    /// A replica that takes the request.
    Place(InFlight),
    /// Replicas that would, but have all that they may have in flight.
    Full,
    /// No replica.
    Nothing,
}
