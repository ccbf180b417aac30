//! Figures that the gateway promises on a bad day, measured. `tests/run` runs these alone: what else goes on
//! in the process would be measured with them.

#![allow(clippy::print_stdout, reason = "the figures are what is wanted")]

mod books;
mod broken_arm;
mod budget;
mod killed;
mod many_keys;
mod outage;
mod overload;
mod reconciled;
mod restart;
mod revocation;
mod scrape;
mod shadow;
mod slow_heads;
mod storm;
mod two_admins;
mod units;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::Method;
use serde_json::Value;

use crate::harness::{Gateway, KEY, ask, streamed};

/// Whether the counts of the issue are wanted, and not the small ones.
fn full() -> bool {
    std::env::var_os("SIGNALBOX_TEST_FULL").is_some()
}

/// What a caller saw.
#[derive(Clone, Debug)]
struct Seen {
    /// 0 where there was no answer.
    status: u16,
    /// The model that served.
    model: String,
    /// Whether a stream was asked for.
    stream: bool,
    /// When it was asked.
    at: Instant,
    /// To the head of the answer: the first content of a stream, all of a plain answer.
    took: Duration,
    /// Whether it came to a real end.
    whole: bool,
}

/// Asks with this key and reads to the end.
async fn call(request: reqwest::RequestBuilder, stream: bool) -> Seen {
    let at = Instant::now();
    let answer = request.send().await;
    let took = at.elapsed();
    let Ok(answer) = answer else {
        return Seen { status: 0, model: String::new(), stream, at, took, whole: false };
    };
    let status = answer.status().as_u16();
    let model = answer.headers().get("x-signalbox-model");
    let model = model.and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    let body = answer.bytes().await;
    let whole = body.is_ok_and(|it| !stream || it.ends_with(b"data: [DONE]\n\n"));
    Seen { status, model, stream, at, took, whole }
}

/// Asks the alias or model at this rate, every other request streamed, whatever becomes of those before.
async fn traffic(gateway: &Gateway, model: &str, per_second: u32, lasting: Duration) -> Vec<Seen> {
    let requests = [streamed(model), ask(model)];
    let of = |at: usize| (by(gateway, KEY, &requests[at % 2]), at.is_multiple_of(2));
    let (rate, count) = (f64::from(per_second), f64::from(per_second) * lasting.as_secs_f64());
    let mut beat = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    let mut asked = Vec::new();
    for at in 0..count as usize {
        beat.tick().await;
        let (request, stream) = of(at);
        asked.push(tokio::spawn(call(request, stream)));
    }
    join_all(asked).await.into_iter().map(|it| it.expect("a task")).collect()
}

/// A request with this key, not yet sent.
fn by(gateway: &Gateway, key: &str, body: &Value) -> reqwest::RequestBuilder {
    let request = gateway.client.post(gateway.url("/v1/chat/completions")).bearer_auth(key);
    request.header("content-type", "application/json").body(body.to_string())
}

/// The time that this part of them did not exceed; of few, the longest.
fn quantile<'a>(seen: impl IntoIterator<Item = &'a Seen>, part: f64) -> Duration {
    let mut took: Vec<Duration> = seen.into_iter().map(|it| it.took).collect();
    took.sort_unstable();
    let at = (took.len() as f64 * part) as usize;
    took.get(at.min(took.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Milliseconds for people.
fn ms(it: Duration) -> String {
    format!("{:.1}", it.as_secs_f64() * 1_000.0)
}

/// Money as the configuration states it.
fn decimal(nano: i64) -> String {
    format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
}

/// The operators' API of a gateway.
#[derive(Clone)]
struct Operator {
    client: reqwest::Client,
    base: String,
}

impl Operator {
    fn at(admin: impl std::fmt::Display) -> Self {
        // Many keys at once may take an unoptimized build longer than a caller waits.
        Self { client: restart::patient(), base: format!("http://{admin}/admin/v1/") }
    }

    /// What it answers: status, `etag` and document; nothing where the connection breaks.
    async fn asked(
        &self,
        (method, path): (Method, &str),
        (body, version): (&Value, Option<&str>),
    ) -> Option<(u16, String, Value)> {
        let request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(KEY);
        let request = match version {
            Some(version) => request.header("if-match", version),
            None => request,
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = request.body(body).send().await.ok()?;
        let (status, etag) = (answer.status().as_u16(), answer.headers().get("etag").cloned());
        let etag = etag.and_then(|it| it.to_str().ok().map(str::to_owned)).unwrap_or_default();
        let text = answer.bytes().await.ok()?;
        Some((status, etag, serde_json::from_slice(&text).unwrap_or_default()))
    }

    /// The same where it must be done.
    async fn done(&self, method: Method, path: &str, body: Value) -> Value {
        let asked = self.asked((method, path), (&body, None)).await;
        let (status, _, document) = asked.expect("an answer");
        assert!((200..300).contains(&status), "{path}: {status} {document}");
        document
    }

    /// Makes a key, and gives it.
    async fn key(&self, fields: Value) -> String {
        let made = self.done(Method::POST, "keys", fields).await;
        made["key"].as_str().expect("a key").to_owned()
    }
}
