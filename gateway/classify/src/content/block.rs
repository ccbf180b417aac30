//! What the bytes of a text are, sixty-four at a time, as bits: most blocks begin nothing that is looked for,
//! and a few instructions for sixteen bytes tell that.

/// Bytes of a block: one bit each.
pub(super) const BLOCK: usize = 64;

const TOKEN: u8 = 1;
const DIGIT: u8 = 2;
const MARK: u8 = 4;
const WIDE: u8 = 8;
/// A byte's lowest bit, in each of eight bytes.
const LOWEST: u64 = 0x0101_0101_0101_0101;

/// The bytes of a block, by what they may be of. The first byte is the lowest bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    /// Bytes of a token's alphabet; 0 where no eight that follow each other at a multiple of eight are.
    pub token: u64,
    /// Digits of ASCII.
    pub digit: u64,
    /// `@`, `=`, `:` and a hyphen behind a hyphen.
    pub mark: u64,
    /// Bytes that may end a digit beyond ASCII, what cannot be seen, or a full-width `@`, `:` or `=`.
    pub wide: u64,
}

impl Bits {
    /// Those of the block that begins at a place.
    #[inline]
    pub(super) fn of(bytes: &[u8], at: usize) -> Self {
        let from = at.saturating_sub(1);
        let whole = bytes.get(from..at + BLOCK).filter(|it| it.len() == BLOCK + 1);
        let Some(held) = whole else {
            let mut held = [0; BLOCK + 1];
            let rest = bytes.get(from..).unwrap_or_default();
            let (_, to) = held.split_at_mut(usize::from(at == 0));
            to.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            return Self::told(&held);
        };
        Self::told(held)
    }

    /// Those of the bytes behind the first.
    fn told(held: &[u8]) -> Self {
        let mut kinds = [0; BLOCK];
        let behind = held.get(1..=BLOCK).unwrap_or_default();
        let before = held.get(..BLOCK).unwrap_or_default();
        let pairs = behind.iter().copied().zip(before.iter().copied());
        kinds.iter_mut().zip(pairs).for_each(|(kind, (b, before))| *kind = plain(b, before));
        if !behind.is_ascii() {
            let pairs = behind.iter().copied().zip(before.iter().copied());
            kinds.iter_mut().zip(pairs).for_each(|(kind, (b, before))| *kind |= wide(b, before));
            let mut pairs = behind.iter().copied().zip(before.iter().copied());
            let any = pairs.clone().fold(false, |any, (b, before)| any | leads(b, before));
            // A character of the block before may go on in the first two bytes.
            let most = if any { BLOCK } else { 2 };
            let each = kinds.iter_mut().zip(&mut pairs).take(most);
            each.for_each(|(kind, (b, before))| *kind |= rare(b, before));
        }
        Self::gathered(&kinds)
    }

    #[inline]
    fn gathered(kinds: &[u8; BLOCK]) -> Self {
        let mut words = [0; BLOCK / 8];
        let (eights, _) = kinds.as_chunks::<8>();
        let (mut any, mut full) = (0, false);
        for (word, eight) in words.iter_mut().zip(eights) {
            *word = u64::from_le_bytes(*eight);
            any |= *word;
            full |= *word & LOWEST == LOWEST;
        }
        let bits = |kind: u8| {
            if any & (LOWEST * u64::from(kind)) == 0 {
                return 0;
            }
            let shift = kind.trailing_zeros();
            // The product has the lowest bits of the eight bytes side by side in its highest byte.
            let gather =
                |word: &u64| (word >> shift & LOWEST).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            words.iter().rev().fold(0, |bits, word| bits << 8 | gather(word))
        };
        let token = if full { bits(TOKEN) } else { 0 };
        Self { token, digit: bits(DIGIT), mark: bits(MARK), wide: bits(WIDE) }
    }
}

fn within(b: u8, first: u8, count: u8) -> bool {
    b.wrapping_sub(first) < count
}

/// What a byte of ASCII is.
#[inline(always)]
fn plain(b: u8, before: u8) -> u8 {
    let digit = within(b, b'0', 10);
    let token = within(b | 0x20, b'a', 26) | digit | within(b, b'-', 2) | (b == b'_');
    let mark = (b == b'@') | (b == b'=') | (b == b':') | ((b == b'-') & (before == b'-'));
    u8::from(token) | u8::from(digit) << 1 | u8::from(mark) << 2
}

/// Whether two bytes may end a digit in UTF-8: full-width, Thai and Lao; of the scripts of India; Burmese;
/// Khmer, Arabic and Persian; of mathematics, Sinhala and Tibetan. Or what cannot be seen, or a full-width
/// `@`, `:` or `=`.
#[inline(always)]
fn wide(b: u8, before: u8) -> u8 {
    let thai = ((before == 0xB9) | (before == 0xBB) | (before == 0xBC)) & within(b, 0x90, 10);
    let at = (before == 0xBC) & ((b == 0x9A) | (b == 0x9D));
    let indian = within(before, 0xA5, 17) & (before & 1 == 1) & within(b, 0xA6, 10);
    let burmese = (before == 0x81) & within(b, 0x80, 10);
    let khmer = ((before == 0x9F) | (before == 0xD9)) & within(b, 0xA0, 10);
    let persian = (before == 0xDB) & within(b, 0xB0, 10);
    let sinhala = (before == 0xB7) & within(b, 0xA6, 10);
    let tibetan = (before == 0xBC) & within(b, 0xA0, 10);
    let segments = (before == 0xAF) & within(b, 0xB0, 10);
    let bold = (before == 0x9F) & within(b, 0x8E, 0x32);
    let digit = thai | indian | burmese | khmer | persian | bold | sinhala | tibetan | segments;
    u8::from(digit | at | unseen(b, before)) << 3
}

/// Whether two bytes may end a character that cannot be seen.
#[inline(always)]
fn unseen(b: u8, before: u8) -> bool {
    let space = (before == 0x80) & (within(b, 0x8B, 5) | within(b, 0xAA, 5));
    let joiner = ((before == 0xCD) & (b == 0x8F)) | ((before == 0xD8) & (b == 0x9C));
    let sign = (before == 0x81) & within(b, 0xA0, 16);
    let variant = (before == 0xB8) & within(b, 0x80, 16);
    space
        | joiner
        | sign
        | variant
        | ((before == 0xBB) & (b == 0xBF))
        | ((before == 0xC2) & (b == 0xAD))
}

/// Whether two bytes begin a character of a script whose digits are met rarely: of NKo; Myanmar's Shan,
/// Mongolian, Limbu, Tai, Balinese, Lepcha, Ol Chiki; Vai, Javanese, Cham, Meetei Mayek; of planes beyond the
/// first but for emoji. Or a tag, or a choice of a glyph.
#[inline(always)]
fn leads(b: u8, before: u8) -> bool {
    let first = (b == 0x82) | (b == 0xA0) | (b == 0xA5) | (b == 0xA7) | (b == 0xAA);
    let mongolian = (before == 0xE1) & (first | (b == 0xAD) | (b == 0xAE) | (b == 0xB1));
    let vai = (before == 0xEA) & within(b, 0x98, 0x18);
    let beyond = (before == 0xF0) & ((b != 0x9F) & (b != 0xA0));
    let tag = (before == 0xF3) & (b == 0xA0);
    (before == 0xDF) | mongolian | vai | beyond | tag
}

/// Whether two bytes may end a digit of such a script: they go on a character.
#[inline(always)]
fn rare(b: u8, before: u8) -> u8 {
    let goes_on = within(b, 0x80, 0x40) & (within(before, 0x80, 0x40) | (before == 0xDF));
    u8::from(goes_on) << 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::symbol::Symbol;

    #[test]
    fn every_digit_there_is_has_its_bit() {
        for c in ('\0'..=char::MAX).filter(|c| !c.is_ascii()) {
            let digit = Symbol::of(c).mark().is_some_and(|it| it.is_ascii_digit());
            let unseen =
                Symbol::of(c) == Symbol::Nothing && !matches!(u32::from(c), 0x17B4 | 0x17B5);
            let unseen = unseen && !matches!(u32::from(c), 0x20E3 | 0xFFF9..=0xFFFB);
            if digit || unseen || matches!(c, '＠' | '：' | '＝') {
                let text = c.to_string();
                let bits = Bits::of(text.as_bytes(), 0);
                assert_ne!(bits.wide, 0, "{c}");
            }
        }
    }

    #[test]
    fn bits_stand_where_the_bytes_do() {
        let text = "a1@=:--._ 9é".repeat(20);
        for at in 0..text.len() {
            let bits = Bits::of(text.as_bytes(), at);
            for (place, b) in text.bytes().skip(at).take(BLOCK).enumerate() {
                assert_eq!(bits.digit >> place & 1 == 1, b.is_ascii_digit(), "{at} {place}");
                let hyphens =
                    b == b'-' && text.as_bytes().get((at + place).wrapping_sub(1)) == Some(&b'-');
                let mark = matches!(b, b'@' | b'=' | b':') || hyphens;
                assert_eq!(bits.mark >> place & 1 == 1, mark, "{at} {place}");
            }
        }
    }
}
