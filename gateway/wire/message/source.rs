//! The `source` of a content part, as Messages has it: what it weighs, and where it points.

use super::{Part, Reader};
use crate::{
    failure::Failure,
    wire::{media, scan::Scanner, scan::Shape},
};

/// A `source`, until it is known what the part is: `type` may come after it.
#[derive(Clone, Copy, Default)]
pub(super) struct Source {
    /// Its data in bytes.
    bytes: usize,
    /// It is an address that may not be passed on.
    elsewhere: bool,
}

/// Reads a `source`: what its data weighs, and whether it points elsewhere.
pub(super) fn messages_source(
    reader: &Reader<'_>,
    scanner: &mut Scanner<'_>,
    source: &mut Source,
) -> Result<(), Failure> {
    scanner.object(|scanner, key| {
        let name = key.name();
        if scanner.shape()? != Shape::String {
            return scanner.skip();
        }
        let text = scanner.string()?;
        let raw = text.span.of(scanner.bytes());
        match &*name {
            b"data" => source.bytes += raw.len(),
            b"url" => {
                let hosts = &reader.limits.media_hosts;
                source.elsewhere |= !media::allowed(raw, text.escaped, true, hosts);
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(())
}

/// Takes the `source` of a part for what the part is; beside a text it is a remark.
pub(super) fn sourced(
    reader: &mut Reader<'_>,
    seen: &mut Part,
    scanner: &Scanner<'_>,
    part: usize,
) -> Result<(), Failure> {
    let (Some(source), Some(kind)) = (seen.source, seen.kind) else { return Ok(()) };
    let kind = kind.text(scanner.bytes());
    if *kind == *b"text" {
        return Ok(());
    }
    if source.elsewhere {
        return Err(reader.elsewhere(&format!(".content[{part}].source.url")));
    }
    seen.media = true;
    let need = media::need(&kind);
    reader.request.needs = reader.request.needs.with(need);
    if !need.is_empty() {
        reader.request.media_bytes += source.bytes;
    }
    Ok(())
}
