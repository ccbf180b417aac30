//! What the pages must mention, and what no text may.

use std::{collections::BTreeSet, fs};

use signalbox::failure::{Kind, Stage};

use super::{Finding, hold, root, source};

/// Words that tell of the place a text was written in. In two halves, or this file would break its
/// own rule.
pub(super) fn banned() -> Vec<String> {
    [
        ("/wor", "k/"),
        ("../sha", "red"),
        ("/tmp/", "w/"),
        (".libr", "ary/"),
        ("work", "tree"),
        ("sub", "agent"),
    ]
    .iter()
    .map(|(left, right)| format!("{left}{right}"))
    .collect()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// Names of ours that stand in a text: what begins like a metric and goes on in lower case.
fn metric_names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for prefix in ["\"signalbox_", "\"gen_ai_server_"] {
        for (at, _) in text.match_indices(prefix) {
            let rest = &text[at + 1..];
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap();
            names.insert(rest[..end].to_owned());
        }
    }
    names
}

#[test]
fn every_metric_is_documented() {
    let page = page("OPERATIONS.md");
    let mut found = Vec::new();
    let metrics = source::texts(root()).into_iter().filter(|(path, _)| {
        path.starts_with("gateway/record/metrics")
            && path.ends_with(".rs")
            && !path.contains("tests")
    });
    for (path, text) in metrics {
        let missing = metric_names(&text).into_iter().filter(|name| !page.contains(name.as_str()));
        found.extend(missing.map(|name| Finding::flat("docs", &path, name)));
    }
    hold("docs", &found);
}

#[test]
fn every_error_kind_and_stage_is_documented() {
    let page = page("OPERATIONS.md");
    for kind in Kind::ALL {
        let row = format!("| `{}` | {} |", kind.name(), kind.status());
        assert!(page.contains(&row), "OPERATIONS.md has no row {row:?}");
    }
    let way = fs::read_to_string(root().join("docs/LIFE_OF_A_REQUEST.md")).unwrap();
    for (number, stage) in Stage::ALL.iter().enumerate() {
        let heading = format!("## {} {}", number + 1, stage.name());
        assert!(way.contains(&heading), "LIFE_OF_A_REQUEST.md has no heading {heading:?}");
    }
}

#[test]
fn every_ledger_column_is_documented() {
    let page = page("OPERATIONS.md");
    let stores = source::texts(root())
        .into_iter()
        .filter(|(path, _)| path.starts_with("gateway/store/") && path.ends_with(".rs"));
    for (path, text) in stores {
        let Some((_, after)) = text.split_once("LEDGER_COLUMNS: [") else { continue };
        let columns = after.split("];").next().unwrap().split('"').skip(1).step_by(2);
        let missing: Vec<_> = columns
            .filter(|column| !page.contains(&format!("`{column}`")))
            .map(|column| Finding::flat("docs", &path, column))
            .collect();
        hold("docs", &missing);
    }
}

#[test]
fn links_lead_somewhere() {
    let mut found = Vec::new();
    for (path, text) in source::texts(root()).iter().filter(|(path, _)| path.ends_with(".md")) {
        let folder = root().join(path);
        let folder = folder.parent().unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let elsewhere = link.is_empty() || link.contains("://");
            if !elsewhere && !folder.join(link).exists() {
                found.push(Finding::flat("docs", path, link));
            }
        }
    }
    hold("docs", &found);
}

/// The keys that a file of raw configuration can hold: fields of its structs, as serde spells them.
fn configuration_keys(text: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut renamed: Option<String> = None;
    let mut in_struct = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.contains("struct ") && trimmed.ends_with('{') {
            in_struct = true;
        } else if line.starts_with('}') {
            in_struct = false;
        } else if let Some((_, after)) = trimmed.split_once("rename = \"") {
            renamed = after.split('"').next().map(ToOwned::to_owned);
        } else if in_struct && !trimmed.starts_with("//") && !trimmed.starts_with("#[") {
            let field = trimmed.split_once(':').map(|(field, _)| field.trim());
            let name = field.and_then(|field| field.split(' ').next_back()).unwrap_or_default();
            if !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
                keys.insert(renamed.take().unwrap_or_else(|| name.to_owned()));
            }
        }
    }
    keys
}

#[test]
fn every_configuration_key_is_documented() {
    let raw = source::texts(root())
        .into_iter()
        .filter(|(path, _)| path.starts_with("gateway/config/raw") && path.ends_with(".rs"));
    for (path, text) in raw {
        let page = page("CONFIG.md");
        let missing: Vec<_> = configuration_keys(&text)
            .into_iter()
            .filter(|key| !source::has_word(&page, key))
            .map(|key| Finding::flat("docs", &path, key))
            .collect();
        hold("docs", &missing);
    }
}

#[test]
fn keys_and_names_are_read_from_code() {
    let raw = "pub(super) struct Raw {\n    /// x: y\n    pub(super) listen: String,\n    \
               #[serde(rename = \"model\")]\n    models: Vec<u8>,\n}\nfn x() {\n    a: b\n}\n";
    assert_eq!(Vec::from_iter(configuration_keys(raw)), ["listen", "model"]);
    assert_eq!(Vec::from_iter(metric_names("(\"signalbox_up\", \"x\")")), ["signalbox_up"]);
}
