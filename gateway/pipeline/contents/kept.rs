//! What was found before, under hashes of what it was found in: so much, and the oldest makes room.

use std::collections::{HashMap, VecDeque};

use policies::facts::Contents;

/// The hash of all that an answer depends on.
pub(super) type Key = [u8; 32];

/// Answers by their keys.
#[derive(Default)]
pub(super) struct KeptContents {
    found: HashMap<Key, Contents>,
    /// The keys, the oldest first.
    order: VecDeque<Key>,
}

impl KeptContents {
    /// What lies under a key.
    pub(super) fn find(&self, key: &Key) -> Option<Contents> {
        self.found.get(key).copied()
    }

    /// Keeps an answer, and no more than so many in all.
    pub(super) fn put(&mut self, key: Key, found: Contents, most: usize) {
        if self.found.insert(key, found).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > most {
            let Some(oldest) = self.order.pop_front() else { break };
            self.found.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use policies::facts::Content;

    use super::*;

    #[test]
    fn the_oldest_makes_room_and_never_is_more_kept_than_may_be() {
        let mut phone = Contents::NONE;
        phone.add(Content::Phone);
        let mut kept = KeptContents::default();
        for most in [3, 1, 0, 2] {
            for key in 0..9 {
                kept.put([key; 32], phone, most);
                kept.put([key; 32], phone, most);
                assert_eq!(kept.found.len(), kept.order.len());
                assert!(kept.found.len() <= most);
            }
            for key in 0..9 {
                let there = usize::from(key) + most >= 9;
                assert_eq!(kept.find(&[key; 32]), there.then_some(phone), "{key} of {most}");
            }
        }
    }
}
