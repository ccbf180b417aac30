//! Managed rows as sections of a configuration, which its readers take as they take those of the file.

use std::collections::HashSet;

use policies::{
    Fault,
    document::{Faults, Section},
};
use toml::Value;

use super::{Managed, ManagedKind, ManagedState};
use crate::config::{Credential, Key};

/// The rows of a kind that are in force, each as the table that the file would have.
pub(in crate::config) struct Sections {
    kind: ManagedKind,
    tables: Vec<(String, Value)>,
}

impl Sections {
    pub(in crate::config) fn of(managed: &Managed, kind: ManagedKind) -> Self {
        let table = |row: &std::sync::Arc<super::ManagedRow>| {
            let mut table = row.fields.clone();
            table.insert("name".into(), row.name.to_string().into());
            if let Some(credential) = &row.credential {
                let hash = format!("hmac-sha256:{}", hex(&credential.hash));
                table.insert("hash".into(), hash.into());
            }
            (format!("store.{}.{}", kind.name(), row.name), Value::Table(table))
        };
        Self { kind, tables: managed.active(kind).map(table).collect() }
    }

    /// These sections after those of the file. A row whose name the file has too is a fault, and left out.
    pub(in crate::config) fn join<'a>(
        &'a self,
        mut file: Vec<Section<'a>>,
        faults: &mut Faults,
    ) -> Vec<Section<'a>> {
        let mut named = HashSet::new();
        for section in &mut file {
            if let Some(name) = section.get("name").and_then(Value::as_str) {
                named.insert(name);
            }
        }
        for (path, table) in &self.tables {
            let name = table.get("name").and_then(Value::as_str).unwrap_or_default();
            if named.contains(name) {
                let kind = self.kind.name();
                let found = format!("the name of a {kind} of the file as well");
                let expected = format!(
                    "one {kind} `{name}`: take it out of the file, or give the one there another name"
                );
                faults.push(Fault::new(path.clone(), found, expected));
            } else {
                file.push(Section::of(path.clone(), table, faults));
            }
        }
        file
    }
}

/// Gives keys that were rotated the credential that opens for a while yet.
pub(in crate::config) fn credentials(managed: &Managed, keys: &mut [Key]) {
    for key in keys {
        let Credential::Hash(hash) = key.credential else { continue };
        let row = managed.get(ManagedKind::Key, &key.name);
        let row = row.filter(|row| row.state == ManagedState::Active);
        let Some((previous, until_ms)) = row.and_then(|row| row.credential.as_ref()?.previous)
        else {
            continue;
        };
        if let Ok(until) = jiff::Timestamp::from_millisecond(until_ms) {
            key.credential = Credential::Rotated { hash, previous, until };
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hash from its 64 digits, with or without the name of its form.
pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    crate::config::key::unhex(text.strip_prefix("hmac-sha256:").unwrap_or(text))
}
