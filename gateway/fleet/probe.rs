//! Asks replicas that are ejected whether they are there again, so that no caller has to find out.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderValue, StatusCode, header::AUTHORIZATION};
use reqwest::{RequestBuilder, Response};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

use super::{Endpoint, Fleet};

/// How long a replica may take to say what it serves. With the spread it is less than a second, from one
/// round to the next.
const MODELS_TIMEOUT: Duration = Duration::from_millis(750);
/// How long it may take for one token at the most: what it said before is not forgotten till then.
const TOKEN_TIMEOUT_MAX: Duration = Duration::from_millis(2_500);
/// Probes of one round are spread over this much, so that many gateways do not ask at once.
const SPREAD_MS: u64 = 200;
/// The most that is read of an answer of one token.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The way in which one replica is probed.
pub(crate) struct Probe {
    /// Its base URL.
    pub base: String,
    /// The credential that it wants.
    pub authorization: Option<HeaderValue>,
    /// The request that it is sent.
    pub question: Question,
}

/// The request by which a replica is probed.
pub(crate) enum Question {
    /// The list of what it serves: a sign of life.
    Models,
    /// One token: a proof that it serves.
    Token {
        /// The model's name at its engine.
        model: Box<str>,
        /// How long it may take.
        timeout: Duration,
    },
}

/// The probes of all replicas of an epoch.
pub(crate) struct Prober {
    client: reqwest::Client,
    /// The probes by model and replica.
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
            .build()
            .map_err(io::Error::other)?;
        Ok(Self { client, probes })
    }

    /// For other replicas, with the same client.
    pub(crate) fn with(&self, probes: Vec<Vec<Probe>>) -> Self {
        Self { client: self.client.clone(), probes }
    }

    /// Asks an ejected replica and tells the fleet.
    pub(crate) async fn ask(
        &self,
        fleet: &Fleet,
        endpoint: &Arc<Endpoint>,
        random: u64,
        clock: fn() -> Instant,
    ) {
        let spread = Duration::from_millis((random ^ endpoint.name) % SPREAD_MS);
        tokio::time::sleep(spread).await;
        let probe = self.probes.get(endpoint.model.get());
        if let Some(probe) = probe.and_then(|it| it.get(usize::from(endpoint.index))) {
            fleet.probed(endpoint, self.alive(probe).await, clock());
        }
    }

    async fn alive(&self, probe: &Probe) -> bool {
        let base = probe.base.trim_end_matches('/');
        match &probe.question {
            Question::Models => {
                let request = self.client.get(format!("{base}/models")).timeout(MODELS_TIMEOUT);
                let answer = authorized(request, probe).send().await;
                answer.is_ok_and(|answer| !answer.status().is_server_error())
            }
            Question::Token { model, timeout } => {
                let body = json!({
                    "model": model,
                    "messages": [{ "role": "user", "content": "Say yes." }],
                    "max_tokens": 1,
                });
                let request = self.client.post(format!("{base}/chat/completions")).json(&body);
                let request = request.timeout((*timeout).min(TOKEN_TIMEOUT_MAX));
                let answer = authorized(request, probe).send().await;
                match answer {
                    Ok(answer) => serves(answer).await,
                    Err(_) => false,
                }
            }
        }
    }
}

fn authorized(request: RequestBuilder, probe: &Probe) -> RequestBuilder {
    match &probe.authorization {
        Some(authorization) => request.header(AUTHORIZATION, authorization.clone()),
        None => request,
    }
}

/// Whether it has written something, or would have: one that is full serves others, and one that does not
/// like the question understands it.
async fn serves(mut answer: Response) -> bool {
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::BAD_REQUEST
        | StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::TOO_MANY_REQUESTS => return true,
        _ => return false,
    }
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = answer.chunk().await {
        body.extend_from_slice(&bytes);
        if body.len() > ANSWER_BYTES_MAX {
            return false;
        }
    }
    #[derive(Deserialize)]
    struct Completion {
        choices: Vec<IgnoredAny>,
    }
    serde_json::from_slice(&body).is_ok_and(|it: Completion| !it.choices.is_empty())
}
