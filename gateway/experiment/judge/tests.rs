//! What is said of answers, and that nothing that a caller or a model writes makes it dear.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use super::*;

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
fn a_shadow_is_compared_with_what_was_served() {
    let object = Some(AnswerFormat::Json);
    let plain = Comparison {
        json: None,
        calls_agree: None,
        refused: (false, false),
        length_ratio: Some(1.0),
    };
    let twice = [("pay", r#"{"to":"a","n":1}"#), ("ask", "")];
    let turned = [("ask", "{}"), ("pay", r#"{ "n": 1.0, "to": "a" }"#)];
    for (format, served, shadow, expected) in [
        (&None, said("สวัสดี"), said("สวั"), Comparison { length_ratio: Some(0.5), ..plain }),
        (&None, said(""), said("a"), Comparison { length_ratio: None, ..plain }),
        (
            &object,
            said("{\"a\":1}"),
            said("no JSON"),
            Comparison { json: Some((true, false)), ..plain },
        ),
        (
            &object,
            said("{}"),
            called(&[("pay", "{}")]),
            Comparison { calls_agree: Some(false), length_ratio: Some(0.0), ..plain },
        ),
        (
            &None,
            called(&twice),
            called(&turned),
            Comparison { calls_agree: Some(true), length_ratio: None, ..plain },
        ),
        (
            &None,
            Transcript { refusal: true, ..said("aaaa") },
            said("I’m sorry, but I can't"),
            Comparison { refused: (true, true), length_ratio: Some(5.5), ..plain },
        ),
    ] {
        assert_eq!(compare(format.as_ref(), &served, &shadow), expected, "{served:?} {shadow:?}");
    }
}

#[test]
fn calls_agree_in_any_order_and_however_their_arguments_are_written() {
    let agree = |one: &[_], other: &[_]| compare(None, &called(one), &called(other)).calls_agree;
    let pay = ("pay", r#"{"to":{"b":1,"a":[1,2]}}"#);
    for (other, expected) in [
        (("pay", r#"{"to": {"a": [1.0, 2], "b": 1e0}}"#), true),
        (("pay", r#"{"to":{"b":1,"a":[2,1]}}"#), false),
        (("pay", r#"{"to":{"b":1,"a":[1,2]},"more":null}"#), false),
        (("pays", pay.1), false),
        (("pay", r#"{"to":"#), false),
    ] {
        assert_eq!(agree(&[pay], &[other]), Some(expected), "{other:?}");
        assert_eq!(agree(&[pay, ("ask", "")], &[("ask", "{}"), other]), Some(expected));
    }
    assert_eq!(agree(&[pay, pay], &[pay]), Some(false), "once is not twice");
    assert_eq!(agree(&[("pay", "oops")], &[("pay", " oops")]), Some(true));
    assert_eq!(agree(&[], &[]), None);
}

#[test]
fn short_texts_that_begin_as_refusals_do_refuse() {
    for text in [
        "I can’t help with that.",
        "  \"I'm sorry, but I cannot share account numbers.\"",
        "SORRY, I CAN'T do this",
        "很抱歉，我无法回答这个问题。",
        "抱歉， 我無法提供這些資料。",
        "Maaf, saya tidak dapat memberikan maklumat itu.",
        "Maaf, saya tidak bisa membantu.",
        "ขออภัย ฉันไม่สามารถช่วยได้",
        "Xin lỗi, tôi không thể giúp việc này.",
        "Paumanhin, hindi ko ito magagawa.",
        "申し訳ありませんが、お答えできません。",
        "죄송하지만, 도와드릴 수 없습니다.",
        "क्षमा करें, मैं यह नहीं बता सकता।",
        "மன்னிக்கவும், என்னால் உதவ முடியாது.",
    ] {
        assert!(refusal::in_words(text), "{text}");
    }
    for text in [
        "",
        "Sure: here it is.",
        "The clerk said: I can't help with that.",
        "I can help with that.",
        "抱歉让您久等，余额是 5 元。",
        &format!("I can't help with that. {}", "But ".repeat(100)),
    ] {
        assert!(!refusal::in_words(text), "{text}");
    }
}

/// Values as schemas and answers have them: words of schemas are frequent.
fn value() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "type",
        "items",
        "$ref",
        "#",
        "#/$defs/a",
        "$defs",
        "a",
        "string",
        "object",
        "anyOf",
        "not",
        "properties",
        "pattern",
        "^a+$",
        "required",
        "minimum",
        "uniqueItems",
        "const",
        "contains",
    ]);
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3..9_i64).prop_map(Value::from),
        words.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        let members = prop::collection::vec((words.clone(), inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(Value::from),
            members
                .prop_map(|all| all.into_iter().map(|(name, it)| (name.to_owned(), it)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_schema_and_answer_are_judged_without_a_panic(by in value(), answer in value()) {
        let judged = valid(&by, &answer);
        // What negates it says the contrary, where anything can be said: references are to the whole.
        if !by.to_string().contains("$ref") {
            prop_assert_eq!(valid(&json!({"not": by}), &answer), judged.map(|it| !it));
        }
    }

    #[test]
    fn any_texts_are_compared_without_a_panic(
        format in "\\PC{0,20}",
        texts in prop::collection::vec("\\PC{0,40}", 6),
    ) {
        let answer = |at: usize| Transcript {
            calls: vec![ToolCall { name: texts[at].clone(), arguments: texts[at + 1].clone() }],
            ..said(texts[at + 2].clone())
        };
        let format = AnswerFormat::Schema(Bytes::from(format));
        let same = compare(Some(&format), &answer(0), &answer(0));
        prop_assert_eq!(same.calls_agree, Some(true));
        prop_assert_eq!(same.refused.0, same.refused.1);
        let other = compare(Some(&format), &said(texts[3].clone()), &answer(0));
        prop_assert_eq!(other.calls_agree, Some(false));
    }
}
