//! Asks replicas that are ejected whether they are there again, so that no caller has to find out.

use std::{
    io,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use http::{HeaderValue, header::AUTHORIZATION};

use super::{Endpoint, Fleet};

/// How long a replica may take to say what it serves. With the spread it is less than a second, from one
/// round to the next.
const PATIENCE: Duration = Duration::from_millis(750);
/// Probes of one round are spread over this much, so that many gateways do not ask at once.
const SPREAD_MS: u64 = 200;

/// How one replica is asked.
pub(crate) struct Probe {
    /// Its base URL.
    pub base: String,
    /// What it wants to see.
    pub authorization: Option<HeaderValue>,
}

/// Asks all replicas of an epoch.
pub(crate) struct Prober {
    client: reqwest::Client,
    /// By model and replica.
    probes: Vec<Vec<Probe>>,
}

impl Prober {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// When no client can be made.
    pub(crate) fn new(probes: Vec<Vec<Probe>>) -> io::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .timeout(PATIENCE)
            .build()
            .map_err(io::Error::other)?;
        Ok(Self { client, probes })
    }

    /// For other replicas, with the same client.
    pub(crate) fn with(&self, probes: Vec<Vec<Probe>>) -> Self {
        Self { client: self.client.clone(), probes }
    }

    /// Asks each ejected replica once and tells the fleet.
    pub(crate) async fn round(&self, fleet: &Fleet, random: u64, clock: fn() -> Instant) {
        let asked = fleet.ejected().map(|endpoint| async move {
            let spread = Duration::from_millis((random ^ endpoint.name) % SPREAD_MS);
            tokio::time::sleep(spread).await;
            fleet.probed(endpoint, self.alive(endpoint).await, clock());
        });
        join_all(asked).await;
    }

    /// Whether it lists its models, or at least knows what a request is.
    async fn alive(&self, endpoint: &Endpoint) -> bool {
        let probes = self.probes.get(endpoint.model.get());
        let Some(probe) = probes.and_then(|it| it.get(usize::from(endpoint.index))) else {
            return false;
        };
        let base = probe.base.trim_end_matches('/');
        let mut request = self.client.get(format!("{base}/models"));
        if let Some(authorization) = &probe.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        request.send().await.is_ok_and(|answer| !answer.status().is_server_error())
    }
}
