//! What the fields of rows mean, by the very readers that the configuration has for them: which keys there
//! are, and whether two rows say the same in other words.

use std::{path::Path, sync::LazyLock};

use policies::{
    did_you_mean,
    document::{Faults, Section},
    facts::{KeyFacts, TeamFacts},
    printable,
};
use serde_json::{Map, Value};
use toml::Table;

use super::{EditRefused, Managed, ManagedKind};
use crate::config::{
    Key, Team,
    budget::Budget,
    key::{KeyInput, TeamsByName, keys},
    outside::Outside,
    team::{DEFAULT, teams},
};

/// The name of a row that is read by itself.
const ALONE: &str = "alone";

/// A row as the configuration reads it by itself: below no team but `default`.
#[derive(PartialEq)]
enum Meant {
    Team(TeamFacts, Box<Team>),
    Key(KeyFacts, Box<Key>),
}

fn read(kind: ManagedKind, fields: &Table, faults: &mut Faults) -> Option<Meant> {
    let mut table = fields.clone();
    table.remove(above(kind));
    table.insert("name".into(), ALONE.into());
    if kind == ManagedKind::Key {
        table.insert("hash".into(), format!("hmac-sha256:{}", "0".repeat(64)).into());
    }
    let table = toml::Value::Table(table);
    let section = Section::of(ALONE.to_owned(), &table, faults);
    match kind {
        ManagedKind::Team => {
            let it = teams(vec![section], faults).into_iter().find(|it| *it.team.name == *ALONE)?;
            let team = Team { budgets: sorted(it.team.budgets), ..it.team };
            Some(Meant::Team(it.facts, Box::new(team)))
        }
        ManagedKind::Key => {
            let nothing = |_: &str| Err(String::new());
            let outside = Outside {
                file: "",
                folder: Path::new(""),
                variables: &[],
                secret: &nothing,
                read: &|_| Err(String::new()),
                ground: &|_| Vec::new(),
                managed: &|_| Ok(Managed::default()),
            };
            let (section, teams) = (Box::new(section), teams(Vec::new(), faults));
            let input = vec![KeyInput::Section(section, None)];
            let it = keys(input, &TeamsByName::of(&teams), &outside, faults).pop()?;
            let key = Key { budgets: sorted(it.key.budgets), ..it.key };
            Some(Meant::Key(it.facts, Box::new(key)))
        }
        _ => None,
    }
}

/// The field that says to which team a row belongs.
const fn above(kind: ManagedKind) -> &'static str {
    if matches!(kind, ManagedKind::Team) { "parent" } else { "team" }
}

fn sorted(mut budgets: Vec<Budget>) -> Vec<Budget> {
    budgets.sort_by_key(|it| it.window.code());
    budgets
}

/// Whether the fields of two rows say the same, in whatever words: what is written out as it would be anyway
/// is not another thing. What cannot be read says nothing but itself.
pub(crate) fn same(kind: ManagedKind, one: &Table, other: &Table) -> bool {
    let team = |it: &Table| match (it.get(above(kind)), kind) {
        (None, ManagedKind::Key) => Some(DEFAULT.into()),
        (team, _) => team.cloned(),
    };
    let meant = |it: &Table| {
        let mut faults = Faults::new();
        read(kind, it, &mut faults).filter(|_| faults.is_empty())
    };
    one == other
        || team(one) == team(other) && meant(one).is_some_and(|it| meant(other) == Some(it))
}

/// The paths of all keys of teams and of keys, such as `limits.concurrent`.
static KNOWN: LazyLock<[Vec<String>; 2]> = LazyLock::new(|| {
    [ManagedKind::Team, ManagedKind::Key].map(|kind| {
        let mut faults = Faults::with_keys();
        let below = ["budget", "limits"].map(|it| (it.to_owned(), Table::new().into()));
        let _ = read(kind, &Table::from_iter(below), &mut faults);
        let own = |path: &String| Some(path.strip_prefix(ALONE)?.strip_prefix('.')?.to_owned());
        let set = |path: &String| !["name", "hash", "secret"].contains(&path.as_str());
        faults.keys().iter().filter_map(own).filter(set).collect()
    })
});

/// Refuses `null` for a key that there is not: whoever takes it away means another one.
///
/// # Errors
/// The first such key, and which one may be meant.
pub(super) fn known_nulls(
    kind: ManagedKind,
    object: &Map<String, Value>,
) -> Result<(), EditRefused> {
    let [team, key] = &*KNOWN;
    let known = match kind {
        ManagedKind::Team => team,
        ManagedKind::Key => key,
        _ => return Ok(()),
    };
    for (key, value) in object {
        match value {
            Value::Null => known_key(known, None, key)?,
            Value::Object(fields) if known.contains(key) => {
                for (field, _) in fields.iter().filter(|(_, it)| it.is_null()) {
                    known_key(known, Some(key), field)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn known_key(known: &[String], within: Option<&str>, key: &str) -> Result<(), EditRefused> {
    let here = known.iter().filter_map(|path| match (within, path.split_once('.')) {
        (None, None) => Some(path.as_str()),
        (Some(within), Some((table, field))) => (table == within).then_some(field),
        _ => None,
    });
    if here.clone().any(|it| it == key) {
        return Ok(());
    }
    let expected = match did_you_mean(key, here.clone()) {
        Some(meant) => format!("a known key; {meant}"),
        None => format!("a known key: {}", here.collect::<Vec<_>>().join(", ")),
    };
    let key = printable(key);
    let path = within.map_or_else(|| key.to_string(), |within| format!("{within}.{key}"));
    Err(EditRefused::Unknown(path.into(), key.into(), expected.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(value: Value) -> Table {
        Table::try_from(value).unwrap()
    }

    #[test]
    fn a_key_that_is_taken_away_is_one_that_there_is() {
        let refused = |kind, value: Value| {
            let it = known_nulls(kind, value.as_object().unwrap());
            it.err().map(|it| it.to_string()).unwrap_or_default()
        };
        for (at, kind) in [ManagedKind::Team, ManagedKind::Key].into_iter().enumerate() {
            // Every key of the reader, by itself and where it stands.
            for path in &KNOWN[at] {
                let value = match path.split_once('.') {
                    None => json!({ path: null }),
                    Some((table, field)) => json!({ table: { field: null } }),
                };
                assert_eq!(refused(kind, value), "", "{path}");
                // One letter more is none of them.
                let (path, value) = match path.split_once('.') {
                    None => (format!("{path}x"), json!({ format!("{path}x"): null })),
                    Some((table, field)) => {
                        (format!("{path}x"), json!({ table: { format!("{field}x"): null } }))
                    }
                };
                let said = refused(kind, value);
                assert!(said.starts_with(&format!("{path}: found `")), "{said}");
                assert!(said.contains("did you mean"), "{said}");
            }
        }
        let said = refused(ManagedKind::Key, json!({ "bugdet": null }));
        assert_eq!(said, "bugdet: found `bugdet`, expected a known key; did you mean `budget`?");
        let said = refused(ManagedKind::Team, json!({ "parnt": null, "owner": null }));
        assert!(said.ends_with("did you mean `parent`?"), "{said}");
        assert!(refused(ManagedKind::Team, json!({ "zzzz": null })).contains("a known key: "));
        for own in ["name", "hash", "secret", "source", "version"] {
            assert!(!refused(ManagedKind::Key, json!({ own: null })).is_empty(), "{own}");
        }
        assert_eq!(refused(ManagedKind::Model, json!({ "zzzz": null })), "");
    }

    #[test]
    fn what_is_written_out_as_it_is_anyway_is_the_same() {
        let (team, key) = (ManagedKind::Team, ManagedKind::Key);
        for (kind, value) in [
            (key, json!({ "tags": [] })),
            (key, json!({ "models": ["*"] })),
            (key, json!({ "team": "default" })),
            (key, json!({ "limits": {} })),
            (key, json!({ "budget": [] })),
            (key, json!({ "hints": true, "feedback": false, "frontend": false })),
            (team, json!({ "tags": [], "models": ["*"], "limits": {}, "budget": [] })),
        ] {
            for more in [json!({}), json!({ "owner": "ann", "limits": { "concurrent": 3 } })] {
                let before = table(more);
                let mut after = before.clone();
                for (field, value) in table(value.clone()) {
                    after.entry(field).or_insert(value);
                }
                assert!(same(kind, &before, &after), "{before} {after}");
                assert!(same(kind, &after, &before), "{before} {after}");
            }
        }
        for (kind, one, other) in [
            (key, json!({}), json!({ "tags": ["a=b"] })),
            (key, json!({}), json!({ "models": [] })),
            (key, json!({}), json!({ "models": ["a"] })),
            (key, json!({}), json!({ "team": "a" })),
            (key, json!({ "team": "a" }), json!({ "team": "b" })),
            (key, json!({}), json!({ "hints": false })),
            (key, json!({}), json!({ "limit": {} })),
            (key, json!({}), json!({ "parent": {} })),
            (team, json!({}), json!({ "parent": "default" })),
            (team, json!({}), json!({ "data_class": "internal" })),
            (team, json!({}), json!({ "budget": { "amount": "1" } })),
            // What cannot be read.
            (team, json!({}), json!({ "tags": 5 })),
        ] {
            let (one, other) = (table(one), table(other));
            assert!(!same(kind, &one, &other), "{one} {other}");
        }
        let budgets = |list: Value| table(json!({ "budget": list }));
        let one = budgets(json!([{ "amount": "5", "window": "day" }, { "amount": "9" }]));
        let other = budgets(json!([{ "amount": "9.0" }, { "amount": "5", "window": "day" }]));
        assert!(same(key, &one, &other));
    }
}
