//! Parts of the requests that are looked at apart, without a claim.

use std::{collections::HashMap, sync::Arc};

use crate::experiment::stats::Moments;

/// Values of labels that are told apart at the most; what comes after them is in no segment.
const VALUES_MAX: usize = 512;
/// The largest values of each label that a report has.
const LARGEST: usize = 5;

/// A label that segments are told apart by, and one of its values.
type Label = (&'static str, Arc<str>);

/// The segments that have come, with the primary's moments for each arm.
#[derive(Debug, Default)]
pub(super) struct Segments {
    places: HashMap<Label, usize>,
    all: Vec<(Label, Vec<Moments>)>,
}

impl Segments {
    /// The position of a segment.
    pub(super) fn place(&mut self, by: &'static str, value: &str) -> Option<usize> {
        let label = (by, Arc::from(value));
        if let Some(at) = self.places.get(&label) {
            return Some(*at);
        }
        let at = self.all.len();
        (at < VALUES_MAX).then(|| {
            self.places.insert(label.clone(), at);
            self.all.push((label, Vec::new()));
            at
        })
    }

    /// Takes a unit's value in one of them.
    pub(super) fn add(&mut self, segment: usize, arm: usize, value: f64) {
        let Some((_, arms)) = self.all.get_mut(segment) else { return };
        if arms.len() <= arm {
            arms.resize(arm + 1, Moments::new(0.0));
        }
        if let Some(moments) = arms.get_mut(arm) {
            moments.add(value);
        }
    }

    /// The largest of each label that has more than one value, in order.
    pub(super) fn largest(&self) -> Vec<&(Label, Vec<Moments>)> {
        let mut chosen = Vec::new();
        for by in ["language", "task", "team"] {
            let units = |it: &(Label, Vec<Moments>)| it.1.iter().map(Moments::count).sum::<u64>();
            let mut all: Vec<_> =
                self.all.iter().filter(|it| it.0.0 == by && units(it) > 0).collect();
            if all.len() < 2 {
                continue;
            }
            all.sort_by(|a, b| units(b).cmp(&units(a)).then_with(|| a.0.cmp(&b.0)));
            chosen.extend(all.into_iter().take(LARGEST));
        }
        chosen
    }
}
