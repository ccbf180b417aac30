//! A caller's request: its own bytes, and where in them stands what the gateway must know.

pub(super) mod arm;
pub(super) mod edit;
pub(super) mod native;
mod tokenizer;

use std::{borrow::Cow, str::Utf8Chunk};

use bytes::Bytes;
use policies::facts::{Dialect, Needs, Tokens};
use smallvec::SmallVec;

pub(super) use self::edit::{Allowed, StreamOptions};
use self::{
    arm::{ArmEdit, SystemPlace},
    edit::{Body, Edit, Own},
    native::{Echo, Native},
};
use super::{
    AnswerFormat, Surface, Unsayable,
    scan::{Span, Str},
    text,
};

/// How many user turns are kept: the instruction and at most three before it.
const TURNS_MAX: usize = 4;
/// A turn that is not longer than this, as written, is the first to be left out.
const SHORT_TURN_BYTES: usize = 16;
/// Text parts of one message that are kept; beyond, those in the middle are dropped.
const PARTS_MAX: usize = 64;
/// Of a long turn, this many bytes from its start and from its end.
const TURN_BYTES_MAX: usize = 4 * 1024;
/// Of the system text, this many bytes from its start.
const SYSTEM_BYTES_MAX: usize = 2 * 1024;
/// Of the tools, this many bytes from their start.
const TOOLS_BYTES_MAX: usize = 4 * 1024;
/// Of an end user's name; longer ones are cut, which keeps them distinct enough for a hash.
const USER_BYTES_MAX: usize = 1024;
/// Of the messages, this many bytes from their start say which engine's cache would help.
const LEADING_MAX: usize = 1024;
/// Above this estimate a request needs a long context.
const LONG_CONTEXT_ABOVE: u32 = 32_768;

/// The texts of one message.
pub(super) type Texts = SmallVec<[Str; 2]>;

/// A request that has been read: valid JSON of the right shape. It owns the caller's bytes and
/// knows where in them its fields stand; nothing is copied until asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) surface: &'static Surface,
    pub(super) body: Bytes,
    /// Just past the opening brace.
    pub(super) inside: u32,
    pub(super) model: Str,
    pub(super) stream: bool,
    pub(super) stream_options: Option<StreamOptions>,
    pub(super) max_tokens: Option<Allowed>,
    pub(super) max_completion_tokens: Option<Allowed>,
    pub(super) n: u8,
    pub(super) needs: Needs,
    pub(super) json_schema: bool,
    pub(super) user: Option<Str>,
    pub(super) safety_identifier: Option<Str>,
    pub(super) metadata_user: Option<Str>,
    pub(super) tools: u16,
    pub(super) tools_span: Option<Span>,
    pub(super) messages: u32,
    /// Where the list of messages stands.
    pub(super) messages_span: Span,
    /// Whether a member beside the messages is more than a number or a switch of the format's own.
    pub(super) members_say: bool,
    /// Where the documents beside a query stand.
    pub(super) documents_span: Option<Span>,
    /// Where the values of the parameters stand that an arm of an experiment may set.
    pub(super) params: SmallVec<[(u8, Span); 2]>,
    /// Where an arm of an experiment adds to the system message.
    pub(super) system_place: Option<SystemPlace>,
    pub(super) media_parts: u32,
    /// Bytes of pictures, sounds and videos as written; none of them is text.
    pub(super) media_bytes: usize,
    pub(super) system: Texts,
    pub(super) turns: SmallVec<[Texts; TURNS_MAX]>,
    pub(super) text_bytes: usize,
    /// Twentieths of a token: text, tools and tool calls.
    pub(super) weight: u64,
    /// Texts beside which there are no messages: prompts, inputs or documents.
    pub(super) inputs: u32,
    /// Bytes and weight of the query by which documents are ranked.
    pub(super) query: (u64, u64),
    /// Parts into which a document may be cut; 0 where that is not said.
    pub(super) chunks: u32,
    /// Bytes that are read beyond those of the body: the query, once for each document.
    pub(super) repeated_bytes: u64,
    /// Answers that are written for each prompt to choose from; 0 where that is not said.
    pub(super) best_of: u8,
    /// Whether the answer begins with the prompt.
    pub(super) echo: bool,
    /// The caller's own bytes, where the body was written anew from them.
    pub(super) native: Option<Box<Native>>,
}

/// Adds a text, keeping the first and the last ones when there are too many.
pub(super) fn keep(texts: &mut Texts, text: Str) {
    if texts.len() >= PARTS_MAX {
        texts.remove(PARTS_MAX / 2);
    }
    texts.push(text);
}

impl Request {
    /// A request of which nothing has been read yet; it never leaves this room.
    pub(super) fn unread(surface: &'static Surface) -> Self {
        Self {
            surface,
            body: Bytes::new(),
            inside: 0,
            model: Str::default(),
            stream: false,
            stream_options: None,
            max_tokens: None,
            max_completion_tokens: None,
            n: 1,
            needs: Needs::NONE,
            json_schema: false,
            user: None,
            safety_identifier: None,
            metadata_user: None,
            tools: 0,
            tools_span: None,
            messages: 0,
            messages_span: Span::default(),
            members_say: false,
            documents_span: None,
            params: SmallVec::new(),
            system_place: None,
            media_parts: 0,
            media_bytes: 0,
            system: Texts::new(),
            turns: SmallVec::new(),
            text_bytes: 0,
            weight: 0,
            inputs: 0,
            query: (0, 0),
            chunks: 0,
            repeated_bytes: 0,
            best_of: 0,
            echo: false,
            native: None,
        }
    }

    /// The surface it came in by.
    #[must_use]
    pub fn surface(&self) -> &'static Surface {
        self.surface
    }

    /// The surface by which an engine of these dialects is asked, if `changed` with what an arm changes in
    /// it: that is done in a chat completion.
    #[must_use]
    pub fn spoken(&self, dialects: &[Dialect], changed: bool) -> &'static Surface {
        self.surface.spoken(dialects, changed && self.native.is_some())
    }

    /// Why an engine of these dialects cannot be asked it, with what an arm writes into it.
    ///
    /// # Errors
    /// What it cannot be asked.
    pub fn sayable(&self, dialects: &[Dialect], arm: Option<&ArmEdit>) -> Result<(), Unsayable> {
        native::sayable(self, dialects, arm)
    }

    /// What its answer repeats of it.
    pub(super) fn echo(&self) -> Echo {
        self.native.as_ref().map(|it| it.echo()).unwrap_or_default()
    }

    /// Whether its answer, where it is written anew, does not show how the model reasons.
    pub(super) fn hides_reasoning(&self) -> bool {
        self.native.as_ref().is_some_and(|it| it.hides_reasoning)
    }

    /// What only engines of the caller's own dialect can be asked.
    #[must_use]
    pub fn unsayable(&self) -> Option<&Unsayable> {
        self.native.as_ref()?.unsayable.as_ref()
    }

    /// The body for a backend, as it is asked, with the edits in it.
    #[must_use]
    pub fn to_upstream(&self, edit: &Edit<'_>) -> Body {
        edit::to_upstream(self, edit)
    }

    /// What of the edited body will be ours.
    #[must_use]
    pub fn own(&self, edit: &Edit<'_>) -> Own {
        edit::own(self, edit)
    }

    /// The model as asked for: `auto`, an alias or an id.
    #[must_use]
    pub fn model(&self) -> Cow<'_, str> {
        self.whole(self.model)
    }

    /// Whether the answer is to be streamed.
    #[must_use]
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// Whether the caller asked for usage in the stream.
    #[must_use]
    pub fn wants_usage(&self) -> bool {
        self.stream_options.is_some_and(|options| options.asked)
    }

    /// What the caller allows as output for each choice: `max_completion_tokens`, else
    /// `max_tokens`.
    #[must_use]
    pub fn output_tokens_asked(&self) -> Option<Tokens> {
        let tokens = |allowed: Option<Allowed>| allowed.and_then(|allowed| allowed.tokens);
        tokens(self.max_completion_tokens).or(tokens(self.max_tokens))
    }

    /// How many choices are asked for; at least 1.
    #[must_use]
    pub fn n(&self) -> u8 {
        self.n
    }

    /// What a model must be able to do for this request.
    #[must_use]
    pub fn needs(&self) -> Needs {
        if self.input_tokens().0 > LONG_CONTEXT_ABOVE {
            self.needs.with(Needs::LONG_CONTEXT)
        } else {
            self.needs
        }
    }

    /// The end user: `user`, else `safety_identifier`, else `metadata.user_id`.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        let user = self.user.or(self.safety_identifier).or(self.metadata_user)?;
        Some(text::sample(&self.body, &[user], USER_BYTES_MAX, 0))
    }

    /// How many tools are offered to the model.
    #[must_use]
    pub fn tools(&self) -> u16 {
        self.tools
    }

    /// The tools as they were sent: at most the first 4 KiB of their JSON, nothing unescaped.
    #[must_use]
    pub fn tools_text(&self) -> &str {
        let sent =
            self.tools_span.and_then(|span| span.of(&self.body).chunks(TOOLS_BYTES_MAX).next());
        let Some(bytes) = sent else { return "" };
        // A cut inside a character leaves it out.
        let valid = bytes.utf8_chunks().next();
        valid.map_or("", |chunk: Utf8Chunk<'_>| chunk.valid())
    }

    /// The tools as they were sent, all of their JSON.
    pub(crate) fn tools_json(&self) -> Option<&[u8]> {
        Some(self.tools_span?.of(&self.body))
    }

    /// Whether the answer must be JSON, of a schema or any.
    #[must_use]
    pub fn json_schema(&self) -> bool {
        self.json_schema
    }

    /// The form that the text of the answer is asked to have, `None` where any text will do. It is
    /// looked up in the body when it is asked for: reading a request does not keep it.
    pub(crate) fn format(&self) -> Option<AnswerFormat> {
        if self.json_schema { self.surface.format(&self.body) } else { None }
    }

    /// How many vectors are asked for, where vectors are.
    #[must_use]
    pub fn vectors(&self) -> Option<u32> {
        self.surface.operation.has_vectors().then_some(self.inputs)
    }

    /// What of the answer may be the caller's own prompt, in tokens of all choices.
    #[must_use]
    pub fn echoed(&self) -> Tokens {
        let bytes = if self.echo { self.body.len() } else { 0 };
        Tokens(u32::try_from(bytes).unwrap_or(u32::MAX)).saturating_mul(u32::from(self.n))
    }

    /// How many messages there are, or documents beside a query.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.messages as usize
    }

    /// How many images, sounds, videos and files there are.
    #[must_use]
    pub fn media_parts(&self) -> u32 {
        self.media_parts
    }

    /// The text of system and developer messages: at most its first 2 KiB.
    #[must_use]
    pub fn system(&self) -> Cow<'_, str> {
        text::sample(&self.body, &self.system, SYSTEM_BYTES_MAX, 0)
    }

    /// The last user turns that have text, at most four, the oldest first (of more, those of a word
    /// or two are left out first): the last one is the instruction. Of a turn above 8 KiB (as
    /// written) the first and the last 4 KiB with a line feed between. Borrowed unless there is
    /// something to unescape or to join.
    #[must_use]
    pub fn turns(&self) -> SmallVec<[Cow<'_, str>; 4]> {
        let sample = |texts| text::sample(&self.body, texts, TURN_BYTES_MAX, TURN_BYTES_MAX);
        self.turns.iter().map(|texts| sample(texts.as_slice())).collect()
    }

    /// Bytes of all message text as written.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// An estimate of the input in tokens: text by script (ASCII 4 bytes a token, two-byte
    /// characters 0.5, three-byte ones 0.85, four-byte ones 2 tokens each), 4 for each message,
    /// tools and tool calls at 4 bytes a token. Media is not in it. At most 64 KiB of any one text
    /// are looked at.
    #[must_use]
    pub fn input_tokens(&self) -> Tokens {
        let text = self.weight.div_ceil(20).saturating_add(u64::from(self.messages) * 4);
        Tokens(u32::try_from(text).unwrap_or(u32::MAX))
    }

    /// A figure that the input cannot exceed, whichever model reads it: every byte of the body a
    /// token, but those of pictures, sounds and videos; 64 for the template around each message and
    /// tool, 1,024 for the template itself, and the model's worst case for each picture or sound.
    /// Files count as text: what stands in them is read. A model's context bounds it further.
    #[must_use]
    pub fn input_tokens_bound(&self, media_tokens_max: Tokens) -> Tokens {
        let around = self.messages.saturating_add(u32::from(self.tools));
        let text = self.body.len().saturating_sub(self.media_bytes) as u64;
        let text = text.saturating_add(self.repeated_bytes);
        Tokens(u32::try_from(text).unwrap_or(u32::MAX))
            .saturating_add(Tokens(around).saturating_mul(64))
            .saturating_add(Tokens(1024))
            .saturating_add(media_tokens_max.saturating_mul(self.media_parts))
    }

    /// The question of a chat to an engine that counts the tokens of chat completions.
    #[must_use]
    pub fn to_tokenizer(&self, model: &str) -> Bytes {
        tokenizer::question(self, model)
    }

    /// How the messages begin: their first kilobyte, as it came.
    #[must_use]
    pub fn leading(&self) -> &[u8] {
        let messages = self.messages_span.of(&self.body);
        messages.get(..LEADING_MAX).unwrap_or(messages)
    }

    /// The bytes as they came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub(super) fn whole(&self, text: Str) -> Cow<'_, str> {
        text::sample(&self.body, &[text], text.span.len(), 0)
    }

    /// Takes the texts of a finished message of role user. When there are too many, short ones such
    /// as `ok` go first: they say nothing of the talk.
    pub(super) fn turn(&mut self, texts: Texts) {
        if self.turns.len() >= TURNS_MAX {
            let written = |texts: &Texts| texts.iter().map(|text| text.span.len()).sum::<usize>();
            let short = self.turns.iter().position(|it| written(it) <= SHORT_TURN_BYTES);
            self.turns.remove(short.unwrap_or(0));
        }
        self.turns.push(texts);
    }

    /// Takes the texts of a finished message of role system or developer.
    pub(super) fn instruct(&mut self, texts: &Texts) {
        let known: usize = self.system.iter().map(|text| text.span.len()).sum();
        if known < SYSTEM_BYTES_MAX {
            self.system.extend(texts.iter().copied().take(PARTS_MAX));
        }
    }
}
