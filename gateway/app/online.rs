//! What the backends of a configuration serve, without a gateway.

use std::{io, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};

use super::{epoch::prober, probes::ASKED_AT_ONCE};
use crate::{config::Config, fleet::BackendFault};

/// How long a backend may take. Somebody waits, and nobody is served meanwhile: longer than at a start.
const TIMEOUT: Duration = Duration::from_secs(5);

/// One endpoint that was asked.
#[derive(Clone, Debug)]
pub struct AskedEndpoint {
    /// The model that it is of.
    pub model: Arc<str>,
    /// Its base URL.
    pub url: String,
    /// The name by which its engine is to know the model.
    pub upstream_model: Box<str>,
    /// How many models it lists, the model among them; `None` where it serves and has no such list.
    pub found: Result<Option<usize>, BackendFault>,
}

/// Asks each backend for its models, many at once.
///
/// # Errors
/// When a credential cannot be sent or no client can be made.
pub async fn ask_backends(config: &Config) -> io::Result<Vec<AskedEndpoint>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let prober = prober(config, None)?;
    let found = stream::iter(prober.each(TIMEOUT)).buffered(ASKED_AT_ONCE);
    let found: Vec<_> = found.collect().await;
    let models = config.models.iter();
    let endpoints = models.flat_map(|model| model.endpoints.iter().map(move |it| (model, it)));
    let asked = endpoints.zip(found).map(|((model, endpoint), found)| AskedEndpoint {
        model: Arc::clone(&model.id),
        url: endpoint.url.to_string(),
        upstream_model: model.upstream_model.clone(),
        found,
    });
    Ok(asked.collect())
}
