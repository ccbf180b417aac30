//! A chat completion as a conversation, for engines that speak another dialect alone. The body was read by
//! the one reader of chat completions before: what is wrong with it was told there.

use std::borrow::Cow;

use super::super::{
    conversation::{
        self, Arguments, Call, Conversation, Format, Part, Role, Tool, ToolChoice, Turn,
    },
    json::{Json, Members, Path},
    scan::Shape,
};
use crate::failure::Failure;

/// Settings that keep their names.
const SETTINGS: [&str; 4] = ["temperature", "top_p", "top_k", "stop"];
/// Fields that change no answer, or that the gateway itself reads.
const HINTS: [&str; 9] = [
    "stream_options",
    "metadata",
    "store",
    "service_tier",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
];
/// Fields with a value by which they say nothing.
const NEUTRAL: [(&str, &[&[u8]]); 10] = [
    ("n", &[b"1"]),
    ("logprobs", &[b"false"]),
    ("top_logprobs", &[b"0"]),
    ("presence_penalty", &[b"0", b"0.0"]),
    ("frequency_penalty", &[b"0", b"0.0"]),
    ("repetition_penalty", &[b"1", b"1.0"]),
    ("min_p", &[b"0", b"0.0"]),
    ("logit_bias", &[b"{}"]),
    ("modalities", &[b"[\"text\"]"]),
    ("verbosity", &[b"\"medium\""]),
];
const ONLY_HERE: &str = "a field that only chat completions have";

/// Reads the members of a body.
///
/// # Errors
/// What is missing or of the wrong type, by its path: of a body that was read before, what only Messages have
/// to know, such as the arguments of a call that are no object.
pub(in super::super) fn conversation<'a>(
    mut body: Members<'a>,
) -> Result<Conversation<'a>, Failure> {
    let top = Path::Top;
    let model = body.take("model").ok_or_else(|| top("model").missing())?.text(top("model"))?;
    let mut it = Conversation { model, ..Conversation::default() };
    if let Some(stream) = body.take("stream") {
        it.stream = stream.boolean(top("stream"))?.unwrap_or_default();
    }
    let most = [body.take("max_completion_tokens"), body.take("max_tokens")];
    it.output_tokens_max = most.into_iter().flatten().next().map(|it| it.bytes);
    let messages = body.take("messages").ok_or_else(|| top("messages").missing())?;
    for (position, message) in messages.items(top("messages"))?.into_iter().enumerate() {
        self::message(message, top("messages").item(position), position, &mut it)?;
    }
    tools(&mut body, &mut it)?;
    format(&mut body, &mut it)?;
    if let Some(effort) = body.take("reasoning_effort") {
        it.effort = Some(effort.text(top("reasoning_effort"))?.plain());
    }
    let named = |name: &str| body.get(name).and_then(Json::text_if);
    it.user = named("user").or_else(|| named("safety_identifier"));
    for name in SETTINGS {
        it.settings.extend(body.take(name).map(|value| (name, value.bytes)));
    }
    for name in HINTS {
        body.take(name);
    }
    for (name, value) in body.left() {
        let neutral = NEUTRAL
            .iter()
            .any(|(known, values)| *known == name && values.iter().any(|it| same(it, value.bytes)));
        if !neutral {
            it.cannot_say(name, ONLY_HERE);
        }
    }
    Ok(it)
}

/// Whether a value is this one, but for white space in it.
fn same(known: &[u8], value: &[u8]) -> bool {
    value.iter().filter(|it| !it.is_ascii_whitespace()).eq(known)
}

fn message<'a>(
    message: Json<'a>,
    path: Path<'_>,
    position: usize,
    it: &mut Conversation<'a>,
) -> Result<(), Failure> {
    let mut members = message.members(path)?;
    let role = members.needed(path, "role")?.plain();
    let content = members.take("content");
    let mut parts = match content {
        Some(said) => self::content(said, path.at("content"), it)?,
        None => Vec::new(),
    };
    let role = match &*role {
        "system" | "developer" => {
            if it.turns.is_empty() {
                it.instructions.append(&mut parts);
            } else {
                it.cannot_say(path.to_string(), "an instruction in the midst of the talk");
            }
            return Ok(());
        }
        "tool" => {
            let id = members.needed(path, "tool_call_id")?;
            // What answers the calls of one turn is one turn.
            let part = Part::Result { id, parts, failed: false };
            match it.turns.last_mut() {
                Some(Turn { role: Role::User, parts, .. }) if parts.iter().all(is_result) => {
                    parts.push(part);
                }
                _ => it.turns.push(Turn { role: Role::User, parts: vec![part], position }),
            }
            return Ok(());
        }
        "assistant" => {
            assistant(&mut members, path, &mut parts, it)?;
            Role::Assistant
        }
        "user" => Role::User,
        _ => {
            it.cannot_say(path.at("role").to_string(), "a role that only chat completions have");
            return Ok(());
        }
    };
    if members.text(path, "name")?.is_some_and(|it| !it.is_empty()) {
        it.cannot_say(path.at("name").to_string(), ONLY_HERE);
    }
    match it.turns.last_mut() {
        // What is said beside the answers of tools belongs to them.
        Some(Turn { role: Role::User, parts: known, .. })
            if role == Role::User && known.iter().all(is_result) =>
        {
            known.append(&mut parts);
        }
        _ => it.turns.push(Turn { role, parts, position }),
    }
    Ok(())
}

fn is_result(part: &Part<'_>) -> bool {
    matches!(part, Part::Result { .. })
}

/// What a model has said beside its text.
fn assistant<'a>(
    members: &mut Members<'a>,
    path: Path<'_>,
    parts: &mut Vec<Part<'a>>,
    it: &mut Conversation<'a>,
) -> Result<(), Failure> {
    if let Some(reasoning) = members.take("reasoning_content").and_then(Json::text_if) {
        parts.insert(0, Part::Reasoning(reasoning));
    }
    if let Some(refusal) = members.text(path, "refusal")? {
        parts.push(Part::Refusal(refusal));
    }
    if members.take("function_call").is_some() {
        it.cannot_say(path.at("function_call").to_string(), ONLY_HERE);
    }
    let Some(calls) = members.take("tool_calls") else { return Ok(()) };
    let path = path.at("tool_calls");
    for (number, call) in calls.items(path)?.into_iter().enumerate() {
        let path = path.item(number);
        let mut members = call.members(path)?;
        let id = members.needed(path, "id")?;
        let Some(function) = members.take("function") else {
            it.cannot_say(path.to_string(), "a call that is no function's");
            continue;
        };
        let path = path.at("function");
        let mut function = function.members(path)?;
        let name = function.needed(path, "name")?;
        let arguments = function.text(path, "arguments")?.unwrap_or_default();
        parts.push(Part::Call(Call { id, name, arguments: Arguments::Text(arguments) }));
    }
    Ok(())
}

/// A text, or a list of parts.
fn content<'a>(
    said: Json<'a>,
    path: Path<'_>,
    it: &mut Conversation<'a>,
) -> Result<Vec<Part<'a>>, Failure> {
    conversation::content(said, path, "parts", |part, path| self::part(part, path, it))
}

fn part<'a>(
    part: Json<'a>,
    path: Path<'_>,
    it: &mut Conversation<'a>,
) -> Result<Option<Part<'a>>, Failure> {
    let mut members = part.members(path)?;
    let kind = members.needed(path, "type")?.plain();
    Ok(Some(match &*kind {
        "text" => Part::Text(members.needed(path, "text")?),
        "refusal" => Part::Refusal(members.needed(path, "refusal")?),
        "image_url" => {
            let path = path.at("image_url");
            let mut image = match members.take("image_url") {
                Some(image) if image.shape == Shape::String => {
                    return Ok(Some(Part::Image {
                        url: Cow::Borrowed(image.text(path)?.0),
                        detail: None,
                    }));
                }
                Some(image) => image.members(path)?,
                None => return Err(path.missing()),
            };
            let url = Cow::Borrowed(image.needed(path, "url")?.0);
            Part::Image { url, detail: image.text(path, "detail")? }
        }
        _ => {
            it.cannot_say(path.at("type").to_string(), "a part that only chat completions have");
            return Ok(None);
        }
    }))
}

fn tools<'a>(body: &mut Members<'a>, it: &mut Conversation<'a>) -> Result<(), Failure> {
    let path = Path::Top("tools");
    if let Some(tools) = body.take("tools") {
        for (position, tool) in tools.items(path)?.into_iter().enumerate() {
            let path = path.item(position);
            let mut members = tool.members(path)?;
            let Some(function) = members.take("function") else {
                it.cannot_say(path.to_string(), "a tool that is no function");
                continue;
            };
            let path = path.at("function");
            let mut function = function.members(path)?;
            let strict = function.take("strict").map(|it| it.boolean(path.at("strict")));
            it.tools.push(Tool {
                name: function.needed(path, "name")?,
                description: function.text(path, "description")?,
                parameters: function.take("parameters").map(|it| it.bytes),
                strict: strict.transpose()?.flatten(),
            });
        }
    }
    if let Some(parallel) = body.take("parallel_tool_calls") {
        it.parallel_tool_calls = parallel.boolean(Path::Top("parallel_tool_calls"))?;
    }
    let path = Path::Top("tool_choice");
    let Some(choice) = body.take("tool_choice") else { return Ok(()) };
    if let Some(word) = choice.text_if() {
        it.tool_choice = Some(match word.0 {
            b"none" => ToolChoice::None,
            b"required" | b"any" => ToolChoice::Required,
            _ => ToolChoice::Auto,
        });
        return Ok(());
    }
    let mut choice = choice.members(path)?;
    let function = choice.take("function").map(|it| it.members(path.at("function"))).transpose()?;
    match function {
        Some(mut function) => {
            let name = function.needed(path.at("function"), "name")?;
            it.tool_choice = Some(ToolChoice::Named(name));
        }
        None => it.cannot_say(path.to_string(), ONLY_HERE),
    }
    Ok(())
}

fn format<'a>(body: &mut Members<'a>, it: &mut Conversation<'a>) -> Result<(), Failure> {
    let path = Path::Top("response_format");
    let Some(format) = body.take("response_format") else { return Ok(()) };
    let mut format = format.members(path)?;
    match &*format.needed(path, "type")?.plain() {
        "text" => {}
        "json_object" => it.format = Some(Format::Json),
        "json_schema" => {
            let path = path.at("json_schema");
            let schema = format.take("json_schema").ok_or_else(|| path.missing())?;
            let mut members = schema.members(path)?;
            let strict = members.take("strict").map(|it| it.boolean(path.at("strict")));
            let schema = members.take("schema").ok_or_else(|| path.at("schema").missing())?;
            it.format = Some(Format::Schema {
                schema: schema.bytes,
                name: members.text(path, "name")?,
                description: members.text(path, "description")?,
                strict: strict.transpose()?.flatten(),
            });
        }
        _ => it.cannot_say(path.at("type").to_string(), "a form that only chat completions have"),
    }
    Ok(())
}
