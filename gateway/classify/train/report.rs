//! `REPORT.md`

use std::{collections::BTreeMap, fmt::Write};

use crate::{
    hands,
    measure::{Tally, Trained, share},
    own::Own,
};

/// The bank's sixteen, Chinese by the way it is written.
const BANK: [&str; 16] = [
    "en", "zh-Hans", "zh-Hant", "yue", "ms", "id", "ta", "th", "vi", "ja", "ko", "hi", "tl", "my",
    "km", "it",
];

pub fn text(language: &Trained, task: &Trained, own: &[Own], complexity: &str) -> String {
    let mut out = String::from(
        "# Report of the shipped weights\n\nWritten by the trainer; do not edit. Every figure is on sources \
         that the measured weights were never trained on: whole data sets, never rows of one.\n\n\
         - **sources of development**: in no weights, for their licence or because others compare \
         themselves by them; the shape of the models and our own material were chosen with an eye on them.\n\
         - **final sources**: in no weights; nothing about the models was chosen by them.\n\
         - **held out in turn**: each source of the training is judged by a model trained without it.\n\n\
         The first two are figures of the very weights that ship.\n",
    );
    bars(&mut out, language, task);
    part(&mut out, "Language", language, language_head);
    part(&mut out, "Task", task, task_head);
    let _ = write!(out, "\n{}", hands::text(own));
    let _ = write!(out, "\n## Complexity\n\n{complexity}");
    sizes(&mut out, language, task);
    out
}

/// Mean recall of some labels, and how many of them are there.
fn recalls(tally: &Tally, codes: &[&str]) -> (f64, usize) {
    let there = codes.iter().map(|code| tally.label(code)).filter(|(rows, ..)| *rows > 0);
    let recalls: Vec<f64> = there.map(|(_, recall, _)| recall).collect();
    (recalls.iter().sum::<f64>() / recalls.len() as f64, recalls.len())
}

fn bars(out: &mut String, language: &Trained, task: &Trained) {
    let _ = writeln!(
        out,
        "\n## Bars\n\n| | bar | development | final | in turn |\n|---|--:|--:|--:|--:|"
    );
    let [texts, words, last, turns] = [0, 1, 2, 3].map(|at| &language.tallies[at].1);
    let mut line = |what: &str, bar: f64, figures: [f64; 3]| {
        let bar = (!bar.is_nan()).then_some(bar);
        let figures: Vec<String> = figures.iter().map(|it| figure(*it)).collect();
        let _ = writeln!(
            out,
            "| {what} | {} | {} |",
            bar.map_or("–".into(), |bar| format!("{bar:.2}")),
            figures.join(" | ")
        );
    };
    let texts = [texts, last, turns];
    line("language, all texts", 0.95, texts.map(Tally::accuracy));
    line(
        "language, texts and single words",
        0.95,
        [share_of(&[texts[0], words]), f64::NAN, f64::NAN],
    );
    line("the bank's 16, macro", 0.95, texts.map(|tally| recalls(tally, &BANK).0));
    for (what, code, bar) in
        [("Malay", "ms", 0.88), ("Indonesian", "id", 0.90), ("Tagalog", "tl", 0.92)]
    {
        line(what, bar, texts.map(|tally| recalls(tally, &[code]).0));
    }
    line(
        "three ways of writing Chinese",
        0.95,
        texts.map(|it| recalls(it, &["zh-Hans", "zh-Hant", "yue"]).0),
    );
    line("single words", 0.85, [words.accuracy(), f64::NAN, f64::NAN]);
    line("code-mixed, the best language", 0.93, texts.map(|tally| tally.rate("mixed: best")));
    line("code-mixed, both named", f64::NAN, texts.map(|tally| tally.rate("mixed: both named")));
    let tasks = [0, 1, 2].map(|at| &task.tallies[at].1);
    line("task, accuracy", 0.78, tasks.map(Tally::accuracy));
    line("task, macro-F1", 0.78, tasks.map(Tally::macro_f1));
    line("task, 11 coarse labels", 0.82, tasks.map(|tally| tally.rate("coarse")));
    line(
        "task, keyword rules on the same rows",
        f64::NAN,
        tasks.map(|tally| tally.rate("keyword rules")),
    );
    line("calibration error, language (at most)", 0.05, texts.map(Tally::ece));
    line("calibration error, task (at most)", 0.05, tasks.map(Tally::ece));
}

fn share_of(tallies: &[&Tally]) -> f64 {
    let rows: f64 = tallies.iter().map(|tally| f64::from(tally.rows())).sum();
    tallies.iter().map(|tally| tally.accuracy() * f64::from(tally.rows())).sum::<f64>() / rows
}

fn figure(value: f64) -> String {
    if value.is_nan() { "–".into() } else { format!("{value:.3}") }
}

fn part(out: &mut String, what: &str, trained: &Trained, head: fn(&mut String, &Tally)) {
    let _ = writeln!(
        out,
        "\n## {what}\n\nTrained on {} rows; temperature {:.2}, fitted on the sources of development.\n\n\
         | part of the training rows | accuracy, development | macro-F1 |\n|--:|--:|--:|",
        trained.rows, trained.temperature,
    );
    let whole = &trained.tallies[0].1;
    let whole = (1.0, whole.accuracy(), whole.macro_f1());
    for (part, accuracy, f1) in trained.curve.iter().chain([&whole]) {
        let _ = writeln!(out, "| {:.0} % | {accuracy:.3} | {f1:.3} |", part * 100.0);
    }
    hands_curve(out, trained);
    for (name, tally) in &trained.tallies {
        let _ = writeln!(out, "\n### {what}: {name}\n");
        head(out, tally);
        calibrations(out, tally);
        labels(out, tally);
        groups(out, "source", &tally.sources);
        confusions(out, tally);
    }
}

/// How much our own hands are worth.
fn hands_curve(out: &mut String, trained: &Trained) {
    if trained.hands_curve.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n| part of our own hands | accuracy, development | macro-F1 | accuracy, final | macro-F1 |\n\
         |--:|--:|--:|--:|--:|"
    );
    for (part, [accuracy, f1, last, last_f1]) in &trained.hands_curve {
        let part = part * 100.0;
        let _ =
            writeln!(out, "| {part:.0} % | {accuracy:.3} | {f1:.3} | {last:.3} | {last_f1:.3} |");
    }
}

/// How true the confidence is, group by group of languages.
fn calibrations(out: &mut String, tally: &Tally) {
    if tally.calibrations.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n| languages | rows | calibration error |\n|---|--:|--:|");
    for (group, bins) in &tally.calibrations {
        let _ = writeln!(out, "| {group} | {} | {:.3} |", bins.rows(), bins.ece());
    }
}

fn language_head(out: &mut String, tally: &Tally) {
    let (bank, there) = recalls(tally, &BANK);
    let _ = writeln!(
        out,
        "{} rows: accuracy {:.3}; the bank's 16, macro {bank:.3} ({there} of them there); calibration error \
         {:.3}.",
        tally.rows(),
        tally.accuracy(),
        tally.ece(),
    );
    groups(out, "kind", &tally.groups);
}

fn task_head(out: &mut String, tally: &Tally) {
    let _ = writeln!(
        out,
        "{} rows: accuracy {:.3}, macro-F1 {:.3}, coarse {:.3}; keyword rules {:.3}; calibration error \
         {:.3}.",
        tally.rows(),
        tally.accuracy(),
        tally.macro_f1(),
        tally.rate("coarse"),
        tally.rate("keyword rules"),
        tally.ece(),
    );
    groups(out, "language of the request", &tally.groups);
}

fn sizes(out: &mut String, language: &Trained, task: &Trained) {
    let _ = writeln!(
        out,
        "\n## Sizes and time\n\n| | bytes |\n|---|--:|\n| language | {} |\n| task | {} |\n\
         | Chinese characters | {} |\n",
        language.bytes.len(),
        task.bytes.len(),
        classify::model::han::COUNT.div_ceil(4),
    );
    let _ = writeln!(
        out,
        "`cargo run --release -p classify --features train -- --bench` prints how long a reading takes."
    );
}

fn groups(out: &mut String, what: &str, groups: &BTreeMap<String, (u32, u32)>) {
    let _ = writeln!(out, "\n| {what} | rows | accuracy |\n|---|--:|--:|");
    for (name, (rows, hits)) in groups {
        let _ = writeln!(out, "| {name} | {rows} | {:.3} |", share(*hits, *rows));
    }
}

fn labels(out: &mut String, tally: &Tally) {
    let _ = writeln!(out, "\n| label | rows | recall | F1 |\n|---|--:|--:|--:|");
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

/// A page for development.
pub fn short(what: &str, tally: &Tally) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "== {what}: {} rows, accuracy {:.4}, macro-F1 {:.4}, coarse {:.4}, ece {:.3}",
        tally.rows(),
        tally.accuracy(),
        tally.macro_f1(),
        tally.rate("coarse"),
        tally.ece()
    );
    for label in tally.labels() {
        let (rows, recall, f1) = tally.label(label);
        let _ = write!(out, "{label} {rows} {recall:.3} {f1:.3} | ");
    }
    out.push('\n');
    for groups in [&tally.groups, &tally.sources] {
        for (name, (rows, hits)) in groups {
            let _ = write!(out, "{name} {rows} {:.3} | ", share(*hits, *rows));
        }
        out.push('\n');
    }
    for (expected, found, rows) in tally.confusions(16) {
        let _ = write!(out, "{expected}→{found} {rows} | ");
    }
    out.push('\n');
    out
}
