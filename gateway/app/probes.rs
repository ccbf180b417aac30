//! Whether replicas that are ejected are back: when they are asked.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};

use crate::pipeline::Gateway;

/// How often ejected replicas are asked.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Asks those of the epoch in force again and again, each once at a time.
pub(super) async fn run(gateway: Arc<Gateway>) {
    let mut beat = tokio::time::interval(PROBE_EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Once: from one probe to the next of the same replica it is the same time then.
    let random = (gateway.sources.random)();
    let mut asked = FuturesUnordered::new();
    loop {
        tokio::select! {
            _ = beat.tick() => {
                let epoch = gateway.epoch.load_full();
                for endpoint in epoch.upstreams.fleet.ejected().filter(|it| it.probe_begins()) {
                    let (epoch, endpoint) = (Arc::clone(&epoch), Arc::clone(endpoint));
                    let clock = gateway.sources.now;
                    asked.push(async move {
                        epoch.prober.ask(&epoch.upstreams.fleet, &endpoint, random, clock).await;
                        endpoint.probe_ends();
                    });
                }
            }
            Some(()) = asked.next() => {}
        }
    }
}
