//! The language model: trained, and judged on what it has not seen.

use classify::model::{classes, grams, lang, linear::Linear};

use crate::{
    close,
    learn::{self, Example, Shape},
    measure::{self, Tally, Trained},
    rows::{LangRow, Role},
};

const SHAPE: Shape = Shape {
    bits: grams::BITS,
    width: classes::WIDTH,
    classes: classes::CLASSES,
    epochs: 8,
    rate: 1.0,
    decay: 2e-7,
};

/// Sources of the training held out in turn: mixed and spoken text. (Without NusaX nothing would be left of
/// Javanese and Sundanese, and without Common Voice of most others.)
const FOLDS: [&[&str]; 3] = [&["wisesight"], &["hkcancor", "ctcpc"], &["hinglish-top"]];

fn examples<'a>(rows: impl Iterator<Item = &'a LangRow>) -> Vec<Example> {
    let mut examples = Vec::new();
    for row in rows.filter(|row| !row.mixed) {
        let Some(class) = classes::MODELLED.iter().position(|it| *it == row.language) else {
            continue;
        };
        grams::showings(&row.text, |features| {
            let features = learn::even(&features);
            examples.push(Example { class, features, weight: row.weight });
        });
    }
    examples
}

fn judge(tally: &mut Tally, row: &LangRow, model: &lang::Model<'_>) {
    let (found, sure) = measure::language(&row.text, model);
    tally.add(row.language.code(), found.code(), sure);
    tally.group(&row.kind, found == row.language);
    tally.by_source(&row.source, found == row.language);
    if row.mixed {
        tally.also("mixed: best", Some(found == row.language));
        tally.also("mixed: both named", Some(measure::names_both(row, model)));
    }
}

/// A model of a part of the training rows, without its temperature.
fn fitted(rows: &[LangRow], keep: impl Fn(&LangRow) -> bool) -> Vec<u8> {
    let trains = |row: &&LangRow| row.role == Role::Train && keep(row);
    learn::train(&examples(rows.iter().filter(trains)), SHAPE, 1.0)
}

/// What is judged: texts and single words apart, because the one is what people write and the other is three
/// quarters of the rows.
pub fn judged(rows: &[LangRow], model: &lang::Model<'_>, of: impl Fn(&LangRow) -> bool) -> Tally {
    let mut tally = Tally::default();
    rows.iter().filter(|row| of(row)).for_each(|row| judge(&mut tally, row, model));
    tally
}

pub fn is_word(row: &LangRow) -> bool {
    row.kind == "single_word"
}

pub fn trained(rows: &[LangRow]) -> Trained {
    let raw = fitted(rows, |_| true);
    let linear = Linear::read(&raw).expect("a model");
    let fit: Vec<_> = rows.iter().filter(|row| row.role == Role::Develop).collect();
    let temperature = temperature(&fit, &linear);
    let close = close::table(rows);
    let whole = |raw: &[u8]| [learn::heated(raw, temperature), close.clone()].concat();
    let bytes = whole(&raw);
    let model = lang::Model::read(&bytes).expect("a model");
    let of =
        |role, words| judged(rows, &model, move |row| row.role == role && is_word(row) == words);
    let mut tallies = vec![
        ("texts, sources of development", of(Role::Develop, false)),
        ("single words, sources of development", of(Role::Develop, true)),
        ("texts, final sources", of(Role::Final, false)),
    ];
    let mut turns = Tally::default();
    for fold in FOLDS {
        let out = |row: &LangRow| fold.iter().any(|it| row.source.starts_with(it));
        let bytes = whole(&fitted(rows, |row| !out(row)));
        let model = lang::Model::read(&bytes).expect("a model");
        rows.iter().filter(|row| out(row)).for_each(|row| judge(&mut turns, row, &model));
    }
    tallies.push(("texts, sources of the training held out in turn", turns));
    let curve = learn::curve(|part| {
        let bytes = whole(&fitted(rows, |row| learn::within(&row.text, part)));
        let model = lang::Model::read(&bytes).expect("a model");
        judged(rows, &model, |row| row.role == Role::Develop && !is_word(row))
    });
    let rows = rows.iter().filter(|row| row.role == Role::Train).count();
    Trained { bytes, tallies, temperature, heats: Vec::new(), curve, hands_curve: Vec::new(), rows }
}

fn temperature(rows: &[&LangRow], linear: &Linear<'_>) -> f32 {
    let examples = examples(rows.iter().copied());
    let pairs: Vec<_> =
        examples.iter().map(|it| (learn::logits(it, linear, SHAPE), it.class)).collect();
    measure::temperature(&pairs)
}

/// Writes what is judged, for others to be judged by too: role, kind, language and text between tabs.
pub fn write_judged(rows: &[LangRow], path: &std::path::Path) {
    let mut lines = String::new();
    for row in rows {
        let role = match row.role {
            Role::Develop => "development",
            Role::Final => "final",
            Role::Train if row.mixed => "mixed",
            Role::Train => continue,
        };
        let text = row.text.replace(['\n', '\t'], " ");
        lines += &format!("{role}\t{}\t{}\t{text}\n", row.kind, row.language);
    }
    std::fs::write(path, lines).unwrap_or_else(|error| crate::rows::stop(path, &error.to_string()));
}

/// A model of these rows alone.
#[cfg(test)]
pub fn small(rows: &[LangRow]) -> Vec<u8> {
    [fitted(rows, |_| true), close::table(rows)].concat()
}

/// For development: the sources that may be looked at, and every mistake.
pub fn developed(rows: &[LangRow]) -> (Tally, String) {
    let bytes = [fitted(rows, |_| true), close::table(rows)].concat();
    let model = lang::Model::read(&bytes).expect("a model");
    let develop = |row: &LangRow| row.role == Role::Develop;
    let mut tally = judged(rows, &model, develop);
    let mut wrong = String::new();
    for row in rows.iter().filter(|row| row.mixed) {
        let (found, _) = measure::language(&row.text, &model);
        let both = measure::names_both(row, &model);
        tally.by_source(&format!("mixed {} best", row.language), found == row.language);
        tally.by_source(&format!("mixed {} both", row.language), both);
        if !both {
            let said = lang::read(&row.text, &model).shares;
            wrong += &format!("{}\tmixed\t{:?}\t{said:?}\t{}\n", row.language, row.also, row.text);
        }
    }
    for row in rows.iter().filter(|row| develop(row)) {
        let (found, sure) = measure::language(&row.text, &model);
        tally.by_source(&format!("{} {}", row.language, row.kind), found == row.language);
        if found != row.language {
            let text = row.text.replace('\n', "\\n");
            wrong += &format!("{}\t{found}\t{sure:.2}\t{}\t{text}\n", row.language, row.source);
        }
    }
    (tally, wrong)
}
