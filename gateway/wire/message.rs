//! The messages of a chat request: roles, texts, tool calls and media.

mod medium;
mod source;

pub(super) use self::medium::is_url;
use self::{
    medium::{carried, carrier},
    source::{Source, messages_source, sourced},
};
use super::{
    ReadLimits,
    field::{echo, wrong_type},
    media,
    request::{Request, Texts, arm::SystemPlace, keep},
    scan::{Key, Scanner, Shape, Span, Str},
    text, tools,
};
use crate::failure::Failure;

/// A longer string in a part with media is the media; a shorter one says how it is meant (`wav`).
const WORD_MAX: usize = 64;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// `system` and `developer`.
    System,
    User,
    Assistant,
    /// `tool` and `function`.
    Tool,
}

/// What one message says, until it is whole: `role` may come after `content`.
#[derive(Default)]
struct Message {
    role: Option<Role>,
    texts: Texts,
    content: Option<Shape>,
    /// Where its content ends.
    end: Option<SystemPlace>,
}

/// Reads `messages`, which the scanner is at.
pub(super) fn read<'a>(
    scanner: &mut Scanner<'a>,
    request: &mut Request,
    limits: &ReadLimits,
) -> Result<(), Failure> {
    match scanner.shape()? {
        Shape::Array => {}
        found => return Err(wrong_type("messages", found, "an array")),
    }
    let inside = Span::new(scanner.at() + 1, scanner.at() + 1).start;
    request.system_place = Some(SystemPlace::Message { at: inside });
    request.messages = 0;
    request.turns.clear();
    request.system.clear();
    scanner.array(|scanner, position| {
        request.messages = request.messages.saturating_add(1);
        Reader { request, limits, position, sources: 0 }.message(scanner)
    })?;
    if request.messages == 0 {
        let message = "messages is empty: at least one message is needed";
        return Err(Failure::invalid("invalid_value", message).at("messages"));
    }
    Ok(())
}

struct Reader<'r> {
    request: &'r mut Request,
    limits: &'r ReadLimits,
    position: usize,
    /// Pictures, sounds and videos seen so far.
    sources: u32,
}

/// What is known of a content part.
#[derive(Default)]
struct Part {
    kind: Option<Str>,
    text: bool,
    media: bool,
    /// The `source` of a part as Messages has it, which some engines and proxies take here too.
    source: Option<Source>,
}

impl Reader<'_> {
    fn path(&self, field: &str) -> String {
        format!("messages[{}]{field}", self.position)
    }

    fn wrong(&self, field: &str, found: Shape, expected: &str) -> Failure {
        wrong_type(self.path(field), found, expected)
    }

    fn message(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        let mut message = Message::default();
        match scanner.shape()? {
            Shape::Object => {}
            found => return Err(self.wrong("", found, "an object")),
        }
        scanner.object(|scanner, key| self.field(&mut message, scanner, key))?;
        let Some(role) = message.role else {
            let path = self.path(".role");
            let text = format!("{path} is missing");
            return Err(Failure::invalid("missing_required_parameter", text).at(path));
        };
        let optional = matches!(role, Role::Assistant | Role::Tool);
        match message.content {
            None | Some(Shape::Null) if !optional => {
                let path = self.path(".content");
                let found = if message.content.is_none() { "missing" } else { "null" };
                let text = format!("{path} is {found}: expected a string or an array of parts");
                return Err(Failure::invalid("missing_required_parameter", text).at(path));
            }
            _ => {}
        }
        let filled = |text: &Str| !text::is_blank(text.span.of(scanner.bytes()));
        match role {
            Role::System => {
                self.request.instruct(&message.texts);
                let place = &mut self.request.system_place;
                // The first one is what engines take for the system message.
                if matches!(place, Some(SystemPlace::Message { .. })) {
                    *place = message.end.or(*place);
                }
            }
            Role::User if message.texts.iter().any(filled) => self.request.turn(message.texts),
            _ => {}
        }
        Ok(())
    }

    fn field<'a>(
        &mut self,
        message: &mut Message,
        scanner: &mut Scanner<'a>,
        key: Key<'a>,
    ) -> Result<(), Failure> {
        match &*key.name() {
            b"role" => {
                message.role = Some(self.role(scanner)?);
                Ok(())
            }
            b"content" => {
                message.texts.clear(); // of two contents the last one counts, as for engines
                self.content(message, scanner)
            }
            name @ (b"tool_calls" | b"function_call") => {
                let one = name == b"function_call";
                scanner.shape()?;
                let start = scanner.at();
                tools::called(&|| self.path(&format!(".{}", echo(name))), one, scanner)?;
                let raw = Span::new(start, scanner.at()).of(scanner.bytes());
                self.request.weight += text::weigh(raw, true);
                Ok(())
            }
            name @ (b"name" | b"tool_call_id") => match scanner.value()?.0 {
                Shape::String | Shape::Null => Ok(()),
                found => Err(self.wrong(&format!(".{}", echo(name)), found, "a string")),
            },
            name if media::is_media_key(name) => self.media(scanner, name, None),
            _ => Ok(scanner.skip()?),
        }
    }

    fn role(&self, scanner: &mut Scanner<'_>) -> Result<Role, Failure> {
        match scanner.shape()? {
            Shape::String => {}
            found => return Err(self.wrong(".role", found, "a string")),
        }
        let role = scanner.string()?;
        match &*role.text(scanner.bytes()) {
            b"system" | b"developer" => Ok(Role::System),
            b"user" => Ok(Role::User),
            b"assistant" => Ok(Role::Assistant),
            b"tool" | b"function" => Ok(Role::Tool),
            _ => {
                let path = self.path(".role");
                let known = "system, developer, user, assistant, tool or function";
                let text = format!("{path} is unknown: expected {known}");
                Err(Failure::invalid("invalid_value", text).at(path))
            }
        }
    }

    fn content(&mut self, message: &mut Message, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        let shape = scanner.shape()?;
        message.content = Some(shape);
        match shape {
            Shape::String => {
                let text = scanner.string()?;
                self.text(message, scanner, text);
                let (at, empty) = (text.span.end, text.span.len() == 0);
                message.end = Some(SystemPlace::Text { at, empty });
                Ok(())
            }
            Shape::Null => Ok(scanner.skip()?),
            Shape::Array => {
                let mut empty = true;
                scanner.array(|scanner, part| {
                    empty = false;
                    self.part(message, scanner, part)
                })?;
                let bracket = scanner.at().saturating_sub(1);
                let at = Span::new(bracket, bracket).start;
                message.end = Some(SystemPlace::Parts { at, empty });
                Ok(())
            }
            found => Err(self.wrong(".content", found, "a string or an array of parts")),
        }
    }

    fn text(&mut self, message: &mut Message, scanner: &Scanner<'_>, text: Str) {
        let raw = text.span.of(scanner.bytes());
        self.request.text_bytes += raw.len();
        self.request.weight += text::weigh(raw, text.escaped);
        keep(&mut message.texts, text);
    }

    fn part(
        &mut self,
        message: &mut Message,
        scanner: &mut Scanner<'_>,
        part: usize,
    ) -> Result<(), Failure> {
        match scanner.shape()? {
            Shape::Object => {}
            // Some clients send bare strings; some engines take them.
            Shape::String => {
                let text = scanner.string()?;
                self.text(message, scanner, text);
                return Ok(());
            }
            found => return Err(self.wrong(&format!(".content[{part}]"), found, "an object")),
        }
        let mut seen = Part::default();
        let before = self.sources;
        scanner.object(|scanner, key| self.member(message, &mut seen, (scanner, part), key))?;
        sourced(self, &mut seen, scanner, part)?;
        if seen.media {
            let sources = (self.sources - before).max(1);
            self.request.media_parts = self.request.media_parts.saturating_add(sources);
        }
        self.whole(&seen, scanner, part)
    }

    /// One member of a content part.
    fn member<'a>(
        &mut self,
        message: &mut Message,
        seen: &mut Part,
        (scanner, part): (&mut Scanner<'a>, usize),
        key: Key<'a>,
    ) -> Result<(), Failure> {
        let wrong = |reader: &Self, field: &str, found| {
            reader.wrong(&format!(".content[{part}].{field}"), found, "a string")
        };
        match &*key.name() {
            b"type" => match scanner.shape()? {
                Shape::String => seen.kind = Some(scanner.string()?),
                found => return Err(wrong(self, "type", found)),
            },
            b"text" => match scanner.shape()? {
                Shape::String => {
                    let text = scanner.string()?;
                    self.text(message, scanner, text);
                    seen.text = true;
                }
                found => return Err(wrong(self, "text", found)),
            },
            // Tensors, which engines unpack: as unwelcome as `prompt_embeds`.
            name if name.ends_with(b"_embeds") => {
                let path = self.path(&format!(".content[{part}].{}", echo(name)));
                let text = format!("{path} is not supported here");
                return Err(Failure::invalid("unsupported_parameter", text).at(path));
            }
            b"source" if scanner.shape()? == Shape::Object => {
                let source = seen.source.get_or_insert_default();
                messages_source(self, scanner, source)?;
            }
            b"uuid" => {
                seen.media = true; // the picture is with the engine already
                scanner.skip()?;
            }
            name if media::is_media_key(name) => {
                seen.media |= scanner.shape()? != Shape::Null;
                self.media(scanner, name, Some(part))?;
            }
            _ => scanner.skip()?,
        }
        Ok(())
    }

    /// The refusal of an address that may not be passed on.
    fn elsewhere(&self, field: &str) -> Failure {
        let path = self.path(field);
        let text = format!("{path} is not supported: media comes as a data: URL");
        Failure::invalid("unsupported_parameter", text).at(path)
    }

    /// A part says what it is and has what it says: engines have crashed over less.
    fn whole(&self, seen: &Part, scanner: &Scanner<'_>, part: usize) -> Result<(), Failure> {
        let missing = |field: &str| {
            let path = self.path(&format!(".content[{part}].{field}"));
            let text = format!("{path} is missing");
            Err(Failure::invalid("missing_required_parameter", text).at(path))
        };
        let Some(kind) = seen.kind else { return missing("type") };
        match &*kind.text(scanner.bytes()) {
            b"text" if !seen.text => missing("text"),
            kind @ (b"image_url" | b"input_audio" | b"audio_url" | b"video_url" | b"file")
                if !seen.media =>
            {
                missing(&echo(kind))
            }
            b"" => {
                let path = self.path(&format!(".content[{part}].type"));
                let text = format!("{path} is empty: expected text, image_url or the like");
                Err(Failure::invalid("invalid_value", text).at(path))
            }
            _ => Ok(()),
        }
    }

    /// Reads the value of a member that holds media: a string, or an object with strings.
    fn media(
        &mut self,
        scanner: &mut Scanner<'_>,
        key: &[u8],
        part: Option<usize>,
    ) -> Result<(), Failure> {
        if part.is_some() {
            self.request.needs = self.request.needs.with(media::need(key));
        }
        match (part, scanner.shape()?) {
            (Some(part), found @ (Shape::Number | Shape::True | Shape::False)) => {
                let path = format!(".content[{part}].{}", echo(key));
                Err(self.wrong(&path, found, "a string or an object"))
            }
            (Some(part), shape @ (Shape::Object | Shape::Array)) if carrier(key).is_some() => {
                if shape == Shape::Array {
                    let path = format!(".content[{part}].{}", echo(key));
                    return Err(self.wrong(&path, shape, "a string or an object"));
                }
                carried(self, scanner, key, part)
            }
            _ => self.source(scanner, key, part, key.windows(3).any(|found| found == b"url")),
        }
    }

    fn source(
        &mut self,
        scanner: &mut Scanner<'_>,
        key: &[u8],
        part: Option<usize>,
        url: bool,
    ) -> Result<(), Failure> {
        match scanner.shape()? {
            Shape::String => {
                let text = scanner.string()?;
                let raw = text.span.of(scanner.bytes());
                if media::allowed(raw, text.escaped, url, &self.limits.media_hosts) {
                    if part.is_some() && media::is_perceived(key, raw, text.escaped) {
                        self.request.media_bytes += raw.len();
                        self.sources = self.sources.saturating_add(u32::from(raw.len() > WORD_MAX));
                    }
                    return Ok(());
                }
                let part = part.map(|part| format!(".content[{part}]")).unwrap_or_default();
                Err(self.elsewhere(&format!("{part}.{}", echo(key))))
            }
            Shape::Object => scanner.object(|scanner, inner| {
                let inner = inner.name();
                if *inner == *b"filename" {
                    return Ok(scanner.skip()?); // a name for people; no engine opens it
                }
                self.source(scanner, key, part, is_url(&inner))
            }),
            Shape::Array => scanner.array(|scanner, _| self.source(scanner, key, part, url)),
            _ => Ok(scanner.skip()?),
        }
    }
}
