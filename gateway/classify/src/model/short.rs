//! The floor of evidence: what one or two words are worth.
//!
//! One or two words of the kind that people use in any language, or that the model is not sure of, say
//! neither language nor task: the turns before do. Alone they are `und`, or English where they are
//! English.

use super::{
    asked::{Asked, latin},
    hash::fold,
    script::{self, Script},
};
use crate::Language;

/// More words speak for themselves.
const WORDS_MAX: usize = 2;
/// A longer turn speaks for itself.
const BYTES_MAX: usize = 48;
/// The same, of one that begins in Han.
const HAN_BYTES_MAX: usize = 27;
/// So sure must one or two words be in a talk of another language: in the talk's script, and in Latin
/// letters in a talk of another script, where names and brands are Latin.
const SURE: f32 = 0.85;
const SURE_LATIN: f32 = 0.95;
/// So sure must they be where nothing was said before.
const SURE_ALONE: f32 = 0.3;
/// English is what such a word most likely is from here on.
const SURE_ENGLISH: f32 = 0.5;

/// Capitals up to so many are a sign of the exchange, an abbreviation, or said aloud.
const CAPITALS_MAX: usize = 5;
/// So many letters from a to f are a number.
const HEX_MIN: usize = 8;

/// What people say in any language; folded. Two of them say no more than one.
const ANYWHERE: [&str; 147] = [
    "ok",
    "okay",
    "okey",
    "oke",
    "okie",
    "k",
    "kk",
    "okok",
    "okk",
    "yes",
    "yeah",
    "yep",
    "yup",
    "ya",
    "yah",
    "y",
    "no",
    "nope",
    "nah",
    "n",
    "bye",
    "goodbye",
    "byebye",
    "bye-bye",
    "hi",
    "hello",
    "hey",
    "halo",
    "hallo",
    "thanks",
    "thank",
    "you",
    "thx",
    "ty",
    "tq",
    "tks",
    "sure",
    "great",
    "good",
    "nice",
    "cool",
    "fine",
    "perfect",
    "super",
    "wow",
    "lol",
    "haha",
    "hahaha",
    "hehe",
    "hm",
    "hmm",
    "hmmm",
    "um",
    "uh",
    "ah",
    "oh",
    "eh",
    "please",
    "pls",
    "plz",
    "stop",
    "go",
    "on",
    "start",
    "next",
    "back",
    "more",
    "again",
    "continue",
    "cancel",
    "done",
    "right",
    "correct",
    "exactly",
    "agreed",
    "agree",
    "help",
    "test",
    "testing",
    "demo",
    "info",
    "menu",
    "home",
    "reset",
    "retry",
    "exit",
    "quit",
    "end",
    "skip",
    "sorry",
    "welcome",
    "si",
    "sí",
    "sì",
    "ja",
    "da",
    "la",
    "lah",
    "ne",
    "non",
    "bravo",
    "ciao",
    "amen",
    "top",
    "bot",
    "email",
    "chat",
    "hotel",
    "taxi",
    "a",
    "b",
    "c",
    "d",
    "e",
    "got",
    "it",
    "noted",
    "keep",
    "going",
    "see",
    "i",
    "tnx",
    "thnx",
    "thanku",
    "u",
    "morning",
    "night",
    "alright",
    "wait",
    "roger",
    "understood",
    "yea",
    "the",
    "first",
    "second",
    "third",
    "is",
    "option",
    "one",
    "two",
    "np",
    "lgtm",
    "ahead",
    "true",
    "false",
    "all",
    "null",
];
/// The same in Han: any of the languages that write in it, and nothing of their own.
const ANYWHERE_HAN: [&str; 22] = [
    "好",
    "好的",
    "是",
    "是的",
    "对",
    "對",
    "嗯",
    "行",
    "不",
    "不是",
    "否",
    "可以",
    "继续",
    "繼續",
    "没有",
    "沒有",
    "有",
    "謝謝",
    "谢谢",
    "再見",
    "再见",
    "下一步",
];

/// What makes a turn too little to go by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Doubt {
    /// There is no word in it.
    Nothing,
    /// It is said in any language.
    Anywhere,
    /// It is short, and the model is not sure.
    Unsure(Option<Script>),
}

/// Why a turn, read as this language, does not speak for itself; `None` if it does.
#[must_use]
pub fn doubt(turn: &str, read: (Language, f32)) -> Option<Doubt> {
    if read.0 == Language::Und {
        return Some(Doubt::Nothing);
    }
    let turn = turn.trim();
    // Most turns are longer: nothing else is looked at.
    if turn.len() > BYTES_MAX {
        return None;
    }
    // A sentence in Han is longer than any of the words.
    if turn.len() > HAN_BYTES_MAX && turn.chars().next().map(script::of) == Some(Script::Han) {
        return None;
    }
    let parts = |c: char| {
        c.is_whitespace() || matches!(c, ',' | '，' | '/' | '、' | '.' | '!' | '?' | '。' | '！')
    };
    if !turn.chars().any(|c| c.is_alphabetic() && !counts(c)) && turn.contains(char::is_numeric) {
        return Some(Doubt::Nothing);
    }
    // A number with letters is none; where no space parts words, a number stands right beside them.
    let plain = |c: char| c.is_ascii() || !c.is_alphabetic();
    let numbered = |word: &str| word.bytes().any(|b| b.is_ascii_digit()) && word.chars().all(plain);
    let is_word = |word: &&str| word.chars().any(char::is_alphabetic) && !numbered(word);
    let words = turn.split(parts).map(bare).filter(is_word);
    let (count, plain) =
        words.fold((0, true), |(count, plain), word| (count + 1, plain && anywhere(word)));
    if count > WORDS_MAX {
        return None;
    }
    if plain {
        return Some(Doubt::Anywhere);
    }
    let script = turn.chars().map(script::of).find(|it| *it != Script::None);
    // Where no space parts words, two characters are about one.
    if script == Some(Script::Han) && turn.chars().nth(2 * WORDS_MAX).is_some() {
        return None;
    }
    let modelled = !matches!(script, Some(Script::Sole(_) | Script::Kana));
    let close = matches!(
        read.0,
        Language::Ms | Language::Id | Language::Ja | Language::Yue | Language::ZhHant
    );
    (modelled && (close || read.1 < SURE_LATIN)).then_some(Doubt::Unsure(script))
}

/// Whether a Han character says of a number what it counts: a date's, a moment's, an amount's.
fn counts(c: char) -> bool {
    matches!(c, '年' | '月' | '日' | '時' | '时' | '分' | '秒' | '元' | '円' | '号' | '號')
}

/// Languages that share their everyday words: one or two of them do not tell which it is.
fn siblings(one: Language, other: Language) -> bool {
    use Language::{Id, Ja, Ms, Yue, ZhHant};
    matches!((one, other), (Ms, Id) | (Id, Ms))
        || matches!((one, other), (Yue | ZhHant | Ja, Yue | ZhHant | Ja))
}

/// A word without the marks around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

fn anywhere(word: &str) -> bool {
    let capitals = word.len() <= CAPITALS_MAX && word.bytes().all(|b| b.is_ascii_uppercase());
    if capitals || is_letter(word) || is_hex(word) {
        return true;
    }
    // `yesss`, `okkk`, `noooo`.
    let drawn = word.chars().next_back().map_or(word, |last| {
        let bare = word.trim_end_matches(last);
        word.get(..bare.len() + last.len_utf8()).unwrap_or(word)
    });
    listed(word) || drawn.len() < word.len() && listed(drawn)
}

/// A letter alone that is no syllable.
fn is_letter(word: &str) -> bool {
    let mut chars = word.chars();
    let first = chars.next().map(script::of);
    chars.next().is_none() && matches!(first, Some(Script::Latin | Script::Cyrillic))
}

/// Letters that are digits.
fn is_hex(word: &str) -> bool {
    word.len() >= HEX_MIN && word.bytes().all(|b| matches!(b, b'a'..=b'f' | b'A'..=b'F'))
}

fn listed(word: &str) -> bool {
    let same = |known: &&&str| {
        let mut chars = word.chars().map(fold);
        known.chars().all(|wanted| chars.next() == Some(wanted)) && chars.next().is_none()
    };
    let known = |list: &[&str]| list.iter().filter(|it| it.len() == word.len()).any(|it| same(&it));
    if word.is_ascii() || word.starts_with(['s', 'S']) {
        known(&ANYWHERE)
    } else {
        known(&ANYWHERE_HAN)
    }
}

impl Doubt {
    /// Whether such a turn, read like this, speaks for a later one all the same.
    #[must_use]
    pub fn speaks(self, turn: &Asked<'_>) -> bool {
        matches!(self, Self::Unsure(_)) && turn.language.1 >= SURE_LATIN
    }

    /// Whether a turn takes the language of the talk before it.
    #[must_use]
    pub fn gives_way(self, turn: &Asked<'_>, talk: &Asked<'_>) -> bool {
        use Language::{Ar, Fa, Hi, Ja, Mr, Ru, Uk, Ur, Yue, ZhHans, ZhHant};
        let Self::Unsure(script) = self else { return true };
        let talk = talk.language.0;
        let sure = turn.language.1;
        if sure >= SURE_LATIN || siblings(talk, turn.language.0) {
            return siblings(talk, turn.language.0);
        }
        match script {
            Some(Script::Latin)
                if matches!(talk, Ar | Fa | Ja | Mr | Ru | Uk | Ur | Yue | ZhHans | ZhHant) =>
            {
                true
            }
            Some(Script::Cyrillic) => matches!(talk, Ru | Uk) && sure < SURE,
            Some(Script::Arabic) => matches!(talk, Ar | Fa | Ur) && sure < SURE,
            Some(Script::Devanagari) => matches!(talk, Hi | Mr) && sure < SURE,
            Some(Script::Han) => matches!(talk, Ja | Yue | ZhHans | ZhHant) && sure < SURE,
            _ => sure < SURE || !latin(talk),
        }
    }

    /// What such a turn is where nothing was said before it.
    #[must_use]
    pub fn alone(self, turn: Asked<'_>) -> Asked<'_> {
        let (language, sure) = turn.language;
        let known = match self {
            Self::Nothing => false,
            Self::Anywhere => {
                matches!(language, Language::Yue | Language::ZhHans | Language::ZhHant)
                    || language == Language::En && sure >= SURE_ENGLISH
            }
            Self::Unsure(_) => sure >= SURE_ALONE,
        };
        if known { turn } else { turn.unknown() }
    }
}
