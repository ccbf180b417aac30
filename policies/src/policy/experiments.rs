//! `[[experiment]]` of a document.

mod arms;
mod judged;

use std::{collections::HashMap, sync::Arc};

use toml::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::{Rule, name, plain_name};
use crate::{
    document::{Faults, Section},
    experiment::{Arm, ArmIndex, EnrolStep, Experiment, ExperimentIndex, Layer, Shadow, UnitKind},
    facts::{FleetFacts, Money},
    fault::Fault,
    select::select,
};

/// Experiments of one policy at the most.
const EXPERIMENTS_MAX: usize = 256;

pub(super) fn experiments(
    root: &mut Section<'_>,
    fleet: &FleetFacts,
    faults: &mut Faults,
) -> Vec<Experiment> {
    let sections = root.tables("experiment", faults);
    if sections.len() > EXPERIMENTS_MAX {
        let found = format!("{} experiments", sections.len());
        faults.push(Fault::new("experiment", found, format!("at most {EXPERIMENTS_MAX}")));
        return Vec::new();
    }
    let mut all: Vec<Experiment> = Vec::with_capacity(sections.len());
    let mut layers = HashMap::new();
    for mut section in sections {
        let read = experiment(&mut section, fleet, &mut layers, faults);
        if all.iter().any(|earlier| earlier.name == read.name) {
            let found = format!("`{}` for the second time", read.name);
            faults.push(Fault::new(section.at("name"), found, "a name of its own"));
        }
        section.close(faults);
        all.push(read);
    }
    all
}

fn experiment(
    section: &mut Section<'_>,
    fleet: &FleetFacts,
    layers: &mut HashMap<Box<str>, f64>,
    faults: &mut Faults,
) -> Experiment {
    let name = name(section, faults);
    let unit = unit(section, faults);
    let arms = arms::arms(section, fleet, faults);
    let control = control(section, &arms, faults);
    let enrolment = enrolment(section, faults);
    let layer = layer(section, &name, &enrolment, layers, faults);
    let thompson_floor = allocation(section, (unit, arms.len()), faults);
    Experiment {
        version: version(unit, &arms, control, fleet).into(),
        seed: xxh3_64(name.as_bytes()),
        judged: judged::judged(section, faults),
        guard: judged::guard(section, faults),
        shadow: shadow(section, fleet, faults),
        name,
        unit,
        arms,
        control,
        enrolment,
        thompson_floor,
        layer,
    }
}

fn unit(section: &mut Section<'_>, faults: &mut Faults) -> UnitKind {
    let expected = "\"user\", \"key\", \"session\" or \"request\"";
    if section.get("unit").is_none() {
        faults.push(Fault::new(section.at("unit"), "nothing", expected));
    }
    let unit = section.read("unit", expected, faults, |value| match value.as_str()? {
        "user" => Some(UnitKind::User),
        "key" => Some(UnitKind::Key),
        "session" => Some(UnitKind::Session),
        "request" => Some(UnitKind::Request),
        _ => None,
    });
    unit.unwrap_or(UnitKind::Request)
}

/// The arm that `control` names, else the first.
fn control(section: &mut Section<'_>, arms: &[Arm], faults: &mut Faults) -> ArmIndex {
    let Some(named) = section.text("control", faults) else { return ArmIndex(0) };
    let at = arms.iter().position(|arm| &*arm.name == named);
    if at.is_none() {
        let names = arms.iter().map(|arm| &*arm.name);
        faults.push_unknown(section.at("control"), named, "an arm", names);
    }
    ArmIndex(at.and_then(|at| u8::try_from(at).ok()).unwrap_or(0))
}

/// Changes with whatever makes the arms of before and after incomparable: with the models, and not with
/// their places in the configuration.
fn version(unit: UnitKind, arms: &[Arm], control: ArmIndex, fleet: &FleetFacts) -> String {
    let mut all: Vec<String> = arms.iter().map(|arm| arm_in_words(arm, fleet)).collect();
    // Their order says nothing but which is the control.
    all.sort_unstable();
    let control = arms.get(usize::from(control.0)).map_or("", |arm| &*arm.name);
    let said = format!("{}|{control}|{}", unit.code(), all.join("|"));
    format!("{:016x}", xxh3_64(said.as_bytes()))
}

fn arm_in_words(arm: &Arm, fleet: &FleetFacts) -> String {
    let route = arm.route.as_ref().map(|route| {
        let ids = route.models.iter().filter_map(|it| fleet.models.get(it.get()));
        (ids.map(|it| &*it.id).collect::<Vec<_>>(), &route.by)
    });
    format!("{} {} {route:?} {:?} {:?}", arm.name, arm.share, arm.params, arm.system_suffix)
}

/// The steps of `ramp`, or `enrol` from the beginning; all units without either.
fn enrolment(section: &mut Section<'_>, faults: &mut Faults) -> Vec<EnrolStep> {
    let enrol = share(section, "enrol", faults);
    let ramp = section.get("ramp").is_some();
    let sections = section.tables("ramp", faults);
    if enrol.is_some() && ramp {
        let expected = "`enrol` or `ramp`, not both";
        faults.push(Fault::new(section.at("ramp"), "a ramp beside `enrol`", expected));
    }
    if ramp && sections.is_empty() {
        let expected = "at least one { from, enrol }";
        faults.push(Fault::new(section.at("ramp"), "an empty list", expected));
    }
    let mut steps: Vec<EnrolStep> = Vec::with_capacity(sections.len());
    for mut step in sections {
        let expected = "a moment with its offset, such as \"2026-12-01T09:00:00+08:00\"";
        if step.get("from").is_none() {
            faults.push(Fault::new(step.at("from"), "nothing", expected));
        }
        let from = step.read("from", expected, faults, moment).unwrap_or(i64::MIN);
        if steps.last().is_some_and(|earlier| earlier.from >= from && from != i64::MIN) {
            let expected = "a moment after that of the step before";
            faults.push(Fault::new(step.at("from"), "an earlier one", expected));
        }
        if step.get("enrol").is_none() {
            faults.push(Fault::new(step.at("enrol"), "nothing", SHARE));
        }
        let share = share(&mut step, "enrol", faults).unwrap_or(0.0);
        if steps.last().is_some_and(|earlier| earlier.share > share) {
            let expected = "no less than the step before: a ramp only takes units in";
            faults.push(Fault::new(step.at("enrol"), share.to_string(), expected));
        }
        step.close(faults);
        steps.push(EnrolStep { from, share });
    }
    if steps.is_empty() {
        steps.push(EnrolStep { from: i64::MIN, share: enrol.unwrap_or(1.0) });
    }
    steps
}

const SHARE: &str = "a share from 0 to 1";

fn share(section: &mut Section<'_>, key: &'static str, faults: &mut Faults) -> Option<f64> {
    section.read(key, SHARE, faults, |value| number(value).filter(|it| (0.0..=1.0).contains(it)))
}

/// A number, whole or not.
fn number(value: &Value) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "figures that people write")]
    let whole = |it: i64| it as f64;
    value.as_float().or_else(|| value.as_integer().map(whole)).filter(|it| it.is_finite())
}

/// Seconds since 1970, of a text or of a date of TOML.
fn moment(value: &Value) -> Option<i64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Datetime(it) => it.to_string(),
        _ => return None,
    };
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// The experiments of one layer stand one behind the other among its places.
fn layer(
    section: &mut Section<'_>,
    experiment: &str,
    steps: &[EnrolStep],
    layers: &mut HashMap<Box<str>, f64>,
    faults: &mut Faults,
) -> Layer {
    let expected = "a name of letters, digits, `.`, `_` and `-`, at most 64";
    let named = section.read("layer", expected, faults, |value| {
        value.as_str().filter(|text| plain_name(text)).map(Box::<str>::from)
    });
    let Some(named) = named else {
        // A layer of its own, whose name nobody can write.
        return Layer { seed: xxh3_64(format!("experiment {experiment}").as_bytes()), begin: 0.0 };
    };
    let most = steps.iter().map(|step| step.share).fold(0.0, f64::max);
    let seed = xxh3_64(format!("layer {named}").as_bytes());
    let taken = layers.entry(named).or_insert(0.0);
    let begin = *taken;
    *taken += most;
    if *taken > 1.0 + 1e-9 {
        let found = format!("experiments that enrol {taken:.3} of all units together");
        let expected = "at most 1: experiments of one layer never share a unit";
        faults.push(Fault::new(section.at("layer"), found, expected));
    }
    Layer { seed, begin }
}

fn allocation(
    section: &mut Section<'_>,
    (unit, arms): (UnitKind, usize),
    faults: &mut Faults,
) -> Option<f64> {
    let expected = "\"fixed\" or { thompson = { floor = 0.1 } }";
    match section.get("allocation")? {
        Value::String(text) if text == "fixed" => return None,
        Value::Table(_) => {}
        value => {
            let found = crate::document::kind(value);
            faults.push(Fault::new(section.at("allocation"), found, expected));
            return None;
        }
    }
    let mut allocation = section.section("allocation", faults);
    let mut thompson = allocation.section("thompson", faults);
    if !thompson.stands() {
        faults.push(Fault::new(allocation.at("thompson"), "nothing", expected));
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of arms")]
    let most = 1.0 / arms.max(1) as f64;
    let bound = format!("a share above 0 and at most {most:.3}, which is an equal one");
    let floor = thompson.read("floor", &bound, faults, |value| {
        number(value).filter(|it| *it > 0.0 && *it <= most + 1e-9)
    });
    if thompson.stands() && thompson.get("floor").is_none() {
        faults.push(Fault::new(thompson.at("floor"), "nothing", bound));
    }
    if matches!(unit, UnitKind::User | UnitKind::Key) {
        let expected = "unit = \"request\" or \"session\": shares that move would move people";
        faults.push(Fault::new(allocation.at("thompson"), "a unit that lasts", expected));
    }
    thompson.close(faults);
    allocation.close(faults);
    floor
}

fn shadow(section: &mut Section<'_>, fleet: &FleetFacts, faults: &mut Faults) -> Option<Shadow> {
    section.get("shadow")?;
    let mut it = section.section("shadow", faults);
    for (key, expected) in [
        ("model", "a model"),
        ("share", SHARE),
        ("bill_to", "a team"),
        ("cost_per_day_max", "money such as \"5.00\""),
    ] {
        if it.stands() && it.get(key).is_none() {
            faults.push(Fault::new(it.at(key), "nothing", expected));
        }
    }
    let model = it.text("model", faults).and_then(|id| {
        let found = select(&it.at("model"), id, fleet, faults);
        if found.len() > 1 {
            faults.push(Fault::new(it.at("model"), format!("`{id}`"), "one model"));
        }
        found.into_iter().next()
    });
    let team = it.text("bill_to", faults).and_then(|name| {
        let team = fleet.teams.iter().find(|team| &*team.name == name);
        if team.is_none() {
            let names = fleet.teams.iter().map(|team| &*team.name);
            faults.push_unknown(it.at("bill_to"), name, "a team", names);
        }
        team.map(|team| Arc::clone(&team.name))
    });
    let share = share(&mut it, "share", faults);
    let cost = it.read("cost_per_day_max", "money such as \"5.00\"", faults, |value| {
        Money::parse(value.as_str()?).ok()
    });
    let at_once = it.read("concurrency_max", "a number from 1 to 1000", faults, |value| {
        u32::try_from(value.as_integer()?).ok().filter(|it| (1..=1_000).contains(it))
    });
    it.close(faults);
    Some(Shadow {
        model: model?,
        share: share?,
        bill_to: team?,
        cost_per_day_max: cost?,
        concurrency_max: at_once.unwrap_or(4),
    })
}

/// The experiment that a rule names.
pub(super) fn of_rule(
    section: &mut Section<'_>,
    routes: bool,
    experiments: &[Experiment],
    faults: &mut Faults,
) -> Option<ExperimentIndex> {
    let named = section.text("experiment", faults)?;
    if !routes {
        let expected = "nothing: a rule without a `route` is a guard, which enrols nobody";
        faults.push(Fault::new(section.at("experiment"), "a key of rules that route", expected));
    }
    let at = experiments.iter().position(|it| &*it.name == named);
    if at.is_none() {
        let names = experiments.iter().map(|it| &*it.name);
        faults.push_unknown(section.at("experiment"), named, "an experiment", names);
    }
    at.and_then(|at| u16::try_from(at).ok()).map(ExperimentIndex)
}

/// Arms that no rule can allow are faults: a rule that enrols would forbid all their models.
pub(super) fn unreachable(
    experiments: &[Experiment],
    rules: &[Rule],
    fleet: &FleetFacts,
    faults: &mut Faults,
) {
    for (at, experiment) in experiments.iter().enumerate() {
        let index = u16::try_from(at).ok().map(ExperimentIndex);
        let enrols = || rules.iter().filter(|rule| rule.experiment == index);
        for (place, arm) in experiment.arms.iter().enumerate() {
            let Some(route) = &arm.route else { continue };
            let allows = |rule: &Rule| {
                let guards = rules.iter().filter(|it| it.route.is_none() && it.when.is_always());
                let mut binding = guards.chain([rule]);
                route
                    .models
                    .iter()
                    .any(|model| binding.clone().all(|it| it.permitted.contains(model.get())))
                    || binding.next().is_none()
            };
            let Some(forbidding) = enrols().find(|rule| !allows(rule)) else { continue };
            if enrols().any(|rule| allows(rule)) {
                continue;
            }
            let models = route.models.iter().filter_map(|it| fleet.models.get(it.get()));
            let models: Vec<&str> = models.map(|it| &*it.id).collect();
            let path = format!("experiment[{at}].arms[{place}].route");
            let found = format!("{}, which `{}` forbids", models.join(", "), forbidding.name);
            faults.push(Fault::new(path, found, "a model that a rule with this experiment allows"));
        }
    }
}
