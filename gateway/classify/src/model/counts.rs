//! The letters of a text by their scripts.

use smallvec::SmallVec;

use super::{
    han::Chinese,
    script::{self, Script},
};
use crate::Language;

/// Letters by script.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) latin: u32,
    pub(super) cyrillic: u32,
    pub(super) arabic: u32,
    pub(super) devanagari: u32,
    pub(super) kana: u32,
    pub(super) han: u32,
    pub(super) chinese: Chinese,
    pub(super) sole: SmallVec<[(Language, u32); 4]>,
}

impl Counts {
    /// Counts a character. True if the model must judge its word.
    pub(super) fn add(&mut self, c: char, script: Script) -> bool {
        match script {
            Script::Latin => self.latin += 1,
            Script::Cyrillic => self.cyrillic += 1,
            Script::Arabic => self.arabic += 1,
            Script::Devanagari => self.devanagari += 1,
            Script::Kana => self.kana += 1,
            Script::Han => {
                self.han += 1;
                self.chinese.add(c);
            }
            Script::Sole(language) => self.add_sole(language, 1),
            Script::None => {}
        }
        matches!(script, Script::Latin | Script::Cyrillic | Script::Arabic | Script::Devanagari)
    }

    /// Counts a text whose words are not wanted.
    pub(super) fn add_all(&mut self, text: &str) {
        if text.is_ascii() {
            self.latin += latin_letters(text.as_bytes());
            return;
        }
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let script = script::of(c);
            match script {
                Script::Sole(it) => self.add_sole(it, 1 + script::pass(c, &mut chars)),
                _ => _ = self.add(c, script),
            }
        }
    }

    pub(super) fn add_sole(&mut self, language: Language, letters: u32) {
        match self.sole.iter_mut().find(|(known, _)| *known == language) {
            Some((_, count)) => *count += letters,
            None => self.sole.push((language, letters)),
        }
    }

    /// Letters whose words the model must judge.
    pub(super) fn judged(&self) -> u32 {
        self.latin + self.cyrillic + self.arabic + self.devanagari
    }
}

/// The letters of ASCII: counted without a branch, so that many are asked at once.
fn latin_letters(text: &[u8]) -> u32 {
    let letter = |b: &u8| u8::from((b | 0x20).wrapping_sub(b'a') < 26);
    // No count of so few overflows.
    text.chunks(240).map(|some| u32::from(some.iter().map(letter).sum::<u8>())).sum()
}
