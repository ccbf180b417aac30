//! What an answer must look like: schemas, patterns and grammars that an engine compiles. A large one
//! stalls an engine, a wrong one has stopped it for everybody: both are refused here, by place.

use std::borrow::Cow;

use memchr::memmem;

use super::{
    ReadLimits,
    field::wrong_type,
    pattern,
    scan::{Scanner, Shape, Span, Str},
    span::JsonError,
};
use crate::failure::Failure;

/// Bytes of a place in a schema that a message repeats.
const PLACE_BYTES_MAX: usize = 256;
/// Open objects and arrays of a schema that comes as a text.
const DEPTH_MAX: usize = 128;

/// What is said of a pattern, before what is wrong with it.
const NO_PATTERN: &str = "is no pattern that engines can take";

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

/// A schema that an engine compiles for certain: its size, and every type and pattern in it.
fn schema(path: &str, raw: &[u8], limits: &ReadLimits) -> Result<(), Failure> {
    if raw.len() > limits.schema_bytes_max {
        return sized(path, raw.len(), limits.schema_bytes_max);
    }
    walked(&|| path.to_owned(), raw, limits)
}

/// A tool, with a schema that an engine may compile: its size, and the patterns in it.
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
    walked(path, raw, limits)
}

fn walked(path: &dyn Fn() -> String, raw: &[u8], limits: &ReadLimits) -> Result<(), Failure> {
    let found = patterns(&mut Scanner::strict(raw, DEPTH_MAX), limits.grammar_bytes_max);
    found.map_err(|Found { what, at }| {
        let path = place(path(), raw, at);
        let text = format!("{path} {what}");
        Failure::invalid("invalid_value", text).at(path)
    })
}

/// A schema in a string.
fn schema_text(path: &str, scanner: &mut Scanner<'_>, limits: &ReadLimits) -> Result<(), Failure> {
    let text = scanner.string()?;
    sized(path, text.span.len(), limits.schema_bytes_max)?;
    let text = text.text(scanner.bytes());
    let mut inner = Scanner::strict(&text, DEPTH_MAX);
    let valid = inner.skip().and_then(|()| inner.end());
    valid.map_err(|JsonError { what, .. }| {
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
    let mut said = Said::default();
    scanner.object(|scanner, key| said.member(path, scanner, &key.name(), limits))?;
    let raw = Span::new(start, scanner.at()).of(scanner.bytes());
    schema(path, raw, limits)?;
    let Some(kind) = said.kind else { return Err(missing(path, "type")) };
    match &*kind.text(scanner.bytes()) {
        b"text" | b"structural_tag" => Ok(Format::Text),
        b"json_object" | b"json" => Ok(Format::Json),
        b"json_schema" if said.schema => Ok(Format::JsonSchema),
        b"json_schema" => Err(missing(path, "json_schema")),
        b"grammar" if said.text.is_some() => Ok(Format::Text),
        b"grammar" => Err(missing(path, "grammar")),
        b"regex" => {
            let Some((member, text)) = said.text else { return Err(missing(path, "pattern")) };
            let checked = check(text, scanner.bytes());
            checked.map_err(|what| refused(format!("{path}.{member}"), what))?;
            Ok(Format::Text)
        }
        _ => {
            let known = "text, json_object, json_schema, structural_tag, grammar or regex";
            let text = format!("{path}.type is unknown: expected {known}");
            Err(Failure::invalid("invalid_value", text).at(format!("{path}.type")))
        }
    }
}

/// What a `response_format` says, until its `type` is known.
#[derive(Default)]
struct Said {
    kind: Option<Str>,
    /// A schema stands there, under any of the names that engines know.
    schema: bool,
    /// A pattern or a grammar, and the member that it stands in.
    text: Option<(&'static str, Str)>,
}

impl Said {
    fn member(
        &mut self,
        path: &str,
        scanner: &mut Scanner<'_>,
        name: &[u8],
        limits: &ReadLimits,
    ) -> Result<(), Failure> {
        let (member, expected) = match name {
            b"type" => ("type", "a string"),
            b"value" => ("value", "a string or an object"),
            b"pattern" => ("pattern", "a string"),
            b"grammar" => ("grammar", "a string"),
            b"json_schema" => ("json_schema", "an object"),
            b"schema" => ("schema", "an object"),
            _ => return Ok(scanner.skip()?),
        };
        match (member, scanner.shape()?) {
            (_, Shape::Null) => return Ok(scanner.skip()?),
            ("type", Shape::String) => self.kind = Some(scanner.string()?),
            ("value" | "pattern" | "grammar", Shape::String) => {
                let text = scanner.string()?;
                sized(&format!("{path}.{member}"), text.span.len(), limits.grammar_bytes_max)?;
                self.text = Some((member, text));
            }
            ("json_schema", Shape::Object) => {
                self.schema = true;
                described(path, scanner)?;
            }
            ("schema" | "value", Shape::Object) => {
                self.schema = true;
                scanner.skip()?;
            }
            (_, found) => return Err(wrong_type(format!("{path}.{member}"), found, expected)),
        }
        Ok(())
    }
}

/// Reads `json_schema` of a `response_format`: a schema with its name.
fn described(path: &str, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
    scanner.object(|scanner, key| {
        let name = key.name();
        let (found, _) = scanner.value()?;
        let expected = match (&*name, found) {
            (_, Shape::Null)
            | (b"name" | b"description", Shape::String)
            | (b"schema", Shape::Object)
            | (b"strict", Shape::True | Shape::False) => return Ok(()),
            (b"name" | b"description", _) => "a string",
            (b"schema", _) => "an object",
            (b"strict", _) => "a boolean",
            _ => return Ok(()),
        };
        let place = format!("{path}.json_schema.{}", super::field::echo(&name));
        Err(wrong_type(place, found, expected))
    })
}

fn missing(path: &str, member: &str) -> Failure {
    let place = format!("{path}.{member}");
    let text = format!("{place} is missing");
    Failure::invalid("missing_required_parameter", text).at(place)
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
    let text = format!("{path} {NO_PATTERN}: {what}");
    Failure::invalid("invalid_value", text).at(path)
}

/// What is wrong in a schema, after the place where it is.
struct Found {
    what: Cow<'static, str>,
    at: usize,
}

impl From<JsonError> for Found {
    fn from(JsonError { what, at }: JsonError) -> Self {
        Self { what: what.into(), at }
    }
}

/// Checks every type and pattern of a schema. What is data in it (`enum`, `default`) is passed over.
fn patterns(scanner: &mut Scanner<'_>, bytes_max: usize) -> Result<(), Found> {
    match scanner.shape()? {
        Shape::Object => scanner.object(|scanner, key| match (&*key.name(), scanner.shape()?) {
            (b"pattern", Shape::String) => {
                let at = scanner.at();
                let text = scanner.string()?;
                one(&text.text(scanner.bytes()), at, bytes_max)
            }
            (b"pattern", Shape::Number | Shape::True | Shape::False | Shape::Array) => {
                Err(Found { what: "is not a string".into(), at: scanner.at() })
            }
            (b"type", Shape::Number | Shape::True | Shape::False) => {
                Err(Found { what: "is neither a string nor an array".into(), at: scanner.at() })
            }
            (b"patternProperties", Shape::Object) => scanner.object(|scanner, key| {
                scanner.shape()?;
                one(&key.name(), scanner.at(), bytes_max)?;
                patterns(scanner, bytes_max)
            }),
            // Names are keys there, not words of a schema.
            (b"properties" | b"$defs" | b"definitions" | b"dependentSchemas", Shape::Object) => {
                scanner.object(|scanner, _| patterns(scanner, bytes_max))
            }
            (
                b"enum" | b"const" | b"default" | b"example" | b"examples" | b"dependentRequired",
                _,
            ) => Ok(scanner.skip()?),
            _ => patterns(scanner, bytes_max),
        }),
        Shape::Array => scanner.array(|scanner, _| patterns(scanner, bytes_max)),
        _ => Ok(scanner.skip()?),
    }
}

fn one(text: &[u8], at: usize, bytes_max: usize) -> Result<(), Found> {
    let checked = match text.len() <= bytes_max {
        true => pattern::check(&String::from_utf8_lossy(text)),
        false => Err("it is too long"),
    };
    checked.map_err(|what| Found { what: format!("{NO_PATTERN}: {what}").into(), at })
}

/// The path of the value that begins at this byte of a schema.
fn place(mut place: String, raw: &[u8], at: usize) -> String {
    let _ = find(&mut Scanner::strict(raw, DEPTH_MAX), at, &mut place);
    place.truncate(place.floor_char_boundary(PLACE_BYTES_MAX));
    place
}

/// Walks to the value and stops there with a fault, the path as it then is.
fn find(scanner: &mut Scanner<'_>, target: usize, path: &mut String) -> Result<(), JsonError> {
    let step = |scanner: &mut Scanner<'_>, path: &mut String, name: &str| {
        let before = path.len();
        path.push_str(name);
        scanner.shape()?;
        if scanner.at() == target {
            return Err(JsonError { what: "found", at: target });
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
