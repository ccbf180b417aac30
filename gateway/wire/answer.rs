//! Whole answers of a backend, and what its errors say.

use bytes::Bytes;
use policies::{Counts, facts::Tokens};

use super::{
    chunk,
    scan::{Kind, Scan, Text},
};

/// The longest message of a backend that a caller is shown.
const MESSAGE_CHARS_MAX: usize = 500;

/// A plain answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain {
    /// What the backend reported, if it can be true.
    pub reported: Option<Counts>,
    /// Our own count of the output: four bytes to a token.
    pub counted_output: Tokens,
}

/// Why a 200 is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Nothing came.
    Empty,
    /// It is no JSON: HTML, or half of it.
    NotJson,
    /// It is an error object: its message.
    Error(Box<str>),
    /// It has no choices.
    NoChoices,
}

/// Looks at a plain answer.
///
/// # Errors
/// When it is none.
pub fn plain(body: &Bytes) -> Result<Plain, Invalid> {
    if body.is_empty() {
        return Err(Invalid::Empty);
    }
    if std::str::from_utf8(body).is_err() {
        return Err(Invalid::NotJson);
    }
    let seen = chunk::look(body).map_err(|_| Invalid::NotJson)?;
    if let Some(error) = seen.error {
        return Err(Invalid::Error(error));
    }
    if seen.choices.unwrap_or(0) == 0 {
        return Err(Invalid::NoChoices);
    }
    let counted = u32::try_from(seen.content.div_ceil(4)).unwrap_or(u32::MAX);
    Ok(Plain { reported: seen.usage, counted_output: Tokens(counted) })
}

/// What the body of a backend's error says, fit for a caller: without URLs, hosts and keys, and short.
#[must_use]
pub fn error_message(body: &[u8]) -> Option<String> {
    let said = said(body)?;
    let words = said.split_inclusive(char::is_whitespace).map(harmless);
    let clean: String = words.collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.chars().take(MESSAGE_CHARS_MAX).collect())
}

/// `error.message`, `error`, `message` or `detail`: engines differ.
fn said(body: &[u8]) -> Option<String> {
    std::str::from_utf8(body).ok()?;
    if let Ok(chunk::Seen { error: Some(error), .. }) = chunk::look(body)
        && !error.is_empty()
    {
        return Some(error.into());
    }
    let mut found: Option<Text> = None;
    let mut scan = Scan::new(body, 128);
    scan.kind().ok().filter(|kind| *kind == Kind::Object)?;
    let read = scan.object(|scan, key| {
        let named = matches!(key.span.of(scan.bytes()), b"message" | b"detail");
        if named && scan.kind()? == Kind::Text {
            found = Some(scan.text()?);
            return Ok(());
        }
        scan.skip().map(drop)
    });
    read.ok()?;
    found.map(|text| text.of(body).into_owned())
}

/// A word, unless it may tell where the backend is or what opens it.
fn harmless(word: &str) -> &str {
    let core = word.trim_matches(|c: char| !c.is_alphanumeric());
    let address = core.contains("://")
        || core.split(':').next().is_some_and(|host| {
            host.matches('.').count() >= 2
                && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
        });
    let host_and_port = core.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
    });
    let key = core.starts_with("sk-") || core.len() >= 32 && !core.contains('/');
    if address || host_and_port || key { "… " } else { word }
}

/// Whether an error says that the prompt does not fit.
#[must_use]
pub fn is_context_length(status: u16, body: &[u8]) -> bool {
    let has = |needle: &[u8]| memchr::memmem::find(body, needle).is_some();
    status == 413
        || has(b"context_length_exceeded")
        || has(b"maximum context length")
        || has(b"exceed_context_size")
        || has(b"context size")
        || has(b"longer than the model's context")
}
