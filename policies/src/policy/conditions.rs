//! The `when` of a rule: for each dimension, which values it takes.

mod who;

use std::{ops::RangeInclusive, sync::Arc};

use toml::Value;

pub(crate) use self::who::{KeySet, team_slot};
use self::who::{keys, teams};
use super::{
    cel::{self, Expression},
    names::Names,
};
use crate::{
    document::{Faults, Section, items, kind},
    facts::{
        CoarseTask, Complexity, Content, DataClass, Language, Money, Needs, Operation, Signals,
        Task,
    },
    fault::{Fault, one},
    set::BitSet,
};

/// Conditions that must all hold. `None` takes everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct When {
    pub(super) language: Option<BitSet>,
    pub(super) task: Option<BitSet>,
    pub(super) data_class: Option<BitSet>,
    pub(super) operation: Option<BitSet>,
    pub(super) stream: Option<bool>,
    /// By [`team_slot`] of the nearest team: ancestors are folded in.
    pub(super) team: Option<BitSet>,
    pub(super) key: Option<KeySet>,
    pub(super) model: Option<Listed<Box<str>>>,
    pub(super) tag: Option<Listed<(Box<str>, Box<str>)>>,
    pub(super) needs: Option<Listed<Needs>>,
    pub(super) contains: Option<Listed<Content>>,
    pub(super) complexity: Option<BitSet>,
    pub(super) confidence: Option<RangeInclusive<f32>>,
    pub(super) input_tokens: Option<RangeInclusive<f64>>,
    pub(super) output_tokens_max: Option<RangeInclusive<f64>>,
    pub(super) budget_left: Option<(Money, Money)>,
    pub(super) hours: Option<(u16, u16)>,
    pub(super) weekdays: Option<BitSet>,
    pub(super) cel: Option<Expression>,
}

/// Values that are taken, or with `not` all others.
#[derive(Clone, Debug)]
pub(super) struct Listed<T> {
    pub(super) values: Vec<T>,
    not: bool,
}

impl<T> Listed<T> {
    fn takes(&self, is: impl Fn(&T) -> bool) -> bool {
        self.values.iter().any(is) != self.not
    }
}

/// Days as policies spell them, Monday first.
pub(crate) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl When {
    /// Each stated condition by its dimension, and whether it holds.
    pub(crate) fn checks(&self, signals: &Signals) -> impl Iterator<Item = (&'static str, bool)> {
        let has = |set: &Option<BitSet>, at: usize| set.as_ref().map(|set| set.contains(at));
        [
            ("language", has(&self.language, signals.language.index())),
            ("task", has(&self.task, signals.task.index())),
            ("data_class", has(&self.data_class, signals.data_class as usize)),
            ("operation", has(&self.operation, signals.operation as usize)),
            ("stream", self.stream.map(|stream| stream == signals.stream)),
            ("team", has(&self.team, team_slot(signals))),
            ("key", self.key.as_ref().map(|set| set.takes(signals.key))),
        ]
        .into_iter()
        .chain(self.rest(signals))
        .chain([("cel", self.cel.as_ref().map(|cel| cel.holds(signals)))])
        .filter_map(|(dimension, holds)| Some((dimension, holds?)))
    }

    /// Whether all that the index does not know of holds. `cel` is asked last, and only if all else holds.
    pub(crate) fn rest_holds(&self, signals: &Signals) -> bool {
        self.rest(signals).iter().all(|(_, holds)| holds.unwrap_or(true))
            && self.cel.as_ref().is_none_or(|cel| cel.holds(signals))
    }

    /// What stands under `cel`.
    pub(crate) fn cel(&self) -> Option<&Arc<str>> {
        self.cel.as_ref().map(Expression::source)
    }

    /// The same conditions but for `cel`.
    pub(crate) fn without_cel(&self) -> Self {
        Self { cel: None, ..self.clone() }
    }

    /// The data classes that it is limited to.
    pub(crate) fn data_classes(&self) -> Option<&BitSet> {
        self.data_class.as_ref()
    }

    /// Whether it asks for the data class, by that dimension or in `cel`.
    pub(super) fn names_data_class(&self) -> bool {
        self.data_class.is_some() || self.cel.as_ref().is_some_and(Expression::names_data_class)
    }

    /// A guard binds where its `cel` cannot be worked out.
    pub(super) fn binds_when_in_doubt(&mut self) {
        self.cel.iter_mut().for_each(Expression::binds_when_in_doubt);
    }

    fn rest(&self, signals: &Signals) -> [(&'static str, Option<bool>); 11] {
        let within = |range: &Option<RangeInclusive<f64>>, value: f64| {
            range.as_ref().map(|range| range.contains(&value))
        };
        let asked = signals.output_tokens_asked.map_or(f64::NAN, |asked| f64::from(asked.0));
        [
            ("model", self.model.as_ref().map(|it| it.takes(|id| **id == *signals.requested))),
            ("tag", self.tag.as_ref().map(|it| it.takes(|tag| signals.tags.contains(tag)))),
            ("needs", self.needs.as_ref().map(|it| it.takes(|need| signals.needs.contains(*need)))),
            (
                "contains",
                self.contains.as_ref().map(|it| it.takes(|of| signals.contains.count(*of) > 0)),
            ),
            (
                "complexity",
                self.complexity.as_ref().map(|it| it.contains(signals.complexity.index())),
            ),
            ("confidence", self.confidence.as_ref().map(|it| it.contains(&signals.confidence()))),
            ("input_tokens", within(&self.input_tokens, f64::from(signals.input_tokens.0))),
            ("output_tokens_max", within(&self.output_tokens_max, asked)),
            // No budget is no end of money.
            (
                "budget_left",
                self.budget_left.map(|(min, max)| {
                    let left = signals.budget_left.unwrap_or(Money::MAX);
                    (min..=max).contains(&left)
                }),
            ),
            (
                "hours",
                self.hours.map(|(from, to)| {
                    let minute = signals.at.minute;
                    if from <= to {
                        (from..to).contains(&minute)
                    } else {
                        minute >= from || minute < to
                    }
                }),
            ),
            (
                "weekday",
                self.weekdays.as_ref().map(|days| days.contains(usize::from(signals.at.weekday))),
            ),
        ]
    }
}

/// Reads `when` of a rule; a rule without it matches everything.
pub(super) fn when(section: &mut Section<'_>, names: &Names<'_>, faults: &mut Faults) -> When {
    let Some(value) = section.get("when") else { return When::default() };
    let mut it = Section::of(section.at("when"), value, faults);
    let read = When {
        language: labels(&mut it, "language", Language::ALL, Language::code, faults),
        task: tasks(&mut it, faults),
        data_class: labels(&mut it, "data_class", DataClass::ALL, DataClass::code, faults),
        operation: labels(&mut it, "operation", Operation::ALL, Operation::code, faults),
        stream: it.read("stream", "true or false", faults, Value::as_bool),
        team: teams(&mut it, names, faults),
        key: keys(&mut it, names, faults),
        model: listed(&mut it, "model", faults, "a model's name", |text| Some(text.into())),
        tag: listed(&mut it, "tag", faults, "k=v", |text| {
            text.split_once('=').map(|(key, value)| (key.into(), value.into()))
        }),
        needs: coded(&mut it, "needs", &Needs::NAMES.map(|(need, name)| (name, need)), faults),
        contains: coded(&mut it, "contains", &contents(), faults),
        complexity: labels(&mut it, "complexity", Complexity::ALL, Complexity::code, faults),
        confidence: confidence(&mut it, faults),
        input_tokens: range(&mut it, "input_tokens", f64::MAX, faults),
        output_tokens_max: range(&mut it, "output_tokens_max", f64::MAX, faults),
        budget_left: budget(&mut it, faults),
        hours: hours(&mut it, faults),
        weekdays: labels(&mut it, "weekday", &DAYS, |day| day, faults),
        cel: cel::cel(&mut it, names.fleet, faults),
    };
    it.close(faults);
    read
}

/// The items of a dimension with their paths, and whether they stand under `not`.
fn dimension<'a>(
    section: &mut Section<'a>,
    key: &'static str,
    faults: &mut Faults,
) -> Option<(Vec<(String, &'a str)>, bool)> {
    let value = section.get(key)?;
    let path = section.at(key);
    let (value, path, not) = match value.as_table() {
        None => (value, path, false),
        Some(table) => {
            let mut section = Section::of(path.clone(), value, faults);
            let inner = section.get("not");
            section.close(faults);
            if inner.is_none() && table.is_empty() {
                faults.push(Fault::new(path.clone(), "an empty table", "{ not = [...] }"));
            }
            (inner?, format!("{path}.not"), true)
        }
    };
    let list = items(path.clone(), value);
    if list.is_empty() {
        faults.push(Fault::new(path, "an empty list", "at least one value"));
    }
    let mut texts = Vec::with_capacity(list.len());
    for (path, item) in list {
        match item.as_str() {
            Some(text) => texts.push((path, text)),
            None => faults.push(Fault::new(path, kind(item), "a text")),
        }
    }
    Some((texts, not))
}

/// A dimension whose values are all known: the set of those it takes.
fn labels<T: Copy>(
    section: &mut Section<'_>,
    key: &'static str,
    all: &[T],
    code: impl Fn(T) -> &'static str,
    faults: &mut Faults,
) -> Option<BitSet> {
    let (texts, not) = dimension(section, key, faults)?;
    let mut named = BitSet::empty(all.len());
    for (path, text) in texts {
        match all.iter().position(|label| code(*label) == text) {
            Some(at) => named.insert(at),
            None => {
                let known: Vec<_> = all.iter().map(|label| code(*label)).collect();
                faults.push_unknown(path, text, &one(key), known.iter().copied());
            }
        }
    }
    Some(complement(&named, all.len(), not))
}

fn complement(named: &BitSet, size: usize, not: bool) -> BitSet {
    let mut set = BitSet::empty(size);
    (0..size).filter(|at| named.contains(*at) != not).for_each(|at| set.insert(at));
    set
}

/// `task` and `coarse_task` together: both are sets of tasks.
fn tasks(section: &mut Section<'_>, faults: &mut Faults) -> Option<BitSet> {
    let fine = labels(section, "task", Task::ALL, Task::code, faults);
    let coarse = labels(section, "coarse_task", CoarseTask::ALL, CoarseTask::code, faults);
    let coarse = coarse.map(|coarse| {
        let mut set = BitSet::empty(Task::COUNT);
        let of = |task: &&Task| coarse.contains(task.coarse().index());
        Task::ALL.iter().filter(of).for_each(|task| set.insert(task.index()));
        set
    });
    match (fine, coarse) {
        (Some(mut fine), Some(coarse)) => {
            fine.retain(&coarse);
            Some(fine)
        }
        (fine, coarse) => fine.or(coarse),
    }
}

fn listed<T>(
    section: &mut Section<'_>,
    key: &'static str,
    faults: &mut Faults,
    expected: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Option<Listed<T>> {
    let (texts, not) = dimension(section, key, faults)?;
    let mut values = Vec::with_capacity(texts.len());
    for (path, text) in texts {
        match read(text) {
            Some(value) => values.push(value),
            None => faults.push(Fault::new(path, format!("`{text}`"), expected)),
        }
    }
    Some(Listed { values, not })
}

/// Every kind of content with its name.
fn contents() -> Vec<(&'static str, Content)> {
    Content::ALL.iter().map(|kind| (kind.code(), *kind)).collect()
}

/// A dimension of which a request has any number of values, all of them known.
fn coded<T: Copy>(
    section: &mut Section<'_>,
    key: &'static str,
    all: &[(&'static str, T)],
    faults: &mut Faults,
) -> Option<Listed<T>> {
    let (texts, not) = dimension(section, key, faults)?;
    let mut values = Vec::with_capacity(texts.len());
    for (path, text) in texts {
        match all.iter().find(|(name, _)| *name == text) {
            Some((_, value)) => values.push(*value),
            None => {
                let known = all.iter().map(|(name, _)| *name);
                faults.push_unknown(path, text, &one(key), known);
            }
        }
    }
    Some(Listed { values, not })
}

fn number(value: &Value) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, reason = "tokens and shares are far below 2^53")]
    value.as_float().or_else(|| value.as_integer().map(|it| it as f64))
}

/// `{ min, max }`, both ends included.
fn range(
    section: &mut Section<'_>,
    key: &'static str,
    top: f64,
    faults: &mut Faults,
) -> Option<RangeInclusive<f64>> {
    let value = section.get(key)?;
    let mut it = Section::of(section.at(key), value, faults);
    let fits = |value: &Value| number(value).filter(|number| (0.0..=top).contains(number));
    let expected = if top > 1.0 { "a number from 0" } else { "a number from 0 to 1" };
    let min = it.read("min", expected, faults, fits);
    let max = it.read("max", expected, faults, fits);
    let range = min.unwrap_or(0.0)..=max.unwrap_or(f64::INFINITY);
    if range.is_empty() {
        faults.push(Fault::new(it.at("min"), "more than max", "min ≤ max"));
    }
    it.close(faults);
    Some(range)
}

/// `confidence`, in the precision in which classifiers state theirs: 0.7 is at least 0.7.
fn confidence(section: &mut Section<'_>, faults: &mut Faults) -> Option<RangeInclusive<f32>> {
    let range = range(section, "confidence", 1.0, faults)?;
    #[allow(clippy::cast_possible_truncation, reason = "that is the purpose")]
    let single = |limit: f64| limit as f32;
    Some(single(*range.start())..=single(*range.end()))
}

/// `{ min, max }` in money.
fn budget(section: &mut Section<'_>, faults: &mut Faults) -> Option<(Money, Money)> {
    let value = section.get("budget_left")?;
    let mut it = Section::of(section.at("budget_left"), value, faults);
    let money = |value: &Value| Money::parse(value.as_str()?).ok();
    let min = it.read("min", "money such as \"10.00\"", faults, money);
    let max = it.read("max", "money such as \"10.00\"", faults, money);
    let (min, max) = (min.unwrap_or(Money::from_nano(i64::MIN)), max.unwrap_or(Money::MAX));
    if min > max {
        faults.push(Fault::new(it.at("min"), "more than max", "min ≤ max"));
    }
    it.close(faults);
    Some((min, max))
}

/// `hours = "08:30-18:00"`, the end not included; over midnight if the end is earlier.
fn hours(section: &mut Section<'_>, faults: &mut Faults) -> Option<(u16, u16)> {
    section.read("hours", "hours such as \"08:30-18:00\"", faults, |value| {
        let (from, to) = value.as_str()?.split_once('-')?;
        Some((minute(from)?, minute(to)?)).filter(|(from, to)| from != to)
    })
}

/// Minutes since midnight of a time such as `08:30`, to `24:00`.
pub(crate) fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two = |text: &str| {
        let plain = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| plain)
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
}
