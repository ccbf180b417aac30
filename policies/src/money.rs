//! Exact money: integers of nano-units, checked, never floating point.

use std::fmt;

/// Nano-units in one unit of the ledger's currency.
const NANO: i64 = 1_000_000_000;
/// Decimals of a nano-unit.
const DECIMALS: u32 = 9;
/// The longest amount as text: a sign, ten digits, a point and the decimals.
const TEXT_BYTES: usize = 21;

/// An amount in nano-units (1e-9) of the ledger's one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount there is, about 9.2 × 10⁹ units.
    pub const MAX: Self = Self(i64::MAX);

    /// An amount of nano-units.
    #[must_use]
    pub const fn from_nano(nano: i64) -> Self {
        Self(nano)
    }

    /// The amount in nano-units.
    #[must_use]
    pub const fn nano(self) -> i64 {
        self.0
    }

    /// The sum, if it can be held.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, if it can be held.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The sum, or the largest amount there is.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Reads a plain decimal such as `12`, `0.075` or `500.00`: no sign, no exponent, at most nine
    /// decimals.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(fraction) || text.ends_with('.') {
            return Err(MoneyError::NotDecimal);
        }
        if fraction.len() > 9 {
            return Err(MoneyError::TooFine);
        }
        let whole: i64 = whole.parse().map_err(|_| MoneyError::TooLarge)?;
        let nano: i64 = format!("{fraction:0<9}").parse().map_err(|_| MoneyError::NotDecimal)?;
        whole
            .checked_mul(NANO)
            .and_then(|units| units.checked_add(nano))
            .map(Self)
            .ok_or(MoneyError::TooLarge)
    }
}

impl fmt::Display for Money {
    /// The exact decimal, without trailing zeros: `0.00042`, `12`, `-1.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every answer carries its cost: the digits are put together here, the last one first.
        let mut text = [0; TEXT_BYTES];
        let mut at = TEXT_BYTES;
        let mut put = |byte| {
            at = at.saturating_sub(1);
            if let Some(place) = text.get_mut(at) {
                *place = byte;
            }
        };
        let nano = self.0.unsigned_abs();
        let (mut whole, mut fraction) = (nano / NANO.unsigned_abs(), nano % NANO.unsigned_abs());
        if fraction > 0 {
            let mut places = DECIMALS;
            while fraction % 10 == 0 {
                fraction /= 10;
                places -= 1;
            }
            for _ in 0..places {
                put(digit(fraction));
                fraction /= 10;
            }
            put(b'.');
        }
        loop {
            put(digit(whole));
            whole /= 10;
            if whole == 0 {
                break;
            }
        }
        if self.0 < 0 {
            put(b'-');
        }
        let text = text.get(at..).and_then(|text| std::str::from_utf8(text).ok());
        f.write_str(text.unwrap_or_default())
    }
}

/// The last digit of a number.
fn digit(number: u64) -> u8 {
    b'0' + (number % 10) as u8
}

/// Why a text is no amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Something else than digits and one point.
    #[error("not a plain decimal such as \"0.20\"")]
    NotDecimal,
    /// More than nine decimals.
    #[error("more than nine decimals")]
    TooFine,
    /// More than can be held.
    #[error("too large an amount")]
    TooLarge,
}

/// A number of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tokens(pub u32);

impl Tokens {
    /// The sum, or the largest number there is.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The product, or the largest number there is.
    #[must_use]
    pub const fn saturating_mul(self, times: u32) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counted tokens of one attempt, **disjoint**: no token is in two fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Input that was not cached.
    pub input: u32,
    /// Input read from the engine's cache.
    pub cached_input: u32,
    /// Input written to the engine's cache.
    pub cache_write: u32,
    /// Output without reasoning.
    pub output: u32,
    /// Reasoning.
    pub reasoning: u32,
}

/// What a million tokens cost, in nano-units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Price {
    /// Uncached input.
    pub input: Money,
    /// Cached input.
    pub cached_input: Money,
    /// Input written to the cache.
    pub cache_write: Money,
    /// Output.
    pub output: Money,
    /// Reasoning.
    pub reasoning: Money,
}

impl Price {
    /// ⌈Σ tokensₖ × priceₖ ÷ 10⁶⌉ in 128 bits, rounded up once; [`Money::MAX`] beyond what fits.
    #[must_use]
    pub fn cost(&self, counts: Counts) -> Money {
        let parts = [
            (counts.input, self.input),
            (counts.cached_input, self.cached_input),
            (counts.cache_write, self.cache_write),
            (counts.output, self.output),
            (counts.reasoning, self.reasoning),
        ];
        per_million(
            parts.iter().map(|(tokens, price)| i128::from(*tokens) * i128::from(price.0)).sum(),
        )
    }

    /// The dearest way a token can go in.
    #[must_use]
    pub fn dearest_input(&self) -> Money {
        self.input.max(self.cache_write).max(self.cached_input)
    }

    /// The dearest way a token can come out.
    #[must_use]
    pub fn dearest_output(&self) -> Money {
        self.output.max(self.reasoning)
    }
}

/// A sum of tokens × price, divided by a million and rounded up.
#[must_use]
pub fn per_million(sum: i128) -> Money {
    let up = sum.div_euclid(1_000_000) + i128::from(sum.rem_euclid(1_000_000) != 0);
    Money(i64::try_from(up).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_and_written_exactly() {
        for text in ["0", "0.2", "12", "0.000000001", "4000000000", "3.5"] {
            assert_eq!(Money::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Money::parse("500.00").unwrap().to_string(), "500");
        for (nano, text) in [
            (i64::MAX, "9223372036.854775807"),
            (i64::MIN, "-9223372036.854775808"),
            (-1_500_000_000, "-1.5"),
            (-1, "-0.000000001"),
            (1_010_000_000, "1.01"),
        ] {
            assert_eq!(Money::from_nano(nano).to_string(), text);
        }
        for (text, error) in [
            ("", MoneyError::NotDecimal),
            ("1.", MoneyError::NotDecimal),
            (".5", MoneyError::NotDecimal),
            ("-1", MoneyError::NotDecimal),
            ("1e3", MoneyError::NotDecimal),
            ("0.0000000001", MoneyError::TooFine),
            ("99999999999", MoneyError::TooLarge),
        ] {
            assert_eq!(Money::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_cost_is_rounded_up_once() {
        let price = Price {
            input: Money::parse("0.15").unwrap(),
            output: Money::parse("0.60").unwrap(),
            ..Price::default()
        };
        let counts = Counts { input: 1, output: 1, ..Counts::default() };
        assert_eq!(price.cost(counts).nano(), 750);
        let tiny = Price { input: Money::from_nano(1), ..Price::default() };
        assert_eq!(tiny.cost(Counts { input: 1, ..Counts::default() }).nano(), 1);
    }
}
