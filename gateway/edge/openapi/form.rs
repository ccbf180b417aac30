//! The parts of a document by OpenAPI, in few words.

use serde_json::{Map, Value, json};

/// The version of OpenAPI.
const OPENAPI: &str = "3.1.0";
/// JSON's media type.
pub(crate) const JSON: &str = "application/json";

/// A document: its title, what it is about, its paths, and the components that they refer to.
pub(crate) fn document((title, about): (&str, &str), paths: Value, components: Value) -> Value {
    json!({
        "openapi": OPENAPI,
        "info": { "title": title, "version": env!("CARGO_PKG_VERSION"), "description": about },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": components,
    })
}

/// A reference to a component.
pub(crate) fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// A reference to a schema.
pub(crate) fn schema(name: &str) -> Value {
    reference("schemas", name)
}

/// The content of one media type.
pub(crate) fn content(media_type: &str, schema: Value) -> Value {
    Value::Object(Map::from_iter([(media_type.to_owned(), json!({ "schema": schema }))]))
}

/// The content that is JSON.
pub(crate) fn json_of(schema: Value) -> Value {
    content(JSON, schema)
}

/// Puts a member into an object, in the place of one of its name.
pub(crate) fn put(it: &mut Value, name: &str, value: Value) {
    if let Some(it) = it.as_object_mut() {
        it.insert(name.to_owned(), value);
    }
}

/// An object whose members are these; those whose name ends in `?` may be missing.
pub(crate) fn object(members: &[(&str, Value)]) -> Value {
    let plain = |name: &str| name.trim_end_matches('?').to_owned();
    let required: Vec<&str> =
        members.iter().map(|(name, _)| *name).filter(|it| !it.ends_with('?')).collect();
    let members: Map<String, Value> =
        members.iter().map(|(name, value)| (plain(name), value.clone())).collect();
    let mut it = json!({ "type": "object", "properties": members });
    if let Some(it) = it.as_object_mut().filter(|_| !required.is_empty()) {
        it.insert("required".to_owned(), json!(required));
    }
    it
}

/// The same, and no other members.
pub(crate) fn closed(members: &[(&str, Value)]) -> Value {
    let mut it = object(members);
    if let Some(it) = it.as_object_mut() {
        it.insert("additionalProperties".to_owned(), false.into());
    }
    it
}

/// A value of this type.
pub(crate) fn of(kind: &str) -> Value {
    json!({ "type": kind })
}

/// A value of this type, or null.
pub(crate) fn maybe(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

/// A list of such values.
pub(crate) fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// A header of an answer, always there or not.
pub(crate) fn header(always: bool, about: &str, schema: Value) -> Value {
    json!({ "required": always, "description": about, "schema": schema })
}

/// A parameter: where it stands, what it is called, and what it may be. What stands in a path is required.
pub(crate) fn parameter((place, name): (&str, &str), about: &str, schema: Value) -> Value {
    json!({
        "in": place, "name": name, "required": place == "path",
        "description": about, "schema": schema,
    })
}

/// The names in braces in a path.
pub(crate) fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|it| it.split('}').next())
}

/// The words of a closed list.
pub(crate) fn codes<T: Copy>(all: &[T], code: impl Fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|it| code(*it)).collect()
}
