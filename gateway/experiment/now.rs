//! The experiments of a policy as they are now.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;
use policies::experiment::{Experiment, ExperimentView};

use super::view::{Changes, next_step, view};

/// The experiments of one version of the policy, and what decisions of this moment go by. What was changed in
/// them is the same in all versions.
pub(crate) struct Experiments {
    experiments: Arc<[Experiment]>,
    changes: Arc<ArcSwap<Changes>>,
    published: ArcSwap<Published>,
}

/// What decisions go by, and what it was made from.
struct Published {
    view: ExperimentView,
    changes: Arc<Changes>,
    /// When it holds no more, in seconds since 1970.
    until: Option<i64>,
}

impl Published {
    fn new(experiments: &[Experiment], changes: Arc<Changes>, now: Timestamp) -> Self {
        let seconds = now.as_second();
        let until = next_step(experiments, seconds);
        Self { view: view(experiments, &changes, seconds), changes, until }
    }
}

/// The view at the moment in which it was asked for.
pub(crate) struct View(Option<Guard<Arc<Published>>>);

impl View {
    /// What a decision goes by.
    pub(crate) fn experiments(&self) -> &ExperimentView {
        static NONE: ExperimentView = ExperimentView { states: Vec::new() };
        self.0.as_ref().map_or(&NONE, |published| &published.view)
    }
}

impl Experiments {
    /// These experiments, with the changes that there are in those `before`.
    pub(crate) fn new(experiments: &[Experiment], before: Option<&Self>, now: Timestamp) -> Self {
        let changes = before.map_or_else(Arc::default, |before| Arc::clone(&before.changes));
        let experiments: Arc<[Experiment]> = experiments.into();
        let published = Published::new(&experiments, changes.load_full(), now);
        Self { experiments, changes, published: ArcSwap::from_pointee(published) }
    }

    /// What decisions go by now. Where the policy has no experiment, nothing is looked up.
    pub(crate) fn view(&self) -> View {
        View((!self.experiments.is_empty()).then(|| self.published.load()))
    }

    /// Begins the step of a ramp whose time has come, and takes over what was changed meanwhile. A clock that
    /// is set back takes no step back: who takes part goes on taking part.
    pub(crate) fn look(&self, now: Timestamp) {
        if self.experiments.is_empty() {
            return;
        }
        let published = self.published.load();
        let changes = self.changes.load_full();
        let holds = published.until.is_none_or(|until| now.as_second() < until);
        if !holds || !Arc::ptr_eq(&changes, &published.changes) {
            self.published.store(Arc::new(Published::new(&self.experiments, changes, now)));
        }
    }

    /// Puts these changes in force instead of those that there were, in this version of the policy at once and
    /// in each that follows.
    #[cfg_attr(not(test), expect(dead_code, reason = "guards and operators are yet to call it"))]
    pub(crate) fn change(&self, changes: Changes, now: Timestamp) {
        self.changes.store(Arc::new(changes));
        self.look(now);
    }
}

#[cfg(test)]
mod tests;
