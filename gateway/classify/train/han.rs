//! Which characters are simplified only and which traditional only: by the national character sets.
//! GB 2312 (1980) holds the characters of simplified writing, Big5 (1984) those of traditional.

use classify::model::han::{CANTONESE, COUNT, FIRST};
use encoding_rs::{BIG5, Encoding, GBK};

/// Two bits a character: 1 simplified only, 2 traditional only, 3 written Cantonese.
pub fn table() -> Vec<u8> {
    let mut table = vec![0; COUNT.div_ceil(4)];
    for at in 0..COUNT {
        let Some(c) = char::from_u32(FIRST + at as u32) else { continue };
        // Rows 0xB0 to 0xF7 and columns from 0xA1 of GBK are the characters of GB 2312.
        let simplified = two_bytes(GBK, c)
            .is_some_and(|[row, column]| (0xB0..=0xF7).contains(&row) && column >= 0xA1);
        // Rows 0xA4 to 0xF9 are Big5's own; the rest are extensions.
        let traditional = two_bytes(BIG5, c).is_some_and(|[row, _]| (0xA4..=0xF9).contains(&row));
        let bits = match (CANTONESE.contains(c), simplified, traditional) {
            (true, ..) => 3,
            (_, true, false) => 1,
            (_, false, true) => 2,
            _ => 0,
        };
        table[at / 4] |= bits << (at % 4 * 2);
    }
    table
}

fn two_bytes(encoding: &'static Encoding, c: char) -> Option<[u8; 2]> {
    let text = c.to_string();
    let (bytes, _, unmappable) = encoding.encode(&text);
    (!unmappable).then(|| <[u8; 2]>::try_from(bytes.as_ref()).ok()).flatten()
}
