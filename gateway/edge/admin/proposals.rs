//! Changes that wait for a second person: pages of them, and their approval. Whoever approves is an admin,
//! and not the one who has proposed.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use futures_util::future::BoxFuture;
use http::{StatusCode, Uri};
use serde_json::Value;

use super::{
    AdminState,
    failure::Told,
    managed::{author, json_of, text},
    operator::Access::Role,
    page::Page,
    said::{said, taken_text, unknown},
};
use crate::{
    config::{
        Author,
        Role::{Admin, Viewer},
    },
    directory,
    failure::{Failure, Kind, Stage, shown},
};

/// How proposals are seen, made and closed. Nothing of it blocks the runtime.
pub(crate) struct Proposals {
    /// The page of them that the query of a URL asks for.
    pub page: PageOf,
    /// One by its id, with what it would change now.
    pub one: OneOf,
    /// Proposes a policy: its document, and who does so; the proposal when that is durable.
    pub policy: PolicyOf,
    /// Approves the proposal of this id or, where that is false, rejects it; the proposal as it is then, when
    /// that is durable and in force.
    pub decide: Decide,
}

/// What answers a query with a page.
pub(crate) type PageOf = Box<dyn Fn(&str) -> Proposing + Send + Sync>;
/// What looks for a proposal by its id.
pub(crate) type OneOf = Box<dyn Fn(&str) -> Option<Value> + Send + Sync>;
/// What proposes a policy.
pub(crate) type PolicyOf = Box<dyn Fn(String, Author) -> Proposing + Send + Sync>;
/// What closes a proposal.
pub(crate) type Decide = Box<dyn Fn(String, bool, Author) -> Proposing + Send + Sync>;

/// What becomes of a proposal.
pub(crate) type Proposing = BoxFuture<'static, Result<Value, Failure>>;

type Id = Result<Path<String>, PathRejection>;
type Asked = State<Arc<AdminState>>;
type By = Extension<Arc<directory::Operator>>;
type Answered = Result<Response, Told>;

/// The pages of proposals.
pub(super) fn pages() -> Vec<Page> {
    let decides = |path: &'static str, approves: bool| {
        Page::post(path, Role(Admin), move |state: Asked, by: By, id: Id, body: Body| {
            decide((state, by), id, approves, body)
        })
    };
    vec![
        Page::get("/admin/v1/proposals", Role(Viewer), list),
        Page::get("/admin/v1/proposals/{id}", Role(Viewer), one),
        decides("/admin/v1/proposals/{id}/approve", true),
        decides("/admin/v1/proposals/{id}/reject", false),
        Page::post("/admin/v1/policy/proposals", Role(Admin), policy),
        decides("/admin/v1/policy/proposals/{id}/approve", true),
    ]
}

async fn list(State(state): Asked, uri: Uri) -> Answered {
    let page = (state.proposals.page)(uri.query().unwrap_or_default()).await?;
    Ok(json_of(StatusCode::OK, &page))
}

async fn one(State(state): Asked, id: Id) -> Answered {
    let id = text(id);
    let Some(it) = (state.proposals.one)(&id) else {
        let public = format!("there is no proposal `{}`", shown(&id));
        let failure = Failure::new(Kind::InvalidRequest, Stage::Receive, public);
        return Err(failure.with_status(404).coded("not_found").at("id").into());
    };
    Ok(json_of(StatusCode::OK, &it))
}

/// Proposes a policy.
async fn policy(State(state): Asked, by: By, body: Body) -> Answered {
    let it = said(body).await?;
    let (mut fields, reason) = (it.fields, it.reason);
    let Some(document) = taken_text(&mut fields, "document")? else {
        let public = "`document` is missing: expected a policy, as its file would have it";
        return Err(Failure::invalid("missing_field", public).at("document").into());
    };
    unknown(&fields, "`document` and `reason`")?;
    let made = (state.proposals.policy)(document, author(&state, &by, &reason)).await?;
    Ok(json_of(StatusCode::ACCEPTED, &made))
}

async fn decide((State(state), by): (Asked, By), id: Id, approves: bool, body: Body) -> Answered {
    let it = said(body).await?;
    unknown(&it.fields, "`reason`")?;
    let author = author(&state, &by, &it.reason);
    let closed = (state.proposals.decide)(text(id), approves, author).await?;
    Ok(json_of(StatusCode::OK, &closed))
}
