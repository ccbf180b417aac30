//! The requests of the OpenAI dialect: which fields the gateway reads, which it refuses, and what shape they
//! must have. Everything else is the backend's business.

mod conversation;
mod described;
mod encoder;
mod fields;
mod members;
mod texts;

use std::borrow::Cow;

use bytes::Bytes;
use policies::facts::{Needs, Tokens};
use smallvec::SmallVec;

pub(super) use self::described::{
    chat_body, completion_answer, completion_body, embeddings_answer, embeddings_body,
    rerank_answer, rerank_body,
};
use self::fields::{Field, Table};
pub(super) use self::{
    conversation::conversation,
    encoder::{Encoder, written},
};
use super::{
    ReadLimits, Surface,
    field::{
        TEMPLATE_KEYS, boolean, echo, string_if, tokens, twice, wants_reasoning, whole, wrong_type,
    },
    grammar::{self, Format},
    message,
    request::{Allowed, Request, StreamOptions, arm},
    scan::{Scanner, Shape, Span},
    shield::{self, Expected},
    tools, utf8,
};
use crate::failure::{Failure, Kind, Stage};

/// The longest name of a model that is asked for, in bytes as they are written.
const MODEL_BYTES_MAX: usize = 256;
/// Top-level keys that are only passed on: far more than any API has. They are kept until the end
/// of the body to find one that stands twice.
const OTHERS_MAX: usize = 1000;

/// Reads a chat request.
pub(super) fn chat(
    surface: &'static Surface,
    body: Bytes,
    limits: &ReadLimits,
) -> Result<Request, Failure> {
    read(&fields::CHAT, surface, body, limits)
}

/// Reads a request for the completion of prompts.
pub(super) fn completion(
    surface: &'static Surface,
    body: Bytes,
    limits: &ReadLimits,
) -> Result<Request, Failure> {
    let request = read(&fields::COMPLETION, surface, body, limits)?;
    texts::choices(request)
}

/// Reads a request for vectors.
pub(super) fn embeddings(
    surface: &'static Surface,
    body: Bytes,
    limits: &ReadLimits,
) -> Result<Request, Failure> {
    read(&fields::EMBEDDINGS, surface, body, limits)
}

/// Reads a request for the ranks of documents.
pub(super) fn rerank(
    surface: &'static Surface,
    body: Bytes,
    limits: &ReadLimits,
) -> Result<Request, Failure> {
    Ok(texts::ranked(read(&fields::RERANK, surface, body, limits)?))
}

fn read(
    table: &Table,
    surface: &'static Surface,
    body: Bytes,
    limits: &ReadLimits,
) -> Result<Request, Failure> {
    checked(&body)?;
    let request = fields(table, Request::unread(surface), &body, limits)?;
    Ok(Request { body, ..request })
}

/// Whether a chat completion has a field of this name that is looked at.
pub(super) fn has(name: &str) -> bool {
    (fields::CHAT.field)(name.as_bytes()).is_some()
}

/// Refuses what is too long for any place in it, or no text.
pub(super) fn checked(body: &[u8]) -> Result<(), Failure> {
    if u32::try_from(body.len()).is_err() {
        return Err(Failure::new(Kind::TooLarge, Stage::Classify, "the body is above 4 GiB"));
    }
    utf8::valid(body).map_err(|at| {
        let text = format!("the body is not valid JSON: invalid UTF-8 at byte {at}");
        Failure::invalid("invalid_json", text)
    })
}

fn fields(
    table: &Table,
    request: Request,
    body: &[u8],
    limits: &ReadLimits,
) -> Result<Request, Failure> {
    let mut reader =
        Reader { table, request, limits, seen: 0, endless: false, others: SmallVec::new() };
    reader.body(body)?;
    Ok(reader.request)
}

struct Reader<'a, 'l> {
    table: &'l Table,
    request: Request,
    limits: &'l ReadLimits,
    /// One bit for each [`Field`].
    seen: u64,
    /// The answer does not end by itself.
    endless: bool,
    /// All other top-level keys.
    others: SmallVec<[Cow<'a, [u8]>; 8]>,
}

impl<'a> Reader<'a, '_> {
    fn body(&mut self, body: &'a [u8]) -> Result<(), Failure> {
        let mut scanner = Scanner::strict(body, self.limits.depth_max);
        match scanner.shape()? {
            Shape::Object => {}
            found => {
                scanner.skip()?;
                scanner.end()?;
                let text = format!("the body is {}: expected an object", found.name());
                return Err(Failure::invalid("invalid_type", text));
            }
        }
        self.request.inside = Span::new(scanner.at() + 1, scanner.at() + 1).start;
        scanner.object(|scanner, key| {
            let name = key.name();
            let Some(field) = (self.table.field)(&name) else {
                let request = &mut self.request;
                self.endless |= members::other(&name, scanner, request, self.limits)?;
                if self.others.len() >= OTHERS_MAX {
                    let text = format!("more than {OTHERS_MAX} unknown fields");
                    return Err(Failure::invalid("invalid_value", text));
                }
                self.others.push(name);
                return Ok(());
            };
            if self.seen & (1 << field as u64) != 0 {
                return Err(twice(&name));
            }
            self.seen |= 1 << field as u64;
            self.field(field, scanner)?;
            self.request.members_say |= members::says(field, &self.request);
            Ok(())
        })?;
        scanner.end()?;
        self.others.sort_unstable();
        if let Some([name, _]) = self.others.array_windows().find(|[one, two]| one == two) {
            return Err(twice(name));
        }
        for (field, name) in self.table.needed {
            if self.seen & (1 << *field as u64) == 0 {
                let text = format!("{name} is missing");
                return Err(Failure::invalid("missing_required_parameter", text).at(*name));
            }
        }
        if self.endless && self.request.output_tokens_asked().is_none() {
            let text = "ignore_eos needs max_tokens: the answer would not end by itself";
            return Err(Failure::invalid("invalid_value", text).at("ignore_eos"));
        }
        Ok(())
    }

    fn field(&mut self, field: Field, scanner: &mut Scanner<'a>) -> Result<(), Failure> {
        match field {
            Field::Model => self.model(scanner)?,
            Field::Messages => {
                let from = scanner.at();
                message::read(scanner, &mut self.request, self.limits)?;
                self.request.messages_span = Span::new(from, scanner.at());
            }
            Field::Stream => self.request.stream = boolean(scanner, "stream")?,
            Field::StreamOptions => self.stream_options(scanner)?,
            Field::MaxTokens => self.request.max_tokens = Some(tokens(scanner, "max_tokens")?),
            Field::MaxCompletionTokens => {
                let allowed = tokens(scanner, "max_completion_tokens")?;
                self.request.max_completion_tokens = Some(allowed);
            }
            Field::N => self.n(scanner)?,
            Field::Tools => self.tools(scanner, "tools")?,
            Field::Functions => self.tools(scanner, "functions")?,
            Field::ResponseFormat => self.response_format(scanner)?,
            Field::ReasoningEffort => {
                match scanner.shape()? {
                    Shape::String | Shape::Null => {}
                    found => return Err(wrong_type("reasoning_effort", found, "a string")),
                }
                let start = scanner.at();
                self.reasoning(scanner)?;
                let param = arm::param(b"reasoning_effort");
                let span = Span::new(start, scanner.at());
                self.request.params.extend(param.map(|param| (param, span)));
            }
            Field::Reasoning
            | Field::Thinking
            | Field::EnableThinking
            | Field::ThinkingBudget
            | Field::Think => self.reasoning(scanner)?,
            Field::TemplateKwargs => self.template_kwargs(scanner)?,
            Field::Logprobs => self.logprobs(scanner)?,
            Field::User => self.request.user = string_if(scanner)?,
            Field::SafetyIdentifier => self.request.safety_identifier = string_if(scanner)?,
            Field::Metadata => self.metadata(scanner)?,
            other => texts::field(other, scanner, &mut self.request, self.limits)?,
        }
        Ok(())
    }

    fn need(&mut self, need: Needs) {
        self.request.needs = self.request.needs.with(need);
    }

    fn reasoning(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        if wants_reasoning(scanner)? {
            self.need(Needs::REASONING);
        }
        Ok(())
    }

    fn model(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        match scanner.shape()? {
            Shape::String => self.request.model = scanner.string()?,
            found => return Err(wrong_type("model", found, "a string")),
        }
        if self.request.model.span.len() == 0 {
            let text = "model is empty: name a model, an alias or auto";
            return Err(Failure::invalid("missing_required_parameter", text).at("model"));
        }
        // It is kept with the request, and the books are not the caller's to fill.
        if self.request.model.span.len() > MODEL_BYTES_MAX {
            let text = format!("model has more than {MODEL_BYTES_MAX} bytes: no name is so long");
            return Err(Failure::invalid("invalid_value", text).at("model"));
        }
        Ok(())
    }

    fn stream_options(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        let shape = scanner.shape()?;
        let start = scanner.at();
        let mut options = StreamOptions { empty: true, ..StreamOptions::default() };
        match shape {
            Shape::Null => scanner.skip()?,
            Shape::Object => {
                options.object = true;
                scanner.object(|scanner, key| {
                    options.empty = false;
                    if *key.name() != *b"include_usage" {
                        return Ok(scanner.skip()?);
                    }
                    scanner.shape()?;
                    let start = scanner.at();
                    options.asked = boolean(scanner, "stream_options.include_usage")?;
                    options.include_usage = Some(Span::new(start, scanner.at()));
                    Ok::<_, Failure>(())
                })?;
            }
            found => return Err(wrong_type("stream_options", found, "an object")),
        }
        options.value = Span::new(start, scanner.at());
        self.request.stream_options = Some(options);
        Ok(())
    }

    fn n(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        let Allowed { tokens: Some(Tokens(n)), .. } = tokens(scanner, "n")? else {
            return Ok(());
        };
        let most = self.limits.n_max;
        match u8::try_from(n) {
            Ok(n) if n <= most => {
                self.request.n = n;
                Ok(())
            }
            _ => {
                let text = format!("n is {n}: at most {most} is supported");
                Err(Failure::invalid("unsupported_parameter", text).at("n"))
            }
        }
    }

    fn tools(&mut self, scanner: &mut Scanner<'_>, name: &'static str) -> Result<(), Failure> {
        match scanner.shape()? {
            Shape::Null => return Ok(scanner.skip()?),
            Shape::Array => {}
            found => return Err(wrong_type(name, found, "an array")),
        }
        let start = scanner.at();
        let mut count = usize::from(self.request.tools);
        let most = self.limits.tools_max;
        count += tools::offered(name, scanner, &mut self.request, self.limits)?;
        if count > most {
            let text = format!("{name} holds {count} tools: at most {most} are supported");
            return Err(Failure::invalid("unsupported_parameter", text).at(name));
        }
        if count > 0 {
            self.need(Needs::TOOLS);
        }
        self.request.tools = u16::try_from(count).unwrap_or(u16::MAX);
        self.request.tools_span.get_or_insert(Span::new(start, scanner.at()));
        Ok(())
    }

    fn response_format(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        match grammar::format("response_format", scanner, self.limits)? {
            Format::Text => {}
            Format::Json => self.request.json_schema = true,
            Format::JsonSchema => {
                self.request.json_schema = true;
                self.need(Needs::JSON_SCHEMA);
            }
        }
        Ok(())
    }

    /// `logprobs: true`, or how many as older clients say.
    fn logprobs(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        let wanted = match scanner.shape()? {
            Shape::Number => {
                let start = scanner.at();
                shield::check(Expected::Logprobs, "logprobs", scanner, self.limits)?;
                let digits = Span::new(start, scanner.at()).of(scanner.bytes());
                whole(digits).is_some_and(|alternatives| alternatives > 0)
            }
            _ => boolean(scanner, "logprobs")?,
        };
        if wanted {
            self.need(Needs::LOGPROBS);
        }
        Ok(())
    }

    fn template_kwargs(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        match scanner.shape()? {
            Shape::Null => return Ok(scanner.skip()?),
            Shape::Object => {}
            found => return Err(wrong_type("chat_template_kwargs", found, "an object")),
        }
        scanner.object(|scanner, key| {
            let name = key.name();
            if !TEMPLATE_KEYS.contains(&&*name) {
                let path = format!("chat_template_kwargs.{}", echo(&name));
                let text = format!("{path} is not supported here");
                return Err(Failure::invalid("unsupported_parameter", text).at(path));
            }
            self.reasoning(scanner)
        })
    }

    fn metadata(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        if scanner.shape()? != Shape::Object {
            return Ok(scanner.skip()?);
        }
        scanner.object(|scanner, key| {
            if *key.name() == *b"user_id" {
                self.request.metadata_user = string_if(scanner)?;
                return Ok(());
            }
            Ok(scanner.skip()?)
        })
    }
}

#[cfg(test)]
mod tests;
