//! How a request is called: by us, and by its caller.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

use super::name;
use crate::{
    outcome::{Sampler, TraceContext},
    wire,
};

/// The longest request id of a caller that is kept.
const REQUEST_ID_MAX: usize = 64;

/// The ids of one request, as headers carry them.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    id: Uuid,
    ours: HeaderValue,
    callers: Option<HeaderValue>,
    trace: Option<TraceContext>,
}

impl Ids {
    /// Ids for a request with this head that came in at `unix_ms`: ours is a UUIDv7 made of that and
    /// of `random`. Its trace is the caller's, or a new one where the gateway makes spans.
    pub(crate) fn new(
        headers: &HeaderMap,
        unix_ms: u64,
        random: [u64; 2],
        sampler: Option<Sampler>,
    ) -> Self {
        let [a, b] = random.map(u64::to_be_bytes);
        let mut bytes = [0; 10];
        for (byte, random) in bytes.iter_mut().zip(a.into_iter().chain(b)) {
            *byte = random;
        }
        let id = uuid::Builder::from_unix_timestamp_millis(unix_ms, &bytes).into_uuid();
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        id.hyphenated().encode_lower(&mut text);
        // It goes to the backend and twice into the answer: its copies count, and none is allocated.
        let ours = HeaderValue::from_maybe_shared(Bytes::from_owner(text));
        let ours = ours.unwrap_or_else(|_| HeaderValue::from_static("-"));
        let trace = TraceContext::new(id, wire::traceparent(headers), sampler);
        Self { id, ours, callers: callers(headers), trace }
    }

    /// The trace that the request belongs to.
    pub(crate) fn trace(&self) -> Option<TraceContext> {
        self.trace
    }

    /// Our id.
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// Our id as a header value.
    pub(crate) fn header(&self) -> HeaderValue {
        self.ours.clone()
    }

    /// The caller's own id, if it gave one that can be echoed.
    pub(crate) fn callers(&self) -> Option<&str> {
        self.callers.as_ref().and_then(|id| id.to_str().ok())
    }

    /// Writes both into the head of an answer.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(name::ID, self.ours.clone());
        headers.insert(name::REQUEST_ID, self.callers.as_ref().unwrap_or(&self.ours).clone());
    }
}

/// The caller's id; where there is none that can be echoed, that of a gateway in front.
fn callers(headers: &HeaderMap) -> Option<HeaderValue> {
    [name::REQUEST_ID, name::ID].iter().find_map(|name| plain(headers.get(name)?))
}

fn plain(id: &HeaderValue) -> Option<HeaderValue> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let fits = (1..=REQUEST_ID_MAX).contains(&id.len()) && id.as_bytes().iter().all(plain);
    // A copy: the header itself keeps the buffer that its connection has read the head into.
    fits.then(|| HeaderValue::from_bytes(id.as_bytes()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(callers: &str) -> Ids {
        let mut headers = HeaderMap::new();
        headers.insert(name::REQUEST_ID, HeaderValue::from_str(callers).unwrap());
        Ids::new(&headers, 1_700_000_000_000, [1, 2], None)
    }

    #[test]
    fn ours_is_a_uuid_of_version_7() {
        let ids = ids("x");
        assert_eq!(ids.id().get_version_num(), 7);
        assert_eq!(ids.header(), ids.id().to_string());
    }

    #[test]
    fn the_id_of_a_gateway_in_front_stands_for_one_that_the_caller_does_not_give() {
        let mut headers = HeaderMap::new();
        headers.insert(name::ID, HeaderValue::from_static("front-1"));
        assert_eq!(Ids::new(&headers, 1, [1, 2], None).callers(), Some("front-1"));
        headers.insert(name::REQUEST_ID, HeaderValue::from_static("caller-1"));
        assert_eq!(Ids::new(&headers, 1, [1, 2], None).callers(), Some("caller-1"));
        headers.insert(name::REQUEST_ID, HeaderValue::from_static("a/b"));
        assert_eq!(Ids::new(&headers, 1, [1, 2], None).callers(), Some("front-1"));
    }

    #[test]
    fn a_callers_id_is_echoed_only_if_it_is_plain() {
        assert_eq!(ids("trace-1.A_b").callers(), Some("trace-1.A_b"));
        for wrong in ["", "a b", "a/b", "é", &"x".repeat(65)] {
            assert_eq!(ids(wrong).callers(), None, "{wrong}");
        }
    }
}
