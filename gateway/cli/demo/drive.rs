//! The demo's callers: real HTTP, a few at once, streams read to their end.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use reqwest::{Client, RequestBuilder, Response, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use super::BoxError;
use crate::sim::prompts::Prompt;

/// How many callers ask at once.
const AT_ONCE: usize = 4;

/// A client of the gateway, at one address and with one key.
#[derive(Clone)]
pub(super) struct ChatClient {
    http: Client,
    base: String,
    key: String,
}

/// What a caller saw of one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// The gateway's id for it.
    pub id: Option<String>,
    /// The language that was recognised.
    pub language: Option<String>,
    /// The task that was recognised.
    pub task: Option<String>,
    /// Who answered.
    pub model: Option<String>,
    /// The experiment and the arm that it was asked in, as `name=arm`.
    pub experiment: Option<String>,
    /// Whether the gateway took what was told of the answer; nothing where nothing was told.
    pub told: Option<bool>,
    /// To the first content, for streams.
    pub first_content: Option<Duration>,
    /// To the end.
    pub duration: Duration,
    /// The status of the answer.
    pub status: Option<u16>,
    /// The code of the error that it was answered with instead, such as `budget_exceeded`.
    pub code: Option<String>,
    /// What went wrong, if anything did.
    pub error: Option<String>,
}

impl ChatClient {
    /// A client with this key; the base URL ends in `/v1`.
    pub(super) fn new(base: &str, key: &str) -> Result<Self, BoxError> {
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(300));
        // Below the time after which the gateway closes an idle connection: a request on one that is being
        // closed would be lost.
        let http = http.pool_idle_timeout(Duration::from_secs(2)).build()?;
        Ok(Self { http, base: base.to_owned(), key: key.to_owned() })
    }

    /// Sends a request for a plain answer, with these headers beside the key, and reads the answer.
    pub(super) async fn send(
        &self,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Result<Answer, BoxError> {
        let response = self.sent(self.request(body, headers)).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.json().await? })
    }

    /// The model that would serve this request now; nothing is sent for that.
    pub(super) async fn route(&self, body: &Value) -> Result<String, BoxError> {
        let asked =
            self.http.post(format!("{}/route", self.base)).bearer_auth(&self.key).json(body);
        let told: Value = asked.send().await?.error_for_status()?.json().await?;
        let first = told.pointer("/decision/plan/0/model").and_then(Value::as_str);
        Ok(first.unwrap_or_default().to_owned())
    }

    /// Tells something of an answer; the status with which that is taken.
    pub(super) async fn tell(
        &self,
        id: &str,
        name: &str,
        value: bool,
    ) -> Result<StatusCode, BoxError> {
        let body = json!({ "request_id": id, "name": name, "value": value });
        let url = format!("{}/feedback", self.base);
        let told = self.http.post(url).bearer_auth(&self.key).json(&body).send().await?;
        Ok(told.status())
    }

    /// Sends a request for a stream and reads it to its first content; the rest is the caller's.
    pub(super) async fn open(&self, body: &Value) -> Result<(String, Response), BoxError> {
        let mut response = self.sent(self.request(body, &[])).await?.error_for_status()?;
        let mut lines = Lines::default();
        while let Some(bytes) = response.chunk().await? {
            lines.push(&bytes);
            while let Some(payload) = lines.next_payload() {
                if serde_json::from_str(&payload).is_ok_and(|event| has_content(&event)) {
                    return Ok((text(response.headers(), "x-signalbox-id"), response));
                }
            }
        }
        Err("a stream without content".into())
    }

    fn request(&self, body: &Value, headers: &[(&str, &str)]) -> RequestBuilder {
        let url = format!("{}/chat/completions", self.base);
        let request = self.http.post(url).bearer_auth(&self.key).json(body);
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }

    /// Sends a request, and takes no answer but the demo's gateway's: whoever else listens there must not be
    /// sent any more.
    async fn sent(&self, request: RequestBuilder) -> Result<Response, BoxError> {
        let response = request.send().await?;
        let what = if response.status() == StatusCode::UNAUTHORIZED {
            "knows no key of this demo"
        } else if !response.headers().contains_key("x-signalbox-id") {
            "answers without x-signalbox-id"
        } else {
            return Ok(response);
        };
        Err(Stranger { base: self.base.clone(), what }.into())
    }

    /// Asks this and reads the answer to its end.
    pub(super) async fn ask(&self, prompt: &Prompt) -> Result<Asked, Stranger> {
        let started = Instant::now();
        let mut asked = Asked::default();
        if let Err(error) = self.follow(prompt, started, &mut asked).await {
            match error.downcast::<Stranger>() {
                Ok(stranger) => return Err(*stranger),
                Err(error) => asked.error = Some(error.to_string()),
            }
        }
        asked.duration = started.elapsed();
        Ok(asked)
    }

    async fn follow(
        &self,
        prompt: &Prompt,
        at: Instant,
        asked: &mut Asked,
    ) -> Result<(), BoxError> {
        let class = prompt.data_class.map(|class| ("x-signalbox-data-class", class.code()));
        let headers: Vec<_> = class.into_iter().collect();
        let response = self.sent(self.request(&prompt.body, &headers)).await?;
        let status = response.status();
        asked.status = Some(status.as_u16());
        asked.read(response.headers());
        if !status.is_success() {
            let text = response.text().await?;
            let body: Value = serde_json::from_str(&text).unwrap_or_default();
            let code = body.pointer("/error/code").and_then(Value::as_str);
            asked.code = code.map(ToOwned::to_owned);
            return Err(format!("{status}: {text}").into());
        }
        if prompt.stream {
            return listen(response, at, asked).await;
        }
        let body: Value = response.json().await?;
        match body.pointer("/choices/0/finish_reason") {
            Some(Value::String(_)) => Ok(()),
            _ => Err("an answer without an end".into()),
        }
    }
}

/// Somebody else listens where the demo's gateway should.
#[derive(Debug, thiserror::Error)]
#[error(
    "whoever listens at {base} {what}: it is not the demo's gateway, and nothing more is sent there"
)]
pub(super) struct Stranger {
    base: String,
    what: &'static str,
}

/// A plain answer, or a refusal.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status.
    pub status: u16,
    headers: HeaderMap,
    /// The answer, or the error.
    pub body: Value,
}

impl Answer {
    /// A header, empty where it is not there.
    pub(super) fn header(&self, name: &str) -> String {
        text(&self.headers, name)
    }

    /// A field of the error, empty where there is none.
    pub(super) fn error(&self, field: &str) -> &str {
        let error = self.body.get("error").and_then(|error| error.get(field));
        error.and_then(Value::as_str).unwrap_or_default()
    }
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned()
}

impl Asked {
    fn read(&mut self, headers: &HeaderMap) {
        let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
        self.id = text("x-signalbox-id");
        self.language = text("x-signalbox-language");
        self.task = text("x-signalbox-task");
        self.model = text("x-signalbox-model");
        self.experiment = text("x-signalbox-experiment");
    }
}

/// Asks everything, a few at once, each by the client of whoever would ask it; `progress` is told how many
/// are done. In the prompts' order. The first answer of somebody else than the demo's gateway ends it.
pub(super) async fn all<'a>(
    client: impl Fn(&Prompt) -> &'a ChatClient,
    prompts: &[Prompt],
    progress: impl Fn(usize, usize),
) -> Result<Vec<Asked>, Stranger> {
    let asks = stream::iter(prompts).map(|prompt| client(prompt).ask(prompt));
    let mut answers = asks.buffered(AT_ONCE);
    let mut asked = Vec::with_capacity(prompts.len());
    while let Some(one) = answers.next().await {
        asked.push(one?);
        progress(asked.len(), prompts.len());
    }
    Ok(asked)
}

/// Reads a stream to its end.
async fn listen(mut response: Response, at: Instant, asked: &mut Asked) -> Result<(), BoxError> {
    let mut lines = Lines::default();
    let mut done = false;
    while let Some(bytes) = response.chunk().await? {
        lines.push(&bytes);
        while let Some(payload) = lines.next_payload() {
            if payload == "[DONE]" {
                done = true;
                continue;
            }
            let event: Value = serde_json::from_str(&payload)?;
            if let Some(error) = event.get("error") {
                return Err(error.to_string().into());
            }
            if asked.first_content.is_none() && has_content(&event) {
                asked.first_content = Some(at.elapsed());
            }
        }
    }
    if done { Ok(()) } else { Err("a stream without an end".into()) }
}

fn has_content(event: &Value) -> bool {
    let Some(delta) = event.pointer("/choices/0/delta") else { return false };
    let text = |name: &str| delta.get(name).and_then(Value::as_str).is_some_and(|t| !t.is_empty());
    text("content") || text("reasoning_content") || delta.get("tool_calls").is_some()
}

/// Bytes of a stream, cut into the payloads of its `data` lines.
#[derive(Debug, Default)]
struct Lines {
    pending: Vec<u8>,
    read: usize,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.read);
        self.read = 0;
        self.pending.extend_from_slice(bytes);
    }

    fn next_payload(&mut self) -> Option<String> {
        loop {
            let rest = self.pending.get(self.read..)?;
            let end = memchr::memchr(b'\n', rest)?;
            self.read += end + 1;
            let line = String::from_utf8_lossy(rest.get(..end)?);
            if let Some(payload) = line.strip_prefix("data:") {
                return Some(payload.trim().to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A listener that gives everybody this answer, and counts them.
    async fn stranger(answer: &'static str) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (base, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut head = [0; 64 * 1024];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (format!("http://{base}/v1"), asked)
    }

    #[tokio::test]
    async fn the_first_answer_of_somebody_else_ends_it() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let prompts = crate::sim::prompts::prompts().unwrap();
        for (answer, said) in [
            (
                "HTTP/1.1 401 No\r\nx-signalbox-id: a\r\nconnection: close\r\n\r\n",
                "knows no key of this demo",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
                "answers without x-signalbox-id",
            ),
        ] {
            let (base, asked) = stranger(answer).await;
            let client = ChatClient::new(&base, "sk-demo-secret").unwrap();
            let error = all(|_| &client, &prompts, |_, _| {}).await.unwrap_err().to_string();
            assert!(error.contains(&base) && error.contains(said), "{error}");
            assert!(asked.load(Ordering::SeqCst) <= AT_ONCE + 1, "{asked:?} of {}", prompts.len());
            let body = serde_json::json!({});
            let error = client.send(&body, &[]).await.unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn payloads_are_the_same_for_every_split() {
        let bytes = b"data: {\"a\":1}\r\n\r\n: ping\n\ndata:[DONE]\n\n";
        for split in 0..bytes.len() {
            let mut lines = Lines::default();
            let mut payloads = Vec::new();
            for part in [&bytes[..split], &bytes[split..]] {
                lines.push(part);
                payloads.extend(std::iter::from_fn(|| lines.next_payload()));
            }
            assert_eq!(payloads, ["{\"a\":1}", "[DONE]"], "{split}");
        }
    }
}
