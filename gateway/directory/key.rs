//! New keys, and how the configuration states one.

use super::pepper::{Pepper, hex};

/// What keys begin with, so that scanners for leaked secrets know them.
const KEY_PREFIX: &str = "sk-sb-";

/// A new key from 32 random bytes.
#[must_use]
pub(crate) fn new_key(random: [u8; 32]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut key = String::from(KEY_PREFIX);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in random {
        held = held << 8 | u32::from(byte);
        bits += 8;
        while bits >= 6 {
            bits -= 6;
            let at = (held >> bits) & 63;
            key.push(ALPHABET.get(at as usize).copied().map_or('A', char::from));
        }
        held &= (1 << bits) - 1;
    }
    let last = (held << (6 - bits)) & 63;
    key.push(ALPHABET.get(last as usize).copied().map_or('A', char::from));
    key
}

/// How the configuration states a key: its keyed hash.
pub(crate) fn hash_line(pepper: &[u8], key: &str) -> String {
    hash_line_of(&Pepper::new(pepper), key)
}

/// The same with a pepper that is ready to hash.
pub(super) fn hash_line_of(pepper: &Pepper, key: &str) -> String {
    format!("hmac-sha256:{}", hex(&pepper.digest(key.as_bytes())))
}
