//! A request in flight at a replica: its place there, and what its result says of the replica.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Endpoint, Replicas, Wanted,
    endpoint::{Back, Ejection},
};

/// A request in flight at an endpoint; dropping it ends it.
pub(crate) struct InFlight {
    endpoint: Arc<Endpoint>,
    replicas: Arc<Replicas>,
    began: Instant,
    /// Set where it has drawn on the retry budget.
    retry: bool,
    /// Its result has said what it says of the endpoint.
    decided: bool,
}

impl InFlight {
    /// Takes a place, and the trial of a replica that is ejected; nothing, if another was quicker.
    pub(super) fn enter(
        endpoint: &Arc<Endpoint>,
        replicas: &Arc<Replicas>,
        wanted: &Wanted<'_>,
        now: Instant,
    ) -> Option<Self> {
        if !endpoint.take_place() {
            return None;
        }
        let outlier = &endpoint.state.outlier;
        let outlying = outlier.any();
        let retry = (wanted.again || wanted.last_resort) && outlying;
        if !wanted.again {
            replicas.retries.earn();
        }
        if retry && !replicas.retries.take(!wanted.again) {
            endpoint.give_back();
            return None;
        }
        // From here on the place is given back by itself.
        let (endpoint, replicas) = (Arc::clone(endpoint), Arc::clone(replicas));
        let mut entered = Self { endpoint, replicas, began: now, retry, decided: true };
        let outlier = &entered.endpoint.state.outlier;
        if outlying && wanted.last_resort {
            outlier.begins_all_the_same(now);
        } else if outlying && !outlier.begins(now) {
            return None;
        }
        entered.decided = false;
        Some(entered)
    }

    /// An answer came. What the replica is back from, if this ends an ejection.
    pub(super) fn answered(
        &mut self,
        first_token: Duration,
        tells: bool,
        now: Instant,
    ) -> Option<Back> {
        self.decided = true;
        self.endpoint.answered(self.began, first_token, tells, now)
    }

    /// It failed by the endpoint's fault.
    pub(super) fn failed(&mut self, now: Instant) -> Ejection {
        self.decided = true;
        self.endpoint.failed(self.began, now)
    }
}

impl std::ops::Deref for InFlight {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.decided {
            self.endpoint.undecided(self.began);
        }
        self.endpoint.give_back();
        if self.retry {
            self.replicas.retries.give_back();
        }
        self.replicas.refill();
    }
}
