//! `x-ratelimit-…`: how the caller stands, in the words that SDKs know.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::limits::{Gate, Standing};

/// The tightest limits of a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RateHeaders {
    requests: Option<Standing>,
    tokens: Option<Standing>,
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
    pub(super) fn of(gates: &[Arc<Gate>], now: Instant) -> Self {
        let tightest = |standings: &mut dyn Iterator<Item = Standing>| {
            standings.min_by_key(|standing| standing.remaining)
        };
        Self {
            requests: tightest(&mut gates.iter().filter_map(|gate| gate.requests(now))),
            tokens: tightest(&mut gates.iter().filter_map(|gate| gate.tokens(now))),
        }
    }

    /// Writes what is limited into the head of an answer.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        for (standing, names) in [(self.requests, REQUESTS), (self.tokens, TOKENS)] {
            let Some(standing) = standing else { continue };
            let [limit, remaining, reset] = names;
            headers.insert(limit, HeaderValue::from(standing.limit));
            headers.insert(remaining, HeaderValue::from(standing.remaining));
            if let Ok(value) = HeaderValue::try_from(seconds(standing.reset)) {
                headers.insert(reset, value);
            }
        }
    }
}

/// Seconds with milliseconds, as `1.2s`.
fn seconds(span: Duration) -> String {
    format!("{}s", span.as_millis() as f64 / 1_000.0)
}
