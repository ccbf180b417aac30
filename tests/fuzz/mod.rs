//! The laws of the wire over inputs that were damaged on purpose: those in `corpus`, changed by a seeded
//! mutator, for a stated time.
//!
//! `SIGNALBOX_FUZZ_SECONDS` says for how long, 5 if it is not set; `SIGNALBOX_FUZZ_SEED` draws other inputs.
//! An input that breaks a law is printed, and kept in the target folder.

#![allow(clippy::print_stdout, reason = "the figures of a run")]

mod mutate;

use std::{
    env, fs,
    panic::catch_unwind,
    path::Path,
    str::FromStr,
    time::{Duration, Instant},
};

use signalbox::wire::fuzz;

use mutate::Mutator;

/// Inputs that were read without a fault are mutated further; so many of them are kept.
const KEPT_MAX: usize = 256;

/// Words that the formats are made of.
const SSE_WORDS: &[&str] = &[
    "data:",
    "data: ",
    "\n\n",
    "\r\n",
    "\r\n\r\n",
    "\r",
    "\u{FEFF}",
    "[DONE]",
    "event: error\n",
    ": c\n",
    "id: 1\n",
    "event: ping\n",
    "data: [DONE]\n\n",
    "\"usage\":",
    "null",
    "\"choices\":[",
    "{\"delta\":{\"content\":\"a\"}}",
    "\"finish_reason\":\"stop\"",
    "\"error\":",
    "\\\"",
    "\\u0000",
    "\\ud83d",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\"index\":1",
    "data: {}\n\n",
    "\"prompt_tokens\":1,\"completion_tokens\":2",
    "4294967296",
    "-1",
];
const REQUEST_WORDS: &[&str] = &[
    "\"model\":",
    "\"messages\":[",
    "\"role\":\"user\"",
    "\"role\":\"system\"",
    "\"content\":",
    "\"stream\":true",
    "\"stream_options\":",
    "{\"include_usage\":false}",
    "\"max_tokens\":",
    "\"max_completion_tokens\":",
    "\"n\":",
    "\"tools\":[{}]",
    "\"response_format\":{\"type\":\"json_schema\"}",
    "\"user\":\"u\"",
    "null",
    "true",
    "false",
    "\\u0065",
    "\\\"",
    "\\\\",
    "\\ud83d\\ude00",
    "\\ud800",
    "\u{FEFF}",
    "\u{2028}",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "0",
    "-0",
    "1e9",
    "1e999",
    "0.5",
    "18446744073709551616",
    " ",
    "\r\n",
    "[[[[[[[[",
    "\"metadata\":{",
    "\"logprobs\":true",
    "{\"type\":\"text\",\"text\":\"t\"}",
];

fn setting<T: FromStr>(name: &str, usual: T) -> T {
    env::var(name).ok().map_or(usual, |text| text.parse().ok().expect(name))
}

/// The files of a folder of the corpus, by name.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Runs one input; a broken law fails the test and leaves the input behind.
fn hold(name: &str, check: fn(&[u8]) -> bool, input: &[u8]) -> bool {
    catch_unwind(|| check(input)).unwrap_or_else(|_| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
        fs::write(&path, input).unwrap();
        panic!(
            "{name}: a law is broken by b\"{}\", kept in {}",
            input.escape_ascii(),
            path.display()
        );
    })
}

fn run(name: &str, words: &[&str], check: fn(&[u8]) -> bool) {
    let seconds = setting("SIGNALBOX_FUZZ_SECONDS", 5);
    let seed = setting("SIGNALBOX_FUZZ_SEED", 2026);
    println!("fuzz {name}: seed {seed}, {seconds} s");
    let corpus = corpus(name);
    let sound = corpus.iter().filter(|input| hold(name, check, input)).count();
    let mut mutator = Mutator::new(seed, words);
    let (mut kept, mut inputs, mut read) = (Vec::new(), 0_u64, 0_u64);
    let from = Instant::now();
    while from.elapsed() < Duration::from_secs(seconds) {
        let input = mutator.next(&corpus, &kept);
        inputs += 1;
        if hold(name, check, &input) {
            read += 1;
            if kept.len() < KEPT_MAX {
                kept.push(input);
            } else {
                kept[inputs as usize % KEPT_MAX] = input;
            }
        }
    }
    println!(
        "fuzz {name}: {inputs} inputs, {read} of them sound; {sound} of {} in the corpus",
        corpus.len()
    );
    assert!(
        sound >= corpus.len() / 3 && read > inputs / 50,
        "hardly anything is read: this tests little"
    );
}

#[test]
fn any_split_of_a_stream_gives_the_same() {
    run("sse", SSE_WORDS, fuzz::sse);
}

#[test]
fn a_request_means_what_its_json_means() {
    run("request", REQUEST_WORDS, fuzz::body);
}
