//! What an answer, or one event of a streamed answer, shows: content, an end, usage, an error.

use policies::Counts;

use super::{
    scan::{Fault, Kind, Scan, Text},
    usage,
};

/// How deep an answer may nest.
const DEPTH_MAX: usize = 128;

/// What was seen of a chunk or of a whole answer.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Choices, if the field was there.
    pub(super) choices: Option<usize>,
    /// Bytes of text, tool calls and reasoning.
    pub(super) content: usize,
    /// A choice has ended.
    pub(super) finished: bool,
    /// `usage` was there and no null.
    pub(super) has_usage: bool,
    /// The usage, if it can be true.
    pub(super) usage: Option<Counts>,
    /// An error object: its message.
    pub(super) error: Option<Box<str>>,
}

/// Looks at the JSON of a chunk or of a whole answer.
pub(super) fn look(json: &[u8]) -> Result<Seen, Fault> {
    let mut scan = Scan::new(json, DEPTH_MAX);
    let mut seen = Seen::default();
    if scan.kind()? != Kind::Object {
        return scan.fault("no object");
    }
    scan.object(|scan, key| {
        match key.span.of(scan.bytes()) {
            b"choices" if scan.kind()? == Kind::Array => {
                seen.choices = Some(0);
                scan.array(|scan, at| {
                    seen.choices = Some(at + 1);
                    choice(scan, &mut seen)
                })?;
            }
            b"usage" => {
                seen.has_usage = scan.kind()? != Kind::Null;
                seen.usage = usage::read(scan)?;
            }
            b"error" => seen.error = error(scan)?,
            _ => drop(scan.skip()?),
        }
        Ok(())
    })?;
    scan.end()?;
    Ok(seen)
}

fn choice(scan: &mut Scan<'_>, seen: &mut Seen) -> Result<(), Fault> {
    if scan.kind()? != Kind::Object {
        return scan.skip().map(drop);
    }
    scan.object(|scan, key| {
        match key.span.of(scan.bytes()) {
            b"delta" | b"message" if scan.kind()? == Kind::Object => message(scan, seen)?,
            b"text" => seen.content += text(scan)?,
            b"finish_reason" => {
                seen.finished |= scan.kind()? != Kind::Null;
                scan.skip()?;
            }
            _ => drop(scan.skip()?),
        }
        Ok(())
    })?;
    Ok(())
}

fn message(scan: &mut Scan<'_>, seen: &mut Seen) -> Result<(), Fault> {
    scan.object(|scan, key| {
        match key.span.of(scan.bytes()) {
            b"content" | b"reasoning_content" | b"reasoning" | b"refusal" => {
                seen.content += text(scan)?;
            }
            b"tool_calls" | b"function_call" => {
                let kind = scan.kind()?;
                let span = scan.skip()?;
                // An empty list is two brackets.
                if matches!(kind, Kind::Array | Kind::Object) && span.len() > 2 {
                    seen.content += span.len();
                }
            }
            _ => drop(scan.skip()?),
        }
        Ok(())
    })?;
    Ok(())
}

/// The length of a text; 0 for anything else.
fn text(scan: &mut Scan<'_>) -> Result<usize, Fault> {
    if scan.kind()? != Kind::Text {
        return scan.skip().map(|_| 0);
    }
    scan.text().map(|text| text.span.len())
}

/// The message of an error: a text, or an object with `message`.
fn error(scan: &mut Scan<'_>) -> Result<Option<Box<str>>, Fault> {
    let mut found: Option<Text> = None;
    match scan.kind()? {
        Kind::Text => found = Some(scan.text()?),
        Kind::Object => {
            scan.object(|scan, key| {
                if key.span.of(scan.bytes()) == b"message" && scan.kind()? == Kind::Text {
                    found = Some(scan.text()?);
                    return Ok(());
                }
                scan.skip().map(drop)
            })?;
            found = found.or(Some(Text::default()));
        }
        _ => drop(scan.skip()?),
    }
    Ok(found.map(|text| text.of(scan.bytes()).into()))
}
