//! Whole exchanges between callers and engines of all dialects, kept in `tests/golden/exchanges`: a folder
//! a pair, in which a file has what a caller asks, what is sent, what the engine answers, and what he reads.

mod laws;

use std::{fs, path::PathBuf};

use bytes::Bytes;
use policies::facts::{Dialect, Tokens};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::wire::{
    AnswerLabel, Edit, ReadLimits, Request, Stream, StreamLimits, Surface, Unsayable, What,
    as_asked, read,
};
use crate::{config::BoundNames, failure::Failure};

/// The pairs of callers and engines: the folder, the caller's path, and what the engine speaks.
const PAIRS: [(&str, &str, &[Dialect]); 7] = [
    ("chat-from-chat", "/chat/completions", &[Dialect::OpenAi]),
    ("messages-from-chat", "/messages", &[Dialect::OpenAi]),
    ("responses-from-chat", "/responses", &[Dialect::OpenAi]),
    ("chat-from-messages", "/chat/completions", &[Dialect::Anthropic]),
    ("messages-from-messages", "/messages", &[Dialect::Anthropic]),
    ("responses-from-messages", "/responses", &[Dialect::Anthropic]),
    ("responses-from-responses", "/responses", &[Dialect::OpenAi, Dialect::Responses]),
];
/// The sections of a file, in their order; the second and the fourth are ours.
const SECTIONS: [&str; 4] = ["asked", "sent", "answered", "read"];

fn label() -> AnswerLabel {
    AnswerLabel(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001))
}

/// The sections of a file.
fn sections(text: &str) -> [&str; 4] {
    SECTIONS.map(|name| {
        let from = format!("=== {name}\n");
        let Some((_, rest)) = text.split_once(&from) else { return "" };
        let end = rest.find("\n=== ").unwrap_or(rest.len());
        rest[..end].trim_end_matches('\n')
    })
}

fn request(path: &str, body: &str) -> Result<Request, Failure> {
    let surface = Surface::at(path).unwrap();
    read(surface, Bytes::copy_from_slice(body.as_bytes()), &ReadLimits::default())
}

/// What an engine is sent, or why it cannot be.
fn sent(request: &Request, dialects: &[Dialect]) -> Result<Vec<u8>, String> {
    let refused = |it: Unsayable| format!("refused: {} is {}", it.path, it.what);
    request.sayable(dialects, None).map_err(refused)?;
    let spoken = request.spoken(dialects, false);
    let edit = Edit {
        model: "engine-model",
        ask_usage: request.stream(),
        output_tokens_max: Tokens(4096),
        planned: Tokens(4096),
        told_as: BoundNames::default(),
        arm: None,
        native: spoken == request.surface(),
        spoken,
    };
    Ok(request.to_upstream(&edit).concat().to_vec())
}

/// What a caller reads of an answer that is not streamed.
fn plain(request: &Request, spoken: &Surface, answer: &str) -> Result<Bytes, String> {
    let body = Bytes::copy_from_slice(answer.as_bytes());
    let plain = spoken.plain(&body).map_err(|it| it.to_string())?;
    as_asked(request, spoken, (&label(), None), (body, &plain)).map_err(str::to_owned)
}

/// What a caller reads of a stream that comes in pieces of this size.
fn streamed(request: &Request, spoken: &'static Surface, answer: &str, size: usize) -> String {
    let limits = StreamLimits { event_bytes_max: 1 << 20 };
    let stream = Stream::new(limits, !request.wants_usage());
    let mut stream = stream.answering(request, spoken, label());
    let mut events = SmallVec::new();
    for piece in answer.as_bytes().chunks(size) {
        stream.push(Bytes::copy_from_slice(piece), &mut events).unwrap();
    }
    let end = stream.finish(&mut events).unwrap();
    // The end is what the closing says.
    let said = events.iter().filter(|it| !matches!(it.what, What::Done | What::Comment));
    let mut said: Vec<u8> = said.flat_map(|it| it.bytes.to_vec()).collect();
    if end.real() {
        said.extend(stream.closing());
    }
    String::from_utf8(said).unwrap()
}

fn answered(request: &Request, dialects: &[Dialect], answer: &str) -> String {
    let spoken = request.spoken(dialects, false);
    if !request.stream() {
        let read = plain(request, spoken, answer);
        return read.map_or_else(|why| why, |it| String::from_utf8(it.to_vec()).unwrap());
    }
    let answer = format!("{answer}\n\n");
    let read = streamed(request, spoken, &answer, answer.len());
    for size in [1, 2, 3, 7, 64, 1000] {
        assert_eq!(streamed(request, spoken, &answer, size), read, "in pieces of {size}");
    }
    read
}

#[test]
fn exchanges_between_all_dialects_are_as_kept() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/exchanges");
    let mut counted = Vec::new();
    for (pair, path, dialects) in PAIRS {
        let mut files: Vec<_> = fs::read_dir(root.join(pair))
            .unwrap_or_else(|error| panic!("{pair}: {error}"))
            .map(|it| it.unwrap().path())
            .collect();
        files.sort();
        for file in &files {
            let text = fs::read_to_string(file).unwrap();
            let [asked, _, answer, _] = sections(&text);
            let shown = match request(path, asked) {
                Err(failure) => [format!("refused: {}", failure.public), String::new()],
                Ok(request) => match sent(&request, dialects) {
                    Err(refused) => [refused, String::new()],
                    Ok(sent) => {
                        let sent = String::from_utf8(sent).unwrap();
                        [sent, answered(&request, dialects, answer)]
                    }
                },
            };
            let [sent, read] = shown.map(|it| it.trim_end_matches('\n').to_owned());
            let all = [asked, &sent, answer, &read];
            let whole: Vec<String> =
                SECTIONS.iter().zip(all).map(|(name, it)| format!("=== {name}\n{it}\n")).collect();
            let whole = whole.concat();
            if std::env::var_os("SIGNALBOX_GOLDEN").is_some() {
                fs::write(file, &whole).unwrap();
            } else {
                assert_eq!(whole, text, "{}: SIGNALBOX_GOLDEN=1 writes it anew", file.display());
            }
        }
        counted.push((pair, files.len()));
    }
    println!("exchanges: {counted:?}");
    assert!(counted.iter().all(|(_, files)| *files > 0), "{counted:?}");
}

#[test]
fn an_answer_at_its_bound_ends_as_its_chunks_are_called() {
    let ask = r#"{"model":"a","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let request = request("/chat/completions", ask).unwrap();
    let spoken = Surface::at("/messages").unwrap();
    let limits = StreamLimits { event_bytes_max: 1 << 20 };
    let stream = Stream::new(limits, true).answering(&request, spoken, label());
    let mut stream = stream.at_most(Tokens(1));
    let delta = |text: &str| {
        let delta = format!(r#"{{"type":"text_delta","text":"{text}"}}"#);
        format!("data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{delta}}}\n\n")
    };
    let answer = format!("{}{}", delta("a"), delta("b"));
    let mut events = SmallVec::new();
    stream.push(Bytes::from(answer), &mut events).unwrap();
    assert!(stream.passed() && !stream.ends_at_length());
    let last = events.last().unwrap();
    let end = request.surface().length_event(&last.bytes, &[0]);
    let end = String::from_utf8(end.to_vec()).unwrap();
    assert!(end.contains("\"id\":\"chatcmpl-0190"), "{end}");
}
