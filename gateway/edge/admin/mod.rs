//! The operators' API: one file for each thing that it shows. An error is a [`Failure`], rendered in
//! `failure.rs`: as JSON below `/admin/`, and where there is no page.

mod audit;
mod described;
mod experiments;
mod failure;
mod health;
mod managed;
mod me;
mod metrics;
mod operator;
mod page;
mod policy;
mod proposals;
mod requests;
mod said;
mod shown;
mod spend;
mod switches;

use std::{
    convert::Infallible,
    sync::{Arc, LazyLock, atomic::Ordering},
};

use axum::{Router, middleware, response::IntoResponse};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use serde_json::Value;
use tower_service::Service;
use uuid::Uuid;

use self::operator::{
    Access::{Anybody, Local, Metrics, Role},
    guard,
};
use self::page::Page;
pub(crate) use self::{
    managed::{Manage, Minted, Place},
    proposals::Proposals,
    switches::Switchboard,
};
use super::{EdgeBody, framing::FramingError, render};
use crate::{
    config::Role::{Operator, Viewer},
    failure::Failure,
    pipeline::Gateway,
};

/// What the operators' API answers from.
pub(crate) struct AdminState {
    /// The gateway it speaks of.
    pub gateway: Arc<Gateway>,
    /// Whether only this machine reaches the listener: `/metrics` then needs no token unless one is set for
    /// it.
    pub on_loopback: bool,
    /// Looks for a request in the books.
    pub find_request: FindRequest,
    /// Reads the audit trail.
    pub audit: Audit,
    /// Sums the ledger.
    pub spend: Spend,
    /// Shows and changes keys and teams.
    pub manage: Manage,
    /// Shows, makes and closes what waits for a second person.
    pub proposals: Proposals,
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

/// The pages that stand by themselves. Whoever reads may be a viewer; `operator` is for what stops and
/// resumes, `admin` for what changes who may ask, for how much, and by which policy.
fn pages() -> Vec<Page> {
    vec![
        Page::get("/metrics", Metrics, metrics::metrics),
        Page::get("/livez", Anybody, health::live),
        Page::get("/readyz", Anybody, health::ready),
        Page::get("/openapi.json", Local, document),
        Page::get("/admin/v1/me", Role(Viewer), me::me),
        Page::get("/admin/v1/policy", Role(Viewer), policy::policy),
        Page::get("/admin/v1/requests/{id}", Role(Viewer), requests::request),
        Page::get("/admin/v1/spend", Role(Viewer), spend::spend),
        Page::get("/admin/v1/audit", Role(Viewer), audit::audit),
        Page::get("/admin/v1/experiments", Role(Viewer), experiments::list),
        Page::get("/admin/v1/experiments/{name}", Role(Viewer), experiments::one),
        Page::post("/admin/v1/experiments/{name}/stop", Role(Operator), experiments::stop),
        Page::post("/admin/v1/experiments/{name}/resume", Role(Operator), experiments::resume),
    ]
}

/// All pages, those of each kind of thing with them.
fn all_pages() -> Vec<Page> {
    [pages(), managed::pages(), switches::pages(), proposals::pages()]
        .into_iter()
        .flatten()
        .collect()
}

/// The document of all pages: made once, and shared.
static DOCUMENT: LazyLock<Bytes> =
    LazyLock::new(|| described::document(&all_pages()).to_string().into());

/// `GET /openapi.json`
async fn document() -> impl IntoResponse {
    render::json(200, Bytes::clone(&DOCUMENT)).map(axum::body::Body::new)
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
        let (gateway, state) = (Arc::clone(&state.gateway), Arc::new(state));
        let router = all_pages().into_iter().fold(Router::new(), |router, it| {
            let Page { path, access, answers: page, .. } = it;
            let guarded = (Arc::clone(&state), access, path);
            let page = page.route_layer(middleware::from_fn_with_state(guarded, guard));
            router.route(path, page.clone()).route(&format!("{path}/"), page)
        });
        let router = router.fallback(failure::no_page);
        let router = router.method_not_allowed_fallback(failure::no_method);
        Self { gateway, router: router.with_state(state) }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever adds a page says here whom it answers, and adds it to the matrix of
    /// `tests/scenarios/operators.rs`.
    #[test]
    fn whom_each_page_answers() {
        let told = |Page { path, access, .. }: Page| match access {
            Anybody => format!("{path}: anybody"),
            Local => format!("{path}: local"),
            Metrics => format!("{path}: metrics"),
            Role(role) => format!("{path}: {}", role.name()),
        };
        let told: Vec<String> = all_pages().into_iter().map(told).collect();
        let expected = [
            "/metrics: metrics",
            "/livez: anybody",
            "/readyz: anybody",
            "/openapi.json: local",
            "/admin/v1/me: viewer",
            "/admin/v1/policy: viewer",
            "/admin/v1/requests/{id}: viewer",
            "/admin/v1/spend: viewer",
            "/admin/v1/audit: viewer",
            "/admin/v1/experiments: viewer",
            "/admin/v1/experiments/{name}: viewer",
            "/admin/v1/experiments/{name}/stop: operator",
            "/admin/v1/experiments/{name}/resume: operator",
            "/admin/v1/keys: viewer",
            "/admin/v1/keys: admin",
            "/admin/v1/keys/{name}: viewer",
            "/admin/v1/keys/{name}: admin",
            "/admin/v1/teams: viewer",
            "/admin/v1/teams: admin",
            "/admin/v1/teams/{name}: viewer",
            "/admin/v1/teams/{name}: admin",
            "/admin/v1/keys/{name}: operator",
            "/admin/v1/keys/{name}/rotate: admin",
            "/admin/v1/key-import: admin",
            "/admin/v1/teams/{name}: admin",
            "/admin/v1/teams/{name}: admin",
            "/admin/v1/models: viewer",
            "/admin/v1/models/{id}: viewer",
            "/admin/v1/models/{id}/disable: operator",
            "/admin/v1/models/{id}/enable: operator",
            "/admin/v1/models/{id}/endpoints/{n}/drain: operator",
            "/admin/v1/models/{id}/endpoints/{n}/undrain: operator",
            "/admin/v1/proposals: viewer",
            "/admin/v1/proposals/{id}: viewer",
            "/admin/v1/proposals/{id}/approve: admin",
            "/admin/v1/proposals/{id}/reject: admin",
            "/admin/v1/policy/proposals: admin",
            "/admin/v1/policy/proposals/{id}/approve: admin",
        ];
        assert_eq!(told, expected);
    }

    /// The rows of the operators' page that say who may do what name each page of their role, and no other.
    #[test]
    fn the_docs_say_whom_each_page_answers() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATIONS.md");
        let docs = std::fs::read_to_string(docs).unwrap();
        let table = docs.split("### Who may do what").nth(1).unwrap().split("###").next().unwrap();
        for role in crate::config::Role::ALL {
            let begin = format!("| `{}` |", role.name());
            let row = table.lines().find(|line| line.starts_with(&begin)).unwrap();
            let mut said: Vec<&str> = row.split('`').filter(|it| it.starts_with('/')).collect();
            let pages = all_pages();
            let of_role = pages.iter().filter(|it| it.access == Role(role));
            let mut known: Vec<&str> =
                of_role.filter_map(|it| it.path.strip_prefix("/admin/v1")).collect();
            said.retain(|it| *it != "/admin/v1");
            for all in [&mut said, &mut known] {
                all.sort_unstable();
                all.dedup();
            }
            assert_eq!(said, known, "{row}");
        }
    }
}
