//! The words beside a number that say what it is, in the languages of the bank's markets.
//!
//! They are in small letters. Those of ASCII stand for themselves, not as part of a longer word; a plural `s`
//! may follow.

mod amount;
mod fields;
mod identity;
mod money;
mod other;
mod phone;

use std::borrow::Cow;

use super::topic::Topic;

/// All words, with what each says. Those of several words of ASCII are names of fields as well: `soTaiKhoan`,
/// `taxcode`.
pub(super) fn all() -> impl Iterator<Item = (Topic, Cow<'static, str>)> {
    let words = listed().map(|(topic, word)| (topic, Cow::Borrowed(word)));
    let joins = |word: &str| word.is_ascii() && word.contains(' ') && !word.contains(['.', '-']);
    let names = listed().filter(move |(_, word)| joins(word));
    words.chain(names.map(|(topic, word)| (topic, Cow::Owned(word.replace(' ', "")))))
}

fn listed() -> impl Iterator<Item = (Topic, &'static str)> {
    let (money, identity) = (money::MONEY, identity::IDENTITY);
    let lists = [money, identity, phone::PHONE, amount::AMOUNT, other::OTHER, fields::FIELDS];
    lists.into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_are_small_and_without_what_cannot_be_seen() {
        for (topic, word) in super::all() {
            let plain = |c: char| !c.is_ascii_uppercase() && !matches!(c, '\u{200B}' | '\u{FEFF}');
            assert!(!word.is_empty() && word.chars().all(plain), "{topic:?} {word}");
        }
    }
}
