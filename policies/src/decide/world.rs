//! What the moment says: how the fleet is, and how the experiments are.

use std::sync::Arc;

use crate::{experiment::ExperimentView, facts::FleetView};

/// Experiments that run as the policy says.
static AS_WRITTEN: ExperimentView = ExperimentView { states: Vec::new() };

/// The moment in which a request is decided. A fleet alone is a moment in which all experiments run as the
/// policy says.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// How the fleet is.
    pub fleet: &'a FleetView,
    /// How the experiments are.
    pub experiments: &'a ExperimentView,
}

impl<'a> From<&'a FleetView> for World<'a> {
    fn from(fleet: &'a FleetView) -> Self {
        Self { fleet, experiments: &AS_WRITTEN }
    }
}

impl<'a> From<&'a Arc<FleetView>> for World<'a> {
    fn from(fleet: &'a Arc<FleetView>) -> Self {
        Self::from(&**fleet)
    }
}
