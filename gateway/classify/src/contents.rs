//! How often each kind of content stands in a text: counts, never the text.

use crate::Content;

/// Counts by kind. A count stays at 65,535 when there is more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Contents([u16; Content::COUNT]);

impl Contents {
    /// A text that contains nothing of any kind.
    pub const NONE: Self = Self([0; Content::COUNT]);

    /// Counts one more of a kind.
    pub fn add(&mut self, kind: Content) {
        self.add_many(kind, 1);
    }

    /// Counts several more of a kind.
    pub fn add_many(&mut self, kind: Content, more: u16) {
        if let Some(count) = self.0.get_mut(kind.index()) {
            *count = count.saturating_add(more);
        }
    }

    /// How many there are of a kind.
    #[must_use]
    pub fn count(&self, kind: Content) -> u16 {
        self.0.get(kind.index()).copied().unwrap_or(0)
    }

    /// The kinds that are there, with their counts, in the order of the labels.
    pub fn found(&self) -> impl Iterator<Item = (Content, u16)> {
        let counts = self.0;
        Content::ALL.iter().copied().zip(counts).filter(|(_, count)| *count > 0)
    }

    /// Whether nothing of any kind is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }

    /// The kinds that are there, one bit each by their position.
    #[must_use]
    pub fn mask(&self) -> u16 {
        self.found().fold(0, |mask, (kind, _)| mask | 1 << kind.index())
    }

    /// Counts what another text contains as well.
    pub fn join(&mut self, other: &Self) {
        other.found().for_each(|(kind, count)| self.add_many(kind, count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_found() {
        let mut contents = Contents::NONE;
        assert!(contents.is_empty());
        contents.add(Content::Secret);
        contents.add_many(Content::Phone, 3);
        contents.add_many(Content::Phone, u16::MAX);
        let found: Vec<_> = contents.found().collect();
        assert_eq!(found, [(Content::Phone, u16::MAX), (Content::Secret, 1)]);
        assert_eq!(contents.mask(), 1 << Content::Phone.index() | 1 << Content::Secret.index());
        let mut other = Contents::NONE;
        other.join(&contents);
        assert_eq!(other, contents);
    }
}
