//! The three ways of writing Chinese, told apart by their characters.

use super::{
    cantonese,
    script::{self, Script},
};
use crate::Language;

/// The first character of the table.
pub const FIRST: u32 = 0x4E00;
/// The characters of the table.
pub const COUNT: usize = 0x9FFF - 0x4E00 + 1;

/// What a character tells of how Chinese is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// Both ways.
    Both,
    /// Simplified only.
    Simplified,
    /// Traditional only.
    Traditional,
    /// Written Cantonese.
    Cantonese,
}

/// Two bits a character, made by the trainer.
static TABLE: &[u8] = include_bytes!("../../model/han.bin");

/// Characters that stand in written Cantonese and hardly anywhere else.
pub const CANTONESE: &str = "嘅咗喺唔冇哋啲嗰乜嘢佢嚟咁喇啩攞瞓諗嘥畀咩噉嗌冚咪噃嘞㗎嗱啱乸孭掟揼搵揾瞓郁睇仲喎囉囖咋啫嘈冧凹脷";
/// What one character tells.
#[must_use]
pub fn hand(c: char) -> Hand {
    let at = (c as u32).wrapping_sub(FIRST) as usize;
    let byte = TABLE.get(at / 4).copied().unwrap_or(0);
    match byte >> (at % 4 * 2) & 3 {
        1 => Hand::Simplified,
        2 => Hand::Traditional,
        3 => Hand::Cantonese,
        // The one of them that stands before the table.
        _ if c == '㗎' => Hand::Cantonese,
        _ => Hand::Both,
    }
}

/// A longer text of shared characters alone is hardly there, and has words enough.
const ALIKE_BYTES: usize = 90;

/// Whether every character of a short text is written in all the ways.
#[must_use]
pub fn alike(text: &str) -> bool {
    let both = |c| match script::of(c) {
        Script::Han => hand(c) == Hand::Both,
        script => script != Script::Kana,
    };
    text.len() <= ALIKE_BYTES && text.chars().all(both)
}

/// What was seen of a Chinese text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chinese {
    simplified: u32,
    traditional: u32,
    cantonese: u32,
    either: u32,
    all: u32,
}

impl Chinese {
    /// Counts a Han character.
    pub fn add(&mut self, c: char) {
        self.all += 1;
        match hand(c) {
            Hand::Simplified => self.simplified += 1,
            Hand::Traditional => self.traditional += 1,
            Hand::Cantonese if !cantonese::SHARED.contains(&c) => self.cantonese += 1,
            Hand::Cantonese | Hand::Both => {}
        }
    }

    /// Counts Cantonese words.
    pub fn words(&mut self, text: &str) {
        let (own, either) = cantonese::count(text);
        self.cantonese += own;
        self.either += either;
    }

    /// How many marks of Cantonese there are: what Mandarin uses too is one beside another.
    fn cantonese(&self) -> u32 {
        if self.cantonese > 0 { self.cantonese + self.either } else { 0 }
    }

    /// Whether the characters alone leave it open: few of them, or none that only one way has, and no mark
    /// of Cantonese.
    #[must_use]
    pub fn unsure(&self) -> bool {
        self.cantonese == 0
            && (self.all <= 6 || self.simplified.abs_diff(self.traditional) * 12 < self.all)
    }

    /// Whether the characters may be of this language: Japanese has its own mixture of both ways.
    #[must_use]
    pub fn allows(&self, language: Language) -> bool {
        match language {
            Language::Yue => self.cantonese > 0,
            Language::ZhHans => self.simplified > 0 || self.traditional == 0,
            Language::ZhHant => self.traditional > 0 || self.simplified == 0,
            Language::Ja => self.cantonese == 0,
            _ => false,
        }
    }

    /// How it is written, and how sure that is.
    #[must_use]
    pub fn variant(&self) -> (Language, f32) {
        // One marker in a sentence is enough; one in a long text may be a quotation.
        let cantonese = self.cantonese();
        if cantonese > 0 && cantonese * 40 >= self.all {
            let sure = if cantonese > 1 { 0.98 } else { 0.9 };
            return (Language::Yue, sure);
        }
        let (simplified, traditional) = (self.simplified as f32, self.traditional as f32);
        let sure = |more: f32, less: f32| (more + 0.5) / (more + less + 0.6);
        match simplified.total_cmp(&traditional) {
            std::cmp::Ordering::Greater => (Language::ZhHans, sure(simplified, traditional)),
            std::cmp::Ordering::Less => (Language::ZhHant, sure(traditional, simplified)),
            std::cmp::Ordering::Equal => (Language::ZhHans, 0.6),
        }
    }
}
