//! What is wrong with a document: where, what was found, what was expected.

use std::fmt;

/// One mistake. Documents report all of theirs at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, such as `rule[2].when.language[0]`.
    pub path: String,
    /// What stands there.
    pub found: String,
    /// What could stand there, with a suggestion if one is near.
    pub expected: String,
}

impl Fault {
    /// A fault at this path.
    #[must_use]
    pub fn new(
        path: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self { path: path.into(), found: found.into(), expected: expected.into() }
    }

    /// A name that is not among `known`: says the nearest of them, else all.
    #[must_use]
    pub fn unknown<'a>(
        path: impl Into<String>,
        found: &str,
        what: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        let expected = match nearest(found, known.clone()) {
            Some(near) => format!("{what}; did you mean `{near}`?"),
            None => format!("{what}: {}", known.collect::<Vec<_>>().join(", ")),
        };
        Self::new(path, format!("`{found}`"), expected)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}, expected {}", self.path, self.found, self.expected)
    }
}

/// The name nearest to `found` by edit distance, if one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = (found.chars().count() / 3).max(1);
    known
        .map(|name| (distance(found, name), name))
        .filter(|(distance, _)| *distance <= far)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein's distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        for (right, cell) in b.chars().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(left != right);
            diagonal = *cell;
            *cell = replaced.min(before + 1).min(diagonal + 1);
            before = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, far) in [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("a", "b", 1)] {
            assert_eq!(distance(a, b), far, "{a} {b}");
            assert_eq!(distance(b, a), far, "{b} {a}");
        }
        assert_eq!(nearest("langage", ["task", "language"].into_iter()), Some("language"));
        assert_eq!(nearest("zebra", ["task", "language"].into_iter()), None);
    }
}
