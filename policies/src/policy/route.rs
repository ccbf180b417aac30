//! Routes and constraints: which models, in which order, and which of them are let through.

use std::ops::RangeInclusive;

use toml::Value;

use crate::{
    document::{Faults, Section, items, kind},
    facts::{FleetFacts, ModelIndex, Timeouts},
    fault::Fault,
    plan::{Hedge, SlowStream},
    select::select,
};

/// Models to choose from, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Route {
    pub(crate) models: Vec<ModelIndex>,
    pub(crate) by: By,
    /// Whether what its models answer is held to the form that was asked for.
    pub(crate) validates: bool,
    /// For how many seconds its answers are kept and given again; they are not where it does not say.
    pub(crate) cache_ttl_s: Option<u32>,
}

/// How a route orders its models.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum By {
    /// As written.
    #[default]
    Order,
    /// The cheapest for this request first.
    Cost,
    /// The better of two by time to first token.
    Latency,
    /// The better of two by requests in flight.
    Load,
    /// Drawn by these weights, parallel to the models.
    Weight(Vec<u32>),
}

/// The part of the timeouts that a rule states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeoutsSaid {
    connect_ms: Option<u32>,
    first_token_ms: Option<u32>,
    idle_ms: Option<u32>,
    total_ms: Option<u32>,
}

impl TimeoutsSaid {
    /// What it states, for people who compare; empty where it states nothing.
    pub(crate) fn described(self) -> String {
        let stated = [
            ("connect_ms", self.connect_ms),
            ("first_token_ms", self.first_token_ms),
            ("idle_ms", self.idle_ms),
            ("total_ms", self.total_ms),
        ];
        let stated = stated.into_iter().filter_map(|(name, ms)| Some(format!(", {name} {}", ms?)));
        stated.collect()
    }

    /// The rule's where it says so, else the model's.
    pub(crate) fn over(self, model: Timeouts) -> Timeouts {
        Timeouts {
            connect_ms: self.connect_ms.unwrap_or(model.connect_ms),
            first_token_ms: self.first_token_ms.unwrap_or(model.first_token_ms),
            idle_ms: self.idle_ms.unwrap_or(model.idle_ms),
            total_ms: self.total_ms.unwrap_or(model.total_ms),
        }
    }
}

/// Reads `route` of a section: a list, or `{ among, by }`.
pub(super) fn route(
    section: &mut Section<'_>,
    fleet: &FleetFacts,
    faults: &mut Faults,
) -> Option<Route> {
    let value = section.get("route")?;
    let path = section.at("route");
    match value {
        Value::Table(_) => Some(among(&path, value, fleet, faults)),
        Value::Array(_) | Value::String(_) => Some(ordered(
            texts(path.clone(), value, faults).iter().map(|(_, text)| *text),
            &path,
            fleet,
            faults,
        )),
        _ => {
            faults.push(Fault::new(path, kind(value), "a list of models, or { among, by }"));
            None
        }
    }
}

/// Reads `route` of a rule, or of what always routes, with what is done with its answers: whether they are
/// validated, and how long they are kept; `None` of a guard. An optional selector that finds nothing leaves a
/// rule that cannot route.
pub(super) fn of_rule(
    section: &mut Section<'_>,
    fleet: &FleetFacts,
    faults: &mut Faults,
) -> Option<Route> {
    let routes = section.get("route").is_some();
    let found = routes.then(|| route(section, fleet, faults).unwrap_or_default());
    let said = section.read("validate", "true or false", faults, Value::as_bool);
    let kept = section.get("cache").is_some();
    let cache_ttl_s = cache(section, faults);
    for (key, said) in [("validate", said.is_some()), ("cache", kept)] {
        if said && !routes {
            let expected = "nothing: a rule without a `route` is a guard, which answers nothing";
            faults.push(Fault::new(section.at(key), "a key of rules that route", expected));
        }
    }
    found.map(|it| Route { validates: said.unwrap_or(false), cache_ttl_s, ..it })
}

/// Reads `cache` of a section.
fn cache(section: &mut Section<'_>, faults: &mut Faults) -> Option<u32> {
    let value = section.get("cache")?;
    let mut section = Section::of(section.at("cache"), value, faults);
    let range = (1..=604_800, "a number of seconds from 1 to 604800");
    let ttl_s = required(&mut section, "ttl_s", range, faults);
    section.close(faults);
    ttl_s
}

/// The texts of a list; an empty one says nothing and is a fault.
pub(super) fn texts<'a>(
    path: String,
    value: &'a Value,
    faults: &mut Faults,
) -> Vec<(String, &'a str)> {
    let mut found = Vec::new();
    if value.as_array().is_some_and(Vec::is_empty) {
        faults.push(Fault::new(path.clone(), "an empty list", "at least one name"));
    }
    for (path, item) in items(path, value) {
        match item.as_str() {
            Some(text) => found.push((path, text)),
            None => faults.push(Fault::new(path, kind(item), "a text")),
        }
    }
    found
}

/// The models of these selectors, each once, in order.
pub(super) fn ordered<'a>(
    selectors: impl Iterator<Item = &'a str>,
    path: &str,
    fleet: &FleetFacts,
    faults: &mut Faults,
) -> Route {
    let mut models = Vec::new();
    for (at, selector) in selectors.enumerate() {
        let found = select(&format!("{path}[{at}]"), selector, fleet, faults);
        let new: Vec<_> = found.into_iter().filter(|it| !models.contains(it)).collect();
        models.extend(new);
    }
    Route { models, ..Route::default() }
}

fn among(path: &str, value: &Value, fleet: &FleetFacts, faults: &mut Faults) -> Route {
    let mut section = Section::of(path.into(), value, faults);
    let selectors = section.get("among").map(|it| texts(section.at("among"), it, faults));
    if selectors.is_none() {
        faults.push(Fault::new(section.at("among"), "nothing", "a list of models"));
    }
    let selectors = selectors.unwrap_or_default();
    let names = selectors.iter().map(|(_, text)| *text);
    let mut route = ordered(names, &section.at("among"), fleet, faults);
    let weights = section.get("weights");
    let by = section.text("by", faults);
    route.by = match by {
        Some("cost") | None => By::Cost,
        Some("latency") => By::Latency,
        Some("load") => By::Load,
        Some("weight") => By::Weight(weights_of(&section, weights, &route.models, fleet, faults)),
        Some(other) => {
            let known = ["cost", "latency", "load", "weight"].into_iter();
            faults.push_unknown(section.at("by"), other, "a way to choose", known);
            By::Cost
        }
    };
    if weights.is_some() && by != Some("weight") {
        let expected = "nothing: weights belong to by = \"weight\"";
        faults.push(Fault::new(section.at("weights"), "a table", expected));
    }
    section.close(faults);
    route
}

/// Weights by model id; what is not named weighs 1.
fn weights_of(
    section: &Section<'_>,
    value: Option<&Value>,
    models: &[ModelIndex],
    fleet: &FleetFacts,
    faults: &mut Faults,
) -> Vec<u32> {
    let mut weights = vec![1; models.len()];
    let path = section.at("weights");
    let table = value.and_then(Value::as_table);
    if let (Some(value), None) = (value, table) {
        faults.push(Fault::new(path.clone(), kind(value), "a table of model = weight"));
    }
    for (id, value) in table.into_iter().flatten() {
        let path = format!("{path}.{id}");
        let named = |at: &ModelIndex| fleet.models.get(at.get()).map_or("", |model| &model.id);
        let at = models.iter().position(|model| named(model) == id);
        let weight = value.as_integer().and_then(|it| u32::try_from(it).ok());
        match (at.and_then(|at| weights.get_mut(at)), weight) {
            (Some(slot), Some(weight)) if weight <= 1_000_000 => *slot = weight,
            (None, _) => {
                let ids = models.iter().map(named);
                faults.push_unknown(path, id, "a model of `among`", ids);
            }
            _ => faults.push(Fault::new(path, kind(value), "a number from 0 to 1000000")),
        }
    }
    if !weights.is_empty() && weights.iter().all(|weight| *weight == 0) {
        faults.push(Fault::new(path, "only zeros", "at least one weight above 0"));
    }
    weights
}

/// Whether a rule refuses what none of its models can serve. Where it does not say, one that is `bound` does,
/// by a data class or by limits of its own: where its data may go is not widened by what a request needs.
pub(super) fn refuses(
    section: &mut Section<'_>,
    (routes, bound): (bool, bool),
    faults: &mut Faults,
) -> bool {
    let expected = "\"next\" or \"refuse\"";
    let said = section.read("on_unservable", expected, faults, |value| match value.as_str()? {
        "next" => Some(false),
        "refuse" => Some(true),
        _ => None,
    });
    let stands = [("on_unservable", said.is_some()), ("cache", section.get("cache").is_some())];
    for (key, _) in stands.into_iter().filter(|(_, stands)| *stands && !routes) {
        let expected = "nothing: a rule without a `route` is a guard, which binds whatever routes";
        faults.push(Fault::new(section.at(key), "a key of rules that route", expected));
    }
    said.unwrap_or(bound)
}

/// Whether `require` or `avoid` names a zone.
pub(super) fn names_a_zone(section: &mut Section<'_>) -> bool {
    let zoned = |value: Option<&Value>| value.and_then(|it| it.get("zone")).is_some();
    let (require, avoid) = (zoned(section.get("require")), zoned(section.get("avoid")));
    require || avoid
}

/// Reads `timeouts` of a rule.
pub(super) fn timeouts(section: &mut Section<'_>, faults: &mut Faults) -> TimeoutsSaid {
    let Some(value) = section.get("timeouts") else { return TimeoutsSaid::default() };
    let mut section = Section::of(section.at("timeouts"), value, faults);
    let mut ms = |key| {
        section.read(key, "milliseconds from 1 to 3600000", faults, |value| {
            u32::try_from(value.as_integer()?).ok().filter(|ms| (1..=3_600_000).contains(ms))
        })
    };
    let said = TimeoutsSaid {
        connect_ms: ms("connect_ms"),
        first_token_ms: ms("first_token_ms"),
        idle_ms: ms("idle_ms"),
        total_ms: ms("total_ms"),
    };
    section.close(faults);
    said
}

/// Reads `hedge` of a rule.
pub(super) fn hedge(section: &mut Section<'_>, faults: &mut Faults) -> Option<Hedge> {
    let value = section.get("hedge")?;
    let mut section = Section::of(section.at("hedge"), value, faults);
    let expected = "milliseconds from 10 to 600000";
    let after_ms = required(&mut section, "after_ms", (10..=600_000, expected), faults);
    section.close(faults);
    Some(Hedge { after_ms: after_ms? })
}

/// Reads `slow_stream` of a rule.
pub(super) fn slow_stream(section: &mut Section<'_>, faults: &mut Faults) -> Option<SlowStream> {
    let value = section.get("slow_stream")?;
    let mut section = Section::of(section.at("slow_stream"), value, faults);
    let expected = "milliseconds from 10 to 60000";
    let hold_ms = required(&mut section, "hold_ms", (10..=60_000, expected), faults);
    let expected = "tokens a second from 1 to 1000";
    let range = (1..=1_000, expected);
    let tokens = required(&mut section, "output_tokens_per_second_min", range, faults);
    section.close(faults);
    Some(SlowStream { hold_ms: hold_ms?, output_tokens_per_second_min: tokens? })
}

/// A number that must be there and in this range.
fn required(
    section: &mut Section<'_>,
    key: &'static str,
    (range, expected): (RangeInclusive<u32>, &str),
    faults: &mut Faults,
) -> Option<u32> {
    if section.stands() && section.get(key).is_none() {
        faults.push(Fault::new(section.at(key), "nothing", expected));
    }
    section.read(key, expected, faults, |value| {
        u32::try_from(value.as_integer()?).ok().filter(|number| range.contains(number))
    })
}
