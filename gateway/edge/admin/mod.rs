//! The operators' API: one file for each thing that it shows. An error is a [`Failure`], rendered in
//! `failure.rs`: as JSON below `/admin/`, and where there is no page.

mod audit;
mod experiments;
mod failure;
mod health;
mod managed;
mod me;
mod metrics;
mod operator;
mod policy;
mod proposals;
mod requests;
mod said;
mod spend;
mod switches;

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
};

use axum::{
    Router, middleware,
    response::IntoResponse,
    routing::{MethodRouter, get, post},
};
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use serde_json::Value;
use tower_service::Service;
use uuid::Uuid;

use self::operator::{
    Access::{self, Anybody, Metrics, Role},
    guard,
};
pub(crate) use self::{
    managed::{Manage, Minted, Place},
    proposals::Proposals,
    switches::Switchboard,
};
use super::{EdgeBody, framing::FramingError};
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

/// A page: its path, whom it answers, and what answers. A path with several methods has a row for each.
type Page = (&'static str, Access, MethodRouter<Arc<AdminState>>);

/// The pages that stand by themselves. Whoever reads may be a viewer; `operator` is for what stops and
/// resumes, `admin` for what changes who may ask, for how much, and by which policy.
fn pages() -> Vec<Page> {
    vec![
        ("/metrics", Metrics, get(metrics::metrics)),
        ("/livez", Anybody, get(health::live)),
        ("/readyz", Anybody, get(health::ready)),
        ("/admin/v1/me", Role(Viewer), get(me::me)),
        ("/admin/v1/policy", Role(Viewer), get(policy::policy)),
        ("/admin/v1/requests/{id}", Role(Viewer), get(requests::request)),
        ("/admin/v1/spend", Role(Viewer), get(spend::spend)),
        ("/admin/v1/audit", Role(Viewer), get(audit::audit)),
        ("/admin/v1/experiments", Role(Viewer), get(experiments::list)),
        ("/admin/v1/experiments/{name}", Role(Viewer), get(experiments::one)),
        ("/admin/v1/experiments/{name}/stop", Role(Operator), post(experiments::stop)),
        ("/admin/v1/experiments/{name}/resume", Role(Operator), post(experiments::resume)),
    ]
}

/// All pages, those of each kind of thing with them.
fn all_pages() -> Vec<Page> {
    [pages(), managed::pages(), switches::pages(), proposals::pages()]
        .into_iter()
        .flatten()
        .collect()
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
        let router = all_pages().into_iter().fold(Router::new(), |router, (path, access, page)| {
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
        let told = |(path, access, _): Page| match access {
            Anybody => format!("{path}: anybody"),
            Metrics => format!("{path}: metrics"),
            Role(role) => format!("{path}: {}", role.name()),
        };
        let told: Vec<String> = all_pages().into_iter().map(told).collect();
        let expected = [
            "/metrics: metrics",
            "/livez: anybody",
            "/readyz: anybody",
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
            let of_role = pages.iter().filter(|(_, access, _)| *access == Role(role));
            let mut known: Vec<&str> =
                of_role.filter_map(|(path, ..)| path.strip_prefix("/admin/v1")).collect();
            said.retain(|it| *it != "/admin/v1");
            for all in [&mut said, &mut known] {
                all.sort_unstable();
                all.dedup();
            }
            assert_eq!(said, known, "{row}");
        }
    }
}
