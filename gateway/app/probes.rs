//! Whether replicas that are ejected are back: who is asked, and when.

use std::{io, sync::Arc, time::Duration};

use crate::{
    config::{self, Config},
    fleet::{Probe, Prober},
    pipeline::Gateway,
};

/// How often ejected replicas are asked.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// How the replicas of a configuration are asked.
pub(super) fn prober(config: &Config) -> io::Result<Prober> {
    let probe = |endpoint: &config::Endpoint| {
        let authorization = endpoint.authorization().map_err(io::Error::other)?;
        Ok(Probe { base: endpoint.url.to_string(), authorization })
    };
    let of = |model: &config::Model| model.endpoints.iter().map(probe).collect();
    Prober::new(config.models.iter().map(of).collect::<io::Result<_>>()?)
}

/// Asks them again and again.
pub(super) async fn run(gateway: Arc<Gateway>, prober: Prober) {
    loop {
        tokio::time::sleep(PROBE_EVERY).await;
        let fleet = Arc::clone(&gateway.epoch.load().upstreams.fleet);
        prober.round(&fleet, (gateway.world.random)(), gateway.world.now).await;
    }
}
