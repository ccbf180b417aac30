//! What this room costs, printed: `cargo test --release wire::timing -- --ignored --nocapture`.

use std::{hint::black_box, time::Instant};

use bytes::Bytes;
use policies::facts::{Dialect, Operation, Tokens};
use smallvec::SmallVec;

use super::*;

/// The best of seven rounds, in nanoseconds for one call.
fn ns(mut run: impl FnMut()) -> f64 {
    let mut round = |times: u32| {
        let start = Instant::now();
        (0..times).for_each(|_| run());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(times)
    };
    (0..7).map(|_| round(2_000)).fold(f64::MAX, f64::min)
}

fn body(bytes: usize, word: &str) -> Bytes {
    let text = word.repeat(bytes / word.len());
    let json = serde_json::json!({
        "model": "auto", "stream": true, "temperature": 0.7, "max_tokens": 512, "user": "u-1",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant of a bank. Be brief."},
            {"role": "user", "content": "What is the fee for a transfer abroad?"},
            {"role": "assistant", "content": "It depends on the country."},
            {"role": "user", "content": text},
        ],
    });
    Bytes::from(json.to_string())
}

fn stream(event: &str, chunks: usize) -> f64 {
    let chunk = Bytes::copy_from_slice(event.as_bytes());
    let mut out = SmallVec::new();
    let mut decoder = Stream::new(StreamLimits::default(), true);
    ns(|| {
        for _ in 0..chunks {
            decoder.push(black_box(chunk.clone()), &mut out).unwrap();
            out.clear();
        }
    }) / chunks as f64
}

#[test]
#[ignore = "prints timings; means something in release alone"]
fn timings() {
    let limits = ReadLimits::default();
    let edit = Edit { model: "Qwen/Qwen3", ask_usage: true, output_tokens_max: Some(Tokens(99)) };
    for (name, body) in [
        ("1 KB, English", body(600, "Please tell me about the fees. ")),
        ("30 KB, English", body(30_000, "Please tell me about the fees. ")),
        ("30 KB, lines", body(30_000, "Please tell me\nabout the \"fees\".\n")),
        ("30 KB, Thai", body(30_000, "ค่าธรรมเนียมเท่าไหร่ ")),
    ] {
        let read = || read(Dialect::OpenAi, Operation::Chat, body.clone(), &limits).unwrap();
        let request = read();
        let reading = ns(|| drop(black_box(read())));
        let turns = ns(|| drop(black_box((request.turns(), request.system()))));
        let edit = ns(|| drop(black_box(request.to_upstream(&edit))));
        println!("{name}: read {reading:.0} ns, turns {turns:.0} ns, edits {edit:.0} ns");
    }
    let event = |text: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-0123456789abcdef0123456789abcdef\",\"object\":\
             \"chat.completion.chunk\",\"created\":1790000000,\"model\":\"qwen3-coder-next\",\
             \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"logprobs\":null,\
             \"finish_reason\":null}}]}}\n\n"
        )
    };
    let one = event(" transfer");
    println!("event of {} bytes: {:.0} ns", one.len(), stream(&one, 10));
    println!("same, CRLF: {:.0} ns", stream(&one.replace('\n', "\r\n"), 10));
    println!("four in a chunk: {:.0} ns for each", stream(&one.repeat(4), 10) / 4.0);
    let (head, tail) = one.split_at(100);
    let (head, tail) = (Bytes::from(head.to_owned()), Bytes::from(tail.to_owned()));
    let mut decoder = Stream::new(StreamLimits::default(), true);
    let mut out = SmallVec::new();
    let cut = ns(|| {
        decoder.push(head.clone(), &mut out).unwrap();
        decoder.push(tail.clone(), &mut out).unwrap();
        out.clear();
    });
    println!("same, cut in two: {cut:.0} ns");
}
