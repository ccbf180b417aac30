//! `[tracing]`: where spans go, of which requests, and by which credentials.

use http::{HeaderName, HeaderValue, Uri, header};
use policies::{
    Fault,
    document::{Faults, Section, kind},
};
use toml::Value;

use super::{Secret, fields::secret, outside::Outside, url};

/// `[tracing]`
#[derive(Clone, Debug, PartialEq)]
pub struct Tracing {
    /// The base URL of the collector, which takes OTLP over HTTP.
    pub otlp: Uri,
    /// The share of new traces whose spans are kept, 0 to 1.
    pub sample: f64,
    /// What goes along with every batch, checked.
    pub headers: Option<Secret>,
}

const EXPECTED_URL: &str = "an http or https URL of a collector, without query and credentials, such as \
                            \"http://127.0.0.1:4318\"";
const EXPECTED_HEADERS: &str = "names and values of headers, `name=value,name=value`, with other signs than \
                                letters and digits as `%20`";
/// Where a collector takes spans, behind its base URL.
const PATH: &str = "/v1/traces";
/// Headers that the gateway writes itself.
const OWN: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::HOST, header::TRANSFER_ENCODING];

impl Tracing {
    /// The headers that go along with every batch. They are never shown.
    #[must_use]
    pub fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        self.headers.as_ref().and_then(|it| pairs(it.expose()).ok()).unwrap_or_default()
    }
}

/// Reads the section, if it stands there.
pub(super) fn tracing(
    mut it: Section<'_>,
    stands: bool,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Option<Tracing> {
    if !stands {
        // They are keys all the same.
        for key in ["otlp", "sample", "headers"] {
            it.get(key);
        }
        it.close(faults);
        return None;
    }
    let otlp = url::base(&mut it, "otlp", EXPECTED_URL, faults);
    let otlp = otlp.filter(|uri| {
        let whole = uri.path().to_ascii_lowercase().ends_with(PATH);
        if whole {
            let expected = format!("the base URL, without `{PATH}`");
            faults.push(Fault::new(it.at("otlp"), kind(&uri.to_string().into()), expected));
        }
        !whole
    });
    let share = |value: &Value| {
        #[allow(clippy::cast_precision_loss, reason = "only 0 and 1 are taken")]
        let share = value.as_float().or_else(|| value.as_integer().map(|it| it as f64))?;
        (0.0..=1.0).contains(&share).then_some(share)
    };
    let sample = it.read("sample", "a share from 0 to 1, such as 0.05", faults, share);
    let headers = secret(&mut it, "headers", outside, faults);
    if let Some(Err(found)) = headers.as_ref().map(|it| pairs(it.expose())) {
        faults.push(Fault::new(it.at("headers"), found, EXPECTED_HEADERS));
    }
    it.close(faults);
    Some(Tracing { otlp: otlp?, sample: sample.unwrap_or(0.05), headers })
}

/// Reads `name=value,name=value`. The error says what is wrong, and nothing of a value.
fn pairs(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let parts = text.split(',').map(str::trim).filter(|it| !it.is_empty()).enumerate();
    let pair = |(at, part): (usize, &str)| {
        let nth = at + 1;
        let (name, value) = part.split_once('=').ok_or(format!("no `=` in its header {nth}"))?;
        let name = HeaderName::try_from(name.trim())
            .map_err(|_| format!("no name of a header before the `=` of its header {nth}"))?;
        if OWN.contains(&name) {
            return Err(format!("`{name}`, which the gateway writes itself"));
        }
        let value = decoded(value.trim()).and_then(|it| HeaderValue::from_bytes(&it).ok());
        let mut value = value.ok_or(format!("no value of a header in `{name}`"))?;
        value.set_sensitive(true);
        Ok((name, value))
    };
    parts.map(pair).collect()
}

/// The bytes that a text spells with `%20` and its like.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match first {
            b'%' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                let digits = std::str::from_utf8(digits).ok()?;
                // `from_str_radix` takes a sign.
                let plain = digits.bytes().all(|it| it.is_ascii_hexdigit());
                u8::from_str_radix(digits, 16).ok().filter(|_| plain)?
            }
            other => *other,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_pairs_with_their_signs_spelled() {
        let read = pairs("Authorization=Basic%20YTpi, x-scope = a=b ,").unwrap();
        let said: Vec<_> =
            read.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(said, [("authorization", &b"Basic YTpi"[..]), ("x-scope", b"a=b")]);
        assert!(read.iter().all(|(_, value)| value.is_sensitive()));
        for wrong in
            ["secret-77", "a b=secret-77", "a=secret-77%0a", "a=%+1", "a=%2", "host=secret-77"]
        {
            let said = pairs(wrong).unwrap_err();
            assert!(!said.contains("secret-77"), "{said}");
        }
    }
}
