//! Keys and teams: pages of them, and their changes. One set of handlers serves both; what their fields mean
//! is the configuration's affair.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde_json::{Map, Value, json};

use super::{
    AdminState,
    failure::Told,
    operator::Access::Role,
    page::{Page, Verb},
    said::{Said, said, taken_text, unknown},
};
use crate::{
    config::{
        self, Author, Edit, EditRefused, ManagedKind, OVERLAP_MS_MAX,
        Role::{Admin, Operator, Viewer},
        managed_fields, over, settable,
    },
    directory,
    failure::{Failure, Kind, Stage, shown},
};

/// Keys of one import at the most.
pub(super) const IMPORT_MAX: usize = 10_000;
/// The overlap of a rotation where nobody says how long.
const OVERLAP_SECONDS: i64 = 24 * 3_600;
/// The longest one.
pub(super) const OVERLAP_SECONDS_MAX: i64 = OVERLAP_MS_MAX / 1_000;

/// How what is managed is seen and changed. Nothing of it blocks the runtime.
pub(crate) struct Manage {
    /// Makes all of these changes or none; when it returns they are durable and in force. What is wrong is
    /// named by its place in the body.
    pub change: Box<dyn Fn(Vec<Edit>, Author, Place) -> Changing + Send + Sync>,
    /// One of a kind, by its name.
    pub one: Box<OneFn>,
    /// The page of those of a kind that the query of a URL asks for.
    pub page: Box<PageFn>,
    /// Makes a key that nobody has.
    pub mint: Box<dyn Fn() -> Minted + Send + Sync>,
}

/// Where in a body the fields of changes stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The body itself has those of the only one.
    Body,
    /// Its list `keys` has an object for each.
    Keys,
}

/// What comes of changes: nothing where they are in force, and the proposal where they wait for a second
/// person.
pub(crate) type Changing = BoxFuture<'static, Result<Option<Value>, Failure>>;

type OneFn = dyn Fn(ManagedKind, &str) -> BoxFuture<'static, Option<Value>> + Send + Sync;
type PageFn = dyn Fn(ManagedKind, &str) -> Paging + Send + Sync;

/// What comes of a query.
pub(crate) type Paging = BoxFuture<'static, Result<Value, Failure>>;

/// A new key.
pub(crate) struct Minted {
    /// The key itself, for whoever is to have it, once.
    pub key: String,
    /// Its keyed hash, as the configuration states it.
    pub hash: String,
}

type Name = Result<Path<String>, PathRejection>;
pub(super) type Asked = State<Arc<AdminState>>;
pub(super) type By = Extension<Arc<directory::Operator>>;
pub(super) type Answered = Result<Response, Told>;

/// The pages of keys and teams. A key that has leaked is ended by whoever is there; whoever gives one out is
/// an admin.
pub(super) fn pages() -> Vec<Page> {
    let of = |kind: ManagedKind, [all, one]: [&'static str; 2]| {
        let listed = move |state: Asked, uri: Uri| list(state, kind, uri);
        let made = move |state: Asked, by: By, body: Body| create(state, by, kind, body);
        let shown = move |state: Asked, name: Name| self::one(state, kind, name);
        [
            Page::get(all, Role(Viewer), listed),
            Page::post(all, Role(Admin), made),
            Page::get(one, Role(Viewer), shown),
            changing(one, (Verb::Patch, Admin), kind, How::Patch),
        ]
    };
    let (keys, teams) = (ManagedKind::Key, ManagedKind::Team);
    let rotating = |state: Asked, by: By, name: Name, headers: HeaderMap, body: Body| {
        rotate((state, by), name, headers, body)
    };
    let [key, team] = ["/admin/v1/keys/{name}", "/admin/v1/teams/{name}"];
    let mut pages = Vec::from(of(keys, ["/admin/v1/keys", key]));
    pages.extend(of(teams, ["/admin/v1/teams", team]));
    pages.extend([
        changing(key, (Verb::Delete, Operator), keys, How::Remove),
        Page::post("/admin/v1/keys/{name}/rotate", Role(Admin), rotating),
        Page::post("/admin/v1/key-import", Role(Admin), import),
        // A key is made with its secret, and so by POST alone.
        changing(team, (Verb::Put, Admin), teams, How::Put),
        changing(team, (Verb::Delete, Admin), teams, How::Remove),
    ]);
    pages
}

fn changing(
    path: &'static str,
    (verb, role): (Verb, config::Role),
    kind: ManagedKind,
    how: How,
) -> Page {
    let change = move |state: Asked, by: By, name: Name, headers: HeaderMap, body: Body| {
        change((state, by), (kind, name), headers, (how, body))
    };
    Page::new((verb, path), Role(role), change)
}

/// How one is changed.
#[derive(Clone, Copy)]
enum How {
    Patch,
    Put,
    Remove,
}

async fn list(State(state): Asked, kind: ManagedKind, uri: Uri) -> Answered {
    let page = (state.manage.page)(kind, uri.query().unwrap_or_default()).await?;
    Ok(json_of(StatusCode::OK, &page))
}

async fn one(State(state): Asked, kind: ManagedKind, name: Name) -> Answered {
    shown_one(&state, (kind, &text(name)), StatusCode::OK, None).await
}

/// Makes one of the name that its body says.
async fn create(State(state): Asked, by: By, kind: ManagedKind, body: Body) -> Answered {
    let Said { mut fields, reason } = said(body).await?;
    let name = taken_text(&mut fields, "name")?;
    let Some(name) = name else {
        return Err(Failure::invalid("missing_field", "`name` is missing").at("name").into());
    };
    let minted = (kind == ManagedKind::Key).then(|| (state.manage.mint)());
    let author = author(&state, &by, &reason);
    let fields = plain(kind, &fields)?;
    if kind == ManagedKind::Key {
        over(&fields, author.at_ms).map_err(|it| unfit(&it))?;
    }
    let hash = minted.as_ref().map(|it| it.hash.clone());
    let edit = Edit::Create { kind, name: name.as_str().into(), fields, hash };
    let waits = (state.manage.change)(vec![edit], author, Place::Body).await?;
    let key = minted.map(|it| it.key);
    if let Some(proposal) = waits {
        return Ok(waiting(proposal, key.map(|it| ("key", it.into()))));
    }
    shown_one(&state, (kind, &name), StatusCode::CREATED, key).await
}

/// Changes one, takes all its fields anew, or ends it.
async fn change(
    (State(state), by): (Asked, By),
    (kind, name): (ManagedKind, Name),
    headers: HeaderMap,
    (how, body): (How, Body),
) -> Answered {
    let name: Arc<str> = text(name).into();
    let version = version(&headers)?;
    let Said { fields, reason } = said(body).await?;
    if fields.contains_key("name") {
        let public = "a name stays: the books know it by that. Make another one, and end this one";
        return Err(Failure::invalid("invalid_value", public).at("name").into());
    }
    let none = fields.is_empty();
    let edit = match how {
        How::Patch => Edit::Patch { kind, name: Arc::clone(&name), patch: fields, version },
        How::Put => {
            Edit::Put { kind, name: Arc::clone(&name), fields: plain(kind, &fields)?, version }
        }
        How::Remove if !none => {
            let public = "expected an object with `reason`, or no body at all";
            return Err(Failure::invalid("invalid_body", public).into());
        }
        How::Remove if kind == ManagedKind::Key => {
            Edit::Revoke { name: Arc::clone(&name), version }
        }
        How::Remove => Edit::Remove { kind, name: Arc::clone(&name), version },
    };
    let waits =
        (state.manage.change)(vec![edit], author(&state, &by, &reason), Place::Body).await?;
    if let Some(proposal) = waits {
        return Ok(waiting(proposal, None));
    }
    if matches!(how, How::Remove) && kind != ManagedKind::Key {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    shown_one(&state, (kind, &name), StatusCode::OK, None).await
}

/// Gives a key another secret; the old one opens for a while yet.
async fn rotate(
    (State(state), by): (Asked, By),
    name: Name,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let name: Arc<str> = text(name).into();
    let version = version(&headers)?;
    let Said { mut fields, reason } = said(body).await?;
    let overlap = match fields.remove("overlap_seconds") {
        None => OVERLAP_SECONDS,
        Some(value) => {
            let seconds = value.as_i64().filter(|it| (0..=OVERLAP_SECONDS_MAX).contains(it));
            seconds.ok_or_else(|| {
                let public = format!(
                    "expected a whole number of seconds from 0 to {OVERLAP_SECONDS_MAX}, for which the old \
                     key opens too"
                );
                Failure::invalid("invalid_value", public).at("overlap_seconds")
            })?
        }
    };
    let end_overlap = match fields.remove("end_overlap") {
        None => false,
        Some(Value::Bool(ends)) => ends,
        Some(_) => {
            let public = "expected true or false: whether an overlap that runs may end by this";
            return Err(Failure::invalid("invalid_value", public).at("end_overlap").into());
        }
    };
    unknown(&fields, "`overlap_seconds`, `end_overlap` and `reason`")?;
    let minted = (state.manage.mint)();
    let overlap_ms = overlap.saturating_mul(1_000);
    let (key, hash) = (minted.key, minted.hash);
    let edit = Edit::Rotate { name: Arc::clone(&name), hash, overlap_ms, end_overlap, version };
    (state.manage.change)(vec![edit], author(&state, &by, &reason), Place::Body).await?;
    shown_one(&state, (ManagedKind::Key, &name), StatusCode::OK, Some(key)).await
}

/// Makes many keys, all or none: those with a `hash` have it, the others get a secret that is shown once.
async fn import(State(state): Asked, by: By, body: Body) -> Answered {
    let Said { mut fields, reason } = said(body).await?;
    let keys = match fields.remove("keys") {
        Some(Value::Array(keys)) if (1..=IMPORT_MAX).contains(&keys.len()) => keys,
        _ => {
            let public = format!("expected `keys`: a list of 1 to {IMPORT_MAX} objects");
            return Err(Failure::invalid("invalid_value", public).at("keys").into());
        }
    };
    unknown(&fields, "`keys` and `reason`")?;
    let (mut edits, mut told) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
    for (at, key) in keys.into_iter().enumerate() {
        let (edit, it) = imported(&state, key).map_err(|it| below(it, at))?;
        edits.push(edit);
        told.push(it);
    }
    let waits = (state.manage.change)(edits, author(&state, &by, &reason), Place::Keys).await?;
    if let Some(proposal) = waits {
        return Ok(waiting(proposal, Some(("keys", told.into()))));
    }
    Ok(json_of(StatusCode::CREATED, &json!({ "keys": told })))
}

fn below(failure: Failure, at: usize) -> Failure {
    let param = format!("keys[{at}].{}", failure.param.as_deref().unwrap_or_default());
    failure.at(param)
}

/// One key of an import: the change, and what is told of it.
fn imported(state: &AdminState, key: Value) -> Result<(Edit, Value), Failure> {
    let Value::Object(mut fields) = key else {
        return Err(Failure::invalid("invalid_value", "expected an object with `name`").at("name"));
    };
    let name = taken_text(&mut fields, "name")?;
    let name =
        name.ok_or_else(|| Failure::invalid("missing_field", "`name` is missing").at("name"))?;
    let (hash, told) = match taken_text(&mut fields, "hash")? {
        Some(hash) => (hash, json!({ "name": name })),
        None => {
            let minted = (state.manage.mint)();
            (minted.hash, json!({ "name": name, "key": minted.key }))
        }
    };
    settable(&mut fields)
        .map_err(|public| Failure::invalid("invalid_value", public).at("state"))?;
    let (kind, name) = (ManagedKind::Key, name.into());
    // One that has expired is a key of the export as well.
    Ok((Edit::Create { kind, name, fields: plain(kind, &fields)?, hash: Some(hash) }, told))
}

fn plain(kind: ManagedKind, fields: &Map<String, Value>) -> Result<toml::Table, Failure> {
    managed_fields(kind, fields).map_err(|it| unfit(&it))
}

/// Fields that no row can have.
fn unfit(refused: &EditRefused) -> Failure {
    let failure = Failure::invalid("invalid_value", refused.to_string());
    match refused {
        EditRefused::Field(field, ..) | EditRefused::Unknown(field, ..) => {
            failure.at(field.to_string())
        }
        _ => failure,
    }
}

/// What is not in force before a second person approves it; a key is shown now, and opens nothing till then.
fn waiting(mut proposal: Value, more: Option<(&str, Value)>) -> Response {
    if let (Some(fields), Some((name, value))) = (proposal.as_object_mut(), more) {
        fields.insert(name.to_owned(), value);
    }
    json_of(StatusCode::ACCEPTED, &proposal)
}

/// The version that `if-match` names; `*` is any.
fn version(headers: &HeaderMap) -> Result<Option<i64>, Failure> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let number = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let version = number.and_then(|it| it.parse().ok());
    version.map(Some).ok_or_else(|| {
        let public = "expected the `etag` of an answer, such as `\"3\"`, or `*`";
        Failure::invalid("invalid_header", public).at("if-match")
    })
}

pub(super) fn author(state: &AdminState, Extension(by): &By, reason: &str) -> Author {
    let at_ms = (state.gateway.sources.timestamp)().as_millisecond();
    Author { by: Arc::clone(&by.name), at_ms, not_before_ms: 0, reason: reason.into() }
}

/// What is no text at all is no name: this stands for it, which nothing can be called.
pub(super) fn text(name: Name) -> String {
    name.map_or_else(|_| char::REPLACEMENT_CHARACTER.to_string(), |Path(name)| name)
}

async fn shown_one(
    state: &AdminState,
    (kind, name): (ManagedKind, &str),
    status: StatusCode,
    key: Option<String>,
) -> Answered {
    let Some(mut it) = (state.manage.one)(kind, name).await else {
        let public = format!("there is no {kind} `{}`", shown(name));
        let failure = Failure::new(Kind::InvalidRequest, Stage::Receive, public);
        return Err(failure.with_status(404).coded("not_found").at("name").into());
    };
    if let (Some(fields), Some(key)) = (it.as_object_mut(), key) {
        fields.insert("key".into(), key.into());
    }
    Ok(json_of(status, &it))
}

pub(super) fn json_of(status: StatusCode, document: &Value) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    let mut answer = (status, json, document.to_string()).into_response();
    if let Some(version) = document.get("version").and_then(Value::as_i64)
        && let Ok(etag) = HeaderValue::try_from(format!("\"{version}\""))
    {
        answer.headers_mut().insert(header::ETAG, etag);
    }
    answer
}
