//! What is put together from the pieces of an answer.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn of(streamed: bool, answer: &str) -> Option<Transcript> {
    transcript(Surface::first(), streamed, &[Bytes::copy_from_slice(answer.as_bytes())])
}

/// A stream of these choices, each in an event of its own.
fn stream(choices: &[&str]) -> String {
    let event = |choice: &&str| format!("data: {{\"id\":\"a\",\"choices\":[{choice}]}}\n\n");
    choices.iter().map(event).collect::<String>() + "data: [DONE]\n\n"
}

fn said(text: &str) -> Transcript {
    Transcript { text: text.into(), finished: true, ..Transcript::default() }
}

fn called(calls: &[(&str, &str)]) -> Transcript {
    let call = |(name, arguments): &(&str, &str)| ToolCall {
        name: (*name).into(),
        arguments: (*arguments).into(),
    };
    Transcript { calls: calls.iter().map(call).collect(), finished: true, ..Transcript::default() }
}

#[test]
fn a_stream_is_put_together() {
    for (choices, expected) in [
        (
            &[
                r#"{"index":0,"delta":{"role":"assistant","content":""}}"#,
                r#"{"index":0,"delta":{"content":"sa\n","reasoning":"hm"},"finish_reason":null}"#,
                r#"{"delta":{"content":"wasdee สวัสดี"},"finish_reason":""}"#,
                r#"{"finish_reason":"stop","delta":{},"index":0}"#,
            ][..],
            said("sa\nwasdee สวัสดี"),
        ),
        (
            // Other choices are left out, wherever they stand.
            &[
                r#"{"delta":{"content":"one"},"index":1},{"delta":{"content":"zero"},"index":0}"#,
                r#"{"index":1,"delta":{},"finish_reason":"stop"}"#,
            ],
            Transcript { finished: false, ..said("zero") },
        ),
        (
            // Half a character in each event.
            &[
                r#"{"delta":{"content":"\ud83d"}}"#,
                r#"{"delta":{"content":"\ude00"},"finish_reason":"length"}"#,
            ],
            Transcript { at_length: true, ..said("😀") },
        ),
        (
            &[
                r#"{"delta":{"tool_calls":[{"index":1,"function":{"name":"ask","arguments":""}}]}}"#,
                r#"{"delta":{"tool_calls":[{"index":0,"function":{"name":"pay","arguments":"{\"to"}}]}}"#,
                r#"{"delta":{"tool_calls":[{"index":0,"function":{"name":"pay","arguments":"\":1}"}}]}}"#,
                r#"{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}}"#,
                r#"{"delta":{},"finish_reason":"tool_calls"}"#,
            ],
            called(&[("pay", r#"{"to":1}"#), ("ask", "{}")]),
        ),
        (
            &[
                r#"{"delta":{"function_call":{"name":"pay","arguments":"{"}}}"#,
                r#"{"delta":{"function_call":{"arguments":"}"}},"finish_reason":"function_call"}"#,
            ],
            called(&[("pay", "{}")]),
        ),
        (
            &[
                r#"{"delta":{"refusal":"I "}}"#,
                r#"{"delta":{"refusal":"will not"},"finish_reason":"stop"}"#,
            ],
            Transcript { refusal: true, ..said("") },
        ),
        (
            &[r#"{"delta":{"content":"a","refusal":null},"finish_reason":"content_filter"}"#],
            Transcript { refusal: true, ..said("a") },
        ),
    ] {
        assert_eq!(of(true, &stream(choices)), Some(expected), "{choices:?}");
    }
}

#[test]
fn a_body_is_read() {
    for (choices, expected) in [
        (
            json!([{"message": {"content": "Ja\n\"x\""}, "finish_reason": "stop"}]),
            said("Ja\n\"x\""),
        ),
        (
            json!([
                {"index": 1, "message": {"content": "one"}},
                {"index": 0, "message": {"content": "zero"}, "finish_reason": "stop"},
            ]),
            said("zero"),
        ),
        (
            json!([
                {"message": {"content": "first"}, "finish_reason": "stop"},
                {"message": {"content": "second"}},
            ]),
            said("first"),
        ),
        (
            json!([{"message": {"content": [
                {"type": "text", "text": "a"}, {"type": "text", "text": "b"},
            ]}, "finish_reason": "stop"}]),
            said("ab"),
        ),
        (
            json!([{"message": {"content": null, "tool_calls": [
                {"id": "a", "function": {"name": "pay", "arguments": "{\"n\":\"\\n\"}"}},
                {"id": "b", "function": {"name": "ask", "arguments": {"q": "a\"\\b"}}},
                {"id": "c", "custom": {"name": "run", "input": "ls"}},
            ]}, "finish_reason": "tool_calls"}]),
            called(&[("pay", r#"{"n":"\n"}"#), ("ask", r#"{"q":"a\"\\b"}"#), ("run", "ls")]),
        ),
        (
            json!([{"message": {"content": null, "refusal": "No."}, "finish_reason": "stop"}]),
            Transcript { refusal: true, ..said("") },
        ),
        (
            json!([{"message": {"content": [{"type": "refusal", "refusal": "No."}]}}]),
            Transcript { refusal: true, finished: false, ..said("") },
        ),
        (
            json!([{"message": {"content": ""}, "finish_reason": "SAFETY"}]),
            Transcript { refusal: true, ..said("") },
        ),
    ] {
        let body = json!({"id": "a", "choices": choices}).to_string();
        assert_eq!(of(false, &body), Some(expected), "{body}");
    }
}

#[test]
fn a_stream_that_was_cut_gives_what_it_said() {
    let whole = "\u{feff}: hello\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\n\
        event: ping\ndata: {}\n\nevent: x\ndata: {\"choices\":\ndata: [{\"delta\":{\"content\":\"b\"}}]}\r\r";
    let cut = "data: {\"choices\":[{\"delta\":{\"content\":\"c";
    let unfinished = |text: &str| Some(Transcript { finished: false, ..said(text) });
    assert_eq!(of(true, whole), unfinished("ab"));
    assert_eq!(of(true, &format!("{whole}{cut}")), unfinished("ab"));
    assert_eq!(of(true, &format!("{whole}{cut}\"}}}}]}}")), unfinished("abc"));
    let error = "data: {\"error\":{\"message\":\"broke\"}}\n\n";
    assert_eq!(of(true, &format!("{whole}{error}")), unfinished("ab"));
    let behind = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    assert_eq!(of(true, &format!("{whole}data: [DONE]\n\n{behind}")), unfinished("ab"));
}

#[test]
fn what_is_no_answer_has_no_transcript() {
    let plain = r#"{"choices":[{"message":{"content":"a"}}]}"#;
    let event = format!("data: {plain}\n\n");
    let deep = format!(r#"{{"choices":[{{"index":0,"a":{}}}]}}"#, "[".repeat(100_000));
    for (streamed, answer) in [
        (false, ""),
        (false, "busy"),
        (false, "[]"),
        (false, r#"{"choices":[]}"#),
        (false, r#"{"choices":{}}"#),
        (false, r#"{"choices":[{"index":1,"message":{"content":"a"}}]}"#),
        (false, r#"{"error":{"message":"busy"}}"#),
        (false, r#"{"choices":[{"message":{"content":"a"}}]"#),
        (false, &event),
        (false, &deep),
        (true, ""),
        (true, plain),
        (true, "data: [DONE]\n\n"),
        (true, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: oops\n\n"),
        (true, "data: 7\n\n"),
    ] {
        assert_eq!(of(streamed, answer), None, "{streamed} {answer:.60}");
    }
    assert!(transcript(Surface::first(), true, &[]).is_none());
}

/// Pieces of these bytes, cut at these places.
fn cut(bytes: &[u8], places: &[prop::sample::Index]) -> Vec<Bytes> {
    let mut places: Vec<_> = places.iter().map(|it| it.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.array_windows().map(|[from, to]| Bytes::copy_from_slice(&bytes[*from..*to])).collect()
}

fn delta() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,6}".prop_map(|text| json!({ "content": text }).to_string()),
        ("[ab]{0,2}", 0..3_u8).prop_map(|(text, index)| json!({
            "tool_calls": [{"index": index, "function": {"name": "f", "arguments": text}}]
        })
        .to_string()),
        Just(r#"{"content":"\ud83d"}"#.to_owned()),
        Just(r#"{"refusal":"no"}"#.to_owned()),
    ]
}

proptest! {
    #[test]
    fn any_cutting_of_the_pieces_gives_the_same(
        deltas in prop::collection::vec(delta(), 0..6),
        ending in prop::sample::select(vec!["\n\n", "\r\n\r\n", "\r\r"]),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let event = |delta: &String| format!(r#"data: {{"choices":[{{"delta":{delta}}}]}}{ending}"#);
        let answer: String = deltas.iter().map(event).collect();
        let whole = of(true, &answer);
        prop_assert_eq!(whole.is_some(), !deltas.is_empty());
        let pieces = cut(answer.as_bytes(), &places);
        prop_assert_eq!(transcript(Surface::first(), true, &pieces), whole);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        streamed in any::<bool>(),
    ) {
        let whole = transcript(Surface::first(), streamed, &[Bytes::from(bytes.clone())]);
        prop_assert_eq!(transcript(Surface::first(), streamed, &cut(&bytes, &places)), whole);
    }

    #[test]
    fn a_broken_answer_is_read_without_a_panic(
        deltas in prop::collection::vec(delta(), 1..4),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        streamed in any::<bool>(),
    ) {
        let choices: Vec<String> = deltas.iter().map(|it| format!(r#"{{"delta":{it}}}"#)).collect();
        let mut answer = match streamed {
            true => stream(&choices.iter().map(String::as_str).collect::<Vec<_>>()),
            false => format!(r#"{{"choices":[{}]}}"#, choices.join(",")),
        }
        .into_bytes();
        let at = at.index(answer.len());
        answer[at] = byte;
        let _ = transcript(Surface::first(), streamed, &[Bytes::from(answer)]);
    }
}
