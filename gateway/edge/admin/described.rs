//! The document of the operators' API, made from the table of its pages: paths, methods and whom each
//! answers are theirs, what each takes and answers is said here, and a page of which nothing is said fails a
//! test.

use serde_json::{Map, Value, json};

use super::{
    metrics::EXPOSITION,
    operator::Access,
    page::{
        Page,
        Verb::{self, Delete, Get, Patch, Post, Put},
    },
    shown,
};
use crate::edge::openapi::form::{
    JSON, document as whole, header, json_of, names, of, parameter, put, reference, schema,
};

const ABOUT: &str = "What operators see and change. Every path is served with a slash at its end as well, \
    and what is read by GET by HEAD too.";
/// The media type of what people and probes read.
const TEXT: &str = "text/plain; charset=utf-8";

/// What is said of a page beside its row.
struct Said {
    about: &'static str,
    /// The statuses of its answers, and the schema or the media type of each.
    answers: &'static [(u16, &'static str)],
    /// The schema of its body.
    body: Option<&'static str>,
    /// The parameters of its query.
    query: &'static [&'static str],
}

/// The errors of what changes something, beside those of its row.
const CHANGED: [u16; 2] = [409, 503];

const fn read(about: &'static str, answers: &'static [(u16, &'static str)]) -> Said {
    Said { about, answers, body: None, query: &[] }
}

const fn asked(said: Said, query: &'static [&'static str]) -> Said {
    Said { query, ..said }
}

const fn changed(
    about: &'static str,
    body: &'static str,
    answers: &'static [(u16, &'static str)],
) -> Said {
    Said { about, answers, body: Some(body), query: &[] }
}

/// What is said of a page.
fn said(verb: Verb, path: &str) -> Option<Said> {
    let keys = ["after", "limit", "team", "state", "hashes"].as_slice();
    Some(match (verb, path.trim_start_matches("/admin/v1")) {
        (Get, "/metrics") => read("All metrics.", &[(200, EXPOSITION)]),
        (Get, "/livez") => read("The process runs.", &[(200, TEXT)]),
        (Get, "/readyz") => read("It can serve.", &[(200, TEXT)]),
        (Get, "/openapi.json") => read("This document.", &[(200, "any")]),
        (Get, "/me") => read("Who asks.", &[(200, "operator")]),
        (Get, "/policy") => read("The policy in force.", &[(200, "policy")]),
        (Get, "/requests/{id}") => read("A request of the past.", &[(200, "any")]),
        (Get, "/spend") => {
            let query = &["by", "since", "until", "tz", "team", "true_cost", "format"];
            asked(read("What was spent.", &[(200, "spend")]), query)
        }
        (Get, "/audit") => asked(
            read("What was changed, by whom and why.", &[(200, "audit")]),
            &["since", "after_seq", "limit"],
        ),
        (Get, "/experiments") => read("All experiments.", &[(200, "experiments")]),
        (Get, "/experiments/{name}") => read("An experiment.", &[(200, "experiment")]),
        (Post, "/experiments/{name}/stop") => {
            changed("Stops an experiment.", "why", &[(200, "experiment")])
        }
        (Post, "/experiments/{name}/resume") => {
            changed("Resumes an experiment.", "why", &[(200, "experiment")])
        }
        (Get, "/keys") => asked(read("Keys.", &[(200, "keys")]), keys),
        (Post, "/keys") => changed("Makes a key.", "key_made", &[(201, "key"), (202, "proposal")]),
        (Get, "/keys/{name}") => read("A key.", &[(200, "key")]),
        (Patch, "/keys/{name}") => {
            changed("Changes a key.", "patch", &[(200, "key"), (202, "proposal")])
        }
        (Delete, "/keys/{name}") => changed("Revokes a key.", "reason", &[(200, "key")]),
        (Post, "/keys/{name}/rotate") => {
            changed("Gives a key another secret.", "rotation", &[(200, "key")])
        }
        (Post, "/key-import") => {
            let answers = &[(201, "imported"), (202, "proposal")];
            changed("Makes many keys, all or none.", "import", answers)
        }
        (Get, "/teams") => asked(read("Teams.", &[(200, "teams")]), keys),
        (Post, "/teams") => {
            changed("Makes a team.", "team_made", &[(201, "team"), (202, "proposal")])
        }
        (Get, "/teams/{name}") => read("A team.", &[(200, "team")]),
        (Patch, "/teams/{name}") => {
            changed("Changes a team.", "patch", &[(200, "team"), (202, "proposal")])
        }
        (Put, "/teams/{name}") => {
            let about = "Takes all fields of a team anew.";
            changed(about, "team_fields", &[(200, "team"), (202, "proposal")])
        }
        (Delete, "/teams/{name}") => {
            changed("Removes a team.", "reason", &[(204, ""), (202, "proposal")])
        }
        (verb, path) => return told_elsewhere(verb, path),
    })
}

/// The same of switches and proposals.
fn told_elsewhere(verb: Verb, path: &str) -> Option<Said> {
    let switch = |about| changed(about, "reason", &[(200, "model")]);
    let closed = |about| changed(about, "reason", &[(200, "proposal")]);
    Some(match (verb, path) {
        (Get, "/models") => read("All models.", &[(200, "models")]),
        (Get, "/models/{id}") => read("A model.", &[(200, "model")]),
        (Post, "/models/{id}/disable") => switch("Takes a model out of service."),
        (Post, "/models/{id}/enable") => switch("Takes a model back into service."),
        (Post, "/models/{id}/endpoints/{n}/drain") => switch("Takes an endpoint out of service."),
        (Post, "/models/{id}/endpoints/{n}/undrain") => switch("Takes an endpoint back."),
        (Get, "/proposals") => {
            let query = &["proposal_state", "after", "limit"];
            asked(read("Changes that wait for a second person.", &[(200, "proposals")]), query)
        }
        (Get, "/proposals/{id}") => read("Such a change.", &[(200, "proposal")]),
        (Post, "/proposals/{id}/approve" | "/policy/proposals/{id}/approve") => {
            closed("Puts a proposal in force.")
        }
        (Post, "/proposals/{id}/reject") => closed("Closes a proposal without effect."),
        (Post, "/policy/proposals") => {
            changed("Proposes a policy.", "policy_proposed", &[(202, "proposal")])
        }
        _ => return None,
    })
}

/// The document of these pages.
pub(super) fn document(pages: &[Page]) -> Value {
    let mut paths = Map::new();
    for page in pages {
        let path = paths.entry(page.path).or_insert_with(|| json!({}));
        path[page.verb.name()] = operation(page);
    }
    let bearer = json!({
        "type": "http", "scheme": "bearer", "description": "the token of an operator",
    });
    let components = json!({
        "schemas": shown::schemas(),
        "responses": refusals(),
        "securitySchemes": { "bearer": bearer },
    });
    whole(("Signalbox for operators", ABOUT), Value::Object(paths), components)
}

fn operation(page: &Page) -> Value {
    let nothing = read("", &[]);
    let said = said(page.verb, page.path).unwrap_or(nothing);
    let plain: String =
        page.path.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    let mut responses: Map<String, Value> = errors(page, &said)
        .into_iter()
        .map(|(status, form)| {
            (status.to_string(), reference("responses", &format!("{form}_{status}")))
        })
        .collect();
    responses.extend(said.answers.iter().map(|(status, what)| (status.to_string(), answer(what))));
    let mut it = json!({
        "operationId": format!("{}{plain}", page.verb.name()),
        "summary": said.about,
        "parameters": parameters(page, &said),
        "responses": responses,
        "security": match page.access {
            Access::Anybody => json!([]),
            // Of this machine everybody may.
            Access::Local | Access::Metrics => json!([{ "bearer": [] }, {}]),
            Access::Role(_) => json!([{ "bearer": [] }]),
        },
    });
    if let Access::Role(role) = page.access {
        let about = format!("For the role `{}` and greater ones.", role.name());
        put(&mut it, "description", about.into());
    }
    if let Some(body) = said.body {
        let needed = !["reason", "patch", "rotation", "team_fields"].contains(&body);
        let body = json!({ "required": needed, "content": json_of(schema(body)) });
        put(&mut it, "requestBody", body);
    }
    it
}

/// Which errors a page has, and whether each is JSON or text.
fn errors(page: &Page, said: &Said) -> Vec<(u16, &'static str)> {
    let text = matches!(page.access, Access::Anybody | Access::Metrics);
    let form = if text { "text" } else { "json" };
    let mut all = vec![(400, "either"), (405, "json"), (431, "text"), (500, form)];
    if page.access != Access::Anybody {
        all.push((401, form));
    }
    if matches!(page.access, Access::Role(_) | Access::Local) {
        all.push((403, "json"));
    }
    if names(page.path).next().is_some() {
        all.push((404, "json"));
    }
    if said.body.is_some() {
        all.push((413, "json"));
        all.extend(CHANGED.map(|status| (status, "json")));
    } else {
        all.push((503, form));
    }
    if versioned(page) {
        all.push((412, "json"));
    }
    all
}

/// Whether a page changes what has a version.
fn versioned(page: &Page) -> bool {
    matches!(page.verb, Patch | Put | Delete) || page.path.ends_with("/rotate")
}

fn parameters(page: &Page, said: &Said) -> Vec<Value> {
    let path = names(page.path)
        .map(|name| parameter(("path", name), "as lists of them say it", of("string")));
    let mut all: Vec<Value> = path.chain(said.query.iter().map(|name| query(name))).collect();
    if versioned(page) {
        let schema = json!({ "type": "string", "pattern": "^(\\*|\"[0-9]{1,9}\")$" });
        all.push(parameter(("header", "if-match"), "the `etag` that it must have", schema));
    }
    all
}

/// A parameter of a query.
fn query(name: &str) -> Value {
    let text = || of("string");
    let (name, about, schema) = match name {
        "limit" => (
            name,
            "how many at the most",
            json!({ "type": "integer", "minimum": 1, "maximum": 1_000 }),
        ),
        "after_seq" => {
            ("after", "the `next` of a page", json!({ "type": "integer", "minimum": 0 }))
        }
        "after" => (name, "the `next` of a page", text()),
        "hashes" | "true_cost" => (name, "whether they are told", of("boolean")),
        "state" => (name, "of this state", json!({ "enum": ["active", "expired", "revoked"] })),
        "proposal_state" => {
            let known = ["open", "approved", "rejected", "expired", "superseded"];
            ("state", "of this state", json!({ "enum": known }))
        }
        "format" => (name, "the form", json!({ "enum": ["json", "csv", "focus"] })),
        "by" => (name, "labels with commas between them, such as `team,model`", text()),
        "since" | "until" => (name, "a moment, or how long ago, such as `30d`", text()),
        "tz" => (name, "a time zone", text()),
        name => (name, "of this team", text()),
    };
    parameter(("query", name), about, schema)
}

fn answer(what: &str) -> Value {
    let media = |it: &str| json!({ it: { "schema": of("string") } });
    let content = match what {
        "" => return json!({ "description": "done" }),
        it if it.starts_with("text/") => media(it),
        "spend" => json!({
            JSON: { "schema": schema("spend") }, "text/csv": { "schema": of("string") },
        }),
        it => json_of(schema(it)),
    };
    let etag = header(false, "the version of the one that is told", of("string"));
    json!({ "description": "as asked", "headers": { "etag": etag }, "content": content })
}

/// The answers that are errors, each in its forms.
fn refusals() -> Map<String, Value> {
    let of_status = [
        (400, "the request, or its framing, is wrong"),
        (401, "no operator's token"),
        (403, "the role is too small, or it takes another person"),
        (404, "there is none of this name"),
        (405, "another method was used at this path"),
        (409, "it does not fit what there is"),
        (412, "somebody else came first"),
        (413, "the body is too long"),
        (431, "the head is too long"),
        (500, "a mistake of the gateway"),
        (503, "not now"),
    ];
    let json = || json!({ JSON: { "schema": schema("error") } });
    let text = || json!({ TEXT: { "schema": of("string") } });
    let both = || json!({ JSON: { "schema": schema("error") }, TEXT: { "schema": of("string") } });
    let mut all = Map::new();
    for (status, about) in of_status {
        for (form, content) in [("json", json()), ("text", text()), ("either", both())] {
            let mut headers = Map::new();
            if status == 405 {
                headers.insert("allow".into(), header(true, "the methods served", of("string")));
            }
            if status == 503 {
                headers.insert("retry-after".into(), header(false, "seconds", of("integer")));
            }
            let it = json!({ "description": about, "headers": headers, "content": content });
            all.insert(format!("{form}_{status}"), it);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_said_of_every_page() {
        for page in super::super::all_pages() {
            let said = said(page.verb, page.path);
            assert!(
                said.is_some_and(|it| !it.answers.is_empty()),
                "{} {}",
                page.verb.name(),
                page.path
            );
        }
    }
}
