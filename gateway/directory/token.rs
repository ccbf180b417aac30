//! A token as RFC 7519 and RFC 7515 have it, and whether it is right: by whom it was signed, for whom it
//! is, and whether it is valid now. Who may ask by it is not said here: callers and operators both come by
//! tokens.
//!
//! What a token says of itself chooses nothing: the algorithms are those that the terms allow, the key is one
//! of the issuer's own, and it serves no algorithm but its own.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{
    claims::Claims,
    key_set::{Found, KeySet},
};
use crate::{
    config::TokenAlgorithm,
    wire::{Unread, strict},
};

/// The longest token that is looked at.
pub(crate) const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What a token must be.
#[derive(Clone, Copy)]
pub(crate) struct TokenTerms<'a> {
    /// Its `iss`, exact.
    pub issuer: &'a str,
    /// One of these must be among its `aud`.
    pub audience: &'a [Box<str>],
    /// By which it may be signed.
    pub algorithms: &'a [TokenAlgorithm],
    /// By how much its issuer's clock and ours may differ.
    pub leeway: SignedDuration,
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenFault {
    /// It has more than [`TOKEN_BYTES_MAX`] bytes.
    TooLong,
    /// It is not three parts of base64url, the first two of which are objects of JSON.
    Malformed,
    /// It says something twice, and nobody knows which of the two its issuer meant.
    Twice,
    /// Its header has `crit`: it means nothing without an extension.
    Critical,
    /// Its algorithm is not allowed.
    Algorithm,
    /// Its issuer is another one.
    Issuer,
    /// Its issuer's keys have none of its name, or none are known yet.
    UnknownKey,
    /// It names no key, and several fit it.
    NoKeyNamed,
    /// The key that it names is of another algorithm.
    KeyOfAnotherAlgorithm,
    /// Its signature is not that of its key.
    Signature,
    /// It has no `exp`, or one that is no number.
    NoExpiry,
    /// It is not valid any more.
    Expired,
    /// It has an `nbf` that is no number.
    NotBefore,
    /// It is not valid yet.
    TooEarly,
    /// It is for others.
    Audience,
}

impl TokenFault {
    /// The same in a sentence for whoever has sent the token. Nothing of the token is in it.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::TooLong => "the token is longer than 16384 bytes",
            Self::Malformed => {
                "the token is no JWT: expected three parts of base64url, two of them objects of JSON"
            }
            Self::Twice => "the token says a claim, or a field of its header, twice",
            Self::Critical => "the token's header has `crit`; no extension is supported",
            Self::Algorithm => "the token's algorithm is not allowed for its issuer",
            Self::Issuer => "the token's issuer is not known",
            Self::UnknownKey => "the token's key is not known (yet)",
            Self::NoKeyNamed => "the token's header has no `kid`, and its issuer has several keys",
            Self::KeyOfAnotherAlgorithm => "the token's key is not of its algorithm",
            Self::Signature => "the token's signature is wrong",
            Self::NoExpiry => "the token has no `exp`, in seconds since 1970",
            Self::Expired => "the token has expired",
            Self::NotBefore => "the token's `nbf` is no number of seconds since 1970",
            Self::TooEarly => "the token is not valid yet",
            Self::Audience => "the token is not for this gateway: its `aud` is another",
        }
    }
}

/// A token as it was read: nothing in it is to be believed before [`verify`].
pub(crate) struct Token<'a> {
    /// What was signed: header and claims as they were written.
    signed: &'a [u8],
    signature: Vec<u8>,
    algorithm: Option<TokenAlgorithm>,
    key: Option<Box<str>>,
    claims: Map<String, Value>,
}

/// Claims that are verified, and until when.
#[derive(Debug)]
pub(crate) struct Verified {
    /// All that the token says.
    pub claims: Claims,
    /// From this moment on it is not valid: its `exp` and the leeway.
    pub until: Timestamp,
}

/// Whether this credential is a token: any other one is a key.
pub(crate) fn is_token(credential: &[u8]) -> bool {
    credential.starts_with(b"eyJ") && memchr::memchr_iter(b'.', credential).count() == 2
}

impl<'a> Token<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// When it is too long, none at all, or needs an extension.
    pub(crate) fn read(text: &'a [u8]) -> Result<Self, TokenFault> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::TooLong);
        }
        Self::parts(text).ok_or(TokenFault::Malformed)?
    }

    fn parts(text: &'a [u8]) -> Option<Result<Self, TokenFault>> {
        let last = memchr::memrchr(b'.', text)?;
        let (signed, signature) = (text.get(..last)?, text.get(last + 1..)?);
        let middle = memchr::memchr(b'.', signed)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let header = object(signed.get(..middle)?)?;
        let claims = object(signed.get(middle + 1..)?)?;
        let (Ok(mut header), Ok(claims)) = (header, claims) else {
            return Some(Err(TokenFault::Twice));
        };
        if header.contains_key("crit") {
            return Some(Err(TokenFault::Critical));
        }
        let algorithm = TokenAlgorithm::named(header.get("alg")?.as_str()?);
        let key = match header.remove("kid") {
            None => None,
            Some(Value::String(text)) => Some(text.into()),
            Some(_) => return None,
        };
        Some(Ok(Self { signed, signature, algorithm, key, claims }))
    }

    /// The issuer that it names, which is to be believed as little as all else.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }
}

/// What an object of a token says, in which no key stands twice at any depth.
fn object(part: &[u8]) -> Option<Result<Map<String, Value>, TokenFault>> {
    match strict(&URL_SAFE_NO_PAD.decode(part).ok()?) {
        Ok(Value::Object(fields)) => Some(Ok(fields)),
        Err(Unread::Twice(_)) => Some(Err(TokenFault::Twice)),
        Ok(_) | Err(Unread::NotJson(_)) => None,
    }
}

/// The claims of a token that was signed by one of these keys and is what these terms say, at this moment.
///
/// # Errors
/// When it is anything else.
pub(crate) fn verify(
    token: Token<'_>,
    terms: &TokenTerms<'_>,
    keys: &KeySet,
    now: Timestamp,
) -> Result<Verified, TokenFault> {
    let allowed = |it: &TokenAlgorithm| terms.algorithms.contains(it);
    let algorithm = token.algorithm.filter(allowed).ok_or(TokenFault::Algorithm)?;
    if token.issuer() != Some(terms.issuer) {
        return Err(TokenFault::Issuer);
    }
    let key = match keys.find(token.key.as_deref(), algorithm) {
        Found::Key(key) => key,
        Found::Nothing => return Err(TokenFault::UnknownKey),
        Found::Several => return Err(TokenFault::NoKeyNamed),
        Found::OfAnotherAlgorithm => return Err(TokenFault::KeyOfAnotherAlgorithm),
    };
    if !key.has_signed(algorithm, token.signed, &token.signature) {
        return Err(TokenFault::Signature);
    }
    let until = until(&token.claims, terms.leeway)?;
    if now >= until {
        return Err(TokenFault::Expired);
    }
    let begins = token.claims.get("nbf").map(|it| moment(it).ok_or(TokenFault::NotBefore));
    if begins.transpose()?.is_some_and(|at| later(now, terms.leeway) < at) {
        return Err(TokenFault::TooEarly);
    }
    if !is_for(token.claims.get("aud"), terms.audience) {
        return Err(TokenFault::Audience);
    }
    Ok(Verified { claims: Claims::of(token.claims), until })
}

/// The moment at which a token ends, with the leeway.
fn until(claims: &Map<String, Value>, leeway: SignedDuration) -> Result<Timestamp, TokenFault> {
    let end = claims.get("exp").and_then(moment).ok_or(TokenFault::NoExpiry)?;
    Ok(later(end, leeway))
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// A number of seconds since 1970, whole or not. What no calendar reaches is its first or its last moment.
fn moment(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_f64().filter(|it| it.is_finite())?;
    let edge = if seconds < 0.0 { Timestamp::MIN } else { Timestamp::MAX };
    let since = SignedDuration::try_from_secs_f64(seconds).ok();
    Some(since.and_then(|it| Timestamp::from_duration(it).ok()).unwrap_or(edge))
}

/// Whether one of those for whom a token is, is one of these.
fn is_for(claim: Option<&Value>, audience: &[Box<str>]) -> bool {
    let ours = |it: &Value| it.as_str().is_some_and(|it| audience.iter().any(|our| **our == *it));
    match claim {
        Some(Value::Array(all)) => all.iter().all(Value::is_string) && all.iter().any(ours),
        Some(one) => ours(one),
        None => false,
    }
}

#[cfg(test)]
mod tests;
