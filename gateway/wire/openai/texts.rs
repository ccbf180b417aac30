//! Requests that are texts without messages: prompts, inputs, and documents beside a query.

use policies::facts::Tokens;

use super::{
    super::{
        ReadLimits,
        field::{boolean, tokens, whole, wrong_type},
        request::{Request, Texts, keep},
        scan::{Scanner, Shape, Span, Str},
        shield::{self, Expected},
        text,
    },
    fields::Field,
};
use crate::failure::Failure;

/// Inputs, prompts or documents of one request: as many as the largest API takes of inputs.
const TEXTS_MAX: u32 = 2_048;
/// Answers of one request: as many as a stream is told apart by.
const CHOICES_MAX: u32 = 64;
/// The largest token there is anywhere.
const TOKEN_MAX: i128 = i32::MAX as i128;
/// What one token weighs, in twentieths of a token.
const TOKEN_WEIGHT: u64 = 20;
/// Parts into which a document may be cut.
const CHUNKS_MAX: u32 = 10_000;

/// Reads one of the fields of such requests.
pub(super) fn field(
    field: Field,
    scanner: &mut Scanner<'_>,
    request: &mut Request,
    limits: &ReadLimits,
) -> Result<(), Failure> {
    match field {
        Field::Prompt => Reader { name: "prompt", may_be_empty: true, request }.texts(scanner),
        Field::Input => Reader { name: "input", may_be_empty: false, request }.texts(scanner),
        Field::Query => query(scanner, request),
        Field::Documents => documents(scanner, request),
        Field::Suffix => shield::check(Expected::Text, "suffix", scanner, limits),
        Field::BestOf => best_of(scanner, request, limits),
        Field::Echo => {
            request.echo = boolean(scanner, "echo")?;
            Ok(())
        }
        Field::EncodingFormat => encoding_format(scanner),
        Field::NoStream => match boolean(scanner, "stream")? {
            false => Ok(()),
            true => {
                let text = "stream is not supported here: the answer comes as a whole";
                Err(Failure::invalid("unsupported_parameter", text).at("stream"))
            }
        },
        Field::Chunks => {
            let stated = tokens(scanner, "max_chunks_per_doc")?.tokens;
            request.chunks = stated.map_or(1, |it| it.0.clamp(1, CHUNKS_MAX));
            Ok(())
        }
        Field::Dimensions => tokens(scanner, "dimensions").map(drop),
        Field::TopN => tokens(scanner, "top_n").map(drop),
        Field::TokensPerDocument => tokens(scanner, "max_tokens_per_doc").map(drop),
        // What a chat has as well is read with it.
        _ => Ok(scanner.skip()?),
    }
}

/// A list of texts, as it is read.
struct Reader<'r> {
    name: &'static str,
    may_be_empty: bool,
    request: &'r mut Request,
}

impl Reader<'_> {
    /// A text, a list of texts, the ids of a text's tokens, or a list of such lists.
    fn texts(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        let expected = "a string, an array of strings, or token ids";
        let shape = scanner.shape()?;
        let start = scanner.at();
        let mut texts = Texts::new();
        match shape {
            Shape::String => self.text(scanner, None, &mut texts)?,
            Shape::Array => self.list(scanner, &mut texts)?,
            found => return Err(wrong_type(self.name, found, expected)),
        }
        self.request.messages_span = Span::new(start, scanner.at());
        if !texts.is_empty() {
            self.request.turn(texts);
        }
        Ok(())
    }

    fn list(&mut self, scanner: &mut Scanner<'_>, texts: &mut Texts) -> Result<(), Failure> {
        let mut kind = None;
        let name = self.name;
        scanner.array(|scanner, position| {
            let shape = scanner.shape()?;
            let kind = *kind.get_or_insert(shape);
            let path = || format!("{name}[{position}]");
            match (kind, shape) {
                (Shape::String, Shape::String) => self.text(scanner, Some(position), texts),
                (Shape::Number, Shape::Number) => {
                    self.request.inputs = 1;
                    self.token(scanner, &path)
                }
                (Shape::Array, Shape::Array) => self.tokens(scanner, position),
                (Shape::String, found) => Err(wrong_type(path(), found, "a string")),
                (Shape::Number, found) => Err(wrong_type(path(), found, "the id of a token")),
                (Shape::Array, found) => Err(wrong_type(path(), found, "an array of token ids")),
                (_, found) => {
                    let expected = "a string, the id of a token, or an array of such ids";
                    Err(wrong_type(path(), found, expected))
                }
            }
        })?;
        if kind.is_none() {
            let text = format!("{name} is empty: at least one text is needed");
            return Err(Failure::invalid("invalid_value", text).at(name));
        }
        Ok(())
    }

    fn text(
        &mut self,
        scanner: &mut Scanner<'_>,
        position: Option<usize>,
        texts: &mut Texts,
    ) -> Result<(), Failure> {
        let text = scanner.string()?;
        if text.span.len() == 0 && !self.may_be_empty {
            let path = match position {
                Some(position) => format!("{}[{position}]", self.name),
                None => self.name.to_owned(),
            };
            let text = format!("{path} is empty: expected a text");
            return Err(Failure::invalid("invalid_value", text).at(path));
        }
        weigh(self.request, scanner, text);
        if text.span.len() > 0 {
            keep(texts, text);
        }
        self.another()
    }

    fn another(&mut self) -> Result<(), Failure> {
        another(self.request, self.name)
    }

    fn tokens(&mut self, scanner: &mut Scanner<'_>, position: usize) -> Result<(), Failure> {
        let name = self.name;
        let mut empty = true;
        scanner.array(|scanner, at| {
            empty = false;
            self.token(scanner, &|| format!("{name}[{position}][{at}]"))
        })?;
        if empty && !self.may_be_empty {
            let path = format!("{name}[{position}]");
            let text = format!("{path} is empty: expected the ids of tokens");
            return Err(Failure::invalid("invalid_value", text).at(path));
        }
        self.another()
    }

    fn token(
        &mut self,
        scanner: &mut Scanner<'_>,
        path: &dyn Fn() -> String,
    ) -> Result<(), Failure> {
        let (shape, span) = scanner.value()?;
        if shape != Shape::Number {
            return Err(wrong_type(path(), shape, "the id of a token"));
        }
        match whole(span.of(scanner.bytes())) {
            Some(0..=TOKEN_MAX) => {
                self.request.weight += TOKEN_WEIGHT;
                Ok(())
            }
            _ => Err(shield::out_of_range(&path(), "the id of a token")),
        }
    }
}

fn weigh(request: &mut Request, scanner: &Scanner<'_>, text: Str) {
    let raw = text.span.of(scanner.bytes());
    request.text_bytes += raw.len();
    request.weight += text::weigh(raw, text.escaped);
}

/// Counts one text more.
fn another(request: &mut Request, name: &'static str) -> Result<(), Failure> {
    request.inputs += 1;
    if request.inputs > TEXTS_MAX {
        let text =
            format!("{name} holds more than {TEXTS_MAX} texts: send them in several requests");
        return Err(Failure::invalid("unsupported_parameter", text).at(name));
    }
    Ok(())
}

fn query(scanner: &mut Scanner<'_>, request: &mut Request) -> Result<(), Failure> {
    match scanner.shape()? {
        Shape::String => {}
        found => return Err(wrong_type("query", found, "a string")),
    }
    let text = scanner.string()?;
    if text.span.len() == 0 {
        let text = "query is empty: expected a text";
        return Err(Failure::invalid("invalid_value", text).at("query"));
    }
    let raw = text.span.of(scanner.bytes());
    request.query = (raw.len() as u64, text::weigh(raw, text.escaped));
    request.text_bytes += raw.len();
    request.messages_span = text.span;
    request.turn(Texts::from_iter([text]));
    Ok(())
}

/// Texts, or objects with one.
fn documents(scanner: &mut Scanner<'_>, request: &mut Request) -> Result<(), Failure> {
    match scanner.shape()? {
        Shape::Array => {}
        found => return Err(wrong_type("documents", found, "an array")),
    }
    let start = scanner.at();
    scanner.array(|scanner, position| {
        match scanner.shape()? {
            Shape::String => {
                let text = scanner.string()?;
                weigh(request, scanner, text);
            }
            Shape::Object => document(scanner, request, position)?,
            found => {
                let path = format!("documents[{position}]");
                return Err(wrong_type(path, found, "a string or an object with text"));
            }
        }
        another(request, "documents")
    })?;
    request.documents_span = Some(Span::new(start, scanner.at()));
    if request.inputs == 0 {
        let text = "documents is empty: at least one is needed";
        return Err(Failure::invalid("invalid_value", text).at("documents"));
    }
    Ok(())
}

/// All texts of a document are read: which of them engines rank by is their business.
fn document(
    scanner: &mut Scanner<'_>,
    request: &mut Request,
    position: usize,
) -> Result<(), Failure> {
    let mut has_text = false;
    scanner.object(|scanner, key| {
        let (named, shape) = (*key.name() == *b"text", scanner.shape()?);
        if shape != Shape::String {
            if named {
                let path = format!("documents[{position}].text");
                return Err(wrong_type(path, shape, "a string"));
            }
            return Ok(scanner.skip()?);
        }
        has_text = true;
        let text = scanner.string()?;
        weigh(request, scanner, text);
        Ok(())
    })?;
    if !has_text {
        let path = format!("documents[{position}].text");
        let text = format!("{path} is missing");
        return Err(Failure::invalid("missing_required_parameter", text).at(path));
    }
    Ok(())
}

fn best_of(
    scanner: &mut Scanner<'_>,
    request: &mut Request,
    limits: &ReadLimits,
) -> Result<(), Failure> {
    let Some(Tokens(best)) = tokens(scanner, "best_of")?.tokens else { return Ok(()) };
    match u8::try_from(best).ok().filter(|it| *it <= limits.n_max) {
        Some(best) => {
            request.best_of = best;
            Ok(())
        }
        None => {
            let text = format!("best_of is {best}: at most {} is supported", limits.n_max);
            Err(Failure::invalid("unsupported_parameter", text).at("best_of"))
        }
    }
}

fn encoding_format(scanner: &mut Scanner<'_>) -> Result<(), Failure> {
    let expected = "\"float\" or \"base64\"";
    match scanner.shape()? {
        Shape::Null => return Ok(scanner.skip()?),
        Shape::String => {}
        found => return Err(wrong_type("encoding_format", found, expected)),
    }
    let text = scanner.string()?;
    if !matches!(&*text.text(scanner.bytes()), b"float" | b"base64") {
        let text = format!("encoding_format is unknown: expected {expected}");
        return Err(Failure::invalid("invalid_value", text).at("encoding_format"));
    }
    Ok(())
}

/// Counts the answers of a request with prompts: `n` for each, or as many as are written to choose from.
pub(super) fn choices(request: Request) -> Result<Request, Failure> {
    let (n, prompts) = (u32::from(request.n.max(request.best_of)), request.inputs.max(1));
    let choices = n.saturating_mul(prompts);
    match u8::try_from(choices).ok().filter(|it| u32::from(*it) <= CHOICES_MAX) {
        Some(choices) => Ok(Request { n: choices, ..request }),
        None => {
            let text = format!(
                "prompt holds {prompts} prompts with {n} answers each: at most {CHOICES_MAX} answers are \
                 supported"
            );
            Err(Failure::invalid("unsupported_parameter", text).at("prompt"))
        }
    }
}

/// Counts the query with each document, and with each part of one: it is read as often.
pub(super) fn ranked(request: Request) -> Request {
    let (bytes, weight) = request.query;
    let read = u64::from(request.inputs);
    let parts = read.saturating_mul(u64::from(request.chunks.max(1)));
    Request {
        weight: request.weight.saturating_add(weight.saturating_mul(read)),
        repeated_bytes: bytes.saturating_mul(parts.saturating_sub(1)),
        messages: request.inputs,
        ..request
    }
}
