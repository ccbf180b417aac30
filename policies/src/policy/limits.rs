//! `require` and `avoid`: which models a rule lets through, and in words why not another.

use std::sync::Arc;

use toml::Value;

use super::route::texts;
use crate::{
    document::{Faults, Section},
    facts::{FleetFacts, ModelFacts, Needs},
    fault::Fault,
    set::BitSet,
};

/// What a model must have, or must not.
#[derive(Clone, Debug)]
struct Constraint {
    zone: Option<Vec<String>>,
    family: Option<Vec<String>>,
    licence: Option<Vec<String>>,
    capability: Needs,
    context_min: Option<u32>,
}

impl Constraint {
    /// A name that no model has is a fault unless it ends in `?`. What is required and stands nowhere
    /// lets nothing through.
    fn read(path: String, value: &Value, fleet: &FleetFacts, faults: &mut Faults) -> Self {
        let mut section = Section::of(path, value, faults);
        let mut names = |key, of: &dyn Fn(&ModelFacts) -> Option<&str>| {
            let listed = section.get(key).map(|it| texts(section.at(key), it, faults))?;
            for (path, name) in listed.iter().filter(|(_, name)| !name.ends_with('?')) {
                let known: Vec<_> = fleet.models.iter().filter_map(of).collect();
                if !known.contains(name) {
                    let what = format!("a {key} of the fleet, or one ending in `?`");
                    faults.push_unknown(path, name, &what, known.iter().copied());
                }
            }
            let bare = |name: &str| name.strip_suffix('?').unwrap_or(name).to_owned();
            Some(listed.into_iter().map(|(_, name)| bare(name)).collect())
        };
        let zone = names("zone", &|it| it.zone.as_deref());
        let family = names("family", &|it| it.family.as_deref());
        let licence = names("licence", &|it| it.licence.as_deref());
        let mut capability = Needs::NONE;
        for (path, name) in section
            .get("capability")
            .map_or_else(Vec::new, |it| texts(section.at("capability"), it, faults))
        {
            match Needs::from_code(name).filter(|it| *it != Needs::LONG_CONTEXT) {
                Some(need) => capability = capability.with(need),
                None => {
                    let known = Needs::NAMES.iter().map(|(_, name)| *name);
                    faults.push_unknown(path, name, "a capability", known);
                }
            }
        }
        let context_min = section.read("context_min", "a number of tokens", faults, |value| {
            u32::try_from(value.as_integer()?).ok()
        });
        if section.is_empty() {
            let expected = "zone, family, licence, capability or context_min";
            faults.push(Fault::new(section.at("zone"), "nothing", expected));
        }
        section.close(faults);
        Self { zone, family, licence, capability, context_min }
    }

    /// Whether a model has what is named, for each thing that is stated, and that thing.
    fn each(&self, model: &ModelFacts) -> impl Iterator<Item = (Thing, bool)> {
        let among = |list: &Option<Vec<String>>, has: Option<&str>| {
            list.as_ref().map(|list| has.is_some_and(|has| list.iter().any(|it| it == has)))
        };
        let capable =
            (!self.capability.is_empty()).then(|| model.capabilities.contains(self.capability));
        let roomy = self.context_min.map(|min| model.context_tokens_max.0 >= min);
        [
            (Thing::Zone, among(&self.zone, model.zone.as_deref())),
            (Thing::Family, among(&self.family, model.family.as_deref())),
            (Thing::Licence, among(&self.licence, model.licence.as_deref())),
            (Thing::Capability, capable),
            (Thing::Context, roomy),
        ]
        .into_iter()
        .filter_map(|(thing, has)| Some((thing, has?)))
    }

    /// What is named of a thing, as models that have it are spoken of.
    fn in_words(&self, thing: Thing) -> String {
        let listed = |list: &Option<Vec<String>>| list.as_deref().unwrap_or_default().join(" or ");
        match thing {
            Thing::Zone => format!("zone {}", listed(&self.zone)),
            Thing::Family => format!("family {}", listed(&self.family)),
            Thing::Licence => format!("models of licence {}", listed(&self.licence)),
            Thing::Capability => format!("models that can {}", self.capability.in_words(" and ")),
            Thing::Context => {
                let least = self.context_min.unwrap_or_default();
                format!("models with a context of {least} tokens or more")
            }
        }
    }
}

/// Something by which models are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    Zone,
    Family,
    Licence,
    Capability,
    Context,
}

/// What a model is in respect of a thing; `asked` is what is named of capabilities.
fn is(model: &ModelFacts, thing: Thing, asked: Needs) -> String {
    let named = |what: &str, name: &Option<Arc<str>>| match name {
        Some(name) => format!("{what} {name}"),
        None => format!("no stated {}", what.trim_start_matches("the ")),
    };
    match thing {
        Thing::Zone => format!("runs in {}", named("zone", &model.zone)),
        Thing::Family => format!("is of {}", named("family", &model.family)),
        Thing::Licence => format!("has {}", named("the licence", &model.licence)),
        Thing::Capability => match asked.without(model.capabilities) {
            lacks if lacks.is_empty() => format!("can {}", asked.in_words(" and ")),
            lacks => format!("cannot {}", lacks.in_words(" or ")),
        },
        Thing::Context => format!("has a context of {} tokens", model.context_tokens_max),
    }
}

/// The `require` and `avoid` of a rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    require: Option<Constraint>,
    avoid: Option<Constraint>,
}

impl Limits {
    /// Reads them.
    pub(super) fn read(section: &mut Section<'_>, fleet: &FleetFacts, faults: &mut Faults) -> Self {
        let mut constraint = |key| {
            let value = section.get(key)?;
            Some(Constraint::read(section.at(key), value, fleet, faults))
        };
        Self { require: constraint("require"), avoid: constraint("avoid") }
    }

    /// The models that they let through; none where neither is stated.
    pub(super) fn permitted(&self, fleet: &FleetFacts) -> Option<BitSet> {
        if self.require.is_none() && self.avoid.is_none() {
            return None;
        }
        let mut set = BitSet::empty(fleet.models.len());
        let through = |(_, model): &(usize, &ModelFacts)| self.broken(model).is_none();
        (0..).zip(&fleet.models).filter(through).for_each(|(at, _)| set.insert(at));
        Some(set)
    }

    /// What they say that a model does not keep to: the constraint, whether it is one to have, and the thing.
    fn broken(&self, model: &ModelFacts) -> Option<(&Constraint, bool, Thing)> {
        let found = |constraint: &'_ Option<Constraint>, must: bool| {
            let mut each = constraint.as_ref()?.each(model);
            each.find(|(_, has)| *has != must).map(|(thing, _)| thing)
        };
        match (found(&self.require, true), found(&self.avoid, false)) {
            (Some(thing), _) => Some((self.require.as_ref()?, true, thing)),
            (None, Some(thing)) => Some((self.avoid.as_ref()?, false, thing)),
            (None, None) => None,
        }
    }

    /// What a model is that they do not let through, and what they do to `requests` instead.
    pub(crate) fn in_words(&self, model: &ModelFacts, requests: &str) -> Option<(String, String)> {
        let (constraint, must, thing) = self.broken(model)?;
        let how = match (must, thing) {
            (true, Thing::Zone) => "in",
            (true, _) => "to",
            (false, Thing::Zone) => "out of",
            (false, _) => "away from",
        };
        let keeps = format!("keeps {requests} {how} {}", constraint.in_words(thing));
        Some((is(model, thing, constraint.capability), keeps))
    }
}
