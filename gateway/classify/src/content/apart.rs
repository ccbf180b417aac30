//! Secrets whose name stands apart from them, without a sign between: in the cell or the tag before,
//! on the line before, as an argument, a flag or a word of a command.
//!
//! Nothing is looked at until a digit behind a letter tells of a word that has both, as most passwords do.

use super::{
    beside::Word,
    command,
    naming::{Named, begin, likely, said},
    unsigned::name,
    value::{chance, drawn, odd, stands},
};

/// Bytes of the name in a cell, and the tags between it and the value.
const CELL_BYTES: usize = 40;
const TAGS: usize = 6;
/// What a call is named that is given a name and a value.
const SETS: &[&str] = &["set", "put", "add", "with", "append", "insert", "define"];
/// Characters of a key.
const KEY_MIN: usize = 20;

/// What names the word in the cell, the tag, the line or the argument before it.
fn named<'a>(word: &Word<'a>) -> Option<&'a str> {
    let head = word.head;
    let name = match head.as_bytes().last()? {
        b'"' | b'\'' => argument(head).or_else(|| sql(head)),
        b'>' => arrow(head).or_else(|| tagged(head)).or_else(|| element(word)),
        b'\n' => line_before(head).filter(|_| word.ends_line()),
        b' ' | b'\t' | b'|' | b'*' | b'`' => cell(head)
            .or_else(|| arrow(head))
            .or_else(|| tagged(head))
            .or_else(|| line_before(head).filter(|_| word.ends_line())),
        _ => head.strip_suffix('「'),
    };
    name.filter(|it| likely(it.as_bytes()))
}

/// The name of the element whose first tag, with attributes, stands before.
fn element<'a>(word: &Word<'a>) -> Option<&'a str> {
    let tag = word.head.strip_suffix('>')?.rsplit('<').next()?;
    let (name, _) = tag.split_once(' ')?;
    let closed = word.rest.strip_prefix("</").is_some_and(|it| it.starts_with(name));
    closed.then(|| name.rsplit(':').next())?
}

/// Where a secret ends that has a digit behind a letter at a place, and a name apart from it.
pub(super) fn secret(text: &str, at: usize) -> Option<usize> {
    let (word, end) = Word::around(text, at)?;
    // What stands for a secret is told last: it is the dearest.
    let found = drawn(word.value) && (command::tells(&word) || names(&word));
    (found && !stands(word.value)).then_some(end)
}

/// Whether a long word is a key that is named apart from it: `my API key is …`.
pub(super) fn key(text: &str, at: usize, word: &str) -> bool {
    if word.len() < KEY_MIN || !chance(word) {
        return false;
    }
    let Some(word) = Word::between(text, at, at + word.len()) else { return false };
    let blank = || word.head.strip_suffix(' ').filter(|it| likely(it.as_bytes()));
    match named(&word).and_then(said) {
        Some(Named::Key | Named::Loose | Named::Password) => true,
        _ => blank().and_then(said) == Some(Named::Key),
    }
}

/// Whether a name stands apart before a word that is a password.
fn names(word: &Word<'_>) -> bool {
    let Some(name) = named(word) else { return false };
    let quoted = word.head.ends_with(['"', '\'']);
    matches!(said(name), Some(Named::Password | Named::Likely)) && (quoted || odd(word.value))
}

/// What the cell before says, of a row whose cells bars or tabs part.
fn cell(head: &str) -> Option<&str> {
    let signs = [' ', '*', '`', '"', ':', '：'];
    let head = head.trim_end_matches([' ', '*', '`', '"']).strip_suffix(['|', '\t'])?;
    let cell = head.rsplit(['|', '\t', '\n']).next()?.trim_matches(signs);
    let short = !cell.is_empty() && cell.len() <= CELL_BYTES;
    (short && cell.split(' ').count() <= 3).then_some(cell)
}

/// What stands before an arrow.
fn arrow(head: &str) -> Option<&str> {
    let head = head.trim_end_matches([' ', '`', '*']);
    let head = head.strip_suffix("->").or_else(|| head.strip_suffix('→'))?;
    Some(head.trim_end_matches([' ', '`', '*']))
}

/// What stands before the tags of a page that end before a word: in another cell, or with a colon.
fn tagged(head: &str) -> Option<&str> {
    let (mut rest, mut cells) = (head.trim_end(), false);
    let whole = rest.len();
    for _ in 0..TAGS {
        let Some(inner) = rest.strip_suffix('>') else { break };
        let (outer, tag) = inner.rsplit_once('<')?;
        let tag = tag.trim_start_matches('/');
        cells |= ["td", "th", "dt", "dd"].iter().any(|it| tag.starts_with(it));
        rest = outer.trim_end();
    }
    let label = rest.rsplit(['>', '\n']).next()?;
    let named = label.strip_suffix([':', '：']).or_else(|| cells.then_some(label))?;
    (rest.len() < whole && named.len() <= CELL_BYTES).then_some(named)
}

/// What the line before says that ends in a colon, or as YAML begins a text.
fn line_before(head: &str) -> Option<&str> {
    let rest = head.trim_end();
    if !head.get(rest.len()..)?.contains('\n') {
        return None;
    }
    let yaml = ["|-", ">-", "|", ">"].iter().find_map(|it| rest.strip_suffix(it));
    let named = yaml.unwrap_or(rest).trim_end_matches([' ', '*']).strip_suffix([':', '：'])?;
    Some(named.trim_end_matches([' ', '*', '"']))
}

/// The name that is an argument before another, of a call that sets: `put("password", "…")`.
fn argument(head: &str) -> Option<&str> {
    let quoted = |text: &str| -> Option<usize> {
        let text = text.strip_suffix(['"', '\''])?;
        Some(text.trim_end_matches('\\').len())
    };
    let head = head.get(..quoted(head)?)?;
    let head = head.trim_end_matches(' ').strip_suffix(',')?.trim_end_matches(' ');
    let head = head.get(..quoted(head)?)?;
    let name = name(head);
    let call = head.get(..head.len() - name.len())?;
    let call = call.get(..quoted(call)?)?.strip_suffix('(')?;
    let verb = self::name(call).rsplit('.').next()?;
    let sets = |it: &&str| verb.get(..it.len()).is_some_and(|it_is| it_is.eq_ignore_ascii_case(it));
    SETS.iter().any(sets).then_some(name)
}

/// What SQL says before a word in quotes: `IDENTIFIED BY "…"`, `PASSWORD = N'…'`.
fn sql(head: &str) -> Option<&str> {
    // A single quote behind a blank is a sign of its own.
    let single = head.ends_with(" '");
    let head = head.strip_suffix(['"', '\''])?.trim_end_matches('\\');
    let national = head.strip_suffix('N').filter(|it| it.ends_with([' ', '=']));
    if let Some(head) = national {
        return head.trim_end().strip_suffix('=').map(str::trim_end);
    }
    let head = head.strip_suffix(' ')?.trim_end();
    (!single && begin(head, "identifiedby").is_some()).then_some("password")
}
