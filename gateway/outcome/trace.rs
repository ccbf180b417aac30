//! The trace that a request belongs to: who began it, whether its spans are kept, and what they are called.

use uuid::Uuid;

/// The flag of a trace whose spans are kept.
const SAMPLED: u8 = 1;
/// The flag of a trace id whose last seven bytes are random.
const RANDOM: u8 = 2;
/// Random bits of a trace id, by which ratios are drawn.
const RANDOM_BITS: u32 = 56;
/// The odd number by which span ids of one request are apart before they are mixed.
const APART: u64 = 0x9e37_79b9_7f4a_7c15;

/// A place in a trace, as the header `traceparent` states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace's id, not zero.
    pub trace_id: u128,
    /// The id of the span that asks, not zero.
    pub span: u64,
    /// The flags, as they were stated.
    pub flags: u8,
}

/// The share of new traces whose spans are kept: a function of the trace id alone, so that all gateways
/// keep the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// Random parts of trace ids from here on are kept.
    from: u64,
}

impl Sampler {
    /// A sampler that keeps this share, 0 to 1: as OpenTelemetry's `TraceIdRatioBased`, by the last 56 bits.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "between 0 and 2^56"
    )]
    pub fn new(share: f64) -> Self {
        let all = (1_u64 << RANDOM_BITS) as f64;
        Self { from: ((1.0 - share.clamp(0.0, 1.0)) * all) as u64 }
    }

    /// Whether the spans of a new trace are kept.
    #[must_use]
    pub fn keeps(self, trace_id: u128) -> bool {
        let random = trace_id & ((1 << RANDOM_BITS) - 1);
        random >= u128::from(self.from)
    }
}

/// The trace of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace's id.
    pub trace_id: u128,
    /// The caller's span, if it stated one.
    pub parent: Option<u64>,
    /// The flags that are passed on.
    pub flags: u8,
    /// What the span ids of this request are made of; none where the gateway makes no spans.
    seed: Option<u64>,
}

impl TraceContext {
    /// The trace of the request with this id. Its caller's, where it states one, whose decision on spans
    /// holds; else, where the gateway makes spans, a new one called as the request.
    #[must_use]
    pub fn new(id: Uuid, stated: Option<TraceParent>, sampler: Option<Sampler>) -> Option<Self> {
        let seed = sampler.map(|_| {
            let (high, low) = id.as_u64_pair();
            mixed(high) ^ low
        });
        match (stated, sampler) {
            (Some(TraceParent { trace_id, span, flags }), _) => {
                let flags = if seed.is_some() { flags & (SAMPLED | RANDOM) } else { flags };
                Some(Self { trace_id, parent: Some(span), flags, seed })
            }
            (None, Some(sampler)) => {
                let trace_id = id.as_u128();
                let sampled = if sampler.keeps(trace_id) { SAMPLED } else { 0 };
                Some(Self { trace_id, parent: None, flags: RANDOM | sampled, seed })
            }
            (None, None) => None,
        }
    }

    /// Whether spans of the request are kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.seed.is_some() && self.flags & SAMPLED != 0
    }

    /// The id of the request's own span.
    #[must_use]
    pub fn own_span(&self) -> u64 {
        self.span(0)
    }

    /// The id of the span of a stage.
    #[must_use]
    pub fn stage_span(&self, stage: usize) -> u64 {
        self.span(1 + stage as u64)
    }

    /// The id of the span of an attempt, by its position in the log.
    #[must_use]
    pub fn attempt_span(&self, position: usize) -> u64 {
        self.span(0x100 + position as u64)
    }

    /// What an attempt tells its backend: the attempt's span, or the caller's where there are no spans.
    #[must_use]
    pub fn told(&self, position: usize) -> TraceParent {
        let span = match (self.seed, self.parent) {
            (None, Some(parent)) => parent,
            _ => self.attempt_span(position),
        };
        TraceParent { trace_id: self.trace_id, span, flags: self.flags }
    }

    /// No two of a request are alike: mixing is one to one.
    fn span(&self, nth: u64) -> u64 {
        let place = self.seed.unwrap_or_default().wrapping_add(nth.wrapping_mul(APART));
        match mixed(place) {
            0 => APART,
            id => id,
        }
    }
}

/// The number with its bits mixed, one to one.
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn id(random: u128) -> Uuid {
        let bytes = random.to_be_bytes();
        uuid::Builder::from_unix_timestamp_millis(1_700_000_000_000, bytes[6..].try_into().unwrap())
            .into_uuid()
    }

    #[test]
    fn a_callers_decision_holds_and_a_share_is_drawn_of_new_traces_alone() {
        let stated = |flags| Some(TraceParent { trace_id: 7, span: 9, flags });
        for (share, flags, kept) in
            [(1.0, 0, false), (0.0, 1, true), (0.5, 3, true), (1.0, 2, false)]
        {
            let it = TraceContext::new(id(1), stated(flags), Some(Sampler::new(share))).unwrap();
            assert_eq!((it.trace_id, it.parent, it.is_kept()), (7, Some(9), kept));
        }
        let new =
            |share| TraceContext::new(id(u128::MAX), None, Some(Sampler::new(share))).unwrap();
        assert!(new(1.0).is_kept() && !new(0.0).is_kept());
        assert_eq!(new(1.0).trace_id, id(u128::MAX).as_u128());
    }

    #[test]
    fn without_spans_a_callers_trace_is_passed_on_as_it_is_and_none_is_made() {
        let stated = TraceParent { trace_id: 7, span: 9, flags: 0x81 };
        let it = TraceContext::new(id(1), Some(stated), None).unwrap();
        assert_eq!((it.told(3), it.is_kept()), (stated, false));
        assert_eq!(TraceContext::new(id(1), None, None), None);
    }

    proptest! {
        #[test]
        fn a_share_of_ids_is_kept_and_a_larger_share_keeps_them_too(
            ids in prop::collection::vec(any::<u128>(), 400),
            share in 0.0..=1.0,
        ) {
            let kept = |share| {
                let sampler = Sampler::new(share);
                ids.iter().map(|it| id(*it).as_u128()).filter(|it| sampler.keeps(*it)).collect::<HashSet<_>>()
            };
            let (some, more) = (kept(share), kept((share + 0.1).min(1.0)));
            prop_assert!(some.is_subset(&more));
            let part = some.len() as f64 / 400.0;
            prop_assert!((part - share).abs() < 0.2, "{} of {}", part, share);
            prop_assert_eq!((kept(0.0).len(), kept(1.0).len()), (0, 400));
        }

        #[test]
        fn spans_of_a_request_are_apart(random: u128) {
            let it = TraceContext::new(id(random), None, Some(Sampler::new(1.0))).unwrap();
            let stages = (0..8).map(|stage| it.stage_span(stage));
            let all = stages.chain((0..256).map(|at| it.attempt_span(at))).chain([it.own_span()]);
            let all: HashSet<u64> = all.filter(|it| *it != 0).collect();
            prop_assert_eq!(all.len(), 8 + 256 + 1);
        }
    }
}
