//! Sends spans to a collector by OTLP over HTTP: in batches, with few tries, and never more than one at once.

use std::{io, mem, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use prost::Message;
use reqwest::{Client, Response, redirect};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    super::{Metrics, SpanResult, semconv},
    SpanQueue, WHO, Written,
    message::{Attributes, Export, Resource, ResourceSpans, Scope, ScopeSpans, Taken},
};
use crate::config::Tracing;

/// Spans of one batch: a request's are never parted, so that it may have a few more.
const BATCH_SPANS: u64 = 512;
/// How long spans are gathered.
const BATCH_EVERY: Duration = Duration::from_secs(1);
/// How long a collector may take for a batch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often a batch is sent at the most.
const TRIES: u32 = 3;
/// The pause before the second try; the next is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest answer of a collector that is read, in bytes.
const ANSWER_MAX: usize = 64 * 1024;
/// As much of a collector's words as a line of the log repeats.
const WHY_CHARS_MAX: usize = 200;
/// The longest pause that a collector may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The sender of spans to one collector.
pub struct Exporter {
    client: Client,
    url: String,
    headers: HeaderMap,
    resource: Resource,
    queue: SpanQueue,
    metrics: Metrics,
    /// The collector did not take the last batch, and the log says so.
    away: bool,
}

/// Why a batch was not taken.
enum Refusal {
    /// It may be taken later; after so long, where the collector says that.
    Later(String, Option<Duration>),
    /// It never will be.
    Never(String),
}

/// What a collector has rejected of a batch that it took.
struct Rejected {
    spans: u64,
    message: String,
}

impl Rejected {
    /// Why, in the collector's words, at a length for a line of a log.
    fn why(&self) -> String {
        let short: String = self.message.chars().take(WHY_CHARS_MAX).collect();
        policies::printable(&short).into_owned()
    }
}

/// Reads the answer of a collector that has taken a batch, up to a bound: what is no answer of a collector
/// says nothing of rejected spans.
async fn rejected(mut answer: Response) -> Option<Rejected> {
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = answer.chunk().await {
        if body.len() + bytes.len() > ANSWER_MAX {
            return None;
        }
        body.extend_from_slice(&bytes);
    }
    let partial = Taken::decode(&*body).ok()?.partial_success?;
    let spans = u64::try_from(partial.rejected_spans).ok().filter(|it| *it > 0)?;
    Some(Rejected { spans, message: partial.error_message })
}

impl Exporter {
    /// An exporter of what comes through this queue, in the name of this replica.
    ///
    /// # Errors
    /// No client can be made, as where the system's root certificates cannot be read.
    pub fn new(
        config: &Tracing,
        replica: &str,
        queue: SpanQueue,
        metrics: &Metrics,
    ) -> io::Result<Self> {
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(1)
            .build()
            .map_err(io::Error::other)?;
        let mut headers: HeaderMap = config.headers().into_iter().collect();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let mut about = Attributes::default();
        about.text(semconv::SERVICE_NAME, WHO);
        about.text(semconv::SERVICE_VERSION, env!("CARGO_PKG_VERSION"));
        about.text(semconv::SERVICE_INSTANCE, replica);
        Ok(Self {
            client,
            url: format!("{}/v1/traces", config.otlp.to_string().trim_end_matches('/')),
            headers,
            resource: Resource { attributes: about.done() },
            queue,
            metrics: metrics.clone(),
            away: false,
        })
    }

    /// Sends what comes, until `closing` says that nothing more does and the last batch is sent or lost.
    pub async fn run(mut self, mut closing: watch::Receiver<bool>) {
        loop {
            let batch = self.gather(&mut closing).await;
            if batch.is_empty() {
                return;
            }
            self.deliver(batch).await;
        }
    }

    /// Waits for the next spans, and for what comes soon after them; nothing when no more will come.
    async fn gather(&mut self, closing: &mut watch::Receiver<bool>) -> Vec<Written> {
        let (mut batch, mut spans) = (Vec::new(), 0);
        let mut until = Instant::now() + BATCH_EVERY;
        let mut open = true;
        let queue = &mut self.queue.0;
        while spans < BATCH_SPANS {
            tokio::select! {
                biased;
                _ = closing.wait_for(|it| *it), if open => {
                    // What is in it still comes.
                    queue.close();
                    open = false;
                }
                written = queue.recv() => {
                    let Some(written) = written else { break };
                    if batch.is_empty() {
                        until = Instant::now() + BATCH_EVERY;
                    }
                    spans += written.spans;
                    batch.push(written);
                }
                () = sleep_until(until), if !batch.is_empty() => break,
            }
        }
        batch
    }

    async fn deliver(&mut self, batch: Vec<Written>) {
        let spans: u64 = batch.iter().map(|it| it.spans).sum();
        let body = bytes::Bytes::from(self.message(batch));
        let mut pause = PAUSE;
        for last in (0..TRIES).map(|it| it + 1 == TRIES) {
            let refusal = match self.post(body.clone()).await {
                Ok(None) => return self.taken(spans),
                Ok(Some(rejected)) => {
                    let lost = rejected.spans.min(spans);
                    self.metrics.spans(SpanResult::Sent, spans - lost);
                    let why = format!("{lost} of {spans} rejected: {}", rejected.why());
                    return self.lost(lost, &why);
                }
                Err(refusal) => refusal,
            };
            match refusal {
                Refusal::Later(_, after) if !last => {
                    sleep(after.unwrap_or(pause).min(PAUSE_MAX)).await;
                    pause = pause.saturating_mul(2);
                }
                Refusal::Later(why, _) | Refusal::Never(why) => return self.lost(spans, &why),
            }
        }
    }

    /// The parts of `ScopeSpans` stand one behind the other: that is one with all of their spans.
    fn message(&self, batch: Vec<Written>) -> Vec<u8> {
        let scope = Scope { name: WHO.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let mut all = ScopeSpans { scope: Some(scope), spans: Vec::new() }.encode_to_vec();
        batch.iter().for_each(|it| all.extend_from_slice(&it.bytes));
        let resource = Some(self.resource.clone());
        Export { resource_spans: vec![ResourceSpans { resource, scope_spans: vec![all] }] }
            .encode_to_vec()
    }

    /// Sends a batch; what was rejected of it, where the collector has taken the rest alone.
    async fn post(&self, body: bytes::Bytes) -> Result<Option<Rejected>, Refusal> {
        let request = self.client.post(&self.url).headers(self.headers.clone()).body(body);
        let answer = request.send().await.map_err(|error| {
            let why = if error.is_timeout() { "no answer in time" } else { "no connection" };
            Refusal::Later(why.to_owned(), None)
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(rejected(answer).await);
        }
        let why = format!("status {}", status.as_u16());
        let later = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        if !later.contains(&status) {
            return Err(Refusal::Never(why));
        }
        let after = answer.headers().get(http::header::RETRY_AFTER);
        let after = after.and_then(|it| it.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        Err(Refusal::Later(why, after))
    }

    fn taken(&mut self, spans: u64) {
        self.metrics.spans(SpanResult::Sent, spans);
        if mem::take(&mut self.away) {
            tracing::info!(collector = %self.url, "the collector takes spans again");
        }
    }

    fn lost(&mut self, spans: u64, why: &str) {
        self.metrics.spans(SpanResult::Failed, spans);
        if !mem::replace(&mut self.away, true) {
            let collector = &self.url;
            tracing::warn!(%collector, cause = why, spans, "the collector does not take spans");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::message::PartialSuccess, *};

    async fn read(body: Vec<u8>) -> Option<(u64, String)> {
        let rejected = rejected(Response::from(http::Response::new(body))).await?;
        Some((rejected.spans, rejected.why()))
    }

    #[tokio::test]
    async fn what_a_collector_rejects_of_a_batch_is_known() {
        let taken = |rejected_spans, message: &str| {
            let error_message = message.to_owned();
            Taken { partial_success: Some(PartialSuccess { rejected_spans, error_message }) }
        };
        let five = taken(5, "too \u{1b}[31mold").encode_to_vec();
        let (spans, why) = read(five).await.unwrap();
        assert!(spans == 5 && why.contains("old") && !why.contains('\u{1b}'), "{why}");
        // All taken, with a warning; and answers that say nothing of it.
        assert_eq!(read(taken(0, "slow down").encode_to_vec()).await, None);
        assert_eq!(read(taken(-3, "").encode_to_vec()).await, None);
        for nothing in [Vec::new(), b"{}".to_vec(), vec![0xff; 40], vec![0; ANSWER_MAX + 1]] {
            assert_eq!(read(nothing).await, None);
        }
    }
}
