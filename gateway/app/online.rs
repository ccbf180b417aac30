//! What backends serve, without a gateway: those of a configuration, and those of which one is to be made.

use std::{io, sync::Arc, time::Duration};

use http::HeaderValue;

use futures_util::{StreamExt, stream};

use super::{epoch::prober, probes::ASKED_AT_ONCE};
use crate::{
    config::Config,
    fleet::{BackendFault, FaultKind, ListedModel, listed_models, versioned},
};

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

/// What stands behind the URL of a backend.
#[derive(Clone, Debug)]
pub struct ListedBackend {
    /// The base URL by which it answers: the one given, or that with `/v1`.
    pub base: String,
    /// The models that it lists, with what it says of each.
    pub models: Vec<ListedModel>,
}

/// Asks a backend of which nothing but its URL is known for its models; where no version stands in the URL,
/// first with `/v1` at its end, as engines have it.
///
/// # Errors
/// What is wrong with it, and where to look.
pub async fn list_backend(
    url: &str,
    authorization: Option<HeaderValue>,
) -> Result<ListedBackend, BackendFault> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = url.trim_end_matches('/');
    if versioned(url) {
        return listed(url.to_owned(), authorization).await;
    }
    let first = match listed(format!("{url}/v1"), authorization.clone()).await {
        Ok(found) => return Ok(found),
        Err(fault) => fault,
    };
    // Who does not answer at all, or wants another key, would say the same again.
    if first.kind.dead() || matches!(first.kind, FaultKind::Unauthorized | FaultKind::Forbidden) {
        return Err(first);
    }
    let plain = listed(url.to_owned(), authorization).await;
    let found = format!("{}, and {url}/models is no list either", first.found);
    plain.map_err(|_| BackendFault { found, ..first })
}

async fn listed(
    base: String,
    authorization: Option<HeaderValue>,
) -> Result<ListedBackend, BackendFault> {
    let fault = |kind, found: &str, hint: &str| BackendFault {
        kind,
        found: found.to_owned(),
        hint: hint.to_owned(),
        did_you_mean: None,
    };
    match listed_models(base.clone(), authorization, TIMEOUT).await? {
        None => {
            let busy = "429: it is too busy to list its models";
            Err(fault(FaultKind::Status, busy, "try again when it is less so"))
        }
        Some(models) if models.is_empty() => {
            let hint = "does its engine still load?";
            Err(fault(FaultKind::NoList, "its list of models is empty", hint))
        }
        Some(models) => Ok(ListedBackend { base, models }),
    }
}
