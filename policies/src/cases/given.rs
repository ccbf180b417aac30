//! What a case gives: signals, the state of the fleet, and what a table adds to its fleet.

use toml::Value;

use super::classes::Own;
use crate::{
    document::{Faults, Section, items, kind},
    experiment::{ArmIndex, Experiment, ExperimentState, ExperimentView, unit_of_key},
    facts::{
        AliasTarget, Complexity, Content, DataClass, Draw, FleetFacts, FleetView, KeyFacts,
        KeyIndex, Language, ModelView, Money, Needs, Operation, Signals, Task, TeamFacts,
        TeamIndex, Tokens,
    },
    fault::{Fault, one},
    policy::{DAYS, Policy, minute},
};

/// Tokens of input where a case does not say.
pub(crate) const INPUT_TOKENS: u32 = 100;

/// What a decision is made from.
pub(super) struct Given {
    pub(super) signals: Signals,
    pub(super) fleet: FleetView,
    pub(super) experiments: ExperimentView,
    pub(super) draw: Draw,
    /// Whether who asks may not send what the request's class is.
    pub(super) forbidden: bool,
}

impl Given {
    /// A plain request to a healthy fleet.
    pub(super) fn nothing(fleet: &FleetFacts) -> Self {
        let models = vec![ModelView::default(); fleet.models.len()];
        let fleet = FleetView { version: 0, models };
        let experiments = ExperimentView::default();
        Self { signals: Signals::chat("auto"), fleet, experiments, draw: Draw(0), forbidden: false }
    }
}

pub(super) fn given(it: &mut Section<'_>, policy: &Policy, faults: &mut Faults) -> Given {
    let fleet = policy.fleet();
    let mut given = Given::nothing(fleet);
    given.signals = labelled(it, faults);
    sized(it, &mut given.signals, faults);
    whose(it, fleet, &mut given.signals, faults);
    timed(it, &mut given.signals, faults);
    units(it, &mut given.signals, faults);
    arm(it, policy, &mut given.experiments, faults);
    down(it, fleet, &mut given.fleet, faults);
    busy(it, fleet, &mut given.fleet, faults);
    given.draw = Draw(number(it, "draw", faults).unwrap_or(0).into());
    given
}

fn number(section: &mut Section<'_>, key: &'static str, faults: &mut Faults) -> Option<u32> {
    section.read(key, "a number", faults, |value| u32::try_from(value.as_integer()?).ok())
}

fn label<T: Copy>(
    section: &mut Section<'_>,
    key: &'static str,
    faults: &mut Faults,
    (all, code): (&[T], fn(T) -> &'static str),
) -> Option<T> {
    let text = section.text(key, faults)?;
    let found = all.iter().copied().find(|it| code(*it) == text);
    if found.is_none() {
        let known: Vec<_> = all.iter().map(|it| code(*it)).collect();
        faults.push_unknown(section.at(key), text, &one(key), known.iter().copied());
    }
    found
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a share or a time"
)]
fn single(value: &Value) -> Option<f32> {
    let whole = || value.as_integer().map(|it| it as f32);
    value.as_float().map(|it| it as f32).or_else(whole)
}

fn labelled(it: &mut Section<'_>, faults: &mut Faults) -> Signals {
    let mut signals = Signals::chat(it.text("model", faults).unwrap_or("auto"));
    let language = label(it, "language", faults, (Language::ALL, Language::code));
    signals.language = language.unwrap_or(Language::En);
    signals.task = label(it, "task", faults, (Task::ALL, Task::code)).unwrap_or(Task::Chat);
    let class = label(it, "data_class", faults, (DataClass::ALL, DataClass::code));
    signals.data_class = class.unwrap_or(DataClass::Public);
    let operation = label(it, "operation", faults, (Operation::ALL, Operation::code));
    signals.operation = operation.unwrap_or(Operation::Chat);
    signals.stream = it.read("stream", "true or false", faults, Value::as_bool).unwrap_or(false);
    let share = |value: &Value| single(value).filter(|share| (0.0..=1.0).contains(share));
    let confidence = it.read("confidence", "a number from 0 to 1", faults, share).unwrap_or(1.0);
    (signals.language_confidence, signals.task_confidence) = (confidence, confidence);
    for (path, need) in it.list("needs").unwrap_or_default() {
        match (need.as_str(), need.as_str().and_then(Needs::from_code)) {
            (_, Some(need)) => signals.needs = signals.needs.with(need),
            (Some(text), None) => {
                let known = Needs::NAMES.iter().map(|(_, name)| *name);
                faults.push_unknown(path, text, "a need", known);
            }
            (None, None) => faults.push(Fault::new(path, kind(need), "a need")),
        }
    }
    let complexity = label(it, "complexity", faults, (Complexity::ALL, Complexity::code));
    signals.complexity = complexity.unwrap_or(Complexity::Easy);
    for (path, of) in it.list("contains").unwrap_or_default() {
        match (of.as_str(), of.as_str().and_then(Content::from_code)) {
            (_, Some(of)) => signals.contains.add(of),
            (Some(text), None) => {
                let known = Content::ALL.iter().map(|it| it.code());
                faults.push_unknown(path, text, &one("contains"), known);
            }
            (None, None) => faults.push(Fault::new(path, kind(of), one("contains"))),
        }
    }
    for (path, tag) in it.list("tags").unwrap_or_default() {
        match tag.as_str().and_then(|tag| tag.split_once('=')) {
            Some((key, value)) => signals.tags.push((key.into(), value.into())),
            None => faults.push(Fault::new(path, kind(tag), "k=v")),
        }
    }
    signals
}

fn sized(it: &mut Section<'_>, signals: &mut Signals, faults: &mut Faults) {
    let input = number(it, "input_tokens", faults).unwrap_or(INPUT_TOKENS);
    signals.input_tokens = Tokens(input);
    if input > 32_768 {
        signals.needs = signals.needs.with(Needs::LONG_CONTEXT);
    }
    let bound = number(it, "input_tokens_bound", faults);
    signals.input_tokens_bound = Tokens(bound.unwrap_or_else(|| input.saturating_mul(4)));
    signals.output_tokens_asked = number(it, "output_tokens_max", faults).map(Tokens);
    let choices = |value: &Value| u8::try_from(value.as_integer()?).ok().filter(|n| *n > 0);
    signals.n = it.read("n", "a number from 1 to 255", faults, choices).unwrap_or(1);
    let money = |value: &Value| Money::parse(value.as_str()?).ok();
    signals.budget_left = it.read("budget_left", "money such as \"1.50\"", faults, money);
}

/// Puts the request under a key and a team, with all the team's ancestors.
fn whose(it: &mut Section<'_>, fleet: &FleetFacts, signals: &mut Signals, faults: &mut Faults) {
    let keys = fleet.keys.iter().map(|key| &*key.name);
    if let Some(at) = named(it, "key", keys, faults) {
        signals.key = KeyIndex(u32::try_from(at).unwrap_or(u32::MAX));
        signals.unit_key = fleet.keys.get(at).map(|key| unit_of_key(&key.name));
    }
    let teams = fleet.teams.iter().map(|team| &*team.name);
    let mut at = named(it, "team", teams, faults).and_then(|at| u16::try_from(at).ok());
    while let Some(index) = at {
        signals.team_path.push(TeamIndex(index));
        let parent = fleet.teams.get(usize::from(index)).and_then(|team| team.parent);
        at = parent.map(|parent| parent.0).filter(|parent| *parent < index);
    }
}

fn named<'a>(
    it: &mut Section<'_>,
    key: &'static str,
    mut names: impl Iterator<Item = &'a str> + Clone,
    faults: &mut Faults,
) -> Option<usize> {
    let name = it.text(key, faults)?;
    let known = names.clone();
    let found = names.position(|it| it == name);
    if found.is_none() {
        faults.push_unknown(it.at(key), name, &format!("a {key} of the fleet"), known);
    }
    found
}

fn timed(it: &mut Section<'_>, signals: &mut Signals, faults: &mut Faults) {
    let of_day = |value: &Value| minute(value.as_str()?).filter(|it| *it < 24 * 60);
    signals.at.minute = it.read("time", "a time such as \"08:30\"", faults, of_day).unwrap_or(0);
    let days: [(u8, &'static str); 7] = [0, 1, 2, 3, 4, 5, 6].map(|at| (at, day(at)));
    let code = |(_, code): (u8, &'static str)| code;
    signals.at.weekday = label(it, "weekday", faults, (&days, code)).map_or(0, |(at, _)| at);
}

/// Whose request it is to an experiment. The server hashes names with a secret of its own, so that the arm of
/// a user here is not the one that he has there: numbers stand for these hashes.
fn units(it: &mut Section<'_>, signals: &mut Signals, faults: &mut Faults) {
    let unit = |value: &Value| u128::try_from(value.as_integer()?).ok();
    signals.unit_user = it.read("user", "a number", faults, unit);
    signals.session = it.read("session", "a number", faults, unit);
    signals.request = it.read("request", "a number", faults, unit).unwrap_or(0);
}

/// The arm that the request has if it takes part: in the experiments that have one of this name.
fn arm(
    it: &mut Section<'_>,
    policy: &Policy,
    experiments: &mut ExperimentView,
    faults: &mut Faults,
) {
    let Some(name) = it.text("arm", faults) else { return };
    let all = policy.experiments();
    let state = |it: &Experiment| {
        let at = it.arms.iter().position(|arm| &*arm.name == name);
        let at = at.and_then(|at| u8::try_from(at).ok());
        at.map_or_else(ExperimentState::default, |at| ExperimentState::of_arm(it, ArmIndex(at)))
    };
    experiments.states = all.iter().map(state).collect();
    let known = all.iter().flat_map(|it| &it.arms).map(|it| &*it.name);
    if !known.clone().any(|it| it == name) {
        faults.push_unknown(it.at("arm"), name, "an arm of the policy's experiments", known);
    }
}

fn day(at: u8) -> &'static str {
    DAYS.get(usize::from(at)).copied().unwrap_or_default()
}

/// Models that take no requests in this case.
fn down(it: &mut Section<'_>, fleet: &FleetFacts, view: &mut FleetView, faults: &mut Faults) {
    let Some(value) = it.get("down") else { return };
    for (path, item) in items(it.at("down"), value) {
        let at = item.as_str().and_then(|id| fleet.models.iter().position(|it| *it.id == *id));
        match (at.and_then(|at| view.models.get_mut(at)), item.as_str()) {
            (Some(model), _) => model.available = false,
            (None, Some(text)) => {
                let known = fleet.models.iter().map(|it| &*it.id);
                faults.push_unknown(path, text, "a model of the fleet", known);
            }
            (None, None) => faults.push(Fault::new(path, kind(item), "a model of the fleet")),
        }
    }
}

/// How long models take and how much they hold.
fn busy(it: &mut Section<'_>, fleet: &FleetFacts, view: &mut FleetView, faults: &mut Faults) {
    let mut latency = it.section("first_token_ms", faults);
    for (id, value) in latency.entries() {
        let path = latency.at(id);
        match (model(fleet, view, id), single(value)) {
            (Some(model), Some(ms)) => model.first_token_ms = Some(ms),
            _ => faults.push(Fault::new(path, kind(value), "milliseconds of a model of the fleet")),
        }
    }
    let mut load = it.section("in_flight", faults);
    for (id, value) in load.entries() {
        let path = load.at(id);
        let number = value.as_integer().and_then(|it| u32::try_from(it).ok());
        match (model(fleet, view, id), number) {
            (Some(model), Some(number)) => model.in_flight = number,
            _ => faults.push(Fault::new(path, kind(value), "a number for a model of the fleet")),
        }
    }
}

fn model<'a>(fleet: &FleetFacts, view: &'a mut FleetView, id: &str) -> Option<&'a mut ModelView> {
    let at = fleet.models.iter().position(|it| *it.id == *id)?;
    view.models.get_mut(at)
}

/// The fleet with what the table adds to it, and which data classes that may send.
pub(super) fn fleet(
    root: &mut Section<'_>,
    fleet: &FleetFacts,
    faults: &mut Faults,
) -> (FleetFacts, Own) {
    let (mut fleet, mut own) = (fleet.clone(), Own::default());
    for (name, value) in root.section("alias", faults).entries() {
        let target = match value.as_str() {
            Some("auto") => AliasTarget::Auto,
            _ => {
                let texts = items(format!("alias.{name}"), value);
                let text = |(_, value): &(String, &Value)| value.as_str().map(Box::from);
                AliasTarget::Route(texts.iter().filter_map(text).collect())
            }
        };
        fleet.aliases.push((name.as_str().into(), target));
    }
    for mut team in root.tables("team", faults) {
        let name = team.text("name", faults).unwrap_or_default().into();
        let teams = fleet.teams.iter().map(|team| &*team.name);
        let parent = named(&mut team, "parent", teams, faults);
        let parent = parent.and_then(|at| u16::try_from(at).ok()).map(TeamIndex);
        let models = models(&mut team, faults);
        own.teams.extend(class_max(&mut team, faults).map(|most| (fleet.teams.len(), most)));
        team.close(faults);
        fleet.teams.push(TeamFacts { name, parent, models: models.into() });
    }
    for mut key in root.tables("key", faults) {
        let name = key.text("name", faults).unwrap_or_default().into();
        let models = models(&mut key, faults);
        own.keys.extend(class_max(&mut key, faults).map(|most| (fleet.keys.len(), most)));
        key.close(faults);
        fleet.keys.push(KeyFacts { name, models: models.into() });
    }
    (fleet, own)
}

fn class_max(section: &mut Section<'_>, faults: &mut Faults) -> Option<DataClass> {
    label(section, "data_class_max", faults, (DataClass::ALL, DataClass::code))
}

/// What a team or key may use; all where nothing is said.
fn models(section: &mut Section<'_>, faults: &mut Faults) -> Vec<Box<str>> {
    let Some(list) = section.list("models") else { return vec!["*".into()] };
    let mut models = Vec::new();
    for (path, value) in list {
        match value.as_str() {
            Some(text) => models.push(text.into()),
            None => faults.push(Fault::new(path, kind(value), "a model or a selector")),
        }
    }
    models
}
