//! An answer that is looked at again after its caller has been served: whether it is of the form that was
//! asked for, and what a shadow would have answered. Requests of no experiment, and of no rule that
//! validates, leave none of it behind.

use std::sync::Arc;

use bytes::Bytes;
use policies::Plan;
use tokio::sync::mpsc::Sender;
use uuid::Uuid;

use super::Epoch;
use crate::{
    outcome::{Judged, Opened, ShadowOf},
    wire,
};

/// The longest answer that is kept, as it is written: longer ones are not looked at.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many answers wait to be looked at; more are not looked at.
pub(crate) const SERVED_MAX: usize = 64;

/// The way of answers to whoever looks at them.
pub(crate) type ServedSender = Sender<Served>;

/// A request, and as much of its answer as has been passed on.
pub(crate) struct Keep {
    id: Uuid,
    request: wire::Request,
    of: Option<ShadowOf>,
    to_shadow: bool,
    answer: KeptAnswer,
}

/// The bytes of an answer in the pieces in which they were passed on.
#[derive(Default)]
pub(crate) struct KeptAnswer {
    pieces: Vec<Bytes>,
    bytes: usize,
}

/// A request whose caller has had the whole answer.
pub(crate) struct Served {
    /// Its id.
    pub id: Uuid,
    /// The request.
    pub request: wire::Request,
    /// Its id and its arm, if it is one of an experiment.
    pub of: Option<ShadowOf>,
    /// Whether its experiment's shadow gets it too.
    pub to_shadow: bool,
    /// The answer.
    pub answer: KeptAnswer,
    /// The request as it was accepted.
    pub opened: Arc<Opened>,
    /// What it went by.
    pub epoch: Arc<Epoch>,
}

impl Keep {
    /// What is kept of a request with this plan; `None` where nothing is looked at again.
    pub(super) fn of(
        epoch: &Epoch,
        (id, seed): (Uuid, u128),
        plan: &Plan,
        request: &wire::Request,
    ) -> Option<Box<Self>> {
        let experiment = plan.arm.and_then(|arm| epoch.policy.experiment(arm.experiment));
        let to_shadow = experiment.is_some_and(|it| it.shadows(seed));
        let asks = |name: &str| name == Judged::SCHEMA_VALID;
        let measured = experiment.is_some_and(|it| {
            asks(&it.judged.primary) || it.judged.metrics.iter().any(|it| asks(it))
        });
        let judged = (measured || plan.validates) && request.json_schema();
        (to_shadow || judged).then(|| {
            Box::new(Self {
                id,
                request: request.clone(),
                of: plan.arm.map(|arm| ShadowOf { request: id, arm }),
                to_shadow,
                answer: KeptAnswer::default(),
            })
        })
    }

    /// Keeps a piece of the answer.
    pub(super) fn push(&mut self, piece: &Bytes) {
        self.answer.push(piece);
    }

    /// Hands it on, now that the caller has had the answer.
    pub(super) fn served(self, opened: Arc<Opened>, epoch: Arc<Epoch>, to: &ServedSender) {
        let Self { id, request, of, to_shadow, answer } = self;
        // Where there is no room, the next one is looked at.
        let _ = to.try_send(Served { id, request, of, to_shadow, answer, opened, epoch });
    }
}

impl KeptAnswer {
    /// Keeps a piece; of an answer that has become too long, nothing.
    pub(super) fn push(&mut self, piece: &Bytes) {
        self.bytes = self.bytes.saturating_add(piece.len());
        if self.bytes > ANSWER_BYTES_MAX {
            self.pieces = Vec::new();
        } else {
            self.pieces.push(piece.clone());
        }
    }

    /// What it says; `None` where it was too long or cannot be read.
    pub(crate) fn transcript(&self, request: &wire::Request) -> Option<wire::Transcript> {
        let whole = self.bytes <= ANSWER_BYTES_MAX;
        whole.then(|| wire::transcript(request.surface(), request.stream(), &self.pieces)).flatten()
    }
}
