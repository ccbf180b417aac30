//! The operators' API: one file for each thing that it shows. An error is a [`Failure`], rendered in
//! `failure.rs`: as JSON below `/admin/`, and where there is no page.

mod audit;
mod experiments;
mod failure;
mod health;
mod managed;
mod metrics;
mod policy;
mod requests;
mod spend;
mod switches;
mod token;

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
};

use axum::{
    Router,
    response::IntoResponse,
    routing::{get, post},
};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use serde_json::Value;
use tower_service::Service;
use uuid::Uuid;

pub(crate) use self::{
    managed::{Manage, Minted},
    switches::Switchboard,
};
use super::{EdgeBody, framing::FramingError};
use crate::{
    config::Secret,
    failure::{Failure, Kind, Stage},
    pipeline::Gateway,
};

/// What the operators' API answers from.
pub(crate) struct AdminState {
    /// The gateway it speaks of.
    pub gateway: Arc<Gateway>,
    /// Opens everything.
    pub token: Option<Secret>,
    /// Opens `/metrics` alone.
    pub metrics_token: Option<Secret>,
    /// Whether `/metrics` needs a token: its listener is not on loopback, or a token is set for it.
    pub metrics_guarded: bool,
    /// Looks for a request in the books.
    pub find_request: FindRequest,
    /// Reads the audit trail.
    pub audit: Audit,
    /// Sums the ledger.
    pub spend: Spend,
    /// Shows and changes keys and teams.
    pub manage: Manage,
    /// Shows models and endpoints, and switches them off and on.
    pub switchboard: Switchboard,
    /// Writes out the metrics.
    pub expose: Expose,
}

/// What looks for a request of the past by its id: all that is known of it as JSON, if there is one. It
/// neither blocks the runtime nor holds the ledger's writer up.
pub(crate) type FindRequest =
    Box<dyn Fn(Uuid) -> BoxFuture<'static, Result<Option<Value>, Failure>> + Send + Sync>;

/// What answers the query of a URL with what was spent: the media type, and the document. It neither blocks
/// the runtime nor holds the ledger's writer up.
pub(crate) type Spend =
    Box<dyn Fn(&str) -> BoxFuture<'static, Result<(&'static str, String), Failure>> + Send + Sync>;

/// What answers the query of a URL with a page of the audit trail. It neither blocks the runtime nor holds
/// the ledger's writer up.
pub(crate) type Audit =
    Box<dyn Fn(&str) -> BoxFuture<'static, Result<Value, Failure>> + Send + Sync>;

/// What writes out all metrics as text. No request is held up by it.
pub(crate) type Expose = Box<dyn Fn() -> BoxFuture<'static, Result<String, Failure>> + Send + Sync>;

impl AdminState {
    fn turned_away(&self) {
        let now = (self.gateway.sources.timestamp)();
        self.gateway.recorder.operator_refused(now.as_millisecond());
    }

    /// Turns away who may not read the metrics.
    fn may_read_metrics(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let open = !self.metrics_guarded;
        if open || token::is_one_of(headers, &[&self.token, &self.metrics_token]) {
            return Ok(());
        }
        self.turned_away();
        Err(no_token("a bearer token is required"))
    }

    /// Who operates; turns away who is no operator.
    fn may_operate(&self, headers: &HeaderMap) -> Result<&'static str, Failure> {
        if token::is_one_of(headers, &[&self.token]) {
            return Ok("admin");
        }
        self.turned_away();
        Err(no_token(match self.token {
            Some(_) => "the bearer token `admin.token` is required",
            None => {
                "no `admin.token` is set in the configuration, and without one nobody may ask this"
            }
        }))
    }
}

fn no_token(public: &'static str) -> Failure {
    Failure::new(Kind::Unauthenticated, Stage::Authenticate, public)
}

/// The service of the operators' API.
#[derive(Clone)]
pub(crate) struct Admin {
    gateway: Arc<Gateway>,
    router: Router,
}

impl Admin {
    /// A service that answers from this state.
    pub(crate) fn new(state: AdminState) -> Self {
        let router = [
            ("/metrics", get(metrics::metrics)),
            ("/livez", get(health::live)),
            ("/readyz", get(health::ready)),
            ("/admin/v1/policy", get(policy::policy)),
            ("/admin/v1/requests/{id}", get(requests::request)),
            ("/admin/v1/spend", get(spend::spend)),
            ("/admin/v1/audit", get(audit::audit)),
            ("/admin/v1/experiments", get(experiments::list)),
            ("/admin/v1/experiments/{name}", get(experiments::one)),
            ("/admin/v1/experiments/{name}/stop", post(experiments::stop)),
            ("/admin/v1/experiments/{name}/resume", post(experiments::resume)),
        ]
        .into_iter()
        .chain(managed::routes())
        .chain(switches::routes())
        .fold(Router::new(), |router, (path, page)| {
            router.route(path, page.clone()).route(&format!("{path}/"), page)
        });
        let router = router.fallback(failure::no_page);
        let router = router.method_not_allowed_fallback(failure::no_method);
        let gateway = Arc::clone(&state.gateway);
        Self { gateway, router: router.with_state(Arc::new(state)) }
    }

    /// Answers one request.
    pub(crate) async fn answer(
        mut self,
        request: Request<Incoming>,
    ) -> Result<Response<EdgeBody>, Infallible> {
        let refused = request.extensions().get::<FramingError>().map(|it| it.failure());
        // A scrape that keeps its connection is to find whoever serves next.
        let closes = refused.is_some() || self.gateway.draining.load(Ordering::Relaxed);
        let mut answer = match refused {
            Some(failure) => failure.into_response(),
            None => self.router.call(request).await?,
        };
        if closes {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(answer.map(EdgeBody::Router))
    }
}
