//! What can be said of an answer without asking anybody: whether it is of the form that was asked for, and
//! whether another model's answer does the same. Pure, and bounded whatever a caller's schema or a model's
//! text is like.

mod evaluate;
mod pattern;
mod refusal;
mod schema;

use serde_json::{Number, Value};

use self::schema::Schema;
use crate::wire::{AnswerFormat, ToolCall, Transcript};

/// Bytes of a schema; requests with a larger one are refused unless the limit is raised.
const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a text that is judged.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Objects and arrays within each other that are judged.
const DEPTH_MAX: usize = 127;

/// Whether the text of an answer is of the form that its request asked for: an object of JSON, or JSON that
/// is valid by the schema. Callers parse it as it is: text before it, or a fence around it, makes it wrong.
/// `format` in a schema is a remark, as the standard has it, and asserts nothing.
///
/// `None` where the answer is calls of tools; where schema or text is too large or too deep; where the schema
/// is wrong, refers to what is not in it, has a pattern that cannot be matched in linear time or a keyword
/// that is not known here; and where it takes too many steps.
pub(crate) fn schema_valid(format: &AnswerFormat, answer: &Transcript) -> Option<bool> {
    if !answer.calls.is_empty() || answer.text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let schema = match format {
        AnswerFormat::Json => None,
        AnswerFormat::Schema(bytes) if bytes.len() > SCHEMA_BYTES_MAX => return None,
        AnswerFormat::Schema(bytes) => Some(Schema::compile(&serde_json::from_slice(bytes).ok()?)?),
    };
    let Ok(value) = serde_json::from_str::<Value>(&answer.text) else {
        return (depth(&answer.text) <= DEPTH_MAX).then_some(false);
    };
    match schema {
        None => Some(value.is_object()),
        Some(schema) => evaluate::valid(&schema, &value),
    }
}

/// How the answer of a shadow compares with the one that was served. Pairs are of the served one and the
/// shadow's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// Whether each is of the form asked for; `None` where no form was, or where it cannot be said of both.
    pub(crate) json: Option<(bool, bool)>,
    /// Whether both call the same tools with the same arguments, in any order; `None` where neither calls
    /// any.
    pub(crate) calls_agree: Option<bool>,
    /// Whether each refuses: by its own sign, or by how a short text begins, which is a heuristic.
    pub(crate) refused: (bool, bool),
    /// Characters of the shadow's text for each of the served one's; `None` where that has no text.
    pub(crate) length_ratio: Option<f64>,
}

/// Compares the answer of a shadow with the one that was served.
pub(crate) fn compare(
    format: Option<&AnswerFormat>,
    served: &Transcript,
    shadow: &Transcript,
) -> Comparison {
    let valid = |answer| format.and_then(|format| schema_valid(format, answer));
    let refused = |answer: &Transcript| answer.refusal || refusal::in_words(&answer.text);
    let length = |answer: &Transcript| answer.text.chars().count() as f64;
    let none_calls = served.calls.is_empty() && shadow.calls.is_empty();
    Comparison {
        json: valid(served).zip(valid(shadow)),
        calls_agree: (!none_calls).then(|| calls(served) == calls(shadow)),
        refused: (refused(served), refused(shadow)),
        length_ratio: (!served.text.is_empty()).then(|| length(shadow) / length(served)),
    }
}

/// The calls of an answer in an order and a form that are the same for the same calls.
fn calls(answer: &Transcript) -> Vec<(String, String)> {
    let call = |call: &'_ ToolCall| (call.name.clone(), arguments(call));
    let mut calls: Vec<_> = answer.calls.iter().map(call).collect();
    calls.sort_unstable();
    calls
}

/// The arguments of a call as the same JSON is always written; as they are where they are no JSON.
fn arguments(call: &ToolCall) -> String {
    let text = call.arguments.trim();
    // A tool that takes nothing is called with nothing or with an empty object.
    let text = if text.is_empty() { "{}" } else { text };
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            normalise(&mut value);
            value.to_string()
        }
        Err(_) => text.to_owned(),
    }
}

/// Sorts the members of objects, and writes `1.0` as `1`.
fn normalise(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|it| it.fract() == 0.0 && it.abs() < 9e15);
            if let (true, Some(whole)) = (number.is_f64(), whole) {
                *number = Number::from(whole as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        Value::Object(members) => {
            members.values_mut().for_each(normalise);
            members.sort_keys();
        }
        _ => {}
    }
}

/// Brackets that are open at once at most, those in strings left out.
fn depth(text: &str) -> usize {
    let (mut open, mut most, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => open += 1,
            b'}' | b']' if !in_string => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

#[cfg(test)]
mod tests;
