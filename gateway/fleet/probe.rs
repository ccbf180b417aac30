//! Asks replicas whether they serve: once when they are new, and those that are ejected whether they are
//! there again, so that no caller has to find out.

mod count;
mod finding;
mod list;
mod listed;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderName, HeaderValue, StatusCode, header::AUTHORIZATION};
use reqwest::{RequestBuilder, Response};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

pub(crate) use self::{count::TokenQuestion, finding::versioned};
pub use self::{
    finding::{BackendFault, FaultKind},
    listed::ListedModel,
};
use super::{Endpoint, Fleet};

/// How long a replica may take to say what it serves. With the spread it is less than a second, from one
/// round to the next.
const MODELS_TIMEOUT: Duration = Duration::from_millis(750);
/// How long it may take for one token at the most: what it said before is not forgotten till then.
const TOKEN_TIMEOUT_MAX: Duration = Duration::from_millis(2_500);
/// How long a replica may take to list its models when it is asked what it serves. Not longer than what an
/// earlier answer says holds.
const LIST_TIMEOUT: Duration = Duration::from_millis(2_500);
/// Probes of one round are spread over this much, so that many gateways do not ask at once.
const SPREAD_MS: u64 = 200;
/// The most that is read of an answer of one token.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The way in which one replica is probed.
#[derive(PartialEq, Eq)]
pub(crate) struct Probe {
    /// Its base URL.
    pub base: String,
    /// The credential that it wants.
    pub credential: Option<(HeaderName, HeaderValue)>,
    /// The version of its dialect, where it must be told one.
    pub version: Option<(HeaderName, HeaderValue)>,
    /// The model's name at its engine.
    pub model: Box<str>,
    /// The request that it is sent.
    pub question: Question,
}

/// The request by which a replica is probed.
#[derive(PartialEq, Eq)]
pub(crate) enum Question {
    /// The list of what it serves: a sign of life.
    Models,
    /// One token: a proof that it serves.
    Token {
        /// How long it may take.
        timeout: Duration,
        /// The path of what it is asked by.
        path: &'static str,
    },
}

/// What a backend lists: its models, as far as each has a name; `None` where it is too busy to say.
///
/// # Errors
/// When it does not answer as it should; when no client can be made, as one that breaks off.
pub(crate) async fn models(
    base: String,
    authorization: Option<HeaderValue>,
    timeout: Duration,
) -> Result<Option<Vec<ListedModel>>, BackendFault> {
    let client =
        client().map_err(|error| finding::fault(FaultKind::Closed, error.to_string(), ""))?;
    let credential = authorization.map(|it| (AUTHORIZATION, it));
    let probe =
        Probe { base, credential, version: None, model: "".into(), question: Question::Models };
    let entries = list::entries(&client, &probe, timeout).await?;
    Ok(entries.map(|entries| entries.iter().filter_map(ListedModel::read).collect()))
}

fn client() -> io::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .build()
        .map_err(io::Error::other)
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
        Ok(Self { client: client()?, probes })
    }

    /// For other replicas, with the same client.
    pub(crate) fn with(&self, probes: Vec<Vec<Probe>>) -> Self {
        Self { client: self.client.clone(), probes }
    }

    /// Asks an ejected replica, or one that did not answer as it should, and tells the fleet. True if it now
    /// answers for the first time.
    pub(crate) async fn ask(
        &self,
        fleet: &Fleet,
        endpoint: &Arc<Endpoint>,
        random: u64,
        clock: fn() -> Instant,
    ) -> bool {
        let spread = Duration::from_millis((random ^ endpoint.name) % SPREAD_MS);
        tokio::time::sleep(spread).await;
        let Some(probe) = self.probe(endpoint) else { return false };
        if !endpoint.wrong() {
            fleet.probed(endpoint, self.alive(probe).await, clock());
            return false;
        }
        // It has to show what it could not when it was asked first.
        let found = self.examine(probe, LIST_TIMEOUT).await;
        let alive = found.as_ref().map_or_else(|fault| !fault.kind.dead(), |_| true);
        let fine = found.as_ref().map_or_else(|fault| fault.kind.open(), |_| true);
        let mended = fine && fleet.serves(endpoint, clock());
        fleet.probed(endpoint, alive, clock());
        mended
    }

    /// Asks a replica that is new or changed what it serves, tells the fleet, and says what is wrong.
    ///
    /// # Errors
    /// When it does not answer as it should.
    pub(crate) async fn ask_first(
        &self,
        fleet: &Fleet,
        endpoint: &Arc<Endpoint>,
        clock: fn() -> Instant,
    ) -> Result<(), BackendFault> {
        let Some(probe) = self.probe(endpoint) else { return Ok(()) };
        let found = self.examine(probe, LIST_TIMEOUT).await;
        match &found {
            Ok(_) => drop(fleet.serves(endpoint, clock())),
            Err(fault) if fault.kind.open() => fleet.answers(endpoint, clock()),
            Err(fault) => fleet.fails(endpoint, fault.kind.dead(), clock()),
        }
        found.map(drop)
    }

    /// The same of each replica, by model and position, with its count of models, and nobody is told.
    pub(crate) fn each(
        &self,
        timeout: Duration,
    ) -> impl Iterator<Item = impl Future<Output = Result<Option<usize>, BackendFault>>> {
        self.probes.iter().flatten().map(move |probe| self.examine(probe, timeout))
    }

    /// How many tokens a replica says that a request has; nothing where it does not say so in time.
    pub(crate) async fn count(&self, endpoint: &Endpoint, asked: TokenQuestion) -> Option<u32> {
        count::count(&self.client, self.probe(endpoint)?, asked).await
    }

    fn probe(&self, endpoint: &Endpoint) -> Option<&Probe> {
        self.probes.get(endpoint.model.get())?.get(usize::from(endpoint.index))
    }

    /// Whether the replica is asked otherwise than `before`, as that one's `endpoint`.
    pub(crate) fn differs(&self, endpoint: &Endpoint, (before, then): (&Self, &Endpoint)) -> bool {
        self.probe(endpoint) != before.probe(then)
    }

    /// How many models it lists, the model among them. Where its list says otherwise and one token is its
    /// probe, that decides: not everyone serves a list, or lists all that he serves.
    async fn examine(
        &self,
        probe: &Probe,
        timeout: Duration,
    ) -> Result<Option<usize>, BackendFault> {
        let listed = list::list(&self.client, probe, timeout).await;
        let fault = match listed {
            Ok(None) => return Ok(None),
            Ok(Some(names)) if finding::serves(&probe.model, &names) => {
                return Ok(Some(names.len()));
            }
            Ok(Some(names)) => finding::missing(&probe.model, &names),
            Err(fault) => fault,
        };
        let token = matches!(probe.question, Question::Token { .. });
        if token && !fault.kind.dead() && self.alive(probe).await {
            return Ok(None);
        }
        Err(fault)
    }

    async fn alive(&self, probe: &Probe) -> bool {
        let base = probe.base.trim_end_matches('/');
        match &probe.question {
            Question::Models => {
                let request = self.client.get(format!("{base}/models")).timeout(MODELS_TIMEOUT);
                let answer = authorized(request, probe).send().await;
                answer.is_ok_and(|answer| !answer.status().is_server_error())
            }
            Question::Token { timeout, path } => {
                let body = json!({
                    "model": probe.model,
                    "messages": [{ "role": "user", "content": "Say yes." }],
                    "max_tokens": 1,
                });
                let request = self.client.post(format!("{base}{path}")).json(&body);
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
    let headers = probe.credential.iter().chain(&probe.version);
    headers.fold(request, |request, (name, value)| request.header(name, value.clone()))
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
        #[serde(alias = "content")]
        choices: Vec<IgnoredAny>,
    }
    serde_json::from_slice(&body).is_ok_and(|it: Completion| !it.choices.is_empty())
}
