//! Refusals for authorisation, folded for the audit trail: one count for each kind and key, so that a flood
//! of them grows nothing.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use crate::failure::Kind;

/// Counts are taken after so long.
const FOLD_MS: i64 = 60_000;
/// Pairs of kind and key that are counted one by one within that; further ones count as [`OTHER`].
const DISTINCT_MAX: usize = 32;
/// The name of a caller whom nobody knows. No key is called so: its name has other letters.
const UNKNOWN: &str = "(unknown)";
/// The name of whoever is turned away at the operators' door and is not known there.
const UNKNOWN_OPERATOR: &str = "(operators)";
/// The two doors.
const CALLERS: &str = "callers";
const OPERATORS: &str = "operators";
/// The name of keys beyond the most that are told apart.
const OTHER: &str = "(other)";

/// What was refused for authorisation within about a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The kind of failure: `unauthenticated` or `forbidden`.
    pub kind: &'static str,
    /// Where: at the door for `callers` or at that for `operators`.
    pub door: &'static str,
    /// The name of the key or operator that was known; `(unknown)` where none was, `(operators)` where none
    /// was at the operators' door, `(other)` beyond the most that are told apart.
    pub who: Arc<str>,
    /// How often.
    pub count: u64,
    /// The first of them, in milliseconds since 1970.
    pub from_ms: i64,
    /// The last of them.
    pub until_ms: i64,
}

/// Counts refusals. Only who is refused for authorisation takes its lock.
#[derive(Default)]
pub(super) struct Fold(Mutex<BTreeMap<Told, Denied>>);

/// What is counted by itself: kind, name, door.
type Told = (&'static str, Arc<str>, &'static str);

impl Fold {
    /// Counts one, if it is one for authorisation.
    pub(super) fn add(&self, kind: Kind, who: Option<&Arc<str>>, at_ms: i64) {
        if !matches!(kind, Kind::Unauthenticated | Kind::Forbidden) {
            return;
        }
        let who = who.map_or_else(|| UNKNOWN.into(), Arc::clone);
        self.count(kind.name(), CALLERS, who, at_ms);
    }

    /// Counts one at the operators' door, of whatever kind.
    pub(super) fn add_operator(&self, kind: Kind, who: Option<&Arc<str>>, at_ms: i64) {
        let who = who.map_or_else(|| UNKNOWN_OPERATOR.into(), Arc::clone);
        self.count(kind.name(), OPERATORS, who, at_ms);
    }

    fn count(&self, kind: &'static str, door: &'static str, who: Arc<str>, at_ms: i64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            counts.len() < DISTINCT_MAX || counts.contains_key(&(kind, Arc::clone(&who), door));
        let who = if known { who } else { OTHER.into() };
        let denied = counts.entry((kind, Arc::clone(&who), door)).or_insert_with(|| Denied {
            kind,
            door,
            who,
            count: 0,
            from_ms: at_ms,
            until_ms: at_ms,
        });
        denied.count += 1;
        denied.until_ms = at_ms;
    }

    /// Takes all counts when the oldest is a minute old, or the clock has gone back; or at the end.
    pub(super) fn take(&self, now_ms: i64, end: bool) -> Vec<Denied> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = |it: &Denied| !(it.from_ms..it.from_ms.saturating_add(FOLD_MS)).contains(&now_ms);
        if !end && !counts.values().any(due) {
            return Vec::new();
        }
        mem::take(&mut *counts).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_count_for_each_key_and_some_for_all_others() {
        let fold = Fold::default();
        let key = |number: usize| Arc::from(format!("key-{number:03}"));
        for at in 0..1_000 {
            fold.add(Kind::Unauthenticated, None, at);
            fold.add(Kind::Forbidden, Some(&key(usize::try_from(at).unwrap() % 100)), at);
            fold.add(Kind::RateLimited, Some(&key(0)), at);
        }
        assert_eq!(fold.take(59_999, false), []);
        let denied = fold.take(60_000, false);
        assert_eq!(denied.len(), DISTINCT_MAX + 1);
        assert_eq!(denied.iter().map(|it| it.count).sum::<u64>(), 2_000);
        let of = |who: &str| denied.iter().find(|it| &*it.who == who).unwrap();
        let expected = Denied {
            kind: "unauthenticated",
            door: CALLERS,
            who: UNKNOWN.into(),
            count: 1_000,
            from_ms: 0,
            until_ms: 999,
        };
        assert_eq!(of(UNKNOWN), &expected);
        assert_eq!((of("key-007").count, of(OTHER).count), (10, 690));
        assert_eq!(fold.take(120_000, true), []);
        // A key and an operator of one name are two.
        fold.add(Kind::Forbidden, Some(&key(1)), 130_000);
        fold.add_operator(Kind::Forbidden, Some(&key(1)), 130_000);
        fold.add_operator(Kind::Unauthenticated, None, 130_000);
        let doors = |it: &Denied| (it.door, it.who.to_string(), it.count);
        let expected = [
            (CALLERS, key(1).to_string(), 1),
            (OPERATORS, key(1).to_string(), 1),
            (OPERATORS, UNKNOWN_OPERATOR.to_owned(), 1),
        ];
        assert_eq!(fold.take(130_000, true).iter().map(doors).collect::<Vec<_>>(), expected);
        // What is counted at the end is not lost, nor where the clock was set back.
        fold.add(Kind::Forbidden, None, 200_000);
        assert_eq!(fold.take(199_000, false).len(), 1);
        fold.add(Kind::Forbidden, None, 200_000);
        assert_eq!(fold.take(200_001, true).len(), 1);
    }
}
