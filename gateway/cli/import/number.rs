//! Numbers as the imported file writes them, without a float in between: prices are exact.

/// Digits after the point that a price of a million tokens can have.
const DECIMALS: u32 = 9;
/// The dearest million tokens that a configuration takes, in units.
const PRICE_UNITS_MAX: i128 = 100_000_000;

/// A decimal number: `digits` times ten to the power of `exponent`.
struct Decimal {
    digits: i128,
    exponent: i32,
}

/// Reads `0.0000025`, `2.5e-06` or `3`; nothing below 0.
fn decimal(text: &str) -> Option<Decimal> {
    let text = text.trim().trim_start_matches('+');
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{}", part.trim_end_matches('0'));
    let fits = !digits.is_empty() || !part.is_empty();
    let digits = digits.trim_start_matches('0');
    if !fits || !digits.bytes().all(|it| it.is_ascii_digit()) || digits.len() > 30 {
        return None;
    }
    let digits = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let decimals = i32::try_from(part.trim_end_matches('0').len()).ok()?;
    Some(Decimal { digits, exponent: exponent.saturating_sub(decimals) })
}

impl Decimal {
    /// So many parts of ten to the power of minus `decimals`, if that is exact.
    fn parts(&self, decimals: u32) -> Option<i128> {
        if self.digits == 0 {
            return Some(0);
        }
        let power = self.exponent.checked_add(i32::try_from(decimals).ok()?)?;
        let ten = 10_i128.checked_pow(power.unsigned_abs())?;
        if power >= 0 {
            return self.digits.checked_mul(ten);
        }
        (self.digits % ten == 0).then(|| self.digits / ten)
    }

    /// The same, rounded up, and whether that is exact; none is too many.
    fn rounded_up(&self, decimals: u32) -> Option<(i128, bool)> {
        if let Some(exact) = self.parts(decimals) {
            return Some((exact, true));
        }
        let power = self.exponent.saturating_add(i32::try_from(decimals).unwrap_or(0));
        let ten = 10_i128.checked_pow(power.unsigned_abs());
        match (power < 0, ten) {
            // So little that all of it is less than one part.
            (true, None) => Some((1, false)),
            (true, Some(ten)) => Some((self.digits / ten + 1, false)),
            _ => None,
        }
    }

    /// The same, cut.
    fn cut(&self, decimals: u32) -> i128 {
        let power = self.exponent.saturating_add(i32::try_from(decimals).unwrap_or(0));
        let ten = 10_i128.checked_pow(power.unsigned_abs());
        match (power >= 0, ten) {
            (true, Some(ten)) => self.digits.saturating_mul(ten),
            (true, None) if self.digits > 0 => i128::MAX,
            (false, Some(ten)) => self.digits / ten,
            _ => 0,
        }
    }
}

/// The billionth units of a price for a million tokens, from that of one token, and whether that is exact:
/// else it is rounded up, so that no price above zero is none.
///
/// # Errors
/// Why it cannot be carried over.
pub(super) fn per_mtok(text: &str) -> Result<(i128, bool), &'static str> {
    let read = decimal(text).ok_or("a price is a number that is not below 0")?;
    let most = PRICE_UNITS_MAX * 10_i128.pow(DECIMALS);
    let price = read.rounded_up(DECIMALS + 6).filter(|it| it.0 <= most);
    price.ok_or("a million tokens cost at most 100,000,000")
}

/// A number of billionth units as a decimal, with two digits after the point at least.
pub(super) fn shown(nano: i128) -> String {
    let one = 10_i128.pow(DECIMALS);
    let part = format!("{:09}", nano % one);
    let part = part.trim_end_matches('0');
    format!("{}.{part:0<2}", nano / one)
}

/// An amount of money, exact to nine decimals.
pub(super) fn amount(text: &str) -> Option<String> {
    let nano = decimal(text)?.parts(DECIMALS)?;
    let most = 4_000_000_000 * 10_i128.pow(DECIMALS);
    (0..=most).contains(&nano).then(|| shown(nano))
}

/// Milliseconds, from seconds; at least one and at most a day.
pub(super) fn millis(text: &str) -> Option<u32> {
    let ms = decimal(text)?.cut(3);
    (ms > 0).then(|| u32::try_from(ms.min(86_400_000)).unwrap_or(86_400_000))
}

/// A whole number, such as `5` or `5.0`.
pub(super) fn whole(text: &str) -> Option<u64> {
    decimal(&text.replace('_', ""))?.parts(0).and_then(|it| u64::try_from(it).ok())
}

/// A weight in billionths.
pub(super) fn weight(text: &str) -> Option<u64> {
    u64::try_from(decimal(text)?.cut(DECIMALS)).ok()
}

/// Weights as the smallest whole numbers of these shares, at most 1,000; what is 0 stays 0.
pub(super) fn shares(weights: &[u64]) -> Vec<u32> {
    let mut by = weights.iter().fold(0, |a, b| gcd(a, *b)).max(1);
    let most = weights.iter().max().copied().unwrap_or(1);
    by = by.max(most.div_ceil(1_000));
    let share = |it: &u64| match *it {
        0 => 0,
        it => u32::try_from((it / by).clamp(1, 1_000)).unwrap_or(1),
    };
    weights.iter().map(share).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Seconds of a duration such as `30d`, `1mo`, `24h` or `3600`.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    let unit = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        "mo" => MONTH,
        _ => return None,
    };
    number.checked_mul(unit).filter(|it| *it > 0)
}

/// Seconds of a month, in the middle.
const MONTH: u64 = 2_629_746;
/// The windows of a budget, by their seconds.
const WINDOWS: [(&str, u64); 6] = [
    ("hour", 3_600),
    ("day", 86_400),
    ("week", 604_800),
    ("month", MONTH),
    ("quarter", 3 * MONTH),
    ("year", 12 * MONTH),
];

/// The window that is nearest to a duration, and whether it is that.
pub(super) fn window(seconds: u64) -> (&'static str, bool) {
    let ratio = |it: u64| {
        let (less, more) = (it.min(seconds), it.max(seconds));
        u128::from(more) * 1_000_000 / u128::from(less.max(1))
    };
    let nearest = WINDOWS.iter().min_by_key(|it| ratio(it.1));
    nearest.map_or(("month", false), |it| (it.0, it.1 == seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prices_of_a_token_become_exact_prices_of_a_million() {
        for (text, price) in [
            ("0.0000025", "2.50"),
            ("2.5e-06", "2.50"),
            ("2.5E-6", "2.50"),
            ("1e-5", "10.00"),
            ("0", "0.00"),
            ("0.0", "0.00"),
            (".000001", "1.00"),
            ("1.23456789e-7", "0.123456789"),
            ("0.00000007500", "0.075"),
            ("0.000000000000000000000000000000", "0.00"),
        ] {
            let read = per_mtok(text).map(|(it, exact)| (shown(it), exact));
            assert_eq!(read, Ok((price.to_owned(), true)), "{text}");
        }
        for (text, price) in [
            ("1e-99", "0.000000001"),
            ("1e-2147483648", "0.000000001"),
            ("1e-16", "0.000000001"),
            ("1.234567891234e-6", "1.234567892"),
            ("0.000000000000000000000000000000001", "0.000000001"),
            ("9.99999999999e-7", "1.00"),
        ] {
            let read = per_mtok(text).map(|(it, exact)| (shown(it), exact));
            assert_eq!(read, Ok((price.to_owned(), false)), "{text}");
        }
        for text in ["", "-1", "x", ".", "1e", "-1e-99", "1e3", "1e40", "nan", "1e2147483647"] {
            assert!(per_mtok(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_become_the_nearest_window() {
        for (text, window_of, exact) in [
            ("30d", "month", false),
            ("1mo", "month", true),
            ("24h", "day", true),
            ("1d", "day", true),
            ("7d", "week", true),
            ("60m", "hour", true),
            ("30s", "hour", false),
            ("3600", "hour", true),
            ("90d", "quarter", false),
            ("365d", "year", false),
            ("2d", "day", false),
        ] {
            assert_eq!(window(seconds(text).unwrap()), (window_of, exact), "{text}");
        }
        assert!(["", "d", "1y", "0d", "-1d"].iter().all(|it| seconds(it).is_none()));
    }

    #[test]
    fn other_numbers_are_read_as_they_are_meant() {
        assert_eq!(
            (millis("2.5"), millis("0"), millis("1e9")),
            (Some(2_500), None, Some(86_400_000))
        );
        assert_eq!((whole("5.0"), whole("1_000"), whole("0.5")), (Some(5), Some(1_000), None));
        assert_eq!((amount("100").as_deref(), amount("1e12")), (Some("100.00"), None));
        let weights =
            |all: &[&str]| shares(&all.iter().filter_map(|it| weight(it)).collect::<Vec<_>>());
        assert_eq!(weights(&["0.9", "0.1"]), [9, 1]);
        assert_eq!(weights(&["1000000", "1", "0"]), [1000, 1, 0]);
        assert_eq!(weights(&["2", "2"]), [1, 1]);
    }

    proptest! {
        /// What is shown is what stood there, whatever way it was written.
        #[test]
        fn a_price_is_the_same_number(nano in 0_i128..100_000_000_000_000_000, zeros in 0_usize..4) {
            let one = 10_i128.pow(15);
            let plain = format!("{}.{:015}{}", nano / one, nano % one, "0".repeat(zeros));
            prop_assert_eq!(per_mtok(&plain), Ok((nano, true)));
            prop_assert_eq!(per_mtok(&format!("{nano}e-15")), Ok((nano, true)));
            prop_assert_eq!(decimal(&shown(nano)).unwrap().parts(9), Some(nano));
        }

        /// No price above zero is none, and none is less than what stood there or a billionth more.
        #[test]
        fn a_price_is_rounded_up_by_less_than_a_billionth(
            digits in 1_i128..1_000_000_000_000,
            more in 0_u32..12,
        ) {
            let (price, exact) = per_mtok(&format!("{digits}e-{}", 15 + more)).unwrap();
            let (ten, is) = (10_i128.pow(more), digits);
            prop_assert!(price > 0 && price * ten >= is && (price - 1) * ten < is);
            prop_assert_eq!(exact, is % ten == 0);
        }
    }
}
