//! An answer by Messages, written from what a chat completion says.

use policies::{Counts, facts::Tokens};

use super::super::{
    delta::{CallArguments, Delta, Reason},
    json::{Json, Text},
    label::{AnswerLabel, output, push_text},
    scan::Shape,
};

/// What stands for a signature under reasoning of models that sign none: clients pass back only what is
/// signed.
const SIGNATURE: &str = "c2lnbmFsYm94";

/// Why nothing can be written of what an engine says.
const MIXED: &str = "the model wrote on at a call of a tool after it had begun another one";
/// The same of arguments.
const NO_OBJECT: &str = "the model called a tool with what is no JSON object";

/// Writes the events of a stream.
#[derive(Debug)]
pub(in super::super) struct Encoder {
    label: AnswerLabel,
    /// An estimate of the input, for the first event; the last one says what it was.
    input: Tokens,
    model: Vec<u8>,
    started: bool,
    /// Blocks that have begun.
    blocks: u32,
    open: Option<Block>,
    /// Calls that have begun, by the engine's index.
    calls: Vec<CallState>,
    reason: Option<Reason>,
    stopped_at: Option<Vec<u8>>,
}

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Thinking,
    Text,
    /// The call of this index.
    Call(u32),
}

#[derive(Debug)]
struct CallState {
    index: u32,
    id: Option<Vec<u8>>,
    name: Vec<u8>,
    /// Arguments that came before the name.
    held: Vec<u8>,
    begun: bool,
}

impl Encoder {
    /// For an answer that has not begun.
    pub(in super::super) fn new(label: AnswerLabel, input: Tokens) -> Self {
        Self {
            label,
            input,
            model: Vec::new(),
            started: false,
            blocks: 0,
            open: None,
            calls: Vec::new(),
            reason: None,
            stopped_at: None,
        }
    }

    /// Writes a piece of the answer.
    ///
    /// # Errors
    /// What the engine says cannot be said by Messages.
    pub(in super::super) fn delta(
        &mut self,
        delta: Delta<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        if let Delta::Model(model) = delta {
            if self.model.is_empty() {
                self.model.extend_from_slice(model.0);
            }
            return Ok(());
        }
        match delta {
            Delta::Model(_) => {}
            Delta::Reasoning(text) => {
                self.turn_to(Block::Thinking, out);
                self.more("thinking_delta", "thinking", text, out);
            }
            Delta::Text(text) | Delta::Refusal(text) => {
                self.turn_to(Block::Text, out);
                self.more("text_delta", "text", text, out);
            }
            Delta::Call { index, id, name, arguments } => {
                return self.call(index, (id, name), arguments, out);
            }
            Delta::StopSequence(text) => self.stopped_at = Some(text.0.to_vec()),
            Delta::Finish(reason) => self.reason = Some(reason),
        }
        Ok(())
    }

    /// The answer ends at its bound.
    pub(in super::super) fn at_length(&mut self) {
        self.reason = Some(Reason::Length);
    }

    /// Writes the first event, where it was not written yet.
    pub(in super::super) fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let input = self.input.0;
        event(out, "message_start", |out| {
            out.extend_from_slice(b",\"message\":{\"id\":\"");
            out.extend_from_slice(self.label.named("msg", None).as_bytes());
            out.extend_from_slice(b"\",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
            push_text(out, Text(&self.model));
            out.extend_from_slice(
                b",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":",
            );
            let input = Counts { input, ..Counts::default() };
            push_usage(out, input);
            out.push(b'}');
        });
    }

    /// Writes what a whole stream ends with.
    pub(in super::super) fn end(&mut self, counts: Counts, out: &mut Vec<u8>) {
        self.begin(out);
        self.close(out);
        let (reason, at) = stop(self.reason, !self.calls.is_empty(), self.stopped_at.as_deref());
        event(out, "message_delta", |out| {
            out.extend_from_slice(b",\"delta\":{");
            push_stop(out, reason, at);
            out.extend_from_slice(b"},\"usage\":");
            push_usage(out, counts);
        });
        event(out, "message_stop", |_| {});
    }

    fn call(
        &mut self,
        index: u32,
        (id, name): (Option<Text<'_>>, Option<Text<'_>>),
        arguments: Option<CallArguments<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        let known = self.calls.iter().position(|it| it.index == index);
        let at = known.unwrap_or_else(|| {
            let (name, held) = (Vec::new(), Vec::new());
            self.calls.push(CallState { index, id: None, name, held, begun: false });
            self.calls.len() - 1
        });
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        if !call.begun {
            call.id = call.id.take().or_else(|| id.map(|it| it.0.to_vec()));
            call.name.extend_from_slice(name.map_or(&b""[..], |it| it.0));
            push_arguments(&mut call.held, arguments);
            if call.name.is_empty() {
                return Ok(());
            }
            return self.begin_call(at, out);
        }
        let mut more = Vec::new();
        push_arguments(&mut more, arguments);
        if more.is_empty() {
            return Ok(());
        }
        if self.open != Some(Block::Call(index)) {
            return Err(MIXED);
        }
        self.more("input_json_delta", "partial_json", Text(&more), out);
        Ok(())
    }

    /// Begins the block of a call whose name is known.
    fn begin_call(&mut self, at: usize, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        call.begun = true;
        let (index, held) = (call.index, std::mem::take(&mut call.held));
        self.turn_to(Block::Call(index), out);
        if !held.is_empty() {
            self.more("input_json_delta", "partial_json", Text(&held), out);
        }
        Ok(())
    }

    /// Ends what is open and begins another block, unless it is open.
    fn turn_to(&mut self, block: Block, out: &mut Vec<u8>) {
        self.begin(out);
        if self.open == Some(block) {
            return;
        }
        self.close(out);
        self.open = Some(block);
        let number = self.blocks;
        self.blocks += 1;
        event(out, "content_block_start", |out| {
            out.extend_from_slice(format!(",\"index\":{number},\"content_block\":").as_bytes());
            let call = |index| self.calls.iter().position(|it| it.index == index);
            match block {
                Block::Thinking => out.extend_from_slice(
                    b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}",
                ),
                Block::Text => out.extend_from_slice(b"{\"type\":\"text\",\"text\":\"\"}"),
                Block::Call(index) => {
                    let at = call(index).unwrap_or_default();
                    let call = self.calls.get(at);
                    let id = call.and_then(|it| it.id.as_deref());
                    let name = call.map(|it| it.name.as_slice()).unwrap_or_default();
                    push_call(out, (id, name), &self.label, at);
                    out.extend_from_slice(b",\"input\":{}}");
                }
            }
        });
    }

    /// Ends the block that is open.
    fn close(&mut self, out: &mut Vec<u8>) {
        let Some(block) = self.open.take() else { return };
        let number = self.blocks.saturating_sub(1);
        if block == Block::Thinking {
            event(out, "content_block_delta", |out| {
                let signed = format!(
                    ",\"index\":{number},\"delta\":{{\"type\":\"signature_delta\",\"signature\":\
                     \"{SIGNATURE}\"}}"
                );
                out.extend_from_slice(signed.as_bytes());
            });
        }
        event(out, "content_block_stop", |out| {
            out.extend_from_slice(format!(",\"index\":{number}").as_bytes());
        });
    }

    /// More of the block that is open.
    fn more(&self, kind: &str, name: &str, text: Text<'_>, out: &mut Vec<u8>) {
        let number = self.blocks.saturating_sub(1);
        event(out, "content_block_delta", |out| {
            let head = format!(",\"index\":{number},\"delta\":{{\"type\":\"{kind}\",\"{name}\":");
            out.extend_from_slice(head.as_bytes());
            push_text(out, text);
            out.push(b'}');
        });
    }
}

/// One event: its name, its type, and what else is in it.
fn event(out: &mut Vec<u8>, name: &str, more: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: {\"type\":\"");
    out.extend_from_slice(name.as_bytes());
    out.push(b'"');
    more(out);
    out.extend_from_slice(b"}\n\n");
}

fn push_usage(out: &mut Vec<u8>, counts: Counts) {
    let Counts { input, cached_input, cache_write, .. } = counts;
    let output = output(counts);
    let usage = format!(
        "{{\"input_tokens\":{input},\"cache_creation_input_tokens\":{cache_write},\
         \"cache_read_input_tokens\":{cached_input},\"output_tokens\":{output}}}"
    );
    out.extend_from_slice(usage.as_bytes());
}

/// The begin of a block that is a call, up to its input.
fn push_call(
    out: &mut Vec<u8>,
    (id, name): (Option<&[u8]>, &[u8]),
    label: &AnswerLabel,
    number: usize,
) {
    out.extend_from_slice(b"{\"type\":\"tool_use\",\"id\":");
    let number = u32::try_from(number).ok();
    let own = id.is_none().then(|| label.named("toolu", number));
    push_text(out, Text(id.unwrap_or(own.as_deref().unwrap_or_default().as_bytes())));
    out.extend_from_slice(b",\"name\":");
    push_text(out, Text(name));
}

/// Why it stopped, in the words of Messages. Some engines say of calls that they just stopped.
fn stop(reason: Option<Reason>, calls: bool, at: Option<&[u8]>) -> (&'static str, Option<&[u8]>) {
    match reason {
        Some(Reason::Length) => ("max_tokens", None),
        Some(Reason::Filter) => ("refusal", None),
        _ if calls => ("tool_use", None),
        _ => match at {
            Some(at) => ("stop_sequence", Some(at)),
            None => ("end_turn", None),
        },
    }
}

fn push_stop(out: &mut Vec<u8>, reason: &str, at: Option<&[u8]>) {
    out.extend_from_slice(format!("\"stop_reason\":\"{reason}\",\"stop_sequence\":").as_bytes());
    match at {
        Some(at) => push_text(out, Text(at)),
        None => out.extend_from_slice(b"null"),
    }
}

/// Arguments as a piece of a string.
fn push_arguments(out: &mut Vec<u8>, arguments: Option<CallArguments<'_>>) {
    match arguments {
        Some(CallArguments::Text(text)) => out.extend_from_slice(text.0),
        Some(CallArguments::Object(json)) => {
            let text = String::from_utf8_lossy(json);
            let quoted = super::super::escape::quoted(&text);
            let inside = quoted.get(1..quoted.len().saturating_sub(1));
            out.extend_from_slice(inside.unwrap_or_default().as_bytes());
        }
        None => {}
    }
}

/// A block of a whole answer.
enum Said<'a> {
    Thinking(Vec<u8>),
    Text(Vec<u8>),
    Call(Option<Text<'a>>, Text<'a>, Option<CallArguments<'a>>),
}

/// Writes a whole answer.
///
/// # Errors
/// What the engine says cannot be said by Messages.
pub(in super::super) fn whole(
    deltas: &[Delta<'_>],
    label: &AnswerLabel,
    counts: Counts,
) -> Result<Vec<u8>, &'static str> {
    let mut said: Vec<Said<'_>> = Vec::new();
    let (mut model, mut reason, mut at) = (Text(b""), None, None);
    for delta in deltas {
        match (*delta, said.last_mut()) {
            (Delta::Reasoning(text), Some(Said::Thinking(known)))
            | (Delta::Text(text) | Delta::Refusal(text), Some(Said::Text(known))) => {
                known.extend_from_slice(text.0);
            }
            (Delta::Reasoning(text), _) => said.push(Said::Thinking(text.0.to_vec())),
            (Delta::Text(text) | Delta::Refusal(text), _) => said.push(Said::Text(text.0.to_vec())),
            (Delta::Call { id, name, arguments, .. }, _) => {
                said.push(Said::Call(id, name.unwrap_or_default(), arguments));
            }
            (Delta::Model(text), _) => model = text,
            (Delta::StopSequence(text), _) => at = Some(text.0),
            (Delta::Finish(it), _) => reason = Some(it),
        }
    }
    let calls = said.iter().any(|it| matches!(it, Said::Call(..)));
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(label.named("msg", None).as_bytes());
    out.extend_from_slice(b"\",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    push_text(&mut out, model);
    out.extend_from_slice(b",\"content\":[");
    for (number, block) in said.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        push_block(&mut out, block, label, number)?;
    }
    out.extend_from_slice(b"],");
    let (reason, at) = stop(reason, calls, at);
    push_stop(&mut out, reason, at);
    out.extend_from_slice(b",\"usage\":");
    push_usage(&mut out, counts);
    out.push(b'}');
    Ok(out)
}

fn push_block(
    out: &mut Vec<u8>,
    block: &Said<'_>,
    label: &AnswerLabel,
    number: usize,
) -> Result<(), &'static str> {
    match block {
        Said::Thinking(text) => {
            out.extend_from_slice(b"{\"type\":\"thinking\",\"thinking\":");
            push_text(out, Text(text));
            out.extend_from_slice(format!(",\"signature\":\"{SIGNATURE}\"}}").as_bytes());
        }
        Said::Text(text) => {
            out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
            push_text(out, Text(text));
            out.push(b'}');
        }
        Said::Call(id, name, arguments) => {
            push_call(out, (id.map(|it| it.0), name.0), label, number);
            out.extend_from_slice(b",\"input\":");
            match arguments {
                None => out.extend_from_slice(b"{}"),
                Some(CallArguments::Object(json)) => out.extend_from_slice(json),
                Some(CallArguments::Text(text)) => {
                    let text = text.plain();
                    let json = Json::whole(text.trim().as_bytes()).ok();
                    let json = json.filter(|it| it.shape == Shape::Object).ok_or(NO_OBJECT)?;
                    out.extend_from_slice(json.bytes);
                }
            }
            out.push(b'}');
        }
    }
    Ok(())
}
