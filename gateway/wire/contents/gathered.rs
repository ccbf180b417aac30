//! Texts, in so many bytes at the most: of more, the first and the last half.

use std::collections::VecDeque;

/// Texts that are gathered, the oldest first.
pub(super) struct Gathered {
    first: Vec<String>,
    /// What the first half has room for.
    room: usize,
    last: VecDeque<String>,
    last_bytes: usize,
    /// The most that first and last have together.
    bytes_max: usize,
    first_bytes: usize,
    /// The first text of the last half goes on where the last text of the first half ends.
    goes_on: bool,
}

impl Gathered {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            first: Vec::new(),
            room: bytes_max / 2,
            last: VecDeque::new(),
            last_bytes: 0,
            bytes_max,
            first_bytes: 0,
            goes_on: false,
        }
    }

    /// Adds one more text. One that is empty says nothing.
    pub(super) fn push(&mut self, text: &str) {
        let (head, rest) = text.split_at(text.floor_char_boundary(self.room));
        if !head.is_empty() {
            self.first_bytes += head.len();
            self.room -= head.len();
            self.first.push(head.to_owned());
        }
        if rest.is_empty() {
            return;
        }
        self.room = 0;
        let most = self.bytes_max - self.first_bytes;
        let kept = rest.split_at(rest.ceil_char_boundary(rest.len().saturating_sub(most))).1;
        if kept.len() < rest.len() {
            self.last.clear();
            self.last_bytes = 0;
        }
        if self.last.is_empty() {
            self.goes_on = !head.is_empty() && kept.len() == rest.len();
        }
        self.last_bytes += kept.len();
        self.last.push_back(kept.to_owned());
        while self.last_bytes > most {
            self.drop_oldest(self.last_bytes - most);
        }
    }

    /// Takes so many bytes from the oldest text of the last half, and all of it where it has no more.
    fn drop_oldest(&mut self, bytes: usize) {
        self.goes_on = false;
        let Some(oldest) = self.last.pop_front() else { return };
        self.last_bytes -= oldest.len();
        let kept = oldest.split_at(oldest.ceil_char_boundary(bytes.min(oldest.len()))).1;
        if !kept.is_empty() {
            self.last_bytes += kept.len();
            self.last.push_front(kept.to_owned());
        }
    }

    /// The texts.
    pub(super) fn into_texts(self) -> Vec<String> {
        let (mut texts, mut last) = (self.first, self.last);
        if self.goes_on
            && let (Some(begun), Some(rest)) = (texts.last_mut(), last.pop_front())
        {
            begun.push_str(&rest);
        }
        texts.extend(last);
        texts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_is_there_or_the_first_and_the_last_half_of_it(
            texts in prop::collection::vec("[aé界🙂]{0,12}", 0..12),
            bytes_max in 8_usize..120,
        ) {
            let mut gathered = Gathered::new(bytes_max);
            texts.iter().for_each(|text| gathered.push(text));
            let found = gathered.into_texts();
            let whole: Vec<_> = texts.iter().filter(|text| !text.is_empty()).cloned().collect();
            let all = whole.concat();
            let bytes: usize = found.iter().map(String::len).sum();
            prop_assert!(found.iter().all(|text| !text.is_empty()));
            if all.len() <= bytes_max {
                prop_assert_eq!(found, whole);
            } else {
                // No character is cut, so that each half may lack up to three bytes.
                prop_assert!(bytes <= bytes_max && bytes + 6 >= bytes_max, "{bytes} of {bytes_max}");
                let said = found.concat();
                let half = all.floor_char_boundary(bytes_max / 2);
                prop_assert!(all.starts_with(&said[..half]));
                prop_assert!(all.ends_with(&said[half..]));
            }
        }
    }
}
