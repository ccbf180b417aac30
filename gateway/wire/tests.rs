//! What the room promises: any split of the bytes is the same stream, JSON is judged as serde_json
//! judges it, and what is not ours reaches the backend byte for byte.

use bytes::Bytes;
use policies::{
    Counts,
    facts::{Dialect, Needs, Operation, Tokens},
};
use proptest::prelude::*;
use smallvec::SmallVec;

use super::{
    Body, Edit, End, Event, Invalid, ReadLimits, Request, Stream, StreamFault, StreamLimits, What,
    error_body, error_message, is_context_length, plain, read, scan::Scan, with_cost,
};
use crate::failure::{Failure, Kind, Stage};

fn limits() -> ReadLimits {
    ReadLimits {
        depth_max: 128,
        n_max: 8,
        tools_max: 4,
        schema_bytes_max: 200,
        media_hosts: vec!["img.example".into()],
    }
}

fn request(body: &str) -> Result<Request, Failure> {
    read(Dialect::OpenAi, Operation::Chat, Bytes::from(body.to_owned()), &limits())
}

fn good(body: &str) -> Request {
    request(body).unwrap()
}

fn text(body: &Body) -> String {
    assert_eq!(body.len, body.slices.iter().map(Bytes::len).sum::<usize>());
    String::from_utf8(body.slices.concat()).unwrap()
}

const PLAIN: &str = r#"{"model":"auto","messages":[{"role":"user","content":"hello"}]}"#;

#[test]
fn faults_are_told_apart_and_placed() {
    let message = r#""messages":[{"role":"user","content":"x"}]"#;
    for (body, code, param) in [
        ("", "invalid_json", None),
        ("{", "invalid_json", None),
        ("[]", "invalid_type", None),
        (r#"{"model":"m","messages":[]} x"#, "invalid_json", None),
        (&format!("{{{message}}}"), "missing_required_parameter", Some("model")),
        (r#"{"model":"m"}"#, "missing_required_parameter", Some("messages")),
        (r#"{"model":"m","messages":[]}"#, "invalid_value", Some("messages")),
        (r#"{"model":7,"messages":[]}"#, "invalid_type", Some("model")),
        (r#"{"model":"m","messages":"x"}"#, "invalid_type", Some("messages")),
        (r#"{"model":"m","messages":["x"]}"#, "invalid_type", Some("messages[0]")),
        (
            r#"{"model":"m","messages":[{"role":"user","content":7}]}"#,
            "invalid_type",
            Some("messages[0].content"),
        ),
        (
            r#"{"model":"m","messages":[{"role":"boss","content":"x"}]}"#,
            "invalid_value",
            Some("messages[0].role"),
        ),
        (
            r#"{"model":"m","messages":[{"content":"x"}]}"#,
            "missing_required_parameter",
            Some("messages[0].role"),
        ),
        (&format!(r#"{{"model":"m",{message},"stream":1}}"#), "invalid_type", Some("stream")),
        (&format!(r#"{{"model":"m",{message},"n":0}}"#), "invalid_value", Some("n")),
        (&format!(r#"{{"model":"m",{message},"n":9}}"#), "unsupported_parameter", Some("n")),
        (
            &format!(r#"{{"model":"m",{message},"max_tokens":1.5}}"#),
            "invalid_value",
            Some("max_tokens"),
        ),
        (
            &format!(r#"{{"model":"m",{message},"api_base":"http://x"}}"#),
            "unsupported_parameter",
            Some("api_base"),
        ),
        (
            &format!(r#"{{"model":"m",{message},"mod\u0065l":"n"}}"#),
            "duplicate_parameter",
            Some("model"),
        ),
        (
            &format!(r#"{{"model":"m",{message},"tools":[1,2,3,4,5]}}"#),
            "unsupported_parameter",
            Some("tools"),
        ),
        (
            &format!(r#"{{"model":"m",{message},"chat_template_kwargs":{{"x":1}}}}"#),
            "unsupported_parameter",
            Some("chat_template_kwargs.x"),
        ),
    ] {
        let failure = request(body).expect_err(body);
        assert_eq!((failure.code, failure.param.as_deref()), (code, param), "{body}: {failure}");
        assert_eq!(failure.kind, Kind::InvalidRequest);
    }
}

#[test]
fn bytes_that_are_no_utf8_and_nesting_are_refused() {
    let body = Bytes::from_static(b"{\"model\":\"\xff\"}");
    let failure = read(Dialect::OpenAi, Operation::Chat, body, &limits()).unwrap_err();
    assert!(failure.public.contains("not UTF-8 at byte 10"), "{failure}");
    let deep = |depth: usize| {
        let nest = ["[".repeat(depth), "]".repeat(depth)].concat();
        request(&PLAIN.replacen('{', &format!(r#"{{"x":{nest},"#), 1))
    };
    assert!(deep(127).is_ok());
    assert!(deep(128).unwrap_err().public.contains("nesting"));
    assert!(deep(100_000).unwrap_err().public.contains("nesting"));
}

#[test]
fn media_come_along_or_from_named_hosts() {
    let with = |url: &str| {
        request(&format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"text","text":"see"}},
            {{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}]}}"#
        ))
    };
    let seen = with("data:image/png;base64,AAAA").unwrap();
    assert_eq!((seen.media_parts(), seen.needs()), (1, Needs::VISION));
    assert!(with("https://img.example/a.png").is_ok());
    for url in [
        "http://img.example/a.png",
        "https://evil.example/img.example",
        "https://img.example@evil.example/",
        "https://img.example:8443/",
        "file:///etc/passwd",
    ] {
        assert_eq!(with(url).expect_err(url).code, "unsupported_parameter");
    }
}

#[test]
fn what_a_request_says_is_found() {
    let read = good(
        r#"{"messages":[{"content":"Be brief.","role":"system"},
        {"role":"user","content":"first"},{"role":"assistant","content":"ok"},
        {"role":"user","content":[{"type":"text","text":"a\u00e9"},{"type":"text","text":"b\n"}]},
        {"role":"assistant","content":null,"tool_calls":[{"id":"1"}]},
        {"role":"tool","tool_call_id":"1","content":"42"}],
        "model":"au\u0074o","stream":true,"max_tokens":9,"max_completion_tokens":7,"n":2,
        "metadata":{"user_id":"u-1"},"tools":[{"type":"function"}],"reasoning_effort":"low",
        "response_format":{"type":"json_schema","json_schema":{}},"stream_options":null}"#,
    );
    assert_eq!(read.model(), "auto");
    assert_eq!(read.system(), "Be brief.");
    assert_eq!(read.turns()[..], ["first", "aé\nb\n"]);
    assert_eq!(read.output_tokens_asked(), Some(Tokens(7)));
    assert_eq!((read.n(), read.tools(), read.messages()), (2, 1, 6));
    assert_eq!(read.user().as_deref(), Some("u-1"));
    assert!(read.stream() && !read.wants_usage() && read.json_schema());
    let needs = Needs::TOOLS.with(Needs::REASONING).with(Needs::JSON_SCHEMA);
    assert_eq!(read.needs(), needs);
}

#[test]
fn long_turns_are_sampled_at_both_ends() {
    let long = format!("HEAD{}TAIL", "ข้อความ".repeat(4_000));
    let read = good(&PLAIN.replace("hello", &long));
    let turn = &read.turns()[0];
    assert!(turn.len() < 9_000 && turn.starts_with("HEAD") && turn.ends_with("TAIL"));
    assert!(read.input_tokens().0 > 15_000);
    assert!(read.input_tokens_bound(Tokens(0)).0 as usize > long.len());
}

#[test]
fn only_our_fields_change_on_the_way() {
    let edit = Edit { model: "Qwen/Q", ask_usage: true, output_tokens_max: Some(Tokens(50)) };
    for (body, sent) in [
        (
            r#"{ "model" : "auto","messages":[{"role":"user","content":"x"}], "odd" : 1.0e5 }"#,
            concat!(
                r#"{"stream_options":{"include_usage":true},"max_tokens":50, "model" : "Qwen/Q","#,
                r#""messages":[{"role":"user","content":"x"}], "odd" : 1.0e5 }"#
            ),
        ),
        (
            r#"{"stream_options":{"a":1},"max_tokens":60,"model":"m","messages":[{"role":"user"}]}"#,
            concat!(
                r#"{"stream_options":{"include_usage":true,"a":1},"max_tokens":50,"#,
                r#""model":"Qwen/Q","messages":[{"role":"user"}]}"#
            ),
        ),
        (
            r#"{"stream_options":{"include_usage":false},"max_tokens":40,"model":"m","messages":[{"role":"user"}]}"#,
            concat!(
                r#"{"stream_options":{"include_usage":true},"max_tokens":40,"#,
                r#""model":"Qwen/Q","messages":[{"role":"user"}]}"#
            ),
        ),
    ] {
        assert_eq!(text(&good(body).to_upstream(&edit)), sent);
    }
    let same = Edit { model: "auto", ask_usage: false, output_tokens_max: None };
    let body = good(PLAIN).to_upstream(&same);
    assert_eq!((text(&body).as_str(), body.slices.len()), (PLAIN, 1));
}

fn decode(pieces: &[&[u8]]) -> (Vec<Event>, Result<End, StreamFault>, Stream) {
    let mut stream = Stream::new(StreamLimits { event_bytes_max: 4_096 });
    let mut events = SmallVec::new();
    let pushed =
        pieces.iter().try_for_each(|piece| stream.push(Bytes::copy_from_slice(piece), &mut events));
    let end = pushed.and_then(|()| stream.finish(&mut events));
    (events.into_vec(), end, stream)
}

const STREAM: &str = concat!(
    "\u{feff}: ping\r\n\r\n",
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
    "data:{\"choices\":[{\"delta\":{\"content\":\"สวัสดี\"}}]}\r\n\r\n",
    "event: x\rid: 7\rdata: {\"choices\":[{\"delta\":\rdata: {\"content\":\"b\"}}]}\r\r",
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,",
    "\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n",
    "data: [DONE]\n\n",
    "data: [DONE]\n\nrubbish",
);

#[test]
fn a_stream_shows_what_it_holds() {
    let (events, end, stream) = decode(&[STREAM.as_bytes()]);
    let what: Vec<&What> = events.iter().map(|event| &event.what).collect();
    let expected = [
        &What::Comment,
        &What::Other,
        &What::Content,
        &What::Content,
        &What::Finish,
        &What::Usage,
        &What::Done,
    ];
    assert_eq!(what, expected);
    assert_eq!(end, Ok(End { real: true }));
    let counts = Counts { input: 5, cached_input: 4, output: 2, ..Counts::default() };
    assert_eq!(stream.reported(), Some(counts));
    assert_eq!(stream.counted_output(), Tokens(5));
    assert_eq!(events[2].bytes, STREAM[STREAM.find("data:{").unwrap()..][..events[2].bytes.len()]);
}

#[test]
fn streams_that_go_wrong_say_so() {
    let error = b"data: {\"error\":{\"message\":\"out of memory\"}}\n\n";
    assert_eq!(decode(&[error]).0[0].what, What::Error("out of memory".into()));
    assert_eq!(decode(&[b"data: <html>\n\n"]).1, Err(StreamFault::NotJson));
    let large = ["data: ", &"x".repeat(5_000)].concat();
    assert_eq!(decode(&[large.as_bytes()]).1, Err(StreamFault::TooLarge));
    let half = b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"cho";
    assert_eq!(decode(&[half]).1, Ok(End { real: false }));
    assert_eq!(decode(&[b"data: [DONE]"]).1, Ok(End { real: true }));
}

#[test]
fn usage_that_cannot_be_true_is_not_believed() {
    for usage in [
        r#"{"prompt_tokens":-1,"completion_tokens":1}"#,
        r#"{"prompt_tokens":1.5,"completion_tokens":1}"#,
        r#"{"prompt_tokens":99999999999,"completion_tokens":1}"#,
        r#"{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":2}}"#,
        r#"{"completion_tokens":1}"#,
        r#"7"#,
    ] {
        let body =
            format!(r#"{{"choices":[{{"message":{{"content":"12345"}}}}],"usage":{usage}}}"#);
        let plain = plain(&body.into()).unwrap();
        assert_eq!((plain.reported, plain.counted_output), (None, Tokens(2)), "{usage}");
    }
}

#[test]
fn a_200_that_is_no_answer_is_told_apart() {
    for (body, invalid) in [
        ("", Invalid::Empty),
        ("<html>", Invalid::NotJson),
        (r#"{"choices":[{"mess"#, Invalid::NotJson),
        (r#"{"choices":[]}"#, Invalid::NoChoices),
        (r#"{"object":"x"}"#, Invalid::NoChoices),
        (r#"{"error":{"message":"m"}}"#, Invalid::Error("m".into())),
    ] {
        assert_eq!(plain(&Bytes::from(body)).unwrap_err(), invalid, "{body}");
    }
}

#[test]
fn what_backends_say_is_stripped_of_where_they_are() {
    let said = |text: &str| {
        let body = serde_json::json!({ "error": { "message": text } }).to_string();
        error_message(body.as_bytes()).unwrap()
    };
    assert_eq!(said("temperature must be ≤ 2"), "temperature must be ≤ 2");
    let hidden = said("see http://10.0.0.7:8000/docs on 10.0.0.7 or gpu1:8000 with sk-abc now");
    for secret in ["10.0.0.7", "8000", "sk-abc", "http"] {
        assert!(!hidden.contains(secret), "{hidden}");
    }
    assert!(said(&"word ".repeat(1_000)).chars().count() <= 500);
    assert_eq!(error_message(br#"{"detail":"no"}"#).as_deref(), Some("no"));
    assert_eq!(error_message(b"<html>"), None);
    assert!(is_context_length(400, b"This model's maximum context length is 8192 tokens"));
    assert!(!is_context_length(400, b"temperature"));
}

#[test]
fn errors_are_told_in_each_dialect() {
    let failure = Failure::new(Kind::BudgetExceeded, Stage::Admit, "spent").at("model");
    let body = |dialect| String::from_utf8(error_body(dialect, &failure).to_vec()).unwrap();
    assert_eq!(
        body(Dialect::OpenAi),
        r#"{"error":{"message":"spent","type":"insufficient_quota","param":"model","code":"budget_exceeded"}}"#
    );
    assert_eq!(
        body(Dialect::Anthropic),
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"spent"}}"#
    );
    let event = Bytes::from_static(b"data: {\"choices\":[]}\n\n");
    let priced = with_cost(&event, "0.5");
    assert_eq!(priced, "data: {\"signalbox\":{\"cost\":\"0.5\"},\"choices\":[]}\n\n");
}

fn valid(bytes: &[u8]) -> bool {
    if std::str::from_utf8(bytes).is_err() {
        return false;
    }
    let mut scan = Scan::new(bytes, 120);
    scan.skip().and_then(|_| scan.end()).is_ok()
}

proptest! {
    /// However a stream's bytes are cut, its events are the same.
    #[test]
    fn any_split_gives_the_same_events(cuts in prop::collection::vec(0..STREAM.len(), 0..12)) {
        let mut cuts = cuts;
        cuts.extend([0, STREAM.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> =
            cuts.windows(2).map(|pair| &STREAM.as_bytes()[pair[0]..pair[1]]).collect();
        let (events, end, stream) = decode(&pieces);
        let (whole, whole_end, once) = decode(&[STREAM.as_bytes()]);
        prop_assert_eq!(events, whole);
        prop_assert_eq!(end, whole_end);
        prop_assert_eq!(stream.reported(), once.reported());
        prop_assert_eq!(stream.counted_output(), once.counted_output());
    }

    /// Any bytes at all, cut anywhere: the same events, no panic.
    #[test]
    fn any_bytes_split_anywhere(bytes in "(data: ?|\r|\n|:|\\{|\\}|\"error\":|\\[DONE\\]|[a-z]|é){0,40}",
                                at in 0..60usize) {
        let at = at.min(bytes.len());
        let (split, end, _) = decode(&[&bytes.as_bytes()[..at], &bytes.as_bytes()[at..]]);
        let (whole, whole_end, _) = decode(&[bytes.as_bytes()]);
        prop_assert_eq!(end, whole_end);
        if end.is_ok() {
            prop_assert_eq!(split, whole);
        }
    }

    /// The scanner judges JSON as serde_json does.
    #[test]
    fn json_is_judged_as_serde_judges_it(
        bytes in "([\\[\\]{}:,]|\"[a-z\\\\\"nu0-9]{0,6}\"|-?[0-9]{1,3}|[.eE+-]|true|false|null| |\n){0,16}",
    ) {
        let serde = serde_json::from_str::<serde::de::IgnoredAny>(&bytes).is_ok();
        prop_assert_eq!(valid(bytes.as_bytes()), serde, "{}", bytes);
    }

    /// A mutated request is read or refused, never a panic; and what is sent on differs from what came
    /// only in our fields.
    #[test]
    fn whatever_is_read_goes_on_unchanged(
        unknown in "[a-z]{6,12}",
        value in "[ -~]{0,30}",
        stream: bool,
        asked in prop::option::of(1..100u32),
    ) {
        let mut body = serde_json::json!({
            "model": "auto", "stream": stream,
            "messages": [{ "role": "user", "content": value, "name": value }],
        });
        body[&unknown] = value.clone().into();
        if let Some(asked) = asked {
            body["max_completion_tokens"] = asked.into();
        }
        let edit =
            Edit { model: "x\"y", ask_usage: stream, output_tokens_max: Some(Tokens(50)) };
        let read = good(&body.to_string());
        let sent: serde_json::Value = serde_json::from_str(&text(&read.to_upstream(&edit))).unwrap();
        body["model"] = "x\"y".into();
        if stream {
            body["stream_options"] = serde_json::json!({ "include_usage": true });
        }
        match asked {
            Some(asked) => body["max_completion_tokens"] = asked.min(50).into(),
            None => body["max_tokens"] = 50.into(),
        }
        prop_assert_eq!(sent, body);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200),
                                     at in 0..60usize) {
        let mut body = PLAIN.as_bytes().to_vec();
        let at = at.min(body.len());
        body.splice(at..at, bytes);
        let _ = read(Dialect::OpenAi, Operation::Chat, body.into(), &limits());
    }
}
