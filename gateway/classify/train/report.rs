//! `REPORT.md`

use std::fmt::Write;

use classify::Task;

use crate::{
    Trained,
    data::{LangRow, TaskRow},
    measure::{Tally, share},
};

/// The bank's sixteen, Chinese by the way it is written.
const BANK: [&str; 16] = [
    "en", "zh-Hans", "zh-Hant", "yue", "ms", "id", "ta", "th", "vi", "ja", "ko", "hi", "tl", "my",
    "km", "it",
];

pub fn text(language: &Trained, task: &Trained, langs: &[LangRow], tasks: &[TaskRow]) -> String {
    let mut out = String::from(
        "# Report of the shipped model\n\nWritten by the trainer; do not edit. Every figure is on \
         sources that the measured model had not seen: whole data sets are held out, never rows. The \
         shipped weights are then trained on everything, so they are at least as good.\n",
    );
    language_part(&mut out, language);
    task_part(&mut out, task);
    let _ = writeln!(
        out,
        "\n## Sizes\n\n| | bytes | rows trained on |\n|---|--:|--:|\n| language | {} | {} |\n| task | {} \
         | {} |\n| Chinese characters | {} | – |",
        language.bytes.len(),
        langs.len(),
        task.bytes.len(),
        tasks.len(),
        classify::model::han::COUNT.div_ceil(4),
    );
    out
}

fn language_part(out: &mut String, trained: &Trained) {
    let _ = writeln!(
        out,
        "\n## Language\n\n| held out | rows | accuracy | bank's 16, macro | ours, on the languages \
         whatlang knows | whatlang, same rows | \
         calibration error |\n|---|--:|--:|--:|--:|--:|--:|"
    );
    for (name, tally) in &trained.tallies {
        let bank: Vec<f64> = BANK
            .iter()
            .map(|code| tally.label(code))
            .filter(|(rows, ..)| *rows > 0)
            .map(|(_, recall, _)| recall)
            .collect();
        let _ = writeln!(
            out,
            "| {name} | {} | {:.3} | {:.3} ({} of them there) | {:.3} | {:.3} | {:.3} |",
            tally.rows(),
            tally.accuracy(),
            bank.iter().sum::<f64>() / bank.len() as f64,
            bank.len(),
            tally.rate("same rows"),
            tally.rate("whatlang"),
            tally.ece(),
        );
    }
    let _ = writeln!(out, "\nTemperature {:.2}.", trained.temperature);
    for (name, tally) in &trained.tallies {
        let _ = writeln!(out, "\n### {name}\n\n| kind | rows | accuracy |\n|---|--:|--:|");
        groups(out, &tally.groups);
        labels(out, tally, "language");
        confusions(out, tally);
    }
}

fn task_part(out: &mut String, trained: &Trained) {
    let (_, tally) = &trained.tallies[0];
    let _ = writeln!(
        out,
        "\n## Task\n\nEach data set in turn is held out; our own phrasings always train.\n\n| | \
         |\n|---|--:|\n| rows | {} |\n| accuracy, 14 labels | {:.3} |\n| macro-F1, 14 labels | {:.3} \
         |\n| accuracy, coarse labels | {:.3} |\n| keyword rules, same rows | {:.3} |\n| calibration \
         error | {:.3} |\n| temperature | {:.2} |",
        tally.rows(),
        tally.accuracy(),
        tally.macro_f1(),
        tally.rate("coarse"),
        tally.rate("keyword rules"),
        tally.ece(),
        trained.temperature,
    );
    labels(out, tally, "task");
    let _ = writeln!(out, "\n| held-out data set | rows | accuracy |\n|---|--:|--:|");
    groups(out, &tally.sources);
    let _ = writeln!(out, "\n| language of the request | rows | accuracy |\n|---|--:|--:|");
    groups(out, &tally.groups);
    confusions(out, tally);
    debug_assert!(tally.labels().len() <= Task::COUNT);
}

fn groups(out: &mut String, groups: &std::collections::BTreeMap<String, (u32, u32)>) {
    for (name, (rows, hits)) in groups {
        let _ = writeln!(out, "| {name} | {rows} | {:.3} |", share(*hits, *rows));
    }
}

fn labels(out: &mut String, tally: &Tally, what: &str) {
    let _ = writeln!(out, "\n| {what} | rows | recall | F1 |\n|---|--:|--:|--:|");
    for label in tally.labels() {
        let (rows, recall, f1) = tally.label(label);
        let _ = writeln!(out, "| {label} | {rows} | {recall:.3} | {f1:.3} |");
    }
}

fn confusions(out: &mut String, tally: &Tally) {
    let _ = writeln!(out, "\nMost frequent mistakes (expected → found, rows):\n");
    for (expected, found, rows) in tally.confusions(12) {
        let _ = writeln!(out, "- {expected} → {found}: {rows}");
    }
}
