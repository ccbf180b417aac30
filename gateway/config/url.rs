//! The base URL of an endpoint: whatever could lead a request, and the token it carries, anywhere else
//! than where the operator meant is a fault.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;
use policies::{
    Fault,
    document::{Faults, Section, kind},
};

const EXPECTED: &str = "an http or https URL with a host, without query and credentials, such as \
                        \"http://10.0.0.11:8000/v1\"";
/// What the gateway itself writes after a base URL, or what is found beside it in an engine's manual.
const OPERATIONS: [&str; 10] = [
    "/chat/completions",
    "/completions",
    "/responses",
    "/embeddings",
    "/messages",
    "/rerank",
    "/models",
    "/tokenize",
    "/health",
    "/metrics",
];

/// Reads `url`, which must stand there.
pub(super) fn url(it: &mut Section<'_>, faults: &mut Faults) -> Option<Uri> {
    base(it, "url", EXPECTED, faults)
}

/// Reads the base URL under a key, which must stand there.
pub(super) fn base(
    it: &mut Section<'_>,
    key: &'static str,
    expected: &str,
    faults: &mut Faults,
) -> Option<Uri> {
    let path = it.at(key);
    let mut fault = |found: String, expected: &str| {
        faults.push(Fault::new(&*path, found, expected));
        None
    };
    let Some(value) = it.get(key) else { return fault("nothing".into(), expected) };
    let text = value.as_str().unwrap_or_default();
    if text.contains(['@', '?', '#']) {
        // What stands there may be secret.
        return fault("a URL with credentials, a query or a fragment".into(), expected);
    }
    let Some(uri) = parsed(text) else { return fault(kind(value), expected) };
    if port(&uri).is_none() {
        return fault(kind(value), "a port from 1 to 65535, or none");
    }
    if !uri.host().is_some_and(is_host) {
        return fault(kind(value), "a URL whose host is a name, an IPv4 or an [IPv6] address");
    }
    let named = uri.path().to_ascii_lowercase();
    if let Some(operation) = OPERATIONS.iter().find(|it| named.ends_with(**it)) {
        let expected = format!("the base URL, without `{operation}`");
        return fault(kind(value), &expected);
    }
    if uri.path().contains("//") {
        return fault(kind(value), "a path with one `/` between its parts");
    }
    Some(uri)
}

/// A URL of a scheme that backends are spoken to by, with a host, without the slashes at its end.
fn parsed(text: &str) -> Option<Uri> {
    let uri: Uri = text.trim_end_matches('/').parse().ok()?;
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    (scheme && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

/// The port that is connected to. What stands after the host and is none must not become the scheme's own.
fn port(uri: &Uri) -> Option<u16> {
    let (authority, host) = (uri.authority()?.as_str(), uri.host()?);
    match authority.strip_prefix(host)? {
        "" => Some(if uri.scheme_str() == Some("https") { 443 } else { 80 }),
        stated => {
            // `+80` is a number to Rust and to nobody else.
            let digits =
                stated.strip_prefix(':').filter(|it| it.bytes().all(|b| b.is_ascii_digit()))?;
            digits.parse().ok().filter(|port| *port != 0)
        }
    }
}

/// A name as the DNS and container networks have them, or an address.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|it| it.parse::<Ipv6Addr>().is_ok());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    // A name whose last part is a number is meant to be an address, and would be looked up as a name.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let part = |it: &str| (1..=63).contains(&it.len()) && it.bytes().all(fits);
    name.len() <= 253 && name.split('.').all(part)
}

/// What a browser says of the page that asks: a scheme, a host and maybe a port.
pub(super) fn is_origin(text: &str) -> bool {
    let Some(uri) = parsed(text) else { return false };
    let bare = uri.path() == "/" && !text.ends_with('/') && !text.contains(['@', '?', '#']);
    // Browsers never say the port that a scheme has anyway.
    let (said, own) = (uri.port_u16(), if uri.scheme_str() == Some("https") { 443 } else { 80 });
    bare && port(&uri).is_some() && said != Some(own) && uri.host().is_some_and(is_host)
}
