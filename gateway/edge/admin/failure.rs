//! A failure as operators read it: its sentence as plain text, and its cause in the log.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::failure::{Failure, Kind};

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if self.kind == Kind::Bug {
            let cause = self.cause.as_deref().map(tracing::field::display);
            let reason = &*self.public;
            tracing::error!(reason, cause, "a mistake of the gateway: an operator has no answer");
        }
        let status = StatusCode::from_u16(self.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, format!("{}\n", self.public)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use http::header;
    use http_body_util::BodyExt;

    use super::*;
    use crate::failure::Stage;

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
