//! What an answer by Responses said, for those who judge it when it is over. Off a request's way: a tree of
//! JSON costs nobody time.

use serde_json::Value;

use super::super::{
    frame::{Framer, fields},
    transcript::{ToolCall, Transcript},
};

/// Reads an answer, streamed or not; nothing where it is none. The last event of a whole stream repeats all
/// of it.
pub(in super::super) fn transcript(streamed: bool, answer: &[u8]) -> Option<Transcript> {
    if !streamed {
        return whole(&serde_json::from_slice(answer).ok()?);
    }
    let (mut framer, mut rest) = (Framer::default(), answer);
    let (mut said, mut places, mut begun) = (Transcript::default(), Vec::new(), false);
    while let Some(length) = framer.end_of_event(rest) {
        let (event, after) = rest.split_at_checked(length)?;
        rest = after;
        let mut data = Vec::new();
        fields(event, &mut data);
        let Ok(event) = serde_json::from_slice::<Value>(&data) else { continue };
        begun = true;
        let place = event.get("output_index").and_then(Value::as_u64);
        let more = text(&event, "delta");
        match text(&event, "type") {
            "response.output_text.delta" => said.text.push_str(more),
            "response.refusal.delta" => said.refusal = true,
            "response.output_item.added" => {
                let call = event.get("item").filter(|it| text(it, "type") == "function_call");
                if let Some(it) = call {
                    places.push(place);
                    said.calls.push(called(it));
                }
            }
            "response.function_call_arguments.delta" => {
                let at = places.iter().position(|it| *it == place);
                if let Some(call) = at.and_then(|at| said.calls.get_mut(at)) {
                    call.arguments.push_str(more);
                }
            }
            "response.completed" | "response.incomplete" => {
                let last = event.get("response").and_then(whole).unwrap_or_default();
                if !last.text.is_empty() || !last.calls.is_empty() || last.refusal {
                    return Some(last);
                }
                (said.finished, said.at_length) = (true, last.at_length);
            }
            _ => {}
        }
    }
    begun.then_some(said)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn called(item: &Value) -> ToolCall {
    let (name, arguments) = (text(item, "name").to_owned(), text(item, "arguments").to_owned());
    ToolCall { name, arguments }
}

/// What a response says.
fn whole(response: &Value) -> Option<Transcript> {
    let mut said = Transcript::default();
    response.get("output")?.as_array()?;
    for item in list(response, "output") {
        match text(item, "type") {
            "message" => {
                for part in list(item, "content") {
                    said.text.push_str(text(part, "text"));
                    said.refusal |= text(part, "type") == "refusal";
                }
            }
            "function_call" => said.calls.push(called(item)),
            _ => {}
        }
    }
    said.finished = matches!(text(response, "status"), "completed" | "incomplete");
    let why = response.get("incomplete_details").map(|it| text(it, "reason"));
    said.refusal |= why == Some("content_filter");
    said.at_length = why == Some("max_output_tokens");
    Some(said)
}
