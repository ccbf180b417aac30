use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    config::BoundNames,
    wire::{Edit, ReadLimits, Surface, read},
};

fn request(body: &str) -> Request {
    let body = Bytes::copy_from_slice(body.as_bytes());
    read(Surface::first(), body, &ReadLimits::default()).unwrap()
}

fn arm(params: &[(&str, &str)], suffix: Option<&str>) -> ArmEdit {
    let params: Vec<_> = params.iter().map(|(name, it)| ((*name).into(), (*it).into())).collect();
    ArmEdit::new(&params, suffix).unwrap()
}

/// The body as it is sent, where nothing but the arm changes.
fn sent(body: &str, arm: &ArmEdit) -> String {
    let edit = Edit {
        native: false,
        spoken: Surface::first(),
        model: "m",
        ask_usage: false,
        output_tokens_max: policies::facts::Tokens(u32::MAX),
        planned: policies::facts::Tokens(u32::MAX),
        told_as: BoundNames::default(),
        arm: Some(arm),
    };
    let sent = request(body).to_upstream(&edit);
    let bytes = sent.concat();
    assert_eq!(sent.len, bytes.len());
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn an_arm_that_changes_nothing_is_no_edit() {
    assert_eq!(ArmEdit::new(&[], None), None);
}

#[test]
fn a_parameter_wins_over_the_callers_or_is_added() {
    const REST: &str = r#""messages":[{"role":"user","content":"a"}],"model":"m""#;
    let warm = arm(&[("temperature", "0.3"), ("reasoning_effort", "\"low\"")], None);
    for (written, expected) in [
        ("{REST}", r#"{"temperature":0.3,"reasoning_effort":"low",REST}"#),
        (
            r#" { "temperature" : 1.0e0 ,REST,"x":[ 1 ] }"#,
            r#" {"reasoning_effort":"low", "temperature" : 0.3 ,REST,"x":[ 1 ] }"#,
        ),
        (
            r#"{REST,"temperature":null,"reasoning_effort": "high"}"#,
            r#"{REST,"temperature":0.3,"reasoning_effort": "low"}"#,
        ),
        (
            r#"{"reasoning_effort":null,REST,"t\u0065mperature":2}"#,
            r#"{"reasoning_effort":"low",REST,"t\u0065mperature":0.3}"#,
        ),
        // What only sounds like it is another member.
        (
            r#"{REST,"Temperature":2,"x":{"temperature":2}}"#,
            r#"{"temperature":0.3,"reasoning_effort":"low",REST,"Temperature":2,"x":{"temperature":2}}"#,
        ),
    ] {
        let full = |text: &str| text.replace("REST", REST);
        assert_eq!(sent(&full(written), &warm), full(expected));
    }
    let all: Vec<_> = PARAMS.iter().map(|name| (*name, "1")).collect();
    let body = sent(&format!("{{{REST}}}"), &arm(&all, None));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert!(PARAMS.iter().all(|name| body[name] == 1), "{body}");
}

#[test]
fn a_suffix_joins_the_system_message_or_stands_as_one() {
    let polite = arm(&[], Some("Say \"please\".\nAlways."));
    const SAID: &str = r#"Say \"please\".\u000aAlways."#;
    for (messages, expected) in [
        (
            r#"[ {"role":"user","content":"a"}]"#,
            r#"[{"role":"system","content":"SAID"}, {"role":"user","content":"a"}]"#,
        ),
        (
            r#"[{"role":"system","content":"Be kind."},{"role":"user","content":"a"}]"#,
            r#"[{"role":"system","content":"Be kind.\n\nSAID"},{"role":"user","content":"a"}]"#,
        ),
        (
            r#"[{"content":"","role":"developer"},{"role":"user","content":"a"}]"#,
            r#"[{"content":"SAID","role":"developer"},{"role":"user","content":"a"}]"#,
        ),
        (
            r#"[{"role":"system","content":[ {"type":"text","text":"x"} ]},USER]"#,
            r#"[{"role":"system","content":[ {"type":"text","text":"x"} ,PART]},USER]"#,
        ),
        (
            r#"[{"role":"system","content":[ ]},USER]"#,
            r#"[{"role":"system","content":[ {"type":"text","text":"SAID"}]},USER]"#,
        ),
        // The first of several; a user's words never look like one.
        (
            r#"[USER,{"role":"system","content":"1"},{"role":"system","content":"2"}]"#,
            r#"[USER,{"role":"system","content":"1\n\nSAID"},{"role":"system","content":"2"}]"#,
        ),
        // Of two contents the last one counts.
        (
            r#"[{"role":"system","content":"1","content":"2\\"},{"role":"user","content":"a"}]"#,
            r#"[{"role":"system","content":"1","content":"2\\\n\nSAID"},{"role":"user","content":"a"}]"#,
        ),
    ] {
        let full = |messages: &str| {
            let messages = messages.replace("PART", r#"{"type":"text","text":"\n\nSAID"}"#);
            let messages = messages.replace("USER", r#"{"role":"user","content":"system"}"#);
            let messages = messages.replace("SAID", SAID);
            format!(r#"{{"model":"m", "messages": {messages},"z":0}}"#)
        };
        assert_eq!(sent(&full(messages), &polite), full(expected));
    }
}

/// A system message in some form, if there is one, and how its text reads.
fn system() -> impl Strategy<Value = Option<(Value, String)>> {
    let text = "\\PC{0,12}";
    prop::option::of(prop_oneof![
        text.prop_map(|text| (json!(text), text)),
        prop::collection::vec(text, 0..3).prop_map(|texts| {
            let part = |text: &String| json!({ "type": "text", "text": text });
            (texts.iter().map(part).collect(), texts.concat())
        }),
    ])
}

fn text_of(content: &Value) -> String {
    let part = |it: &Value| it["text"].as_str().unwrap().to_owned();
    content.as_array().map_or_else(
        || content.as_str().unwrap().to_owned(),
        |parts| parts.iter().map(part).collect(),
    )
}

proptest! {
    #[test]
    fn all_but_the_arms_own_stays_byte_for_byte_and_is_json(
        system in system(),
        (before, pretty) in any::<(bool, bool)>(),
        (temperature, large) in (prop::option::of(0.0f64..2.0), any::<bool>()),
        suffix in prop::option::of("[\\PC\n\"\\\\]{1,20}"),
        user in "\\PC{0,20}",
    ) {
        let mut messages = vec![json!({ "role": "user", "content": user })];
        if let Some((content, _)) = &system {
            let at = if before { 0 } else { messages.len() };
            messages.insert(at, json!({ "role": "system", "content": content }));
        }
        let filler = if large { "x".repeat(10_000) } else { String::new() };
        let mut body = json!({ "model": "m", "messages": messages, "zz": filler });
        if let Some(temperature) = temperature {
            body["temperature"] = json!(temperature);
        }
        let written = if pretty { format!("{body:#}") } else { body.to_string() };
        let edit = arm(&[("temperature", "0.25")], suffix.as_deref());
        let got = sent(&written, &edit);
        // Taken out again where they stand, the changes leave what the caller wrote.
        let mut spans = Vec::new();
        let read = request(&written);
        edit.changes(&read, |span, text| spans.push((span, text.clone())));
        spans.sort_by_key(|(span, _)| span.start);
        let (mut from, mut to) = (0, 0);
        for (span, text) in &spans {
            let (start, end) = (span.start as usize, span.end as usize);
            prop_assert_eq!(&got[to..to + start - from], &written[from..start]);
            to += start - from;
            prop_assert_eq!(&got.as_bytes()[to..to + text.len()], &text[..]);
            (from, to) = (end, to + text.len());
        }
        prop_assert_eq!(&got[to..], &written[from..]);
        // And they mean what the arm says.
        let got: Value = serde_json::from_str(&got).unwrap();
        prop_assert_eq!(&got["temperature"], &json!(0.25));
        prop_assert_eq!(&got["zz"], &body["zz"]);
        let found = got["messages"].as_array().unwrap().iter();
        let found = found.filter(|it| it["role"] == "system").map(|it| text_of(&it["content"]));
        let said = system.map(|(content, text)| (text, !content.as_array().is_some_and(Vec::is_empty)));
        let expected = match (said, suffix) {
            (None, suffix) => suffix,
            (Some((text, _)), None) => Some(text),
            (Some((text, some)), Some(suffix)) => {
                let between = if some && (!text.is_empty() || content_is_list(&body)) { "\n\n" } else { "" };
                Some(text + between + &suffix)
            }
        };
        prop_assert_eq!(found.collect::<Vec<_>>(), Vec::from_iter(expected));
    }
}

fn content_is_list(body: &Value) -> bool {
    let messages = body["messages"].as_array().unwrap();
    messages.iter().any(|it| it["role"] == "system" && it["content"].is_array())
}
