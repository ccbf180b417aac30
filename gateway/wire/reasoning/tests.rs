use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::wire::{
    answer,
    sse::{Stream, StreamLimits, What},
};

const BOTH: [ReasoningField; 2] = [ReasoningField::ReasoningContent, ReasoningField::Reasoning];

/// A chunk in the normal form, as JSON.
fn chunk(field: ReasoningField, data: &str) -> Option<Value> {
    let written = Form::new(field, false).chunk(data.as_bytes())?;
    Some(serde_json::from_slice(&written).unwrap_or_else(|_| panic!("{written:?}")))
}

#[test]
fn whatever_the_spelling_it_comes_in_one_field() {
    for field in BOTH {
        let name = field.name();
        for given in [
            json!({ "reasoning": "hm" }),
            json!({ "reasoning_content": "hm" }),
            json!({ "reasoning": "hm", "reasoning_content": "hm" }),
            json!({ "reasoning": null, "reasoning_content": "hm" }),
            json!({ "reasoning_content": "", "reasoning": "hm" }),
        ] {
            let data = json!({ "choices": [{ "index": 0, "delta": given }] }).to_string();
            let wanted = json!({ "choices": [{ "index": 0, "delta": { name: "hm" } }] });
            let is = chunk(field, &data).unwrap_or_else(|| serde_json::from_str(&data).unwrap());
            assert_eq!(is, wanted, "{data}");
        }
    }
}

#[test]
fn what_is_in_the_form_keeps_its_bytes_and_what_is_not_keeps_the_rest() {
    let field = ReasoningField::ReasoningContent;
    for same in [
        r#"{"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"Hello <think>"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
        r#"{"choices":[{"delta":{"content":[{"type":"text","text":"<think>"}]}}]}"#,
        r#"{"choices":7}"#,
    ] {
        assert_eq!(chunk(field, same), None, "{same}");
    }
    let data = r#"{"id":"x", "choices":[{"index":0, "delta":{"role":"assistant",
        "content":"\u003cthink>a</think>\n\nb","tool_calls":[{"index":0}]},
        "logprobs":{"content":[1.50]},"finish_reason":"stop"}],"usage":{"total_tokens":3}}"#;
    let written = Form::new(field, false).chunk(data.as_bytes()).unwrap();
    let text = String::from_utf8(written).unwrap();
    let delta =
        r#"{"role":"assistant","reasoning_content":"a","content":"b","tool_calls":[{"index":0}]}"#;
    assert!(text.contains(delta), "{text}");
    assert!(text.starts_with(r#"{"id":"x", "choices":[{"index":0, "delta":{"#), "{text}");
    assert!(text.contains(r#""logprobs":{"content":[1.50]},"finish_reason":"stop"}]"#), "{text}");
}

#[test]
fn a_choice_that_finishes_says_what_was_held() {
    let mut form = Form::new(ReasoningField::Reasoning, false);
    let held = form.chunk(br#"{"choices":[{"index":1,"delta":{"content":"<thi"}}]}"#).unwrap();
    let held: Value = serde_json::from_slice(&held).unwrap();
    assert_eq!(held["choices"][0]["delta"]["content"], "");
    let end = form.chunk(br#"{"choices":[{"index":1,"finish_reason":"stop"}]}"#).unwrap();
    let end: Value = serde_json::from_slice(&end).unwrap();
    assert_eq!(end["choices"][0]["delta"]["content"], "<thi", "{end}");
    assert_eq!(end["choices"][0]["finish_reason"], "stop");
    assert_eq!(form.rest(), None);
}

/// What a caller reads of a choice: reasoning and content.
fn read(said: &mut Vec<(String, String)>, name: &str, field: ReasoningField, choices: &Value) {
    for choice in choices.as_array().unwrap() {
        let index = choice["index"].as_u64().unwrap() as usize;
        said.resize(said.len().max(index + 1), Default::default());
        let delta = &choice[name];
        said[index].0 += delta[field.name()].as_str().unwrap_or("");
        said[index].1 += delta["content"].as_str().unwrap_or("");
        assert!(delta.get(other(field).name()).is_none_or(Value::is_null), "{delta}");
    }
}

/// The same of a stream whose bytes are cut at these places; and how many events had content.
fn streamed(field: ReasoningField, bytes: &[u8], cuts: &[usize]) -> (Vec<(String, String)>, usize) {
    let mut stream = Stream::new(StreamLimits::default(), true).reasoning_in(Some(field), true);
    let (mut events, mut said, mut from) = (SmallVec::new(), Vec::new(), 0);
    for at in cuts.iter().copied().chain([bytes.len()]).filter(|at| *at <= bytes.len()) {
        if at > from {
            stream.push(Bytes::copy_from_slice(&bytes[from..at]), &mut events).unwrap();
            from = at;
        }
    }
    stream.finish(&mut events).unwrap();
    let mut contents = 0;
    for event in &events {
        let text = std::str::from_utf8(&event.bytes).unwrap();
        let data: String = text.lines().filter_map(|line| line.strip_prefix("data:")).collect();
        if event.what == What::Done {
            continue;
        }
        let before = length(&said);
        let data: Value = serde_json::from_str(&data).unwrap_or_else(|_| panic!("{text:?}"));
        read(&mut said, "delta", field, &data["choices"]);
        let grown = length(&said) > before;
        // What is held back is a sign of an answer too.
        assert!(event.what == What::Content || !grown, "{text:?}");
        contents += usize::from(grown);
    }
    (said, contents)
}

fn length(said: &[(String, String)]) -> usize {
    said.iter().map(|(reasoning, content)| reasoning.len() + content.len()).sum()
}

#[test]
fn a_first_event_with_a_mark_or_of_many_lines_is_in_the_form_too() {
    let field = ReasoningField::Reasoning;
    for begin in ["\u{feff}data: ", "data:{\ndata: \"id\":1,\r\ndata:", ": ping\ndata:"] {
        let object = r#""choices":[{"index":0,"delta":{"content":"<think>a</think>b"}}]}"#;
        let brace = if begin.contains('{') { "" } else { "{" };
        let text = format!("{begin}{brace}{object}\n\n");
        let (said, _) = streamed(field, text.as_bytes(), &[]);
        assert_eq!(said, [("a".to_owned(), "b".to_owned())], "{text}");
    }
}

fn words() -> impl Strategy<Value = Vec<String>> {
    let words = ["<think>", "</think>", "<th", "ink>", "</", "a", "思", "\n", " ", "\"", "\\"];
    prop::collection::vec(prop::sample::select(words.to_vec()).prop_map(String::from), 0..12)
}

proptest! {
    /// However the text is cut into events and these into pieces, a caller reads the same as in a plain
    /// answer.
    #[test]
    fn a_stream_says_what_a_plain_answer_says(
        texts in prop::collection::vec(words(), 1..3),
        spelled in prop::option::of(prop::sample::select(vec!["reasoning", "reasoning_content"])),
        field in prop::sample::select(BOTH.to_vec()),
        (finish, crlf) in any::<(bool, bool)>(),
        mut cuts in prop::collection::vec(0usize..2_000, 0..12),
    ) {
        let end = if crlf { "\r\n\r\n" } else { "\n\n" };
        let (mut stream, mut messages) = (String::new(), Vec::new());
        for (index, words) in texts.iter().enumerate() {
            let mut message = json!({ "role": "assistant", "content": words.concat() });
            if let Some(name) = spelled {
                message[name] = json!("hm");
                let delta = json!({ name: "hm", "content": null });
                stream += &format!("data: {}{end}",
                    json!({ "choices": [{ "index": index, "delta": delta }] }));
            }
            messages.push(json!({ "index": index, "message": message, "finish_reason": "stop" }));
        }
        for at in 0..texts.iter().map(Vec::len).max().unwrap_or(0) {
            for (index, words) in texts.iter().enumerate() {
                let Some(word) = words.get(at) else { continue };
                stream += &format!("data: {}{end}",
                    json!({ "choices": [{ "index": index, "delta": { "content": word } }] }));
            }
        }
        for index in 0..texts.len() {
            if finish {
                stream += &format!("data: {}{end}", json!({ "choices":
                    [{ "index": index, "delta": {}, "finish_reason": "stop" }] }));
            }
        }
        stream += "data: [DONE]\n\n";
        cuts.sort_unstable();
        let (mut said, _) = streamed(field, stream.as_bytes(), &cuts);
        prop_assert_eq!(&said, &streamed(field, stream.as_bytes(), &[]).0);
        said.resize(texts.len(), Default::default());
        let plain = json!({ "choices": messages }).to_string();
        let plain = answer::reasoning_in(field, plain.into());
        let plain: Value = serde_json::from_slice(&plain).unwrap();
        let mut whole = Vec::new();
        read(&mut whole, "message", field, &plain["choices"]);
        prop_assert_eq!(said, whole);
    }
}
