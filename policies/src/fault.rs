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
    /// The line of the document, from 1, where it is known.
    pub line: Option<usize>,
    /// How many more of the same kind the document has that are not told in full.
    pub more: usize,
}

/// Characters of a found text that a message repeats.
const FOUND_CHARS_MAX: usize = 80;
/// Names that a message lists.
const KNOWN_MAX: usize = 50;
/// Longer names than this are nobody's slip of the pen.
const NAME_BYTES_MAX: usize = 128;

impl Fault {
    /// A fault at this path.
    #[must_use]
    pub fn new(
        path: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let mut found = found.into();
        if let Some((at, _)) = found.char_indices().nth(FOUND_CHARS_MAX) {
            found.truncate(at);
            found.push('…');
        }
        Self { path: path.into(), found, expected: expected.into(), line: None, more: 0 }
    }

    /// A name that is not among `known`: says the nearest of them, else all.
    #[must_use]
    pub fn unknown<'a>(
        path: impl Into<String>,
        found: &str,
        what: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        Self::new(path, format!("`{found}`"), suggested(found, what, known))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        write!(f, ": found {}, expected {}", self.found, self.expected)?;
        if self.more > 0 {
            let begin = if self.expected.ends_with('?') { " And" } else { "; and" };
            write!(f, "{begin} {} more like it", Thousands(self.more))?;
        }
        Ok(())
    }
}

/// A number with a comma between its thousands.
struct Thousands(usize);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 1_000, self.0 % 1_000) {
            (0, rest) => write!(f, "{rest}"),
            (above, rest) => write!(f, "{},{rest:03}", Thousands(above)),
        }
    }
}

/// What was expected where a name is not among `known`: the nearest of them, else all.
pub(crate) fn suggested<'a>(
    found: &str,
    what: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> String {
    match nearest(found, known.clone()) {
        Some(near) => format!("{what}; did you mean `{near}`?"),
        None => format!("{what}: {}", listed(known)),
    }
}

/// Names, each once, as far as a reader goes.
fn listed<'a>(known: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in known {
        if names.len() == KNOWN_MAX {
            names.push("…");
            break;
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// The name nearest to `found` by edit distance, if one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if found.len() > NAME_BYTES_MAX {
        return None;
    }
    let far = (found.chars().count() / 3).max(1);
    known
        .filter(|name| name.len() <= NAME_BYTES_MAX)
        .map(|name| (distance(found, name), name))
        .filter(|(distance, _)| *distance <= far)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein's distance in characters.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
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
