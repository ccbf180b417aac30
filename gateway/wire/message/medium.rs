//! Parts whose medium stands in an object, under a name of its own: it must be there.

use super::Reader;
use crate::{
    failure::Failure,
    wire::{
        field::echo,
        scan::{Scanner, Shape},
    },
};

/// The member in which the object of a part has its medium; engines read it without asking.
pub(super) fn carrier(key: &[u8]) -> Option<&'static str> {
    match key {
        b"image_url" | b"audio_url" | b"video_url" => Some("url"),
        b"input_audio" => Some("data"),
        _ => None,
    }
}

/// Whether a member is an address by its name.
pub(in crate::wire) fn is_url(name: &[u8]) -> bool {
    name.windows(3).any(|word| word.eq_ignore_ascii_case(b"url"))
}

/// Reads an object that must have its medium under a name of its own.
pub(super) fn carried(
    reader: &mut Reader<'_>,
    scanner: &mut Scanner<'_>,
    key: &[u8],
    part: usize,
) -> Result<(), Failure> {
    let member = carrier(key).unwrap_or_default();
    let place = || format!(".content[{part}].{}.{member}", echo(key));
    let mut there = false;
    scanner.object(|scanner, inner| {
        let name = inner.name();
        match scanner.shape()? {
            Shape::String if *name == *member.as_bytes() => there = true,
            Shape::Null => {}
            found if *name == *member.as_bytes() => {
                return Err(reader.wrong(&place(), found, "a string"));
            }
            _ => {}
        }
        let url = is_url(&name);
        reader.source(scanner, key, Some(part), url)
    })?;
    if there {
        return Ok(());
    }
    let path = reader.path(&place());
    let text = format!("{path} is missing");
    Err(Failure::invalid("missing_required_parameter", text).at(path))
}
