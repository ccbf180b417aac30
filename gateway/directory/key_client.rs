//! The keys of an issuer, asked for: at a URL, where the issuer's own document says, or in a file. No
//! proxy, no redirect, no body larger than keys are.

use std::{io, time::Duration};

use reqwest::{Client, StatusCode, header};
use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::{
    issuer_keys::IssuerKeys,
    key_set::{KEY_SET_BYTES_MAX, KeySet, KeySetFault},
};
use crate::{
    config::{KeySource, is_key_url},
    failure::shown,
};

/// For one question, from the connection to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Where an issuer says where its keys are, behind its own name.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Who asks for keys.
#[derive(Clone)]
pub(crate) struct KeyClient(Client);

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFault {
    #[error("{what}: no answer: {error}")]
    Unreached { what: &'static str, error: String },
    #[error(
        "{what}: a redirect to `{to}`; redirects are not followed: configure the address itself"
    )]
    Redirect { what: &'static str, to: String },
    #[error("{what}: status {status}; expected 200")]
    Status { what: &'static str, status: StatusCode },
    #[error("the keys: {0}")]
    Set(#[from] KeySetFault),
    #[error("openid-configuration: {0}")]
    Discovery(String),
    #[error("the file of keys: {0}")]
    File(#[from] io::Error),
}

impl KeyClient {
    /// A client.
    ///
    /// # Errors
    /// When the system's root certificates cannot be used.
    pub(crate) fn new() -> io::Result<Self> {
        let builder = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .timeout(TIMEOUT);
        builder.build().map(Self).map_err(io::Error::other)
    }

    /// The keys of this issuer, as they are there now.
    ///
    /// # Errors
    /// When they cannot be had or are none.
    pub(crate) async fn fetch(&self, keys: &IssuerKeys) -> Result<KeySet, KeyFault> {
        let document = match &keys.source {
            KeySource::Url(url) => self.get("the keys", url).await?,
            KeySource::Discovery => {
                let url = self.discover(&keys.issuer).await?;
                self.get("the keys", &url).await?
            }
            KeySource::File(path) => {
                let (mut text, most) = (Vec::new(), u64::try_from(KEY_SET_BYTES_MAX).unwrap_or(0));
                let file = tokio::fs::File::open(path).await?;
                file.take(most + 1).read_to_end(&mut text).await?;
                text
            }
        };
        Ok(KeySet::read(&document)?)
    }

    /// The URL at which an issuer says that its keys are.
    async fn discover(&self, issuer: &str) -> Result<String, KeyFault> {
        let wrong = |found: String| Err(KeyFault::Discovery(found));
        let url = format!("{}{DISCOVERY}", issuer.trim_end_matches('/'));
        let text = self.get("openid-configuration", &url).await?;
        let Ok(document) = serde_json::from_slice::<Value>(&text) else {
            return wrong("found no JSON".into());
        };
        let said = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
        if said("issuer") != issuer {
            let found = shown(said("issuer"));
            return wrong(format!("found the issuer `{found}`, expected `{issuer}`"));
        }
        let url = said("jwks_uri");
        let clear = issuer.starts_with("https:") && !url.starts_with("https:");
        if clear || !is_key_url(url) {
            let found = shown(url);
            return wrong(format!("found `jwks_uri` `{found}`, expected an https URL"));
        }
        Ok(url.to_owned())
    }

    /// What stands at a URL.
    async fn get(&self, what: &'static str, url: &str) -> Result<Vec<u8>, KeyFault> {
        let unreached = |error: reqwest::Error| KeyFault::Unreached { what, error: chain(&error) };
        let request = self.0.get(url).header(header::ACCEPT, "application/json");
        let mut answer = request.send().await.map_err(unreached)?;
        let status = answer.status();
        if status.is_redirection() {
            let to = answer.headers().get(header::LOCATION).and_then(|it| it.to_str().ok());
            return Err(KeyFault::Redirect { what, to: shown(to.unwrap_or_default()) });
        }
        if status != StatusCode::OK {
            return Err(KeyFault::Status { what, status });
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreached)? {
            if body.len() + chunk.len() > KEY_SET_BYTES_MAX {
                return Err(KeySetFault::TooLarge.into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// An error with what caused it: by itself it only says that sending failed.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |it| it.source());
    causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
}
