//! How the attempts of a request find their replicas: at once where a place is free, else by waiting for one.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use policies::{Planned, facts::ModelIndex};
use smallvec::SmallVec;

use super::scope::Scope;
use crate::{
    dispatch::{EndpointEvent, target::Target},
    fleet::{Found, InFlight, PickHint, QueueTicket, Turn, Waiter, Wanted},
};

/// A request's places at replicas: those it had, and the one it waits for.
pub(super) struct Places {
    hint: PickHint,
    waiter: Waiter,
    /// The place in a full model's queue.
    ticket: Option<QueueTicket>,
    /// Replicas that were asked already.
    tried: SmallVec<[(ModelIndex, u16); 4]>,
}

impl Places {
    /// Places of a request that has asked no replica yet.
    pub(super) fn new(hint: PickHint, waiter: Waiter) -> Self {
        Self { hint, waiter, ticket: None, tried: SmallVec::new() }
    }

    /// A replica for this entry of the plan, and how it is asked. If there is none, whether that is only
    /// because all are full. `again` says that this is not the first attempt of the request.
    pub(super) fn find(
        &mut self,
        entry: &Planned,
        again: bool,
        scope: &Scope,
        now: Instant,
    ) -> Result<(InFlight, Arc<Target>), bool> {
        let wanted = Wanted {
            model: entry.model,
            tried: &self.tried,
            hint: self.hint,
            again,
            granted: self.ticket.is_some(),
            last_resort: scope.plan.last_resort,
        };
        let found = scope.upstreams.fleet.pick(&wanted, now);
        // What was granted is taken, or passed on.
        self.ticket = None;
        let endpoint = match found {
            Found::Place(endpoint) => endpoint,
            Found::Full => return Err(true),
            Found::Nothing => return Err(false),
        };
        let target = scope.upstreams.target(endpoint.model, endpoint.index).ok_or(false)?;
        if scope.plan.last_resort {
            (scope.upstreams.observer)(&endpoint, EndpointEvent::LastResort);
        }
        self.tried.push((entry.model, endpoint.index));
        Ok((endpoint, target))
    }

    /// Lets the replica be asked once more.
    pub(super) fn forget(&mut self, model: ModelIndex, endpoint: u16) {
        self.tried.retain(|it| *it != (model, endpoint));
    }

    /// Whether the model has another live replica that was not asked yet.
    pub(super) fn has_other(&self, model: ModelIndex, scope: &Scope, now: Instant) -> bool {
        scope.upstreams.fleet.has_other(model, &self.tried, now)
    }

    /// Waits for a place at this model; if there is no use in it, returns how long it might have taken.
    pub(super) fn join(
        &mut self,
        model: ModelIndex,
        scope: &Scope,
        now: Instant,
    ) -> Result<(), Duration> {
        let upstreams = &scope.upstreams;
        let ticket = upstreams.fleet.join(model, self.waiter, upstreams.queue, now)?;
        self.waiter.until = Some(ticket.until);
        self.ticket = Some(ticket);
        Ok(())
    }

    /// Gives up the wait.
    pub(super) fn leave(&mut self) {
        self.ticket = None;
    }

    /// The end of the wait, if there is one and it has ended.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Option<Poll<Turn>> {
        self.ticket.as_ref().map(|ticket| ticket.poll(cx))
    }

    /// When the wait is over, if there is one.
    pub(super) fn until(&self) -> Option<Instant> {
        self.ticket.as_ref().map(|ticket| ticket.until)
    }
}
