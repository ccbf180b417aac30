//! What an answer by Messages said, for those who judge it when it is over. Off a request's way: a tree of
//! JSON costs nobody time.

use serde_json::Value;

use super::super::{
    frame::{Framer, fields},
    transcript::{ToolCall, Transcript},
};

/// Reads an answer, streamed or not; nothing where it is none.
pub(in super::super) fn transcript(streamed: bool, answer: &[u8]) -> Option<Transcript> {
    let mut said = Transcript::default();
    if !streamed {
        let whole: Value = serde_json::from_slice(answer).ok()?;
        for block in whole.get("content")?.as_array()? {
            begin(&mut said, block);
        }
        end(&mut said, &whole);
        return Some(said);
    }
    let (mut framer, mut rest, mut begun) = (Framer::default(), answer, false);
    while let Some(length) = framer.end_of_event(rest) {
        let (event, after) = rest.split_at_checked(length)?;
        rest = after;
        let mut data = Vec::new();
        fields(event, &mut data);
        let Ok(event) = serde_json::from_slice::<Value>(&data) else { continue };
        begun = true;
        let member = |name| event.get(name);
        match event.get("type").and_then(Value::as_str) {
            Some("content_block_start") => {
                member("content_block").into_iter().for_each(|it| begin(&mut said, it));
            }
            Some("content_block_delta") => {
                member("delta").into_iter().for_each(|it| more(&mut said, it));
            }
            Some("message_delta") => member("delta").into_iter().for_each(|it| end(&mut said, it)),
            _ => {}
        }
    }
    begun.then_some(said)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A block as it begins, or whole.
fn begin(said: &mut Transcript, block: &Value) {
    match text(block, "type") {
        "text" => said.text.push_str(text(block, "text")),
        "tool_use" => {
            let input =
                block.get("input").filter(|it| it.as_object().is_some_and(|it| !it.is_empty()));
            let arguments = input.map(ToString::to_string).unwrap_or_default();
            said.calls.push(ToolCall { name: text(block, "name").to_owned(), arguments });
        }
        _ => {}
    }
}

fn more(said: &mut Transcript, delta: &Value) {
    said.text.push_str(text(delta, "text"));
    if let Some(call) = said.calls.last_mut() {
        call.arguments.push_str(text(delta, "partial_json"));
    }
}

fn end(said: &mut Transcript, it: &Value) {
    let reason = text(it, "stop_reason");
    said.finished |= !reason.is_empty();
    said.refusal |= reason == "refusal";
    said.at_length |= reason == "max_tokens";
}
