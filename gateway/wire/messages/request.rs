//! A request by Messages as a conversation.

use std::borrow::Cow;

use super::super::{
    conversation::{
        self, Arguments, Call, Conversation, Format, Part, Role, Tool, ToolChoice, Turn,
    },
    json::{Json, Members, Path, Text},
    scan::Shape,
};
use crate::failure::Failure;

/// Settings that chat completions have under the same name, or under the second.
pub(super) const SETTINGS: [(&str, &str); 9] = [
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("top_k", "top_k"),
    ("min_p", "min_p"),
    ("seed", "seed"),
    ("repetition_penalty", "repetition_penalty"),
    ("presence_penalty", "presence_penalty"),
    ("frequency_penalty", "frequency_penalty"),
    ("stop_sequences", "stop"),
];
/// Hints to the one provider that knows them: an answer is the same without.
pub(super) const HINTS: [&str; 6] =
    ["cache_control", "service_tier", "context_management", "inference_geo", "speed", "betas"];
/// From so many tokens of thinking on, it is a middling and a great effort: the budgets that go with the
/// efforts in Anthropic's guide to its own compatible API.
const BUDGETS: [(u32, &str); 2] = [(16_384, "high"), (4_096, "medium")];

/// Reads the members of a body.
///
/// # Errors
/// What is missing or of the wrong type, by its path.
pub(in super::super) fn read<'a>(mut body: Members<'a>) -> Result<Conversation<'a>, Failure> {
    let top = Path::Top;
    let need = |it: Option<Json<'a>>, name| it.ok_or_else(|| top(name).missing());
    let model = need(body.take("model"), "model")?.text(top("model"))?;
    let mut it = Conversation { model, ..Conversation::default() };
    if let Some(most) = body.take("max_tokens") {
        if most.shape != Shape::Number {
            return Err(top("max_tokens").wrong(most.shape, "a whole number"));
        }
        it.output_tokens_max = Some(most.bytes);
    }
    if let Some(stream) = body.take("stream") {
        it.stream = stream.boolean(top("stream"))?.unwrap_or_default();
    }
    if let Some(system) = body.take("system") {
        it.instructions = content(system, top("system"), &mut it)?;
    }
    let messages = need(body.take("messages"), "messages")?;
    for (position, message) in messages.items(top("messages"))?.into_iter().enumerate() {
        let turn = turn(message, top("messages").item(position), position, &mut it)?;
        it.turns.push(turn);
    }
    tools(&mut body, &mut it)?;
    thinking(&mut body, &mut it)?;
    format(&mut body, &mut it)?;
    if let Some(metadata) = body.take("metadata") {
        it.user = metadata.members(top("metadata"))?.text(top("metadata"), "user_id")?;
    }
    for (name, meant) in SETTINGS {
        it.settings.extend(body.take(name).map(|value| (meant, value.bytes)));
    }
    rest(&mut body, &mut it);
    Ok(it)
}

/// What is left of a body: hints, and what only some provider knows.
fn rest(body: &mut Members<'_>, it: &mut Conversation<'_>) {
    for name in HINTS {
        body.take(name);
    }
    let empty = |value: &Json<'_>| value.bytes == b"[]" || value.bytes == b"{}";
    for (name, value) in body.left() {
        if !empty(&value) {
            it.cannot_say(name, "a field that only Messages have");
        }
    }
}

fn turn<'a>(
    message: Json<'a>,
    path: Path<'_>,
    position: usize,
    it: &mut Conversation<'a>,
) -> Result<Turn<'a>, Failure> {
    let mut members = message.members(path)?;
    let role = members.needed(path, "role")?;
    let role = match &*role.plain() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(path.at("role").invalid("is unknown: expected user or assistant")),
    };
    let said = members.take("content").ok_or_else(|| path.at("content").missing())?;
    let parts = content(said, path.at("content"), it)?;
    Ok(Turn { role, parts, position })
}

/// A text, or a list of blocks.
fn content<'a>(
    said: Json<'a>,
    path: Path<'_>,
    it: &mut Conversation<'a>,
) -> Result<Vec<Part<'a>>, Failure> {
    conversation::content(said, path, "blocks", |block, path| self::block(block, path, it))
}

fn block<'a>(
    block: Json<'a>,
    path: Path<'_>,
    it: &mut Conversation<'a>,
) -> Result<Option<Part<'a>>, Failure> {
    let mut members = block.members(path)?;
    let kind = members.needed(path, "type")?.plain();
    Ok(Some(match &*kind {
        "text" => Part::Text(members.needed(path, "text")?),
        "thinking" => Part::Reasoning(members.needed(path, "thinking")?),
        // No other model can read it, and none has to: it is kept for who wrote it.
        "redacted_thinking" => return Ok(None),
        "image" => return image(members, path, it),
        "document" => return document(members, path, it),
        "tool_use" => Part::Call(Call {
            id: members.needed(path, "id")?,
            name: members.needed(path, "name")?,
            arguments: Arguments::Object(match members.take("input") {
                Some(Json { shape: Shape::Object, bytes }) => bytes,
                Some(other) => return Err(path.at("input").wrong(other.shape, "an object")),
                None => return Err(path.at("input").missing()),
            }),
        }),
        "tool_result" => {
            let id = members.needed(path, "tool_use_id")?;
            let parts = match members.take("content") {
                Some(said) => content(said, path.at("content"), it)?,
                None => Vec::new(),
            };
            let failed = match members.take("is_error") {
                Some(failed) => failed.boolean(path.at("is_error"))?.unwrap_or_default(),
                None => false,
            };
            Part::Result { id, parts, failed }
        }
        _ => {
            it.cannot_say(path.at("type").to_string(), "a block that only Messages have");
            return Ok(None);
        }
    }))
}

fn image<'a>(
    members: Members<'a>,
    path: Path<'_>,
    it: &mut Conversation<'a>,
) -> Result<Option<Part<'a>>, Failure> {
    let path = path.at("source");
    let mut source = source(members, path)?;
    let url = match &*source.needed(path, "type")?.plain() {
        "base64" => {
            let kind = source.needed(path, "media_type")?;
            Cow::Owned(data_url(kind, source.needed(path, "data")?))
        }
        "url" => Cow::Borrowed(source.needed(path, "url")?.0),
        _ => {
            it.cannot_say(path.at("type").to_string(), "a file of the provider");
            return Ok(None);
        }
    };
    Ok(Some(Part::Image { url, detail: None }))
}

/// Where a medium comes from.
fn source<'a>(mut members: Members<'a>, path: Path<'_>) -> Result<Members<'a>, Failure> {
    members.take("source").ok_or_else(|| path.missing())?.members(path)
}

fn data_url(kind: Text<'_>, data: Text<'_>) -> Vec<u8> {
    [b"data:", kind.0, b";base64,", data.0].concat()
}

/// A document whose text is there is text, and one whose bytes are there a file; another one only its
/// provider can open.
fn document<'a>(
    mut members: Members<'a>,
    path: Path<'_>,
    it: &mut Conversation<'a>,
) -> Result<Option<Part<'a>>, Failure> {
    let title = members.text(path, "title")?;
    let path = path.at("source");
    let mut source = source(members, path)?;
    match &*source.needed(path, "type")?.plain() {
        "text" => Ok(Some(Part::Text(source.needed(path, "data")?))),
        "base64" => {
            let url = data_url(source.needed(path, "media_type")?, source.needed(path, "data")?);
            let mut file =
                [b"{\"type\":\"file\",\"file\":{\"file_data\":\"", &url[..], b"\""].concat();
            if let Some(title) = title {
                file.extend([b",\"filename\":\"", title.0, b"\""].concat());
            }
            file.extend_from_slice(b"}}");
            Ok(Some(Part::Same(file.into())))
        }
        _ => {
            it.cannot_say(path.at("type").to_string(), "a document that its provider opens");
            Ok(None)
        }
    }
}

fn tools<'a>(body: &mut Members<'a>, it: &mut Conversation<'a>) -> Result<(), Failure> {
    let path = Path::Top("tools");
    if let Some(tools) = body.take("tools") {
        for (position, tool) in tools.items(path)?.into_iter().enumerate() {
            let path = path.item(position);
            let mut members = tool.members(path)?;
            let kind = members.text(path, "type")?;
            if kind.is_some_and(|kind| &*kind.plain() != "custom") {
                let what = "a tool that only its provider knows";
                it.cannot_say(path.at("type").to_string(), what);
                continue;
            }
            let strict = members.take("strict").map(|it| it.boolean(path.at("strict")));
            it.tools.push(Tool {
                name: members.needed(path, "name")?,
                description: members.text(path, "description")?,
                parameters: members.take("input_schema").map(|it| it.bytes),
                strict: strict.transpose()?.flatten(),
            });
        }
    }
    let path = Path::Top("tool_choice");
    let Some(choice) = body.take("tool_choice") else { return Ok(()) };
    let mut choice = choice.members(path)?;
    it.tool_choice = Some(match &*choice.needed(path, "type")?.plain() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(choice.needed(path, "name")?),
        _ => return Err(path.at("type").invalid("is unknown: expected auto, any, tool or none")),
    });
    let single = choice.take("disable_parallel_tool_use");
    let single = single.map(|it| it.boolean(path.at("disable_parallel_tool_use"))).transpose()?;
    it.parallel_tool_calls = single.flatten().filter(|single| *single).map(|single| !single);
    Ok(())
}

/// Thinking with a budget is an effort; `adaptive` leaves it to the model, as nothing at all does. It is
/// shown to those alone who ask for it: clients of others do not expect such a block.
fn thinking<'a>(body: &mut Members<'a>, it: &mut Conversation<'a>) -> Result<(), Failure> {
    let path = Path::Top("thinking");
    it.hides_reasoning = true;
    let Some(thinking) = body.take("thinking") else { return Ok(()) };
    let mut thinking = thinking.members(path)?;
    match &*thinking.needed(path, "type")?.plain() {
        "enabled" => {
            it.hides_reasoning = false;
            let budget = thinking.take("budget_tokens");
            let budget = budget.ok_or_else(|| path.at("budget_tokens").missing())?;
            let tokens = std::str::from_utf8(budget.bytes).ok().and_then(|it| it.parse().ok());
            let tokens: u32 = match tokens {
                Some(tokens) if budget.shape == Shape::Number => tokens,
                _ => return Err(path.at("budget_tokens").wrong(budget.shape, "a whole number")),
            };
            let effort = BUDGETS.iter().find(|(from, _)| tokens >= *from);
            it.effort = Some(effort.map_or("low", |(_, effort)| effort).into());
            Ok(())
        }
        kind @ ("adaptive" | "disabled") => {
            it.hides_reasoning = kind == "disabled";
            Ok(())
        }
        _ => {
            let expected = "is unknown: expected enabled, adaptive or disabled";
            Err(path.at("type").invalid(expected))
        }
    }
}

/// `output_config`, and `output_format` as it was called before.
fn format<'a>(body: &mut Members<'a>, it: &mut Conversation<'a>) -> Result<(), Failure> {
    let path = Path::Top("output_config");
    if let Some(config) = body.take("output_config") {
        let mut config = config.members(path)?;
        if let Some(effort) = config.text(path, "effort")? {
            it.effort = Some(effort.plain());
        }
        if let Some(format) = config.take("format") {
            it.format = schema(format, path.at("format"))?;
        }
        if let Some((name, _)) = config.left().next() {
            it.cannot_say(path.at(&name).to_string(), "a field that only Messages have");
        }
    }
    if let Some(format) = body.take("output_format") {
        it.format = schema(format, Path::Top("output_format"))?;
    }
    Ok(())
}

fn schema<'a>(format: Json<'a>, path: Path<'_>) -> Result<Option<Format<'a>>, Failure> {
    let mut format = format.members(path)?;
    if &*format.needed(path, "type")?.plain() != "json_schema" {
        return Err(path.at("type").invalid("is unknown: expected json_schema"));
    }
    let schema = format.take("schema").ok_or_else(|| path.at("schema").missing())?;
    if schema.shape != Shape::Object {
        return Err(path.at("schema").wrong(schema.shape, "an object"));
    }
    let (name, description) = (None, None);
    Ok(Some(Format::Schema { schema: schema.bytes, name, description, strict: Some(true) }))
}
