//! How many tokens a text is taken to have, when nobody has told.

/// What was seen of texts: enough for an estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    ascii: usize,
    wide: usize,
}

/// Bytes that are counted one by one for each text; longer ones are measured by samples.
const COUNTED_MAX: usize = 64 * 1024;

impl Tally {
    /// Counts the raw bytes of a text.
    pub(super) fn add(&mut self, raw: &[u8], escaped: bool) {
        let (mut ascii, mut wide) = if raw.len() <= COUNTED_MAX {
            count(raw)
        } else {
            // Three samples stand for the whole.
            let part = COUNTED_MAX / 3;
            let starts = [0, (raw.len() - part) / 2, raw.len() - part];
            let samples = starts.iter().filter_map(|from| raw.get(*from..from + part));
            let (ascii, wide) = samples.map(count).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
            (scale(ascii, raw.len(), part * 3), scale(wide, raw.len(), part * 3))
        };
        if escaped {
            // `\u1234` is six bytes and one character.
            let units = memchr::memmem::find_iter(raw, b"\\u").count();
            ascii = ascii.saturating_sub(units * 6);
            wide += units;
        }
        self.ascii += ascii;
        self.wide += wide;
    }

    /// Adds bytes of JSON, as of tool definitions.
    pub(super) fn add_json(&mut self, bytes: usize) {
        self.ascii += bytes;
    }

    /// About four ASCII characters to a token, and three tokens to four others: what byte-pair
    /// vocabularies of today's open models do with European text and with Asian scripts on the whole
    /// (Chinese a little fewer, Burmese and Khmer more). Meant for routing and limits, never for money.
    pub(super) fn tokens(self) -> usize {
        self.ascii.div_ceil(4) + (self.wide * 3).div_ceil(4)
    }
}

fn scale(part: usize, whole: usize, sampled: usize) -> usize {
    part.saturating_mul(whole) / sampled.max(1)
}

/// ASCII bytes, and characters beyond ASCII (by their first bytes).
fn count(raw: &[u8]) -> (usize, usize) {
    let ascii = raw.iter().filter(|b| b.is_ascii()).count();
    let wide = raw.iter().filter(|b| **b >= 0xC0).count();
    (ascii, wide)
}
