//! What proofs must know of conditions: the values they name, and what they depend on.

use std::{ops::RangeInclusive, sync::Arc};

use super::{When, cel::Expression};
use crate::facts::{Content, Money};

/// The values that conditions name where not all values can be listed: between two of them nothing changes.
#[derive(Debug, Default)]
pub(crate) struct Landmarks {
    pub(crate) models: Vec<Box<str>>,
    pub(crate) tags: Vec<(Box<str>, Box<str>)>,
    pub(crate) contents: Vec<Content>,
    pub(crate) confidence: Vec<f32>,
    pub(crate) input_tokens: Vec<f64>,
    pub(crate) output_tokens: Vec<f64>,
    pub(crate) budget_left: Vec<Money>,
    pub(crate) minutes: Vec<u16>,
    pub(crate) cel: Vec<Arc<str>>,
    pub(crate) expressions: Vec<Expression>,
}

impl Landmarks {
    /// Adds what conditions name.
    pub(crate) fn add(&mut self, when: &When) {
        self.models.extend(when.model.iter().flat_map(|it| it.values.iter().cloned()));
        self.tags.extend(when.tag.iter().flat_map(|it| it.values.iter().cloned()));
        self.contents.extend(when.contains.iter().flat_map(|it| it.values.iter().copied()));
        let ends = |range: &RangeInclusive<f64>| [*range.start(), *range.end()];
        self.confidence.extend(when.confidence.iter().flat_map(|it| [*it.start(), *it.end()]));
        self.input_tokens.extend(when.input_tokens.iter().flat_map(ends));
        self.output_tokens.extend(when.output_tokens_max.iter().flat_map(ends));
        self.budget_left.extend(when.budget_left.iter().flat_map(|(min, max)| [*min, *max]));
        self.minutes.extend(when.hours.iter().flat_map(|(from, to)| [*from, *to]));
        self.cel.extend(when.cel().cloned());
        self.expressions.extend(when.cel.clone());
    }
}

/// Whether conditions ask for what a caller may state by a header.
pub(crate) fn hintable(when: &When) -> Option<&'static str> {
    let stated = [
        ("language", when.language.is_some()),
        ("task", when.task.is_some()),
        ("confidence", when.confidence.is_some()),
        ("cel", when.cel.as_ref().is_some_and(Expression::hintable)),
    ];
    stated.into_iter().find(|(_, is)| *is).map(|(dimension, _)| dimension)
}
