//! Addresses in what only a caller's own dialect can say: what chat completions have no place for passes by
//! the shield before them, and an engine must be sent nowhere by it either.

use super::{
    json::{Json, Members, Path},
    media,
    message::is_url,
    scan::Shape,
};
use crate::failure::Failure;

/// Members that hold data, of which no engine opens anything.
const DATA: [&str; 7] = [
    "metadata",
    "client_metadata",
    "annotations",
    "citations",
    "parameters",
    "input_schema",
    "schema",
];

/// Refuses an address on a host that is not listed, in any member of a body that is one by its name.
///
/// # Errors
/// The first such address, by its path.
pub(super) fn check_body(body: &[u8], hosts: &[Box<str>]) -> Result<(), Failure> {
    for (name, value) in Members::read(body)?.left() {
        if !DATA.contains(&&*name) {
            member((&name, value), Path::Top(&name), hosts)?;
        }
    }
    Ok(())
}

fn check(json: Json<'_>, path: Path<'_>, hosts: &[Box<str>]) -> Result<(), Failure> {
    match json.shape {
        Shape::Object => members(json, path, hosts),
        Shape::Array => json
            .items(path)?
            .into_iter()
            .enumerate()
            .try_for_each(|(position, it)| check(it, path.item(position), hosts)),
        _ => Ok(()),
    }
}

fn members(json: Json<'_>, path: Path<'_>, hosts: &[Box<str>]) -> Result<(), Failure> {
    let all = json.members(path)?;
    let kind = all.get("type").and_then(Json::text_if);
    if kind.is_some_and(|kind| is_history(&kind.plain())) {
        return Ok(());
    }
    for (name, value) in all.left() {
        if !DATA.contains(&&*name) {
            member((&name, value), path.at(&name), hosts)?;
        }
    }
    Ok(())
}

fn member(
    (name, value): (&str, Json<'_>),
    path: Path<'_>,
    hosts: &[Box<str>],
) -> Result<(), Failure> {
    let Some(text) = value.text_if() else { return check(value, path, hosts) };
    if !is_url(name.as_bytes()) || media::allowed(text.0, text.0.contains(&b'\\'), true, hosts) {
        return Ok(());
    }
    let public = format!("{path} is not supported: an engine is sent to no other host");
    Err(Failure::invalid("unsupported_parameter", public).at(path.to_string()))
}

/// Whether something of this kind tells what was called and found before: its addresses are words.
fn is_history(kind: &str) -> bool {
    let found = kind.ends_with("_tool_result") || kind.ends_with("_call_output");
    kind.ends_with("tool_use") || kind.ends_with("_call") || found
}
