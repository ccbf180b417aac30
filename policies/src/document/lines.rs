//! On which lines faults stand, and in tables of which names. The document is read a second time for it, and
//! only where it has faults: reading it with the place of every value would make all reading pay for it.

use std::{collections::HashMap, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use toml::Spanned;

use crate::fault::Fault;

/// A value, where it stands.
enum Place {
    Table(HashMap<String, Spanned<Place>>),
    List(Vec<Spanned<Place>>),
    Text(Box<str>),
    Leaf,
}

/// Characters of a table's name that are shown beside its number.
const NAME_CHARS_MAX: usize = 64;

impl Place {
    /// What a table is called by people, in quotes.
    fn name(&self) -> Option<String> {
        let Self::Table(table) = self else { return None };
        let named = ["name", "id"].iter().find_map(|key| table.get(*key));
        let Some(Self::Text(name)) = named.map(Spanned::get_ref) else { return None };
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        (!name.is_empty()).then(|| format!(" {name:?}"))
    }
}

/// Gives each fault the line of the innermost part of its path that stands in the document, and the names of
/// the tables on its way.
pub fn locate(document: &str, faults: &mut [Fault]) {
    let Ok(root) = toml::from_str::<Place>(document) else { return };
    let starts: Vec<usize> = document.match_indices('\n').map(|(at, _)| at).collect();
    for fault in faults.iter_mut().filter(|fault| fault.line.is_none()) {
        let (span, named) = innermost(&root, &fault.path);
        fault.line = span.map(|span| starts.partition_point(|at| *at < span.start) + 1);
        fault.named = named.map(Into::into);
    }
}

/// The span of the value that the path leads to, as far as there is one; and the path with the names of
/// tables of lists, if they have any.
fn innermost(root: &Place, path: &str) -> (Option<Range<usize>>, Option<String>) {
    let (mut place, mut rest, mut span) = (root, path, None);
    let (mut named, mut any) = (String::new(), false);
    while let Some((inner, left)) = step(place, rest) {
        named.push_str(rest.strip_suffix(left).unwrap_or_default());
        if let (Place::List(_), Some(name)) = (place, inner.get_ref().name()) {
            named.push_str(&name);
            any = true;
        }
        (place, rest, span) = (inner.get_ref(), left, Some(inner.span()));
    }
    named.push_str(rest);
    (span, any.then_some(named))
}

/// One step of a path such as `rule[2].when.language[0]`, and what is left of it. Keys may have dots.
fn step<'a, 'p>(place: &'a Place, path: &'p str) -> Option<(&'a Spanned<Place>, &'p str)> {
    match place {
        Place::Leaf | Place::Text(_) => None,
        Place::List(list) => {
            let (at, left) = path.strip_prefix('[')?.split_once(']')?;
            Some((list.get(at.parse::<usize>().ok()?)?, left))
        }
        Place::Table(table) => {
            let path = path.strip_prefix('.').unwrap_or(path);
            let ends = path.match_indices(['.', '[']).map(|(at, _)| at).chain([path.len()]);
            let mut keys = ends.filter_map(|end| path.split_at_checked(end));
            keys.find_map(|(key, left)| Some((table.get(key)?, left)))
        }
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Places)
    }
}

struct Places;

/// Every kind of leaf is the same here.
macro_rules! leaves {
    ($($visit:ident: $of:ty),+) => {
        $(fn $visit<E>(self, _: $of) -> Result<Place, E> {
            Ok(Place::Leaf)
        })+
    };
}

impl<'de> Visitor<'de> for Places {
    type Value = Place;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    leaves!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

    fn visit_str<E>(self, text: &str) -> Result<Place, E> {
        Ok(Place::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Place, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Place::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Place, A::Error> {
        let mut table = HashMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            // A date comes as a table with one key of the parser's own.
            if key.starts_with("$__toml") {
                entries.next_value::<IgnoredAny>()?;
                return Ok(Place::Leaf);
            }
            table.insert(key, entries.next_value()?);
        }
        Ok(Place::Table(table))
    }
}
