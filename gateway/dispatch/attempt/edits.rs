//! How a replica is asked: the gateway's own edits of the request, what the replica says against them, and
//! by what its failures are judged.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use http::{Response, StatusCode};
use policies::{Planned, facts::Tokens};

use crate::{
    dispatch::{
        judge::{AttemptError, Case},
        own::{self, Objection, RefusedEdits},
        target::{Target, UpstreamRequest},
    },
    fleet::InFlight,
    wire,
};

/// The largest event of a stream.
pub(super) const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// What an error that states no status is read as, where it speaks of edits of ours.
const STATUS: u16 = 400;

/// The inputs of an attempt.
pub(crate) struct Start {
    /// Number of the attempt in the machine.
    pub number: u8,
    /// Its position in the log.
    pub record: usize,
    /// The replica.
    pub endpoint: InFlight,
    /// The address and properties of the replica.
    pub target: Arc<Target>,
    /// How long it may take, and how long its answer may get.
    pub planned: Planned,
    /// Whether the prompt takes half of the model's context window, or more.
    pub half_full: bool,
    /// The edits that it has just refused.
    pub refused: Option<RefusedEdits>,
}

/// The edits with which one attempt asks its replica.
pub(super) struct Edits {
    /// The replica, and what it has taught.
    pub target: Arc<Target>,
    /// The entry of the plan, with the bound on its answer.
    pub planned: Planned,
    /// Whether the prompt takes half of the model's context window, or more.
    pub half_full: bool,
    /// What it refused of our edits, in this attempt or else before.
    refused: RefusedEdits,
    /// Set where it refused an edit in this attempt.
    taught: bool,
}

impl Edits {
    /// Edits as far as the replica takes them: what it has `refused` just now, or else before.
    pub(super) fn new(
        target: Arc<Target>,
        planned: Planned,
        half_full: bool,
        refused: Option<RefusedEdits>,
    ) -> Self {
        let taught = refused.is_some();
        let refused = refused.unwrap_or_else(|| target.learned.refused());
        Self { target, planned, half_full, refused, taught }
    }

    /// The request as this replica gets it.
    pub(super) fn edit<'a>(&'a self, request: &'a UpstreamRequest) -> wire::Edit<'a> {
        self.target.edit(request, self.planned.output_tokens_max, self.refused)
    }

    /// The decoder of its streamed answer.
    pub(super) fn stream(&self, request: &UpstreamRequest) -> wire::Stream {
        let UpstreamRequest { body, label, .. } = request;
        let limits = wire::StreamLimits { event_bytes_max: EVENT_BYTES_MAX };
        let stream = wire::Stream::new(limits, !body.wants_usage()).of(body.n());
        let stream = stream.answering(body, self.target.spoken(request), *label);
        let holds = self.target.holds.load(Relaxed);
        let stream = stream.reasoning_in(self.target.reasoning_in(request), holds);
        if !request.bound {
            return stream;
        }
        let most = self.planned.output_tokens_max.saturating_mul(u32::from(body.n()));
        stream.at_most(most.saturating_add(body.echoed()))
    }

    /// The facts by which its failures are judged.
    pub(super) fn case(&self) -> Case<'_> {
        let Target { context_errors, .. } = &*self.target;
        Case { key: self.target.key(), half_full: self.half_full, context_errors }
    }

    /// What a failure told inside of a 200 says against our edits.
    pub(super) fn objection(
        &self,
        request: &UpstreamRequest,
        said: &wire::Said,
    ) -> Option<Objection> {
        self.objection_of(said.status.unwrap_or(STATUS), request, said)
    }

    /// What a failure of this status says against our edits.
    fn objection_of(
        &self,
        status: u16,
        request: &UpstreamRequest,
        said: &wire::Said,
    ) -> Option<Objection> {
        let named = own::named(said, status, self.half_full, &self.target.context_errors);
        self.refused.objection(request.body.own(&self.edit(request)), status, named)
    }

    /// The error that a whole body in the place of an answer is, and what it says against our edits.
    pub(super) fn refusal(
        &self,
        head: &Response<()>,
        body: &[u8],
        request: &UpstreamRequest,
    ) -> (AttemptError, Option<Objection>) {
        let said = wire::Said::read(body);
        if head.status().is_success() {
            let objection = self.objection(request, &said);
            return (AttemptError::told(&said, self.case()), objection);
        }
        let status: StatusCode = head.status();
        let objection = self.objection_of(status.as_u16(), request, &said);
        (AttemptError::status(status, head.headers(), &said, self.case()), objection)
    }

    /// What the replica took of our edits is remembered, as far as they alone were refused.
    pub(super) fn remember(&self, request: &UpstreamRequest) {
        if !self.taught {
            return;
        }
        let own = request.body.own(&self.target.edit(request, Tokens(0), RefusedEdits::default()));
        let mut learned = self.target.learned.refused();
        learned.usage |= self.refused.usage && own.usage_alone;
        if !own.callers.any() {
            learned.bounds = self.refused.bounds;
        }
        self.target.learned.remember(learned);
    }
}
