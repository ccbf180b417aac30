//! What a replica says against the gateway's own edits, and the same replica again without them.

use std::sync::Arc;

use policies::{Planned, facts::Tokens};

use super::{Attempt, Refused, Target, UpstreamRequest};
use crate::{dispatch::own, fleet::InFlight, wire};

/// What an error that states no status is read as, where it speaks of edits of ours.
const STATUS: u16 = 400;

/// What a attempt is started with.
pub(crate) struct Start {
    /// Number of the attempt in the machine.
    pub number: u8,
    /// Its position in the log.
    pub record: usize,
    /// The replica.
    pub endpoint: InFlight,
    /// How it is asked.
    pub target: Arc<Target>,
    /// How long it may take, and how long its answer may get.
    pub planned: Planned,
    /// Whether the prompt takes half of the model's context window, or more.
    pub half_full: bool,
    /// What it has just refused of our edits.
    pub refused: Option<Refused>,
}

impl Attempt {
    /// The same replica again, without what it refuses of our edits: a sending of its own, but not another
    /// try.
    pub(crate) fn again(self, record: usize, refused: Refused) -> Start {
        let Self { number, endpoint, target, planned, half_full, .. } = self;
        Start { number, record, endpoint, target, planned, half_full, refused: Some(refused) }
    }

    /// Notes what a failure told inside of a 200 says against our edits.
    pub(super) fn hear(&mut self, request: &UpstreamRequest, said: &wire::Said) {
        self.hear_status(request, said.status.unwrap_or(STATUS), said);
    }

    /// Notes what a failure of this status says against our edits.
    pub(super) fn hear_status(
        &mut self,
        request: &UpstreamRequest,
        status: u16,
        said: &wire::Said,
    ) {
        let sentences = &self.target.context_errors;
        let named = own::named(said, status, self.half_full, sentences);
        let edit = self.target.edit(request, self.planned.output_tokens_max, self.refused);
        self.objection = self.refused.objection(request.body.own(&edit), status, named);
    }

    /// What it took of our edits is remembered, as far as they alone were refused.
    pub(super) fn remember(&self, request: &UpstreamRequest) {
        let own = request.body.own(&self.target.edit(request, Tokens(0), Refused::default()));
        let mut learned = self.target.learned.refused();
        learned.usage |= self.refused.usage && own.usage_alone;
        if !own.callers.any() {
            learned.bounds = self.refused.bounds;
        }
        self.target.learned.remember(learned);
    }
}
