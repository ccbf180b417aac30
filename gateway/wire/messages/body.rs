//! A conversation as the body of a request by Messages: what engines are asked with that speak nothing else.

use policies::facts::Tokens;

use super::super::{
    Unsayable,
    conversation::{Arguments, Call, Conversation, Format, Part, Role, Tool, ToolChoice, Turn},
    escape::quoted,
    json::{Json, Members, Path, Text},
    openai,
    scan::Shape,
};
use crate::failure::Failure;

/// Efforts by their names in `output_config`; of the others the nearest.
const EFFORTS: [(&str, &str); 6] = [
    ("minimal", "low"),
    ("low", "low"),
    ("medium", "medium"),
    ("high", "high"),
    ("xhigh", "high"),
    ("max", "max"),
];

/// Writes what a chat completion asks by Messages. The answer may be so long where it says nothing of that,
/// because Messages must.
///
/// # Errors
/// What Messages cannot say of it.
pub(in super::super) fn asked(chat: &[u8], most: Tokens) -> Result<Vec<u8>, Unsayable> {
    let mut out = Writer(Vec::with_capacity(chat.len() + 256));
    out.body(&askable_conversation(chat)?, most);
    Ok(out.0)
}

/// Whether Messages can say what a chat completion asks.
///
/// # Errors
/// What they cannot say of it.
pub(in super::super) fn askable(chat: &[u8]) -> Result<(), Unsayable> {
    askable_conversation(chat).map(drop)
}

fn askable_conversation(chat: &[u8]) -> Result<Conversation<'_>, Unsayable> {
    let wrong = |failure: Failure| Unsayable {
        path: failure.param.map_or_else(|| "the body".to_owned(), |it| it.to_string()),
        what: "not as Messages have it",
    };
    let members = Members::read(chat.trim_ascii()).map_err(wrong)?;
    let mut it = openai::conversation(members).map_err(wrong)?;
    judge(&mut it);
    it.unsayable.take().map_or(Ok(it), Err)
}

/// Notes what of a conversation Messages cannot say.
fn judge(it: &mut Conversation<'_>) {
    let top = Path::Top("messages");
    let mut found = None;
    for turn in &it.turns {
        let path = top.item(turn.position);
        let mut calls = 0;
        for part in &turn.parts {
            let place = match part {
                Part::Call(_) => format!("{path}.tool_calls[{calls}].function.arguments"),
                _ => path.to_string(),
            };
            calls += usize::from(matches!(part, Part::Call(_)));
            found = found.or_else(|| Some((place, unsayable(part)?)));
        }
    }
    if it.instructions.iter().any(|part| !matches!(part, Part::Text(_))) {
        found.get_or_insert(("messages[0].content".into(), "an instruction that is no text"));
    }
    if matches!(it.format, Some(Format::Json)) {
        let what = "a form without a schema, which Messages do not have";
        found.get_or_insert(("response_format.type".into(), what));
    }
    if let Some((path, what)) = found {
        it.cannot_say(path, what);
    }
}

fn unsayable(part: &Part<'_>) -> Option<&'static str> {
    match part {
        Part::Call(call) => {
            object(call.arguments).is_none().then_some("a call with what is no JSON object")
        }
        Part::Same(_) => Some("a part that Messages do not have"),
        Part::Result { parts, .. } => parts.iter().find_map(unsayable),
        _ => None,
    }
}

/// What a tool is called with, as the object that it must be.
fn object(arguments: Arguments<'_>) -> Option<std::borrow::Cow<'_, [u8]>> {
    let text = match arguments {
        Arguments::Object(json) => return Some(json.into()),
        Arguments::Text(text) => text.plain(),
    };
    if text.trim().is_empty() {
        return Some(b"{}".into());
    }
    let json = Json::whole(text.trim().as_bytes()).ok()?;
    (json.shape == Shape::Object).then(|| json.bytes.to_vec().into())
}

/// Whether a part is written: reasoning is not, nor what is empty.
fn is_said(part: &Part<'_>) -> bool {
    match part {
        Part::Reasoning(_) | Part::Same(_) => false,
        Part::Text(text) | Part::Refusal(text) => !text.is_empty(),
        _ => true,
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.extend_from_slice(bytes.as_ref());
    }

    fn text(&mut self, text: Text<'_>) {
        self.raw(b"\"");
        self.raw(text.0);
        self.raw(b"\"");
    }

    /// A comma, if something stands before it in its object or array.
    fn comma(&mut self) {
        if !matches!(self.0.last(), Some(b'{' | b'[')) {
            self.0.push(b',');
        }
    }

    fn name(&mut self, name: &str) {
        self.comma();
        self.raw(b"\"");
        self.raw(name);
        self.raw(b"\":");
    }

    fn body(&mut self, it: &Conversation<'_>, most: Tokens) {
        self.raw(b"{\"model\":");
        self.text(it.model);
        self.name("max_tokens");
        match it.output_tokens_max {
            Some(tokens) => self.raw(tokens),
            None => self.raw(most.to_string()),
        }
        if !it.instructions.is_empty() {
            self.name("system");
            self.content(&it.instructions);
        }
        self.name("messages");
        self.raw(b"[");
        // Who has said nothing has no message there.
        let speaks = |it: &&Turn<'_>| it.role != Role::Assistant || it.parts.iter().any(is_said);
        it.turns.iter().filter(speaks).for_each(|turn| self.turn(turn));
        self.raw(b"]");
        if it.stream {
            self.raw(b",\"stream\":true");
        }
        for (name, value) in &it.settings {
            self.setting(name, value);
        }
        self.tools(it);
        self.output(it);
        if let Some(user) = it.user {
            self.name("metadata");
            self.raw(b"{\"user_id\":");
            self.text(user);
            self.raw(b"}");
        }
        self.raw(b"}");
    }

    /// A setting: texts to end at are a list here, whether there is one or several.
    fn setting(&mut self, name: &str, value: &[u8]) {
        if name != "stop" {
            self.name(name);
            return self.raw(value);
        }
        self.name("stop_sequences");
        if value.starts_with(b"[") {
            return self.raw(value);
        }
        self.raw(b"[");
        self.raw(value);
        self.raw(b"]");
    }

    fn turn(&mut self, turn: &Turn<'_>) {
        self.comma();
        self.raw(b"{\"role\":\"");
        self.raw(match turn.role {
            Role::Assistant => "assistant",
            Role::System => "system",
            Role::User => "user",
        });
        self.raw(b"\"");
        self.name("content");
        self.content(&turn.parts);
        self.raw(b"}");
    }

    /// One text is a string; all else is blocks. Reasoning is left out: only who signed it may read it.
    fn content(&mut self, parts: &[Part<'_>]) {
        // Beside other blocks there must be no empty one.
        let said: Vec<&Part<'_>> =
            parts.iter().filter(|it| parts.len() == 1 || is_said(it)).collect();
        if let [Part::Text(text)] = *said {
            return self.text(*text);
        }
        self.raw(b"[");
        for part in said {
            self.block(part);
        }
        self.raw(b"]");
    }

    fn block(&mut self, part: &Part<'_>) {
        match part {
            Part::Text(text) | Part::Refusal(text) => {
                self.comma();
                self.raw(b"{\"type\":\"text\",\"text\":");
                self.text(*text);
                self.raw(b"}");
            }
            Part::Image { url, .. } => self.image(url),
            Part::Call(call) => self.call(call),
            Part::Result { id, parts, failed } => {
                self.comma();
                self.raw(b"{\"type\":\"tool_result\",\"tool_use_id\":");
                self.text(*id);
                if !parts.is_empty() {
                    self.name("content");
                    self.content(parts);
                }
                if *failed {
                    self.raw(b",\"is_error\":true");
                }
                self.raw(b"}");
            }
            Part::Reasoning(_) | Part::Same(_) => {}
        }
    }

    fn image(&mut self, url: &[u8]) {
        self.comma();
        self.raw(b"{\"type\":\"image\",\"source\":{\"type\":");
        let data = url.strip_prefix(b"data:").and_then(|rest| {
            let at = memchr::memmem::find(rest, b";base64,")?;
            Some((rest.get(..at)?, rest.get(at + b";base64,".len()..)?))
        });
        match data {
            Some((kind, data)) => {
                self.raw(b"\"base64\",\"media_type\":");
                self.text(Text(kind));
                self.name("data");
                self.text(Text(data));
            }
            None => {
                self.raw(b"\"url\",\"url\":");
                self.text(Text(url));
            }
        }
        self.raw(b"}}");
    }

    fn call(&mut self, call: &Call<'_>) {
        self.comma();
        self.raw(b"{\"type\":\"tool_use\",\"id\":");
        self.text(call.id);
        self.name("name");
        self.text(call.name);
        self.name("input");
        self.raw(object(call.arguments).unwrap_or(b"{}".into()));
        self.raw(b"}");
    }

    fn tools(&mut self, it: &Conversation<'_>) {
        if it.tools.is_empty() {
            return;
        }
        self.name("tools");
        self.raw(b"[");
        it.tools.iter().for_each(|tool| self.tool(tool));
        self.raw(b"]");
        let single = it.parallel_tool_calls == Some(false);
        let choice = match it.tool_choice {
            None if !single => return,
            None | Some(ToolChoice::Auto) => "auto",
            Some(ToolChoice::None) => "none",
            Some(ToolChoice::Required) => "any",
            Some(ToolChoice::Named(_)) => "tool",
        };
        self.name("tool_choice");
        self.raw(format!("{{\"type\":\"{choice}\""));
        if let Some(ToolChoice::Named(name)) = it.tool_choice {
            self.name("name");
            self.text(name);
        }
        if single && choice != "none" {
            self.raw(b",\"disable_parallel_tool_use\":true");
        }
        self.raw(b"}");
    }

    fn tool(&mut self, tool: &Tool<'_>) {
        self.comma();
        self.raw(b"{\"name\":");
        self.text(tool.name);
        if let Some(description) = tool.description {
            self.name("description");
            self.text(description);
        }
        // A tool must say what it is called with, be it nothing.
        self.name("input_schema");
        self.raw(tool.parameters.unwrap_or(b"{\"type\":\"object\",\"properties\":{}}"));
        if tool.strict == Some(true) {
            self.raw(b",\"strict\":true");
        }
        self.raw(b"}");
    }

    /// The form of the answer, and the effort.
    fn output(&mut self, it: &Conversation<'_>) {
        let effort = it.effort.as_deref();
        let effort = effort.and_then(|word| EFFORTS.iter().find(|(known, _)| *known == word));
        let schema = match &it.format {
            Some(Format::Schema { schema, .. }) => Some(*schema),
            _ => None,
        };
        if effort.is_none() && schema.is_none() {
            return;
        }
        self.name("output_config");
        self.raw(b"{");
        if let Some((_, effort)) = effort {
            self.name("effort");
            self.raw(quoted(effort));
        }
        if let Some(schema) = schema {
            self.name("format");
            self.raw(b"{\"type\":\"json_schema\",\"schema\":");
            self.raw(schema);
            self.raw(b"}");
        }
        self.raw(b"}");
    }
}
