//! `signalbox classify`: JSON lines in, JSON lines out, in order.

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
    time::Instant,
};

use classify::{Contents, Prompt, Reading};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::print::{self, err};

/// One line of input: a text, or a request.
#[derive(Deserialize)]
struct Line {
    text: Option<String>,
    messages: Option<Vec<Message>>,
    #[serde(default)]
    tools: Vec<Box<RawValue>>,
    response_format: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

/// One line of output.
#[derive(Serialize)]
struct Printed {
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
pub(super) fn run() -> ExitCode {
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
        let written = match read(line) {
            Ok(line) => serde_json::to_string(&row(line)).map_err(io::Error::other),
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
fn read(line: &[u8]) -> Result<Line, String> {
    let parsed: Line = serde_json::from_slice(line).map_err(|error| {
        // The line is said already, and is always its first.
        error.to_string().replace(" at line 1 column ", " at character ")
    })?;
    if parsed.text.is_some() || parsed.messages.is_some() {
        return Ok(parsed);
    }
    let keys: Map<String, Value> = serde_json::from_slice(line).unwrap_or_default();
    let found = match keys.keys().next() {
        Some(key) => format!("key `{}`", policies::printable(key)),
        None => String::from("nothing"),
    };
    Err(format!("found {found}, expected `text` or `messages`"))
}

fn row(line: Line) -> Printed {
    let mut system = String::new();
    let (mut turns, mut others) = (Vec::new(), Vec::new());
    for message in line.messages.unwrap_or_default() {
        let text = match message.content {
            Some(Content::Text(text)) => text,
            Some(Content::Parts(parts)) => {
                parts.into_iter().map(|part| part.text).collect::<Vec<_>>().join("\n")
            }
            None => continue,
        };
        match message.role.as_str() {
            "system" | "developer" => system.push_str(&text),
            "user" if !text.is_empty() => turns.push(text),
            // What the model said, and what its tools answered: read for what it contains.
            _ => others.push(text),
        }
    }
    turns.extend(line.text);
    let turns: Vec<&str> = turns.iter().map(String::as_str).collect();
    let last_four = turns.get(turns.len().saturating_sub(4)..).unwrap_or_default();
    let tools: String = line.tools.iter().map(|tool| tool.get()).collect();
    let prompt = Prompt {
        system: &system,
        turns: last_four,
        tools: u16::try_from(line.tools.len()).unwrap_or(u16::MAX),
        tools_text: &tools,
        json_schema: line.response_format.is_some_and(|format| !format.get().contains("\"text\"")),
        has_media: false,
    };
    let begun = Instant::now();
    let reading = ::classify::classify(&prompt);
    let mut contains = ::classify::contents(&system);
    let texts = turns.iter().copied().chain(others.iter().map(String::as_str));
    texts.for_each(|text| contains.join(&::classify::contents(text)));
    said(&reading, &contains, begun.elapsed().as_secs_f64() * 1e6)
}

fn said(reading: &Reading, contains: &Contents, micros: f64) -> Printed {
    Printed {
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
