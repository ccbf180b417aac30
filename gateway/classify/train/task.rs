//! The task model: trained, and judged on what it has not seen.

use std::collections::{BTreeSet, HashMap};

use classify::{
    Prompt, Task,
    model::{heat, linear::Linear, task},
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
    epochs: 14,
    rate: 0.15,
    decay: 1e-4,
};

fn example(row: &TaskRow) -> Example {
    let turns: Vec<&str> = row.turns.iter().map(String::as_str).collect();
    let (mut all, mut counts) = (Vec::new(), [0_u32; task::PARTS]);
    let (prompt, instruction) = classify::said(&row.prompt(&turns));
    task::features(&prompt, instruction, |part, bucket| {
        all.push((part, bucket as u32));
        counts[part] += 1;
    });
    let shares: [f32; task::PARTS] =
        std::array::from_fn(|part| task::COUNTS[part] / (counts[part].max(1) as f32).sqrt());
    let features = all.into_iter().map(|(part, bucket)| (bucket, shares[part])).collect();
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

fn judge(tally: &mut Tally, row: &TaskRow, (linear, heats): (&Linear<'_>, &[f32])) -> (Task, f32) {
    let turns: Vec<&str> = row.turns.iter().map(String::as_str).collect();
    let linear = heats.get(heat::group(row.language)).map_or(*linear, |it| linear.heated(*it));
    let (prompt, instruction) = classify::said(&row.prompt(&turns));
    let (found, sure) = task::read(&prompt, instruction, &linear);
    tally.add(row.task.code(), found.code(), sure);
    tally.group(row.language.code(), found == row.task);
    tally.calibrated(heat::NAMES[heat::group(row.language)], found == row.task, sure);
    tally.by_source(&row.source, row.task == found);
    tally.also("coarse", Some(row.task.coarse() == found.coarse()));
    let said = turns.last().unwrap_or(&"");
    tally.also("keyword rules", Some(measure::keywords(said) == row.task));
    (found, sure)
}

pub fn judged(rows: &[TaskRow], model: (&Linear<'_>, &[f32]), role: Role) -> Tally {
    let mut tally = Tally::default();
    for row in rows.iter().filter(|row| row.role == role) {
        judge(&mut tally, row, model);
    }
    tally
}

pub fn trained(rows: &[TaskRow]) -> Trained {
    let raw = fitted(rows, |_| true);
    let linear = Linear::read(&raw).expect("a model");
    let heats = heats(rows, &linear);
    let model = (&linear, heats.as_slice());
    let tallies = vec![
        ("sources of development", judged(rows, model, Role::Develop)),
        ("final sources", judged(rows, model, Role::Final)),
        ("sources of the training held out in turn", in_turn(rows, &heats)),
        ("hands that the weights never saw", unseen_hands(rows, &heats)),
    ];
    let curve = learn::curve(|part| {
        let said = |row: &TaskRow| row.turns.last().cloned().unwrap_or_default();
        let bytes = fitted(rows, |row| learn::within(&said(row), part));
        judged(rows, (&Linear::read(&bytes).expect("a model"), &heats), Role::Develop)
    });
    let hands_curve = HANDS_PARTS.map(|part| {
        let kept = |row: &TaskRow| row.hand.is_none_or(|hand| hand % 16 < part);
        let bytes = fitted(rows, kept);
        let linear = Linear::read(&bytes).expect("a model");
        let tally = |role| judged(rows, (&linear, &heats), role);
        let (develop, last) = (tally(Role::Develop), tally(Role::Final));
        let scores = [develop.accuracy(), develop.macro_f1(), last.accuracy(), last.macro_f1()];
        (f64::from(part) / 16.0, scores)
    });
    let bytes = learn::heated(&raw, heats[0]);
    let rows = rows.iter().filter(|row| row.role == Role::Train).count();
    let hands_curve = hands_curve.to_vec();
    Trained { bytes, tallies, temperature: heats[0], heats, curve, hands_curve, rows }
}

/// Rows that a group of languages needs for a temperature of its own.
const HEAT_ROWS: usize = 150;

/// The temperature of each group of languages, fitted on the sources of development: that of all of them
/// where a group has too few rows.
fn heats(rows: &[TaskRow], linear: &Linear<'_>) -> Vec<f32> {
    let develop = rows.iter().filter(|row| row.role == Role::Develop);
    let pair = |row: &TaskRow| (learn::logits(&example(row), linear, SHAPE), row.task.index());
    let pairs: Vec<_> = develop.map(|row| (heat::group(row.language), pair(row))).collect();
    let of = |group: Option<usize>| -> Vec<_> {
        let kept = pairs.iter().filter(|(it, _)| group.is_none_or(|group| group == *it));
        kept.map(|(_, pair)| pair.clone()).collect()
    };
    let all = measure::temperature(&of(None));
    let own = |group: usize| {
        let pairs = of(Some(group));
        if pairs.len() < HEAT_ROWS { all } else { measure::temperature(&pairs) }
    };
    (0..heat::GROUPS).map(own).collect()
}

/// Each source of the training held out in turn; our own material always trains.
fn in_turn(rows: &[TaskRow], heats: &[f32]) -> Tally {
    let sources: BTreeSet<&str> = rows
        .iter()
        .filter(|row| row.role == Role::Train && row.source != OWN)
        .map(|row| row.source.as_str())
        .collect();
    let mut tally = Tally::default();
    for held in sources {
        let bytes = fitted(rows, |row| row.source != held);
        let linear = Linear::read(&bytes).expect("a model");
        for row in rows.iter().filter(|row| row.role == Role::Train && row.source == held) {
            judge(&mut tally, row, (&linear, heats));
        }
    }
    tally
}

/// The parts of the hands, in sixteenths, that their learning curve is drawn from.
const HANDS_PARTS: [u32; 5] = [0, 4, 8, 12, 16];
/// One hand of so many is held out.
const HANDS_HELD: u32 = 8;

/// Every eighth hand, judged by a model trained without them; the sources are the kinds of their requests.
fn unseen_hands(rows: &[TaskRow], heats: &[f32]) -> Tally {
    let held = |row: &TaskRow| row.hand.is_some_and(|hand| hand % HANDS_HELD == 0);
    let bytes = fitted(rows, |row| !held(row));
    let linear = Linear::read(&bytes).expect("a model");
    let mut tally = Tally::default();
    for row in rows.iter().filter(|row| held(row)) {
        let (found, _) = judge(&mut tally, row, (&linear, heats));
        for kind in kinds(row) {
            tally.by_source(kind, found == row.task);
        }
    }
    tally.sources.remove(OWN);
    tally
}

/// What a request is like: each row is of one or several kinds.
fn kinds(row: &TaskRow) -> Vec<&'static str> {
    let last = row.turns.last().map_or("", String::as_str);
    let length = last.chars().count();
    let mut kinds = vec![match row.turns.len() {
        0 | 1 => "one turn",
        _ if length <= 40 => "a later turn, short",
        _ => "a later turn, longer",
    }];
    kinds.push(match length {
        0..=40 => "up to 40 characters",
        41..=200 => "41 to 200 characters",
        _ => "above 200 characters",
    });
    if !row.system.is_empty() {
        kinds.push("with a system text");
    }
    if last.contains('\n') || last.contains(['"', '“', '「', '«']) && length > 120 {
        kinds.push("with a paste");
    }
    kinds
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
    let (prompt, instruction) = classify::said(&row.prompt(&turns));
    task::read(&prompt, instruction, linear).0
}

/// For development: the sources that may be looked at, and every mistake.
pub fn developed(rows: &[TaskRow]) -> (Tally, String) {
    let bytes = fitted(rows, |_| true);
    let linear = Linear::read(&bytes).expect("a model");
    let heats = heats(rows, &linear);
    let mut tally = Tally::default();
    let mut wrong = String::new();
    for row in rows.iter().filter(|row| row.role == Role::Develop) {
        let (found, sure) = judge(&mut tally, row, (&linear, &heats));
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
