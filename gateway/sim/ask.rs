//! A request as a simulated engine reads it: as much as its answer depends on.
//!
//! **A token here** is up to four ASCII characters or up to two others. A message costs four tokens
//! beside its text, a request three, a tool one for each four bytes of its JSON. No real tokenizer
//! counts so; what matters is that anybody can recount it.

use serde::Deserialize;
use serde_json::{Deserializer, Map, Value, json};
use xxhash_rust::xxh3::Xxh3;

/// By which API an answer is asked for, and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// `/chat/completions`
    Chat,
    /// `/completions`
    Completion,
    /// `/embeddings`
    Embeddings,
    /// `/rerank`
    Rerank,
}

impl Api {
    /// The API at a path.
    pub(super) fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/v1/chat/completions" => Self::Chat,
            "/v1/completions" => Self::Completion,
            "/v1/embeddings" => Self::Embeddings,
            "/v1/rerank" => Self::Rerank,
            _ => return None,
        })
    }
}

/// What the answer depends on.
#[derive(Debug)]
pub(super) struct Ask {
    /// By which API it is written.
    pub api: Api,
    /// Whether to stream.
    pub stream: bool,
    /// Whether the stream is to tell its usage.
    pub include_usage: bool,
    /// How many choices.
    pub n: u32,
    /// The longest answer.
    pub max_tokens: Option<u32>,
    /// Text of the last message of role user.
    pub prompt: String,
    /// Whether the last message is a tool's result.
    pub after_tool: bool,
    /// Functions that were called since somebody last asked.
    pub called: Vec<String>,
    /// All of the prompt, by the count above.
    pub prompt_tokens: u32,
    /// The same without the last message.
    pub prefix_tokens: u32,
    /// Functions that may be called.
    pub functions: Vec<Function>,
    /// What is said of their use.
    pub choice: Choice,
    /// The schema the answer must follow; `Null` where any JSON object will do.
    pub schema: Option<Value>,
    /// Hash of all messages.
    pub seed: u64,
}

/// A function that may be called.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Function {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// JSON schema of its arguments.
    #[serde(default)]
    pub parameters: Value,
}

/// `tool_choice`
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// As the model likes.
    Auto,
    /// No call.
    None,
    /// Some call.
    Required,
    /// This one.
    Named(String),
}

#[derive(Deserialize)]
struct Body {
    messages: Vec<Message>,
    #[serde(default)]
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<u32>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    tool_choice: Value,
    #[serde(default)]
    response_format: Value,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
    #[serde(default)]
    tool_calls: Value,
}

impl Message {
    fn text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => {
                let texts: Vec<&str> =
                    parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
                texts.join("\n")
            }
            _ => String::new(),
        }
    }

    fn called(&self) -> impl Iterator<Item = String> + '_ {
        let calls = self.tool_calls.as_array().into_iter().flatten();
        calls.filter_map(|call| Some(call.pointer("/function/name")?.as_str()?.to_owned()))
    }
}

/// Reads a request, or says in a word what is wrong with it.
pub(super) fn read(body: &[u8]) -> Result<Ask, String> {
    let body: Body = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if body.messages.is_empty() {
        return Err("messages: at least one is expected".into());
    }
    let mut hash = Xxh3::new();
    let mut counts = Vec::with_capacity(body.messages.len());
    let mut prompt = String::new();
    let mut called = Vec::new();
    for message in &body.messages {
        let text = message.text();
        called.extend(message.called());
        hash.update(message.role.as_bytes());
        hash.update(text.as_bytes());
        counts.push(tokens(&text).saturating_add(4));
        if message.role == "user" && !text.is_empty() {
            prompt = text;
            called.clear();
        }
    }
    let tool_tokens = body.tools.iter().map(|tool| tool.to_string().len() as u32 / 4).sum::<u32>();
    let prompt_tokens = counts.iter().sum::<u32>() + tool_tokens + 3;
    let last = counts.last().copied().unwrap_or_default();
    let schema = schema(&body);
    Ok(Ask {
        api: Api::Chat,
        stream: body.stream.unwrap_or(false),
        include_usage: body.stream_options.is_some_and(|options| options.include_usage),
        n: body.n.unwrap_or(1).clamp(1, 128),
        max_tokens: body.max_completion_tokens.or(body.max_tokens),
        prompt,
        after_tool: body.messages.last().is_some_and(|message| message.role == "tool"),
        called,
        prompt_tokens,
        prefix_tokens: prompt_tokens.saturating_sub(last),
        functions: body.tools.iter().filter_map(function).collect(),
        choice: choice(&body.tool_choice),
        schema,
        seed: hash.digest(),
    })
}

#[derive(Deserialize)]
struct CompletionBody {
    prompt: Value,
    #[serde(default)]
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<u32>,
    max_tokens: Option<u32>,
}

/// Reads a request to complete prompts, or says in a word what is wrong with it. What is written is a
/// continuation of the last of them, once for each.
pub(super) fn completion(body: &[u8]) -> Result<Ask, String> {
    let body: CompletionBody = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let prompts = texts(&body.prompt).ok_or("prompt: a text or tokens are expected")?;
    let mut hash = Xxh3::new();
    prompts.iter().for_each(|it| hash.update(it.0.as_bytes()));
    let choices = body.n.unwrap_or(1).max(1).saturating_mul(prompts.len() as u32);
    Ok(Ask {
        api: Api::Completion,
        stream: body.stream.unwrap_or(false),
        include_usage: body.stream_options.is_some_and(|options| options.include_usage),
        n: choices.clamp(1, 128),
        max_tokens: body.max_tokens,
        prompt_tokens: prompts.iter().map(|it| it.1).sum(),
        prompt: prompts.into_iter().next_back().map(|it| it.0).unwrap_or_default(),
        after_tool: false,
        called: Vec::new(),
        prefix_tokens: 0,
        functions: Vec::new(),
        choice: Choice::None,
        schema: None,
        seed: hash.digest(),
    })
}

/// Texts in any form in which they may be, each with its tokens: the ids of tokens are their own text.
pub(super) fn texts(value: &Value) -> Option<Vec<(String, u32)>> {
    let ids = |ids: &[Value]| (Value::from(ids).to_string(), ids.len() as u32);
    match value {
        Value::String(text) => Some(vec![(text.clone(), tokens(text))]),
        Value::Array(list) if list.iter().all(Value::is_number) && !list.is_empty() => {
            Some(vec![ids(list)])
        }
        Value::Array(list) if !list.is_empty() => {
            let one = |it: &Value| match it {
                Value::String(text) => Some((text.clone(), tokens(text))),
                Value::Array(list) => Some(ids(list)),
                _ => None,
            };
            list.iter().map(one).collect()
        }
        _ => None,
    }
}

fn function(tool: &Value) -> Option<Function> {
    Function::deserialize(tool.get("function")?).ok()
}

fn choice(value: &Value) -> Choice {
    match value {
        Value::String(text) if text == "none" => Choice::None,
        Value::String(text) if text == "required" => Choice::Required,
        Value::Object(_) => value
            .pointer("/function/name")
            .and_then(Value::as_str)
            .map_or(Choice::Auto, |name| Choice::Named(name.to_owned())),
        _ => Choice::Auto,
    }
}

fn schema(body: &Body) -> Option<Value> {
    let format = &body.response_format;
    match format.get("type")?.as_str()? {
        "json_object" => {
            let described = |message: &Message| described_schema(&message.text());
            Some(body.messages.iter().find_map(described).unwrap_or_default())
        }
        "json_schema" => {
            Some(format.pointer("/json_schema/schema").cloned().unwrap_or(Value::Null))
        }
        _ => None,
    }
}

/// The object that a text describes: by a JSON schema that stands in it, or by keys in quotes before the
/// word that says so.
fn described_schema(text: &str) -> Option<Value> {
    let read = |(at, _)| {
        let mut values = Deserializer::from_str(text.get(at..)?).into_iter::<Value>();
        values.next()?.ok().filter(|value| value.get("properties").is_some_and(Value::is_object))
    };
    if let Some(schema) = text.match_indices('{').take(64).find_map(read) {
        return Some(schema);
    }
    let (before, _) = text.split_once("keys").filter(|_| text.contains("JSON"))?;
    let word =
        |name: &&str| !name.is_empty() && name.chars().all(|c| c == '_' || c.is_alphanumeric());
    let names = before.split(['\'', '"', '`']).skip(1).step_by(2).filter(word);
    let fields: Map<_, _> = names.map(|it| (it.to_owned(), json!({ "type": "string" }))).collect();
    (!fields.is_empty()).then(|| json!({ "type": "object", "properties": fields }))
}

/// How many tokens a text is.
pub(super) fn tokens(text: &str) -> u32 {
    pieces(text).count() as u32
}

/// A text as its tokens: up to four ASCII characters or up to two others each.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let ascii = rest.chars().next()?.is_ascii();
        let most = if ascii { 4 } else { 2 };
        let end = rest
            .char_indices()
            .enumerate()
            .find(|(nth, (_, c))| *nth == most || c.is_ascii() != ascii)
            .map_or(rest.len(), |(_, (at, _))| at);
        let (piece, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(piece)
    })
}
