//! Answers that are no text: vectors and ranks. Their bytes pass as they are; what is counted is how many
//! there are, and what they cost.

use bytes::Bytes;
use policies::{Counts, facts::Tokens};

use super::{
    Invalid, Plain, Why,
    answer::something,
    bare::{self, Bare},
    said::Said,
    scan::{JsonError, Scanner, Shape},
    usage,
};

/// Reads an answer with vectors, of which so many were asked for.
pub(super) fn embeddings(body: &Bytes, asked: u32) -> Result<Plain, Invalid> {
    let look = looked(body, b"data")?;
    match look.items {
        found if found == asked => Ok(look.plain()),
        found => Err(Invalid { why: Why::Vectors { found, asked } }),
    }
}

/// Reads an answer with ranks.
pub(super) fn rerank(body: &Bytes) -> Result<Plain, Invalid> {
    looked(body, b"results").map(Look::plain)
}

#[derive(Default)]
struct Look {
    items: u32,
    usage: Option<Counts>,
    error: bool,
    bare: Bare,
}

fn looked(body: &Bytes, list: &[u8]) -> Result<Look, Invalid> {
    let invalid = |why| Err(Invalid { why });
    let text = something(body)?;
    let Ok(look) = Look::of(text, list) else { return invalid(Why::NotJson) };
    if super::utf8::utf8(text).is_none() {
        return invalid(Why::NotJson);
    }
    if look.error || look.items == 0 && look.bare.is_failure() {
        return invalid(Why::Error(Said::text(text)));
    }
    if look.items == 0 { invalid(Why::NoItems) } else { Ok(look) }
}

impl Look {
    fn of(text: &[u8], list: &[u8]) -> Result<Self, JsonError> {
        let mut look = Self::default();
        let mut scanner = Scanner::lenient(text);
        if scanner.shape()? != Shape::Object {
            return Err(JsonError { what: "no object", at: scanner.at() });
        }
        scanner.object(|scanner, key| match &*key.name() {
            name if name == list => {
                if scanner.shape()? != Shape::Array {
                    return scanner.skip();
                }
                scanner.array(|scanner, _| {
                    let (shape, _) = scanner.value()?;
                    look.items += u32::from(shape == Shape::Object);
                    Ok(())
                })
            }
            b"usage" => {
                look.usage = usage::input(scanner)?.or(look.usage);
                Ok(())
            }
            b"meta" => {
                look.usage = look.usage.or(meta(scanner)?);
                Ok(())
            }
            b"error" => {
                look.error |= bare::says(scanner)?;
                Ok(())
            }
            b"object" => {
                let (shape, span) = scanner.value()?;
                look.error |= shape == Shape::String && span.of(text) == b"\"error\"";
                Ok(())
            }
            name => look.bare.member(name, scanner),
        })?;
        scanner.end()?;
        Ok(look)
    }

    fn plain(self) -> Plain {
        Plain { reported: self.usage, counted_output: Tokens(0), has_content: true }
    }
}

/// What an answer's `meta` says was used: `tokens`, else what of `billed_units` are tokens.
fn meta(scanner: &mut Scanner<'_>) -> Result<Option<Counts>, JsonError> {
    let (mut read, mut billed) = (None, None);
    if scanner.shape()? != Shape::Object {
        scanner.skip()?;
        return Ok(None);
    }
    scanner.object(|scanner, key| {
        match &*key.name() {
            b"tokens" => read = usage::input(scanner)?,
            b"billed_units" => billed = usage::input(scanner)?,
            _ => scanner.skip()?,
        }
        Ok::<_, JsonError>(())
    })?;
    Ok(read.or(billed))
}

#[cfg(test)]
mod tests;
