//! Tools: what is offered to a model, which it must take, and what it has called.

use super::{
    ReadLimits,
    field::{echo, wrong_type},
    grammar,
    request::Request,
    scan::{Scanner, Shape, Span},
};
use crate::failure::Failure;

/// What is known of a tool, a choice or a call when all of its members are read.
#[derive(Default)]
struct Seen {
    /// Of a `type` that is not `function`: the backend's business.
    other: bool,
    function: bool,
    name: bool,
}

fn missing(path: String) -> Failure {
    let text = format!("{path} is missing");
    Failure::invalid("missing_required_parameter", text).at(path)
}

/// Whether the next value is `null`, which is then behind us.
fn absent(scanner: &mut Scanner<'_>) -> Result<bool, Failure> {
    let null = scanner.shape()? == Shape::Null;
    if null {
        scanner.skip()?;
    }
    Ok(null)
}

/// A string, or `null`; whether it is one and not empty.
fn text(path: &str, name: &[u8], scanner: &mut Scanner<'_>) -> Result<bool, Failure> {
    match scanner.value()? {
        (Shape::String, span) => Ok(span.len() > 2),
        (Shape::Null, _) => Ok(false),
        (found, _) => Err(wrong_type(format!("{path}.{}", echo(name)), found, "a string")),
    }
}

/// `tools` or `functions`, whose array the scanner is at: how many there are.
pub(super) fn offered(
    name: &'static str,
    scanner: &mut Scanner<'_>,
    request: &mut Request,
    limits: &ReadLimits,
) -> Result<usize, Failure> {
    let mut count = 0;
    scanner.array(|scanner, position| {
        count += 1;
        let shape = scanner.shape()?;
        let start = scanner.at();
        let path = || format!("{name}[{position}]");
        match (shape, name) {
            (Shape::Object, "functions") => function(&path, scanner, Of::Offer)?,
            (Shape::Object, _) => holder(&path, scanner, Of::Offer)?,
            (found, _) => return Err(wrong_type(path(), found, "an object")),
        }
        let span = Span::new(start, scanner.at());
        request.weight += span.len() as u64 * 5;
        grammar::schema_at(&path, span.of(scanner.bytes()), limits)
    })?;
    Ok(count)
}

/// Whose function it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Offer,
    Choice,
    Call,
}

/// An object whose `function` has a name, unless its `type` is another.
fn holder(path: &dyn Fn() -> String, scanner: &mut Scanner<'_>, of: Of) -> Result<(), Failure> {
    let mut seen = Seen::default();
    scanner.object(|scanner, key| {
        match &*key.name() {
            b"type" => match scanner.shape()? {
                Shape::String => {
                    let kind = scanner.string()?;
                    seen.other = *kind.text(scanner.bytes()) != *b"function";
                }
                Shape::Null => scanner.skip()?,
                found => return Err(wrong_type(path() + ".type", found, "a string")),
            },
            b"function" if !absent(scanner)? => {
                seen.function = true;
                match scanner.shape()? {
                    Shape::Object => function(&|| path() + ".function", scanner, of)?,
                    found => return Err(wrong_type(path() + ".function", found, "an object")),
                }
            }
            b"function" => {}
            b"id" if of == Of::Call => text(&path(), b"id", scanner).map(drop)?,
            _ => scanner.skip()?,
        }
        Ok(())
    })?;
    if seen.function || seen.other { Ok(()) } else { Err(missing(path() + ".function")) }
}

/// An object with the name of a function, what it takes, and what it is called with.
fn function(path: &dyn Fn() -> String, scanner: &mut Scanner<'_>, of: Of) -> Result<(), Failure> {
    let mut seen = Seen::default();
    scanner.object(|scanner, key| {
        let name = key.name();
        let wanted = match (&*name, scanner.shape()?) {
            (b"name", Shape::String) => {
                seen.name = scanner.string()?.span.len() > 0;
                return Ok(());
            }
            (b"name", _) => "a string",
            (b"description", Shape::String | Shape::Null) => "",
            (b"description", _) if of == Of::Offer => "a string",
            (b"parameters", Shape::Object | Shape::Null) => "",
            (b"parameters", _) if of == Of::Offer => "an object",
            // Some clients send what was called as an object; engines take it.
            (b"arguments", Shape::String | Shape::Object | Shape::Null) => "",
            (b"arguments", _) if of == Of::Call => "a string",
            _ => "",
        };
        let (found, _) = scanner.value()?;
        match wanted {
            "" => Ok(()),
            wanted => Err(wrong_type(format!("{}.{}", path(), echo(&name)), found, wanted)),
        }
    })?;
    if seen.name { Ok(()) } else { Err(missing(path() + ".name")) }
}

/// `tool_choice` or `function_call`: a word, or the tool by name.
pub(super) fn choice(path: &str, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
    match scanner.shape()? {
        Shape::String => {
            let word = scanner.string()?;
            match &*word.text(scanner.bytes()) {
                b"none" | b"auto" | b"required" | b"any" => Ok(()),
                _ => {
                    let text =
                        format!("{path} is unknown: expected none, auto, required or a tool");
                    Err(Failure::invalid("invalid_value", text).at(path.to_owned()))
                }
            }
        }
        Shape::Object if path == "function_call" => {
            function(&|| path.to_owned(), scanner, Of::Choice)
        }
        Shape::Object => holder(&|| path.to_owned(), scanner, Of::Choice),
        found => Err(wrong_type(path.to_owned(), found, "a string or an object")),
    }
}

/// `tool_calls` or `function_call` of a message.
pub(super) fn called(
    path: &dyn Fn() -> String,
    one: bool,
    scanner: &mut Scanner<'_>,
) -> Result<(), Failure> {
    match (scanner.shape()?, one) {
        (Shape::Null, _) => Ok(scanner.skip()?),
        (Shape::Object, true) => function(path, scanner, Of::Call),
        (Shape::Array, false) => scanner.array(|scanner, position| {
            let path = || format!("{}[{position}]", path());
            match scanner.shape()? {
                Shape::Object => holder(&path, scanner, Of::Call),
                found => Err(wrong_type(path(), found, "an object")),
            }
        }),
        (found, true) => Err(wrong_type(path(), found, "an object")),
        (found, false) => Err(wrong_type(path(), found, "an array")),
    }
}
