//! A failure as an answer: the one place where kinds become HTTP.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::{EdgeBody, framing};
use crate::{
    failure::{Failure, Kind},
    pipeline::{Ids, name},
    wire::Surface,
};

/// Tells SDKs whether to try again, whatever the status.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The answer for a failure, in the form of the surface that was asked.
/// With `why` it says in a header why it was decided so, or where it was refused before that.
pub(crate) fn failure(
    surface: &Surface,
    failure: &Failure,
    ids: &Ids,
    why: bool,
) -> Response<EdgeBody> {
    let mut answer = json(failure.status(), surface.error_body(failure));
    ids.write(answer.headers_mut());
    let headers = answer.headers_mut();
    if why {
        let early = || format!("{} at {}", failure.kind.name(), failure.stage.name());
        let words = failure.why.as_ref().map(|why| &*why.words).filter(|words| !words.is_empty());
        let said = words.map_or_else(early, str::to_owned);
        let said = HeaderValue::try_from(said);
        headers.insert(name::WHY, said.unwrap_or_else(|_| HeaderValue::from_static("-")));
    }
    let arm = failure.why.as_ref().and_then(|why| why.experiment.as_deref());
    let arm = arm.and_then(|arm| HeaderValue::try_from(arm).ok());
    headers.extend(arm.map(|arm| (name::EXPERIMENT, arm)));
    if let Some(wait) = failure.retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    if failure.kind == Kind::BudgetExceeded {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    if failure.code == framing::AMBIGUOUS {
        // Nobody knows where on this connection another request would begin.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// A JSON answer.
pub(crate) fn json(status: u16, body: Bytes) -> Response<EdgeBody> {
    let mut answer = Response::new(EdgeBody::Whole(Some(body)));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}
