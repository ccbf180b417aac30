//! What is said of answers, and that nothing that a caller or a model writes makes it dear.

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::wire::ToolCall;

fn said(text: impl Into<String>) -> Transcript {
    Transcript { text: text.into(), finished: true, ..Transcript::default() }
}

fn called(calls: &[(&str, &str)]) -> Transcript {
    let call = |(name, arguments): &(&str, &str)| ToolCall {
        name: (*name).into(),
        arguments: (*arguments).into(),
    };
    Transcript { calls: calls.iter().map(call).collect(), ..said("") }
}

fn schema(schema: &Value) -> AnswerFormat {
    AnswerFormat::Schema(Bytes::from(schema.to_string()))
}

/// Whether a value is valid by a schema.
fn valid(by: &Value, value: &Value) -> Option<bool> {
    schema_valid(&schema(by), &said(value.to_string()))
}

#[test]
fn an_object_was_asked_for() {
    for (text, expected) in [
        ("{}", true),
        (" {\"a\": [1, null]}\n", true),
        ("[]", false),
        ("7", false),
        ("", false),
        ("{", false),
        ("{} and so on", false),
        ("```json\n{}\n```", false),
        ("Here it is: {}", false),
    ] {
        assert_eq!(schema_valid(&AnswerFormat::Json, &said(text)), Some(expected), "{text}");
    }
}

#[test]
fn an_answer_is_valid_by_its_schema_or_not() {
    let person = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "age": {"type": ["integer", "null"], "minimum": 0},
            "friends": {"type": "array", "items": {"$ref": "#"}},
            "iban": {"$ref": "#/$defs/iban"},
        },
        "required": ["name"],
        "additionalProperties": false,
        "$defs": {"iban": {"type": "string", "pattern": r"^[A-Z]{2}\d{2}"}},
    });
    for (value, expected) in [
        (json!({"name": "Ann", "age": 7}), true),
        (json!({"name": "Ann", "age": null, "friends": [{"name": "Bo", "friends": []}]}), true),
        (json!({"name": "Ann", "iban": "DE12"}), true),
        (json!({"name": "Ann", "iban": "de12"}), false),
        (json!({"name": ""}), false),
        (json!({"age": 7}), false),
        (json!({"name": "Ann", "age": 7.5}), false),
        (json!({"name": "Ann", "age": -1}), false),
        (json!({"name": "Ann", "more": 1}), false),
        (json!({"name": "Ann", "friends": [{"name": 7}]}), false),
        (json!([]), false),
    ] {
        assert_eq!(valid(&person, &value), Some(expected), "{value}");
    }
    let fenced = said("```json\n{\"name\":\"Ann\"}\n```");
    assert_eq!(schema_valid(&schema(&person), &fenced), Some(false));
}

/// Checks what is valid by each schema, and what is not.
fn judged(cases: &[(Value, Value, Value)]) {
    for (by, yes, no) in cases {
        for (values, expected) in [(yes, true), (no, false)] {
            for value in values.as_array().unwrap() {
                assert_eq!(valid(by, value), Some(expected), "{value} by {by}");
            }
        }
    }
}

#[test]
fn plain_values_are_judged() {
    judged(&[
        (json!(true), json!([1, {}]), json!([])),
        (json!(false), json!([]), json!([1, {}])),
        (json!({}), json!([1, {}, null]), json!([])),
        (json!({"type": "integer"}), json!([1, 1.0, -3]), json!([1.5, "1", null, true])),
        (json!({"type": ["string", "boolean"]}), json!(["a", false]), json!([1, null, {}, []])),
        (
            json!({"enum": [1, "a", {"b": [2]}]}),
            json!([1.0, "a", {"b": [2]}]),
            json!([2, {"b": 2}]),
        ),
        (json!({"const": null}), json!([null]), json!([0, ""])),
        (json!({"minimum": 2, "exclusiveMaximum": 3}), json!([2, 2.9, "a"]), json!([1, 3])),
        (json!({"minimum": 2, "exclusiveMinimum": true}), json!([2.1]), json!([2])),
        (json!({"multipleOf": 0.1}), json!([0.3, 7, "a"]), json!([0.35])),
        (json!({"multipleOf": 3}), json!([9, 0, -3, 9.0]), json!([10])),
        (json!({"minLength": 2, "maxLength": 3}), json!(["สวั", "ab", 1]), json!(["a", "abcd"])),
        (json!({"pattern": "b"}), json!(["abc", 1]), json!(["ac"])),
    ]);
}

#[test]
fn arrays_are_judged() {
    judged(&[
        (json!({"items": {"type": "null"}}), json!([[], [null], {}]), json!([[null, 1]])),
        (
            json!({"prefixItems": [{"const": 1}], "items": false}),
            json!([[1], []]),
            json!([[2], [1, 2]]),
        ),
        (
            json!({"items": [{"const": 1}], "additionalItems": {"const": 2}}),
            json!([[1, 2, 2]]),
            json!([[1, 3], [2]]),
        ),
        (json!({"minItems": 1, "maxItems": 2}), json!([[1], [1, 2], {}]), json!([[], [1, 2, 3]])),
        (
            json!({"uniqueItems": true}),
            json!([[1, 2], []]),
            json!([[1, 1.0], [{"a": 1}, 2, {"a": 1}]]),
        ),
        (json!({"contains": {"const": 1}}), json!([[2, 1], {}]), json!([[], [2]])),
        (
            json!({"contains": {"const": 1}, "minContains": 0, "maxContains": 1}),
            json!([[], [1, 2]]),
            json!([[1, 1]]),
        ),
    ]);
}

#[test]
fn objects_are_judged() {
    judged(&[
        (json!({"required": ["a"]}), json!([{"a": null}, []]), json!([{}])),
        (
            json!({"minProperties": 1, "maxProperties": 1}),
            json!([{"a": 1}, 7]),
            json!([{}, {"a": 1, "b": 2}]),
        ),
        (
            json!({"properties": {"a": {"const": 1}}, "patternProperties": {"^x": {"const": 2}},
                "additionalProperties": {"const": 3}}),
            json!([{"a": 1, "x1": 2, "c": 3}]),
            json!([{"a": 2}, {"x1": 3}, {"c": 1}]),
        ),
        (json!({"propertyNames": {"maxLength": 1}}), json!([{"a": 1}]), json!([{"ab": 1}])),
        (
            json!({"dependentRequired": {"a": ["b"]}}),
            json!([{"b": 1}, {"a": 1, "b": 1}]),
            json!([{"a": 1}]),
        ),
        (
            json!({"dependencies": {"a": ["b"], "c": {"minProperties": 2}}}),
            json!([{}, {"c": 1, "d": 1}]),
            json!([{"a": 1}, {"c": 1}]),
        ),
    ]);
}

#[test]
fn schemas_of_schemas_are_judged() {
    judged(&[
        (json!({"allOf": [{"minimum": 1}, {"maximum": 2}]}), json!([1, 2]), json!([0, 3])),
        (json!({"anyOf": [{"const": 1}, {"type": "string"}]}), json!([1, "a"]), json!([2, null])),
        (json!({"oneOf": [{"minimum": 1}, {"maximum": 2}]}), json!([0, 3]), json!([1, "a"])),
        (json!({"not": {"type": "null"}}), json!([1]), json!([null])),
        (
            json!({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"const": 1}}),
            json!(["ab", 1]),
            json!(["a", 2]),
        ),
        (
            json!({"$id": "https://a", "$ref": "https://a#/$defs/a~1%62", "$defs": {"a/b": {"const": 1}}}),
            json!([1]),
            json!([2]),
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/a",
                "minimum": 5, "definitions": {"a": {"type": "integer"}}}),
            json!([1]),
            json!(["a"]),
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "prefixItems": [false],
                "dependentRequired": {"a": ["b"]}}),
            json!([[1], {"a": 1}]),
            json!([]),
        ),
        (json!({"$ref": "#/$defs/a", "minimum": 5, "$defs": {"a": {}}}), json!([5]), json!([1])),
        (json!({"type": "string", "format": "date", "x-more": 7}), json!(["a"]), json!([1])),
    ]);
}

#[test]
fn of_what_cannot_be_judged_nothing_is_said() {
    for by in [
        json!({"type": "text"}),
        json!({"type": 7}),
        json!({"minimum": "1"}),
        json!({"minLength": -1}),
        json!({"multipleOf": 0}),
        json!({"required": "a"}),
        json!({"properties": []}),
        json!({"items": 7}),
        json!({"anyOf": {}}),
        json!({"pattern": "("}),
        json!({"pattern": "(?=a)"}),
        json!({"patternProperties": {"(": {}}}),
        json!({"$ref": 7}),
        json!({"$ref": "#/$defs/none"}),
        json!({"$ref": "https://example.com/schema.json"}),
        json!({"$ref": "file:///etc/passwd"}),
        json!({"$ref": "other.json#/a"}),
        json!({"$ref": "#anchor", "$defs": {"a": {"$anchor": "anchor"}}}),
        json!({"properties": {"a": {"$id": "https://b/c", "$ref": "#/$defs/d"}}}),
        json!({"$dynamicRef": "#a"}),
        json!({"unevaluatedProperties": false}),
        json!({"$ref": "#"}),
        json!({"$ref": "#/$defs/a", "$defs": {
            "a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]},
        }}),
        json!(7),
    ] {
        assert_eq!(valid(&by, &json!("a")), None, "{by}");
    }
    let broken = AnswerFormat::Schema(Bytes::from_static(b"{"));
    assert_eq!(schema_valid(&broken, &said("{}")), None);
    for format in [AnswerFormat::Json, schema(&json!({}))] {
        assert_eq!(schema_valid(&format, &called(&[("pay", "{}")])), None, "calls of tools");
        let large = |bytes: usize| said(format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8)));
        assert_eq!(schema_valid(&format, &large(TEXT_BYTES_MAX)), Some(true));
        assert_eq!(schema_valid(&format, &large(TEXT_BYTES_MAX + 1)), None);
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(schema_valid(&format, &said(deep)), None, "as deep as the text is long");
        assert_eq!(schema_valid(&format, &said("[[\"[[[[\\\"[[[")), Some(false));
        for without_an_end in
            ["[".repeat(100_000), "[\"".to_owned() + &"x".repeat(2 * TEXT_BYTES_MAX)]
        {
            assert_eq!(schema_valid(&format, &said(without_an_end)), Some(false));
        }
    }
    let sized =
        |bytes: usize| AnswerFormat::Schema(("{}".to_owned() + &" ".repeat(bytes - 2)).into());
    assert_eq!(schema_valid(&sized(SCHEMA_BYTES_MAX), &said("{}")), Some(true));
    assert_eq!(schema_valid(&sized(SCHEMA_BYTES_MAX + 1), &said("{}")), None);
}

/// A schema that refers to the next one twice, again and again.
fn laughs(keyword: &str, last: &Value) -> Value {
    let next = |at: u32| json!({"$ref": format!("#/$defs/a{at}")});
    let mut all: serde_json::Map<_, _> = (0..100)
        .map(|at| (format!("a{at}"), json!({keyword: [next(at + 1), next(at + 1)]})))
        .collect();
    all.insert("a100".into(), last.clone());
    json!({"$ref": "#/$defs/a0", "$defs": all})
}

/// Without the bound on steps the first of them would not end.
#[test]
fn what_would_take_for_ever_ends() {
    let nested = (0..120).fold(json!(1), |inner, _| json!({"x": inner}));
    let again = json!({"properties": {"x": {"$ref": "#"}}});
    let branches: Vec<_> = (0..2000).map(|at| json!({"const": at})).collect();
    let items = json!(vec![1999; 20_000]);
    let patterns: Vec<_> =
        (0..60).map(|at| json!({"pattern": format!("[ab]*a[ab]{{{}}}c", 400 + at)})).collect();
    for (by, value) in [
        (laughs("allOf", &json!({"type": "integer"})), json!(1)),
        (laughs("anyOf", &json!({"type": "string"})), json!(1)),
        (laughs("oneOf", &json!({"type": "integer"})), json!(1)),
        (json!({"allOf": [again.clone(), again]}), nested),
        (json!({"items": {"anyOf": branches}}), items),
        (json!({"uniqueItems": true}), json!((0..20_000).collect::<Vec<_>>())),
        (json!({"allOf": patterns}), json!("ab".repeat(100_000))),
    ] {
        assert_eq!(valid(&by, &value), None, "{:.80}", by.to_string());
    }
}

#[test]
fn a_schema_that_refers_to_itself_goes_as_deep_as_the_answer() {
    let list = json!({
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["next"],
    });
    let nested = |last: Value| (0..100).fold(last, |inner, _| json!({"next": inner}));
    assert_eq!(valid(&list, &nested(json!(null))), Some(true));
    assert_eq!(valid(&list, &nested(json!(7))), Some(false));
    let mut row: serde_json::Map<_, _> = (0..2000)
        .map(|at| (format!("a{at}"), json!({"$ref": format!("#/$defs/a{}", at + 1)})))
        .collect();
    row.insert("a2000".into(), json!({}));
    let row = json!({"$ref": "#/$defs/a0", "$defs": row});
    let small = std::thread::Builder::new().stack_size(1024 * 1024);
    let judged = small.spawn(move || valid(&row, &json!(1))).unwrap().join();
    assert_eq!(judged.unwrap(), None, "a long row of references needs no long stack");
}

#[test]
fn a_breach_is_said_by_its_place_and_in_the_words_of_the_schema() {
    let by = json!({
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
            "a/b~c": {"enum": [1, 2]},
            "free": {"type": "object", "additionalProperties": {"type": "integer"}},
            "either": {"anyOf": [{"type": "null"}, {"maxLength": 2, "type": "string"}]},
        },
        "required": ["items"],
        "additionalProperties": false,
        "$defs": {"item": {"type": "object", "properties": {"price": {"minimum": 0}}}},
    });
    for (text, expected) in [
        ("secret", "at its root, expected JSON and nothing else"),
        ("\"secret\"", "at its root, expected an object"),
        ("{}", "at its root, expected a member `items`"),
        ("{\"items\":7}", "at `/items`, expected an array"),
        ("{\"items\":[{},{\"price\":-1}]}", "at `/items/1/price`, expected a number at least 0"),
        (
            "{\"items\":[],\"secret\":1}",
            "at `/*`, expected no member but those that the schema names or allows",
        ),
        (
            "{\"items\":[],\"a/b~c\":\"secret\"}",
            "at `/a~1b~0c`, expected one of the values that the schema lists",
        ),
        (
            "{\"items\":[],\"free\":{\"secret\":\"secret\"}}",
            "at `/free/*`, expected no member but those that the schema names or allows",
        ),
        ("{\"items\":[],\"either\":\"secret\"}", "at `/either`, expected what one of `anyOf` says"),
    ] {
        let asked = Asked { format: Some(schema(&by)), tools: None, others: false };
        let answer = said(text);
        let breach = asked.breach([&answer].into_iter()).expect("a breach").in_words();
        assert_eq!(breach, expected, "{text}");
        assert!(!breach.contains("secret"), "{breach}");
    }
}

#[test]
fn calls_are_held_to_the_parameters_of_their_tools() {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}},
        "required": ["city"]});
    let offered = json!([
        {"type": "function", "function": {"name": "weather", "parameters": parameters}},
        {"type": "function", "function": {"name": "now"}},
        {"type": "custom", "custom": {"name": "run"}},
        {"type": "function", "function": {"name": "odd", "parameters": {"type": "no type"}}},
        {"name": "older", "parameters": {"type": "object", "required": ["x"]}},
    ])
    .to_string();
    let breach = |others: bool, call: (&str, &str)| {
        let asked =
            Asked { format: Some(AnswerFormat::Json), tools: Some(offered.as_bytes()), others };
        asked.breach([&called(&[call])].into_iter()).map(|it| it.in_words())
    };
    for (call, expected) in [
        (("weather", "{\"city\":\"Ulm\"}"), None),
        (("weather", "{}"), Some("in its call of `weather` at its root, expected a member `city`")),
        (("weather", "{\"city\":7}"), Some("in its call of `weather` at `/city`, expected a text")),
        (
            ("weather", "{\"city"),
            Some("in its call of `weather` at its root, expected JSON and nothing else"),
        ),
        (("now", ""), None),
        (("now", "[]"), Some("in its call of `now` at its root, expected an object")),
        (("run", "any text"), None),
        (("odd", "{"), None),
        (("older", "{}"), Some("in its call of `older` at its root, expected a member `x`")),
        (("secret", "{}"), Some("at its root, expected a call of a tool that was offered")),
    ] {
        assert_eq!(breach(false, call).as_deref(), expected, "{call:?}");
    }
    assert_eq!(breach(true, ("secret", "{}")), None);
}
