//! Secrets that a name tells: passwords of connection strings and of settings, long keys, headers.

use super::{
    naming::{Named, begin, said},
    value::{chance, computed, drawn, longest, mixed, numbered, stands},
};
use crate::model::sample::floor;

/// What else stands in a connection string.
const SERVERS: &[&str] = &["server=", "host=", "data source=", "datasource=", "user id=", "uid="];
/// Characters of a value that is taken for a secret by its name, and of a password where what stands
/// around it tells that it is one.
const NAMED_MIN: usize = 20;
const PASSWORD_MIN: usize = 4;
/// Characters of a name and a password as RFC 7617 writes them: `a:b12`.
const BASIC_MIN: usize = 8;
/// Bytes in which the other fields of a connection string are looked for.
const STRING_BYTES: usize = 200;
/// Digits of a password that has nothing else: fewer are a code or a PIN.
const DIGITS_MIN: usize = 6;
/// Characters of what signs a URL of AWS, and of one of Azure at least.
const SIGNED_MIN: usize = 64;
const SHARED_MIN: usize = 40;
/// Bytes in which a name stands.
const NAME_BYTES: usize = 48;

/// What stands before the `@` at a place, where a URL begins there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// No URL: a mail address, or nothing.
    None,
    /// A name, or one with what stands for a password.
    Name,
    /// A name and a password: `postgres://app:s3cret@db/x`.
    Password,
}

/// What stands before the `@` at a place.
pub(super) fn login(text: &str, at: usize) -> Login {
    let before = text.get(floor(text, at.saturating_sub(STRING_BYTES))..at).unwrap_or("");
    let Some((head, rest)) = before.rsplit_once("://") else { return Login::None };
    let scheme = head.bytes().last().is_some_and(|b| b.is_ascii_alphanumeric());
    if !scheme || rest.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '`')) {
        return Login::None;
    }
    match rest.split_once(':') {
        None if rest.contains(['?', '<', ',', ')']) => Login::None,
        None => Login::Name,
        Some((name, password)) => {
            // A port, and a query in which the address stands.
            if password.contains('?') && password.contains('=') {
                return Login::None;
            }
            let same = !name.is_empty() && name.eq_ignore_ascii_case(password);
            let none = same || rest.contains('<') || stands(password);
            if none { Login::Name } else { Login::Password }
        }
    }
}

/// A value behind a name, and what is said of it.
pub(super) struct Field<'a> {
    text: &'a str,
    /// Where the sign stands.
    at: usize,
    /// What stands before the sign, without what quotes it.
    name: &'a str,
    /// What stands behind it, without what quotes it.
    pub value: &'a str,
    /// Where the value ends.
    pub end: usize,
    quoted: bool,
}

impl<'a> Field<'a> {
    /// The one behind a `=` or `:` of some bytes.
    fn at(text: &'a str, at: usize, width: usize) -> Self {
        let before = text.get(floor(text, at.saturating_sub(NAME_BYTES))..at).unwrap_or("");
        Self::of(text, before, (at, width), |_| false)
    }

    /// The one that is named by a text, and whose value stands behind a sign of some bytes up to what ends
    /// every value, or to what ends this one.
    pub(super) fn of(
        text: &'a str,
        named: &'a str,
        (at, width): (usize, usize),
        also: fn(char) -> bool,
    ) -> Self {
        let name = named.trim_end_matches([' ', '"', '\'', '\\', ':', '*', '`', ']']);
        let from = at + width;
        let behind = text.get(from..floor(text, from + STRING_BYTES)).unwrap_or("");
        let behind = behind.strip_prefix(['>', '=']).unwrap_or(behind);
        let rest = behind.trim_start_matches([' ', '"', '\'', '\\', '`', '*', '\u{3000}']);
        let quotes = behind.get(..behind.len() - rest.len()).unwrap_or("");
        let quoted = quotes.contains(['"', '\'']);
        let ends = |c: char| {
            c.is_whitespace()
                || matches!(
                    c,
                    ';' | '"' | '\'' | '&' | ',' | '\\' | '`' | '，' | '。' | '；' | '」' | '、'
                )
                || also(c)
        };
        let value = rest.get(..rest.find(ends).unwrap_or(rest.len())).unwrap_or("");
        let end = floor(text, from + STRING_BYTES) - rest.len() + value.len();
        Self { text, at, name, value, end, quoted }
    }

    /// Whether the value is a secret by its name.
    pub(super) fn secret(&self) -> bool {
        match said(self.name) {
            Some(Named::Password) => self.password() || self.digits(),
            Some(Named::Likely) => self.password() && !numbered(self.value),
            Some(Named::Key) => self.key(),
            Some(Named::Loose) => self.key() && chance(self.value),
            None => self.signed(),
        }
    }

    /// Whether the value signs the query of a URL that lets in whoever has it: Azure's and AWS's.
    fn signed(&self) -> bool {
        let drawn = |least: usize| self.value.len() >= least && mixed(self.value);
        let near = || {
            let head =
                self.text.get(floor(self.text, self.at.saturating_sub(STRING_BYTES))..self.at);
            let tail = self.text.get(self.end..floor(self.text, self.end + STRING_BYTES));
            [head, tail].iter().flatten().any(|it| it.contains("sv="))
        };
        if begin(self.name, "xamzsignature").is_some() {
            return self.value.len() == SIGNED_MIN && drawn(SIGNED_MIN);
        }
        self.name.ends_with("sig") && drawn(SHARED_MIN) && near()
    }

    /// Whether the value is one that is written out, and stands for no other.
    fn written(&self) -> bool {
        !stands(self.value) && (self.quoted || !computed(self.value))
    }

    /// Whether the value is a password: what stands around it says so, or the value looks like one.
    fn password(&self) -> bool {
        self.value.len() >= PASSWORD_MIN
            && self.written()
            && (drawn(self.value) || self.set() || self.connects())
    }

    /// Whether the value is of digits alone, and enough for a password.
    fn digits(&self) -> bool {
        self.value.len() >= DIGITS_MIN
            && self.value.bytes().all(|b| b.is_ascii_digit())
            && !stands(self.value)
    }

    /// Whether this is a line of settings: a name in capitals, and a value right behind it.
    fn set(&self) -> bool {
        let capitals = self.name.bytes().rev().take(4).all(|b| b.is_ascii_uppercase());
        let tight = self.text.get(self.at..).is_some_and(|it| it.as_bytes().get(1) != Some(&b' '));
        let equals = self.text.as_bytes().get(self.at) == Some(&b'=');
        let alone = tight && equals || self.lined();
        let low = self.name.rsplit(|c: char| !c.is_ascii_uppercase() && c != '_').next();
        let several = low.is_some_and(|it| it.contains('_'));
        capitals && several && alone
    }

    /// Whether the value is one word behind a colon that goes on to the end of the line, or of its quotes.
    fn lined(&self) -> bool {
        let colon = self.text.as_bytes().get(self.at) == Some(&b':');
        let rest = self.text.get(self.end..).unwrap_or("").as_bytes();
        let ends = match rest {
            [] | [b'\n' | b'\r', ..] => true,
            [b'\\', b'n' | b'"', ..] => true,
            [b'"' | b'\'', ..] => self.quoted,
            [b' ', b'#', ..] => true,
            _ => false,
        };
        let plain = self.value.bytes().all(|b| b.is_ascii_graphic());
        colon && ends && plain
    }

    /// Whether the other fields of a connection string stand beside it, or the query of a URL is around it.
    fn connects(&self) -> bool {
        let (text, at) = (self.text, self.at);
        let head = text.get(floor(text, at.saturating_sub(STRING_BYTES))..at).unwrap_or("");
        let tail = text.get(at..floor(text, at + STRING_BYTES)).unwrap_or("");
        let other = |part: &str| SERVERS.iter().any(|field| holds(part, field));
        let word = head.rsplit(char::is_whitespace).next().unwrap_or("");
        let query = word.split_once("://").is_some_and(|(_, rest)| rest.contains(['?', ';']));
        query || head.contains(';') && other(head) || tail.contains(';') && other(tail)
    }

    /// Whether the value is a long key.
    fn key(&self) -> bool {
        let value = self.value;
        value.len() >= NAMED_MIN
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=_-.~".contains(&b))
            && value.bytes().any(|b| b.is_ascii_digit())
            && mixed(value)
            && self.written()
    }

    /// Where the credentials of a header of HTTP end: `Authorization: Bearer …`, `Basic …`.
    fn header(&self) -> Option<usize> {
        begin(self.name, "authorization")?;
        let rest = self.text.get(self.end..floor(self.text, self.end + STRING_BYTES))?;
        let value = rest.trim_start_matches(' ');
        let of_token = |b: &u8| b.is_ascii_alphanumeric() || b"+/=_-.~".contains(b);
        let length = value.bytes().take_while(of_token).count();
        let token = value.get(..length)?;
        let plain = !stands(token) && mixed(token);
        let is = |it: &str, names: &[&str]| names.iter().any(|name| it.eq_ignore_ascii_case(name));
        let secret = match self.value {
            it if is(it, &["basic"]) => length >= BASIC_MIN && plain,
            // An identifier in groups of hex is drawn as well, and is none.
            it if is(it, &["bearer", "token", "apikey"]) => {
                length >= NAMED_MIN && plain && longest(token).len() >= 16
            }
            _ => false,
        };
        secret.then_some(self.end + rest.len() - value.len() + length)
    }
}

/// Where the value behind a `=` or `:` of some bytes ends, if it is a secret by its name: a password, a long
/// key, a header's credentials.
pub(super) fn named(text: &str, at: usize, width: usize) -> Option<usize> {
    let field = Field::at(text, at, width);
    if field.secret() { Some(field.end) } else { field.header() }
}

/// Whether a text holds a name, in capitals or not.
fn holds(text: &str, name: &str) -> bool {
    let mut places = text.as_bytes().windows(name.len());
    places.any(|it| it.eq_ignore_ascii_case(name.as_bytes()))
}
