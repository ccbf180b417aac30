//! `x-ratelimit-…`: how the caller stands, in the words that SDKs know.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::limits::{LimitReading, RateLimits};

/// The tightest limits of a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RateHeaders {
    requests: Option<LimitReading>,
    tokens: Option<LimitReading>,
}

const REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

impl RateHeaders {
    pub(super) fn of(limits: &[Arc<RateLimits>], now: Instant) -> Self {
        let tightest = |readings: &mut dyn Iterator<Item = LimitReading>| {
            readings.min_by_key(|reading| reading.remaining)
        };
        Self {
            requests: tightest(&mut limits.iter().filter_map(|limits| limits.requests(now))),
            tokens: tightest(&mut limits.iter().filter_map(|limits| limits.tokens(now))),
        }
    }

    /// Writes what is limited into the head of an answer.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        for (reading, names) in [(self.requests, REQUESTS), (self.tokens, TOKENS)] {
            let Some(reading) = reading else { continue };
            let [limit, remaining, reset] = names;
            headers.insert(limit, HeaderValue::from(reading.limit));
            headers.insert(remaining, HeaderValue::from(reading.remaining));
            if let Ok(value) = HeaderValue::try_from(seconds(reading.reset)) {
                headers.insert(reset, value);
            }
        }
    }
}

/// Seconds with milliseconds, as `1.2s`.
fn seconds(span: Duration) -> String {
    format!("{}s", span.as_millis() as f64 / 1_000.0)
}
