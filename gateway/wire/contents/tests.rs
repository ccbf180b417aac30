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
fn media_and_names_of_the_format_are_not_read() {
    let picture = format!("data:image/png;base64,{NRIC}");
    let sound = format!("{NRIC}{}", "A".repeat(1_000));
    let body = json!({"model": NRIC, "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}},
        {"type": "text", "text": "what is it"}]}]});
    assert!(contents(&parsed(&body)).is_empty());
}

#[test]
fn whatever_else_an_engine_is_sent_is_read() {
    let part = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
    let said = |more: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let long = format!("{NRIC} {}", "A".repeat(1_000));
    let function = |it: Value| json!({"tools": [{"type": "function", "function": it}]});
    let format = json!({"type": "json_schema", "json_schema": {"name": "a", "description": NRIC,
        "schema": {"type": "object"}}});
    let schema = json!({"type": "object", "properties": {"a": {"enum": [NRIC]}}});
    for mut body in [
        part(json!({"type": "document", "source": {"type": "text", "data": NRIC}})),
        part(json!({"type": "document", "source": {"type": "text", "data": long}})),
        part(json!({"type": "zzz", "data": NRIC})),
        part(json!({"type": "zzz", "data": long})),
        part(json!({"type": "zzz", "zzz": {NRIC: 1}})),
        part(json!({"type": "zzz", "zzz": format!("data:text/plain,{NRIC}")})),
        said(json!({"user": NRIC})),
        said(json!({"metadata": {"who": NRIC}})),
        said(json!({"metadata": {NRIC: "who"}})),
        said(json!({"stop": NRIC})),
        said(json!({"stop": ["a", NRIC]})),
        said(json!({"prediction": {"type": "content", "content": NRIC}})),
        said(json!({"response_format": format})),
        said(function(json!({"name": "f", "description": NRIC}))),
        said(function(json!({"name": "f", "parameters": schema}))),
        said(json!({"foo": NRIC})),
        said(json!({"foo": {"bar": [[NRIC]]}})),
        said(json!({"a": NRIC})),
        said(json!({"zzz": NRIC})),
        said(json!({"stream": true, "stream_options": {"include_usage": true, "to": NRIC}})),
        said(json!({"stream": true, "stream_options": {NRIC: true}})),
        said(json!({"max_tokens": 9, "n": 1, "temperature": 0.5, NRIC: 1})),
    ] {
        body["model"] = "auto".into();
        assert_eq!(counted(&body, Content::NationalId), 1, "{body}");
        assert!(texts(&parsed(&body), 10_000).iter().any(|it| it.contains(NRIC)), "{body}");
    }
    for number in ["seed", "foo"] {
        let body = said(json!({"model": "auto", number: 4_111_111_111_111_111_u64}));
        assert_eq!(counted(&body, Content::PaymentCard), 1, "{body}");
    }
    let suffix = json!({"model": "m", "prompt": "a", "suffix": "DB_PASSWORD=Zx9kLm2p"});
    let found = contents(&read(Operation::TextCompletion, &suffix.to_string()));
    assert_eq!(found.count(Content::Secret), 1);
}

#[test]
fn what_only_begins_and_ends_as_base64_is_read() {
    let end = "a".repeat(1_000);
    let text = format!("{end};tan@bank.example;{NRIC};4111-1111-1111-1111;{end}");
    for message in [
        json!({"role": "user", "content": "hi", "zz": text}),
        json!({"role": "assistant", "content": "hi", "reasoning_content": text}),
        json!({"role": "user", "content": [{"type": "zzz", "data": format!("data:a/b;base64,{text}")}]}),
    ] {
        let found = contents(&parsed(&json!({"model": "auto", "messages": [message]})));
        let kinds = [Content::NationalId, Content::Mail, Content::PaymentCard];
        assert_eq!(kinds.map(|it| found.count(it)), [1, 1, 1], "{message}");
    }
}

#[test]
fn a_key_that_is_written_with_escapes_hides_nothing_behind_it() {
    for key in [r"\u0069nput", r"inp\u0075t", r"argument\u0073", r"\/x"] {
        let own = r#"{"id": "4111111111111111", "password": "Tr0ub4dor&3x"}"#;
        let call = format!(r#"{{"id": "a", "type": "function", "{key}": {own}}}"#);
        let body = format!(
            r#"{{"model": "auto", "messages": [{{"role": "user", "content": "hi", "zz": [{call}]}}]}}"#
        );
        let found = contents(&read(Operation::Chat, &body));
        let kinds = [Content::PaymentCard, Content::Secret];
        assert_eq!(kinds.map(|it| found.count(it)), [1, 1], "{body}");
    }
}

#[test]
fn what_fields_of_the_format_say_in_common_requests_is_nothing() {
    let tool = json!({"type": "function", "function": {"name": "login", "description": "Logs in.",
        "parameters": {"type": "object", "required": ["password"], "properties": {
            "user": {"type": "string"}, "password": {"type": "string", "minLength": 12},
            "api_key": {"type": "string", "description": "The key of the API."}}}}});
    let body = json!({"model": "gpt-4o-2024-08-06", "temperature": 0.7, "top_p": 0.95, "max_tokens": 4096,
        "seed": 123_456_789, "stream": true, "stream_options": {"include_usage": true},
        "stop": ["\n\n", "<|im_end|>"], "logit_bias": {"50256": -100, "50257": -100},
        "stop_token_ids": [151_643, 151_645], "user": "user_01HZX3",
        "prompt_cache_key": "b1946ac9-2492-4d23-8347-65dfd4b5f1e1",
        "safety_identifier": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "tools": [tool], "tool_choice": "auto", "messages": [{"role": "user", "content": "hi"}]});
    let found: Vec<_> = contents(&parsed(&body)).found().collect();
    assert_eq!(found, []);
}

#[test]
fn parts_of_one_message_are_read_as_one_text() {
    let found = |parts: &[&str], kind| {
        let parts: Vec<_> = parts.iter().map(|it| json!({"type": "text", "text": it})).collect();
        let messages =
            json!([{"role": "user", "content": parts}, {"role": "user", "content": "b"}]);
        counted(&json!({"model": "auto", "messages": messages}), kind)
    };
    let long = "word ".repeat(1_000);
    for (parts, kind) in [
        (&["nik: ", "3171010101900001"][..], Content::NationalId),
        (&["S1234", "567D"], Content::NationalId),
        (&[&format!("{long}S1234"), &format!("567D {long}")], Content::NationalId),
        (&["41111111", "11111111"], Content::PaymentCard),
        (&["4111 1111", "1111 1111"], Content::PaymentCard),
        (&["4111", "1111", "1111", "1111"], Content::PaymentCard),
        (&["card is", "4111111111111111"], Content::PaymentCard),
        (&["4111111111111111", "7"], Content::PaymentCard),
        (&["a\n4111", "111111111111\n"], Content::PaymentCard),
    ] {
        assert_eq!(found(parts, kind), 1, "{parts:?}");
    }
    assert_eq!(found(&["4111111111111111", "4111111111111111"], Content::PaymentCard), 2);
    let apart = json!({"model": "auto", "messages": [{"role": "user", "content": "S1234"},
        {"role": "user", "content": "567D"}]});
    assert_eq!(counted(&apart, Content::NationalId), 0);
}

#[test]
fn what_is_written_anew_is_read_as_its_caller_sent_it() {
    let asked = |path: &str, body: Value| {
        let body = Bytes::from(body.to_string());
        contents(
            &crate::wire::read(Surface::at(path).unwrap(), body, &ReadLimits::default()).unwrap(),
        )
    };
    let called = json!({"type": "tool_use", "id": "t1", "name": "pay", "input":
        {"card": 4_111_111_111_111_111_u64, "db_password": "Zx9kLm2p"}});
    let result = json!({"type": "tool_result", "tool_use_id": "t1", "content": NRIC});
    let document = json!({"type": "document", "source":
        {"type": "text", "media_type": "text/plain", "data": NRIC}});
    let found = asked(
        "/v1/messages",
        json!({"model": "m", "max_tokens": 9, "system": NRIC, "messages": [
        {"role": "user", "content": [document]}, {"role": "assistant", "content": [called]},
        {"role": "user", "content": [result]}]}),
    );
    let kinds = [Content::NationalId, Content::PaymentCard, Content::Secret];
    assert_eq!(kinds.map(|it| found.count(it)), [3, 1, 1]);
    for more in [
        json!({"input": NRIC}),
        json!({"input": "a", "instructions": NRIC}),
        json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": NRIC}]}]}),
    ] {
        let mut body = more;
        body["model"] = "m".into();
        assert_eq!(asked("/v1/responses", body.clone()).count(Content::NationalId), 1, "{body}");
    }
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
    let talk = json!({"model": "auto", "user": "Jane Roe", "messages": [
        {"role": "system", "content": "be \"kind\""},
        {"role": "user", "content": [{"type": "text", "text": "line\nJosé 李"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function":
            {"name": "find", "arguments": "{\"who\": \"Jane\"}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": ""},
        {"role": "user", "content": "b"}]});
    assert_eq!(
        texts(Operation::Chat, talk),
        ["Jane Roe", "be \"kind\"", "line\nJosé 李", "{\"who\": \"Jane\"}", "find", "b"]
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
