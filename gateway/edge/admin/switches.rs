//! Models and their endpoints, and the switches by which operators take them out of service and back.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
};
use futures_util::future::BoxFuture;
use http::StatusCode;
use serde_json::Value;

use super::{
    AdminState,
    managed::{Answered, Asked, By, author, json_of},
    operator::Access::Role,
    page::Page,
    said::{Said, said, unknown},
};
use crate::{
    config::{
        Author,
        Role::{Operator, Viewer},
        Switching,
    },
    failure::Failure,
};

/// How models and endpoints are seen and switched. Nothing of it blocks the runtime.
pub(crate) struct Switchboard {
    /// All models.
    pub models: Box<dyn Fn() -> Value + Send + Sync>,
    /// One, by its id.
    pub model: Box<ModelFn>,
    /// Switches; when it returns that is durable and in force. The model as it is then, and whether that is a
    /// change.
    pub switch: Box<dyn Fn(Switching, Author) -> Switched + Send + Sync>,
}

type ModelFn = dyn Fn(&str) -> Result<Value, Failure> + Send + Sync;

/// What comes of a switch.
pub(crate) type Switched = BoxFuture<'static, Result<Value, Failure>>;

type Named<T> = Result<Path<T>, PathRejection>;

/// The pages of models, each by its path.
pub(super) fn pages() -> Vec<Page> {
    vec![
        Page::get("/admin/v1/models", Role(Viewer), list),
        Page::get("/admin/v1/models/{id}", Role(Viewer), one),
        model("/admin/v1/models/{id}/disable", true),
        model("/admin/v1/models/{id}/enable", false),
        endpoint("/admin/v1/models/{id}/endpoints/{n}/drain", true),
        endpoint("/admin/v1/models/{id}/endpoints/{n}/undrain", false),
    ]
}

/// The page that switches a model.
fn model(path: &'static str, off: bool) -> Page {
    Page::post(path, Role(Operator), move |State(state): Asked, by: By, id: Named<String>, body| {
        let what = id.map_or_else(|_| (String::new(), None), |Path(id)| (id, None));
        switch((state, by), (what, off), body)
    })
}

/// The page that switches an endpoint.
fn endpoint(path: &'static str, off: bool) -> Page {
    let switched = move |State(state): Asked, by: By, of: Named<(String, String)>, body| {
        let what = of.map_or_else(|_| (String::new(), None), |Path((id, n))| (id, Some(n)));
        switch((state, by), (what, off), body)
    };
    Page::post(path, Role(Operator), switched)
}

async fn list(State(state): Asked) -> Answered {
    Ok(json_of(StatusCode::OK, &(state.switchboard.models)()))
}

async fn one(State(state): Asked, id: Named<String>) -> Answered {
    let id = id.map_or_else(|_| String::new(), |Path(id)| id);
    Ok(json_of(StatusCode::OK, &(state.switchboard.model)(&id)?))
}

/// The id of a model, and the number of its endpoint if that is meant.
type What = (String, Option<String>);

async fn switch(
    (state, by): (Arc<AdminState>, By),
    ((model, endpoint), off): (What, bool),
    body: Body,
) -> Answered {
    let Said { fields, reason } = said(body).await?;
    unknown(&fields, "`reason`")?;
    let author = author(&state, &by, &reason);
    let switching = Switching { model, endpoint, off, reason };
    Ok(json_of(StatusCode::OK, &(state.switchboard.switch)(switching, author).await?))
}
