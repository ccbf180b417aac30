//! Which data class a request is raised to by what it contains.

use policies::facts::{Content, Contents, DataClass};

/// A class for each kind of content that raises one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentClasses([Option<DataClass>; Content::COUNT]);

impl ContentClasses {
    /// Says to which class a kind raises.
    pub fn set(&mut self, kind: Content, class: DataClass) {
        if let Some(place) = self.0.get_mut(kind.index()) {
            *place = Some(class);
        }
    }

    /// The kinds that are there and raise a class, each with its count and the class.
    pub fn raising<'a>(
        &'a self,
        contents: &'a Contents,
    ) -> impl Iterator<Item = (Content, u16, DataClass)> + 'a {
        let class = |kind: Content| self.0.get(kind.index()).copied().flatten();
        contents.found().filter_map(move |(kind, count)| Some((kind, count, class(kind)?)))
    }

    /// The kinds that are set to the lowest class, and so can raise nothing.
    pub fn idle(&self) -> impl Iterator<Item = (Content, DataClass)> {
        let lowest = DataClass::ALL.iter().copied().min();
        let set =
            Content::ALL.iter().zip(&self.0).filter_map(|(kind, class)| Some((*kind, (*class)?)));
        set.filter(move |(_, class)| Some(*class) == lowest)
    }

    /// The highest class that the contents raise to.
    #[must_use]
    pub fn raised(&self, contents: &Contents) -> Option<DataClass> {
        self.raising(contents).map(|(_, _, class)| class).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_class_of_what_is_there_counts() {
        let mut classes = ContentClasses::default();
        classes.set(Content::Mail, DataClass::Internal);
        classes.set(Content::Secret, DataClass::Secret);
        let mut contents = Contents::NONE;
        assert_eq!(classes.raised(&contents), None);
        contents.add(Content::Phone);
        assert_eq!(classes.raised(&contents), None);
        contents.add(Content::Mail);
        assert_eq!(classes.raised(&contents), Some(DataClass::Internal));
        contents.add(Content::Secret);
        assert_eq!(classes.raised(&contents), Some(DataClass::Secret));
    }
}
