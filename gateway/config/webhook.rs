//! `[webhook]`: who is told what people want to know at once.

use std::time::Duration;

use policies::{
    Fault,
    document::{Faults, Section},
};

use super::{
    Secret,
    fields::{number, secret},
    outside::Outside,
    url,
};

/// `[webhook]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where messages go, as it stands in the file.
    pub url: String,
    /// The secret by which they are signed.
    pub secret: Secret,
    /// How long one try may take.
    pub timeout: Duration,
}

const EXPECTED_URL: &str = "an http or https URL of a receiver, without query and credentials, such as \
                            \"https://alerts.example.com/signalbox\"";
/// Shorter secrets are guessed.
const SECRET_BYTES_MIN: usize = 16;

/// Reads the section, if it stands there.
pub(super) fn webhook(
    mut it: Section<'_>,
    stands: bool,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Option<Webhook> {
    if !stands {
        // They are keys all the same.
        for key in ["url", "secret", "timeout_ms"] {
            it.get(key);
        }
        it.close(faults);
        return None;
    }
    let url = url::base(&mut it, "url", EXPECTED_URL, faults)
        .and_then(|_| it.get("url")?.as_str().map(str::to_owned));
    let expected = "a secret by reference, `env:NAME` or `file:path`: messages are signed by it";
    if it.get("secret").is_none() {
        faults.push(Fault::new(it.at("secret"), "nothing", expected));
    }
    let mut secret = secret(&mut it, "secret", outside, faults);
    if secret.as_ref().is_some_and(|it| it.expose().len() < SECRET_BYTES_MIN) {
        let expected = format!("at least {SECRET_BYTES_MIN} bytes that nobody can guess");
        faults.push(Fault::new(it.at("secret"), "a shorter secret", expected));
        secret = None;
    }
    let timeout_ms = number(&mut it, "timeout_ms", 5_000, 1..=60_000, faults);
    it.close(faults);
    Some(Webhook { url: url?, secret: secret?, timeout: Duration::from_millis(timeout_ms) })
}
