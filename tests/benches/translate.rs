//! What another dialect costs: a request by Messages or Responses written as a chat completion, and an
//! answer's chunk written as their events. Fails if a bar does not hold.
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

fn request(args: &Args, surface: &'static Surface, body: &Bytes) -> Measured<f64> {
    let limits = ReadLimits::default();
    let edit = Edit {
        model: "qwen",
        ask_usage: true,
        output_tokens_max: policies::facts::Tokens(8_192),
        planned: policies::facts::Tokens(8_192),
        told_as: BoundNames::default(),
        arm: None,
        spoken: Surface::first(),
        native: false,
    };
    least(args, || {
        let request = wire::read(surface, black_box(body.clone()), &limits);
        let request = request.map_err(|failure| failure.public.into_owned())?;
        black_box(request.to_upstream(&edit));
        Ok(())
    })
}

fn chunk(args: &Args, surface: &'static Surface, body: &Bytes) -> Measured<f64> {
    let request = wire::read(surface, body.clone(), &ReadLimits::default());
    let request = request.map_err(|failure| failure.public.into_owned())?;
    let event = Bytes::from(format!("data: {CHUNK}\n\n"));
    let stream = Stream::new(StreamLimits::default(), true);
    let label = AnswerLabel(uuid::Uuid::nil());
    let mut stream = stream.answering(&request, Surface::first(), label);
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
    for (path, body) in bodies() {
        let surface = Surface::at(path).ok_or("no such surface")?;
        let body = Bytes::from(body);
        let took = (request(&args, surface, &body)?, chunk(&args, surface, &body)?);
        let (request, chunk) = *base.get_or_insert(took);
        let more = (took.0 - request, took.1 - chunk);
        writeln!(
            out,
            "{path:18} request {:.2} µs (+{:.2}), chunk {:.3} µs (+{:.3})",
            took.0, more.0, took.1, more.1
        )?;
        wrong |= more.0 > args.request_us_max || more.1 > args.chunk_us_max;
    }
    if wrong { Err("a bar does not hold".into()) } else { Ok(()) }
}
