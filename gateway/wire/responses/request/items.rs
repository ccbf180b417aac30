//! The items of an input as turns of a conversation.

use std::borrow::Cow;

use super::super::super::{
    conversation::{self, Arguments, Call, Conversation, Part, Role, Turn},
    json::{Json, Members, Path, Text},
};
use crate::failure::Failure;

/// Reads a list of items. What a model said in a row — reasoning, messages, calls — is one turn, as chat
/// completions have it in one message.
pub(super) fn read<'a>(
    input: Json<'a>,
    path: Path<'_>,
    it: &mut Conversation<'a>,
) -> Result<(), Failure> {
    for (position, item) in input.items(path)?.into_iter().enumerate() {
        let Some((role, parts)) = self::item(item, path.item(position), it)? else { continue };
        match it.turns.last_mut() {
            Some(last) if role == Role::Assistant && last.role == role => last.parts.extend(parts),
            // Sealed reasoning of another model leaves nothing, and a turn of nothing says nothing.
            _ if role == Role::Assistant && parts.is_empty() => {}
            _ => it.turns.push(Turn { role, parts, position }),
        }
    }
    Ok(())
}

/// An item, and who says it.
type Said<'a> = Option<(Role, Vec<Part<'a>>)>;

fn item<'a>(
    item: Json<'a>,
    path: Path<'_>,
    it: &mut Conversation<'a>,
) -> Result<Said<'a>, Failure> {
    let mut members = item.members(path)?;
    let kind = members.text(path, "type")?.map(Text::plain);
    match kind.as_deref() {
        None | Some("message") => message(members, path, it).map(Some),
        Some("function_call") => {
            if members.take("namespace").is_some() {
                it.cannot_say(path.at("namespace").to_string(), "a namespace of tools");
            }
            let call = Call {
                id: members.needed(path, "call_id")?,
                name: members.needed(path, "name")?,
                arguments: Arguments::Text(members.needed(path, "arguments")?),
            };
            if call.name.is_empty() {
                return Err(path.at("name").missing());
            }
            Ok(Some((Role::Assistant, vec![Part::Call(call)])))
        }
        Some("function_call_output") => {
            let id = members.needed(path, "call_id")?;
            let output = members.take("output").ok_or_else(|| path.at("output").missing())?;
            let parts = content(output, path.at("output"), Role::User, it)?;
            Ok(Some((Role::User, vec![Part::Result { id, parts, failed: false }])))
        }
        Some("reasoning") => Ok(Some((Role::Assistant, reasoning(members, path)?))),
        Some("item_reference") => {
            it.cannot_say(path.at("type").to_string(), "an item that its provider has kept");
            Ok(None)
        }
        Some(_) => {
            it.cannot_say(path.at("type").to_string(), "an item that only Responses have");
            Ok(None)
        }
    }
}

fn message<'a>(
    mut members: Members<'a>,
    path: Path<'_>,
    it: &mut Conversation<'a>,
) -> Result<(Role, Vec<Part<'a>>), Failure> {
    let role = members.needed(path, "role")?;
    let role = match &*role.plain() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" | "developer" => Role::System,
        _ => {
            let expected = "is unknown: expected user, assistant, system or developer";
            return Err(path.at("role").invalid(expected));
        }
    };
    let said = members.take("content").ok_or_else(|| path.at("content").missing())?;
    Ok((role, content(said, path.at("content"), role, it)?))
}

/// What a model has reasoned, if it is there to be read; a summary of it, if that is all there is.
fn reasoning<'a>(mut members: Members<'a>, path: Path<'_>) -> Result<Vec<Part<'a>>, Failure> {
    let mut texts = |name| -> Result<Vec<Part<'a>>, Failure> {
        let path = path.at(name);
        let Some(list) = members.take(name) else { return Ok(Vec::new()) };
        let items = list.items(path)?.into_iter().enumerate();
        let text = |(position, item): (usize, Json<'a>)| {
            let path = path.item(position);
            item.members(path)?.needed(path, "text").map(Part::Reasoning)
        };
        items.map(text).collect()
    };
    let (all, summary) = (texts("content")?, texts("summary")?);
    Ok(if all.is_empty() { summary } else { all })
}

/// A text, or a list of parts.
fn content<'a>(
    said: Json<'a>,
    path: Path<'_>,
    role: Role,
    it: &mut Conversation<'a>,
) -> Result<Vec<Part<'a>>, Failure> {
    conversation::content(said, path, "parts", |part, path| {
        let part = self::part(part, path, it)?;
        let medium = matches!(part, Some(Part::Image { .. } | Part::Same(_)));
        if medium && role == Role::Assistant {
            it.cannot_say(path.at("type").to_string(), "a medium that a model has made");
        }
        Ok(part)
    })
}

fn part<'a>(
    part: Json<'a>,
    path: Path<'_>,
    it: &mut Conversation<'a>,
) -> Result<Option<Part<'a>>, Failure> {
    let mut members = part.members(path)?;
    let kind = members.needed(path, "type")?.plain();
    Ok(Some(match &*kind {
        "input_text" | "output_text" | "text" => Part::Text(members.needed(path, "text")?),
        "refusal" => Part::Refusal(members.needed(path, "refusal")?),
        "input_image" => {
            if members.take("file_id").is_some() {
                it.cannot_say(path.at("file_id").to_string(), "a file of the provider");
                return Ok(None);
            }
            let url = Cow::Borrowed(members.needed(path, "image_url")?.0);
            Part::Image { url, detail: members.text(path, "detail")? }
        }
        "input_file" => return file(members, path, it),
        // Chat completions have it in this very form.
        "input_audio" => Part::Same(Cow::Borrowed(part.bytes)),
        _ => {
            it.cannot_say(path.at("type").to_string(), "a part that only Responses have");
            return Ok(None);
        }
    }))
}

/// A file whose bytes are there; another one only its provider can open.
fn file<'a>(
    mut members: Members<'a>,
    path: Path<'_>,
    it: &mut Conversation<'a>,
) -> Result<Option<Part<'a>>, Failure> {
    for name in ["file_id", "file_url"] {
        if members.take(name).is_some() {
            it.cannot_say(path.at(name).to_string(), "a file that its provider opens");
            return Ok(None);
        }
    }
    let data = members.needed(path, "file_data")?;
    let mut file = [b"{\"type\":\"file\",\"file\":{\"file_data\":\"", data.0, b"\""].concat();
    if let Some(name) = members.text(path, "filename")? {
        file.extend([b",\"filename\":\"", name.0, b"\""].concat());
    }
    file.extend_from_slice(b"}}");
    Ok(Some(Part::Same(Cow::Owned(file))))
}
