//! What is wrong with a document: where, what was found, what was expected.

use std::{fmt, sync::Arc};

use crate::{labels::meant, printable};

/// One mistake. Documents report all of theirs at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, such as `rule[2].when.language[0]`.
    pub path: String,
    /// What stands there.
    pub found: String,
    /// What could stand there, with a suggestion if one is near.
    pub expected: String,
    /// The document's name, as whoever reads the fault knows it; absent where only one is spoken of.
    pub file: Option<Arc<str>>,
    /// The line of the document, from 1, where it is known.
    pub line: Option<usize>,
    /// The character of the line, from 1, at which the document stops being one.
    pub column: Option<usize>,
    /// The path with the names of the tables beside their numbers, as in `rule[2] "regional".when`, where the
    /// document has such names.
    pub named: Option<Box<str>>,
    /// How many more of the same kind the document has that are not told in full.
    pub more: usize,
}

/// Characters of a found text that a message repeats.
const FOUND_CHARS_MAX: usize = 80;
/// Names that a message lists.
const KNOWN_MAX: usize = 50;
/// Shorter texts are part of too many names.
const PART_BYTES_MIN: usize = 3;
/// Names of which something can be a part, so that they are offered.
const PART_NAMES_MAX: usize = 3;
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
        let found = found.into();
        let mut found = printable(&found).into_owned();
        if let Some((at, _)) = found.char_indices().nth(FOUND_CHARS_MAX) {
            found.truncate(at);
            found.push('…');
        }
        Self {
            path: path.into(),
            found,
            expected: expected.into(),
            file: None,
            line: None,
            column: None,
            named: None,
            more: 0,
        }
    }

    /// The same in a document of this name, unless it has one already.
    #[must_use]
    pub fn in_file(mut self, file: &str) -> Self {
        self.file.get_or_insert_with(|| file.into());
        self
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
        let place = self.named.as_deref().unwrap_or(&self.path);
        match (&self.file, self.line, self.column) {
            (Some(file), Some(line), Some(column)) => write!(f, "{file}:{line}:{column}")?,
            (Some(file), Some(line), None) => write!(f, "{file}:{line}: {place}")?,
            (Some(file), None, _) if place.is_empty() => write!(f, "{file}")?,
            (Some(file), None, _) => write!(f, "{file}: {place}")?,
            (None, Some(line), Some(column)) => write!(f, "line {line}, column {column}")?,
            (None, Some(line), None) => write!(f, "{place} (line {line})")?,
            (None, None, _) if place.is_empty() => f.write_str("the document")?,
            (None, None, _) => f.write_str(place)?,
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
    match did_you_mean(found, known.clone()) {
        Some(meant) => format!("{what}; {meant}"),
        None => format!("{what}: {}", listed(known)),
    }
}

/// A question for the name that was meant by `found`: the label for which it is another word, else the
/// nearest.
#[must_use]
pub fn did_you_mean<'a>(
    found: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Option<String> {
    let mut names = meant(found, known.clone());
    if names.is_empty() {
        names.extend(nearest(found, known.clone()));
    }
    if names.is_empty() {
        names = holding(found, known);
    }
    let names: Vec<String> = names.iter().map(|it| format!("`{it}`")).collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or ")))
}

/// The names of which a whole part is `found`, as `kimi` is of `kimi-k2.6`, if they are few.
fn holding<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let is_part = |name: &&str| {
        let ends = |it: Option<char>| it.is_none_or(|it| !it.is_alphanumeric());
        name.match_indices(found).any(|(at, _)| {
            let (before, after) = (name.get(..at), name.get(at + found.len()..));
            ends(before.and_then(|it| it.chars().next_back()))
                && ends(after.and_then(|it| it.chars().next()))
        })
    };
    if found.len() < PART_BYTES_MIN {
        return Vec::new();
    }
    let mut names: Vec<&str> = Vec::new();
    for name in known.filter(is_part) {
        if !names.contains(&name) {
            names.push(name);
        }
        if names.len() > PART_NAMES_MAX {
            return Vec::new();
        }
    }
    names
}

/// What is expected under a key of labels, in words: `a data class`, `an operation`.
pub(crate) fn one(key: &str) -> String {
    let key = match key {
        "contains" => "kind_of_content",
        "languages" => "language",
        "needs" => "need",
        key => key,
    };
    let article = if key.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {}", key.replace('_', " "))
}

/// A number and what it counts, in the singular where it is one.
#[must_use]
pub fn counted(number: impl fmt::Display, one: &str, many: &str) -> String {
    let number = number.to_string();
    let what = if number == "1" { one } else { many };
    number + " " + what
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
        .map(|name| (if swapped(found, name) { 1 } else { distance(found, name) }, name))
        .filter(|(distance, _)| *distance <= far)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Whether one is the other with two neighbours in each other's place: one slip of two characters. In a name
/// of two or three letters that is another name.
fn swapped(a: &str, b: &str) -> bool {
    let differ = a.chars().zip(b.chars()).filter(|(one, other)| one != other);
    let at = a.chars().zip(b.chars()).position(|(one, other)| one != other);
    let differ: Vec<_> = differ.take(3).collect();
    let [(first, other), (second, another)] = differ[..] else { return false };
    let neighbours = at.is_some_and(|at| a.chars().nth(at + 1) == Some(second));
    a.len() > 3 && a.len() == b.len() && first == another && second == other && neighbours
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
    fn one_is_no_plural() {
        let said: Vec<_> = [0, 1, 2, 11].map(|it| counted(it, "entry is", "entries are")).into();
        assert_eq!(said, ["0 entries are", "1 entry is", "2 entries are", "11 entries are"]);
    }

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, far) in [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("a", "b", 1)] {
            assert_eq!(distance(a, b), far, "{a} {b}");
            assert_eq!(distance(b, a), far, "{b} {a}");
        }
        assert_eq!(nearest("langage", ["task", "language"].into_iter()), Some("language"));
        assert_eq!(nearest("zebra", ["task", "language"].into_iter()), None);
        assert_eq!(nearest("ba", std::iter::once("ab")), None);
        for (found, near) in [("hrad", true), ("hadr", true), ("rahd", false), ("hrda", false)] {
            assert_eq!(nearest(found, ["hard", "easy"].into_iter()).is_some(), near, "{found}");
        }
    }
}
