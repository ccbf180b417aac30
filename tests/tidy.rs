//! The house rules, as tests. `docs/CONTRIBUTING.md` says them in words.
//!
//! A rule finds places; a place is fine only if [`EXCEPTIONS`] lists it with its measure. That list
//! may only shrink: an entry that is no longer needed, or is larger than needed, fails as well.
//! If a rule makes code worse, change the rule here and say why in a decision note.

mod docs;
mod imports;
mod shape;
mod source;

use std::{fmt, path::Path};

/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 60;
/// Lines of a file without its test code.
const FILE_LINES_MAX: usize = 400;
/// Parameters of a function beside its receiver.
const PARAMETERS_MAX: usize = 5;
/// Characters of a line of Rust.
const LINE_CHARS_MAX: usize = 110;

/// Where the wall clock may be asked. All else is handed a moment, and measures by the monotonic clock, which
/// nobody sets: so that no duration is negative when the wall clock jumps.
const WALL_CLOCK: [&str; 4] = [
    "gateway/app",
    "gateway/cli/",
    "gateway/sim/",
    // A backend says in the wall clock's time when to come again.
    "gateway/dispatch/retry_after.rs",
];

/// What is let through: rule, place, measure, why. Shrink it.
const EXCEPTIONS: &[(&str, &str, usize, &str)] = &[
    (
        "parameters",
        "gateway/wire/tests.rs::a_spliced_body_differs_only_where_it_must",
        7,
        "a property over seven drawn values",
    ),
    (
        "surface",
        "gateway/config/model.rs",
        1,
        "a dialect is also a word of the file: what an endpoint speaks is read before any request",
    ),
];

/// A breach of a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    rule: &'static str,
    place: String,
    measure: usize,
    note: String,
}

impl Finding {
    /// A breach that has no measure: it is or it isn't.
    fn flat(rule: &'static str, place: impl Into<String>, note: impl Into<String>) -> Self {
        Self { rule, place: place.into(), measure: 1, note: note.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}): {}", self.rule, self.place, self.measure, self.note)
    }
}

/// Holds the findings of one rule against the exceptions to it.
fn judge(
    rule: &str,
    findings: &[Finding],
    exceptions: &[(&str, &str, usize, &str)],
) -> Vec<String> {
    let listed: Vec<_> = exceptions.iter().filter(|exception| exception.0 == rule).collect();
    let mut faults: Vec<String> = findings
        .iter()
        .filter(|f| !listed.iter().any(|e| e.1 == f.place && f.measure <= e.2))
        .map(ToString::to_string)
        .collect();
    for (_, place, measure, _) in listed {
        let most = findings.iter().filter(|f| f.place == *place).map(|f| f.measure).max();
        match most {
            None => faults.push(format!("{rule}: {place}: the exception is stale, remove it")),
            Some(most) if most < *measure => {
                faults.push(format!("{rule}: {place}: lower the exception to {most}"));
            }
            Some(_) => {}
        }
    }
    faults
}

/// Fails with every breach of a rule that no exception covers.
fn hold(rule: &str, findings: &[Finding]) {
    let faults = judge(rule, findings, EXCEPTIONS);
    assert!(faults.is_empty(), "{} breaches:\n{}", faults.len(), faults.join("\n"));
}

/// The folder of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A finding for each measure above a limit.
fn above(
    rule: &'static str,
    most: usize,
    measured: impl Iterator<Item = (String, usize)>,
) -> Vec<Finding> {
    measured
        .filter(|(_, measure)| *measure > most)
        .map(|(place, measure)| Finding { rule, place, measure, note: format!("at most {most}") })
        .collect()
}

#[test]
fn functions_are_short() {
    let sources = source::all(root());
    let lines = sources.iter().flat_map(|s| {
        s.functions().into_iter().map(|f| (format!("{}::{}", s.path, f.name), f.lines))
    });
    hold("function", &above("function", FUNCTION_LINES_MAX, lines));
}

#[test]
fn functions_take_few_parameters() {
    let sources = source::all(root());
    let parameters = sources.iter().flat_map(|s| {
        s.functions().into_iter().map(|f| (format!("{}::{}", s.path, f.name), f.parameters))
    });
    hold("parameters", &above("parameters", PARAMETERS_MAX, parameters));
}

#[test]
fn files_are_short() {
    let sources = source::all(root());
    let lines = sources
        .iter()
        .filter(|s| !s.is_test_file())
        .map(|s| (s.path.clone(), s.lines_without_tests()));
    hold("file", &above("file", FILE_LINES_MAX, lines));
}

#[test]
fn lines_are_short() {
    let sources = source::all(root());
    let longest = sources.iter().flat_map(|s| {
        s.text.lines().enumerate().map(|(n, line)| {
            let place = format!("{}:{}", s.path, n.saturating_add(1));
            (place, line.chars().count())
        })
    });
    hold("line", &above("line", LINE_CHARS_MAX, longest));
}

#[test]
fn nothing_is_unsafe() {
    let found: Vec<_> = source::all(root())
        .iter()
        .filter(|s| source::has_word(&s.code, "unsafe"))
        .map(|s| Finding::flat("unsafe", &s.path, "the word stands in its code"))
        .collect();
    hold("unsafe", &found);
}

#[test]
fn the_wall_clock_is_asked_at_the_rim_alone() {
    let asks = |s: &&source::Source| {
        let code = s.code_without_tests();
        ["Timestamp::now", "SystemTime::now"].iter().any(|it| code.contains(it))
    };
    let found: Vec<_> = source::all(root())
        .iter()
        .filter(|s| s.path.starts_with("gateway/") && !s.is_test_file())
        .filter(|s| !WALL_CLOCK.iter().any(|rim| s.path.starts_with(rim)))
        .filter(asks)
        .map(|s| Finding::flat("clock", &s.path, "a duration by the wall clock may be negative"))
        .collect();
    hold("clock", &found);
}

#[test]
fn every_file_is_reached_by_a_mod_line() {
    let sources = source::all(root());
    let reached = source::reached(root(), &sources);
    let dead: Vec<_> = sources
        .iter()
        .filter(|s| !reached.contains(&s.path))
        .map(|s| Finding::flat("dead", &s.path, "no crate root leads here"))
        .collect();
    hold("dead", &dead);
}

#[test]
fn no_text_names_the_place_it_was_written_in() {
    let banned = docs::banned();
    let mut found = Vec::new();
    for (path, text) in source::texts(root()) {
        for word in banned.iter().filter(|word| text.contains(word.as_str())) {
            found.push(Finding::flat("text", &path, format!("says {word:?}")));
        }
    }
    hold("text", &found);
}

#[test]
fn a_lock_file_names_no_host() {
    let found: Vec<_> = source::texts(root())
        .into_iter()
        .filter(|(path, text)| path.ends_with("package-lock.json") && text.contains("\"resolved\""))
        .map(|(path, _)| Finding::flat("lock", path, "has a `resolved` address"))
        .collect();
    hold("lock", &found);
}

#[test]
fn an_exception_may_only_shrink() {
    let finding = |measure| Finding { rule: "r", place: "p".into(), measure, note: String::new() };
    let listed: &[(&str, &str, usize, &str)] = &[("r", "p", 70, "why")];
    assert!(judge("r", &[finding(70)], listed).is_empty());
    assert_eq!(judge("r", &[finding(71)], listed).len(), 1);
    assert_eq!(judge("r", &[finding(69)], listed), ["r: p: lower the exception to 69"]);
    assert_eq!(judge("r", &[], listed), ["r: p: the exception is stale, remove it"]);
    assert_eq!(judge("r", &[finding(61)], &[]).len(), 1);
}

#[test]
fn every_exception_has_a_reason() {
    for (rule, place, _, why) in EXCEPTIONS {
        assert!(why.len() > 10, "{rule} {place}: say why");
    }
}
