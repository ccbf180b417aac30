//! What an engine's own answer by Messages is to the gateway: content, usage, end and errors of its events,
//! and whether a whole answer is one.

use bytes::Bytes;
use policies::Counts;

use super::super::{
    answer::{Invalid, Plain, Why, judged, something},
    chunk::Look,
    finish::Finish,
    json::{Json, object},
    scan::{JsonError, Scanner, Shape},
};

/// What the data of an event holds, and whether the stream ends with it.
///
/// # Errors
/// It is no JSON object.
pub(in super::super) fn data(data: &[u8]) -> Result<(Look, bool), JsonError> {
    let mut seen = Seen::default();
    object(data, |name, value| seen.member(name, value))?;
    let done = seen.kind == b"message_stop";
    Ok((seen.look(), done))
}

/// What is known of an event, or of a whole answer.
#[derive(Default)]
struct Seen<'a> {
    kind: &'a [u8],
    bytes: u64,
    usage: Option<Counts>,
    has_usage: bool,
    finish: Option<Finish>,
    error: bool,
    /// There is content that is no list of blocks.
    broken: bool,
}

impl<'a> Seen<'a> {
    fn member(&mut self, name: &[u8], value: Json<'a>) -> Result<(), JsonError> {
        match (name, value.shape) {
            (b"type", Shape::String) => {
                self.kind = value.text_if().map(|it| it.0).unwrap_or_default();
                self.error |= self.kind == b"error";
                Ok(())
            }
            (b"error", Shape::Object | Shape::String) => {
                self.error = true;
                Ok(())
            }
            (b"message", Shape::Object) => object(value.bytes, |name, value| match name {
                b"usage" => self.usage(value),
                _ => Ok(()),
            }),
            (b"usage", _) => self.usage(value),
            (b"delta" | b"content_block", Shape::Object) => self.block(value.bytes),
            (b"content", shape) if shape != Shape::Array => {
                self.broken = true;
                Ok(())
            }
            (b"content", _) => Scanner::lenient(value.bytes).array(|scanner, _| {
                let block = Json::next(scanner)?;
                self.broken |= block.shape != Shape::Object;
                if block.shape == Shape::Object { self.block(block.bytes) } else { Ok(()) }
            }),
            (b"stop_reason", _) => self.finish(value),
            _ => Ok(()),
        }
    }

    /// A block, or more of one: what a model wrote of it.
    fn block(&mut self, block: &'a [u8]) -> Result<(), JsonError> {
        object(block, |name, value| {
            match (name, value.text_if()) {
                (b"text" | b"thinking" | b"partial_json" | b"name" | b"data", Some(text)) => {
                    self.bytes += text.0.len() as u64;
                }
                (b"input", None) if value.bytes.len() > 2 => self.bytes += value.bytes.len() as u64,
                (b"stop_reason", _) => self.finish(value)?,
                _ => {}
            }
            Ok(())
        })
    }

    fn finish(&mut self, value: Json<'_>) -> Result<(), JsonError> {
        if let Some(word) = value.text_if().filter(|it| !it.is_empty()) {
            let explained =
                matches!(word.0, b"max_tokens" | b"refusal" | b"model_context_window_exceeded");
            self.finish = Some(if explained { Finish::Explained } else { Finish::Plain });
        }
        Ok(())
    }

    fn usage(&mut self, value: Json<'a>) -> Result<(), JsonError> {
        if value.shape != Shape::Object {
            return Ok(());
        }
        self.has_usage = true;
        let (mut counts, mut wrong) = (Counts::default(), false);
        object(value.bytes, |name, value| {
            let figure = match name {
                b"input_tokens" => &mut counts.input,
                b"cache_read_input_tokens" => &mut counts.cached_input,
                b"cache_creation_input_tokens" => &mut counts.cache_write,
                b"output_tokens" => &mut counts.output,
                _ => return Ok(()),
            };
            let number = std::str::from_utf8(value.bytes).ok().and_then(|it| it.parse().ok());
            wrong |= number.is_none() && !value.is_null();
            *figure = number.unwrap_or_default();
            Ok(())
        })?;
        self.usage = (!wrong).then_some(counts);
        Ok(())
    }

    fn look(&self) -> Look {
        Look::of_one(self.bytes, self.finish, (self.has_usage, self.usage), self.error)
    }
}

/// Reads a whole answer. The bytes are the caller's to have as they are.
///
/// # Errors
/// What it is if it is no answer.
pub(in super::super) fn plain(body: &Bytes) -> Result<Plain, Invalid> {
    let text = something(body)?;
    let mut seen = Seen::default();
    let read = object(text, |name, value| seen.member(name, value));
    if read.is_err() || std::str::from_utf8(text).is_err() {
        return Err(Invalid { why: Why::NotJson });
    }
    let message = seen.kind == b"message" && !seen.broken;
    judged(text, &seen.look(), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_an_engine_are_told_apart() {
        let of = |text: &str| data(text.as_bytes()).unwrap();
        let (start, done) = of(
            r#"{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}"#,
        );
        assert_eq!((start.contents, start.finished, done), (0, 0, false));
        assert_eq!(start.usage, Some(Counts { input: 9, output: 1, ..Counts::default() }));
        for text in [
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
            r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"a"}}"#,
            r#"{"type":"content_block_start","content_block":{"type":"tool_use","name":"f"}}"#,
        ] {
            assert_eq!(of(text).0.contents, 1, "{text}");
        }
        let (end, done) = of(
            r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":3}}"#,
        );
        assert_eq!((end.finished, end.explained, done), (1, true, false));
        assert!(of(r#"{"type":"message_stop"}"#).1);
        assert!(of(r#"{"type":"error","error":{"type":"overloaded_error"}}"#).0.error);
    }

    #[test]
    fn a_whole_answer_is_one_or_is_named() {
        let of = |text: &'static str| plain(&Bytes::from_static(text.as_bytes()));
        let whole = of(r#"{"type":"message","content":[{"type":"text","text":"hello"}],
            "stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}"#);
        let whole = whole.unwrap();
        assert_eq!(whole.reported, Some(Counts { input: 3, output: 2, ..Counts::default() }));
        assert!(whole.has_content);
        for (text, why) in [
            ("", Why::Empty),
            ("<html>", Why::Html),
            ("[]", Why::NotJson),
            (r#"{"choices":[]}"#, Why::NoChoices),
            (r#"{"type":"message","content":[],"stop_reason":"end_turn"}"#, Why::Silent),
            (r#"{"type":"message","content":"a","usage":{"output_tokens":1}}"#, Why::NoChoices),
            (r#"{"type":"message","content":null,"usage":{"output_tokens":1}}"#, Why::NoChoices),
            (r#"{"type":"message","content":[5],"usage":{"output_tokens":1}}"#, Why::NoChoices),
        ] {
            assert_eq!(of(text).unwrap_err().why, why, "{text}");
        }
    }
}
