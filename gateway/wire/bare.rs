//! A failure that stands bare: an object that says what is wrong, without `error` around it.
//!
//! Hosts and the frameworks that they stand on write these where a chunk or an answer should be. A text
//! alone is none, since some engines report their progress so: it takes a code beside it.

use super::{
    scan::{JsonError, Scanner},
    span::Shape,
};

/// What an object says of itself beside its choices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bare {
    message: bool,
    code: bool,
    certain: bool,
}

impl Bare {
    /// Looks at a member of this name, and passes over it.
    pub(super) fn member(
        &mut self,
        name: &[u8],
        scanner: &mut Scanner<'_>,
    ) -> Result<(), JsonError> {
        match name {
            b"message" | b"msg" | b"error_msg" | b"error_message" => self.message |= says(scanner)?,
            b"code" | b"error_code" => self.code |= is_code(scanner, true)?,
            b"status" | b"status_code" | b"statusCode" => self.code |= is_code(scanner, false)?,
            b"type" => {
                let (shape, span) = scanner.value()?;
                let text = span.of(scanner.bytes());
                self.code |=
                    shape == Shape::String && memchr::memmem::find(text, b"rror").is_some();
            }
            b"detail" | b"errors" => self.certain |= says(scanner)?,
            b"success" => self.certain |= scanner.value()?.0 == Shape::False,
            b"base_resp" if scanner.shape()? == Shape::Object => {
                scanner.object(|scanner, key| match &*key.name() {
                    b"status_code" => {
                        self.certain |= is_code(scanner, false)?;
                        Ok(())
                    }
                    _ => scanner.skip(),
                })?;
            }
            _ => scanner.skip()?,
        }
        Ok(())
    }

    /// Whether that is a failure, where there is no choice.
    pub(super) const fn is_failure(self) -> bool {
        self.certain || self.message && self.code
    }
}

/// Whether a value is the code of a failure: no zero and no 2xx, as a number or in digits; or, where words
/// are codes, one that does not say that all is well.
fn is_code(scanner: &mut Scanner<'_>, words: bool) -> Result<bool, JsonError> {
    let (shape, span) = scanner.value()?;
    let text = match (shape, span.of(scanner.bytes())) {
        (Shape::Number, digits) => digits,
        (Shape::String, [_, text @ .., _]) => text,
        _ => return Ok(false),
    };
    if text.iter().all(u8::is_ascii_digit) {
        let well = matches!(text, [b'2', _, _]) || text.iter().all(|it| *it == b'0');
        return Ok(!well);
    }
    let well = [&b"ok"[..], b"success"].iter().any(|it| text.eq_ignore_ascii_case(it));
    Ok(words && !well)
}

/// Whether there is anything in a value: `""`, `{}`, `0` and the like say nothing.
pub(super) fn says(scanner: &mut Scanner<'_>) -> Result<bool, JsonError> {
    let mut found = false;
    match scanner.shape()? {
        Shape::String => found = scanner.string()?.span.len() > 0,
        Shape::Array => scanner.array(|scanner, _| {
            found |= says(scanner)?;
            Ok::<_, JsonError>(())
        })?,
        Shape::Object => scanner.object(|scanner, _| {
            found |= says(scanner)?;
            Ok::<_, JsonError>(())
        })?,
        Shape::Number => {
            let (_, span) = scanner.value()?;
            let digits =
                span.of(scanner.bytes()).iter().take_while(|it| !matches!(it, b'e' | b'E'));
            found = digits.into_iter().any(|it| matches!(it, b'1'..=b'9'));
        }
        Shape::True => {
            scanner.skip()?;
            found = true;
        }
        Shape::False | Shape::Null => scanner.skip()?,
    }
    Ok(found)
}
