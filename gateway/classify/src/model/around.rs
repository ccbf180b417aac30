//! The words around an English `translate`: who borrows the word asks in the language of the others.

use crate::Language;

/// What Malay and Indonesian say both, and what one of them says.
const BOTH: &[&str] =
    &["tolong", "saya", "aku", "ini", "ke", "dalam", "yang", "untuk", "surat", "pesan"];
const MALAY: &[&str] =
    &["nak", "ni", "boleh", "awak", "cuba", "sila", "ayat", "emel", "macam", "mana"];
const INDONESIAN: &[&str] =
    &["dong", "bisa", "kamu", "minta", "coba", "nih", "mohon", "kalimat", "aja"];
const TAGALOG: &[&str] = &[
    "mo", "nga", "po", "naman", "yung", "ito", "itong", "niyo", "ninyo", "paki", "pwede", "natin",
    "lang", "mga", "ng", "ang",
];
const HINDI: &[&str] = &[
    "karo", "kardo", "kar", "karna", "karke", "kijiye", "kariye", "kro", "krdo", "isko", "ise",
    "iska", "yeh", "zara", "bhai", "yaar", "mein", "mujhe", "dena", "dijiye", "hai",
];
/// Words of an English request: it may quote one of the others.
const ENGLISH: &[&str] = &[
    "the",
    "this",
    "these",
    "following",
    "word",
    "sentence",
    "phrase",
    "text",
    "please",
    "you",
    "my",
    "of",
    "from",
    "meaning",
];

/// The language of the words around `translate`, where it is none but English that they are not of; what
/// is to be translated tells Malay from Indonesian.
#[must_use]
pub(super) fn language(lead: &str, material: Language) -> Option<Language> {
    let between = |c: char| !c.is_alphanumeric() && c != '\'';
    let count = |list: &[&str]| {
        // A capital amid a line is a name's.
        let listed = |(at, word): (usize, &str)| {
            let same =
                |it: &&&str| if at == 0 { it.eq_ignore_ascii_case(word) } else { **it == word };
            list.iter().any(|it| same(&it))
        };
        lead.split(between).enumerate().filter(|it| listed(*it)).count()
    };
    let (malay, indonesian) = (count(MALAY), count(INDONESIAN));
    let close = match material {
        Language::Ms | Language::Id if malay == indonesian => material,
        _ if indonesian > malay => Language::Id,
        _ => Language::Ms,
    };
    let said = [
        (close, count(BOTH) + malay + indonesian),
        (Language::Tl, count(TAGALOG)),
        (Language::Hi, count(HINDI)),
    ];
    let (language, most) = said.into_iter().max_by_key(|(_, words)| *words)?;
    (most > 0 && most >= count(ENGLISH)).then_some(language)
}
