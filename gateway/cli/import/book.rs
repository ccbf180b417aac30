//! What became of each key of the file that is imported: a leaf has one outcome, and no leaf has none.

use std::collections::BTreeMap;

use super::yaml::Node;

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is carried over, as this.
    Carried(String),
    /// It is carried over as this, which is not quite the same.
    Near(String),
    /// It is not carried over, because of this.
    Left(String),
    /// Nobody here knows it.
    Unknown,
}

/// A leaf of the file: a value that is neither a mapping nor a list that has some in it.
#[derive(Debug)]
struct Leaf {
    /// Its place in the order of the file.
    nth: usize,
    /// What became of it, and of which key that was said: itself, or one above it.
    outcome: Option<(Outcome, String)>,
}

/// All leaves of a file, by their paths.
#[derive(Debug, Default)]
pub(super) struct Book {
    leaves: BTreeMap<String, Leaf>,
}

/// A node with its path.
#[derive(Clone, Debug)]
pub(super) struct View<'a> {
    /// Where it stands, such as `model_list[0].model_name`.
    pub path: String,
    /// What stands there.
    pub node: &'a Node,
}

/// The path of a key below another.
fn below(path: &str, key: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-/*".contains(&b);
    let dot = if path.is_empty() { "" } else { "." };
    if !key.is_empty() && key.bytes().all(plain) {
        format!("{path}{dot}{key}")
    } else {
        format!("{path}{dot}\"{}\"", key.escape_debug())
    }
}

impl<'a> View<'a> {
    /// The whole of a file.
    pub(super) fn root(node: &'a Node) -> Self {
        Self { path: String::new(), node }
    }

    /// What stands at a key, unless that is nothing.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        self.entries().find(|(name, view)| *name == key && !view.node.is_null()).map(|(_, it)| it)
    }

    /// The entries of a mapping.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Self)> {
        let entries = match self.node {
            Node::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        let path = self.path.clone();
        entries
            .iter()
            .map(move |(key, node)| (key.as_str(), Self { path: below(&path, key), node }))
    }

    /// The items of a list.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> {
        let items = match self.node {
            Node::List(items) => items.as_slice(),
            _ => &[],
        };
        let path = self.path.clone();
        items
            .iter()
            .enumerate()
            .map(move |(nth, node)| Self { path: format!("{path}[{nth}]"), node })
    }

    /// Its text, if it is one value.
    pub(super) fn text(&self) -> Option<&'a str> {
        match self.node {
            Node::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// Whether it says yes or no.
    pub(super) fn yes(&self) -> Option<bool> {
        match self.text()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    /// Its texts, if it is a list of them or one of them.
    pub(super) fn texts(&self) -> Vec<&'a str> {
        match self.node {
            Node::Scalar(text, _) => vec![text],
            Node::List(items) => {
                let text = |it: &'a Node| match it {
                    Node::Scalar(text, _) => Some(text.as_str()),
                    _ => None,
                };
                items.iter().filter_map(text).collect()
            }
            Node::Map(_) => Vec::new(),
        }
    }

    /// Whether it is one value here: a text, or a list of texts, or nothing at all.
    fn is_leaf(&self) -> bool {
        match self.node {
            Node::Scalar(..) => true,
            Node::List(items) => items.iter().all(|it| matches!(it, Node::Scalar(..))),
            Node::Map(entries) => entries.is_empty(),
        }
    }
}

impl Book {
    /// The leaves of a file, of which nothing is said yet.
    pub(super) fn of(root: &Node) -> Self {
        let mut book = Self::default();
        book.fill(&View::root(root));
        book
    }

    fn fill(&mut self, view: &View<'_>) {
        if view.is_leaf() {
            let nth = self.leaves.len();
            self.leaves.insert(view.path.clone(), Leaf { nth, outcome: None });
            return;
        }
        view.entries().for_each(|(_, it)| self.fill(&it));
        view.items().for_each(|it| self.fill(&it));
    }

    /// Says what became of a key and of all below it; what was said before of one of them stays.
    pub(super) fn say(&mut self, path: &str, outcome: &Outcome) {
        let below = |it: &str| {
            it.strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let from = self.leaves.range_mut(path.to_owned()..).take_while(|it| it.0.starts_with(path));
        for (_, leaf) in from.filter(|it| below(it.0)) {
            leaf.outcome.get_or_insert_with(|| (outcome.clone(), path.to_owned()));
        }
    }

    /// It is carried over, as this.
    pub(super) fn carried(&mut self, path: &str, to: impl Into<String>) {
        self.say(path, &Outcome::Carried(to.into()));
    }

    /// It is carried over as this, which is not quite the same.
    pub(super) fn near(&mut self, path: &str, to: impl Into<String>) {
        self.say(path, &Outcome::Near(to.into()));
    }

    /// It is not carried over, because of this.
    pub(super) fn left(&mut self, path: &str, why: impl Into<String>) {
        self.say(path, &Outcome::Left(why.into()));
    }

    /// Gives each leaf of which nothing was said what is known of its path.
    pub(super) fn close(&mut self, known: impl Fn(&str) -> Option<&'static str>) {
        for (path, leaf) in &mut self.leaves {
            leaf.outcome.get_or_insert_with(|| {
                let why = known(path).map(|why| Outcome::Left(why.to_owned()));
                (why.unwrap_or(Outcome::Unknown), path.clone())
            });
        }
    }

    /// All leaves in the order of the file.
    pub(super) fn in_order(&self) -> Vec<(&str, &Outcome, &str)> {
        let mut all: Vec<_> = self.leaves.iter().collect();
        all.sort_by_key(|(_, leaf)| leaf.nth);
        all.into_iter()
            .filter_map(|(path, leaf)| {
                let (outcome, of) = leaf.outcome.as_ref()?;
                Some((path.as_str(), outcome, of.as_str()))
            })
            .collect()
    }
}
