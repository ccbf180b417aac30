//! A YAML file as a tree in which every node knows its place and every number is the text that stands there.
//!
//! What could be made large by a few lines is bounded: the file, its depth, and all that its aliases stand
//! for. No message repeats a value: it may be a secret.

use std::collections::{BTreeMap, BTreeSet};

use policies::Fault;
use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// The largest file.
pub(super) const BYTES_MAX: usize = 1024 * 1024;
/// How deep lists and mappings may stand in each other.
const DEPTH_MAX: usize = 64;
/// What all nodes together may weigh, those of aliases each time that they stand somewhere: a small multiple
/// of what a file of the largest size has without them.
const WEIGHT_MAX: usize = 64 * BYTES_MAX;
/// What a node weighs beside its text.
const NODE_WEIGHT: usize = 64;

/// Where something begins, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
}

/// A value of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A text as it stands there, and whether it stands without quotes.
    Scalar(String, bool),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Whether it is a value that says nothing.
    pub(super) fn is_null(&self) -> bool {
        let nothing = ["", "~", "null", "Null", "NULL"];
        matches!(self, Self::Scalar(text, true) if nothing.contains(&text.as_str()))
    }

    /// What it weighs, with all that stands in it.
    fn weight(&self) -> usize {
        NODE_WEIGHT
            + match self {
                Self::Scalar(text, _) => text.len(),
                Self::List(items) => items.iter().map(Self::weight).sum(),
                Self::Map(entries) => {
                    entries.iter().map(|(key, value)| key.len() + value.weight()).sum()
                }
            }
    }

    /// How deep what stands in it goes.
    fn depth(&self) -> usize {
        match self {
            Self::Scalar(..) => 0,
            Self::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Map(entries) => 1 + entries.iter().map(|it| it.1.depth()).max().unwrap_or(0),
        }
    }
}

/// A list or a mapping that is not at its end yet, with its anchor.
enum Open {
    List(usize, Vec<Node>),
    Map(usize, Entries),
}

/// The entries of a mapping so far.
#[derive(Default)]
struct Entries {
    all: Vec<(String, Node)>,
    names: BTreeSet<String>,
    /// The key whose value comes next.
    key: Option<String>,
    /// What stands at `<<`.
    merged: Vec<Node>,
}

/// Reads a file.
///
/// # Errors
/// What is wrong with it, with line and column.
pub(super) fn read(text: &str) -> Result<Node, Box<Fault>> {
    let start = Place { line: 1, column: 1 };
    if text.len() > BYTES_MAX {
        return Err(fault(start, "a file of more than 1 MiB", "a file of 1 MiB at the most"));
    }
    let mut tree = Tree::default();
    for event in Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        match event {
            Ok((event, span)) => tree.take(event, place(&span))?,
            Err(error) => {
                let at = Place { line: error.marker().line(), column: error.marker().col() + 1 };
                return Err(fault(
                    at,
                    "what is no YAML",
                    &format!("YAML: {}", words(error.info())),
                ));
            }
        }
    }
    match tree.root {
        Some(root @ Node::Map(_)) => Ok(root),
        _ => Err(fault(start, "no mapping", "a mapping, with model_list: and so on")),
    }
}

/// What the parser says, up to what it may repeat of the file.
fn words(info: &str) -> &str {
    info.split(['\'', '"', '`']).next().unwrap_or_default().trim()
}

fn place(span: &Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}

fn fault(at: Place, found: &str, expected: &str) -> Box<Fault> {
    let mut fault = Fault::new("", found, expected);
    (fault.line, fault.column) = (Some(at.line), Some(at.column));
    Box::new(fault)
}

/// A tree that grows by events.
#[derive(Default)]
struct Tree {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    root: Option<Node>,
    weight: usize,
}

impl Tree {
    fn take(&mut self, event: Event<'_>, at: Place) -> Result<(), Box<Fault>> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let node = Node::Scalar(text.into_owned(), style == ScalarStyle::Plain);
                self.grow(&node, at)?;
                self.put(anchor, node, at)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(fault(
                        at,
                        "an alias within what it names",
                        "an alias of what ended above it",
                    ));
                };
                self.grow(&node, at)?;
                self.put(0, node, at)
            }
            Event::SequenceStart(anchor, _) => self.begin(Open::List(anchor, Vec::new()), at),
            Event::MappingStart(anchor, _) => self.begin(Open::Map(anchor, Entries::default()), at),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(anchor, items)) => self.put(anchor, Node::List(items), at),
                Some(Open::Map(anchor, entries)) => {
                    let node = entries.end(at)?;
                    self.put(anchor, node, at)
                }
                None => Ok(()),
            },
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(fault(at, "a second document", "one document in the file"))
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, open: Open, at: Place) -> Result<(), Box<Fault>> {
        self.grow(&Node::List(Vec::new()), at)?;
        self.open.push(open);
        Ok(())
    }

    /// Counts what a node weighs, and how deep it stands.
    fn grow(&mut self, node: &Node, at: Place) -> Result<(), Box<Fault>> {
        self.weight = self.weight.saturating_add(node.weight());
        if self.weight > WEIGHT_MAX {
            let expected = "less: aliases count each time that they stand somewhere";
            return Err(fault(at, "aliases of too much", expected));
        }
        if self.open.len() + node.depth() > DEPTH_MAX {
            return Err(fault(
                at,
                "what stands too deep",
                "at most 64 lists and mappings in each other",
            ));
        }
        Ok(())
    }

    /// Puts a node that is at its end where it belongs.
    fn put(&mut self, anchor: usize, node: Node, at: Place) -> Result<(), Box<Fault>> {
        if anchor > 0 {
            self.grow(&node, at)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, entries)) => entries.put(node, at)?,
            None => self.root = Some(node),
        }
        Ok(())
    }
}

impl Entries {
    fn put(&mut self, node: Node, at: Place) -> Result<(), Box<Fault>> {
        match self.key.take() {
            Some(key) if key == "<<" => self.merged.push(node),
            Some(key) => self.all.push((key, node)),
            None => match node {
                Node::Scalar(key, _) => {
                    if !self.names.insert(key.clone()) {
                        return Err(fault(
                            at,
                            "a key for the second time",
                            "each key of a mapping once",
                        ));
                    }
                    self.key = Some(key);
                }
                _ => return Err(fault(at, "a key that is a list or a mapping", "a name")),
            },
        }
        Ok(())
    }

    /// The mapping, with what `<<` brings: its own keys win, then what stands first.
    fn end(mut self, at: Place) -> Result<Node, Box<Fault>> {
        let mut merged = std::mem::take(&mut self.merged);
        if let [Node::List(items)] = merged.as_mut_slice() {
            merged = std::mem::take(items);
        }
        for node in merged {
            let Node::Map(entries) = node else {
                return Err(fault(
                    at,
                    "`<<` with what is no mapping",
                    "a mapping, or a list of them",
                ));
            };
            for (key, value) in entries {
                if self.names.insert(key.clone()) {
                    self.all.push((key, value));
                }
            }
        }
        Ok(Node::Map(self.all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Node {
        Node::Scalar(text.into(), true)
    }

    fn wrong(file: &str) -> (usize, usize, String) {
        let fault = read(file).unwrap_err();
        (fault.line.unwrap(), fault.column.unwrap(), fault.found)
    }

    #[test]
    fn numbers_stay_the_text_that_stands_there() {
        let read = read("a: 2.50e-06\nb: [1, 'x']\n").unwrap();
        let list = Node::List(vec![text("1"), Node::Scalar("x".into(), false)]);
        assert_eq!(read, Node::Map(vec![("a".into(), text("2.50e-06")), ("b".into(), list)]));
    }

    #[test]
    fn aliases_and_merged_mappings_stand_where_they_are_named() {
        let read = read("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: *x\n").unwrap();
        let Node::Map(all) = read else { panic!() };
        assert_eq!(all[1].1, Node::Map(vec![("b".into(), text("3")), ("a".into(), text("1"))]));
        assert_eq!(all[2].1, all[0].1);
    }

    #[test]
    fn each_fault_has_its_line_and_column_and_no_value() {
        for (file, line, found) in [
            ("a: 1\nb: [sk-secret\n", 3, "what is no YAML"),
            ("a: 1\nb: 'sk-secret\n", 0, "what is no YAML"),
            ("a:\n\t- sk-secret: x\n", 0, "what is no YAML"),
            ("a: 1\na: 2\n", 2, "a key for the second time"),
            ("a: 1\n[b]: 2\n", 2, "a key that is a list or a mapping"),
            ("a: 1\n---\nb: 2\n", 2, "a second document"),
            ("a: &a [*a]\n", 1, "an alias within what it names"),
            ("- a\n", 1, "no mapping"),
            ("", 1, "no mapping"),
            ("a: {<<: 1}\n", 1, "`<<` with what is no mapping"),
        ] {
            let (at, column, said) = wrong(file);
            assert!(
                said == found && (line == 0 || at == line) && column > 0,
                "{file}: {at}:{column} {said}"
            );
            assert!(!read(file).unwrap_err().to_string().contains("secret"), "{file}");
        }
    }

    #[test]
    fn what_a_few_lines_could_make_large_is_bounded() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for n in 1..20 {
            let before = vec![format!("*a{}", n - 1); 9].join(", ");
            bomb += &format!("a{n}: &a{n} [{before}]\n");
        }
        assert_eq!(wrong(&bomb).2, "aliases of too much");
        assert_eq!(
            wrong(&format!("a: {}{}\n", "[".repeat(70), "]".repeat(70))).2,
            "what stands too deep"
        );
        assert_eq!(wrong(&"a: 1\n".repeat(300_000)).2, "a file of more than 1 MiB");
    }
}
