//! What another dialect costs: a request by Messages or Responses written as a chat completion, one for an
//! engine of Messages alone written as such, and an answer's chunk written as the caller's events. Fails if a
//! bar does not hold.
//!
//! `cargo run --release --example translate`

use std::{error::Error, hint::black_box, io::Write as _, time::Instant};

use bytes::Bytes;
use clap::Parser;
use signalbox::{
    config::BoundNames,
    wire::{self, AnswerLabel, Edit, ReadLimits, Stream, StreamLimits, Surface},
};
use smallvec::SmallVec;

/// The same allocator as the program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Translates a small request and the chunks of an answer, and says what each costs.
#[derive(Parser, Debug)]
struct Args {
    /// Requests and chunks of a round
    #[arg(long, default_value_t = 20_000)]
    count: u32,
    /// Rounds: the fastest counts
    #[arg(long, default_value_t = 9)]
    rounds: u32,
    /// Bar: microseconds that a request by another dialect costs more than one by chat completions
    #[arg(long, default_value_t = 10.0)]
    request_us_max: f64,
    /// Bar: the same of a chunk of a stream
    #[arg(long, default_value_t = 1.5)]
    chunk_us_max: f64,
}

const TEXT: &str =
    "Explain in three sentences what a standing order at a bank is, and who may end it.";

/// A chunk of an answer, as vLLM writes it.
const CHUNK: &str = concat!(
    r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1767225600,"model":"qwen","#,
    r#""choices":[{"index":0,"delta":{"content":" order"},"logprobs":null,"finish_reason":null}]}"#
);

/// The same, as an engine of Messages writes it.
const DELTA: &str = concat!(
    r#"{"type":"content_block_delta","index":0,"#,
    r#""delta":{"type":"text_delta","text":" order"}}"#
);

/// A request that says the same by each API.
fn bodies() -> [(&'static str, String); 3] {
    let rest = r#""model":"auto","temperature":0.5,"stream":true"#;
    let system = r#"{"role":"system","content":"Be brief."}"#;
    let user = format!(r#"{{"role":"user","content":"{TEXT}"}}"#);
    let chat = format!(r#"{{{rest},"max_tokens":400,"messages":[{system},{user}]}}"#);
    let messages =
        format!(r#"{{{rest},"max_tokens":400,"system":"Be brief.","messages":[{user}]}}"#);
    let responses = format!(
        r#"{{{rest},"max_output_tokens":400,"instructions":"Be brief.","input":[{user}]}}"#
    );
    [("/chat/completions", chat), ("/messages", messages), ("/responses", responses)]
}

/// The least microseconds that one takes, of all rounds.
fn least(args: &Args, mut round: impl FnMut() -> Measured<()>) -> Measured<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..args.rounds {
        let began = Instant::now();
        for _ in 0..args.count {
            round()?;
        }
        least = least.min(began.elapsed().as_secs_f64() * 1e6 / f64::from(args.count));
    }
    Ok(least)
}

/// What may go wrong: a body of ours that is none.
type Measured<T> = Result<T, Box<dyn Error>>;

fn request(args: &Args, [surface, spoken]: [&'static Surface; 2], body: &Bytes) -> Measured<f64> {
    let limits = ReadLimits::default();
    let edit = Edit {
        model: "qwen",
        ask_usage: true,
        output_tokens_max: policies::facts::Tokens(8_192),
        planned: policies::facts::Tokens(8_192),
        told_as: BoundNames::default(),
        arm: None,
        spoken,
        native: false,
    };
    least(args, || {
        let request = wire::read(surface, black_box(body.clone()), &limits);
        let request = request.map_err(|failure| failure.public.into_owned())?;
        black_box(request.to_upstream(&edit));
        Ok(())
    })
}

fn chunk(args: &Args, [surface, spoken]: [&'static Surface; 2], body: &Bytes) -> Measured<f64> {
    let request = wire::read(surface, body.clone(), &ReadLimits::default());
    let request = request.map_err(|failure| failure.public.into_owned())?;
    let chat = spoken == Surface::first();
    let event = Bytes::from(format!("data: {}\n\n", if chat { CHUNK } else { DELTA }));
    let stream = Stream::new(StreamLimits::default(), true);
    let label = AnswerLabel(uuid::Uuid::nil());
    let mut stream = stream.answering(&request, spoken, label);
    least(args, || {
        let mut events = SmallVec::new();
        stream.push(black_box(event.clone()), &mut events)?;
        black_box(events);
        Ok(())
    })
}

fn main() -> Measured<()> {
    let args = Args::parse();
    let mut out = std::io::stdout().lock();
    let (mut base, mut wrong) = (None, false);
    let chat = "/chat/completions";
    let by_chat = bodies().into_iter().map(|(path, body)| (path, chat, body));
    let alone = bodies().into_iter().map(|(path, body)| (path, "/messages", body));
    for (path, spoken, body) in by_chat.chain(alone.filter(|(path, ..)| *path != "/messages")) {
        let at = |path| Surface::at(path).ok_or("no such surface");
        let (surfaces, body) = ([at(path)?, at(spoken)?], Bytes::from(body));
        let took = (request(&args, surfaces, &body)?, chunk(&args, surfaces, &body)?);
        let (request, chunk) = *base.get_or_insert(took);
        let more = (took.0 - request, took.1 - chunk);
        writeln!(
            out,
            "{path:18} → {spoken:18} request {:.2} µs (+{:.2}), chunk {:.3} µs (+{:.3})",
            took.0, more.0, took.1, more.1
        )?;
        wrong |= more.0 > args.request_us_max || more.1 > args.chunk_us_max;
    }
    if wrong { Err("a bar does not hold".into()) } else { Ok(()) }
}
