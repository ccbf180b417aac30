//! Single fields: which are refused, what types their values have, what is said when they are
//! wrong.

use std::borrow::Cow;

use policies::facts::Tokens;

use super::{
    request::Allowed,
    scan::{Scanner, Shape, Str},
};
use crate::failure::Failure;

/// What `chat_template_kwargs` may hold.
pub(super) const TEMPLATE_KEYS: [&[u8]; 2] = [b"enable_thinking", b"thinking"];

/// Bytes of a caller's key that a message repeats.
const ECHO_BYTES_MAX: usize = 64;

/// A field of the wrong type: where, what stands there, what should.
pub(super) fn wrong_type(
    path: impl Into<Cow<'static, str>>,
    found: Shape,
    expected: &str,
) -> Failure {
    let path = path.into();
    let text = format!("{path} is {}: expected {expected}", found.name());
    Failure::invalid("invalid_type", text).at(path)
}

/// A key that stands in the body twice.
pub(super) fn twice(name: &[u8]) -> Failure {
    let name = echo(name);
    let text = format!("the body is not valid JSON: the key {name} stands in it twice");
    Failure::invalid("invalid_json", text).at(name)
}

/// A caller's key as a message may repeat it.
pub(super) fn echo(name: &[u8]) -> String {
    let short = name.get(..name.len().min(ECHO_BYTES_MAX)).unwrap_or_default();
    String::from_utf8_lossy(short).chars().filter(|c| !c.is_control()).collect()
}

/// A boolean; `null` is `false`.
pub(super) fn boolean(scanner: &mut Scanner<'_>, name: &'static str) -> Result<bool, Failure> {
    match scanner.value()?.0 {
        Shape::True => Ok(true),
        Shape::False | Shape::Null => Ok(false),
        found => Err(wrong_type(name, found, "a boolean")),
    }
}

/// A string, or nothing if it is empty or of another type.
pub(super) fn string_if(scanner: &mut Scanner<'_>) -> Result<Option<Str>, Failure> {
    if scanner.shape()? != Shape::String {
        scanner.skip()?;
        return Ok(None);
    }
    let text = scanner.string()?;
    Ok((text.span.len() > 0).then_some(text))
}

/// The whole number that JSON digits stand for: `4096`, `4096.0` and `4.096e3` are one. Beyond 128
/// bits it is the largest there is.
pub(super) fn whole(digits: &[u8]) -> Option<i128> {
    let digits = std::str::from_utf8(digits).ok()?;
    if let Ok(number) = digits.parse::<i64>() {
        return Some(number.into());
    }
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (int, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let (sign, int) = int.strip_prefix('-').map_or((1, int), |int| (-1, int));
    let digit = |sum: i128, digit: u8| {
        sum.saturating_mul(10).saturating_add(i128::from(digit.wrapping_sub(b'0')))
    };
    let number = int.bytes().chain(fraction.bytes()).fold(0, digit);
    if number == 0 {
        return Some(0);
    }
    // An exponent that is no `i32` is beyond all numbers on one side and none whole on the other.
    let negative = exponent.starts_with('-');
    let exponent = exponent.parse().unwrap_or(if negative { -1_000_000 } else { 1_000_000 });
    let scale = i32::try_from(fraction.len()).map_or(i32::MIN, |places| exponent - places);
    let ten = |power: u32| 10_i128.saturating_pow(power);
    if scale >= 0 {
        return Some(sign * number.saturating_mul(ten(scale.unsigned_abs())));
    }
    let power = ten(scale.unsigned_abs());
    (number % power == 0).then_some(sign * (number / power))
}

/// Whether a value asks for reasoning: `"high"`, `{"effort": "high"}`, `{"type": "enabled"}`, `true`. What
/// is empty, `null` or a word for no does not.
pub(super) fn wants_reasoning(scanner: &mut Scanner<'_>) -> Result<bool, Failure> {
    if scanner.shape()? != Shape::Object {
        return says_yes(scanner);
    }
    let (mut wanted, mut stated) = (true, false);
    scanner.object(|scanner, key| {
        let is_null = scanner.shape()? == Shape::Null;
        stated |= !is_null;
        match &*key.name() {
            b"effort" | b"type" | b"enabled" | b"max_tokens" | b"budget_tokens" => {
                let yes = says_yes(scanner)?;
                wanted &= is_null || yes;
            }
            // How what is thought is shown says nothing of whether it is.
            _ => scanner.skip()?,
        }
        Ok::<_, Failure>(())
    })?;
    Ok(wanted && stated)
}

/// Words by which reasoning is refused.
const NO: [&[u8]; 6] = [b"", b"none", b"disabled", b"disable", b"off", b"false"];

fn says_yes(scanner: &mut Scanner<'_>) -> Result<bool, Failure> {
    if scanner.shape()? == Shape::String {
        let text = scanner.string()?;
        let text = text.text(scanner.bytes());
        return Ok(!NO.iter().any(|no| text.eq_ignore_ascii_case(no)));
    }
    let (shape, span) = scanner.value()?;
    Ok(match shape {
        // A budget of nothing.
        Shape::Number => span.of(scanner.bytes()).iter().any(|digit| matches!(digit, b'1'..=b'9')),
        shape => !matches!(shape, Shape::Null | Shape::False),
    })
}

/// A whole number from 1 up, or `null`.
pub(super) fn tokens(scanner: &mut Scanner<'_>, name: &'static str) -> Result<Allowed, Failure> {
    let (shape, value) = scanner.value()?;
    match shape {
        Shape::Null => return Ok(Allowed { value, tokens: None }),
        Shape::Number => {}
        found => return Err(wrong_type(name, found, "a whole number")),
    }
    match whole(value.of(scanner.bytes())) {
        Some(number @ 1..) => {
            let tokens = u32::try_from(number).unwrap_or(u32::MAX);
            Ok(Allowed { value, tokens: Some(Tokens(tokens)) })
        }
        _ => {
            let text = format!("{name} is not a whole number from 1 up");
            Err(Failure::invalid("invalid_value", text).at(name))
        }
    }
}
