//! The question for the tokens of a request, and how many an answer says there are.
//!
//! A caller waits for it, and an estimate is always at hand: so it is asked once, within two seconds in all,
//! and no more is read than the tokens of the longest context can take.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use reqwest::Client;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

use super::{Probe, authorized};

/// How long a replica may take, for all that it is asked.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The most that is read of an answer: a million tokens, each with a comma, are less.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// A question for the tokens of a request.
pub(crate) enum TokenQuestion {
    /// By the caller's own dialect: `input_tokens` is the answer.
    Own {
        /// The path behind the base URL.
        path: &'static str,
        /// The caller's headers of his dialect.
        headers: HeaderMap,
        /// The body.
        body: Bytes,
    },
    /// Of a chat completion: `count` is the answer.
    Chat(Bytes),
    /// Of a chat completion, of which the prompt is written first: `tokens` are the answer.
    Template(Bytes),
}

#[derive(Deserialize)]
struct Input {
    input_tokens: u32,
}

#[derive(Deserialize)]
struct Count {
    count: u32,
}

#[derive(Deserialize)]
struct Prompt {
    prompt: String,
}

#[derive(Deserialize)]
struct Tokens {
    /// Nothing is kept of them but how many they are.
    tokens: Vec<IgnoredAny>,
}

/// Asks a replica; nothing where it does not answer as it should, in time.
pub(super) async fn count(client: &Client, probe: &Probe, asked: TokenQuestion) -> Option<u32> {
    tokio::time::timeout(TIMEOUT, answered(client, probe, asked)).await.ok()?
}

async fn answered(client: &Client, probe: &Probe, asked: TokenQuestion) -> Option<u32> {
    let base = probe.base.trim_end_matches('/');
    let beside = base.strip_suffix("/v1").unwrap_or(base);
    let none = HeaderMap::new;
    match asked {
        TokenQuestion::Own { path, headers, body } => {
            let url = format!("{base}{path}");
            let said = post((client, probe), url, headers, body).await?;
            serde_json::from_slice(&said).ok().map(|it: Input| it.input_tokens)
        }
        TokenQuestion::Chat(body) => {
            let said = post((client, probe), format!("{beside}/tokenize"), none(), body).await?;
            serde_json::from_slice(&said).ok().map(|it: Count| it.count)
        }
        TokenQuestion::Template(body) => {
            let url = format!("{beside}/apply-template");
            let said = post((client, probe), url, none(), body).await?;
            let Prompt { prompt } = serde_json::from_slice(&said).ok()?;
            // As for a request that is answered: names of special tokens in the template are such tokens.
            let body = json!({ "content": prompt, "add_special": true, "parse_special": true });
            let url = format!("{beside}/tokenize");
            let said = post((client, probe), url, none(), body.to_string().into()).await?;
            let Tokens { tokens } = serde_json::from_slice(&said).ok()?;
            u32::try_from(tokens.len()).ok()
        }
    }
}

async fn post(
    (client, probe): (&Client, &Probe),
    url: String,
    headers: HeaderMap,
    body: Bytes,
) -> Option<Vec<u8>> {
    let request = client.post(url).headers(headers).header(CONTENT_TYPE, "application/json");
    let mut answer = authorized(request.body(body), probe).send().await.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    let mut said = Vec::new();
    while let Some(bytes) = answer.chunk().await.ok()? {
        if said.len() + bytes.len() > ANSWER_BYTES_MAX {
            return None;
        }
        said.extend_from_slice(&bytes);
    }
    Some(said)
}
