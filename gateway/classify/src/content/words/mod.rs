//! The words beside a number that say what it is, in the languages of the bank's markets.
//!
//! They are in small letters. Those of ASCII stand for themselves, not as part of a longer word; a plural `s`
//! may follow.

mod amount;
mod identity;
mod money;
mod other;
mod phone;

use super::topic::Topic;

/// All words, with what each says.
pub(super) fn all() -> impl Iterator<Item = (Topic, &'static str)> {
    let lists = [money::MONEY, identity::IDENTITY, phone::PHONE, amount::AMOUNT, other::OTHER];
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
