//! What a replica says against the gateway's own edits, and the same replica again without them.

use std::sync::Arc;

use policies::{Planned, facts::Tokens};

use super::{Ask, Leg, Refused, Target};
use crate::fleet::InFlight;

/// What an error told inside of a 200 is read as, where it speaks of edits of ours.
pub(super) const IN_A_200: u16 = 400;

/// What a leg is started with.
pub(crate) struct Start {
    /// Number of the attempt in the machine.
    pub number: u8,
    /// Its position in the trail.
    pub record: usize,
    /// The replica.
    pub endpoint: InFlight,
    /// How it is asked.
    pub target: Arc<Target>,
    /// How long it may take, and how long its answer may get.
    pub planned: Planned,
    /// What it has just refused of our edits.
    pub refused: Option<Refused>,
}

impl Leg {
    /// The same replica again, without what it refuses of our edits: a sending of its own, but not another
    /// try.
    pub(crate) fn again(self, record: usize, refused: Refused) -> Start {
        let Self { number, endpoint, target, planned, .. } = self;
        Start { number, record, endpoint, target, planned, refused: Some(refused) }
    }

    /// The same of an error in a stream.
    pub(crate) fn hear_in_stream(&mut self, ask: &Ask, said: &str) {
        self.hear(ask, IN_A_200, said.as_bytes());
    }

    /// Notes what an error of this status says against our edits.
    pub(super) fn hear(&mut self, ask: &Ask, status: u16, body: &[u8]) {
        let edit = self.target.edit(ask, self.planned.output_tokens_max, self.refused);
        self.objection = self.refused.objection(ask.request.own(&edit), status, body);
    }

    /// What it took of our edits is remembered, as far as they alone were refused.
    pub(super) fn remember(&self, ask: &Ask) {
        let own = ask.request.own(&self.target.edit(ask, Tokens(0), Refused::default()));
        let mut learned = self.target.learned.refused();
        learned.usage |= self.refused.usage && own.usage_alone;
        if !own.callers.any() {
            learned.bounds = self.refused.bounds;
        }
        self.target.learned.remember(learned);
    }
}
