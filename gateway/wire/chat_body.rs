//! A conversation as the body of a chat completion: what engines are asked with when they do not speak the
//! caller's dialect.

use super::{
    conversation::{Arguments, Call, Conversation, Format, Part, Role, Tool, ToolChoice, Turn},
    json::Text,
};

/// The body, and of each of its messages the position in the caller's list; nothing for what is no message
/// there.
pub(super) struct ChatBody {
    pub(super) bytes: Vec<u8>,
    pub(super) origins: Vec<Option<usize>>,
}

/// Writes a conversation as the body of a chat completion.
pub(super) fn write(conversation: &Conversation<'_>, hint: usize) -> ChatBody {
    let mut out = Writer { out: Vec::with_capacity(hint + hint / 4 + 256), origins: Vec::new() };
    out.body(conversation);
    ChatBody { bytes: out.out, origins: out.origins }
}

struct Writer {
    out: Vec<u8>,
    origins: Vec<Option<usize>>,
}

/// A name that a schema without one has.
const SCHEMA_NAME: &[u8] = b"answer";

impl Writer {
    fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.out.extend_from_slice(bytes.as_ref());
    }

    /// A string of a text as it is written.
    fn text(&mut self, text: Text<'_>) {
        self.raw(b"\"");
        self.raw(text.0);
        self.raw(b"\"");
    }

    /// A comma, if something stands before it in its object or array.
    fn comma(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[')) {
            self.out.push(b',');
        }
    }

    fn name(&mut self, name: &str) {
        self.comma();
        self.raw(b"\"");
        self.raw(name);
        self.raw(b"\":");
    }

    fn body(&mut self, it: &Conversation<'_>) {
        self.raw(b"{\"model\":");
        self.text(it.model);
        self.raw(b",\"messages\":[");
        if !it.instructions.is_empty() {
            self.message("system", None);
            self.content(&it.instructions);
            self.raw(b"}");
        }
        for turn in &it.turns {
            self.turn(turn);
        }
        self.raw(b"]");
        if it.stream {
            self.raw(b",\"stream\":true");
        }
        if let Some(most) = it.output_tokens_max {
            self.name("max_tokens");
            self.raw(most);
        }
        for (name, value) in &it.settings {
            self.name(name);
            self.raw(value);
        }
        self.tools(it);
        if let Some(format) = &it.format {
            self.format(format);
        }
        if let Some(effort) = &it.effort {
            self.name("reasoning_effort");
            self.raw(super::escape::quoted(effort));
        }
        if let Some(user) = it.user {
            self.name("user");
            self.text(user);
        }
        self.raw(b"}");
    }

    fn message(&mut self, role: &str, origin: Option<usize>) {
        self.origins.push(origin);
        self.comma();
        self.raw(b"{\"role\":\"");
        self.raw(role);
        self.raw(b"\"");
    }

    /// One turn is a message, but for what tools have said: that is a message each, before the rest, which
    /// answers it.
    fn turn(&mut self, turn: &Turn<'_>) {
        let origin = Some(turn.position);
        if turn.role == Role::Assistant {
            return self.assistant(turn);
        }
        for part in &turn.parts {
            let Part::Result { id, parts, failed } = part else { continue };
            self.message("tool", origin);
            self.name("tool_call_id");
            self.text(*id);
            self.result(parts, *failed);
            self.raw(b"}");
        }
        let said = |it: &&Part<'_>| !matches!(it, Part::Result { .. });
        let said: Vec<&Part<'_>> = turn.parts.iter().filter(said).collect();
        if said.is_empty() && !turn.parts.is_empty() {
            return;
        }
        self.message(if turn.role == Role::System { "system" } else { "user" }, origin);
        self.content(said.iter().copied());
        self.raw(b"}");
    }

    /// What a tool has said. That it failed is said in words: chat completions have no field for it.
    fn result(&mut self, parts: &[Part<'_>], failed: bool) {
        const FAILED: Part<'static> = Part::Text(Text(b"The tool failed:"));
        let all = failed.then_some(&FAILED).into_iter().chain(parts);
        if parts.is_empty() && !failed {
            return self.raw(b",\"content\":\"\"");
        }
        self.content(all);
    }

    fn assistant(&mut self, turn: &Turn<'_>) {
        self.message("assistant", Some(turn.position));
        let texts = turn.parts.iter().filter(|it| matches!(it, Part::Text(_) | Part::Same(_)));
        let texts: Vec<&Part<'_>> = texts.collect();
        let beside = |it: &Part<'_>| matches!(it, Part::Call(_) | Part::Refusal(_));
        if texts.is_empty() && turn.parts.iter().any(beside) {
            self.raw(b",\"content\":null");
        } else {
            // Engines refuse a message that has nothing at all; reasoning does not count.
            self.content(texts);
        }
        self.joined(turn, "reasoning_content", |it| match it {
            Part::Reasoning(text) => Some(*text),
            _ => None,
        });
        self.joined(turn, "refusal", |it| match it {
            Part::Refusal(text) => Some(*text),
            _ => None,
        });
        if turn.parts.iter().any(|it| matches!(it, Part::Call(_))) {
            self.raw(b",\"tool_calls\":[");
            for part in &turn.parts {
                if let Part::Call(call) = part {
                    self.call(call);
                }
            }
            self.raw(b"]");
        }
        self.raw(b"}");
    }

    /// Texts of a kind in one string of this name, a line each.
    fn joined<'t>(
        &mut self,
        turn: &'t Turn<'t>,
        name: &str,
        pick: impl Fn(&'t Part<'t>) -> Option<Text<'t>>,
    ) {
        let mut texts = turn.parts.iter().filter_map(pick).filter(|it| !it.is_empty());
        let Some(first) = texts.next() else { return };
        self.name(name);
        self.raw(b"\"");
        self.raw(first.0);
        for text in texts {
            self.raw(b"\\n");
            self.raw(text.0);
        }
        self.raw(b"\"");
    }

    fn call(&mut self, call: &Call<'_>) {
        self.comma();
        self.raw(b"{\"id\":");
        self.text(call.id);
        self.raw(b",\"type\":\"function\",\"function\":{\"name\":");
        self.text(call.name);
        self.raw(b",\"arguments\":");
        match call.arguments {
            Arguments::Text(text) => self.text(text),
            Arguments::Object(json) => self.string_of(json),
        }
        self.raw(b"}}");
    }

    /// JSON as a string.
    fn string_of(&mut self, json: &[u8]) {
        self.raw(b"\"");
        for byte in json {
            match byte {
                b'"' | b'\\' => self.out.extend([b'\\', *byte]),
                b'\n' => self.raw(b"\\n"),
                b'\r' => self.raw(b"\\r"),
                b'\t' => self.raw(b"\\t"),
                _ => self.out.push(*byte),
            }
        }
        self.raw(b"\"");
    }

    /// Texts and media: one text is a string, as every engine reads it.
    fn content<'p, 'a: 'p>(&mut self, parts: impl IntoIterator<Item = &'p Part<'a>>) {
        let mut parts = parts.into_iter().peekable();
        self.raw(b",\"content\":");
        let Some(first) = parts.next() else { return self.raw(b"\"\"") };
        match (first, parts.peek()) {
            (Part::Text(text), None) => return self.text(*text),
            _ => self.raw(b"["),
        }
        for part in std::iter::once(first).chain(parts) {
            self.part(part);
        }
        self.raw(b"]");
    }

    fn part(&mut self, part: &Part<'_>) {
        match part {
            Part::Text(text) | Part::Refusal(text) | Part::Reasoning(text) => {
                self.comma();
                self.raw(b"{\"type\":\"text\",\"text\":");
                self.text(*text);
                self.raw(b"}");
            }
            Part::Image { url, detail } => {
                self.comma();
                self.raw(b"{\"type\":\"image_url\",\"image_url\":{\"url\":\"");
                self.raw(url);
                self.raw(b"\"");
                if let Some(detail) = detail {
                    self.name("detail");
                    self.text(*detail);
                }
                self.raw(b"}}");
            }
            Part::Same(json) => {
                self.comma();
                self.raw(json);
            }
            // These are no content: a turn writes them beside it.
            Part::Call(_) | Part::Result { .. } => {}
        }
    }

    fn tools(&mut self, it: &Conversation<'_>) {
        if it.tools.is_empty() {
            return;
        }
        self.name("tools");
        self.raw(b"[");
        it.tools.iter().for_each(|tool| self.tool(tool));
        self.raw(b"]");
        if let Some(choice) = it.tool_choice {
            self.name("tool_choice");
            match choice {
                ToolChoice::Auto => self.raw(b"\"auto\""),
                ToolChoice::None => self.raw(b"\"none\""),
                ToolChoice::Required => self.raw(b"\"required\""),
                ToolChoice::Named(name) => {
                    self.raw(b"{\"type\":\"function\",\"function\":{\"name\":");
                    self.text(name);
                    self.raw(b"}}");
                }
            }
        }
        if let Some(parallel) = it.parallel_tool_calls {
            self.name("parallel_tool_calls");
            self.raw(if parallel { "true" } else { "false" });
        }
    }

    fn tool(&mut self, tool: &Tool<'_>) {
        self.comma();
        self.raw(b"{\"type\":\"function\",\"function\":{\"name\":");
        self.text(tool.name);
        if let Some(description) = tool.description {
            self.name("description");
            self.text(description);
        }
        if let Some(parameters) = tool.parameters {
            self.name("parameters");
            self.raw(parameters);
        }
        self.strict(tool.strict);
        self.raw(b"}}");
    }

    fn strict(&mut self, strict: Option<bool>) {
        if let Some(strict) = strict {
            self.name("strict");
            self.raw(if strict { "true" } else { "false" });
        }
    }

    fn format(&mut self, format: &Format<'_>) {
        self.name("response_format");
        let Format::Schema { schema, name, description, strict } = format else {
            return self.raw(b"{\"type\":\"json_object\"}");
        };
        self.raw(b"{\"type\":\"json_schema\",\"json_schema\":{\"name\":");
        self.text(name.unwrap_or(Text(SCHEMA_NAME)));
        if let Some(description) = description {
            self.name("description");
            self.text(*description);
        }
        self.name("schema");
        self.raw(schema);
        self.strict(*strict);
        self.raw(b"}}");
    }
}
