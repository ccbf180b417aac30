//! The question for a backend's list of models, and what an answer that is none says.

use std::{error::Error, io, time::Duration};

use http::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, Response, StatusCode};

use super::{
    Probe, authorized,
    finding::{self, Asked, BackendFault, FaultKind, fault, quoted},
};

/// The most that is read of a list: those of brokers with hundreds of models are below a tenth of it.
const LIST_BYTES_MAX: usize = 8 << 20;
/// The most that is read of a refusal.
const REFUSAL_BYTES_MAX: usize = 4 << 10;

/// The names of the models that a backend lists; `None` where it is there and too busy to say.
pub(super) async fn list(
    client: &Client,
    probe: &Probe,
    timeout: Duration,
) -> Result<Option<Vec<String>>, BackendFault> {
    let entries = entries(client, probe, timeout).await?;
    Ok(entries.map(|entries| finding::names(&entries)))
}

/// What a backend lists, as it says it; `None` where it is there and too busy to say.
pub(super) async fn entries(
    client: &Client,
    probe: &Probe,
    timeout: Duration,
) -> Result<Option<Vec<serde_json::Value>>, BackendFault> {
    let base = probe.base.trim_end_matches('/');
    let with_key = probe.credential.is_some();
    let asked = Asked { base, with_key };
    let request = client.get(format!("{base}/models")).timeout(timeout);
    let unanswered = |error| unanswered(&error, base, timeout);
    let mut answer = authorized(request, probe).send().await.map_err(unanswered)?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::TOO_MANY_REQUESTS => return Ok(None),
        status => return Err(refused(answer, status.as_u16(), (&asked, secret(probe))).await),
    }
    let html = answer.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let html = html.is_some_and(|it| it.starts_with("text/html"));
    let mut body = Vec::new();
    while let Some(bytes) = answer.chunk().await.map_err(unanswered)? {
        body.extend_from_slice(&bytes);
        if body.len() > LIST_BYTES_MAX {
            let found = format!("a list of more than {} MiB", LIST_BYTES_MAX >> 20);
            return Err(fault(FaultKind::TooLong, found, "another service's port?"));
        }
    }
    match secret(probe) {
        // Whatever is repeated of it: some answer with what they were sent.
        Some(secret) => {
            let shown = String::from_utf8_lossy(&body).replace(secret, "…");
            finding::entries(shown.as_bytes(), html)
        }
        None => finding::entries(&body, html),
    }
    .map(Some)
}

/// The credential that a backend is shown.
fn secret(probe: &Probe) -> Option<&str> {
    let shown = probe.credential.as_ref()?.1.to_str().ok()?;
    let shown = shown.strip_prefix("Bearer ").unwrap_or(shown);
    Some(shown).filter(|it| !it.is_empty())
}

/// The fault of an answer that is no list by its status.
async fn refused(
    mut answer: Response,
    status: u16,
    (asked, secret): (&Asked<'_>, Option<&str>),
) -> BackendFault {
    let location = answer.headers().get(LOCATION).and_then(|it| it.to_str().ok());
    let location = location.map(|it| secret.map_or(it.into(), |secret| it.replace(secret, "…")));
    let found = finding::by_status(status, location.as_deref(), asked);
    if found.kind != FaultKind::Status {
        return found;
    }
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = answer.chunk().await {
        body.extend_from_slice(&bytes);
        if body.len() > REFUSAL_BYTES_MAX {
            break;
        }
    }
    // What servers of TLS say to those who come without.
    if String::from_utf8_lossy(&body).contains("HTTPS") {
        let found = format!("{status}: it wants TLS");
        return fault(FaultKind::Tls, found, "its url begins with http: write https://");
    }
    found
}

/// The fault of a backend of which no answer came.
fn unanswered(error: &reqwest::Error, base: &str, timeout: Duration) -> BackendFault {
    use FaultKind::{Closed, NotHttp, Refused, Timeout, Tls, Unreachable, Unresolved};
    if error.is_timeout() {
        let found = format!("no answer within {} s", timeout.as_secs_f32());
        let hint = "another port, a firewall, or an engine that still loads?";
        return fault(Timeout, found, hint);
    }
    let mut said = Vec::new();
    let mut kind = None;
    let mut source = error.source();
    while let Some(it) = source {
        kind = it.downcast_ref::<io::Error>().map(io::Error::kind).or(kind);
        said.push(it.to_string());
        source = it.source();
    }
    let says = |words: &[&str]| said.iter().any(|it| words.iter().any(|word| it.contains(word)));
    let last = quoted(said.last().map_or("", String::as_str));
    match kind {
        Some(io::ErrorKind::ConnectionRefused) => {
            return fault(Refused, "connection refused", "does it run, and is this its port?");
        }
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            return fault(Unreachable, last, "is the url right, and is there a way to it?");
        }
        _ => {}
    }
    if says(&["dns error", "failed to lookup"]) {
        let found = format!("its host has no address: {last}");
        return fault(Unresolved, found, "is its name right, and known to this machine?");
    }
    if says(&["certificate"]) {
        let hint = "is it signed by a root of this system, for this name?";
        return fault(Tls, format!("no TLS: {last}"), hint);
    }
    if base.starts_with("https:") && error.is_connect() {
        return fault(Tls, format!("no TLS: {last}"), "does it speak plain HTTP? write http://");
    }
    if says(&["invalid HTTP", "invalid status", "invalid header", "parse"]) {
        let found = format!("no HTTP: {last}");
        return fault(NotHttp, found, "another service's port, or https://?");
    }
    let hint = "another service's port, or https://?";
    fault(Closed, format!("the connection breaks without an answer: {last}"), hint)
}
