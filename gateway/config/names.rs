//! Names of models, teams and keys, and how many of them there may be.

use std::collections::HashSet;

use policies::{
    Fault,
    document::{Faults, Section},
};
use toml::Value;

use super::fields::texts_of;

pub(super) const NAME: &str = "a name of letters, digits, `.`, `_`, `-`, `:` and `/`, at most 100";

/// A name that can stand in a header, a metric and a path.
pub(super) fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-:/".contains(&b);
    (1..=100).contains(&text.len()) && text.bytes().all(fits)
}

/// A name that must stand there.
pub(super) fn name<'a>(
    section: &mut Section<'a>,
    key: &'static str,
    faults: &mut Faults,
) -> &'a str {
    if section.get(key).is_none() {
        faults.push(Fault::new(section.at(key), "nothing", NAME));
    }
    optional_name(section, key, faults).unwrap_or_default()
}

/// A name that may stand there.
pub(super) fn optional_name<'a>(
    section: &mut Section<'a>,
    key: &'static str,
    faults: &mut Faults,
) -> Option<&'a str> {
    let read = |value: &'a Value| value.as_str().filter(|it| is_name(it));
    section.read(key, NAME, faults, read)
}

/// A list of names.
pub(super) fn names(
    section: &mut Section<'_>,
    key: &'static str,
    faults: &mut Faults,
) -> Vec<String> {
    texts_of(section, key, (NAME, is_name), faults)
}

/// As many as an index can count.
pub(super) fn few(number: usize, what: &'static str, faults: &mut Faults) {
    if number > usize::from(u16::MAX) {
        faults.push(Fault::new(what, number.to_string(), format!("at most {}", u16::MAX)));
    }
}

/// A name that none of those before it has.
pub(super) fn unique<'a>(
    section: &mut Section<'a>,
    key: &'static str,
    taken: &mut HashSet<&'a str>,
    faults: &mut Faults,
) -> &'a str {
    let name = name(section, key, faults);
    if !name.is_empty() && !taken.insert(name) {
        let found = format!("`{name}` for the second time");
        faults.push(Fault::new(section.at(key), found, "a name of its own"));
    }
    name
}
