//! The callers' API: the hot route first, everything else by the router.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response as AxumResponse},
    routing::get,
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use hyper::body::Incoming;
use jiff::Timestamp;
use policies::facts::ModelFacts;
use tower_service::Service;

use super::{
    EdgeBody,
    cors::Cors,
    framing::FramingError,
    openapi,
    paths::{Asks, Page, READ},
    receive::{self, Bodies},
    render,
};
use crate::{
    config,
    failure::{Failure, Kind, Stage},
    outcome::Refused,
    pipeline::{self, Counted, FEEDBACK_BYTES_MAX, Failed, FindEnrolment, Gateway, Ids, Inbound},
    wire::{self, Surface},
};

/// The settings of the callers' API.
pub(crate) struct ApiSettings<'a> {
    /// Its limits.
    pub server: &'a config::Server,
    /// What finds whose a request was of which something is told.
    pub find_enrolment: FindEnrolment,
}

/// What takes what callers tell of answers.
struct FeedbackDesk {
    bodies: Arc<Bodies>,
    find: FindEnrolment,
}

/// The service of the callers' API.
#[derive(Clone)]
pub(crate) struct ApiService {
    gateway: Arc<Gateway>,
    bodies: Arc<Bodies>,
    feedback: Arc<FeedbackDesk>,
    router: Router,
    cors: Option<Arc<Cors>>,
}

impl ApiService {
    /// A service for callers of this gateway.
    pub(crate) fn new(gateway: Arc<Gateway>, settings: ApiSettings<'_>) -> Self {
        let bodies = |bytes_max| Bodies {
            bytes_max,
            timeout: settings.server.body_timeout,
            in_flight_max: settings.server.body_in_flight_bytes_max,
            in_flight: AtomicUsize::new(0),
        };
        let router = router(Arc::clone(&gateway));
        let told = bodies(FEEDBACK_BYTES_MAX.min(settings.server.body_bytes_max));
        let feedback = FeedbackDesk { bodies: Arc::new(told), find: settings.find_enrolment };
        let bodies = Arc::new(bodies(settings.server.body_bytes_max));
        let cors = Cors::of(&settings.server.cors_origins).map(Arc::new);
        Self { gateway, bodies, feedback: Arc::new(feedback), router, cors }
    }

    /// Answers one request, whatever it is.
    pub(crate) async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<EdgeBody>, Infallible> {
        let page = self.cors.as_ref().map(|cors| cors.origin(request.headers()));
        let preflight = match &page {
            Some(Some(_)) if request.extensions().get::<FramingError>().is_none() => {
                Cors::preflight(&request)
            }
            _ => None,
        };
        let mut answer = match preflight {
            Some(answer) => answer,
            None => self.answered(request).await,
        };
        if let Some(origin) = page {
            Cors::mark(origin, answer.headers_mut());
        }
        if self.gateway.draining.load(Ordering::Relaxed) {
            // Whoever keeps connections takes the next one to another replica.
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(answer)
    }

    async fn answered(&self, request: Request<Incoming>) -> Response<EdgeBody> {
        let at = (self.gateway.sources.timestamp)();
        let ids = ids(&self.gateway, request.headers(), at);
        let asks = Asks::of(request.uri().path());
        let why = self.gateway.why_header;
        if let Some(refusal) = request.extensions().get::<FramingError>() {
            let failure = refusal.failure();
            refused(&self.gateway, &failure, &ids);
            return render::failure(asks.surface(), &failure, &ids, why);
        }
        let answered = AssertUnwindSafe(self.route(request, asks, &ids, at)).catch_unwind().await;
        let bug = |_| {
            let bug = Failure::new(Kind::Bug, Stage::Receive, "the gateway made a mistake");
            pipeline::failed(&bug, &Failed { id: ids.id(), ..Failed::default() });
            Err(bug)
        };
        answered
            .unwrap_or_else(bug)
            .unwrap_or_else(|failure| render::failure(asks.surface(), &failure, &ids, why))
    }

    async fn route(
        &self,
        request: Request<Incoming>,
        asks: Asks,
        ids: &Ids,
        at: Timestamp,
    ) -> Result<Response<EdgeBody>, Failure> {
        if matches!(asks, Asks::Other) {
            let answered = Box::pin(self.router.clone().call(request)).await;
            let mut answer = answered.unwrap_or_else(|never| match never {});
            // A refusal has been counted under its own.
            if !answer.headers().contains_key(pipeline::name::ID) {
                ids.write(answer.headers_mut());
            }
            return Ok(answer.map(EdgeBody::Router));
        }
        if request.method() != Method::POST {
            let failure = wrong_method(request.method());
            refused(&self.gateway, &failure, ids);
            let why = self.gateway.why_header;
            let mut answer = render::failure(asks.surface(), &failure, ids, why);
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            return Ok(answer);
        }
        let bodies =
            if matches!(asks, Asks::Feedback) { &self.feedback.bodies } else { &self.bodies };
        self.counted(receive::check(request.headers(), bodies), ids)?;
        let started = self.gateway.now();
        let (head, body) = request.into_parts();
        let body = receive::read(body, Arc::clone(bodies));
        let (headers, surface) = (head.headers, asks.surface());
        let inbound = Inbound { ids: ids.clone(), started, at, headers, body, surface };
        if matches!(asks, Asks::Decision(_)) {
            let said = Box::pin(pipeline::preview(&self.gateway, inbound)).await;
            let said = self.counted(said, ids)?.to_string();
            return Ok(marked(render::json(200, said.into()), ids));
        }
        if matches!(asks, Asks::Count(_)) {
            let counted = Box::pin(pipeline::count(&self.gateway, inbound)).await;
            let Counted { body, headers } = self.counted(counted, ids)?;
            let mut answer = render::json(200, body);
            answer.headers_mut().extend(headers);
            return Ok(answer);
        }
        if matches!(asks, Asks::Feedback) {
            let find = &self.feedback.find;
            let kept = Box::pin(pipeline::feedback(&self.gateway, find, inbound)).await;
            let kept = self.counted(kept, ids)?.to_string();
            return Ok(marked(render::json(202, kept.into()), ids));
        }
        // Futures are moved before they run: what is large is moved as a pointer.
        let answer = Box::pin(pipeline::serve(&self.gateway, inbound)).await?;
        Ok(answer.map(EdgeBody::Answer))
    }

    /// Counts what is refused before the pipeline, which counts its own refusals, has seen it.
    fn counted<T>(&self, result: Result<T, Failure>, ids: &Ids) -> Result<T, Failure> {
        result.inspect_err(|failure| refused(&self.gateway, failure, ids))
    }
}

/// Counts and says what was refused outside of the pipeline.
fn refused(gateway: &Gateway, failure: &Failure, ids: &Ids) {
    pipeline::failed(failure, &Failed { id: ids.id(), ..Failed::default() });
    let refused = Refused {
        id: ids.id(),
        caller_request_id: ids.callers().map(Box::from),
        trace: ids.trace(),
        at_ms: (gateway.sources.timestamp)().as_millisecond(),
        took: Duration::ZERO,
        kind: failure.kind,
        stage: failure.stage,
        verdict: failure.into(),
        draw: None,
        arm: None,
        signals: None,
        caller: None,
        names: Arc::clone(&gateway.epoch.load().names),
    };
    gateway.recorder.refused(refused, Some(failure));
}

fn ids(gateway: &Gateway, headers: &HeaderMap, at: Timestamp) -> Ids {
    let unix_ms = at.as_millisecond();
    let random = [(gateway.sources.random)(), (gateway.sources.random)()];
    Ids::new(headers, u64::try_from(unix_ms).unwrap_or(0), random, gateway.sampler)
}

/// An answer with the ids of its request.
fn marked(mut answer: Response<EdgeBody>, ids: &Ids) -> Response<EdgeBody> {
    ids.write(answer.headers_mut());
    answer
}

fn wrong_method(method: &Method) -> Failure {
    let public = format!("method {method} is not served on this path");
    Failure::new(Kind::InvalidRequest, Stage::Receive, public)
        .with_status(405)
        .coded("method_not_allowed")
}

/// What is not on a request's way to a model, with the version or without, and a slash at its end or none.
fn router(gateway: Arc<Gateway>) -> Router {
    let mut router = Router::new();
    for (path, page) in READ {
        let page = match page {
            Page::Models => get(models),
            Page::Model => get(model),
            Page::Key => get(key),
            Page::Document => get(document),
        };
        // What a name takes goes on to the end of the path.
        let ends: &[&str] = if path.ends_with('}') { &[""] } else { &["", "/"] };
        for end in ends {
            router = router.route(&format!("/v1{path}{end}"), page.clone());
            router = router.route(&format!("{path}{end}"), page.clone());
        }
    }
    router.method_not_allowed_fallback(wrongly_asked).fallback(unknown_path).with_state(gateway)
}

/// `GET /openapi.json`: it says nothing of this configuration, and so is for everybody.
async fn document() -> AxumResponse {
    let document = openapi::callers();
    render::json(200, document).map(axum::body::Body::new).into_response()
}

async fn wrongly_asked(
    State(gateway): State<Arc<Gateway>>,
    method: Method,
    headers: HeaderMap,
) -> AxumResponse {
    rendered(&gateway, &headers, &wrong_method(&method))
}

async fn unknown_path(
    State(gateway): State<Arc<Gateway>>,
    uri: Uri,
    headers: HeaderMap,
) -> AxumResponse {
    rendered(&gateway, &headers, &not_served(&uri))
}

fn not_served(uri: &Uri) -> Failure {
    let known = ["files", "batches", "audio", "images"];
    let path = uri.path().trim_start_matches("/v1").trim_start_matches('/');
    let first = path.split('/').next().unwrap_or("");
    let public = match known.contains(&first) {
        true => format!("/v1/{first} is not supported"),
        false => String::from("there is nothing at this path"),
    };
    Failure::new(Kind::InvalidRequest, Stage::Receive, public)
        .with_status(404)
        .coded("not_supported")
}

/// Whether a request is one of Anthropic's clients, by the header that each of theirs has.
fn speaks_messages(headers: &HeaderMap) -> bool {
    headers.contains_key("anthropic-version")
}

fn rendered(gateway: &Gateway, headers: &HeaderMap, failure: &Failure) -> AxumResponse {
    let ids = ids(gateway, headers, (gateway.sources.timestamp)());
    refused(gateway, failure, &ids);
    let messages = Surface::at("/messages").filter(|_| speaks_messages(headers));
    let surface = messages.unwrap_or_else(Surface::first);
    let answer = render::failure(surface, failure, &ids, gateway.why_header);
    answer.map(axum::body::Body::new).into_response()
}

/// `GET /v1/models`: what this key may use, `auto` first.
async fn models(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> AxumResponse {
    match listed(&gateway, &headers, None) {
        Ok(list) => render::json(200, list).map(axum::body::Body::new).into_response(),
        Err(failure) => rendered(&gateway, &headers, &failure),
    }
}

/// `GET /v1/models/{id}`
async fn model(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> AxumResponse {
    match listed(&gateway, &headers, Some(&id)) {
        Ok(card) => render::json(200, card).map(axum::body::Body::new).into_response(),
        Err(failure) => rendered(&gateway, &headers, &failure),
    }
}

/// `GET /v1/key`: who asks, what he may and what is left for him. It is his alone, and kept nowhere.
async fn key(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> AxumResponse {
    match pipeline::whoami(&gateway, &headers) {
        Ok(card) => {
            let mut answer = render::json(200, card);
            let kept = HeaderValue::from_static("no-store");
            answer.headers_mut().insert(header::CACHE_CONTROL, kept);
            answer.map(axum::body::Body::new).into_response()
        }
        Err(failure) => rendered(&gateway, &headers, &failure),
    }
}

fn card<'a>(model: &'a ModelFacts, created: i64, currency: &'a str) -> wire::ModelCard<'a> {
    wire::ModelCard {
        id: &model.id,
        created,
        family: model.family.as_deref(),
        context_tokens_max: Some(model.context_tokens_max),
        output_tokens_max: Some(model.output_tokens_max).filter(|it| it.0 > 0),
        capabilities: model.capabilities,
        price: model.price,
        currency,
    }
}

fn listed(
    gateway: &Gateway,
    headers: &HeaderMap,
    only: Option<&str>,
) -> Result<bytes::Bytes, Failure> {
    let epoch = gateway.epoch.load();
    let asking = epoch.directory.authenticate(headers, (gateway.sources.timestamp)())?;
    let caller = &asking.principal.caller;
    let policy = &epoch.policy;
    let allowed = policy.allowed(&caller.team_path, caller.key);
    let since = |id: &str| epoch.created.get(id).copied();
    let start = since("auto").unwrap_or_default();
    let named = |id| {
        let created = since(id).unwrap_or(start);
        wire::ModelCard { id, created, family: Some("signalbox"), ..Default::default() }
    };
    let models = policy.fleet().models.iter().zip(&allowed).enumerate();
    let view = epoch.upstreams.fleet.view();
    // One that is switched off is in no list, but is what it is to who asks for it by name.
    let off = |at: usize| only.is_none() && view.models.get(at).is_some_and(|it| it.switched_off);
    let models =
        models.filter(|(at, (_, allowed))| **allowed && !off(*at)).map(|(_, (model, _))| {
            card(model, since(&model.id).unwrap_or(start), &epoch.names.currency)
        });
    let aliases = policy.aliases(&allowed).map(named);
    let mut cards = std::iter::once(named("auto")).chain(models).chain(aliases);
    let anthropic = speaks_messages(headers);
    let Some(id) = only else {
        let cards: Vec<_> = cards.collect();
        let list = if anthropic { wire::anthropic_models_list } else { wire::models_list };
        return Ok(list(&cards));
    };
    let id = id.strip_suffix('/').unwrap_or(id);
    let card = cards.find(|card| card.id == id);
    // What an alias serves by how it begins is in no list, but is served.
    let served = || (!id.contains('*') && policy.is_alias(id, &allowed)).then(|| named(id));
    card.or_else(served)
        .map(|card| if anthropic { wire::anthropic_model(&card) } else { wire::model(&card) })
        .ok_or_else(|| pipeline::unknown_model(id, policy, &allowed, Stage::Receive))
}
