//! What a body says, however it is spelled: two bodies that say the same to every engine are the same bytes
//! here, and two that may differ to any of them are not.
//!
//! Members stand in the order of their names, and nothing stands between values. Texts and numbers stay as
//! they are written: `1.0` is not `1`, which costs an engine's time at the most.

use super::{
    Request,
    scan::{JsonError, Scanner, Shape},
};

/// Members of a body that change no answer.
const LEFT_OUT: [&str; 4] = ["user", "metadata", "safety_identifier", "store"];

/// A caller's own body in this form, without what changes no answer and is not repeated in one.
pub(crate) fn canonical(request: &Request) -> Vec<u8> {
    let native = request.native.as_deref();
    let body = native.map_or(&request.body, |it| &it.body);
    let repeated =
        |name: &str| native.is_some_and(|it| it.repeated.iter().any(|(known, _)| *known == name));
    let left_out: Vec<&str> = LEFT_OUT.into_iter().filter(|it| !repeated(it)).collect();
    // What cannot be walked was refused when it was read; its own bytes are as good.
    form(body, &left_out).unwrap_or_else(|_| body.to_vec())
}

fn form(body: &[u8], left_out: &[&str]) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::with_capacity(body.len());
    value(&mut Scanner::lenient(body), &mut out, left_out)?;
    Ok(out)
}

/// Writes the value that is next. Each ends with a comma, which no number has.
fn value(scanner: &mut Scanner<'_>, out: &mut Vec<u8>, left_out: &[&str]) -> Result<(), JsonError> {
    match scanner.shape()? {
        Shape::Object => object(scanner, out, left_out)?,
        Shape::Array => {
            out.push(b'[');
            scanner.array(|scanner, _| value(scanner, out, &[]))?;
            out.push(b']');
        }
        _ => {
            let (_, span) = scanner.value()?;
            out.extend_from_slice(span.of(scanner.bytes()));
        }
    }
    out.push(b',');
    Ok(())
}

/// Writes an object: each name with its length before it, in their order; of one name that stands there
/// twice, both.
fn object(
    scanner: &mut Scanner<'_>,
    out: &mut Vec<u8>,
    left_out: &[&str],
) -> Result<(), JsonError> {
    out.push(b'{');
    let first = out.len();
    let mut members = Vec::new();
    scanner.object(|scanner, key| {
        let name = key.name();
        if left_out.iter().any(|it| it.as_bytes() == &*name) {
            return scanner.skip();
        }
        let start = out.len();
        out.push(b'"');
        out.extend_from_slice(&name.len().to_le_bytes());
        out.extend_from_slice(&name);
        value(scanner, out, &[])?;
        members.push((name, start..out.len()));
        Ok::<_, JsonError>(())
    })?;
    if !members.is_sorted_by(|(one, _), (next, _)| one <= next) {
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        let parts = members.iter().filter_map(|(_, place)| out.get(place.clone()));
        let sorted = parts.collect::<Vec<_>>().concat();
        out.truncate(first);
        out.extend_from_slice(&sorted);
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests;
