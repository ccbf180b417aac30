//! Managed rows as sections of a configuration, which its readers take as they take those of the file.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use policies::{
    Fault,
    document::{Faults, Section},
};
use toml::Value;

use super::{Managed, ManagedKind, ManagedRow, ManagedState, Stored};
use crate::config::{
    Credential, Key,
    key::{KeptKey, KeyInput, TeamsByName},
};

/// The rows of a kind that are in force, each as the table that the file would have.
pub(in crate::config) struct Sections {
    kind: ManagedKind,
    tables: Vec<(String, Value)>,
}

impl Sections {
    pub(in crate::config) fn of(managed: &Managed, kind: ManagedKind) -> Self {
        Self { kind, tables: managed.active(kind).map(|row| (path(row), table(row))).collect() }
    }

    /// These sections after those of the file. A row whose name the file has too is a fault, and left out.
    pub(in crate::config) fn join<'a>(
        &'a self,
        mut file: Vec<Section<'a>>,
        faults: &mut Faults,
    ) -> Vec<Section<'a>> {
        let named = names(&mut file);
        for (path, table) in &self.tables {
            let name = table.get("name").and_then(Value::as_str).unwrap_or_default();
            if named.contains(name) {
                faults.push(twice(self.kind, name));
            } else {
                file.push(Section::of(path.clone(), table, faults));
            }
        }
        file
    }
}

/// Where a row stands, for messages.
fn path(row: &ManagedRow) -> String {
    format!("store.{}.{}", row.kind.name(), row.name)
}

/// A row as the table that the file would have.
fn table(row: &ManagedRow) -> Value {
    let mut table = row.fields.clone();
    table.insert("name".into(), row.name.to_string().into());
    if let Some(credential) = &row.credential {
        let hash = format!("hmac-sha256:{}", hex(&credential.hash));
        table.insert("hash".into(), hash.into());
    }
    Value::Table(table)
}

fn names<'a>(file: &mut [Section<'a>]) -> HashSet<&'a str> {
    let name = |it: &mut Section<'a>| it.get("name").and_then(Value::as_str);
    file.iter_mut().filter_map(name).collect()
}

/// The fault of a name that file and store have.
fn twice(kind: ManagedKind, name: &str) -> Fault {
    let kind = kind.name();
    let found = format!("the name of a {kind} of the file as well");
    let expected =
        format!("one {kind} `{name}`: take it out of the file, or give the one there another name");
    Fault::new(format!("store.{kind}.{name}"), found, expected)
}

/// A key of the store.
pub(in crate::config) enum StoredKey<'a> {
    /// It was read before, and what it was read beside is still so.
    Kept(&'a KeptKey),
    /// It is to be read: where it stands, what it says, and where its reading is kept.
    Unread(String, Value, &'a OnceLock<KeptKey>),
}

/// The keys of the store that are in force, in the order of their names.
pub(in crate::config) fn stored_keys<'a>(
    managed: &'a Managed,
    teams: &TeamsByName<'_>,
) -> Vec<StoredKey<'a>> {
    let all = managed.stored(ManagedKind::Key, "");
    let active = all.filter(|it| it.row.state == ManagedState::Active);
    let key = |it: &'a Stored| match it.key.get().filter(|kept| kept.holds(teams)) {
        Some(kept) => StoredKey::Kept(kept),
        None => StoredKey::Unread(path(&it.row), table(&it.row), &it.key),
    };
    active.map(key).collect()
}

/// The keys of the file, and after them those of the store. One whose name the file has too is a fault, and
/// left out.
pub(in crate::config) fn join_keys<'a>(
    mut file: Vec<Section<'a>>,
    stored: &'a [StoredKey<'a>],
    faults: &mut Faults,
) -> Vec<KeyInput<'a>> {
    let named = names(&mut file);
    let mut all: Vec<_> =
        file.into_iter().map(|it| KeyInput::Section(Box::new(it), None)).collect();
    all.reserve(stored.len());
    for it in stored {
        let name = match it {
            StoredKey::Kept(kept) => kept.name(),
            StoredKey::Unread(_, table, _) => {
                table.get("name").and_then(Value::as_str).unwrap_or_default()
            }
        };
        if named.contains(name) {
            faults.push(twice(ManagedKind::Key, name));
            continue;
        }
        all.push(match it {
            StoredKey::Kept(kept) => KeyInput::Kept(kept),
            StoredKey::Unread(path, table, keep) => {
                let section = Section::of(path.clone(), table, faults);
                KeyInput::Section(Box::new(section), Some((path.as_str(), *keep)))
            }
        });
    }
    all
}

/// Gives keys that were rotated the credential that opens for a while yet.
pub(in crate::config) fn credentials(managed: &Managed, mut keys: Vec<Key>) -> Vec<Key> {
    let previous = |row: &'_ Arc<ManagedRow>| {
        let (previous, until_ms) = row.credential.as_ref()?.previous?;
        let until = jiff::Timestamp::from_millisecond(until_ms).ok()?;
        Some((Arc::clone(&row.name), (previous, until)))
    };
    let rotated: HashMap<_, _> = managed.active(ManagedKind::Key).filter_map(previous).collect();
    if rotated.is_empty() {
        return keys;
    }
    for key in &mut keys {
        let Credential::Hash(hash) = key.credential else { continue };
        if let Some(&(previous, until)) = rotated.get(&key.name) {
            key.credential = Credential::Rotated { hash, previous, until };
        }
    }
    keys
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hash from its 64 digits, with or without the name of its form.
pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    crate::config::key::unhex(text.strip_prefix("hmac-sha256:").unwrap_or(text))
}
