//! How long a backend asks to be left alone, in the dialects in which they say it. Moments are measured
//! against our clock, or against the answer's own `date` where the two disagree. No reading is an error:
//! what cannot be read is not asked for.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// The longest cooldown that a backend can ask for.
const REST_MAX: Duration = Duration::from_secs(60);
/// A `date` is cut to its second, and was on its way: clocks that differ by no more agree.
const CLOCKS_AGREE: Duration = Duration::from_secs(2);

/// What a number of this size or more is: a moment, counted from 1970 in so many parts of a second. Each
/// kind reaches from 2001, or from the seventies, to the year 5138, where the next one begins.
const MOMENTS: [(f64, f64); 4] = [(1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (1e9, 1.0)];

/// Limits that are told apart, each by `…remaining…` and `…reset…`.
const LIMITS: [&str; 6] =
    ["requests", "tokens", "input-tokens", "output-tokens", "requests-day", "tokens-minute"];

/// The cooldown that these headers ask for right now.
pub(super) fn asked(headers: &HeaderMap) -> Option<Duration> {
    asked_at(headers, SystemTime::now())
}

/// The cooldown that the text of an error asks for right now.
pub(super) fn said(words: &str) -> Option<Duration> {
    wait(words.trim(), 1.0, SystemTime::now()).map(|rest| rest.min(REST_MAX))
}

/// The cooldown that these headers ask for at this moment, if they do, capped. The most direct word counts:
/// `retry-after-ms`, `retry-after`, the limits that are spent, then a reset of nobody knows what.
fn asked_at(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let date = text("date").and_then(|it| httpdate::parse_http_date(it).ok());
    let now = date.filter(|date| apart(*date, now) > CLOCKS_AGREE).unwrap_or(now);
    let wait = |name: &str, parts| text(name).and_then(|it| wait(it, parts, now));
    let found = wait("retry-after-ms", 1_000.0).or_else(|| wait("retry-after", 1.0));
    let found = found.or_else(|| limits(&text, now));
    let reset = || wait("x-ratelimit-reset", 1.0).or_else(|| wait("ratelimit-reset", 1.0));
    let found = found.or_else(reset).or_else(|| text("ratelimit").and_then(|it| draft(it, now)));
    found.map(|rest| rest.min(REST_MAX))
}

/// The longest wait for a limit that is spent: all of them must be there again. Where nothing is known to
/// be spent, the shortest for one of which nothing is known. A limit with something left holds nobody.
fn limits<'a>(text: &impl Fn(&str) -> Option<&'a str>, now: SystemTime) -> Option<Duration> {
    let (mut spent, mut unknown) = (None, None);
    for limit in LIMITS {
        for (left, reset) in [
            (format!("x-ratelimit-remaining-{limit}"), format!("x-ratelimit-reset-{limit}")),
            (
                format!("anthropic-ratelimit-{limit}-remaining"),
                format!("anthropic-ratelimit-{limit}-reset"),
            ),
        ] {
            let Some(wait) = text(&reset).and_then(|it| wait(it, 1.0, now)) else { continue };
            match text(&left).map(str::parse::<f64>) {
                Some(Ok(left)) if left <= 0.0 => spent = spent.max(Some(wait)),
                Some(Ok(_)) => {}
                _ => unknown = Some(unknown.map_or(wait, |it: Duration| it.min(wait))),
            }
        }
    }
    spent.or(unknown)
}

/// `limit=100, remaining=0, reset=5` or `"default";r=0;t=5`: drafts of one header for all.
fn draft(text: &str, now: SystemTime) -> Option<Duration> {
    let mut fields = text.split([',', ';']).filter_map(|it| it.trim().split_once('='));
    let reset = fields.find(|(name, _)| matches!(*name, "reset" | "t"))?.1;
    wait(reset, 1.0, now)
}

/// A wait in any of its forms: a number of which `parts` are a second, a moment as a number, a span, a
/// date. Nothing is left to wait for where the moment has passed.
fn wait(text: &str, parts: f64, now: SystemTime) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        let number = Some(number).filter(|it| it.is_finite() && *it >= 0.0)?;
        let moment = MOMENTS.into_iter().find(|(from, _)| number >= *from);
        // Milliseconds are counted from 1970 only where they cannot be a wait: this many are three years.
        let moment = moment.filter(|(_, of)| *of > 1.0 || parts <= 1.0);
        let Some((_, of)) = moment else { return Some(span(number, parts)) };
        let at = Duration::try_from_secs_f64(number / of).ok();
        let at = at.and_then(|it| SystemTime::UNIX_EPOCH.checked_add(it));
        return Some(at.map_or(REST_MAX, |at| until(at, now)));
    }
    if let Some(span) = clock(text) {
        return Some(span);
    }
    Some(until(httpdate::parse_http_date(text).ok().or_else(|| stamp(text))?, now))
}

/// A date such as `2026-11-26T10:00:02.5Z`.
fn stamp(text: &str) -> Option<SystemTime> {
    let millis = u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

/// So many parts of a second; what is beyond all counting is as long as a cooldown can be.
fn span(number: f64, parts: f64) -> Duration {
    Duration::try_from_secs_f64(number / parts).unwrap_or(REST_MAX)
}

/// Nothing where it has passed already.
fn until(at: SystemTime, now: SystemTime) -> Duration {
    at.duration_since(now).unwrap_or_default()
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|before| before.duration())
}

/// A span such as `6m0s`, `1.5s`, `20ms` or `30 seconds`.
fn clock(text: &str) -> Option<Duration> {
    let mut left = text;
    let mut all = Duration::ZERO;
    while !left.is_empty() {
        let end = left.find(|it: char| it != '.' && !it.is_ascii_digit())?;
        let (number, rest) = left.split_at_checked(end)?;
        let end = rest.find(|it: char| it == '.' || it.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at_checked(end)?;
        let parts = match unit.trim().to_ascii_lowercase().as_str() {
            "ns" => 1e9,
            "us" => 1e6,
            "ms" | "millisecond" | "milliseconds" => 1e3,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 1.0 / 60.0,
            "h" | "hour" | "hours" => 1.0 / 3_600.0,
            "d" | "day" | "days" => 1.0 / 86_400.0,
            _ => return None,
        };
        all = all.saturating_add(span(number.parse().ok()?, parts));
        left = rest;
    }
    (!text.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    /// What is asked for on 26 November 2026 at 10:00:00.250 UTC.
    fn of(lines: &[(&str, &str)]) -> Option<u128> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::try_from(*name).unwrap();
            headers.insert(name, HeaderValue::try_from(*value).unwrap());
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_687_200_250);
        asked_at(&headers, now).map(|rest| rest.as_millis())
    }

    const DATE: (&str, &str) = ("date", "Thu, 26 Nov 2026 10:00:00 GMT");
    /// Of a backend whose clock is an hour fast.
    const FAST: (&str, &str) = ("date", "Thu, 26 Nov 2026 11:00:00 GMT");

    #[test]
    fn every_form_of_a_wait_is_read_and_capped() {
        for (text, millis) in [
            ("7", Some(7_000)),
            (" 0.25 ", Some(250)),
            ("0", Some(0)),
            ("86400", Some(60_000)),
            ("999999999", Some(60_000)),
            // Moments: in seconds, milli-, micro- and nanoseconds since 1970.
            ("1795687202", Some(1_750)),
            ("1795687202.5", Some(2_250)),
            ("1795687202250", Some(2_000)),
            ("1795687202250000", Some(2_000)),
            ("1795687202250500000", Some(2_000)),
            ("1795687199", Some(0)),
            ("1795687199000", Some(0)),
            ("1995687199", Some(60_000)),
            ("Thu, 26 Nov 2026 10:00:09 GMT", Some(8_750)),
            ("Thu, 26 Nov 2026 09:00:00 GMT", Some(0)),
            ("2026-11-26T10:00:02.250Z", Some(2_000)),
            ("2026-11-26T11:00:02.250+01:00", Some(2_000)),
            ("2026-11-26T09:00:00Z", Some(0)),
            ("2036-11-26T09:00:00Z", Some(60_000)),
            ("1s", Some(1_000)),
            ("1.5s", Some(1_500)),
            ("6m0s", Some(60_000)),
            ("0m7.66s", Some(7_660)),
            ("120ms", Some(120)),
            ("1s200ms", Some(1_200)),
            ("900us", Some(0)),
            ("30 seconds", Some(30_000)),
            ("1h", Some(60_000)),
            // Absurd.
            ("99999999999999999999999", Some(60_000)),
            ("1e30", Some(60_000)),
            // None of them.
            ("-1", None),
            ("NaN", None),
            ("inf", None),
            ("soon", None),
            ("5 parsecs", None),
            ("", None),
        ] {
            for name in ["retry-after", "x-ratelimit-reset", "ratelimit-reset"] {
                assert_eq!(of(&[(name, text)]), millis, "{name}: {text}");
                assert_eq!(of(&[(name, text), DATE]), millis, "{name}: {text}, with a date");
            }
            for of_one in ["x-ratelimit-reset-requests", "anthropic-ratelimit-tokens-reset"] {
                assert_eq!(of(&[(of_one, text)]), millis, "{of_one}: {text}");
            }
        }
    }

    #[test]
    fn the_word_that_counts_is_found() {
        const NONE: (&str, &str) = ("x-ratelimit-remaining-requests", "0");
        const NO_TOKENS: (&str, &str) = ("x-ratelimit-remaining-tokens", "0");
        const SOME_TOKENS: (&str, &str) = ("x-ratelimit-remaining-tokens", "9");
        const REQUESTS: (&str, &str) = ("x-ratelimit-reset-requests", "3s");
        const TOKENS: (&str, &str) = ("x-ratelimit-reset-tokens", "20ms");
        for (lines, millis) in [
            (&[("retry-after-ms", "120"), ("retry-after", "1")][..], Some(120)),
            (&[("retry-after-ms", "1795687202250")], Some(2_000)),
            (&[("retry-after-ms", "1795687202")], Some(60_000)),
            (&[("retry-after-ms", "soon"), ("retry-after", "1")], Some(1_000)),
            (&[("retry-after", "1"), NONE, REQUESTS], Some(1_000)),
            (&[NONE, REQUESTS, NO_TOKENS, TOKENS], Some(3_000)),
            (&[NONE, REQUESTS, SOME_TOKENS, TOKENS], Some(3_000)),
            (&[REQUESTS, NO_TOKENS, TOKENS], Some(20)),
            (&[REQUESTS, SOME_TOKENS, TOKENS], Some(3_000)),
            (&[REQUESTS, TOKENS], Some(20)),
            (&[SOME_TOKENS, TOKENS], None),
            (&[SOME_TOKENS, TOKENS, ("x-ratelimit-reset", "5")], Some(5_000)),
            (
                &[
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-requests-reset", "2026-11-26T10:00:05.250Z"),
                ],
                Some(5_000),
            ),
            (&[("ratelimit", "limit=100, remaining=0, reset=5")], Some(5_000)),
            (&[("ratelimit", "\"default\";r=0;t=4")], Some(4_000)),
            // A moment of a clock that goes wrong is measured by that clock.
            (&[("x-ratelimit-reset", "1795690804"), FAST], Some(4_000)),
            (&[("retry-after", "Thu, 26 Nov 2026 11:00:09 GMT"), FAST], Some(9_000)),
            (&[], None),
        ] {
            assert_eq!(of(lines), millis, "{lines:?}");
        }
    }

    proptest! {
        /// Whatever stands there, it is no more than the cap, and nothing panics.
        #[test]
        fn nothing_asks_for_longer(text in "[ -~]{0,30}|[0-9]{1,25}", spent: bool) {
            let remaining = if spent { "0" } else { "1" };
            for name in ["retry-after", "retry-after-ms", "x-ratelimit-reset", "ratelimit", "date"] {
                let lines = [
                    (name, text.as_str()),
                    ("x-ratelimit-remaining-tokens", remaining),
                    ("x-ratelimit-reset-tokens", text.as_str()),
                ];
                prop_assert!(of(&lines).is_none_or(|millis| millis <= 60_000));
            }
        }

        /// A moment is the same moment in whichever parts of a second it is counted.
        #[test]
        fn the_unit_of_a_moment_is_seen(seconds in 1_795_687_201_u64..1_795_687_255) {
            let plain = of(&[("x-ratelimit-reset", &seconds.to_string())]);
            for parts in ["000", "000000", "000000000"] {
                prop_assert_eq!(of(&[("x-ratelimit-reset", &format!("{seconds}{parts}"))]), plain);
            }
        }
    }
}
