//! Where the keys of an `[[oidc]]` issuer are: exactly one of a URL, a file, and what the issuer itself says.
//! Whoever can change these keys lets himself in, so they never come over an open network in the clear.

use std::path::PathBuf;

use http::Uri;
use policies::{
    Fault,
    document::{Faults, Section, kind},
};
use serde_json::Value;

use super::{fields::path_in, outside::Outside};

/// Where the keys of an issuer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Where the issuer's own `/.well-known/openid-configuration` says.
    Discovery,
    /// At this URL.
    Url(Box<str>),
    /// In this file.
    File(PathBuf),
}

const EXPECTED_URL: &str = "an https URL without credentials and fragment, or an http one of this machine \
                            itself";
const EXPECTED_FILE: &str = "a file by reference, such as \"file:keys.json\"";

/// Reads `jwks_url` or `jwks`; without either, the issuer is asked.
pub(super) fn key_source(
    it: &mut Section<'_>,
    issuer: &str,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> KeySource {
    match (it.get("jwks_url"), it.get("jwks")) {
        (Some(_), Some(_)) => {
            let expected = "either `jwks_url` or `jwks`";
            faults.push(Fault::new(it.at("jwks_url"), "both", expected));
        }
        (Some(value), None) => {
            match value.as_str().filter(|it| is_key_url(it)) {
                Some(url) => return KeySource::Url(url.into()),
                // What stands before an `@` may be secret.
                None if value.as_str().is_some_and(|it| it.contains('@')) => {
                    let found = "a URL with credentials";
                    faults.push(Fault::new(it.at("jwks_url"), found, EXPECTED_URL));
                }
                None => faults.push(Fault::new(it.at("jwks_url"), kind(value), EXPECTED_URL)),
            }
        }
        (None, Some(value)) => {
            let Some(named) = value.as_str().and_then(|it| it.strip_prefix("file:")) else {
                faults.push(Fault::new(it.at("jwks"), kind(value), EXPECTED_FILE));
                return KeySource::Discovery;
            };
            let path = path_in(outside.folder, named);
            match (outside.read)(&path) {
                Ok(text) if is_key_set(&text) => {}
                Ok(_) => {
                    let expected = "a JSON Web Key Set, `{ \"keys\": […] }`";
                    faults.push(Fault::new(it.at("jwks"), "something else in it", expected));
                }
                Err(error) => faults.push(Fault::new(it.at("jwks"), error, "a readable file")),
            }
            return KeySource::File(path);
        }
        (None, None) => {
            if !issuer.is_empty() && !is_key_url(issuer) {
                let found = "no URL at which it could be asked for its keys";
                let expected = format!("{EXPECTED_URL}; or `jwks_url` or `jwks`");
                faults.push(Fault::new(it.at("issuer"), found, expected));
            }
        }
    }
    KeySource::Discovery
}

/// Whether keys may be asked for at this URL.
pub(crate) fn is_key_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let Some(host) = uri.host().filter(|it| !it.is_empty()) else { return false };
    let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let scheme = uri.scheme_str() == Some("https") || uri.scheme_str() == Some("http") && loopback;
    scheme && !text.contains(['@', '#'])
}

fn is_key_set(text: &str) -> bool {
    let set = serde_json::from_str::<Value>(text);
    set.is_ok_and(|it| it.get("keys").is_some_and(Value::is_array))
}
