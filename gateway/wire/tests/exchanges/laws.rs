//! Laws of translation: what both dialects can say comes back as it was.

use policies::facts::Dialect;
use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};

use super::{request, sent, streamed};
use crate::wire::{Surface, frame::fields};

/// A text with all that JSON escapes, and what it does not.
fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[a-z \"\\\\\n\t\u{1}é中😀]{1,12}").unwrap()
}

fn name() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[a-z_]{1,8}").unwrap()
}

fn object() -> impl Strategy<Value = Value> {
    vec((name(), text()), 0..3).prop_map(|all| {
        Value::Object(
            all.into_iter().map(|(name, text)| (name, text.into())).collect::<Map<_, _>>(),
        )
    })
}

/// What one asks in a turn: text, and a picture at times.
fn said() -> impl Strategy<Value = Value> {
    let image = json!({"type": "image", "source":
        {"type": "base64", "media_type": "image/png", "data": "aGk="}});
    (text(), any::<bool>()).prop_map(move |(text, picture)| match picture {
        true => json!([{"type": "text", "text": text}, image]),
        false => json!(text),
    })
}

/// A round of the talk: a question, and an answer, which may be calls of tools with their results.
fn round() -> impl Strategy<Value = Vec<Value>> {
    let calls = vec((name(), object(), text()), 0..3);
    (said(), text(), calls).prop_map(|(said, text, calls)| {
        let mut turns = vec![json!({"role": "user", "content": said})];
        if calls.is_empty() {
            turns.push(json!({"role": "assistant", "content": text}));
            return turns;
        }
        let mut content = vec![json!({"type": "text", "text": text})];
        let mut results = Vec::new();
        for (number, (name, input, result)) in calls.into_iter().enumerate() {
            let id = format!("call_{number}");
            content.push(json!({"type": "tool_use", "id": id, "name": name, "input": input}));
            results.push(json!({"type": "tool_result", "tool_use_id": id, "content": result}));
        }
        turns.push(json!({"role": "assistant", "content": content}));
        turns.push(json!({"role": "user", "content": results}));
        // Two turns of the caller in a row are one: the next question would join the results.
        turns.push(json!({"role": "assistant", "content": "so"}));
        turns
    })
}

/// A request by Messages that says nothing that chat completions cannot.
fn messages() -> impl Strategy<Value = Value> {
    let tool = (name(), text()).prop_map(|(name, text)| {
        json!({"name": name, "description": text, "input_schema": {"type": "object"}})
    });
    let choice = prop_oneof![
        Just(json!({"type": "auto"})),
        Just(json!({"type": "any"})),
        Just(json!({"type": "none"})),
        Just(json!({"type": "any", "disable_parallel_tool_use": true})),
        Just(json!({"type": "tool", "name": "f"})),
    ];
    let parts = (
        vec(round(), 0..3),
        said(),
        proptest::option::of(text()),
        vec(tool, 0..3),
        proptest::option::of(choice),
        1..4096u32,
        any::<[bool; 5]>(),
    );
    parts.prop_map(|(rounds, last, system, tools, choice, most, with)| {
        let mut turns: Vec<Value> = rounds.into_iter().flatten().collect();
        turns.push(json!({"role": "user", "content": last}));
        let mut body = json!({"model": "engine-model", "max_tokens": most, "messages": turns});
        let mut put = |name: &str, value: Value| body[name] = value;
        if let Some(system) = system {
            put("system", system.into());
        }
        if !tools.is_empty() {
            put("tools", tools.into());
            if let Some(choice) = choice {
                put("tool_choice", choice);
            }
        }
        let [stream, heat, stop, user, form] = with;
        let schema = json!({"format": {"type": "json_schema", "schema": {"type": "object"}},
            "effort": "high"});
        for (with, name, value) in [
            (stream, "stream", json!(true)),
            (heat, "temperature", json!(0.5)),
            (stop, "stop_sequences", json!(["END", "\n"])),
            (user, "metadata", json!({"user_id": "mei"})),
            (form, "output_config", schema),
        ] {
            if with {
                put(name, value);
            }
        }
        body
    })
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// Texts, each reasoning or not; calls of tools; and why the answer ends.
type Pieces = (Vec<(bool, String)>, Vec<(String, Value)>, &'static str);

/// What an answer holds, whoever tells it.
fn pieces() -> impl Strategy<Value = Pieces> {
    let calls = vec((name(), object()), 0..3);
    let ends = prop_oneof![Just("end_turn"), Just("max_tokens")];
    (vec((any::<bool>(), text()), 1..6), calls, ends).prop_map(|(texts, calls, end)| {
        // Reasoning comes first, and calls end a turn.
        let mut texts = texts;
        texts.sort_by_key(|(reasoning, _)| !reasoning);
        let end = if calls.is_empty() || end == "max_tokens" { end } else { "tool_use" };
        (texts, calls, end)
    })
}

/// The data of a stream's events.
fn events(stream: &str) -> Vec<Value> {
    let data = |event: &str| {
        let mut data = Vec::new();
        fields(event.as_bytes(), &mut data);
        serde_json::from_slice(&data).ok()
    };
    stream.split("\n\n").filter_map(data).collect()
}

/// What a stream of chat completions says: reasoning, text, calls, and its end.
fn chat_said(stream: &str) -> (String, String, Vec<(String, Value)>, String) {
    let (mut reasoning, mut text, mut end) = (String::new(), String::new(), String::new());
    let mut calls: Vec<(String, String)> = Vec::new();
    for event in events(stream) {
        let choice = &event["choices"][0];
        let delta = &choice["delta"];
        reasoning += delta["reasoning_content"].as_str().unwrap_or_default();
        text += delta["content"].as_str().unwrap_or_default();
        end += choice["finish_reason"].as_str().unwrap_or_default();
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let at = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if at == calls.len() {
                calls.push((call["function"]["name"].as_str().unwrap().into(), String::new()));
            }
            calls[at].1 += call["function"]["arguments"].as_str().unwrap();
        }
    }
    let calls = calls.into_iter().map(|(name, it)| (name, value(it.as_bytes()))).collect();
    (reasoning, text, calls, end)
}

proptest! {
    #[test]
    fn what_both_can_ask_comes_back(body in messages()) {
        let asked = request("/messages", &body.to_string()).unwrap();
        let chat = asked.body();
        let again = request("/chat/completions", std::str::from_utf8(chat).unwrap()).unwrap();
        let back = sent(&again, &[Dialect::Anthropic]).unwrap();
        prop_assert_eq!(value(&back), body);
        // And what was written of it is read as the same.
        let twice = request("/messages", std::str::from_utf8(&back).unwrap()).unwrap();
        prop_assert_eq!(value(twice.body()), value(chat));
    }

    #[test]
    fn what_both_can_answer_comes_back((texts, calls, end) in pieces(), size in 1..40usize) {
        let mut stream = String::from("event: message_start\ndata: {\"type\":\"message_start\",\"message\":\
            {\"model\":\"m\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n");
        let mut event = |it: Value| {
            stream += &format!("event: {}\ndata: {it}\n\n", it["type"].as_str().unwrap());
        };
        let mut index = 0;
        for (reasoning, text) in &texts {
            let (kind, name) = if *reasoning { ("thinking", "thinking") } else { ("text", "text") };
            event(json!({"type": "content_block_start", "index": index,
                "content_block": {"type": kind, name: ""}}));
            event(json!({"type": "content_block_delta", "index": index,
                "delta": {"type": format!("{kind}_delta"), name: text}}));
            event(json!({"type": "content_block_stop", "index": index}));
            index += 1;
        }
        for (name, input) in &calls {
            event(json!({"type": "content_block_start", "index": index, "content_block":
                {"type": "tool_use", "id": format!("c{index}"), "name": name, "input": {}}}));
            event(json!({"type": "content_block_delta", "index": index,
                "delta": {"type": "input_json_delta", "partial_json": input.to_string()}}));
            event(json!({"type": "content_block_stop", "index": index}));
            index += 1;
        }
        event(json!({"type": "message_delta", "delta": {"stop_reason": end},
            "usage": {"output_tokens": 9}}));
        event(json!({"type": "message_stop"}));
        let ask = json!({"model": "m", "stream": true, "max_tokens": 9,
            "messages": [{"role": "user", "content": "a"}]}).to_string();
        let spoken = Surface::at("/messages").unwrap();
        let by_chat = request("/chat/completions", &ask).unwrap();
        let chat = streamed(&by_chat, spoken, &stream, size);
        let join = |wanted: bool| texts.iter().filter(|(it, _)| *it == wanted)
            .map(|(_, text)| text.as_str()).collect::<String>();
        let word = match end { "max_tokens" => "length", "tool_use" => "tool_calls", _ => "stop" };
        let expected = (join(true), join(false), calls.clone(), word.to_owned());
        prop_assert_eq!(chat_said(&chat), expected.clone());
        prop_assert!(chat.ends_with("data: [DONE]\n\n"));
        // Written as Messages, and read once more.
        let ask = ask.replacen('{', "{\"thinking\":{\"type\":\"adaptive\"},", 1);
        let by_messages = request("/messages", &ask).unwrap();
        let messages = streamed(&by_messages, Surface::first(), &chat, size);
        let again = streamed(&by_chat, spoken, &messages, size);
        prop_assert_eq!(chat_said(&again), expected);
    }
}
