use bytes::Bytes;
use policies::Counts;
use proptest::prelude::*;
use serde_json::{Value, json};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::wire::{
    self, AnswerLabel, Event, ReadLimits, Request, Stream, StreamLimits, Surface, Transcript,
    frame::fields,
};

fn surface() -> &'static Surface {
    Surface::at("/v1/responses").unwrap()
}

fn read(body: &Value) -> Result<Request, crate::failure::Failure> {
    wire::read(surface(), body.to_string().into(), &ReadLimits::default())
}

/// The chat completion that a request is written as.
fn chat(body: &Value) -> Value {
    serde_json::from_slice(read(body).unwrap().body()).unwrap()
}

/// A small body with this field as well.
fn with(name: &str, value: Value) -> Value {
    let mut body = json!({"model": "m", "input": "a"});
    body[name] = value;
    body
}

#[test]
fn a_text_is_the_smallest_request() {
    let expected = json!({"model": "m", "messages": [{"role": "user", "content": "a"}]});
    assert_eq!(chat(&json!({"model": "m", "input": "a"})), expected);
    let items = json!({"model": "m", "input": [{"role": "user", "content": "a"}]});
    assert_eq!(chat(&items), expected);
}

/// An input of all that can be said.
fn input() -> Value {
    json!([
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "rules"}]},
            {"role": "user", "content": [
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "input_text", "text": "look"}]},
            {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "short"}],
                "content": [{"type": "reasoning_text", "text": "hm"}], "encrypted_content": "x"},
            {"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": "I look.\n", "annotations": []}]},
            {"type": "function_call", "id": "fc", "call_id": "c1", "name": "zoom",
                "arguments": "{\"by\":\"2\\n\"}", "status": "completed"},
            {"type": "function_call", "call_id": "c2", "name": "zoom", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "a cat"},
            {"type": "function_call_output", "call_id": "c2", "output": [
                {"type": "input_text", "text": "one"}, {"type": "input_text", "text": "two"}]},
            {"type": "reasoning", "summary": [], "encrypted_content": "sealed"},
            {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "short"}]},
            {"role": "user", "content": "and?"}])
}

/// The same as the messages of a chat completion.
fn messages() -> Value {
    let called = |id: &str, arguments: &str| {
        json!({"id": id, "type": "function",
        "function": {"name": "zoom", "arguments": arguments}})
    };
    json!([
            {"role": "system", "content": "Be \"kind\"."},
            {"role": "system", "content": "rules"},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "file", "file": {"filename": "a.pdf",
                    "file_data": "data:application/pdf;base64,AAAA"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "text", "text": "look"}]},
            {"role": "assistant", "content": "I look.\n", "reasoning_content": "hm",
                "tool_calls": [called("c1", "{\"by\":\"2\\n\"}"), called("c2", "{}")]},
            {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
            {"role": "tool", "tool_call_id": "c2", "content": [
                {"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
            {"role": "assistant", "content": null, "refusal": "no", "reasoning_content": "short"},
            {"role": "user", "content": "and?"}])
}

/// What an agent at a command line sends, and all else that can be said.
#[test]
fn a_request_is_written_as_the_chat_completion_that_says_the_same() {
    let body = json!({
        "model": "gpt-x", "max_output_tokens": 100, "stream": true, "temperature": 0.5, "top_p": 0.9,
        "instructions": "Be \"kind\".", "store": false, "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "k", "reasoning": {"effort": "low", "summary": "auto"},
        "parallel_tool_calls": false, "tool_choice": "auto", "truncation": "auto", "user": "mei",
        "safety_identifier": "s", "metadata": {"a": "b"}, "service_tier": "auto",
        "stream_options": {"include_obfuscation": false}, "previous_response_id": null,
        "background": false, "top_logprobs": 0, "client_metadata": {"x": "y"},
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "strict": true,
            "schema": {"type": "object"}, "description": "d"}},
        "input": input(),
        "tools": [{"type": "function", "name": "zoom", "description": "zooms", "strict": false,
            "parameters": {"type": "object"}}],
    });
    let expected = json!({
        "model": "gpt-x", "max_tokens": 100, "stream": true, "temperature": 0.5, "top_p": 0.9,
        "prompt_cache_key": "k", "reasoning_effort": "low", "parallel_tool_calls": false,
        "tool_choice": "auto", "user": "mei", "safety_identifier": "s", "metadata": {"a": "b"},
        "service_tier": "auto", "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true,
            "schema": {"type": "object"}, "description": "d"}},
        "messages": messages(),
        "tools": [{"type": "function", "function": {"name": "zoom", "description": "zooms",
            "strict": false, "parameters": {"type": "object"}}}],
    });
    assert_eq!(chat(&body), expected);
    assert_eq!(read(&body).unwrap().unsayable(), None);
}

#[test]
fn a_turn_that_was_cut_while_the_model_reasoned_has_a_content() {
    let reasoned = json!({"type": "reasoning", "summary": [],
        "content": [{"type": "reasoning_text", "text": "hm"}]});
    let body = with("input", json!([reasoned, {"role": "user", "content": "go on"}]));
    let expected = json!([
        {"role": "assistant", "content": "", "reasoning_content": "hm"},
        {"role": "user", "content": "go on"}]);
    assert_eq!(chat(&body)["messages"], expected);
}

#[test]
fn choices_and_forms_are_written_as_chat_completions_have_them() {
    let tools = json!([{"type": "function", "name": "f", "parameters": null}]);
    for (name, value, at, expected) in [
        ("tool_choice", json!("none"), "tool_choice", json!("none")),
        ("tool_choice", json!("required"), "tool_choice", json!("required")),
        (
            "tool_choice",
            json!({"type": "function", "name": "f"}),
            "tool_choice",
            json!({"type": "function", "function": {"name": "f"}}),
        ),
        ("text", json!({"format": {"type": "text"}}), "response_format", Value::Null),
        (
            "text",
            json!({"format": {"type": "json_object"}}),
            "response_format",
            json!({"type": "json_object"}),
        ),
        ("reasoning", json!({"effort": null}), "reasoning_effort", Value::Null),
        ("max_output_tokens", Value::Null, "max_tokens", Value::Null),
    ] {
        let mut body = with(name, value);
        body["tools"] = tools.clone();
        assert_eq!(chat(&body)[at], expected, "{body}");
    }
}

#[test]
fn what_chat_completions_cannot_say_is_named() {
    let tool = |kind: &str| ("tools", json!([{"type": kind, "name": "x"}]), "tools[0].type");
    let item = |kind: &str| ("input", json!([{"type": kind}]), "input[0].type");
    let part = |it: Value| json!([{"role": "user", "content": [it]}]);
    let tools = ["custom", "web_search", "file_search", "mcp", "computer_use_preview"];
    let more = ["code_interpreter", "image_generation", "local_shell", "namespace", "anything"];
    let items = ["item_reference", "custom_tool_call", "custom_tool_call_output"];
    let others = ["local_shell_call", "web_search_call", "computer_call", "mcp_call", "anything"];
    let mut table: Vec<_> = tools.into_iter().chain(more).map(tool).collect();
    table.extend(items.into_iter().chain(others).map(item));
    table.extend([
        ("max_tool_calls", json!(3), "max_tool_calls"),
        ("top_logprobs", json!(3), "top_logprobs"),
        ("include", json!(["reasoning.encrypted_content", "a.b"]), "include[1]"),
        ("tool_choice", json!({"type": "allowed_tools"}), "tool_choice.type"),
        ("tool_choice", json!({"type": "web_search"}), "tool_choice.type"),
        ("anything", json!(1), "anything"),
        ("reasoning", json!({"mode": "x"}), "reasoning.mode"),
        ("text", json!({"new": 1}), "text.new"),
        ("stream_options", json!({"new": 1}), "stream_options.new"),
        ("instructions", json!([{"role": "user", "content": "a"}]), "instructions"),
        (
            "tools",
            json!([{"type": "function", "name": "f", "defer_loading": true}]),
            "tools[0].defer_loading",
        ),
        (
            "input",
            part(json!({"type": "input_image", "file_id": "f"})),
            "input[0].content[0].file_id",
        ),
        (
            "input",
            part(json!({"type": "input_file", "file_id": "f"})),
            "input[0].content[0].file_id",
        ),
        (
            "input",
            part(json!({"type": "input_file", "file_url": "https://x"})),
            "input[0].content[0].file_url",
        ),
        ("input", part(json!({"type": "anything"})), "input[0].content[0].type"),
        (
            "input",
            json!([{"role": "assistant", "content": [
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]}]),
            "input[0].content[0].type",
        ),
    ]);
    for (name, value, path) in table {
        // Beside it stands what can be said: a request needs a message.
        let mut body = with(name, value);
        if let Some(items) = body["input"].as_array_mut() {
            items.push(json!({"role": "user", "content": "a"}));
        }
        let request = wire::read(surface(), body.to_string().into(), &listing("x")).unwrap();
        assert_eq!(request.unsayable().map(|it| &*it.path), Some(path), "{body}");
    }
}

fn listing(host: &str) -> ReadLimits {
    ReadLimits { media_hosts: vec![host.into()], ..ReadLimits::default() }
}

/// What passes by the shield before chat completions sends no engine elsewhere either.
#[test]
fn an_address_in_what_only_responses_can_say_is_refused_unless_its_host_is_listed() {
    let file = json!({"type": "input_file", "file_url": "https://x/a"});
    let file = json!([{"role": "user", "content": [file]}]);
    let server = json!([{"type": "mcp", "server_label": "l", "server_url": "https://x/mcp"}]);
    for (name, value, path) in
        [("input", file, "input[0].content[0].file_url"), ("tools", server, "tools[0].server_url")]
    {
        let body = with(name, value);
        let failure = read(&body).unwrap_err();
        assert_eq!((failure.code, failure.param.as_deref()), ("unsupported_parameter", Some(path)));
        let of = |host| wire::read(surface(), body.to_string().into(), &listing(host));
        assert!(of("x").unwrap().unsayable().is_some());
        assert!(of("y").is_err());
    }
}

#[test]
fn what_would_have_to_be_kept_is_refused_whoever_is_asked() {
    for (name, value) in [
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!("conv_1")),
        ("conversation", json!({"id": "conv_1"})),
        ("prompt", json!({"id": "pmpt_1"})),
        ("background", json!(true)),
    ] {
        let failure = read(&with(name, value)).unwrap_err();
        assert_eq!((failure.code, failure.param.as_deref()), ("unsupported_parameter", Some(name)));
        assert!(failure.public.contains("kept"), "{}", failure.public);
    }
}

/// That a body is refused, and by which path.
fn refused(body: &Value, path: &str) {
    let failure = read(body).unwrap_err();
    let named = failure.param.as_deref().unwrap_or_default();
    assert!(named.starts_with(path), "{body}: {named} {}", failure.public);
    assert!(failure.public.contains(named), "{body}: {}", failure.public);
}

#[test]
fn faults_of_the_input_are_told_by_the_callers_own_names() {
    let part = |it: Value| {
        json!([{"role": "assistant", "content": "x"},
        {"role": "user", "content": "x"}, {"role": "user", "content": [it]}])
    };
    for (body, path) in [
        (json!({"input": "a"}), "model"),
        (json!({"model": "m"}), "input"),
        (json!({"model": "m", "input": []}), "input"),
        (with("input", json!(7)), "input"),
        (with("input", json!([7])), "input[0]"),
        (with("input", json!([{"role": "robot", "content": "a"}])), "input[0].role"),
        (with("input", json!([{"content": "a"}])), "input[0].role"),
        (with("input", json!([{"role": "user"}])), "input[0].content"),
        (with("input", part(json!(7))), "input[2].content[0]"),
        (with("input", part(json!({"type": "input_text"}))), "input[2].content[0].text"),
        (with("input", part(json!({"type": "input_image"}))), "input[2].content[0].image_url"),
        (with("input", part(json!({"type": "input_file"}))), "input[2].content[0].file_data"),
        (
            with(
                "input",
                part(json!({"type": "input_image", "image_url": "http://elsewhere/x.png"})),
            ),
            "input[2].content[0].image_url",
        ),
        (
            with("input", part(json!({"type": "input_audio", "input_audio": {"format": "wav"}}))),
            "input[2].content[0].input_audio.data",
        ),
        (with("input", json!([{"type": "function_call", "name": "f"}])), "input[0].call_id"),
        (
            with(
                "input",
                json!([{"type": "function_call", "call_id": "c", "name": "f",
                "arguments": {}}]),
            ),
            "input[0].arguments",
        ),
        (
            with(
                "input",
                json!([{"type": "function_call", "call_id": "c", "name": "",
                "arguments": "{}"}]),
            ),
            "input[0].name",
        ),
        (
            with("input", json!([{"type": "function_call_output", "call_id": "c"}])),
            "input[0].output",
        ),
    ] {
        refused(&body, path);
    }
}

#[test]
fn faults_of_the_settings_are_told_by_the_callers_own_names() {
    let schema = json!({"type": "json_schema", "name": "n", "schema": {"pattern": 3}});
    for (body, path) in [
        (with("max_output_tokens", json!("9")), "max_output_tokens"),
        (with("max_output_tokens", json!(0)), "max_output_tokens"),
        (with("max_output_tokens", json!(-3)), "max_output_tokens"),
        (with("temperature", json!("hot")), "temperature"),
        (with("stream", json!("yes")), "stream"),
        (with("tools", json!({})), "tools"),
        (with("tools", json!([{"name": "f"}])), "tools[0].type"),
        (with("tools", json!([{"type": "function"}])), "tools[0].name"),
        (with("tools", json!([{"type": "function", "name": ""}])), "tools[0].name"),
        (
            with("tools", json!([{"type": "function", "name": "f", "parameters": 7}])),
            "tools[0].parameters",
        ),
        (with("tool_choice", json!("perhaps")), "tool_choice"),
        (with("tool_choice", json!({"type": "function"})), "tool_choice.name"),
        (with("text", json!({"format": {"type": "yaml"}})), "text.format.type"),
        (with("text", json!({"format": {"type": "json_schema"}})), "text.format.schema"),
        (with("text", json!({"format": schema})), "text.format.schema"),
        (with("text", json!({"verbosity": 3})), "text.verbosity"),
        (with("reasoning", json!("low")), "reasoning"),
        (with("reasoning", json!({"effort": 3})), "reasoning.effort"),
        (with("truncation", json!("both")), "truncation"),
        (with("include", json!("all")), "include"),
    ] {
        refused(&body, path);
    }
}

const NAMES: [&str; 20] = [
    "type",
    "role",
    "content",
    "text",
    "refusal",
    "image_url",
    "detail",
    "file_data",
    "filename",
    "call_id",
    "name",
    "arguments",
    "output",
    "summary",
    "parameters",
    "format",
    "schema",
    "effort",
    "input_audio",
    "data",
];
const WORDS: [&str; 18] = [
    "message",
    "user",
    "assistant",
    "system",
    "input_text",
    "output_text",
    "refusal",
    "input_image",
    "input_file",
    "input_audio",
    "function",
    "function_call",
    "function_call_output",
    "reasoning",
    "json_schema",
    "data:image/png;base64,AAAA",
    "a\"\\\n好",
    "",
];
const FIELDS: [&str; 9] = [
    "input",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "instructions",
    "include",
    "user",
    "metadata",
];

/// Any JSON of names and words that mean something somewhere.
fn anything() -> impl Strategy<Value = Value> {
    let word = || prop::sample::select(WORDS.as_slice()).prop_map(Value::from);
    let leaf = prop_oneof![
        6 => word(),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i8>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 4, move |inner| {
        let name = prop::sample::select(NAMES.as_slice()).prop_map(str::to_owned);
        let members = prop::collection::btree_map(name, inner.clone(), 0..4);
        let object = (word(), members).prop_map(|(kind, members)| {
            let mut object = json!({ "type": kind, "role": "user" });
            object.as_object_mut().unwrap().extend(members);
            object
        });
        prop_oneof![3 => object, 2 => prop::collection::vec(inner, 0..4).prop_map(Value::from)]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_is_wrong_is_told_by_a_name_of_the_callers(
        fields in prop::collection::btree_map(prop::sample::select(FIELDS.as_slice()), anything(), 1..3),
    ) {
        let mut body = json!({"model": "m", "input": "a"});
        for (name, value) in fields {
            body[name] = value;
        }
        match read(&body) {
            Ok(request) => {
                let chat: Value = serde_json::from_slice(request.body()).unwrap();
                prop_assert!(chat["messages"].is_array());
            }
            Err(failure) => {
                prop_assert_ne!(failure.code, "invalid_json", "{}", body);
                let path = failure.param.unwrap_or_default();
                let first = path.split(['.', '[']).next().unwrap();
                prop_assert!(FIELDS.contains(&first), "{}: {}", path, body);
            }
        }
    }

    #[test]
    fn any_text_is_carried_as_it_is(text in "\\PC{0,8}[\"\\\\\n\u{1f}]{0,3}\\PC{0,8}") {
        let body = json!({"model": "m", "instructions": text, "user": text, "input": [
            {"role": "user", "content": [{"type": "input_text", "text": text}]},
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": text}]},
            {"type": "function_call", "call_id": text, "name": "f", "arguments": text},
            {"type": "function_call_output", "call_id": text, "output": text}],
            "tools": [{"type": "function", "name": "f", "description": text}]});
        let chat = chat(&body);
        let messages = &chat["messages"];
        let call = &messages[2]["tool_calls"][0];
        for carried in [
            &messages[0]["content"],
            &messages[3]["content"],
            &messages[3]["tool_call_id"],
            &call["id"],
            &call["function"]["arguments"],
            &chat["tools"][0]["function"]["description"],
            &chat["user"],
        ] {
            prop_assert_eq!(carried, &Value::from(text.as_str()));
        }
        let reasoning = messages[2].get("reasoning_content").and_then(Value::as_str);
        prop_assert_eq!(reasoning.unwrap_or_default(), &text);
    }
}

const LIMITS: StreamLimits = StreamLimits { event_bytes_max: 1 << 20 };

/// The events in a text.
fn events_of(said: &[u8]) -> Vec<Value> {
    let said = std::str::from_utf8(said).unwrap();
    let events = said.split("\n\n").filter(|it| it.starts_with("event")).map(|event| {
        let mut data = Vec::new();
        fields(event.as_bytes(), &mut data);
        let value: Value = serde_json::from_slice(&data).unwrap();
        let name = event.lines().next().unwrap().strip_prefix("event: ").unwrap();
        assert_eq!(value["type"], name);
        value
    });
    events.collect()
}

/// The stream that comes of a chat stream's chunks, which come in pieces of these sizes by turns.
fn streamed(chunks: &[Value], sizes: &[usize]) -> (Vec<u8>, Vec<Event>) {
    let mut body = with("tools", json!([{"type": "function", "name": "f"}]));
    body["stream"] = true.into();
    body["instructions"] = "Be \"kind\"".into();
    let request = read(&body).unwrap();
    let label = AnswerLabel(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000));
    let stream = Stream::new(LIMITS, true);
    let mut stream = stream.answering(&request, Surface::first(), label);
    let mut bytes = Vec::new();
    for chunk in chunks {
        bytes.extend_from_slice(format!("data: {chunk}\n\n").as_bytes());
    }
    bytes.extend_from_slice(b"data: [DONE]\n\n");
    let (mut events, mut rest, mut sizes) = (SmallVec::new(), &*bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        stream.push(Bytes::copy_from_slice(piece), &mut events).unwrap();
        rest = after;
    }
    stream.finish(&mut events).unwrap();
    let said: Vec<u8> = events.iter().flat_map(|it| it.bytes.to_vec()).collect();
    ([said, stream.closing().to_vec()].concat(), events.into_vec())
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({"id": "c", "model": "qwen", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn call(it: &Value) -> Value {
    chunk(&json!({ "tool_calls": [it] }), None)
}

/// A talk with all that there is, and two calls that mix.
fn all() -> Vec<Value> {
    vec![
        chunk(&json!({"role": "assistant", "content": ""}), None),
        chunk(&json!({"reasoning_content": "so "}), None),
        chunk(&json!({"reasoning_content": "what"}), None),
        chunk(&json!({"content": "He\"y"}), None),
        chunk(&json!({"content": " 好\n"}), None),
        chunk(&json!({"refusal": "no"}), None),
        call(&json!({"index": 0, "id": "c1", "function": {"name": "f", "arguments": ""}})),
        call(&json!({"index": 0, "function": {"arguments": "{\"a\":"}})),
        call(&json!({"index": 1, "id": "c2", "function": {"name": "g", "arguments": "{"}})),
        call(&json!({"index": 0, "function": {"arguments": "1}"}})),
        call(&json!({"index": 1, "function": {"arguments": "}"}})),
        call(&json!({"index": 2, "function": {"name": "h"}})),
        chunk(&json!({}), Some("tool_calls")),
        json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 2}}}),
    ]
}

/// What all of it is as the output of a response whose id is this.
fn output(id: &str) -> Value {
    let called = |place: usize, call: &str, name: &str, arguments: &str| {
        json!({"id": format!("fc_{id}_{place}"), "type": "function_call", "call_id": call,
            "name": name, "arguments": arguments, "status": "completed"})
    };
    json!([
        {"id": format!("rs_{id}_0"), "type": "reasoning", "summary": [],
            "content": [{"type": "reasoning_text", "text": "so what"}]},
        {"id": format!("msg_{id}_1"), "type": "message", "role": "assistant", "status": "completed",
            "content": [
                {"type": "output_text", "text": "He\"y 好\n", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": "no"}]},
        called(2, "c1", "f", "{\"a\":1}"),
        called(3, "c2", "g", "{}"),
        called(4, &format!("call_{id}_4"), "h", "{}"),
    ])
}

const ID: &str = "01900000000070008000000000000000";

#[test]
fn a_stream_is_told_item_by_item() {
    let (said, _) = streamed(&all(), &[1 << 20]);
    let events = events_of(&said);
    let kinds: Vec<&str> = events.iter().filter_map(|it| it["type"].as_str()).collect();
    let kinds: Vec<&str> =
        kinds.iter().map(|it| it.strip_prefix("response.").unwrap_or(it)).collect();
    let expected = "created in_progress \
        output_item.added content_part.added reasoning_text.delta reasoning_text.delta \
        reasoning_text.done content_part.done output_item.done \
        output_item.added content_part.added output_text.delta output_text.delta \
        output_text.done content_part.done \
        content_part.added refusal.delta refusal.done content_part.done output_item.done \
        output_item.added function_call_arguments.delta \
        output_item.added function_call_arguments.delta \
        function_call_arguments.delta function_call_arguments.delta \
        output_item.added \
        function_call_arguments.done output_item.done \
        function_call_arguments.done output_item.done \
        function_call_arguments.delta function_call_arguments.done output_item.done \
        completed";
    assert_eq!(kinds, expected.split_whitespace().collect::<Vec<_>>());
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{event}");
    }
    let first = &events[0]["response"];
    assert_eq!((&first["status"], &first["output"]), (&"in_progress".into(), &json!([])));
    assert_eq!(first["created_at"], 0x0190_0000_0000_u64 / 1000);
    assert_eq!((&first["usage"], &first["model"]), (&Value::Null, &"qwen".into()));
    assert_eq!(first["tools"], json!([{"type": "function", "name": "f"}]));
    assert_eq!(first["instructions"], "Be \"kind\"");
    let last = &events[events.len() - 1]["response"];
    assert_eq!(last["output"], output(ID));
    assert_eq!((&last["status"], &last["id"]), (&"completed".into(), &format!("resp_{ID}").into()));
    let usage = json!({"input_tokens": 7, "output_tokens": 5, "total_tokens": 12,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 2}});
    assert_eq!(last["usage"], usage);
}

/// What a client puts together of the pieces, as the events say where each belongs.
fn put_together(events: &[Value]) -> Value {
    let mut items: Vec<Value> = Vec::new();
    for event in events {
        let at = event["output_index"].as_u64().map(|it| usize::try_from(it).unwrap());
        let content = event["content_index"].as_u64().map(|it| usize::try_from(it).unwrap());
        if let Some(id) = event.get("item_id") {
            assert_eq!(*id, items[at.unwrap()]["id"], "{event}");
        }
        let more = event["delta"].as_str();
        let push = |value: &mut Value| {
            *value = format!("{}{}", value.as_str().unwrap(), more.unwrap()).into();
        };
        let kind = event["type"].as_str().unwrap();
        match (kind.strip_prefix("response.").unwrap(), at) {
            ("output_item.added", Some(at)) => {
                assert_eq!(at, items.len());
                items.push(event["item"].clone());
            }
            ("content_part.added", Some(at)) => {
                let parts = items[at]["content"].as_array_mut().unwrap();
                assert_eq!(content, Some(parts.len()));
                parts.push(event["part"].clone());
            }
            ("output_text.delta" | "reasoning_text.delta", Some(at)) => {
                push(&mut items[at]["content"][content.unwrap()]["text"]);
            }
            ("refusal.delta", Some(at)) => {
                push(&mut items[at]["content"][content.unwrap()]["refusal"]);
            }
            ("function_call_arguments.delta", Some(at)) => push(&mut items[at]["arguments"]),
            ("output_text.done" | "reasoning_text.done", Some(at)) => {
                assert_eq!(items[at]["content"][content.unwrap()]["text"], event["text"]);
            }
            ("refusal.done", Some(at)) => {
                assert_eq!(items[at]["content"][content.unwrap()]["refusal"], event["refusal"]);
            }
            ("content_part.done", Some(at)) => {
                assert_eq!(items[at]["content"][content.unwrap()], event["part"]);
            }
            ("function_call_arguments.done", Some(at)) => {
                assert_eq!(items[at]["arguments"], event["arguments"]);
            }
            ("output_item.done", Some(at)) => {
                if items[at].get("status").is_some() {
                    items[at]["status"] = event["item"]["status"].clone();
                }
                assert_eq!(items[at], event["item"]);
            }
            ("created" | "in_progress" | "completed" | "incomplete", None) => {}
            other => panic!("{other:?}"),
        }
    }
    items.into()
}

/// A piece of an answer: which of six things comes next, and how it is written.
fn piece(kind: u8, text: &str) -> Value {
    let index = u32::from(kind) % 3;
    match kind {
        0 | 1 => chunk(&json!({ "content": text }), None),
        2 => chunk(&json!({ "reasoning": text }), None),
        3 => chunk(&json!({ "refusal": text }), None),
        4..=6 => call(&json!({"index": index, "id": format!("c{index}"),
            "function": {"name": "f", "arguments": ""}})),
        _ => call(&json!({"index": index, "function": {"arguments": text}})),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_gives_the_same_events(sizes in prop::collection::vec(1_usize..40, 1..8)) {
        let (whole, _) = streamed(&all(), &[1 << 20]);
        prop_assert_eq!(streamed(&all(), &sizes).0, whole);
    }

    #[test]
    fn the_pieces_of_any_answer_are_what_its_last_event_repeats(
        said in prop::collection::vec((0_u8..10, "[a\"\\\\\n好]{1,3}"), 0..20),
        end in prop::sample::select(vec!["stop", "length", "tool_calls", "content_filter"]),
    ) {
        let mut chunks: Vec<Value> = said.iter().map(|(kind, text)| piece(*kind, text)).collect();
        chunks.push(chunk(&json!({}), Some(end)));
        let (said, _) = streamed(&chunks, &[1 << 20]);
        let events = events_of(&said);
        let last = &events[events.len() - 1]["response"];
        prop_assert_eq!(&put_together(&events), &last["output"]);
        let (status, why) = match end {
            "length" => ("incomplete", json!({"reason": "max_output_tokens"})),
            "content_filter" => ("incomplete", json!({"reason": "content_filter"})),
            _ => ("completed", Value::Null),
        };
        prop_assert_eq!((&last["status"], &last["incomplete_details"]), (&status.into(), &why));
        let kind = format!("response.{status}");
        prop_assert_eq!(&events[events.len() - 1]["type"], &kind);
        let transcript = surface().transcript(true, &said).unwrap();
        let whole = surface().transcript(false, last.to_string().as_bytes()).unwrap();
        prop_assert_eq!(transcript, whole);
    }
}

#[test]
fn a_stream_that_is_cut_says_what_it_said_until_then() {
    let (said, _) = streamed(&all(), &[1 << 20]);
    let text = std::str::from_utf8(&said).unwrap();
    let cut = text.find("event: response.completed").unwrap();
    let whole = surface().transcript(true, &said).unwrap();
    let part = surface().transcript(true, &said[..cut]).unwrap();
    assert_eq!(Transcript { finished: true, ..part }, whole);
    assert!(!surface().transcript(true, &said[..cut]).unwrap().finished);
    assert_eq!((&*whole.text, whole.calls.len(), whole.refusal), ("He\"y 好\n", 3, true));
    assert_eq!(surface().transcript(true, b""), None);
    assert_eq!(surface().transcript(false, b"{}"), None);
}

/// What the caller of a body gets of a chat completion.
fn answered(body: &Value, answer: &Value) -> Value {
    let request = read(body).unwrap();
    let answer = Bytes::from(answer.to_string());
    let plain = Surface::first().plain(&answer).unwrap();
    let label = AnswerLabel(Uuid::nil());
    let whole =
        wire::as_asked(&request, Surface::first(), (&label, None), (answer, &plain)).unwrap();
    serde_json::from_slice(&whole).unwrap()
}

#[test]
fn a_whole_answer_repeats_its_request() {
    let id = Uuid::nil().simple().to_string();
    let message = json!({"content": "He\"y 好\n", "refusal": "no", "reasoning_content": "so what",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
            {"id": "c2", "type": "function", "function": {"name": "g", "arguments": {}}},
            {"type": "function", "function": {"name": "h"}}]});
    let answer = json!({"model": "qwen",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5}});
    let usage = json!({"input_tokens": 7, "output_tokens": 5, "total_tokens": 12,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0}});
    let mut expected = json!({"id": format!("resp_{id}"), "object": "response", "created_at": 0,
        "status": "completed", "error": null, "incomplete_details": null, "background": false,
        "instructions": null, "max_output_tokens": null, "metadata": {}, "model": "qwen",
        "output": output(&id), "parallel_tool_calls": true, "previous_response_id": null,
        "prompt_cache_key": null, "reasoning": {"effort": null, "summary": null},
        "safety_identifier": null, "store": false, "temperature": null,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": null,
        "truncation": "disabled", "usage": usage, "user": null});
    let mut body = json!({"model": "m", "input": "a"});
    assert_eq!(answered(&body, &answer), expected);
    for (name, value) in [
        ("instructions", json!("i")),
        ("max_output_tokens", json!(99)),
        ("metadata", json!({"a": "b"})),
        ("parallel_tool_calls", json!(false)),
        ("prompt_cache_key", json!("k")),
        ("reasoning", json!({"effort": "low"})),
        ("safety_identifier", json!("s")),
        ("temperature", json!(0.5)),
        ("text", json!({"format": {"type": "json_object"}})),
        ("tool_choice", json!("required")),
        ("tools", json!([{"type": "function", "name": "f", "parameters": {"a": [1, "\n"]}}])),
        ("top_p", json!(0.5)),
        ("truncation", json!("auto")),
        ("user", json!("u")),
    ] {
        body[name] = value.clone();
        expected[name] = value;
    }
    assert_eq!(answered(&body, &answer), expected);
    let mut nameless = answer;
    nameless.as_object_mut().unwrap().remove("model");
    assert_eq!(answered(&body, &nameless)["model"], "m");
}

#[test]
fn a_whole_answer_says_that_it_was_cut() {
    for (end, reason) in [("length", "max_output_tokens"), ("content_filter", "content_filter")] {
        let answer = json!({"choices": [{"finish_reason": end, "message": {"content": "a"}}]});
        let whole = answered(&with("max_output_tokens", json!(9)), &answer);
        assert_eq!(whole["status"], "incomplete");
        assert_eq!(whole["incomplete_details"]["reason"], reason);
        assert_eq!(whole["output"][0]["status"], "incomplete");
    }
}

/// An engine's event of this kind.
fn own(kind: &str, members: Value) -> String {
    let mut data = json!({ "type": kind });
    data.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    format!("event: {kind}\ndata: {data}\n\n")
}

/// A request to an engine of Responses, with its bound.
fn native() -> (&'static str, Request) {
    let body = r#"{ "model" : "auto", "max_output_tokens":  9, "new": {"x":1}, "stream":true,
        "tools":[{"type":"web_search"}], "input":"a"}"#;
    (body, wire::read(surface(), body.into(), &ReadLimits::default()).unwrap())
}

#[test]
fn an_engine_of_responses_gets_the_callers_bytes_and_gives_its_own() {
    let (body, request) = native();
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
    let cut = json!({"reason": "max_output_tokens"});
    for (status, details) in [("completed", Value::Null), ("incomplete", cut)] {
        let usage = json!({"input_tokens": 7, "input_tokens_details": {"cached_tokens": 2},
            "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 1},
            "total_tokens": 10});
        let begun = json!({"id": "r", "status": "in_progress", "error": null, "usage": null});
        let ended = json!({"id": "r", "status": status, "error": null,
            "incomplete_details": details, "usage": usage});
        let said = [
            own("response.created", json!({ "response": begun })),
            own("response.output_text.delta", json!({"delta": "hi"})),
            own(&format!("response.{status}"), json!({ "response": ended })),
        ];
        let said = said.concat();
        let stream = Stream::new(LIMITS, true);
        let mut stream = stream.answering(&request, surface(), AnswerLabel(Uuid::nil()));
        let mut events = SmallVec::new();
        stream.push(said.clone().into(), &mut events).unwrap();
        let (last, before) = events.split_last().unwrap();
        assert_eq!(last.what, wire::What::Done);
        let passed: Vec<u8> = before.iter().flat_map(|it| it.bytes.to_vec()).collect();
        assert_eq!([passed, stream.closing().to_vec()].concat(), said.as_bytes());
        let expected =
            Counts { input: 5, cached_input: 2, output: 2, reasoning: 1, ..Counts::default() };
        assert_eq!(stream.reported(), Some(expected));
        assert!(stream.finish(&mut events).unwrap().real());
    }
}

#[test]
fn an_engines_stream_that_is_cut_at_its_bound_ends_as_its_own_response() {
    let (_, request) = native();
    let stream = Stream::new(LIMITS, true);
    let mut stream = stream.answering(&request, surface(), AnswerLabel(Uuid::nil()));
    let begun = json!({"id": "r", "status": "in_progress", "output": []});
    let said = own("response.created", json!({ "response": begun }));
    stream.push(said.into(), &mut SmallVec::new()).unwrap();
    assert!(!stream.ends_at_length());
    let events = events_of(&stream.closing());
    assert_eq!(events[0]["type"], "response.incomplete");
    assert_eq!(
        events[0]["response"],
        json!({"id": "r", "status": "incomplete", "output": [],
        "incomplete_details": {"reason": "max_output_tokens"}})
    );
}

#[test]
fn events_of_an_engine_are_told_apart() {
    let of = |value: Value| super::data(value.to_string().as_bytes()).unwrap();
    for kind in [
        "output_text",
        "refusal",
        "reasoning_text",
        "reasoning_summary_text",
        "function_call_arguments",
        "custom_tool_call_input",
    ] {
        let (look, done) = of(json!({"delta": "ab", "type": format!("response.{kind}.delta")}));
        assert_eq!((look.contents, look.content_bytes, done), (1, 2, false), "{kind}");
        let done = json!({"type": format!("response.{kind}.done"), "text": "ab", "delta": "ab"});
        assert_eq!(of(done).0.contents, 0, "{kind}");
    }
    let item = |it: Value| of(json!({"type": "response.output_item.added", "item": it})).0.contents;
    assert_eq!(item(json!({"type": "function_call", "name": "f", "arguments": ""})), 1);
    assert_eq!(item(json!({"type": "message", "content": []})), 0);
    for kind in ["error", "response.failed"] {
        assert!(of(json!({"type": kind, "message": "x", "response": {}})).0.error, "{kind}");
    }
    let failed = json!({"status": "failed", "error": {"message": "no memory"}});
    assert!(of(json!({"type": "anything", "response": failed})).0.error);
    assert!(super::data(b"[]").is_err());
}

#[test]
fn a_whole_answer_of_an_engine_is_one_or_is_named() {
    use wire::Why;
    let of = |text: &str| super::plain(&Bytes::copy_from_slice(text.as_bytes()));
    let answer = |status: &str, output: &str, used: u32| {
        let usage =
            format!(r#"{{"input_tokens":3,"output_tokens":{used},"total_tokens":{}}}"#, 3 + used);
        format!(
            r#"{{"object":"response","status":"{status}","error":null,"output":[{output}],"usage":{usage}}}"#
        )
    };
    let text = r#"{"type":"message","content":[{"type":"output_text","text":"hello"}]}"#;
    let call = r#"{"type":"function_call","name":"f","arguments":"{}"}"#;
    for output in [text, call] {
        let whole = of(&answer("completed", output, 2)).unwrap();
        assert_eq!(whole.reported, Some(Counts { input: 3, output: 2, ..Counts::default() }));
        assert!(whole.has_content);
        assert_eq!(of(&answer("completed", output, 0)).unwrap().reported, None);
    }
    assert!(of(&answer("incomplete", "", 0)).is_ok());
    let failed = r#"{"object":"response","status":"failed","error":{"message":"no memory"}}"#;
    for (text, why) in [
        ("", Why::Empty),
        ("<html>", Why::Html),
        ("[]", Why::NotJson),
        (r#"{"choices":[]}"#, Why::NoChoices),
        (failed, Why::Error("no memory".into())),
        (&answer("completed", "", 0), Why::Silent),
    ] {
        assert_eq!(of(text).unwrap_err().why, why, "{text}");
    }
}
