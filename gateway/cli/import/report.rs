//! The list of what was carried over and what was not.

use std::fmt::Write;

use policies::counted;
use serde_json::json;

use super::{
    book::{Book, Outcome},
    reasons::normal,
    translate::Translation,
};

/// Whether a key belongs to a part of the list.
type Belongs = fn(&Outcome) -> bool;

/// The parts of the list, as people read it.
const PARTS: [(&str, Belongs); 4] = [
    ("Carried over", |it| matches!(it, Outcome::Carried(_))),
    ("Carried over, but not quite the same", |it| matches!(it, Outcome::Near(_))),
    ("Not carried over", |it| matches!(it, Outcome::Left(_))),
    ("Not known here: a slip of the pen, or newer than this version", |it| *it == Outcome::Unknown),
];

/// What is said of a key, in words.
fn words(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Carried(words) | Outcome::Near(words) | Outcome::Left(words) => words,
        Outcome::Unknown => "",
    }
}

/// The state of a key, as one word.
fn state(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Carried(_) => "carried",
        Outcome::Near(_) => "approximated",
        Outcome::Left(_) => "not_carried",
        Outcome::Unknown => "unknown",
    }
}

/// What is true of a model without a price.
const UNCOUNTED: &str = "budgets count nothing of it";

/// A line of JSON for each key, then one for each model without a price, then one for each variable that is
/// to be set.
pub(super) fn json_lines(translation: &Translation) -> String {
    let mut text = String::new();
    for (path, outcome, _) in translation.book.in_order() {
        let words = match words(outcome) {
            "" => serde_json::Value::Null,
            words => words.into(),
        };
        let line = json!({"path": path, "state": state(outcome), "note": words});
        let _ = writeln!(text, "{line}");
    }
    for id in &translation.unpriced {
        let _ = writeln!(text, "{}", json!({"unpriced": id, "note": UNCOUNTED}));
    }
    for (name, what) in translation.secrets.to_set() {
        let _ = writeln!(text, "{}", json!({"set": name, "note": what}));
    }
    text
}

/// The list for people: what is said of many keys alike stands once.
pub(super) fn list(translation: &Translation) -> String {
    let mut text = String::new();
    for (title, is) in PARTS {
        let lines = lines(&translation.book, is);
        if lines.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{title}:");
        for Line { path, more, words } in lines {
            let more = if more > 0 { format!(" (and {more} like it)") } else { String::new() };
            let colon = if words.is_empty() { "" } else { ": " };
            let _ = writeln!(text, "  {path}{more}{colon}{words}");
        }
        text.push('\n');
    }
    let to_set: Vec<_> = translation.secrets.to_set().collect();
    let width = to_set.iter().map(|it| it.0.len()).max().unwrap_or(0);
    if !to_set.is_empty() {
        text.push_str("To be set in the gateway's environment:\n");
        for (name, what) in to_set {
            let _ = writeln!(text, "  {name:width$}  {what}");
        }
    }
    if let unpriced @ [_, ..] = translation.unpriced.as_slice() {
        let (it, names) = (if unpriced.len() == 1 { "has" } else { "have" }, unpriced.join(", "));
        let them = if unpriced.len() == 1 { "it" } else { "them" };
        let count = counted(unpriced.len(), "model", "models");
        let _ = writeln!(text, "\n{count} {it} no price: budgets count nothing of {them}: {names}");
    }
    text
}

/// A line of the list.
struct Line<'a> {
    path: &'a str,
    more: usize,
    words: &'a str,
}

fn lines(book: &Book, is: Belongs) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    let mut said = std::collections::BTreeSet::new();
    for (_, outcome, of) in book.in_order().into_iter().filter(|it| is(it.1)) {
        // Of a whole entry it is said once, however many keys it has.
        if !said.insert(of) {
            continue;
        }
        let words = words(outcome);
        let at = *places.entry((normal(of), words)).or_insert(lines.len());
        match lines.get_mut(at) {
            Some(line) => line.more += 1,
            None => lines.push(Line { path: of, more: 0, words }),
        }
    }
    lines
}
