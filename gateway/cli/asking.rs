//! How a command asks the operators' API of a gateway that runs.

use std::{error::Error, path::PathBuf, process::ExitCode, time::Duration};

use policies::printable;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;

use super::{operator::Operator, print::err};

/// How long one answer may take: a change is durable before it is answered.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A name as one segment of a path, whatever was typed.
pub(super) fn segment(name: &str) -> String {
    let plain = |it: &u8| it.is_ascii_alphanumeric() || b"._-".contains(it);
    let byte = |it: u8| if plain(&it) { char::from(it).to_string() } else { format!("%{it:02X}") };
    name.bytes().map(byte).collect()
}

/// What the operators' listener of a gateway that runs answers, or in words why there is no answer.
pub(super) async fn ask(
    named: Option<PathBuf>,
    at: &Operator,
    request: impl FnOnce(&Client, &str) -> RequestBuilder,
) -> Result<Value, ExitCode> {
    let (url, tokens) = at.asked(named.as_deref())?;
    let said = |what: &str| {
        err!("signalbox: {url}: {}", printable(what));
        ExitCode::FAILURE
    };
    // A second provider in the process would be an error of ours; the first one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().timeout(ANSWER_WITHIN);
    let client = client.redirect(reqwest::redirect::Policy::none()).build();
    let client = client.map_err(|error| said(&error.to_string()))?;
    let mut request = request(&client, &url);
    if let Some(token) = &tokens.token {
        request = request.bearer_auth(token.expose());
    }
    let answer = request.send().await.map_err(|error| said(&cause(&error)))?;
    let status = answer.status();
    let document: Value = answer.json().await.unwrap_or_default();
    if status == StatusCode::OK && document.is_object() {
        return Ok(document);
    }
    let told = document.pointer("/error/message").and_then(Value::as_str);
    Err(said(&match told {
        Some(told) => format!("{}: {told}", status.as_u16()),
        None => format!("this is not the operators' listener of a Signalbox: it answers {status}"),
    }))
}

/// The innermost cause says what it is.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    format!("no answer: {innermost}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment() {
        assert_eq!(segment("chat-ab_1.x"), "chat-ab_1.x");
        assert_eq!(segment("../a b/ü?"), "..%2Fa%20b%2F%C3%BC%3F");
    }
}
