//! Rows: from the data sets, and of our own.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use classify::{Language, Task};
use flate2::read::GzDecoder;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    fill,
    own::Own,
    rows::{LangRow, OWN, Role, TaskRow, stop},
};

/// How much a word of a list counts against a sentence, and a line of ours.
const WORD_WEIGHT: f32 = 0.5;
const OWN_WEIGHT: f32 = 2.0;
/// How much a row of a task data set counts, against all showings of a line of ours: the sets are many rows
/// of few wordings.
const TASK_WEIGHT: f32 = 0.05;

/// Sources that are only ever judged on, for their licence: non-commercial, or none stated.
const UNLICENSED: [&str; 6] =
    ["khPOS", "myPOS", "auto-j", "atec", "code-alpaca", "wizardlm-testset"];
/// Licences of single rows that are likewise.
const UNLICENSED_ROWS: [&str; 6] = ["Unknown", "GPL", "Amazon", "Quora", "Microsoft", "©"];
/// Sources that are only ever judged on, because others compare themselves by them: test sets of
/// benchmarks and of language detectors, and rows made of their texts.
const BENCHMARKS: [&str; 12] = [
    "arena-hard",
    "belle-eval",
    "bfcl",
    "flan cnn templates + content-generation",
    "flan wmt templates + tatoeba",
    "frequencywords",
    "mbpp-plus",
    "mgsm",
    "sea-helm",
    "tatoeba",
    "udhr",
    "vicuna-multilingual",
];
/// Sources whose figures nobody looked at before the shape of the models was settled.
const UNSEEN: [&str; 7] =
    ["arena-hard", "atec", "mbpp-plus", "mgsm", "vicuna-multilingual", "wizardlm-testset", "udhr"];

fn role(source: &str, licence: Option<&str>) -> Role {
    let one_of = |list: &[&str], text: &str| list.iter().any(|it| text.starts_with(it));
    let barred = licence.is_some_and(|licence| one_of(&UNLICENSED_ROWS, licence));
    match () {
        () if one_of(&UNSEEN, source) => Role::Final,
        () if barred || one_of(&UNLICENSED, source) || one_of(&BENCHMARKS, source) => Role::Develop,
        () => Role::Train,
    }
}

#[derive(Deserialize)]
struct Lang {
    text: String,
    lang: String,
    kind: String,
    #[serde(default)]
    also: Also,
    source: String,
    /// A word's share in its language, of its highest in any.
    #[serde(default = "whole")]
    share: f32,
}

fn whole() -> f32 {
    1.0
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
    tools: Vec<Box<RawValue>>,
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

/// Calls `take` with every row of a file of JSON lines.
pub fn each<T: DeserializeOwned>(path: &Path, mut take: impl FnMut(T)) {
    let file = File::open(path).unwrap_or_else(|error| stop(path, &error.to_string()));
    for (at, line) in (1..).zip(BufReader::new(GzDecoder::new(file)).lines()) {
        let row = line.map_err(|error| error.to_string());
        let row = row.and_then(|line| serde_json::from_str(&line).map_err(|it| it.to_string()));
        take(row.unwrap_or_else(|error| stop(path, &format!("line {at}: {error}"))));
    }
}

/// Language rows of the data sets and of our own.
pub fn langs(folder: &Path, own: &[Own]) -> Vec<LangRow> {
    let mut rows = Vec::new();
    for name in ["lang_train.jsonl.gz", "lang_words.jsonl.gz"] {
        // Without the word lists nothing can be trained, but what is built in can be judged.
        if own.is_empty() && !folder.join(name).exists() {
            continue;
        }
        each(&folder.join(name), |row: Lang| rows.extend(lang_row(row)));
    }
    rows.extend(own_langs(own));
    rows
}

/// Language rows of our own.
pub fn own_langs(own: &[Own]) -> Vec<LangRow> {
    own.iter().filter_map(own_lang_row).collect()
}

fn lang_row(row: Lang) -> Option<LangRow> {
    let also = match row.also {
        Also::None => Vec::new(),
        Also::One(code) => vec![code],
        Also::Many(codes) => codes,
    };
    let weight = if row.kind == "single_word" { WORD_WEIGHT * row.share } else { 1.0 };
    Some(LangRow {
        language: Language::from_code(&row.lang)?,
        also: also.iter().filter_map(|code| Language::from_code(code)).collect(),
        mixed: row.kind == "code_mixed" && row.source != "hinglish-top",
        role: role(&row.source, None),
        text: row.text,
        kind: row.kind,
        source: row.source,
        weight,
        share: row.share,
    })
}

fn own_lang_row(own: &Own) -> Option<LangRow> {
    // A paste of another language would teach the wrong one: only what has no gap, and is short.
    let text = own.text();
    let plain = own.task.is_none() || (!text.contains("{}") && !text.contains("{s}"));
    // Hands paste, mix languages and ask for translations: they teach tasks alone.
    let plain = plain && own.hand.is_none();
    (plain && text.len() < 400).then(|| LangRow {
        text: text.to_owned(),
        language: own.language,
        also: Vec::new(),
        mixed: false,
        kind: "sentence".into(),
        source: OWN.into(),
        role: Role::Train,
        weight: OWN_WEIGHT,
        share: 1.0,
    })
}

/// What stands in the task rows of every data set, trained on or not.
pub fn task_texts(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    each(&folder.join("task_train.jsonl.gz"), |row: TaskJson| {
        texts.extend(row.messages.into_iter().map(|message| message.content));
    });
    texts
}

/// Task rows of the data sets and of our own.
pub fn tasks(folder: &Path, own: &[Own], langs: &[LangRow]) -> Vec<TaskRow> {
    let mut rows = Vec::new();
    each(&folder.join("task_train.jsonl.gz"), |row: TaskJson| rows.extend(task_row(row)));
    rows.extend(fill::rows(own, langs));
    rows
}

fn task_row(row: TaskJson) -> Option<TaskRow> {
    let of = |role: &str| {
        let said = row.messages.iter().filter(|message| message.role == role);
        said.map(|message| message.content.clone()).collect::<Vec<_>>()
    };
    let mut turns = of("user");
    turns.drain(..turns.len().saturating_sub(4));
    Some(TaskRow {
        system: of("system").concat().chars().take(2_000).collect(),
        turns,
        tools: row.tools.len().min(99) as u16,
        tools_text: row.tools.iter().map(|it| it.get()).collect::<Vec<_>>().join(","),
        task: Task::from_code(&row.task)?,
        language: Language::from_code(&row.lang).unwrap_or(Language::Und),
        role: role(&row.source, row.license.as_deref()),
        source: row.source,
        hand: None,
        weight: TASK_WEIGHT,
    })
}
