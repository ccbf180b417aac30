//! In which line of a document a value stands: for messages only.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use toml::Spanned;

/// How TOML's dates look to a deserializer.
const DATE: &str = "$__toml_private_datetime";

/// The places of a document's values.
pub(super) struct Lines {
    /// Where each line begins, but for the first.
    breaks: Vec<usize>,
    root: Node,
}

enum Node {
    Table(BTreeMap<String, Spanned<Node>>),
    List(Vec<Spanned<Node>>),
    Leaf,
}

impl Lines {
    /// The places in this document; no line is known of one that is no TOML.
    pub(super) fn of(text: &str) -> Self {
        Self {
            breaks: text.match_indices('\n').map(|(at, _)| at).collect(),
            root: toml::from_str(text).unwrap_or(Node::Leaf),
        }
    }

    /// The line of the value at this path, or of the nearest thing around it.
    pub(super) fn line(&self, path: &str) -> Option<usize> {
        let mut node = &self.root;
        let mut found = None;
        let mut rest = path;
        while !rest.is_empty() {
            let (next, left) = match node {
                Node::Table(keys) => {
                    // Keys may hold dots: the longest that fits.
                    let fits = |key: &&String| {
                        let after = rest.strip_prefix(key.as_str());
                        after.is_some_and(|it| it.is_empty() || it.starts_with(['.', '[']))
                    };
                    let Some(key) = keys.keys().filter(fits).max_by_key(|key| key.len()) else {
                        break;
                    };
                    (keys.get(key), rest.get(key.len()..).unwrap_or_default())
                }
                Node::List(items) => {
                    let Some((at, left)) = rest.strip_prefix('[').and_then(|it| it.split_once(']'))
                    else {
                        break;
                    };
                    (at.parse().ok().and_then(|at: usize| items.get(at)), left)
                }
                Node::Leaf => break,
            };
            let Some(next) = next else { break };
            found = Some(next.span().start);
            node = next.as_ref();
            rest = left.strip_prefix('.').unwrap_or(left);
        }
        found.map(|at| self.breaks.partition_point(|line| *line < at) + 1)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Places)
    }
}

struct Places;

impl<'de> Visitor<'de> for Places {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut keys = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == DATE {
                map.next_value::<IgnoredAny>()?;
                return Ok(Node::Leaf);
            }
            keys.insert(key, map.next_value()?);
        }
        Ok(Node::Table(keys))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_line() {
        let text = "[server]\nlisten = \"x\"\nsince = 2026-01-01T00:00:00Z\n\n[alias]\n\
                    \"gpt-4.1\" = [\n  \"a\",\n  \"b\",\n]\n\n[[model]]\nid = \"a\"\n\
                    [[model.endpoint]]\nurl = \"u\"\n[[model]]\nprice = { input = 1 }\n";
        let lines = Lines::of(text);
        for (path, line) in [
            ("server.listen", Some(2)),
            ("server.since", Some(3)),
            ("server.nothing", Some(1)),
            ("alias.gpt-4.1[1]", Some(8)),
            ("model[0].id", Some(12)),
            ("model[0].endpoint[0].url", Some(14)),
            ("model[1].price.input", Some(16)),
            ("model[1].id", Some(15)),
            ("model[7].id", Some(11)),
            ("nowhere", None),
        ] {
            assert_eq!(lines.line(path), line, "{path}");
        }
        assert_eq!(Lines::of("no toml").line("server"), None);
    }
}
