//! What of a request is read for what it contains.

use bytes::Bytes;
use policies::facts::{Content, Operation};
use serde_json::{Value, json};

use super::*;
use crate::wire::{ReadLimits, Surface};

fn read(operation: Operation, body: &str) -> Request {
    let surface = Surface::all().iter().find(|it| it.operation == operation).unwrap();
    let body = Bytes::copy_from_slice(body.as_bytes());
    crate::wire::read(surface, body, &ReadLimits::default()).unwrap()
}

fn parsed(body: &Value) -> Request {
    read(Operation::Chat, &body.to_string())
}

fn counted(body: &Value, kind: Content) -> u16 {
    contents(&parsed(body)).count(kind)
}

/// An identity number of Singapore that is right by its check letter.
const NRIC: &str = "S1234567D";

#[test]
fn every_text_of_the_talk_is_read() {
    let tool = json!({"id": "c1", "type": "function", "function":
        {"name": "find", "arguments": format!("{{\"nric\": \"{NRIC}\"}}")}});
    for messages in [
        json!([{"role": "user", "content": format!("loan for {NRIC}")}]),
        json!([{"role": "system", "content": NRIC}, {"role": "user", "content": "hi"}]),
        json!([{"role": "user", "content": [{"type": "text", "text": NRIC}]}]),
        json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": NRIC},
            {"role": "user", "content": "b"}]),
        json!([{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [tool]},
            {"role": "tool", "tool_call_id": "c1", "content": "none"}, {"role": "user", "content": "b"}]),
    ] {
        let body = json!({"model": "auto", "messages": messages});
        assert_eq!(counted(&body, Content::NationalId), 1, "{body}");
    }
}

#[test]
fn escapes_hide_nothing_wherever_they_stand() {
    for written in [
        r"S1234567D\n",
        r"line\nS1234567D",
        r"\u0053\u0031\u0032\u0033\u0034\u0035\u0036\u0037\u0044",
        r"\uff33\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff24",
        r"S123\u200b4567D",
        r#"\"S1234567D\""#,
    ] {
        for pad in [0, 1, 6_900, 7_170, 8_190, 20_000] {
            let text = format!("{}{written}", r"x\n".repeat(pad / 2));
            let body =
                format!(r#"{{"model":"auto","messages":[{{"role":"user","content":"{text}"}}]}}"#);
            let found = contents(&read(Operation::Chat, &body));
            assert_eq!(found.count(Content::NationalId), 1, "{written} behind {pad}");
        }
    }
}

#[test]
fn what_is_no_text_of_the_talk_is_not_read() {
    let picture = format!("data:image/png;base64,{NRIC}");
    let body = json!({"model": "auto", "user": NRIC, "metadata": {"who": NRIC}, "messages": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": picture}},
            {"type": "text", "text": "what is it"}]}],
        "tools": [{"type": "function", "function": {"name": "f", "description": NRIC}}]});
    assert!(contents(&parsed(&body)).is_empty());
}

#[test]
fn a_text_that_begins_as_an_address_of_data_is_read_all_the_same() {
    let text = format!("data:text/plain, {NRIC}");
    for message in [
        json!({"role": "user", "content": text}),
        json!({"role": "user", "content": [{"type": "text", "text": text}]}),
    ] {
        let body = json!({"model": "auto", "messages": [message]});
        assert_eq!(counted(&body, Content::NationalId), 1, "{body}");
    }
    let embedded = json!({"model": "m", "input": ["a", text]}).to_string();
    let found = contents(&read(Operation::Embeddings, &embedded));
    assert_eq!(found.count(Content::NationalId), 1);
}

#[test]
fn texts_without_messages_are_read_too() {
    let of = |operation, body: Value| {
        contents(&read(operation, &body.to_string())).count(Content::NationalId)
    };
    assert_eq!(of(Operation::Embeddings, json!({"model": "m", "input": [NRIC, "b", NRIC]})), 2);
    assert_eq!(of(Operation::TextCompletion, json!({"model": "m", "prompt": NRIC})), 1);
    let ranked = json!({"model": "m", "query": NRIC, "documents": ["a", NRIC, {"text": NRIC}]});
    assert_eq!(of(Operation::Rerank, ranked), 3);
    for query in [format!("[{NRIC}]"), format!("{{{NRIC}}}"), format!("\"{NRIC}\"")] {
        let ranked = json!({"model": "m", "query": query, "documents": ["a"]});
        assert_eq!(of(Operation::Rerank, ranked), 1, "{query}");
    }
}

#[test]
fn the_texts_of_a_talk_are_those_that_are_read_for_what_they_contain() {
    let texts = |operation, body: Value| texts(&read(operation, &body.to_string()), 1_024);
    let talk = json!({"model": "auto", "user": "u", "messages": [
        {"role": "system", "content": "be \"kind\""},
        {"role": "user", "content": [{"type": "text", "text": "line\nJosé 李"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function":
            {"name": "find", "arguments": "{\"who\": \"Jane\"}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": ""},
        {"role": "user", "content": "b"}]});
    assert_eq!(
        texts(Operation::Chat, talk),
        ["be \"kind\"", "line\nJosé 李", "{\"who\": \"Jane\"}", "find", "b"]
    );
    let embedded = json!({"model": "m", "input": ["a", "b"]});
    assert_eq!(texts(Operation::Embeddings, embedded), ["a", "b"]);
    let embedded = json!({"model": "m", "input": [[1, 2], [3]]});
    assert!(texts(Operation::Embeddings, embedded).is_empty());
    let ranked = json!({"model": "m", "query": "[q]", "documents": ["a", {"text": "b"}]});
    assert_eq!(texts(Operation::Rerank, ranked), ["[q]", "a", "b"]);
}

#[test]
fn of_a_long_talk_the_first_and_the_last_half_are_given_out() {
    let long = format!("first {} last", "x".repeat(10_000));
    let body = json!({"model": "m", "messages": [{"role": "user", "content": long}]});
    let texts = texts(&parsed(&body), 1_000);
    assert_eq!(texts.iter().map(String::len).collect::<Vec<_>>(), [500, 500]);
    assert!(texts[0].starts_with("first xx") && texts[1].ends_with("xx last"));
}
