//! What the pages must mention, and what no text may.

use std::{collections::BTreeSet, fs};

use policies::facts::{DataClass, Language, Task};
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
    for prefix in ["\"signalbox_", "\"gen_ai_server_", "\"process_"] {
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
fn every_action_of_the_audit_trail_is_documented() {
    let page = page("OPERATIONS.md");
    let trail = page.split("## The audit trail").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = trail.lines().filter(|line| line.starts_with("| `") && *line != "| `what` | when |");
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let said: BTreeSet<&str> = cells.flat_map(|it| it.split('`').skip(1).step_by(2)).collect();
    let known = literals("gateway/outcome/audit.rs", "");
    let known: BTreeSet<&str> =
        known.iter().map(String::as_str).filter(|it| it.contains('.')).collect();
    assert!(known.len() > 25, "{known:?}");
    assert_eq!(known, said, "the table of `what` in OPERATIONS.md");
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

/// The literals of a file's code that begin so.
fn literals(path: &str, begin: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    let all = code.split('"').skip(1).step_by(2);
    all.filter(|it| it.starts_with(begin)).map(ToOwned::to_owned).collect()
}

#[test]
fn every_header_is_documented_for_callers() {
    let page = page("CALLERS.md");
    let asked = page.split("## Headers of requests").nth(1).unwrap();
    let (asked, told) = asked.split_once("## Headers of answers").unwrap();
    let told = told.split("\n## ").next().unwrap();
    let rows = |text: &str| -> BTreeSet<String> {
        let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
        cells.flat_map(|it| it.split("`, `")).map(|it| it.trim_matches('`').to_owned()).collect()
    };
    let (asked, told) = (rows(asked), rows(told));
    let known = literals("gateway/signals/header.rs", "x-signalbox-");
    let known: BTreeSet<String> = known.into_iter().filter(|it| it != "x-signalbox-").collect();
    let wrong: Vec<_> =
        known.iter().filter(|it| !asked.contains(*it) && !told.contains(*it)).collect();
    assert!(known.len() > 12 && wrong.is_empty(), "CALLERS.md does not say {wrong:?}");
    let stale: Vec<_> = asked.union(&told).filter(|it| it.starts_with("x-signalbox-")).collect();
    let stale: Vec<_> = stale.into_iter().filter(|it| !known.contains(*it)).collect();
    assert!(stale.is_empty(), "CALLERS.md speaks of {stale:?}, which is no header");
    let limits = literals("gateway/account/headers.rs", "x-ratelimit-");
    let retries = literals("gateway/edge/render.rs", "x-should-");
    for name in limits.iter().chain(&retries) {
        assert!(told.contains(name), "CALLERS.md does not say {name} of answers");
    }
    let exposed = fs::read_to_string(root().join("gateway/edge/cors.rs")).unwrap();
    for name in told.iter().filter(|it| it.starts_with("x-")) {
        assert!(exposed.contains(name.as_str()), "pages in browsers cannot read {name}");
    }
}

#[test]
fn every_error_and_refused_parameter_is_documented_for_callers() {
    let page = page("CALLERS.md");
    for kind in Kind::ALL {
        let row = format!("| `{}` | {} | ", kind.name(), kind.status());
        assert!(page.contains(&row), "CALLERS.md has no row {row:?}");
        assert!(page.contains(&format!("`{}`", kind.code())), "CALLERS.md lacks {}", kind.code());
    }
    let mut codes = BTreeSet::new();
    for (_, text) in source::texts(root()).iter().filter(|(path, _)| {
        // What operators ask for is no affair of callers.
        let operators = ["gateway/edge/admin/", "gateway/app/manage.rs", "gateway/app/switches.rs"];
        let callers = !path.contains("tests") && !operators.iter().any(|it| path.starts_with(it));
        path.starts_with("gateway/") && path.ends_with(".rs") && callers
    }) {
        for begin in ["::invalid(\"", ".coded(\""] {
            let found = text.split(begin).skip(1).filter_map(|rest| rest.split('"').next());
            codes.extend(found.filter(|it| !it.contains(' ')).map(ToOwned::to_owned));
        }
    }
    assert!(codes.len() > 10, "{codes:?}");
    for code in codes {
        assert!(page.contains(&format!("`{code}`")), "CALLERS.md lacks the code {code}");
    }
    let table = page.split("## Refused parameters").nth(1).unwrap().split("\n## ").next().unwrap();
    let code = fs::read_to_string(root().join("gateway/wire/refused.rs")).unwrap();
    let names = code.lines().filter_map(|line| line.strip_prefix("    (\"")?.split('"').next());
    let names: Vec<_> = names.collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(table.contains(&format!("`{name}`")), "CALLERS.md lacks the parameter {name}");
    }
}

#[test]
fn every_label_is_documented_for_callers() {
    let page = page("CALLERS.md");
    let (languages, tasks) = page.split_once("## Tasks").unwrap();
    let languages = languages.split("## Languages").nth(1).unwrap();
    for language in Language::ALL {
        let cell = format!("| `{}` ", language.code());
        assert!(languages.contains(&cell), "CALLERS.md lacks the language {language}");
    }
    assert_eq!(languages.matches("| `").count(), Language::ALL.len(), "a language that is none");
    for task in Task::ALL {
        let row = format!("| `{}` | `{}` | ", task.code(), task.coarse().code());
        assert!(tasks.contains(&row), "CALLERS.md has no row {row:?}");
    }
    assert_eq!(tasks.matches("\n| `").count(), Task::ALL.len(), "a task that is none");
    for class in DataClass::ALL {
        assert!(page.contains(&format!("`{}`", class.code())), "CALLERS.md lacks {class}");
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

/// The keys that a file of the configuration reads, and the words that it takes for values: its plain
/// small-letter literals.
fn configuration_words(text: &str) -> BTreeSet<String> {
    let literals = text.split('"').skip(1).step_by(2);
    let plain =
        |word: &&str| word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    literals.filter(plain).map(ToOwned::to_owned).collect()
}

#[test]
fn every_configuration_key_is_documented() {
    let page = page("CONFIG.md");
    let read = ["validate", "model", "team", "owner", "budget", "webhook", "key", "policy", "log"]
        .map(|name| format!("gateway/config/{name}.rs"));
    let files = source::texts(root()).into_iter().filter(|(path, _)| read.contains(path));
    let files: Vec<_> = files.collect();
    assert_eq!(files.len(), read.len());
    for (path, text) in files {
        let words = configuration_words(&text);
        assert!(words.len() > 2, "{path}: {words:?}");
        let missing: Vec<_> = words
            .into_iter()
            .filter(|key| !source::has_word(&page, key))
            .map(|key| Finding::flat("docs", &path, &key))
            .collect();
        hold("docs", &missing);
    }
}

#[test]
fn keys_and_names_are_read_from_code() {
    let code = "it.text(\"listen\", faults); fault(\"Not this\"); word(it, \"kind\")";
    assert_eq!(Vec::from_iter(configuration_words(code)), ["kind", "listen"]);
    assert_eq!(Vec::from_iter(metric_names("(\"signalbox_up\", \"x\")")), ["signalbox_up"]);
}
