//! Secrets whose name and value no `=` or `:` joins: elements of XML, calls, words of SQL, flags of commands,
//! pairs of a name and a value.

use super::{
    field::Field,
    naming::{begin, likely},
    value::mixed,
};
use crate::model::sample::floor;

/// Bytes in which a name and what stands before it are looked for.
const BEFORE_BYTES: usize = 96;
/// Bytes of a flag, and of a user's name before a password.
const FLAG_BYTES: usize = 48;
const USER_BYTES: usize = 48;
/// Elements of XML whose attribute names what they hold.
const NAMING: &[&str] = &["property", "string", "entry", "param", "prop"];
/// Flags behind which a user and a password stand.
const USERS: &[&str] = &["-u", "-U", "--user", "--proxy-user"];
/// What asks a server, by its name or by a URL: elsewhere a user and a group stand behind such flags.
const ASKS: &[&str] = &["curl", "http", "wget"];
/// Characters of a line of a private key at least.
const KEY_LINE: usize = 16;
/// Bytes of a command in which that stands.
const COMMAND_BYTES: usize = 200;
/// What a call is named before the name of what it sets.
const SETTERS: &[&str] = &["set", "with"];

pub(super) fn before(text: &str, at: usize, bytes: usize) -> &str {
    text.get(floor(text, at.saturating_sub(bytes))..at).unwrap_or("")
}

/// What stands at the end of a text that a name is made of.
pub(super) fn name(text: &str) -> &str {
    let of_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(*b, b'_' | b'-' | b'.');
    let length = text.bytes().rev().take_while(of_name).count();
    text.get(text.len() - length..).unwrap_or("")
}

fn trimmed(text: &str) -> &str {
    text.trim_end_matches([' ', '"', '\'', '\\'])
}

/// Whether an `@` is written at a place as the query of a URL has it.
pub(super) fn at_sign(text: &str, at: usize) -> bool {
    text.as_bytes().get(at..at + 3) == Some(b"%40")
}

/// Where the value of an element of XML ends, whose first tag ends at a place: `<password>…</password>`,
/// `<property name="password">…</property>`.
pub(super) fn element(text: &str, at: usize) -> Option<usize> {
    let before = before(text, at, BEFORE_BYTES);
    let quoted = trimmed(before);
    let name = name(quoted);
    let head = quoted.get(..quoted.len() - name.len())?;
    let named = if quoted.len() == before.len() {
        let local = head.rfind('<').and_then(|at| head.get(at + 1..));
        local.is_some_and(|space| space.is_empty() || space.ends_with(':') && !space.contains(' '))
    } else {
        let tag = head.rsplit('<').next().unwrap_or("");
        NAMING.iter().any(|it| tag.strip_prefix(it).is_some_and(|rest| rest.starts_with(' ')))
            && attribute(head, &["name", "key"])
    };
    if !named {
        return None;
    }
    let behind = text.get(at + 1..floor(text, at + 1 + BEFORE_BYTES))?;
    let inner = behind.trim_start();
    let kept = inner.strip_prefix("<![CDATA[");
    let width = 1 + behind.len() - kept.unwrap_or(inner).len();
    let ends: fn(char) -> bool = if kept.is_some() { |c| c == ']' } else { |c| c == '<' };
    let field = Field::of(text, name, (at, width), ends);
    let rest = text.get(field.end..floor(text, field.end + BEFORE_BYTES))?;
    let closed = rest.strip_prefix("]]>").unwrap_or(rest).trim_start().starts_with("</");
    (closed && field.secret()).then_some(field.end)
}

/// Whether a text ends in one of some words and a sign behind it.
fn attribute(text: &str, words: &[&str]) -> bool {
    let quoted = trimmed(text);
    let signed = quoted.strip_suffix([':', '=']).map(trimmed);
    signed.is_some_and(|it| words.iter().any(|word| begin(it, word).is_some()))
}

/// Where the value ends that a name stands before as a value: `name: DB_PASSWORD` and `value: …`.
pub(super) fn paired(text: &str, at: usize, width: usize) -> Option<usize> {
    let value = trimmed(before(text, at, BEFORE_BYTES));
    let head = value.get(..begin(value, "value")?)?;
    let parts = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '\\');
    let head = head.trim_end_matches(parts);
    let head = head.strip_suffix("\\n").unwrap_or(head).trim_end_matches(parts);
    let name = name(head);
    if !attribute(head.get(..head.len() - name.len())?, &["name", "key"]) {
        return None;
    }
    let field = Field::of(text, name, (at, width), |c| matches!(c, '}' | '<'));
    field.secret().then_some(field.end)
}

/// Where a quoted value ends behind a call or a word of SQL: `setPassword("…")`, `PASSWORD '…'`,
/// `IDENTIFIED BY '…'`.
pub(super) fn quoted(text: &str, at: usize) -> Option<usize> {
    let near = text.as_bytes().get(..at)?;
    let ends = near.trim_ascii_end();
    let named = match near.last()? {
        b'(' => {
            let near = near.get(..at - 1)?;
            likely(near).then(|| called(before(text, at - 1, FLAG_BYTES)))??
        }
        _ if ends.last_chunk().is_some_and(|it: &[u8; 3]| it.eq_ignore_ascii_case(b" by")) => {
            let said = before(text, at, BEFORE_BYTES);
            let mut words = said.split(' ').rev().take(8);
            words.any(|it| it.eq_ignore_ascii_case("identified")).then_some("password")?
        }
        _ if likely(ends) => before(text, at, FLAG_BYTES).trim_end(),
        _ => return None,
    };
    let field = Field::of(text, named, (at, 1), |_| false);
    let closed = text.as_bytes().get(field.end) == text.as_bytes().get(at);
    let opened = text.as_bytes().get(field.end - field.value.len() - 1) == text.as_bytes().get(at);
    (closed && opened && field.secret()).then_some(field.end)
}

/// What a call is of, which sets what it is given: `setPassword(`, `.password(`.
fn called(text: &str) -> Option<&str> {
    let name = name(text);
    let last = name.rsplit('.').next()?;
    let setter =
        |head: &&str| last.get(..head.len()).is_some_and(|it| it.eq_ignore_ascii_case(head));
    let bare = ["password", "apikey", "secret", "token"];
    let whole = |word: &&str| begin(last, word) == Some(0);
    (SETTERS.iter().any(setter) || bare.iter().any(whole)).then_some(last)
}

/// Where the value of a flag ends, which two hyphens begin: `--password …`.
pub(super) fn flag(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at + 2..floor(text, at + 2 + FLAG_BYTES))?;
    let of_flag = |b: &u8| b.is_ascii_alphanumeric() || matches!(*b, b'-' | b'_');
    let length = rest.bytes().take_while(of_flag).count();
    let name = rest.get(..length)?;
    let blank = rest.as_bytes().get(length) == Some(&b' ');
    if !blank || !likely(name.as_bytes()) {
        return None;
    }
    let field = Field::of(text, name, (at + 2 + length, 1), |c| matches!(c, ')' | '|'));
    field.secret().then_some(field.end)
}

/// Where a password ends that stands behind a user and a colon: `curl -u admin:…`.
pub(super) fn user(text: &str, at: usize) -> Option<usize> {
    let of_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(*b, b'_' | b'-' | b'.');
    let bytes = text.as_bytes();
    let last = at.checked_sub(1).and_then(|at| bytes.get(at)).filter(|b| of_name(b))?;
    if *last == b's'
        && let Some(end) = putty(text, at)
    {
        return Some(end);
    }
    let sign =
        |b: u8| matches!(b, b'!' | b'@' | b'#' | b'%' | b'^' | b'&' | b'*' | b'+' | b'?' | b'~');
    bytes.get(at + 1).filter(|b| b.is_ascii_alphanumeric() || sign(**b))?;
    let head = before(text, at, USER_BYTES);
    let user = name(head);
    let head = head.get(..head.len() - user.len())?;
    let joined = user.starts_with("-u") && head.ends_with(char::is_whitespace);
    let head = head.trim_end_matches(['"', '\'']);
    let flag = head.strip_suffix([' ', '=']).unwrap_or(head);
    let word = flag.rsplit(char::is_whitespace).next()?;
    if joined || USERS.contains(&word) { password(text, at) } else { None }
}

/// Where the first line of a private key ends that PuTTY's file has behind their count.
fn putty(text: &str, at: usize) -> Option<usize> {
    if !before(text, at, BEFORE_BYTES).ends_with("Private-Lines") {
        return None;
    }
    let rest = text.get(at + 1..floor(text, at + 1 + BEFORE_BYTES))?;
    let count = rest.trim_start_matches(' ');
    let lines = count.trim_start_matches(|c: char| c.is_ascii_digit());
    let body = lines.trim_start_matches(['\r', '\n', '\\', 'n']);
    let of_body = |b: &u8| b.is_ascii_alphanumeric() || matches!(*b, b'+' | b'/' | b'=');
    let length = body.bytes().take_while(of_body).count();
    let from = at + 1 + rest.len() - body.len();
    let body = body.get(..length)?;
    (lines.len() < count.len() && mixed(body) && length >= KEY_LINE).then_some(from + length)
}

/// Where the password ends that stands behind a colon, in a command that asks a server.
fn password(text: &str, at: usize) -> Option<usize> {
    let head = before(text, at, COMMAND_BYTES);
    let tail = text.get(at..floor(text, at + COMMAND_BYTES)).unwrap_or("");
    if !ASKS.iter().any(|it| head.contains(it) || tail.contains(it)) {
        return None;
    }
    let field = Field::of(text, "password", (at, 1), |c| c == ')');
    field.secret().then_some(field.end)
}
