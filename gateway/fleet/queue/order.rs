//! Who is served next: by class, and within a class each key in turn. Pure.

use std::collections::VecDeque;

use crate::outcome::Priority;

/// The requests that wait, in the order in which they are served.
pub(super) struct Order<T> {
    /// By [`Priority`]; in each, the keys in the order of their turns, each with what it has waiting.
    classes: [VecDeque<(u32, VecDeque<T>)>; 3],
    length: usize,
}

impl<T> Default for Order<T> {
    fn default() -> Self {
        Self { classes: std::array::from_fn(|_| VecDeque::new()), length: 0 }
    }
}

impl<T> Order<T> {
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Puts one at the end of its key's queue.
    pub(super) fn join(&mut self, class: Priority, key: u32, item: T) {
        let Some(keys) = self.classes.get_mut(class as usize) else { return };
        self.length += 1;
        match keys.iter_mut().find(|(known, _)| *known == key) {
            Some((_, queue)) => queue.push_back(item),
            None => keys.push_back((key, VecDeque::from([item]))),
        }
    }

    /// The next to be served: the highest class that waits, and there the key whose turn it is.
    pub(super) fn next(&mut self) -> Option<T> {
        let keys = self.classes.iter_mut().find(|keys| !keys.is_empty())?;
        let (key, mut queue) = keys.pop_front()?;
        let item = queue.pop_front();
        if !queue.is_empty() {
            keys.push_back((key, queue));
        }
        self.length -= usize::from(item.is_some());
        item
    }

    /// How many are served before one who joins now.
    pub(super) fn ahead(&self, class: Priority, key: u32) -> usize {
        let higher = self.classes.iter().take(class as usize).flatten();
        let higher: usize = higher.map(|(_, queue)| queue.len()).sum();
        let Some(keys) = self.classes.get(class as usize) else { return higher };
        let own = keys.iter().find(|(known, _)| *known == key).map_or(0, |(_, queue)| queue.len());
        // Every other key has as many turns as it takes until this one comes.
        let others = keys.iter().filter(|(known, _)| *known != key);
        let others: usize = others.map(|(_, queue)| queue.len().min(own + 1)).sum();
        higher + own + others
    }

    /// Makes room for one of this class and key, if anyone has less right to a place: the newest of the
    /// key that has most waiting, in the lowest class that waits. `None` if the newcomer has the least.
    pub(super) fn displace(&mut self, class: Priority, key: u32) -> Option<T> {
        let lowest = self.classes.iter().rposition(|keys| !keys.is_empty())?;
        if lowest < class as usize {
            return None;
        }
        let keys = self.classes.get_mut(lowest)?;
        let own = keys.iter().find(|(known, _)| *known == key).map_or(0, |(_, queue)| queue.len());
        let (at, (_, longest)) =
            keys.iter_mut().enumerate().max_by_key(|(_, (_, queue))| queue.len())?;
        if lowest == class as usize && longest.len() <= own + 1 {
            return None;
        }
        let item = longest.pop_back();
        if longest.is_empty() {
            keys.remove(at);
        }
        self.length -= usize::from(item.is_some());
        item
    }

    /// Removes whatever this fits.
    pub(super) fn remove(&mut self, class: Priority, key: u32, fits: impl Fn(&T) -> bool) -> bool {
        let Some(keys) = self.classes.get_mut(class as usize) else { return false };
        let Some(at) = keys.iter().position(|(known, _)| *known == key) else { return false };
        let Some((_, queue)) = keys.get_mut(at) else { return false };
        let before = queue.len();
        queue.retain(|item| !fits(item));
        let gone = before - queue.len();
        if queue.is_empty() {
            keys.remove(at);
        }
        self.length -= gone;
        gone > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::Priority::{Batch, Default as Usual, Interactive};

    fn drained(mut order: Order<u32>) -> Vec<u32> {
        std::iter::from_fn(|| order.next()).collect()
    }

    #[test]
    fn classes_come_by_rank_and_keys_take_turns() {
        let mut order = Order::default();
        for item in [10, 11, 12, 13] {
            order.join(Usual, 1, item);
        }
        order.join(Batch, 2, 30);
        order.join(Usual, 2, 20);
        order.join(Interactive, 3, 1);
        assert_eq!(order.ahead(Usual, 2), 4, "1, 10, its own, 11");
        assert_eq!(order.ahead(Usual, 9), 3, "1, 10, 20");
        assert_eq!(order.ahead(Interactive, 9), 1);
        assert_eq!(drained(order), [1, 10, 20, 11, 12, 13, 30]);
    }

    #[test]
    fn whoever_has_most_waiting_makes_room_first() {
        let mut order = Order::default();
        for item in [10, 11, 12] {
            order.join(Usual, 1, item);
        }
        order.join(Batch, 2, 30);
        assert_eq!(order.displace(Usual, 1), Some(30), "a lower class before its own");
        assert_eq!(order.displace(Batch, 2), None, "and never a higher one");
        assert_eq!(order.displace(Usual, 2), Some(12), "the newest of the longest");
        order.join(Usual, 2, 20);
        assert_eq!(order.displace(Usual, 2), None, "it has its share");
        assert_eq!(order.displace(Usual, 1), None, "the flood does not push others out");
        assert_eq!(drained(order), [10, 20, 11]);
    }

    fn class() -> impl Strategy<Value = Priority> {
        prop_oneof![Just(Interactive), Just(Usual), Just(Batch)]
    }

    proptest! {
        /// Whoever joins leaves exactly once: served, displaced or by itself.
        #[test]
        fn nobody_is_lost(
            steps in prop::collection::vec((class(), 0..5_u32, 0..6_u8), 1..120),
        ) {
            let mut order = Order::default();
            let mut inside: Vec<(u32, Priority, u32)> = Vec::new();
            for (nth, (class, key, act)) in (0_u32..).zip(steps) {
                let left = match (act, inside.first().copied()) {
                    (0, _) => order.next(),
                    (1, _) => order.displace(class, key),
                    (2, Some((item, class, key))) => {
                        prop_assert!(order.remove(class, key, |it| *it == item));
                        Some(item)
                    }
                    _ => {
                        order.join(class, key, nth);
                        inside.push((nth, class, key));
                        None
                    }
                };
                let before = inside.len();
                inside.retain(|(item, ..)| Some(*item) != left);
                prop_assert_eq!(before - inside.len(), usize::from(left.is_some()));
                prop_assert_eq!(order.length(), inside.len());
            }
            prop_assert_eq!(drained(order).len(), inside.len());
        }

        #[test]
        fn as_many_come_before_as_was_said(
            waiting in prop::collection::vec((class(), 0..5_u32), 0..60),
            class in class(),
            key in 0..6_u32,
        ) {
            let mut order = Order::default();
            for (class, key) in waiting {
                order.join(class, key, 0_u32);
            }
            let said = order.ahead(class, key);
            order.join(class, key, 1);
            let served = drained(order).iter().position(|it| *it == 1);
            // Keys whose turn comes first may have one more; none is passed over.
            prop_assert!(served.is_some_and(|at| at <= said), "{served:?} and not {said}");
        }
    }
}
