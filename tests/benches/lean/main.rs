//! The lean stack that `tests/bench` sets beside Signalbox: the least that a gateway with a durable ledger
//! does, written with the same libraries.
//!
//! It reads each request whole, borrows the fields that a route needs, checks a rate limit, counts requests
//! in flight, makes an entry durable before the first byte of the answer, forwards, looks for the usage in
//! what passes, and counts and settles at the end. It knows no keys, classes, policies, budgets or
//! fallbacks, and it believes its backend. What Signalbox costs beyond it is what those cost.

mod ledger;
mod upstream;

use std::{
    borrow::Cow,
    error::Error,
    net::SocketAddr,
    num::NonZeroU32,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Instant,
};

use axum::{Router, body::Body, extract::State, response::IntoResponse, routing};
use bytes::Bytes;
use clap::Parser;
use dashmap::DashMap;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::{Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use prometheus::{Histogram, IntCounter};
use tokio::net::TcpListener;

use self::{
    ledger::{Closed, Ledger},
    upstream::{Relayed, Upstream},
};

/// The allocator that Signalbox uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Fault = Box<dyn Error + Send + Sync>;

/// Counters and histograms that a request moves: as many as Signalbox moves at least.
const COUNTERS: usize = 7;
const HISTOGRAMS: usize = 6;
/// Whom a request belongs to: so many keys take turns.
const KEYS: u64 = 10;

/// A gateway that does the least.
#[derive(Parser, Debug)]
struct Args {
    /// Where to listen
    #[arg(long)]
    listen: SocketAddr,
    /// The backend: host and port
    #[arg(long)]
    backend: String,
    /// The ledger's file; it is made anew
    #[arg(long)]
    ledger: String,
}

/// What all requests share.
struct Stack {
    upstream: Arc<Upstream>,
    ledger: Arc<Ledger>,
    limiter: DefaultKeyedRateLimiter<u64>,
    in_flight: DashMap<u64, AtomicU64>,
    counters: Vec<IntCounter>,
    histograms: Vec<Histogram>,
    next: AtomicU64,
}

/// The fields that a route needs, borrowed from the body.
#[derive(serde::Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow, default)]
    messages: Vec<Message<'a>>,
}

#[derive(serde::Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: &'a serde_json::value::RawValue,
}

/// What one request leaves: settled when its body ends or is dropped.
struct Tab {
    stack: Arc<Stack>,
    number: u64,
    input: u64,
    output: u64,
    started: Instant,
}

/// The answer on its way through, and the tab that goes with it.
struct Passing {
    body: Relayed,
    tab: Tab,
}

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let args = Args::parse();
    let stack = Arc::new(Stack::new(&args)?);
    let router = Router::new()
        .route("/health", routing::get(|| async { "ok" }))
        .route("/v1/chat/completions", routing::post(chat))
        .with_state(stack);
    let listener = TcpListener::bind(args.listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

async fn chat(State(stack): State<Arc<Stack>>, request: Request<Body>) -> Response<Body> {
    match serve(stack, request).await {
        Ok(answer) => answer.map(Body::new),
        Err(fault) => (StatusCode::BAD_GATEWAY, fault.to_string()).into_response(),
    }
}

async fn serve(stack: Arc<Stack>, request: Request<Body>) -> Result<Response<Passing>, Fault> {
    let started = Instant::now();
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let fields: Fields<'_> = serde_json::from_slice(&body)?;
    let text: usize = fields.messages.iter().map(|message| message.content.get().len()).sum();
    let input = (fields.model.len() + text) as u64 / 4;
    let number = stack.next.fetch_add(1, Relaxed);
    stack.limiter.check_key(&(number % KEYS)).map_err(|_| "too many requests")?;
    stack.in_flight.entry(number % KEYS).or_default().fetch_add(1, Relaxed);
    let group = stack.ledger.open(number);
    let tab = Tab { stack: Arc::clone(&stack), number, input, output: 0, started };
    parts.headers.remove(header::CONNECTION);
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.headers.remove(header::AUTHORIZATION);
    parts.headers.insert(header::HOST, stack.upstream.host());
    parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
    let answer = stack.upstream.send(Request::from_parts(parts, Full::new(body))).await?;
    stack.ledger.durable(group).await;
    Ok(answer.map(|body| Passing { body, tab }))
}

impl Stack {
    fn new(args: &Args) -> Result<Self, Fault> {
        let buckets = prometheus::exponential_buckets(0.001, 2.0, 16)?;
        let counter = |at: usize| IntCounter::new(format!("counter_{at}"), "One of the counters");
        let histogram = |at: usize| {
            let name = format!("histogram_{at}_seconds");
            let options = prometheus::HistogramOpts::new(name, "One of the histograms");
            Histogram::with_opts(options.buckets(buckets.clone()))
        };
        Ok(Self {
            upstream: Arc::new(Upstream::new(&args.backend)?),
            ledger: Ledger::start(&args.ledger)?,
            limiter: RateLimiter::keyed(Quota::per_second(NonZeroU32::MAX)),
            in_flight: DashMap::new(),
            counters: (0..COUNTERS).map(counter).collect::<Result<_, _>>()?,
            histograms: (0..HISTOGRAMS).map(histogram).collect::<Result<_, _>>()?,
            next: AtomicU64::new(1),
        })
    }
}

impl Tab {
    /// Reads the figure of the usage where it passes.
    fn see(&mut self, data: &[u8]) {
        const FIELD: &[u8] = b"\"completion_tokens\":";
        let Some(at) = memchr::memmem::rfind(data, FIELD) else { return };
        let digits = data.iter().skip(at + FIELD.len()).take_while(|byte| byte.is_ascii_digit());
        self.output = digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        let Self { number, input, output, .. } = *self;
        self.stack.ledger.close(Closed { number, input, output });
        self.stack.counters.iter().for_each(IntCounter::inc);
        let seconds = self.started.elapsed().as_secs_f64();
        self.stack.histograms.iter().for_each(|it| it.observe(seconds));
        if let Some(count) = self.stack.in_flight.get(&(number % KEYS)) {
            count.fetch_sub(1, Relaxed);
        }
    }
}

impl http_body::Body for Passing {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.tab.see(data);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
