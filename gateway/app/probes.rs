//! Whether replicas that are ejected are back: when they are asked.

use std::{sync::Arc, time::Duration};

use crate::pipeline::Gateway;

/// How often ejected replicas are asked.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Asks those of the epoch in force again and again.
pub(super) async fn run(gateway: Arc<Gateway>) {
    let mut beat = tokio::time::interval(PROBE_EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Once: from one probe to the next of the same replica it is the same time then.
    let random = (gateway.world.random)();
    loop {
        beat.tick().await;
        let epoch = gateway.epoch.load_full();
        epoch.prober.round(&epoch.upstreams.fleet, random, gateway.world.now).await;
    }
}
