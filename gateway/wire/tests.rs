//! What reading and sending on a request promise.

mod exchanges;

use bytes::Bytes;
use policies::facts::{Needs, Tokens};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::BoundNames;

fn chat(body: &str) -> Result<Request, Failure> {
    chat_within(body, &ReadLimits::default())
}

fn chat_within(body: &str, limits: &ReadLimits) -> Result<Request, Failure> {
    read(Surface::first(), Bytes::copy_from_slice(body.as_bytes()), limits)
}

/// A body with these members beside a model and one message.
fn with(members: &str) -> String {
    format!(r#"{{"model":"auto","messages":[{{"role":"user","content":"hi"}}]{members}}}"#)
}

/// A body with these messages.
fn saying(messages: &str) -> Request {
    chat(&format!(r#"{{"model":"auto","messages":[{messages}]}}"#)).unwrap()
}

#[test]
fn a_small_request_is_read() {
    let request = chat(
        r#"{"model":"auto","stream":true,"stream_options":{"include_usage":true},"n":2,
            "max_tokens":100,"user":"u-1","messages":[
            {"role":"system","content":"Be kind."},
            {"content":"สวัสดี","role":"user"},
            {"role":"assistant","content":"Hello"},
            {"role":"user","content":[{"type":"text","text":"One"},{"type":"text","text":"two"}]}
            ]}"#,
    )
    .unwrap();
    assert_eq!(request.model(), "auto");
    assert!(request.stream() && request.wants_usage());
    assert_eq!(request.n(), 2);
    assert_eq!(request.output_tokens_asked(), Some(Tokens(100)));
    assert_eq!(request.user().as_deref(), Some("u-1"));
    assert_eq!(request.messages(), 4);
    assert_eq!(request.system(), "Be kind.");
    assert_eq!(request.turns().as_slice(), ["สวัสดี", "One\ntwo"]);
    assert_eq!(request.text_bytes(), 8 + 18 + 5 + 6);
    assert_eq!(request.needs(), Needs::NONE);
}

#[test]
fn the_instruction_is_the_last_user_turn_with_text() {
    let request = saying(
        r#"{"role":"user","content":"1"},{"role":"user","content":"2"},
        {"role":"user","content":"3"},{"role":"user","content":"4"},
        {"role":"user","content":"pay it"},{"role":"user","content":" \n "},
        {"role":"user","content":[]},
        {"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function",
            "function":{"name":"pay","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"a","content":"done"}"#,
    );
    assert_eq!(request.turns().last().unwrap(), "pay it");
    assert_eq!(request.turns().len(), 4);
    assert_eq!(request.turns()[0], "2");
}

#[test]
fn short_turns_do_not_drive_out_the_talk() {
    let talk = "Why was my transfer to my landlord declined?";
    let mut turns = format!(r#"{{"role":"user","content":"{talk}"}}"#);
    for said in ["ok", r"\u597d\u7684", "yes", "continue", "thanks", "bye"] {
        turns += &format!(r#",{{"role":"user","content":"{said}"}}"#);
    }
    let request = saying(&turns);
    assert_eq!(request.turns().as_slice(), [talk, "continue", "thanks", "bye"]);
}

#[test]
fn plain_text_is_borrowed_and_escapes_are_decoded() {
    let request = saying(
        r#"{"role":"user","content":"plain"},
           {"role":"user","content":"\u4f60\u597d \"\ud83d\ude00\"\n\\"}"#,
    );
    let turns = request.turns();
    assert!(matches!(turns[0], std::borrow::Cow::Borrowed("plain")));
    assert_eq!(turns[1], "你好 \"😀\"\n\\");
}

#[test]
fn a_long_turn_is_sampled_at_both_ends() {
    for filler in ["é", "\\n", "\\u4f60", "x", "你"] {
        let long = format!("START{}END", filler.repeat(5000));
        let request = saying(&format!(r#"{{"role":"user","content":"{long}"}}"#));
        let turn = request.turns()[0].to_string();
        assert!(turn.starts_with("START") && turn.ends_with("END"), "{filler}");
        assert!(turn.len() <= 8 * 1024 + 1 && !turn.contains('\u{FFFD}'), "{filler}");
    }
    let parts = vec![r#"{"type":"text","text":"word"}"#; 9000].join(",");
    let request = saying(&format!(r#"{{"role":"user","content":[{parts}]}}"#));
    assert_eq!(request.text_bytes(), 36_000);
    assert!(request.turns()[0].len() <= 8 * 1024 + 1);
}

#[test]
fn the_system_text_is_the_first_two_kibibytes() {
    let long = "ไ".repeat(2000);
    let request = saying(&format!(
        r#"{{"role":"developer","content":"{long}"}},{{"role":"user","content":"x"}}"#
    ));
    assert_eq!(request.system(), "ไ".repeat(682));
    let request = saying(
        r#"{"role":"system","content":"a"},{"role":"developer","content":"b\n"},
           {"role":"user","content":"x"}"#,
    );
    assert_eq!(request.system(), "a\nb\n");
}

#[test]
fn thinking_is_asked_for_in_many_words() {
    for (members, needs) in [
        (r#","reasoning_effort":"high""#, Needs::REASONING),
        (r#","reasoning_effort":"none""#, Needs::NONE),
        (r#","reasoning_effort":"n\u006fne""#, Needs::NONE),
        (r#","reasoning":{"effort":"low"}"#, Needs::REASONING),
        (r#","chat_template_kwargs":{"enable_thinking":true}"#, Needs::REASONING),
        (r#","chat_template_kwargs":{"thinking":false}"#, Needs::NONE),
        (r#","chat_template_kwargs":{"thinking":true}"#, Needs::REASONING),
        (r#","reasoning_effort":"""#, Needs::NONE),
        (r#","reasoning_effort":null"#, Needs::NONE),
        (r#","reasoning_effort":"minimal""#, Needs::REASONING),
        (r#","reasoning":{}"#, Needs::NONE),
        (r#","reasoning":{"effort":null}"#, Needs::NONE),
        (r#","reasoning":{"effort":"none","enabled":true}"#, Needs::NONE),
        (r#","reasoning":{"enabled":false}"#, Needs::NONE),
        (r#","reasoning":{"max_tokens":2000}"#, Needs::REASONING),
        (r#","reasoning":{"max_tokens":0}"#, Needs::NONE),
        (r#","reasoning":{"exclude":true}"#, Needs::REASONING),
        (r#","thinking":{"type":"enabled"}"#, Needs::REASONING),
        (r#","thinking":{"type":"enabled","budget_tokens":1024}"#, Needs::REASONING),
        (r#","thinking":{"type":"adaptive"}"#, Needs::REASONING),
        (r#","thinking":{"type":"disabled"}"#, Needs::NONE),
        (r#","thinking":{"type":"disabled","clear_thinking":false}"#, Needs::NONE),
        (r#","thinking":null"#, Needs::NONE),
        (r#","thinking":true"#, Needs::REASONING),
        (r#","enable_thinking":true"#, Needs::REASONING),
        (r#","enable_thinking":false"#, Needs::NONE),
        (r#","enable_thinking":null"#, Needs::NONE),
        (r#","thinking_budget":512"#, Needs::REASONING),
        (r#","thinking_budget":0"#, Needs::NONE),
        (r#","think":"high""#, Needs::REASONING),
        (r#","think":false"#, Needs::NONE),
    ] {
        assert_eq!(chat(&with(members)).unwrap().needs(), needs, "{members}");
    }
}

#[test]
fn needs_are_seen() {
    let image = r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}"#;
    let audio = r#"{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}"#;
    let request = saying(&format!(r#"{{"role":"user","content":[{image},{audio},{image}]}}"#));
    assert_eq!(request.needs(), Needs::VISION.with(Needs::AUDIO));
    assert_eq!(request.media_parts(), 3);
    assert!(request.turns().is_empty());
    let tool = r#"{"type":"function","function":{"name":"f","parameters":{}}}"#;
    for (members, needs) in [
        (format!(r#","tools":[{tool}]"#), Needs::TOOLS),
        (r#","tools":[]"#.into(), Needs::NONE),
        (r#","tools":null"#.into(), Needs::NONE),
        (
            r#","response_format":{"type":"json_schema","json_schema":{"schema":{}}}"#.into(),
            Needs::JSON_SCHEMA,
        ),
        (
            r#","response_format":{"type":"json\u005fschema","json_schema":{}}"#.into(),
            Needs::JSON_SCHEMA,
        ),
        (r#","response_format":{"type":"json_object"}"#.into(), Needs::NONE),
        (r#","reasoning_effort":"high""#.into(), Needs::REASONING),
        (r#","reasoning_effort":"none""#.into(), Needs::NONE),
        (r#","reasoning_effort":"""#.into(), Needs::NONE),
        (r#","reasoning_effort":null"#.into(), Needs::NONE),
        (r#","reasoning":{"effort":""}"#.into(), Needs::NONE),
        (r#","reasoning_effort":"n\u006fne""#.into(), Needs::NONE),
        (r#","reasoning":{"effort":"low"}"#.into(), Needs::REASONING),
        (r#","chat_template_kwargs":{"enable_thinking":true}"#.into(), Needs::REASONING),
        (r#","chat_template_kwargs":{"thinking":false}"#.into(), Needs::NONE),
        (r#","logprobs":true"#.into(), Needs::LOGPROBS),
        (r#","logprobs":false"#.into(), Needs::NONE),
        (r#","logprobs":5"#.into(), Needs::LOGPROBS),
        (r#","logprobs":0.0"#.into(), Needs::NONE),
    ] {
        assert_eq!(chat(&with(&members)).unwrap().needs(), needs, "{members}");
    }
    assert!(chat(&with(r#","response_format":{"type":"json_object"}"#)).unwrap().json_schema());
    let long = saying(&format!(r#"{{"role":"user","content":"{}"}}"#, "word ".repeat(30_000)));
    assert_eq!(long.needs(), Needs::LONG_CONTEXT);
}

#[test]
fn the_end_user_has_three_names() {
    for (members, user) in [
        (r#","user":"a","safety_identifier":"b""#, Some("a")),
        (r#","safety_identifier":"b","metadata":{"user_id":"c"}"#, Some("b")),
        (r#","metadata":{"k":[1],"user_id":"c\u0041"}"#, Some("cA")),
        (r#","user":7,"metadata":"x""#, None),
        // An empty name would be one user for all who send it.
        (r#","user":"","safety_identifier":"","metadata":{"user_id":"c"}"#, Some("c")),
        (r#","user":"","metadata":{"user_id":null}"#, None),
        ("", None),
    ] {
        assert_eq!(chat(&with(members)).unwrap().user().as_deref(), user, "{members}");
    }
}

#[test]
fn estimates_follow_the_script_and_the_bound_cannot_be_exceeded() {
    let tokens = |text: &str| {
        saying(&format!(r#"{{"role":"user","content":"{text}"}}"#)).input_tokens().0 - 4
    };
    assert_eq!(tokens(&"word".repeat(100)), 100);
    assert_eq!(tokens(&"你".repeat(100)), 85);
    assert_eq!(tokens(&"\\u4f60".repeat(100)), 85);
    assert_eq!(tokens(&"д".repeat(100)), 50);
    assert_eq!(tokens(&"😀".repeat(100)), 200);
    assert_eq!(tokens(&"\\ud83d\\ude00".repeat(100)), 200);
    let long = tokens(&"你".repeat(100_000));
    assert!((84_000..86_000).contains(&long), "{long}");
    let body = with(r#","tools":[{"type":"a"},{"type":"b"}]"#);
    let request = chat(&body).unwrap();
    let bound = body.len() as u32 + 64 * 3 + 1024;
    assert_eq!(request.input_tokens_bound(Tokens(4096)), Tokens(bound));
}

#[test]
fn the_tools_text_is_their_json_to_a_bound() {
    let text = |tools: &str| chat(&with(tools)).unwrap().tools_text().to_owned();
    assert_eq!(text(""), "");
    assert_eq!(text(r#","tools":null"#), "");
    let tool = r#"[{"type":"function","function":{"name":"天气"}}]"#;
    assert_eq!(text(&format!(r#","tools":{tool}"#)), tool);
    let tool = format!(r#","tools":[{{"type":"a","name":"{}"}}]"#, "天".repeat(2_000));
    let long = text(&tool);
    assert!(long.len() <= 4_096 && long.ends_with('天'), "{}", long.len());
}

/// A body, the code it is refused with, and the field that is named.
type Wrong<'a> = (&'a str, &'a str, Option<&'a str>);

fn all_refused(table: &[Wrong<'_>]) {
    for (body, code, param) in table {
        let failure = chat(body).unwrap_err();
        assert_eq!((failure.code, failure.param.as_deref()), (*code, *param), "{body}: {failure}");
        assert_eq!(failure.status(), 400);
    }
}

#[test]
fn what_is_not_json_is_named() {
    let deep = |depth: usize| with(&format!(r#","x":{}{}"#, "[".repeat(depth), "]".repeat(depth)));
    assert!(chat(&deep(127)).is_ok());
    all_refused(&[
        ("", "invalid_json", None),
        ("{", "invalid_json", None),
        ("hello", "invalid_json", None),
        ("[]", "invalid_type", None),
        ("\"x\"", "invalid_type", None),
        (&format!("{} x", with("")), "invalid_json", None),
        (&with(r#","a":1,"a":2"#), "invalid_json", Some("a")),
        (&with(r#","a":1,"\u0061":2"#), "invalid_json", Some("a")),
        (&with(r#","mod\u0065l":"b""#), "invalid_json", Some("model")),
        (&with(r#","x":"\ud800""#), "invalid_json", None),
        (&with(r#","x":01"#), "invalid_json", None),
        (&with(r#","x":1."#), "invalid_json", None),
        (&with(r#","x":nul"#), "invalid_json", None),
        (&with(",\"x\":\"\n\""), "invalid_json", None),
        (&with(","), "invalid_json", None),
        (&deep(128), "invalid_json", None),
    ]);
    let failure = chat(&with(",\"x\":tru")).unwrap_err();
    assert!(failure.public.contains("at byte "), "{failure}");
    let mut body = with("").into_bytes();
    body.insert(10, 0xFF);
    let limits = ReadLimits::default();
    let failure = read(Surface::first(), body.into(), &limits).unwrap_err();
    assert_eq!(failure.public, "the body is not valid JSON: invalid UTF-8 at byte 10");
}

#[test]
fn wrong_shapes_are_named() {
    all_refused(&[
        ("{}", "missing_required_parameter", Some("model")),
        (r#"{"model":"a"}"#, "missing_required_parameter", Some("messages")),
        (r#"{"model":"","messages":[]}"#, "missing_required_parameter", Some("model")),
        (r#"{"model":7}"#, "invalid_type", Some("model")),
        (r#"{"model":"a","messages":{}}"#, "invalid_type", Some("messages")),
        (r#"{"model":"a","messages":[]}"#, "invalid_value", Some("messages")),
        (r#"{"messages":["hi"]}"#, "invalid_type", Some("messages[0]")),
        (
            r#"{"messages":[{"content":"x"}]}"#,
            "missing_required_parameter",
            Some("messages[0].role"),
        ),
        (r#"{"messages":[{"role":"boss"}]}"#, "invalid_value", Some("messages[0].role")),
        (r#"{"messages":[{"role":1}]}"#, "invalid_type", Some("messages[0].role")),
        (
            r#"{"messages":[{"role":"user"}]}"#,
            "missing_required_parameter",
            Some("messages[0].content"),
        ),
        (
            r#"{"messages":[{"role":"user","content":"a"},{"role":"user","content":7}]}"#,
            "invalid_type",
            Some("messages[1].content"),
        ),
        (
            r#"{"messages":[{"role":"user","content":[7]}]}"#,
            "invalid_type",
            Some("messages[0].content[0]"),
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":7}]}]}"#,
            "invalid_type",
            Some("messages[0].content[0].text"),
        ),
        (&with(r#","stream":"yes""#), "invalid_type", Some("stream")),
        (&with(r#","stream_options":[]"#), "invalid_type", Some("stream_options")),
        (
            &with(r#","stream_options":{"include_usage":1}"#),
            "invalid_type",
            Some("stream_options.include_usage"),
        ),
        (&with(r#","max_tokens":-1"#), "invalid_value", Some("max_tokens")),
        (&with(r#","max_tokens":0"#), "invalid_value", Some("max_tokens")),
        (&with(r#","max_tokens":1.5"#), "invalid_value", Some("max_tokens")),
        (&with(r#","max_tokens":"5""#), "invalid_type", Some("max_tokens")),
        (&with(r#","n":0"#), "invalid_value", Some("n")),
        (&with(r#","n":9"#), "unsupported_parameter", Some("n")),
        (&with(r#","tools":{}"#), "invalid_type", Some("tools")),
        (&with(r#","tools":[1]"#), "invalid_type", Some("tools[0]")),
        (&with(r#","response_format":7"#), "invalid_type", Some("response_format")),
    ]);
}

#[test]
fn a_source_as_messages_has_it_is_media() {
    let data = "A".repeat(400_000);
    for part in [
        r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"DATA"}}"#,
        r#"{"source":{"data":"DATA","type":"base64"},"type":"image"}"#,
    ] {
        let message = format!(r#"{{"role":"user","content":[{}]}}"#, part.replace("DATA", &data));
        let request = saying(&message);
        assert_eq!(request.media_parts(), 1);
        assert!(request.input_tokens_bound(Tokens(4_096)).0 < 6_000, "{part}");
    }
    // What stands in a document is read.
    let document = r#"{"type":"document","source":{"type":"base64","data":"DATA"}}"#;
    let document = document.replace("DATA", &data);
    let request = saying(&format!(r#"{{"role":"user","content":[{document}]}}"#));
    assert!(request.input_tokens_bound(Tokens(4_096)).0 > 400_000);
}

#[test]
fn refused_parameters_are_named() {
    for (name, instead) in [
        ("chat_template", "chat_template_kwargs"),
        ("prompt_embeds", "texts"),
        ("kv_transfer_params", "texts"),
        ("mock_response", "signalbox sim"),
        ("api_base", "configuration"),
        ("base_url", "configuration"),
        ("api_key", "configuration"),
        ("user_config", "configuration"),
        ("models", "an alias that lists them"),
        ("route", "an alias that lists them"),
        ("fallbacks", "an alias that lists them"),
        ("context_window_fallbacks", "an alias that lists them"),
        ("provider", "x-signalbox-data-class"),
        ("transforms", "as they are"),
        ("num_retries", "policy"),
        ("input_cost_per_token", "configuration"),
        ("extra_headers", "configuration"),
        ("extra_body", "itself"),
    ] {
        for written in [name.to_owned(), format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..])] {
            for value in ["{}", "[]", r#"["a","b"]"#, r#""fallback""#, "0"] {
                let failure = chat(&with(&format!(r#","{written}":{value}"#))).unwrap_err();
                assert_eq!(failure.code, "unsupported_parameter");
                assert_eq!(failure.param.as_deref(), Some(name));
                let said = format!("{name} cannot be served: ");
                assert!(failure.public.starts_with(&said), "{failure}");
                assert!(failure.public.contains(instead), "{failure}");
            }
        }
        assert!(chat(&with(&format!(r#","{name}":null"#))).is_ok());
    }
    let failure = chat(&with(r#","chat_template_kwargs":{"tools":1}"#)).unwrap_err();
    assert_eq!(failure.param.as_deref(), Some("chat_template_kwargs.tools"));
    let limits = ReadLimits { tools_max: 1, schema_bytes_max: 32, ..ReadLimits::default() };
    for (members, param) in [
        (r#","tools":[{"type":"a"},{"type":"a"}]"#, "tools"),
        (r#","tools":[{"type":"a","a":"0123456789012345678901234567890123456789"}]"#, "tools[0]"),
        (r#","guided_json":{"a":"0123456789012345678901234567890123456789"}"#, "guided_json"),
        (r#","response_format":{"type":"json_schema","json_schema":{}}"#, "response_format"),
    ] {
        let failure = chat_within(&with(members), &limits).unwrap_err();
        assert_eq!(failure.code, "unsupported_parameter");
        assert_eq!(failure.param.as_deref(), Some(param));
    }
}

#[test]
fn remote_media_is_refused_under_any_name() {
    let hosts = vec!["img.bank.example".into()];
    let limits = ReadLimits { media_hosts: hosts, ..ReadLimits::default() };
    let part = |part: &str| {
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{part}]}}]}}"#)
    };
    for (text, param) in [
        (r#"{"type":"image_url","image_url":{"url":"https://evil.example/a"}}"#, "image_url"),
        (r#"{"type":"image_url","image_url":{"url":"http://img.bank.example/a"}}"#, "image_url"),
        (r#"{"type":"image_url","image_url":"https://evil.example/a"}"#, "image_url"),
        (r#"{"image_url":{"u\u0072l":"\u0068ttp:\/\/10.0.0.1"}}"#, "image_url"),
        (r#"{"type":"text","text":"a","video_url":{"url":"https://10.0.0.1/"}}"#, "video_url"),
        (r#"{"type":"input_audio","input_audio":{"data":"http://10.0.0.1/"}}"#, "input_audio"),
        (r#"{"type":"image_embeds","image_embeds":"AAAA"}"#, "image_embeds"),
        (r#"{"type":"file","file":{"file_data":"file:///etc/passwd"}}"#, "file"),
        (r#"{"image_url":{"url":"data:,","url":"https://evil.example/a"}}"#, "image_url"),
        (
            r#"{"type":"image","source":{"type":"url","url":"https://evil.example/a"}}"#,
            "source.url",
        ),
        (r#"{"source":{"url":"http://10.0.0.1/"},"type":"document"}"#, "source.url"),
    ] {
        let failure = chat_within(&part(text), &limits).unwrap_err();
        assert_eq!(failure.code, "unsupported_parameter", "{text}");
        let expected = format!("messages[0].content[0].{param}");
        assert_eq!(failure.param.as_deref(), Some(&*expected));
        assert!(!failure.public.contains("example"), "{failure}");
    }
    let fine = part(r#"{"type":"image_url","image_url":{"url":"https://img.bank.example/a.png"}}"#);
    assert!(chat_within(&fine, &limits).unwrap().needs().contains(Needs::VISION));
    let picture = part(r#"{"source":{"type":"base64","data":"AAAA"},"type":"image"}"#);
    assert!(chat_within(&picture, &limits).unwrap().needs().contains(Needs::VISION));
    // A remark beside a text is none of our business.
    let remark = part(r#"{"type":"text","text":"a","source":{"url":"https://wiki.example/a"}}"#);
    assert!(chat_within(&remark, &limits).unwrap().needs().is_empty());
}

#[test]
fn too_many_fields_are_refused() {
    let many: String = (0..1001).map(|n| format!(r#","f{n}":0"#)).collect();
    assert_eq!(chat(&with(&many)).unwrap_err().code, "invalid_value");
}

/// Pictures, sounds and videos are no text: neither the bound nor the estimate takes their bytes.
#[test]
fn the_bytes_of_media_are_not_text() {
    let data = "QUJD".repeat(100_000);
    let long = "x".repeat(70);
    for (part, parts) in [
        (
            format!(
                r#"{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}"#
            ),
            1,
        ),
        (format!(r#"{{"type":"image_url","image_url":"data:image/png;base64,{data}"}}"#), 1),
        (
            format!(
                r#"{{"type":"image_url","image_url":{{"url":"data:image\/png;base64,{data}"}}}}"#
            ),
            1,
        ),
        (
            format!(r#"{{"type":"input_audio","input_audio":{{"data":"{data}","format":"wav"}}}}"#),
            1,
        ),
        (
            format!(
                r#"{{"type":"audio_url","audio_url":{{"url":"data:audio/mp3;base64,{data}"}}}}"#
            ),
            1,
        ),
        (
            format!(
                r#"{{"type":"video_url","video_url":{{"url":"data:video/mp4;base64,{data}"}}}}"#
            ),
            1,
        ),
        (format!(r#"{{"type":"file","file":{{"file_data":"data:image/png;base64,{data}"}}}}"#), 1),
        // A part with several of them counts as several.
        (format!(r#"{{"type":"image","image":["data:image/png;base64,{data}","{data}"]}}"#), 2),
        (format!(r#"{{"type":"x","image":"{data}","audio":["{data}","{long}"]}}"#), 3),
    ] {
        for role in ["user", "tool"] {
            let message = format!(r#"{{"role":"{role}","content":[{part},{part}]}}"#);
            let request = saying(&message);
            let parts = parts * 2;
            assert_eq!(request.media_parts(), parts, "{part:.60}");
            let bound = request.input_tokens_bound(Tokens(4_096)).0;
            assert!(bound < parts * 4_096 + 64 + 1_024 + 400, "{bound}: {part:.60}");
            assert_eq!(request.input_tokens(), Tokens(4));
        }
    }
    // What stands in a file is read, and so is what is only called a picture.
    for part in [
        format!(r#"{{"type":"file","file":{{"file_data":"data:application/pdf;base64,{data}"}}}}"#),
        format!(r#"{{"type":"file","file":{{"file_data":"{data}","filename":"a.pdf"}}}}"#),
        format!(r#"{{"type":"image_url","image_url":{{"url":"data:text/plain,{data}"}}}}"#),
        format!(r#"{{"type":"text","text":"data:image/png;base64,{data}"}}"#),
    ] {
        let request = saying(&format!(r#"{{"role":"user","content":[{part}]}}"#));
        assert!(request.input_tokens_bound(Tokens(0)).0 > 400_000, "{part:.60}");
    }
}

#[test]
fn whole_numbers_are_whole_however_they_are_written() {
    for (digits, tokens) in [
        ("4096", 4_096),
        ("4096.0", 4_096),
        ("4.096e3", 4_096),
        ("40960E-1", 4_096),
        ("4096.000e+0", 4_096),
        ("1e400", u32::MAX),
        ("99999999999999999999999999", u32::MAX),
    ] {
        for name in ["max_tokens", "max_completion_tokens"] {
            let request = chat(&with(&format!(r#","{name}":{digits}"#))).unwrap();
            assert_eq!(request.output_tokens_asked(), Some(Tokens(tokens)), "{digits}");
        }
    }
    for digits in ["4096.5", "\"4096\"", "-4096.0", "0.0", "-0", "1e-1", "5e-99999999999", "[1]"] {
        assert!(chat(&with(&format!(r#","max_tokens":{digits}"#))).is_err(), "{digits}");
    }
    assert_eq!(chat(&with(r#","n":2.0"#)).unwrap().n(), 2);
}

#[test]
fn edits_touch_only_what_they_must() {
    const ASK: &str = r#""stream_options":{"include_usage":true}"#;
    // `M` stands for a message, `ASK` for what asks for usage; the model sent on is `b`.
    let full =
        |text: &str| text.replace("ASK", ASK).replace('M', r#""messages":[{"role":"tool"}]"#);
    for (body, ask_usage, most, expected) in [
        (r#"{M,"model":"b"}"#, false, None, r#"{M,"model":"b"}"#),
        (r#"{M,"model":"auto"}"#, false, None, r#"{M,"model":"b"}"#),
        (
            r#" { "model" : "auto" ,M, "x":1.0e+0 } "#,
            true,
            Some(9),
            r#" {ASK,"max_tokens":9, "model" : "b" ,M, "x":1.0e+0 } "#,
        ),
        (
            r#"{M,"stream_options":{"a":1},"max_tokens":10,"model":"auto"}"#,
            true,
            Some(9),
            r#"{M,"stream_options":{"include_usage":true,"a":1},"max_tokens":9,"model":"b"}"#,
        ),
        (
            r#"{M,"stream_options":{},"max_completion_tokens":9,"model":"b"}"#,
            true,
            Some(9),
            r#"{"max_tokens":9,M,ASK,"max_completion_tokens":9,"model":"b"}"#,
        ),
        (
            r#"{M,"stream_options":{"include_usage": false,"z":[]},"max_tokens":null,"model":"b"}"#,
            true,
            Some(9),
            r#"{M,"stream_options":{"include_usage": true,"z":[]},"max_tokens":9,"model":"b"}"#,
        ),
        (
            r#"{"max_completion_tokens":12,M,"stream_options":null,"max_tokens":null,"model":"b"}"#,
            true,
            Some(9),
            r#"{"max_completion_tokens":9,M,ASK,"max_tokens":9,"model":"b"}"#,
        ),
        (
            r#"{"max_completion_tokens":12,M,"max_tokens":13,"model":"b"}"#,
            false,
            Some(9),
            r#"{"max_completion_tokens":9,M,"max_tokens":9,"model":"b"}"#,
        ),
        (r#"{M,ASK,"model":"b"}"#, true, None, r#"{M,ASK,"model":"b"}"#),
    ] {
        let request = chat(&full(body)).unwrap();
        let told_as = BoundNames { max_tokens: most.is_some(), ..BoundNames::default() };
        let most = Tokens(Option::<u32>::unwrap_or(most, u32::MAX));
        let sent = request.to_upstream(&Edit { ask_usage, ..edit("b", most, told_as) });
        assert_eq!(sent.concat(), full(expected), "{body}");
        assert_eq!(sent.len, full(expected).len());
    }
}

/// Any JSON value that is not too deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Edits for an engine that is asked for usage.
fn edit(model: &str, output_tokens_max: Tokens, told_as: BoundNames) -> Edit<'_> {
    Edit {
        model,
        ask_usage: true,
        output_tokens_max,
        planned: output_tokens_max,
        told_as,
        arm: None,
        native: false,
        spoken: Surface::first(),
    }
}

proptest! {
    #[test]
    fn a_spliced_body_differs_only_where_it_must(
        before in any_json(),
        after in any_json(),
        options in prop::option::of(prop_oneof![
            Just(json!(null)), Just(json!({})), Just(json!({"a": [1]})),
            Just(json!({"include_usage": false, "b": "x"})), Just(json!({"include_usage": true})),
        ]),
        asked in prop::option::of(1u32..100),
        (completion, told) in (any::<bool>(), 0..4_usize),
        model in "\\PC{1,12}",
        pretty in any::<bool>(),
    ) {
        let name = if completion { "max_completion_tokens" } else { "max_tokens" };
        let text = |value: &Value| if pretty {
            serde_json::to_string_pretty(value).unwrap()
        } else {
            value.to_string()
        };
        let mut body = format!(r#"{{"aa": {},"model":"auto""#, text(&before));
        if let Some(options) = &options {
            body += &format!(r#", "stream_options" :{}"#, text(options));
        }
        if let Some(asked) = asked {
            body += &format!(r#","{name}":{asked}"#);
        }
        body += &format!(r#","messages":[{{"role":"tool"}}],"zz":{}}}"#, text(&after));
        let request = chat(&body).unwrap();
        let told_as = [BoundNames::MAX_TOKENS, BoundNames::MAX_COMPLETION_TOKENS, BoundNames::BOTH];
        let told_as = told_as.get(told).copied().unwrap_or_default();
        let output_tokens_max = Tokens(50);
        let edit = edit(&model, output_tokens_max, told_as);
        let sent = request.to_upstream(&edit);
        let bytes = sent.concat();
        prop_assert_eq!(sent.len, bytes.len());
        let mut expected: Value = serde_json::from_str(&body).unwrap();
        expected["model"] = json!(model);
        if !expected["stream_options"].is_object() {
            expected["stream_options"] = json!({});
        }
        expected["stream_options"]["include_usage"] = json!(true);
        if let Some(asked) = asked {
            expected[name] = json!(asked.min(50));
        }
        for (name, told) in [
            ("max_tokens", told_as.max_tokens),
            ("max_completion_tokens", told_as.max_completion_tokens),
        ] {
            if told && expected[name].is_null() {
                expected[name] = json!(50);
            } else if expected[name].is_null() {
                expected.as_object_mut().unwrap().remove(name);
            }
        }
        prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expected);
        let sent = String::from_utf8(bytes.to_vec()).unwrap();
        let (aa, zz) = (format!(r#""aa": {}"#, text(&before)), format!(r#""zz":{}"#, text(&after)));
        let kept = sent.contains(&aa) && sent.strip_suffix('}').is_some_and(|s| s.ends_with(&zz));
        prop_assert!(kept, "unknown fields are not as they were");
    }

    #[test]
    fn the_scanner_agrees_with_serde_json(
        value in any_json(),
        cut in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        change in 0..4u8,
    ) {
        let mut text = value.to_string().into_bytes();
        fuzz::scan(&text);
        let at = cut.index(text.len());
        match change {
            0 => text.truncate(at),
            1 => text[at] = byte,
            2 => text.insert(at, byte),
            _ => { text.remove(at); }
        }
        fuzz::scan(&text);
    }

    #[test]
    fn the_scanner_agrees_on_what_looks_like_json(
        text in r#"[ \[\]{}:,"\\u0-9a-fD8eE+.truefalsn-]{0,40}"#,
    ) {
        fuzz::scan(text.as_bytes());
    }

    #[test]
    fn no_bytes_make_reading_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz::sse(&data);
        fuzz::body(&data);
        let said = Said::read(&data);
        let _ = said.message("");
        let _ = said.is_too_long(400, false, &[]);
        let _ = Said::event(&data);
        let _ = plain(&Bytes::from(data));
    }

    #[test]
    fn a_damaged_request_is_read_or_refused(
        cut in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        content in any::<String>(),
    ) {
        let content = json!(content);
        let mut body = format!(
            r#"{{"model":"a\u0075to","n":1,"stream":true,"stream_options":{{"include_usage":false}},
            "messages":[{{"role":"system","content":{content}}},{{"role":"user","content":[
            {{"type":"text","text":{content}}}]}}],"max_tokens":9,"tools":[{{"type":"a"}}]}}"#
        ).into_bytes();
        fuzz::body(&body);
        let at = cut.index(body.len());
        body[at] = byte;
        fuzz::body(&body);
        body.truncate(at);
        fuzz::body(&body);
    }
}
