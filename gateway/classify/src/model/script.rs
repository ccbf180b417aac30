//! Scripts: what a character alone tells.

use std::str::Chars;

use crate::Language;

/// The scripts that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Script {
    /// Many languages: the linear model decides.
    Latin,
    /// Russian or Ukrainian.
    Cyrillic,
    /// Arabic, Persian or Urdu.
    Arabic,
    /// Hindi or Marathi.
    Devanagari,
    /// Chinese, or Japanese without kana.
    Han,
    /// Hiragana and katakana.
    Kana,
    /// One script, one language.
    Sole(Language),
    /// Digits, marks, emoji: tells nothing.
    None,
}

/// Characters below this have a place in the table.
const TABLE: usize = 0x3100;

/// The scripts of the first characters: one look-up costs the same for every language.
static SCRIPTS: [Script; TABLE] = scripts();

#[allow(clippy::indexing_slicing, reason = "a constant: a slip stops the compiler")]
const fn scripts() -> [Script; TABLE] {
    let mut scripts = [Script::None; TABLE];
    let mut at = 0;
    while at < TABLE {
        if let Some(c) = char::from_u32(at as u32) {
            scripts[at] = by_range(c);
        }
        at += 1;
    }
    scripts
}

/// The script of a character.
#[inline]
#[must_use]
pub fn of(c: char) -> Script {
    match SCRIPTS.get(c as usize) {
        Some(script) => *script,
        None if ('\u{4E00}'..='\u{9FFF}').contains(&c) => Script::Han,
        None => by_range(c),
    }
}

/// Passes over the characters right behind one that are of its script for certain, and counts them: those
/// that share its block of 128, of scripts that have all of theirs. What is asked is two bytes of each, and
/// no table.
pub fn pass(c: char, chars: &mut Chars<'_>) -> u32 {
    let mut bytes = [0; 4];
    let [lead, second, _] = *c.encode_utf8(&mut bytes).as_bytes() else { return 0 };
    let first = c as u32 & !0x7F;
    let same = |at: u32| char::from_u32(at).map(of) == Some(of(c));
    if !same(first) || !same(first | 0x7F) {
        return 0;
    }
    let rest = chars.as_str();
    let (threes, _) = rest.as_bytes().as_chunks::<3>();
    let shared = |it: &&[u8; 3]| it[0] == lead && it[1] | 1 == second | 1;
    let count = threes.iter().take_while(shared).count();
    *chars = rest.get(3 * count..).unwrap_or_default().chars();
    count as u32
}

const fn by_range(c: char) -> Script {
    match c {
        'a'..='z' | 'A'..='Z' => Script::Latin,
        '\0'..='\u{BF}' | '\u{D7}' | '\u{F7}' => Script::None,
        '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => Script::Latin,
        '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => Script::Sole(Language::El),
        '\u{400}'..='\u{52F}' => Script::Cyrillic,
        '\u{590}'..='\u{5FF}' => Script::Sole(Language::He),
        '\u{600}'..='\u{6FF}' | '\u{750}'..='\u{77F}' | '\u{FB50}'..='\u{FEFC}' => Script::Arabic,
        '\u{900}'..='\u{97F}' => Script::Devanagari,
        '\u{980}'..='\u{9FF}' => Script::Sole(Language::Bn),
        '\u{A00}'..='\u{A7F}' => Script::Sole(Language::Pa),
        '\u{A80}'..='\u{AFF}' => Script::Sole(Language::Gu),
        '\u{B80}'..='\u{BFF}' => Script::Sole(Language::Ta),
        '\u{C00}'..='\u{C7F}' => Script::Sole(Language::Te),
        '\u{D00}'..='\u{D7F}' => Script::Sole(Language::Ml),
        '\u{E00}'..='\u{E7F}' => Script::Sole(Language::Th),
        '\u{E80}'..='\u{EFF}' => Script::Sole(Language::Lo),
        '\u{1000}'..='\u{109F}' | '\u{AA60}'..='\u{AA7F}' => Script::Sole(Language::My),
        '\u{1780}'..='\u{17FF}' => Script::Sole(Language::Km),
        '\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}' | '\u{AC00}'..='\u{D7A3}' => {
            Script::Sole(Language::Ko)
        }
        '\u{3041}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}' | '\u{FF66}'..='\u{FF9D}' => Script::Kana,
        '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{20000}'..='\u{2FA1F}' => {
            Script::Han
        }
        _ => Script::None,
    }
}

/// How much a letter of this script weighs against a Latin one: a Han character says about as much as
/// a short word.
#[must_use]
pub fn weight(script: Script) -> u32 {
    match script {
        Script::Han => 4,
        Script::Kana | Script::Sole(Language::Ko) => 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_a_block_with_a_character_is_of_its_script() {
        for c in ('\u{800}'..='\u{FFFF}').filter(|c| matches!(of(*c), Script::Sole(_))) {
            let first = c as u32 & !0x7F;
            let block: String = (first..first + 0x80).filter_map(char::from_u32).collect();
            let passed = if block.chars().all(|it| of(it) == of(c)) { 128 } else { 0 };
            let mixed = format!("{block}{c}a{c}");
            let mut chars = mixed.chars();
            assert_eq!(pass(c, &mut chars), passed + u32::from(passed > 0), "{c:?}");
            assert_eq!(chars.as_str().starts_with('a'), passed > 0, "{c:?}");
        }
    }
}
