//! What has to happen again and again while the process serves.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{alerts::Alerts, experiments, trail};
use crate::pipeline::{Gateway, guards};

/// How often decisions get a new view of the fleet, and of the experiments where a step of a ramp begins or
/// something was changed in them.
const VIEW_EVERY: Duration = Duration::from_millis(100);
/// How often idle connections are looked at, and whether arms get other shares.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Looks at the fleet and at what other processes change, and sweeps up what has come to its end, until the
/// process ends.
pub(super) async fn run(gateway: Arc<Gateway>, ledger: PathBuf, alerts: Alerts) {
    tokio::join!(look(&gateway, &alerts), experiments::follow(&gateway, ledger));
}

async fn look(gateway: &Gateway, alerts: &Alerts) {
    let mut view = tokio::time::interval(VIEW_EVERY);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    loop {
        tokio::select! {
            _ = view.tick() => {
                let epoch = gateway.epoch.load();
                epoch.upstreams.look(VIEW_EVERY, gateway.now());
                epoch.experiments.look((gateway.sources.timestamp)());
            }
            _ = sweep.tick() => {
                gateway.epoch.load().upstreams.sweep(gateway.now());
                guards::look(gateway);
                alerts.look(gateway);
                trail::denied(gateway, false);
            }
        }
    }
}
