//! What an answer by Responses consists of, as it is written: its items, and the response around them.

use bytes::Bytes;
use policies::Counts;
use serde_json::{Value, json};

use super::super::{
    delta::Reason,
    frame::fields,
    json::Text,
    label::{AnswerLabel, output, push_text},
    request::native::Echo,
};

/// What an answer repeats of its request, and what it says where the request says nothing. The model is
/// repeated where the engine does not say its own.
pub(in super::super) const REPEATED: [(&str, &str); 15] = [
    ("model", "\"\""),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("reasoning", "{\"effort\":null,\"summary\":null}"),
    ("safety_identifier", "null"),
    ("temperature", "null"),
    ("text", "{\"format\":{\"type\":\"text\"}}"),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_p", "null"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];

/// A part of an answer, with all that was said of it.
#[derive(Debug)]
pub(super) enum Item {
    /// What the model has reasoned: all of it, or as a summary where that is what the caller asks for.
    Reasoning(Part, Vec<u8>),
    /// What it says.
    Message(Vec<Said>),
    /// What it calls.
    Call(Called),
}

/// A text of a message.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) refusal: bool,
    pub(super) text: Vec<u8>,
}

/// A call of a tool.
#[derive(Debug)]
pub(super) struct Called {
    /// Its id, if the engine gives one.
    pub(super) id: Option<Vec<u8>>,
    pub(super) name: Vec<u8>,
    pub(super) arguments: Vec<u8>,
}

/// How far something is, in the words of Responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete,
}

impl Status {
    /// Its word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }

    /// How an answer ended.
    pub(super) const fn of(reason: Option<Reason>) -> Self {
        match reason {
            Some(Reason::Length | Reason::Filter) => Self::Incomplete,
            Some(Reason::Stop | Reason::ToolCalls) | None => Self::Completed,
        }
    }
}

impl Item {
    /// The name of the item at this place.
    pub(super) fn id(&self, label: &AnswerLabel, place: usize) -> String {
        let kind = match self {
            Self::Reasoning(..) => "rs",
            Self::Message(_) => "msg",
            Self::Call(_) => "fc",
        };
        label.named(kind, u32::try_from(place).ok())
    }

    /// Writes it as it is so far; as it begins, nothing was said of it yet.
    pub(super) fn push(
        &self,
        out: &mut Vec<u8>,
        (label, place): (&AnswerLabel, usize),
        status: Status,
    ) {
        let begun = status == Status::InProgress;
        raw(out, format!("{{\"id\":\"{}\",", self.id(label, place)));
        match self {
            Self::Reasoning(part, text) => {
                let summary = *part == Part::Summary;
                raw(out, "\"type\":\"reasoning\",\"summary\":[");
                if summary && !begun {
                    push_part(out, *part, text);
                }
                raw(out, "],\"content\":[");
                if !summary && !begun {
                    push_part(out, *part, text);
                }
                raw(out, "]}");
            }
            Self::Message(said) => {
                let head = "\"type\":\"message\",\"role\":\"assistant\",\"status\":\"";
                raw(out, format!("{head}{}\",\"content\":[", status.word()));
                for (number, said) in said.iter().filter(|_| !begun).enumerate() {
                    raw(out, if number > 0 { "," } else { "" });
                    push_part(out, Part::of(said), &said.text);
                }
                raw(out, "]}");
            }
            Self::Call(call) => {
                raw(out, "\"type\":\"function_call\",\"call_id\":");
                let own = label.named("call", u32::try_from(place).ok());
                push_text(out, Text(call.id.as_deref().unwrap_or(own.as_bytes())));
                raw(out, ",\"name\":");
                push_text(out, Text(&call.name));
                raw(out, ",\"arguments\":");
                push_text(out, Text(if begun { b"" } else { &call.arguments }));
                raw(out, format!(",\"status\":\"{}\"}}", status.word()));
            }
        }
    }
}

/// The kinds of texts, by which their events are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Reasoning,
    Summary,
    Text,
    Refusal,
}

impl Part {
    /// The kind of a message's text.
    pub(super) const fn of(said: &Said) -> Self {
        if said.refusal { Self::Refusal } else { Self::Text }
    }

    /// Its type as a part.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Reasoning => "reasoning_text",
            Self::Summary => "summary_text",
            Self::Text => "output_text",
            Self::Refusal => "refusal",
        }
    }

    /// How the events of its text begin, those of itself, and what its number is called there.
    pub(super) const fn events(self) -> [&'static str; 3] {
        match self {
            Self::Summary => ["reasoning_summary_text", "reasoning_summary_part", "summary_index"],
            _ => [self.word(), "content_part", "content_index"],
        }
    }

    /// Whether it is no part of a message.
    pub(super) const fn is_reasoning(self) -> bool {
        matches!(self, Self::Reasoning | Self::Summary)
    }

    /// The member that has its text.
    pub(super) const fn member(self) -> &'static str {
        match self {
            Self::Reasoning | Self::Summary | Self::Text => "text",
            Self::Refusal => "refusal",
        }
    }

    /// What else stands with a text of it.
    pub(super) const fn beside(self) -> &'static str {
        if matches!(self, Self::Text) { ",\"logprobs\":[]" } else { "" }
    }
}

/// Writes a part with this text.
pub(super) fn push_part(out: &mut Vec<u8>, part: Part, text: &[u8]) {
    raw(out, format!("{{\"type\":\"{}\",\"{}\":", part.word(), part.member()));
    push_text(out, Text(text));
    raw(out, if part == Part::Text { ",\"annotations\":[]" } else { "" });
    raw(out, part.beside());
    raw(out, "}");
}

/// An answer: whose it is, what it says, and how it ended.
pub(super) struct Response<'r> {
    pub(super) label: &'r AnswerLabel,
    pub(super) echo: &'r Echo,
    pub(super) model: &'r [u8],
    pub(super) items: &'r [Item],
    pub(super) status: Status,
    pub(super) reason: Option<Reason>,
    pub(super) counts: Option<Counts>,
}

impl Response<'_> {
    /// Writes it.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        let (id, second) = (self.label.named("resp", None), self.label.second());
        raw(out, format!("{{\"id\":\"{id}\",\"object\":\"response\",\"created_at\":{second}"));
        raw(out, format!(",\"status\":\"{}\",\"error\":null", self.status.word()));
        raw(
            out,
            match (self.status, self.reason) {
                (Status::Incomplete, Some(Reason::Filter)) => {
                    ",\"incomplete_details\":{\"reason\":\"content_filter\"}"
                }
                (Status::Incomplete, _) => {
                    ",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}"
                }
                _ => ",\"incomplete_details\":null",
            },
        );
        raw(out, ",\"output\":[");
        for (place, item) in self.items.iter().enumerate() {
            raw(out, if place > 0 { "," } else { "" });
            let last = place + 1 == self.items.len();
            item.push(out, (self.label, place), if last { self.status } else { Status::Completed });
        }
        raw(out, "],\"background\":false,\"previous_response_id\":null,\"store\":false");
        for (name, absent) in REPEATED {
            raw(out, format!(",\"{name}\":"));
            if name == "model" && !self.model.is_empty() {
                push_text(out, Text(self.model));
            } else {
                raw(out, self.echo.get(name).unwrap_or(absent.as_bytes()));
            }
        }
        raw(out, ",\"usage\":");
        match self.counts {
            Some(counts) => push_usage(out, counts),
            None => raw(out, "null"),
        }
        raw(out, "}");
    }
}

fn push_usage(out: &mut Vec<u8>, counts: Counts) {
    let Counts { input, cached_input, cache_write, reasoning, .. } = counts;
    let input = [input, cached_input, cache_write].into_iter().map(u64::from).sum::<u64>();
    let output = output(counts);
    let total = input + output;
    raw(
        out,
        format!(
            "{{\"input_tokens\":{input},\"input_tokens_details\":{{\"cached_tokens\":{cached_input},\
             \"cache_write_tokens\":{cache_write}}},\"output_tokens\":{output},\
             \"output_tokens_details\":{{\"reasoning_tokens\":{reasoning}}},\"total_tokens\":{total}}}"
        ),
    );
}

/// Appends what is JSON already.
pub(super) fn raw(out: &mut Vec<u8>, json: impl AsRef<[u8]>) {
    out.extend_from_slice(json.as_ref());
}

/// The end of an engine's own stream at its bound, of the response that its first event names. Off a
/// request's usual way.
pub(in super::super) fn cut(first: &Bytes) -> Bytes {
    let mut data = Vec::new();
    fields(first, &mut data);
    let event: Value = serde_json::from_slice(&data).unwrap_or_default();
    let mut response = event.get("response").filter(|it| it.is_object()).cloned();
    let response = response.get_or_insert_with(|| json!({ "object": "response", "output": [] }));
    if let Some(members) = response.as_object_mut() {
        members.insert("status".to_owned(), "incomplete".into());
        let why = json!({ "reason": "max_output_tokens" });
        members.insert("incomplete_details".to_owned(), why);
    }
    let event = json!({ "type": "response.incomplete", "response": response });
    format!("event: response.incomplete\ndata: {event}\n\n").into()
}
