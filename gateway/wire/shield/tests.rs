//! What goes to an engine and what does not, as one table.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{ReadLimits, Request, Surface, read};
use crate::failure::Failure;

fn chat(body: &Value) -> Result<Request, Failure> {
    let body = Bytes::from(body.to_string());
    read(Surface::first(), body, &ReadLimits::default())
}

/// A body with this parameter.
fn with(name: &str, value: Value) -> Value {
    let mut body = json!({"model": "auto", "messages": [{"role": "user", "content": "hi"}]});
    body[name] = value;
    body
}

/// A body with this message.
fn saying(message: Value) -> Value {
    json!({"model": "auto", "messages": [message]})
}

fn refused(body: &Value, code: &str, param: &str) {
    let failure = match chat(body) {
        Ok(_) => panic!("taken: {body}"),
        Err(failure) => failure,
    };
    let found = (failure.status(), failure.code, failure.param.as_deref().unwrap_or(""));
    assert_eq!(found, (400, code, param), "{body}: {failure}");
    assert!(failure.public.contains(param), "{failure}");
}

const TYPE: &str = "invalid_type";
const VALUE: &str = "invalid_value";
const LIMIT: &str = "unsupported_parameter";
const MISSING: &str = "missing_required_parameter";

#[test]
fn parameters_of_the_wrong_type_are_named() {
    for (names, wrong) in [
        (
            &["temperature", "top_p", "min_p", "presence_penalty", "repetition_penalty"][..],
            json!(["hot", true, [0.5], {}]),
        ),
        (&["top_k", "seed", "min_tokens", "top_logprobs", "best_of"], json!(["7", false, [7], {}])),
        (&["prompt_logprobs", "truncate_prompt_tokens"], json!(["7", true, [7], {}])),
        (&["ignore_eos", "use_beam_search", "parallel_tool_calls", "logprobs"], json!(["yes", {}])),
        (&["stop", "bad_words"], json!([7, true, {}])),
        (&["stop_token_ids", "allowed_token_ids"], json!([7, "7", {}])),
        (&["logit_bias"], json!([7, "7", [1]])),
        (&["tool_choice", "function_call"], json!([7, true, ["auto"]])),
        (&["response_format", "structured_outputs"], json!([7, "json", []])),
        (&["guided_regex", "regex", "ebnf", "guided_grammar"], json!([7, true, []])),
        (&["guided_choice"], json!([7, "a", {}])),
        (&["reasoning_effort"], json!([7, true, {}])),
        (&["stream", "parallel_tool_calls"], json!(["true", 1])),
        (&["stream_options"], json!(["true", 1, []])),
    ] {
        for name in names {
            for value in wrong.as_array().unwrap() {
                refused(&with(name, value.clone()), TYPE, name);
            }
            assert!(chat(&with(name, Value::Null)).is_ok(), "{name}");
        }
    }
}

#[test]
fn parameters_out_of_range_are_named() {
    for (name, value, code, param) in [
        ("top_logprobs", json!(1_000_000_000), LIMIT, "top_logprobs"),
        ("top_logprobs", json!(21), LIMIT, "top_logprobs"),
        ("prompt_logprobs", json!(1e9), LIMIT, "prompt_logprobs"),
        ("prompt_logprobs", json!(-1), VALUE, "prompt_logprobs"),
        ("allowed_token_ids", json!((0..262_145).collect::<Vec<_>>()), LIMIT, "allowed_token_ids"),
        ("logprobs", json!(1_000), LIMIT, "logprobs"),
        ("logprobs", json!(1.5), VALUE, "logprobs"),
        ("best_of", json!(9), LIMIT, "best_of"),
        ("best_of", json!(0), VALUE, "best_of"),
        ("temperature", json!(-0.1), VALUE, "temperature"),
        ("top_p", json!(1.1), VALUE, "top_p"),
        ("top_k", json!(-2), VALUE, "top_k"),
        ("top_k", json!(1.5), VALUE, "top_k"),
        ("frequency_penalty", json!(2.5), VALUE, "frequency_penalty"),
        ("repetition_penalty", json!(0), VALUE, "repetition_penalty"),
        ("seed", json!(9_223_372_036_854_775_808_u64), VALUE, "seed"),
        ("min_tokens", json!(-1), VALUE, "min_tokens"),
        ("stop", json!(["a", 7]), TYPE, "stop[1]"),
        ("stop", json!(vec!["a"; 257]), LIMIT, "stop"),
        ("stop_token_ids", json!([1, -1]), VALUE, "stop_token_ids[1]"),
        ("allowed_token_ids", json!([1.5]), VALUE, "allowed_token_ids[0]"),
        ("logit_bias", json!({"a": 1}), VALUE, "logit_bias.a"),
        ("logit_bias", json!({"7": "1"}), TYPE, "logit_bias.7"),
        ("logit_bias", json!({"7": 101}), VALUE, "logit_bias"),
        ("ignore_eos", json!(true), VALUE, "ignore_eos"),
        ("bootstrap_host", json!("10.0.0.1"), LIMIT, "bootstrap_host"),
        ("service_tier", json!("priority"), LIMIT, "service_tier"),
        ("speed", json!("fast"), LIMIT, "speed"),
        ("custom_logit_processor", json!("x"), LIMIT, "custom_logit_processor"),
        ("tool_choice", json!("rm"), VALUE, "tool_choice"),
        ("tool_choice", json!({"type": 7}), TYPE, "tool_choice.type"),
        ("tool_choice", json!({"type": "function"}), MISSING, "tool_choice.function"),
        ("tool_choice", json!({"function": {}}), MISSING, "tool_choice.function.name"),
        ("function_call", json!({"name": 7}), TYPE, "function_call.name"),
    ] {
        refused(&with(name, value), code, param);
    }
    let biases: serde_json::Map<_, _> = (0..4_097).map(|id| (id.to_string(), json!(1))).collect();
    refused(&with("logit_bias", json!(biases)), LIMIT, "logit_bias");
    let failure = chat(&with("prompt_logprobs", json!(-1))).unwrap_err();
    assert!(failure.public.ends_with("from 0 to 20"), "{failure}");
    let mut endless = with("ignore_eos", json!(true));
    endless["max_tokens"] = json!(50);
    assert!(chat(&endless).is_ok());
}

#[test]
fn what_an_engine_would_compile_is_checked() {
    let nested = "((a+)+)+$";
    let schema = |pattern: &str| {
        json!({"type": "object", "properties": {
        "default": {"type": "string", "pattern": pattern}}})
    };
    for (name, value, code, param) in [
        ("structured_outputs", json!({"regex": "("}), VALUE, "structured_outputs.regex"),
        ("structured_outputs", json!({"regex": nested}), VALUE, "structured_outputs.regex"),
        ("structured_outputs", json!({"regex": 7}), TYPE, "structured_outputs.regex"),
        ("structured_outputs", json!({"choice": []}), VALUE, "structured_outputs.choice"),
        ("structured_outputs", json!({"choice": [7]}), TYPE, "structured_outputs.choice[0]"),
        ("structured_outputs", json!({"grammar": ""}), VALUE, "structured_outputs.grammar"),
        (
            "structured_outputs",
            json!({"json": schema("(")}),
            VALUE,
            "structured_outputs.json.properties.default.pattern",
        ),
        ("guided_regex", json!(nested), VALUE, "guided_regex"),
        ("guided_regex", json!("(a{1,100}){1,1000}"), VALUE, "guided_regex"),
        ("guided_regex", json!("x{1,1000000}"), VALUE, "guided_regex"),
        ("guided_regex", json!("a".repeat(4_097)), LIMIT, "guided_regex"),
        ("regex", json!("[a"), VALUE, "regex"),
        ("stop_regex", json!(nested), VALUE, "stop_regex"),
        ("stop_regex", json!(["a+", nested]), VALUE, "stop_regex[1]"),
        ("ebnf", json!("a".repeat(4_097)), LIMIT, "ebnf"),
        ("grammar", json!({"type": "regex", "value": "("}), VALUE, "grammar.value"),
        ("guided_grammar", json!(""), VALUE, "guided_grammar"),
        ("guided_choice", json!([]), VALUE, "guided_choice"),
        ("guided_json", schema("("), VALUE, "guided_json.properties.default.pattern"),
        ("guided_json", json!("{"), VALUE, "guided_json"),
        ("guided_json", json!(r#"{"pattern":"("}"#), VALUE, "guided_json.pattern"),
        (
            "json_schema",
            json!({"items": [{"pattern": "*"}]}),
            VALUE,
            "json_schema.items[0].pattern",
        ),
        ("structural_tag", json!({"x": {"pattern": "+"}}), VALUE, "structural_tag.x.pattern"),
        (
            "guided_json",
            json!({"patternProperties": {"(": {}}}),
            VALUE,
            "guided_json.patternProperties.(",
        ),
    ] {
        refused(&with(name, value), code, param);
    }
}

#[test]
fn formats_and_tools_of_the_wrong_shape_are_named() {
    let schema = |pattern: &str| {
        json!({"type": "object", "properties": {
        "default": {"type": "string", "pattern": pattern}}})
    };
    for (name, value, code, param) in [
        ("response_format", json!({"type": "exec"}), VALUE, "response_format.type"),
        ("response_format", json!({"type": 7}), TYPE, "response_format.type"),
        ("response_format", json!({}), MISSING, "response_format.type"),
        (
            "response_format",
            json!({"type": "json_schema", "json_schema": 7}),
            TYPE,
            "response_format.json_schema",
        ),
        (
            "response_format",
            json!({"type": "json_schema", "json_schema": {"schema": schema("a**")}}),
            VALUE,
            "response_format.json_schema.schema.properties.default.pattern",
        ),
        ("response_format", json!({"type": "regex", "value": "("}), VALUE, "response_format.value"),
        (
            "tools",
            json!([{"type": "function", "function": {"name": "f", "parameters": schema("(")}}]),
            VALUE,
            "tools[0].function.parameters.properties.default.pattern",
        ),
        ("tools", json!([{}]), MISSING, "tools[0].function"),
        ("tools", json!([{"type": 7}]), TYPE, "tools[0].type"),
        ("tools", json!([{"function": {"name": ""}}]), MISSING, "tools[0].function.name"),
        ("tools", json!([{"function": {"name": 7}}]), TYPE, "tools[0].function.name"),
        (
            "tools",
            json!([{"function": {"name": "f", "parameters": "x"}}]),
            TYPE,
            "tools[0].function.parameters",
        ),
        ("functions", json!([{"description": "x"}]), MISSING, "functions[0].name"),
    ] {
        refused(&with(name, value), code, param);
    }
}

#[test]
fn a_format_has_what_its_type_needs() {
    for (name, value, code, param) in [
        ("response_format", json!({"type": "regex"}), MISSING, "response_format.pattern"),
        ("response_format", json!({"type": "regex", "value": 7}), TYPE, "response_format.value"),
        ("response_format", json!({"type": "grammar"}), MISSING, "response_format.grammar"),
        (
            "response_format",
            json!({"type": "grammar", "grammar": "a".repeat(4_097)}),
            LIMIT,
            "response_format.grammar",
        ),
        ("response_format", json!({"type": "json_schema"}), MISSING, "response_format.json_schema"),
        (
            "response_format",
            json!({"type": "json_schema", "json_schema": null}),
            MISSING,
            "response_format.json_schema",
        ),
        (
            "response_format",
            json!({"type": "json_schema", "json_schema": {"schema": "x"}}),
            TYPE,
            "response_format.json_schema.schema",
        ),
        (
            "response_format",
            json!({"type": "json_schema", "json_schema": {"name": 7, "schema": {}}}),
            TYPE,
            "response_format.json_schema.name",
        ),
        (
            "response_format",
            json!({"type": "json_schema", "json_schema": {"strict": "yes", "schema": {}}}),
            TYPE,
            "response_format.json_schema.strict",
        ),
        (
            "response_format",
            json!({"type": "json_schema", "json_schema": {"schema": {"type": 7}}}),
            VALUE,
            "response_format.json_schema.schema.type",
        ),
        (
            "response_format",
            json!({"type": "json_schema", "json_schema": {"schema": {"dependentSchemas":
                {"default": {"pattern": "(a+)+"}}}}}),
            VALUE,
            "response_format.json_schema.schema.dependentSchemas.default.pattern",
        ),
        (
            "tools",
            json!([{"type": "function", "function": {"name": "f", "parameters":
                {"properties": {"a": {"pattern": 7}}}}}]),
            VALUE,
            "tools[0].function.parameters.properties.a.pattern",
        ),
    ] {
        refused(&with(name, value), code, param);
    }
}

#[test]
fn messages_of_the_wrong_shape_are_named() {
    let text = json!({"type": "text", "text": "hi"});
    let at = |place: &str| format!("messages[0].content[1]{place}");
    for (part, code, place) in [
        (json!({"text": "hi"}), MISSING, ".type"),
        (json!({"image_url": {"url": "data:image/png;base64,AA"}}), MISSING, ".type"),
        (json!({}), MISSING, ".type"),
        (json!({"type": null, "text": "hi"}), TYPE, ".type"),
        (json!({"type": 7}), TYPE, ".type"),
        (json!({"type": ""}), VALUE, ".type"),
        (json!({"type": "text"}), MISSING, ".text"),
        (json!({"type": "image_url"}), MISSING, ".image_url"),
        (json!({"type": "image_url", "image_url": null}), MISSING, ".image_url"),
        (json!({"type": "image_url", "image_url": 7}), TYPE, ".image_url"),
        (json!({"type": "image_url", "image_url": []}), TYPE, ".image_url"),
        (json!({"type": "image_url", "image_url": {}}), MISSING, ".image_url.url"),
        (json!({"type": "image_url", "image_url": {"detail": "high"}}), MISSING, ".image_url.url"),
        (json!({"type": "image_url", "image_url": {"url": null}}), MISSING, ".image_url.url"),
        (json!({"type": "image_url", "image_url": {"url": 7}}), TYPE, ".image_url.url"),
        (json!({"type": "video_url", "video_url": {"url": ["x"]}}), TYPE, ".video_url.url"),
        (
            json!({"type": "input_audio", "input_audio": {"format": "wav"}}),
            MISSING,
            ".input_audio.data",
        ),
        (json!({"type": "input_audio", "input_audio": {"data": 7}}), TYPE, ".input_audio.data"),
        (json!({"type": "input_audio", "text": "x"}), MISSING, ".input_audio"),
        (json!(null), TYPE, ""),
    ] {
        refused(&saying(json!({"role": "user", "content": [text, part]})), code, &at(place));
    }
    let function = json!({"name": "f", "arguments": "{}"});
    for (calls, code, place) in [
        (json!({}), TYPE, ""),
        (json!("f"), TYPE, ""),
        (json!([7]), TYPE, "[0]"),
        (json!([{"id": "a"}]), MISSING, "[0].function"),
        (json!([{"id": 7, "function": function}]), TYPE, "[0].id"),
        (json!([{"function": "f"}]), TYPE, "[0].function"),
        (json!([{"function": {"arguments": "{}"}}]), MISSING, "[0].function.name"),
        (json!([{"function": {"name": "f", "arguments": 7}}]), TYPE, "[0].function.arguments"),
    ] {
        let message = json!({"role": "assistant", "content": null, "tool_calls": calls});
        refused(&saying(message), code, &format!("messages[0].tool_calls{place}"));
    }
    let message = json!({"role": "tool", "content": "x", "tool_call_id": 7});
    refused(&saying(message), TYPE, "messages[0].tool_call_id");
    let message = json!({"role": "user", "content": "x", "name": {}});
    refused(&saying(message), TYPE, "messages[0].name");
}

#[test]
fn what_engines_take_passes_byte_for_byte() {
    let pattern = r"^(?=.*\d)[a-z0-9]+(-[a-z0-9]+)*$";
    let schema = json!({"type": "object", "properties": {"pattern": {"type": "string",
        "pattern": pattern}}, "enum": [{"pattern": "("}], "default": {"pattern": "("}});
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": {}}});
    for (name, value) in [
        ("temperature", json!(0)),
        ("temperature", json!(2.5)),
        ("top_k", json!(-1)),
        ("n_predict", json!(-2)),
        ("stop_regex", json!(["a+"])),
        ("top_k", json!(40.0)),
        ("top_logprobs", json!(20)),
        ("seed", json!(-5)),
        ("n", json!(8.0)),
        ("stop", json!("\n")),
        ("stop", json!([])),
        ("logit_bias", json!({"50256": -100, "7": null})),
        ("tool_choice", json!("required")),
        ("tool_choice", json!({"type": "function", "function": {"name": "f"}})),
        ("tool_choice", json!({"type": "allowed_tools", "allowed_tools": {}})),
        ("function_call", json!({"name": "f"})),
        ("response_format", json!({"type": "text"})),
        ("response_format", json!({"type": "json_object", "schema": schema})),
        ("response_format", json!({"type": "structural_tag", "structures": []})),
        ("response_format", json!({"type": "json_schema", "schema": {"type": ["string", "null"]}})),
        ("response_format", json!({"type": "json_schema", "value": {"schema": schema}})),
        (
            "response_format",
            json!({"type": "json_schema", "json_schema": {"name": "a", "strict": null,
                "schema": {"dependentRequired": {"pattern": ["type"]}, "properties":
                {"type": {"const": 5}, "pattern": {"type": "number", "example": {"type": 5}}}}}}),
        ),
        ("response_format", json!({"type": "grammar", "value": "a"})),
        ("response_format", json!({"type": "json", "value": schema})),
        ("structured_outputs", json!({"regex": pattern})),
        ("structured_outputs", json!({"json": schema, "disable_any_whitespace": true})),
        ("guided_json", json!(schema.to_string())),
        ("guided_choice", json!(["a", "b"])),
        ("grammar", json!("root ::= \"a\"")),
        ("format", json!("json")),
        ("format", schema.clone()),
        ("tools", json!([{"type": "function", "function": {"name": "f", "parameters": schema}}])),
        ("tools", json!([{"type": "web_search"}])),
        ("functions", json!([{"name": "f", "parameters": schema}])),
        ("reasoning_effort", json!("whatever")),
        ("what_nobody_knows", json!({"pattern": "(", "top_logprobs": "x"})),
        ("messages", json!([{"role": "assistant", "content": null, "tool_calls": [call]}])),
        (
            "messages",
            json!([{"role": "user", "content": [
            {"type": "image_url", "image_url": null, "uuid": "x"}, "bare",
            {"type": "thinking", "thinking": "x"}]}]),
        ),
    ] {
        let body = with(name, value);
        let request = chat(&body).unwrap_or_else(|failure| panic!("{body}: {failure}"));
        assert_eq!(request.body(), &body.to_string());
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        r"[a-z(*+{}\[\]?\\]{0,6}".prop_map(Value::from),
    ];
    let name = "type|function|name|pattern|json|regex|properties|choice|[a-z0-9]{0,3}";
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever stands there: it is taken as it is or refused with 400 under the parameter's name.
    #[test]
    fn every_value_has_a_verdict(
        name in prop::sample::select(vec!["temperature", "top_k", "stop", "logit_bias", "tools",
            "tool_choice", "response_format", "structured_outputs", "guided_json", "grammar",
            "guided_regex", "guided_choice", "functions", "allowed_token_ids", "top_logprobs"]),
        value in any_value(),
    ) {
        let body = with(name, value);
        match chat(&body) {
            Ok(request) => prop_assert_eq!(request.body(), &body.to_string()),
            Err(failure) => {
                prop_assert_eq!(failure.status(), 400);
                prop_assert!(failure.param.unwrap_or_default().starts_with(name));
            }
        }
    }
}
