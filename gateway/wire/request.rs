//! A request as the gateway needs it: the caller's own bytes, and where in them things stand.

use std::borrow::Cow;

use bytes::Bytes;
use policies::facts::{Dialect, Needs, Tokens};
use smallvec::SmallVec;

use super::{
    scan::{self, Span, Text},
    tally::Tally,
};

/// What is sampled of the system text.
const SYSTEM_BYTES_MAX: usize = 2 * 1024;
/// What is sampled of a turn: this much of its head, and as much of its tail.
const TURN_BYTES_MAX: usize = 4 * 1024;
/// The turns that are looked at: the instruction and what came before it.
const TURNS_MAX: usize = 4;
/// From this estimate on a request needs a long context.
const LONG_CONTEXT: u32 = 32_768;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    System,
    User,
    Assistant,
    Tool,
}

/// A piece of text and the message it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) message: u32,
    pub(super) role: Role,
    pub(super) text: Text,
}

/// A request that has been read. It owns the caller's bytes.
#[derive(Debug)]
pub struct Request {
    pub(super) body: Bytes,
    pub(super) dialect: Dialect,
    pub(super) fields: Fields,
}

/// Where the fields that matter stand.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// Past the brace that opens the body.
    pub(super) open: u32,
    pub(super) model: Text,
    pub(super) model_span: Span,
    pub(super) stream: bool,
    pub(super) stream_options: Option<StreamOptions>,
    pub(super) max_tokens: Option<Limit>,
    pub(super) max_completion_tokens: Option<Limit>,
    pub(super) n: u8,
    pub(super) user: [Option<Text>; 3],
    pub(super) messages: u32,
    pub(super) said: SmallVec<[Said; 8]>,
    pub(super) tally: Tally,
    pub(super) media: u32,
    pub(super) tools: u16,
    pub(super) schema: bool,
    pub(super) json: bool,
    pub(super) needs: Needs,
}

/// A bound on the answer, as the caller wrote it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) span: Span,
    pub(super) tokens: Tokens,
}

/// `stream_options`, as the caller wrote it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StreamOptions {
    pub(super) span: Span,
    /// Whether it is null.
    pub(super) null: bool,
    /// Whether it has fields.
    pub(super) filled: bool,
    /// The value of `include_usage`.
    pub(super) include_usage: Option<(Span, bool)>,
}

impl Request {
    /// The API it came in by.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The model as the caller wrote it.
    #[must_use]
    pub fn model(&self) -> Cow<'_, str> {
        self.fields.model.of(&self.body)
    }

    /// Whether the answer is to be streamed.
    #[must_use]
    pub fn stream(&self) -> bool {
        self.fields.stream
    }

    /// Whether the caller asked for usage in its stream.
    #[must_use]
    pub fn wants_usage(&self) -> bool {
        let options = self.fields.stream_options.as_ref();
        options.and_then(|it| it.include_usage).is_some_and(|(_, wanted)| wanted)
    }

    /// The bound on one choice of the answer, if the caller set one.
    #[must_use]
    pub fn output_tokens_asked(&self) -> Option<Tokens> {
        let limit = self.fields.max_completion_tokens.or(self.fields.max_tokens);
        limit.map(|limit| limit.tokens)
    }

    /// Choices asked for; at least 1.
    #[must_use]
    pub fn n(&self) -> u8 {
        self.fields.n
    }

    /// What the model must be able to do.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let long = self.input_tokens().0 > LONG_CONTEXT;
        self.fields.needs.with(if long { Needs::LONG_CONTEXT } else { Needs::NONE })
    }

    /// The end user, as the caller calls them: `user`, `safety_identifier` or `metadata.user_id`.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.fields.user.iter().flatten().next().map(|user| user.of(&self.body))
    }

    /// Tools attached.
    #[must_use]
    pub fn tools(&self) -> u16 {
        self.fields.tools
    }

    /// Whether the answer must be JSON.
    #[must_use]
    pub fn json_schema(&self) -> bool {
        self.fields.schema || self.fields.json
    }

    /// Messages.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.fields.messages as usize
    }

    /// Images and sounds.
    #[must_use]
    pub fn media_parts(&self) -> u32 {
        self.fields.media
    }

    /// An estimate of the input: texts by their scripts, tool definitions, and four tokens a message.
    #[must_use]
    pub fn input_tokens(&self) -> Tokens {
        let frame = 4 * self.messages() + 3;
        Tokens(u32::try_from(self.fields.tally.tokens() + frame).unwrap_or(u32::MAX))
    }

    /// A figure that the input cannot exceed: no token is less than a byte, and templates add a bounded
    /// number for each message and tool.
    #[must_use]
    pub fn input_tokens_bound(&self, media_tokens_max: Tokens) -> Tokens {
        let framed = self.messages() + usize::from(self.fields.tools);
        let text = self.body.len() + 64 * framed + 1_024;
        let media = u64::from(media_tokens_max.0) * u64::from(self.fields.media);
        Tokens(u32::try_from(text as u64 + media).unwrap_or(u32::MAX))
    }

    /// The beginning of what the system says.
    #[must_use]
    pub fn system(&self) -> Cow<'_, str> {
        let said = self.fields.said.iter().find(|said| said.role == Role::System);
        said.map_or(Cow::Borrowed(""), |said| sample(&self.body, said.text, SYSTEM_BYTES_MAX, 0))
    }

    /// The user's turns that have text, the oldest first; the last is the instruction, also where an
    /// agent's tool calls and their results follow it. Long turns by their head and their tail.
    #[must_use]
    pub fn turns(&self) -> SmallVec<[Cow<'_, str>; 4]> {
        let mut turns: SmallVec<[(u32, Cow<'_, str>); 4]> = SmallVec::new();
        for said in self.fields.said.iter().rev().filter(|said| said.role == Role::User) {
            let text = sample(&self.body, said.text, TURN_BYTES_MAX, TURN_BYTES_MAX);
            let full = turns.len() == TURNS_MAX;
            match turns.last_mut() {
                // An earlier part of the same message.
                Some((message, later)) if *message == said.message => {
                    if later.len() < 2 * TURN_BYTES_MAX {
                        *later = Cow::Owned([&text, "\n", &**later].concat());
                    }
                }
                _ if full => break,
                _ => turns.push((said.message, text)),
            }
        }
        turns.into_iter().rev().map(|(_, text)| text).collect()
    }
}

/// Head and tail of a text.
fn sample(body: &[u8], text: Text, head: usize, tail: usize) -> Cow<'_, str> {
    let raw = std::str::from_utf8(text.span.of(body)).unwrap_or("");
    if raw.len() <= head + tail {
        return text.of(body);
    }
    let head = raw.get(..floor(raw, head)).unwrap_or("");
    let tail = raw.get(floor(raw, raw.len() - tail)..).unwrap_or("");
    let decode = |part: &str| if text.escaped { scan::unescape(part) } else { part.to_owned() };
    if tail.is_empty() {
        return Cow::Owned(decode(head));
    }
    Cow::Owned([decode(head), decode(tail)].join("\n"))
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
