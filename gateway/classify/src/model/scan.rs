//! One pass over plain language: its letters by script, and its words.

use super::{
    counts::Counts,
    hash::fold,
    script::{self, Script},
    word::Word,
};

/// Counts letters by script, and hands out the words that the model must judge for as long as `each` wants
/// more.
pub(super) fn scan(stretch: &str, counts: &mut Counts, each: &mut impl FnMut(&[char]) -> bool) {
    let (mut word, mut at) = (Word::default(), 0);
    let bytes = stretch.as_bytes();
    while let Some(byte) = bytes.get(at).copied() {
        if byte.is_ascii() {
            let run = word.grow_ascii(bytes, at);
            counts.latin += run as u32;
            at += run;
            if run > 0 {
                continue;
            }
            at += 1;
            // An apostrophe or a hyphen between letters belongs to the word.
            if word.begun() && matches!(byte, b'\'' | b'-') {
                word.grow(char::from(byte));
            } else if !word.hand_out(each) {
                return counts.add_all(stretch.get(at..).unwrap_or_default());
            }
            continue;
        }
        let mut chars = stretch.get(at..).unwrap_or_default().chars();
        let Some(c) = chars.next() else { return };
        let wanted = beyond_ascii(c, &mut chars, counts, &mut word, each);
        at = stretch.len() - chars.as_str().len();
        if !wanted {
            return counts.add_all(chars.as_str());
        }
    }
    word.hand_out(each);
}

/// A character that is none of ASCII. False if no more words are wanted.
#[inline]
fn beyond_ascii(
    c: char,
    rest: &mut std::str::Chars<'_>,
    counts: &mut Counts,
    word: &mut Word,
    each: &mut impl FnMut(&[char]) -> bool,
) -> bool {
    let script = script::of(c);
    if let Script::Sole(language) = script {
        counts.add_sole(language, 1 + script::pass(c, rest));
        return word.hand_out(each);
    }
    let judged = counts.add(c, script);
    // An apostrophe between letters belongs to the word, and so does a mark.
    let joint = !judged && word.begun() && (c == '’' || ('\u{300}'..='\u{36F}').contains(&c));
    if judged || joint {
        word.grow(fold(c));
        return true;
    }
    word.hand_out(each)
}
