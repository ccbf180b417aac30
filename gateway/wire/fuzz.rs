//! Laws of this room over arbitrary bytes, for the fuzz targets: each panics where one is broken.

#![allow(clippy::panic, reason = "a broken law is a panic: that is how a fuzzer sees it")]

use bytes::Bytes;
use policies::{
    Counts,
    facts::{Needs, Tokens},
};
use serde_json::{Value, json};
use smallvec::SmallVec;

use super::{
    Edit, End, Event, ReadLimits, Request, Stream, StreamFault, StreamLimits, Surface, What, plain,
    read, scan::Scanner,
};
use crate::config::{BoundNames, ReasoningField};

mod kind;

use kind::kind;

#[derive(Debug, PartialEq)]
struct Decoded {
    events: Vec<Event>,
    end: Result<End, StreamFault>,
    reported: Option<Counts>,
    output: Tokens,
    done: bool,
}

/// Usage withheld; reasoning in this field.
type Form = (bool, Option<ReasoningField>);

fn play(pieces: impl Iterator<Item = Bytes>, limits: StreamLimits, form: Form) -> Decoded {
    let (mut stream, mut out) =
        (Stream::new(limits, form.0).reasoning_in(form.1, true), SmallVec::new());
    let pushed = pieces.map(|piece| {
        let pushed = stream.push(piece, &mut out);
        let within = pushed.is_err() || stream.held() <= limits.event_bytes_max;
        assert!(within, "{} bytes are held", stream.held());
        pushed
    });
    let end = pushed.collect::<Result<(), _>>().and_then(|()| stream.finish(&mut out));
    let (events, reported, done) = (out.into_vec(), stream.reported(), stream.done());
    Decoded { events, end, reported, output: stream.counted_output(), done }
}

/// What is drawn for an input comes from itself.
fn draw(data: &[u8]) -> usize {
    data.iter().fold(7, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()))
}

/// Any split of the bytes of a stream gives the same events, usage and end; they are the bytes that
/// came, and what a plain reading of them finds. True if the answer is whole.
///
/// # Panics
/// If it is not so.
pub fn sse(data: &[u8]) -> bool {
    let drawn = draw(data);
    let (withhold, event_bytes_max) = (drawn & 1 == 1, 256 + (drawn >> 8) % 1024);
    let limits = StreamLimits { event_bytes_max };
    let whole = splits(data, drawn, limits, (withhold, None));
    if withhold {
        let mut all = splits(data, drawn, limits, (false, None));
        all.events.retain(|event| event.what != What::Usage);
        assert!(whole == all, "withheld: {whole:?} is not {all:?}");
    } else {
        passes_bytes(data, &whole);
        agrees_with_a_plain_reading(data, &whole);
    }
    stands_alone(&whole.events, limits);
    splits(data, drawn, limits, (true, Some(ReasoningField::Reasoning)));
    whole.end.is_ok_and(End::real)
}

/// What any split gives.
fn splits(data: &[u8], drawn: usize, limits: StreamLimits, form: Form) -> Decoded {
    let whole = play(std::iter::once(Bytes::copy_from_slice(data)), limits, form);
    for size in [1, 2, 3, (drawn >> 1 & 63).max(1)] {
        let cut = play(data.chunks(size).map(Bytes::copy_from_slice), limits, form);
        assert!(whole == cut, "pieces of {size}, {form:?}: {cut:?} is not {whole:?}");
    }
    let cut = play(pieces(data, drawn).into_iter(), limits, form);
    assert!(whole == cut, "uneven pieces of {drawn}, {form:?}: {cut:?} is not {whole:?}");
    whole
}

/// Pieces of drawn lengths.
fn pieces(data: &[u8], drawn: usize) -> Vec<Bytes> {
    let (mut rest, mut found, mut next) = (Bytes::copy_from_slice(data), Vec::new(), drawn);
    while !rest.is_empty() {
        next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        found.push(rest.split_to(rest.len().min((next >> 40) % 40 + 1)));
    }
    found
}

/// What is passed on is what came, from its start on; a last event may get the end of its line.
fn passes_bytes(data: &[u8], decoded: &Decoded) {
    let passed: Vec<u8> = decoded.events.iter().flat_map(|event| event.bytes.to_vec()).collect();
    let added = passed.strip_prefix(data).unwrap_or_default();
    let came = data.starts_with(&passed) || [&b"\n"[..], b"\n\n"].contains(&added);
    assert!(came, "other bytes came out: {}", passed.escape_ascii());
    let Ok(End { partial, done, .. }) = decoded.end else { return };
    assert!(partial || done || passed.len() >= data.len(), "bytes are lost");
}

/// What the bytes say, read line by line as the standard has it, and `serde_json`.
fn agrees_with_a_plain_reading(data: &[u8], decoded: &Decoded) {
    let Ok(end) = decoded.end else { return };
    let text = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    let mut found =
        decoded.events.iter().map(|event| &event.what).filter(|it| **it != What::Comment);
    let (mut lines, mut name, mut said, mut rest) = (Vec::new(), None, false, text);
    loop {
        let length = rest.iter().position(|byte| b"\r\n".contains(byte));
        let (line, after) = rest.split_at(length.unwrap_or(rest.len()));
        rest = after.strip_prefix(b"\r\n").or_else(|| after.get(1..)).unwrap_or_default();
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (line.get(..colon), line.get(colon + 1..).unwrap_or_default()),
            None => (Some(line), &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            Some(b"data") => lines.push(value),
            Some(b"event") => name = Some(value),
            Some(b"error") if value.starts_with(b"{") => {
                lines.push(value);
                said = true;
            }
            _ => {}
        }
        let last = length.is_none() && !line.is_empty() || rest.is_empty();
        if !line.is_empty() && !last {
            continue;
        }
        let dropped = last && end.partial;
        let data = std::mem::take(&mut lines).join(&b'\n');
        let silent = data.trim_ascii_start().is_empty() || name == Some(b"ping") || dropped;
        let said = std::mem::take(&mut said);
        let error = name.take() == Some(b"error") || said;
        if !silent {
            let what = found.next();
            let data = data.trim_ascii_start();
            if data.starts_with(b"[DONE]") {
                assert!(what == Some(&What::Done), "{what:?} is not the end");
                break;
            }
            let Some(what) = what else { panic!("no event for {}", data.escape_ascii()) };
            judges_as_json(data, what, error);
        }
        if last {
            break;
        }
    }
    assert!(found.next().is_none(), "an event too many: {:?}", decoded.events);
}

/// An event is an error if it says so or is no JSON object, and else none.
fn judges_as_json(data: &[u8], what: &What, error: bool) {
    let refused = match what {
        What::Error(text) => **text == *"the backend sent an event that is not JSON",
        _ => false,
    };
    assert!(!error || matches!(what, What::Error(_)), "an error that was not seen: {what:?}");
    match serde_json::from_str::<Value>(&String::from_utf8_lossy(data)) {
        Ok(value) if value.is_object() => {
            let expected = kind(&value);
            // Of a key that stands twice the tree keeps one; the gateway reads both.
            let twice = members(&value) != colons(data);
            let same = std::mem::discriminant(what) == std::mem::discriminant(&expected);
            assert!(!refused && (error || twice || same), "{what:?} is not {expected:?}");
        }
        Ok(_) => assert!(matches!(what, What::Error(_)), "no object, and taken as {what:?}"),
        Err(fault) => {
            let text = fault.to_string();
            // Half a surrogate pair is every client's own business.
            let ours = is_limit(&text) || text.contains("surrogate") || text.contains("hex escape");
            assert!(refused || error || ours, "not JSON ({text}), and taken as {what:?}");
        }
    }
}

/// Members of all objects in a tree.
fn members(value: &Value) -> usize {
    match value {
        Value::Object(inside) => inside.len() + inside.values().map(members).sum::<usize>(),
        Value::Array(inside) => inside.iter().map(members).sum(),
        _ => 0,
    }
}

/// The same in valid JSON: it has one colon outside of strings for each.
fn colons(data: &[u8]) -> usize {
    outside(data).filter(|byte| *byte == b':').count()
}

/// What an event is does not depend on those before it.
fn stands_alone(events: &[Event], limits: StreamLimits) {
    for event in events.iter().skip(1).filter(|event| !event.bytes.starts_with(b"\xEF\xBB\xBF")) {
        let alone = play(std::iter::once(event.bytes.clone()), limits, (false, None));
        assert!(alone.events == [event.clone()], "{alone:?} is not {event:?}");
    }
}

/// Where `serde_json` has limits of its own: numbers it cannot hold, and nesting.
fn is_limit(error: &str) -> bool {
    error.contains("out of range") || error.contains("recursion limit")
}

/// The scanner and `serde_json` agree on what is JSON, but for numbers that `serde_json` cannot
/// hold and for nesting, where both have limits of their own.
///
/// # Panics
/// If they do not.
pub fn scan(data: &[u8]) {
    let ours = std::str::from_utf8(data).is_ok() && {
        let mut scanner = Scanner::strict(data, 128);
        scanner.skip().and_then(|()| scanner.end()).is_ok()
    };
    match serde_json::from_slice::<Value>(data) {
        Ok(_) => assert!(ours, "JSON, and refused"),
        Err(error) => {
            let text = error.to_string();
            assert!(!ours || is_limit(&text), "not JSON ({text}), and taken");
        }
    }
}

/// Nothing panics over any body; one that is read is JSON, means what `serde_json` finds in it, and
/// is sent on as JSON with nothing but the edits changed. True if it was read.
///
/// # Panics
/// If it is not so.
pub fn body(data: &[u8]) -> bool {
    scan(data);
    let body = Bytes::copy_from_slice(data);
    let _ = plain(&body);
    let within = |depth_max| {
        let limits = ReadLimits { depth_max, ..ReadLimits::default() };
        read(Surface::first(), body.clone(), &limits)
    };
    let Ok(request) = within(128) else { return false };
    let depth = depth(data);
    assert!(depth <= 128 && within(depth).is_ok(), "{depth} deep");
    assert!(within(depth - 1).is_err(), "deeper than {} and taken", depth - 1);
    let _ = (request.leading(), request.tools_text(), request.input_tokens(), request.needs());
    let edit = Edit {
        native: false,
        spoken: Surface::first(),
        arm: None,
        model: "m\"\\é",
        ask_usage: true,
        output_tokens_max: Tokens(7),
        planned: Tokens(7),
        told_as: BoundNames::MAX_TOKENS,
    };
    let sent = request.to_upstream(&edit);
    assert!(sent.len == sent.slices.iter().map(Bytes::len).sum::<usize>(), "the length is wrong");
    let sent = sent.concat();
    match serde_json::from_slice::<Value>(data) {
        Ok(value) => {
            means(&value, &request);
            let sent = serde_json::from_slice::<Value>(&sent).ok();
            assert!(sent == Some(edited(value, &edit)), "sent on: {sent:?}");
        }
        Err(error) => assert!(is_limit(&error.to_string()), "not JSON ({error}), and taken"),
    }
    let again = match read(Surface::first(), sent, &ReadLimits::default()) {
        Ok(again) => again,
        Err(failure) => panic!("what is sent on cannot be read: {failure}"),
    };
    assert!(again.model() == edit.model && again.wants_usage(), "an edit is missing");
    assert!(again.output_tokens_asked().is_some_and(|asked| asked.0 <= 7), "no bound");
    true
}

/// The bytes of valid JSON that are outside of strings.
fn outside(data: &[u8]) -> impl Iterator<Item = u8> {
    let (mut inside, mut escaped) = (false, false);
    data.iter().copied().filter(move |byte| {
        match byte {
            _ if std::mem::take(&mut escaped) => {}
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => {}
        }
        !inside
    })
}

/// Open objects and arrays at once, in valid JSON.
fn depth(data: &[u8]) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for byte in outside(data) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = depth.max(most);
    }
    most
}

fn whole(value: &Value) -> Option<u32> {
    value.as_f64().map(|number| number as u32)
}

fn means(value: &Value, request: &Request) {
    let member = |name: &str| value.get(name).unwrap_or(&Value::Null);
    assert!(member("model") == &*request.model(), "another model: {}", request.model());
    assert!((member("stream") == true) == request.stream(), "stream");
    let usage = member("stream_options").get("include_usage");
    assert!(request.wants_usage() == (usage == Some(&json!(true))), "include_usage");
    assert!(whole(member("n")).unwrap_or(1) == u32::from(request.n()), "n");
    let most = whole(member("max_completion_tokens")).or(whole(member("max_tokens")));
    assert!(request.output_tokens_asked() == most.map(Tokens), "tokens");
    let metadata = member("metadata").get("user_id").and_then(Value::as_str);
    let names = [member("user").as_str(), member("safety_identifier").as_str(), metadata];
    let user = names.into_iter().flatten().find(|name| !name.is_empty());
    assert!(user.is_some_and(|it| it.len() > 150) || request.user().as_deref() == user, "user");
    let list = |name: &str| member(name).as_array().map_or(0, Vec::len);
    assert!(list("tools") + list("functions") == usize::from(request.tools()), "tools");
    let has = |need, wanted| assert!(request.needs().contains(need) == wanted, "{need:?}");
    has(Needs::TOOLS, request.tools() > 0);
    has(Needs::LOGPROBS, member("logprobs") == true || whole(member("logprobs")) > Some(0));
    has(Needs::JSON_SCHEMA, member("response_format").get("type") == Some(&json!("json_schema")));
    assert!(list("messages") == request.messages(), "messages");
    says(member("messages").as_array().map_or(&[], Vec::as_slice), request);
}

/// Whoever speaks says what `serde_json` reads, if it is plain text and not too long to be kept.
fn says(messages: &[Value], request: &Request) {
    let (mut system, mut turns) = (Vec::new(), Vec::new());
    for message in messages {
        let content = message.get("content").and_then(Value::as_str);
        let content = content.filter(|text| text.len() < 200 && !text.trim().is_empty());
        match (message.get("role").and_then(Value::as_str), content) {
            (Some("assistant" | "tool" | "function"), _) => {}
            (Some("system" | "developer"), Some(text)) => system.push(text),
            (Some("user"), Some(text)) => turns.push(text),
            (Some("system" | "developer" | "user"), None) => return,
            (role, _) => panic!("a message of {role:?} was taken"),
        }
    }
    let kept = request.turns();
    assert!(kept.len() == turns.len().min(4), "{kept:?} of {turns:?}");
    assert!(kept.last().map(AsRef::as_ref) == turns.last().copied(), "{kept:?} of {turns:?}");
    assert!(system.len() >= 4 || request.system() == system.join("\n"), "{}", request.system());
}

/// The body with the edits, as a tree.
fn edited(mut value: Value, edit: &Edit<'_>) -> Value {
    let Some(members) = value.as_object_mut() else { panic!("the body is no object") };
    members.insert("model".into(), json!(edit.model));
    let options = members.entry("stream_options").or_insert(Value::Null);
    match options.as_object_mut() {
        Some(options) => drop(options.insert("include_usage".into(), json!(true))),
        None => *options = json!({"include_usage": true}),
    }
    let most = edit.output_tokens_max.0;
    let told = [("max_tokens", edit.told_as.max_tokens)];
    for (name, told) in told.into_iter().chain([("max_completion_tokens", false)]) {
        let asked = members.get(name).and_then(whole);
        let null = told && asked.is_none();
        if null || asked.is_some_and(|asked| asked > most) {
            members.insert(name.into(), json!(most));
        }
    }
    value
}
