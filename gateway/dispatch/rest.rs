//! How long a backend asks to be left alone, in the dialects in which they say it. Pure: a date is
//! measured against the answer's own `date`, so no clock is needed.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// The longest rest that a backend can ask for.
const REST_MAX: Duration = Duration::from_secs(60);
/// From here on a number of seconds is a point in time: 2001, and no wait.
const EPOCH_FROM: f64 = 1e9;

/// The rest that these headers ask for, if they do, capped.
pub(super) fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let date = text("date").and_then(|it| httpdate::parse_http_date(it).ok());
    let millis = text("retry-after-ms").and_then(|it| seconds(it, 1_000.0));
    let after = || {
        let text = text("retry-after")?;
        seconds(text, 1.0).or_else(|| until(httpdate::parse_http_date(text).ok()?, date?))
    };
    let spent = |what: &str| {
        (text(&format!("x-ratelimit-remaining-{what}"))? == "0").then_some(())?;
        clock(text(&format!("x-ratelimit-reset-{what}"))?)
    };
    let reset = || {
        let text = text("x-ratelimit-reset").or_else(|| text("ratelimit-reset"))?;
        match text.parse::<f64>().ok().filter(|it| *it >= EPOCH_FROM) {
            Some(_) => until(SystemTime::UNIX_EPOCH.checked_add(seconds(text, 1.0)?)?, date?),
            None => seconds(text, 1.0).or_else(|| clock(text)),
        }
    };
    let found = millis.or_else(after);
    let found = found.or_else(|| [spent("requests"), spent("tokens")].into_iter().flatten().max());
    found.or_else(reset).map(|rest| rest.min(REST_MAX))
}

/// A number of seconds, or of parts of one.
fn seconds(text: &str, parts: f64) -> Option<Duration> {
    let number = text.parse::<f64>().ok()?;
    Duration::try_from_secs_f64(number / parts).ok()
}

/// Nothing where it has passed already.
fn until(at: SystemTime, date: SystemTime) -> Option<Duration> {
    Some(at.duration_since(date).unwrap_or_default())
}

/// A span such as `6m0s`, `1.5s` or `20ms`.
fn clock(text: &str) -> Option<Duration> {
    let mut left = text;
    let mut all = Duration::ZERO;
    while !left.is_empty() {
        let end = left.find(|it: char| it != '.' && !it.is_ascii_digit())?;
        let (number, rest) = left.split_at_checked(end)?;
        let end = rest.find(|it: char| it == '.' || it.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at_checked(end)?;
        let span = match unit {
            "ms" => seconds(number, 1_000.0)?,
            "s" => seconds(number, 1.0)?,
            "m" => seconds(number, 1.0 / 60.0)?,
            "h" => seconds(number, 1.0 / 3_600.0)?,
            _ => return None,
        };
        all = all.checked_add(span)?;
        left = rest;
    }
    (!text.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn of(lines: &[(&str, &str)]) -> Option<u128> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::try_from(*name).unwrap();
            headers.insert(name, HeaderValue::try_from(*value).unwrap());
        }
        asked(&headers).map(|rest| rest.as_millis())
    }

    const DATE: (&str, &str) = ("date", "Thu, 26 Nov 2026 10:00:00 GMT");

    #[test]
    fn every_dialect_is_read_and_capped() {
        for (lines, millis) in [
            (&[("retry-after", "7")][..], Some(7_000)),
            (&[("retry-after", " 0.25 ")], Some(250)),
            (&[("retry-after", "86400")], Some(60_000)),
            (&[("retry-after", "Thu, 26 Nov 2026 10:00:09 GMT"), DATE], Some(9_000)),
            (&[("retry-after", "Thu, 26 Nov 2026 09:00:00 GMT"), DATE], Some(0)),
            (&[("retry-after", "Thu, 26 Nov 2026 10:00:09 GMT")], None),
            (&[("retry-after-ms", "120"), ("retry-after", "1")], Some(120)),
            (
                &[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1m2s")],
                Some(60_000),
            ),
            (
                &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "20ms")],
                Some(20),
            ),
            (&[("x-ratelimit-remaining-tokens", "9"), ("x-ratelimit-reset-tokens", "5s")], None),
            (&[("x-ratelimit-reset", "12")], Some(12_000)),
            (&[("ratelimit-reset", "1.5s")], Some(1_500)),
            (&[("x-ratelimit-reset", "1795687204"), DATE], Some(4_000)),
            (&[("x-ratelimit-reset", "1795687204")], None),
            (&[("x-ratelimit-reset", "1.8e19"), DATE], None),
            (&[("x-ratelimit-reset", "inf"), DATE], None),
            (&[("retry-after", "1e30")], None),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "soon")], None),
            (&[("x-ratelimit-reset", "5 parsecs")], None),
            (&[], None),
        ] {
            assert_eq!(of(lines), millis, "{lines:?}");
        }
    }

    proptest! {
        /// Whatever stands there, it is no more than the cap, and nothing panics.
        #[test]
        fn nothing_asks_for_longer(text in "[ -~]{0,30}", spent: bool) {
            let remaining = if spent { "0" } else { "1" };
            for name in ["retry-after", "retry-after-ms", "x-ratelimit-reset", "date"] {
                let lines = [
                    (name, text.as_str()),
                    ("x-ratelimit-remaining-tokens", remaining),
                    ("x-ratelimit-reset-tokens", text.as_str()),
                ];
                prop_assert!(of(&lines).is_none_or(|millis| millis <= 60_000));
            }
        }
    }
}
