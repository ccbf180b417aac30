//! Rows: from the data sets, and of our own.

use std::{fs::File, io::Read, path::Path};

use classify::{Language, Task};
use flate2::read::GzDecoder;
use serde::Deserialize;

/// The source of what we wrote ourselves.
pub const OWN: &str = "own material";

/// Sources whose licence does not allow to ship weights, or states none.
const LEFT_OUT: [&str; 6] = ["khPOS", "myPOS", "auto-j", "atec", "code-alpaca", "wizardlm-testset"];
/// Licences of single rows that do not.
const LICENCES_LEFT_OUT: [&str; 6] = ["Unknown", "GPL", "Amazon", "Quora", "Microsoft", "©"];

pub struct LangRow {
    pub text: String,
    pub language: Language,
    pub also: Vec<Language>,
    pub mixed: bool,
    pub kind: String,
    pub source: String,
    pub weight: f32,
}

pub struct TaskRow {
    pub system: String,
    pub turns: Vec<String>,
    pub tools: u16,
    pub task: Task,
    pub language: Language,
    pub source: String,
    pub weight: f32,
}

/// One line of our own: a language, a task (or nothing), a text.
pub struct Own {
    pub language: Language,
    pub task: Option<Task>,
    pub text: String,
}

#[derive(Deserialize)]
struct Lang {
    text: String,
    lang: String,
    kind: String,
    #[serde(default)]
    also: Also,
    source: String,
}

#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Also {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct TaskJson {
    messages: Vec<Message>,
    #[serde(default)]
    tools: Vec<serde_json::Value>,
    task: String,
    lang: String,
    source: String,
    license: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: String,
}

fn lines(path: &Path) -> String {
    let mut text = String::new();
    let file = File::open(path).unwrap_or_else(|error| stop(path, &error.to_string()));
    GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap_or_else(|error| stop(path, &error.to_string()));
    text
}

fn stop(path: &Path, error: &str) -> ! {
    eprintln!("{}: {error}", path.display());
    std::process::exit(1)
}

fn left_out(source: &str) -> bool {
    LEFT_OUT.iter().any(|out| source.starts_with(out))
}

/// Our own lines, from every `.tsv` of the folder.
pub fn material(folder: &Path) -> Vec<Own> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of our own material")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "tsv"))
        .collect();
    paths.sort();
    let mut own = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("our own material");
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let place = format!("line {}: language TAB task TAB text", at + 1);
            let mut parts = line.splitn(3, '\t');
            let language =
                parts.next().and_then(Language::from_code).unwrap_or_else(|| stop(&path, &place));
            let task = parts.next().unwrap_or_else(|| stop(&path, &place));
            let task =
                (task != "-").then(|| Task::from_code(task).unwrap_or_else(|| stop(&path, &place)));
            let text = parts.next().unwrap_or_else(|| stop(&path, &place)).replace("\\n", "\n");
            own.push(Own { language, task, text });
        }
    }
    own
}

/// Language rows of the data sets and of our own.
pub fn langs(folder: &Path, own: &[Own]) -> Vec<LangRow> {
    let path = folder.join("lang_train.jsonl.gz");
    let mut rows = Vec::new();
    for line in lines(&path).lines() {
        let row: Lang =
            serde_json::from_str(line).unwrap_or_else(|error| stop(&path, &error.to_string()));
        let Some(language) = Language::from_code(&row.lang) else { continue };
        if left_out(&row.source) {
            continue;
        }
        let also = match row.also {
            Also::None => Vec::new(),
            Also::One(code) => vec![code],
            Also::Many(codes) => codes,
        };
        let also: Vec<_> = also.iter().filter_map(|code| Language::from_code(code)).collect();
        let weight = match row.kind.as_str() {
            "single_word" => 0.35,
            _ => 1.0,
        };
        rows.push(LangRow {
            mixed: row.kind == "code_mixed" && row.source != "hinglish-top",
            text: row.text,
            language,
            also,
            kind: row.kind,
            source: row.source,
            weight,
        });
    }
    rows.extend(own.iter().map(|own| LangRow {
        text: own.text.clone(),
        language: own.language,
        also: Vec::new(),
        mixed: false,
        kind: "sentence".into(),
        source: OWN.into(),
        weight: 2.0,
    }));
    rows
}

/// What stands in the task rows of every data set, left out or not.
pub fn task_texts(folder: &Path) -> Vec<String> {
    let path = folder.join("task_train.jsonl.gz");
    let said = |line: &str| -> Vec<Message> {
        let row: TaskJson =
            serde_json::from_str(line).unwrap_or_else(|error| stop(&path, &error.to_string()));
        row.messages
    };
    lines(&path).lines().flat_map(said).map(|message| message.content).collect()
}

/// Task rows of the data sets and of our own.
pub fn tasks(folder: &Path, own: &[Own]) -> Vec<TaskRow> {
    let path = folder.join("task_train.jsonl.gz");
    let mut rows = Vec::new();
    for line in lines(&path).lines() {
        let row: TaskJson =
            serde_json::from_str(line).unwrap_or_else(|error| stop(&path, &error.to_string()));
        let barred = |licence: &String| LICENCES_LEFT_OUT.iter().any(|it| licence.starts_with(it));
        if left_out(&row.source) || row.license.as_ref().is_some_and(barred) {
            continue;
        }
        let Some(task) = Task::from_code(&row.task) else { continue };
        let of = |role: &str| {
            let said = row.messages.iter().filter(|message| message.role == role);
            said.map(|message| message.content.clone()).collect::<Vec<_>>()
        };
        let mut turns = of("user");
        turns.drain(..turns.len().saturating_sub(4));
        rows.push(TaskRow {
            system: of("system").concat().chars().take(2_000).collect(),
            turns,
            tools: row.tools.len().min(99) as u16,
            task,
            language: Language::from_code(&row.lang).unwrap_or(Language::Und),
            source: row.source,
            weight: 1.0,
        });
    }
    rows.extend(crate::fill::rows(own, &langs(folder, &[])));
    rows
}
