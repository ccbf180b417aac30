//! What a request says, whichever dialect it says it in: the one form between the readers of callers' bodies
//! and the writers of bodies for engines. Texts are the caller's own bytes, escapes and all.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::{
    Unsayable,
    json::{Json, Path, Text},
    scan::Shape,
};
use crate::failure::Failure;

/// A request for an answer to a conversation.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversation<'a> {
    /// The model that is asked for.
    pub(super) model: Text<'a>,
    /// Whether the answer is to be streamed.
    pub(super) stream: bool,
    /// The number of output tokens that the caller allows, as written.
    pub(super) output_tokens_max: Option<&'a [u8]>,
    /// What the model is told before anybody speaks.
    pub(super) instructions: Vec<Part<'a>>,
    /// Who said what, in order.
    pub(super) turns: Vec<Turn<'a>>,
    /// What the model may call.
    pub(super) tools: Vec<Tool<'a>>,
    /// Whether it must.
    pub(super) tool_choice: Option<ToolChoice<'a>>,
    /// Whether it may call several at once.
    pub(super) parallel_tool_calls: Option<bool>,
    /// The form that the text of the answer must have.
    pub(super) format: Option<Format<'a>>,
    /// How much it is to reason: `low`, `medium`, `high` and the like.
    pub(super) effort: Option<Cow<'a, str>>,
    /// Whether the caller is not to be shown how the model reasons.
    pub(super) hides_reasoning: bool,
    /// Whom it is for.
    pub(super) user: Option<Text<'a>>,
    /// Settings that mean the same under this name in chat completions, values as written.
    pub(super) settings: SmallVec<[(&'static str, &'a [u8]); 8]>,
    /// What no other dialect can say: the first thing of that kind, by its path and in words. Engines that
    /// speak the caller's dialect are asked all the same.
    pub(super) unsayable: Option<Unsayable>,
}

impl Conversation<'_> {
    /// Notes what no other dialect can say; the first counts.
    pub(super) fn cannot_say(&mut self, path: String, what: &'static str) {
        self.unsayable.get_or_insert(Unsayable { path, what });
    }
}

/// The parts of a content: a text, or a list of `what` that are read one by one.
///
/// # Errors
/// It is neither, or one of them cannot be read.
pub(super) fn content<'a>(
    said: Json<'a>,
    path: Path<'_>,
    what: &str,
    mut part: impl FnMut(Json<'a>, Path<'_>) -> Result<Option<Part<'a>>, Failure>,
) -> Result<Vec<Part<'a>>, Failure> {
    match said.shape {
        Shape::String => Ok(vec![Part::Text(said.text(path)?)]),
        Shape::Array => {
            let mut parts = Vec::new();
            for (position, item) in said.items(path)?.into_iter().enumerate() {
                parts.extend(part(item, path.item(position))?);
            }
            Ok(parts)
        }
        found => Err(path.wrong(found, &format!("a string or an array of {what}"))),
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Whoever runs the application, in the midst of the talk.
    System,
    /// Whoever asks, and the tools that were called.
    User,
    /// The model.
    Assistant,
}

/// What one has said in a row.
#[derive(Clone, Debug)]
pub(super) struct Turn<'a> {
    /// Who.
    pub(super) role: Role,
    /// What.
    pub(super) parts: Vec<Part<'a>>,
    /// Its position in the caller's list, for what is said of faults.
    pub(super) position: usize,
}

/// A piece of what was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Text.
    Text(Text<'a>),
    /// A text in which a model refuses.
    Refusal(Text<'a>),
    /// What a model has reasoned.
    Reasoning(Text<'a>),
    /// A picture: a URL, `data:` included.
    Image {
        /// The URL.
        url: Cow<'a, [u8]>,
        /// How closely to look, in the words of chat completions.
        detail: Option<Text<'a>>,
    },
    /// A part that chat completions have under the same name and in the same form, as written.
    Same(Cow<'a, [u8]>),
    /// A model's call of a tool.
    Call(Call<'a>),
    /// What a tool has said.
    Result {
        /// The id of the call.
        id: Text<'a>,
        /// What: texts and pictures alone.
        parts: Vec<Part<'a>>,
        /// Whether it failed.
        failed: bool,
    },
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call<'a> {
    /// Its id.
    pub(super) id: Text<'a>,
    /// The name of the tool.
    pub(super) name: Text<'a>,
    /// What it is called with.
    pub(super) arguments: Arguments<'a>,
}

/// What a tool is called with, as the dialects write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arguments<'a> {
    /// JSON in a string.
    Text(Text<'a>),
    /// A JSON object.
    Object(&'a [u8]),
}

/// A tool that the model may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tool<'a> {
    /// Its name.
    pub(super) name: Text<'a>,
    /// What it does.
    pub(super) description: Option<Text<'a>>,
    /// A JSON Schema of what it is called with, as written.
    pub(super) parameters: Option<&'a [u8]>,
    /// Whether the schema must be kept to, as written.
    pub(super) strict: Option<bool>,
}

/// Whether a model must call tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToolChoice<'a> {
    /// As it sees fit.
    Auto,
    /// None.
    None,
    /// One at least.
    Required,
    /// This one.
    Named(Text<'a>),
}

/// The form of an answer's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format<'a> {
    /// Any JSON object.
    Json,
    /// JSON by a schema.
    Schema {
        /// The schema, as written.
        schema: &'a [u8],
        /// Its name.
        name: Option<Text<'a>>,
        /// What it is for.
        description: Option<Text<'a>>,
        /// Whether it must be kept to.
        strict: Option<bool>,
    },
}
