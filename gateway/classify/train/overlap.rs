//! Our own material must be ours: no line of it may stand in a data set, trained on or not.

use std::collections::HashSet;

use crate::own::Own;

/// Tokens of a run that is compared.
const RUN: usize = 5;
/// The same where a token is a letter of an alphabet that is written without spaces: about two words.
const RUN_OF_LETTERS: usize = 10;

/// Scripts whose characters are tokens.
fn alone(c: char) -> bool {
    letter_alone(c)
        || matches!(c, '\u{4E00}'..='\u{9FFF}' | '\u{3040}'..='\u{30FF}' | '\u{AC00}'..='\u{D7A3}')
}

/// Thai and Lao, Burmese, Khmer.
fn letter_alone(c: char) -> bool {
    matches!(c, '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}')
}

/// Words, and characters of scripts without spaces.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = vec![String::new()];
    for c in text.chars().flat_map(char::to_lowercase) {
        match tokens.last_mut() {
            _ if alone(c) => tokens.extend([c.to_string(), String::new()]),
            Some(word) if c.is_alphanumeric() => word.push(c),
            _ => tokens.push(String::new()),
        }
    }
    tokens.retain(|token| !token.is_empty());
    tokens
}

/// Every run of a text; the gaps of our own lines part it.
pub fn runs(text: &str) -> Vec<Vec<String>> {
    let length = if text.chars().any(letter_alone) { RUN_OF_LETTERS } else { RUN };
    let of = |part| tokens(part).windows(length).map(<[String]>::to_vec).collect::<Vec<_>>();
    text.split(['{', '}']).flat_map(of).collect()
}

/// Our lines of which half of the runs or more also stand in texts of a data set. Of very short lines all of
/// them must: three words that ask for a summary are nobody's.
pub fn too_close<'a>(own: &'a [Own], texts: &[String]) -> Vec<&'a str> {
    let known: HashSet<Vec<String>> = texts.iter().flat_map(|text| runs(text)).collect();
    let close = |own: &&Own| {
        let runs = runs(own.text());
        let hits = runs.iter().filter(|run| known.contains(*run)).count();
        hits > 0 && hits * 2 >= runs.len() && (runs.len() >= 3 || hits == runs.len())
    };
    own.iter().filter(close).map(Own::text).collect()
}
