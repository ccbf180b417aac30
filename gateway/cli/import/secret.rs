//! Secrets of the imported file: what is written is where each stands, never the secret.

use std::collections::{BTreeMap, BTreeSet};

use super::yaml::Node;

/// What a value that stands elsewhere begins with in the imported file.
const ELSEWHERE: &str = "os.environ/";
/// Keys that are none: a client wants some text there, and the backend reads none.
const PLACEHOLDERS: [&str; 12] = [
    "",
    "none",
    "null",
    "empty",
    "fake",
    "fake-key",
    "fake_key",
    "dummy",
    "not-needed",
    "no-key",
    "no-key-required",
    "fake-api-key",
];

/// The variables that are to be set, and what is to stand in each.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    taken: BTreeSet<String>,
    literal: BTreeMap<String, String>,
    set: BTreeMap<String, String>,
}

/// What a value is, where a secret is meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// It stands in this variable already.
    Kept(String),
    /// It stood in the file itself and is to stand in this variable.
    Moved(String),
    /// It is no secret, but a text for clients that want one.
    Placeholder,
}

impl Secrets {
    /// None yet, but for the names that the file knows already.
    pub(super) fn of(root: &Node) -> Self {
        let mut secrets = Self::default();
        secrets.note(root);
        secrets
    }

    fn note(&mut self, node: &Node) {
        match node {
            Node::Scalar(text, _) => self.taken.extend(variable(text).map(str::to_owned)),
            Node::List(items) => items.iter().for_each(|it| self.note(it)),
            Node::Map(entries) => entries.iter().for_each(|it| self.note(&it.1)),
        }
    }

    /// Where the secret stands that is this value at this path of the file.
    pub(super) fn reference(&mut self, value: &str, path: &str, wanted: &str) -> Reference {
        if let Some(name) = variable(value) {
            return Reference::Kept(self.kept(name));
        }
        if PLACEHOLDERS.contains(&value.trim().to_ascii_lowercase().as_str()) {
            return Reference::Placeholder;
        }
        if let Some(name) = self.literal.get(value) {
            return Reference::Moved(format!("env:{name}"));
        }
        let name = self.free(wanted);
        self.literal.insert(value.to_owned(), name.clone());
        self.set.insert(name.clone(), format!("the value that stands at {path}"));
        Reference::Moved(format!("env:{name}"))
    }

    /// A variable that the gateway's environment has to have as that of the other program had.
    pub(super) fn kept(&mut self, name: &str) -> String {
        self.taken.insert(name.to_owned());
        self.set.entry(name.to_owned()).or_insert_with(|| String::from("as it is set today"));
        format!("env:{name}")
    }

    /// A variable that is new, and what is to stand in it.
    pub(super) fn add(&mut self, wanted: &str, what: &str) -> String {
        let name = self.free(wanted);
        self.set.insert(name.clone(), what.to_owned());
        format!("env:{name}")
    }

    fn free(&mut self, wanted: &str) -> String {
        let name = |n: usize| if n == 1 { wanted.to_owned() } else { format!("{wanted}_{n}") };
        let name = (1..).map(name).find(|it| !self.taken.contains(it)).unwrap_or_default();
        self.taken.insert(name.clone());
        name
    }

    /// The variables that are to be set, by name.
    pub(super) fn to_set(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().map(|(name, what)| (name.as_str(), what.as_str()))
    }
}

/// The variable in which a value stands, if it stands in one.
pub(super) fn variable(value: &str) -> Option<&str> {
    let name = value.trim().strip_prefix(ELSEWHERE)?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (!name.is_empty() && name.bytes().all(fits)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_secret_has_one_name_and_no_name_has_two_secrets() {
        let used = Node::Scalar("os.environ/OPENAI_API_KEY".into(), true);
        let mut secrets = Secrets::of(&used);
        let mut at = |value: &str| secrets.reference(value, "p", "OPENAI_API_KEY");
        assert_eq!(at("os.environ/OPENAI_API_KEY"), Reference::Kept("env:OPENAI_API_KEY".into()));
        assert_eq!(at("sk-1"), Reference::Moved("env:OPENAI_API_KEY_2".into()));
        assert_eq!(at("sk-2"), Reference::Moved("env:OPENAI_API_KEY_3".into()));
        assert_eq!(at("sk-1"), Reference::Moved("env:OPENAI_API_KEY_2".into()));
        assert_eq!(at("EMPTY"), Reference::Placeholder);
        assert!(matches!(at("os.environ/a b"), Reference::Moved(_)), "no variable has such a name");
        assert!(secrets.to_set().all(|(name, what)| !format!("{name}{what}").contains("sk-")));
    }
}
