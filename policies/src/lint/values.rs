//! The values of each dimension: all of a closed set, and around each number that rules name the ones between
//! which nothing changes.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{
    cases::INPUT_TOKENS,
    facts::{
        CivilTime, Complexity, Content, Contents, DataClass, FleetFacts, KeyIndex, Language, Money,
        Needs, Operation, Signals, Task, TeamIndex, Tokens,
    },
    policy::{DAYS, Landmarks},
};

/// Tags that are told apart in every combination.
pub(super) const TAGS_MAX: usize = 5;
/// Expressions under `cel` that are told apart in every combination of true and false.
pub(super) const CEL_MAX: usize = 5;
/// From this estimate on a request needs a long context.
pub(super) const LONG_CONTEXT_FROM: u32 = 32_769;
/// Needs that do not follow from the size of the input.
pub(super) const FREE_NEEDS: usize = 6;

/// A value of a dimension.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Language(Language),
    Task(Task),
    Class(DataClass),
    Operation(Operation),
    Stream(bool),
    Team(SmallVec<[TeamIndex; 4]>),
    Key(KeyIndex),
    Model(Box<str>),
    Tags(Vec<(Box<str>, Box<str>)>),
    Input(Needs, u32),
    Contains(Vec<Content>),
    Complexity(Complexity),
    /// How sure, and whether rules name this number rather than those around it.
    Confidence(f32, bool),
    Output(Option<u32>),
    Budget(Option<Money>),
    Minute(u16),
    Weekday(u8),
    /// Expressions, and whether each holds: nothing is known of which requests that are.
    Cel(Vec<(Arc<str>, bool)>),
}

impl Value {
    pub(super) fn code(&self) -> String {
        match self {
            Self::Language(language) => language.to_string(),
            Self::Task(task) => task.to_string(),
            Self::Class(class) => class.to_string(),
            Self::Operation(operation) => operation.to_string(),
            Self::Stream(stream) => stream.to_string(),
            Self::Team(path) => {
                path.first().map_or_else(|| "none".into(), |it| format!("#{}", it.0))
            }
            Self::Key(key) => format!("#{}", key.0),
            Self::Model(name) => name.to_string(),
            Self::Tags(tags) => {
                let tags: Vec<String> =
                    tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
                if tags.is_empty() { "none".into() } else { tags.join("+") }
            }
            Self::Input(needs, tokens) => {
                format!("{} at {tokens}", needs.names().collect::<Vec<_>>().join("+"))
            }
            Self::Contains(kinds) => {
                let kinds: Vec<&str> = kinds.iter().map(|it| it.code()).collect();
                if kinds.is_empty() { "nothing".into() } else { kinds.join("+") }
            }
            Self::Complexity(complexity) => complexity.to_string(),
            Self::Confidence(sure, _) => sure.to_string(),
            Self::Output(asked) => asked.map_or_else(|| "unstated".into(), |it| it.to_string()),
            Self::Budget(left) => left.map_or_else(|| "no budget".into(), |it| it.to_string()),
            Self::Minute(minute) => format!("{:02}:{:02}", minute / 60, minute % 60),
            Self::Weekday(day) => {
                DAYS.get(usize::from(*day)).map_or_else(String::new, ToString::to_string)
            }
            Self::Cel(all) => {
                let said =
                    all.iter().map(
                        |(it, holds)| {
                            if *holds { format!("`{it}`") } else { format!("not `{it}`") }
                        },
                    );
                said.collect::<Vec<_>>().join(" and ")
            }
        }
    }

    pub(super) fn put(&self, signals: &mut Signals) {
        match self {
            Self::Language(language) => signals.language = *language,
            Self::Task(task) => signals.task = *task,
            Self::Class(class) => signals.data_class = *class,
            Self::Operation(operation) => signals.operation = *operation,
            Self::Stream(stream) => signals.stream = *stream,
            Self::Team(path) => signals.team_path = path.clone(),
            Self::Key(key) => signals.key = *key,
            Self::Model(name) => signals.requested = (&**name).into(),
            Self::Tags(tags) => signals.tags = tags.iter().cloned().collect(),
            Self::Input(needs, tokens) => {
                signals.needs = *needs;
                signals.input_tokens = Tokens(*tokens);
                signals.input_tokens_bound = Tokens(*tokens);
            }
            Self::Contains(kinds) => {
                signals.contains = Contents::NONE;
                kinds.iter().for_each(|kind| signals.contains.add(*kind));
            }
            Self::Complexity(complexity) => signals.complexity = *complexity,
            Self::Confidence(sure, _) => {
                signals.language_confidence = *sure;
                signals.task_confidence = *sure;
            }
            Self::Output(tokens) => signals.output_tokens_asked = tokens.map(Tokens),
            Self::Budget(left) => signals.budget_left = *left,
            Self::Minute(minute) => signals.at = CivilTime { minute: *minute, ..signals.at },
            Self::Weekday(day) => signals.at = CivilTime { weekday: *day, ..signals.at },
            Self::Cel(_) => {}
        }
    }
}

pub(super) fn listed<T: Copy>(all: &[T], value: impl Fn(T) -> Value) -> Vec<Value> {
    all.iter().map(|it| value(*it)).collect()
}

/// Every team with its ancestors, the nearest first; no team where there is none.
pub(super) fn teams(fleet: &FleetFacts) -> Vec<Value> {
    let path = |at: usize| {
        let mut path = SmallVec::new();
        let mut next = u16::try_from(at).ok().map(TeamIndex);
        while let Some(team) = next.filter(|team| !path.contains(team)) {
            path.push(team);
            next = fleet.teams.get(team.get()).and_then(|it| it.parent);
        }
        Value::Team(path)
    };
    let all: Vec<Value> = (0..fleet.teams.len()).map(path).collect();
    if all.is_empty() { vec![Value::Team(SmallVec::new())] } else { all }
}

/// A key that no rule names, where there is one, and those that rules name: to rules all others are the
/// same.
pub(super) fn keys(named: &[KeyIndex], fleet: &FleetFacts) -> Vec<Value> {
    let mut all = (0..fleet.keys.len().max(1)).map(|at| KeyIndex(at as u32));
    let other = all.find(|key| named.binary_search(key).is_err());
    let mut keys: Vec<KeyIndex> = other.into_iter().chain(named.iter().copied()).collect();
    keys.sort_unstable();
    keys.into_iter().map(Value::Key).collect()
}

/// `auto`, since rules decide nothing else: an alias that leads to the rules is told by its own name.
pub(super) fn models(marks: &Landmarks) -> Vec<Value> {
    let named = marks.models.iter().filter(|name| &***name != "auto");
    std::iter::once("auto".into()).chain(named.cloned()).map(Value::Model).collect()
}

/// Every combination of the tags that rules name.
pub(super) fn tags(marks: &Landmarks) -> Vec<Value> {
    let tags = &marks.tags;
    let combination = |bits: usize| {
        let chosen = tags.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
        Value::Tags(chosen.map(|(_, tag)| tag.clone()).collect())
    };
    (0..1_usize << tags.len()).map(combination).collect()
}

/// Every combination of the kinds of content that rules name.
pub(super) fn contents(marks: &Landmarks) -> Vec<Value> {
    let kinds = &marks.contents;
    let combination = |bits: usize| {
        let chosen = kinds.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
        Value::Contains(chosen.map(|(_, kind)| *kind).collect())
    };
    (0..1_usize << kinds.len()).map(combination).collect()
}

/// Every combination of what expressions can be.
pub(super) fn cels(marks: &Landmarks) -> Vec<Value> {
    let all = &marks.cel;
    let combination = |bits: usize| {
        let each = all.iter().enumerate().map(|(at, it)| (Arc::clone(it), bits >> at & 1 == 1));
        Value::Cel(each.collect())
    };
    (0..1_usize << all.len()).map(combination).collect()
}

/// Around each number named: below, at and above it.
fn around(named: &[f64], also: &[u32]) -> Vec<u32> {
    let finite = named.iter().filter(|it| it.is_finite() && **it < f64::from(u32::MAX));
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "below the largest u32"
    )]
    let mut values: Vec<u32> = finite
        .flat_map(|it| {
            let (low, high) = (it.floor() as u32, it.ceil() as u32);
            [high.saturating_sub(1), high, low, low.saturating_add(1)]
        })
        .chain(also.iter().copied())
        .collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// Every combination of needs at every size of input; the size alone says whether the context is long.
pub(super) fn inputs(marks: &Landmarks) -> Vec<Value> {
    let also = [0, INPUT_TOKENS, LONG_CONTEXT_FROM - 1, LONG_CONTEXT_FROM];
    let mut sizes = around(&marks.input_tokens, &also);
    // The plain one first, since an example takes the first that it may: the others stay in their order.
    sizes.sort_by_key(|size| *size != INPUT_TOKENS);
    let needs = |bits: usize| {
        let chosen = Needs::NAMES.iter().take(FREE_NEEDS).enumerate();
        let chosen = chosen.filter(|(at, _)| bits >> at & 1 == 1);
        chosen.fold(Needs::NONE, |all, (_, (need, _))| all.with(*need))
    };
    let each =
        (0..1_usize << FREE_NEEDS).flat_map(|bits| sizes.iter().map(move |size| (bits, *size)));
    let long =
        |size: u32| if size >= LONG_CONTEXT_FROM { Needs::LONG_CONTEXT } else { Needs::NONE };
    each.map(|(bits, size)| Value::Input(needs(bits).with(long(size)), size)).collect()
}

pub(super) fn confidences(marks: &Landmarks) -> Vec<Value> {
    let ends = marks.confidence.iter().copied().chain([0.0, 1.0]);
    let mut named: Vec<f32> = ends.filter(|it| (0.0..=1.0).contains(it)).map(f32::abs).collect();
    // The surest first: an example should not be one of doubt.
    named.sort_unstable_by(|a, b| b.total_cmp(a));
    named.dedup();
    let below = named.iter().skip(1).map(Some).chain([None]);
    let each = named.iter().zip(below).flat_map(|(high, low)| {
        let between = low.and_then(|low| between(*low, *high));
        let named = Some(Value::Confidence(*high, true));
        named.into_iter().chain(between.map(|it| Value::Confidence(it, false)))
    });
    each.collect()
}

/// The number just below the higher one that has the fewest decimals, two at the least, if there is one
/// between the two.
fn between(low: f32, high: f32) -> Option<f32> {
    let rounded = |decimals: i32| {
        let parts = 10_f64.powi(decimals);
        let nth = (f64::from(high) * parts).ceil() - 1.0;
        #[allow(clippy::cast_possible_truncation, reason = "a share")]
        let single = |nth: f64| (nth / parts) as f32;
        [single(nth), single(nth - 1.0)]
            .into_iter()
            .find(|it| (low..high).contains(it) && *it > low)
    };
    (2..=9).find_map(rounded)
}

pub(super) fn outputs(marks: &Landmarks) -> Vec<Value> {
    let asked = around(&marks.output_tokens, &[1]).into_iter().filter(|it| *it > 0);
    std::iter::once(None).chain(asked.map(Some)).map(Value::Output).collect()
}

pub(super) fn budgets(marks: &Landmarks) -> Vec<Value> {
    let near = marks.budget_left.iter().map(|it| it.nano());
    let mut values: Vec<i64> =
        near.flat_map(|it| [it.saturating_sub(1), it, it.saturating_add(1)]).collect();
    values.sort_unstable();
    values.dedup();
    let some = values.into_iter().map(|nano| Some(Money::from_nano(nano)));
    std::iter::once(None).chain(some).map(Value::Budget).collect()
}

pub(super) fn minutes(marks: &Landmarks) -> Vec<Value> {
    let day = 24 * 60;
    let near = marks.minutes.iter().flat_map(|it| [(it + day - 1) % day, it % day]);
    let mut values: Vec<u16> = near.chain([0]).collect();
    values.sort_unstable();
    values.dedup();
    values.into_iter().map(Value::Minute).collect()
}
