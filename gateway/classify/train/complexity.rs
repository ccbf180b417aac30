//! How often small models fail, by what a request looks like: the weights of the complexity, and how much
//! they separate.

use std::{fmt::Write, path::Path};

use classify::{
    Complexity, Prompt, Task,
    model::complexity::{self, FEATURES},
};
use serde::Deserialize;
use std::collections::HashMap;

use crate::data;

/// The models whose failures are learned, and those that are held beside them.
const SMALL: [&str; 4] =
    ["qwen2.5-7b-instruct", "llama-3.1-8b-instruct", "gemma-2-9b-it", "mistral-7b-instruct-v0.3"];
const LARGE: [&str; 2] = ["llama-3.1-nemotron-51b-instruct", "llama-3.3-nemotron-super-49b-v1"];
/// Parts that are held out in turn.
const FOLDS: usize = 5;

#[derive(Deserialize)]
struct Outcome {
    question: String,
    scores: HashMap<String, f32>,
}

struct Row {
    features: [f32; FEATURES],
    task: Task,
    /// Shares of the small and of the large models' scores.
    small: f32,
    large: f32,
}

/// The report's part on complexity, with the weights to be built in.
pub fn text(folder: &Path) -> String {
    let rows = rows(folder);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    // By their text, so that the parts are the same in every run.
    order.sort_by_key(|at| at.wrapping_mul(0x9E37_79B9) % 100_003);
    let mut chances = vec![0.0; rows.len()];
    for fold in 0..FOLDS {
        let held = |place: usize| place % FOLDS == fold;
        let kept = order.iter().enumerate().filter(|(place, _)| !held(*place));
        let (weights, bias) = fit(&kept.map(|(_, at)| &rows[*at]).collect::<Vec<_>>());
        for (_, at) in order.iter().enumerate().filter(|(place, _)| held(*place)) {
            chances[*at] = complexity::failing(&rows[*at].features, &weights, bias);
        }
    }
    let (weights, bias) = fit(&rows.iter().collect::<Vec<_>>());
    let mut sorted = chances.clone();
    sorted.sort_by(f32::total_cmp);
    let third = |part: usize| sorted[sorted.len() * part / 3];
    let bounds = [third(1), third(2)];
    let mut out = String::new();
    out.push_str(
        "How often models of 7 to 9 billion parameters and of about 50 solve questions (LLMRouter's \
         outcomes), by the chance that a small one fails, easy and hard being the outer thirds of it. Each \
         question is judged by weights that were fitted without its fifth of the data. The AUC is how \
         likely a question at which most small models fail has a higher chance than one that most \
         solve.\n\n",
    );
    table(&mut out, &rows, &chances, bounds);
    let _ =
        writeln!(out, "\nFitted on all: weights {weights:?}, bias {bias:?}, bounds {bounds:?}.");
    out
}

fn table(out: &mut String, rows: &[Row], chances: &[f32], bounds: [f32; 2]) {
    let _ = writeln!(
        out,
        "| | questions | solved by small models | by large ones | gained |\n|---|--:|--:|--:|--:|"
    );
    let mut line = |what: &str, of: &dyn Fn(usize) -> bool| {
        let of: Vec<&Row> =
            rows.iter().enumerate().filter(|(at, _)| of(*at)).map(|(_, row)| row).collect();
        let mean = |value: fn(&Row) -> f32| {
            of.iter().map(|row| value(row)).sum::<f32>() / of.len().max(1) as f32
        };
        let (small, large) = (mean(|row| row.small), mean(|row| row.large));
        let _ = writeln!(
            out,
            "| {what} | {} | {small:.3} | {large:.3} | {:+.3} |",
            of.len(),
            large - small
        );
    };
    for level in Complexity::ALL {
        let is = |at: usize| complexity::level(&rows[at].features, chances[at], bounds) == *level;
        line(level.code(), &is);
    }
    line("all", &|_| true);
    let _ = writeln!(out, "\n| task, as read | questions | AUC |\n|---|--:|--:|");
    let _ = writeln!(out, "| all | {} | {:.3} |", rows.len(), auc(rows, chances, &|_| true));
    for task in Task::ALL {
        let count = rows.iter().filter(|row| row.task == *task).count();
        if count >= 100 {
            let of = auc(rows, chances, &|row| row.task == *task);
            let _ = writeln!(out, "| {task} | {count} | {of:.3} |");
        }
    }
}

/// How likely a question at which most small models fail has a higher chance than another.
fn auc(rows: &[Row], chances: &[f32], of: &dyn Fn(&Row) -> bool) -> f64 {
    let mut sorted: Vec<(f32, bool)> = rows
        .iter()
        .zip(chances)
        .filter(|(row, _)| of(row))
        .map(|(row, chance)| (*chance, row.small < 0.5))
        .collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let failed = sorted.iter().filter(|it| it.1).count();
    let ranks: usize = sorted.iter().enumerate().filter(|(_, it)| it.1).map(|(at, _)| at + 1).sum();
    let pairs = failed * (sorted.len() - failed);
    (ranks - failed * (failed + 1) / 2) as f64 / pairs.max(1) as f64
}

fn rows(folder: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    data::each(&folder.join("outcomes_train.jsonl.gz"), |outcome: Outcome| {
        let mean = |models: &[&str]| {
            let scores = models.iter().map(|model| outcome.scores.get(*model).copied());
            scores.map(|it| it.unwrap_or(0.0)).sum::<f32>() / models.len() as f32
        };
        let turns = [outcome.question.as_str()];
        let prompt = Prompt::of(&turns);
        let task = classify::classify(&prompt).task;
        rows.push(Row {
            features: complexity::features(&prompt, task),
            task,
            small: mean(&SMALL),
            large: mean(&LARGE),
        });
    });
    rows
}

/// Logistic regression of the share that fails, by gradient descent with a little decay, on features that are
/// brought to a mean of 0 and a deviation of 1.
fn fit(rows: &[&Row]) -> ([f32; FEATURES], f32) {
    let count = rows.len() as f64;
    let mean_of =
        |value: &dyn Fn(&Row) -> f64| rows.iter().map(|row| value(row)).sum::<f64>() / count;
    let of = |at: usize| move |row: &Row| f64::from(row.features[at]);
    let means: [f64; FEATURES] = std::array::from_fn(|at| mean_of(&of(at)));
    let spread: [f64; FEATURES] = std::array::from_fn(|at| {
        mean_of(&|row| (of(at)(row) - means[at]).powi(2)).sqrt().max(1e-3)
    });
    let scaled = |row: &Row| -> [f64; FEATURES] {
        std::array::from_fn(|at| (of(at)(row) - means[at]) / spread[at])
    };
    let rows: Vec<_> = rows.iter().map(|row| (scaled(row), f64::from(1.0 - row.small))).collect();
    let (mut weights, mut bias) = ([0.0_f64; FEATURES], 0.0_f64);
    for _ in 0..400 {
        let (mut gradient, mut rest) = ([0.0; FEATURES], 0.0);
        for (features, failed) in &rows {
            let sum: f64 = features.iter().zip(weights).map(|(value, it)| value * it).sum();
            let wrong = 1.0 / (1.0 + (-sum - bias).exp()) - failed;
            rest += wrong;
            gradient.iter_mut().zip(features).for_each(|(it, value)| *it += wrong * value);
        }
        bias -= rest / count;
        for (weight, it) in weights.iter_mut().zip(gradient) {
            *weight -= it / count + 1e-3 * *weight;
        }
    }
    let plain: [f64; FEATURES] = std::array::from_fn(|at| weights[at] / spread[at]);
    bias -= plain.iter().zip(means).map(|(weight, mean)| weight * mean).sum::<f64>();
    let rounded = |it: f64| ((it * 1000.0).round() / 1000.0) as f32;
    (plain.map(rounded), rounded(bias))
}
