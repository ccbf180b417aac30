//! A request for which expressions are true or false as an area has it. Nothing is known of them but what
//! stands in them: values near that are tried, and each request is asked.

use std::cell::Cell;

use crate::{
    facts::{Content, Signals},
    lint::values::Value,
    policy::{Expression, Landmarks},
};

/// Requests that are asked in all, and for one area.
const ASKED_MAX: u32 = 100_000;
const ASKED_OF_ONE_MAX: usize = 8_000;
/// Kinds of content that are added to what conditions name.
const KINDS_MAX: usize = 4;
/// Texts of which tags are made.
const TEXTS_MAX: usize = 6;

/// What a request may be in one dimension.
pub(super) struct Choice<'a> {
    pub(super) conditions: &'static [&'static str],
    /// The plainest first.
    pub(super) values: Vec<&'a Value>,
}

/// The expressions of a space, in the order in which its values have them.
#[derive(Default)]
pub(super) struct Witness {
    /// The same text may be a guard's and a route's: they differ where it cannot be worked out.
    expressions: Vec<Vec<Expression>>,
    /// Kinds of content and tags that conditions tell apart; no rule sees others but by its expression.
    kinds: Vec<Content>,
    tags: Vec<(Box<str>, Box<str>)>,
    asked: Cell<u32>,
}

impl Witness {
    /// Keeps what the values that are told apart, as they stand here, do not say.
    pub(super) fn new(marks: &Landmarks) -> Self {
        let of = |text| {
            let mut all: Vec<Expression> = Vec::new();
            for it in marks.expressions.iter().filter(|it| it.source() == text) {
                if all.iter().all(|known| known.otherwise() != it.otherwise()) {
                    all.push(it.clone());
                }
            }
            all
        };
        Self {
            expressions: marks.cel.iter().map(of).collect(),
            kinds: marks.contents.clone(),
            tags: marks.tags.clone(),
            asked: Cell::default(),
        }
    }

    /// The plain request, changed in as little as is found to do, so that its expressions are as one of the
    /// combinations has them.
    pub(super) fn of(
        &self,
        plain: Signals,
        wanted: &[&Value],
        choices: &[Choice<'_>],
    ) -> Option<Signals> {
        if self.fits(&plain, wanted) {
            return Some(plain);
        }
        let asks = |choice: &&Choice<'_>| {
            let all = self.expressions.iter().filter_map(|it| it.first());
            all.flat_map(Expression::conditions).any(|it| choice.conditions.contains(&it))
        };
        let tried: Vec<Vec<Value>> =
            choices.iter().filter(asks).map(|choice| self.tried(choice)).collect();
        let with = |mut signals: Signals, value: &Value| {
            value.put(&mut signals);
            signals
        };
        let mut one = tried.iter().flatten().map(|value| with(plain.clone(), value));
        if let Some(found) = one.find(|it| self.fits(it, wanted)) {
            return Some(found);
        }
        let most = each_max(tried.len());
        let sizes: Vec<usize> = tried.iter().map(|it| it.len().min(most)).collect();
        let mut all = (0..sizes.iter().product()).map(|nth: usize| {
            let mut rest = nth;
            tried.iter().zip(&sizes).fold(plain.clone(), |signals, (values, size)| {
                let value = values.get(rest % size);
                rest /= size;
                value.map_or_else(|| signals.clone(), |value| with(signals.clone(), value))
            })
        });
        let mut found = all.find(|it| self.fits(it, wanted))?;
        for value in tried.iter().filter_map(|values| values.first()) {
            let plainer = with(found.clone(), value);
            if self.fits(&plainer, wanted) {
                found = plainer;
            }
        }
        Some(found)
    }

    /// Whether each expression is as one of the combinations has it, whoever asks.
    fn fits(&self, signals: &Signals, wanted: &[&Value]) -> bool {
        if wanted.len() == 1 << self.expressions.len() {
            return true;
        }
        if self.asked.replace(self.asked.get().saturating_add(1)) >= ASKED_MAX {
            return false;
        }
        let is: Vec<[bool; 2]> = self
            .expressions
            .iter()
            .map(|all| [true, false].map(|which| all.iter().all(|it| it.holds(signals) == which)))
            .collect();
        wanted.iter().any(|value| match value {
            Value::Cel(all) => {
                all.iter().zip(&is).all(|((_, holds), [yes, no])| if *holds { *yes } else { *no })
            }
            _ => false,
        })
    }

    /// The values of a dimension, those that expressions name before others, and what they name beyond.
    fn tried(&self, choice: &Choice<'_>) -> Vec<Value> {
        let Some((plain, others)) = choice.values.split_first() else { return Vec::new() };
        let (named, rest): (Vec<&Value>, Vec<&Value>) =
            others.iter().copied().partition(|it| self.names(it));
        let beyond = match plain {
            Value::Contains(_) => self.contents(&choice.values),
            Value::Tags(_) => self.with_tags(&choice.values),
            _ => Vec::new(),
        };
        let first = std::iter::once(*plain).chain(named).cloned();
        first.chain(beyond).chain(rest.into_iter().cloned()).collect()
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let all = self.expressions.iter().filter_map(|it| it.first());
        all.flat_map(Expression::texts).map(|it| &**it)
    }

    fn names(&self, value: &Value) -> bool {
        let is = |code: &str| self.texts().any(|it| it == code);
        match value {
            Value::Language(it) => is(it.code()),
            Value::Task(it) => is(it.code()) || is(it.coarse().code()),
            Value::Class(it) => is(it.code()),
            Value::Operation(it) => is(it.code()),
            Value::Complexity(it) => is(it.code()),
            Value::Contains(kinds) => kinds.iter().all(|it| is(it.code())),
            Value::Input(needs, _) => needs.names().all(is),
            _ => true,
        }
    }

    /// What conditions see of the content, and other kinds beside it.
    fn contents(&self, values: &[&Value]) -> Vec<Value> {
        let texts: Vec<&str> = self.texts().collect();
        let mut kinds: Vec<Content> =
            Content::ALL.iter().copied().filter(|it| !self.kinds.contains(it)).collect();
        kinds.sort_by_key(|it| !texts.contains(&it.code()));
        kinds.truncate(KINDS_MAX);
        let subset = |bits: usize| {
            let chosen = kinds.iter().enumerate().filter(move |(at, _)| bits >> at & 1 == 1);
            chosen.map(|(_, kind)| *kind)
        };
        let mut subsets: Vec<usize> = (1..1_usize << kinds.len()).collect();
        subsets.sort_by_key(|bits| bits.count_ones());
        let beside = |value: &&Value| match value {
            Value::Contains(seen) => subsets
                .iter()
                .map(|bits| Value::Contains(seen.iter().copied().chain(subset(*bits)).collect()))
                .collect(),
            _ => Vec::new(),
        };
        values.iter().take(KINDS_MAX).flat_map(beside).collect()
    }

    /// What conditions see of the tags, and another one beside it.
    fn with_tags(&self, values: &[&Value]) -> Vec<Value> {
        let plain = |it: &&str| !it.is_empty() && !it.contains(['=', '"', '\\', '\n']);
        let texts: Vec<&str> = self.texts().filter(plain).take(TEXTS_MAX).collect();
        let other = |it: &(Box<str>, Box<str>)| !self.tags.contains(it);
        let pairs = texts.iter().flat_map(|key| {
            texts.iter().filter(move |it| *it != key).chain(&["x"]).map(move |it| (*key, *it))
        });
        let pairs: Vec<(Box<str>, Box<str>)> =
            pairs.map(|(key, value)| (key.into(), value.into())).filter(other).collect();
        let beside = |value: &&Value| match value {
            Value::Tags(seen) => {
                let free = |pair: &&(Box<str>, Box<str>)| seen.iter().all(|it| it.0 != pair.0);
                let all = |pair: &(Box<str>, Box<str>)| {
                    Value::Tags(seen.iter().chain([pair]).cloned().collect())
                };
                pairs.iter().filter(free).map(all).collect()
            }
            _ => Vec::new(),
        };
        values.iter().take(TEXTS_MAX).flat_map(beside).collect()
    }
}

/// How many values of each of so many dimensions can be tried in every combination.
fn each_max(dimensions: usize) -> usize {
    let fits = |each: &usize| {
        let power = u32::try_from(dimensions).ok().and_then(|it| each.checked_pow(it));
        power.is_some_and(|it| it <= ASKED_OF_ONE_MAX)
    };
    (2..=ASKED_OF_ONE_MAX).take_while(fits).last().unwrap_or(1)
}

/// Adds the numbers that stand in expressions to those that conditions name, so that they are told apart:
/// of sizes as far as there is room, since conditions must not lose theirs.
pub(super) fn add_numbers(marks: &mut Landmarks, sizes_max: usize) {
    let expressions = std::mem::take(&mut marks.expressions);
    for it in &expressions {
        let asks = |condition: &str| it.conditions().any(|asked| asked == condition);
        let numbers = it.numbers();
        if asks("confidence") {
            let shares = numbers.iter().filter(|it| (0.0..=1.0).contains(*it));
            #[allow(clippy::cast_possible_truncation, reason = "a share, as classifiers state it")]
            marks.confidence.extend(shares.map(|it| *it as f32));
        }
        if asks("output_tokens_max") {
            marks.output_tokens.extend(numbers);
        }
        if asks("input_tokens") && marks.input_tokens.len() + numbers.len() <= sizes_max {
            marks.input_tokens.extend(numbers);
        }
        if asks("hours") {
            let whole = |most: u16| (0..most).filter(|at| numbers.contains(&f64::from(*at)));
            let minutes: Vec<u16> = whole(60).chain([0]).collect();
            let near =
                |hour: u16| minutes.iter().flat_map(move |it| [hour * 60 + it, hour * 60 + it + 1]);
            marks.minutes.extend(whole(24).chain([0]).flat_map(near));
        }
    }
    marks.expressions = expressions;
}
