//! The operators' door: metrics, liveness, readiness.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response as AxumResponse},
    routing::get,
};
use http::{HeaderMap, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use subtle::ConstantTimeEq;
use tower_service::Service;

use super::{EdgeBody, framing::Refusal};
use crate::{config::Secret, pipeline::Gateway};

/// The format of `/metrics`.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the operators' door knows.
pub(crate) struct Desk {
    /// The gateway it speaks of.
    pub gateway: Arc<Gateway>,
    /// Opens everything.
    pub token: Option<Secret>,
    /// Opens `/metrics` alone.
    pub metrics_token: Option<Secret>,
    /// Whether `/metrics` needs a token: the door is not on loopback, or a token is set for it.
    pub metrics_guarded: bool,
}

/// The operators' door.
#[derive(Clone)]
pub(crate) struct Admin(Router);

impl Admin {
    /// A door with this desk behind it.
    pub(crate) fn new(desk: Desk) -> Self {
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/admin/v1/policy", get(policy))
            .with_state(Arc::new(desk));
        Self(router)
    }

    /// Answers one request.
    pub(crate) async fn answer(
        mut self,
        request: Request<Incoming>,
    ) -> Result<Response<EdgeBody>, Infallible> {
        if let Some(refusal) = request.extensions().get::<Refusal>() {
            let failure = refusal.failure();
            let status = StatusCode::from_u16(failure.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let close = [(header::CONNECTION, "close")];
            let answer = (status, close, format!("{}\n", failure.public)).into_response();
            return Ok(answer.map(EdgeBody::Router));
        }
        Ok(self.0.call(request).await?.map(EdgeBody::Router))
    }
}

async fn metrics(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> AxumResponse {
    if desk.metrics_guarded && !desk.opens(&headers) {
        return (StatusCode::UNAUTHORIZED, "a bearer token is required\n").into_response();
    }
    match desk.gateway.recorder.metrics().expose() {
        Ok(text) => ([(header::CONTENT_TYPE, EXPOSITION)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be exposed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The policy in force: what decides the next request.
async fn policy(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> AxumResponse {
    if !is_one_of(&headers, &[&desk.token]) {
        return (StatusCode::UNAUTHORIZED, "the bearer token `admin.token` is required\n")
            .into_response();
    }
    let epoch = desk.gateway.epoch.load_full();
    let rules: Vec<&str> = epoch.policy.rule_names().map(|name| &**name).collect();
    let said = serde_json::json!({
        "version": epoch.policy.version(), "hash": epoch.policy.hash(),
        "timezone": epoch.policy.timezone(), "rules": rules,
    });
    ([(header::CONTENT_TYPE, "application/json")], said.to_string()).into_response()
}

impl Desk {
    /// Whether the bearer token is one that opens `/metrics`.
    fn opens(&self, headers: &HeaderMap) -> bool {
        is_one_of(headers, &[&self.token, &self.metrics_token])
    }
}

/// Whether the bearer token is one of these. Compared in constant time.
fn is_one_of(headers: &HeaderMap, tokens: &[&Option<Secret>]) -> bool {
    let given = headers.get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
    let Some(given) = given.and_then(|value| value.strip_prefix(b"Bearer ")) else {
        return false;
    };
    let mut known = tokens.iter().filter_map(|token| token.as_ref());
    known.any(|token| token.expose().as_bytes().ct_eq(given).into())
}

/// Ready: the ledger can be written, a model has a live endpoint, and nobody said stop.
async fn ready(State(desk): State<Arc<Desk>>) -> AxumResponse {
    let gateway = &desk.gateway;
    let upstreams = Arc::clone(&gateway.epoch.load().upstreams);
    let ledger = gateway.recorder.ledger().fault();
    let faults = [
        (gateway.draining.load(Ordering::Relaxed), "draining"),
        (ledger.is_some(), ledger.unwrap_or_default()),
        (!upstreams.fleet.any_up(gateway.now()), "no model has a live endpoint"),
    ];
    let faults: Vec<_> = faults.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
    if faults.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, faults.join("\n") + "\n").into_response()
}
