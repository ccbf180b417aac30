//! The arms of an experiment.

use std::sync::Arc;

use toml::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::number;
use crate::{
    document::{Faults, Section, kind},
    experiment::{Added, Arm, PARAMS},
    facts::FleetFacts,
    fault::Fault,
    policy::{name, route},
};

/// Arms of one experiment at the most.
const ARMS_MAX: usize = 16;
/// Bytes of a suffix at the most.
const SUFFIX_MAX: usize = 8 * 1024;

pub(super) fn arms(section: &mut Section<'_>, fleet: &FleetFacts, faults: &mut Faults) -> Vec<Arm> {
    let expected = "two arms or more, such as { name = \"a\", share = 0.5, route = [\"a-model\"] }";
    let sections = section.tables("arms", faults);
    let count = sections.len();
    if count < 2 {
        let found = if count == 1 { "one arm" } else { "nothing" };
        faults.push(Fault::new(section.at("arms"), found, expected));
    }
    if count > ARMS_MAX {
        let found = format!("{count} arms");
        faults.push(Fault::new(section.at("arms"), found, format!("at most {ARMS_MAX}")));
        return Vec::new();
    }
    let mut arms: Vec<Arm> = Vec::with_capacity(count);
    let mut shares = true;
    for mut it in sections {
        let (arm, share) = arm(&mut it, fleet, faults);
        shares &= share;
        if arms.iter().any(|earlier| earlier.name == arm.name) {
            let found = format!("`{}` for the second time", arm.name);
            faults.push(Fault::new(it.at("name"), found, "a name of its own"));
        }
        it.close(faults);
        arms.push(arm);
    }
    let sum: f64 = arms.iter().map(|arm| arm.share).sum();
    if shares && count > 1 && (sum - 1.0).abs() > 1e-6 {
        let found = format!("shares that add up to {}", (sum * 1e6).round() / 1e6);
        faults.push(Fault::new(section.at("arms"), found, "shares that add up to 1"));
    }
    arms
}

/// An arm, and whether its share could be read.
fn arm(section: &mut Section<'_>, fleet: &FleetFacts, faults: &mut Faults) -> (Arm, bool) {
    let expected = "a share above 0 and below 1";
    if section.get("share").is_none() {
        faults.push(Fault::new(section.at("share"), "nothing", expected));
    }
    let share = section
        .read("share", expected, faults, |value| number(value).filter(|it| *it > 0.0 && *it < 1.0));
    let is_empty = |it: &route::Route| it.models.is_empty();
    let route = section.get("route").is_some().then(|| route::route(section, fleet, faults));
    let route = route.map(Option::unwrap_or_default);
    if route.as_ref().is_some_and(is_empty) {
        let expected = "at least one model of the fleet";
        faults.push(Fault::new(section.at("route"), "no model", expected));
    }
    let name = name(section, faults);
    let params = params(section, faults);
    let system_suffix = suffix(section, faults);
    let arm = Arm {
        adds: system_suffix.as_deref().map(Added::by).unwrap_or_default(),
        seed: xxh3_64(format!("arm {name}").as_bytes()),
        name,
        share: share.unwrap_or(0.0),
        route,
        params,
        system_suffix,
    };
    (arm, share.is_some())
}

fn suffix(section: &mut Section<'_>, faults: &mut Faults) -> Option<Arc<str>> {
    let expected = format!("a text of 1 to {SUFFIX_MAX} bytes");
    section.read("system_suffix", &expected, faults, |value| {
        value.as_str().filter(|it| (1..=SUFFIX_MAX).contains(&it.len())).map(Arc::from)
    })
}

fn params(section: &mut Section<'_>, faults: &mut Faults) -> Vec<(Box<str>, Box<str>)> {
    let mut params = section.section("params", faults);
    let mut read = Vec::new();
    for (name, value) in params.entries() {
        let path = params.at(name);
        if !PARAMS.contains(&name.as_str()) {
            faults.push_unknown(path, name, "a parameter that an arm may set", PARAMS.into_iter());
            continue;
        }
        match json(name, value) {
            Some(json) => read.push((name.as_str().into(), json)),
            None => faults.push(Fault::new(path, kind(value), expected(name))),
        }
    }
    read
}

fn is_word(name: &str) -> bool {
    matches!(name, "reasoning_effort" | "verbosity")
}

fn expected(name: &str) -> &'static str {
    if is_word(name) { "a word such as \"low\"" } else { "a number" }
}

fn json(name: &str, value: &Value) -> Option<Box<str>> {
    if is_word(name) {
        let plain = |it: &&str| {
            (1..=32).contains(&it.len())
                && it.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        };
        return value.as_str().filter(plain).map(|it| format!("\"{it}\"").into());
    }
    if let Some(whole) = value.as_integer() {
        return Some(whole.to_string().into());
    }
    number(value).map(|it| it.to_string().into())
}
