//! What proofs must know of conditions: the values they name, and what they depend on.

use std::{ops::RangeInclusive, sync::Arc};

use super::{When, cel::Expression};
use crate::{facts::Money, set::BitSet};

/// The values that conditions name where not all values can be listed: between two of them nothing changes.
#[derive(Debug, Default)]
pub(crate) struct Landmarks {
    pub(crate) models: Vec<Box<str>>,
    pub(crate) tags: Vec<(Box<str>, Box<str>)>,
    pub(crate) confidence: Vec<f32>,
    pub(crate) input_tokens: Vec<f64>,
    pub(crate) output_tokens: Vec<f64>,
    pub(crate) budget_left: Vec<Money>,
    pub(crate) minutes: Vec<u16>,
    pub(crate) cel: Vec<Arc<str>>,
}

impl When {
    /// Adds what these conditions name.
    pub(crate) fn landmarks(&self, into: &mut Landmarks) {
        into.models.extend(self.model.iter().flat_map(|it| it.values.iter().cloned()));
        into.tags.extend(self.tag.iter().flat_map(|it| it.values.iter().cloned()));
        let ends = |range: &RangeInclusive<f64>| [*range.start(), *range.end()];
        into.confidence.extend(self.confidence.iter().flat_map(|it| [*it.start(), *it.end()]));
        into.input_tokens.extend(self.input_tokens.iter().flat_map(ends));
        into.output_tokens.extend(self.output_tokens_max.iter().flat_map(ends));
        into.budget_left.extend(self.budget_left.iter().flat_map(|(min, max)| [*min, *max]));
        into.minutes.extend(self.hours.iter().flat_map(|(from, to)| [*from, *to]));
        into.cel.extend(self.cel().cloned());
    }

    /// Whether it asks for what a caller may state by a header.
    pub(crate) fn hintable(&self) -> Option<&'static str> {
        let stated = [
            ("language", self.language.is_some()),
            ("task", self.task.is_some()),
            ("confidence", self.confidence.is_some()),
            ("cel", self.cel.as_ref().is_some_and(Expression::hintable)),
        ];
        stated.into_iter().find(|(_, is)| *is).map(|(dimension, _)| dimension)
    }

    /// The data classes that it is limited to.
    pub(crate) fn data_classes(&self) -> Option<&BitSet> {
        self.data_class.as_ref()
    }
}
