//! An answer by chat completions, written from what an engine of another dialect says.

use policies::Counts;

use super::super::{
    delta::{CallArguments, Delta, Reason},
    escape::quoted,
    json::Text,
    label::{AnswerLabel, push_text},
    own::{done_event, usage_of},
};

/// Writes the chunks of a stream.
#[derive(Debug)]
pub(in super::super) struct Encoder {
    label: AnswerLabel,
    model: Vec<u8>,
    started: bool,
    /// The calls that have begun, by the engine's index, and whether anything was said of their arguments.
    calls: Vec<(u32, bool)>,
    stopped_at: Option<Vec<u8>>,
}

impl Encoder {
    /// For an answer that has not begun.
    pub(in super::super) fn new(label: AnswerLabel) -> Self {
        let (model, calls) = (Vec::new(), Vec::new());
        Self { label, model, started: false, calls, stopped_at: None }
    }

    /// Writes a piece of the answer.
    pub(in super::super) fn delta(&mut self, delta: Delta<'_>, out: &mut Vec<u8>) {
        match delta {
            Delta::Model(model) if self.model.is_empty() => {
                self.model.extend_from_slice(model.0);
            }
            Delta::Model(_) => {}
            Delta::Reasoning(text) => self.text("reasoning_content", text, out),
            Delta::Text(text) => self.text("content", text, out),
            Delta::Refusal(text) => self.text("refusal", text, out),
            Delta::Call { index, id, name, arguments } => {
                self.call(index, (id, name), arguments, out);
            }
            Delta::StopSequence(text) => self.stopped_at = Some(text.0.to_vec()),
            Delta::Finish(reason) => self.finish(reason, out),
        }
    }

    /// Writes the first chunk, where it was not written yet.
    pub(in super::super) fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.started, true) {
            self.chunk(out, |out| {
                out.extend_from_slice(b"{\"role\":\"assistant\",\"content\":\"\"}");
            });
        }
    }

    /// Writes what a whole stream ends with.
    pub(in super::super) fn end(&mut self, out: &mut Vec<u8>) {
        // Of an end without a reason none is made up.
        self.begin(out);
        self.settle_calls(out);
        out.extend_from_slice(&done_event());
    }

    /// A call with nothing is one with an empty object: clients read it as JSON.
    fn settle_calls(&mut self, out: &mut Vec<u8>) {
        for at in 0..self.calls.len() {
            if let Some((index, false)) = self.calls.get(at).copied() {
                self.call(index, (None, None), Some(CallArguments::Object(b"{}")), out);
            }
        }
    }

    fn finish(&mut self, reason: Reason, out: &mut Vec<u8>) {
        self.begin(out);
        self.settle_calls(out);
        let word = Some(finish_reason(reason, !self.calls.is_empty()));
        let at = self.stopped_at.take();
        self.choice(
            out,
            |out| out.extend_from_slice(b"{}"),
            |out| push_finish(out, word, at.as_deref()),
        );
    }

    fn text(&mut self, name: &str, text: Text<'_>, out: &mut Vec<u8>) {
        self.begin(out);
        self.chunk(out, |out| {
            out.extend_from_slice(b"{\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            push_text(out, text);
            out.push(b'}');
        });
    }

    fn call(
        &mut self,
        index: u32,
        (id, name): (Option<Text<'_>>, Option<Text<'_>>),
        arguments: Option<CallArguments<'_>>,
        out: &mut Vec<u8>,
    ) {
        self.begin(out);
        let known = self.calls.iter().position(|(it, _)| *it == index);
        let at = known.unwrap_or_else(|| {
            self.calls.push((index, false));
            self.calls.len() - 1
        });
        let said = arguments.is_some_and(|it| !it.bytes().is_empty());
        self.calls.iter_mut().skip(at).take(1).for_each(|(_, known)| *known |= said);
        let own = (known.is_none() && id.is_none()).then(|| self.label.named("call", number(at)));
        let id = id.map(|it| it.0).or(own.as_ref().map(String::as_bytes));
        self.chunk(out, |out| {
            out.extend_from_slice(format!("{{\"tool_calls\":[{{\"index\":{at},").as_bytes());
            if let Some(id) = id {
                out.extend_from_slice(b"\"id\":");
                push_text(out, Text(id));
                out.extend_from_slice(b",\"type\":\"function\",");
            }
            push_function(out, name, arguments);
            out.extend_from_slice(b"}]}");
        });
    }

    fn chunk(&self, out: &mut Vec<u8>, delta: impl FnOnce(&mut Vec<u8>)) {
        self.choice(out, delta, |out| out.extend_from_slice(b"\"finish_reason\":null"));
    }

    /// One chunk: what is new in it, and what is said of its end.
    fn choice(
        &self,
        out: &mut Vec<u8>,
        delta: impl FnOnce(&mut Vec<u8>),
        end: impl FnOnce(&mut Vec<u8>),
    ) {
        out.extend_from_slice(b"data: ");
        push_head(out, "chat.completion.chunk", (&self.label, &self.model));
        out.extend_from_slice(b"\"choices\":[{\"index\":0,\"delta\":");
        delta(out);
        out.push(b',');
        end(out);
        out.extend_from_slice(b"}]}\n\n");
    }
}

fn number(at: usize) -> Option<u32> {
    u32::try_from(at).ok()
}

/// The members by which an answer is called, from its opening brace on.
fn push_head(out: &mut Vec<u8>, object: &str, (label, model): (&AnswerLabel, &[u8])) {
    let (id, created) = (label.0, label.second());
    let head = format!(
        "{{\"id\":\"chatcmpl-{id}\",\"object\":\"{object}\",\"created\":{created},\"model\":"
    );
    out.extend_from_slice(head.as_bytes());
    push_text(out, Text(model));
    out.push(b',');
}

fn push_function(out: &mut Vec<u8>, name: Option<Text<'_>>, arguments: Option<CallArguments<'_>>) {
    out.extend_from_slice(b"\"function\":{");
    if let Some(name) = name {
        out.extend_from_slice(b"\"name\":");
        push_text(out, name);
        out.push(b',');
    }
    out.extend_from_slice(b"\"arguments\":");
    match arguments {
        Some(CallArguments::Text(text)) => push_text(out, text),
        Some(CallArguments::Object(json)) => {
            out.extend_from_slice(quoted(&String::from_utf8_lossy(json)).as_bytes());
        }
        None => out.extend_from_slice(b"\"\""),
    }
    out.push(b'}');
}

/// Why it ended, in the words of chat completions.
fn finish_reason(reason: Reason, calls: bool) -> &'static str {
    match reason {
        Reason::Length => "length",
        Reason::Filter => "content_filter",
        _ if calls => "tool_calls",
        _ => "stop",
    }
}

/// Why it ended; at which of its caller's texts, under the name that vLLM gave it.
fn push_finish(out: &mut Vec<u8>, word: Option<&str>, at: Option<&[u8]>) {
    let word = word.map_or_else(|| "null".to_owned(), |it| format!("\"{it}\""));
    out.extend_from_slice(format!("\"finish_reason\":{word}").as_bytes());
    if let Some(at) = at {
        out.extend_from_slice(b",\"stop_reason\":");
        push_text(out, Text(at));
    }
}

/// Writes a whole answer.
pub(in super::super) fn written(
    deltas: &[Delta<'_>],
    label: &AnswerLabel,
    counts: Counts,
) -> Vec<u8> {
    let (mut model, mut reason, mut at) = (Text(b""), None, None);
    let (mut reasoning, mut text, mut refusal) = (Vec::new(), Vec::new(), Vec::new());
    let mut calls = Vec::new();
    for delta in deltas {
        match *delta {
            Delta::Model(it) => model = it,
            Delta::Reasoning(it) => reasoning.extend_from_slice(it.0),
            Delta::Text(it) => text.extend_from_slice(it.0),
            Delta::Refusal(it) => refusal.extend_from_slice(it.0),
            Delta::Call { id, name, arguments, .. } => calls.push((id, name, arguments)),
            Delta::StopSequence(it) => at = Some(it.0),
            Delta::Finish(it) => reason = Some(it),
        }
    }
    let mut out = Vec::with_capacity(512 + text.len() + reasoning.len());
    push_head(&mut out, "chat.completion", (label, model.0));
    out.extend_from_slice(
        b"\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":",
    );
    if text.is_empty() && !calls.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        push_text(&mut out, Text(&text));
    }
    for (name, said) in [("reasoning_content", &reasoning), ("refusal", &refusal)] {
        if !said.is_empty() {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            push_text(&mut out, Text(said));
        }
    }
    for (position, (id, name, arguments)) in calls.iter().enumerate() {
        out.extend_from_slice(if position == 0 { b",\"tool_calls\":[" } else { b"," });
        let own = id.is_none().then(|| label.named("call", number(position)));
        out.extend_from_slice(b"{\"id\":");
        push_text(
            &mut out,
            Text(id.map_or(own.as_deref().unwrap_or_default().as_bytes(), |it| it.0)),
        );
        out.extend_from_slice(b",\"type\":\"function\",");
        let said = arguments.filter(|it| !it.bytes().is_empty());
        push_function(&mut out, *name, said.or(Some(CallArguments::Object(b"{}"))));
        out.push(b'}');
    }
    out.extend_from_slice(if calls.is_empty() { b"}," } else { b"]}," });
    let word = reason.map(|it| finish_reason(it, !calls.is_empty()));
    push_finish(&mut out, word, at);
    out.extend_from_slice(format!("}}],\"usage\":{}}}", usage_of(counts)).as_bytes());
    out
}
