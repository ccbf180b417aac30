//! A failure as operators read it: as plain text where people and probes look, in the form of the callers'
//! API where programs ask; and its cause in the log.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};

use crate::{
    failure::{Failure, Kind, Stage},
    wire::Surface,
};

/// A failure that a program reads, in the form that callers know.
#[derive(Debug)]
pub(super) struct Told(Failure);

impl From<Failure> for Told {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        let json = [(header::CONTENT_TYPE, "application/json")];
        let body = Surface::first().error_body(&self.0);
        let mut answer = (status(&self.0), json, body).into_response();
        if let Some(wait) = self.0.retry_after {
            let seconds = wait.as_secs().max(1);
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (status(&self), format!("{}\n", self.public)).into_response()
    }
}

/// The status of a failure; a mistake of the gateway is logged.
fn status(failure: &Failure) -> StatusCode {
    if failure.kind == Kind::Bug {
        let cause = failure.cause.as_deref().map(tracing::field::display);
        let reason = &*failure.public;
        tracing::error!(reason, cause, "a mistake of the gateway: an operator has no answer");
    }
    StatusCode::from_u16(failure.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// There is no such page.
pub(super) async fn no_page() -> Told {
    wrong(404, "not_found", "there is no such page: docs/OPERATIONS.md names those that there are")
}

/// What the paths end with that only change something.
const CHANGING: [&str; 11] = [
    "/stop",
    "/resume",
    "/rotate",
    "/key-import",
    "/disable",
    "/enable",
    "/drain",
    "/undrain",
    "/approve",
    "/reject",
    "/policy/proposals",
];

/// The page has another method: nearly all are only read.
pub(super) async fn no_method(uri: Uri) -> Told {
    let path = uri.path().trim_end_matches('/');
    wrong(
        405,
        "method_not_allowed",
        if CHANGING.iter().any(|it| path.ends_with(it)) {
            "this page changes something: expected the method POST"
        } else if ["/admin/v1/keys", "/admin/v1/teams"].iter().any(|it| path.starts_with(it)) {
            "expected one of the methods that docs/OPERATIONS.md names for this page"
        } else {
            "this page is only read: expected the method GET"
        },
    )
}

fn wrong(status: u16, code: &'static str, public: &'static str) -> Told {
    let failure = Failure::new(Kind::InvalidRequest, Stage::Receive, public);
    Told(failure.with_status(status).coded(code))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn its_sentence_is_told_and_its_cause_is_not() {
        for kind in Kind::ALL {
            let failure = Failure::new(kind, Stage::Record, "it is broken");
            let answer = failure.because("the pepper is 42").into_response();
            assert_eq!(answer.status().as_u16(), kind.status());
            assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, "it is broken\n");
        }
        let closer = Failure::new(Kind::TooLarge, Stage::Receive, "a head").with_status(431);
        assert_eq!(closer.into_response().status().as_u16(), 431);
    }
}
