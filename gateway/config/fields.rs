//! Leaves that stand in many sections: numbers with bounds, durations, addresses, secrets, money.

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use policies::{
    Fault, counted,
    document::{Faults, Section, kind},
    facts::{DataClass, Money},
};
use toml::Value;

use super::{Secret, outside::Outside};

/// Bytes of a mebibyte.
pub(super) const MIB: u64 = 1024 * 1024;

/// A number of bytes or of things, as this machine counts them.
pub(super) fn bytes(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// What stands under a key, or what stands in for it.
pub(super) fn number(
    section: &mut Section<'_>,
    key: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
    faults: &mut Faults,
) -> u64 {
    optional_number(section, key, range, faults).unwrap_or(default)
}

pub(super) fn optional_number(
    section: &mut Section<'_>,
    key: &'static str,
    range: RangeInclusive<u64>,
    faults: &mut Faults,
) -> Option<u64> {
    section.get(key)?;
    let expected = format!("a whole number from {} to {}", range.start(), range.end());
    section.read(key, &expected, faults, |value| {
        u64::try_from(value.as_integer()?).ok().filter(|number| range.contains(number))
    })
}

/// A day is longer than anything here may take.
const MS_MAX: u64 = 86_400_000;

pub(super) fn millis(
    section: &mut Section<'_>,
    key: &'static str,
    default: u64,
    faults: &mut Faults,
) -> Duration {
    Duration::from_millis(number(section, key, default, 1..=MS_MAX, faults))
}

/// The same where none at all is a choice.
pub(super) fn millis_or_none(
    section: &mut Section<'_>,
    key: &'static str,
    default: u64,
    faults: &mut Faults,
) -> Duration {
    Duration::from_millis(number(section, key, default, 0..=MS_MAX, faults))
}

pub(super) fn address(
    section: &mut Section<'_>,
    key: &'static str,
    default: SocketAddr,
    faults: &mut Faults,
) -> SocketAddr {
    let expected = "an address and a port, such as \"127.0.0.1:8080\"";
    section.read(key, expected, faults, |it| it.as_str()?.parse().ok()).unwrap_or(default)
}

/// A host by itself: no scheme, port, path or wildcard.
pub(super) fn is_host(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
    !text.is_empty() && text.len() <= 253 && text.bytes().all(fits)
}

/// One of a few words; the default where it stands not.
pub(super) fn word<T: Copy>(
    section: &mut Section<'_>,
    key: &'static str,
    words: &[(&'static str, T)],
    default: T,
    faults: &mut Faults,
) -> T {
    let known = words.iter().map(|(word, _)| *word);
    let Some(found) = section.text(key, faults) else { return default };
    match words.iter().find(|(word, _)| *word == found) {
        Some((_, value)) => *value,
        None => {
            faults.push_unknown(section.at(key), found, "a known word", known);
            default
        }
    }
}

pub(super) fn data_class(
    section: &mut Section<'_>,
    key: &'static str,
    faults: &mut Faults,
) -> Option<DataClass> {
    let text = section.text(key, faults)?;
    let class = DataClass::from_code(text);
    if class.is_none() {
        let known = DataClass::ALL.iter().map(|it| it.code());
        faults.push_unknown(section.at(key), text, "a data class", known);
    }
    class
}

/// A secret by reference.
pub(super) fn secret(
    section: &mut Section<'_>,
    key: &'static str,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Option<Secret> {
    let expected = "a secret by reference, `env:NAME` or `file:path`";
    let value = section.get(key)?;
    let Some(reference) = value.as_str() else {
        faults.push(Fault::new(section.at(key), "another kind of value", expected));
        return None;
    };
    match (outside.secret)(reference) {
        Ok(value) => Some(Secret::new(value)),
        Err(found) => {
            let expected = match reference.strip_prefix("env:") {
                Some(name) => format!("the variable {name} in the environment of `signalbox`"),
                None if reference.starts_with("file:") => String::from("a file with the secret"),
                None => String::from(
                    "where it is to be found, as `env:NAME` or `file:path`: write it there, and take it \
                     out of this file",
                ),
            };
            faults.push(Fault::new(section.at(key), found, expected));
            None
        }
    }
}

/// A secret that is sent or compared as a header: by reference, and of characters that can stand there.
pub(super) fn token(
    section: &mut Section<'_>,
    key: &'static str,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Option<Secret> {
    let secret = secret(section, key, outside, faults)?;
    // What an editor put at the beginning of its file is no part of it.
    let secret = secret.expose().strip_prefix('\u{feff}').map(Secret::new).unwrap_or(secret);
    if secret.expose().bytes().all(|b| b.is_ascii_graphic()) {
        return Some(secret);
    }
    let expected = "a secret of visible ASCII characters without spaces";
    faults.push(Fault::new(section.at(key), "other characters", expected));
    None
}

/// A secret that lets somebody in has at least so many characters: a shorter one can be guessed.
const OWN_TOKEN_BYTES_MIN: usize = 20;

/// A secret by which callers or operators are let in. The credential of a backend may be of any length:
/// its operator has chosen it.
pub(super) fn own_token(
    section: &mut Section<'_>,
    key: &'static str,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Option<Secret> {
    let secret = token(section, key, outside, faults)?;
    let length = secret.expose().len();
    if length >= OWN_TOKEN_BYTES_MIN {
        return Some(secret);
    }
    let found = format!("a secret of {}", counted(length, "character", "characters"));
    let expected = format!(
        "at least {OWN_TOKEN_BYTES_MIN} characters that nobody can guess, such as `signalbox key \
         create` makes"
    );
    faults.push(Fault::new(section.at(key), found, expected));
    None
}

/// Money under a key. A sign before it is told apart from what is no number.
pub(super) fn amount(
    section: &mut Section<'_>,
    key: &'static str,
    expected: &str,
    faults: &mut Faults,
) -> Option<Money> {
    let negative = match section.get(key)? {
        Value::String(text) => text.strip_prefix('-').is_some_and(|it| Money::parse(it).is_ok()),
        Value::Integer(number) => *number < 0,
        Value::Float(number) => *number < 0.0,
        _ => false,
    };
    let positive = format!("an amount that is not negative: {expected}");
    section.read(key, if negative { &positive } else { expected }, faults, money)
}

pub(super) fn money(value: &Value) -> Option<Money> {
    Money::parse(value.as_str()?).ok()
}

/// A list of texts.
pub(super) fn texts(
    section: &mut Section<'_>,
    key: &'static str,
    faults: &mut Faults,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, value) in section.list(key).unwrap_or_default() {
        match value.as_str() {
            Some(text) => found.push((path, text.to_owned())),
            None => faults.push(Fault::new(path, kind(value), "a text")),
        }
    }
    found
}

/// A list of texts that are what `expected` says.
pub(super) fn texts_of(
    section: &mut Section<'_>,
    key: &'static str,
    (expected, fits): (&str, fn(&str) -> bool),
    faults: &mut Faults,
) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in texts(section, key, faults) {
        if fits(&text) {
            found.push(text);
        } else {
            faults.push(Fault::new(path, format!("`{text}`"), expected));
        }
    }
    found
}

/// Keys of the contract that this version does not serve: said, not ignored.
pub(super) fn later(section: &mut Section<'_>, keys: &[&'static str], faults: &mut Faults) {
    for key in keys {
        if section.refuses(key) {
            let expected = "nothing: not supported by this version";
            faults.push(Fault::new(section.at(key), "a value", expected));
        }
    }
}

/// A path of the configuration, from the folder in which it stands.
pub(super) fn path_in(folder: &Path, path: &str) -> PathBuf {
    folder.join(path)
}
