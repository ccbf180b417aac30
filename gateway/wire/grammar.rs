//! What an answer must look like: schemas, patterns and grammars that an engine compiles. A large one
//! stalls an engine, a wrong one has stopped it for everybody: both are refused here, by place.

use std::borrow::Cow;

use memchr::memmem;

use super::{
    ReadLimits,
    field::wrong_type,
    pattern,
    place::Fault,
    scan::{Scanner, Shape, Span, Str},
};
use crate::failure::Failure;

/// Bytes of a place in a schema that a message repeats.
const PLACE_BYTES_MAX: usize = 256;
/// Open objects and arrays of a schema that comes as a text.
const DEPTH_MAX: usize = 128;

/// How a grammar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grammar {
    /// JSON Schema, as an object or as its text.
    Schema,
    /// A regular expression.
    Pattern,
    /// EBNF, GBNF or Lark; or an object that says of which kind it is.
    Text,
    /// A schema, or the name of a format.
    Named,
    /// Texts to choose from.
    Choice,
    /// `structured_outputs`: one of the others under its name.
    Outputs,
}

/// Reads the grammar that the scanner is at; `null` is none.
pub(super) fn read(
    grammar: Grammar,
    path: &str,
    scanner: &mut Scanner<'_>,
    limits: &ReadLimits,
) -> Result<(), Failure> {
    let shape = scanner.shape()?;
    if shape == Shape::Null {
        return Ok(scanner.skip()?);
    }
    match (grammar, shape) {
        (Grammar::Schema, Shape::Object) => {
            let (_, span) = scanner.value()?;
            schema(path, span.of(scanner.bytes()), limits)
        }
        (Grammar::Schema, Shape::String) => schema_text(path, scanner, limits),
        (Grammar::Schema, found) => Err(wrong_type(path.to_owned(), found, "a schema")),
        (Grammar::Pattern, Shape::String) => {
            let text = scanner.string()?;
            sized(path, text.span.len(), limits.grammar_bytes_max)?;
            check(text, scanner.bytes()).map_err(|what| refused(path.to_owned(), what))
        }
        (Grammar::Pattern, found) => Err(wrong_type(path.to_owned(), found, "a string")),
        (Grammar::Named, Shape::Object) => read(Grammar::Schema, path, scanner, limits),
        (Grammar::Named, Shape::String) => {
            sized(path, scanner.string()?.span.len(), limits.grammar_bytes_max)
        }
        (Grammar::Text, Shape::Object) => format(path, scanner, limits).map(drop),
        (Grammar::Text, Shape::String) => {
            let bytes = scanner.string()?.span.len();
            if bytes == 0 {
                let text = format!("{path} is empty: expected a grammar");
                return Err(Failure::invalid("invalid_value", text).at(path.to_owned()));
            }
            sized(path, bytes, limits.grammar_bytes_max)
        }
        (Grammar::Text | Grammar::Named, found) => {
            Err(wrong_type(path.to_owned(), found, "a string"))
        }
        (Grammar::Choice, Shape::Array) => choice(path, scanner, limits),
        (Grammar::Choice, found) => Err(wrong_type(path.to_owned(), found, "an array of strings")),
        (Grammar::Outputs, Shape::Object) => outputs(path, scanner, limits),
        (Grammar::Outputs, found) => Err(wrong_type(path.to_owned(), found, "an object")),
    }
}

fn schema(path: &str, raw: &[u8], limits: &ReadLimits) -> Result<(), Failure> {
    schema_at(&|| path.to_owned(), raw, limits)
}

/// A schema, as JSON: its size, and the patterns in it.
pub(super) fn schema_at(
    path: &dyn Fn() -> String,
    raw: &[u8],
    limits: &ReadLimits,
) -> Result<(), Failure> {
    if raw.len() > limits.schema_bytes_max {
        return sized(&path(), raw.len(), limits.schema_bytes_max);
    }
    // A key is written plainly or with escapes; where neither stands there is nothing to look for.
    if memmem::find(raw, b"attern").is_none() && memmem::find(raw, b"\\u").is_none() {
        return Ok(());
    }
    let found = patterns(&mut Scanner::strict(raw, DEPTH_MAX), limits.grammar_bytes_max);
    found.map_err(|Found { what, at }| refused(place(path(), raw, at), what))
}

/// A schema in a string.
fn schema_text(path: &str, scanner: &mut Scanner<'_>, limits: &ReadLimits) -> Result<(), Failure> {
    let text = scanner.string()?;
    sized(path, text.span.len(), limits.schema_bytes_max)?;
    let text = text.text(scanner.bytes());
    let mut inner = Scanner::strict(&text, DEPTH_MAX);
    let valid = inner.skip().and_then(|()| inner.end());
    valid.map_err(|Fault { what, .. }| {
        let text = format!("{path} holds no JSON: {what}");
        Failure::invalid("invalid_value", text).at(path.to_owned())
    })?;
    schema(path, &text, limits)
}

fn choice(path: &str, scanner: &mut Scanner<'_>, limits: &ReadLimits) -> Result<(), Failure> {
    let (start, mut count) = (scanner.at(), 0);
    scanner.array(|scanner, position| {
        count += 1;
        match scanner.value()?.0 {
            Shape::String => Ok(()),
            found => Err(wrong_type(format!("{path}[{position}]"), found, "a string")),
        }
    })?;
    sized(path, scanner.at() - start, limits.grammar_bytes_max)?;
    if count == 0 {
        let text = format!("{path} is empty: expected at least one choice");
        return Err(Failure::invalid("invalid_value", text).at(path.to_owned()));
    }
    Ok(())
}

fn outputs(path: &str, scanner: &mut Scanner<'_>, limits: &ReadLimits) -> Result<(), Failure> {
    scanner.object(|scanner, key| {
        let grammar = match &*key.name() {
            b"json" | b"structural_tag" => Grammar::Schema,
            b"regex" | b"whitespace_pattern" => Grammar::Pattern,
            b"choice" => Grammar::Choice,
            b"grammar" => Grammar::Text,
            _ => return Ok(scanner.skip()?),
        };
        let name = key.name();
        let name = std::str::from_utf8(&name).unwrap_or_default();
        read(grammar, &format!("{path}.{name}"), scanner, limits)
    })
}

/// What a caller wants the answer to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
    JsonSchema,
}

/// Reads `response_format` or what is written like it, which the scanner is at.
pub(super) fn format(
    path: &str,
    scanner: &mut Scanner<'_>,
    limits: &ReadLimits,
) -> Result<Format, Failure> {
    match scanner.shape()? {
        Shape::Null => return Ok(scanner.skip().map(|()| Format::Text)?),
        Shape::Object => {}
        found => return Err(wrong_type(path.to_owned(), found, "an object")),
    }
    let start = scanner.at();
    let (mut kind, mut value, mut described) = (None, None, None);
    scanner.object(|scanner, key| {
        match &*key.name() {
            b"type" => match scanner.shape()? {
                Shape::String => kind = Some(scanner.string()?),
                found => return Err(wrong_type(format!("{path}.type"), found, "a string")),
            },
            b"value" | b"pattern" if scanner.shape()? == Shape::String => {
                value = Some(scanner.string()?);
            }
            b"json_schema" => described = Some(scanner.value()?.0),
            _ => scanner.skip()?,
        }
        Ok::<_, Failure>(())
    })?;
    let raw = Span::new(start, scanner.at()).of(scanner.bytes());
    schema(path, raw, limits)?;
    let Some(kind) = kind else {
        let text = format!("{path}.type is missing");
        let failure = Failure::invalid("missing_required_parameter", text);
        return Err(failure.at(format!("{path}.type")));
    };
    match &*kind.text(scanner.bytes()) {
        b"text" | b"structural_tag" | b"grammar" => Ok(Format::Text),
        b"json_object" | b"json" => Ok(Format::Json),
        b"json_schema" => match described {
            None | Some(Shape::Object) => Ok(Format::JsonSchema),
            Some(found) => Err(wrong_type(format!("{path}.json_schema"), found, "an object")),
        },
        b"regex" => {
            let bytes = value.map_or(0, |text| text.span.len());
            sized(path, bytes, limits.grammar_bytes_max)?;
            let checked = value.map_or(Ok(()), |text| check(text, scanner.bytes()));
            checked.map_err(|what| refused(format!("{path}.value"), what))?;
            Ok(Format::Text)
        }
        _ => {
            let known = "text, json_object, json_schema, structural_tag, grammar or regex";
            let text = format!("{path}.type is unknown: expected {known}");
            Err(Failure::invalid("invalid_value", text).at(format!("{path}.type")))
        }
    }
}

fn check(text: Str, body: &[u8]) -> Result<(), pattern::Wrong> {
    pattern::check(&String::from_utf8_lossy(&text.text(body)))
}

fn sized(path: &str, bytes: usize, most: usize) -> Result<(), Failure> {
    if bytes <= most {
        return Ok(());
    }
    let text = format!("{path} has {bytes} bytes: at most {most} are supported");
    Err(Failure::invalid("unsupported_parameter", text).at(path.to_owned()))
}

fn refused(path: impl Into<Cow<'static, str>>, what: &str) -> Failure {
    let path = path.into();
    let text = format!("{path} is no pattern that engines can take: {what}");
    Failure::invalid("invalid_value", text).at(path)
}

/// What is wrong in a schema, and where.
struct Found {
    what: &'static str,
    at: usize,
}

impl From<Fault> for Found {
    fn from(Fault { what, at }: Fault) -> Self {
        Self { what, at }
    }
}

/// Checks every pattern of a schema. What is data in it (`enum`, `default`) is passed over.
fn patterns(scanner: &mut Scanner<'_>, bytes_max: usize) -> Result<(), Found> {
    match scanner.shape()? {
        Shape::Object => scanner.object(|scanner, key| match (&*key.name(), scanner.shape()?) {
            (b"pattern", Shape::String) => {
                let at = scanner.at();
                let text = scanner.string()?;
                one(&text.text(scanner.bytes()), at, bytes_max)
            }
            (b"patternProperties", Shape::Object) => scanner.object(|scanner, key| {
                scanner.shape()?;
                one(&key.name(), scanner.at(), bytes_max)?;
                patterns(scanner, bytes_max)
            }),
            (b"properties" | b"$defs" | b"definitions", Shape::Object) => {
                scanner.object(|scanner, _| patterns(scanner, bytes_max))
            }
            (b"enum" | b"const" | b"default" | b"examples", _) => Ok(scanner.skip()?),
            _ => patterns(scanner, bytes_max),
        }),
        Shape::Array => scanner.array(|scanner, _| patterns(scanner, bytes_max)),
        _ => Ok(scanner.skip()?),
    }
}

fn one(text: &[u8], at: usize, bytes_max: usize) -> Result<(), Found> {
    if text.len() > bytes_max {
        return Err(Found { what: "it is too long", at });
    }
    pattern::check(&String::from_utf8_lossy(text)).map_err(|what| Found { what, at })
}

/// The path of the value that begins at this byte of a schema.
fn place(mut place: String, raw: &[u8], at: usize) -> String {
    let _ = find(&mut Scanner::strict(raw, DEPTH_MAX), at, &mut place);
    place.truncate(place.floor_char_boundary(PLACE_BYTES_MAX));
    place
}

/// Walks to the value and stops there with a fault, the path as it then is.
fn find(scanner: &mut Scanner<'_>, target: usize, path: &mut String) -> Result<(), Fault> {
    let step = |scanner: &mut Scanner<'_>, path: &mut String, name: &str| {
        let before = path.len();
        path.push_str(name);
        scanner.shape()?;
        if scanner.at() == target {
            return Err(Fault { what: "found", at: target });
        }
        find(scanner, target, path)?;
        path.truncate(before);
        Ok(())
    };
    match scanner.shape()? {
        Shape::Object => scanner.object(|scanner, key| {
            step(scanner, path, &format!(".{}", super::field::echo(&key.name())))
        }),
        Shape::Array => scanner.array(|scanner, at| step(scanner, path, &format!("[{at}]"))),
        _ => scanner.skip(),
    }
}
