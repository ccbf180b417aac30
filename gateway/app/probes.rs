//! Whether replicas that are ejected are back: when they are asked.

use std::{sync::Arc, time::Duration};

use crate::pipeline::Gateway;

/// How often ejected replicas are asked.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Asks those of the epoch in force again and again.
pub(super) async fn run(gateway: Arc<Gateway>) {
    loop {
        tokio::time::sleep(PROBE_EVERY).await;
        let epoch = gateway.epoch.load_full();
        let random = (gateway.world.random)();
        epoch.prober.round(&epoch.upstreams.fleet, random, gateway.world.now).await;
    }
}
