//! Who asks at the operators' door, and whether he may: asked before anything else, on every request anew, so
//! that who is let go is turned away on a connection that he has open.

use std::{borrow::Cow, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, header};

use super::{AdminState, failure::Told};
use crate::{
    config::Role,
    directory::{Directory, Operator, Stranger, bearer},
    failure::{Failure, Kind, Stage},
};

/// Whom a page answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody: it says nothing that is not for all.
    Anybody,
    /// Anybody where only this machine reaches the listener, and every operator.
    Local,
    /// Who may read the metrics.
    Metrics,
    /// Operators of this role, or of a greater one.
    Role(Role),
}

/// A page as it is guarded: the state, whom it answers, and its path, with names in braces for what varies.
pub(super) type Guarded = (Arc<AdminState>, Access, &'static str);

/// Who was turned away, and why.
#[derive(Debug)]
struct Refused {
    failure: Failure,
    /// The name of an operator who is known.
    who: Option<Arc<str>>,
}

impl AdminState {
    /// The operator who asks, if he may do what is for this role.
    ///
    /// # Errors
    /// `unauthenticated` for who is no operator, `forbidden` for one of a smaller role; each is counted for
    /// the audit trail.
    pub(super) fn may(&self, headers: &HeaderMap, needed: Role) -> Result<Arc<Operator>, Failure> {
        let now = (self.gateway.sources.timestamp)();
        let found = identify(&self.gateway.epoch.load().directory, headers, now);
        found.and_then(|it| allowed(it, needed)).map_err(|it| self.turned_away(*it))
    }

    /// Turns away who may not read the metrics.
    fn may_read_metrics(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let epoch = self.gateway.epoch.load();
        let directory = &epoch.directory;
        if self.on_loopback && !directory.guards_metrics() {
            return Ok(());
        }
        let opens = |token: &[u8]| !token.is_empty() && directory.opens_metrics(token);
        let mut given = bearers(headers).peekable();
        if given.peek().is_some() && given.all(|it| it.is_some_and(opens)) {
            return Ok(());
        }
        let found = identify(directory, headers, (self.gateway.sources.timestamp)());
        found.map(drop).map_err(|it| {
            let _ = self.turned_away(*it);
            no_operator("a bearer token is required")
        })
    }

    /// Counts who is turned away.
    fn turned_away(&self, Refused { failure, who }: Refused) -> Failure {
        let now = (self.gateway.sources.timestamp)();
        self.gateway.recorder.operator_refused(failure.kind, who.as_ref(), now.as_millisecond());
        failure
    }
}

/// The bearer tokens of a request; nothing for each line of another scheme.
fn bearers(headers: &HeaderMap) -> impl Iterator<Item = Option<&[u8]>> {
    headers.get_all(header::AUTHORIZATION).iter().map(|value| bearer(value.as_bytes()))
}

/// The operator whose token is in these headers; of several, each must be his.
fn identify(
    directory: &Directory,
    headers: &HeaderMap,
    now: jiff::Timestamp,
) -> Result<Arc<Operator>, Box<Refused>> {
    let refused = |failure| Box::new(Refused { failure, who: None });
    let unknown = |public: &'static str| refused(no_operator(public));
    if !directory.has_operators() {
        return Err(unknown(
            "neither `admin.token` nor an `[[operator]]` is set in the configuration, nor an \
             `[[oidc.operator]]`, and without one nobody may ask this",
        ));
    }
    let mut found: Option<Arc<Operator>> = None;
    for token in bearers(headers) {
        let token = token.filter(|it| !it.is_empty());
        let token =
            token.ok_or_else(|| unknown("expected the header `authorization: Bearer …`"))?;
        let operator = directory.operator(token, now).map_err(|stranger| match stranger {
            Stranger::Unknown => unknown("the bearer token is that of no operator"),
            Stranger::Refused(why) => refused(no_operator(why)),
            Stranger::Expired(it) => Box::new(Refused {
                failure: no_operator("the bearer token of this operator has expired"),
                who: Some(Arc::clone(&it.name)),
            }),
        })?;
        if found.is_some_and(|it| it.name != operator.name) {
            return Err(unknown("the request holds the tokens of two operators"));
        }
        found = Some(operator);
    }
    found.ok_or_else(|| unknown("the bearer token of an operator is required"))
}

/// The operator, if his role is great enough.
fn allowed(operator: Arc<Operator>, needed: Role) -> Result<Arc<Operator>, Box<Refused>> {
    if operator.role >= needed {
        return Ok(operator);
    }
    let public = format!(
        "the operator `{}` has the role `{}`, and this takes the role `{}`",
        operator.name,
        operator.role.name(),
        needed.name()
    );
    let failure = Failure::new(Kind::Forbidden, Stage::Authenticate, public);
    let who = Some(Arc::clone(&operator.name));
    Err(Box::new(Refused { failure: failure.coded("role_forbidden"), who }))
}

fn no_operator(public: impl Into<Cow<'static, str>>) -> Failure {
    Failure::new(Kind::Unauthenticated, Stage::Authenticate, public)
}

/// Answers a page for those whom it is for. What it answers from knows the operator, and what changes
/// something leaves a line in the log.
pub(super) async fn guard(
    State((state, access, path)): State<Guarded>,
    mut request: Request,
    next: Next,
) -> Response {
    let needed = match access {
        Access::Anybody => return next.run(request).await,
        Access::Metrics => {
            return match state.may_read_metrics(request.headers()) {
                Ok(()) => next.run(request).await,
                Err(failure) => failure.into_response(),
            };
        }
        Access::Local if state.on_loopback => return next.run(request).await,
        Access::Local => Role::Viewer,
        Access::Role(needed) => needed,
    };
    let operator = match state.may(request.headers(), needed) {
        Ok(operator) => operator,
        Err(failure) => return Told::from(failure).into_response(),
    };
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let line = changes.then(|| (Arc::clone(&operator), request.method().clone()));
    request.extensions_mut().insert(operator);
    let answer = next.run(request).await;
    if let Some((operator, method)) = line {
        let (operator, status) = (&*operator.name, answer.status().as_u16());
        tracing::info!(operator, %method, path, status, "an operator has asked for a change");
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Admin, Secret};

    fn directory(tokens: &[(&str, &str, Role)]) -> Directory {
        let operators = tokens.iter().map(|(name, token, role)| crate::config::Operator {
            name: (*name).into(),
            role: *role,
            credential: crate::config::Credential::Secret(Secret::new(*token)),
            expires: None,
        });
        Directory::empty(&[7; 32]).operated(&Admin {
            listen: "127.0.0.1:0".parse().unwrap(),
            token: None,
            metrics_token: None,
            operators: operators.collect(),
        })
    }

    /// Who is found by these lines of the header, or what he is told.
    fn asked(directory: &Directory, lines: &[&str]) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::AUTHORIZATION, line.parse().unwrap());
        }
        let found = identify(directory, &headers, jiff::Timestamp::UNIX_EPOCH);
        found.map(|it| it.name.to_string()).map_err(|it| {
            assert_eq!((it.failure.status(), it.who), (401, None));
            it.failure.public.to_string()
        })
    }

    #[test]
    fn a_bearer_token_is_read_as_people_write_it() {
        let known = directory(&[("mei", "s3cret", Role::Viewer), ("raj", "other", Role::Admin)]);
        for line in [
            "Bearer s3cret",
            "bearer s3cret",
            "BEARER s3cret",
            "Bearer   s3cret",
            "bearer\ts3cret",
            " Bearer \t s3cret \t",
        ] {
            assert_eq!(asked(&known, &[line]).as_deref(), Ok("mei"), "{line:?}");
        }
        for line in ["s3cret", "Bearers3cret", "Bearer", "Bearer ", "Basic s3cret"] {
            assert!(
                asked(&known, &[line]).unwrap_err().contains("expected the header"),
                "{line:?}"
            );
        }
        let told = |lines: &[&str]| asked(&known, lines).unwrap_err();
        assert!(told(&["Bearer S3CRET"]).contains("of no operator"));
        assert!(told(&[]).contains("is required"));
        assert!(told(&["Bearer s3cret", "Bearer wrong"]).contains("of no operator"));
        assert!(told(&["Bearer s3cret", "Bearer other"]).contains("two operators"));
        assert_eq!(asked(&known, &["Bearer s3cret", "bearer s3cret"]).as_deref(), Ok("mei"));
        let nobody = asked(&directory(&[]), &["Bearer s3cret"]).unwrap_err();
        assert!(nobody.contains("neither `admin.token` nor an `[[operator]]`"), "{nobody}");
    }

    #[test]
    fn a_greater_role_may_what_a_smaller_one_may() {
        for has in Role::ALL {
            for needed in Role::ALL {
                let it = Arc::new(Operator { name: "mei".into(), role: has, expires: None });
                match allowed(it, needed) {
                    Ok(_) => assert!(has >= needed),
                    Err(it) => {
                        let Refused { failure, who } = *it;
                        assert!(has < needed);
                        assert_eq!((failure.status(), failure.kind.name()), (403, "forbidden"));
                        assert_eq!(failure.code, "role_forbidden");
                        assert_eq!(who.as_deref(), Some("mei"));
                        let (has, needed) = (has.name(), needed.name());
                        let told =
                            format!("has the role `{has}`, and this takes the role `{needed}`");
                        assert!(failure.public.contains(&told), "{}", failure.public);
                    }
                }
            }
        }
    }
}
