//! Where figures come from: `/metrics` of one gateway, asked with a token.

use std::{error::Error, fmt, time::Duration};

use reqwest::{Client, StatusCode};
use tokio::time::Instant;

use super::reading::Reading;
use crate::config::Secret;

/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The longest answer that is read: some hundred thousand lines.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A gateway's operators' listener.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Source {
    client: Client,
    url: String,
    token: Option<Secret>,
    start: Instant,
}

/// Why there is no reading.
#[derive(Debug)]
pub(in crate::cli) enum Trouble {
    /// Nobody answers, or the answer breaks off.
    Away(String),
    /// The token is missing or wrong.
    Token {
        /// Whether one was sent.
        sent: bool,
    },
    /// It answers with something else.
    Other(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) => write!(f, "no answer: {why}"),
            Self::Token { sent: true } => f.write_str(
                "401: another token is expected, that of an operator or `admin.metrics_token` of its \
                 configuration",
            ),
            Self::Token { sent: false } => f.write_str(
                "401: a token is required: --token, SIGNALBOX_OPERATOR_TOKEN, or --config with its \
                 configuration",
            ),
            Self::Other(what) => write!(f, "this is not the operators' listener of a Signalbox: {what}"),
        }
    }
}

impl Source {
    /// Asks at this base URL, with this token.
    ///
    /// # Errors
    /// The client cannot be made, as where the system has no certificates.
    pub(in crate::cli) fn new(url: &str, token: Option<Secret>) -> Result<Self, reqwest::Error> {
        // A second provider in the process would be an error of ours; the first one stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().timeout(ANSWER_WITHIN);
        let client = client.redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { client, url: url.to_owned(), token, start: Instant::now() })
    }

    /// The present, in seconds of the clock that readings have.
    pub(super) fn at(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// The text of the metrics.
    pub(in crate::cli) async fn text(&self) -> Result<String, Trouble> {
        let mut request = self.client.get(format!("{}/metrics", self.url));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        let mut answer = request.send().await.map_err(|error| away(&error))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(Trouble::Token { sent: self.token.is_some() }),
            status => return Err(Trouble::Other(format!("it answers {status}"))),
        }
        let mut text = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| away(&error))? {
            if text.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(Trouble::Other("its answer does not end".to_owned()));
            }
            text.extend_from_slice(&part);
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Reads once.
    pub(super) async fn read(&self) -> Result<Reading, Trouble> {
        let text = self.text().await?;
        let none =
            || Trouble::Other("there is no `signalbox_build_info` in its metrics".to_owned());
        Reading::of(&text, self.at()).ok_or_else(none)
    }
}

/// The innermost cause says what it is: a refused connection, a name that nobody knows.
fn away(error: &reqwest::Error) -> Trouble {
    if error.is_timeout() {
        return Trouble::Away(format!("none within {} s", ANSWER_WITHIN.as_secs()));
    }
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    Trouble::Away(innermost.to_string())
}
