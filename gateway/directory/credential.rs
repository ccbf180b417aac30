//! The key in a request's headers. It is compared by its hash alone, and is never kept or sent on.

use http::{HeaderMap, HeaderName, header};

use crate::failure::{Failure, Kind, Stage};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

pub(super) fn unauthenticated(public: &'static str) -> Failure {
    Failure::new(Kind::Unauthenticated, Stage::Authenticate, public)
}

/// What a request shows of who asks.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    /// The key, or the token.
    pub(super) text: &'a [u8],
    /// Whether it stands in the header `authorization`: only there it can be a token.
    pub(super) bearer: bool,
}

/// The one credential of a request: wherever they stand, they must be the same.
pub(super) fn credential(headers: &HeaderMap) -> Result<Shown<'_>, Failure> {
    let mut found: Option<Shown<'_>> = None;
    let mut foreign = false;
    let bearers = headers.get_all(header::AUTHORIZATION).iter().map(|value| {
        let bearer = bearer(value.as_bytes());
        foreign |= bearer.is_none();
        Shown { text: bearer.unwrap_or_default(), bearer: true }
    });
    let plain = headers.get_all(API_KEY).iter();
    let plain = plain.map(|value| Shown { text: value.as_bytes().trim_ascii(), bearer: false });
    for shown in bearers.chain(plain).filter(|it| !it.text.is_empty()) {
        if found.is_some_and(|other| other.text != shown.text) {
            let public = "the request holds two different API keys";
            return Err(Failure::new(Kind::InvalidRequest, Stage::Authenticate, public)
                .coded("conflicting_credentials"));
        }
        found.get_or_insert(shown);
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
