//! What an engine's answer by Messages says, whole or an event of one, piece by piece: for the writers of
//! answers in other dialects.

use super::super::{
    delta::{CallArguments, Delta, Reason},
    json::{Json, Text, object},
    scan::{JsonError, Scanner, Shape},
};

/// Says piece by piece what an answer, or the data of an event of one, holds.
///
/// # Errors
/// It is no JSON object.
pub(in super::super) fn deltas<'a>(
    data: &'a [u8],
    each: &mut dyn FnMut(Delta<'a>),
) -> Result<(), JsonError> {
    let mut seen = Seen::of(data)?;
    // The first event holds an answer that is empty yet.
    if let Some(message) = seen.message {
        seen = Seen::of(message)?;
    }
    if let Some(model) = seen.model.filter(|it| !it.is_empty()) {
        each(Delta::Model(model));
    }
    let index = seen.index;
    if let Some(content) = seen.content {
        let mut position = 0;
        Scanner::lenient(content).array(|scanner, _| {
            let it = Json::next(scanner)?;
            if it.shape == Shape::Object {
                block(it.bytes, position, true, each)?;
                position = position.saturating_add(1);
            }
            Ok::<_, JsonError>(())
        })?;
    }
    if let Some(begun) = seen.block {
        block(begun, index, false, each)?;
    }
    if let Some(delta) = seen.delta {
        block(delta, index, false, each)?;
    }
    seen.ends(each);
    Ok(())
}

#[derive(Default)]
struct Seen<'a> {
    model: Option<Text<'a>>,
    message: Option<&'a [u8]>,
    content: Option<&'a [u8]>,
    block: Option<&'a [u8]>,
    delta: Option<&'a [u8]>,
    index: u32,
    reason: Option<Text<'a>>,
    stopped_at: Option<Text<'a>>,
}

impl<'a> Seen<'a> {
    fn of(data: &'a [u8]) -> Result<Self, JsonError> {
        let mut seen = Self::default();
        object(data, |name, value| {
            seen.member(name, value);
            Ok(())
        })?;
        Ok(seen)
    }

    fn member(&mut self, name: &[u8], value: Json<'a>) {
        match (name, value.shape) {
            (b"message", Shape::Object) => self.message = Some(value.bytes),
            (b"model", _) => self.model = value.text_if(),
            (b"content", Shape::Array) => self.content = Some(value.bytes),
            (b"content_block", Shape::Object) => self.block = Some(value.bytes),
            (b"delta", Shape::Object) => self.delta = Some(value.bytes),
            (b"index", Shape::Number) => {
                let digits = std::str::from_utf8(value.bytes).ok();
                self.index = digits.and_then(|it| it.parse().ok()).unwrap_or(u32::MAX);
            }
            (b"stop_reason", _) => self.reason = value.text_if(),
            (b"stop_sequence", _) => self.stopped_at = value.text_if(),
            _ => {}
        }
    }

    fn ends(&self, each: &mut dyn FnMut(Delta<'a>)) {
        if let Some(text) = self.stopped_at.filter(|it| !it.is_empty()) {
            each(Delta::StopSequence(text));
        }
        if let Some(reason) = self.reason.and_then(|it| Reason::of(it.0)) {
            each(Delta::Finish(reason));
        }
    }
}

/// A block, or more of one: of the one at this position. What a call is called with stands in a block that is
/// whole; at the begin of one that is not it is empty.
fn block<'a>(
    block: &'a [u8],
    index: u32,
    whole: bool,
    each: &mut dyn FnMut(Delta<'a>),
) -> Result<(), JsonError> {
    let (mut call, mut id, mut name, mut arguments) = (false, None, None, None);
    let mut ends = Seen::default();
    object(block, |key, value| {
        let text = value.text_if();
        match (key, text.filter(|it| !it.is_empty())) {
            (b"type", Some(kind)) => call = kind.0 == b"tool_use",
            (b"thinking", Some(text)) => each(Delta::Reasoning(text)),
            (b"text", Some(text)) => each(Delta::Text(text)),
            (b"id", it) => id = it,
            (b"name", it) => name = it,
            (b"input", _) if value.shape == Shape::Object => {
                let said = whole || value.bytes.len() > 2;
                arguments = said.then_some(CallArguments::Object(value.bytes));
            }
            (b"partial_json", Some(text)) => {
                let arguments = Some(CallArguments::Text(text));
                each(Delta::Call { index, id: None, name: None, arguments });
            }
            _ => ends.member(key, value),
        }
        Ok(())
    })?;
    if call {
        each(Delta::Call { index, id, name, arguments });
    }
    ends.ends(each);
    Ok(())
}
