//! All requests that rules can tell apart, as a finite product: for each dimension the values between which
//! no rule sees a difference. A rule is a box in it, and what is left of a box without others can be counted.

mod described;
mod witness;

use std::sync::Arc;

use self::witness::{Choice, Witness, add_numbers};
use super::values::{
    CEL_MAX, LONG_CONTEXT_FROM, TAGS_MAX, Value, budgets, cels, confidences, contents, inputs,
    keys, listed, minutes, models, outputs, tags, teams,
};
use crate::{
    facts::{
        Complexity, DataClass, FleetFacts, KeyIndex, Language, Needs, Operation, Signals, Task,
        TeamIndex,
    },
    policy::{DAYS, Landmarks, Rule, When, named_keys},
    set::BitSet,
};

/// Dimensions of the space.
const DIMENSIONS: usize = 18;
/// The place of the team, and of the model that is asked for.
const TEAM: usize = 5;
const MODEL: usize = 7;
/// Sizes of input that rules may name, each with every combination of needs.
const SIZES_MAX: usize = 16;
/// Values of one dimension.
const VALUES_MAX: usize = 4_500;

/// One dimension: its name in a case table, the values as they are put into signals, and which of them an
/// example takes if it may.
struct Dimension {
    /// The conditions of `when` that it answers.
    conditions: &'static [&'static str],
    values: Vec<Value>,
    plain: usize,
}

/// Values that a description lists.
const LISTED_MAX: usize = 12;

impl Dimension {
    /// Whether the conditions of this dimension hold at one of its values.
    fn takes(&self, when: &When, cel: Option<&Arc<str>>, value: &Value) -> bool {
        if let Value::Cel(all) = value {
            return all.iter().any(|(it, holds)| *holds && Some(it) == cel);
        }
        let mut signals = Signals::chat("auto");
        value.put(&mut signals);
        when.checks(&signals)
            .all(|(condition, holds)| holds || !self.conditions.contains(&condition))
    }

    fn described(&self, set: &BitSet) -> String {
        let [name, ..] = self.conditions else { return String::new() };
        let inside: Vec<&Value> = set.iter().filter_map(|at| self.values.get(at)).collect();
        match self.values[..] {
            [Value::Input(..), ..] => return described::input(&inside),
            [Value::Confidence(..), ..] => return described::confidence(&self.values, set),
            _ => {}
        }
        let outside: Vec<&Value> = (0..)
            .zip(&self.values)
            .filter(|(at, _)| !set.contains(*at))
            .map(|(_, value)| value)
            .collect();
        let (not, listed) =
            if inside.len() <= outside.len() { ("", inside) } else { ("not ", outside) };
        let codes: Vec<String> = listed.iter().take(LISTED_MAX).map(|it| it.code()).collect();
        let more = if listed.len() > LISTED_MAX { ", …" } else { "" };
        format!("{name} {not}{}{more}", codes.join(", "))
    }
}

/// The product.
pub(super) struct Space {
    dimensions: Vec<Dimension>,
    /// Conditions that name too many values to be told apart: their rules take nothing from others.
    opaque: Vec<&'static str>,
    witness: Witness,
}

/// A part of the space: for each dimension the values it holds, or all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Area([Option<BitSet>; DIMENSIONS]);

impl Space {
    /// The space of a policy's rules over a fleet.
    pub(super) fn new<'a>(rules: impl Iterator<Item = &'a Rule>, fleet: &FleetFacts) -> Self {
        let mut marks = Landmarks::default();
        let rules: Vec<&Rule> = rules.collect();
        rules.iter().for_each(|rule| marks.add(&rule.when));
        let named = named_keys(rules.iter().copied());
        marks.tags.sort_unstable();
        marks.tags.dedup();
        marks.contents.sort_unstable();
        marks.contents.dedup();
        marks.cel.sort_unstable();
        marks.cel.dedup();
        let mut opaque = Vec::new();
        if marks.cel.len() > CEL_MAX {
            marks.cel.clear();
            opaque.push("cel");
        }
        if marks.tags.len() > TAGS_MAX {
            marks.tags.clear();
            opaque.push("tag");
        }
        if marks.input_tokens.len() > SIZES_MAX {
            marks.input_tokens.clear();
            opaque.push("input_tokens");
        }
        add_numbers(&mut marks, SIZES_MAX);
        let witness = Witness::new(&marks);
        let all = |conditions, values: Vec<Value>, plain| Dimension { conditions, values, plain };
        let mut dimensions = vec![
            all(&["language"], listed(Language::ALL, Value::Language), Language::En.index()),
            all(&["task"], listed(Task::ALL, Value::Task), Task::OpenQa.index()),
            all(&["data_class"], listed(DataClass::ALL, Value::Class), 0),
            all(&["operation"], listed(Operation::ALL, Value::Operation), 0),
            all(&["stream"], vec![Value::Stream(false), Value::Stream(true)], 0),
            all(&["team"], teams(fleet), 0),
            all(&["key"], keys(&named, fleet), 0),
            all(&["model"], models(&marks), 0),
            all(&["tag"], tags(&marks), 0),
            all(&["needs", "input_tokens"], inputs(&marks), 0),
            all(&["contains"], contents(&marks), 0),
            all(&["complexity"], listed(Complexity::ALL, Value::Complexity), 0),
            all(&["confidence"], confidences(&marks), 0),
            all(&["output_tokens_max"], outputs(&marks), 0),
            all(&["budget_left"], budgets(&marks), 0),
            all(&["hours"], minutes(&marks), 0),
            all(&["weekday"], (0..DAYS.len()).map(|day| Value::Weekday(day as u8)).collect(), 0),
            all(&["cel"], cels(&marks), 0),
        ];
        for dimension in dimensions.iter_mut().filter(|it| it.values.len() > VALUES_MAX) {
            let plain = dimension.values.get(dimension.plain).cloned();
            dimension.values = plain.into_iter().collect();
            dimension.plain = 0;
            opaque.extend(dimension.conditions);
        }
        Self { dimensions, opaque, witness }
    }

    /// Whether the area of these conditions is larger than what they say.
    pub(super) fn opaque(&self, when: &When) -> bool {
        let nothing = Signals::chat("auto");
        when.checks(&nothing).any(|(condition, _)| self.opaque.contains(&condition))
    }

    /// The requests for which the conditions hold.
    pub(super) fn area(&self, when: &When) -> Area {
        let stated: Vec<&str> =
            when.checks(&Signals::chat("auto")).map(|(condition, _)| condition).collect();
        let told = |condition: &&str| !self.opaque.contains(condition);
        let stated: Vec<&str> = stated.into_iter().filter(told).collect();
        let mut area = Area::default();
        let plain = when.without_cel();
        for (part, dimension) in area.0.iter_mut().zip(&self.dimensions) {
            if !dimension.conditions.iter().any(|condition| stated.contains(condition)) {
                continue;
            }
            let mut set = BitSet::empty(dimension.values.len());
            for (at, value) in dimension.values.iter().enumerate() {
                if dimension.takes(&plain, when.cel(), value) {
                    set.insert(at);
                }
            }
            *part = Some(set);
        }
        area
    }

    /// The requests of one data class.
    pub(super) fn class(&self, class: DataClass) -> Area {
        self.only(2, |value| matches!(value, Value::Class(it) if *it == class))
    }

    /// The requests for these operations.
    pub(super) fn asking(&self, is: impl Fn(Operation) -> bool) -> Area {
        self.only(3, |value| matches!(value, Value::Operation(it) if is(*it)))
    }

    /// The requests of one team's own keys.
    pub(super) fn team(&self, team: TeamIndex) -> Area {
        self.only(5, |value| matches!(value, Value::Team(path) if path.first() == Some(&team)))
    }

    /// The requests of one key, or of those that no rule names where it is one of them.
    pub(super) fn key(&self, key: KeyIndex, named: &[KeyIndex]) -> Area {
        let is_named = |key: &KeyIndex| named.binary_search(key).is_ok();
        let alike = |it: &KeyIndex| *it == key || !is_named(it) && !is_named(&key);
        self.only(6, |value| matches!(value, Value::Key(it) if alike(it)))
    }

    /// Chat requests that ask for exactly these needs, whatever their size.
    pub(super) fn needing(&self, needs: Needs) -> Area {
        let free = needs.without(Needs::LONG_CONTEXT);
        let long = needs.contains(Needs::LONG_CONTEXT);
        let mut area = self.only(9, |value| {
            matches!(value, Value::Input(it, tokens)
                if it.without(Needs::LONG_CONTEXT) == free && (*tokens >= LONG_CONTEXT_FROM) == long)
        });
        let chat = self.only(3, |value| matches!(value, Value::Operation(Operation::Chat)));
        if let (Some(part), [_, _, _, from, ..]) = (area.0.get_mut(3), chat.0) {
            *part = from;
        }
        area
    }

    /// What of an area has needs that are served; all of it is not copied where all are.
    pub(super) fn serving(&self, area: &Area, serves: impl Fn(Needs) -> bool) -> Option<Area> {
        let mut last: Option<(Needs, bool)> = None;
        let mut whole = true;
        let part = self.only(9, |value| {
            let Value::Input(needs, _) = value else { return true };
            let known = last.filter(|(it, _)| it == needs).map(|(_, serves)| serves);
            let served = known.unwrap_or_else(|| serves(*needs));
            last = Some((*needs, served));
            whole &= served;
            served
        });
        if whole { Some(area.clone()) } else { area.meet(&part) }
    }

    fn only(&self, dimension: usize, mut is: impl FnMut(&Value) -> bool) -> Area {
        let mut area = Area::default();
        if let (Some(part), Some(dimension)) =
            (area.0.get_mut(dimension), self.dimensions.get(dimension))
        {
            let mut set = BitSet::empty(dimension.values.len());
            let fits = dimension.values.iter().enumerate().filter(|(_, value)| is(value));
            fits.for_each(|(at, _)| set.insert(at));
            *part = Some(set);
        }
        area
    }

    /// The area in words: each dimension that is not whole.
    pub(super) fn described(&self, area: &Area) -> String {
        let parts = area.0.iter().zip(&self.dimensions);
        let said: Vec<String> = parts
            .filter_map(|(part, dimension)| {
                let set =
                    part.as_ref().filter(|set| set.iter().count() < dimension.values.len())?;
                Some(dimension.described(set))
            })
            .filter(|said| !said.is_empty())
            .collect();
        if said.is_empty() { "every request".into() } else { said.join(", ") }
    }

    /// What an example must fulfil beyond what it states: the combinations of `cel` that an area holds.
    pub(super) fn beyond(&self, area: &Area) -> Option<String> {
        let (part, dimension) = area.0.iter().zip(&self.dimensions).next_back()?;
        let set = part.as_ref().filter(|set| set.iter().count() < dimension.values.len())?;
        Some(dimension.values.get(set.iter().next()?)?.code())
    }

    /// A request of the area for which its expressions are true or false as it has them, as plain as can be;
    /// nothing where none is found.
    pub(super) fn witness(&self, area: &Area) -> Option<Signals> {
        let mut choices: Vec<Choice<'_>> = area
            .0
            .iter()
            .zip(&self.dimensions)
            .map(|(part, dimension)| {
                let has = |at: &usize| part.as_ref().is_none_or(|set| set.contains(*at));
                let all = (0..dimension.values.len()).filter(|at| *at != dimension.plain);
                let all = std::iter::once(dimension.plain).chain(all).filter(has);
                let values = all.filter_map(|at| dimension.values.get(at)).collect();
                Choice { conditions: dimension.conditions, values }
            })
            .collect();
        let wanted = choices.pop()?.values;
        self.witness.of(self.plain(area), &wanted, &choices)
    }

    /// A request of the area, as plain as can be; where none is found that fulfils the expressions too, one
    /// that fulfils the rest.
    pub(super) fn example(&self, area: &Area) -> Signals {
        let told = area.0.last().is_none_or(Option::is_none);
        let found = if told { None } else { self.witness(area) };
        found.unwrap_or_else(|| self.plain(area))
    }

    /// A request of the area, as plain as can be, whatever the expressions say.
    pub(super) fn plain(&self, area: &Area) -> Signals {
        let mut signals = Signals::chat("auto");
        for (part, dimension) in area.0.iter().zip(&self.dimensions) {
            let plain = part.as_ref().is_none_or(|set| set.contains(dimension.plain));
            let first = || part.as_ref().and_then(|set| set.iter().next());
            let at = if plain { Some(dimension.plain) } else { first() };
            if let Some(value) = at.and_then(|at| dimension.values.get(at)) {
                value.put(&mut signals);
            }
        }
        signals
    }
}

impl Area {
    /// What both have, if there is anything.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        for (mine, theirs) in both.0.iter_mut().zip(&other.0) {
            match (mine.as_mut(), theirs) {
                (_, None) => {}
                (None, Some(theirs)) => *mine = Some(theirs.clone()),
                (Some(mine), Some(theirs)) => mine.retain(theirs),
            }
            if mine.as_ref().is_some_and(BitSet::is_empty) {
                return None;
            }
        }
        Some(both)
    }

    /// The same, whatever is asked but for who asks and by which name: only team and model are looked at.
    pub(super) fn by_team_and_model(&self) -> Self {
        let mut area = Self::default();
        for at in [TEAM, MODEL] {
            if let (Some(part), Some(mine)) = (area.0.get_mut(at), self.0.get(at)) {
                part.clone_from(mine);
            }
        }
        area
    }

    /// Whether they have anything in common.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, theirs)| match (mine, theirs) {
            (Some(mine), Some(theirs)) => mine.meets(theirs),
            (Some(one), None) | (None, Some(one)) => !one.is_empty(),
            (None, None) => true,
        })
    }

    /// Whether all of it is in the other.
    pub(super) fn within(&self, other: &Self, space: &Space) -> bool {
        let parts = self.0.iter().zip(&other.0).zip(&space.dimensions);
        parts.into_iter().all(|((mine, theirs), dimension)| match (mine, theirs) {
            (_, None) => true,
            (None, Some(theirs)) => theirs.iter().count() == dimension.values.len(),
            (Some(mine), Some(theirs)) => mine.within(theirs),
        })
    }

    /// What it has and the other has not, in parts that have nothing in common.
    pub(super) fn without(&self, other: &Self, space: &Space) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut inner = self.clone();
        for (at, dimension) in space.dimensions.iter().enumerate() {
            let Some(Some(theirs)) = other.0.get(at) else { continue };
            let Some(mine) = inner.0.get_mut(at) else { continue };
            let held = mine.clone().unwrap_or_else(|| BitSet::full(dimension.values.len()));
            let mut outside = held.clone();
            outside.remove_all(theirs);
            let mut inside = held;
            inside.retain(theirs);
            *mine = Some(inside);
            if !outside.is_empty() {
                let mut part = inner.clone();
                if let Some(slot) = part.0.get_mut(at) {
                    *slot = Some(outside);
                }
                parts.push(part);
            }
        }
        parts
    }
}
