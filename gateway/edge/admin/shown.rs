//! What pages of the operators' API take and show, as JSON Schemas.

use policies::facts::DataClass;
use serde_json::{Map, Value, json};

use super::managed::{IMPORT_MAX, OVERLAP_SECONDS_MAX};
use crate::{
    config::Role,
    edge::openapi::form::{closed, codes, list, maybe, object, of, schema},
    outcome::REASON_CHARS_MAX,
};

/// What has no control character in it.
const ON_ONE_LINE: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";

/// All of them, by name.
pub(super) fn schemas() -> Map<String, Value> {
    let all = [taken().to_vec(), shown().to_vec(), reports().to_vec(), lists().to_vec()].concat();
    all.into_iter().map(|(name, it)| (name.to_owned(), it)).collect()
}

fn reason() -> Value {
    json!({ "type": "string", "maxLength": REASON_CHARS_MAX, "pattern": ON_ONE_LINE })
}

/// The fields of keys and teams, as the configuration has them: what else it knows is taken as well.
fn fields(of_key: bool) -> Vec<(&'static str, Value)> {
    let class = || json!({ "enum": codes(DataClass::ALL, DataClass::code) });
    let count = || json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX });
    let limits = closed(&[
        ("requests_per_minute?", count()),
        ("tokens_per_minute?", count()),
        ("concurrent?", count()),
    ]);
    let mut all = vec![
        ("models?", list(of("string"))),
        ("budget?", json!({ "type": ["object", "array"] })),
        ("limits?", limits),
        ("data_class?", class()),
        ("data_class_max?", class()),
        ("priority?", json!({ "enum": ["interactive", "default", "batch"] })),
        ("owner?", of("string")),
        ("tags?", of("object")),
    ];
    if of_key {
        all.extend([
            ("team?", of("string")),
            ("hints?", of("boolean")),
            ("feedback?", of("boolean")),
            ("frontend?", of("boolean")),
            ("expires?", of("string")),
        ]);
    } else {
        all.push(("parent?", of("string")));
    }
    all
}

/// The same, where null is no field.
fn given(of_key: bool, more: &[(&'static str, Value)]) -> Value {
    let nullable =
        |(name, it): (&'static str, Value)| (name, json!({ "anyOf": [it, { "type": "null" }] }));
    let mut all: Vec<_> = fields(of_key).into_iter().map(nullable).collect();
    all.extend_from_slice(more);
    object(&all)
}

/// What bodies say.
fn taken() -> [(&'static str, Value); 9] {
    let why = json!({
        "allOf": [reason(), { "type": "string", "pattern": r"\S" }],
    });
    let (name, hash) = (of("string"), of("string"));
    let rotation = closed(&[
        (
            "overlap_seconds?",
            json!({ "type": "integer", "minimum": 0, "maximum": OVERLAP_SECONDS_MAX }),
        ),
        ("end_overlap?", of("boolean")),
        ("reason?", reason()),
    ]);
    let keys = json!({
        "type": "array", "minItems": 1, "maxItems": IMPORT_MAX,
        "items": given(true, &[("name", name.clone()), ("hash?", hash)]),
    });
    let named = [("name", name), ("reason?", reason())];
    [
        ("why", closed(&[("reason", why)])),
        ("reason", closed(&[("reason?", reason())])),
        ("key_made", given(true, &named)),
        ("team_made", given(false, &named)),
        ("team_fields", given(false, &[("reason?", reason())])),
        ("patch", object(&[("reason?", reason())])),
        ("rotation", rotation),
        ("import", closed(&[("keys", keys), ("reason?", reason())])),
        ("policy_proposed", closed(&[("document", of("string")), ("reason?", reason())])),
    ]
}

/// What is managed, where it comes from and who has changed it.
fn managed(of_key: bool) -> Value {
    let mut all = vec![
        ("name", of("string")),
        ("source", json!({ "enum": ["file", "store"] })),
        ("state", json!({ "enum": ["active", "expired", "revoked"] })),
        ("version?", of("integer")),
        ("created_at?", of("string")),
        ("created_by?", of("string")),
        ("changed_at?", of("string")),
        ("changed_by?", of("string")),
        ("previous_until?", maybe("string")),
        ("hash?", of("string")),
        ("key?", of("string")),
    ];
    if of_key {
        all.push(("last_used_at", maybe("string")));
    }
    all.extend(fields(of_key));
    object(&all)
}

/// What answers show.
fn shown() -> [(&'static str, Value); 8] {
    let text = || of("string");
    let error = object(&[
        ("message", text()),
        ("type", text()),
        ("param", maybe("string")),
        ("code", text()),
    ]);
    let endpoint = object(&[
        ("n", of("integer")),
        ("endpoint", text()),
        ("url", text()),
        ("drained", of("boolean")),
        ("up?", maybe("boolean")),
        ("in_flight?", of("integer")),
    ]);
    [
        ("any", of("object")),
        ("error", object(&[("error", error)])),
        ("key", managed(true)),
        ("team", managed(false)),
        ("imported", object(&[("keys", list(object(&[("name", text()), ("key?", text())])))])),
        (
            "model",
            object(&[
                ("id", text()),
                ("enabled", of("boolean")),
                ("since?", maybe("string")),
                ("by?", text()),
                ("reason?", maybe("string")),
                ("available?", of("boolean")),
                ("endpoints", list(endpoint)),
                ("changed?", of("boolean")),
            ]),
        ),
        ("experiment", experiment()),
        ("proposal", proposal()),
    ]
}

/// Who asks, the policy, and what was spent.
fn reports() -> [(&'static str, Value); 3] {
    let text = || of("string");
    let roles = json!({ "enum": Role::ALL.map(Role::name) });
    let operator = [("name", text()), ("role", roles), ("expires", maybe("string"))];
    let policy = [
        ("version", maybe("string")),
        ("hash", text()),
        ("timezone", text()),
        ("rules", list(text())),
    ];
    let sum = list(object(&[("requests", of("integer")), ("cost", text()), ("currency", text())]));
    let spend = [
        ("from", text()),
        ("to", text()),
        ("timezone", text()),
        ("team", maybe("string")),
        ("by", list(text())),
        ("rows", sum.clone()),
        ("sums", sum),
    ];
    [("operator", object(&operator)), ("policy", object(&policy)), ("spend", object(&spend))]
}

fn experiment() -> Value {
    object(&[
        ("name", of("string")),
        ("state", of("string")),
        ("stopped", maybe("object")),
        ("primary", of("string")),
        ("arms", list(object(&[("name", of("string")), ("control", of("boolean"))]))),
        ("changed?", of("boolean")),
    ])
}

fn proposal() -> Value {
    let text = || of("string");
    object(&[
        ("id", text()),
        ("state", json!({ "enum": ["open", "approved", "rejected", "expired", "superseded"] })),
        ("what", json!({ "enum": ["policy", "changes"] })),
        ("reason", text()),
        ("by", text()),
        ("at", maybe("string")),
        ("expires", maybe("string")),
        ("approved_by", maybe("string")),
        ("closed_by", maybe("string")),
        ("closed_at", maybe("string")),
        ("closed_reason", maybe("string")),
        ("changes", list(of("object"))),
        ("conflict?", text()),
        ("document?", text()),
    ])
}

/// Pages of them.
fn lists() -> [(&'static str, Value); 6] {
    let page = |name: &'static str, of_one: &str, next: Value| {
        object(&[(name, list(schema(of_one))), ("next", next)])
    };
    let next = || maybe("string");
    [
        ("keys", page("keys", "key", next())),
        ("teams", page("teams", "team", next())),
        ("proposals", page("proposals", "proposal", next())),
        ("audit", page("records", "any", maybe("integer"))),
        ("models", object(&[("models", list(schema("model")))])),
        ("experiments", object(&[("experiments", list(schema("experiment")))])),
    ]
}
