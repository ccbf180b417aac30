//! What the bytes of a text are, sixty-four at a time, as bits: most blocks begin nothing that is looked for,
//! and a few instructions for sixteen bytes tell that.

use fearless_simd::Simd;

pub(super) use crate::bits::BLOCK;
use crate::bits::{Answers, Block, bits};

/// The bytes of a block, by what they may be of. The first byte is the lowest bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    /// Where bytes of a token's alphabet begin that may be as many as one has: so many, or eight at an end
    /// of the block.
    pub token: u64,
    /// Bytes of a token's alphabet.
    pub name: u64,
    /// Digits of ASCII.
    pub digit: u64,
    /// Those of them that begin right behind a letter.
    pub mixed: u64,
    /// `@`, `=`, `:`, `>`, `%`; a hyphen behind a hyphen; a quote behind a parenthesis, a single one behind a
    /// blank as well.
    pub mark: u64,
    /// Bytes of ASCII that no number goes on behind.
    pub stop: u64,
    /// The same, and where three small letters begin behind a blank: a number that begins with a digit has no
    /// such word.
    pub parts: u64,
    /// Bytes beyond ASCII.
    pub beyond: u64,
    /// Bytes that may end a digit beyond ASCII, what cannot be seen, or a full-width `@`, `:` or `=`.
    pub wide: u64,
}

impl Bits {
    /// Those of the block that begins at a place.
    #[inline(always)]
    pub(super) fn of<S: Simd>(simd: S, bytes: &[u8], at: usize) -> Self {
        // A character's first three bytes may stand before the block.
        let back = |count: usize| at.checked_sub(count).and_then(|at| bytes.get(at)).copied();
        let begun = [1, 2, 3].map(|count| back(count).unwrap_or(0));
        let from = at.saturating_sub(1);
        let whole = bytes.get(from..).and_then(|rest| rest.first_chunk());
        if let (Some(held), 1..) = (whole, at) {
            return Self::told(simd, held, begun);
        }
        let mut held = [0; BLOCK + 1];
        let rest = bytes.get(from..).unwrap_or_default();
        let begin = usize::from(at == 0);
        let count = rest.len().min(held.len() - begin);
        if let (Some(to), Some(from)) = (held.get_mut(begin..begin + count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Self::told(simd, &held, begun)
    }

    /// Those of the bytes behind the first.
    #[inline(always)]
    fn told<S: Simd>(simd: S, held: &[u8; BLOCK + 1], begun: [u8; 3]) -> Self {
        let (Some(before), Some(here)) = (held.first_chunk(), held.last_chunk()) else {
            return Self::default();
        };
        let it = Block::of(simd, here);
        let digit = it.within(b'0', 10);
        let letter = it.letters();
        let name = letter | digit | it.within(b'-', 2) | it.is(b'_');
        let begun_letter = before.first().is_some_and(u8::is_ascii_alphabetic);
        let mixed = bits(digit) & (bits(letter) << 1 | u64::from(begun_letter));
        let hyphens = bits(it.is(b'-'));
        let second = hyphens & (hyphens << 1 | u64::from(before.first() == Some(&b'-')));
        let space = it.is(b' ');
        let (single, double, ends) = (it.is(b'\''), it.is(b'"'), it.is(b'>'));
        let percent = it.is(b'%');
        let rare = bits(single | double | ends | percent);
        // Most blocks have none of these.
        let rare = if rare == 0 {
            0
        } else {
            // What a byte means by the one before it, or by the one behind, which is not known at the end.
            let behind = |bits: u64, byte: u8| bits << 1 | u64::from(before.first() == Some(&byte));
            let (single, double) = (bits(single), bits(double));
            let called = (single | double) & behind(bits(it.is(b'(')), b'(');
            let quote = called | single & behind(bits(space), b' ');
            let closes = bits(ends) & ((bits(name) | single | double) << 1 | 1);
            quote | closes | bits(percent) & (bits(it.is(b'4')) >> 1 | 1 << (BLOCK - 1))
        };
        let mark = bits(it.is(b'@') | it.is(b'=') | it.is(b':')) | second | rare;
        let beyond = it.beyond_ascii();
        let blank = space | it.is(b'\n') | it.is(b'\r') | it.is(b'\t');
        let joins = it.within(b'(', 2) | it.is(b'/') | it.is(b'\\');
        let (stop, beyond) = (bits(!(name | beyond | blank | joins)), bits(beyond));
        let small = bits(it.within(b'a', 26));
        let parts = stop | small & small >> 1 & small >> 2 & bits(blank) << 1;
        let wide = if beyond == 0 { 0 } else { wide(it, Block::of(simd, before), begun) };
        Self {
            token: long(bits(name)),
            name: bits(name),
            digit: bits(digit),
            mixed,
            mark,
            stop,
            parts,
            beyond,
            wide,
        }
    }
}

/// Where bits that follow each other begin: twenty of them, or eight where they reach an end.
#[inline(always)]
const fn long(bits: u64) -> u64 {
    let two = bits & bits >> 1;
    let four = two & two >> 2;
    let eight = four & four >> 4;
    let twenty = eight & eight >> 8 & four >> 16;
    let first = eight & 1;
    let last = eight & 1 << (BLOCK - 8);
    let last = if last == 0 { 0 } else { 1 << (BLOCK as u32 - bits.leading_ones()) };
    (twenty | last | first) & !(bits << 1)
}

/// Which bytes may end what is looked for beyond ASCII, with those before them; `begun` are the three before
/// the block, the nearest first.
#[inline(always)]
fn wide<S: Simd>(it: Block<S>, before: Block<S>, begun: [u8; 3]) -> u64 {
    let two = begun[1];
    let lead = |byte: u8| bits(before.is(byte)) << 1 | u64::from(two == byte);
    // What only characters with one first byte can be is asked where there is one.
    let (e0, e1, e2) = (lead(0xE0), lead(0xE1), lead(0xE2));
    let (ef, math, segments) = (lead(0xEF), lead(0x9D), lead(0x9F));
    let mut met = bits(of_two(it, before));
    if e0 != 0 {
        met |= e0 & bits(of_e0(it, before));
    }
    if e1 != 0 {
        met |= e1 & bits(of_e1(it, before));
    }
    if e2 != 0 {
        met |= e2 & bits(of_e2(it, before));
    }
    if ef != 0 {
        met |= ef & bits(of_ef(it, before));
    }
    // These are the second of four.
    if math | segments != 0 {
        met |= math & bits(before.is(0x9F) & it.within(0x8E, 0x32));
        met |= segments & bits(before.is(0xAF) & it.within(0xB0, 10));
    }
    // A character of the block before may go on in the first two bytes.
    let rare = bits(
        before.is(0xE1) | before.is(0xEA) | before.is(0xF0) | before.is(0xF3) | before.is(0xDF),
    );
    let goes_on_here = begun.iter().any(|it| matches!(it, 0xDF | 0xE1 | 0xEA | 0xF0 | 0xF3));
    let rare = match rare != 0 && bits(leads(it, before)) != 0 {
        true => u64::MAX,
        false if goes_on_here => 3,
        false => 0,
    };
    met | bits(goes_on(it, before)) & rare
}

/// With E1: digits of Burmese and Khmer.
#[inline(always)]
fn of_e1<S: Simd>(it: Block<S>, before: Block<S>) -> Answers<S> {
    before.is(0x81) & it.within(0x80, 10) | before.is(0x9F) & it.within(0xA0, 10)
}

/// Of two bytes: digits of Arabic and Persian, and what cannot be seen.
#[inline(always)]
fn of_two<S: Simd>(it: Block<S>, before: Block<S>) -> Answers<S> {
    let digit = before.is(0xD9) & it.within(0xA0, 10) | before.is(0xDB) & it.within(0xB0, 10);
    let joiner = before.is(0xCD) & it.is(0x8F) | before.is(0xD8) & it.is(0x9C);
    digit | joiner | before.is(0xC2) & it.is(0xAD)
}

/// Of three bytes that begin with E0: digits of Thai and Lao, of the scripts of India, Sinhala, Tibetan.
#[inline(always)]
fn of_e0<S: Simd>(it: Block<S>, before: Block<S>) -> Answers<S> {
    let thai = (before.is(0xB9) | before.is(0xBB)) & it.within(0x90, 10);
    let indian = before.within(0xA5, 17) & before.masked(1).is(1) & it.within(0xA6, 10);
    let sinhala = before.is(0xB7) & it.within(0xA6, 10);
    thai | indian | sinhala | before.is(0xBC) & it.within(0xA0, 10)
}

/// With E2: what cannot be seen.
#[inline(always)]
fn of_e2<S: Simd>(it: Block<S>, before: Block<S>) -> Answers<S> {
    let space = before.is(0x80) & (it.within(0x8B, 5) | it.within(0xAA, 5));
    space | before.is(0x81) & it.within(0xA0, 16)
}

/// With EF: digits of full width, a full-width `@`, `:` or `=`; what cannot be seen, the choice of a glyph.
#[inline(always)]
fn of_ef<S: Simd>(it: Block<S>, before: Block<S>) -> Answers<S> {
    let full = it.within(0x90, 10) | it.is(0xA0) | it.is(0x9A) | it.is(0x9D);
    let variant = before.is(0xB8) & it.within(0x80, 16);
    before.is(0xBC) & full | variant | before.is(0xBB) & it.is(0xBF)
}

/// What begins a character of a script whose digits are met rarely: of NKo; Myanmar's Shan, Mongolian, Limbu,
/// Tai, Balinese, Lepcha, Ol Chiki; Vai, Javanese, Cham, Meetei Mayek; of planes beyond the first but for
/// emoji. Or a tag, or a choice of a glyph.
#[inline(always)]
fn leads<S: Simd>(it: Block<S>, before: Block<S>) -> Answers<S> {
    let second = it.is(0x82) | it.is(0xA0) | it.is(0xA5) | it.is(0xA7) | it.is(0xAA);
    let mongolian = before.is(0xE1) & (second | it.is(0xAD) | it.is(0xAE) | it.is(0xB1));
    let vai = before.is(0xEA) & it.within(0x98, 0x18);
    let beyond = before.is(0xF0) & !(it.is(0x9F) | it.is(0xA0));
    let tag = before.is(0xF3) & it.is(0xA0);
    before.is(0xDF) | mongolian | vai | beyond | tag
}

/// What may end a digit of such a script: it goes on a character.
#[inline(always)]
fn goes_on<S: Simd>(it: Block<S>, before: Block<S>) -> Answers<S> {
    it.within(0x80, 0x40) & (before.within(0x80, 0x40) | before.is(0xDF))
}

#[cfg(test)]
mod tests {
    use fearless_simd::dispatch;

    use super::*;
    use crate::content::{begin::TOKEN_MIN, symbol::Symbol};

    fn bits_of(text: &str, at: usize) -> Bits {
        dispatch!(crate::bits::level(), simd => Bits::of(simd, text.as_bytes(), at))
    }

    #[test]
    fn what_may_be_a_token_is_long_or_at_an_end() {
        for (from, count) in
            (0..BLOCK).flat_map(|from| (1..=BLOCK - from).map(move |it| (from, it)))
        {
            let run = (u64::MAX >> (BLOCK - count)) << from;
            let ends = from == 0 || from + count == BLOCK;
            let wanted = count >= TOKEN_MIN || ends && count >= 8;
            assert_eq!(long(run), if wanted { 1 << from } else { 0 }, "{from} {count}");
        }
    }

    #[test]
    fn every_digit_there_is_has_its_bit() {
        for c in ('\0'..=char::MAX).filter(|c| !c.is_ascii()) {
            let digit = Symbol::of(c).mark().is_some_and(|it| it.is_ascii_digit());
            let unseen =
                Symbol::of(c) == Symbol::Nothing && !matches!(u32::from(c), 0x17B4 | 0x17B5);
            let unseen = unseen && !matches!(u32::from(c), 0x20E3 | 0xFFF9..=0xFFFB);
            if digit || unseen || matches!(c, '＠' | '：' | '＝') {
                for before in 0..=BLOCK {
                    let text = format!("{}{c}", "x".repeat(before));
                    let last = text.len() - 1;
                    let bits = bits_of(&text, last / BLOCK * BLOCK);
                    assert_eq!(bits.wide >> (last % BLOCK) & 1, 1, "{c} {before}");
                }
            }
        }
    }

    #[test]
    fn bits_stand_where_the_bytes_do() {
        let text = "a1@=:--._ 9é>%('(\" '\"x>%40\">".repeat(20);
        for at in 0..text.len() {
            let bits = bits_of(&text, at);
            for (place, b) in text.bytes().skip(at).take(BLOCK).enumerate() {
                assert_eq!(bits.digit >> place & 1 == 1, b.is_ascii_digit(), "{at} {place}");
                let hyphens =
                    b == b'-' && text.as_bytes().get((at + place).wrapping_sub(1)) == Some(&b'-');
                let last = text.as_bytes().get((at + place).wrapping_sub(1));
                let called = matches!(b, b'"' | b'\'') && last == Some(&b'(');
                let quote = called || b == b'\'' && last == Some(&b' ');
                let name = |b: &u8| b.is_ascii_alphanumeric() || b"-._'\"".contains(b);
                let closes = b == b'>' && (place == 0 || last.is_some_and(name));
                let next = text.as_bytes().get(at + place + 1);
                let percent = b == b'%' && (place == BLOCK - 1 || next == Some(&b'4'));
                let mark = matches!(b, b'@' | b'=' | b':') || hyphens || quote || closes || percent;
                assert_eq!(bits.mark >> place & 1 == 1, mark, "{at} {place}");
            }
        }
    }
}
