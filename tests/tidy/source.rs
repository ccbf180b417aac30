//! Rust as far as the house rules must read it: code apart from comments and strings, functions,
//! test code, paths. It relies on rustfmt for nothing but sane spacing.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Folders that hold nothing we wrote.
const SKIPPED: [&str; 5] = ["target", ".git", "node_modules", "__pycache__", "signalbox-demo"];

/// One file of Rust.
pub(super) struct Source {
    /// From the workspace's folder, with forward slashes.
    pub path: String,
    /// As it stands.
    pub text: String,
    /// The same length, with comments and the insides of literals blank.
    pub code: String,
}

/// One function.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Its name.
    pub name: String,
    /// From `fn` to the closing brace.
    pub lines: usize,
    /// Beside the receiver.
    pub parameters: usize,
}

impl Source {
    /// One file, read.
    pub(super) fn new(path: String, text: String) -> Self {
        let code = blank(&text);
        Self { path, text, code }
    }

    /// Whether all of it is test code.
    pub(super) fn is_test_file(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
    }

    /// Its functions, the nested ones included.
    pub(super) fn functions(&self) -> Vec<Function> {
        words(&self.code, "fn").filter_map(|at| function(&self.code, at)).collect()
    }

    /// Lines outside of `#[cfg(test)]` items.
    pub(super) fn lines_without_tests(&self) -> usize {
        let in_tests: usize =
            test_items(&self.code).iter().map(|(from, to)| lines(&self.code[*from..*to])).sum();
        self.text.lines().count().saturating_sub(in_tests)
    }

    /// Its code with `#[cfg(test)]` items blank.
    pub(super) fn code_without_tests(&self) -> String {
        let mut code = self.code.clone();
        for (from, to) in test_items(&self.code) {
            code.replace_range(from..to, &blanked(&self.code[from..to]));
        }
        code
    }

    /// Its modules' names from the crate's root on: `gateway/dispatch/queue.rs` is `dispatch::queue`.
    pub(super) fn module(&self, crate_folder: &str) -> Option<Vec<&str>> {
        let inside = self.path.strip_prefix(crate_folder)?.strip_suffix(".rs")?;
        let mut names: Vec<&str> = inside.trim_matches('/').split('/').collect();
        if matches!(names.last(), Some(&("mod" | "lib" | "main"))) {
            names.pop();
        }
        Some(names)
    }
}

/// All Rust of the workspace, the separate fuzz crate included.
pub(super) fn all(root: &Path) -> Vec<Source> {
    texts(root)
        .into_iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .map(|(path, text)| Source::new(path, text))
        .collect()
}

/// Every text file of the workspace with its path, in order.
pub(super) fn texts(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if SKIPPED.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push((relative(root, &path), text));
            }
        }
    }
    found.sort();
    found
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/")
}

/// The files that `mod` lines lead to from the roots of all crates.
pub(super) fn reached(root: &Path, sources: &[Source]) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<(String, bool)> =
        roots(root, sources).into_iter().map(|path| (path, true)).collect();
    while let Some((path, is_root)) = open.pop() {
        let Some(source) = sources.iter().find(|s| s.path == path) else { continue };
        if reached.insert(path) {
            open.extend(children(source, is_root).into_iter().map(|child| (child, false)));
        }
    }
    reached
}

/// Files that Cargo starts from: those a manifest names and those it looks for by itself.
fn roots(root: &Path, sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for (manifest, text) in texts(root) {
        let Some(folder) = manifest.strip_suffix("Cargo.toml") else { continue };
        let named = text.lines().filter_map(|line| {
            let path = line.strip_prefix("path = \"")?.split('"').next()?;
            path.ends_with(".rs").then(|| format!("{folder}{path}"))
        });
        found.extend(named);
        for usual in ["src/lib.rs", "src/main.rs", "build.rs"] {
            found.push(format!("{folder}{usual}"));
        }
        // Cargo finds a member's tests by itself; the root package names its one test binary.
        let tests = if folder.is_empty() { "src/bin/" } else { "tests/" };
        for usual in ["src/bin/", "examples/", "benches/", "fuzz_targets/", tests] {
            let folder = format!("{folder}{usual}");
            let inside = sources
                .iter()
                .filter(|s| s.path.strip_prefix(&folder).is_some_and(|name| !name.contains('/')));
            found.extend(inside.map(|s| s.path.clone()));
        }
    }
    found
}

/// Where the `mod` lines of a file lead.
fn children(source: &Source, is_root: bool) -> Vec<String> {
    let path = PathBuf::from(&source.path);
    let folder = path.parent().unwrap().to_path_buf();
    let own = path.file_stem().unwrap().to_string_lossy().into_owned();
    let inside = if is_root || own == "mod" { folder.clone() } else { folder.join(&own) };
    let mut found = Vec::new();
    for at in words(&source.code, "mod") {
        let rest = source.code[at..].trim_start_matches("mod").trim_start();
        let name = leading_word(rest);
        if !rest[name.len()..].starts_with(';') {
            continue;
        }
        if let Some(path) = path_attribute(&source.text[..at]) {
            found.push(folder.join(path));
        }
        found.push(inside.join(format!("{name}.rs")));
        found.push(inside.join(name).join("mod.rs"));
    }
    found.iter().map(|path| path.to_string_lossy().replace('\\', "/")).collect()
}

/// The file that a `#[path = "…"]` directly before names.
fn path_attribute(before: &str) -> Option<&str> {
    let line = before.trim_end().lines().next_back()?.trim();
    line.strip_prefix("#[path = \"")?.strip_suffix("\"]")
}

/// Every path with at least two segments, groups in braces taken apart: `a::{b, c::d}` is `a::b` and
/// `a::c::d`.
pub(super) fn paths(code: &str) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(step) = code[at..].find(is_word_char) {
        at += step;
        let word = leading_word(&code[at..]);
        let before = code[..at].trim_end();
        let starts = !before.ends_with("::") && !before.ends_with('.');
        let after = at + word.len();
        if starts && code[after..].starts_with("::") {
            let mut prefix = vec![word];
            at = path_from(code, after, &mut prefix, &mut found);
        } else {
            at = after;
        }
    }
    found
}

/// Reads what follows a first segment, from its `::` on; says where it stopped.
fn path_from<'a>(
    code: &'a str,
    mut at: usize,
    prefix: &mut Vec<&'a str>,
    found: &mut Vec<Vec<&'a str>>,
) -> usize {
    let depth = prefix.len();
    while code[at..].starts_with("::") {
        let rest = &code[at + 2..];
        let word = leading_word(rest);
        if word.is_empty() {
            if rest.starts_with('{') {
                at = group(code, at + 3, prefix, found);
                prefix.truncate(depth);
                return at;
            }
            break;
        }
        prefix.push(word);
        at += 2 + word.len();
    }
    found.push(prefix.clone());
    prefix.truncate(depth);
    at
}

/// Reads `b, c::d}` after a prefix; says where it stopped.
fn group<'a>(
    code: &'a str,
    mut at: usize,
    prefix: &mut Vec<&'a str>,
    found: &mut Vec<Vec<&'a str>>,
) -> usize {
    while let Some(c) = code[at..].chars().next() {
        let word = leading_word(&code[at..]);
        if c == '}' {
            return at + 1;
        } else if word.is_empty() {
            at += c.len_utf8();
        } else if word == "as" {
            let rest = code[at + 2..].trim_start();
            at = code.len() - rest.len() + leading_word(rest).len();
        } else {
            prefix.push(word);
            at = path_from(code, at + word.len(), prefix, found);
            prefix.pop();
        }
    }
    at
}

/// The names of the types that are defined in code.
pub(super) fn types(code: &str) -> Vec<&str> {
    let kinds = ["struct", "enum", "union"];
    let after = |kind: &'static str| {
        words(code, kind).map(move |at| leading_word(code[at + kind.len()..].trim_start()))
    };
    kinds.into_iter().flat_map(after).filter(|name| !name.is_empty()).collect()
}

/// The names of the types that code has an `impl` of by themselves, and not of a trait.
pub(super) fn inherent_impls(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for at in words(code, "impl") {
        // An item begins here; in a signature it is a type.
        if !matches!(code[..at].trim_end().chars().next_back(), None | Some('}' | ';' | ']' | '{'))
        {
            continue;
        }
        let mut rest = code[at + 4..].trim_start();
        if rest.starts_with('<') {
            rest = rest[closing(rest)..].trim_start();
        }
        let Some(open) = rest.find('{') else { continue };
        let head = &rest[..open];
        let head = words(head, "where").next().map_or(head, |bound| &head[..bound]);
        if words(head, "for").any(|at| !head[at + 3..].starts_with('<')) {
            continue;
        }
        let path = head.split('<').next().unwrap_or_default().trim();
        found.extend(path.rsplit("::").next().map(leading_word).filter(|name| !name.is_empty()));
    }
    found
}

/// Whether a word stands in code, not as a part of another.
pub(super) fn has_word(code: &str, word: &str) -> bool {
    words(code, word).next().is_some()
}

fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        !code[..*at].ends_with(is_word_char) && !code[at + word.len()..].starts_with(is_word_char)
    })
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn leading_word(text: &str) -> &str {
    text.split(|c| !is_word_char(c)).next().unwrap_or_default()
}

/// The function whose `fn` stands here; none for a pointer type or a signature without body.
fn function(code: &str, at: usize) -> Option<Function> {
    let rest = code[at + 2..].strip_prefix(' ')?;
    let name = leading_word(rest);
    let start = at + 3 + name.len();
    let generics = if code[start..].starts_with('<') { closing(&code[start..]) } else { 0 };
    let open = start + generics;
    let parameters = &code[open..];
    let end = closing(parameters);
    let body = body_start(code, open + end)?;
    let last = body + closing(&code[body..]);
    Some(Function {
        name: name.to_owned(),
        lines: lines(&code[at..last]),
        parameters: count_parameters(parameters.get(1..end.saturating_sub(1))?),
    })
}

/// Where a body begins after the parameters, if there is one.
fn body_start(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in code[from..].char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '{' if depth == 0 => return Some(from + at),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// How many bytes from an opening bracket to just behind its closing one.
fn closing(code: &str) -> usize {
    let angles = code.starts_with('<');
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            '<' if angles => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '>' if angles && before != '-' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + c.len_utf8();
        }
        before = c;
    }
    code.len()
}

fn count_parameters(inside: &str) -> usize {
    let mut depth = 0_usize;
    let mut before = ' ';
    let mut parts = vec![String::new()];
    for c in inside.chars() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '>' if before != '-' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => parts.push(String::new()),
            _ => {}
        }
        before = c;
        parts.last_mut().unwrap().push(c);
    }
    let receiver = |part: &str| has_word(part.split(':').next().unwrap_or_default(), "self");
    parts.iter().filter(|part| !part.trim().trim_matches(',').is_empty() && !receiver(part)).count()
}

/// From where to where the items under `#[cfg(test)]` stand.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, _) in code.match_indices("#[cfg(test)]").chain(code.match_indices("#[cfg(all(test")) {
        let after = at + closing(&code[at + 1..]) + 1;
        let end = match body_start(code, after) {
            Some(body) => body + closing(&code[body..]),
            None => after + code[after..].find(';').map_or(0, |semicolon| semicolon + 1),
        };
        if !found.iter().any(|(from, to)| *from <= at && at < *to) {
            found.push((at, end));
        }
    }
    found
}

fn lines(text: &str) -> usize {
    text.matches('\n').count() + 1
}

fn blanked(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

/// Code alone: comments and the insides of strings and characters become spaces, byte for byte.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let hidden = hidden(rest, code.ends_with(is_word_char));
        if hidden > 0 {
            code.push_str(&blanked(&rest[..hidden]));
            at += hidden;
        } else {
            let c = rest.chars().next().unwrap();
            code.push(c);
            at += c.len_utf8();
        }
    }
    code
}

/// How many bytes of comment or literal begin here.
fn hidden(rest: &str, in_word: bool) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    let prefix = ["br", "cr", "r"].iter().find(|prefix| rest.starts_with(**prefix));
    if let (Some(prefix), false) = (prefix, in_word) {
        let hashes = rest[prefix.len()..].bytes().take_while(|byte| *byte == b'#').count();
        let open = prefix.len() + hashes;
        if rest[open..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let inside = &rest[open + 1..];
            return open + 1 + inside.find(&end).map_or(inside.len(), |at| at + end.len());
        }
    }
    match rest.chars().next() {
        Some('"') => escaped(rest, '"'),
        Some('\'') if rest[1..].starts_with('\\') => escaped(rest, '\''),
        Some('\'') if rest.chars().nth(2) == Some('\'') => escaped(rest, '\''),
        _ => 0,
    }
}

fn escaped(rest: &str, quote: char) -> usize {
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return at + 1;
        }
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

#[test]
fn functions_are_read_as_they_are() {
    let text = r##"
struct S;
impl S {
    /// fn not_me(a, b) {
    fn one<F: Fn(u8) -> u8>(&self, a: [u8; 2], f: F, (b, c): (u8, Vec<(u8, u8)>)) -> [u8; 2] {
        let open = '{';
        let text = "fn neither() {";
        let raw = r#"}"}"#;
        a
    }
}
trait T { fn without(&self); }
type P = fn(u8, u8);
#[cfg(test)]
mod tests {
    fn two() {}
}
"##;
    let source = Source::new("x.rs".into(), text.into());
    let functions = source.functions();
    assert_eq!(functions.len(), 2, "{functions:?}");
    assert_eq!(functions[0], Function { name: "one".into(), lines: 6, parameters: 3 });
    assert_eq!(functions[1], Function { name: "two".into(), lines: 1, parameters: 0 });
    assert_eq!(source.lines_without_tests(), text.lines().count() - 4);
    assert!(!source.code_without_tests().contains("two"));
    assert!(!source.code.contains("neither"));
}

#[test]
fn paths_are_taken_apart() {
    let code =
        "use crate::{a::b, c::{self, d as e}, f}; let x = crate::g::h(y.z::<u8>()); p::q::<r>();";
    let found: Vec<String> = paths(code).iter().map(|path| path.join("::")).collect();
    assert_eq!(
        found,
        ["crate::a::b", "crate::c::self", "crate::c::d", "crate::f", "crate::g::h", "p::q"]
    );
}
