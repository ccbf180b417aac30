//! One simulated model at work: a request in, an answer out, with whatever fault is in force.

use std::{
    future::pending,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER},
};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{
    ask::{self, Api, Ask},
    body::Body,
    fault::{InjectedFault, Order},
    reply::{self, Reply, Used},
    script::{self, Act, Step, Tell, Tempo},
    spec::{ModelSpec, Pace},
    tally::{InFlight, Tally},
    vectors,
};

/// One model: what all its replicas share.
#[derive(Debug)]
pub(super) struct Engine {
    /// What it is like.
    pub spec: ModelSpec,
    /// What it has seen.
    pub tally: Arc<Tally>,
    speed: f64,
    fixed: Option<Fixed>,
}

/// Answers of a fixed pace, rendered once.
#[derive(Debug)]
struct Fixed {
    latency: Duration,
    plain: Bytes,
    stream: Arc<[Step]>,
    stream_with_usage: Arc<[Step]>,
    used: Used,
}

/// A fault in force at one replica, and how many requests have come since one met it.
#[derive(Debug, Default)]
pub(super) struct Fuse(Mutex<Option<(Order, u32)>>);

impl Fuse {
    /// Puts a fault in force, or none.
    pub(super) fn set(&self, order: Option<Order>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = order.map(|order| (order, 0));
    }

    /// The fault that this request meets.
    fn next(&self) -> Option<InjectedFault> {
        let mut armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (order, passed) = armed.as_mut()?;
        let fault = order.fault;
        if order.times == Some(0) {
            *armed = None;
            return None;
        }
        *passed += 1;
        if *passed < order.one_in {
            return None;
        }
        *passed = 0;
        if let Some(left) = &mut order.times {
            *left -= 1;
        }
        Some(fault)
    }
}

/// One request being answered.
struct Turn {
    started: Instant,
    fault: Option<InjectedFault>,
    in_flight: InFlight,
}

/// One accepted connection.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Told when the connection is to be reset.
    pub wreck: Notify,
    /// Requests for an answer that came over it.
    pub served: AtomicU32,
}

/// The name of the model that is asked for; none is another name than any.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    model: String,
}

#[derive(Deserialize)]
struct Glance {
    stream: Option<bool>,
    stream_options: Option<GlanceOptions>,
}

#[derive(Deserialize)]
struct GlanceOptions {
    include_usage: Option<bool>,
}

impl Engine {
    /// A model that has seen nothing yet.
    pub(super) fn new(spec: &ModelSpec, speed: f64) -> Self {
        let fixed = match spec.pace {
            Pace::Fixed { latency_ms, chunks, .. } => Some(Fixed::render(spec, latency_ms, chunks)),
            Pace::Natural { .. } => None,
        };
        Self { spec: spec.clone(), tally: Arc::default(), speed, fixed }
    }

    /// Answers one request by this API.
    pub(super) async fn answer(
        &self,
        api: Api,
        (fuse, line): (&Fuse, &Line),
        in_flight: InFlight,
        body: Bytes,
    ) -> Response<Body> {
        let started = Instant::now();
        let again = line.served.fetch_add(1, Relaxed) > 0;
        let fault = fuse.next().filter(|fault| *fault != InjectedFault::ResetReused || again);
        if fault.is_none()
            && let Some(refused) = self.unknown(&body)
        {
            return refused;
        }
        match (fault, &self.fixed) {
            (Some(InjectedFault::Reset | InjectedFault::ResetReused), _) => {
                line.wreck.notify_one();
                pending().await
            }
            (Some(InjectedFault::StallHead), _) => pending().await,
            (None, Some(fixed)) if api == Api::Chat => {
                fixed.answer(started, in_flight, &body).await
            }
            _ => match fault.and_then(refusal) {
                Some(response) => response,
                None => self.compose(api, Turn { started, fault, in_flight }, &body).await,
            },
        }
    }

    /// The refusal of a request for a model of another name, in the words of vLLM, where such are refused.
    fn unknown(&self, body: &[u8]) -> Option<Response<Body>> {
        if !self.spec.refuses_unknown {
            return None;
        }
        let name = serde_json::from_slice::<Named>(body).ok()?.model;
        if self.spec.is_called(&name) {
            return None;
        }
        let message = format!("The model `{name}` does not exist.");
        let error = json!({
            "message": message, "type": "NotFoundError", "param": "model", "code": 404,
        });
        let body = json!({ "error": error }).to_string();
        Some(json_body(StatusCode::NOT_FOUND, Body::Whole(body.into())))
    }

    async fn compose(&self, api: Api, turn: Turn, body: &[u8]) -> Response<Body> {
        let read = match api {
            Api::Chat => ask::read(body),
            Api::Completion => ask::completion(body),
            Api::Embeddings => {
                return self.figures(vectors::embeddings(&self.spec, body), turn).await;
            }
            Api::Rerank => return self.figures(vectors::rerank(&self.spec, body), turn).await,
        };
        let ask = match read {
            Ok(ask) => ask,
            Err(wrong) => return error(StatusCode::BAD_REQUEST, &wrong),
        };
        let reply = match reply::compose(&self.spec, &ask) {
            Ok(reply) => reply,
            Err(needed) => return too_long(&self.spec, needed),
        };
        let mut tempo = Tempo::of(self.spec.pace, reply.seed, ask.prompt_tokens, self.speed);
        if turn.fault == Some(InjectedFault::Slow) {
            tempo = tempo.slow();
        }
        if ask.stream {
            return self.stream(turn, &ask, &reply, tempo);
        }
        sleep_until(turn.started + tempo.whole(reply.used.completion)).await;
        let whole = script::plain(&self.spec, &reply, (ask.api, ask.n), turn.fault);
        spoiled(whole, turn, reply.used)
    }

    /// An answer that is no text, or what is wrong with its request.
    async fn figures(&self, answer: Result<(Bytes, Used), String>, turn: Turn) -> Response<Body> {
        let (whole, used) = match answer {
            Ok(answer) => answer,
            Err(wrong) => return error(StatusCode::BAD_REQUEST, &wrong),
        };
        let tempo = Tempo::of(self.spec.pace, 0, used.prompt, self.speed);
        sleep_until(turn.started + tempo.whole(1)).await;
        spoiled(whole, turn, used)
    }

    fn stream(&self, turn: Turn, ask: &Ask, reply: &Reply, tempo: Tempo) -> Response<Body> {
        let Turn { started, fault, in_flight } = turn;
        in_flight.streams();
        let (api, choices, include_usage) = (ask.api, ask.n, ask.include_usage);
        let tell = Tell { api, choices, include_usage, fault };
        let mut steps = script::stream(&self.spec, reply, tell, tempo);
        let end = steps.last().cloned();
        if let Some(fault) = fault {
            steps = script::broken(steps, fault, self.spec.quirks);
        }
        let used = (steps.last() == end.as_ref()).then_some(reply.used);
        events(Body::steps(steps.into(), started, in_flight, used))
    }
}

impl Fixed {
    fn render(spec: &ModelSpec, latency_ms: u32, chunks: u32) -> Self {
        let used = Used { prompt: 64, cached: 0, completion: chunks, reasoning: 0 };
        let reply = Reply {
            reasoning: String::new(),
            content: "word".repeat(chunks as usize),
            call: None,
            finish: "stop",
            used,
            seed: 0,
        };
        let tempo = Tempo::of(spec.pace, 0, 0, 1.0);
        let stream = |include_usage| {
            let tell = Tell { api: Api::Chat, choices: 1, include_usage, fault: None };
            script::stream(spec, &reply, tell, tempo).into()
        };
        Self {
            latency: Duration::from_millis(latency_ms.into()),
            plain: script::plain(spec, &reply, (Api::Chat, 1), None),
            stream: stream(false),
            stream_with_usage: stream(true),
            used,
        }
    }

    async fn answer(
        &self,
        started: Instant,
        mut in_flight: InFlight,
        body: &[u8],
    ) -> Response<Body> {
        let Ok(glance) = serde_json::from_slice::<Glance>(body) else {
            return error(StatusCode::BAD_REQUEST, "not a JSON object");
        };
        if self.latency > Duration::ZERO {
            sleep_until(started + self.latency).await;
        }
        if glance.stream != Some(true) {
            in_flight.complete(self.used);
            return json_body(StatusCode::OK, Body::Whole(self.plain.clone()));
        }
        in_flight.streams();
        let usage = glance.stream_options.and_then(|options| options.include_usage);
        let steps = if usage == Some(true) { &self.stream_with_usage } else { &self.stream };
        events(Body::steps(Arc::clone(steps), started, in_flight, Some(self.used)))
    }
}

/// A plain answer, broken as the fault says.
fn spoiled(whole: Bytes, turn: Turn, used: Used) -> Response<Body> {
    let Turn { started, fault, mut in_flight } = turn;
    let end = match fault {
        Some(InjectedFault::StallContent | InjectedFault::StallMid | InjectedFault::StallPings) => {
            Act::Hang
        }
        Some(
            InjectedFault::Half
            | InjectedFault::CutEvent
            | InjectedFault::NoDone
            | InjectedFault::ErrorMid,
        ) => Act::Cut,
        Some(InjectedFault::ErrorFirst) => {
            return json_body(
                StatusCode::OK,
                Body::Whole(Bytes::from_static(script::ERROR.as_bytes())),
            );
        }
        Some(InjectedFault::Garbage | InjectedFault::EndlessEvent) => {
            return json_body(
                StatusCode::OK,
                Body::Whole(Bytes::from_static(b"{{{ \xff not json")),
            );
        }
        _ => {
            in_flight.complete(used);
            return json_body(StatusCode::OK, Body::Whole(whole));
        }
    };
    let length = HeaderValue::from(whole.len());
    let half = if fault == Some(InjectedFault::StallContent) { 0 } else { whole.len() / 2 };
    let at = Duration::ZERO;
    let steps = [Step { at, act: Act::Send(whole.slice(..half)) }, Step { at, act: end }];
    let body = Body::steps(Arc::from(steps), started, in_flight, None);
    let mut response = json_body(StatusCode::OK, body);
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

/// The answer of a fault that never looks at the request.
fn refusal(fault: InjectedFault) -> Option<Response<Body>> {
    let whole = |body: &'static [u8]| Body::Whole(Bytes::from_static(body));
    let mut response = match fault {
        InjectedFault::Status500 => {
            error(StatusCode::INTERNAL_SERVER_ERROR, "engine is out of memory")
        }
        InjectedFault::Status503 => error(StatusCode::SERVICE_UNAVAILABLE, "engine is starting"),
        InjectedFault::Status429 => error(StatusCode::TOO_MANY_REQUESTS, "too many requests"),
        InjectedFault::Status401 => {
            error(StatusCode::UNAUTHORIZED, "wrong key sk-upstream-0123456789abcdef")
        }
        InjectedFault::Status404 => error(StatusCode::NOT_FOUND, "no such model"),
        InjectedFault::Status400 => error(
            StatusCode::BAD_REQUEST,
            "top_k must be at least 1 (http://engine-7.bank.internal:8000/v1, \
             key sk-upstream-0123456789abcdef)",
        ),
        InjectedFault::ContextLength => too_long(&ModelSpec::plain("").context(4_096), 5_000),
        InjectedFault::Redirect => error(StatusCode::TEMPORARY_REDIRECT, "moved"),
        InjectedFault::Html => {
            Response::new(whole(b"<!doctype html><title>Sign in</title><p>Sign in"))
        }
        InjectedFault::Empty => json_body(StatusCode::OK, whole(b"")),
        InjectedFault::ErrorObject => json_body(StatusCode::OK, whole(script::ERROR.as_bytes())),
        InjectedFault::Gzip => {
            json_body(StatusCode::OK, whole(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"))
        }
        _ => return None,
    };
    let headers = response.headers_mut();
    match fault {
        InjectedFault::Status429 => headers.insert(RETRY_AFTER, HeaderValue::from_static("7")),
        InjectedFault::Redirect => {
            headers.insert(LOCATION, HeaderValue::from_static("http://127.0.0.1:1/v1"))
        }
        InjectedFault::Html => headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html")),
        InjectedFault::Gzip => headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        _ => None,
    };
    Some(response)
}

fn too_long(spec: &ModelSpec, needed: u32) -> Response<Body> {
    let most = spec.context_tokens_max;
    if spec.quirks.llama_cpp {
        let said = script::llama_cpp_too_long(most, needed);
        return json_body(StatusCode::BAD_REQUEST, Body::Whole(said));
    }
    error(
        StatusCode::BAD_REQUEST,
        &format!("This model's maximum context length is {most} tokens, {needed} were requested."),
    )
}

/// An error in the form of the engines.
pub(super) fn error(status: StatusCode, message: &str) -> Response<Body> {
    let kind = if status == StatusCode::BAD_REQUEST { "BadRequestError" } else { "EngineError" };
    let error = json!({ "message": message, "type": kind, "param": null, "code": status.as_u16() });
    let body = json!({ "error": error }).to_string();
    json_body(status, Body::Whole(body.into()))
}

/// An answer in JSON.
pub(super) fn json_body(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn events(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let events = HeaderValue::from_static("text/event-stream; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, events);
    response
}
