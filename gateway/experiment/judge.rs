//! What can be said of two answers without asking anybody: whether the other model's does the same. Pure, and
//! bounded whatever a caller's schema or a model's text is like.

mod refusal;

use serde_json::{Number, Value};

use crate::{
    schema::schema_valid,
    wire::{AnswerFormat, ToolCall, Transcript},
};

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

#[cfg(test)]
mod tests;
