//! The one vector space of a request for embeddings.

use super::Moment;
use crate::{facts::ModelIndex, plan::Skip, set::BitSet};

/// The model whose vector space a request is bound to, if it asks for vectors.
pub(super) struct Bound(Option<ModelIndex>);

impl Bound {
    /// The first model of the route with vectors that whoever asks may use, however the fleet is and whatever
    /// guards bind: no moment changes the space.
    pub(super) fn of(moment: &Moment<'_>, models: &[ModelIndex], allowed: &BitSet) -> Self {
        let may = |it: &&ModelIndex| allowed.contains(it.get()) && space(moment, **it).is_some();
        Self(models.iter().find(may).copied().filter(|_| moment.signals.operation.has_vectors()))
    }

    /// Whether a model's vectors are of that space.
    pub(super) fn holds(&self, moment: &Moment<'_>, model: ModelIndex) -> Result<(), Skip> {
        match self.0 {
            Some(bound) if space(moment, bound) != space(moment, model) => Err(Skip::Space(bound)),
            _ => Ok(()),
        }
    }
}

fn space<'a>(moment: &'a Moment<'_>, model: ModelIndex) -> Option<&'a str> {
    moment.facts(model)?.vector_space.as_deref()
}
