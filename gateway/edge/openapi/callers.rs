//! The document of the callers' API.

use policies::facts::{DataClass, Language, Task};
use serde_json::{Map, Value, json};

use super::{
    form::{
        JSON, closed, codes, content, document as whole, header, json_of, list, maybe, names,
        object, of, parameter, put, schema,
    },
    refusals,
};
use crate::{
    edge::paths::{FEEDBACK, Page, READ, ROUTE},
    pipeline::name,
    wire::Surface,
};

const ABOUT: &str = "A gateway that asks the model that fits. Every path is served without `/v1` and with a \
    slash at its end as well. Fields of a body that are not listed are passed on to the engine.";

/// The statuses that are told where no model is asked, with a body and without one.
const READING: [u16; 6] = [400, 401, 404, 405, 431, 500];
const POSTING: [u16; 14] = [400, 401, 403, 404, 405, 408, 413, 415, 429, 431, 500, 502, 503, 504];

pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for surface in Surface::all() {
        paths.insert(at(surface.path), json!({ "post": answer_of(surface) }));
        let route = format!("{ROUTE}{}", surface.path);
        paths.insert(at(&route), json!({ "post": decision_of(surface, "route") }));
        if let Some(count) = &surface.count {
            paths.insert(at(count.path), json!({ "post": count_of(surface) }));
        }
    }
    paths.insert(at(ROUTE), json!({ "post": decision_of(Surface::first(), "decide") }));
    paths.insert(at(FEEDBACK), json!({ "post": feedback() }));
    for (path, page) in READ {
        paths.insert(at(path), json!({ "get": read(path, page) }));
    }
    let mut schemas = refusals::schemas();
    for surface in Surface::all() {
        schemas.insert(named(surface, "request"), surface.body());
        schemas.insert(named(surface, "answer"), surface.answer());
    }
    schemas.extend(own().into_iter().map(|(name, it)| (name.to_owned(), it)));
    let key = |more: Value| {
        let mut it = json!({ "description": "the caller's key" });
        if let (Some(it), Value::Object(more)) = (it.as_object_mut(), more) {
            it.extend(more);
        }
        it
    };
    let components = json!({
        "schemas": schemas,
        "responses": refusals::responses(),
        "securitySchemes": {
            "bearer": key(json!({ "type": "http", "scheme": "bearer" })),
            "key": key(json!({ "type": "apiKey", "in": "header", "name": "x-api-key" })),
        },
    });
    whole(("Signalbox", ABOUT), Value::Object(paths), components)
}

/// A path as callers name it, and as a document has it.
fn at(path: &str) -> String {
    format!("/v1{}", path.replace("{*", "{"))
}

fn named(surface: &Surface, what: &str) -> String {
    format!("{}_{what}", surface.path.trim_start_matches('/').replace('/', "_"))
}

fn answer_of(surface: &Surface) -> Value {
    let mut content = json_of(schema(&named(surface, "answer")));
    if let Some(content) = content.as_object_mut().filter(|_| surface.streams()) {
        // Of one event: checkers look at each.
        let event = object(&[("data?", of("string")), ("event?", of("string"))]);
        let events = json!({ "schema": event });
        content.insert("text/event-stream".to_owned(), events);
    }
    let mut headers = refusals::ids();
    headers.extend(
        OF_ANSWERS.map(|(name, about)| (name.to_owned(), header(false, about, of("string")))),
    );
    let said =
        json!({ "description": "the answer of a model", "headers": headers, "content": content });
    let about = format!("an answer by {}", surface.path);
    let mut it = operation((&named(surface, "ask"), &about), surface, (200, said), &POSTING);
    body(&mut it, schema(&named(surface, "request")));
    it
}

/// The decision for a request by a surface; `verb` makes the name of the operation.
fn decision_of(surface: &Surface, verb: &str) -> Value {
    let about = "the decision for a request: nothing is sent, reserved or entered";
    let said = plain("what was decided, and why", json_of(schema("decision")));
    let mut it = operation((&named(surface, verb), about), surface, (200, said), &POSTING);
    body(&mut it, schema(&named(surface, "request")));
    it
}

/// The tokens of a request by a surface.
fn count_of(surface: &Surface) -> Value {
    let mut headers = refusals::ids();
    let about = "whether the engine has counted them, or they are estimated";
    let by = json!({ "enum": ["engine", "estimate"] });
    headers.insert(name::TOKEN_COUNT.as_str().to_owned(), header(true, about, by));
    let counted = json!({ "type": "integer", "minimum": 0 });
    let answer = object(&[("input_tokens", counted)]);
    let said = json!({
        "description": "how many tokens it has", "headers": headers, "content": json_of(answer),
    });
    let about = format!("the tokens of a request by {}", surface.path);
    let mut it = operation((&named(surface, "count"), &about), surface, (200, said), &POSTING);
    body(&mut it, of("object"));
    it
}

fn feedback() -> Value {
    let said = plain("what is kept of it", json_of(schema("feedback_kept")));
    let about = "what a caller tells of an answer";
    let mut it = operation(("feedback", about), Surface::first(), (202, said), &POSTING);
    body(&mut it, schema("feedback"));
    // Those of a request for an answer say nothing here.
    put(&mut it, "parameters", json!([]));
    it
}

fn read(path: &str, page: Page) -> Value {
    let surface = Surface::first();
    let (id, about, answer) = match page {
        Page::Models => (
            "models",
            "the models that the key may ask for",
            json!({ "anyOf": [
            schema("models"), schema("models_anthropic")] }),
        ),
        Page::Model => (
            "model",
            "one model",
            json!({ "anyOf": [
            schema("model"), schema("model_anthropic")] }),
        ),
        Page::Key => ("key", "what the key may do, and how it stands", schema("key")),
        Page::Document => ("document", "this document", of("object")),
    };
    let said = plain(about, json_of(answer));
    let mut it = operation((id, about), surface, (200, said), &READING);
    let own = names(path)
        .map(|it| parameter(("path", it.trim_start_matches('*')), "its id", of("string")));
    put(&mut it, "parameters", own.collect());
    match page {
        Page::Document => put(&mut it, "security", json!([])),
        Page::Models | Page::Model => {
            let about = "with any value: the answer has the form of Anthropic's API";
            if let Some(all) = it.get_mut("parameters").and_then(Value::as_array_mut) {
                all.push(parameter(("header", "anthropic-version"), about, of("string")));
            }
            // Errors have that form too.
            either(&mut it);
        }
        Page::Key => {}
    }
    it
}

/// Lets the errors of an operation have the form of any dialect.
fn either(it: &mut Value) {
    let forms: Vec<Value> = refusals::schemas().keys().map(|name| schema(name)).collect();
    let responses = it.get_mut("responses").and_then(Value::as_object_mut);
    let Some(responses) = responses else { return };
    for (status, about) in refusals::statuses() {
        let Some(response) = responses.get_mut(&status.to_string()) else { continue };
        let mut headers = refusals::ids();
        if status == 405 {
            headers.insert("allow".into(), header(true, "the methods served", of("string")));
        }
        *response = json!({
            "description": about, "headers": headers, "content": json_of(json!({ "anyOf": forms })),
        });
    }
}

fn plain(about: &str, content: Value) -> Value {
    json!({ "description": about, "headers": refusals::ids(), "content": content })
}

fn operation(
    (id, about): (&str, &str),
    surface: &Surface,
    (status, said): (u16, Value),
    refused: &[u16],
) -> Value {
    let mut responses = refusals::of_surface(surface, refused.iter().copied());
    responses.insert(status.to_string(), said);
    json!({
        "operationId": id, "summary": about, "parameters": of_requests(),
        "security": [{ "bearer": [] }, { "key": [] }], "responses": responses,
    })
}

fn body(it: &mut Value, schema: Value) {
    put(it, "requestBody", json!({ "required": true, "content": content(JSON, schema) }));
}

/// The headers that a request may carry.
fn of_requests() -> Value {
    let told = |name: &str| match name {
        "x-signalbox-task" => ("the task", json!({ "enum": codes(Task::ALL, Task::code) })),
        "x-signalbox-language" => {
            ("the language", json!({ "enum": codes(Language::ALL, Language::code) }))
        }
        "x-signalbox-data-class" => {
            ("the data class", json!({ "enum": codes(DataClass::ALL, DataClass::code) }))
        }
        "x-signalbox-session" => ("what requests of one session have in common", line()),
        "x-signalbox-tags" => (
            "tags for rules: name=value, up to 16 with a comma between, each part of 64 characters",
            of("string"),
        ),
        "x-signalbox-user" => ("the end user for whom a front end asks", line()),
        _ => {
            ("the id by a gateway in front: one that cannot be taken is passed over", of("string"))
        }
    };
    let one = |name: &http::HeaderName| {
        let (about, schema) = told(name.as_str());
        parameter(("header", name.as_str()), about, schema)
    };
    name::OF_REQUESTS.iter().map(one).collect()
}

/// A line of up to 256 characters of ASCII; white space around it is none of it.
fn line() -> Value {
    json!({ "type": "string", "pattern": "^[!-~]([ -~]{0,254}[!-~])?$" })
}

/// What an answer of a model may carry beside the ids.
const OF_ANSWERS: [(&str, &str); 17] = [
    ("x-signalbox-model", "the model that serves"),
    ("x-signalbox-cache", "hit or miss, of a rule that keeps answers"),
    ("x-signalbox-rule", "what decided"),
    ("x-signalbox-language", "the language"),
    ("x-signalbox-task", "the task"),
    ("x-signalbox-attempts", "how often engines were asked"),
    ("x-signalbox-experiment", "the experiment and its arm"),
    ("x-signalbox-cost", "what a plain answer cost"),
    ("x-signalbox-overhead-ms", "the gateway's own time until the head"),
    ("x-signalbox-why", "why it was decided so"),
    ("x-signalbox-output-tokens-max", "the bound on the answer, where the gateway set one"),
    ("x-ratelimit-limit-requests", "the tightest limit of requests a minute"),
    ("x-ratelimit-remaining-requests", "what is left of it"),
    ("x-ratelimit-reset-requests", "when all of it is there again"),
    ("x-ratelimit-limit-tokens", "the tightest limit of tokens a minute"),
    ("x-ratelimit-remaining-tokens", "what is left of it"),
    ("x-ratelimit-reset-tokens", "when all of it is there again"),
];

/// The schemas of what the gateway itself reads and writes.
fn own() -> Vec<(&'static str, Value)> {
    let text = || of("string");
    let told = closed(&[
        ("request_id", text()),
        ("name", json!({ "type": "string", "pattern": "^[a-z0-9_.-]{1,40}$" })),
        ("value", json!({ "type": ["boolean", "number"], "minimum": -1e12, "maximum": 1e12 })),
        ("comment?", json!({ "type": ["string", "null"] })),
    ]);
    let mut all = vec![
        ("key", key()),
        ("decision", object(&[("signals", of("object")), ("decision", of("object"))])),
        ("feedback", told),
        ("feedback_kept", object(&[("request_id", text()), ("name", text())])),
    ];
    all.extend(cards());
    all
}

/// Models and lists of them, in both forms.
fn cards() -> [(&'static str, Value); 4] {
    let (text, count) = (|| of("string"), || of("integer"));
    let price = object(&[
        ("currency", text()),
        ("input_per_mtok", text()),
        ("cached_input_per_mtok", text()),
        ("output_per_mtok", text()),
    ]);
    let model = object(&[
        ("id", text()),
        ("object", json!({ "const": "model" })),
        ("created", count()),
        ("owned_by", text()),
        ("context_length?", count()),
        ("max_output_tokens?", count()),
        ("capabilities", list(text())),
        ("price?", price),
    ]);
    let anthropic = object(&[
        ("type", json!({ "const": "model" })),
        ("id", text()),
        ("display_name", text()),
        ("created_at", text()),
        ("max_input_tokens?", count()),
        ("max_tokens?", count()),
    ]);
    let page = object(&[
        ("data", list(schema("model_anthropic"))),
        ("has_more", of("boolean")),
        ("first_id", maybe("string")),
        ("last_id", maybe("string")),
    ]);
    let models = object(&[("object", json!({ "const": "list" })), ("data", list(schema("model")))]);
    [
        ("model", model),
        ("models", models),
        ("model_anthropic", anthropic),
        ("models_anthropic", page),
    ]
}

fn key() -> Value {
    let (text, flag) = (|| of("string"), || of("boolean"));
    let left = || object(&[("limit", of("integer")), ("remaining", of("integer"))]);
    object(&[
        ("object", json!({ "const": "key" })),
        ("name", text()),
        ("team", text()),
        ("teams", list(text())),
        ("expires", maybe("string")),
        ("data_class", json!({ "enum": codes(DataClass::ALL, DataClass::code) })),
        ("data_class_max", json!({ "enum": codes(DataClass::ALL, DataClass::code) })),
        ("priority", text()),
        ("hints", flag()),
        ("feedback", flag()),
        ("frontend", flag()),
        ("tags", of("object")),
        ("models", list(text())),
        (
            "limits",
            list(object(&[
                ("of", text()),
                ("requests_per_minute?", left()),
                ("tokens_per_minute?", left()),
                ("concurrent?", left()),
            ])),
        ),
        (
            "budgets",
            list(object(&[
                ("of", text()),
                ("window", text()),
                ("amount", text()),
                ("spent", text()),
                ("reserved", text()),
                ("left", text()),
                ("currency", text()),
                ("resets_at", maybe("string")),
                ("hard", flag()),
            ])),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_of_answers_is_told() {
        // The answers that have this one say it themselves.
        for name in name::OF_ANSWERS.iter().filter(|it| **it != name::TOKEN_COUNT) {
            assert!(OF_ANSWERS.iter().any(|(it, _)| it == name), "{name}");
        }
    }
}
