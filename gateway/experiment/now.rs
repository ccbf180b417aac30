//! The experiments of a policy as they are now.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;
use policies::experiment::{Experiment, ExperimentIndex, ExperimentView};

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
    /// The latest time at which it was made, in seconds since 1970: a clock that is set back makes no step of
    /// a ramp undone.
    seconds: i64,
    /// When it holds no more, in seconds since 1970.
    until: Option<i64>,
}

impl Published {
    fn new(experiments: &[Experiment], changes: Arc<Changes>, seconds: i64) -> Self {
        let until = next_step(experiments, seconds);
        Self { view: view(experiments, &changes, seconds), changes, seconds, until }
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
        let latest = before.map_or(i64::MIN, |before| before.published.load().seconds);
        let seconds = now.as_second().max(latest);
        let published = Published::new(&experiments, changes.load_full(), seconds);
        Self { experiments, changes, published: ArcSwap::from_pointee(published) }
    }

    /// What decisions go by now. Where the policy has no experiment, nothing is looked up.
    pub(crate) fn view(&self) -> View {
        View((!self.experiments.is_empty()).then(|| self.published.load()))
    }

    /// The shares of an experiment's arms now, where they follow the outcomes.
    pub(crate) fn shares(&self, at: ExperimentIndex) -> Option<Arc<[f64]>> {
        let published = self.published.load();
        let shares = &published.view.states.get(usize::from(at.0))?.shares;
        (!shares.is_empty()).then(|| shares.as_slice().into())
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
            let seconds = now.as_second().max(published.seconds);
            self.published.store(Arc::new(Published::new(&self.experiments, changes, seconds)));
        }
    }

    /// Puts these changes in force instead of those that there were, in this version of the policy and in
    /// each that follows.
    pub(crate) fn change(&self, changes: Changes, now: Timestamp) {
        self.changes.store(Arc::new(changes));
        self.look(now);
    }
}

#[cfg(test)]
mod tests;
