//! Malay and Indonesian words, by how often each language says them.

use std::collections::BTreeMap;

use classify::{
    Language,
    model::{
        close::{MOST, SIZE, UNIT, place},
        grams,
    },
};

use crate::rows::{LangRow, OWN, Role};

/// What a word's share is taken for where a list does not have it: below the least that is listed.
const UNLISTED: f32 = 0.04;

/// How many times a word must stand in our own sentences to weigh as much as the lists do.
const TRUST: f32 = 4.0;

/// What is known of a word: Indonesian first, then Malay.
struct Word {
    shares: [f32; 2],
    said: [f32; 2],
}

/// The table: of each word the log-odds of Indonesian, by its share in the word lists and by how often our
/// own sentences say it.
pub fn table(rows: &[LangRow]) -> Vec<u8> {
    let mut words: BTreeMap<Vec<char>, Word> = BTreeMap::new();
    let mut all = [0.0_f32; 2];
    for row in rows.iter().filter(|row| row.role == Role::Train) {
        let at = match row.language {
            Language::Id => 0,
            Language::Ms => 1,
            _ => continue,
        };
        let (listed, own) = (row.kind == "single_word", row.source == OWN);
        grams::modelled_words(&row.text, |word| {
            let fresh = Word { shares: [UNLISTED; 2], said: [0.0; 2] };
            if listed {
                words.entry(word.to_vec()).or_insert(fresh).shares[at] = row.share;
            } else if own {
                words.entry(word.to_vec()).or_insert(fresh).said[at] += 1.0;
                all[at] += 1.0;
            }
        });
    }
    let mut table = vec![0; SIZE];
    for (word, known) in words {
        let [indonesian, malay] = known.shares;
        let listed = indonesian / (indonesian + malay);
        // As if both languages had been given as many words of ours.
        let said = [known.said[0] * all[1] / all[0].max(1.0), known.said[1]];
        let odds = (said[0] + TRUST * listed) / (said[1] + TRUST * (1.0 - listed));
        let units = (odds.ln().clamp(-MOST, MOST) / UNIT).round() as i8;
        table[place(&word)] = units.cast_unsigned();
    }
    table
}
