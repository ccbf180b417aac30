//! The JSON of an answer by Messages: its blocks, its end, and the whole of it.

use policies::Counts;

use super::super::{
    delta::{CallArguments, Delta, Reason},
    escape::quoted,
    json::{Json, Text},
    label::{AnswerLabel, output, push_text},
    scan::Shape,
};

/// What stands for a signature under reasoning of models that sign none: clients pass back only what is
/// signed.
pub(super) const SIGNATURE: &str = "c2lnbmFsYm94";

/// Why nothing can be written of what an engine says.
const NO_OBJECT: &str = "the model called a tool with what is no JSON object";

/// What was used.
pub(super) fn push_usage(out: &mut Vec<u8>, counts: Counts) {
    let Counts { input, cached_input, cache_write, .. } = counts;
    let output = output(counts);
    let usage = format!(
        "{{\"input_tokens\":{input},\"cache_creation_input_tokens\":{cache_write},\
         \"cache_read_input_tokens\":{cached_input},\"output_tokens\":{output}}}"
    );
    out.extend_from_slice(usage.as_bytes());
}

/// The begin of a block that is a call, up to its input.
pub(super) fn push_call(
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
pub(super) fn stop(
    reason: Option<Reason>,
    calls: bool,
    at: Option<&[u8]>,
) -> (&'static str, Option<&[u8]>) {
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

/// Why it stopped, and at which text.
pub(super) fn push_stop(out: &mut Vec<u8>, reason: &str, at: Option<&[u8]>) {
    out.extend_from_slice(format!("\"stop_reason\":\"{reason}\",\"stop_sequence\":").as_bytes());
    match at {
        Some(at) => push_text(out, Text(at)),
        None => out.extend_from_slice(b"null"),
    }
}

/// Arguments as a piece of a string.
pub(super) fn push_arguments(out: &mut Vec<u8>, arguments: Option<CallArguments<'_>>) {
    match arguments {
        Some(CallArguments::Text(text)) => out.extend_from_slice(text.0),
        Some(CallArguments::Object(json)) => {
            let text = String::from_utf8_lossy(json);
            let text = quoted(&text);
            let inside = text.get(1..text.len().saturating_sub(1));
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

/// Writes a whole answer, with the model's reasoning or without.
///
/// # Errors
/// What the engine says cannot be said by Messages.
pub(in super::super) fn whole(
    deltas: &[Delta<'_>],
    (label, hides_reasoning): (&AnswerLabel, bool),
    counts: Counts,
) -> Result<Vec<u8>, &'static str> {
    let mut said: Vec<Said<'_>> = Vec::new();
    let (mut model, mut reason, mut at) = (Text(b""), None, None);
    for delta in deltas {
        match (*delta, said.last_mut()) {
            (Delta::Reasoning(_), _) if hides_reasoning => {}
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
