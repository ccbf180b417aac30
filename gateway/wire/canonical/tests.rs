use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::wire::{ReadLimits, Surface, read};

fn of(body: &str) -> Vec<u8> {
    form(body.as_bytes(), &LEFT_OUT).unwrap()
}

/// A value, its members in this order or the other one, with this between its parts.
fn spelled(value: &Value, (backwards, between): (bool, &str)) -> String {
    let inside = |it: &Value| spelled(it, (backwards, between));
    match value {
        Value::Object(members) => {
            let mut all: Vec<_> = members
                .iter()
                .map(|(name, it)| format!("{between}{}:{between}{}", json!(name), inside(it)))
                .collect();
            if backwards {
                all.reverse();
            }
            format!("{{{}{between}}}", all.join(","))
        }
        Value::Array(items) => {
            let all: Vec<_> = items.iter().map(|it| format!("{between}{}", inside(it))).collect();
            format!("[{}{between}]", all.join(","))
        }
        other => other.to_string(),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..20_i64).prop_map(Value::from),
        "[a-c,{}\\[\\]\"]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"]{0,2}", inner, 0..4)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn two_bodies_are_one_if_and_only_if_they_say_the_same(one in any_json(), other in any_json()) {
        let form = |it: &Value, how| of(&spelled(it, how));
        let plain = form(&one, (false, ""));
        prop_assert_eq!(&plain, &form(&one, (true, "")));
        prop_assert_eq!(&plain, &form(&one, (true, " \n\t")));
        prop_assert_eq!(one == other, plain == form(&other, (true, "\r")));
    }
}

#[test]
fn texts_numbers_and_names_that_stand_twice_stay_apart() {
    let different = [
        r#"{"a":1}"#,
        r#"{"a":1.0}"#,
        r#"{"a":10e-1}"#,
        r#"{"a":"1"}"#,
        r#"{"a":"\u0031"}"#,
        r#"{"a":[1]}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a":2,"a":1}"#,
        r#"{"a":9007199254740993}"#,
        r#"{"a":9007199254740992}"#,
        r#"{"a":{"user":"x"}}"#,
        r#"{"a":{"user":"y"}}"#,
    ];
    for (at, one) in different.iter().enumerate() {
        for other in &different[at + 1..] {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
    }
    assert_eq!(of(r#"{"\u0061":1}"#), of(r#"{"a":1}"#), "a name is what it says");
}

#[test]
fn what_changes_no_answer_is_left_out_unless_the_answer_repeats_it() {
    let at = |path: &str, rest: &str| {
        let messages = match path {
            "/responses" => "\"input\":\"hi\"",
            _ => "\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]",
        };
        let body = format!("{{\"model\":\"auto\",{messages}{rest}}}");
        let surface = Surface::at(path).unwrap();
        canonical(&read(surface, body.into(), &ReadLimits::default()).unwrap())
    };
    for rest in [",\"user\":\"u\"", ",\"metadata\":{\"a\":\"b\"}", ",\"store\":false"] {
        assert_eq!(at("/chat/completions", rest), at("/chat/completions", ""), "{rest}");
    }
    let repeated = ",\"metadata\":{\"a\":\"b\"}";
    assert_ne!(at("/responses", repeated), at("/responses", ""));
    let user = ",\"metadata\":{\"user_id\":\"u\"}";
    assert_eq!(at("/messages", user), at("/messages", ""));
    assert_ne!(at("/messages", ",\"stream\":true"), at("/messages", ""));
}

#[test]
fn the_deepest_body_there_is_can_be_walked() {
    let deep = format!("{}1{}", "[".repeat(127), "]".repeat(127));
    assert!(!of(&format!("{{\"a\":{deep}}}")).is_empty());
}
