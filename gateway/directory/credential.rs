//! The key in a request's headers. It is compared by its hash alone, and is never kept or sent on.

use http::{HeaderMap, HeaderName, header};

use crate::failure::{Failure, Kind, Stage};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

pub(super) fn unauthenticated(public: &'static str) -> Failure {
    Failure::new(Kind::Unauthenticated, Stage::Authenticate, public)
}

/// The one key of a request: wherever keys stand, they must be the same.
pub(super) fn credential(headers: &HeaderMap) -> Result<&[u8], Failure> {
    let mut found: Option<&[u8]> = None;
    let mut foreign = false;
    let bearers = headers.get_all(header::AUTHORIZATION).iter().map(|value| {
        let bearer = bearer(value.as_bytes());
        foreign |= bearer.is_none();
        bearer.unwrap_or_default()
    });
    let plain = headers.get_all(API_KEY).iter().map(|value| value.as_bytes().trim_ascii());
    for key in bearers.chain(plain).filter(|key| !key.is_empty()) {
        if found.is_some_and(|other| other != key) {
            let public = "the request holds two different API keys";
            return Err(Failure::new(Kind::InvalidRequest, Stage::Authenticate, public)
                .coded("conflicting_credentials"));
        }
        found = Some(key);
    }
    found.ok_or_else(|| {
        unauthenticated(if foreign {
            "the authorization header is not of the form `Bearer sk-…`"
        } else {
            "an API key is required: `Authorization: Bearer sk-…`"
        })
    })
}

/// The key after the scheme, which is written in any case; none of another scheme.
pub(crate) fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = value.trim_ascii().split_at_checked(6)?;
    let apart = key.first().is_none_or(u8::is_ascii_whitespace);
    (scheme.eq_ignore_ascii_case(b"bearer") && apart).then(|| key.trim_ascii())
}
