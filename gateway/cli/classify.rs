//! `signalbox classify`: JSON lines in, JSON lines out, in order.

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
    time::Instant,
};

use bytes::Bytes;
use classify::{Contents, Prompt, Reading};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::print::{self, err};
use crate::{
    failure::Failure,
    signals,
    wire::{self, ReadLimits, Request, Surface, form},
};

/// Options of `classify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The API that bodies are of: chat, messages, responses, completions, embeddings or rerank; where none
    /// is named, each is told by its form.
    #[arg(long, value_parser = form::named)]
    api: Option<&'static Surface>,
}

/// One line of input.
enum Line {
    /// A text, as if it were all that somebody asks.
    Text(Text),
    /// A request's body, read as the gateway reads it.
    Request(Box<Request>),
}

/// A text, and what a request may say beside it.
#[derive(Deserialize)]
struct Text {
    text: String,
    #[serde(default)]
    tools: Vec<Box<RawValue>>,
    response_format: Option<Box<RawValue>>,
}

/// One line of output.
#[derive(Serialize)]
struct Printed {
    /// The API that a body was read as.
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<&'static str>,
    language: &'static str,
    language_confidence: f32,
    languages: Vec<(&'static str, f32)>,
    target_language: Option<&'static str>,
    task: &'static str,
    task_confidence: f32,
    coarse_task: &'static str,
    complexity: &'static str,
    contains: Map<String, Value>,
    micros: f64,
}

/// Reads standard input to its end.
pub(super) fn run(args: &Args) -> ExitCode {
    ::classify::warm();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut faults = 0;
    for (at, line) in (1..).zip(io::stdin().lock().split(b'\n')) {
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                err!("signalbox: line {at}: {error}");
                return ExitCode::FAILURE;
            }
        };
        let line = bare(&line);
        if line.is_empty() {
            continue;
        }
        let written = match read(line, args.api) {
            Ok(line) => serde_json::to_string(&row(&line)).map_err(io::Error::other),
            Err(wrong) => {
                faults += 1;
                err!("signalbox: line {at}: {wrong}");
                Ok(serde_json::json!({ "error": wrong }).to_string())
            }
        };
        if let Err(error) = written.and_then(|row| writeln!(out, "{row}")) {
            print::end(&error);
        }
    }
    if let Err(error) = out.flush() {
        print::end(&error);
    }
    if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A line without white space around it, and without the mark of its encoding: where files are joined, it
/// stands in the middle.
fn bare(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii();
    line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line).trim_ascii()
}

/// A line that says what is to be classified; what is wrong with another, in words.
fn read(line: &[u8], api: Option<&'static Surface>) -> Result<Line, String> {
    // The line is said already, and is always its first.
    let wrong =
        |it: serde_json::Error| it.to_string().replace(" at line 1 column ", " at character ");
    let keys: Map<String, Value> = serde_json::from_slice(line).map_err(wrong)?;
    if !keys.contains_key("text") {
        return request(line, &keys, api).map(|it| Line::Request(Box::new(it)));
    }
    if keys.contains_key("messages") {
        return Err("found `text` and `messages`, expected one of them".into());
    }
    serde_json::from_slice(line).map(Line::Text).map_err(wrong)
}

/// A request's body, by the API that is named; else by the one whose form it has, or else by the first that
/// it is whole for. It may lack the model, and a bound on its answer.
fn request(
    line: &[u8],
    keys: &Map<String, Value>,
    api: Option<&'static Surface>,
) -> Result<Request, String> {
    let mut body = line.to_vec();
    if let Some(open) =
        line.iter().position(|it| *it == b'{').filter(|_| !keys.contains_key("model"))
    {
        let comma = if keys.is_empty() { "" } else { "," };
        let model = format!("\"model\":\"auto\"{comma}");
        body.splice(open + 1..=open, model.into_bytes());
    }
    let body = Bytes::from(body);
    let limits = ReadLimits::default();
    let by_form = form::of_form(keys);
    let others = Surface::all().iter().filter(|it| api.is_none() && **it != *by_form);
    let mut wrong = None;
    for surface in std::iter::once(api.unwrap_or(by_form)).chain(others) {
        match wire::read_to_count(surface, body.clone(), &limits) {
            Ok(request) => return Ok(request),
            // What has nothing of this API's own is none of its requests.
            Err(failure) if api.is_none() && is_other(&failure) => {}
            Err(failure) => drop(wrong.get_or_insert(failure)),
        }
    }
    Err(wrong.map_or_else(|| nothing(keys), |failure| failure.public.into_owned()))
}

/// Whether a body lacks what every request of an API has.
fn is_other(failure: &Failure) -> bool {
    let whole = |param: &str| !param.contains(['.', '[']);
    failure.code == "missing_required_parameter" && failure.param.as_deref().is_none_or(whole)
}

fn nothing(keys: &Map<String, Value>) -> String {
    let found = match keys.keys().next() {
        Some(key) => format!("key `{}`", policies::printable(key)),
        None => String::from("nothing"),
    };
    format!(
        "found {found}, expected `text`, or a request with `messages`, `input`, `prompt` or `documents`"
    )
}

fn row(line: &Line) -> Printed {
    let begun = Instant::now();
    let ((reading, contains), api) = match line {
        Line::Text(text) => (of_text(text), None),
        Line::Request(request) => {
            let read = (signals::read(request).0, wire::contents(request));
            (read, Some(form::api(request.surface())))
        }
    };
    Printed { api, ..said(&reading, &contains, begun.elapsed().as_secs_f64() * 1e6) }
}

fn of_text(line: &Text) -> (Reading, Contents) {
    let tools: String = line.tools.iter().map(|tool| tool.get()).collect();
    let json_schema =
        line.response_format.as_ref().is_some_and(|format| !format.get().contains("\"text\""));
    let prompt = Prompt {
        system: "",
        turns: &[&line.text],
        tools: u16::try_from(line.tools.len()).unwrap_or(u16::MAX),
        tools_text: &tools,
        json_schema,
        has_media: false,
    };
    (::classify::classify(&prompt), ::classify::contents(&line.text))
}

fn said(reading: &Reading, contains: &Contents, micros: f64) -> Printed {
    Printed {
        api: None,
        language: reading.language.code(),
        language_confidence: reading.language_confidence,
        languages: reading.languages.iter().map(|(it, share)| (it.code(), *share)).collect(),
        target_language: reading.target_language.map(::classify::Language::code),
        task: reading.task.code(),
        task_confidence: reading.task_confidence,
        coarse_task: reading.task.coarse().code(),
        complexity: reading.complexity.code(),
        contains: contains.found().map(|(of, count)| (of.code().into(), count.into())).collect(),
        micros: (micros * 10.0).round() / 10.0,
    }
}
