//! Aliases: names beside those of models, and where each leads.

use std::sync::Arc;

use super::route::{self, Route};
use crate::{
    document::Faults,
    facts::{AliasTarget, FleetFacts, ModelIndex},
    fault::Fault,
};

/// One alias: what it matches and where it leads. `None` lets the rules decide.
#[derive(Clone, Debug)]
pub(crate) struct Alias {
    pub(crate) name: Arc<str>,
    pub(super) pattern: Box<str>,
    pub(super) any_end: bool,
    pub(crate) route: Option<Route>,
}

impl Alias {
    /// One of this name, before it is known where it leads.
    fn nowhere(name: &str) -> Self {
        let pattern = name.strip_suffix('*');
        Self {
            name: format!("alias:{name}").into(),
            any_end: pattern.is_some(),
            pattern: pattern.unwrap_or(name).into(),
            route: None,
        }
    }

    /// Whether it leads, for whom these models are allowed, to one of them or wherever the rules say.
    pub(super) fn leads(&self, allowed: &[bool]) -> bool {
        let may = |at: &ModelIndex| allowed.get(at.get()).copied().unwrap_or(false);
        self.route.as_ref().is_none_or(|route| route.models.iter().any(may))
    }

    /// Whether it matches, and how specifically: whole names before patterns, then the longer pattern.
    pub(super) fn matches(&self, requested: &str) -> Option<(bool, usize)> {
        let matches = match self.any_end {
            true => requested.starts_with(&*self.pattern),
            false => requested == &*self.pattern,
        };
        matches.then_some((!self.any_end, self.pattern.len()))
    }
}

/// The aliases of a fleet; those that lead nowhere are faults.
pub(super) fn aliases(fleet: &FleetFacts, faults: &mut Faults) -> Vec<Alias> {
    let alias = |(name, target): &(Box<str>, AliasTarget)| {
        let path = format!("alias.{name}");
        if **name == *"auto" || fleet.models.iter().any(|model| *model.id == **name) {
            let expected = "a name that is neither `auto` nor a model's: those are never aliases";
            faults.push(Fault::new(path.clone(), format!("`{name}`"), expected));
        }
        let route = match target {
            AliasTarget::Auto => None,
            AliasTarget::Route(selectors) => {
                let before = faults.count();
                to_aliases(&path, selectors, fleet, faults);
                if faults.count() > before {
                    return Alias::nowhere(name);
                }
                let names = selectors.iter().map(|it| &**it);
                let route = route::ordered(names, &path, fleet, faults);
                if route.models.is_empty() && faults.count() == before {
                    faults.push(Fault::new(&*path, "no model", "at least one model of the fleet"));
                }
                Some(route)
            }
        };
        Alias { route, ..Alias::nowhere(name) }
    };
    fleet.aliases.iter().map(alias).collect()
}

/// Aliases that lead to an alias.
fn to_aliases(path: &str, selectors: &[Box<str>], fleet: &FleetFacts, faults: &mut Faults) {
    let is_alias = |it: &str| it == "auto" || fleet.aliases.iter().any(|(name, _)| **name == *it);
    let is_model = |it: &str| fleet.models.iter().any(|model| *model.id == *it);
    for (at, selector) in selectors.iter().enumerate() {
        if is_alias(selector) && !is_model(selector) {
            let found = format!("`{selector}`, which is an alias");
            let expected = "a model of the fleet: aliases name models, not each other";
            faults.push(Fault::new(format!("{path}[{at}]"), found, expected));
        }
    }
}
