//! A document that is not TOML: where reading it ended, and what was meant. The parser names the table at
//! which it could not go on; the slip is often at an earlier one, or in whether a header has one bracket or
//! two.

use crate::fault::{Fault, nearest};

/// Tables of which there may be many, and whose header has two brackets therefore.
const LISTS: [&str; 6] = ["model", "model.endpoint", "team", "key", "rule", "case"];

/// A document that is not TOML, as a fault with line and column.
#[must_use]
pub fn not_toml(document: &str, error: &toml::de::Error) -> Fault {
    let at = error.span().map_or(0, |span| span.start);
    let before = document.get(..at).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let message = error.message();
    if let Some(fault) = of_headers(document, line).filter(|_| message == "duplicate key") {
        return fault;
    }
    if let Some(fault) = of_keys(document, line).filter(|_| message == "duplicate key") {
        return Fault { column: Some(column), ..fault };
    }
    // The parser says by itself what it expected, where it knows.
    let (found, expected) =
        message.split_once(", expected ").unwrap_or((message, "a TOML document"));
    Fault { line: Some(line), column: Some(column), ..Fault::new("", found, expected) }
}

/// The header of a table, such as `[server]` or `[[model.endpoint]]`.
struct Header<'a> {
    line: usize,
    column: usize,
    name: &'a str,
    is_list: bool,
}

impl<'a> Header<'a> {
    fn read(line: usize, text: &'a str) -> Option<Self> {
        let inner = text.trim_start();
        let column = text.chars().count() - inner.chars().count() + 1;
        let is_list = inner.starts_with("[[");
        let (_, rest) = inner.split_once(if is_list { "[[" } else { "[" })?;
        let (name, _) = rest.split_once(if is_list { "]]" } else { "]" })?;
        let fits = |it: char| it.is_ascii_alphanumeric() || "_-.".contains(it);
        let is_header = inner.starts_with('[') && !name.is_empty() && name.chars().all(fits);
        is_header.then_some(Self { line, column, name, is_list })
    }

    fn written(&self) -> String {
        if self.is_list { format!("`[[{}]]`", self.name) } else { format!("`[{}]`", self.name) }
    }

    fn fault(&self, found: String, expected: String) -> Fault {
        let (line, column) = (Some(self.line), Some(self.column));
        Fault { line, column, ..Fault::new("", found, expected) }
    }
}

/// What is wrong with the headers, where that on this line cannot stand after those before it.
fn of_headers(document: &str, line: usize) -> Option<Fault> {
    let all: Vec<Header<'_>> =
        (1..).zip(document.lines()).filter_map(|(at, text)| Header::read(at, text)).collect();
    let here = all.iter().find(|it| it.line == line)?;
    let name = here.name;
    let before: Vec<&Header<'_>> = all.iter().take_while(|it| it.line < line).collect();
    let Some(first) = before.iter().find(|it| it.name == name) else {
        return of_parent(here, &before);
    };
    if LISTS.contains(&name) || first.is_list != here.is_list {
        let wrong = if first.is_list { here } else { first };
        let other = if first.is_list { first } else { here };
        let expected = format!("`[[{name}]]`: there may be many, and line {} has one", other.line);
        return Some(wrong.fault(wrong.written(), expected));
    }
    let found =
        format!("{} for the second time: the first is on line {}", here.written(), first.line);
    let expected = format!("one {} with all of its keys", here.written());
    Some(here.fault(found, expected))
}

/// A list whose items got a table of their own before there was an item: the header of that is another, and
/// perhaps misspelt.
fn of_parent<'a>(here: &Header<'a>, before: &[&Header<'a>]) -> Option<Fault> {
    let mut last: Option<&Header<'a>> = None;
    let below = before.iter().find(|it| {
        let is_below = it.name.strip_prefix(here.name).is_some_and(|it| it.starts_with('.'));
        if !is_below {
            last = Some(it);
        }
        is_below
    })?;
    let written = here.written();
    match last.filter(|it| nearest(it.name, [here.name].into_iter()).is_some()) {
        Some(meant) => {
            let expected = format!("a known table; did you mean {written}?");
            Some(meant.fault(meant.written(), expected))
        }
        None => {
            let found = format!("{} before any {written}", below.written());
            Some(below.fault(found, format!("{written} first: it belongs to one")))
        }
    }
}

/// A key that its table has already, and the line of that.
fn of_keys(document: &str, line: usize) -> Option<Fault> {
    let key = |text: &str| {
        let (key, _) = text.split_once('=')?;
        let key = key.trim().trim_matches('"').to_owned();
        (!key.is_empty()).then_some(key)
    };
    let lines: Vec<&str> = document.lines().take(line).collect();
    let (here, before) = lines.split_last()?;
    let twice = key(here)?;
    let above = before.iter().enumerate().map(|(at, text)| (at + 1, text)).rev();
    let mut above = above.take_while(|(at, text)| Header::read(*at, text).is_none());
    let (first, _) = above.find(|(_, text)| key(text).as_ref() == Some(&twice))?;
    let found = format!("`{twice}` for the second time: the first is on line {first}");
    Some(Fault { line: Some(line), ..Fault::new("", found, "each key once") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(document: &str) -> String {
        let error = document.parse::<toml::Table>().expect_err(document);
        not_toml(document, &error).to_string()
    }

    #[test]
    fn what_was_meant_is_said_where_the_slip_is() {
        for (document, expected) in [
            (
                "[server]\n[[models]]\nid = \"a\"\n[[model.endpoint]]\nurl = \"x\"\n[[model]]\nid = \"b\"\n",
                "line 2, column 1: found `[[models]]`, expected a known table; did you mean `[[model]]`?",
            ),
            (
                "[[model.endpoint]]\nurl = \"x\"\n[[model]]\nid = \"b\"\n",
                "line 1, column 1: found `[[model.endpoint]]` before any `[[model]]`, expected `[[model]]` \
                 first: it belongs to one",
            ),
            (
                "\n[key]\nname = \"a\"\n\n[[key]]\nname = \"b\"\n",
                "line 2, column 1: found `[key]`, expected `[[key]]`: there may be many, and line 5 has one",
            ),
            (
                "[[key]]\nname = \"a\"\n  [key]\nname = \"b\"\n",
                "line 3, column 3: found `[key]`, expected `[[key]]`: there may be many, and line 1 has one",
            ),
            (
                "[rule]\nname = \"a\"\n[rule]\nname = \"b\"\n",
                "line 1, column 1: found `[rule]`, expected `[[rule]]`: there may be many, and line \
                 3 has one",
            ),
            (
                "[server]\na = 1\n[admin]\n[server]\nb = 1\n",
                "line 4, column 1: found `[server]` for the second time: the first is on line 1, expected \
                 one `[server]` with all of its keys",
            ),
            (
                "[a]\nlisten = 1\n[server]\nlisten = 1\nx = 2\nlisten = 2\n",
                "line 6, column 1: found `listen` for the second time: the first is on line 4, expected each \
                 key once",
            ),
        ] {
            assert_eq!(told(document), expected, "{document}");
        }
    }

    #[test]
    fn one_thing_is_expected() {
        for document in [
            "a = \"x\n",
            "a = [1 2]\n",
            "a\n",
            "[a\n",
            "a = { b = 1 c = 2 }\n",
            "a = 'x\n",
            "a = \n",
        ] {
            let told = told(document);
            assert_eq!(told.matches("expected ").count(), 1, "{told}");
        }
    }
}
