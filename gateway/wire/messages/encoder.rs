//! An answer by Messages, written from what a chat completion says.

use policies::{Counts, facts::Tokens};

use super::{
    super::{
        delta::{CallArguments, Delta, Reason},
        json::Text,
        label::{AnswerLabel, push_text},
    },
    output::{SIGNATURE, push_arguments, push_call, push_stop, push_usage, stop},
};

/// Why nothing can be written of what an engine says.
const MIXED: &str = "the model wrote on at a call of a tool after it had begun another one";
/// Writes the events of a stream.
#[derive(Debug)]
pub(in super::super) struct Encoder {
    label: AnswerLabel,
    /// An estimate of the input, for the first event; the last one says what it was.
    input: Tokens,
    /// Whether the caller is not shown how the model reasons.
    hides_reasoning: bool,
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
    pub(in super::super) fn new(label: AnswerLabel, input: Tokens, hides_reasoning: bool) -> Self {
        Self {
            label,
            input,
            hides_reasoning,
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
            // That it has begun shows that the model is at work.
            Delta::Reasoning(_) if self.hides_reasoning => self.begin(out),
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
