//! What callers are told when it went wrong: an answer for each dialect and status, and a schema for each
//! dialect's error, read off an error that it writes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::form::{header, json_of, of, reference, schema};
use crate::{
    failure::{Failure, Kind, Stage},
    wire::Surface,
};

/// Statuses that say more than their kind does.
const CLOSER: [(u16, &str); 3] = [
    (405, "`method_not_allowed`: another method was used at this path"),
    (415, "`unsupported_encoding`: the body is compressed"),
    (431, "`request_too_large`: the head is over its limit"),
];

/// Each status that an error may have, and what it says. Who has left is told nothing.
pub(super) fn statuses() -> BTreeMap<u16, String> {
    let mut all: BTreeMap<u16, String> = BTreeMap::new();
    for kind in Kind::ALL.into_iter().filter(|it| *it != Kind::Cancelled) {
        let said = format!("`{}`", kind.name());
        let about = all.entry(kind.status()).or_default();
        *about = if about.is_empty() { said } else { format!("{about} or {said}") };
    }
    all.extend(CLOSER.map(|(status, about)| (status, about.to_owned())));
    all
}

/// The error schemas of all dialects.
pub(super) fn schemas() -> Map<String, Value> {
    Surface::all().iter().map(|it| (error(it), written(it))).collect()
}

/// The answers of all dialects.
pub(super) fn responses() -> Map<String, Value> {
    let mut all = Map::new();
    for surface in Surface::all() {
        for (status, about) in statuses() {
            let mut headers = ids();
            if matches!(status, 429 | 503) {
                let about = "seconds after which it makes sense to ask again";
                headers.insert("retry-after".into(), header(false, about, of("integer")));
            }
            if status == 429 {
                let about = "`false` where the money is spent";
                let schema = json!({ "enum": ["false"] });
                headers.insert("x-should-retry".into(), header(false, about, schema));
            }
            if status == 405 {
                let about = "the methods that are served at this path";
                headers.insert("allow".into(), header(true, about, of("string")));
            }
            all.insert(
                named(surface, status),
                json!({
                    "description": about, "headers": headers,
                    "content": json_of(schema(&error(surface))),
                }),
            );
        }
    }
    all
}

/// References to the answers of these statuses in the form of a surface.
pub(super) fn of_surface(
    surface: &Surface,
    statuses: impl IntoIterator<Item = u16>,
) -> Map<String, Value> {
    let one = |status: u16| (status.to_string(), reference("responses", &named(surface, status)));
    statuses.into_iter().map(one).collect()
}

/// The headers that every answer to a caller has.
pub(super) fn ids() -> Map<String, Value> {
    let ours = header(true, "the gateway's id of the request", of("string"));
    let callers = header(true, "the caller's id of the request, else the gateway's", of("string"));
    Map::from_iter([("x-signalbox-id".to_owned(), ours), ("x-request-id".to_owned(), callers)])
}

fn named(surface: &Surface, status: u16) -> String {
    format!("{}_{status}", surface.dialect.code())
}

/// The name of the schema of a surface's errors.
pub(super) fn error(surface: &Surface) -> String {
    format!("error_{}", surface.dialect.code())
}

/// The schema of what a surface writes as an error: what it wrote of one kind after another.
fn written(surface: &Surface) -> Value {
    let bodies = Kind::ALL.into_iter().flat_map(|kind| {
        let plain = Failure::new(kind, Stage::Receive, "why");
        let named = Failure::new(kind, Stage::Receive, "why").at("field");
        [plain, named]
            .map(|it| serde_json::from_slice(&surface.error_body(&it)).unwrap_or_default())
    });
    let bodies: Vec<Value> = bodies.collect();
    shape(&bodies)
}

/// A schema that all of these values are of. What is one of few words is listed.
fn shape(values: &[Value]) -> Value {
    let objects: Vec<&Map<String, Value>> = values.iter().filter_map(Value::as_object).collect();
    let Some(first) = objects.first() else { return words(values) };
    let members: Map<String, Value> = first
        .keys()
        .map(|key| {
            let below: Vec<Value> = objects.iter().filter_map(|it| it.get(key).cloned()).collect();
            // Its words are of no closed list: causes nearer than the kind are told too.
            let open = ["code", "param", "message"].contains(&&**key);
            let null = below.iter().any(Value::is_null);
            let free = if null { json!(["string", "null"]) } else { json!("string") };
            (key.clone(), if open { json!({ "type": free }) } else { shape(&below) })
        })
        .collect();
    let required: Vec<&String> = first.keys().collect();
    json!({ "type": "object", "properties": members, "required": required })
}

fn words(values: &[Value]) -> Value {
    let mut all: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    all.sort_unstable();
    all.dedup();
    json!({ "type": "string", "enum": all })
}
