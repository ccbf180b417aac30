use bytes::Bytes;
use policies::Counts;
use serde_json::{Value, json};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::wire::{
    self, AnswerLabel, Event, ReadLimits, Request, Stream, StreamLimits, Surface, frame::fields,
};

fn surface() -> &'static Surface {
    Surface::at("/v1/messages").unwrap()
}

fn read(body: &Value) -> Result<Request, crate::failure::Failure> {
    wire::read(surface(), body.to_string().into(), &ReadLimits::default())
}

/// The chat completion that a request is written as.
fn chat(body: &Value) -> Value {
    serde_json::from_slice(read(body).unwrap().body()).unwrap()
}

#[test]
fn what_an_arm_writes_into_a_request_is_judged_with_it() {
    use policies::facts::Dialect::{Anthropic, OpenAi};
    let arm = |name: &str, value: &str| wire::ArmEdit::new(&[(name.into(), value.into())], None);
    let warm = arm("temperature", "0.5");
    let (penalty, neutral) = (arm("presence_penalty", "0.5"), arm("presence_penalty", "0"));
    let asked = json!([{"role": "user", "content": "Selamat pagi"}]);
    for (path, body) in [
        ("/v1/chat/completions", json!({"model": "m", "messages": asked})),
        ("/v1/messages", json!({"model": "m", "max_tokens": 9, "messages": asked})),
        ("/v1/responses", json!({"model": "m", "input": asked})),
    ] {
        let surface = Surface::at(path).unwrap();
        let request = wire::read(surface, body.to_string().into(), &ReadLimits::default()).unwrap();
        let path_of = |it: wire::Unsayable| it.path;
        let judged = |dialects, arm| request.sayable(dialects, arm).map_err(path_of);
        assert_eq!(judged(&[Anthropic], None), Ok(()), "{path}");
        assert_eq!(judged(&[Anthropic], warm.as_ref()), Ok(()), "{path}");
        assert_eq!(judged(&[Anthropic], neutral.as_ref()), Ok(()), "{path}");
        let refused = Err("presence_penalty".to_owned());
        assert_eq!(judged(&[Anthropic], penalty.as_ref()), refused, "{path}");
        assert_eq!(judged(&[OpenAi], penalty.as_ref()), Ok(()), "{path}");
        assert_eq!(judged(&[OpenAi, Anthropic], penalty.as_ref()), Ok(()), "{path}");
    }
}

#[test]
fn a_request_is_written_as_the_chat_completion_that_says_the_same() {
    let body = json!({
        "model": "claude-x", "max_tokens": 100, "stream": true, "temperature": 0.5, "top_k": 5,
        "stop_sequences": ["END"], "metadata": {"user_id": "mei"},
        "system": [{"type": "text", "text": "Be \"kind\".", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "What is on it?"},
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "text", "text": "look"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "t1", "name": "zoom", "input": {"by": "2\n"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "a cat"},
                {"type": "text", "text": "and?"}]},
        ],
        "tools": [{"name": "zoom", "description": "zooms", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "thinking": {"type": "enabled", "budget_tokens": 5000},
    });
    let expected = json!({
        "model": "claude-x", "max_tokens": 100, "stream": true, "temperature": 0.5, "top_k": 5,
        "stop": ["END"], "user": "mei", "reasoning_effort": "medium",
        "messages": [
            {"role": "system", "content": "Be \"kind\"."},
            {"role": "user", "content": "What is on it?"},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "text", "text": "look"}]},
            {"role": "assistant", "content": "I look.", "reasoning_content": "hm", "tool_calls": [
                {"id": "t1", "type": "function",
                    "function": {"name": "zoom", "arguments": "{\"by\":\"2\\n\"}"}}]},
            {"role": "tool", "tool_call_id": "t1", "content": "a cat"},
            {"role": "user", "content": "and?"},
        ],
        "tools": [{"type": "function", "function":
            {"name": "zoom", "description": "zooms", "parameters": {"type": "object"}}}],
        "tool_choice": "required", "parallel_tool_calls": false,
    });
    assert_eq!(chat(&body), expected);
}

#[test]
fn what_chat_completions_cannot_say_is_named() {
    let with = |name: &str, value: Value| {
        let mut body =
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]});
        body[name] = value;
        body
    };
    for (name, value, path) in [
        ("tools", json!([{"type": "web_search_20250305", "name": "web_search"}]), "tools[0].type"),
        ("mcp_servers", json!([{"url": "https://x"}]), "mcp_servers"),
        ("container", json!("c"), "container"),
        (
            "messages",
            json!([{"role": "user", "content": [
                {"type": "document", "source": {"type": "file", "file_id": "f"}}]}]),
            "messages[0].content[0].source.type",
        ),
    ] {
        let limits = ReadLimits { media_hosts: vec!["x".into()], ..ReadLimits::default() };
        let body = with(name, value).to_string();
        let request = wire::read(surface(), body.into(), &limits).unwrap();
        assert_eq!(request.unsayable().unwrap().path, path);
    }
    let hint = read(&with("service_tier", json!("auto"))).unwrap();
    assert_eq!(hint.unsayable(), None);
}

#[test]
fn faults_are_told_by_the_callers_own_names() {
    for (body, path) in [
        (json!({"max_tokens": 1, "messages": []}), "model"),
        (json!({"model": "m", "messages": [{"role": "user", "content": "a"}]}), "max_tokens"),
        (json!({"model": "m", "max_tokens": 1, "messages": []}), "messages"),
        (
            json!({"model": "m", "max_tokens": 1, "system": "s", "messages": [
                {"role": "user", "content": [{"type": "image", "source":
                    {"type": "url", "url": "http://elsewhere/x.png"}}]}]}),
            "messages[0].content[0].source",
        ),
        (
            json!({"model": "m", "max_tokens": 1, "messages": [{"role": "robot", "content": "a"}]}),
            "messages[0].role",
        ),
    ] {
        let failure = read(&body).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some(path), "{body}: {}", failure.public);
    }
}

/// The events that come of a chat stream's chunks, which come in pieces of this size.
fn streamed(chunks: &[Value], size: usize) -> (Vec<Value>, Vec<Event>) {
    streamed_to(&asked(&json!({ "type": "adaptive" })), chunks, size)
}

/// A request that says this of thinking.
fn asked(thinking: &Value) -> Request {
    let mut body = json!({"model": "m", "max_tokens": 9, "stream": true,
        "messages": [{"role": "user", "content": "a"}]});
    if !thinking.is_null() {
        body["thinking"] = thinking.clone();
    }
    read(&body).unwrap()
}

/// The same for this request.
fn streamed_to(request: &Request, chunks: &[Value], size: usize) -> (Vec<Value>, Vec<Event>) {
    let label = AnswerLabel(Uuid::nil());
    let limits = StreamLimits { event_bytes_max: 1 << 20 };
    let stream = Stream::new(limits, true);
    let mut stream = stream.answering(request, Surface::first(), label);
    let mut bytes = Vec::new();
    for chunk in chunks {
        bytes.extend_from_slice(format!("data: {chunk}\n\n").as_bytes());
    }
    bytes.extend_from_slice(b"data: [DONE]\n\n");
    let mut events = SmallVec::new();
    for piece in bytes.chunks(size) {
        stream.push(Bytes::copy_from_slice(piece), &mut events).unwrap();
    }
    stream.finish(&mut events).unwrap();
    let said: Vec<u8> = events.iter().flat_map(|it| it.bytes.to_vec()).collect();
    let said = [said, stream.closing().to_vec()].concat();
    let said = String::from_utf8(said).unwrap();
    let data = said.split("\n\n").filter(|it| it.starts_with("event")).map(|event| {
        let mut data = Vec::new();
        fields(event.as_bytes(), &mut data);
        let value: Value = serde_json::from_slice(&data).unwrap();
        let name = event.lines().next().unwrap().strip_prefix("event: ").unwrap();
        assert_eq!(value["type"], name);
        value
    });
    (data.collect(), events.into_vec())
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({"id": "c", "model": "qwen", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

#[test]
fn a_stream_is_told_in_blocks_whatever_its_split() {
    let call = |it: Value| json!({ "tool_calls": [it] });
    let chunks = [
        chunk(&json!({"role": "assistant", "content": ""}), None),
        chunk(&json!({"reasoning_content": "so "}), None),
        chunk(&json!({"reasoning_content": "what"}), None),
        chunk(&json!({"content": "He\"y"}), None),
        chunk(
            &call(json!({"index": 0, "id": "c1", "function": {"name": "f", "arguments": ""}})),
            None,
        ),
        chunk(&call(json!({"index": 0, "function": {"arguments": "{\"a\":"}})), None),
        chunk(&call(json!({"index": 0, "function": {"arguments": "1}"}})), None),
        chunk(
            &call(json!({"index": 1, "id": "c2", "function": {"name": "g", "arguments": "{}"}})),
            None,
        ),
        chunk(&json!({}), Some("tool_calls")),
        json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 3}}}),
    ];
    let (events, _) = streamed(&chunks, 1 << 20);
    let kinds: Vec<&str> = events.iter().filter_map(|it| it["type"].as_str()).collect();
    let expected = "message_start content_block_start content_block_delta content_block_delta \
         content_block_delta content_block_stop content_block_start content_block_delta \
         content_block_stop content_block_start content_block_delta content_block_delta \
         content_block_stop content_block_start content_block_delta content_block_stop \
         message_delta message_stop";
    assert_eq!(kinds.join(" "), expected);
    assert_eq!(events[0]["message"]["model"], "qwen");
    assert_eq!(events[1]["content_block"]["type"], "thinking");
    assert_eq!(
        events[9]["content_block"],
        json!({"type": "tool_use", "id": "c1", "name": "f", "input": {}})
    );
    assert_eq!(events[10]["delta"]["partial_json"], "{\"a\":");
    let last = &events[events.len() - 2];
    assert_eq!(last["delta"]["stop_reason"], "tool_use");
    assert_eq!(
        last["usage"],
        json!({"input_tokens": 4, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 3, "output_tokens": 5})
    );
    for size in [1, 2, 3, 7, 50] {
        assert_eq!(streamed(&chunks, size).0, events, "{size}");
    }
}

#[test]
fn thinking_is_shown_to_those_alone_who_ask_for_it() {
    for (thinking, shown) in [
        (json!(null), false),
        (json!({"type": "disabled"}), false),
        (json!({"type": "adaptive"}), true),
        (json!({"type": "enabled", "budget_tokens": 1024}), true),
    ] {
        let request = asked(&thinking);
        let message = json!({"content": "hi", "reasoning_content": "why"});
        let (events, _) =
            streamed_to(&request, &[chunk(&message, None), chunk(&json!({}), Some("stop"))], 9);
        let blocks = events.iter().map(|it| &it["content_block"]["type"]);
        let blocks: Vec<&str> = blocks.filter_map(Value::as_str).collect();
        let expected: &[&str] = if shown { &["thinking", "text"] } else { &["text"] };
        assert_eq!(blocks, expected, "{thinking}");
        let answer = json!({"model": "qwen",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}]});
        let body = Bytes::from(answer.to_string());
        let plain = Surface::first().plain(&body).unwrap();
        let label = AnswerLabel(Uuid::nil());
        let whole =
            wire::as_asked(&request, Surface::first(), (&label, None), (body, &plain)).unwrap();
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        let blocks = whole["content"].as_array().unwrap().iter().map(|it| &it["type"]);
        assert_eq!(blocks.filter_map(Value::as_str).collect::<Vec<_>>(), expected, "{thinking}");
    }
}

#[test]
fn calls_that_mix_are_an_error_and_no_lie() {
    let call = |it: Value| chunk(&json!({ "tool_calls": [it] }), None);
    let (_, events) = streamed(
        &[
            call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}})),
            call(json!({"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}})),
            call(json!({"index": 0, "function": {"arguments": "}"}})),
        ],
        1 << 20,
    );
    assert!(events.iter().any(|it| matches!(it.what, wire::What::Error(_))));
}

#[test]
fn a_whole_answer_is_written_in_blocks() {
    let request = asked(&json!({ "type": "adaptive" }));
    let said = |answer: Value| {
        let body = Bytes::from(answer.to_string());
        let plain = Surface::first().plain(&body).unwrap();
        let label = AnswerLabel(Uuid::nil());
        wire::as_asked(&request, Surface::first(), (&label, None), (body, &plain))
    };
    let answer = json!({"model": "qwen", "choices": [{"index": 0, "finish_reason": "stop", "message": {
        "content": "hi", "reasoning_content": "why", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\": [1]}"}}]}}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5}});
    let whole: Value = serde_json::from_slice(&said(answer.clone()).unwrap()).unwrap();
    assert_eq!(
        whole,
        json!({
        "id": "msg_00000000000000000000000000000000", "type": "message", "role": "assistant",
        "model": "qwen",
        "content": [
            {"type": "thinking", "thinking": "why", "signature": "c2lnbmFsYm94"},
            {"type": "text", "text": "hi"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {"a": [1]}}],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 7, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": 5}})
    );
    let mut wrong = answer;
    wrong["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = json!("{\"a\"");
    assert!(said(wrong).unwrap_err().contains("no JSON object"));
}

#[test]
fn an_engine_of_messages_gets_the_callers_bytes_and_gives_its_own() {
    let body = r#"{ "model" : "auto", "max_tokens":  9, "new": {"x":1}, "stream":true,
        "messages":[{"role":"user","content":"a"}]}"#;
    let request = wire::read(surface(), body.into(), &ReadLimits::default()).unwrap();
    let edit = wire::Edit {
        model: "glm",
        ask_usage: true,
        output_tokens_max: policies::facts::Tokens(5),
        planned: policies::facts::Tokens(5),
        told_as: Default::default(),
        arm: None,
        native: true,
        spoken: surface(),
    };
    let sent = request.to_upstream(&edit).concat();
    assert_eq!(sent, body.replace("auto", "glm").replace("  9", "  5"));
    let stream = Stream::new(StreamLimits { event_bytes_max: 1 << 20 }, true);
    let mut stream = stream.answering(&request, surface(), AnswerLabel(Uuid::nil()));
    let said: String = [
        r#"{"type":"message_start","message":{"usage":{"input_tokens":7,"output_tokens":1}}}"#,
        r#"{"type":"content_block_delta","delta":{"text":"hi"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}"#,
        r#"{"type":"message_stop"}"#,
    ]
    .into_iter()
    .map(|data| {
        let name = data.split('"').nth(3).unwrap();
        format!("event: {name}\ndata: {data}\n\n")
    })
    .collect();
    let mut events = SmallVec::new();
    stream.push(said.clone().into(), &mut events).unwrap();
    let (last, before) = events.split_last().unwrap();
    assert_eq!(last.what, wire::What::Done);
    let passed: Vec<u8> = before.iter().flat_map(|it| it.bytes.to_vec()).collect();
    assert_eq!([passed, stream.closing().to_vec()].concat(), said.as_bytes());
    assert_eq!(stream.reported(), Some(Counts { input: 7, output: 3, ..Counts::default() }));
    assert!(stream.finish(&mut events).unwrap().real());
}

/// What passes by the shield before chat completions sends no engine elsewhere either.
#[test]
fn an_address_in_what_only_messages_can_say_is_refused_unless_its_host_is_listed() {
    let block = |source: Value| {
        let document = json!({"type": "document", "source": source});
        json!([{"role": "user", "content": [document]}])
    };
    let url = |it: &str| json!({"type": "url", "url": it});
    let body = |name: &str, value: Value| {
        let mut body =
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]});
        body[name] = value;
        body
    };
    let result = json!([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t",
        "content": [{"type": "document", "source": url("http://10.0.0.1/x")}]}]}]);
    for (name, value, path) in [
        (
            "messages",
            block(url("https://elsewhere.example/a.pdf")),
            "messages[0].content[0].source.url",
        ),
        ("messages", result, "messages[0].content[0].content[0].source.url"),
        (
            "mcp_servers",
            json!([{"type": "url", "url": "http://127.0.0.1:1/"}]),
            "mcp_servers[0].url",
        ),
        (
            "tools",
            json!([{"type": "x_2026", "name": "x", "server_url": "https://media.example.com.evil/"}]),
            "tools[0].server_url",
        ),
    ] {
        let failure = read(&body(name, value)).unwrap_err();
        assert_eq!((failure.code, failure.param.as_deref()), ("unsupported_parameter", Some(path)));
    }
    let called = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [
            {"type": "server_tool_use", "id": "s", "name": "fetch", "input": {"url": "https://a.example"}},
            {"type": "web_fetch_tool_result", "tool_use_id": "s", "content": {"url": "https://a.example"}}]},
    ]);
    assert!(read(&body("messages", called)).unwrap().unsayable().is_some());
    let limits =
        ReadLimits { media_hosts: vec!["media.example.com".into()], ..ReadLimits::default() };
    let listed = body("messages", block(url("https://media.example.com/a.pdf")));
    let read = wire::read(surface(), listed.to_string().into(), &limits);
    assert!(read.unwrap().unsayable().is_some());
}

#[test]
fn an_answer_without_an_end_is_not_kept_without_one() {
    let call = |index: u32| {
        let call = json!({"index": index, "id": "a", "function": {"name": "f", "arguments": "{}"}});
        chunk(&json!({ "tool_calls": [call] }), None)
    };
    let failed = |events: &[Event]| events.iter().any(|it| matches!(it.what, wire::What::Error(_)));
    let most: Vec<Value> = (0..1_024).map(call).collect();
    assert!(!failed(&streamed(&most, 1 << 20).1));
    assert!(failed(&streamed(&[call(1_024)], 1 << 20).1));
    let long = chunk(&json!({ "content": "a".repeat(1_000_000) }), None);
    let chunks = vec![long; 68];
    assert!(failed(&streamed(&chunks, 1 << 26).1));
    assert!(!failed(&streamed(&chunks[..60], 1 << 26).1));
}

/// What an engine reads beside its dialect is looked at as it is in chat completions, or is refused.
#[test]
fn no_field_of_chat_completions_passes_unseen_to_an_engine_of_messages() {
    let deep = json!({"a": "x".repeat(70_000)});
    for (name, value) in [
        ("chat_template_kwargs", json!({"anything": true})),
        ("response_format", json!({"type": "json_schema", "json_schema": {"schema": deep}})),
        ("n", json!(200)),
        ("max_completion_tokens", json!(9)),
        ("functions", json!([])),
        ("logprobs", json!(1)),
        ("chat_template", json!("{{ x }}")),
        ("guided_json", deep.clone()),
        ("logit_bias", json!({"a": 1})),
        ("seed", json!("x")),
        ("echo", json!(3)),
    ] {
        let mut body =
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]});
        body[name] = value;
        let failure = read(&body).unwrap_err();
        let param = failure.param.unwrap();
        assert!(param.starts_with(name), "{name}: {param}");
    }
}
