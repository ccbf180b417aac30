//! The gateway's own edits of a request, and what a replica says against them.
//!
//! What the gateway adds is never the caller's fault: a replica that refuses it is asked again without, at
//! most once for each edit, and what it took is remembered until the configuration is loaded anew.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::{
    config::BoundNames,
    wire::{Named, Own, Said},
};

/// What a replica has refused of the gateway's edits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RefusedEdits {
    /// Set where it refuses to report usage in a stream.
    pub usage: bool,
    /// Names of a bound on the output.
    pub bounds: BoundNames,
    /// Those of them that it has refused in this attempt, and not only before.
    pub now: BoundNames,
}

/// What is to be done about an edit that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    /// The replica is asked again without what it has refused by now.
    Again(RefusedEdits),
    /// Nothing: the bound must be given, and no name of it is left.
    Bound,
}

impl RefusedEdits {
    /// The names under which a bound is given to an engine that knows these: what is left of them, else of
    /// all.
    pub(crate) const fn told_as(self, known: BoundNames) -> BoundNames {
        let left = known.without(self.bounds);
        if left.any() { left } else { BoundNames::BOTH.without(self.bounds) }
    }

    /// What a failure that speaks of these fields says against edits of ours, where this was refused until
    /// now.
    pub(crate) fn objection(self, own: Own, status: u16, named: Named) -> Option<Objection> {
        if !matches!(status, 400 | 422) || !own.usage && !own.bounds.any() {
            return None;
        }
        if own.usage && named.usage {
            return Some(Objection::Again(Self { usage: true, ..self }));
        }
        if !named.bounds.any() {
            return None;
        }
        let mut ours = own.bounds.and(named.bounds);
        if !ours.any() && !own.callers.and(named.bounds).any() {
            // Some engines speak of a bound by the other name.
            ours = own.bounds;
        }
        if !ours.any() {
            return None;
        }
        // What was refused before is tried again before all is given up: engines are replaced.
        let bounds = self.now.or(ours.first());
        let refused = Self { bounds, now: bounds, ..self };
        let left = BoundNames::BOTH.without(bounds).any();
        Some(if left { Objection::Again(refused) } else { Objection::Bound })
    }
}

/// The fields of ours that a failure of this status speaks against.
pub(crate) fn named(said: &Said, status: u16, half_full: bool, sentences: &[Box<str>]) -> Named {
    let mut named = said.named();
    if said.is_too_long(status, half_full, sentences) {
        // It speaks of the bound because the prompt leaves too little of the context for it.
        named.bounds = BoundNames::default();
    }
    named
}

/// The edits that a replica has refused, remembered over requests.
#[derive(Debug, Default)]
pub(crate) struct Learned(AtomicU8);

const USAGE: u8 = 1;
const MAX_TOKENS: u8 = 2;
const MAX_COMPLETION_TOKENS: u8 = 4;

impl Learned {
    /// The edits that it has refused.
    pub(crate) fn refused(&self) -> RefusedEdits {
        let bits = self.0.load(Relaxed);
        RefusedEdits {
            usage: bits & USAGE != 0,
            bounds: BoundNames {
                max_tokens: bits & MAX_TOKENS != 0,
                max_completion_tokens: bits & MAX_COMPLETION_TOKENS != 0,
            },
            now: BoundNames::default(),
        }
    }

    /// Notes that it answered a request without these edits.
    pub(crate) fn remember(&self, refused: RefusedEdits) {
        let bit = |holds, bit| if holds { bit } else { 0 };
        let bits = bit(refused.usage, USAGE)
            | bit(refused.bounds.max_tokens, MAX_TOKENS)
            | bit(refused.bounds.max_completion_tokens, MAX_COMPLETION_TOKENS);
        self.0.store(bits, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Own = Own {
        usage: true,
        usage_alone: true,
        bounds: BoundNames::MAX_TOKENS,
        callers: BoundNames { max_tokens: false, max_completion_tokens: false },
    };

    fn read(body: &str) -> Named {
        named(&Said::read(body.as_bytes()), 400, false, &[])
    }

    fn again(usage: bool, bounds: BoundNames) -> Option<Objection> {
        Some(Objection::Again(RefusedEdits { usage, bounds, now: bounds }))
    }

    #[test]
    fn what_is_ours_and_named_is_left_out() {
        let none = BoundNames::default();
        for (body, expected) in [
            (
                r#"{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],
                "msg":"Extra inputs are not permitted","input":{"include_usage":true}}]}"#,
                again(true, none),
            ),
            (
                r#"{"error":{"message":"Unrecognized request argument supplied: stream_options"}}"#,
                again(true, none),
            ),
            (r#"{"message":"stream options are not supported"}"#, again(true, none)),
            ("Unknown field: stream_options", again(true, none)),
            (
                r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this
                model. Use 'max_completion_tokens' instead.","param":"max_tokens"}}"#,
                again(false, BoundNames::MAX_TOKENS),
            ),
            (
                r#"{"detail":[{"loc":["body","max_tokens"],"msg":"extra fields not permitted"}]}"#,
                again(false, BoundNames::MAX_TOKENS),
            ),
            (
                r#"{"detail":[{"loc":["body"],"msg":"Field required","input":{"max_tokens":7}}]}"#,
                None,
            ),
            (r#"{"error":{"message":"temperature must be below 2"}}"#, None),
            (
                r#"{"error":{"message":"This model's maximum context length is 10 tokens",
                "param":"max_tokens"}}"#,
                None,
            ),
        ] {
            for status in [400, 422] {
                let said = RefusedEdits::default().objection(OURS, status, read(body));
                assert_eq!(said, expected, "{body}");
            }
            assert_eq!(RefusedEdits::default().objection(OURS, 500, read(body)), None);
            assert_eq!(RefusedEdits::default().objection(Own::default(), 400, read(body)), None);
        }
    }

    #[test]
    fn a_callers_own_bound_is_the_callers() {
        let body =
            r#"{"detail":[{"loc":["body","max_completion_tokens"],"msg":"extra forbidden"}]}"#;
        let own = Own { callers: BoundNames::MAX_COMPLETION_TOKENS, ..OURS };
        assert_eq!(RefusedEdits::default().objection(own, 422, read(body)), None);
    }

    #[test]
    fn names_are_tried_once_each() {
        let known = BoundNames::MAX_TOKENS;
        let mut refused = RefusedEdits::default();
        let mut tried = Vec::new();
        loop {
            let bounds = refused.told_as(known);
            tried.push(bounds);
            let own = Own { bounds, ..OURS };
            match refused.objection(own, 400, read("no max_tokens and no max_completion_tokens")) {
                Some(Objection::Again(now)) => refused = now,
                said => break assert_eq!(said, Some(Objection::Bound)),
            }
        }
        assert_eq!(tried, [BoundNames::MAX_TOKENS, BoundNames::MAX_COMPLETION_TOKENS]);
        assert_eq!(RefusedEdits::default().told_as(BoundNames::BOTH), BoundNames::BOTH);
    }

    #[test]
    fn what_was_refused_by_an_older_engine_is_tried_again() {
        let learned = RefusedEdits { bounds: BoundNames::MAX_TOKENS, ..RefusedEdits::default() };
        let own = Own { bounds: learned.told_as(BoundNames::MAX_TOKENS), ..OURS };
        let said =
            learned.objection(own, 422, read("max_completion_tokens: extra fields not permitted"));
        assert_eq!(said, again(false, BoundNames::MAX_COMPLETION_TOKENS));
    }

    #[test]
    fn what_is_remembered_is_what_was_refused() {
        let learned = Learned::default();
        assert_eq!(learned.refused(), RefusedEdits::default());
        for usage in [false, true] {
            for bounds in [BoundNames::default(), BoundNames::MAX_TOKENS, BoundNames::BOTH] {
                let refused = RefusedEdits { usage, bounds, ..RefusedEdits::default() };
                learned.remember(refused);
                assert_eq!(learned.refused(), refused);
            }
        }
    }
}
