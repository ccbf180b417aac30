//! Columns that no sign parts: values of SQL, cells of HTML, columns of a fixed width above which a rule
//! stands. What their headings say holds for their values.

use super::{aside::window, context};

/// Bytes before a number in which the heading is looked for: less than a window of a stream keeps.
const BEFORE: usize = 352;
/// Bytes of a rule's first column.
const RULE_MIN: usize = 2;

/// What the heading of the column says in which a number begins at a place; nothing outside of columns.
pub(super) fn of(text: &str, at: usize) -> Option<u32> {
    let last = *text.as_bytes().get(..at)?.last()?;
    match last {
        b'>' => cell(window(text, at, BEFORE)),
        b'\'' | b'"' | b'(' | b',' => inserted(window(text, at, BEFORE)),
        b' ' | b'\n' => {
            let before = window(text, at, BEFORE);
            inserted(before).or_else(|| ruled(before))
        }
        _ => None,
    }
}

/// Where a word stands last, in capitals or not.
fn last(text: &str, word: &str) -> Option<usize> {
    let first = word.bytes().next()?;
    let (small, capital) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    let stands = |at: &usize| {
        let here = text.as_bytes().get(*at..*at + word.len());
        here.is_some_and(|it| it.eq_ignore_ascii_case(word.as_bytes()))
    };
    memchr::memrchr2_iter(small, capital, text.as_bytes()).find(stands)
}

/// How often a sign parts fields, between single quotes not.
fn parted(text: &str) -> usize {
    let mut open = false;
    text.bytes().fold(0, |count, b| {
        open ^= b == b'\'';
        count + usize::from(b == b',' && !open)
    })
}

/// The column of a value of `INSERT INTO t (a, b) VALUES ('1', '2')`.
fn inserted(before: &str) -> Option<u32> {
    let values = last(before, "values")?;
    let row = before.get(values..)?;
    let row = row.get(row.rfind('(')? + 1..)?;
    let heading = before.get(..values)?.trim_end().strip_suffix(')')?;
    let heading = heading.get(heading.rfind('(')? + 1..)?;
    let name = heading.split(',').nth(parted(row))?;
    Some(context::said(name.trim().trim_matches(['"', '`', '\'', '[', ']'])))
}

/// The column of a cell, of which the heading has its own: `<th>Account</th>`.
fn cell(before: &str) -> Option<u32> {
    let row = before.get(last(before, "<tr")?..)?;
    let column = row.matches("<td").count().checked_sub(1)?;
    let ends = row.get(row.rfind("<td")?..)?;
    if ends.contains("</") {
        return None;
    }
    let heading = before.get(..last(before, "</th>")?)?;
    let heading = heading.get(last(heading, "<tr").unwrap_or(0)..)?;
    let name = heading.split("<th").skip(1).filter(|it| it.starts_with(['>', ' '])).nth(column)?;
    let (_, name) = name.split_once('>')?;
    Some(context::said(name.split('<').next()?))
}

/// The column of a fixed width, which a rule of hyphens shows: the heading stands above it.
fn ruled(before: &str) -> Option<u32> {
    let place = before.len() - before.rfind('\n')? - 1;
    let of_rule = |line: &str| {
        let plain = line.bytes().all(|b| matches!(b, b'-' | b'=' | b' ' | b'\r'));
        plain && line.split_whitespace().filter(|it| it.len() >= RULE_MIN).count() > 1
    };
    let mut lines = before.rsplit('\n').skip(1);
    let rule = lines.by_ref().find(|line| of_rule(line))?;
    let heading = lines.next()?;
    let mut begins = (0..rule.len()).filter(|at| {
        let blank = |at: Option<usize>| {
            at.is_none_or(|at| !matches!(rule.as_bytes().get(at), Some(b'-' | b'=')))
        };
        blank(at.checked_sub(1)) && !blank(Some(*at))
    });
    let (mut from, mut to) = (begins.next()?, None);
    for begin in begins {
        if begin > place {
            to = Some(begin);
            break;
        }
        from = begin;
    }
    let name = heading.get(from..to.unwrap_or(heading.len()).min(heading.len()))?;
    Some(context::said(name.trim())).filter(|_| from <= place)
}
