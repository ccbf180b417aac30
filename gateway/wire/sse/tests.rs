use proptest::prelude::*;

use super::*;
use crate::wire::fuzz;

fn run(text: &[u8], withhold: bool) -> (Vec<Event>, End, Stream) {
    let mut stream = Stream::new(StreamLimits::default(), withhold);
    let mut out = SmallVec::new();
    stream.push(Bytes::copy_from_slice(text), &mut out).unwrap();
    let end = stream.finish(&mut out).unwrap();
    (out.into_vec(), end, stream)
}

fn kinds(text: &str) -> Vec<What> {
    run(text.as_bytes(), false).0.into_iter().map(|event| event.what).collect()
}

const ROLE: &str =
    r#"data: {"id":"c","choices":[{"index":0,"delta":{"role":"tool","content":""}}]}"#;
const TEXT: &str =
    r#"data: {"id":"c","choices":[{"index":0,"delta":{"content":"สวัสดี"},"finish_reason":null}]}"#;
const STOP: &str =
    r#"data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#;
const USAGE: &str =
    r#"data: {"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#;
const DONE: &str = "data: [DONE]";

fn stream_of(lines: &[&str], ending: &str) -> String {
    lines.iter().map(|line| format!("{line}{ending}{ending}")).collect()
}

#[test]
fn a_whole_stream_is_read_whatever_its_line_endings() {
    for ending in ["\n", "\r\n", "\r"] {
        let text = stream_of(&[ROLE, TEXT, TEXT, STOP, USAGE, DONE], ending);
        let (events, end, stream) = run(text.as_bytes(), false);
        let kinds: Vec<_> = events.iter().map(|event| event.what.clone()).collect();
        use What::*;
        assert_eq!(kinds, [Other, Content, Content, Finish, Usage, Done], "{ending:?}");
        assert_eq!(end, End { done: true, finished: true, partial: false });
        assert!(end.real() && stream.done());
        let expected = Counts { input: 7, output: 3, ..Counts::default() };
        assert_eq!(stream.reported(), Some(expected));
        assert_eq!(stream.counted_output(), Tokens(9), "36 bytes of Thai");
        let joined: Vec<u8> = events.iter().flat_map(|event| event.bytes.to_vec()).collect();
        assert_eq!(joined, text.as_bytes(), "byte for byte");
    }
}

#[test]
fn usage_alone_is_withheld_from_who_did_not_ask() {
    let text = stream_of(&[TEXT, USAGE, DONE], "\n");
    let (events, _, stream) = run(text.as_bytes(), true);
    assert_eq!(events.len(), 2);
    assert!(stream.reported().is_some());
    // Usage beside content is not withheld: the content would go with it.
    let both = TEXT.replace("]}", r#"],"usage":{"prompt_tokens":7,"completion_tokens":1}}"#);
    let text = stream_of(&[&both, &both.replace(":1}", ":2}"), DONE], "\n");
    let (events, _, stream) = run(text.as_bytes(), true);
    assert_eq!(events.len(), 3);
    assert_eq!(stream.reported().unwrap().output, 2, "the last of running reports");
}

#[test]
fn slices_are_of_the_chunk() {
    let chunk = Bytes::from(stream_of(&[TEXT, TEXT], "\n"));
    let mut stream = Stream::new(StreamLimits::default(), false);
    let mut out = SmallVec::new();
    stream.push(chunk.clone(), &mut out).unwrap();
    assert_eq!(out[0].bytes.as_ptr(), chunk.as_ptr());
    assert_eq!(out[1].bytes.as_ptr(), chunk[out[0].bytes.len()..].as_ptr());
}

#[test]
fn content_has_many_forms() {
    for delta in [
        r#"{"content":"a"}"#,
        r#"{"content":[{"type":"text","text":"a"}]}"#,
        r#"{"reasoning_content":"a"}"#,
        r#"{"reasoning":"a"}"#,
        r#"{"refusal":"no"}"#,
        r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}"#,
        r#"{"function_call":{"name":"f"}}"#,
        r#"{"\u0063ontent":"a"}"#,
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]}]}"#,
        r#"{"reasoning_details":[{"type":"reasoning.text","text":"a","index":0}]}"#,
        r#"{"content":"","reasoning_details":[{"type":"reasoning.encrypted","data":"Zm9v"}]}"#,
        r#"{"thinking":"a"}"#,
        r#"{"thought":"a"}"#,
        r#"{"audio":{"id":"x"}}"#,
        r#"{"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]}"#,
        r#"{"annotations":[{"type":"url_citation","url_citation":{"url":"https://a"}}]}"#,
        r#"{"tool_calls":[{"index":0,"type":"custom","custom":{"name":"f","input":"x"}}]}"#,
        r#"{"not_known":"a"}"#,
        r#"{"not_known":{"deep":["","a"]}}"#,
    ] {
        let event = format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n");
        assert_eq!(kinds(&event), [What::Content], "{delta}");
    }
    for delta in [
        "{}",
        "null",
        r#"{"content":""}"#,
        r#"{"content":null,"tool_calls":[]}"#,
        r#"{"role":"assistant","content":"","name":"x"}"#,
        r#"{"content":[{"type":"text","text":""}]}"#,
        r#"{"reasoning_details":[],"annotations":[],"images":null}"#,
        r#"{"reasoning_details":[{"type":"reasoning.text","text":"","format":"x","index":0}]}"#,
        r#"{"not_known":null,"neither":{"a":""},"token":7,"flag":true}"#,
    ] {
        let event = format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n");
        assert_eq!(kinds(&event), [What::Other], "{delta}");
    }
    let choice = r#"{"delta":{"content":"a"}}"#;
    let two = format!(r#"data: {{"choices":[{choice},{choice}]}}"#);
    assert_eq!(run(stream_of(&[&two], "\n").as_bytes(), false).2.counted_output(), Tokens(2));
}

#[test]
fn comments_and_pings_are_not_life() {
    let text = ": hi\n\n\n\nevent: ping\n\nevent: ping\ndata: {}\n\nid: 7\nretry: 5\n\ndata:\n\n";
    assert_eq!(kinds(text), vec![What::Comment; 7]);
}

#[test]
fn fields_have_many_forms() {
    let json = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
    let (front, back) = json.split_at(12);
    for text in [
        format!("data:{json}\n\n"),
        format!("\u{FEFF}data: {json}\n\n"),
        format!("event: message\ndata: {json}\n\n"),
        format!(": c\nid: 1\ndata: {json}\n\n"),
        format!("data: {front}\ndata: {back}\n\n"),
        format!("data: {front}\r\ndata: {back}\r\n\r\n"),
        format!("data: {front}\rdata: {back}\r\r"),
        format!("data: {json}\r\n\n"),
    ] {
        assert_eq!(kinds(&text), [What::Content], "{text:?}");
        fuzz::sse(text.as_bytes());
    }
}

#[test]
fn errors_are_seen() {
    for (text, message) in [
        (r#"data: {"error":{"message":"no memory"}}"#, "no memory"),
        (r#"data: {"error":"no memory"}"#, "no memory"),
        (r#"data: {"object":"error","message":"no memory"}"#, "no memory"),
        ("event: error\ndata: {\"message\":\"no memory\"}", "no memory"),
        ("data: {\"error\":true}", "the backend sent an error without a message"),
        ("data: <html>", "the backend sent an event that is not JSON"),
        ("data: {\"choices\":[", "the backend sent an event that is not JSON"),
    ] {
        assert_eq!(kinds(&format!("{text}\n\n")), [What::Error(message.into())], "{text}");
    }
    assert_eq!(kinds("data: {\"error\":null,\"choices\":[]}\n\n"), [What::Other]);
}

#[test]
fn after_done_all_is_ignored() {
    assert_eq!(kinds("data:  [DONE] \n\ndata: [DONE]\n\n"), [What::Done]);
    let text = stream_of(&[TEXT, DONE, DONE, "garbage", TEXT], "\n");
    assert_eq!(kinds(&text), [What::Content, What::Done]);
}

#[test]
fn an_end_is_real_or_not() {
    let end = |text: &str| run(text.as_bytes(), false).1;
    assert!(!end("").real());
    assert!(!end(&stream_of(&[TEXT], "\n")).real());
    assert!(end(&stream_of(&[TEXT, STOP], "\n")).real());
    assert!(!end(&stream_of(&[TEXT, &STOP.replace("stop", "")], "\n")).real());
    let half = format!("{}data: {{\"choi", stream_of(&[TEXT], "\n"));
    assert_eq!(end(&half), End { done: false, finished: false, partial: true });
    for last in [DONE.to_owned(), format!("{DONE}\n"), format!("{DONE}\r"), format!("{DONE}\r\n")] {
        assert!(end(&format!("{}{last}", stream_of(&[TEXT], "\n"))).done, "{last:?}");
        let whole = &run(last.as_bytes(), false).0[0].bytes;
        assert!(whole.ends_with(b"\n\n") || whole.ends_with(b"\r\n\n"), "{whole:?}");
    }
    let second = TEXT.replace("\"index\":0", "\"index\":1");
    assert!(!end(&stream_of(&[TEXT, &second, STOP], "\n")).real(), "one of two choices is open");
    let (events, ..) = run(TEXT.as_bytes(), false);
    assert_eq!(events[0].bytes, format!("{TEXT}\n\n"), "whole but for its blank line");
}

#[test]
fn a_stream_of_two_choices_ends_with_both() {
    let second = STOP.replace("\"index\":0", "\"index\":1");
    let end = |events: &[&str]| {
        let mut stream = Stream::new(StreamLimits::default(), false).of(2);
        let mut out = SmallVec::new();
        stream.push(Bytes::from(stream_of(events, "\n")), &mut out).unwrap();
        stream.finish(&mut out).unwrap()
    };
    assert!(!end(&[TEXT, STOP]).real(), "of the other nothing has come");
    assert!(end(&[TEXT, STOP, &second]).real());
    assert!(end(&[TEXT, STOP, DONE]).real(), "it says so itself");
}

#[test]
fn an_event_above_the_limit_ends_the_stream() {
    let mut out = SmallVec::new();
    let limits = StreamLimits { event_bytes_max: 64 };
    let mut stream = Stream::new(limits, false);
    stream.push(Bytes::from_static(b": short\n\n"), &mut out).unwrap();
    let long = Bytes::from(vec![b'x'; 65]);
    assert_eq!(stream.push(long, &mut out), Err(StreamFault::EventTooLarge));
    assert_eq!(out.len(), 1);
}

#[test]
fn output_that_nobody_reports_is_all_that_was_said() {
    let delta = r#"{"reasoning_details":[{"type":"reasoning.text","text":"sixteen letters."}]}"#;
    let event = |delta: &str| format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}");
    let counted =
        |delta: &str| run(stream_of(&[&event(delta)], "\n").as_bytes(), false).2.counted_output();
    assert_eq!(counted(delta), Tokens(4));
    // The same text under several names is one.
    let twice = delta.replacen('{', r#"{"reasoning":"sixteen letters.","#, 1);
    assert_eq!(counted(&twice), Tokens(4));
    assert_eq!(counted(&delta.replace("reasoning_details", "not_known")), Tokens(4));
    let picture = format!(r#"{{"images":["data:image/png;base64,{}"]}}"#, "A".repeat(4_000));
    assert_eq!(counted(&picture), Tokens(1), "a picture is not so much text");
}

#[test]
fn usage_of_single_choices_is_that_of_the_answer() {
    let choice = |index: u8, output: u8| {
        let usage = format!(r#"{{"prompt_tokens":7,"completion_tokens":{output}}}"#);
        format!(r#"{{"index":{index},"delta":{{}},"finish_reason":"stop","usage":{usage}}}"#)
    };
    let event = |choices: &str| format!("data: {{\"choices\":[{choices}]}}");
    let (one, two, more) = (choice(0, 3), choice(1, 4), choice(0, 5));
    for (events, output) in [
        (vec![event(&one)], 3),
        (vec![event(&one), event(&two)], 7),
        (vec![event(&format!("{one},{two}"))], 7),
        (vec![event(&one), event(&two), event(&more)], 9),
    ] {
        let lines: Vec<&str> = events.iter().map(|it| &**it).collect();
        let (events, _, stream) = run(stream_of(&lines, "\n").as_bytes(), false);
        let expected = Counts { input: 7, output, ..Counts::default() };
        assert_eq!(stream.reported(), Some(expected), "{lines:?}");
        assert!(events.iter().all(|event| event.usage && event.what == What::Finish));
    }
    let groq = event(&choice(0, 1)).replace(",\"usage\"", ",\"x\"");
    let usage = r#"{"prompt_tokens":7,"completion_tokens":3}"#;
    let groq = groq.replace("]}", &format!(r#"],"x_groq":{{"id":"r","usage":{usage}}}}}"#));
    let (events, _, stream) = run(stream_of(&[&groq], "\n").as_bytes(), true);
    assert!(events[0].usage && stream.reported().unwrap().output == 3, "{groq}");
}

#[test]
fn impossible_usage_is_not_believed() {
    let none = USAGE.replace(":3", ":0");
    assert_eq!(run(stream_of(&[TEXT, &none], "\n").as_bytes(), false).2.reported(), None);
    let negative = USAGE.replace(":3", ":-3");
    let (events, _, stream) = run(stream_of(&[TEXT, &negative], "\n").as_bytes(), true);
    assert_eq!((events.len(), stream.reported()), (1, None), "withheld all the same");
}

fn ending() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["\n", "\r\n", "\r"])
}

/// Lines that streams are made of, whole and broken.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(ROLE.to_owned()),
        Just(TEXT.to_owned()),
        Just(STOP.to_owned()),
        Just(USAGE.to_owned()),
        Just(DONE.to_owned()),
        Just(": comment".to_owned()),
        Just("event: ping".to_owned()),
        Just("data".to_owned()),
        Just(String::new()),
        "\\PC{0,20}",
        "data: ?\\PC{0,20}",
    ]
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        lines in prop::collection::vec((line(), ending()), 0..12),
        mark in any::<bool>(),
    ) {
        let text: String = lines.iter().map(|(line, end)| line.clone() + end + end).collect();
        let mark = if mark { "\u{FEFF}" } else { "" };
        fuzz::sse(&[mark.as_bytes(), text.as_bytes()].concat());
    }

    #[test]
    fn a_pattern_seen_before_changes_nothing(
        texts in prop::collection::vec("\\PC{0,12}", 1..6), late in any::<bool>(),
    ) {
        // The same events, each in a fresh decoder and all in one.
        let events: Vec<String> = texts.iter().map(|text| {
            let text = serde_json::json!(text);
            let choices = format!(r#""choices":[{{"index":0,"delta":{{"content":{text}}}}}]"#);
            let json = if late {
                format!(r#"{{"id":"a","usage":null,{choices},"x":{text}}}"#)
            } else {
                format!(r#"{{{choices},"id":{text}}}"#)
            };
            format!("data: {json}\n\n")
        }).collect();
        let alone: Vec<What> = events.iter().flat_map(|event| kinds(event)).collect();
        prop_assert_eq!(kinds(&events.concat()), alone);
    }
}
