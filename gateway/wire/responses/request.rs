//! A request by Responses as a conversation.

mod items;

use super::super::{
    conversation::{Conversation, Format, Part, Role, Tool, ToolChoice, Turn},
    json::{Json, Members, Path, Text},
    scan::Shape,
};
use crate::failure::Failure;

/// Settings that chat completions have under the same name.
pub(super) const SETTINGS: [&str; 12] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "safety_identifier",
    "prompt_cache_key",
    "metadata",
    "service_tier",
];
/// Hints to the one provider that knows them: an answer is the same without. Nothing is stored here, whatever
/// `store` says, and the answer says so.
pub(super) const HINTS: [&str; 4] =
    ["store", "prompt_cache_retention", "prompt_cache_options", "client_metadata"];
/// What only Responses have.
const ONLY_HERE: &str = "a field that only Responses have";
/// What goes on with something that a provider has kept.
const KEPT: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

/// Reads the members of a body.
///
/// # Errors
/// What is missing or of the wrong type, by its path; and what asks for something that was kept.
pub(in super::super) fn read<'a>(mut body: Members<'a>) -> Result<Conversation<'a>, Failure> {
    let top = Path::Top;
    let model = body.take("model").ok_or_else(|| top("model").missing())?;
    let mut it = Conversation { model: model.text(top("model"))?, ..Conversation::default() };
    kept(&mut body)?;
    if let Some(stream) = body.take("stream") {
        it.stream = stream.boolean(top("stream"))?.unwrap_or_default();
    }
    if let Some(most) = body.take("max_output_tokens") {
        if most.shape != Shape::Number {
            return Err(top("max_output_tokens").wrong(most.shape, "a whole number"));
        }
        it.output_tokens_max = Some(most.bytes);
    }
    if let Some(instructions) = body.take("instructions") {
        instructed(instructions, &mut it)?;
    }
    let input = body.take("input").ok_or_else(|| top("input").missing())?;
    match input.shape {
        Shape::String => {
            let parts = vec![Part::Text(input.text(top("input"))?)];
            it.turns.push(Turn { role: Role::User, parts, position: 0 });
        }
        Shape::Array => items::read(input, top("input"), &mut it)?,
        found => return Err(top("input").wrong(found, "a string or an array of items")),
    }
    tools(&mut body, &mut it)?;
    text(&mut body, &mut it)?;
    reasoning(&mut body, &mut it)?;
    it.user = body.take("user").map(|user| user.text(top("user"))).transpose()?;
    for name in SETTINGS {
        it.settings.extend(body.take(name).map(|value| (name, value.bytes)));
    }
    rest(&mut body, &mut it)?;
    Ok(it)
}

/// Refuses what would need something that is kept here: nothing is.
fn kept(body: &mut Members<'_>) -> Result<(), Failure> {
    let refused = |name: &'static str, why: &str| {
        let text = format!("{name} cannot be served: {why}");
        Err(Failure::invalid("unsupported_parameter", text).at(name))
    };
    for name in KEPT {
        if body.take(name).is_some() {
            let why = "nothing of a talk or of an answer is kept here: send the whole talk in `input`, and \
                       `store: false`";
            return refused(name, why);
        }
    }
    let background = body.take("background").map(|it| it.boolean(Path::Top("background")));
    if background.transpose()?.flatten() == Some(true) {
        let why = "answers are not kept for later: wait for this one, or ask for a stream";
        return refused("background", why);
    }
    Ok(())
}

/// Instructions are a text; in an answer that is sent back they may be the items of a prompt.
fn instructed<'a>(said: Json<'a>, it: &mut Conversation<'a>) -> Result<(), Failure> {
    let path = Path::Top("instructions");
    match said.shape {
        Shape::String => it.instructions = vec![Part::Text(said.text(path)?)],
        Shape::Array => it.cannot_say(path.to_string(), "a list of items of a stored prompt"),
        found => return Err(path.wrong(found, "a string")),
    }
    Ok(())
}

fn tools<'a>(body: &mut Members<'a>, it: &mut Conversation<'a>) -> Result<(), Failure> {
    let path = Path::Top("tools");
    if let Some(tools) = body.take("tools") {
        for (position, offered) in tools.items(path)?.into_iter().enumerate() {
            tool(offered, path.item(position), it)?;
        }
    }
    let path = Path::Top("parallel_tool_calls");
    let parallel = body.take("parallel_tool_calls").map(|it| it.boolean(path));
    it.parallel_tool_calls = parallel.transpose()?.flatten();
    let path = Path::Top("tool_choice");
    let Some(choice) = body.take("tool_choice") else { return Ok(()) };
    if let Some(word) = choice.text_if() {
        it.tool_choice = Some(match &*word.plain() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => {
                return Err(path.invalid("is unknown: expected auto, none, required or a tool"));
            }
        });
        return Ok(());
    }
    if choice.shape != Shape::Object {
        return Err(path.wrong(choice.shape, "a string or an object"));
    }
    let mut choice = choice.members(path)?;
    match &*choice.needed(path, "type")?.plain() {
        "function" => it.tool_choice = Some(ToolChoice::Named(choice.needed(path, "name")?)),
        "allowed_tools" => it.cannot_say(path.at("type").to_string(), "a choice among some tools"),
        _ => it.cannot_say(path.at("type").to_string(), "the choice of a tool of the provider"),
    }
    Ok(())
}

/// A tool that is no function cannot be left out: the talk would be another one.
fn tool<'a>(tool: Json<'a>, path: Path<'_>, it: &mut Conversation<'a>) -> Result<(), Failure> {
    let mut members = tool.members(path)?;
    let what = match &*members.needed(path, "type")?.plain() {
        "function" => "",
        "custom" => "a tool that is called with plain text",
        "local_shell" | "shell" | "apply_patch" => "a tool that only its provider's models know",
        "namespace" | "tool_search" => "tools that are looked up",
        _ => "a tool that the provider runs",
    };
    if !what.is_empty() {
        it.cannot_say(path.at("type").to_string(), what);
        return Ok(());
    }
    let strict = members.take("strict").map(|it| it.boolean(path.at("strict")));
    it.tools.push(Tool {
        name: members.needed(path, "name")?,
        description: members.text(path, "description")?,
        parameters: members.take("parameters").map(|it| it.bytes),
        strict: strict.transpose()?.flatten(),
    });
    for (name, value) in members.left() {
        if value.shape != Shape::False {
            it.cannot_say(path.at(&name).to_string(), ONLY_HERE);
        }
    }
    Ok(())
}

/// `text`: the form of the answer, and how many words it makes.
fn text<'a>(body: &mut Members<'a>, it: &mut Conversation<'a>) -> Result<(), Failure> {
    let path = Path::Top("text");
    let Some(text) = body.take("text") else { return Ok(()) };
    let mut text = text.members(path)?;
    it.settings.extend(text.take("verbosity").map(|value| ("verbosity", value.bytes)));
    if let Some(format) = text.take("format") {
        it.format = self::format(format, path.at("format"))?;
    }
    only_here(&text, path, it);
    Ok(())
}

fn format<'a>(format: Json<'a>, path: Path<'_>) -> Result<Option<Format<'a>>, Failure> {
    let mut format = format.members(path)?;
    match &*format.needed(path, "type")?.plain() {
        "text" => return Ok(None),
        "json_object" => return Ok(Some(Format::Json)),
        "json_schema" => {}
        _ => {
            let expected = "is unknown: expected text, json_object or json_schema";
            return Err(path.at("type").invalid(expected));
        }
    }
    let schema = format.take("schema").ok_or_else(|| path.at("schema").missing())?;
    if schema.shape != Shape::Object {
        return Err(path.at("schema").wrong(schema.shape, "an object"));
    }
    let strict = format.take("strict").map(|it| it.boolean(path.at("strict")));
    Ok(Some(Format::Schema {
        schema: schema.bytes,
        name: format.text(path, "name")?,
        description: format.text(path, "description")?,
        strict: strict.transpose()?.flatten(),
    }))
}

/// `reasoning`: an effort; where its summary is asked for, the answer tells all of it as one.
fn reasoning<'a>(body: &mut Members<'a>, it: &mut Conversation<'a>) -> Result<(), Failure> {
    let path = Path::Top("reasoning");
    let Some(reasoning) = body.take("reasoning") else { return Ok(()) };
    let mut reasoning = reasoning.members(path)?;
    it.effort = reasoning.text(path, "effort")?.map(Text::plain);
    for name in ["summary", "generate_summary"] {
        reasoning.take(name);
    }
    only_here(&reasoning, path, it);
    Ok(())
}

/// Notes the members of an object that nobody has taken.
fn only_here(left: &Members<'_>, path: Path<'_>, it: &mut Conversation<'_>) {
    for (name, _) in left.left() {
        it.cannot_say(path.at(&name).to_string(), ONLY_HERE);
    }
}

/// What is left of a body: hints, and what only Responses have.
fn rest<'a>(body: &mut Members<'a>, it: &mut Conversation<'a>) -> Result<(), Failure> {
    let path = Path::Top("include");
    if let Some(include) = body.take("include") {
        for (position, name) in include.items(path)?.into_iter().enumerate() {
            let path = path.item(position);
            // Reasoning that is sealed comes from models that seal it alone.
            if &*name.text(path)?.plain() != "reasoning.encrypted_content" {
                it.cannot_say(path.to_string(), "something that only Responses tell");
            }
        }
    }
    let path = Path::Top("truncation");
    if let Some(truncation) = body.take("truncation")
        && !matches!(&*truncation.text(path)?.plain(), "auto" | "disabled")
    {
        return Err(path.invalid("is unknown: expected auto or disabled"));
    }
    let path = Path::Top("stream_options");
    if let Some(options) = body.take("stream_options") {
        let mut options = options.members(path)?;
        options.take("include_obfuscation");
        only_here(&options, path, it);
    }
    if let Some(most) = body.take("top_logprobs")
        && most.bytes != b"0"
    {
        it.cannot_say("top_logprobs".to_owned(), "something that only Responses tell");
    }
    for name in HINTS {
        body.take(name);
    }
    let empty = |value: &Json<'_>| value.bytes == b"[]" || value.bytes == b"{}";
    for (name, value) in body.left() {
        if !empty(&value) {
            it.cannot_say(name, ONLY_HERE);
        }
    }
    Ok(())
}
