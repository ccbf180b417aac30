//! What is kept, never heavier than it may be: what was asked for the longest ago goes first.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use super::{Kept, Key, Look};

/// What an answer takes beside its bytes: its key, thrice, its place in two maps, and their room to grow.
const BESIDE_BYTES: usize = 512;

/// What an answer weighs.
pub(super) fn weight(kept: &Kept) -> usize {
    kept.body.len().saturating_add(BESIDE_BYTES)
}

/// Answers by their keys.
#[derive(Debug)]
pub(super) struct Shelf {
    places: HashMap<Key, Place>,
    /// The keys by when they were asked for last.
    order: BTreeMap<u64, Key>,
    /// The number of the next time that one is asked for.
    turn: u64,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Place {
    kept: Kept,
    until: Instant,
    turn: u64,
}

impl Shelf {
    pub(super) fn new(bytes_max: usize) -> Self {
        let (places, order) = (HashMap::new(), BTreeMap::new());
        Self { places, order, turn: 0, bytes: 0, bytes_max }
    }

    pub(super) fn look(&mut self, key: &Key, now: Instant, may: impl Fn(&Kept) -> bool) -> Look {
        let Some(place) = self.places.get_mut(key) else { return Look::Nothing };
        if now >= place.until {
            self.remove(key);
            return Look::Expired;
        }
        if !may(&place.kept) {
            return Look::Nothing;
        }
        self.order.remove(&place.turn);
        place.turn = self.turn;
        self.order.insert(self.turn, *key);
        self.turn += 1;
        Look::Answer(place.kept.clone())
    }

    pub(super) fn put(&mut self, key: Key, kept: Kept, until: Instant) {
        self.remove(&key);
        let weight = weight(&kept);
        if weight > self.bytes_max {
            return;
        }
        while self.bytes + weight > self.bytes_max {
            let Some((_, oldest)) = self.order.first_key_value() else { break };
            let oldest = *oldest;
            self.remove(&oldest);
        }
        let turn = self.turn;
        self.turn += 1;
        self.bytes += weight;
        self.order.insert(turn, key);
        self.places.insert(key, Place { kept, until, turn });
    }

    fn remove(&mut self, key: &Key) {
        if let Some(Place { kept, turn, .. }) = self.places.remove(key) {
            self.order.remove(&turn);
            self.bytes -= weight(&kept);
        }
    }

    /// What all of it weighs, as it is counted and as it is.
    #[cfg(test)]
    pub(super) fn weighs(&self) -> (usize, usize) {
        assert_eq!(self.places.len(), self.order.len());
        (self.bytes, self.places.values().map(|it| weight(&it.kept)).sum())
    }
}
