//! Our own material must be ours: no line of it may stand in a data set that figures are measured on.

use std::collections::HashSet;

use crate::data::{OWN, Own, TaskRow};

/// Words of a run; in scripts without spaces, characters.
const RUN: usize = 5;
/// So many characters of each text of a data set are compared.
const COMPARED_CHARS: usize = 600;

fn unspaced(c: char) -> bool {
    matches!(c, '\u{4E00}'..='\u{9FFF}' | '\u{3040}'..='\u{30FF}' | '\u{AC00}'..='\u{D7A3}')
}

/// Words, and characters of scripts without spaces.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = vec![String::new()];
    for c in text.chars().flat_map(char::to_lowercase) {
        match tokens.last_mut() {
            Some(word) if c.is_alphanumeric() && !unspaced(c) => word.push(c),
            _ if unspaced(c) => tokens.extend([c.to_string(), String::new()]),
            _ => tokens.push(String::new()),
        }
    }
    tokens.retain(|token| !token.is_empty());
    tokens
}

/// Our lines of which half of the runs or more also stand in a row of a data set. Of very short lines all of
/// them must: three words that ask for a summary are nobody's.
pub fn too_close<'a>(own: &'a [Own], rows: &[TaskRow]) -> Vec<&'a str> {
    let mut known: HashSet<Vec<String>> = HashSet::new();
    for row in rows.iter().filter(|row| row.source != OWN) {
        for text in row.turns.iter().chain([&row.system]) {
            let text: String = text.chars().take(COMPARED_CHARS).collect();
            known.extend(tokens(&text).windows(RUN).map(<[String]>::to_vec));
        }
    }
    let close = |own: &&Own| {
        let parts = own.text.split(['{', '}']);
        let runs: Vec<_> = parts
            .flat_map(|part| tokens(part).windows(RUN).map(<[String]>::to_vec).collect::<Vec<_>>())
            .collect();
        let hits = runs.iter().filter(|run| known.contains(*run)).count();
        hits > 0 && hits * 2 >= runs.len() && (runs.len() >= 3 || hits == runs.len())
    };
    own.iter().filter(close).map(|own| own.text.as_str()).collect()
}
