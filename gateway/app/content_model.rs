//! The model that is asked by HTTP what texts contain, at the address of the configuration: no proxy, no
//! redirect, no answer larger than counts are.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use policies::facts::{Content, Contents};
use reqwest::{
    Client, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    redirect,
};
use serde_json::Value;

use crate::{
    config::ContentCheck,
    pipeline::{ContentHook, ContentModel, FoundFuture},
    wire::strict,
};

/// The largest answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Servers of Python close a connection that has been idle for 5 seconds: one that is about to be closed
/// must not be asked.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// A model behind an address.
struct HttpModel {
    client: Client,
    url: String,
    credential: Option<HeaderValue>,
}

/// Whom the configuration names, if anybody; with the connections of the epoch before where that is the same
/// one.
///
/// # Errors
/// When the system's root certificates cannot be used.
pub(super) fn hook(
    config: Option<&ContentCheck>,
    before: Option<&ContentHook>,
) -> io::Result<Option<ContentHook>> {
    let Some(config) = config else { return Ok(None) };
    let known = before.filter(|before| before.config == *config);
    let model = match known {
        Some(before) => Arc::clone(&before.model),
        None => Arc::new(HttpModel::new(config)?),
    };
    Ok(Some(ContentHook { config: config.clone(), model }))
}

impl HttpModel {
    fn new(config: &ContentCheck) -> io::Result<Self> {
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .timeout(config.timeout)
            .pool_idle_timeout(IDLE_MAX)
            .user_agent(concat!("signalbox/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(io::Error::other)?;
        let bearer = |secret: &crate::config::Secret| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", secret.expose()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let credential = config.credential.as_ref().map(bearer).transpose();
        let credential = credential
            .map_err(|error: http::header::InvalidHeaderValue| io::Error::other(error))?;
        Ok(Self { client, url: config.url.clone(), credential })
    }
}

impl ContentModel for HttpModel {
    fn ask(&self, body: Bytes) -> FoundFuture {
        let mut request = self.client.post(&self.url).header(CONTENT_TYPE, "application/json");
        if let Some(credential) = &self.credential {
            request = request.header(AUTHORIZATION, credential.clone());
        }
        let request = request.body(body);
        Box::pin(async move {
            let unreached = |error: reqwest::Error| error.without_url().to_string();
            let mut answer = request.send().await.map_err(unreached)?;
            if answer.status() != StatusCode::OK {
                return Err(format!("it answers {}", answer.status()));
            }
            let mut said = Vec::new();
            while let Some(chunk) = answer.chunk().await.map_err(unreached)? {
                if said.len() + chunk.len() > ANSWER_BYTES_MAX {
                    return Err("its answer is too large".to_owned());
                }
                said.extend_from_slice(&chunk);
            }
            found(&said).map_err(str::to_owned)
        })
    }
}

/// What an answer says. What is wrong with one is said without a word of it: it may repeat a text.
fn found(answer: &[u8]) -> Result<Contents, &'static str> {
    let answer =
        strict(answer).map_err(|_| "its answer is no JSON in which each key stands once")?;
    let counts = answer.get("contains").and_then(Value::as_object);
    let mut found = Contents::NONE;
    for (kind, count) in counts.ok_or("its answer has no object `contains`")? {
        let kind = Content::from_code(kind).ok_or("its answer names a kind that there is not")?;
        let count = count.as_u64().ok_or("its answer has a count that is no whole number")?;
        found.add_many(kind, u16::try_from(count).unwrap_or(u16::MAX));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_counts_of_known_kinds_or_is_none() {
        let said = |text: &str| {
            let found = found(text.as_bytes()).ok()?;
            Some(found.found().map(|(kind, count)| (kind.code(), count)).collect::<Vec<_>>())
        };
        for (text, counts) in [
            (r#"{"contains": {}}"#, vec![]),
            (
                r#"{"contains": {"phone": 2, "national_id": 1}}"#,
                vec![("national_id", 1), ("phone", 2)],
            ),
            (r#"{"contains": {"mail": 0}, "model": "ner-1"}"#, vec![]),
            (r#"{"contains": {"mail": 70000}}"#, vec![("mail", u16::MAX)]),
        ] {
            assert_eq!(said(text), Some(counts), "{text}");
        }
        for text in [
            "",
            "no",
            "[]",
            "{}",
            r#"{"contains": null}"#,
            r#"{"contains": ["phone"]}"#,
            r#"{"contains": {"name": 1}}"#,
            r#"{"contains": {"phone": -1}}"#,
            r#"{"contains": {"phone": 1.5}}"#,
            r#"{"contains": {"phone": "1"}}"#,
            r#"{"contains": {"phone": true}}"#,
            r#"{"contains": {"phone": 2, "phone": 0}}"#,
            r#"{"contains": {"phone": 1}} and more"#,
        ] {
            assert_eq!(said(text), None, "{text}");
        }
    }
}
