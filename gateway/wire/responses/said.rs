//! What an engine's own answer by Responses is to the gateway: content, usage, end and errors of its events,
//! and whether a whole answer is one.

use bytes::Bytes;
use policies::Counts;

use super::super::{
    answer::{Invalid, Plain, Why, judged, something},
    chunk::Look,
    finish::Finish,
    json::{Json, object},
    scan::{JsonError, Scanner, Shape},
    usage,
};

/// What the data of an event holds, and whether the stream ends with it.
///
/// # Errors
/// It is no JSON object.
pub(in super::super) fn data(data: &[u8]) -> Result<(Look, bool), JsonError> {
    let mut event = Event::default();
    object(data, |name, value| {
        match (name, value.shape) {
            (b"type", _) => event.kind = value.text_if().map(|it| it.0).unwrap_or_default(),
            (b"delta", Shape::String) => event.delta = value.text_if().map_or(0, |it| it.0.len()),
            (b"item", Shape::Object) => event.item = value.bytes,
            (b"response", Shape::Object) => event.response = value.bytes,
            (b"error", Shape::Object | Shape::String) => event.error = true,
            _ => {}
        }
        Ok(())
    })?;
    let mut seen = Seen { error: event.error, ..Seen::default() };
    let done = matches!(event.kind, b"response.completed" | b"response.incomplete");
    match event.kind {
        b"error" | b"response.failed" => seen.error = true,
        // The name of a tool is in no event of its own.
        b"response.output_item.added" if !event.item.is_empty() => seen.item(event.item)?,
        kind if kind.ends_with(b".delta") => seen.bytes = event.delta as u64,
        _ if event.response.is_empty() => {}
        _ => seen.response(event.response, false)?,
    }
    seen.finish = seen.finish.filter(|_| done).or(done.then_some(Finish::Plain));
    Ok((seen.look(), done))
}

#[derive(Default)]
struct Event<'a> {
    kind: &'a [u8],
    delta: usize,
    item: &'a [u8],
    response: &'a [u8],
    error: bool,
}

/// Calls for each object of an array.
fn objects<'a>(
    array: Json<'a>,
    mut each: impl FnMut(&'a [u8]) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    if array.shape != Shape::Array {
        return Ok(());
    }
    Scanner::lenient(array.bytes).array(|scanner, _| {
        let it = Json::next(scanner)?;
        if it.shape == Shape::Object { each(it.bytes) } else { Ok(()) }
    })
}

/// What is known of an event, or of a whole answer.
#[derive(Default)]
struct Seen {
    is_response: bool,
    bytes: u64,
    usage: Option<Counts>,
    has_usage: bool,
    finish: Option<Finish>,
    error: bool,
}

impl Seen {
    /// A response: how it stands, and if `says`, what it says.
    fn response(&mut self, response: &[u8], says: bool) -> Result<(), JsonError> {
        object(response, |name, value| {
            match (name, value.shape) {
                (b"object", _) => {
                    self.is_response = value.text_if().is_some_and(|it| it.0 == b"response");
                }
                (b"status", Shape::String) => match value.text_if().map(|it| it.0) {
                    Some(b"completed") => self.finish = Some(Finish::Plain),
                    Some(b"incomplete") => self.finish = Some(Finish::Explained),
                    Some(b"failed" | b"cancelled") => self.error = true,
                    _ => {}
                },
                (b"error", Shape::Object | Shape::String) => self.error = true,
                (b"usage", Shape::Object) => {
                    self.has_usage = true;
                    self.usage = usage::read(&mut Scanner::lenient(value.bytes))?;
                }
                (b"output", Shape::Array) if says => objects(value, |item| self.item(item))?,
                _ => {}
            }
            Ok(())
        })
    }

    /// What a model wrote of an item.
    fn item(&mut self, item: &[u8]) -> Result<(), JsonError> {
        object(item, |name, value| match (name, value.text_if()) {
            (b"name" | b"arguments" | b"input" | b"encrypted_content", Some(text)) => {
                self.bytes += text.0.len() as u64;
                Ok(())
            }
            (b"content" | b"summary", _) => objects(value, |part| {
                object(part, |name, value| {
                    if let (b"text" | b"refusal", Some(text)) = (name, value.text_if()) {
                        self.bytes += text.0.len() as u64;
                    }
                    Ok(())
                })
            }),
            _ => Ok(()),
        })
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
    let read = seen.response(text, true);
    if read.is_err() || std::str::from_utf8(text).is_err() {
        return Err(Invalid { why: Why::NotJson });
    }
    judged(text, &seen.look(), seen.is_response)
}
