//! The trainer: data sets and our own material in, weights and a report out. Seeded, and each model is
//! trained by one thread in one order, so that the same data give the same bytes.
//!
//! `cargo run --release -p classify --features train -- --data DIR`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks")]
#![allow(clippy::indexing_slicing, reason = "arrays of this program's own making")]
#![allow(clippy::expect_used, reason = "a trainer that cannot read or write has nothing to do")]
#![allow(missing_docs, unreachable_pub)]

mod bench;
mod close;
mod complexity;
mod data;
mod fill;
mod han;
mod hands;
mod language;
mod learn;
mod measure;
mod overlap;
mod own;
mod report;
mod rows;
mod shipped;
mod task;
#[cfg(test)]
mod tests;
mod turns;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

const USAGE: &str = "usage: train --data DIR | --bench
  --data DIR   lang_train.jsonl.gz, lang_words.jsonl.gz (train/words.py), task_train.jsonl.gz
  --quick language|task
               with --data: measures on the sources of development and prints every mistake, writes nothing
  --judged FILE
               with --data: writes the texts that the language is judged by, for tests/compare
  --turns      with --data: judges the model that is built in: prints how it does on the sources that no
               weights saw, and writes the part on short turns and pastes of REPORT.md
  --complexity with --data: how often small models fail, by what a request looks like, and the weights to be
               built in (outcomes_train.jsonl.gz)
  --bench      how long a reading takes, by the model that is built in";

fn main() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let args: Vec<String> = std::env::args().collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if has("--bench") {
        return bench::run();
    }
    let from = args.iter().position(|arg| arg == "--data").and_then(|at| args.get(at + 1));
    let Some(from) = from else {
        eprintln!("{USAGE}");
        std::process::exit(64);
    };
    let from = PathBuf::from(from);
    let judged = args.iter().position(|arg| arg == "--judged").and_then(|at| args.get(at + 1));
    if let Some(path) = judged {
        return language::write_judged(&data::langs(&from, &[]), Path::new(path));
    }
    if has("--complexity") {
        return print!("{}", complexity::text(&from));
    }
    if has("--turns") {
        return shipped::run(&folder, &from);
    }
    let quick = args.iter().position(|arg| arg == "--quick").and_then(|at| args.get(at + 1));
    match quick.map(String::as_str) {
        Some(model) => quick_look(&folder, &from, model),
        None => train(&folder, &from),
    }
}

/// Everything: checks the material, trains, judges, writes weights and report.
fn train(folder: &Path, from: &Path) {
    let begun = Instant::now();
    let own = own::material(&folder.join("material"));
    let langs = data::langs(from, &own);
    let tasks = data::tasks(from, &own, &langs);
    println!("{} language rows, {} task rows, {} of our own", langs.len(), tasks.len(), own.len());
    let close = overlap::too_close(&own, &data::task_texts(from));
    if !close.is_empty() {
        eprintln!("own material too close to a data set:\n{}", close.join("\n"));
        std::process::exit(1);
    }
    fs::write(folder.join("model/han.bin"), han::table()).expect("model/han.bin");
    let (language, task) = std::thread::scope(|scope| {
        let language = scope.spawn(|| language::trained(&langs));
        let task = task::trained(&tasks);
        (language.join().expect("the language model"), task)
    });
    fs::write(folder.join("model/lang.bin"), &language.bytes).expect("model/lang.bin");
    fs::write(folder.join("model/task.bin"), &task.bytes).expect("model/task.bin");
    let heats: Vec<u8> = task.heats.iter().flat_map(|it| it.to_le_bytes()).collect();
    fs::write(folder.join("model/task_heat.bin"), heats).expect("model/task_heat.bin");
    let report = report::text(&language, &task, &own, &complexity::text(from));
    fs::write(folder.join("REPORT.md"), report).expect("REPORT.md");
    println!("{:.0} s", begun.elapsed().as_secs_f32());
}

/// What a change is worth to one of the models, on the sources of development: a page, and on standard error
/// every mistake. Writes no file.
fn quick_look(folder: &Path, from: &Path, model: &str) {
    let own = own::material(&folder.join("material"));
    let langs = data::langs(from, &own);
    let (tally, wrong) = match model {
        "language" => language::developed(&langs),
        "task" => task::developed(&data::tasks(from, &own, &langs)),
        _ => {
            eprintln!("{USAGE}");
            std::process::exit(64);
        }
    };
    print!("{}", report::short(model, &tally));
    eprint!("{wrong}");
}
