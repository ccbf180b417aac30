//! Figures that the gateway promises on a bad day, measured. `tests/run` runs these alone: what else goes on
//! in the process would be measured with them.

#![allow(clippy::print_stdout, reason = "the figures are what is wanted")]

mod books;
mod broken_arm;
mod outage;
mod overload;
mod restart;
mod scrape;
mod shadow;
mod slow_heads;
mod storm;
mod units;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
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
