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
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use subtle::ConstantTimeEq;
use tower_service::Service;

use super::{EdgeBody, framing::Refusal};
use crate::{config::Secret, identity::bearer, pipeline::Gateway};

/// The format of `/metrics`.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the operators' door knows.
pub(crate) struct AdminState {
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
pub(crate) struct Admin {
    gateway: Arc<Gateway>,
    router: Router,
}

impl Admin {
    /// A door with this state behind it.
    pub(crate) fn new(state: AdminState) -> Self {
        let router = [
            ("/metrics", get(metrics)),
            ("/livez", get(async || "ok\n")),
            ("/readyz", get(ready)),
            ("/admin/v1/policy", get(policy)),
        ]
        .into_iter()
        .fold(Router::new(), |router, (path, page)| {
            router.route(path, page.clone()).route(&format!("{path}/"), page)
        });
        let gateway = Arc::clone(&state.gateway);
        Self { gateway, router: router.with_state(Arc::new(state)) }
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
        let mut answer = self.router.call(request).await?.map(EdgeBody::Router);
        if self.gateway.draining.load(Ordering::Relaxed) {
            // A scrape that keeps its connection finds whoever serves next.
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(answer)
    }
}

async fn metrics(State(state): State<Arc<AdminState>>, headers: HeaderMap) -> AxumResponse {
    if state.metrics_guarded && !state.opens(&headers) {
        return (StatusCode::UNAUTHORIZED, "a bearer token is required\n").into_response();
    }
    match state.gateway.recorder.metrics().expose() {
        Ok(text) => ([(header::CONTENT_TYPE, EXPOSITION)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be exposed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The policy in force: what decides the next request.
async fn policy(State(state): State<Arc<AdminState>>, headers: HeaderMap) -> AxumResponse {
    if !is_one_of(&headers, &[&state.token]) {
        return (StatusCode::UNAUTHORIZED, "the bearer token `admin.token` is required\n")
            .into_response();
    }
    let epoch = state.gateway.epoch.load_full();
    let rules: Vec<&str> = epoch.policy.rule_names().map(|name| &**name).collect();
    let said = serde_json::json!({
        "version": epoch.policy.version(), "hash": epoch.policy.hash(),
        "timezone": epoch.policy.timezone(), "rules": rules,
    });
    ([(header::CONTENT_TYPE, "application/json")], said.to_string()).into_response()
}

impl AdminState {
    /// Whether the bearer token is one that opens `/metrics`.
    fn opens(&self, headers: &HeaderMap) -> bool {
        is_one_of(headers, &[&self.token, &self.metrics_token])
    }
}

/// Whether the bearer token is one of these; of several, each. Compared in constant time.
fn is_one_of(headers: &HeaderMap, tokens: &[&Option<Secret>]) -> bool {
    let known: Vec<&[u8]> =
        tokens.iter().filter_map(|it| it.as_ref()).map(|it| it.expose().as_bytes()).collect();
    let opens = |value: &HeaderValue| {
        let given = bearer(value.as_bytes()).unwrap_or_default();
        !given.is_empty() && known.iter().any(|token| token.ct_eq(given).into())
    };
    let mut given = headers.get_all(header::AUTHORIZATION).iter().peekable();
    given.peek().is_some() && given.all(opens)
}

/// Ready: the ledger can be written, a model has a live endpoint, and nobody said stop.
async fn ready(State(state): State<Arc<AdminState>>) -> AxumResponse {
    let gateway = &state.gateway;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_read_as_people_write_it() {
        let token = Some(Secret::new("s3cret"));
        let opens = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::AUTHORIZATION, line.parse().unwrap());
            }
            is_one_of(&headers, &[&token, &None])
        };
        for line in [
            "Bearer s3cret",
            "bearer s3cret",
            "BEARER s3cret",
            "Bearer   s3cret",
            "bearer\ts3cret",
            " Bearer \t s3cret \t",
        ] {
            assert!(opens(&[line]), "{line:?}");
        }
        for line in ["s3cret", "Bearers3cret", "Bearer", "Bearer ", "Basic s3cret", "Bearer S3CRET"]
        {
            assert!(!opens(&[line]), "{line:?}");
        }
        assert!(!opens(&[]));
        assert!(!opens(&["Bearer s3cret", "Bearer other"]), "one of them is wrong");
        assert!(opens(&["Bearer s3cret", "bearer s3cret"]));
    }
}
