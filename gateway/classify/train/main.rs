//! The trainer: data sets and our own material in, weights and a report out. Seeded and single
//! threaded, so that the same data give the same bytes.
//!
//! `cargo run --release -p classify --features train -- --data DIR`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks")]
#![allow(clippy::indexing_slicing, reason = "arrays of this program's own making")]
#![allow(clippy::expect_used, reason = "a trainer that cannot read or write has nothing to do")]
#![allow(missing_docs, unreachable_pub)]

mod bench;
mod data;
mod fill;
mod han;
mod learn;
mod measure;
mod overlap;
mod report;

use std::{collections::HashMap, fs, path::PathBuf, time::Instant};

use classify::{
    Prompt, Task,
    model::{lang, linear::Linear, task},
};

use data::{LangRow, TaskRow};
use learn::{Example, Shape};
use measure::Tally;

const LANG: Shape = Shape {
    bits: lang::BITS,
    width: lang::WIDTH,
    classes: lang::MODELLED.len() - 1,
    epochs: 4,
    rate: 0.6,
    decay: 2e-7,
};
const TASK: Shape = Shape {
    bits: task::BITS,
    width: task::WIDTH,
    classes: task::CLASSES,
    epochs: 6,
    rate: 0.25,
    decay: 1e-5,
};

/// Sources held out together for the language's validation.
const LANG_FOLDS: [(&str, &[&str]); 3] = [
    ("tatoeba, udhr", &["tatoeba", "udhr"]),
    ("sea-helm, wisesight, hkcancor", &["sea-helm", "wisesight", "hkcancor"]),
    ("frequencywords", &["frequencywords"]),
];

fn main() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let args: Vec<String> = std::env::args().collect();
    if args.iter().any(|arg| arg == "--bench") {
        return bench::run();
    }
    let from = args.iter().position(|arg| arg == "--data").and_then(|at| args.get(at + 1));
    let Some(from) = from else {
        eprintln!(
            "usage: train --data DIR (with lang_train.jsonl.gz, task_train.jsonl.gz) | --bench"
        );
        std::process::exit(64);
    };
    let begun = Instant::now();
    let from = PathBuf::from(from);
    let own = data::material(&folder.join("material"));
    let langs = data::langs(&from, &own);
    let tasks = data::tasks(&from, &own);
    println!("{} language rows, {} task rows, {} of our own", langs.len(), tasks.len(), own.len());

    let close = overlap::too_close(&own, &data::task_texts(&from));
    if !close.is_empty() {
        eprintln!("own material too close to a data set:\n{}", close.join("\n"));
        std::process::exit(1);
    }
    fs::write(folder.join("model/han.bin"), han::table()).expect("model/han.bin");
    let language = train_language(&langs);
    let task = train_task(&tasks);
    fs::write(folder.join("model/lang.bin"), &language.bytes).expect("model/lang.bin");
    fs::write(folder.join("model/task.bin"), &task.bytes).expect("model/task.bin");
    let report = report::text(&language, &task, &langs, &tasks);
    fs::write(folder.join("REPORT.md"), report).expect("REPORT.md");
    println!("{:.0} s", begun.elapsed().as_secs_f32());
}

/// A trained model and how its kind did on sources it had not seen.
pub struct Trained {
    pub bytes: Vec<u8>,
    pub tallies: Vec<(String, Tally)>,
    pub temperature: f32,
}

fn lang_examples(rows: &[&LangRow]) -> Vec<Example> {
    let mut examples = Vec::new();
    for row in rows {
        let Some(class) = lang::MODELLED.iter().position(|it| *it == row.language) else {
            continue;
        };
        if row.mixed {
            continue;
        }
        let mut features = Vec::new();
        lang::modelled_words(&row.text, |word| lang::features(word, |at| features.push(at as u32)));
        if !features.is_empty() {
            examples.push(Example { class, features, weight: row.weight });
        }
    }
    examples
}

fn train_language(rows: &[LangRow]) -> Trained {
    let mut tallies = Vec::new();
    let mut pairs = Vec::new();
    for (name, sources) in LANG_FOLDS {
        let held = |row: &&LangRow| sources.iter().any(|source| row.source.starts_with(source));
        let train: Vec<_> = rows.iter().filter(|row| !held(row)).collect();
        let model = learn::train(&lang_examples(&train), LANG, 1.0);
        let linear = Linear::read(&model).expect("a model");
        let held: Vec<_> = rows.iter().filter(held).collect();
        pairs.extend(temperatures(&lang_examples(&held), &linear, LANG));
        let mut tally = Tally::default();
        for row in held {
            let (found, sure) = measure::language(&row.text, &linear);
            tally.add(row.language.code(), found.code(), sure, &row.kind);
            let theirs = measure::whatlang(&row.text, row.language);
            tally.also("whatlang", theirs);
            // It knows one Chinese; so that both are asked the same, ours need not tell three apart.
            let alike = measure::one_chinese(found) == measure::one_chinese(row.language);
            tally.also("same rows", theirs.map(|_| alike));
            if row.mixed {
                tally.also("mixed: both named", Some(measure::names_both(row, &linear)));
            }
        }
        println!(
            "language, {name}: {:.3}, whatlang {:.3}",
            tally.accuracy(),
            tally.rate("whatlang")
        );
        tallies.push((name.to_owned(), tally));
    }
    let temperature = measure::temperature(&pairs);
    let all: Vec<_> = rows.iter().collect();
    Trained { bytes: learn::train(&lang_examples(&all), LANG, temperature), tallies, temperature }
}

fn task_example(row: &TaskRow) -> Example {
    let turns: Vec<&str> = row.turns.iter().map(String::as_str).collect();
    let mut features = Vec::new();
    task::features(&row.prompt(&turns), row.language, |at| features.push(at as u32));
    Example { class: row.task.index(), features, weight: row.weight }
}

fn task_examples(rows: &[&TaskRow]) -> Vec<Example> {
    // Tasks are of very different sizes: each weighs as its square root.
    let mut counts: HashMap<Task, f32> = HashMap::new();
    rows.iter().for_each(|row| *counts.entry(row.task).or_default() += 1.0);
    let typical = rows.len() as f32 / task::CLASSES as f32;
    rows.iter()
        .map(|row| {
            let mut example = task_example(row);
            example.weight *= (typical / counts[&row.task]).sqrt().clamp(0.4, 2.5);
            example
        })
        .collect()
}

/// The data set that a source is a part of: parts of one are held out together.
fn family(source: &str) -> &str {
    if source.starts_with("bfcl") { "bfcl" } else { source }
}

/// Each source in turn is held out; our own material always trains.
fn train_task(rows: &[TaskRow]) -> Trained {
    let mut families: Vec<&str> = rows.iter().map(|row| family(&row.source)).collect();
    families.sort_unstable();
    families.dedup();
    families.retain(|family| *family != data::OWN);
    let mut tally = Tally::default();
    let mut pairs = Vec::new();
    for held in families {
        let out = |row: &&TaskRow| family(&row.source) == held;
        let train: Vec<_> = rows.iter().filter(|row| !out(row)).collect();
        let model = learn::train(&task_examples(&train), TASK, 1.0);
        let linear = Linear::read(&model).expect("a model");
        for row in rows.iter().filter(out) {
            let turns: Vec<&str> = row.turns.iter().map(String::as_str).collect();
            let (found, sure) = task::read(&row.prompt(&turns), row.language, &linear);
            tally.add(row.task.code(), found.code(), sure, row.language.code());
            tally.by_source(&row.source, row.task == found);
            tally.also("coarse", Some(row.task.coarse() == found.coarse()));
            tally.also(
                "keyword rules",
                Some(measure::keywords(turns.last().unwrap_or(&"")) == row.task),
            );
            pairs.extend(temperatures(&[task_example(row)], &linear, TASK));
        }
    }
    println!("task: {:.3}, macro-F1 {:.3}", tally.accuracy(), tally.macro_f1());
    let temperature = measure::temperature(&pairs);
    let all: Vec<_> = rows.iter().collect();
    let bytes = learn::train(&task_examples(&all), TASK, temperature);
    Trained { bytes, tallies: vec![("each source held out".into(), tally)], temperature }
}

/// Logits of held-out examples with their classes, to fit a temperature on.
fn temperatures(examples: &[Example], linear: &Linear<'_>, shape: Shape) -> Vec<(Vec<f32>, usize)> {
    examples.iter().map(|it| (learn::logits(it, linear, shape), it.class)).collect()
}

impl TaskRow {
    fn prompt<'a>(&'a self, turns: &'a [&'a str]) -> Prompt<'a> {
        Prompt {
            system: &self.system,
            turns,
            tools: self.tools,
            json_schema: false,
            has_media: false,
        }
    }
}
