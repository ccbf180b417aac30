//! The task model: trained, and judged on what it has not seen.

use std::collections::{BTreeSet, HashMap};

use classify::{
    Prompt, Task,
    model::{linear::Linear, task},
};

use crate::{
    learn::{self, Example, Shape},
    measure::{self, Tally, Trained},
    rows::{OWN, Role, TaskRow},
};

const SHAPE: Shape = Shape {
    bits: task::BITS,
    width: task::WIDTH,
    classes: task::CLASSES,
    epochs: 6,
    rate: 0.25,
    decay: 2e-5,
};

fn example(row: &TaskRow) -> Example {
    let turns: Vec<&str> = row.turns.iter().map(String::as_str).collect();
    let mut features = Vec::new();
    task::features(&row.prompt(&turns), |it| features.push(it));
    Example { class: row.task.index(), features, weight: row.weight }
}

fn examples(rows: &[&TaskRow]) -> Vec<Example> {
    // Tasks are of very different sizes: each weighs as its square root.
    let mut counts: HashMap<Task, f32> = HashMap::new();
    rows.iter().for_each(|row| *counts.entry(row.task).or_default() += 1.0);
    let typical = rows.len() as f32 / task::CLASSES as f32;
    rows.iter()
        .map(|row| {
            let mut example = example(row);
            example.weight *= (typical / counts[&row.task]).sqrt().clamp(0.4, 2.5);
            example
        })
        .collect()
}

/// A model of a part of the training rows, without its temperature.
fn fitted(rows: &[TaskRow], keep: impl Fn(&TaskRow) -> bool) -> Vec<u8> {
    let trains = |row: &&TaskRow| row.role == Role::Train && keep(row);
    learn::train(&examples(&rows.iter().filter(trains).collect::<Vec<_>>()), SHAPE, 1.0)
}

fn judge(tally: &mut Tally, row: &TaskRow, linear: &Linear<'_>) -> (Task, f32) {
    let turns: Vec<&str> = row.turns.iter().map(String::as_str).collect();
    let (found, sure) = task::read(&row.prompt(&turns), linear);
    tally.add(row.task.code(), found.code(), sure);
    tally.group(row.language.code(), found == row.task);
    tally.by_source(&row.source, row.task == found);
    tally.also("coarse", Some(row.task.coarse() == found.coarse()));
    let said = turns.last().unwrap_or(&"");
    tally.also("keyword rules", Some(measure::keywords(said) == row.task));
    (found, sure)
}

pub fn judged(rows: &[TaskRow], linear: &Linear<'_>, role: Role) -> Tally {
    let mut tally = Tally::default();
    for row in rows.iter().filter(|row| row.role == role) {
        judge(&mut tally, row, linear);
    }
    tally
}

pub fn trained(rows: &[TaskRow]) -> Trained {
    let raw = fitted(rows, |_| true);
    let linear = Linear::read(&raw).expect("a model");
    let pairs: Vec<_> = rows
        .iter()
        .filter(|row| row.role == Role::Develop)
        .map(|row| (learn::logits(&example(row), &linear, SHAPE), row.task.index()))
        .collect();
    let temperature = measure::temperature(&pairs);
    let bytes = learn::heated(&raw, temperature);
    let linear = Linear::read(&bytes).expect("a model");
    let tallies = vec![
        ("sources of development", judged(rows, &linear, Role::Develop)),
        ("final sources", judged(rows, &linear, Role::Final)),
        ("sources of the training held out in turn", in_turn(rows, temperature)),
    ];
    let curve = learn::curve(|part| {
        let said = |row: &TaskRow| row.turns.last().cloned().unwrap_or_default();
        let bytes =
            learn::heated(&fitted(rows, |row| learn::within(&said(row), part)), temperature);
        judged(rows, &Linear::read(&bytes).expect("a model"), Role::Develop)
    });
    let rows = rows.iter().filter(|row| row.role == Role::Train).count();
    Trained { bytes, tallies, temperature, curve, rows }
}

/// Each source of the training held out in turn; our own material always trains.
fn in_turn(rows: &[TaskRow], temperature: f32) -> Tally {
    let sources: BTreeSet<&str> = rows
        .iter()
        .filter(|row| row.role == Role::Train && row.source != OWN)
        .map(|row| row.source.as_str())
        .collect();
    let mut tally = Tally::default();
    for held in sources {
        let bytes = learn::heated(&fitted(rows, |row| row.source != held), temperature);
        let linear = Linear::read(&bytes).expect("a model");
        for row in rows.iter().filter(|row| row.role == Role::Train && row.source == held) {
            judge(&mut tally, row, &linear);
        }
    }
    tally
}

/// A model of these rows alone.
#[cfg(test)]
pub fn small(rows: &[TaskRow]) -> Vec<u8> {
    fitted(rows, |_| true)
}

/// What a model reads a row as.
#[cfg(test)]
pub fn found(row: &TaskRow, linear: &Linear<'_>) -> Task {
    let turns: Vec<&str> = row.turns.iter().map(String::as_str).collect();
    task::read(&row.prompt(&turns), linear).0
}

/// For development: the sources that may be looked at, and every mistake.
pub fn developed(rows: &[TaskRow]) -> (Tally, String) {
    let bytes = fitted(rows, |_| true);
    let linear = Linear::read(&bytes).expect("a model");
    let mut tally = Tally::default();
    let mut wrong = String::new();
    for row in rows.iter().filter(|row| row.role == Role::Develop) {
        let (found, sure) = judge(&mut tally, row, &linear);
        if found != row.task {
            let text = row.turns.join(" || ").replace('\n', "\\n");
            let (task, source, language) = (row.task, &row.source, row.language);
            wrong += &format!("{task}\t{found}\t{sure:.2}\t{source}\t{language}\t{text}\n");
        }
    }
    (tally, wrong)
}

impl TaskRow {
    pub fn prompt<'a>(&'a self, turns: &'a [&'a str]) -> Prompt<'a> {
        Prompt {
            system: &self.system,
            turns,
            tools: self.tools,
            tools_text: &self.tools_text,
            json_schema: false,
            has_media: false,
        }
    }
}
