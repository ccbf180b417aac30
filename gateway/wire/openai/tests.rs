//! What requests without messages promise: prompts, inputs, documents.

use bytes::Bytes;
use policies::facts::{Operation, Tokens};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    config::BoundNames,
    failure::Failure,
    wire::{Edit, ReadLimits, Request, Surface, read},
};

fn surface(operation: Operation) -> &'static Surface {
    Surface::all().iter().find(|it| it.operation == operation).unwrap()
}

fn asked(operation: Operation, body: &Value) -> Result<Request, Failure> {
    raw(operation, &body.to_string())
}

fn raw(operation: Operation, body: &str) -> Result<Request, Failure> {
    read(surface(operation), Bytes::copy_from_slice(body.as_bytes()), &ReadLimits::default())
}

/// A body of this operation that is right, with these members.
fn with(operation: Operation, members: Value) -> Value {
    let mut body = match operation {
        Operation::TextCompletion => json!({ "model": "m", "prompt": "Once" }),
        Operation::Embeddings => json!({ "model": "m", "input": "Once" }),
        _ => json!({ "model": "m", "query": "Who?", "documents": ["I", "you"] }),
    };
    let Value::Object(members) = members else { panic!("no members") };
    body.as_object_mut().unwrap().extend(members);
    body
}

#[test]
fn what_is_wrong_is_told_by_its_path() {
    use Operation::{Embeddings as E, Rerank as R, TextCompletion as C};
    let many = vec!["a"; 2_049];
    for (operation, members, code, param) in [
        (E, json!({ "input": null }), "invalid_type", "input"),
        (E, json!({ "input": 7 }), "invalid_type", "input"),
        (E, json!({ "input": "" }), "invalid_value", "input"),
        (E, json!({ "input": [] }), "invalid_value", "input"),
        (E, json!({ "input": ["a", ""] }), "invalid_value", "input[1]"),
        (E, json!({ "input": ["a", 1] }), "invalid_type", "input[1]"),
        (E, json!({ "input": [1, "a"] }), "invalid_type", "input[1]"),
        (E, json!({ "input": [1, -1] }), "invalid_value", "input[1]"),
        (E, json!({ "input": [1, 1.5] }), "invalid_value", "input[1]"),
        (E, json!({ "input": [[1], []] }), "invalid_value", "input[1]"),
        (E, json!({ "input": [[1], [2, "a"]] }), "invalid_type", "input[1][1]"),
        (E, json!({ "input": [{}] }), "invalid_type", "input[0]"),
        (E, json!({ "input": many }), "unsupported_parameter", "input"),
        (E, json!({ "encoding_format": "int8" }), "invalid_value", "encoding_format"),
        (E, json!({ "encoding_format": 1 }), "invalid_type", "encoding_format"),
        (E, json!({ "dimensions": 0 }), "invalid_value", "dimensions"),
        (E, json!({ "dimensions": 1.5 }), "invalid_value", "dimensions"),
        (E, json!({ "dimensions": "8" }), "invalid_type", "dimensions"),
        (E, json!({ "stream": true }), "unsupported_parameter", "stream"),
        (E, json!({ "api_base": "http://x" }), "unsupported_parameter", "api_base"),
        (R, json!({ "query": "" }), "invalid_value", "query"),
        (R, json!({ "query": ["a"] }), "invalid_type", "query"),
        (R, json!({ "documents": [] }), "invalid_value", "documents"),
        (R, json!({ "documents": "a" }), "invalid_type", "documents"),
        (R, json!({ "documents": ["a", 1] }), "invalid_type", "documents[1]"),
        (R, json!({ "documents": [{ "text": 1 }] }), "invalid_type", "documents[0].text"),
        (R, json!({ "documents": [{}] }), "missing_required_parameter", "documents[0].text"),
        (R, json!({ "top_n": 0 }), "invalid_value", "top_n"),
        (R, json!({ "max_chunks_per_doc": -1 }), "invalid_value", "max_chunks_per_doc"),
        (R, json!({ "stream": true }), "unsupported_parameter", "stream"),
        (C, json!({ "prompt": [] }), "invalid_value", "prompt"),
        (C, json!({ "prompt": {} }), "invalid_type", "prompt"),
        (C, json!({ "prompt": ["a", 2] }), "invalid_type", "prompt[1]"),
        (C, json!({ "suffix": 7 }), "invalid_type", "suffix"),
        (C, json!({ "echo": "yes" }), "invalid_type", "echo"),
        (C, json!({ "best_of": 99 }), "unsupported_parameter", "best_of"),
        (C, json!({ "n": 99 }), "unsupported_parameter", "n"),
        (C, json!({ "n": 8, "prompt": vec!["a"; 9] }), "unsupported_parameter", "prompt"),
        (C, json!({ "logprobs": 21 }), "unsupported_parameter", "logprobs"),
        (C, json!({ "max_tokens": 0 }), "invalid_value", "max_tokens"),
        (C, json!({ "temperature": "hot" }), "invalid_type", "temperature"),
        (C, json!({ "prompt_embeds": "AAAA" }), "unsupported_parameter", "prompt_embeds"),
    ] {
        let failure = asked(operation, &with(operation, members.clone())).unwrap_err();
        assert_eq!((failure.code, failure.param.as_deref()), (code, Some(param)), "{members}");
    }
}

#[test]
fn what_is_missing_is_told() {
    for (operation, needed) in [
        (Operation::TextCompletion, &["model", "prompt"][..]),
        (Operation::Embeddings, &["model", "input"]),
        (Operation::Rerank, &["model", "query", "documents"]),
    ] {
        for name in needed {
            let mut body = with(operation, json!({}));
            body.as_object_mut().unwrap().remove(*name);
            let failure = asked(operation, &body).unwrap_err();
            assert_eq!(failure.code, "missing_required_parameter");
            assert_eq!(failure.param.as_deref(), Some(*name));
        }
    }
}

#[test]
fn inputs_are_counted_in_every_form() {
    for (input, vectors, tokens) in [
        (json!("one two three four"), 1, 5),
        (json!(["one", "two"]), 2, 2),
        (json!([1, 2, 3, 4, 5]), 1, 5),
        (json!([[1, 2], [3], [4, 5, 6]]), 3, 6),
    ] {
        let request =
            asked(Operation::Embeddings, &json!({ "model": "m", "input": input })).unwrap();
        assert_eq!(request.vectors(), Some(vectors), "{input}");
        assert_eq!(request.input_tokens(), Tokens(tokens), "{input}");
        assert_eq!((request.output_tokens_asked(), request.stream()), (None, false));
        assert_eq!(request.n(), 1);
    }
}

#[test]
fn texts_are_what_is_looked_at_for_the_language() {
    let inputs = json!({ "input": ["สวัสดี", "ครับ"] });
    let request = asked(Operation::Embeddings, &with(Operation::Embeddings, inputs)).unwrap();
    assert_eq!(request.turns().as_slice(), ["สวัสดี\nครับ"]);
    let request = asked(Operation::Rerank, &with(Operation::Rerank, json!({}))).unwrap();
    assert_eq!(request.turns().as_slice(), ["Who?"]);
    let ids = json!({ "input": [1, 2] });
    let request = asked(Operation::Embeddings, &with(Operation::Embeddings, ids)).unwrap();
    assert!(request.turns().is_empty());
}

#[test]
fn a_query_is_read_once_for_each_document_and_part() {
    let documents = |count: usize, members: Value| {
        let body = with(Operation::Rerank, json!({ "documents": vec!["abcd"; count] }));
        let mut body = body;
        let Value::Object(members) = members else { panic!("no members") };
        body.as_object_mut().unwrap().extend(members);
        let request = asked(Operation::Rerank, &body).unwrap();
        let length = u32::try_from(body.to_string().len()).unwrap();
        (request.input_tokens().0, request.input_tokens_bound(Tokens(0)).0 - length)
    };
    assert_eq!(documents(1, json!({})), (1 + 1 + 4, 1_024 + 64));
    assert_eq!(documents(10, json!({})), (10 * (1 + 1 + 4), 1_024 + 640 + 9 * 4));
    let parts = json!({ "max_chunks_per_doc": 5 });
    assert_eq!(documents(10, parts).1, 1_024 + 640 + 49 * 4);
    let objects = json!({ "documents": [{ "text": "abcd", "title": "efgh", "id": 7 }] });
    let request = asked(Operation::Rerank, &with(Operation::Rerank, objects)).unwrap();
    assert_eq!(request.input_tokens(), Tokens(1 + 2 + 4));
}

#[test]
fn the_answers_of_prompts_are_counted() {
    for (members, choices) in [
        (json!({}), 1),
        (json!({ "n": 3 }), 3),
        (json!({ "prompt": ["a", "b"], "n": 3 }), 6),
        (json!({ "prompt": [[1, 2], [3]] }), 2),
        (json!({ "prompt": [1, 2, 3] }), 1),
        (json!({ "prompt": "a", "best_of": 4 }), 4),
        (json!({ "prompt": ["a", "b"], "n": 2, "best_of": 4 }), 8),
        (json!({ "prompt": vec!["a"; 64] }), 64),
        (json!({ "prompt": "" }), 1),
    ] {
        let body = with(Operation::TextCompletion, members);
        assert_eq!(asked(Operation::TextCompletion, &body).unwrap().n(), choices, "{body}");
    }
    let echo =
        asked(Operation::TextCompletion, &with(Operation::TextCompletion, json!({ "echo": true })));
    assert!(echo.unwrap().echoed() > Tokens(0));
}

fn edit(operation: Operation, told_as: BoundNames) -> Edit<'static> {
    Edit {
        model: "engine's",
        ask_usage: false,
        output_tokens_max: Tokens(50),
        planned: Tokens(50),
        told_as: surface(operation).bounds(told_as),
        arm: None,
        native: true,
        spoken: surface(operation),
    }
}

#[test]
fn only_the_model_is_changed_where_nothing_is_written() {
    for told_as in [BoundNames::default(), BoundNames::MAX_TOKENS, BoundNames::BOTH] {
        for operation in [Operation::Embeddings, Operation::Rerank] {
            let members = json!({ "max_tokens": 9_000, "x": [1.0, { "y": null }], "user": "u" });
            let body = with(operation, members);
            let sent = asked(operation, &body).unwrap().to_upstream(&edit(operation, told_as));
            let mut expected = body.clone();
            expected["model"] = "engine's".into();
            let sent: Value = serde_json::from_slice(&sent.concat()).unwrap();
            assert_eq!(sent, expected);
        }
    }
}

#[test]
fn a_completion_is_bounded_by_the_one_name_that_it_has() {
    for told_as in [BoundNames::MAX_TOKENS, BoundNames::MAX_COMPLETION_TOKENS, BoundNames::BOTH] {
        let operation = Operation::TextCompletion;
        for (members, sent) in
            [(json!({}), 50), (json!({ "max_tokens": 9 }), 9), (json!({ "max_tokens": 90 }), 50)]
        {
            let body = with(operation, members);
            let to = asked(operation, &body).unwrap().to_upstream(&edit(operation, told_as));
            let to: Value = serde_json::from_slice(&to.concat()).unwrap();
            assert_eq!((&to["max_tokens"], to.get("max_completion_tokens")), (&json!(sent), None));
        }
    }
    let operation = Operation::TextCompletion;
    let body = with(operation, json!({ "stream": true, "suffix": "the end" }));
    let ask = Edit { ask_usage: true, ..edit(operation, BoundNames::default()) };
    let to: Value =
        serde_json::from_slice(&asked(operation, &body).unwrap().to_upstream(&ask).concat())
            .unwrap();
    assert_eq!(to["stream_options"], json!({ "include_usage": true }));
    assert_eq!(to["suffix"], "the end");
}

proptest! {
    /// No estimate is above the bound, whatever the form.
    #[test]
    fn estimates_are_within_their_bounds(
        texts in prop::collection::vec("[ -~ก-ฮ一-丁😀-😏]{1,40}", 1..12),
        query in "[ -~一-丁]{1,40}",
        chunks in 1_u32..4,
    ) {
        for (operation, members) in [
            (Operation::Embeddings, json!({ "input": texts })),
            (Operation::TextCompletion, json!({ "prompt": texts })),
            (Operation::Rerank, json!({
                "query": query, "documents": texts, "max_chunks_per_doc": chunks,
            })),
        ] {
            let request = asked(operation, &with(operation, members)).unwrap();
            prop_assert!(request.input_tokens() <= request.input_tokens_bound(Tokens(0)));
        }
    }

    /// Whatever comes is read or refused, and what was read is sent on as it was but for the model.
    #[test]
    fn whatever_comes_is_read_or_refused(value in "[\\[\\]{}\",:0-9a-z \\\\.-]{0,60}") {
        for operation in [Operation::Embeddings, Operation::TextCompletion, Operation::Rerank] {
            for name in ["input", "prompt", "documents", "query"] {
                let mut body = with(operation, json!({}));
                body.as_object_mut().unwrap().remove(name);
                let body = body.to_string();
                let body = format!("{},\"{name}\":{value}}}", body.strip_suffix('}').unwrap());
                if let Ok(request) = raw(operation, &body) {
                    let sent = request.to_upstream(&edit(operation, BoundNames::default())).concat();
                    let mut expected: Value = serde_json::from_str(&body).unwrap();
                    expected["model"] = "engine's".into();
                    prop_assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap(), expected);
                }
            }
        }
    }
}
